/* file_place.c - which node and which directory. */
#include "batch/files/file_place.h"
#include "batch/data_plane.h"
#include "batch/jobs/run.h"

static bool require_reachable(const Node *node, Err *err)
{
    static const struct { NodeState state; const char *code, *words; } refusals[] = {
        { NODE_CREATING,  "NodeBeingCreated",  "is being created; try again when it is idle" },
        { NODE_REBOOTING, "NodeBeingRebooted", "is being rebooted; try again when it is idle" },
        { NODE_REIMAGING, "NodeBeingReimaged", "is being reimaged; try again when it is idle" },
        { NODE_UNKNOWN,   "NodeStateUnusable", "does not answer; its state is unknown" },
        { NODE_LEAVING,   "NodeStateUnusable", "is leaving its pool" },
    };
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (refusals[i].state == node->state)
            return err_named(err, ERR_CONFLICT, refusals[i].code, NULL, "The node '" STR_FMT "' %s.", STR_ARG(node->id), refusals[i].words);
    return true;                                        /* also an unusable one: that is when one wants to look */
}

static bool find_node(Batch *batch, Txn *txn, const Req *req, FilePlace *out, Err *err)
{
    Pool pool;
    if (!pool_require(txn, req->arena, data_account(req)->id, req_param(req, "poolId"), &pool, err) ||
        !node_require(txn, req->arena, &pool, req_param(req, "nodeId"), &out->node, err))
        return false;
    out->directory = STR("");
    out->url = data_url(batch, req, str_printf(req->arena, "/pools/" STR_FMT "/nodes/" STR_FMT "/files", STR_ARG(pool.id), STR_ARG(out->node.id)));
    return true;
}

/* Where it ran last: before that there is nothing, and later its retention time is over or its node is gone. */
static bool find_task(Batch *batch, Txn *txn, const Req *req, FilePlace *out, Err *err)
{
    Arena *arena = req->arena;
    Job job;
    Task task;
    bool found;
    if (!job_require(txn, arena, data_account(req)->id, req_param(req, "jobId"), &job, err) || !task_require(txn, arena, &job, req_param(req, "taskId"), &task, err))
        return false;
    if (str_empty(task.last_run) || str_empty(task.node_id))
        return err_named(err, ERR_CONFLICT, "TaskFilesUnavailable", NULL, "The task '" STR_FMT "' has no files: it %s.", STR_ARG(task.id),
                         task.state == TASK_COMPLETED ? "ended before it ran" : "has not begun to run");
    if (task.state == TASK_COMPLETED && task.drop_ms == 0)
        return err_named(err, ERR_CONFLICT, "TaskFilesCleanedup", NULL, "The files of the task '" STR_FMT "' were removed when its retention time was over.", STR_ARG(task.id));
    if (!node_find(txn, arena, task.node_id, &out->node, &found, err))
        return false;
    if (!found)
        return err_named(err, ERR_CONFLICT, "TaskFilesUnavailable", NULL, "The files of the task '" STR_FMT "' went with its node '" STR_FMT "'.", STR_ARG(task.id), STR_ARG(task.node_id));
    out->is_task = true;
    out->directory = task_directory(arena, &job, task.id);
    out->url = data_url(batch, req, str_printf(arena, "/jobs/" STR_FMT "/tasks/" STR_FMT "/files", STR_ARG(job.id), STR_ARG(task.id)));
    return true;
}

bool file_place_find(Batch *batch, Txn *txn, const Req *req, FilePlace *out, Err *err)
{
    FilePlace place = { 0 };
    bool of_task = req_param(req, "jobId").ptr != NULL;
    if (!(of_task ? find_task : find_node)(batch, txn, req, &place, err) || !require_reachable(&place.node, err))
        return false;
    *out = place;
    return true;
}
