/* data_pool.c - pools on the data plane. */
#include <stdio.h>
#include "batch/certificates/account_certificate_feature.h"
#include "batch/certificates/account_certificate_refs.h"
#include "batch/data_plane.h"
#include "batch/nodes/node_runs.h"
#include "batch/pools/pool_shape.h"

#define POOLS_READ   "Microsoft.Batch/batchAccounts/pools/read"
#define POOLS_WRITE  "Microsoft.Batch/batchAccounts/pools/write"
#define POOLS_DELETE "Microsoft.Batch/batchAccounts/pools/delete"

enum { BODY_MAX = 1024 * 1024, REMOVE_MAX = 100 };

/* -- out -- */

static void write_identity(Arena *arena, Str json, JsonWriter *w)
{
    AssignedIdentity *list;
    size_t count;
    Err ignored = { 0 };
    if (!identities_from_json(arena, json, &list, &count, &ignored) || count == 0)
        return;
    json_open(w, "identity");
    json_put_str(w, "type", STR("UserAssigned"));
    identities_write(w, "userAssignedIdentities", list, count);
    json_close(w);
}

static void write_pool(const Batch *batch, const Req *req, const Pool *pool, Str body, JsonWriter *w)
{
    Arena *arena = req->arena;
    json_put_str(w, "id", pool->id);
    json_put_str(w, "url", data_url(batch, req, str_printf(arena, "/pools/" STR_FMT, STR_ARG(pool->id))));
    json_put_str(w, "eTag", etag_text(arena, pool->etag));
    json_put_time(w, "lastModified", pool->changed_ms);
    json_put_time(w, "creationTime", pool->created_ms);
    json_put_str(w, "state", str_from(pool_state_name(pool->state)));
    json_put_time(w, "stateTransitionTime", pool->state_ms);
    json_put_str(w, "allocationState", str_from(pool_allocation_name(pool->allocation)));
    json_put_time(w, "allocationStateTransitionTime", pool->allocation_ms);
    json_put_str(w, "vmSize", pool->vm_size);
    json_put_str(w, "resizeTimeout", duration_text(arena, pool->resize_timeout_ms));
    if (!str_eq(pool->resize_errors, STR("[]")))
        json_put_raw(w, "resizeErrors", pool->resize_errors);
    json_put_int(w, "currentDedicatedNodes", pool->current);
    json_put_int(w, "currentLowPriorityNodes", pool->current_low);
    json_put_int(w, "targetDedicatedNodes", pool->target);
    json_put_int(w, "targetLowPriorityNodes", pool->target_low);
    json_put_bool(w, "enableAutoScale", false);
    json_put_int(w, "taskSlotsPerNode", pool->slots);
    json_put_str(w, "currentNodeCommunicationMode", STR("simplified"));
    write_identity(arena, pool->identities, w);
    pool_write_document(arena, SPELL_DATA, body, w);
    certificate_refs_write(arena, SPELL_DATA, STR_NONE, body, w);
}

/* -- read -- */

typedef struct One { Batch *batch; Req *req; Pool pool; Str body; } One;

static bool load(One *one, Txn *txn, Err *err)
{
    return pool_require(txn, one->req->arena, data_account(one->req)->id, req_param(one->req, "poolId"), &one->pool, err) &&
           pool_body_open(one->batch->site, txn, one->req->arena, &one->pool, &one->body, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err) { return load(ctx, txn, err); }

static bool pool_get(Req *req, Reply *reply, Err *err)
{
    One one = { .batch = req->ctx, .req = req };
    AUTO(data_list_done_auto) DataList item = { 0 };
    bool unchanged;
    if (!store_read(one.batch->site->store, get_txn, &one, err) || !data_conditions(req, reply, one.pool.etag, one.pool.changed_ms, &unchanged, err))
        return false;
    data_headers(one.batch, req, reply, one.pool.etag, one.pool.changed_ms);
    if (unchanged)
        return true;
    if (!data_one_begin(one.batch, req, reply, &item, err))
        return false;
    write_pool(one.batch, req, &one.pool, one.body, &item.item_json);
    return data_one_end(&item, "pools", err);
}

typedef struct List { Batch *batch; Req *req; Pool *chunk; } List;

static bool list_fetch(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err)
{
    List *l = ctx;
    return pool_list(txn, l->req->arena, data_account(l->req)->id, after, limit, &l->chunk, count, err);
}

static bool list_write(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err)
{
    List *l = ctx;
    Str body;
    *key = l->chunk[i].key;
    if (!pool_body_open(l->batch->site, txn, l->req->arena, &l->chunk[i], &body, err))
        return false;
    write_pool(l->batch, l->req, &l->chunk[i], body, w);
    return true;
}

static bool pools_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "id", "displayName", "state", "allocationState", "vmSize", "enableAutoScale", NULL };
    static const DataRows rows = { .fetch = list_fetch, .write = list_write };
    List l = { .batch = req->ctx, .req = req };
    return data_list_rows(l.batch, req, reply, "pools", filterable, &rows, &l, err);
}

/* -- add -- */

typedef struct Add { Batch *batch; Req *req; PoolMake make; Pool pool; } Add;

static bool add_txn(Txn *txn, void *ctx, Err *err)
{
    Add *add = ctx;
    Arena *arena = add->req->arena;
    Account account;
    bool found;
    if (!account_by_id(txn, arena, data_account(add->req)->id, &account, &found, err))
        return false;
    if (!found || account.state == ACCOUNT_DELETING)
        return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The account is being deleted.");
    if (!pool_find(txn, arena, account.id, add->make.id, &add->pool, &found, err))
        return false;
    if (found)
        return err_named(err, ERR_CONFLICT, "PoolExists", NULL, "The specified pool already exists: '" STR_FMT "'.", STR_ARG(add->pool.id));
    return pool_insert(add->batch, txn, arena, &account, &add->make, err) && pool_require(txn, arena, account.id, add->make.id, &add->pool, err) &&
           data_audit(add->batch, txn, add->req, 201, err);
}

static bool refuse(Err *err, const char *field, const char *text, Str value)
{
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s: '" STR_FMT "' %s", field, STR_ARG(str_slice(value, 0, 60)), text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool pool_add(Req *req, Reply *reply, Err *err)
{
    Add add = { .batch = req->ctx, .req = req };
    const JsonVal *body;
    PoolSpec spec;
    int cores = 0;
    if (!req_object(req, &body, err) || !pool_read_data(req->arena, body, POOL_CREATE, NULL, &spec, err))
        return false;
    Str id = json_str(json_get(body, "id"));
    if (!pool_id_check(id, "id", err))
        return false;
    Provider *provider = batch_provider_for(add.batch, spec.vm_size, &cores);
    if (!provider)
        return refuse(err, "vmSize", "is not a size that this server can give; use one such as STANDARD_DS2_V2", spec.vm_size);
    if (spec.slots > 4 * (int64_t)cores)
        return refuse(err, "taskSlotsPerNode", "is more than four for each core of the machine", str_printf(req->arena, "%lld", (long long)spec.slots));
    add.make = (PoolMake){ .id = id, .provider = str_from(provider->name), .cores = cores, .spec = &spec, .identities = STR("[]"), .now_ms = req->now_ms };
    if (!store_write(add.batch->site->store, add_txn, &add, err))
        return false;
    req->audited = true;
    reply->status = 201;
    data_headers(add.batch, req, reply, add.pool.etag, add.pool.changed_ms);
    reply_header(reply, STR("Location"), data_url(add.batch, req, str_printf(req->arena, "/pools/" STR_FMT, STR_ARG(id))));
    if (certificate_refs_any(req->arena, spec.body))
        certificate_feature_tell(add.batch, req, reply, id);
    return true;
}

/* -- change -- */

typedef enum Change { CHANGE_PATCH = 1, CHANGE_PROPERTIES, CHANGE_RESIZE, CHANGE_STOP, CHANGE_REMOVE, CHANGE_DELETE } Change;
typedef struct Edit { Batch *batch; Req *req; Reply *reply; Change change; const JsonVal *body; int status; One one; } Edit;

static bool patch(Edit *edit, Txn *txn, Err *err)
{
    PoolSpec now = pool_spec_of(&edit->one.pool, edit->one.body), spec;
    return pool_read_data(edit->req->arena, edit->body, edit->change == CHANGE_PATCH ? POOL_PATCH : POOL_PROPERTIES, &now, &spec, err) &&
           pool_update(edit->batch, txn, edit->req->arena, &edit->one.pool, &spec, edit->one.pool.identities, edit->req->now_ms, err);
}

static bool resize(Edit *edit, Txn *txn, Err *err)
{
    PoolSpec now = pool_spec_of(&edit->one.pool, edit->one.body), spec;
    return pool_read_resize(edit->req->arena, edit->body, &now, &spec, err) &&
           pool_resize(edit->batch, txn, edit->req->arena, &edit->one.pool, &spec, edit->req->now_ms, err);
}

static bool bad_list(Err *err, const char *text)
{
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "nodeList: %s", text);
    (void)snprintf(err->target, sizeof err->target, "nodeList");
    return false;
}

/* Absent is requeue. */
static bool read_option(const JsonVal *body, Str *option, Err *err)
{
    const JsonVal *given = json_get(body, "nodeDeallocationOption");
    *option = STR("requeue");
    if (!given || json_kind(given) == JSON_NULL)
        return true;
    for (const char *const *word = deallocation_words; *word; word++) {
        if (str_eq_nocase(json_str(given), str_from(*word))) {
            *option = str_from(*word);
            return true;
        }
    }
    return refuse(err, "nodeDeallocationOption", "is none of requeue, terminate, taskcompletion, retaineddata", json_str(given));
}

/* Named nodes leave, and the target sinks with them: no others come in their place. */
static bool remove_nodes(Edit *edit, Txn *txn, Err *err)
{
    Arena *arena = edit->req->arena;
    const JsonVal *list = json_get(edit->body, "nodeList");
    PoolSpec spec = pool_spec_of(&edit->one.pool, edit->one.body);
    Str option;
    if (json_kind(list) != JSON_ARRAY || json_count(list) == 0 || json_count(list) > REMOVE_MAX)
        return bad_list(err, "must be an array of 1 to 100 node ids");
    if (!read_option(edit->body, &option, err))
        return false;
    for (size_t i = 0; i < json_count(list); i++) {
        Node node;
        if (json_kind(json_at(list, i)) != JSON_STR)
            return bad_list(err, "must be an array of node ids");
        for (size_t j = 0; j < i; j++)
            if (str_eq_nocase(json_str(json_at(list, i)), json_str(json_at(list, j))))
                return bad_list(err, "names a node twice");
        if (!node_require(txn, arena, &edit->one.pool, json_str(json_at(list, i)), &node, err))
            return false;
        if (node.state == NODE_LEAVING)
            continue;
        if (!node_leave(edit->batch, txn, arena, &node, option, edit->req->now_ms, err))
            return false;
        spec.target -= node.dedicated && spec.target > 0;
        spec.target_low -= !node.dedicated && spec.target_low > 0;
    }
    return pool_resize(edit->batch, txn, arena, &edit->one.pool, &spec, edit->req->now_ms, err);
}

static bool edit_txn(Txn *txn, void *ctx, Err *err)
{
    Edit *edit = ctx;
    Arena *arena = edit->req->arena;
    bool unchanged, done = false;
    edit->one = (One){ .batch = edit->batch, .req = edit->req };
    if (!load(&edit->one, txn, err) || !data_conditions(edit->req, edit->reply, edit->one.pool.etag, edit->one.pool.changed_ms, &unchanged, err))
        return false;
    if (unchanged)
        return err_named(err, ERR_PRECONDITION, "ConditionNotMet", NULL, "If-Modified-Since: it was not changed since");
    switch (edit->change) {
    case CHANGE_PATCH:
    case CHANGE_PROPERTIES: done = patch(edit, txn, err); break;
    case CHANGE_RESIZE: done = resize(edit, txn, err); break;
    case CHANGE_STOP:   done = pool_stop_resize(edit->batch, txn, arena, &edit->one.pool, edit->req->now_ms, err); break;
    case CHANGE_REMOVE: done = remove_nodes(edit, txn, err); break;
    case CHANGE_DELETE: done = pool_delete_begin(edit->batch, txn, arena, &edit->one.pool, STR_NONE, edit->req->now_ms, err); break;
    }
    return done && load(&edit->one, txn, err) && data_audit(edit->batch, txn, edit->req, edit->status, err);
}

static bool edit_pool(Req *req, Reply *reply, Change change, bool has_body, int status, Err *err)
{
    Edit edit = { .batch = req->ctx, .req = req, .reply = reply, .change = change, .status = status };
    if ((has_body && !req_object(req, &edit.body, err)) || !store_write(edit.batch->site->store, edit_txn, &edit, err))
        return false;
    req->audited = true;
    reply->status = status;
    data_headers(edit.batch, req, reply, edit.one.pool.etag, edit.one.pool.changed_ms);
    if ((change == CHANGE_PATCH || change == CHANGE_PROPERTIES) && certificate_refs_any(req->arena, edit.one.body))
        certificate_feature_tell(edit.batch, req, reply, edit.one.pool.id);
    return true;
}

static bool pool_patch(Req *req, Reply *reply, Err *err) { return edit_pool(req, reply, CHANGE_PATCH, true, 200, err); }
static bool pool_update_properties(Req *req, Reply *reply, Err *err) { return edit_pool(req, reply, CHANGE_PROPERTIES, true, 204, err); }
static bool pool_resize_post(Req *req, Reply *reply, Err *err) { return edit_pool(req, reply, CHANGE_RESIZE, true, 202, err); }
static bool pool_stop_post(Req *req, Reply *reply, Err *err) { return edit_pool(req, reply, CHANGE_STOP, false, 202, err); }
static bool pool_remove_nodes(Req *req, Reply *reply, Err *err) { return edit_pool(req, reply, CHANGE_REMOVE, true, 202, err); }
static bool pool_delete(Req *req, Reply *reply, Err *err) { return edit_pool(req, reply, CHANGE_DELETE, false, 202, err); }

const Route data_pool_routes[] = {
    { METHOD_GET,    "/pools",                            NULL, NULL, POOLS_READ,   WHERE_WORKER, BODY_NONE,         0,        pools_get,         "PoolList" },
    { METHOD_POST,   "/pools",                            NULL, NULL, POOLS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_add,          "PoolAdd" },
    { METHOD_GET,    "/pools/{poolId}",                   NULL, NULL, POOLS_READ,   WHERE_INLINE, BODY_NONE,         0,        pool_get,          "PoolGet" },
    { METHOD_PATCH,  "/pools/{poolId}",                   NULL, NULL, POOLS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_patch,        "PoolPatch" },
    { METHOD_DELETE, "/pools/{poolId}",                   NULL, NULL, POOLS_DELETE, WHERE_WORKER, BODY_NONE,         0,        pool_delete,       "PoolDelete" },
    { METHOD_POST,   "/pools/{poolId}/resize",            NULL, NULL, POOLS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_resize_post,  "PoolResize" },
    { METHOD_POST,   "/pools/{poolId}/stopresize",        NULL, NULL, POOLS_WRITE,  WHERE_WORKER, BODY_NONE,         0,        pool_stop_post,    "PoolStopResize" },
    { METHOD_POST,   "/pools/{poolId}/removenodes",       NULL, NULL, POOLS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_remove_nodes, "PoolRemoveNodes" },
    { METHOD_POST,   "/pools/{poolId}/updateproperties",  NULL, NULL, POOLS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, pool_update_properties, "PoolUpdateProperties" },
    { METHOD_POST,   "/pools/{poolId}/enableautoscale",   NULL, NULL, POOLS_WRITE,  WHERE_INLINE, BODY_NONE,         0,        route_not_built,    "PoolEnableAutoScale" },
    { METHOD_POST,   "/pools/{poolId}/disableautoscale",  NULL, NULL, POOLS_WRITE,  WHERE_INLINE, BODY_NONE,         0,        route_not_built,    "PoolDisableAutoScale" },
    { METHOD_POST,   "/pools/{poolId}/evaluateautoscale", NULL, NULL, POOLS_READ,   WHERE_INLINE, BODY_NONE,         0,        route_not_built,    "PoolEvaluateAutoScale" },
};
const size_t data_pool_route_count = COUNT_OF(data_pool_routes);
