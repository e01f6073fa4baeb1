/* data_task.c - tasks on the data plane. */
#include <stdio.h>
#include "batch/data_plane.h"
#include "batch/jobs/run.h"
#include "batch/nodes/command.h"

#define JOBS_READ  "Microsoft.Batch/batchAccounts/jobs/read"
#define JOBS_WRITE "Microsoft.Batch/batchAccounts/jobs/write"

enum { BODY_MAX = 1024 * 1024 };

/* -- out -- */

bool data_task_execution(const Batch *batch, Txn *txn, const Req *req, const Task *task, JsonWriter *w, Err *err)
{
    Str failure;
    bool is_over = task->state == TASK_COMPLETED, has_run = task->state == TASK_RUNNING || is_over;
    if (!task_failure_open(batch->site, txn, req->arena, task, &failure, err))
        return false;
    json_open(w, "executionInfo");
    if (has_run && task->start_ms)
        json_put_time(w, "startTime", task->start_ms);
    if (is_over && task->end_ms)
        json_put_time(w, "endTime", task->end_ms);
    if (is_over && task->has_exit_code)
        json_put_int(w, "exitCode", task->exit_code);
    if (is_over && failure.ptr)
        json_put_raw(w, "failureInfo", failure);
    if (is_over && task->result)
        json_put_str(w, "result", task->result == RESULT_SUCCESS ? STR("success") : STR("failure"));
    json_put_int(w, "retryCount", task->retries);
    if (task->retries)
        json_put_time(w, "lastRetryTime", task->retry_ms);
    json_put_int(w, "requeueCount", task->requeues);
    if (task->requeues)
        json_put_time(w, "lastRequeueTime", task->requeue_ms);
    json_close(w);
    return true;
}

static void write_node(const Batch *batch, const Req *req, const Job *job, const Task *task, JsonWriter *w)
{
    Arena *arena = req->arena;
    if (str_empty(task->node_id) || task->state == TASK_ACTIVE)
        return;
    Str directory = task_directory(arena, job, task->id);
    Str node_url = data_url(batch, req, str_printf(arena, "/pools/" STR_FMT "/nodes/" STR_FMT, STR_ARG(task->pool_key), STR_ARG(task->node_id)));
    json_open(w, "nodeInfo");
    json_put_str(w, "affinityId", str_printf(arena, "TVM:" STR_FMT, STR_ARG(task->node_id)));
    json_put_str(w, "nodeUrl", node_url);
    json_put_str(w, "poolId", task->pool_key);
    json_put_str(w, "nodeId", task->node_id);
    json_put_str(w, "taskRootDirectory", directory);
    json_put_str(w, "taskRootDirectoryUrl", str_printf(arena, STR_FMT "/files/" STR_FMT, STR_ARG(node_url), STR_ARG(directory)));
    json_close(w);
}

static bool write_task(const Batch *batch, Txn *txn, const Req *req, const Job *job, const Task *task, JsonWriter *w, Err *err)
{
    Arena *arena = req->arena;
    Str body;
    if (!task_body_open(batch->site, txn, arena, task, &body, err))
        return false;
    json_put_str(w, "id", task->id);
    json_put_str(w, "url", data_url(batch, req, str_printf(arena, "/jobs/" STR_FMT "/tasks/" STR_FMT, STR_ARG(job->id), STR_ARG(task->id))));
    json_put_str(w, "eTag", etag_text(arena, task->etag));
    json_put_time(w, "lastModified", task->changed_ms);
    json_put_time(w, "creationTime", task->created_ms);
    json_put_str(w, "state", str_from(task_state_name(task->state)));
    json_put_time(w, "stateTransitionTime", task->state_ms);
    if (task->previous) {
        json_put_str(w, "previousState", str_from(task_state_name(task->previous)));
        json_put_time(w, "previousStateTransitionTime", task->previous_ms);
    }
    task_write_document(arena, body, w);
    write_node(batch, req, job, task, w);
    return data_task_execution(batch, txn, req, task, w, err);
}

/* -- read -- */

typedef struct One { Batch *batch; Req *req; DataList *out; Job job; Task task, *chunk; } One;

static bool load_job(One *one, Txn *txn, Err *err)
{
    return job_require(txn, one->req->arena, data_account(one->req)->id, req_param(one->req, "jobId"), &one->job, err);
}

static bool load(One *one, Txn *txn, Err *err)
{
    return load_job(one, txn, err) && task_require(txn, one->req->arena, &one->job, req_param(one->req, "taskId"), &one->task, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return load(one, txn, err) && write_task(one->batch, txn, one->req, &one->job, &one->task, &one->out->item_json, err);
}

static bool task_get(Req *req, Reply *reply, Err *err)
{
    AUTO(data_list_done_auto) DataList item = { 0 };
    One one = { .batch = req->ctx, .req = req, .out = &item };
    bool unchanged;
    if (!data_one_begin(one.batch, req, reply, &item, err) || !store_read(one.batch->site->store, get_txn, &one, err) ||
        !data_conditions(req, reply, one.task.etag, one.task.changed_ms, &unchanged, err))
        return false;
    data_headers(one.batch, req, reply, one.task.etag, one.task.changed_ms);
    return unchanged || data_one_end(&item, "tasks", err);
}

static bool list_fetch(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err)
{
    One *one = ctx;
    return task_list(txn, one->req->arena, one->job.account_id, one->job.key, after, limit, &one->chunk, count, err);
}

static bool list_write(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err)
{
    One *one = ctx;
    *key = one->chunk[i].key;
    return write_task(one->batch, txn, one->req, &one->job, &one->chunk[i], w, err);
}

static bool list_begin(void *ctx, Txn *txn, Err *err) { return load_job(ctx, txn, err); }

static bool tasks_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "id", "displayName", "state", "previousState", "creationTime", "lastModified", "stateTransitionTime", "executionInfo/exitCode", "executionInfo/result",
                                              "executionInfo/startTime", "executionInfo/endTime", "executionInfo/retryCount", "executionInfo/requeueCount", "executionInfo/failureInfo/code",
                                              "nodeInfo/nodeId", "nodeInfo/poolId", NULL };
    static const DataRows rows = { list_begin, list_fetch, list_write };
    One one = { .batch = req->ctx, .req = req };
    return data_list_rows(one.batch, req, reply, "tasks", filterable, &rows, &one, err);
}

/* -- add -- */

typedef struct Added { Str id; Err err; Task task; TaskSpec spec; bool read; } Added;
typedef struct Add { One one; Added *items; size_t count; bool alone; } Add;

/* Ids that the job's preparation and release tasks have are refused. */
static bool check_id(Add *add, Txn *txn, Str id, Err *err)
{
    Arena *arena = add->one.req->arena;
    JobSpec spec;
    Str body, key = str_lower(arena, id);
    if (!job_body_open(add->one.batch->site, txn, arena, &add->one.job, &body, err) || !job_spec_of(arena, add->one.job.id, body, &spec, err))
        return false;
    if (spec.has_preparation && str_eq(key, spec.preparation_id))
        return err_named(err, ERR_CONFLICT, "TaskIdSameAsJobPreparationTask", NULL, "The task id is that of the job's preparation task.");
    if (spec.has_release && str_eq(key, spec.release_id))
        return err_named(err, ERR_CONFLICT, "TaskIdSameAsJobReleaseTask", NULL, "The task id is that of the job's release task.");
    return true;
}

static bool add_one(Add *add, Txn *txn, Added *item, Err *err)
{
    Arena *arena = add->one.req->arena;
    return ((!add->one.job.prepares && !add->one.job.releases) || check_id(add, txn, item->spec.id, err)) &&
           task_insert(add->one.batch, txn, arena, &add->one.job, &item->spec, add->one.req->now_ms, err) &&
           task_require(txn, arena, &add->one.job, item->spec.id, &item->task, err);
}

/* Each task of a collection succeeds or fails for itself; an error of ours undoes all. */
static bool add_txn(Txn *txn, void *ctx, Err *err)
{
    Add *add = ctx;
    if (!load_job(&add->one, txn, err))
        return false;
    for (size_t i = 0; i < add->count; i++) {
        Added *item = &add->items[i];
        if (!item->read)
            continue;
        item->err = (Err){ 0 };
        if (!add_one(add, txn, item, &item->err) && (add->alone || item->err.code == ERR_INTERNAL || item->err.code == ERR_TOO_LARGE)) {
            *err = item->err;
            return false;
        }
    }
    return queue_schedule(add->one.batch, txn, add->one.req->arena, add->one.job.account_id, add->one.job.pool_key, err) &&
           data_audit(add->one.batch, txn, add->one.req, add->alone ? 201 : 200, err);
}

static bool task_add(Req *req, Reply *reply, Err *err)
{
    Added item = { .read = true };
    Add add = { .one = { .batch = req->ctx, .req = req }, .items = &item, .count = 1, .alone = true };
    const JsonVal *body;
    if (!req_object(req, &body, err) || !task_read(req->arena, body, &item.spec, err) || !store_write(add.one.batch->site->store, add_txn, &add, err))
        return false;
    req->audited = true;
    reply->status = 201;
    data_headers(add.one.batch, req, reply, item.task.etag, item.task.changed_ms);
    reply_header(reply, STR("Location"), data_url(add.one.batch, req, str_printf(req->arena, "/jobs/" STR_FMT "/tasks/" STR_FMT, STR_ARG(add.one.job.id), STR_ARG(item.spec.id))));
    return true;
}

static void write_added(const Add *add, const Added *item, JsonWriter *w)
{
    Arena *arena = add->one.req->arena;
    bool good = item->err.code == ERR_NONE;
    Str url = data_url(add->one.batch, add->one.req, str_printf(arena, "/jobs/" STR_FMT "/tasks/" STR_FMT, STR_ARG(add->one.job.id), STR_ARG(item->id)));
    json_open(w, NULL);
    json_put_str(w, "status", good ? STR("success") : STR("clienterror"));
    json_put_str(w, "taskId", item->id);
    if (good) {
        json_put_str(w, "eTag", etag_text(arena, item->task.etag));
        json_put_time(w, "lastModified", item->task.changed_ms);
        json_put_str(w, "location", url);
    } else {
        json_open(w, "error");
        json_put_str(w, "code", str_from(item->err.name ? item->err.name : "InvalidInput"));
        json_open(w, "message");
        json_put_str(w, "lang", STR("en-US"));
        json_put_str(w, "value", str_from(item->err.text));
        json_close(w);
        if (item->err.target[0]) {
            json_open_array(w, "values");
            json_open(w, NULL);
            json_put_str(w, "key", STR("PropertyName"));
            json_put_str(w, "value", str_from(item->err.target));
            json_close(w);
            json_close_array(w);
        }
        json_close(w);
    }
    json_close(w);
}

static bool refuse(Err *err, const char *name, const char *field, const char *text)
{
    err_named(err, ERR_BAD_INPUT, name, NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool only_value(const JsonVal *body, const JsonVal **list, Err *err)
{
    JsonWalk members = { .object = body };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value)) {
        char field[64];
        (void)snprintf(field, sizeof field, STR_FMT, STR_ARG(str_slice(name, 0, 60)));
        if (!str_eq(name, STR("value")))
            return refuse(err, "InvalidRequestBody", field, "there is no property of this name here; check its spelling");
        *list = value;
    }
    return *list || refuse(err, "MissingRequiredProperty", "value", "is required");
}

static bool task_add_collection(Req *req, Reply *reply, Err *err)
{
    Add add = { .one = { .batch = req->ctx, .req = req } };
    const JsonVal *body, *list = NULL;
    JsonWriter *w = &reply->json;
    if (!req_object(req, &body, err) || !only_value(body, &list, err))
        return false;
    add.count = json_count(list);
    if (json_kind(list) != JSON_ARRAY || add.count == 0 || add.count > TASKS_A_CALL)
        return refuse(err, "InvalidPropertyValue", "value", "must be an array of 1 to 100 tasks");
    add.items = ARENA_ARRAY(req->arena, Added, add.count);
    if (!add.items)
        return err_too_big(err);
    for (size_t i = 0; i < add.count; i++) {
        Added *item = &add.items[i];
        item->id = json_str(json_get(json_at(list, i), "id"));
        if (!item->id.ptr)
            return err_named(err, ERR_BAD_INPUT, "MissingRequiredProperty", NULL, "value[%zu].id: is required", i);
        item->read = task_read(req->arena, json_at(list, i), &item->spec, &item->err);
        if (!item->read && item->err.code == ERR_TOO_LARGE) {
            *err = item->err;
            return false;
        }
    }
    if (!store_write(add.one.batch->site->store, add_txn, &add, err))
        return false;
    req->audited = true;
    json_open(w, NULL);
    json_put_str(w, "odata.metadata", data_url(add.one.batch, req, STR("/$metadata#taskaddresult")));
    json_open_array(w, "value");
    for (size_t i = 0; i < add.count; i++)
        write_added(&add, &add.items[i], w);
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

/* -- subtasks: only multi-instance tasks have them, and of others the service gives an empty list -- */

static bool subtasks_txn(Txn *txn, void *ctx, Err *err) { return load(ctx, txn, err); }

static bool task_subtasks(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { NULL };
    AUTO(data_list_done_auto) DataList list = { 0 };
    One one = { .batch = req->ctx, .req = req };
    return data_list_begin(one.batch, req, reply, "subtasks", filterable, &list, err) && store_read(one.batch->site->store, subtasks_txn, &one, err) &&
           data_list_end(&list, err);
}

/* -- change -- */

typedef enum Change { TASK_PUTS = 1, TASK_TERMINATES, TASK_REACTIVATES, TASK_DELETES } Change;
typedef struct Edit { One one; Reply *reply; Change change; const JsonVal *body; int status; } Edit;

static bool require_failed(const Job *job, const Task *task, Err *err)
{
    if (task->state != TASK_COMPLETED)
        return err_named(err, ERR_CONFLICT, "TaskNotCompleted", NULL, "The task '" STR_FMT "' is not completed.", STR_ARG(task->id));
    if (task->result == RESULT_SUCCESS)
        return err_named(err, ERR_CONFLICT, "TaskSucceeded", NULL, "The task '" STR_FMT "' succeeded; only a failed one can be tried again.", STR_ARG(task->id));
    if (job->state == JOB_TERMINATING || job->state == JOB_DELETING || job->state == JOB_COMPLETED)
        return err_named(err, ERR_CONFLICT, job->state == JOB_COMPLETED ? "JobCompleted" : "JobBeingTerminated", NULL, "The job '" STR_FMT "' is %s.", STR_ARG(job->id), job_state_name(job->state));
    return true;
}

static bool change(Edit *edit, Txn *txn, Err *err)
{
    Arena *arena = edit->one.req->arena;
    Batch *batch = edit->one.batch;
    Job *job = &edit->one.job;
    Task *task = &edit->one.task;
    int64_t now = edit->one.req->now_ms;
    TaskSpec spec;
    Str body;
    switch (edit->change) {
    case TASK_PUTS:
        if (task->state == TASK_COMPLETED)
            return err_named(err, ERR_CONFLICT, "TaskCompleted", NULL, "The task '" STR_FMT "' is completed.", STR_ARG(task->id));
        return task_body_open(batch->site, txn, arena, task, &body, err) && task_read_constraints(arena, edit->body, body, &spec, err) &&
               task_change(batch, txn, arena, task, &spec, now, err);
    case TASK_TERMINATES:
        if (task->state == TASK_COMPLETED)
            return err_named(err, ERR_CONFLICT, "TaskCompleted", NULL, "The task '" STR_FMT "' is completed.", STR_ARG(task->id));
        return task_end_run(batch, txn, arena, task, TASK_END_TERMINATE, now, err) && job_schedule(batch, txn, arena, job, err);
    case TASK_REACTIVATES:
        return require_failed(job, task, err) && task_reactivate(txn, task, now, err) && queue_schedule(batch, txn, arena, job->account_id, job->pool_key, err);
    case TASK_DELETES:
        return task_erase(batch, txn, arena, task, err) && job_schedule(batch, txn, arena, job, err);
    }
    return true;
}

static bool edit_txn(Txn *txn, void *ctx, Err *err)
{
    Edit *edit = ctx;
    bool unchanged;
    if (!load(&edit->one, txn, err) || !data_conditions(edit->one.req, edit->reply, edit->one.task.etag, edit->one.task.changed_ms, &unchanged, err))
        return false;
    if (unchanged)
        return err_named(err, ERR_PRECONDITION, "ConditionNotMet", NULL, "If-Modified-Since: it was not changed since");
    return change(edit, txn, err) && (edit->change == TASK_DELETES || load(&edit->one, txn, err)) && data_audit(edit->one.batch, txn, edit->one.req, edit->status, err);
}

static bool edit_task(Req *req, Reply *reply, Change what, const JsonVal *body, int status, Err *err)
{
    Edit edit = { .one = { .batch = req->ctx, .req = req }, .reply = reply, .change = what, .body = body, .status = status };
    if (!store_write(edit.one.batch->site->store, edit_txn, &edit, err))
        return false;
    req->audited = true;
    reply->status = status;
    if (!str_empty(edit.one.task.node_id))
        http_wake(edit.one.batch->site->http, command_node_key(req->arena, edit.one.task.node_id));      /* it may have something to stop or drop */
    if (what != TASK_DELETES)
        data_headers(edit.one.batch, req, reply, edit.one.task.etag, edit.one.task.changed_ms);
    return true;
}

static bool task_put(Req *req, Reply *reply, Err *err)
{
    const JsonVal *body;
    return req_object(req, &body, err) && edit_task(req, reply, TASK_PUTS, body, 200, err);
}

static bool task_terminate(Req *req, Reply *reply, Err *err) { return edit_task(req, reply, TASK_TERMINATES, NULL, 204, err); }
static bool task_reactivate_post(Req *req, Reply *reply, Err *err) { return edit_task(req, reply, TASK_REACTIVATES, NULL, 204, err); }
static bool task_delete(Req *req, Reply *reply, Err *err) { return edit_task(req, reply, TASK_DELETES, NULL, 200, err); }

#define TASKS "/jobs/{jobId}/tasks"
#define TASK  TASKS "/{taskId}"

const Route data_task_routes[] = {
    { METHOD_GET,    TASKS,                              NULL, NULL, JOBS_READ,  WHERE_WORKER, BODY_NONE,         0,        tasks_get,            "TaskList" },
    { METHOD_POST,   TASKS,                              NULL, NULL, JOBS_WRITE, WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, task_add,             "TaskAdd" },
    { METHOD_POST,   "/jobs/{jobId}/addtaskcollection",  NULL, NULL, JOBS_WRITE, WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, task_add_collection,  "TaskAddCollection" },
    { METHOD_GET,    TASK,                               NULL, NULL, JOBS_READ,  WHERE_INLINE, BODY_NONE,         0,        task_get,             "TaskGet" },
    { METHOD_PUT,    TASK,                               NULL, NULL, JOBS_WRITE, WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, task_put,             "TaskUpdate" },
    { METHOD_DELETE, TASK,                               NULL, NULL, JOBS_WRITE, WHERE_WORKER, BODY_NONE,         0,        task_delete,          "TaskDelete" },
    { METHOD_GET,    TASK "/subtasksinfo",               NULL, NULL, JOBS_READ,  WHERE_INLINE, BODY_NONE,         0,        task_subtasks,        "TaskListSubtasks" },
    { METHOD_POST,   TASK "/terminate",                  NULL, NULL, JOBS_WRITE, WHERE_WORKER, BODY_NONE,         0,        task_terminate,       "TaskTerminate" },
    { METHOD_POST,   TASK "/reactivate",                 NULL, NULL, JOBS_WRITE, WHERE_WORKER, BODY_NONE,         0,        task_reactivate_post, "TaskReactivate" },
};
const size_t data_task_route_count = COUNT_OF(data_task_routes);
