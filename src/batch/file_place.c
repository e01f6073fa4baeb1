/* file_place.c - which node and which directory. */
#include "batch/file_place.h"
#include "batch/data_plane.h"

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

bool file_place_find(Batch *batch, Txn *txn, const Req *req, FilePlace *out, Err *err)
{
    FilePlace place = { 0 };
    if (!find_node(batch, txn, req, &place, err) || !require_reachable(&place.node, err))
        return false;
    *out = place;
    return true;
}
