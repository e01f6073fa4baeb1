/* task_body.c - reading jobs and tasks from requests, and writing their documents again. */
#include <stdio.h>
#include "base/clock.h"
#include "batch/jobs/task_shape.h"
#include "batch/pools/pool.h"

enum { DOCUMENT_MAX = 1024 * 1024 };
static const int64_t forever_ms = INT64_C(10000000) * 86400 * 1000;     /* from here on a duration means no limit */

static bool refuse(Err *err, ErrCode code, const char *name, const char *where, const char *field, const char *text)
{
    err_named(err, code, name, NULL, "%s%s%s: %s", where, where[0] ? "." : "", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s%s%s", where, where[0] ? "." : "", field);
    return false;
}

static int64_t duration_of(const JsonVal *v, int64_t otherwise)
{
    int64_t ms;
    Err ignored = { 0 };
    return json_kind(v) == JSON_STR && duration_parse_iso(json_str(v), &ms, &ignored) ? ms : otherwise;
}

/* 0: no limit. */
static int64_t limit_of(const JsonVal *v)
{
    int64_t ms = duration_of(v, 0);
    return ms >= forever_ms ? 0 : ms;
}

/* -- checks beyond the tables -- */

static bool path_stays_below(Str path)
{
    Str rest = path;
    if (str_starts(path, STR("/")) || memchr(path.ptr, '\\', path.len))
        return false;
    while (rest.ptr) {
        Str part = str_cut(&rest, '/');
        if (str_empty(part) || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return false;
    }
    return true;
}

static bool is_octal(Str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
    return text.len >= 3 && text.len <= 5;
}

static bool is_web_url(Str url) { return str_starts_nocase(url, STR("http://")) || str_starts_nocase(url, STR("https://")); }

/* Either one file, or the blobs of a container whose names begin with a prefix, below a directory. */
static bool check_source(const JsonVal *file, size_t at, const char *where, Err *err)
{
    Str url = json_str(json_get(file, "httpUrl")), container = json_str(json_get(file, "storageContainerUrl")), path = json_str(json_get(file, "filePath"));
    char field[64];
    (void)snprintf(field, sizeof field, "resourceFiles[%zu]", at);
    if (!url.ptr == !container.ptr)
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must have one of httpUrl and storageContainerUrl");
    (void)snprintf(field, sizeof field, "resourceFiles[%zu].%s", at, url.ptr ? "httpUrl" : "storageContainerUrl");
    if (!is_web_url(url.ptr ? url : container))
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must be an http or https URL");
    (void)snprintf(field, sizeof field, "resourceFiles[%zu].blobPrefix", at);
    if (url.ptr && json_get(file, "blobPrefix"))
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "belongs to storageContainerUrl; leave it out with httpUrl");
    (void)snprintf(field, sizeof field, "resourceFiles[%zu].filePath", at);
    if (url.ptr && str_empty(path))
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", where, field, "is needed with httpUrl");
    if (!str_empty(path) && !path_stays_below(path))
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must be a relative path that stays below the task's working directory");
    return true;
}

bool task_check_files(const JsonVal *task, const char *where, Err *err)
{
    const JsonVal *files = json_get(task, "resourceFiles"), *variables = json_get(task, "environmentSettings"), *user = json_get(task, "userIdentity");
    char field[64];
    for (size_t i = 0; i < json_count(files); i++) {
        const JsonVal *file = json_at(files, i);
        Str mode = json_str(json_get(file, "fileMode"));
        if (!check_source(file, i, where, err))
            return false;
        (void)snprintf(field, sizeof field, "resourceFiles[%zu].fileMode", i);
        if (mode.ptr && !is_octal(mode))
            return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must be an octal file mode such as \"0770\"");
    }
    for (size_t i = 0; i < json_count(variables); i++) {
        Str name = json_str(json_get(json_at(variables, i), "name"));
        (void)snprintf(field, sizeof field, "environmentSettings[%zu].name", i);
        if (memchr(name.ptr, '=', name.len))
            return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must not have a '='");
    }
    if (user && json_get(user, "userName") && json_get(user, "autoUser"))
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, "userIdentity", "takes a user name or an auto-user, not both");
    return true;
}

static bool is_user_name(Str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
            return false;
    }
    return name.len > 0 && !str_eq_nocase(name, STR("root"));
}

bool user_accounts_check(const JsonVal *accounts, const char *where, Err *err)
{
    char field[64];
    for (size_t i = 0; i < json_count(accounts); i++) {
        const JsonVal *account = json_at(accounts, i), *system = json_get(account, "linuxUserConfiguration");
        Str name = json_str(json_get(account, "name"));
        (void)snprintf(field, sizeof field, "userAccounts[%zu].name", i);
        if (!is_user_name(name))
            return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must be a user name of Linux, and not root");
        for (size_t j = 0; j < i; j++)
            if (str_eq_nocase(name, json_str(json_get(json_at(accounts, j), "name"))))
                return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "names two accounts");
        (void)snprintf(field, sizeof field, "userAccounts[%zu].linuxUserConfiguration", i);
        if (!json_get(system, "uid") != !json_get(system, "gid"))
            return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "must have both uid and gid, or neither");
    }
    return true;
}

/* -- documents -- */

static bool read_by(Arena *arena, const ShapeField *fields, const JsonVal *object, const JsonVal *before, Str *body, const JsonVal **document, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (!shape_read(arena, fields, SPELL_DATA, object, before, "", &w, err))
        return false;
    json_close(&w);
    if (buf.failed)
        return err_named(err, ERR_TOO_LARGE, "RequestBodyTooLarge", NULL, "the body is longer than 1 MiB");
    if (!json_end(&w, err))
        return false;
    *body = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) ? json_parse(arena, *body, JSON_STRICT, document, err) : err_too_big(err);
}

static void fill_job(Arena *arena, const JsonVal *document, JobSpec *out)
{
    const JsonVal *constraints = json_get(document, "constraints"), *preparation = json_get(document, "jobPreparationTask"), *release = json_get(document, "jobReleaseTask");
    Str preparation_id = json_str(json_get(preparation, "id")), release_id = json_str(json_get(release, "id"));
    out->pool_id = json_str(json_path(document, "poolInfo.poolId"));
    out->priority = json_int(json_get(document, "priority"), 0);
    out->max_parallel = json_int(json_get(document, "maxParallelTasks"), -1);
    out->max_retries = json_int(json_get(constraints, "maxTaskRetryCount"), 0);
    out->wall_ms = limit_of(json_get(constraints, "maxWallClockTime"));
    out->on_all = str_eq(json_str(json_get(document, "onAllTasksComplete")), STR("TerminateJob")) ? ON_ALL_TERMINATE : ON_ALL_NOTHING;
    out->has_preparation = preparation != NULL;
    out->has_release = release != NULL;
    out->prepares_first = preparation && json_bool(json_get(preparation, "waitForSuccess"), true);
    out->preparation_id = preparation_id.ptr ? str_lower(arena, preparation_id) : STR("jobpreparation");
    out->preparation_wall_ms = limit_of(json_path(preparation, "constraints.maxWallClockTime"));
    out->release_wall_ms = duration_of(json_get(release, "maxWallClockTime"), RELEASE_WALL_MAX_MS);
    out->preparation_retries = json_int(json_path(preparation, "constraints.maxTaskRetryCount"), 0);
    out->reruns_preparation = preparation && json_bool(json_get(preparation, "rerunOnNodeRebootAfterSuccess"), true);
    out->release_id = release_id.ptr ? str_lower(arena, release_id) : STR("jobrelease");
}

bool job_spec_of(Arena *arena, Str id, Str body, JobSpec *out, Err *err)
{
    const JsonVal *document;
    if (!json_parse(arena, body, JSON_STRICT, &document, err))
        return false;
    *out = (JobSpec){ .id = id, .body = body };
    fill_job(arena, document, out);
    return true;
}

static bool check_job(const JsonVal *object, const JsonVal *document, const JobSpec *spec, Err *err)
{
    const JsonVal *preparation = json_get(document, "jobPreparationTask"), *release = json_get(document, "jobReleaseTask");
    if (!spec->pool_id.ptr)                             /* after the auto pool, which is refused as not built */
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", "poolInfo", "poolId", "is required");
    if (!pool_id_check(spec->pool_id, "poolInfo.poolId", err))
        return false;
    if (json_bool(json_get(object, "allowTaskPreemption"), false))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", "", "allowTaskPreemption", "preemption of tasks is not available here yet; leave it out");
    if (json_bool(json_get(object, "usesTaskDependencies"), false))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", "", "usesTaskDependencies", "dependencies between tasks are not available here yet; leave it out");
    if (release && !preparation)
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", "", "jobReleaseTask", "needs a job preparation task: it runs where that one ran");
    if (preparation && (!task_check_files(preparation, "jobPreparationTask", err) || !pool_id_check(spec->preparation_id, "jobPreparationTask.id", err)))
        return false;
    if (release && (!task_check_files(release, "jobReleaseTask", err) || !pool_id_check(spec->release_id, "jobReleaseTask.id", err)))
        return false;
    return !release || !str_eq(spec->preparation_id, spec->release_id) ||
           refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", "", "jobReleaseTask.id", "must not be the id of the job preparation task");
}

static const char *const changeable[] = {
    "priority", "maxParallelTasks", "allowTaskPreemption", "onAllTasksComplete", "constraints", "poolInfo", "metadata"
};

static bool is_changeable(Str name)
{
    for (size_t i = 0; i < COUNT_OF(changeable); i++)
        if (str_eq(name, str_from(changeable[i])))
            return true;
    return false;
}

/* With PUT the changeable members that are not given go; the others stay as they are with either. */
static bool changeable_only(Arena *arena, const JsonVal *object, JobChange change, Str now, const JsonVal **before, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    JsonWalk given = { .object = object }, kept = { 0 };
    const JsonVal *value, *document;
    Str name;
    while (json_walk(&given, &name, &value)) {
        char field[64];
        (void)snprintf(field, sizeof field, STR_FMT, (int)(name.len < 60 ? name.len : 60), name.ptr);
        if (!is_changeable(name))
            return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", "", field, "cannot be changed after the job was added");
    }
    if (!json_parse(arena, now, JSON_STRICT, &document, err))
        return false;
    *before = document;
    if (change == JOB_PATCH)
        return true;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    kept.object = document;
    while (json_walk(&kept, &name, &value))
        if (!is_changeable(name))
            json_put_value_named(&w, name, value);
    json_close(&w);
    return json_end(&w, err) && json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, before, err);
}

bool job_read(Arena *arena, const JsonVal *object, JobChange change, Str now, JobSpec *out, Err *err)
{
    const JsonVal *before = NULL, *document;
    JobSpec spec = { 0 };
    if (json_kind(object) != JSON_OBJECT)
        return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", "", "body", "must be an object");
    if (change != JOB_CREATE && !changeable_only(arena, object, change, now, &before, err))
        return false;
    if (!read_by(arena, job_fields, object, before, &spec.body, &document, err))
        return false;
    spec.id = json_str(json_get(object, "id"));
    fill_job(arena, document, &spec);
    if ((change == JOB_CREATE && !pool_id_check(spec.id, "id", err)) || !check_job(object, document, &spec, err))
        return false;
    *out = spec;
    return true;
}

void task_spec_of(const JsonVal *document, TaskSpec *out)
{
    const JsonVal *constraints = json_get(document, "constraints"), *retries = json_get(constraints, "maxTaskRetryCount");
    out->slots = json_int(json_get(document, "requiredSlots"), 1);
    out->has_retries = retries != NULL;
    out->max_retries = json_int(retries, 0);
    out->wall_ms = limit_of(json_get(constraints, "maxWallClockTime"));
    out->retention_ms = duration_of(json_get(constraints, "retentionTime"), RETENTION_USUAL_MS);
    out->affinity = json_str(json_path(document, "affinityInfo.affinityId"));
    if (!out->affinity.ptr)
        out->affinity = STR("");
}

bool task_read(Arena *arena, const JsonVal *object, TaskSpec *out, Err *err)
{
    const JsonVal *document;
    TaskSpec spec = { 0 };
    if (json_kind(object) != JSON_OBJECT)
        return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", "", "body", "must be an object");
    spec.id = json_str(json_get(object, "id"));
    if (!spec.id.ptr)
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", "", "id", "is required");
    if (!pool_id_check(spec.id, "id", err) || !read_by(arena, task_fields, object, NULL, &spec.body, &document, err) || !task_check_files(document, "", err))
        return false;
    task_spec_of(document, &spec);
    *out = spec;
    return true;
}

bool task_read_constraints(Arena *arena, const JsonVal *object, Str now, TaskSpec *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    JsonWalk members = { .object = object };
    const JsonVal *value, *before, *document;
    TaskSpec spec = { 0 };
    Str name;
    while (json_walk(&members, &name, &value))
        if (!str_eq(name, STR("constraints")))
            return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", "", "body", "only constraints can be changed after the task was added");
    if (!json_parse(arena, now, JSON_STRICT, &before, err))
        return false;
    /* Without constraints they go back to the defaults. */
    buf_init(&buf, 64);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_null(&w, "constraints");
    json_close(&w);
    if (!json_get(object, "constraints") && (!json_end(&w, err) || !json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, &object, err)))
        return false;
    if (!read_by(arena, task_fields, object, before, &spec.body, &document, err))
        return false;
    task_spec_of(document, &spec);
    *out = spec;
    return true;
}

/* -- out -- */

static void write_constraints(const JsonVal *document, bool with_retention, JsonWriter *w)
{
    static const char *const names[] = { "maxWallClockTime", "retentionTime" };
    const JsonVal *constraints = json_get(document, "constraints");
    json_open(w, "constraints");
    for (size_t i = 0; i < (with_retention ? 2 : 1); i++) {
        Str given = json_str(json_get(constraints, names[i]));
        json_put_str(w, names[i], given.ptr ? given : i == 1 ? STR("P7D") : STR(DURATION_FOREVER));
    }
    json_put_int(w, "maxTaskRetryCount", json_int(json_get(constraints, "maxTaskRetryCount"), 0));
    json_close(w);
}

/* The tables, but for members that are always shown with their defaults. */
static void write_but(Arena *arena, const ShapeField *fields, const JsonVal *document, const char *const *left_out, JsonWriter *w)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter part;
    const JsonVal *written, *value;
    Err ignored = { 0 };
    Str name;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&part, &buf);
    json_open(&part, NULL);
    shape_write(arena, fields, SPELL_DATA, document, &part);
    json_close(&part);
    if (!json_end(&part, &ignored) || !json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, &written, &ignored))
        return;                                         /* our own text: only a full arena fails here, and the reply with it */
    JsonWalk members = { .object = written };
    while (json_walk(&members, &name, &value)) {
        bool skip = false;
        for (const char *const *out = left_out; *out; out++)
            skip = skip || str_eq(name, str_from(*out));
        if (!skip)
            json_put_value_named(w, name, value);
    }
}

void job_write_document(Arena *arena, Str body, JsonWriter *w)
{
    static const char *const own[] = { "id", "priority", "maxParallelTasks", "constraints", "onAllTasksComplete", "onTaskFailure", NULL };
    const JsonVal *document;
    Err ignored = { 0 };
    if (!json_parse(arena, body, JSON_STRICT, &document, &ignored))
        return;
    JobSpec spec = { 0 };
    fill_job(arena, document, &spec);
    json_put_int(w, "priority", spec.priority);
    json_put_int(w, "maxParallelTasks", spec.max_parallel);
    json_put_bool(w, "allowTaskPreemption", false);
    json_put_bool(w, "usesTaskDependencies", false);
    write_constraints(document, false, w);
    json_put_str(w, "onAllTasksComplete", spec.on_all == ON_ALL_TERMINATE ? STR("terminatejob") : STR("noaction"));
    json_put_str(w, "onTaskFailure", STR("noaction"));
    write_but(arena, job_fields, document, own, w);
}

void task_write_document(Arena *arena, Str body, JsonWriter *w)
{
    static const char *const own[] = { "id", "requiredSlots", "constraints", "userIdentity", NULL };
    const JsonVal *document;
    Err ignored = { 0 };
    if (!json_parse(arena, body, JSON_STRICT, &document, &ignored))
        return;
    json_put_int(w, "requiredSlots", json_int(json_get(document, "requiredSlots"), 1));
    write_constraints(document, true, w);
    if (!json_get(document, "userIdentity"))
        json_put_raw(w, "userIdentity", STR("{\"autoUser\":{\"scope\":\"task\",\"elevationLevel\":\"nonadmin\"}}"));
    write_but(arena, task_fields, document, json_get(document, "userIdentity") ? (const char *const[]){ "id", "requiredSlots", "constraints", NULL } : own, w);
}
