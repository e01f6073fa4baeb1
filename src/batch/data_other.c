/* data_other.c - the account's images and node counts, and what the data plane does not have yet. */
#include "batch/data_plane.h"
#include "batch/pools/pool_check.h"

#define READ   "Microsoft.Batch/batchAccounts/pools/read"
#define BATCH  "Microsoft.Batch/batchAccounts/"

/* -- supported images -- */

static bool images_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "nodeAgentSKUId", "osType", "verificationType", "imageReference/publisher", "imageReference/offer", "imageReference/sku", NULL };
    AUTO(data_list_done_auto) DataList list = { 0 };
    if (!data_list_begin(req->ctx, req, reply, "supportedimages", filterable, &list, err))
        return false;
    for (const NodeImage *image = node_images; image->publisher; image++) {
        JsonWriter *w = data_item_begin(&list);
        json_put_str(w, "nodeAgentSKUId", str_from(image->agent));
        json_open(w, "imageReference");
        json_put_str(w, "publisher", str_from(image->publisher));
        json_put_str(w, "offer", str_from(image->offer));
        json_put_str(w, "sku", str_from(image->sku));
        json_put_str(w, "version", STR("latest"));
        json_close(w);
        json_put_str(w, "osType", STR("linux"));
        json_open_array(w, "capabilities");
        json_close_array(w);
        json_put_str(w, "verificationType", STR("unverified"));     /* the names are taken; the node image is one */
        if (!data_item_end(&list, err))
            return false;
    }
    return data_list_end(&list, err);
}

/* -- node counts -- */

typedef struct Counts { Req *req; Pool *chunk; } Counts;

static void write_counts(JsonWriter *w, const char *name, const int64_t counts[NODE_STATE_COUNT])
{
    int64_t total = 0;
    json_open(w, name);
    for (int state = NODE_CREATING; state < NODE_STATE_COUNT; state++) {
        json_put_int(w, node_count_name((NodeState)state), counts[state]);
        total += counts[state];
    }
    json_put_int(w, "total", total);
    json_close(w);
}

static bool count_nodes(Txn *txn, const Pool *pool, int64_t counts[2][NODE_STATE_COUNT], Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT dedicated, state, COUNT(*) FROM batch_node WHERE account_id = ?1 AND pool_key = ?2 GROUP BY dedicated, state",
                   db_text(pool->account_id), db_text(pool->key)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        int64_t kind = row_int(rows, 0), state = row_int(rows, 1);
        if (kind >= 0 && kind < 2 && state > 0 && state < NODE_STATE_COUNT)
            counts[kind][state] = row_int(rows, 2);
    }
    return err->code == ERR_NONE;
}

static bool counts_fetch(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err)
{
    Counts *c = ctx;
    return pool_list(txn, c->req->arena, data_account(c->req)->id, after, limit, &c->chunk, count, err);
}

static bool counts_write(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err)
{
    const Pool *pool = &((Counts *)ctx)->chunk[i];
    int64_t counts[2][NODE_STATE_COUNT] = { 0 };
    *key = pool->key;
    if (!count_nodes(txn, pool, counts, err))
        return false;
    json_put_str(w, "poolId", pool->id);
    write_counts(w, "dedicated", counts[1]);
    write_counts(w, "lowPriority", counts[0]);
    return true;
}

static bool counts_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "poolId", NULL };
    static const DataRows rows = { .fetch = counts_fetch, .write = counts_write };
    Counts c = { .req = req };
    return data_list_rows(req->ctx, req, reply, "poolnodecounts", filterable, &rows, &c, err);
}

/* -- the table: what is there, and what the service has and we do not yet -- */

#define NOT_BUILT(method, path, action, operation) { method, path, NULL, NULL, BATCH action, WHERE_INLINE, BODY_NONE, 0, route_not_built, operation }

const Route data_other_routes[] = {
    { METHOD_GET, "/supportedimages", NULL, NULL, READ, WHERE_INLINE, BODY_NONE, 0, images_get, "AccountListSupportedImages" },
    { METHOD_GET, "/nodecounts",      NULL, NULL, READ, WHERE_WORKER, BODY_NONE, 0, counts_get, "AccountListPoolNodeCounts" },

    NOT_BUILT(METHOD_GET,    "/applications",                       "applications/read",    "ApplicationListData"),
    NOT_BUILT(METHOD_GET,    "/applications/{applicationId}",       "applications/read",    "ApplicationGetData"),
    NOT_BUILT(METHOD_GET,    "/jobschedules",                       "jobSchedules/read",    "JobScheduleList"),
    NOT_BUILT(METHOD_POST,   "/jobschedules",                       "jobSchedules/write",   "JobScheduleAdd"),
    NOT_BUILT(METHOD_GET,    "/jobschedules/{jobScheduleId}",       "jobSchedules/read",    "JobScheduleGet"),
    NOT_BUILT(METHOD_PUT,    "/jobschedules/{jobScheduleId}",       "jobSchedules/write",   "JobScheduleUpdate"),
    NOT_BUILT(METHOD_PATCH,  "/jobschedules/{jobScheduleId}",       "jobSchedules/write",   "JobSchedulePatch"),
    NOT_BUILT(METHOD_DELETE, "/jobschedules/{jobScheduleId}",       "jobSchedules/delete",  "JobScheduleDelete"),
    NOT_BUILT(METHOD_POST,   "/jobschedules/{jobScheduleId}/disable",   "jobSchedules/write", "JobScheduleDisable"),
    NOT_BUILT(METHOD_POST,   "/jobschedules/{jobScheduleId}/enable",    "jobSchedules/write", "JobScheduleEnable"),
    NOT_BUILT(METHOD_POST,   "/jobschedules/{jobScheduleId}/terminate", "jobSchedules/write", "JobScheduleTerminate"),
    NOT_BUILT(METHOD_GET,    "/jobschedules/{jobScheduleId}/jobs",  "jobs/read",            "JobListFromJobSchedule"),
    NOT_BUILT(METHOD_GET,    "/lifetimejobstats",                   "jobs/read",            "JobGetAllLifetimeStatistics"),
    NOT_BUILT(METHOD_GET,    "/lifetimepoolstats",                  "pools/read",           "PoolGetAllLifetimeStatistics"),
    NOT_BUILT(METHOD_GET,    "/poolusagemetrics",                   "pools/read",           "PoolListUsageMetrics"),
};
const size_t data_other_route_count = COUNT_OF(data_other_routes);
