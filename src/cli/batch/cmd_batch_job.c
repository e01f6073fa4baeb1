/* cmd_batch_job.c - jobs, through the account's own address. */
#include "base/encode.h"
#include "cli/batch/batch.h"
#include "cli/input.h"
#include "cli/run.h"

bool batch_put_pairs(Cli *cli, JsonWriter *w, const char *option, const char *name, const char *first, const char *second, Err *err)
{
    const char *const *values;
    size_t count = arg_list(cli, option, &values);

    if (count == 0)
        return true;
    json_open_array(w, name);
    for (size_t i = 0; i < count; i++) {
        Str rest = str_from(values[i]), key = str_cut(&rest, '=');
        if (str_empty(key) || !rest.ptr)
            return cli_usage(cli, err, "%s: '%s' is not of the form name=value", option, values[i]);
        json_open(w, NULL);
        json_put_str(w, first, key);
        json_put_str(w, second, rest);
        json_close(w);
    }
    json_close_array(w);
    return true;
}

bool batch_put_int(Cli *cli, JsonWriter *w, const char *option, const char *name, Err *err)
{
    Str text = arg(cli, option);
    int64_t value;

    if (!text.ptr)
        return true;
    if (!str_to_int64(text, INT32_MIN, INT32_MAX, &value, &(Err){ 0 }))
        return cli_usage(cli, err, "%s: '" STR_FMT "' is no whole number", option, STR_ARG(text));
    json_put_int(w, name, value);
    return true;
}

static Str job_path(Cli *cli, Str id, const char *rest)
{
    return str_printf(cli->arena, "/jobs/" STR_FMT "%s", STR_ARG(percent_encode(cli->arena, id)), rest);
}

static Str this_job(Cli *cli, const char *rest) { return job_path(cli, arg(cli, "--job-id"), rest); }

static bool put_constraints(Cli *cli, JsonWriter *w, Err *err)
{
    Str wall = arg(cli, "--job-max-wall-clock-time");

    if (!wall.ptr && !arg(cli, "--job-max-task-retry-count").ptr)
        return true;
    json_open(w, "constraints");
    json_put_str(w, "maxWallClockTime", wall);
    if (!batch_put_int(cli, w, "--job-max-task-retry-count", "maxTaskRetryCount", err))
        return false;
    json_close(w);
    return true;
}

/* The members that creation and change have in common. */
static bool put_members(Cli *cli, JsonWriter *w, Err *err)
{
    Str pool = arg(cli, "--pool-id");

    if (!batch_put_int(cli, w, "--priority", "priority", err) || !batch_put_int(cli, w, "--max-parallel-tasks", "maxParallelTasks", err) || !put_constraints(cli, w, err) ||
        !batch_put_pairs(cli, w, "--metadata", "metadata", "name", "value", err))
        return false;
    json_put_str(w, "onAllTasksComplete", arg(cli, "--on-all-tasks-complete"));
    if (!pool.ptr)
        return true;
    json_open(w, "poolInfo");
    json_put_str(w, "poolId", pool);
    json_close(w);
    return true;
}

static bool send_and_show(Cli *cli, const char *method, Str path, Str text, Str id, Err *err)
{
    Answer answer;
    return batch_call(cli, method, path, text, &answer, err) && batch_show(cli, job_path(cli, id, ""), err);
}

bool run_job_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str id = arg(cli, "--id"), text;
    const JsonVal *document;

    if (arg(cli, "--json-file").ptr) {
        if (!batch_document(cli, &text, &document, err))
            return false;
        Str named = json_str(json_get(document, "id"));
        if (str_empty(named) || (id.ptr && !str_eq(id, named)))
            return cli_usage(cli, err, "--json-file: a job is a JSON object with an \"id\"%s", id.ptr ? ", which must be that of --id" : "");
        return send_and_show(cli, "POST", STR("/jobs"), text, named, err);
    }
    if (!id.ptr || !arg(cli, "--pool-id").ptr)
        return cli_usage(cli, err, "give --id and --pool-id, or --json-file");
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "id", id);
    if (!put_members(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_end(&body, &text, err) && send_and_show(cli, "POST", STR("/jobs"), text, id, err);
}

/* PATCH: what is not given stays. */
bool run_job_set(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str text;
    const JsonVal *document;

    if (arg(cli, "--json-file").ptr)
        return batch_document(cli, &text, &document, err) && send_and_show(cli, "PATCH", this_job(cli, ""), text, arg(cli, "--job-id"), err);
    body_begin(&body);
    json_open(&body.w, NULL);
    if (!put_members(cli, &body.w, err))
        return false;
    json_close(&body.w);
    if (!body_end(&body, &text, err))
        return false;
    if (str_eq(text, STR("{}")))
        return cli_usage(cli, err, "what is to be changed? Give --priority, --max-parallel-tasks, --on-all-tasks-complete, --metadata, --pool-id or constraints");
    return send_and_show(cli, "PATCH", this_job(cli, ""), text, arg(cli, "--job-id"), err);
}

static Str with_filter(Cli *cli, Str path)
{
    Str filter = arg(cli, "--filter"), select = arg(cli, "--select");

    if (filter.ptr)
        path = str_printf(cli->arena, STR_FMT "?$filter=" STR_FMT, STR_ARG(path), STR_ARG(percent_encode(cli->arena, filter)));
    if (select.ptr)
        path = str_printf(cli->arena, STR_FMT "%s$select=" STR_FMT, STR_ARG(path), filter.ptr ? "&" : "?", STR_ARG(percent_encode(cli->arena, select)));
    return path;
}

bool run_job_list(Cli *cli, Err *err) { return batch_list(cli, with_filter(cli, STR("/jobs")), err); }
bool run_job_show(Cli *cli, Err *err) { return batch_show(cli, this_job(cli, ""), err); }
bool run_job_task_counts(Cli *cli, Err *err) { return batch_show(cli, this_job(cli, "/taskcounts"), err); }
bool run_job_prep_status(Cli *cli, Err *err) { return batch_list(cli, this_job(cli, "/jobpreparationandreleasetaskstatus"), err); }

static bool send(Cli *cli, const char *method, const char *rest, Str text, Err *err)
{
    Answer answer;
    return batch_call(cli, method, this_job(cli, rest), text, &answer, err);
}

bool run_job_delete(Cli *cli, Err *err) { return cli_confirm(cli, "delete this job with its tasks", err) && send(cli, "DELETE", "", STR_NONE, err); }
bool run_job_enable(Cli *cli, Err *err) { return send(cli, "POST", "/enable", STR_NONE, err); }

static bool send_word(Cli *cli, const char *rest, const char *name, Str value, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str text;

    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, name, value);
    json_close(&body.w);
    return body_end(&body, &text, err) && send(cli, "POST", rest, text, err);
}

bool run_job_disable(Cli *cli, Err *err)
{
    Str tasks = arg(cli, "--disable-tasks");
    return send_word(cli, "/disable", "disableTasks", tasks.ptr ? tasks : STR("requeue"), err);
}

bool run_job_stop(Cli *cli, Err *err) { return send_word(cli, "/terminate", "terminateReason", arg(cli, "--terminate-reason"), err); }
