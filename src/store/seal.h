/* seal.h - sealed columns: AES-256-GCM under the key of the row's scope.
 *
 * A scope is a tenant, a vault or a Batch account ("tenant:<id>", "vault:<id>", "batch:<id>"). The additional data binds
 * scope, table, primary key and column, so a row copied elsewhere does not open. Scope keys lie wrapped by the root key in
 * table scope_key and are cached (SEAL_CACHE_KEYS, least recently used out), wiped on eviction. The root key comes from a
 * file (0600) outside the database; what wraps a scope key is written beside it, so that a customer's key can.
 *
 * A scope can be wrapped by a key of 32 bytes that is handed in instead (seal_scope_rewrap). That key is in memory alone: the
 * files and the root key together do not open such a scope. It is locked at start and after seal_scope_lock; until
 * seal_scope_unlock every seal_put and seal_get of it fails with ERR_DENIED "AccountIsDisabled".
 *
 * Nonces are random, so one key may seal at most 2^32 times (NIST SP 800-38D section 8.3). Seals are counted SEAL_RESERVED at a time:
 * the row says how many there may have been, and what a stop leaves unused is lost. At SEAL_USES_MAX, half of that since the count of a
 * transaction that is rolled back is not kept, the scope gets a new key for what is sealed from then on. A sealed value names its key, so the older ones stay readable and no data is rewritten.
 *
 * Sealed value: 0x01 || id of the key, 8 bytes big-endian || nonce || ciphertext || tag; SEAL_OVERHEAD more than the plain. */
#pragma once
#include "base/secret.h"
#include "store/store.h"

enum { SEAL_CACHE_KEYS = 256, SEAL_RESERVED = 256, SEAL_OVERHEAD = 9 + 28 };
#define SEAL_USES_MAX (INT64_C(1) << 31)

typedef struct Seal Seal;

bool seal_make_root_file(const char *path, Err *err) MUST_CHECK;                          /* `vaultyard init`; ERR_CONFLICT: refuses an existing file */
/* Checks the root key against the store's check value. ERR_NOT_FOUND: no such file; ERR_BAD_INPUT: others may read it, it is
 * no root key, or the key of another store. */
bool seal_open(Store *store, const char *root_file, Seal **out, Err *err) MUST_CHECK;
void seal_close(Seal *seal);                                                              /* after everything that seals, before store_close; NULL is fine */

typedef struct SealPlace { Str scope; const char *table; Str row; const char *column; } SealPlace;

bool seal_scope_create(Seal *seal, Txn *txn, Str scope, Err *err) MUST_CHECK;             /* a new random scope key; ERR_CONFLICT if it exists */
bool seal_scope_destroy(Seal *seal, Txn *txn, Str scope, Err *err) MUST_CHECK;            /* what it sealed is gone for good; fine if there is none */

enum { SEAL_HANDED_KEY_SIZE = 32 };
/* The scope's keys, all generations, are wrapped by `key` from this transaction's commit on; NULL: by the root key. What they sealed stays
 * as it is, and readers go on undisturbed. The wrapping before may lie in the files until store_scrub. ERR_DENIED: the scope is locked. */
bool seal_scope_rewrap(Seal *seal, Txn *txn, Str scope, const Secret *key, Err *err) MUST_CHECK;
/* Keeps `key` in memory after it opened the scope's newest key (a read is enough). ERR_BAD_INPUT: it does not; ERR_CONFLICT: the root key does. */
bool seal_scope_unlock(Seal *seal, Txn *txn, Str scope, const Secret *key, Err *err) MUST_CHECK;
/* Wipes the handed key and all that was opened with it; a call under way ends with the copy it has. For scopes that a handed key wraps. */
void seal_scope_lock(Seal *seal, Str scope);
bool seal_scope_is_locked(Seal *seal, Txn *txn, Str scope, bool *locked, Err *err) MUST_CHECK;

/* The sealed bytes, in the arena. The transaction is one of store_write. ERR_NOT_FOUND: the scope has no key; ERR_DENIED: it is locked. */
bool seal_put(Seal *seal, Txn *txn, SealPlace place, Bytes plain, Arena *arena, Bytes *sealed, Err *err) MUST_CHECK;
/* ERR_INTERNAL: changed, moved from another place, or its scope was destroyed; never says which. ERR_DENIED: the scope is locked. */
bool seal_get(Seal *seal, Txn *txn, SealPlace place, Bytes sealed, Secret **plain, Err *err) MUST_CHECK;
/* The same for who has read the row before: opens it with a key that is in memory. false: that is not there, the scope is locked, or it does not
 * open; seal_get tells which. */
bool seal_get_kept(Seal *seal, SealPlace place, Bytes sealed, Secret **plain) MUST_CHECK;
/* For documents that are no secret in themselves (JSON of a resource): opened straight into the arena. */
bool seal_get_text(Seal *seal, Txn *txn, SealPlace place, Bytes sealed, Arena *arena, Str *plain, Err *err) MUST_CHECK;
