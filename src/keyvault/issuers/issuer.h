/* issuer.h - a vault's issuers: named authorities that certificates of this vault may be asked from (Key Vault REST documentation 7.4,
 * "Set Certificate Issuer"). A row's document, with the account's password, is sealed; the password goes in and never comes out. */
#pragma once
#include "keyvault/objects/object.h"
#include "keyvault/plane.h"

typedef struct Issuer {
    Str     name, provider;
    Str     account_id, password;       /* absent: not given */
    const JsonVal *org_details;         /* NULL: not given */
    bool    is_enabled;
    int64_t created_ms, updated_ms;
} Issuer;

bool issuer_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Issuer *out, bool *found, Err *err) MUST_CHECK;

Handler issuer_list, issuer_get, issuer_set, issuer_update, issuer_delete;
