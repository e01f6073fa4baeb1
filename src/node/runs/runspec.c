/* runspec.c - reading what a run is to do. */
#include "node/runs/runspec.h"
#include "node/commands/files.h"

enum { MODE_DEFAULT = 0770, MODE_MAX = 07777 };

typedef struct RunIn {
    Str run_id, kind, job_id, task_id, directory, preparation_directory, command_line;
    const JsonVal *environment, *resources, *user;
    int64_t max_wall_clock_ms;
} RunIn;
static const JsonField run_fields[] = {
    JSON_FIELD(RunIn, run_id,                "runId",                   JSON_REQUIRED),
    JSON_FIELD(RunIn, kind,                  "kind",                    JSON_REQUIRED),
    JSON_FIELD(RunIn, job_id,                "jobId",                   JSON_OPTIONAL),
    JSON_FIELD(RunIn, task_id,               "taskId",                  JSON_OPTIONAL),
    JSON_FIELD(RunIn, directory,             "directory",               JSON_REQUIRED),
    JSON_FIELD(RunIn, preparation_directory, "jobPreparationDirectory", JSON_OPTIONAL),
    JSON_FIELD(RunIn, command_line,          "commandLine",             JSON_REQUIRED),
    JSON_FIELD(RunIn, environment,           "environment",             JSON_OPTIONAL),
    JSON_FIELD(RunIn, resources,             "resourceFiles",           JSON_OPTIONAL),
    JSON_FIELD(RunIn, user,                  "user",                    JSON_OPTIONAL),
    JSON_FIELD(RunIn, max_wall_clock_ms,     "maxWallClockMs",          JSON_OPTIONAL),
};

static const struct { const char *name; RunKind kind; } kinds[] = {
    { "task", RUN_TASK }, { "starttask", RUN_START_TASK }, { "jobpreparation", RUN_JOB_PREPARATION }, { "jobrelease", RUN_JOB_RELEASE },
};
static const struct { const char *name; RunScope scope; } scopes[] = { { "task", SCOPE_TASK }, { "pool", SCOPE_POOL }, { "named", SCOPE_NAMED } };

bool run_id_is_good(Str run_id)
{
    bool good = run_id.len == RUN_ID_DIGITS;
    for (size_t i = 0; good && i < run_id.len; i++)
        good = (run_id.ptr[i] >= '0' && run_id.ptr[i] <= '9') || (run_id.ptr[i] >= 'a' && run_id.ptr[i] <= 'f');
    return good;
}

/* A path below the root directory where tasks may lie: no other part of a node is written by a run's set-up. */
static bool is_task_directory(Str path, RunKind kind)
{
    if (kind == RUN_START_TASK)
        return str_eq(path, STR("startup"));
    return files_path_is_good(path) && str_starts(path, STR("workitems/")) && path.len > STR("workitems/").len;
}

static bool read_environment(Arena *arena, const JsonVal *list, RunSpec *out, Err *err)
{
    static const JsonField fields[] = { JSON_FIELD(RunVariable, name, "name", JSON_REQUIRED), JSON_FIELD(RunVariable, value, "value", JSON_OPTIONAL) };
    size_t count = json_count(list);
    RunVariable *variables = ARENA_ARRAY(arena, RunVariable, count + 1);
    if (!variables)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++) {
        variables[i].value = STR("");
        if (!json_read(json_at(list, i), "environment", fields, COUNT_OF(fields), &variables[i], err))
            return false;
        if (!variables[i].name.len || memchr(variables[i].name.ptr, '=', variables[i].name.len))
            return err_field(err, "environment", "'" STR_FMT "' is no name of a variable", STR_ARG(str_slice(variables[i].name, 0, 80)));
    }
    out->environment = variables;
    out->environment_count = count;
    return true;
}

static bool read_mode(Str text, unsigned *mode, Err *err)
{
    unsigned value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7' || value > MODE_MAX / 8)
            return err_field(err, "resourceFiles.fileMode", "'" STR_FMT "' is no octal file mode", STR_ARG(str_slice(text, 0, 40)));
        value = value * 8 + (unsigned)(text.ptr[i] - '0');
    }
    *mode = text.len ? value : MODE_DEFAULT;
    return true;
}

static bool read_resources(Arena *arena, const JsonVal *list, RunSpec *out, Err *err)
{
    typedef struct ResourceIn { Str url, container, prefix, file_path, mode; const JsonVal *identity; } ResourceIn;
    static const JsonField fields[] = {
        JSON_FIELD(ResourceIn, url,       "url",          JSON_OPTIONAL), JSON_FIELD(ResourceIn, file_path, "filePath",   JSON_OPTIONAL),
        JSON_FIELD(ResourceIn, container, "containerUrl", JSON_OPTIONAL), JSON_FIELD(ResourceIn, prefix,    "blobPrefix", JSON_OPTIONAL),
        JSON_FIELD(ResourceIn, mode,      "fileMode",     JSON_OPTIONAL), JSON_FIELD(ResourceIn, identity,  "identity",   JSON_OPTIONAL),
    };
    size_t count = json_count(list);
    RunResource *resources = ARENA_ARRAY(arena, RunResource, count + 1);
    if (!resources)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++) {
        ResourceIn in = { .mode = STR(""), .prefix = STR("") };
        if (!json_read(json_at(list, i), "resourceFiles", fields, COUNT_OF(fields), &in, err) || !read_mode(in.mode, &resources[i].mode, err))
            return false;
        if (!in.url.ptr == !in.container.ptr)
            return err_field(err, "resourceFiles", "an entry has a url or a containerUrl");
        if (in.url.ptr && !in.file_path.ptr)
            return err_field(err, "resourceFiles.filePath", "is needed with a url");
        resources[i].url = in.url;
        resources[i].container_url = in.container;
        resources[i].blob_prefix = in.prefix;
        resources[i].file_path = in.file_path.ptr ? in.file_path : STR("");     /* judged when it is written: a bad one is the task's failure */
        resources[i].has_identity = json_kind(in.identity) == JSON_OBJECT;
        resources[i].client_id = json_str(json_get(in.identity, "clientId"));
        resources[i].resource_id = json_str(json_get(in.identity, "resourceId"));
    }
    out->resources = resources;
    out->resource_count = count;
    return true;
}

static bool read_user(const JsonVal *user, RunSpec *out, Err *err)
{
    typedef struct UserIn { Str scope, name; bool admin; } UserIn;
    static const JsonField fields[] = {
        JSON_FIELD(UserIn, scope, "scope", JSON_OPTIONAL), JSON_FIELD(UserIn, name, "name", JSON_OPTIONAL), JSON_FIELD(UserIn, admin, "admin", JSON_OPTIONAL),
    };
    UserIn in = { .scope = STR("task") };
    if (user && !json_read(user, "user", fields, COUNT_OF(fields), &in, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        out->scope = str_eq(in.scope, str_from(scopes[i].name)) ? scopes[i].scope : out->scope;
    if (!out->scope || (out->scope == SCOPE_NAMED && !in.name.len))
        return err_field(err, "user.scope", "must be task or pool, or named with a name");
    out->user_name = in.name;
    out->is_admin = in.admin;
    return true;
}

bool runspec_read(Arena *arena, const JsonVal *run, RunSpec *out, Err *err)
{
    RunIn in = { .job_id = STR(""), .task_id = STR("") };
    RunSpec spec = { 0 };
    if (!json_read(run, "run", run_fields, COUNT_OF(run_fields), &in, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        spec.kind = str_eq(in.kind, str_from(kinds[i].name)) ? kinds[i].kind : spec.kind;
    if (!run_id_is_good(in.run_id))
        return err_field(err, "run.runId", "must be 32 lower-case hex digits");
    if (!spec.kind)
        return err_field(err, "run.kind", "'" STR_FMT "' is no kind of run", STR_ARG(str_slice(in.kind, 0, 40)));
    if (!is_task_directory(in.directory, spec.kind))
        return err_field(err, "run.directory", "'" STR_FMT "' is no directory of tasks", STR_ARG(str_slice(in.directory, 0, 200)));
    if (in.preparation_directory.ptr && !is_task_directory(in.preparation_directory, RUN_JOB_PREPARATION))
        return err_field(err, "run.jobPreparationDirectory", "'" STR_FMT "' is no directory of tasks", STR_ARG(str_slice(in.preparation_directory, 0, 200)));
    spec.run_id = in.run_id;
    spec.job_id = in.job_id;
    spec.task_id = in.task_id;
    spec.directory = in.directory;
    spec.preparation_directory = in.preparation_directory;
    spec.command_line = in.command_line;
    spec.max_wall_clock_ms = in.max_wall_clock_ms > 0 ? in.max_wall_clock_ms : 0;
    if (!read_environment(arena, in.environment, &spec, err) || !read_resources(arena, in.resources, &spec, err) || !read_user(in.user, &spec, err))
        return false;
    *out = spec;
    return true;
}
