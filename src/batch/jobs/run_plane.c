/* run_plane.c - POST /v1/runs/{runId}: what a node says of a run. Again is fine; a run that is nobody's any more is RunUnknown. */
#include "batch/jobs/run_wire.h"
#include "batch/encryption/encryption.h"
#include "batch/nodes/node_plane.h"
#include "batch/parts.h"

enum { FAILURE_MAX = 64 * 1024, CODE_SHOWN = 100, MESSAGE_SHOWN = 4096, DETAILS_MAX = 20, SCRATCH_BYTES = 512 << 20 };

typedef struct Report { Batch *batch; Req *req; Arena *arena; const NodeCaller *caller; Str run_id; bool is_running; RunOutcome outcome; bool is_known; } Report;

typedef struct ReportIn { Str state; int64_t start_ms, end_ms, exit_code; const JsonVal *failure; } ReportIn;
static const JsonField report_fields[] = {
    JSON_FIELD(ReportIn, state,     "state",    JSON_REQUIRED),
    JSON_FIELD(ReportIn, start_ms,  "startMs",  JSON_OPTIONAL),
    JSON_FIELD(ReportIn, end_ms,    "endMs",    JSON_OPTIONAL),
    JSON_FIELD(ReportIn, exit_code, "exitCode", JSON_OPTIONAL),
    JSON_FIELD(ReportIn, failure,   "failure",  JSON_OPTIONAL),
};

/* At most so many bytes of it, and no half character. */
static Str shown(Str text, size_t most)
{
    if (text.len > most)
        for (text.len = most; text.len > 0 && ((uint8_t)text.ptr[text.len] & 0xc0) == 0x80; text.len--)
            continue;
    return text;
}

/* Written again, so that only what belongs there is kept and shown. */
static bool read_failure(Arena *arena, const JsonVal *failure, Str *out, Err *err)
{
    static const char *const categories[] = { "usererror", "servererror" };
    Str category = json_str(json_get(failure, "category")), code = json_str(json_get(failure, "code")), message = json_str(json_get(failure, "message"));
    const JsonVal *details = json_get(failure, "details");
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    if (!failure)
        return true;
    if ((!str_eq(category, str_from(categories[0])) && !str_eq(category, str_from(categories[1]))) || str_empty(code))
        return err_field(err, "failure", "failure: must have a code, and the category usererror or servererror");
    buf_init(&buf, FAILURE_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "category", category);
    json_put_str(&w, "code", shown(code, CODE_SHOWN));
    json_put_str(&w, "message", message.ptr ? shown(message, MESSAGE_SHOWN) : STR(""));
    json_open_array(&w, "details");
    for (size_t i = 0; i < json_count(details) && i < DETAILS_MAX; i++) {
        Str name = json_str(json_get(json_at(details, i), "name")), value = json_str(json_get(json_at(details, i), "value"));
        if (!name.ptr || !value.ptr)
            return err_field(err, "failure", "failure.details: each must have a name and a value");
        json_open(&w, NULL);
        json_put_str(&w, "name", shown(name, CODE_SHOWN));
        json_put_str(&w, "value", shown(value, MESSAGE_SHOWN));
        json_close(&w);
    }
    json_close_array(&w);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *out = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}

static bool read_report(Report *report, Err *err)
{
    ReportIn in = { .state = STR(""), .exit_code = INT64_MIN };
    const JsonVal *body;
    if (!req_object(report->req, &body, err) || !json_read(body, "", report_fields, COUNT_OF(report_fields), &in, err))
        return false;
    bool completed = str_eq(in.state, STR("completed"));
    report->is_running = str_eq(in.state, STR("running"));
    report->outcome = (RunOutcome){ .is_lost = str_eq(in.state, STR("lost")), .start_ms = in.start_ms, .end_ms = in.end_ms,
                                    .has_exit_code = completed && in.exit_code != INT64_MIN, .exit_code = in.exit_code };
    if (!completed && !report->is_running && !report->outcome.is_lost)
        return err_field(err, "state", "state: '" STR_FMT "' is none of running, completed, lost", STR_ARG(str_slice(in.state, 0, 40)));
    if (report->outcome.has_exit_code && (in.exit_code < INT32_MIN || in.exit_code > INT32_MAX))
        return err_field(err, "exitCode", "exitCode: must be a number of 32 bits");
    if (completed && !read_failure(report->req->arena, in.failure, &report->outcome.failure_json, err))
        return false;
    if (completed && !report->outcome.has_exit_code && !report->outcome.failure_json.ptr)
        return err_field(err, "exitCode", "exitCode: is required of a run that completed, unless a failure tells why there is none");
    return true;
}

/* A node's clock is its own: what it says lies between the beginning of the run and now, in object time. */
static int64_t within(const Report *report, const Run *run, int64_t node_ms)
{
    int64_t ms = node_ms > 0 ? node_ms + clock_offset_ms(report->batch->site->clock) : 0;
    return ms < run->created_ms ? run->created_ms : ms > report->req->now_ms ? report->req->now_ms : ms;
}

static bool take(Report *report, Txn *txn, Run *run, Err *err)
{
    Arena *arena = report->arena;
    RunOutcome *outcome = &report->outcome;
    if (report->is_running)
        return run->state != RUN_ASSIGNED || run_note_running(txn, run, within(report, run, outcome->start_ms), err);
    if (run->state == RUN_ENDED)
        return true;
    outcome->start_ms = within(report, run, outcome->start_ms);
    outcome->end_ms = within(report, run, outcome->end_ms);
    return run_ended(report->batch, txn, arena, run, outcome, report->req->now_ms, err);
}

static bool report_txn(Txn *txn, void *ctx, Err *err)
{
    Report *report = ctx;
    Arena *arena = report->arena;
    const Node *node = &report->caller->node;
    KeyHindrance hindrance;
    Run run;
    Task task;
    bool found;
    if (!run_find(txn, arena, report->run_id, &run, &found, err))
        return false;
    if (found && str_eq(run.node_id, node->id) && run.state != RUN_WAITING) {
        report->is_known = true;
        if (!encryption_hindrance(report->batch, txn, arena, node->account_id, &hindrance, err))
            return false;
        if (hindrance != KEY_HINDERS_NOTHING && run.state != RUN_REVOKED)
            return err_set(err, ERR_UNAVAILABLE, "the account's customer-managed key cannot be used just now");
        return take(report, txn, &run, err);
    }
    /* Told before: a task's files are its last run's until they are dropped. */
    if (!task_of_last_run(txn, arena, report->run_id, &task, &found, err))
        return false;
    report->is_known = found && str_eq(task.node_id, node->id) && !str_eq(task.open_run, report->run_id);
    return true;
}

bool node_run_report(Req *req, Reply *reply, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(SCRATCH_BYTES);         /* its end may touch many tasks */
    Report report = { .batch = req->ctx, .req = req, .arena = arena, .caller = req->caller->plane_data, .run_id = req_param(req, "runId") };
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!read_report(&report, err) || !node_note_first_use(report.batch, report.caller, err) || !store_write(report.batch->site->store, report_txn, &report, err))
        return false;
    if (!report.is_known)
        return err_named(err, ERR_NOT_FOUND, "RunUnknown", NULL, "the run is not this node's any more; end it and forget it");
    reply->status = 204;
    return true;
}
