/* outcome.c - how a run ended, as it is reported. */
#include "node/runs/outcome.h"

enum { TEXT_BYTES_MAX = 256 * 1024 };

void failure_detail(RunFailure *failure, const char *name, Str value)
{
    if (failure->detail_count == FAILURE_DETAILS_MAX)
        return;
    failure->details[failure->detail_count].name = name;
    failure->details[failure->detail_count++].value = value;
}

static void write_failure(const RunFailure *failure, JsonWriter *w)
{
    json_open(w, "failure");
    json_put_str(w, "category", failure->is_service ? STR("servererror") : STR("usererror"));
    json_put_str(w, "code", failure->code);
    json_put_str(w, "message", failure->message);
    json_open_array(w, "details");
    for (size_t i = 0; i < failure->detail_count; i++) {
        json_open(w, NULL);
        json_put_str(w, "name", str_from(failure->details[i].name));
        json_put_str(w, "value", failure->details[i].value);
        json_close(w);
    }
    json_close_array(w);
    json_close(w);
}

static void outcome_write(const RunOutcome *outcome, JsonWriter *w)
{
    json_open(w, NULL);
    json_put_str(w, "state", outcome->is_lost ? STR("lost") : STR("completed"));
    json_put_int(w, "startMs", outcome->start_ms);
    json_put_int(w, "endMs", outcome->end_ms);
    bool has_exit = outcome->has_exit && !outcome->is_lost;         /* how we ended it says nothing of the task */
    if (has_exit)
        json_put_int(w, "exitCode", outcome->exit_code);
    if (has_exit && outcome->signal)
        json_put_int(w, "signal", outcome->signal);
    if (outcome->failure.code.ptr)
        write_failure(&outcome->failure, w);
    json_close(w);
}

Str outcome_text(Arena *arena, const RunOutcome *outcome)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&text, TEXT_BYTES_MAX);
    json_begin(&w, &text);
    outcome_write(outcome, &w);
    return json_end(&w, &err) ? str_dup(arena, buf_str(&text)) : STR_NONE;
}
