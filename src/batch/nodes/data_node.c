/* data_node.c - nodes and their extensions on the data plane. */
#include <stdio.h>
#include "batch/certificates/account_certificate_node.h"
#include "batch/data_plane.h"
#include "batch/jobs/run.h"
#include "batch/pools/extension.h"

#define NODES_READ  "Microsoft.Batch/batchAccounts/pools/read"
#define NODES_WRITE "Microsoft.Batch/batchAccounts/pools/write"

enum { EXTENSIONS_MAX = 32, RECENT_TASKS = 10 };

/* -- out -- */

static void write_errors(const JsonVal *report, const Node *node, JsonWriter *w)
{
    const JsonVal *reason = json_get(report, "reason");
    if (node->state != NODE_UNUSABLE || !reason)
        return;
    json_open_array(w, "errors");
    json_open(w, NULL);
    json_put_value(w, "code", json_get(reason, "code"));
    json_put_value(w, "message", json_get(reason, "message"));
    json_close(w);
    json_close_array(w);
}

static bool write_start_task(const Batch *batch, Txn *txn, Arena *arena, const Run *run, JsonWriter *w, Err *err)
{
    Str failure;
    if (!run_failure_open(batch->site, txn, arena, run, &failure, err))
        return false;
    json_open(w, "startTaskInfo");
    json_put_str(w, "state", run->state == RUN_ENDED ? STR("completed") : STR("running"));
    json_put_time(w, "startTime", run->start_ms ? run->start_ms : run->created_ms);
    if (run->state == RUN_ENDED)
        json_put_time(w, "endTime", run->end_ms);
    if (run->has_exit_code)
        json_put_int(w, "exitCode", run->exit_code);
    if (failure.ptr)
        json_put_raw(w, "failureInfo", failure);
    json_put_int(w, "retryCount", run->retries);
    if (run->retries)
        json_put_time(w, "lastRetryTime", run->retry_ms);
    if (run->state == RUN_ENDED)
        json_put_str(w, "result", run->result == RESULT_SUCCESS ? STR("success") : STR("failure"));
    json_close(w);
    return true;
}

/* "Whose state has recently changed" (specification, ComputeNode). */
static bool write_recent(const Batch *batch, Txn *txn, const Req *req, const Node *node, JsonWriter *w, Err *err)
{
    Arena *arena = req->arena;
    Task *tasks;
    size_t count;
    if (!task_list_node(txn, arena, node->id, RECENT_TASKS, &tasks, &count, err))
        return false;
    if (count == 0)
        return true;
    json_open_array(w, "recentTasks");
    for (size_t i = 0; i < count; i++) {
        Job job;
        if (!job_require(txn, arena, tasks[i].account_id, tasks[i].job_key, &job, err))
            return false;
        json_open(w, NULL);
        json_put_str(w, "taskUrl", data_url(batch, req, str_printf(arena, "/jobs/" STR_FMT "/tasks/" STR_FMT, STR_ARG(job.id), STR_ARG(tasks[i].id))));
        json_put_str(w, "jobId", job.id);
        json_put_str(w, "taskId", tasks[i].id);
        json_put_str(w, "taskState", str_from(task_state_name(tasks[i].state)));
        if (!data_task_execution(batch, txn, req, &tasks[i], w, err))
            return false;
        json_close(w);
    }
    json_close_array(w);
    return true;
}

static bool write_runs(const Batch *batch, Txn *txn, Arena *arena, const Node *node, JsonWriter *w, Err *err)
{
    int64_t count, slots;
    Run start;
    bool found;
    if (!run_count_tasks(txn, node->id, &count, &slots, err) || !run_of_node(txn, arena, RUN_START, node->id, STR(""), &start, &found, err))
        return false;
    json_put_int(w, "totalTasksRun", node->tasks_run);
    json_put_int(w, "runningTasksCount", count);
    json_put_int(w, "runningTaskSlotsCount", slots);
    json_put_int(w, "totalTasksSucceeded", node->tasks_succeeded);
    return !found || start.state == RUN_REVOKED || write_start_task(batch, txn, arena, &start, w, err);
}

static bool write_node(const Batch *batch, Txn *txn, const Req *req, const Pool *pool, const JsonVal *image, const JsonVal *start_task, const Node *node, JsonWriter *w, Err *err)
{
    Arena *arena = req->arena;
    const JsonVal *report;
    Str text;
    if (!node_report_open(batch->site, txn, arena, node, &text, err) || !json_parse(arena, text, JSON_STRICT, &report, err))
        return false;
    json_put_str(w, "id", node->id);
    json_put_str(w, "url", data_url(batch, req, str_printf(arena, "/pools/" STR_FMT "/nodes/" STR_FMT, STR_ARG(pool->id), STR_ARG(node->id))));
    json_put_str(w, "state", str_from(node_state_name(node->state)));
    json_put_str(w, "schedulingState", STR("enabled"));
    json_put_time(w, "stateTransitionTime", node->state_ms);
    if (node->boot_ms)
        json_put_time(w, "lastBootTime", node->boot_ms);
    json_put_time(w, "allocationTime", node->created_ms);
    json_put_str(w, "ipAddress", str_empty(node->ip_address) ? STR_NONE : node->ip_address);
    json_put_str(w, "affinityId", str_printf(arena, "TVM:" STR_FMT, STR_ARG(node->id)));
    json_put_str(w, "vmSize", pool->vm_size);
    if (!write_runs(batch, txn, arena, node, w, err) || !write_recent(batch, txn, req, node, w, err))
        return false;
    if (start_task) {
        json_open(w, "startTask");
        shape_write(arena, start_task_fields, SPELL_DATA, start_task, w);
        json_close(w);
    }
    write_errors(report, node, w);
    if (!certificates_of_node_write(txn, node->id, w, err))
        return false;
    json_put_bool(w, "isDedicated", node->dedicated);
    if (!str_empty(node->agent_version)) {
        json_open(w, "nodeAgentInfo");
        json_put_str(w, "version", node->agent_version);
        json_put_time(w, "lastUpdateTime", node->agent_ms);
        json_close(w);
    }
    json_open(w, "virtualMachineInfo");
    json_put_value(w, "imageReference", image);
    json_close(w);
    return true;
}

/* -- read -- */

typedef struct One {
    Batch *batch;
    Req *req;
    DataList *out;
    Pool pool;
    const JsonVal *image, *start_task;
    PoolExtension *extensions;
    size_t extension_count;
    Node node, *chunk;
    const JsonVal *report;
    bool alone;                             /* of extensions: the one in the path */
} One;

static bool load_pool(One *one, Txn *txn, Err *err)
{
    Arena *arena = one->req->arena;
    const JsonVal *document;
    Str body;
    if (!pool_require(txn, arena, data_account(one->req)->id, req_param(one->req, "poolId"), &one->pool, err) ||
        !pool_body_open(one->batch->site, txn, arena, &one->pool, &body, err) || !json_parse(arena, body, JSON_STRICT, &document, err))
        return false;
    one->start_task = json_get(document, "startTask");
    one->image = json_path(document, "deploymentConfiguration.virtualMachineConfiguration.imageReference");
    return pool_extensions(arena, body, &one->extensions, &one->extension_count, err);
}

static bool load_node(One *one, Txn *txn, Err *err)
{
    Str text;
    return load_pool(one, txn, err) && node_require(txn, one->req->arena, &one->pool, req_param(one->req, "nodeId"), &one->node, err) &&
           node_report_open(one->batch->site, txn, one->req->arena, &one->node, &text, err) &&
           json_parse(one->req->arena, text, JSON_STRICT, &one->report, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return load_node(one, txn, err) && write_node(one->batch, txn, one->req, &one->pool, one->image, one->start_task, &one->node, &one->out->item_json, err);
}

static bool node_get(Req *req, Reply *reply, Err *err)
{
    AUTO(data_list_done_auto) DataList item = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &item };
    return data_one_begin(one.batch, req, reply, &item, err) && store_read(one.batch->site->store, get_txn, &one, err) && data_one_end(&item, "nodes", err);
}

static bool list_fetch(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err)
{
    One *one = ctx;
    int64_t number = -1;
    if (after.ptr && !str_to_int64(after, 0, INT64_MAX, &number, err))
        return err_named(err, ERR_BAD_INPUT, "InvalidQueryParameterValue", NULL, "$skiptoken: must be the one of a page before");
    return node_list(txn, one->req->arena, one->pool.account_id, one->pool.key, number, limit, &one->chunk, count, err);
}

static bool list_write(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err)
{
    One *one = ctx;
    *key = str_printf(one->req->arena, "%lld", (long long)one->chunk[i].number);
    return write_node(one->batch, txn, one->req, &one->pool, one->image, one->start_task, &one->chunk[i], w, err);
}

static bool list_begin(void *ctx, Txn *txn, Err *err) { return load_pool(ctx, txn, err); }

static bool nodes_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "id", "state", "schedulingState", "vmSize", "ipAddress", "affinityId", "isDedicated", NULL };
    static const DataRows rows = { list_begin, list_fetch, list_write };
    One one = { .batch = req->ctx, .req = req };
    return data_list_rows(one.batch, req, reply, "nodes", filterable, &rows, &one, err);
}

/* -- extensions -- */

static bool extensions_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    Arena *arena = one->req->arena;
    if (!load_node(one, txn, err))
        return false;
    for (size_t i = 0; i < one->extension_count; i++) {
        if (one->alone && !str_eq_nocase(one->extensions[i].name, req_param(one->req, "extensionName")))
            continue;
        extension_write_members(arena, &one->extensions[i], one->report, one->alone ? &one->out->item_json : data_item_begin(one->out));
        if (one->alone)
            return true;
        if (!data_item_end(one->out, err))
            return false;
    }
    return !one->alone || err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The node has no extension '" STR_FMT "'.",
                                    STR_ARG(str_slice(req_param(one->req, "extensionName"), 0, 80)));
}

static bool extensions_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "provisioningState", NULL };
    AUTO(data_list_done_auto) DataList list = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &list };
    return data_list_begin(one.batch, req, reply, "extensions", filterable, &list, err) && store_read(one.batch->site->store, extensions_txn, &one, err) &&
           data_list_end(&list, err);
}

static bool extension_get(Req *req, Reply *reply, Err *err)
{
    AUTO(data_list_done_auto) DataList item = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &item, .alone = true };
    return data_one_begin(one.batch, req, reply, &item, err) && store_read(one.batch->site->store, extensions_txn, &one, err) && data_one_end(&item, "extensions", err);
}

#define NODE "/pools/{poolId}/nodes/{nodeId}"

const Route data_node_routes[] = {
    { METHOD_GET,    "/pools/{poolId}/nodes",          NULL, NULL, NODES_READ,  WHERE_WORKER, BODY_NONE, 0, nodes_get,      "ComputeNodeList" },
    { METHOD_GET,    NODE,                             NULL, NULL, NODES_READ,  WHERE_INLINE, BODY_NONE, 0, node_get,       "ComputeNodeGet" },
    { METHOD_GET,    NODE "/extensions",               NULL, NULL, NODES_READ,  WHERE_INLINE, BODY_NONE, 0, extensions_get, "ComputeNodeExtensionList" },
    { METHOD_GET,    NODE "/extensions/{extensionName}", NULL, NULL, NODES_READ, WHERE_INLINE, BODY_NONE, 0, extension_get, "ComputeNodeExtensionGet" },
    { METHOD_POST,   NODE "/reimage",                  NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeReimage" },
    { METHOD_POST,   NODE "/start",                    "2024-07-01", NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeStart" },
    { METHOD_POST,   NODE "/deallocate",               "2024-07-01", NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeDeallocate" },
    { METHOD_POST,   NODE "/disablescheduling",        NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeDisableScheduling" },
    { METHOD_POST,   NODE "/enablescheduling",         NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeEnableScheduling" },
    { METHOD_POST,   NODE "/users",                    NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeAddUser" },
    { METHOD_PUT,    NODE "/users/{userName}",         NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeUpdateUser" },
    { METHOD_DELETE, NODE "/users/{userName}",         NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeDeleteUser" },
    { METHOD_GET,    NODE "/remoteloginsettings",      NULL, NULL, NODES_READ,  WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeGetRemoteLoginSettings" },
    { METHOD_GET,    NODE "/rdp",                      NULL, NULL, NODES_READ,  WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeGetRemoteDesktop" },
    { METHOD_POST,   NODE "/uploadbatchservicelogs",   NULL, NULL, NODES_WRITE, WHERE_INLINE, BODY_NONE, 0, route_not_built, "ComputeNodeUploadBatchServiceLogs" },
};
const size_t data_node_route_count = COUNT_OF(data_node_routes);
