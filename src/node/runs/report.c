/* report.c - telling the control plane of runs until it has acknowledged each. */
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "node/runs/runs_own.h"

enum { REPORT_ARENA = 4 << 20, REPORT_TIMEOUT_MS = 10000, PAUSE_FIRST_MS = 200, PAUSE_MAX_MS = 5000 };

/* One report under way: the run may change or go meanwhile, so nothing of it is held. */
typedef struct Report { Arena *arena; uint64_t serial; Str id, body; RunTold tells; } Report;

static bool is_due(const Run *run)
{
    return !run->is_dropped && (run->phase == RUN_GOING ? run->told == TOLD_NOTHING : run->phase == RUN_ENDED && run->told != TOLD_END);
}

static bool write_report(Runs *runs, const Run *run, Report *report, Err *err)
{
    report->serial = run->serial;
    report->id = str_dup(report->arena, str_from(run->id));
    report->tells = run->phase == RUN_GOING ? TOLD_RUNNING : TOLD_END;
    if (run->phase == RUN_GOING)
        report->body = str_printf(report->arena, "{\"state\":\"running\",\"startMs\":%lld}", (long long)run->accepted_ms);
    else if (run->unrecorded)
        report->body = str_dup(report->arena, str_from(run->unrecorded));
    else
        return journal_get(runs->config.places, report->arena, report->id, JOURNAL_END, &report->body, err);
    return arena_ok(report->arena) || err_too_big(err);
}

/* The next report that may go out now; false: none, *wait_ms tells for how long (-1: until something happens). */
static bool choose(Runs *runs, Report *report, int64_t *wait_ms)
{
    int64_t now = mono_now_ms();
    *wait_ms = -1;
    for (size_t i = 0; i < runs->table.count; i++) {
        Run *run = runs->table.items[i];
        Err err = { 0 };
        if (!is_due(run))
            continue;
        int64_t at = run->report_at_ms > runs->pause_until_ms ? run->report_at_ms : runs->pause_until_ms, left = at > now ? at - now : 0;
        if (left == 0 && write_report(runs, run, report, &err))
            return true;
        if (err.code) {
            log_event(LOG_ERROR, "node.report_not_written", log_cstr("run", run->id), log_cstr("error", err.text));
            run->report_at_ms = now + (left = PAUSE_MAX_MS);
        }
        *wait_ms = *wait_ms < 0 || left < *wait_ms ? left : *wait_ms;
    }
    return false;
}

static int64_t longer(int64_t *pause_ms)
{
    uint32_t random;
    random_fill(&random, sizeof random);
    *pause_ms = *pause_ms == 0 ? PAUSE_FIRST_MS : *pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : *pause_ms * 2;
    return mono_now_ms() + *pause_ms / 2 + random % (uint32_t)(*pause_ms / 2 + 1);
}

static bool run_is_unknown(Arena *arena, const HttpAnswer *answer)
{
    const JsonVal *root;
    Err ignored = { 0 };
    return json_parse(arena, answer->body, JSON_STRICT, &root, &ignored) && str_eq(json_str(json_path(root, "error.code")), STR("RunUnknown"));
}

static void acknowledged(Runs *runs, Run *run, RunTold tells)
{
    Err err = { 0 };
    run->report_at_ms = run->pause_ms = 0;
    if (tells > run->told)
        run->told = tells;
    if (tells != TOLD_END)
        return;
    if (run->unrecorded)
        runs_forget(runs, run);
    else if (!journal_put(runs->config.places, str_from(run->id), JOURNAL_TOLD, STR(""), &err))
        log_event(LOG_WARN, "node.told_not_written", log_cstr("run", run->id), log_cstr("error", err.text));     /* it is told again */
}

static void take_answer(Runs *runs, const Report *report, bool accepted, const HttpAnswer *answer, const Err *err)
{
    Run *run = run_table_by_serial(&runs->table, report->serial);
    if (accepted || err->code == ERR_NOT_FOUND || err->code == ERR_BAD_INPUT)
        runs->pause_ms = runs->pause_until_ms = 0;
    else
        runs->pause_until_ms = longer(&runs->pause_ms);
    if (!run || run->phase == RUN_LEAVING)
        return;
    if (accepted) {
        acknowledged(runs, run, report->tells);
        return;
    }
    log_event(LOG_WARN, "node.report_not_taken", log_cstr("run", run->id), log_cstr("error", err->text));
    if (err->code == ERR_NOT_FOUND && run_is_unknown(report->arena, answer))
        runs_forget(runs, run);
    else if (err->code == ERR_NOT_FOUND || err->code == ERR_BAD_INPUT)
        run->report_at_ms = longer(&run->pause_ms);         /* an exit code is not thrown away because of it, and the others need not wait */
}

int64_t runs_report_due(Runs *runs)
{
    int64_t wait_ms = -1;
    while (!atomic_load(&runs->stopping)) {
        AUTO(arena_free_auto) Arena *arena = arena_new(REPORT_ARENA);
        Report report = { .arena = arena };
        HttpAnswer answer = { 0 };
        Err err = { 0 };
        if (!arena)
            return PAUSE_MAX_MS;
        pthread_mutex_lock(&runs->lock);
        bool chosen = choose(runs, &report, &wait_ms);
        pthread_mutex_unlock(&runs->lock);
        if (!chosen)
            return wait_ms;
        Str path = str_printf(arena, "/v1/runs/" STR_FMT, STR_ARG(report.id));
        bool accepted = control_call(runs->control, arena, path, report.body, REPORT_TIMEOUT_MS, &answer, &err);
        pthread_mutex_lock(&runs->lock);
        take_answer(runs, &report, accepted, &answer, &err);
        pthread_mutex_unlock(&runs->lock);
    }
    return wait_ms;
}
