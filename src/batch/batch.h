/* batch.h - Microsoft.Batch: accounts and pools in Resource Manager, the data plane of each account, and the plane its nodes talk to.
 *
 * Three planes: the resource types are mounted on arm_plane(); the data plane answers on <account>.<region>.batch.<domain>; node
 * agents call nodes.<domain> (docs/node-protocol.md). Pools are kept at their size by the background runner, which asks a
 * provider to start and stop machines. Documents (pool bodies, settings) are sealed under "batch:<account id>"; ids, states and
 * times are clear. Vaults are used only over the API that customers have. */
#pragma once
#include "arm/arm.h"
#include "managedidentity/managedidentity.h"
#include "provider/provider.h"

typedef struct Batch Batch;

/* Registers its runner kinds and arm_on_delete functions, so it comes before runner_start, arm_mount and http_start. A pool's
 * nodes come from the first provider that knows its vmSize; with no provider, creating a pool with nodes is refused.
 * Everything given is borrowed for the life of the Batch. */
bool batch_open(Site *site, Identity *identity, Access *access, Arm *arm, ManagedIdentities *ids,
                Provider *const *providers, size_t provider_count, Batch **out, Err *err) MUST_CHECK;
void batch_close(Batch *batch);                           /* after http_stop and runner_stop; NULL is fine */
bool batch_mount(Batch *batch, HttpServer *server, Err *err) MUST_CHECK;

/* How often a customer-managed key is tried, 60 s unless set here (between batch_open and runner_start). ERR_BAD_INPUT below one second. */
bool batch_set_key_check(Batch *batch, int64_t ms, Err *err) MUST_CHECK;

/* Hears from providers that machines ended, from runner_start until before the runner ends; without it leases tell. */
bool batch_watch_start(Batch *batch, Err *err) MUST_CHECK;
void batch_watch_stop(Batch *batch);        /* fine if it never started, or NULL */

/* Lines of /metrics: the accounts under a customer's key that the caller may read. */
bool batch_metrics(Batch *batch, Req *req, Buf *out, Err *err) MUST_CHECK;

/* Every node renews its lease now: the clock was shifted, or the site's ports changed. Safe from any thread. */
void batch_refresh_nodes(Batch *batch);
