/* reconcile.c - brings a pool to its size and notices nodes that were lost. Background work, one run at a time for each pool.
 *
 * A run looks (one snapshot, and the provider's list when a lease has ended), then does everything it decided in one transaction, which
 * looks at the rows again. Machines are started and stopped by work of their own, one for each node (node_work.c); both kinds wake each
 * other through the queue, so a crash between any two steps only delays the next one. */
#include "batch/parts.h"
#include <stdatomic.h>
#include <stdlib.h>
#include "base/log.h"
#include "batch/encryption/encryption.h"
#include "batch/nodes/node_runs.h"

enum { NODES_MAX = 3 * 1000, LOOK_AGAIN_MS = 2000, LEASE_GRACE_MS = 500, ENDED_LATELY_MS = 15000 };

typedef struct Pass {
    Batch *batch;
    Arena *arena;
    Str account_id, pool_key;
    int64_t real_ms, object_ms;
    bool found;
    Pool pool;
    Account account;
    Node *nodes;
    size_t count;
    NodeStatus *machines;               /* NULL: not asked */
    size_t machine_count;
    int64_t again_ms;
} Pass;

/* -- looking -- */

static bool look(Txn *txn, void *ctx, Err *err)
{
    Pass *run = ctx;
    bool account_found;
    if (!pool_find(txn, run->arena, run->account_id, run->pool_key, &run->pool, &run->found, err) || !run->found)
        return err->code == ERR_NONE;
    if (!account_by_id(txn, run->arena, run->account_id, &run->account, &account_found, err))
        return false;
    if (!account_found)
        return err_set(err, ERR_INTERNAL, "pool '" STR_FMT "' has no account", STR_ARG(run->pool.id));
    return node_list(txn, run->arena, run->account_id, run->pool_key, -1, NODES_MAX, &run->nodes, &run->count, err);
}

/* Nobody could renew before this server was there. */
static int64_t lease_end(const Pass *run, const Node *node)
{
    int64_t first = run->batch->opened_real_ms + LEASE_MS;
    return (node->lease_until_ms > first ? node->lease_until_ms : first) + LEASE_GRACE_MS;
}

static bool is_overdue(const Pass *run, const Node *node)
{
    return node->started && node->state != NODE_LEAVING && run->real_ms >= lease_end(run, node);
}

/* Is its machine worth a look? Overdue ones, those that have not joined, and all once after this server was opened. */
static bool wants_look(const Pass *run, const Node *node)
{
    if (!node->started || node->state == NODE_LEAVING)
        return false;
    return is_overdue(run, node) || node->state == NODE_CREATING || node->lease_until_ms < run->batch->opened_real_ms + LEASE_MS;
}

/* A provider said that a machine ended: all are looked at. */
static bool one_ended(const Pass *run) { return run->real_ms - atomic_load(&run->batch->machine_ended_ms) < ENDED_LATELY_MS; }

/* One that never came up is not started again as fast as it ends. */
static bool is_joined(const Node *node) { return node->started && node->state != NODE_LEAVING && node->state != NODE_CREATING; }

static NodeRun machine_of(const Pass *run, const Node *node)
{
    for (size_t i = 0; i < run->machine_count; i++)
        if (str_eq(run->machines[i].node_id, node->id))
            return run->machines[i].run;
    return NODE_RUN_ABSENT;
}

static bool ask_provider(Pass *run, Err *err)
{
    Provider *provider = batch_provider_named(run->batch, run->pool.provider);
    bool wanted = one_ended(run);
    for (size_t i = 0; i < run->count; i++)
        wanted = wanted || wants_look(run, &run->nodes[i]);
    if (!wanted || !provider)
        return true;
    if (!provider->node_list(provider->self, run->arena, &run->machines, &run->machine_count, err))
        return false;
    if (!run->machines)
        run->machines = ARENA_ARRAY(run->arena, NodeStatus, 1);
    return run->machines || err_too_big(err);
}

/* -- doing -- */

static bool start_again(Pass *run, Txn *txn, const Node *node, Err *err)
{
    NodeState now;
    bool moved;
    return node_apply(txn, node, NODE_GONE, run->object_ms, &now, &moved, err) && node_runs_over(run->batch, txn, run->arena, node->id, run->object_ms, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_node SET started = 0, lease_until_ms = 0, reboot = '' WHERE id = ?1", db_text(node->id)) &&
           runner_schedule(run->batch->site->runner, txn, WORK_NODE, node->id, run->real_ms, err);
}

static bool mark(Pass *run, Txn *txn, const Node *node, NodeEvent event, const char *code, const char *message, Err *err)
{
    NodeState now;
    bool moved;
    KeyHindrance hindrance;
    Bytes sealed;
    if (!node_apply(txn, node, event, run->object_ms, &now, &moved, err))
        return false;
    if (!code)
        return true;
    if (!encryption_hindrance(run->batch, txn, run->arena, node->account_id, &hindrance, err))
        return false;
    if (hindrance != KEY_HINDERS_NOTHING)
        return true;                                    /* the reason cannot be sealed; the state says enough until the node speaks */
    Str report = str_printf(run->arena, "{\"reason\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);
    return node_report_seal(run->batch->site, txn, run->arena, node, report, &sealed, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_node SET report = ?2 WHERE id = ?1", db_text(node->id), db_blob(sealed));
}

/* A node whose machine is gone is started again; one whose machine runs and does not speak is lost until it does. */
static bool check_node(Pass *run, Txn *txn, const Node *node, Err *err)
{
    bool has_ended = run->machines && one_ended(run) && is_joined(node) && machine_of(run, node) == NODE_RUN_STOPPED;
    if (!has_ended && (!run->machines || !wants_look(run, node)))
        return true;
    if (machine_of(run, node) != NODE_RUN_RUNNING)
        return start_again(run, txn, node, err);
    if (!is_overdue(run, node) || node->state == NODE_UNKNOWN)
        return true;
    if (node->state == NODE_CREATING)
        return mark(run, txn, node, NODE_BROKEN, "NodeDidNotJoin", "The machine was started and its agent did not join in time; see the agent's log on the node.", err);
    if (node->state == NODE_UNUSABLE && node->boot_ms == 0)
        return true;                                    /* said already: it never joined */
    return mark(run, txn, node, NODE_LOST, NULL, NULL, err);
}

/* Its agent ends all runs with its lease; a moment later nothing of them can be left. */
static bool lose_runs(Pass *run, Txn *txn, const Node *node, Err *err)
{
    return !node->started || run->real_ms < lease_end(run, node) + RUN_LEASE_GRACE_MS || node_runs_over(run->batch, txn, run->arena, node->id, run->object_ms, err);
}

static bool remove_node(Pass *run, Txn *txn, Node *node, Err *err)
{
    Str option = run->pool.state == POOL_DELETING ? STR("requeue") : run->pool.deallocation;
    return node_leave(run->batch, txn, run->arena, node, option, run->object_ms, err);
}

/* Which leave first: what never came up, what is broken, then the youngest. */
static int worth(const Node *node)
{
    return !node->started ? 0 : node->state == NODE_UNUSABLE || node->state == NODE_UNKNOWN ? 1 : node->state != NODE_IDLE && node->state != NODE_RUNNING ? 2 : 3;
}

static int by_worth(const void *a, const void *b)
{
    const Node *x = *(Node *const *)a, *y = *(Node *const *)b;
    if (worth(x) != worth(y))
        return worth(x) - worth(y);
    return x->number < y->number ? 1 : x->number > y->number ? -1 : 0;
}

static bool shrink(Pass *run, Txn *txn, bool dedicated, int64_t surplus, Err *err)
{
    Node **kept = ARENA_ARRAY(run->arena, Node *, run->count + 1);
    size_t count = 0;
    if (!kept)
        return err_too_big(err);
    for (size_t i = 0; i < run->count; i++)
        if (run->nodes[i].dedicated == dedicated && run->nodes[i].state != NODE_LEAVING)
            kept[count++] = &run->nodes[i];
    qsort(kept, count, sizeof *kept, by_worth);
    for (size_t i = 0; i < count && (int64_t)i < surplus; i++)
        if (!remove_node(run, txn, kept[i], err))
            return false;
    return true;
}

static bool cores_used(Txn *txn, Str account_id, bool dedicated, int64_t *cores, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err,
                   "SELECT COALESCE(SUM(p.cores), 0) FROM batch_node n JOIN batch_pool p ON p.account_id = n.account_id AND p.pool_key = n.pool_key"
                   " WHERE n.account_id = ?1 AND n.dedicated = ?2", db_text(account_id), db_int(dedicated)))
        return false;
    *err = (Err){ 0 };
    *cores = rows_next(rows, err) ? row_int(rows, 0) : 0;
    return err->code == ERR_NONE;
}

/* *missing is what the account's quota does not allow. */
static bool grow(Pass *run, Txn *txn, bool dedicated, int64_t wanted, int64_t *missing, Err *err)
{
    int64_t used, quota = dedicated ? ACCOUNT_CORE_QUOTA : ACCOUNT_LOW_CORE_QUOTA, cores = run->pool.cores > 0 ? run->pool.cores : 1;
    if (!cores_used(txn, run->account_id, dedicated, &used, err))
        return false;
    int64_t fits = used >= quota ? 0 : (quota - used) / cores, made = wanted < fits ? wanted : fits;
    *missing = wanted - made;
    for (int64_t i = 0; i < made; i++) {
        Str id;
        if (!node_insert(run->batch, txn, run->arena, &run->pool, run->pool.next_number + i, dedicated, run->object_ms, &id, err))
            return false;
    }
    run->pool.next_number += made;
    return made == 0 || txn_exec(txn, NULL, err, "UPDATE batch_pool SET next_number = ?3 WHERE account_id = ?1 AND pool_key = ?2",
                                 db_text(run->account_id), db_text(run->pool_key), db_int(run->pool.next_number));
}

static bool settle(Pass *run, Txn *txn, Str errors_json, Err *err)
{
    PoolAllocation to;
    if (!pool_move(run->pool.allocation, POOL_REACHED, &to))
        return err_set(err, ERR_INTERNAL, "pool '" STR_FMT "' cannot become steady from %s", STR_ARG(run->pool.id), pool_allocation_name(run->pool.allocation));
    run->pool.allocation = to;
    return txn_exec(txn, NULL, err, "UPDATE batch_pool SET allocation = ?3, allocation_ms = ?4, resize_errors = ?5 WHERE account_id = ?1 AND pool_key = ?2",
                    db_text(run->account_id), db_text(run->pool_key), db_int(to), db_int(run->object_ms), db_text(errors_json));
}

static Str error_json(Arena *arena, const char *code, Str message)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err ignored = { 0 };
    buf_init(&buf, 16 * 1024);
    json_begin(&w, &buf);
    json_open_array(&w, NULL);
    json_open(&w, NULL);
    json_put_str(&w, "code", str_from(code));
    json_put_str(&w, "message", message);
    json_close(&w);
    json_close_array(&w);
    return json_end(&w, &ignored) ? str_dup(arena, buf_str(&buf)) : STR("[]");
}

static Str last_start_error(const Pass *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (!run->nodes[i].started && run->nodes[i].state == NODE_CREATING && !str_empty(run->nodes[i].start_error))
            return run->nodes[i].start_error;
    return STR("the provider did not start them in time");
}

/* Time is up, or somebody stopped it: what has no machine yet goes, what has one stays. */
static bool give_up(Pass *run, Txn *txn, bool stopped, Err *err)
{
    Str why = last_start_error(run);
    Str errors = stopped ? error_json(run->arena, "ResizeStopped", STR("The resize was stopped by the user."))
                         : error_json(run->arena, "AllocationTimedout", str_printf(run->arena, "Desired number of nodes could not be allocated as the resize timeout was reached: "
                                      STR_FMT, STR_ARG(why)));
    for (size_t i = 0; i < run->count; i++)
        if (!run->nodes[i].started && run->nodes[i].state == NODE_CREATING && run->nodes[i].boot_ms == 0 && !remove_node(run, txn, &run->nodes[i], err))
            return false;
    return settle(run, txn, errors, err);
}

static bool resize(Pass *run, Txn *txn, Err *err)
{
    int64_t have[2] = { 0, 0 }, missing[2] = { 0, 0 }, pending = 0;
    const int64_t target[2] = { run->pool.target_low, run->pool.target };
    for (size_t i = 0; i < run->count; i++) {
        const Node *node = &run->nodes[i];
        have[node->dedicated] += node->state != NODE_LEAVING;
        pending += node->state == NODE_LEAVING || !node->started;
    }
    for (int kind = 0; kind < 2; kind++) {
        int64_t wanted = target[kind] - have[kind];
        if (wanted < 0 && !shrink(run, txn, kind == 1, -wanted, err))
            return false;
        if (wanted > 0 && !grow(run, txn, kind == 1, wanted, &missing[kind], err))
            return false;
        pending += wanted < 0 ? 1 : wanted - missing[kind];
    }
    if (pending == 0)
        return settle(run, txn, missing[0] + missing[1] == 0 ? STR("[]") :
                      error_json(run->arena, "AccountCoreQuotaReached", str_printf(run->arena, "The account's quota of %d dedicated and %d low-priority cores has been reached.",
                                 ACCOUNT_CORE_QUOTA, ACCOUNT_LOW_CORE_QUOTA)), err);
    return run->real_ms < run->pool.resize_until_ms || give_up(run, txn, false, err);
}

static bool remove_pool(Pass *run, Txn *txn, Err *err)
{
    Str arm_id = str_printf(run->arena, STR_FMT "/pools/" STR_FMT, STR_ARG(run->account.arm_id), STR_ARG(run->pool.id));
    if (!txn_exec(txn, NULL, err, "DELETE FROM batch_pool WHERE account_id = ?1 AND pool_key = ?2", db_text(run->account_id), db_text(run->pool_key)) ||
        !access_drop_scope(run->batch->access, txn, arm_id, err))
        return false;
    if (run->pool.operation.ptr && !arm_operation_finish(run->batch->arm, txn, run->pool.operation, 200, STR_NONE, err))
        return false;
    run->again_ms = 0;
    return run->account.state != ACCOUNT_DELETING ||
           runner_schedule(run->batch->site->runner, txn, WORK_ACCOUNT, run->account_id, run->real_ms, err);
}

static bool remove_all(Pass *run, Txn *txn, Err *err)
{
    if (run->count == 0)
        return remove_pool(run, txn, err);
    for (size_t i = 0; i < run->count; i++)
        if (!remove_node(run, txn, &run->nodes[i], err))
            return false;
    return true;
}

/* When to come back: soon while something is under way that might not call us, else when the first lease can end. */
static int64_t next_look(const Pass *run)
{
    int64_t soonest = 0;
    bool busy = run->pool.state == POOL_DELETING || run->pool.allocation != POOL_STEADY;
    for (size_t i = 0; i < run->count; i++) {
        const Node *node = &run->nodes[i];
        if (!node->started)
            continue;                                   /* its own work tells us */
        bool watch = node->state == NODE_CREATING || node->state == NODE_UNKNOWN;
        int64_t end = watch ? run->real_ms + LOOK_AGAIN_MS : lease_end(run, node);
        if (end <= run->real_ms)
            end = run->real_ms + LOOK_AGAIN_MS;
        soonest = soonest == 0 || end < soonest ? end : soonest;
    }
    if (busy && (soonest == 0 || soonest > run->real_ms + LOOK_AGAIN_MS))
        soonest = run->real_ms + LOOK_AGAIN_MS;
    return soonest;
}

static bool act(Txn *txn, void *ctx, Err *err)
{
    Pass *run = ctx;
    if (!look(txn, run, err))
        return false;
    run->again_ms = 0;
    if (!run->found)
        return true;
    for (size_t i = 0; i < run->count; i++)
        if (!check_node(run, txn, &run->nodes[i], err) || !lose_runs(run, txn, &run->nodes[i], err))
            return false;
    if (run->machines && !node_list(txn, run->arena, run->account_id, run->pool_key, -1, NODES_MAX, &run->nodes, &run->count, err))
        return false;
    run->again_ms = next_look(run);
    if (run->pool.state == POOL_DELETING)
        return remove_all(run, txn, err);
    if (run->pool.allocation == POOL_STOPPING)
        return give_up(run, txn, true, err);
    return run->pool.allocation != POOL_RESIZING || resize(run, txn, err);
}

bool batch_pool_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Pass run = { .batch = ctx, .arena = arena, .real_ms = now_ms, .object_ms = clock_now_ms(((Batch *)ctx)->site->clock) };
    Store *store = run.batch->site->store;
    Str rest = str_dup(arena, job->key);
    *again_ms = 0;
    run.account_id = str_cut(&rest, '/');
    run.pool_key = rest;
    if (!store_read(store, look, &run, err))
        return false;
    if (!run.found)
        return true;
    if (!ask_provider(&run, err) || !store_write(store, act, &run, err))
        return false;
    *again_ms = run.again_ms;
    return true;
}
