/* issuer_ca.c - see issuer_ca.h. */
#include "keyvault/issuers/issuer_ca.h"
#include "crypto/crl.h"

enum { CA_MONTHS = 120, REVOKED_MAX = 10000, CRL_ARENA_BYTES = 16 << 20 };
static const int64_t CRL_LIFE_MS = 24 * 3600 * 1000LL;

void issuer_ca_done(IssuerCa *ca)
{
    key_free(ca->key);
    *ca = (IssuerCa){ 0 };
}

bool issuer_is_ca(const Issuer *issuer) { return str_eq_nocase(issuer->provider, PROVIDER_VAULTYARD_CA); }

static SealPlace key_place(Arena *arena, const Vault *vault, Str name_key)
{
    return (SealPlace){ vault->scope, "kv_issuer", str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(name_key)), "ca_key" };
}

/* ---- the authority ---- */

static bool ca_subject(Arena *arena, const Issuer *issuer, Str *out)
{
    size_t at;
    Str wanted = str_empty(issuer->account_id) ? issuer->name : issuer->account_id;
    *out = str_find(wanted, STR("="), &at) ? wanted : str_printf(arena, "CN=" STR_FMT, STR_ARG(wanted));
    return out->ptr != NULL;
}

bool issuer_ca_make(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, int64_t now_ms, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Str name_key = str_lower(arena, issuer->name), subject;
    Str usages[] = { STR("keyCertSign"), STR("cRLSign") };
    Bytes der, sealed;
    {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_issuer WHERE vault = ?1 AND name_key = ?2 AND ca IS NOT NULL", db_text(vault->id), db_text(name_key)))
            return false;
        *err = (Err){ 0 };
        if (rows_next(rows, err) || err->code != ERR_NONE)
            return err->code == ERR_NONE;
    }
    if (!ca_subject(arena, issuer, &subject))
        return err_too_big(err);
    CertSpec spec = { .subject = subject, .key_usage = { usages, COUNT_OF(usages) }, .is_ca = true, .path_length = 0,
                      .not_before_ms = now_ms - NOT_BEFORE_LEAD_MS, .not_after_ms = months_later(now_ms, CA_MONTHS) };
    if (!key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, err))
        return false;
    if (!cert_self_sign(arena, key, &spec, &der, err))
        return err->code == ERR_BAD_INPUT ? err_field(err, "credentials.account_id", "credentials.account_id: '" STR_FMT "' is no name for an authority; use for example "
                                                      "CN=Team CA, O=Example", STR_ARG(str_slice(subject, 0, 200))) : false;
    return key_to_pkcs8(key, &pkcs8, err) && seal_put(kv->site->seal, txn, key_place(arena, vault, name_key), secret_bytes(pkcs8), arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "UPDATE kv_issuer SET ca = ?3, ca_key = ?4 WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(name_key), db_blob(der),
                    db_blob(sealed));
}

static bool ca_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, Rows *rows, IssuerCa *out, Err *err)
{
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Bytes stored = row_blob(rows, 0);
    uint8_t *der = arena_alloc(arena, stored.len);
    CertInfo info;
    IssuerCa ca = { .name_key = name_key };
    if (!der)
        return err_too_big(err);
    memcpy(der, stored.ptr, stored.len);
    ca.der = (Bytes){ der, stored.len };
    if (!cert_read(arena, ca.der, &info, err) || !seal_get(kv->site->seal, txn, key_place(arena, vault, name_key), row_blob(rows, 1), &pkcs8, err) ||
        !key_from_pkcs8(secret_bytes(pkcs8), &ca.key, err))
        return false;
    ca.not_after_ms = info.not_after_ms;
    ca.crl_url = str_printf(arena, STR_FMT "/crl/" STR_FMT "?api-version=7.4", STR_ARG(site_vault_url(kv->site, arena, vault->name_key)), STR_ARG(name_key));
    *out = ca;
    return true;
}

bool issuer_ca_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, IssuerCa *out, bool *found, Err *err)
{
    Issuer issuer;
    Str name_key = str_lower(arena, name);
    if (!issuer_find(kv, txn, arena, vault, name, &issuer, found, err))
        return false;
    *found = *found && issuer.is_enabled && issuer_is_ca(&issuer);
    if (!*found)
        return true;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT ca, ca_key FROM kv_issuer WHERE vault = ?1 AND name_key = ?2 AND ca IS NOT NULL", db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    return *found ? ca_of_row(kv, txn, arena, vault, name_key, rows, out, err) : err->code == ERR_NONE;
}

bool issuer_check(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err)
{
    Issuer issuer;
    bool found;
    if (str_eq(name, ISSUER_SELF) || str_eq(name, ISSUER_UNKNOWN))
        return true;
    if (!issuer_find(kv, txn, arena, vault, name, &issuer, &found, err))
        return false;
    if (!found)
        return err_field(err, "policy.issuer.name", "This vault has no issuer '" STR_FMT "'; use Self, Unknown or one of its issuers.", STR_ARG(name));
    if (!issuer.is_enabled)
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "The issuer '" STR_FMT "' is disabled.", STR_ARG(issuer.name));
    if (!issuer_is_ca(&issuer))
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "Enrolment with provider '" STR_FMT "' is not implemented by this version of Vaultyard; use an issuer "
                         "of provider VaultyardCA, or Unknown with a certificate request.", STR_ARG(issuer.provider));
    return true;
}

/* ---- signing ---- */

bool issuer_sign(Arena *arena, const IssuerCa *ca, const KeyRef *key, const CertPolicy *policy, int64_t now_ms, Bytes chain[2], size_t *count, Err *err)
{
    CertSpec spec = cert_policy_spec(policy, now_ms);
    *count = ca->key ? 2 : 1;
    if (!ca->key)
        return cert_self_sign(arena, key, &spec, &chain[0], err);
    if (ca->not_after_ms <= now_ms)
        return err_set(err, ERR_BAD_INPUT, "the authority of the issuer has expired; delete the issuer and set it again");
    spec.crl_url = ca->crl_url;
    spec.not_after_ms = spec.not_after_ms < ca->not_after_ms ? spec.not_after_ms : ca->not_after_ms;     /* a leaf does not outlive its authority */
    chain[1] = ca->der;
    return cert_issue(arena, ca->key, ca->der, key, &spec, &chain[0], err);
}

bool issuer_note(Txn *txn, Arena *arena, const Vault *vault, const IssuerCa *ca, Str name, Str version, Bytes leaf, int64_t now_ms, Err *err)
{
    CertInfo info;
    if (!ca->key)
        return true;
    return cert_read(arena, leaf, &info, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM kv_issued WHERE vault = ?1 AND issuer_key = ?2 AND not_after_ms < ?3", db_text(vault->id), db_text(ca->name_key), db_int(now_ms)) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_issued (vault, issuer_key, serial, name_key, version, not_after_ms, gone_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                    db_text(vault->id), db_text(ca->name_key), db_text(info.serial_hex), db_text(str_lower(arena, name)), db_text(version), db_int(info.not_after_ms));
}

bool issuer_note_gone(Txn *txn, Arena *arena, const Vault *vault, Str name, int64_t now_ms, Err *err)
{
    return txn_exec(txn, NULL, err, "UPDATE kv_issued SET gone_ms = ?3 WHERE vault = ?1 AND name_key = ?2 AND gone_ms = 0", db_text(vault->id),
                    db_text(str_lower(arena, name)), db_int(now_ms));
}

/* ---- what everybody may read ---- */

typedef struct Public { Req *req; Arena *arena; const Vault *vault; IssuerCa ca; bool wants_list; CrlEntry *revoked; size_t count; } Public;

/* A version that is there again, by a restored backup, is revoked no more. */
static const char revoked_sql[] =
    "SELECT i.serial, i.gone_ms, v.updated_ms, o.deleted_ms FROM kv_issued i"
    " LEFT JOIN kv_object o ON o.vault = i.vault AND o.kind = 3 AND o.name_key = i.name_key"
    " LEFT JOIN kv_version v ON v.vault = i.vault AND v.kind = 3 AND v.name_key = i.name_key AND v.version = i.version"
    " WHERE i.vault = ?1 AND i.issuer_key = ?2 AND i.not_after_ms > ?3 AND (v.version IS NULL OR v.enabled = 0 OR o.deleted_ms <> 0) ORDER BY i.serial LIMIT ?4";

static bool public_txn(Txn *txn, void *ctx, Err *err)
{
    Public *public = ctx;
    Req *req = public->req;
    bool found;
    issuer_ca_done(&public->ca);
    if (!issuer_ca_find(req->ctx, txn, public->arena, public->vault, req_param(req, "issuer"), &public->ca, &found, err))
        return false;
    if (!found)
        return err_named(err, ERR_NOT_FOUND, "CertificateIssuerNotFound", NULL, "There is no authority of this name.");
    if (!public->wants_list)
        return true;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!(public->revoked = ARENA_ARRAY(public->arena, CrlEntry, REVOKED_MAX)))
        return err_too_big(err);
    if (!txn_query(txn, &rows, err, revoked_sql, db_text(public->vault->id), db_text(public->ca.name_key), db_int(req->now_ms), db_int(REVOKED_MAX)))
        return false;
    public->count = 0;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        int64_t gone = row_int(rows, 1), deleted = row_is_null(rows, 3) ? 0 : row_int(rows, 3), updated = row_is_null(rows, 2) ? req->now_ms : row_int(rows, 2);
        public->revoked[public->count++] = (CrlEntry){ str_dup(public->arena, row_text(rows, 0)), gone ? gone : deleted ? deleted : updated };
    }
    return err->code == ERR_NONE && (arena_ok(public->arena) || err_too_big(err));
}

static bool public_answer(Public *public, Reply *reply, Err *err)
{
    Req *req = public->req;
    KeyVault *kv = req->ctx;
    Bytes der;
    if (!firewall_admits(&public->vault->firewall, req->client_ip))
        return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized.");
    if (!store_read(kv->site->store, public_txn, public, err))
        return false;
    CrlSpec spec = { .number = req->now_ms / 1000, .now_ms = req->now_ms, .next_ms = req->now_ms + CRL_LIFE_MS, .entries = public->revoked, .count = public->count };
    der = public->ca.der;
    if (public->wants_list && !crl_make(public->arena, public->ca.key, public->ca.der, &spec, &der, err))
        return false;
    reply->content_type = public->wants_list ? STR("application/pkix-crl") : STR("application/pkix-cert");
    buf_put(&reply->body, der.ptr, der.len);
    return !reply->body.failed || err_too_big(err);
}

static bool read_public(Req *req, Reply *reply, bool wants_list, Err *err)
{
    KeyVault *kv = req->ctx;
    AUTO(arena_free_auto) Arena *arena = arena_new(CRL_ARENA_BYTES);
    Vault *vault = NULL;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!vault_acquire(kv, req->host_labels[0], &vault, err))
        return false;
    if (!vault)
        return err_named(err, ERR_NOT_FOUND, "VaultNotFound", NULL, "The vault '" STR_FMT "' does not exist.", STR_ARG(req->host_labels[0]));
    Public public = { .req = req, .arena = arena, .vault = vault, .wants_list = wants_list };
    bool good = public_answer(&public, reply, err);
    issuer_ca_done(&public.ca);
    vault_release(vault);
    return good;
}

bool issuer_ca_certificate(Req *req, Reply *reply, Err *err) { return read_public(req, reply, false, err); }
bool issuer_ca_crl(Req *req, Reply *reply, Err *err) { return read_public(req, reply, true, err); }
