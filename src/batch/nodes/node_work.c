/* node_work.c - one machine: asked for with a one-use token, restarted, or stopped. Background work, one run at a time for each node. */
#include "batch/parts.h"
#include "base/encode.h"
#include "base/id.h"
#include "batch/nodes/node_runs.h"
#include "crypto/hash.h"

enum { JOIN_WAIT_MS = 3 * 60 * 1000, JOIN_MAX = 8 * 1024, ERROR_SHOWN = 400 };

typedef struct Work {
    Batch *batch;
    Arena *arena;
    Str node_id;
    bool found;
    Node node;
    Pool pool;
    Account account;
    uint8_t join_hash[SHA256_SIZE];
    Str start_error;
    bool may_stop;                      /* its tasks are as the one who asked wants them */
    int64_t wait_ms;
    bool stop_again;                    /* it was removed while its machine came up */
} Work;

static bool look(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    bool found;
    if (!node_find(txn, work->arena, work->node_id, &work->node, &work->found, err) || !work->found)
        return err->code == ERR_NONE;
    if (!pool_find(txn, work->arena, work->node.account_id, work->node.pool_key, &work->pool, &found, err) ||
        !account_by_id(txn, work->arena, work->node.account_id, &work->account, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_INTERNAL, "node " STR_FMT " has no account", STR_ARG(work->node_id));
    Str option = work->node.state == NODE_LEAVING ? work->node.leaves : work->node.reboot;
    return node_may_stop(txn, &work->node, option, clock_now_ms(work->batch->site->clock), &work->may_stop, &work->wait_ms, err);
}

/* -- stopping -- */

static bool forget(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    return node_runs_forget(work->batch, txn, work->arena, work->node_id, clock_now_ms(work->batch->site->clock), err) && node_delete(txn, work->node_id, err) &&
           pool_schedule(work->batch, txn, work->arena, work->node.account_id, work->node.pool_key, err);
}

static bool stop(Work *work, Provider *provider, Err *err)
{
    if (!provider->node_stop(provider->self, work->node_id, err) || !store_write(work->batch->site->store, forget, work, err))
        return false;
    http_wake(work->batch->site->http, str_printf(work->arena, "batch.node:" STR_FMT, STR_ARG(work->node_id)));     /* its parked calls learn that it is gone */
    return true;
}

/* -- starting -- */

static bool keep_join_hash(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    return txn_exec(txn, NULL, err, "UPDATE batch_node SET join_hash = ?2 WHERE id = ?1", db_text(work->node_id),
                    db_blob((Bytes){ work->join_hash, sizeof work->join_hash }));
}

static void put_join_document(const Work *work, Str token, Buf *out)
{
    const Names *names = &work->batch->site->names;
    JsonWriter w;
    json_begin(&w, out);
    json_open(&w, NULL);
    json_put_int(&w, "version", 1);
    json_put_str(&w, "nodeId", work->node.id);
    json_put_str(&w, "hostName", work->node.host_name);
    json_put_str(&w, "joinToken", token);
    json_put_str(&w, "domain", names->domain);
    json_put_int(&w, "port", names->port);
    json_put_str(&w, "socket", STR("/run/vaultyard/site/site.sock"));
    json_put_str(&w, "caFile", STR("/etc/vaultyard/ca.pem"));
    json_close(&w);
}

/* The machine may run already: a crash came between its start and the note of it. Then its token must stay. */
static bool runs_already(Work *work, Provider *provider, bool *runs, Err *err)
{
    NodeStatus *list;
    size_t count;
    *runs = false;
    if (!work->node.join_hash.ptr)
        return true;
    if (!provider->node_list(provider->self, work->arena, &list, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        *runs = *runs || (str_eq(list[i].node_id, work->node_id) && list[i].run == NODE_RUN_RUNNING);
    return true;
}

typedef bool StartFn(void *self, const NodeSpec *spec, Err *err);

static bool start_machine(Work *work, Provider *provider, StartFn *start_fn, Err *err)
{
    uint8_t random[CREDENTIAL_SIZE];
    AUTO(buf_done_auto) Buf join = { 0 };
    random_fill(random, sizeof random);
    Str token = hex_encode(work->arena, (Bytes){ random, sizeof random });
    secret_wipe(random, sizeof random);
    buf_init(&join, JOIN_MAX);
    if (!arena_ok(work->arena))
        return err_too_big(err);
    sha256(bytes_of(token), work->join_hash);
    put_join_document(work, token, &join);
    bool started = !join.failed && store_write(work->batch->site->store, keep_join_hash, work, err);
    if (started) {
        NodeSpec spec = { .node_id = work->node.id, .host_name = work->node.host_name, .account = work->account.name, .pool = work->pool.id,
                          .vm_size = work->pool.vm_size, .join_json = buf_str(&join) };
        started = start_fn(provider->self, &spec, err);
    }
    secret_wipe((void *)(uintptr_t)token.ptr, token.len);
    secret_wipe(join.ptr, join.len);
    return started;
}

static bool note_started(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Node node;
    bool found;
    if (!node_find(txn, work->arena, work->node_id, &node, &found, err))
        return false;
    work->stop_again = !found;
    if (!found || node.state == NODE_LEAVING)
        return true;
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_node SET started = 1, start_error = '', reboot = '', lease_until_ms = CASE WHEN state IN (?3, ?4) THEN ?2 ELSE lease_until_ms END WHERE id = ?1",
                    db_text(work->node_id), db_int(real_now_ms() + JOIN_WAIT_MS), db_int(NODE_CREATING), db_int(NODE_REBOOTING)) &&
           pool_schedule(work->batch, txn, work->arena, node.account_id, node.pool_key, err);
}

static bool note_failed(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    return txn_exec(txn, NULL, err, "UPDATE batch_node SET start_error = ?2 WHERE id = ?1", db_text(work->node_id), db_text(work->start_error)) &&
           pool_schedule(work->batch, txn, work->arena, work->node.account_id, work->node.pool_key, err);
}

static bool start(Work *work, Provider *provider, Err *err)
{
    bool restart = work->node.state == NODE_REBOOTING, runs = false;
    if (!restart && !runs_already(work, provider, &runs, err))
        return false;
    if (!runs && !start_machine(work, provider, restart ? provider->node_restart : provider->node_start, err)) {
        Err cause = *err;
        work->start_error = str_slice(str_from(cause.text), 0, ERROR_SHOWN);
        if (store_write(work->batch->site->store, note_failed, work, err))
            *err = cause;
        return false;
    }
    if (!store_write(work->batch->site->store, note_started, work, err))
        return false;
    return !work->stop_again || provider->node_stop(provider->self, work->node_id, err);
}

bool batch_node_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Work work = { .batch = ctx, .arena = arena, .node_id = str_dup(arena, job->key) };
    *again_ms = 0;
    if (!store_read(work.batch->site->store, look, &work, err))
        return false;
    if (!work.found)
        return true;
    Provider *provider = batch_provider_named(work.batch, work.pool.provider);
    if (!provider)
        return err_set(err, ERR_UNAVAILABLE, "the provider '" STR_FMT "' of pool '" STR_FMT "' is not set up on this server", STR_ARG(work.pool.provider), STR_ARG(work.pool.id));
    bool ends = work.node.state == NODE_LEAVING || (work.node.state == NODE_REBOOTING && !str_empty(work.node.reboot));
    if (ends && !work.may_stop) {
        *again_ms = work.wait_ms ? now_ms + work.wait_ms : 0;       /* 0: the last of its tasks wakes us */
        return true;
    }
    if (work.node.state == NODE_LEAVING)
        return stop(&work, provider, err);
    if (work.node.state == NODE_REBOOTING)
        return str_empty(work.node.reboot) || start(&work, provider, err);
    return work.node.state != NODE_CREATING || work.node.started || start(&work, provider, err);
}
