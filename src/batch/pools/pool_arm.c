/* pool_arm.c - Microsoft.Batch/batchAccounts/pools in Resource Manager. */
#include "batch/parts.h"
#include <stdio.h>
#include "batch/certificates/account_certificate_feature.h"
#include "batch/certificates/account_certificate_refs.h"

#define TYPE "Microsoft.Batch/batchAccounts/pools"

enum { BODY_MAX = 1024 * 1024, PAGE_MAX = 1000 };

/* -- answers -- */

static void write_identity(Arena *arena, Str json, JsonWriter *w)
{
    AssignedIdentity *list;
    size_t count;
    Err ignored = { 0 };
    if (!identities_from_json(arena, json, &list, &count, &ignored))
        return;                                         /* our own text: only a full arena fails here, and the reply with it */
    json_open(w, "identity");
    json_put_str(w, "type", count > 0 ? STR("UserAssigned") : STR("None"));
    if (count > 0)
        json_open(w, "userAssignedIdentities");
    for (size_t i = 0; i < count; i++) {
        json_open_named(w, list[i].resource_id);
        json_put_str(w, "principalId", list[i].principal_id);
        json_put_str(w, "clientId", list[i].client_id);
        json_close(w);
    }
    if (count > 0)
        json_close(w);
    json_close(w);
}

static Str capital(Arena *arena, const char *word)
{
    Str text = str_dup(arena, str_from(word));
    if (text.len > 0)
        ((char *)(uintptr_t)text.ptr)[0] = (char)(text.ptr[0] - 'a' + 'A');
    return text;
}

static void write_scale(Arena *arena, const Pool *pool, JsonWriter *w)
{
    Str timeout = duration_text(arena, pool->resize_timeout_ms);
    json_open(w, "scaleSettings");
    json_open(w, "fixedScale");
    json_put_str(w, "resizeTimeout", timeout);
    json_put_int(w, "targetDedicatedNodes", pool->target);
    json_put_int(w, "targetLowPriorityNodes", pool->target_low);
    json_close(w);
    json_close(w);
    json_open(w, "resizeOperationStatus");
    json_put_int(w, "targetDedicatedNodes", pool->target);
    json_put_int(w, "targetLowPriorityNodes", pool->target_low);
    json_put_str(w, "nodeDeallocationOption", str_empty(pool->deallocation) ? STR_NONE : pool->deallocation);
    json_put_str(w, "resizeTimeout", timeout);
    json_put_time(w, "startTime", pool->resize_ms);
    if (!str_eq(pool->resize_errors, STR("[]")))
        json_put_raw(w, "errors", pool->resize_errors);
    json_close(w);
}

static Str weak_etag(Arena *arena, const Pool *pool)
{
    return str_printf(arena, "W/\"" STR_FMT "\"", STR_ARG(etag_text(arena, pool->etag)));
}

static void write_pool(Arena *arena, const Account *account, const Pool *pool, Str body, JsonWriter *w)
{
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(arena, STR_FMT "/pools/" STR_FMT, STR_ARG(account->arm_id), STR_ARG(pool->id)));
    json_put_str(w, "name", pool->id);
    json_put_str(w, "type", STR(TYPE));
    json_put_str(w, "etag", weak_etag(arena, pool));
    write_identity(arena, pool->identities, w);
    json_open(w, "properties");
    json_put_str(w, "provisioningState", pool->state == POOL_DELETING ? STR("Deleting") : STR("Succeeded"));
    json_put_time(w, "provisioningStateTransitionTime", pool->state_ms);
    json_put_time(w, "creationTime", pool->created_ms);
    json_put_time(w, "lastModified", pool->changed_ms);
    json_put_str(w, "allocationState", capital(arena, pool_allocation_name(pool->allocation)));
    json_put_time(w, "allocationStateTransitionTime", pool->allocation_ms);
    json_put_str(w, "vmSize", pool->vm_size);
    json_put_int(w, "currentDedicatedNodes", pool->current);
    json_put_int(w, "currentLowPriorityNodes", pool->current_low);
    json_put_int(w, "taskSlotsPerNode", pool->slots);
    json_put_str(w, "currentNodeCommunicationMode", STR("Simplified"));     /* nodes dial out only */
    write_scale(arena, pool, w);
    pool_write_document(arena, SPELL_ARM, body, w);
    certificate_refs_write(arena, SPELL_ARM, account->arm_id, body, w);
    json_close(w);
    json_close(w);
}

static bool reply_pool(Req *req, Reply *reply, const Account *account, const Pool *pool, Str body, Err *err)
{
    reply_header(reply, STR("ETag"), weak_etag(req->arena, pool));
    write_pool(req->arena, account, pool, body, &reply->json);
    return json_end(&reply->json, err);
}

/* -- read -- */

typedef struct One { Batch *batch; Req *req; Account account; Pool pool; Str body; } One;

static bool load(One *one, Txn *txn, Err *err)
{
    return account_of_request(txn, one->req, &one->account, err) &&
           pool_require(txn, one->req->arena, one->account.id, req_param(one->req, "poolName"), &one->pool, err) &&
           pool_body_open(one->batch->site, txn, one->req->arena, &one->pool, &one->body, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err) { return load(ctx, txn, err); }

static bool pool_get(Req *req, Reply *reply, Err *err)
{
    One one = { .batch = req->ctx, .req = req };
    return store_read(one.batch->site->store, get_txn, &one, err) && reply_pool(req, reply, &one.account, &one.pool, one.body, err);
}

typedef struct List { Batch *batch; Req *req; ArmPage page; JsonWriter *w; } List;

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *l = ctx;
    Arena *arena = l->req->arena;
    Account account;
    Pool *pools;
    size_t limit = (size_t)l->page.limit, count;
    if (!account_of_request(txn, l->req, &account, err) || !pool_list(txn, arena, account.id, l->page.after, l->page.limit + 1, &pools, &count, err))
        return false;
    json_open(l->w, NULL);
    json_open_array(l->w, "value");
    for (size_t i = 0; i < count && i < limit; i++) {
        Str body;
        if (!pool_body_open(l->batch->site, txn, arena, &pools[i], &body, err))
            return false;
        write_pool(arena, &account, &pools[i], body, l->w);
    }
    json_close_array(l->w);
    if (count > limit)
        arm_page_next(l->batch->arm, l->req, l->w, pools[limit - 1].key);
    json_close(l->w);
    return true;
}

static bool pool_list_all(Req *req, Reply *reply, Err *err)
{
    List l = { .batch = req->ctx, .req = req, .w = &reply->json };
    return batch_arm_page_read(req, PAGE_MAX, &l.page, err) && store_read(l.batch->site->store, list_txn, &l, err) && json_end(l.w, err);
}

/* -- create, update -- */

typedef struct Write {
    Batch *batch;
    Req *req;
    bool is_patch;
    const JsonVal *properties;
    IdentityIn identity;
    Account account;
    Pool pool;                              /* as written */
    Str body;
} Write;

static const ShapeField top_fields[] = {
    { "properties", NULL, SHAPE_BY_HAND }, { "identity", NULL, SHAPE_BY_HAND },
    /* A name here is not compared with the path's: the documented body is sent under any name. */
    { "name", NULL, SHAPE_SHOWN }, { "type", NULL, SHAPE_SHOWN }, { "id", NULL, SHAPE_SHOWN }, { "etag", NULL, SHAPE_SHOWN },
    { "location", NULL, SHAPE_SHOWN }, { "systemData", NULL, SHAPE_SHOWN },
    { "tags", NULL, SHAPE_NOT_BUILT, .why = "tags of pools are not available here yet; use metadata or resourceTags" },
    { NULL }
};

static bool read_top(Write *w, Err *err)
{
    AUTO(buf_done_auto) Buf ignored = { 0 };
    JsonWriter nowhere;
    const JsonVal *body;
    buf_init(&ignored, 4096);
    json_begin(&nowhere, &ignored);
    json_open(&nowhere, NULL);
    if (!req_object(w->req, &body, err) || !shape_read(w->req->arena, top_fields, SPELL_ARM, body, NULL, "", &nowhere, err))
        return false;
    w->properties = json_get(body, "properties");
    if (w->is_patch && json_kind(w->properties) <= JSON_NULL) {
        static const char none[] = "{}";
        if (!json_parse(w->req->arena, str_from(none), JSON_STRICT, &w->properties, err))
            return false;
    }
    return identity_read(w->req->arena, json_get(body, "identity"), false, &w->identity, err);
}

static bool check_size(const PoolSpec *spec, Provider *provider, int cores, Err *err)
{
    if (!provider) {
        err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "properties.vmSize: '" STR_FMT "' is not a size that this server can give; use one such as STANDARD_DS2_V2",
                  STR_ARG(str_slice(spec->vm_size, 0, 60)));
        (void)snprintf(err->target, sizeof err->target, "properties.vmSize");
        return false;
    }
    if (spec->slots > 4 * (int64_t)cores) {
        err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "properties.taskSlotsPerNode: %lld is more than four for each of the %d cores of '" STR_FMT "'",
                  (long long)spec->slots, cores, STR_ARG(spec->vm_size));
        (void)snprintf(err->target, sizeof err->target, "properties.taskSlotsPerNode");
        return false;
    }
    return true;
}

static bool create(Write *w, Txn *txn, Err *err)
{
    Arena *arena = w->req->arena;
    PoolSpec spec;
    int cores = 0;
    if (!pool_read_arm(arena, w->properties, POOL_CREATE, NULL, &spec, err))
        return false;
    Provider *provider = batch_provider_for(w->batch, spec.vm_size, &cores);
    if (!check_size(&spec, provider, cores, err) || !identities_resolve(w->batch->ids, txn, arena, &w->identity, err))
        return false;
    PoolMake make = {
        .id = req_param(w->req, "poolName"), .provider = str_from(provider->name), .cores = cores, .spec = &spec,
        .identities = identities_to_json(arena, w->identity.list, w->identity.count), .now_ms = w->req->now_ms,
    };
    return pool_insert(w->batch, txn, arena, &w->account, &make, err);
}

static bool update(Write *w, Txn *txn, Err *err)
{
    Arena *arena = w->req->arena;
    PoolSpec now, spec;
    Str body, identities = w->pool.identities;
    if (!pool_body_open(w->batch->site, txn, arena, &w->pool, &body, err))
        return false;
    now = pool_spec_of(&w->pool, body);
    if (!pool_read_arm(arena, w->properties, w->is_patch ? POOL_PATCH : POOL_REPLACE, &now, &spec, err) ||
        !identities_resolve(w->batch->ids, txn, arena, &w->identity, err))
        return false;
    if (w->identity.given)
        identities = identities_to_json(arena, w->identity.list, w->identity.count);
    return pool_update(w->batch, txn, arena, &w->pool, &spec, identities, w->req->now_ms, err);
}

static bool write_txn(Txn *txn, void *ctx, Err *err)
{
    Write *w = ctx;
    Arena *arena = w->req->arena;
    Str name = req_param(w->req, "poolName");
    bool found;
    if (!account_of_request(txn, w->req, &w->account, err))
        return false;
    if (w->account.state == ACCOUNT_DELETING)
        return err_named(err, ERR_CONFLICT, "AccountBeingDeleted", NULL, "The account '" STR_FMT "' is being deleted.", STR_ARG(w->account.name));
    if (!(w->is_patch ? pool_require(txn, arena, w->account.id, name, &w->pool, err) && (found = true)
                      : pool_find(txn, arena, w->account.id, name, &w->pool, &found, err)))
        return false;
    if (!etag_check(w->req, found, found ? w->pool.etag : 0, "PreconditionFailed", err) || !(found ? update(w, txn, err) : create(w, txn, err)))
        return false;
    Str arm_id = str_printf(arena, STR_FMT "/pools/" STR_FMT, STR_ARG(w->account.arm_id), STR_ARG(found ? w->pool.id : name));
    return pool_require(txn, arena, w->account.id, name, &w->pool, err) && pool_body_open(w->batch->site, txn, arena, &w->pool, &w->body, err) &&
           arm_audit(w->batch->arm, txn, w->req, arm_id, 200, err);
}

static bool pool_write(Req *req, Reply *reply, bool is_patch, Err *err)
{
    Write w = { .batch = req->ctx, .req = req, .is_patch = is_patch };
    Str scope = arm_id_of_request(req, STR("Microsoft.Batch/batchAccounts"), req_param(req, "accountName"));
    scope = str_printf(req->arena, STR_FMT "/pools/" STR_FMT, STR_ARG(scope), STR_ARG(req_param(req, "poolName")));
    if (!pool_id_check(req_param(req, "poolName"), "poolName", err) || !read_top(&w, err) ||
        !identities_require_assign(w.batch->access, req->arena, req->caller, STR(TYPE "/write"), scope, &w.identity, err) ||
        !store_write(w.batch->site->store, write_txn, &w, err))
        return false;
    req->audited = true;
    if (certificate_refs_any(req->arena, w.body))
        certificate_feature_tell(w.batch, req, reply, w.pool.id);
    return reply_pool(req, reply, &w.account, &w.pool, w.body, err);
}

static bool pool_put(Req *req, Reply *reply, Err *err) { return pool_write(req, reply, false, err); }
static bool pool_patch(Req *req, Reply *reply, Err *err) { return pool_write(req, reply, true, err); }

/* -- stop, delete -- */

static bool stop_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return load(one, txn, err) && pool_stop_resize(one->batch, txn, one->req->arena, &one->pool, one->req->now_ms, err) && load(one, txn, err) &&
           arm_audit(one->batch->arm, txn, one->req, one->account.arm_id, 200, err);
}

static bool pool_stop(Req *req, Reply *reply, Err *err)
{
    One one = { .batch = req->ctx, .req = req };
    if (!store_write(one.batch->site->store, stop_txn, &one, err))
        return false;
    req->audited = true;
    return reply_pool(req, reply, &one.account, &one.pool, one.body, err);
}

typedef struct Delete { Batch *batch; Req *req; Account account; Pool pool; bool found; Str operation; } Delete;

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Delete *d = ctx;
    Arena *arena = d->req->arena;
    if (!account_of_request(txn, d->req, &d->account, err) ||
        !pool_find(txn, arena, d->account.id, req_param(d->req, "poolName"), &d->pool, &d->found, err))
        return false;
    if (!d->found)
        return arm_audit(d->batch->arm, txn, d->req, d->account.arm_id, 204, err);
    Str arm_id = str_printf(arena, STR_FMT "/pools/" STR_FMT, STR_ARG(d->account.arm_id), STR_ARG(d->pool.id));
    d->operation = d->pool.operation;
    if (d->pool.state == POOL_ACTIVE && !arm_operation_start(d->batch->arm, txn, arena, arm_id, &d->operation, err))
        return false;
    return pool_delete_begin(d->batch, txn, arena, &d->pool, d->operation, d->req->now_ms, err) && arm_audit(d->batch->arm, txn, d->req, arm_id, 202, err);
}

static bool pool_delete(Req *req, Reply *reply, Err *err)
{
    Delete d = { .batch = req->ctx, .req = req };
    if (!store_write(d.batch->site->store, delete_txn, &d, err))
        return false;
    req->audited = true;
    if (d.found && d.operation.ptr)
        arm_reply_accepted(d.batch->arm, req, reply, d.account.subscription, d.operation);
    else
        reply->status = d.found ? 200 : 204;            /* being deleted already, from the data plane */
    return true;
}

#define POOLS "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Batch/batchAccounts/{accountName}/pools"
#define POOL  POOLS "/{poolName}"

const Route pool_arm_routes[] = {
    { METHOD_GET,    POOLS,                    NULL, NULL, TYPE "/read",   WHERE_WORKER, BODY_NONE,         0,        pool_list_all, "PoolListByBatchAccount" },
    { METHOD_GET,    POOL,                     NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        pool_get,      "PoolGet" },
    { METHOD_PUT,    POOL,                     NULL, NULL, TYPE "/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_put,      "PoolCreate" },
    { METHOD_PATCH,  POOL,                     NULL, NULL, TYPE "/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_patch,    "PoolUpdate" },
    { METHOD_DELETE, POOL,                     NULL, NULL, TYPE "/delete", WHERE_WORKER, BODY_NONE,         0,        pool_delete,   "PoolDelete" },
    { METHOD_POST,   POOL "/stopResize",       NULL, NULL, TYPE "/stopResize/action",       WHERE_WORKER, BODY_NONE, 0, pool_stop,     "PoolStopResize" },
    { METHOD_POST,   POOL "/disableAutoScale", NULL, NULL, TYPE "/disableAutoScale/action", WHERE_INLINE, BODY_NONE, 0, route_not_built, "PoolDisableAutoScale" },
};
const size_t pool_arm_route_count = COUNT_OF(pool_arm_routes);
