/* parts.h - what the files of batch/ share: the Batch itself, the background kinds, paging and lists. Private to batch/. */
#pragma once
#include "batch/accounts/account.h"
#include "batch/batch.h"
#include "batch/encryption/encryption_prove.h"
#include "batch/files/file_calls.h"
#include "batch/nodes/node.h"
#include "batch/pools/pool.h"

typedef struct MachineWatch MachineWatch;     /* machine_watch.c */
struct Batch {
    Site *site;
    Identity *identity;
    Access *access;
    Arm *arm;
    ManagedIdentities *ids;
    Provider *const *providers;
    size_t provider_count;
    Plane data_plane, node_plane;
    FileCalls *files;                   /* what requests wait for from nodes */
    _Atomic int64_t machine_ended_ms;   /* real time when a provider last said that a machine ended */
    MachineWatch *machine_watch;
    int64_t opened_real_ms;             /* nobody could renew a lease before: none ends within LEASE_MS of it */

    _Atomic int64_t retention_due_ms;   /* object time WORK_RETENTION is queued for, as far as this server knows */

    /* customer-managed keys (encryption.h) */
    int64_t key_check_ms;
    KeyProofs *proofs;
    bool (*vault_call)(void *ctx, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err);
    void *vault_call_ctx;
    /* The account's key was lost, or is back, in the transaction that says so: tasks that run go back to be queued, or may run again. When it
     * was lost while the server was down it cannot be sealed or opened any more. NULL: nobody asks. */
    bool (*on_key_access)(Batch *batch, Txn *txn, Arena *arena, Str account_id, bool is_back, Err *err);
};

/* Work of the background runner. Keys: account id; "<account id>/<pool key>"; node id; account id. */
#define WORK_ACCOUNT   "batch.account"   /* deletes an account: pools first */
#define WORK_POOL      "batch.pool"      /* brings a pool to its size, notices lost nodes */
#define WORK_NODE      "batch.node"      /* starts or stops one machine */
#define WORK_QUEUE     "batch.queue"     /* a pool (like WORK_POOL): gives waiting tasks to its nodes */
#define WORK_JOB       "batch.job"       /* "<account id>/<job key>": ends, deletes, completes a job */
#define WORK_RETENTION "batch.retention" /* "all": drops files whose time is over, by object time */
#define WORK_CERTIFICATE "batch.certificate" /* "<account id>/<thumbprint>": deletes it, or says why not */
#define WORK_KEY       "batch.key"       /* an account: may its customer-managed key be used, is it the newest? */
#define WORK_KEY_PROOF "batch.key_proof" /* a key that is being set; a KeyProof's id */

RunnerFn batch_account_run, batch_pool_run, batch_node_run, batch_key_run, batch_queue_run, batch_job_run, batch_retention_run,
    batch_certificate_run;
ArmDeleteFn batch_account_on_group_delete;

Provider *batch_provider_named(const Batch *batch, Str name);                       /* NULL: gone from the settings */
Provider *batch_provider_for(const Batch *batch, Str vm_size, int *cores);          /* NULL: nobody knows this size */

/* The page that a list of an account's parts asks for in Resource Manager, by maxresults too, at most limit_max; $filter and $select are refused as not built. */
bool batch_arm_page_read(const Req *req, int64_t limit_max, ArmPage *out, Err *err) MUST_CHECK;

/* The tables of routes; each file's own. */
extern const Route account_arm_routes[], pool_arm_routes[], data_pool_routes[], data_node_routes[], data_exec_routes[], data_job_routes[], data_task_routes[], data_file_routes[], data_other_routes[], node_plane_routes[],
    node_reboot_routes[], certificate_arm_routes[], certificate_data_routes[], certificate_feature_routes[];
extern const size_t account_arm_route_count, pool_arm_route_count, data_pool_route_count, data_node_route_count, data_exec_route_count, data_job_route_count, data_task_route_count, data_file_route_count,
    data_other_route_count, node_plane_route_count, node_reboot_route_count, certificate_arm_route_count, certificate_data_route_count, certificate_feature_route_count;

void data_plane_init(Batch *batch);
void node_plane_init(Batch *batch);
