/* seal.c - values sealed and opened in their place. The format is in seal.h. */
#include <stdlib.h>
#include "crypto/aead.h"
#include "store/scope_key.h"

enum { FORMAT = 1, HEAD_SIZE = 9, AAD_MAX = 64 * 1024, SEALED_MAX = 256 << 20 };
_Static_assert(SEAL_OVERHEAD == HEAD_SIZE + AEAD_OVERHEAD, "the header tells the truth");

struct Seal { ScopeKeys *keys; };

static const char does_not_open[] = "sealed data does not open: it was changed, moved or its key is gone";

/* ---- opening the store's seal ---- */

typedef struct Check { Bytes wanted; const char *root_file; } Check;

static bool check_root(Txn *txn, void *ctx, Err *err)
{
    const Check *check = ctx;
    AUTO(rows_free_auto) Rows *row = NULL, *key = NULL;
    Err failed = { 0 };
    if (!txn_query(txn, &row, err, "SELECT value FROM meta WHERE name = 'root_check'"))
        return false;
    if (rows_next(row, &failed))
        return secret_equal(row_blob(row, 0), check->wanted)
            || err_set(err, ERR_BAD_INPUT, "the root key '%s' is not the one that this database was sealed with: give the file that belongs to it", check->root_file);
    if (failed.code != ERR_NONE || !txn_query(txn, &key, &failed, "SELECT id FROM scope_key LIMIT 1"))
        return *err = failed, false;
    if (rows_next(key, &failed))
        return err_set(err, ERR_BAD_INPUT, "the database has sealed data but no longer the check value of its root key: restore a backup");
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    return txn_exec(txn, NULL, err, "INSERT INTO meta (name, value) VALUES ('root_check', ?1)", db_blob(check->wanted));
}

bool seal_open(Store *store, const char *root_file, Seal **out, Err *err)
{
    RootKey root;
    if (!root_key_read(root_file, &root, err))
        return false;
    Check check = { .wanted = { root.check, sizeof root.check }, .root_file = root_file };
    if (!store_write(store, check_root, &check, err)) {
        root_key_done(&root);
        return false;
    }
    Seal *seal = calloc(1, sizeof *seal);
    ScopeKeys *keys = scope_keys_new(root);
    if (!seal || !keys) {
        scope_keys_free(keys);
        free(seal);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    seal->keys = keys;
    *out = seal;
    return true;
}

void seal_close(Seal *seal)
{
    if (!seal)
        return;
    scope_keys_free(seal->keys);
    free(seal);
}

/* ---- scopes ---- */

bool seal_scope_create(Seal *seal, Txn *txn, Str scope, Err *err)
{
    int64_t id;
    return scope_key_make(seal->keys, txn, scope, &id, err);
}

bool seal_scope_destroy(Seal *seal, Txn *txn, Str scope, Err *err)
{
    return scope_key_remove_all(seal->keys, txn, scope, err);
}

bool seal_scope_rewrap(Seal *seal, Txn *txn, Str scope, const Secret *key, Err *err)
{
    if (key && secret_bytes(key).len != AEAD_KEY_SIZE)
        return err_set(err, ERR_BAD_INPUT, "a key that wraps scope keys has %d bytes", AEAD_KEY_SIZE);
    return scope_key_rewrap(seal->keys, txn, scope, key, err);
}

bool seal_scope_unlock(Seal *seal, Txn *txn, Str scope, const Secret *key, Err *err)
{
    if (secret_bytes(key).len != AEAD_KEY_SIZE)
        return err_set(err, ERR_BAD_INPUT, "this is not the key that wraps the key of '" STR_FMT "'", STR_ARG(scope));
    return scope_key_unlock(seal->keys, txn, scope, key, err);
}

void seal_scope_lock(Seal *seal, Str scope) { scope_key_lock(seal->keys, scope); }

bool seal_scope_is_locked(Seal *seal, Txn *txn, Str scope, bool *locked, Err *err)
{
    return scope_key_is_locked(seal->keys, txn, scope, locked, err);
}

/* ---- values ---- */

static void put_part(Buf *aad, Str part)
{
    uint8_t len[4] = { (uint8_t)(part.len >> 24), (uint8_t)(part.len >> 16), (uint8_t)(part.len >> 8), (uint8_t)part.len };
    buf_put(aad, len, sizeof len);
    buf_put_str(aad, part);
}

/* Each part with its length, or "ab" + "c" would be "a" + "bc". */
static bool place_aad(Buf *aad, SealPlace place, Err *err)
{
    buf_init(aad, AAD_MAX);
    put_part(aad, place.scope);
    put_part(aad, str_from(place.table));
    put_part(aad, place.row);
    put_part(aad, str_from(place.column));
    return !aad->failed || err_set(err, ERR_TOO_LARGE, "the name of the row is too long to seal");
}

bool seal_put(Seal *seal, Txn *txn, SealPlace place, Bytes plain, Arena *arena, Bytes *sealed, Err *err)
{
    AUTO(buf_done_auto) Buf aad = { 0 }, out;
    buf_init(&out, SEALED_MAX);
    ScopeKey *key;
    int64_t id;
    if (!place_aad(&aad, place, err) || !scope_key_use(seal->keys, txn, place.scope, &key, &id, err))
        return false;
    uint8_t head[HEAD_SIZE] = { FORMAT };
    for (int i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)((uint64_t)id >> (56 - 8 * i));
    buf_put(&out, head, sizeof head);
    bool good = aead_seal(scope_key_secret(key), buf_bytes(&aad), plain, &out, err);
    scope_key_release(seal->keys, key);
    if (!good)
        return false;
    Str kept = str_dup(arena, buf_str(&out));
    if (!kept.ptr)
        return err_too_big(err);
    *sealed = bytes_of(kept);
    return true;
}

/* false: these bytes were never sealed. */
static bool key_id_of(Bytes sealed, int64_t *id)
{
    uint64_t found = 0;
    if (sealed.len < SEAL_OVERHEAD || sealed.ptr[0] != FORMAT)
        return false;
    for (int i = 0; i < 8; i++)
        found = found << 8 | sealed.ptr[1 + i];
    *id = (int64_t)found;
    return true;
}

/* Releases `key`; NULL: there is none. */
static bool open_with(Seal *seal, ScopeKey *key, SealPlace place, Bytes sealed, Secret **plain, Err *err)
{
    AUTO(buf_done_auto) Buf aad = { 0 };
    bool good = place_aad(&aad, place, err) &&
                (key && str_eq(scope_key_scope(key), place.scope)
                 ? aead_open(scope_key_secret(key), buf_bytes(&aad), (Bytes){ sealed.ptr + HEAD_SIZE, sealed.len - HEAD_SIZE }, plain, err)
                 : err_set(err, ERR_INTERNAL, "%s", does_not_open));
    scope_key_release(seal->keys, key);
    return good;
}

bool seal_get(Seal *seal, Txn *txn, SealPlace place, Bytes sealed, Secret **plain, Err *err)
{
    ScopeKey *key;
    int64_t id;
    if (!key_id_of(sealed, &id))
        return err_set(err, ERR_INTERNAL, "%s", does_not_open);
    return scope_key_find(seal->keys, txn, id, &key, err) && open_with(seal, key, place, sealed, plain, err);
}

bool seal_get_kept(Seal *seal, SealPlace place, Bytes sealed, Secret **plain)
{
    Err ignored;
    int64_t id;
    ScopeKey *key = key_id_of(sealed, &id) ? scope_key_kept(seal->keys, id) : NULL;
    return key && open_with(seal, key, place, sealed, plain, &ignored);
}

bool seal_get_text(Seal *seal, Txn *txn, SealPlace place, Bytes sealed, Arena *arena, Str *plain, Err *err)
{
    AUTO(secret_free_auto) Secret *opened = NULL;
    if (!seal_get(seal, txn, place, sealed, &opened, err))
        return false;
    Str text = str_dup(arena, str_of(secret_bytes(opened)));
    if (!text.ptr)
        return err_too_big(err);
    *plain = text;
    return true;
}
