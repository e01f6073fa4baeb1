/* issuer_responder.c - see issuer_responder.h. */
#include "keyvault/issuers/issuer_responder.h"

#define OCSP_SIGNING "1.3.6.1.5.5.7.3.9"

const int64_t OCSP_LIFE_MS = 3600 * 1000LL;
static const int64_t RESPONDER_LIFE_MS = 7 * 24 * 3600 * 1000LL;

void responder_done(Responder *responder)
{
    key_free(responder->key);
    *responder = (Responder){ 0 };
}

static SealPlace key_place(Arena *arena, const Vault *vault, Str name_key)
{
    return (SealPlace){ vault->scope, "kv_responder", str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(name_key)), "key" };
}

static bool responder_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, Rows *rows, Responder *out, Err *err)
{
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Bytes stored = row_blob(rows, 0);
    uint8_t *der = arena_alloc(arena, stored.len);
    if (!der)
        return err_too_big(err);
    memcpy(der, stored.ptr, stored.len);
    *out = (Responder){ .der = { der, stored.len }, .not_after_ms = row_int(rows, 2) };
    return seal_get(kv->site->seal, txn, key_place(arena, vault, name_key), row_blob(rows, 1), &pkcs8, err) && key_from_pkcs8(secret_bytes(pkcs8), &out->key, err);
}

/* It does not outlive its authority, so at that one's end it is as good as it gets. */
static bool is_good(int64_t not_after_ms, const IssuerCa *ca, int64_t now_ms)
{
    return not_after_ms > now_ms && (not_after_ms >= now_ms + OCSP_LIFE_MS || not_after_ms >= ca->not_after_ms);
}

bool responder_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const IssuerCa *ca, int64_t now_ms, Responder *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT cert, key, not_after_ms FROM kv_responder WHERE vault = ?1 AND issuer_key = ?2", db_text(vault->id), db_text(ca->name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err) && is_good(row_int(rows, 2), ca, now_ms);
    return *found ? responder_of_row(kv, txn, arena, vault, ca->name_key, rows, out, err) : err->code == ERR_NONE;
}

bool responder_erase(Txn *txn, Arena *arena, const Vault *vault, Str issuer, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_responder WHERE vault = ?1 AND issuer_key = ?2", db_text(vault->id), db_text(str_lower(arena, issuer)));
}

/* ---- making one ---- */

typedef struct Making { KeyVault *kv; Arena *arena; const Vault *vault; Str issuer; int64_t now_ms; IssuerCa ca; Responder made; bool found; } Making;

static bool not_there(const Making *m, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "CertificateIssuerNotFound", NULL, "There is no authority '" STR_FMT "' that is valid.", STR_ARG(m->issuer));
}

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Making *m = ctx;
    issuer_ca_done(&m->ca);
    return issuer_ca_read(m->kv, txn, m->arena, m->vault, m->issuer, true, &m->ca, &m->found, err);
}

static bool sign(Making *m, Err *err)
{
    Str usage = STR("digitalSignature"), purpose = STR(OCSP_SIGNING);
    int64_t until_ms = m->now_ms + RESPONDER_LIFE_MS;
    CertSpec spec = { .subject = str_printf(m->arena, "CN=OCSP responder of " STR_FMT, STR_ARG(m->ca.name_key)), .key_usage = { &usage, 1 }, .ekus = { &purpose, 1 },
                      .path_length = -1, .is_ocsp_unchecked = true, .not_before_ms = m->now_ms - NOT_BEFORE_LEAD_MS,
                      .not_after_ms = until_ms < m->ca.not_after_ms ? until_ms : m->ca.not_after_ms };
    m->made.not_after_ms = spec.not_after_ms;
    return key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &m->made.key, err) &&
           cert_issue(m->arena, m->ca.key, m->ca.der, m->made.key, &spec, &m->made.der, err);
}

/* Of an authority that was deleted and set again meanwhile it is not. */
static bool keep_txn(Txn *txn, void *ctx, Err *err)
{
    const Making *m = ctx;
    IssuerCa now = { 0 };
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Bytes sealed;
    bool found;
    if (!issuer_ca_read(m->kv, txn, m->arena, m->vault, m->issuer, false, &now, &found, err))
        return false;
    if (!found || !str_eq(str_of(now.der), str_of(m->ca.der)))
        return not_there(m, err);
    if (!key_to_pkcs8(m->made.key, &pkcs8, err) || !seal_put(m->kv->site->seal, txn, key_place(m->arena, m->vault, m->ca.name_key), secret_bytes(pkcs8), m->arena, &sealed, err) ||
        !txn_exec(txn, NULL, err, "INSERT INTO kv_responder (vault, issuer_key, cert, key, not_after_ms) VALUES (?1, ?2, ?3, ?4, ?5)"
                  " ON CONFLICT (vault, issuer_key) DO UPDATE SET cert = ?3, key = ?4, not_after_ms = ?5",
                  db_text(m->vault->id), db_text(m->ca.name_key), db_blob(m->made.der), db_blob(sealed), db_int(m->made.not_after_ms)))
        return false;
    if (m->made.not_after_ms >= m->ca.not_after_ms)
        return true;                    /* the last one */
    Str key = str_printf(m->arena, STR_FMT "/" STR_FMT, STR_ARG(m->vault->id), STR_ARG(m->ca.name_key));
    return runner_schedule(m->kv->site->runner, txn, WORK_RESPONDER, key, m->made.not_after_ms - RESPONDER_LIFE_MS / 3, err);
}

static bool make(Making *m, Err *err)
{
    KeyVault *kv = m->kv;
    return store_read(kv->site->store, read_txn, m, err) && ((m->found && m->ca.not_after_ms > m->now_ms) || not_there(m, err)) && sign(m, err) &&
           store_write(kv->site->store, keep_txn, m, err);
}

bool responder_make(KeyVault *kv, Arena *arena, const Vault *vault, Str issuer, int64_t now_ms, Responder *out, Err *err)
{
    Making m = { .kv = kv, .arena = arena, .vault = vault, .issuer = issuer, .now_ms = now_ms };
    bool good = make(&m, err);
    issuer_ca_done(&m.ca);
    if (!good) {
        responder_done(&m.made);
        return false;
    }
    *out = m.made;
    return true;
}

/* ---- the clock ---- */

typedef struct Work { KeyVault *kv; Arena *arena; Str vault_id; Vault vault; bool found; } Work;

static bool work_txn(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    return vault_by_id(work->kv, txn, work->arena, work->vault_id, &work->vault, &work->found, err);
}

bool responder_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Str issuer = job->key;
    Work work = { .kv = ctx, .arena = arena, .vault_id = str_cut(&issuer, '/') };
    Responder made = { 0 };
    *again_ms = 0;
    if (!store_read(work.kv->site->store, work_txn, &work, err))
        return false;
    if (!work.found || work.vault.deleted_ms)
        return true;
    bool good = responder_make(work.kv, arena, &work.vault, issuer, now_ms, &made, err);
    responder_done(&made);
    return good || err->code == ERR_NOT_FOUND;         /* the authority is gone: so is its responder */
}
