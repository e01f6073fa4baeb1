/* account_certificate_data.c - an account's certificates on the data plane. */
#include <stdio.h>
#include "base/encode.h"
#include "batch/certificates/account_certificate.h"
#include "batch/certificates/account_certificate_feature.h"
#include "batch/data_plane.h"

#define PERMISSION(action) "Microsoft.Batch/batchAccounts/certificates/" action

enum { BODY_MAX = 64 * 1024 };

/* -- out -- */

static Str certificate_path(Arena *arena, Str thumbprint)
{
    return str_printf(arena, "/certificates(thumbprintAlgorithm=sha1,thumbprint=" STR_FMT ")", STR_ARG(thumbprint));
}

static bool write_error(Arena *arena, Str error, JsonWriter *w, Err *err)
{
    const JsonVal *kept;
    if (!error.ptr)
        return true;
    if (!json_parse(arena, error, JSON_STRICT, &kept, err))
        return false;
    json_open(w, "deleteCertificateError");
    json_put_value(w, "code", json_get(kept, "code"));
    json_put_value(w, "message", json_get(kept, "message"));
    json_put_value(w, "values", json_get(kept, "details"));
    json_close(w);
    return true;
}

static bool write_certificate(const Batch *batch, Txn *txn, const Req *req, const AccountCertificate *certificate, JsonWriter *w, Err *err)
{
    Arena *arena = req->arena;
    Bytes der;
    if (!account_certificate_public_open(batch->site, txn, arena, certificate, &der, err))
        return false;
    json_put_str(w, "thumbprint", certificate->thumbprint);
    json_put_str(w, "thumbprintAlgorithm", STR("sha1"));
    json_put_str(w, "url", data_url(batch, req, certificate_path(arena, certificate->thumbprint)));
    json_put_str(w, "state", str_from(certificate_state_name(certificate->state)));
    json_put_time(w, "stateTransitionTime", certificate->state_ms);
    if (certificate->previous) {
        json_put_str(w, "previousState", str_from(certificate_state_name(certificate->previous)));
        json_put_time(w, "previousStateTransitionTime", certificate->previous_ms);
    }
    json_put_str(w, "publicData", base64_encode(arena, der));
    return write_error(arena, certificate->delete_error, w, err);
}

/* -- the one in the path -- */

static bool require_one(Txn *txn, const Req *req, AccountCertificate *out, Err *err)
{
    Str algorithm = req_param(req, "thumbprintAlgorithm");
    if (str_eq_nocase(algorithm, STR("sha1")))
        return account_certificate_require(txn, req->arena, data_account(req)->id, req_param(req, "thumbprint"), out, err);
    err_named(err, ERR_BAD_INPUT, "InvalidInput", NULL, "thumbprintAlgorithm: '" STR_FMT "' is not sha1, the only one there is", STR_ARG(str_slice(algorithm, 0, 40)));
    (void)snprintf(err->target, sizeof err->target, "thumbprintAlgorithm");
    return false;
}

typedef struct One { Batch *batch; Req *req; DataList *out; AccountCertificate certificate; } One;

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return require_one(txn, one->req, &one->certificate, err) &&
           write_certificate(one->batch, txn, one->req, &one->certificate, &one->out->item_json, err);
}

static bool certificate_get(Req *req, Reply *reply, Err *err)
{
    AUTO(data_list_done_auto) DataList item = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &item };
    if (!data_one_begin(one.batch, req, reply, &item, err) || !store_read(one.batch->site->store, get_txn, &one, err))
        return false;
    data_headers(one.batch, req, reply, one.certificate.etag, one.certificate.changed_ms);
    certificate_feature_tell(one.batch, req, reply, data_account(req)->name);
    return data_one_end(&item, "certificates", err);
}

/* -- list -- */

typedef struct List { Batch *batch; Req *req; AccountCertificate *chunk; } List;

static bool list_fetch(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err)
{
    List *l = ctx;
    return account_certificate_list(txn, l->req->arena, data_account(l->req)->id, after, limit, &l->chunk, count, err);
}

static bool list_write(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err)
{
    List *l = ctx;
    *key = l->chunk[i].thumbprint;
    return write_certificate(l->batch, txn, l->req, &l->chunk[i], w, err);
}

static bool certificates_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "state", "thumbprint", "thumbprintAlgorithm", NULL };
    static const DataRows rows = { .fetch = list_fetch, .write = list_write };
    List l = { .batch = req->ctx, .req = req };
    if (!data_list_rows(l.batch, req, reply, "certificates", filterable, &rows, &l, err))
        return false;
    certificate_feature_tell(l.batch, req, reply, data_account(req)->name);
    return true;
}

/* -- add -- */

static const JsonField add_fields[] = {
    JSON_FIELD(CertificateIn, thumbprint, "thumbprint",          JSON_REQUIRED),
    JSON_FIELD(CertificateIn, algorithm,  "thumbprintAlgorithm", JSON_REQUIRED),
    JSON_FIELD(CertificateIn, data,       "data",                JSON_REQUIRED),
    JSON_FIELD(CertificateIn, format,     "certificateFormat",   JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, password,   "password",            JSON_OPTIONAL),
};

typedef struct Add { Batch *batch; Req *req; const CertificateContent *content; AccountCertificate certificate; } Add;

static bool add_txn(Txn *txn, void *ctx, Err *err)
{
    Add *add = ctx;
    Arena *arena = add->req->arena;
    Str account_id = data_account(add->req)->id;
    Account account;
    bool found;
    if (!account_by_id(txn, arena, account_id, &account, &found, err))
        return false;
    if (!found || account.state == ACCOUNT_DELETING)
        return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The account is being deleted.");
    return certificate_feature_require(txn, add->req->now_ms, "a certificate cannot be added to an account", err) &&
           account_certificate_insert(add->batch->site, txn, arena, account_id, add->content, add->req->now_ms, err) &&
           account_certificate_require(txn, arena, account_id, add->content->thumbprint, &add->certificate, err) && data_audit(add->batch, txn, add->req, 201, err);
}

static bool certificate_add(Req *req, Reply *reply, Err *err)
{
    CertificateIn in = { 0 };
    CertificateContent content = { 0 };
    Add add = { .batch = req->ctx, .req = req, .content = &content };
    const JsonVal *body;
    if (!req_object(req, &body, err) || !json_read_exact(body, "", add_fields, COUNT_OF(add_fields), &in, err) ||
        !certificate_content_read(req->arena, &in, "", &content, err))
        return false;
    bool added = store_write(add.batch->site->store, add_txn, &add, err);
    certificate_content_wipe(&content);
    if (!added)
        return false;
    req->audited = true;
    reply->status = 201;
    data_headers(add.batch, req, reply, add.certificate.etag, add.certificate.changed_ms);
    reply_header(reply, STR("Location"), data_url(add.batch, req, certificate_path(req->arena, add.certificate.thumbprint)));
    certificate_feature_tell(add.batch, req, reply, data_account(req)->name);
    return true;
}

/* -- delete, cancel -- */

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    Arena *arena = one->req->arena;
    return require_one(txn, one->req, &one->certificate, err) &&
           account_certificate_delete_begin(one->batch, txn, arena, &one->certificate, STR_NONE, one->req->now_ms, err) &&
           require_one(txn, one->req, &one->certificate, err) && data_audit(one->batch, txn, one->req, 202, err);
}

static bool cancel_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    CertificateState now;
    return require_one(txn, one->req, &one->certificate, err) &&
           account_certificate_apply(txn, &one->certificate, CERTIFICATE_CANCEL, STR_NONE, one->req->now_ms, &now, err) &&
           require_one(txn, one->req, &one->certificate, err) && data_audit(one->batch, txn, one->req, 204, err);
}

static bool change(Req *req, Reply *reply, StoreFn *fn, int status, Err *err)
{
    One one = { .batch = req->ctx, .req = req };
    if (!store_write(one.batch->site->store, fn, &one, err))
        return false;
    req->audited = true;
    reply->status = status;
    data_headers(one.batch, req, reply, one.certificate.etag, one.certificate.changed_ms);
    certificate_feature_tell(one.batch, req, reply, data_account(req)->name);
    return true;
}

static bool certificate_delete(Req *req, Reply *reply, Err *err) { return change(req, reply, delete_txn, 202, err); }
static bool certificate_cancel(Req *req, Reply *reply, Err *err) { return change(req, reply, cancel_txn, 204, err); }

#define CERTIFICATE "/certificates(thumbprintAlgorithm={thumbprintAlgorithm},thumbprint={thumbprint})"
#define LAST "2024-07-01"                               /* later api-versions do not have them */

const Route certificate_data_routes[] = {
    { METHOD_GET,    "/certificates",              NULL, LAST, PERMISSION("read"),   WHERE_WORKER, BODY_NONE,         0,        certificates_get,   "CertificateList" },
    { METHOD_POST,   "/certificates",              NULL, LAST, PERMISSION("write"),  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, certificate_add,    "CertificateAdd" },
    { METHOD_GET,    CERTIFICATE,                  NULL, LAST, PERMISSION("read"),   WHERE_INLINE, BODY_NONE,         0,        certificate_get,    "CertificateGetData" },
    { METHOD_DELETE, CERTIFICATE,                  NULL, LAST, PERMISSION("delete"), WHERE_WORKER, BODY_NONE,         0,        certificate_delete, "CertificateDeleteData" },
    { METHOD_POST,   CERTIFICATE "/canceldelete",  NULL, LAST, PERMISSION("cancelDelete/action"), WHERE_WORKER, BODY_NONE, 0,   certificate_cancel, "CertificateCancelDeletionData" },
};
const size_t certificate_data_route_count = COUNT_OF(certificate_data_routes);
