/* seal.h - sealed columns: AES-256-GCM under the key of the row's scope.
 *
 * A scope is a tenant, a vault or a Batch account ("tenant:<id>", "vault:<id>", "batch:<id>"). The additional data binds
 * scope, table, primary key and column, so a row copied elsewhere does not open. Scope keys lie wrapped by the root key in
 * table scope_key and are cached, wiped on eviction. The root key comes from a file (0600) outside the database. */
#pragma once
#include "base/secret.h"
#include "store/store.h"

typedef struct Seal Seal;

bool seal_make_root_file(const char *path, Err *err) MUST_CHECK;                          /* `vaultyard init`; refuses an existing file */
bool seal_open(Store *store, const char *root_file, Seal **out, Err *err) MUST_CHECK;     /* checks the root key against the store's check value */
void seal_close(Seal *seal);

typedef struct SealPlace { Str scope; const char *table; Str row; const char *column; } SealPlace;

bool seal_scope_create(Seal *seal, Txn *txn, Str scope, Err *err) MUST_CHECK;             /* a new random scope key; ERR_CONFLICT if it exists */
bool seal_scope_destroy(Seal *seal, Txn *txn, Str scope, Err *err) MUST_CHECK;            /* what it sealed is gone for good */
/* The sealed bytes, in the arena. */
bool seal_put(Seal *seal, Txn *txn, SealPlace place, Bytes plain, Arena *arena, Bytes *sealed, Err *err) MUST_CHECK;
bool seal_get(Seal *seal, Txn *txn, SealPlace place, Bytes sealed, Secret **plain, Err *err) MUST_CHECK;
/* For documents that are no secret in themselves (JSON of a resource): opened straight into the arena. */
bool seal_get_text(Seal *seal, Txn *txn, SealPlace place, Bytes sealed, Arena *arena, Str *plain, Err *err) MUST_CHECK;
