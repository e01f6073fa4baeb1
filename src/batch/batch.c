/* batch.c - opening, closing, mounting; which provider has which size. */
#include "batch/parts.h"
#include <stdlib.h>
#include "base/log.h"
#include "batch/nodes/command.h"
#include "batch/nodes/node_runs.h"

enum { OPEN_ARENA = 4 * 1024 * 1024, POOLS_AT_ONCE = 2, NODES_AT_ONCE = 4, KEYS_AT_ONCE = 4, QUEUES_AT_ONCE = 4, JOBS_AT_ONCE = 4 };
enum { MACHINES_AGAIN_MS = 10 * 1000 };         /* a host that was away is back in seconds, and then nodes wait for it */

Provider *batch_provider_named(const Batch *batch, Str name)
{
    for (size_t i = 0; i < batch->provider_count; i++)
        if (str_eq(name, str_from(batch->providers[i]->name)))
            return batch->providers[i];
    return NULL;
}

Provider *batch_provider_for(const Batch *batch, Str vm_size, int *cores)
{
    int64_t memory_bytes;
    for (size_t i = 0; i < batch->provider_count; i++)
        if (batch->providers[i]->size_known(batch->providers[i]->self, vm_size, cores, &memory_bytes))
            return batch->providers[i];
    return NULL;
}

/* Accounts under a customer's key are locked until the vault has unwrapped it. */
static bool schedule_keys(Batch *batch, Txn *txn, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT account_id FROM batch_encryption WHERE identifier IS NOT NULL"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        if (!runner_schedule(batch->site->runner, txn, WORK_KEY, row_text(rows, 0), real_now_ms(), err))
            return false;
    return err->code == ERR_NONE;
}

/* Every pool is looked at once: the machine may have been restarted, or a crash have come between two steps. */
static bool schedule_all(Txn *txn, void *ctx, Err *err)
{
    Batch *batch = ctx;
    AUTO(arena_free_auto) Arena *arena = arena_new(OPEN_ARENA);
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!txn_query(txn, &rows, err, "SELECT account_id, pool_key FROM batch_pool"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        if (!pool_schedule(batch, txn, arena, row_text(rows, 0), row_text(rows, 1), err))
            return false;
    /* Until it has run, retention_due_ms is 0, and nobody puts it off. */
    return err->code == ERR_NONE && schedule_keys(batch, txn, err) && runner_schedule(batch->site->runner, txn, WORK_RETENTION, STR("all"), 0, err);
}

static void on_clock(void *ctx) { batch_refresh_nodes(ctx); }

bool batch_open(Site *site, Identity *identity, Access *access, Arm *arm, ManagedIdentities *ids,
                Provider *const *providers, size_t provider_count, Batch **out, Err *err)
{
    Batch *batch = calloc(1, sizeof *batch);
    KeyProofs *proofs = key_proofs_new();
    FileCalls *files = file_calls_new();
    if (!batch || !proofs || !files) {
        free(batch);
        file_calls_free(files);
        key_proofs_free(proofs);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    *batch = (Batch){
        .site = site, .identity = identity, .access = access, .arm = arm, .ids = ids,
        .providers = providers, .provider_count = provider_count, .opened_real_ms = real_now_ms(), .retention_due_ms = 0,
        .key_check_ms = KEY_CHECK_USUAL_MS, .proofs = proofs, .files = files, .vault_call = key_call_own_site, .vault_call_ctx = batch,
        .on_key_access = runs_on_key_access,
    };
    data_plane_init(batch);
    node_plane_init(batch);
    runner_register(site->runner, WORK_ACCOUNT, RUNNER_REAL_TIME, batch_account_run, batch);
    runner_register(site->runner, WORK_POOL, RUNNER_REAL_TIME, batch_pool_run, batch);
    runner_register(site->runner, WORK_NODE, RUNNER_REAL_TIME, batch_node_run, batch);
    runner_register(site->runner, WORK_CERTIFICATE, RUNNER_REAL_TIME, batch_certificate_run, batch);
    runner_register(site->runner, WORK_QUEUE, RUNNER_REAL_TIME, batch_queue_run, batch);
    runner_register(site->runner, WORK_JOB, RUNNER_REAL_TIME, batch_job_run, batch);
    runner_register(site->runner, WORK_RETENTION, RUNNER_OBJECT_TIME, batch_retention_run, batch);
    runner_register(site->runner, WORK_KEY, RUNNER_REAL_TIME, batch_key_run, batch);
    runner_register(site->runner, WORK_KEY_PROOF, RUNNER_REAL_TIME, batch_key_proof_run, batch);
    runner_allow(site->runner, WORK_KEY, KEYS_AT_ONCE);
    runner_allow(site->runner, WORK_KEY_PROOF, KEYS_AT_ONCE);
    runner_allow(site->runner, WORK_QUEUE, QUEUES_AT_ONCE);
    runner_allow(site->runner, WORK_JOB, JOBS_AT_ONCE);
    runner_allow(site->runner, WORK_POOL, POOLS_AT_ONCE);
    runner_allow(site->runner, WORK_NODE, NODES_AT_ONCE);
    runner_retry_within(site->runner, WORK_POOL, MACHINES_AGAIN_MS);
    runner_retry_within(site->runner, WORK_NODE, MACHINES_AGAIN_MS);
    arm_on_delete(arm, "Microsoft.Batch/batchAccounts", batch_account_on_group_delete, batch);
    arm_on_clock(arm, on_clock, batch);
    if (!store_write(site->store, schedule_all, batch, err)) {
        batch_close(batch);
        return false;
    }
    *out = batch;
    return true;
}

void batch_close(Batch *batch)
{
    if (!batch)
        return;
    key_proofs_free(batch->proofs);
    file_calls_free(batch->files);
    free(batch);
}

bool batch_mount(Batch *batch, HttpServer *server, Err *err)
{
    const struct { const Plane *plane; const Route *routes; size_t count; } mounts[] = {
        { arm_plane(batch->arm), account_arm_routes, account_arm_route_count },
        { arm_plane(batch->arm), pool_arm_routes, pool_arm_route_count },
        { &batch->data_plane, data_pool_routes, data_pool_route_count },
        { &batch->data_plane, data_node_routes, data_node_route_count },
        { &batch->data_plane, data_exec_routes, data_exec_route_count },
        { &batch->data_plane, data_file_routes, data_file_route_count },
        { &batch->data_plane, node_reboot_routes, node_reboot_route_count },
        { &batch->data_plane, certificate_data_routes, certificate_data_route_count },
        { arm_plane(batch->arm), certificate_arm_routes, certificate_arm_route_count },
        { arm_plane(batch->arm), certificate_feature_routes, certificate_feature_route_count },
        { &batch->data_plane, data_job_routes, data_job_route_count },
        { &batch->data_plane, data_task_routes, data_task_route_count },
        { &batch->data_plane, data_other_routes, data_other_route_count },
        { &batch->node_plane, node_plane_routes, node_plane_route_count },
    };
    for (size_t i = 0; i < COUNT_OF(mounts); i++)
        if (!http_mount(server, mounts[i].plane, mounts[i].routes, mounts[i].count, batch, err))
            return false;
    return true;
}

typedef struct Refresh { Arena *arena; Str *node_ids; size_t count; } Refresh;

static bool refresh_all(Txn *txn, void *ctx, Err *err)
{
    Refresh *r = ctx;
    return command_refresh_all(txn, r->arena, &r->node_ids, &r->count, err);
}

void batch_refresh_nodes(Batch *batch)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(OPEN_ARENA);
    Refresh r = { .arena = arena };
    Err err = { 0 };
    if (!arena || !store_write(batch->site->store, refresh_all, &r, &err)) {
        log_event(LOG_WARN, "batch.refresh_failed", log_cstr("error", err.text));     /* leases bring the change within a third of their length */
        return;
    }
    for (size_t i = 0; i < r.count; i++)
        http_wake(batch->site->http, command_node_key(arena, r.node_ids[i]));
}
