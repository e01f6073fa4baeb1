/* account.h - rows of batch_account. */
#pragma once
#include "base/secret.h"
#include "batch/batch.h"
#include "batch/pools/pool_identity.h"

#define ACCOUNT_TYPE STR("Microsoft.Batch/batchAccounts")

enum { ACCOUNT_KEY_SIZE = 64, ACCOUNT_CORE_QUOTA = 700, ACCOUNT_LOW_CORE_QUOTA = 500, ACCOUNT_POOL_QUOTA = 100, ACCOUNT_JOB_QUOTA = 300, LOCATION_ACCOUNT_QUOTA = 50 };

typedef enum AccountState { ACCOUNT_SUCCEEDED = 1, ACCOUNT_DELETING } AccountState;

typedef struct Account {
    Str id;                         /* GUID */
    Str name, arm_id, subscription, group, location;
    AccountState state;
    Str settings;                   /* JSON, account_settings_read */
    Str identity;                   /* JSON, account_identity.c */
    Bytes keys;                     /* sealed */
    Str operation;                  /* absent unless it is being deleted */
    int64_t created_ms, changed_ms;
} Account;

bool account_by_id(Txn *txn, Arena *arena, Str id, Account *out, bool *found, Err *err) MUST_CHECK;
bool account_by_name(Txn *txn, Arena *arena, Str name, Account *out, bool *found, Err *err) MUST_CHECK;          /* any case */
bool account_by_arm_id(Txn *txn, Arena *arena, Str arm_id, Account *out, bool *found, Err *err) MUST_CHECK;      /* any case */
/* The account in the path of a Resource Manager request: 404 ResourceNotFound; 403 AccountIsDisabled when its customer-managed key cannot be used. */
bool account_of_request(Txn *txn, const Req *req, Account *out, Err *err) MUST_CHECK;
bool account_of_request_even_disabled(Txn *txn, const Req *req, Account *out, Err *err) MUST_CHECK;

Str  account_scope(Arena *arena, Str account_id);                                   /* "batch:<id>": whose key seals its rows */
bool account_name_check(Str name, Err *err) MUST_CHECK;                             /* 3-24 lower-case letters and digits */
bool account_keys_seal(const Site *site, Txn *txn, Arena *arena, Str account_id, const Secret *keys, Bytes *sealed, Err *err) MUST_CHECK;
bool account_keys_open(const Site *site, Txn *txn, const Account *account, Secret **keys, Err *err) MUST_CHECK;  /* primary || secondary */
bool account_allows(const Account *account, const char *mode);                      /* "SharedKey", "AAD" among its allowedAuthenticationModes */
