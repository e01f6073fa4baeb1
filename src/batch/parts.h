/* parts.h - what the files of batch/ share: the Batch itself, the background kinds, paging and lists. Private to batch/. */
#pragma once
#include "batch/account.h"
#include "batch/batch.h"
#include "batch/node.h"
#include "batch/pool.h"

struct Batch {
    Site *site;
    Identity *identity;
    Access *access;
    Arm *arm;
    ManagedIdentities *ids;
    Provider *const *providers;
    size_t provider_count;
    Plane data_plane, node_plane;
    int64_t opened_real_ms;             /* nobody could renew a lease before: none ends within LEASE_MS of it */
};

/* Work of the background runner. Keys: account id; "<account id>/<pool key>"; node id. */
#define WORK_ACCOUNT "batch.account"    /* deletes an account: pools first */
#define WORK_POOL    "batch.pool"       /* brings a pool to its size, notices lost nodes */
#define WORK_NODE    "batch.node"       /* starts or stops one machine */

RunnerFn batch_account_run, batch_pool_run, batch_node_run;
ArmDeleteFn batch_account_on_group_delete;

Provider *batch_provider_named(const Batch *batch, Str name);                       /* NULL: gone from the settings */
Provider *batch_provider_for(const Batch *batch, Str vm_size, int *cores);          /* NULL: nobody knows this size */

/* The tables of routes; each file's own. */
extern const Route account_arm_routes[], pool_arm_routes[], data_pool_routes[], data_node_routes[], data_exec_routes[], data_other_routes[], node_plane_routes[];
extern const size_t account_arm_route_count, pool_arm_route_count, data_pool_route_count, data_node_route_count, data_exec_route_count,
    data_other_route_count, node_plane_route_count;

void data_plane_init(Batch *batch);
void node_plane_init(Batch *batch);
