/* cmd_batch_task.c - tasks of a job, through the account's own address. */
#include "base/encode.h"
#include "cli/batch/batch.h"
#include "cli/input.h"
#include "cli/run.h"

enum { TASKS_A_CALL = 100 };

static Str task_path(Cli *cli, Str id, const char *rest)
{
    return str_printf(cli->arena, "/jobs/" STR_FMT "/tasks/" STR_FMT "%s", STR_ARG(percent_encode(cli->arena, arg(cli, "--job-id"))), STR_ARG(percent_encode(cli->arena, id)), rest);
}

static Str this_task(Cli *cli, const char *rest) { return task_path(cli, arg(cli, "--task-id"), rest); }

static Str job_path(Cli *cli, const char *rest)
{
    return str_printf(cli->arena, "/jobs/" STR_FMT "%s", STR_ARG(percent_encode(cli->arena, arg(cli, "--job-id"))), rest);
}

/* ---- create ---- */

/* "wd/a.txt=https://..." as the service's resource files. */
static bool put_files(Cli *cli, JsonWriter *w, Err *err) { return batch_put_pairs(cli, w, "--resource-files", "resourceFiles", "filePath", "httpUrl", err); }

static bool put_constraints(Cli *cli, JsonWriter *w, Err *err)
{
    Str wall = arg(cli, "--max-wall-clock-time"), retention = arg(cli, "--retention-time");

    if (!wall.ptr && !retention.ptr && !arg(cli, "--max-task-retry-count").ptr)
        return true;
    json_open(w, "constraints");
    json_put_str(w, "maxWallClockTime", wall);
    json_put_str(w, "retentionTime", retention);
    if (!batch_put_int(cli, w, "--max-task-retry-count", "maxTaskRetryCount", err))
        return false;
    json_close(w);
    return true;
}

static bool put_task(Cli *cli, JsonWriter *w, Err *err)
{
    Str affinity = arg(cli, "--affinity-id");

    json_open(w, NULL);
    json_put_str(w, "id", arg(cli, "--task-id"));
    json_put_str(w, "commandLine", arg(cli, "--command-line"));
    if (!put_files(cli, w, err) || !batch_put_pairs(cli, w, "--environment-settings", "environmentSettings", "name", "value", err) || !put_constraints(cli, w, err))
        return false;
    if (affinity.ptr) {
        json_open(w, "affinityInfo");
        json_put_str(w, "affinityId", affinity);
        json_close(w);
    }
    json_close(w);
    return true;
}

static bool add_one(Cli *cli, Str text, Str id, Err *err)
{
    Answer answer;
    return batch_call(cli, "POST", job_path(cli, "/tasks"), text, &answer, err) && batch_show(cli, task_path(cli, id, ""), err);
}

/* What the service says of each task is printed; one that it did not take is an error too. */
static bool add_some(Cli *cli, const JsonVal *list, Err *err)
{
    size_t count = json_count(list), refused = 0;
    const JsonVal *first = NULL;
    Str url;

    if (count == 0)
        return cli_usage(cli, err, "--json-file: the list of tasks is empty");
    if (!batch_url(cli, job_path(cli, "/addtaskcollection"), &url, err))
        return false;
    json_open_array(&cli->w, NULL);
    for (size_t at = 0; at < count; at += TASKS_A_CALL) {
        AUTO(body_done_auto) Body body = { 0 };
        Answer answer;
        Str text;
        body_begin(&body);
        json_open(&body.w, NULL);
        json_open_array(&body.w, "value");
        for (size_t i = at; i < count && i < at + TASKS_A_CALL; i++)
            json_put_value(&body.w, NULL, json_at(list, i));
        json_close_array(&body.w);
        json_close(&body.w);
        if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_batch(cli), url, text, &answer, err))
            return false;
        const JsonVal *results = json_get(answer.json, "value");
        for (size_t i = 0; i < json_count(results); i++) {
            const JsonVal *result = json_at(results, i);
            bool bad = !str_eq(json_str(json_get(result, "status")), STR("success"));
            refused += bad;
            first = bad && !first ? result : first;
            json_put_value(&cli->w, NULL, result);
        }
    }
    json_close_array(&cli->w);
    if (refused == 0)
        return true;
    return err_set(err, ERR_CONFLICT, "%zu of %zu tasks were not added; '" STR_FMT "': (" STR_FMT ") " STR_FMT, refused, count, STR_ARG(json_str(json_get(first, "taskId"))),
                   STR_ARG(json_str(json_path(first, "error.code"))), STR_ARG(json_str(json_path(first, "error.message.value"))));
}

bool run_task_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *document;
    Str text;

    if (arg(cli, "--json-file").ptr) {
        if (arg(cli, "--command-line").ptr || arg(cli, "--task-id").ptr)
            return cli_usage(cli, err, "give either --json-file or --task-id and --command-line");
        if (!batch_document(cli, &text, &document, err))
            return false;
        if (json_kind(document) == JSON_ARRAY || json_get(document, "value"))
            return add_some(cli, json_kind(document) == JSON_ARRAY ? document : json_get(document, "value"), err);
        Str named = json_str(json_get(document, "id"));
        return str_empty(named) ? cli_usage(cli, err, "--json-file: a task has an \"id\"") : add_one(cli, text, named, err);
    }
    if (!arg(cli, "--task-id").ptr || !arg(cli, "--command-line").ptr)
        return cli_usage(cli, err, "give --task-id and --command-line, or --json-file");
    body_begin(&body);
    return put_task(cli, &body.w, err) && body_end(&body, &text, err) && add_one(cli, text, arg(cli, "--task-id"), err);
}

/* ---- the others ---- */

bool run_task_list(Cli *cli, Err *err)
{
    Str filter = arg(cli, "--filter"), path = job_path(cli, "/tasks");
    return batch_list(cli, filter.ptr ? str_printf(cli->arena, STR_FMT "?$filter=" STR_FMT, STR_ARG(path), STR_ARG(percent_encode(cli->arena, filter))) : path, err);
}

bool run_task_show(Cli *cli, Err *err) { return batch_show(cli, this_task(cli, ""), err); }

static bool send(Cli *cli, const char *method, const char *rest, Err *err)
{
    Answer answer;
    return batch_call(cli, method, this_task(cli, rest), STR_NONE, &answer, err);
}

bool run_task_delete(Cli *cli, Err *err) { return cli_confirm(cli, "delete this task and its files", err) && send(cli, "DELETE", "", err); }
bool run_task_stop(Cli *cli, Err *err) { return send(cli, "POST", "/terminate", err); }
bool run_task_reactivate(Cli *cli, Err *err) { return send(cli, "POST", "/reactivate", err); }
