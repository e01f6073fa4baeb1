/* issuer_public.c - what an authority of a vault tells everybody: its certificate, its revocation list, how single certificates stand. */
#include "base/encode.h"
#include "crypto/certificates/crl.h"
#include "crypto/certificates/ocsp.h"
#include "keyvault/issuers/issuer_responder.h"

enum { REVOKED_MAX = 10000, PUBLIC_ARENA_BYTES = 16 << 20 };
static const int64_t CRL_LIFE_MS = 24 * 3600 * 1000LL;

typedef struct Public {
    Req *req;
    Arena *arena;
    const Vault *vault;
    IssuerCa ca;
    CrlEntry *revoked; size_t count;
    Bytes asked;
    OcspRequest question;
    Responder responder;
    bool is_malformed, has_responder;
} Public;

/* Of the authority, in the reading transaction; then the answer, outside it. */
typedef struct PublicKind {
    Str content_type;
    bool (*read)(Public *public, Txn *txn, Err *err);
    bool (*answer)(Public *public, Bytes *der, Err *err);
    bool is_signed;                     /* by the authority itself */
} PublicKind;

static bool read_nothing(Public *public, Txn *txn, Err *err) { (void)public, (void)txn, (void)err; return true; }

static bool answer_certificate(Public *public, Bytes *der, Err *err)
{
    (void)err;
    *der = public->ca.der;
    return true;
}

/* A version that is there again, by a restored backup, is revoked no more. */
#define ISSUED "SELECT i.serial, i.gone_ms, v.updated_ms, o.deleted_ms, CASE WHEN v.version IS NULL OR v.enabled = 0 OR o.deleted_ms <> 0 THEN 1 ELSE 0 END FROM kv_issued i" \
    " LEFT JOIN kv_object o ON o.vault = i.vault AND o.kind = 3 AND o.name_key = i.name_key" \
    " LEFT JOIN kv_version v ON v.vault = i.vault AND v.kind = 3 AND v.name_key = i.name_key AND v.version = i.version" \
    " WHERE i.vault = ?1 AND i.issuer_key = ?2"

static int64_t revoked_ms_of(Rows *rows, int64_t now_ms)
{
    int64_t gone = row_int(rows, 1), deleted = row_is_null(rows, 3) ? 0 : row_int(rows, 3), updated = row_is_null(rows, 2) ? now_ms : row_int(rows, 2);
    return gone ? gone : deleted ? deleted : updated;
}

/* ---- the revocation list ---- */

static bool read_list(Public *public, Txn *txn, Err *err)
{
    int64_t now_ms = public->req->now_ms;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!(public->revoked = ARENA_ARRAY(public->arena, CrlEntry, REVOKED_MAX)))
        return err_too_big(err);
    if (!txn_query(txn, &rows, err, ISSUED " AND i.not_after_ms > ?3 AND (v.version IS NULL OR v.enabled = 0 OR o.deleted_ms <> 0) ORDER BY i.serial LIMIT ?4",
                   db_text(public->vault->id), db_text(public->ca.name_key), db_int(now_ms), db_int(REVOKED_MAX)))
        return false;
    public->count = 0;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        public->revoked[public->count++] = (CrlEntry){ str_dup(public->arena, row_text(rows, 0)), revoked_ms_of(rows, now_ms) };
    return err->code == ERR_NONE && (arena_ok(public->arena) || err_too_big(err));
}

static bool answer_list(Public *public, Bytes *der, Err *err)
{
    int64_t now_ms = public->req->now_ms;
    CrlSpec spec = { .number = now_ms / 1000, .now_ms = now_ms, .next_ms = now_ms + CRL_LIFE_MS, .entries = public->revoked, .count = public->count };
    return crl_make(public->arena, public->ca.key, public->ca.der, &spec, der, err);
}

/* ---- single certificates ---- */

static bool read_standing(Public *public, Txn *txn, OcspAsked *asked, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!asked->serial_hex.ptr)
        return true;
    if (!txn_query(txn, &rows, err, ISSUED " AND i.serial = ?3", db_text(public->vault->id), db_text(public->ca.name_key), db_text(asked->serial_hex)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    asked->standing = row_int(rows, 4) ? STANDING_REVOKED : STANDING_GOOD;
    asked->revoked_ms = revoked_ms_of(rows, public->req->now_ms);
    return true;
}

static bool read_standings(Public *public, Txn *txn, Err *err)
{
    ocsp_request_done(&public->question);
    responder_done(&public->responder);
    public->is_malformed = !ocsp_read(public->arena, public->asked, public->ca.der, &public->question, err);
    if (public->is_malformed)
        return err->code == ERR_BAD_INPUT;                /* the protocol has an answer of its own for that */
    for (size_t i = 0; i < public->question.count; i++)
        if (!read_standing(public, txn, &public->question.asked[i], err))
            return false;
    return responder_find(public->req->ctx, txn, public->arena, public->vault, &public->ca, public->req->now_ms, &public->responder, &public->has_responder, err);
}

/* An authority that has expired can have nobody answer for it. */
static bool answer_standings(Public *public, Bytes *der, Err *err)
{
    const Req *req = public->req;
    int64_t now_ms = req->now_ms, until_ms = now_ms + OCSP_LIFE_MS;
    if (public->is_malformed || public->ca.not_after_ms <= now_ms)
        return ocsp_refuse(public->arena, public->is_malformed ? OCSP_MALFORMED : OCSP_UNAUTHORIZED, der, err);
    if (!public->has_responder && !responder_make(req->ctx, public->arena, public->vault, req_param(req, "issuer"), now_ms, &public->responder, err))
        return false;
    const Responder *responder = &public->responder;
    return ocsp_answer(public->arena, &public->question, responder->key, responder->der, now_ms, until_ms < responder->not_after_ms ? until_ms : responder->not_after_ms, der, err);
}

/* ---- requests ---- */

static const PublicKind certificate_kind = { { "application/pkix-cert", 21 }, read_nothing, answer_certificate, false };
static const PublicKind list_kind = { { "application/pkix-crl", 20 }, read_list, answer_list, true };
static const PublicKind standing_kind = { { "application/ocsp-response", 25 }, read_standings, answer_standings, false };

typedef struct Reading { Public *public; const PublicKind *kind; } Reading;

static bool public_txn(Txn *txn, void *ctx, Err *err)
{
    const Reading *reading = ctx;
    Public *public = reading->public;
    bool found;
    issuer_ca_done(&public->ca);
    if (!issuer_ca_read(public->req->ctx, txn, public->arena, public->vault, req_param(public->req, "issuer"), reading->kind->is_signed, &public->ca, &found, err))
        return false;
    if (!found)
        return err_named(err, ERR_NOT_FOUND, "CertificateIssuerNotFound", NULL, "There is no authority of this name.");
    return reading->kind->read(public, txn, err);
}

static bool public_answer(Public *public, const PublicKind *kind, Reply *reply, Err *err)
{
    Req *req = public->req;
    KeyVault *kv = req->ctx;
    Reading reading = { public, kind };
    Bytes der;
    if (!firewall_admits(&public->vault->firewall, req->client_ip))
        return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized.");
    if (!store_read(kv->site->store, public_txn, &reading, err) || !kind->answer(public, &der, err))
        return false;
    reply->content_type = kind->content_type;
    buf_put(&reply->body, der.ptr, der.len);
    return !reply->body.failed || err_too_big(err);
}

static bool read_public(Req *req, Reply *reply, const PublicKind *kind, Bytes asked, Err *err)
{
    KeyVault *kv = req->ctx;
    AUTO(arena_free_auto) Arena *arena = arena_new(PUBLIC_ARENA_BYTES);
    Vault *vault = NULL;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!vault_acquire(kv, req->host_labels[0], &vault, err))
        return false;
    if (!vault)
        return err_named(err, ERR_NOT_FOUND, "VaultNotFound", NULL, "The vault '" STR_FMT "' does not exist.", STR_ARG(req->host_labels[0]));
    Public public = { .req = req, .arena = arena, .vault = vault, .asked = asked };
    bool good = public_answer(&public, kind, reply, err);
    issuer_ca_done(&public.ca);
    ocsp_request_done(&public.question);
    responder_done(&public.responder);
    vault_release(vault);
    return good;
}

bool issuer_ca_certificate(Req *req, Reply *reply, Err *err) { return read_public(req, reply, &certificate_kind, (Bytes){ 0 }, err); }
bool issuer_ca_crl(Req *req, Reply *reply, Err *err) { return read_public(req, reply, &list_kind, (Bytes){ 0 }, err); }
bool issuer_ca_ocsp(Req *req, Reply *reply, Err *err) { return read_public(req, reply, &standing_kind, bytes_of(req->body), err); }

bool issuer_ca_ocsp_get(Req *req, Reply *reply, Err *err)
{
    Bytes asked = { 0 };
    Err why = { 0 };
    if (!base64_decode(req->arena, req_param(req, "request"), &asked, &why) && why.code != ERR_BAD_INPUT) {
        *err = why;
        return false;
    }
    return read_public(req, reply, &standing_kind, asked, err);
}
