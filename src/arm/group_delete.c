/* group_delete.c - deleting a group with all that is in it, in the background.
 *
 * The request marks the group, starts an operation and queues the work in one transaction, so a crash anywhere after its answer
 * only delays the deletion. The work deletes each resource by the function of its type, later types first (accounts before the
 * vaults and identities they use), and removes the group when nothing is left. */
#include "arm/parts.h"

typedef struct DeleteStart { Arm *arm; Req *req; Group group; } DeleteStart;

static Str work_key(Arena *arena, Str subscription, Str name)
{
    return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(str_lower(arena, subscription)), STR_ARG(str_lower(arena, name)));
}

static bool delete_start_txn(Txn *txn, void *ctx, Err *err)
{
    DeleteStart *d = ctx;
    Arena *arena = d->req->arena;
    Str subscription = req_param(d->req, "subscriptionId"), name = req_param(d->req, "resourceGroupName"), id;
    bool found;

    if (!arm_group_find(d->arm, txn, arena, subscription, name, &d->group, &found, err))
        return false;
    if (!found)
        return arm_group_not_found(name, err);
    id = arm_group_id(arena, d->group.subscription, d->group.name);
    if (d->group.state == GROUP_DELETING)                    /* asked again: the same operation answers */
        return arm_audit(d->arm, txn, d->req, id, 202, err);
    return arm_operation_start(d->arm, txn, arena, id, &d->group.operation, err) &&
           txn_exec(txn, NULL, err, "UPDATE arm_group SET state = ?3, operation = ?4, changed_ms = ?5 WHERE subscription = ?1 AND name_key = ?2",
                    db_text(d->group.subscription), db_text(str_lower(arena, d->group.name)), db_int(GROUP_DELETING), db_text(d->group.operation),
                    db_int(d->req->now_ms)) &&
           runner_schedule(d->arm->site->runner, txn, ARM_WORK_GROUP_DELETE, work_key(arena, d->group.subscription, d->group.name), real_now_ms(), err) &&
           arm_audit(d->arm, txn, d->req, id, 202, err);
}

bool arm_group_delete(Req *req, Reply *reply, Err *err)
{
    DeleteStart d = { .arm = req->ctx, .req = req };

    if (!store_write(d.arm->site->store, delete_start_txn, &d, err))
        return false;
    req->audited = true;
    arm_reply_accepted(d.arm, req, reply, d.group.subscription, d.group.operation);
    return true;
}

/* ---- in the background ---- */

typedef struct DeleteRun {
    Arm *arm;
    Arena *arena;
    Str subscription, name_key;
    Group group;
    bool found;
    ArmResource *left;
    size_t left_count;
} DeleteRun;

static bool look_txn(Txn *txn, void *ctx, Err *err)
{
    DeleteRun *d = ctx;

    return arm_group_find(d->arm, txn, d->arena, d->subscription, d->name_key, &d->group, &d->found, err) &&
           arm_group_resources(txn, d->arena, d->subscription, d->name_key, &d->left, &d->left_count, err);
}

static bool finish_txn(Txn *txn, void *ctx, Err *err)
{
    DeleteRun *d = ctx;

    if (!look_txn(txn, d, err))
        return false;
    if (!d->found || d->group.state != GROUP_DELETING || d->left_count > 0)
        return true;
    return access_drop_scope(d->arm->access, txn, arm_group_id(d->arena, d->group.subscription, d->group.name), err) &&
           txn_exec(txn, NULL, err, "DELETE FROM arm_group WHERE subscription = ?1 AND name_key = ?2", db_text(d->subscription), db_text(d->name_key)) &&
           arm_operation_finish(d->arm, txn, d->group.operation, 200, STR_NONE, err);
}

static bool delete_resources(DeleteRun *d, Err *err)
{
    size_t done = 0;

    for (size_t i = d->arm->deleter_count; i-- > 0;) {
        for (size_t r = 0; r < d->left_count; r++) {
            if (!str_eq_nocase(d->left[r].type, str_from(d->arm->deleters[i].type)))
                continue;
            if (!d->arm->deleters[i].fn(d->arm->deleters[i].ctx, d->arena, d->left[r].id, err))
                return false;
            done++;
        }
    }
    if (done < d->left_count)
        return err_set(err, ERR_INTERNAL, "group '" STR_FMT "' holds a resource of a type without a deletion function", STR_ARG(d->group.name));
    return true;
}

bool arm_group_delete_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    DeleteRun d = { .arm = ctx, .arena = arena };
    Str rest = job->key;
    Store *store = d.arm->site->store;

    (void)now_ms;
    *again_ms = 0;
    d.subscription = str_cut(&rest, '/');
    d.name_key = rest;
    if (!store_read(store, look_txn, &d, err))
        return false;
    if (!d.found || d.group.state != GROUP_DELETING)
        return true;
    if (!delete_resources(&d, err) || !store_write(store, finish_txn, &d, err))
        return false;
    if (d.left_count > 0)
        return err_set(err, ERR_INTERNAL, "group '" STR_FMT "' still holds " STR_FMT, STR_ARG(d.group.name), STR_ARG(d.left[0].id));
    return true;
}
