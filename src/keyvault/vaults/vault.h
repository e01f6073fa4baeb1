/* vault.h - a vault as the rest of the folder sees it: found by name, id or resource, cached, stored.
 *
 * A Vault is read-only once made. Those from vault_acquire are shared by all requests until the row's revision moves on;
 * each acquire reads the revision, so a change made by any server over the same store is seen by the next request. */
#pragma once
#include <stdatomic.h>
#include "keyvault/keys/key_cache.h"
#include "keyvault/keyvault.h"
#include "keyvault/vaults/firewall.h"
#include "site/cache.h"

enum { VAULT_NAME_MIN = 3, VAULT_NAME_MAX = 24, RETENTION_DAYS_MIN = 7, RETENTION_DAYS_MAX = 90, VAULT_POLICIES_MAX = 1024 };
#define VAULT_TYPE STR("Microsoft.KeyVault/vaults")

struct HttpCall;                                          /* http/client.h */
struct HttpAnswer;
typedef struct VaultCache VaultCache;                     /* vault_cache.c */
typedef struct Throttle Throttle;                         /* throttle.h */
typedef struct Courier Courier;                           /* events/courier.c */

struct KeyVault {
    Site       *site;
    Identity   *identity;
    Access     *access;
    Arm        *arm;
    VaultCache *cache;
    KeyCache   *keys;
    Cache      *key_facts;              /* keys/key_facts.h */
    Cache      *secret_facts;           /* secrets/secret_facts.h */
    const char *logs_dir;                                 /* of audit logs in files (diagnostics.h); NULL: none */
    Throttle   *throttle;                                 /* NULL: nobody is throttled */
    Courier    *courier;                                  /* NULL: not started, or stopped */
    atomic_int  authorities_asked;                        /* keys/attestation.c: how many at this moment */
    bool      (*ask_authority)(KeyVault *kv, Arena *arena, const struct HttpCall *call, struct HttpAnswer *out, Err *err);    /* attestation_call; tests answer themselves */
    const AcmeSettings *acme;                             /* NULL: none */
    const MailRelay *mail;                                /* NULL: none */
    Plane       plane;                                    /* of data, plane.c */
    _Atomic int64_t permission_changes;                   /* since the start, of all vaults: who waits compares, see permission_changed */
};

typedef struct Vault {
    Str     id;                                           /* 32 hex digits */
    Str     scope;                                        /* "vault:<id>": of sealed columns, and the key to wake parked requests with */
    Str     name, name_key;                               /* as spelled; in lower case */
    Str     resource_id, subscription, group, location;
    Str     sku;                                          /* "standard" or "premium" */
    int64_t retention_days;
    bool    purge_protection;
    bool    rbac;                                         /* roles decide, and the access policies rest; else the other way round */
    OptBool for_deployment, for_disk_encryption, for_template_deployment;
    const JsonVal *policies, *network_acls, *tags;        /* policies is never NULL; network_acls as firewall_acls_read leaves it, or NULL */
    bool    is_closed;                                    /* publicNetworkAccess Disabled */
    Firewall firewall;                                    /* made of both when the row is read */
    Str     created_by, changed_by, created_by_type, changed_by_type;
    int64_t created_ms, changed_ms;
    int64_t revision, deleted_ms, purge_ms;               /* 0, 0: live */

    atomic_int refs;                                      /* of a cached one */
    Arena  *arena;
} Vault;

Str  vault_scope_of(Arena *arena, Str id);                                    /* what its .scope is; absent when the arena is full */
/* In a transaction, into the arena. Deleted vaults are found too. */
bool vault_by_name(KeyVault *kv, Txn *txn, Arena *arena, Str name, Vault *out, bool *found, Err *err) MUST_CHECK;
bool vault_by_id(KeyVault *kv, Txn *txn, Arena *arena, Str id, Vault *out, bool *found, Err *err) MUST_CHECK;
bool vault_by_resource(KeyVault *kv, Txn *txn, Arena *arena, Str resource_id, Vault *out, bool *found, Err *err) MUST_CHECK;
/* The vault of the row a query stands on: its columns must be VAULT_COLUMNS. */
#define VAULT_COLUMNS "id, revision, deleted_ms, purge_ms, sealed"
bool vault_of_row(KeyVault *kv, Txn *txn, Arena *arena, Rows *rows, Vault *out, Err *err) MUST_CHECK;

bool vault_insert(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Err *err) MUST_CHECK;      /* makes its scope key; ERR_CONFLICT: name or resource taken */
bool vault_update(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Err *err) MUST_CHECK;      /* document, deleted_ms and purge_ms; counts the revision up */
bool vault_erase(KeyVault *kv, Txn *txn, const Vault *vault, Err *err) MUST_CHECK;                     /* with all it holds, and its scope key */
bool vault_is_live(Txn *txn, const Vault *vault, Err *err) MUST_CHECK;                                 /* ERR_NOT_FOUND VaultNotFound when deleted meanwhile */
bool vault_name_is_valid(Str name);

bool vault_cache_open(KeyVault *kv, Err *err) MUST_CHECK;                     /* reads the names of live vaults */
void vault_cache_close(VaultCache *cache);
bool vault_name_exists(KeyVault *kv, Str name_key);                           /* from memory: asked for each TLS name and request */
void vault_name_add(KeyVault *kv, Str name_key);                              /* after the commit that made or recovered it */
void vault_name_drop(KeyVault *kv, Str name_key);
/* *out is the live vault of this name, NULL if there is none; give it back with vault_release. */
bool vault_acquire(KeyVault *kv, Str name_key, Vault **out, Err *err) MUST_CHECK;
void vault_release(Vault *vault);                                             /* NULL is fine */
