/* scope_key.c - table scope_key and the cache of what was unwrapped from it.
 *
 * The cache is by id. An id is random and never given to another key, so an entry may outlive its row (a rollback, a reader
 * of an old snapshot) without ever being taken for another key: the row in the caller's transaction decides what is used. */
#include <pthread.h>
#include <stdlib.h>
#include "base/id.h"
#include "crypto/aead.h"
#include "store/scope_key.h"

struct ScopeKey {
    int64_t id;
    char *scope;
    size_t scope_len;
    Secret *key;
    int users;
    bool cached;
    uint64_t last_use;
};

struct ScopeKeys {
    RootKey root;
    pthread_mutex_t mutex;
    ScopeKey *cache[SEAL_CACHE_KEYS];
    int count;
    uint64_t uses;
};

static void scope_key_free(ScopeKey *key)
{
    if (!key)
        return;
    secret_free(key->key);
    free(key->scope);
    free(key);
}
DEFINE_AUTO_FREE(ScopeKey, scope_key_free)

/* ---- cache ---- */

ScopeKeys *scope_keys_new(RootKey root)
{
    ScopeKeys *keys = calloc(1, sizeof *keys);
    if (!keys) {
        root_key_done(&root);
        return NULL;
    }
    keys->root = root;
    keys->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return keys;
}

void scope_keys_free(ScopeKeys *keys)
{
    if (!keys)
        return;
    for (int i = 0; i < keys->count; i++)
        scope_key_free(keys->cache[i]);
    root_key_done(&keys->root);
    free(keys);
}

const Secret *scope_key_secret(const ScopeKey *key) { return key->key; }
Str scope_key_scope(const ScopeKey *key) { return (Str){ key->scope, key->scope_len }; }

static int cache_at(const ScopeKeys *keys, int64_t id)
{
    int at = 0;
    while (at < keys->count && keys->cache[at]->id != id)
        at++;
    return at < keys->count ? at : -1;
}

static void cache_drop(ScopeKeys *keys, int at)
{
    ScopeKey *key = keys->cache[at];
    keys->cache[at] = keys->cache[--keys->count];
    key->cached = false;
    if (key->users == 0)
        scope_key_free(key);
}

static ScopeKey *cache_use(ScopeKeys *keys, int at)
{
    ScopeKey *key = keys->cache[at];
    key->users++;
    key->last_use = ++keys->uses;
    return key;
}

static ScopeKey *cache_find(ScopeKeys *keys, int64_t id)
{
    (void)pthread_mutex_lock(&keys->mutex);
    int at = cache_at(keys, id);
    ScopeKey *key = at < 0 ? NULL : cache_use(keys, at);
    (void)pthread_mutex_unlock(&keys->mutex);
    return key;
}

/* Takes `key`; what is answered may be another thread's copy of the same. */
static ScopeKey *cache_add(ScopeKeys *keys, ScopeKey *key)
{
    (void)pthread_mutex_lock(&keys->mutex);
    int at = cache_at(keys, key->id);
    if (at >= 0) {
        scope_key_free(key);
    } else {
        if (keys->count == SEAL_CACHE_KEYS) {
            int oldest = 0;
            for (int i = 1; i < keys->count; i++)
                if (keys->cache[i]->last_use < keys->cache[oldest]->last_use)
                    oldest = i;
            cache_drop(keys, oldest);
        }
        key->cached = true;
        at = keys->count++;
        keys->cache[at] = key;
    }
    key = cache_use(keys, at);
    (void)pthread_mutex_unlock(&keys->mutex);
    return key;
}

static void cache_forget(void *ctx, int64_t id)
{
    ScopeKeys *keys = ctx;
    (void)pthread_mutex_lock(&keys->mutex);
    int at = cache_at(keys, id);
    if (at >= 0)
        cache_drop(keys, at);
    (void)pthread_mutex_unlock(&keys->mutex);
}

void scope_key_release(ScopeKeys *keys, ScopeKey *key)
{
    if (!key)
        return;
    (void)pthread_mutex_lock(&keys->mutex);
    bool last = --key->users == 0 && !key->cached;
    (void)pthread_mutex_unlock(&keys->mutex);
    if (last)
        scope_key_free(key);
}

/* ---- wrapping ---- */

/* Binds the row: a wrapped key put under another scope, generation or id does not unwrap. */
static void wrap_aad(Buf *aad, Str scope, int64_t generation, int64_t id)
{
    buf_init(aad, 4096);
    buf_printf(aad, "vaultyard scope key 1:%lld:%lld:", (long long)generation, (long long)id);
    buf_put_str(aad, scope);
}

static bool unwrap(ScopeKeys *keys, Rows *row, int64_t id, ScopeKey **out, Err *err)
{
    Str scope = row_text(row, 0), wrapped_by = row_text(row, 2);
    int64_t generation = row_int(row, 1);
    AUTO(scope_key_free_auto) ScopeKey *key = calloc(1, sizeof *key);
    AUTO(buf_done_auto) Buf aad;
    wrap_aad(&aad, scope, generation, id);
    if (!key || aad.failed)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!str_eq(wrapped_by, STR("root")))
        return err_set(err, ERR_UNAVAILABLE, "the key of '" STR_FMT "' is wrapped by '" STR_FMT "', which this version cannot ask", STR_ARG(scope), STR_ARG(wrapped_by));

    if (!aead_open(keys->root.wrap, buf_bytes(&aad), row_blob(row, 3), &key->key, err))
        return false;
    key->id = id;
    key->scope = strndup(scope.ptr, scope.len);
    key->scope_len = scope.len;
    if (!key->scope)
        return err_set(err, ERR_INTERNAL, "out of memory");
    *out = cache_add(keys, TAKE(key));
    return true;
}

/* ---- rows ---- */

bool scope_key_make(ScopeKeys *keys, Txn *txn, Str scope, int64_t generation, int64_t *out_id, Err *err)
{
    AUTO(secret_free_auto) Secret *key = secret_new(AEAD_KEY_SIZE);
    AUTO(buf_done_auto) Buf aad, wrapped;
    uint64_t bits;
    random_fill(&bits, sizeof bits);
    int64_t id = (int64_t)(bits >> 1);
    wrap_aad(&aad, scope, generation, id);
    buf_init(&wrapped, AEAD_KEY_SIZE + AEAD_OVERHEAD);
    if (!key || aad.failed)
        return err_set(err, ERR_INTERNAL, "out of memory");
    random_fill(secret_ptr(key), AEAD_KEY_SIZE);
    if (!aead_seal(keys->root.wrap, buf_bytes(&aad), secret_bytes(key), &wrapped, err)
        || !txn_exec(txn, NULL, err, "INSERT INTO scope_key (id, scope, generation, wrapped_by, wrapped, uses) VALUES (?1, ?2, ?3, 'root', ?4, 0)",
                     db_int(id), db_text(scope), db_int(generation), db_blob(buf_bytes(&wrapped))))
        return false;
    *out_id = id;
    return true;
}

bool scope_key_find(ScopeKeys *keys, Txn *txn, int64_t id, ScopeKey **out, Err *err)
{
    ScopeKey *cached = cache_find(keys, id);
    if (cached)
        return *out = cached, true;
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &row, err, "SELECT scope, generation, wrapped_by, wrapped FROM scope_key WHERE id = ?1", db_int(id)))
        return false;
    if (rows_next(row, &failed))
        return unwrap(keys, row, id, out, err);
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    *out = NULL;
    return true;
}

/* The newest key's id, counted as used once more; a new key when it was used often enough. */
static bool count_use(ScopeKeys *keys, Txn *txn, Str scope, int64_t *id, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &row, err,
                   "UPDATE scope_key SET uses = uses + 1 WHERE scope = ?1 AND generation = (SELECT MAX(generation) FROM scope_key WHERE scope = ?1)"
                   " RETURNING id, generation, uses", db_text(scope)))
        return false;
    if (!rows_next(row, &failed)) {
        if (failed.code == ERR_NONE)
            return err_set(err, ERR_NOT_FOUND, "'" STR_FMT "' has no sealing key: it was deleted or never made", STR_ARG(scope));
        return *err = failed, false;
    }
    *id = row_int(row, 0);
    return row_int(row, 2) <= SEAL_USES_MAX || scope_key_make(keys, txn, scope, row_int(row, 1) + 1, id, err);
}

bool scope_key_use(ScopeKeys *keys, Txn *txn, Str scope, ScopeKey **out, int64_t *id, Err *err)
{
    if (!count_use(keys, txn, scope, id, err) || !scope_key_find(keys, txn, *id, out, err))
        return false;
    return *out || err_set(err, ERR_INTERNAL, "the key of '" STR_FMT "' is gone", STR_ARG(scope));
}

bool scope_key_remove_all(ScopeKeys *keys, Txn *txn, Str scope, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &rows, err, "SELECT id FROM scope_key WHERE scope = ?1", db_text(scope)))
        return false;
    while (rows_next(rows, &failed))
        txn_after_commit(txn, cache_forget, keys, row_int(rows, 0));
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    rows_free(TAKE(rows));
    return txn_exec(txn, NULL, err, "DELETE FROM scope_key WHERE scope = ?1", db_text(scope));
}
