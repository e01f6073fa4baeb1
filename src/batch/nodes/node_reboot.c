/* node_reboot.c - POST .../nodes/{id}/reboot: the machine ends and starts again on its own disk (node_work.c restarts it). */
#include "batch/data_plane.h"
#include "base/log.h"
#include "batch/nodes/node_runs.h"

#define NODES_WRITE "Microsoft.Batch/batchAccounts/pools/write"

enum { BODY_MAX = 16 * 1024 };

/* "You can restart a Compute Node only if it is in an idle or running state." (specification, ComputeNode_Reboot) */
static bool require_rebootable(const Node *node, Err *err)
{
    static const struct { NodeState state; const char *code, *why; } refusals[] = {
        { NODE_CREATING,               "NodeBeingCreated",   "is being created" },
        { NODE_STARTING,               "NodeBeingStarted",   "is being started" },
        { NODE_WAITING_FOR_START_TASK, "NodeBeingStarted",   "waits for its start task" },
        { NODE_REBOOTING,              "NodeBeingRebooted",  "is being rebooted already" },
        { NODE_REIMAGING,              "NodeBeingReimaged",  "is being reimaged" },
        { NODE_UNUSABLE,               "NodeStateUnusable",  "is unusable; remove it from the pool, and another comes in its place when the pool is resized" },
        { NODE_START_TASK_FAILED,      "NodeStateUnusable",  "failed its start task; remove it from the pool" },
    };
    NodeState to;
    if (node_move(node->state, NODE_REBOOT, &to))
        return true;
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (refusals[i].state == node->state)
            return err_named(err, ERR_CONFLICT, refusals[i].code, NULL, "The node '" STR_FMT "' %s; nodes that are idle or running can be rebooted.",
                             STR_ARG(node->id), refusals[i].why);
    return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The node '" STR_FMT "' is %s; nodes that are idle or running can be rebooted.",
                     STR_ARG(node->id), node_state_name(node->state));
}

static bool read_option(const Req *req, Str *option, Err *err)
{
    static const char *const options[] = { "requeue", "terminate", "taskcompletion", "retaineddata" };
    typedef struct RebootIn { Str option; } RebootIn;
    static const JsonField fields[] = { JSON_FIELD(RebootIn, option, "nodeRebootOption", JSON_OPTIONAL) };
    RebootIn in = { .option = STR("requeue") };
    if (req->json && !json_read_exact(req->json, "", fields, COUNT_OF(fields), &in, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (str_eq_nocase(in.option, str_from(options[i]))) {
            *option = str_from(options[i]);
            return true;
        }
    }
    err_field(err, "nodeRebootOption", "nodeRebootOption: '" STR_FMT "' is none of requeue, terminate, taskcompletion, retaineddata", STR_ARG(str_slice(in.option, 0, 40)));
    err->name = "InvalidPropertyValue";
    return false;
}

typedef struct Reboot { Batch *batch; Req *req; Str option; Pool pool; Node node; } Reboot;

static bool reboot_txn(Txn *txn, void *ctx, Err *err)
{
    Reboot *reboot = ctx;
    Arena *arena = reboot->req->arena;
    NodeState now;
    bool moved;
    return pool_require(txn, arena, data_account(reboot->req)->id, req_param(reboot->req, "poolId"), &reboot->pool, err) &&
           node_require(txn, arena, &reboot->pool, req_param(reboot->req, "nodeId"), &reboot->node, err) && require_rebootable(&reboot->node, err) &&
           node_apply(txn, &reboot->node, NODE_REBOOT, reboot->req->now_ms, &now, &moved, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_node SET reboot = ?2 WHERE id = ?1", db_text(reboot->node.id), db_text(reboot->option)) &&
           node_runs_end(reboot->batch, txn, arena, &reboot->node, reboot->option, reboot->req->now_ms, err) &&
           runner_schedule(reboot->batch->site->runner, txn, WORK_NODE, reboot->node.id, real_now_ms(), err) &&
           data_audit(reboot->batch, txn, reboot->req, 202, err);
}

static bool node_reboot(Req *req, Reply *reply, Err *err)
{
    Reboot reboot = { .batch = req->ctx, .req = req };
    if (!read_option(req, &reboot.option, err) || !store_write(reboot.batch->site->store, reboot_txn, &reboot, err))
        return false;
    req->audited = true;
    log_event(LOG_INFO, "batch.node_reboot", log_str("node", reboot.node.id), log_str("option", reboot.option));
    reply->status = 202;
    data_headers(reboot.batch, req, reply, reboot.pool.etag, reboot.pool.changed_ms);
    return true;
}

const Route node_reboot_routes[] = {
    { METHOD_POST, "/pools/{poolId}/nodes/{nodeId}/reboot", NULL, NULL, NODES_WRITE, WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, node_reboot, "ComputeNodeReboot" },
};
const size_t node_reboot_route_count = COUNT_OF(node_reboot_routes);
