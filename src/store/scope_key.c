/* scope_key.c - table scope_key and the cache of what was unwrapped from it.
 *
 * What wraps a scope key is the root key or a key that was handed in (handed_key.h). The cache is by id. An id is random and never given to another key, so an entry may outlive its row (a rollback, a reader
 * of an old snapshot) without ever being taken for another key: the row in the caller's transaction decides what is used. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/id.h"
#include "crypto/aead.h"
#include "store/handed_key.h"
#include "store/scope_key.h"

#define WRAPPED_BY_ROOT "root"
#define WRAPPED_BY_HANDED "handed:"       /* and the handed key's id in 16 hex digits */

enum { WRAPPED_BY_MAX = 32 };

struct ScopeKey {
    int64_t id;
    char *scope;
    size_t scope_len;
    Secret *key;
    int64_t reserved;                 /* uses that the row counts already and that were not made yet */
    int users;
    bool cached;
    uint64_t last_use;
};

struct ScopeKeys {
    RootKey root;
    HandedKeys *handed;
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
    HandedKeys *handed = handed_keys_new();
    if (!keys || !handed) {
        free(keys);
        handed_keys_free(handed);
        root_key_done(&root);
        return NULL;
    }
    keys->root = root;
    keys->handed = handed;
    keys->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return keys;
}

void scope_keys_free(ScopeKeys *keys)
{
    if (!keys)
        return;
    for (int i = 0; i < keys->count; i++)
        scope_key_free(keys->cache[i]);
    handed_keys_free(keys->handed);
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

ScopeKey *scope_key_kept(ScopeKeys *keys, int64_t id)
{
    (void)pthread_mutex_lock(&keys->mutex);
    int at = cache_at(keys, id);
    ScopeKey *key = at < 0 ? NULL : cache_use(keys, at);
    (void)pthread_mutex_unlock(&keys->mutex);
    return key;
}

/* Takes `key`; what is answered may be another thread's copy of the same. When its scope was shut since `epoch`, the key
 * serves the call under way and is not kept. */
static ScopeKey *cache_add(ScopeKeys *keys, ScopeKey *key, uint64_t epoch)
{
    bool is_shut;
    (void)pthread_mutex_lock(&keys->mutex);
    int at = cache_at(keys, key->id);
    if (at >= 0) {
        scope_key_free(key);
    } else if (handed_keys_epoch(keys->handed, scope_key_scope(key), &is_shut) != epoch) {
        key->users = 1;
        (void)pthread_mutex_unlock(&keys->mutex);
        return key;
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

/* A key of the scope with a use to spare, which is taken; NULL: ask the row. Only the writer seals, so no older key of a scope
 * gains uses after a newer one did. */
static ScopeKey *cache_reserved(ScopeKeys *keys, Str scope)
{
    ScopeKey *key = NULL;
    (void)pthread_mutex_lock(&keys->mutex);
    for (int at = 0; at < keys->count && !key; at++)
        if (keys->cache[at]->reserved > 0 && str_eq(scope_key_scope(keys->cache[at]), scope))
            key = cache_use(keys, at);
    if (key)
        key->reserved--;
    (void)pthread_mutex_unlock(&keys->mutex);
    return key;
}

/* After the commit that counted them: until then a rollback could take the count back. */
static void cache_reserve(void *ctx, int64_t id)
{
    ScopeKeys *keys = ctx;
    (void)pthread_mutex_lock(&keys->mutex);
    int at = cache_at(keys, id);
    if (at >= 0)
        keys->cache[at]->reserved += SEAL_RESERVED - 1;
    (void)pthread_mutex_unlock(&keys->mutex);
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

static void cache_forget_scope(ScopeKeys *keys, Str scope)
{
    (void)pthread_mutex_lock(&keys->mutex);
    for (int at = keys->count - 1; at >= 0; at--)       /* downwards: a drop moves the last one here */
        if (str_eq(scope_key_scope(keys->cache[at]), scope))
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

static bool is_locked(Str scope, Err *err)
{
    return err_named(err, ERR_DENIED, "AccountIsDisabled", NULL, "'" STR_FMT "' is locked: its key is wrapped by a key that the server cannot use now", STR_ARG(scope));
}

/* The id in "handed:<16 hex digits>". */
static bool handed_id_of(Str wrapped_by, uint64_t *id)
{
    const size_t head = sizeof WRAPPED_BY_HANDED - 1;
    char digits[17] = "", *end;
    if (!str_starts(wrapped_by, STR(WRAPPED_BY_HANDED)) || wrapped_by.len != head + 16)
        return false;
    memcpy(digits, wrapped_by.ptr + head, 16);
    *id = strtoull(digits, &end, 16);
    return *end == '\0';
}

/* The key that wraps, a copy: the root key, or the handed one that `wrapped_by` names. ERR_DENIED AccountIsDisabled: it is not there. */
static bool wrapping_key(ScopeKeys *keys, Str scope, Str wrapped_by, Secret **out, Err *err)
{
    uint64_t id;
    if (str_eq(wrapped_by, STR(WRAPPED_BY_ROOT))) {
        *out = secret_copy(secret_bytes(keys->root.wrap));
        return *out || err_set(err, ERR_INTERNAL, "out of memory");
    }
    if (!handed_id_of(wrapped_by, &id))
        return err_set(err, ERR_INTERNAL, "the key of '" STR_FMT "' is wrapped by '" STR_FMT "', which this version does not know", STR_ARG(scope), STR_ARG(wrapped_by));
    *out = handed_keys_copy(keys->handed, scope, id);
    return *out || is_locked(scope, err);
}

static bool wrap(const Secret *wrapping, Str scope, int64_t generation, int64_t id, const Secret *key, Buf *wrapped, Err *err)
{
    AUTO(buf_done_auto) Buf aad = { 0 };
    wrap_aad(&aad, scope, generation, id);
    return aad.failed ? err_set(err, ERR_INTERNAL, "out of memory") : aead_seal(wrapping, buf_bytes(&aad), secret_bytes(key), wrapped, err);
}

static bool unwrap(ScopeKeys *keys, Rows *row, int64_t id, ScopeKey **out, Err *err)
{
    Str scope = row_text(row, 0);
    int64_t generation = row_int(row, 1);
    bool is_shut;
    AUTO(scope_key_free_auto) ScopeKey *key = calloc(1, sizeof *key);
    AUTO(secret_free_auto) Secret *wrapping = NULL;
    AUTO(buf_done_auto) Buf aad = { 0 };
    wrap_aad(&aad, scope, generation, id);
    if (!key || aad.failed)
        return err_set(err, ERR_INTERNAL, "out of memory");
    uint64_t epoch = handed_keys_epoch(keys->handed, scope, &is_shut);
    if (is_shut)
        return is_locked(scope, err);                   /* also for a snapshot from when the root key still wrapped it */
    if (!wrapping_key(keys, scope, row_text(row, 2), &wrapping, err) || !aead_open(wrapping, buf_bytes(&aad), row_blob(row, 3), &key->key, err))
        return false;
    key->id = id;
    key->scope = strndup(scope.ptr, scope.len);
    key->scope_len = scope.len;
    if (!key->scope)
        return err_set(err, ERR_INTERNAL, "out of memory");
    *out = cache_add(keys, TAKE(key), epoch);
    return true;
}

/* ---- rows ---- */

static bool make(ScopeKeys *keys, Txn *txn, Str scope, int64_t generation, Str wrapped_by, int64_t *out_id, Err *err)
{
    AUTO(secret_free_auto) Secret *key = secret_new(AEAD_KEY_SIZE), *wrapping = NULL;
    AUTO(buf_done_auto) Buf wrapped = { 0 };
    uint64_t bits;
    random_fill(&bits, sizeof bits);
    int64_t id = (int64_t)(bits >> 1);
    buf_init(&wrapped, AEAD_KEY_SIZE + AEAD_OVERHEAD);
    if (!key)
        return err_set(err, ERR_INTERNAL, "out of memory");
    random_fill(secret_ptr(key), AEAD_KEY_SIZE);
    if (!wrapping_key(keys, scope, wrapped_by, &wrapping, err) || !wrap(wrapping, scope, generation, id, key, &wrapped, err)
        || !txn_exec(txn, NULL, err, "INSERT INTO scope_key (id, scope, generation, wrapped_by, wrapped, uses) VALUES (?1, ?2, ?3, ?4, ?5, 0)",
                     db_int(id), db_text(scope), db_int(generation), db_text(wrapped_by), db_blob(buf_bytes(&wrapped))))
        return false;
    *out_id = id;
    return true;
}

bool scope_key_make(ScopeKeys *keys, Txn *txn, Str scope, int64_t *id, Err *err)
{
    return make(keys, txn, scope, 1, STR(WRAPPED_BY_ROOT), id, err);
}

bool scope_key_find(ScopeKeys *keys, Txn *txn, int64_t id, ScopeKey **out, Err *err)
{
    ScopeKey *cached = scope_key_kept(keys, id);
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

/* The newest key's id, counted as used, also for the uses to come; a new key when it was used often enough. */
static bool count_use(ScopeKeys *keys, Txn *txn, Str scope, int64_t *id, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &row, err,
                   "UPDATE scope_key SET uses = uses + ?2 WHERE scope = ?1 AND generation = (SELECT MAX(generation) FROM scope_key WHERE scope = ?1)"
                   " RETURNING id, generation, uses, wrapped_by", db_text(scope), db_int(SEAL_RESERVED)))
        return false;
    if (!rows_next(row, &failed)) {
        if (failed.code == ERR_NONE)
            return err_set(err, ERR_NOT_FOUND, "'" STR_FMT "' has no sealing key: it was deleted or never made", STR_ARG(scope));
        return *err = failed, false;
    }
    *id = row_int(row, 0);
    if (row_int(row, 2) <= SEAL_USES_MAX) {
        txn_after_commit(txn, cache_reserve, keys, *id);
        return true;
    }
    return make(keys, txn, scope, row_int(row, 1) + 1, row_text(row, 3), id, err);
}

bool scope_key_use(ScopeKeys *keys, Txn *txn, Str scope, ScopeKey **out, int64_t *id, Err *err)
{
    *out = cache_reserved(keys, scope);
    if (*out) {
        *id = (*out)->id;
        return true;
    }
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
    while (rows_next(rows, &failed)) {
        cache_forget(keys, row_int(rows, 0));            /* now, so that nothing is sealed by it on the strength of a reserved use; */
        txn_after_commit(txn, cache_forget, keys, row_int(rows, 0));     /* and then, for what a reader brought back */
    }
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    rows_free(TAKE(rows));
    handed_keys_forget(keys->handed, scope);
    return txn_exec(txn, NULL, err, "DELETE FROM scope_key WHERE scope = ?1", db_text(scope));
}

/* ---- other wrapping keys ---- */

/* The oldest generation above `after`; *generation 0: there is none. */
static bool next_generation(Txn *txn, Str scope, int64_t after, int64_t *generation, int64_t *id, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    *generation = 0;
    if (!txn_query(txn, &row, err, "SELECT generation, id FROM scope_key WHERE scope = ?1 AND generation > ?2 ORDER BY generation LIMIT 1", db_text(scope), db_int(after)))
        return false;
    if (!rows_next(row, &failed))
        return failed.code == ERR_NONE || (*err = failed, false);
    *generation = row_int(row, 0);
    *id = row_int(row, 1);
    return true;
}

static bool rewrap_one(ScopeKeys *keys, Txn *txn, Str scope, int64_t generation, int64_t id, const Secret *wrapping, Str wrapped_by, Err *err)
{
    AUTO(buf_done_auto) Buf wrapped = { 0 };
    ScopeKey *key;
    buf_init(&wrapped, AEAD_KEY_SIZE + AEAD_OVERHEAD);
    if (!scope_key_find(keys, txn, id, &key, err))
        return false;
    bool good = key ? wrap(wrapping, scope, generation, id, scope_key_secret(key), &wrapped, err)
                    : err_set(err, ERR_INTERNAL, "the key of '" STR_FMT "' is gone", STR_ARG(scope));
    scope_key_release(keys, key);
    return good && txn_exec(txn, NULL, err, "UPDATE scope_key SET wrapped_by = ?2, wrapped = ?3 WHERE id = ?1",
                            db_int(id), db_text(wrapped_by), db_blob(buf_bytes(&wrapped)));
}

bool scope_key_rewrap(ScopeKeys *keys, Txn *txn, Str scope, const Secret *handed, Err *err)
{
    char wrapped_by[WRAPPED_BY_MAX] = WRAPPED_BY_ROOT;
    uint64_t handed_id;
    int64_t generation = 0, id;
    bool any = false;
    random_fill(&handed_id, sizeof handed_id);
    if (handed)
        (void)snprintf(wrapped_by, sizeof wrapped_by, WRAPPED_BY_HANDED "%016llx", (unsigned long long)handed_id);
    for (;; any = true) {
        if (!next_generation(txn, scope, generation, &generation, &id, err))
            return false;
        if (!generation)
            break;
        if (!rewrap_one(keys, txn, scope, generation, id, handed ? handed : keys->root.wrap, str_from(wrapped_by), err))
            return false;
    }
    if (!any)
        return err_set(err, ERR_NOT_FOUND, "'" STR_FMT "' has no sealing key: it was deleted or never made", STR_ARG(scope));
    /* At once, so that the rest of this transaction can seal; after a rollback no row names its id. */
    return !handed || handed_keys_add(keys->handed, scope, handed_id, handed, false, err);
}

bool scope_key_unlock(ScopeKeys *keys, Txn *txn, Str scope, const Secret *handed, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    AUTO(secret_free_auto) Secret *opened = NULL;
    AUTO(buf_done_auto) Buf aad = { 0 };
    Err failed = { 0 };
    buf_init(&aad, 0);
    if (!txn_query(txn, &row, err, "SELECT id, generation, wrapped_by, wrapped FROM scope_key WHERE scope = ?1 ORDER BY generation DESC LIMIT 1", db_text(scope)))
        return false;
    if (!rows_next(row, &failed))
        return failed.code != ERR_NONE ? (*err = failed, false)
                                       : err_set(err, ERR_NOT_FOUND, "'" STR_FMT "' has no sealing key: it was deleted or never made", STR_ARG(scope));
    uint64_t handed_id;
    if (!handed_id_of(row_text(row, 2), &handed_id))
        return err_set(err, ERR_CONFLICT, "the key of '" STR_FMT "' is wrapped by the root key: it needs no unlocking", STR_ARG(scope));
    wrap_aad(&aad, scope, row_int(row, 1), row_int(row, 0));
    if (!aead_open(handed, buf_bytes(&aad), row_blob(row, 3), &opened, err))
        return err_set(err, ERR_BAD_INPUT, "this is not the key that wraps the key of '" STR_FMT "'", STR_ARG(scope));
    return handed_keys_add(keys->handed, scope, handed_id, handed, true, err);
}

void scope_key_lock(ScopeKeys *keys, Str scope)
{
    handed_keys_shut(keys->handed, scope);
    cache_forget_scope(keys, scope);
}

bool scope_key_is_locked(ScopeKeys *keys, Txn *txn, Str scope, bool *locked, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    AUTO(secret_free_auto) Secret *wrapping = NULL;
    Err failed = { 0 };
    bool is_shut;
    if (!txn_query(txn, &row, err, "SELECT wrapped_by FROM scope_key WHERE scope = ?1 ORDER BY generation DESC LIMIT 1", db_text(scope)))
        return false;
    if (!rows_next(row, &failed))
        return failed.code != ERR_NONE ? (*err = failed, false) : (*locked = false, true);
    (void)handed_keys_epoch(keys->handed, scope, &is_shut);
    if (!is_shut && !wrapping_key(keys, scope, row_text(row, 0), &wrapping, &failed) && failed.code != ERR_DENIED)
        return *err = failed, false;
    *locked = is_shut || !wrapping;
    return true;
}
