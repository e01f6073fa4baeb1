/* run_compose.c - what a node is told of a run: the task's own document, with what its job and pool add. */
#include "batch/jobs/run_wire.h"
#include "batch/parts.h"

enum { DOCUMENT_MAX = 4 * 1024 * 1024 };

typedef struct Compose {
    const Run *run;
    Str job_id, task_id, directory, preparation_directory;     /* preparation_directory absent: the job has none */
    const JsonVal *task, *common;                               /* common: environment of all tasks of the job */
    int64_t wall_ms;                                            /* 0: no limit */
    bool is_admin;                                              /* of a named account: as the pool says */
} Compose;

static void write_environment(const JsonVal *list, JsonWriter *w)
{
    for (size_t i = 0; i < json_count(list); i++) {
        Str value = json_str(json_get(json_at(list, i), "value"));
        json_open(w, NULL);
        json_put_str(w, "name", json_str(json_get(json_at(list, i), "name")));
        json_put_str(w, "value", value.ptr ? value : STR(""));
        json_close(w);
    }
}

static void put_if_there(JsonWriter *w, const char *name, const JsonVal *value)
{
    if (value)
        json_put_value(w, name, value);
}

static void write_files(const JsonVal *list, JsonWriter *w)
{
    json_open_array(w, "resourceFiles");
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *file = json_at(list, i), *identity = json_get(file, "identityReference");
        json_open(w, NULL);
        put_if_there(w, "url", json_get(file, "httpUrl"));
        put_if_there(w, "containerUrl", json_get(file, "storageContainerUrl"));
        put_if_there(w, "blobPrefix", json_get(file, "blobPrefix"));
        put_if_there(w, "filePath", json_get(file, "filePath"));
        put_if_there(w, "fileMode", json_get(file, "fileMode"));
        put_if_there(w, "identity", identity);
        json_close(w);
    }
    json_close_array(w);
}

/* Without an identity a task has a user of its own that is no administrator; an auto-user without a scope is the pool's. */
static void write_user(const Compose *c, JsonWriter *w)
{
    const JsonVal *identity = json_get(c->task, "userIdentity"), *automatic = json_get(identity, "autoUser");
    Str name = json_str(json_get(identity, "userName")), scope = json_str(json_get(automatic, "scope"));
    json_open(w, "user");
    if (!str_empty(name)) {
        json_put_str(w, "scope", STR("named"));
        json_put_str(w, "name", name);
        json_put_bool(w, "admin", c->is_admin);
    } else {
        json_put_str(w, "scope", !automatic || str_eq(scope, STR("Task")) ? STR("task") : STR("pool"));
        json_put_bool(w, "admin", str_eq(json_str(json_get(automatic, "elevationLevel")), STR("Admin")));
    }
    json_close(w);
}

static bool write(Arena *arena, const Compose *c, Str *document, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "runId", c->run->id);
    json_put_str(&w, "kind", str_from(run_kind_name(c->run->kind)));
    if (c->job_id.ptr) {
        json_put_str(&w, "jobId", c->job_id);
        json_put_str(&w, "taskId", c->task_id);
    }
    json_put_str(&w, "directory", c->directory);
    if (c->preparation_directory.ptr)
        json_put_str(&w, "jobPreparationDirectory", c->preparation_directory);
    json_put_value(&w, "commandLine", json_get(c->task, "commandLine"));
    json_open_array(&w, "environment");
    write_environment(c->common, &w);
    write_environment(json_get(c->task, "environmentSettings"), &w);
    json_close_array(&w);
    write_files(json_get(c->task, "resourceFiles"), &w);
    write_user(c, &w);
    if (c->wall_ms)
        json_put_int(&w, "maxWallClockMs", c->wall_ms);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *document = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}

static bool pool_document(Batch *batch, Txn *txn, Arena *arena, const Run *run, const JsonVal **document, Err *err)
{
    Pool pool;
    Str body;
    return pool_require(txn, arena, run->account_id, run->pool_key, &pool, err) && pool_body_open(batch->site, txn, arena, &pool, &body, err) &&
           json_parse(arena, body, JSON_STRICT, document, err);
}

/* A name that the pool does not have stays as it is: the node says so. */
static bool look_up_user(Batch *batch, Txn *txn, Arena *arena, Compose *c, Err *err)
{
    Str name = json_str(json_path(c->task, "userIdentity.userName"));
    const JsonVal *document, *accounts;
    if (str_empty(name))
        return true;
    if (!pool_document(batch, txn, arena, c->run, &document, err))
        return false;
    accounts = json_get(document, "userAccounts");
    for (size_t i = 0; i < json_count(accounts); i++)
        if (str_eq(json_str(json_get(json_at(accounts, i), "name")), name))
            c->is_admin = str_eq(json_str(json_get(json_at(accounts, i), "elevationLevel")), STR("Admin"));
    return true;
}

/* Taken out of the pool meanwhile: its node's turn ends as if it had succeeded. */
static const char no_start_task[] = "{\"commandLine\":\"true\"}";

static bool compose_start(Batch *batch, Txn *txn, Arena *arena, Compose *c, Err *err)
{
    const JsonVal *document;
    if (!pool_document(batch, txn, arena, c->run, &document, err))
        return false;
    c->task = json_get(document, "startTask");
    c->directory = STR("startup");
    return c->task || json_parse(arena, str_from(no_start_task), JSON_STRICT, &c->task, err);
}

static Str below_job(Arena *arena, const Job *job, Str task_id) { return str_printf(arena, "workitems/" STR_FMT "/job-1/" STR_FMT, STR_ARG(job->id), STR_ARG(task_id)); }

static bool compose_task(Batch *batch, Txn *txn, Arena *arena, const Job *job, Compose *c, Err *err)
{
    TaskSpec spec;
    Task task;
    Str body;
    if (!task_require(txn, arena, job, c->run->task_key, &task, err) || !task_body_open(batch->site, txn, arena, &task, &body, err) ||
        !json_parse(arena, body, JSON_STRICT, &c->task, err))
        return false;
    task_spec_of(c->task, &spec);
    c->task_id = task.id;
    c->wall_ms = spec.wall_ms;
    return true;
}

bool run_compose(Batch *batch, Txn *txn, Arena *arena, const Run *run, Str *document, Err *err)
{
    Compose c = { .run = run };
    const JsonVal *job_document;
    JobSpec spec;
    Job job;
    Str body;
    if (run->kind == RUN_START)
        return compose_start(batch, txn, arena, &c, err) && look_up_user(batch, txn, arena, &c, err) && write(arena, &c, document, err);
    if (!job_require(txn, arena, run->account_id, run->job_key, &job, err) || !job_body_open(batch->site, txn, arena, &job, &body, err) ||
        !json_parse(arena, body, JSON_STRICT, &job_document, err) || !job_spec_of(arena, job.id, body, &spec, err))
        return false;
    c.job_id = job.id;
    c.common = json_get(job_document, "commonEnvironmentSettings");
    if (run->kind == RUN_PREPARATION) {
        c.task = json_get(job_document, "jobPreparationTask");
        c.task_id = spec.preparation_id;
        c.wall_ms = spec.preparation_wall_ms;
    } else if (run->kind == RUN_RELEASE) {
        c.task = json_get(job_document, "jobReleaseTask");
        c.task_id = spec.release_id;
        c.wall_ms = spec.release_wall_ms;
    } else if (!compose_task(batch, txn, arena, &job, &c, err)) {
        return false;
    }
    c.directory = below_job(arena, &job, c.task_id);
    if (spec.has_preparation && run->kind != RUN_PREPARATION)
        c.preparation_directory = below_job(arena, &job, spec.preparation_id);
    return look_up_user(batch, txn, arena, &c, err) && write(arena, &c, document, err);
}
