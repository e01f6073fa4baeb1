/* account_certificate_arm.c - Microsoft.Batch/batchAccounts/certificates in Resource Manager. Their names are "sha1-<thumbprint>" in any case. */
#include "batch/parts.h"
#include <stdio.h>
#include "base/encode.h"
#include "batch/certificates/account_certificate.h"
#include "batch/certificates/account_certificate_feature.h"

#define TYPE "Microsoft.Batch/batchAccounts/certificates"

enum { BODY_MAX = 64 * 1024, PAGE_MAX = 100 };

/* -- names -- */

/* "This must be made up of algorithm and thumbprint separated by a dash" (specification, CertificateNameParameter) */
static bool name_read(const Req *req, Str *thumbprint, Err *err)
{
    Str name = req_param(req, "certificateName"), prefix = STR("sha1-");
    if (str_starts_nocase(name, prefix) && certificate_thumbprint(req->arena, str_slice(name, prefix.len, name.len), thumbprint))
        return true;
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "certificateName: '" STR_FMT "' must be SHA1-<thumbprint>, the thumbprint in 40 hex digits",
              STR_ARG(str_slice(name, 0, 80)));
    (void)snprintf(err->target, sizeof err->target, "certificateName");
    return false;
}

static Str name_of(Arena *arena, Str thumbprint) { return str_printf(arena, "sha1-" STR_FMT, STR_ARG(thumbprint)); }

static Str id_of(Arena *arena, const Account *account, Str thumbprint)
{
    return str_printf(arena, STR_FMT "/certificates/sha1-" STR_FMT, STR_ARG(account->arm_id), STR_ARG(thumbprint));
}

/* -- answers -- */

static Str weak_etag(Arena *arena, const AccountCertificate *certificate) { return str_printf(arena, "W/\"" STR_FMT "\"", STR_ARG(etag_text(arena, certificate->etag))); }

static bool write_error(Arena *arena, Str error, JsonWriter *w, Err *err)
{
    const JsonVal *kept, *details;
    if (!error.ptr)
        return true;
    if (!json_parse(arena, error, JSON_STRICT, &kept, err))
        return false;
    details = json_get(kept, "details");
    json_open(w, "deleteCertificateError");
    json_put_value(w, "code", json_get(kept, "code"));
    json_put_value(w, "message", json_get(kept, "message"));
    json_put_str(w, "target", STR("BatchAccount"));
    json_open_array(w, "details");
    for (size_t i = 0; i < json_count(details); i++) {
        json_open(w, NULL);
        json_put_value(w, "code", json_get(json_at(details, i), "name"));
        json_put_value(w, "message", json_get(json_at(details, i), "value"));
        json_close(w);
    }
    json_close_array(w);
    json_close(w);
    return true;
}

static bool write_certificate(Arena *arena, const Account *account, const AccountCertificate *certificate, Bytes der, JsonWriter *w, Err *err)
{
    json_open(w, NULL);
    json_put_str(w, "id", id_of(arena, account, certificate->thumbprint));
    json_put_str(w, "name", name_of(arena, certificate->thumbprint));
    json_put_str(w, "type", STR(TYPE));
    json_put_str(w, "etag", weak_etag(arena, certificate));
    json_open(w, "properties");
    json_put_str(w, "thumbprintAlgorithm", STR("sha1"));
    json_put_str(w, "thumbprint", certificate->thumbprint);
    json_put_str(w, "format", str_from(account_certificate_format_name(certificate->format)));
    json_put_str(w, "provisioningState", str_from(certificate_provisioning_name(certificate->state)));
    json_put_time(w, "provisioningStateTransitionTime", certificate->state_ms);
    if (certificate->previous) {
        json_put_str(w, "previousProvisioningState", str_from(certificate_provisioning_name(certificate->previous)));
        json_put_time(w, "previousProvisioningStateTransitionTime", certificate->previous_ms);
    }
    json_put_str(w, "publicData", base64_encode(arena, der));
    if (!write_error(arena, certificate->delete_error, w, err))
        return false;
    json_close(w);
    json_close(w);
    return true;
}

/* -- one -- */

typedef struct One { Batch *batch; Req *req; Str thumbprint; Account account; AccountCertificate certificate; Bytes der; } One;

static bool load(One *one, Txn *txn, Err *err)
{
    return account_of_request(txn, one->req, &one->account, err) &&
           account_certificate_require(txn, one->req->arena, one->account.id, one->thumbprint, &one->certificate, err) &&
           account_certificate_public_open(one->batch->site, txn, one->req->arena, &one->certificate, &one->der, err);
}

static bool load_txn(Txn *txn, void *ctx, Err *err) { return load(ctx, txn, err); }

static bool reply_one(One *one, Reply *reply, Err *err)
{
    Req *req = one->req;
    reply_header(reply, STR("ETag"), weak_etag(req->arena, &one->certificate));
    certificate_feature_tell(one->batch, req, reply, one->account.name);
    return write_certificate(req->arena, &one->account, &one->certificate, one->der, &reply->json, err) && json_end(&reply->json, err);
}

static bool certificate_get(Req *req, Reply *reply, Err *err)
{
    One one = { .batch = req->ctx, .req = req };
    return name_read(req, &one.thumbprint, err) && store_read(one.batch->site->store, load_txn, &one, err) && reply_one(&one, reply, err);
}

static bool cancel_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    CertificateState now;
    return load(one, txn, err) && account_certificate_apply(txn, &one->certificate, CERTIFICATE_CANCEL, STR_NONE, one->req->now_ms, &now, err) && load(one, txn, err) &&
           arm_audit(one->batch->arm, txn, one->req, id_of(one->req->arena, &one->account, one->thumbprint), 200, err);
}

static bool certificate_cancel(Req *req, Reply *reply, Err *err)
{
    One one = { .batch = req->ctx, .req = req };
    if (!name_read(req, &one.thumbprint, err) || !store_write(one.batch->site->store, cancel_txn, &one, err))
        return false;
    req->audited = true;
    return reply_one(&one, reply, err);
}

/* -- list -- */

typedef struct List { Batch *batch; Req *req; ArmPage page; JsonWriter *w; Account account; } List;

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *l = ctx;
    Arena *arena = l->req->arena;
    AccountCertificate *list;
    size_t limit = (size_t)l->page.limit, count;
    Bytes der;
    if (!account_of_request(txn, l->req, &l->account, err) || !account_certificate_list(txn, arena, l->account.id, l->page.after, l->page.limit + 1, &list, &count, err))
        return false;
    json_open(l->w, NULL);
    json_open_array(l->w, "value");
    for (size_t i = 0; i < count && i < limit; i++)
        if (!account_certificate_public_open(l->batch->site, txn, arena, &list[i], &der, err) || !write_certificate(arena, &l->account, &list[i], der, l->w, err))
            return false;
    json_close_array(l->w);
    if (count > limit)
        arm_page_next(l->batch->arm, l->req, l->w, list[limit - 1].thumbprint);
    json_close(l->w);
    return true;
}

static bool certificates_get(Req *req, Reply *reply, Err *err)
{
    List l = { .batch = req->ctx, .req = req, .w = &reply->json };
    if (!batch_arm_page_read(req, PAGE_MAX, &l.page, err) || !store_read(l.batch->site->store, list_txn, &l, err))
        return false;
    certificate_feature_tell(l.batch, req, reply, l.account.name);
    return json_end(l.w, err);
}

/* -- create, update -- */

typedef struct Write { One one; bool is_patch, has_content; CertificateContent content; } Write;

static bool write_txn(Txn *txn, void *ctx, Err *err)
{
    Write *w = ctx;
    One *one = &w->one;
    Arena *arena = one->req->arena;
    const Site *site = one->batch->site;
    bool found;
    if (!account_of_request(txn, one->req, &one->account, err))
        return false;
    if (one->account.state == ACCOUNT_DELETING)
        return err_named(err, ERR_CONFLICT, "AccountBeingDeleted", NULL, "The account '" STR_FMT "' is being deleted.", STR_ARG(one->account.name));
    if (!account_certificate_find(txn, arena, one->account.id, one->thumbprint, &one->certificate, &found, err))
        return false;
    if (!found && w->is_patch)
        return load(one, txn, err);
    if (!etag_check(one->req, found, found ? one->certificate.etag : 0, "PreconditionFailed", err))
        return false;
    if (w->has_content && (!certificate_feature_require(txn, one->req->now_ms, "a certificate can neither be added to an account nor changed", err) ||
                           !(found ? account_certificate_replace(site, txn, arena, &one->certificate, &w->content, one->req->now_ms, err)
                                   : account_certificate_insert(site, txn, arena, one->account.id, &w->content, one->req->now_ms, err))))
        return false;
    return load(one, txn, err) && arm_audit(one->batch->arm, txn, one->req, id_of(arena, &one->account, one->thumbprint), 200, err);
}

static const JsonField property_fields[] = {
    JSON_FIELD(CertificateIn, thumbprint, "thumbprint",          JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, algorithm,  "thumbprintAlgorithm", JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, data,       "data",                JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, format,     "format",              JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, password,   "password",            JSON_OPTIONAL),
};

/* Members that are only shown, so that what was read can be sent again with new data. */
static const char *const shown[] = { "provisioningState", "provisioningStateTransitionTime", "previousProvisioningState", "previousProvisioningStateTransitionTime",
                                     "publicData", "deleteCertificateError" };

static bool bad_property(Err *err, const char *name, const char *field, const char *text)
{
    err_named(err, ERR_BAD_INPUT, name, NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool check_names(const JsonVal *properties, Err *err)
{
    JsonWalk members = { .object = properties };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value)) {
        char field[96];
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(property_fields); i++)
            known = known || str_eq(name, str_from(property_fields[i].name));
        for (size_t i = 0; i < COUNT_OF(shown); i++)
            known = known || str_eq(name, str_from(shown[i]));
        (void)snprintf(field, sizeof field, "properties." STR_FMT, (int)(name.len < 60 ? name.len : 60), name.ptr);
        if (!known)
            return bad_property(err, "InvalidRequestBody", field, "there is no property of this name here; check its spelling");
    }
    return true;
}

static bool read_content(Write *w, const JsonVal *properties, Err *err)
{
    Req *req = w->one.req;
    CertificateIn in = { 0 };
    Str given;
    if (json_kind(properties) != JSON_OBJECT)
        return bad_property(err, "MissingRequiredProperty", "properties", "is required and must be an object");
    if (!check_names(properties, err) || !json_read(properties, "properties", property_fields, COUNT_OF(property_fields), &in, err))
        return false;
    if (in.thumbprint.ptr && (!certificate_thumbprint(req->arena, in.thumbprint, &given) || !str_eq(given, w->one.thumbprint)))
        return bad_property(err, "InvalidPropertyValue", "properties.thumbprint", "must be the thumbprint of the certificate's name");
    if (w->is_patch && !in.data.ptr && !in.password.ptr)
        return true;                                    /* nothing of it is asked to change */
    in.thumbprint = w->one.thumbprint;
    w->has_content = true;
    return certificate_content_read(req->arena, &in, "properties.", &w->content, err);
}

static bool certificate_write(Req *req, Reply *reply, bool is_patch, Err *err)
{
    static const char *const top[] = { "properties", "id", "name", "type", "etag" };
    Write w = { .one = { .batch = req->ctx, .req = req }, .is_patch = is_patch };
    const JsonVal *body, *value;
    Str name;
    if (!name_read(req, &w.one.thumbprint, err) || !req_object(req, &body, err))
        return false;
    JsonWalk members = { .object = body };
    while (json_walk(&members, &name, &value)) {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(top); i++)
            known = known || str_eq(name, str_from(top[i]));
        char field[64];
        (void)snprintf(field, sizeof field, STR_FMT, (int)(name.len < 60 ? name.len : 60), name.ptr);
        if (!known)
            return bad_property(err, "InvalidRequestBody", field, "there is no property of this name here; check its spelling");
    }
    bool done = read_content(&w, json_get(body, "properties"), err) && store_write(w.one.batch->site->store, write_txn, &w, err);
    certificate_content_wipe(&w.content);
    if (!done)
        return false;
    req->audited = true;
    return reply_one(&w.one, reply, err);
}

static bool certificate_put(Req *req, Reply *reply, Err *err) { return certificate_write(req, reply, false, err); }
static bool certificate_patch(Req *req, Reply *reply, Err *err) { return certificate_write(req, reply, true, err); }

/* -- delete -- */

typedef struct Delete { One one; bool found; Str operation; } Delete;

/* Asked again while it is being deleted, the first operation stays. */
static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Delete *d = ctx;
    One *one = &d->one;
    Arena *arena = one->req->arena;
    if (!account_of_request(txn, one->req, &one->account, err) ||
        !account_certificate_find(txn, arena, one->account.id, one->thumbprint, &one->certificate, &d->found, err))
        return false;
    Str id = id_of(arena, &one->account, one->thumbprint);
    if (!d->found)
        return arm_audit(one->batch->arm, txn, one->req, id, 204, err);
    d->operation = one->certificate.operation;
    if (one->certificate.state != CERTIFICATE_DELETING &&
        (!arm_operation_start(one->batch->arm, txn, arena, id, &d->operation, err) ||
         !account_certificate_delete_begin(one->batch, txn, arena, &one->certificate, d->operation, one->req->now_ms, err)))
        return false;
    return arm_audit(one->batch->arm, txn, one->req, id, 202, err);
}

static bool certificate_delete(Req *req, Reply *reply, Err *err)
{
    Delete d = { .one = { .batch = req->ctx, .req = req } };
    if (!name_read(req, &d.one.thumbprint, err) || !store_write(d.one.batch->site->store, delete_txn, &d, err))
        return false;
    req->audited = true;
    certificate_feature_tell(d.one.batch, req, reply, d.one.account.name);
    if (d.found && d.operation.ptr)
        arm_reply_accepted(d.one.batch->arm, req, reply, d.one.account.subscription, d.operation);
    else
        reply->status = d.found ? 200 : 204;            /* being deleted already, from the data plane */
    return true;
}

#define CERTIFICATES "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Batch/batchAccounts/{accountName}/certificates"
#define CERTIFICATE  CERTIFICATES "/{certificateName}"
#define LAST         "2025-05-31"                       /* 2025-06-01 does not have them any more */

const Route certificate_arm_routes[] = {
    { METHOD_GET,    CERTIFICATES,               NULL, LAST, TYPE "/read",   WHERE_WORKER, BODY_NONE,         0,        certificates_get,   "CertificateListByBatchAccount" },
    { METHOD_GET,    CERTIFICATE,                NULL, LAST, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        certificate_get,    "CertificateGet" },
    { METHOD_PUT,    CERTIFICATE,                NULL, LAST, TYPE "/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, certificate_put,    "CertificateCreate" },
    { METHOD_PATCH,  CERTIFICATE,                NULL, LAST, TYPE "/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, certificate_patch,  "CertificateUpdate" },
    { METHOD_DELETE, CERTIFICATE,                NULL, LAST, TYPE "/delete", WHERE_WORKER, BODY_NONE,         0,        certificate_delete, "CertificateDelete" },
    { METHOD_POST,   CERTIFICATE "/cancelDelete", NULL, LAST, TYPE "/cancelDelete/action", WHERE_WORKER, BODY_NONE, 0,  certificate_cancel, "CertificateCancelDeletion" },
};
const size_t certificate_arm_route_count = COUNT_OF(certificate_arm_routes);
