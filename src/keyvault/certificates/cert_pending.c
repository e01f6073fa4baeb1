/* cert_pending.c - the operation of a certificate: get, cancel, delete. */
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/certificates/certificate.h"
#include "keyvault/keys/hsm_key.h"

typedef struct Operation { Req *req; PendingRow pending; ObjectRow object; bool wants_cancel; } Operation;

static bool operation_require(Operation *operation, Txn *txn, Err *err)
{
    Req *req = operation->req;
    Str name = req->params[0], wanted = req_query(req, "request_id");
    bool found;
    if (!object_name_check(name, err) ||
        !object_find(txn, req->arena, req_vault(req), KV_CERTIFICATE, name, &operation->object, &found, err))
        return false;
    if (!found || operation->object.deleted_ms)
        return pending_not_found(err, name);
    if (!pending_find(req->ctx, txn, req->arena, req_vault(req), name, &operation->pending, &found, err))
        return false;
    if (!found || (!str_empty(wanted) && !str_eq_nocase(wanted, operation->pending.request_id)))
        return pending_not_found(err, name);
    return true;
}

static bool operation_get_txn(Txn *txn, void *ctx, Err *err) { return operation_require(ctx, txn, err); }

static void operation_reply(Operation *operation, Reply *reply)
{
    Req *req = operation->req;
    pending_write(&reply->json, req->ctx, req->arena, req_vault(req), operation->object.name, &operation->pending);
}

bool certificate_pending_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Operation operation = { .req = req };
    if (!store_read(kv->site->store, operation_get_txn, &operation, err))
        return false;
    if (pending_is_in_progress(&operation.pending))
        reply_header(reply, STR("Retry-After"), STR("1"));
    operation_reply(&operation, reply);
    return true;
}

static bool operation_cancel_txn(Txn *txn, void *ctx, Err *err)
{
    Operation *operation = ctx;
    Req *req = operation->req;
    KeyVault *kv = req->ctx;
    if (!operation_require(operation, txn, err))
        return false;
    if (!operation->wants_cancel)
        return true;
    if (!pending_is_in_progress(&operation->pending))
        return err_field(err, "cancellation_requested", "The operation of certificate " STR_FMT " is no longer in progress and cannot be cancelled.",
                         STR_ARG(operation->object.name));
    operation->pending.cancellation_requested = true;
    operation->pending.status = PENDING_CANCELLED;
    return pending_put(kv, txn, req->arena, req_vault(req), operation->object.name, &operation->pending, (Bytes){ 0 }, err) &&
           runner_cancel(kv->site->runner, txn, WORK_ISSUE, certificate_work_key(req->arena, req_vault(req), operation->object.name), err);
}

typedef struct CancelIn { bool wants_cancel; } CancelIn;
static const JsonField cancel_fields[] = { JSON_FIELD(CancelIn, wants_cancel, "cancellation_requested", JSON_REQUIRED) };

bool certificate_pending_update(Req *req, Reply *reply, Err *err)
{
    Operation operation = { .req = req };
    const JsonVal *body;
    CancelIn in = { 0 };
    if (!object_name_check(req->params[0], err) || !req_object(req, &body, err) ||
        !json_read(body, "", cancel_fields, COUNT_OF(cancel_fields), &in, err))
        return false;
    operation.wants_cancel = in.wants_cancel;
    Str url = object_part_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], "pending");
    if (!plane_write(req, url, 200, operation_cancel_txn, &operation, err))
        return false;
    operation_reply(&operation, reply);
    return true;
}

static bool operation_delete_txn(Txn *txn, void *ctx, Err *err)
{
    Operation *operation = ctx;
    Req *req = operation->req;
    KeyVault *kv = req->ctx;
    return operation_require(operation, txn, err) && pending_erase(txn, req->arena, req_vault(req), operation->object.name, err) &&
           runner_cancel(kv->site->runner, txn, WORK_ISSUE, certificate_work_key(req->arena, req_vault(req), operation->object.name), err) &&
           hsm_sweep(kv, txn, req_vault(req), err);
}

bool certificate_pending_delete(Req *req, Reply *reply, Err *err)
{
    Operation operation = { .req = req };
    if (!object_name_check(req->params[0], err))
        return false;
    Str url = object_part_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, req->params[0], "pending");
    if (!plane_write(req, url, 200, operation_delete_txn, &operation, err))
        return false;
    operation_reply(&operation, reply);
    return true;
}
