/* data_exec.c - one command on a node, for those who may write its pool. Not part of the service: its clients log in with SSH instead.
 *
 * POST .../exec {"argv", "timeoutMs"} waits for the result and answers 200 with it. When it takes longer than one request may wait, the
 * answer is 202 with {"id"} and Location; GET there waits on. Results are kept for five minutes after they came. */
#include "batch/data_plane.h"
#include "batch/nodes/command.h"

#define NODES_WRITE "Microsoft.Batch/batchAccounts/pools/write"

enum { BODY_MAX = 512 * 1024, WAIT_MS = 50 * 1000 };

typedef struct Exec { Batch *batch; Req *req; Str command_json, id; int64_t timeout_ms; Pool pool; Node node; Command command; bool found, done; Str result; } Exec;

static bool require_ready(const Node *node, Err *err)
{
    switch (node->state) {
    case NODE_CREATING: return err_named(err, ERR_CONFLICT, "NodeBeingCreated", NULL, "The node is being created; try again when it is idle.");
    case NODE_REBOOTING: return err_named(err, ERR_CONFLICT, "NodeBeingRebooted", NULL, "The node is being rebooted; try again when it is idle.");
    case NODE_UNKNOWN:  return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The node does not answer; its state is unknown.");
    case NODE_LEAVING:  return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The node is leaving its pool.");
    default:            return true;                    /* also an unusable one: that is when one wants to look */
    }
}

static bool add_txn(Txn *txn, void *ctx, Err *err)
{
    Exec *exec = ctx;
    Arena *arena = exec->req->arena;
    return pool_require(txn, arena, data_account(exec->req)->id, req_param(exec->req, "poolId"), &exec->pool, err) &&
           node_require(txn, arena, &exec->pool, req_param(exec->req, "nodeId"), &exec->node, err) && require_ready(&exec->node, err) &&
           command_drop_old(txn, real_now_ms(), err) &&
           command_add_exec(exec->batch->site, txn, arena, &exec->node, exec->command_json, exec->timeout_ms, &exec->id, err) &&
           data_audit(exec->batch, txn, exec->req, 200, err);
}

static bool look_txn(Txn *txn, void *ctx, Err *err)
{
    Exec *exec = ctx;
    Arena *arena = exec->req->arena;
    Str account_id = data_account(exec->req)->id;
    if (!pool_require(txn, arena, account_id, req_param(exec->req, "poolId"), &exec->pool, err) ||
        !node_require(txn, arena, &exec->pool, req_param(exec->req, "nodeId"), &exec->node, err) ||
        !command_find(txn, arena, exec->id, &exec->command, &exec->found, err))
        return false;
    exec->found = exec->found && str_eq(exec->command.node_id, exec->node.id);
    if (!exec->found)
        return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The command is not known any more; results are kept for five minutes.");
    exec->done = exec->command.result.ptr != NULL;
    if (!exec->done && real_now_ms() > exec->command.until_ms)
        return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The node did not report the command's end in time.");
    return !exec->done || command_result_open(exec->batch->site, txn, arena, account_id, &exec->command, &exec->result, err);
}

static bool drop_txn(Txn *txn, void *ctx, Err *err)
{
    Exec *exec = ctx;
    return command_drop(txn, exec->id, err);
}

/* Register first, then look: a result that comes between the two is not missed. */
static bool wait_result(Exec *exec, Reply *reply, Err *err)
{
    Req *req = exec->req;
    reply_park(req, reply, command_exec_key(req->arena, exec->id), WAIT_MS);
    if (!store_read(exec->batch->site->store, look_txn, exec, err))
        return false;
    if (!exec->done && !req->park_ended)
        return true;
    reply_park_cancel(req, reply);
    if (exec->done && req->method == METHOD_POST && !store_write(exec->batch->site->store, drop_txn, exec, err))
        return false;
    if (exec->done) {
        json_put_raw(&reply->json, NULL, exec->result);
        return json_end(&reply->json, err);
    }
    reply->status = 202;
    reply_header(reply, STR("Retry-After"), STR("0"));
    reply_header(reply, STR("Location"), data_url(exec->batch, req, str_printf(req->arena, "/pools/" STR_FMT "/nodes/" STR_FMT "/exec/" STR_FMT "?api-version=" STR_FMT,
                 STR_ARG(exec->pool.id), STR_ARG(exec->node.id), STR_ARG(exec->id), STR_ARG(req->api_version))));
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "id", exec->id);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static bool exec_post(Req *req, Reply *reply, Err *err)
{
    Exec exec = { .batch = req->ctx, .req = req };
    Str *begun = req->park_state;
    const JsonVal *body;
    if (begun) {
        exec.id = *begun;
        req->audited = true;
        return wait_result(&exec, reply, err);
    }
    begun = ARENA_NEW(req->arena, Str);
    if (!begun)
        return err_too_big(err);
    if (!req_object(req, &body, err) || !command_exec_read(req->arena, body, &exec.command_json, &exec.timeout_ms, err) ||
        !store_write(exec.batch->site->store, add_txn, &exec, err))
        return false;
    req->audited = true;
    *begun = exec.id;
    req->park_state = begun;
    http_wake(exec.batch->site->http, command_node_key(req->arena, exec.node.id));
    return wait_result(&exec, reply, err);
}

static bool exec_get(Req *req, Reply *reply, Err *err)
{
    Exec exec = { .batch = req->ctx, .req = req, .id = req_param(req, "commandId") };
    return wait_result(&exec, reply, err);
}

#define NODE "/pools/{poolId}/nodes/{nodeId}"

const Route data_exec_routes[] = {
    { METHOD_POST, NODE "/exec",             NULL, NULL, NODES_WRITE, WHERE_PARKED, BODY_JSON_LENIENT, BODY_MAX, exec_post, "ComputeNodeExec" },
    { METHOD_GET,  NODE "/exec/{commandId}", NULL, NULL, NODES_WRITE, WHERE_PARKED, BODY_NONE,         0,        exec_get,  "ComputeNodeExecResult" },
};
const size_t data_exec_route_count = COUNT_OF(data_exec_routes);
