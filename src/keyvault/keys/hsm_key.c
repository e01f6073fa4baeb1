/* hsm_key.c - see hsm_key.h. */
#include "keyvault/keys/hsm_key.h"
#include <stdio.h>
#include "base/encode.h"
#include "base/log.h"
#include "pkcs11/token.h"

/* What a row keeps: the mark, CKA_ID, the length of the public half and that half (SubjectPublicKeyInfo), then the key's wrapping, if the token
 * wraps keys. A symmetric key has no public half: one byte in its place is its length in bytes, 16, 24 or 32. PKCS#8 begins with a SEQUENCE (0x30), not with this. */
static const uint8_t MARK[4] = { 'V', 'Y', 'K', 1 };
enum { LENGTH_AT = sizeof MARK + P11_ID_BYTES, SPKI_AT = LENGTH_AT + 2, MAKE_ARENA_BYTES = 256 << 10, SWEEP_MAX = 100 };

typedef enum HsmState {
    HSM_MAKING = 0,                             /* by this process, or by one that died of it */
    HSM_NAMED = 1,                              /* a row named it, or its maker let it go */
    HSM_DYING = 2                               /* nothing may name it any more */
} HsmState;

bool hsm_check(const KeyVault *kv, const Vault *vault, Err *err)
{
    if (!str_eq(vault->sku, STR("premium")))
        return err_named(err, ERR_BAD_INPUT, "BadParameter", NULL, "Hardware key operation not allowed on standard vault");
    if (!kv->site->hsm)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "This server was started without a hardware module (HSM), so it has no keys in one; its administrator "
                         "starts it with --hsm-module, --hsm-token and --hsm-pin-file.");
    return true;
}

static size_t spki_length(Bytes kept) { return (size_t)kept.ptr[LENGTH_AT] << 8 | kept.ptr[LENGTH_AT + 1]; }

static bool kept_is_token(Bytes kept)
{
    return kept.len > SPKI_AT && memcmp(kept.ptr, MARK, sizeof MARK) == 0 && kept.len >= SPKI_AT + spki_length(kept);
}

static bool kept_is_oct(Bytes kept) { return spki_length(kept) == 1; }

static Bytes kept_wrapped(Bytes kept)
{
    size_t at = SPKI_AT + spki_length(kept);
    return (Bytes){ kept.ptr + at, kept.len - at };
}

static P11Id kept_token_id(Bytes kept)
{
    P11Id id;
    memcpy(id.bytes, kept.ptr + sizeof MARK, sizeof id.bytes);
    return id;
}

Str hsm_kept_id(Arena *arena, Bytes kept)
{
    return kept_is_token(kept) ? hex_encode(arena, (Bytes){ kept.ptr + sizeof MARK, P11_ID_BYTES }) : STR_NONE;
}

bool hsm_kept_is_wrapped(Bytes kept) { return kept_wrapped(kept).len > 0; }

/* ---- making one ---- */

typedef struct Note { Str id, vault; int64_t made_ms; Runner *runner; } Note;

static bool note_txn(Txn *txn, void *ctx, Err *err)
{
    const Note *note = ctx;
    return txn_exec(txn, NULL, err, "INSERT INTO kv_hsm_key (id, vault, state, made_ms) VALUES (?1, ?2, ?3, ?4)", db_text(note->id), db_text(note->vault), db_int(HSM_MAKING),
                    db_int(note->made_ms));
}

static bool let_go_txn(Txn *txn, void *ctx, Err *err)
{
    const Note *note = ctx;
    return txn_exec(txn, NULL, err, "UPDATE kv_hsm_key SET state = ?2 WHERE id = ?1 AND state = ?3", db_text(note->id), db_int(HSM_NAMED), db_int(HSM_MAKING)) &&
           runner_schedule(note->runner, txn, WORK_HSM, STR("all"), real_now_ms(), err);
}

/* A store that fails here leaves the row as it is: the next start finds it. */
static void let_go(KeyVault *kv, Str id)
{
    Note note = { .id = id, .runner = kv->site->runner };
    Err err = { 0 };
    if (!store_write(kv->site->store, let_go_txn, &note, &err))
        log_event(LOG_ERROR, "hsm.not_let_go", log_str("id", id), log_cstr("error", err.text));
}

typedef struct Making { Arena *arena; P11New as; Str id; KeyRef *key; Bytes wrapped; } Making;

/* The row comes first. */
static bool begin(KeyVault *kv, const Vault *vault, Arena *arena, Making *making, Err *err)
{
    *making = (Making){ .arena = arena, .as = { .id = p11_id_new(), .arena = arena } };
    if (!hsm_check(kv, vault, err))
        return false;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    making->id = hex_encode(arena, (Bytes){ making->as.id.bytes, P11_ID_BYTES });
    making->as.label = str_printf(arena, "vaultyard " STR_FMT, STR_ARG(vault->name));
    Note note = { .id = making->id, .vault = vault->id, .made_ms = real_now_ms() };
    return arena_ok(arena) ? store_write(kv->site->store, note_txn, &note, err) : err_too_big(err);
}

bool hsm_kept(const KeyRef *key, Secret **out, bool *is_token, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 10);
    P11Id id;
    Bytes wrapped, spki;
    *is_token = p11_key_about(key, &id, &wrapped);
    if (!*is_token)
        return true;
    const uint8_t oct_bytes = (uint8_t)(key_spec(key).oct_bits / 8);
    if (key_spec(key).kind == KEY_OCT)
        spki = (Bytes){ &oct_bytes, 1 };
    else if (!arena || !key_to_spki(arena, key, &spki, err))
        return arena ? false : err_set(err, ERR_INTERNAL, "out of memory for a key");
    Secret *kept = secret_new(SPKI_AT + spki.len + wrapped.len);
    if (!kept)
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    uint8_t *at = secret_ptr(kept);
    memcpy(at, MARK, sizeof MARK);
    memcpy(at + sizeof MARK, id.bytes, sizeof id.bytes);
    at[LENGTH_AT] = (uint8_t)(spki.len >> 8);
    at[LENGTH_AT + 1] = (uint8_t)spki.len;
    memcpy(at + SPKI_AT, spki.ptr, spki.len);
    if (wrapped.len)
        memcpy(at + SPKI_AT + spki.len, wrapped.ptr, wrapped.len);
    *out = kept;
    return true;
}

static bool finish(KeyVault *kv, Making *making, bool is_made, KeyMade *out, Err *err)
{
    Secret *kept = NULL;
    bool is_token;
    if (!is_made || !hsm_kept(making->key, &kept, &is_token, err)) {
        key_free(making->key);
        let_go(kv, making->id);
        return false;
    }
    out->kv = kv;
    out->place = PLACE_TOKEN;
    out->key = making->key;
    out->kept = kept;
    return true;
}

static bool hsm_make(KeyVault *kv, const Vault *vault, KeySpec spec, KeyMade *out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(MAKE_ARENA_BYTES);
    Making making;
    return begin(kv, vault, arena, &making, err) && finish(kv, &making, p11_make(kv->site->hsm, &making.as, spec, &making.key, &making.wrapped, err), out, err);
}

static bool hsm_take(KeyVault *kv, const Vault *vault, KeyRef *key, KeyMade *out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(MAKE_ARENA_BYTES);
    Making making;
    return begin(kv, vault, arena, &making, err) && finish(kv, &making, p11_take(kv->site->hsm, &making.as, key, &making.key, &making.wrapped, err), out, err);
}

bool hsm_transfer(KeyVault *kv, const Vault *vault, KeyKind kind, Bytes kek_kept, Bytes blob, KeyMade *out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(MAKE_ARENA_BYTES);
    Making making;
    return begin(kv, vault, arena, &making, err) &&
           finish(kv, &making, p11_transfer(kv->site->hsm, &making.as, kept_token_id(kek_kept), kind, blob, &making.key, &making.wrapped, err), out, err);
}

/* ---- opening one ---- */

static bool public_of(Arena *arena, Bytes kept, KeyPublic *out, Err *err)
{
    AUTO(key_free_auto) KeyRef *open = NULL;
    if (!arena || !kept_is_token(kept))
        return err_set(err, ERR_INTERNAL, arena ? "the row of a key in a token does not say which" : "out of memory for a key");
    if (kept_is_oct(kept)) {
        *out = (KeyPublic){ .kind = KEY_OCT, .oct_bits = 8 * kept.ptr[SPKI_AT] };
        return true;
    }
    return key_from_spki((Bytes){ kept.ptr + SPKI_AT, spki_length(kept) }, &open, err) && key_public(arena, open, out, err);
}

bool hsm_restore(KeyVault *kv, const Vault *vault, Bytes kept, KeyMade *out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(MAKE_ARENA_BYTES);
    Making making;
    KeyPublic open;
    return public_of(arena, kept, &open, err) && begin(kv, vault, arena, &making, err) &&
           finish(kv, &making, p11_restore(kv->site->hsm, &making.as, &open, kept_wrapped(kept), &making.key, err), out, err);
}

static bool hsm_open(KeyVault *kv, const Vault *vault, const JsonVal *jwk, Bytes kept, KeyRef **out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(MAKE_ARENA_BYTES);
    KeyPublic open;
    (void)jwk;
    return hsm_check(kv, vault, err) && public_of(arena, kept, &open, err) && p11_key_open(kv->site->hsm, kept_token_id(kept), &open, kept_wrapped(kept), out, err);
}

static void hsm_forget(KeyVault *kv, Bytes kept)
{
    char digits[2 * P11_ID_BYTES + 1];
    for (size_t i = 0; i < P11_ID_BYTES; i++)
        (void)snprintf(digits + 2 * i, 3, "%02x", kept.ptr[sizeof MARK + i]);
    let_go(kv, str_from(digits));
}

const KeyPlaceOps hsm_place = { hsm_make, hsm_take, hsm_open, hsm_forget };

/* ---- what no row names ---- */

bool hsm_name(Txn *txn, Str id, Err *err)
{
    int64_t changed = 0;
    if (!id.ptr)
        return true;
    if (!txn_exec(txn, &changed, err, "UPDATE kv_hsm_key SET state = ?2 WHERE id = ?1 AND state <> ?3", db_text(id), db_int(HSM_NAMED), db_int(HSM_DYING)))
        return false;
    return changed == 1 || err_set(err, ERR_CONFLICT, "The key was removed from the token meanwhile; try again.");
}

bool hsm_sweep(KeyVault *kv, Txn *txn, const Vault *vault, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_hsm_key WHERE vault = ?1 LIMIT 1", db_text(vault->id)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    return runner_schedule(kv->site->runner, txn, WORK_HSM, STR("all"), real_now_ms(), err);
}

static bool start_txn(Txn *txn, void *ctx, Err *err)
{
    KeyVault *kv = ctx;
    return txn_exec(txn, NULL, err, "UPDATE kv_hsm_key SET state = ?1 WHERE state = ?2", db_int(HSM_NAMED), db_int(HSM_MAKING)) &&      /* who made them is no more */
           runner_schedule(kv->site->runner, txn, WORK_HSM, STR("all"), real_now_ms(), err);
}

bool hsm_start(KeyVault *kv, Err *err) { return !kv->site->hsm || store_write(kv->site->store, start_txn, kv, err); }

typedef struct Sweep { Arena *arena; Str ids[SWEEP_MAX]; size_t count; Str done; } Sweep;

#define NOT_NAMED "state <> 0 AND NOT EXISTS (SELECT 1 FROM kv_version v WHERE v.hsm_key = kv_hsm_key.id)" \
                  " AND NOT EXISTS (SELECT 1 FROM kv_pending p WHERE p.hsm_key = kv_hsm_key.id)" \
                  " AND NOT EXISTS (SELECT 1 FROM kv_issuer i WHERE i.hsm_key = kv_hsm_key.id)"

static bool sweep_txn(Txn *txn, void *ctx, Err *err)
{
    Sweep *sweep = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    sweep->count = 0;
    if (!txn_exec(txn, NULL, err, "UPDATE kv_hsm_key SET state = ?1 WHERE " NOT_NAMED, db_int(HSM_DYING)) ||
        !txn_query(txn, &rows, err, "SELECT id FROM kv_hsm_key WHERE state = ?1 LIMIT ?2", db_int(HSM_DYING), db_int(SWEEP_MAX)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        sweep->ids[sweep->count++] = str_dup(sweep->arena, row_text(rows, 0));
    return err->code == ERR_NONE && (arena_ok(sweep->arena) || err_too_big(err));
}

static bool swept_txn(Txn *txn, void *ctx, Err *err)
{
    const Sweep *sweep = ctx;
    return txn_exec(txn, NULL, err, "DELETE FROM kv_hsm_key WHERE id = ?1 AND state = ?2", db_text(sweep->done), db_int(HSM_DYING));
}

bool hsm_sweep_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Sweep sweep = { .arena = arena };
    (void)job;
    *again_ms = 0;
    if (!kv->site->hsm)
        return true;                            /* the next start with a token schedules this anew */
    if (!store_write(kv->site->store, sweep_txn, &sweep, err))
        return false;
    for (size_t i = 0; i < sweep.count; i++) {
        P11Id id;
        Bytes bytes;
        if (!hex_decode(arena, sweep.ids[i], &bytes, err) || bytes.len != sizeof id.bytes)
            return err_set(err, ERR_INTERNAL, "a key's id in the token is damaged");
        memcpy(id.bytes, bytes.ptr, sizeof id.bytes);
        sweep.done = sweep.ids[i];
        if (!p11_erase(kv->site->hsm, id, err) || !store_write(kv->site->store, swept_txn, &sweep, err))
            return false;
    }
    *again_ms = sweep.count == SWEEP_MAX ? now_ms : 0;
    return true;
}
