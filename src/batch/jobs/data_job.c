/* data_job.c - jobs on the data plane. */
#include "batch/data_plane.h"
#include "batch/jobs/run.h"

#define JOBS_READ   "Microsoft.Batch/batchAccounts/jobs/read"
#define JOBS_WRITE  "Microsoft.Batch/batchAccounts/jobs/write"
#define JOBS_DELETE "Microsoft.Batch/batchAccounts/jobs/delete"

enum { BODY_MAX = 1024 * 1024, SMALL_BODY_MAX = 64 * 1024, REASON_MAX = 1024 };

/* -- out -- */

static bool write_job(const Batch *batch, Txn *txn, const Req *req, const Job *job, JsonWriter *w, Err *err)
{
    Arena *arena = req->arena;
    Str body, reason, pool_id;
    JobSpec spec;
    if (!job_body_open(batch->site, txn, arena, job, &body, err) || !job_reason_open(batch->site, txn, arena, job, &reason, err) ||
        !job_spec_of(arena, job->id, body, &spec, err))
        return false;
    pool_id = spec.pool_id;
    json_put_str(w, "id", job->id);
    json_put_str(w, "url", data_url(batch, req, str_printf(arena, "/jobs/" STR_FMT, STR_ARG(job->id))));
    json_put_str(w, "eTag", etag_text(arena, job->etag));
    json_put_time(w, "lastModified", job->changed_ms);
    json_put_time(w, "creationTime", job->created_ms);
    json_put_str(w, "state", str_from(job_state_name(job->state)));
    json_put_time(w, "stateTransitionTime", job->state_ms);
    if (job->previous) {
        json_put_str(w, "previousState", str_from(job_state_name(job->previous)));
        json_put_time(w, "previousStateTransitionTime", job->previous_ms);
    }
    job_write_document(arena, body, w);
    json_open(w, "executionInfo");
    json_put_time(w, "startTime", job->start_ms);
    if (job->end_ms)
        json_put_time(w, "endTime", job->end_ms);
    json_put_str(w, "poolId", pool_id);
    json_put_str(w, "terminateReason", reason);
    json_close(w);
    return true;
}

/* -- read -- */

typedef struct One { Batch *batch; Req *req; DataList *out; Job job, *chunk; } One;

static bool load(One *one, Txn *txn, Err *err)
{
    return job_require(txn, one->req->arena, data_account(one->req)->id, req_param(one->req, "jobId"), &one->job, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return load(one, txn, err) && write_job(one->batch, txn, one->req, &one->job, &one->out->item_json, err);
}

static bool job_get(Req *req, Reply *reply, Err *err)
{
    AUTO(data_list_done_auto) DataList item = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &item };
    bool unchanged;
    if (!data_one_begin(one.batch, req, reply, &item, err) || !store_read(one.batch->site->store, get_txn, &one, err) ||
        !data_conditions(req, reply, one.job.etag, one.job.changed_ms, &unchanged, err))
        return false;
    data_headers(one.batch, req, reply, one.job.etag, one.job.changed_ms);
    return unchanged || data_one_end(&item, "jobs", err);
}

static bool list_fetch(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err)
{
    One *one = ctx;
    return job_list(txn, one->req->arena, data_account(one->req)->id, after, limit, &one->chunk, count, err);
}

static bool list_write(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err)
{
    One *one = ctx;
    *key = one->chunk[i].key;
    return write_job(one->batch, txn, one->req, &one->chunk[i], w, err);
}

static bool jobs_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "id", "displayName", "state", "previousState", "priority", "onAllTasksComplete", "creationTime", "lastModified", "stateTransitionTime",
                                              "executionInfo/poolId", "executionInfo/startTime", "executionInfo/endTime", NULL };
    static const DataRows rows = { .fetch = list_fetch, .write = list_write };
    One one = { .batch = req->ctx, .req = req };
    return data_list_rows(one.batch, req, reply, "jobs", filterable, &rows, &one, err);
}

/* -- add, change -- */

typedef enum Change { JOB_ADDS = 1, JOB_PUTS, JOB_PATCHES, JOB_TERMINATES, JOB_DISABLES, JOB_ENABLES, JOB_DELETES } Change;
typedef struct Edit { One one; Reply *reply; Change change; const JsonVal *body; JobSpec spec; Str reason; DisableTasks disable; int status; } Edit;

static bool change(Edit *edit, Txn *txn, Err *err)
{
    Arena *arena = edit->one.req->arena;
    Batch *batch = edit->one.batch;
    Job *job = &edit->one.job;
    int64_t now = edit->one.req->now_ms;
    Str body;
    switch (edit->change) {
    case JOB_TERMINATES: return job_terminate(batch, txn, arena, job, edit->reason, now, err);
    case JOB_ENABLES:    return job_apply(batch, txn, arena, job, JOB_ENABLE, now, err);
    case JOB_DELETES:    return job_apply(batch, txn, arena, job, JOB_DELETE, now, err);
    case JOB_DISABLES:
        return job_apply(batch, txn, arena, job, JOB_DISABLE, now, err) &&
               txn_exec(txn, NULL, err, "UPDATE batch_job SET disable_tasks = ?3 WHERE account_id = ?1 AND job_key = ?2", db_text(job->account_id), db_text(job->key),
                        db_int(edit->disable));
    default:
        return job_body_open(batch->site, txn, arena, job, &body, err) &&
               job_read(arena, edit->body, edit->change == JOB_PUTS ? JOB_PUT : JOB_PATCH, body, &edit->spec, err) && job_change(batch, txn, arena, job, &edit->spec, now, err);
    }
}

static bool add(Edit *edit, Txn *txn, Err *err)
{
    Arena *arena = edit->one.req->arena;
    Str account_id = data_account(edit->one.req)->id;
    Account account;
    bool found;
    if (!account_by_id(txn, arena, account_id, &account, &found, err))
        return false;
    if (!found || account.state == ACCOUNT_DELETING)
        return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The account is being deleted.");
    return job_insert(edit->one.batch, txn, arena, account_id, &edit->spec, edit->one.req->now_ms, err) &&
           job_require(txn, arena, account_id, edit->spec.id, &edit->one.job, err);
}

static bool edit_txn(Txn *txn, void *ctx, Err *err)
{
    Edit *edit = ctx;
    bool unchanged;
    if (edit->change == JOB_ADDS)
        return add(edit, txn, err) && data_audit(edit->one.batch, txn, edit->one.req, edit->status, err);
    if (!load(&edit->one, txn, err) || !data_conditions(edit->one.req, edit->reply, edit->one.job.etag, edit->one.job.changed_ms, &unchanged, err))
        return false;
    if (unchanged)
        return err_named(err, ERR_PRECONDITION, "ConditionNotMet", NULL, "If-Modified-Since: it was not changed since");
    return change(edit, txn, err) && load(&edit->one, txn, err) && data_audit(edit->one.batch, txn, edit->one.req, edit->status, err);
}

static bool edit_job(Req *req, Reply *reply, Edit *edit, Err *err)
{
    edit->one.batch = req->ctx;
    edit->one.req = req;
    edit->reply = reply;
    if (!store_write(edit->one.batch->site->store, edit_txn, edit, err))
        return false;
    req->audited = true;
    reply->status = edit->status;
    data_headers(edit->one.batch, req, reply, edit->one.job.etag, edit->one.job.changed_ms);
    return true;
}

static bool job_add(Req *req, Reply *reply, Err *err)
{
    Edit edit = { .change = JOB_ADDS, .status = 201 };
    if (!req_object(req, &edit.body, err) || !job_read(req->arena, edit.body, JOB_CREATE, STR_NONE, &edit.spec, err) || !edit_job(req, reply, &edit, err))
        return false;
    reply_header(reply, STR("Location"), data_url(req->ctx, req, str_printf(req->arena, "/jobs/" STR_FMT, STR_ARG(edit.spec.id))));
    return true;
}

static bool job_put(Req *req, Reply *reply, Err *err)
{
    Edit edit = { .change = JOB_PUTS, .status = 200 };
    return req_object(req, &edit.body, err) && edit_job(req, reply, &edit, err);
}

static bool job_patch(Req *req, Reply *reply, Err *err)
{
    Edit edit = { .change = JOB_PATCHES, .status = 200 };
    return req_object(req, &edit.body, err) && edit_job(req, reply, &edit, err);
}

/* The few members of an action's body, as the tables of shapes name and refuse them. */
static bool read_action(Arena *arena, const ShapeField *fields, const JsonVal *body, const JsonVal **out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, SMALL_BODY_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (!shape_read(arena, fields, SPELL_DATA, body, NULL, "", &w, err))
        return false;
    json_close(&w);
    return json_end(&w, err) && json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, out, err);
}

/* force=true does not wait for nodes that do not answer; here the end of their leases ends that wait, so it has nothing to do. */
static bool read_force(const Req *req, Err *err)
{
    bool force = false;
    return data_query_bool(req, "force", &force, err);
}

static bool job_terminate_post(Req *req, Reply *reply, Err *err)
{
    static const ShapeField fields[] = { { "terminateReason", "terminateReason", SHAPE_TEXT, .max = REASON_MAX }, { NULL } };
    Edit edit = { .change = JOB_TERMINATES, .status = 202, .reason = STR("UserTerminate") };
    const JsonVal *body;
    if (!read_force(req, err))
        return false;
    if (req->json && (!req_object(req, &body, err) || !read_action(req->arena, fields, body, &body, err)))
        return false;
    if (req->json && json_get(body, "terminateReason"))
        edit.reason = json_str(json_get(body, "terminateReason"));
    return edit_job(req, reply, &edit, err);
}

static bool job_disable_post(Req *req, Reply *reply, Err *err)
{
    static const char *const words[] = { "Requeue", "Terminate", "Wait", NULL };           /* in the order of DisableTasks */
    static const ShapeField fields[] = { { "disableTasks", "disableTasks", SHAPE_WORD, SHAPE_NEEDED, .words = words }, { NULL } };
    Edit edit = { .change = JOB_DISABLES, .status = 202 };
    const JsonVal *body;
    if (!req_object(req, &body, err) || !read_action(req->arena, fields, body, &body, err))
        return false;
    for (int i = 0; words[i]; i++)
        if (str_eq(json_str(json_get(body, "disableTasks")), str_from(words[i])))
            edit.disable = (DisableTasks)(DISABLE_REQUEUE + i);
    return edit_job(req, reply, &edit, err);
}

static bool job_enable_post(Req *req, Reply *reply, Err *err)
{
    Edit edit = { .change = JOB_ENABLES, .status = 202 };
    return edit_job(req, reply, &edit, err);
}

static bool job_delete(Req *req, Reply *reply, Err *err)
{
    Edit edit = { .change = JOB_DELETES, .status = 202 };
    return read_force(req, err) && edit_job(req, reply, &edit, err);
}

/* -- counts -- */

typedef struct Counts { Req *req; Batch *batch; int64_t tasks[5], slots[5]; } Counts;     /* active, running, completed, succeeded, failed */

static bool counts_txn(Txn *txn, void *ctx, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Counts *c = ctx;
    Job job;
    if (!job_require(txn, c->req->arena, data_account(c->req)->id, req_param(c->req, "jobId"), &job, err) ||
        !txn_query(txn, &rows, err, "SELECT state, result, COUNT(*), SUM(slots) FROM batch_task WHERE account_id = ?1 AND job_key = ?2 GROUP BY state, result",
                   db_text(job.account_id), db_text(job.key)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        TaskState state = (TaskState)row_int(rows, 0);
        int place = state == TASK_ACTIVE ? 0 : state == TASK_COMPLETED ? 2 : 1;     /* running includes preparing */
        c->tasks[place] += row_int(rows, 2);
        c->slots[place] += row_int(rows, 3);
        if (state != TASK_COMPLETED)
            continue;
        place = row_int(rows, 1) == RESULT_SUCCESS ? 3 : 4;
        c->tasks[place] += row_int(rows, 2);
        c->slots[place] += row_int(rows, 3);
    }
    return err->code == ERR_NONE;
}

static bool job_counts(Req *req, Reply *reply, Err *err)
{
    static const char *const names[] = { "active", "running", "completed", "succeeded", "failed" };
    Counts c = { .req = req, .batch = req->ctx };
    JsonWriter *w = &reply->json;
    if (!store_read(c.batch->site->store, counts_txn, &c, err))
        return false;
    json_open(w, NULL);
    for (int kind = 0; kind < 2; kind++) {
        json_open(w, kind == 0 ? "taskCounts" : "taskSlotCounts");
        for (size_t i = 0; i < COUNT_OF(names); i++)
            json_put_int(w, names[i], kind == 0 ? c.tasks[i] : c.slots[i]);
        json_close(w);
    }
    json_close(w);
    return json_end(w, err);
}

/* -- preparation and release tasks by node -- */

static bool write_run(const Batch *batch, Txn *txn, const Req *req, const Job *job, const Run *run, const char *name, Str task_id, JsonWriter *w, Err *err)
{
    Arena *arena = req->arena;
    Str failure, directory = task_directory(arena, job, task_id);
    if (!run_failure_open(batch->site, txn, arena, run, &failure, err))
        return false;
    json_open(w, name);
    json_put_time(w, "startTime", run->start_ms ? run->start_ms : run->created_ms);
    if (run->state == RUN_ENDED)
        json_put_time(w, "endTime", run->end_ms);
    json_put_str(w, "state", run->state == RUN_ENDED ? STR("completed") : STR("running"));
    json_put_str(w, "taskRootDirectory", directory);
    json_put_str(w, "taskRootDirectoryUrl", data_url(batch, req, str_printf(arena, "/pools/" STR_FMT "/nodes/" STR_FMT "/files/" STR_FMT, STR_ARG(run->pool_key),
                                                                           STR_ARG(run->node_id), STR_ARG(directory))));
    if (run->has_exit_code)
        json_put_int(w, "exitCode", run->exit_code);
    if (failure.ptr)
        json_put_raw(w, "failureInfo", failure);
    if (run->kind == RUN_PREPARATION) {
        json_put_int(w, "retryCount", run->retries);
        if (run->retries)
            json_put_time(w, "lastRetryTime", run->retry_ms);
    }
    if (run->state == RUN_ENDED)
        json_put_str(w, "result", run->result == RESULT_SUCCESS ? STR("success") : STR("failure"));
    json_close(w);
    return true;
}

static bool status_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    Arena *arena = one->req->arena;
    Run *runs, release;
    JobSpec spec;
    Str body;
    size_t count;
    bool found;
    if (!load(one, txn, err) || !job_body_open(one->batch->site, txn, arena, &one->job, &body, err) || !job_spec_of(arena, one->job.id, body, &spec, err))
        return false;
    if (!spec.has_preparation)
        return err_named(err, ERR_CONFLICT, "JobPreparationTaskNotSpecified", NULL, "The job has no job preparation task.");
    if (!run_list_job(txn, arena, one->job.account_id, one->job.key, RUN_PREPARATION, &runs, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (runs[i].state == RUN_REVOKED)
            continue;
        if (data_list_full(one->out)) {
            one->out->more = runs[i - 1].node_id;
            return true;
        }
        if (one->out->after.ptr && str_cmp(runs[i].node_id, one->out->after) <= 0)
            continue;
        JsonWriter *w = data_item_begin(one->out);
        json_put_str(w, "poolId", runs[i].pool_key);
        json_put_str(w, "nodeId", runs[i].node_id);
        json_put_str(w, "nodeUrl", data_url(one->batch, one->req, str_printf(arena, "/pools/" STR_FMT "/nodes/" STR_FMT, STR_ARG(runs[i].pool_key), STR_ARG(runs[i].node_id))));
        if (!write_run(one->batch, txn, one->req, &one->job, &runs[i], "jobPreparationTaskExecutionInfo", spec.preparation_id, w, err) ||
            !run_of_node(txn, arena, RUN_RELEASE, runs[i].node_id, one->job.key, &release, &found, err) ||
            (found && !write_run(one->batch, txn, one->req, &one->job, &release, "jobReleaseTaskExecutionInfo", spec.release_id, w, err)) || !data_item_end(one->out, err))
            return false;
    }
    return true;
}

static bool job_status(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "nodeId", NULL };
    AUTO(data_list_done_auto) DataList list = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &list };
    return data_list_begin(one.batch, req, reply, "jobpreparationandreleasetaskstatuslist", filterable, &list, err) &&
           store_read(one.batch->site->store, status_txn, &one, err) && data_list_end(&list, err);
}

const Route data_job_routes[] = {
    { METHOD_GET,    "/jobs",                    NULL, NULL, JOBS_READ,   WHERE_WORKER, BODY_NONE,         0,              jobs_get,           "JobList" },
    { METHOD_POST,   "/jobs",                    NULL, NULL, JOBS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX,       job_add,            "JobAdd" },
    { METHOD_GET,    "/jobs/{jobId}",            NULL, NULL, JOBS_READ,   WHERE_INLINE, BODY_NONE,         0,              job_get,            "JobGet" },
    { METHOD_PUT,    "/jobs/{jobId}",            NULL, NULL, JOBS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX,       job_put,            "JobUpdate" },
    { METHOD_PATCH,  "/jobs/{jobId}",            NULL, NULL, JOBS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX,       job_patch,          "JobPatch" },
    { METHOD_DELETE, "/jobs/{jobId}",            NULL, NULL, JOBS_DELETE, WHERE_WORKER, BODY_NONE,         0,              job_delete,         "JobDelete" },
    { METHOD_POST,   "/jobs/{jobId}/terminate",  NULL, NULL, JOBS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, SMALL_BODY_MAX, job_terminate_post, "JobTerminate" },
    { METHOD_POST,   "/jobs/{jobId}/disable",    NULL, NULL, JOBS_WRITE,  WHERE_WORKER, BODY_JSON_LENIENT, SMALL_BODY_MAX, job_disable_post,   "JobDisable" },
    { METHOD_POST,   "/jobs/{jobId}/enable",     NULL, NULL, JOBS_WRITE,  WHERE_WORKER, BODY_NONE,         0,              job_enable_post,    "JobEnable" },
    { METHOD_GET,    "/jobs/{jobId}/taskcounts", NULL, NULL, JOBS_READ,   WHERE_INLINE, BODY_NONE,         0,              job_counts,         "JobGetTaskCounts" },
    { METHOD_GET,    "/jobs/{jobId}/jobpreparationandreleasetaskstatus", NULL, NULL, JOBS_READ, WHERE_WORKER, BODY_NONE, 0, job_status,         "JobListPreparationAndReleaseTaskStatus" },
};
const size_t data_job_route_count = COUNT_OF(data_job_routes);
