/* command_body.c - what people send to have a command run, and what agents send back. */
#include <stdio.h>
#include "base/encode.h"
#include "batch/nodes/command.h"

enum { BODY_MAX = 512 * 1024, RESULT_MAX = 4 * 1024 * 1024, ERROR_MAX = 1024 };

static bool refuse(Err *err, const char *field, const char *text)
{
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool put_argv(const JsonVal *argv, JsonWriter *w, Err *err)
{
    size_t bytes = 0, count = json_count(argv);
    if (json_kind(argv) != JSON_ARRAY || count == 0 || count > EXEC_ARGS_MAX)
        return refuse(err, "argv", "must be an array of 1 to 256 strings, the program first");
    json_open_array(w, "argv");
    for (size_t i = 0; i < count; i++) {
        const JsonVal *arg = json_at(argv, i);
        if (json_kind(arg) != JSON_STR || (i == 0 && str_empty(json_str(arg))))
            return refuse(err, "argv", "must be an array of strings, and the first one the name of a program");
        bytes += json_str(arg).len + 1;
        if (bytes > EXEC_ARGS_BYTES_MAX)
            return refuse(err, "argv", "is longer than 64 KiB together");
        json_put_str(w, NULL, json_str(arg));
    }
    json_close_array(w);
    return true;
}

bool command_exec_read(Arena *arena, const JsonVal *body, Str *command_json, int64_t *timeout_ms, Err *err)
{
    typedef struct ExecIn { const JsonVal *argv; int64_t timeout_ms; } ExecIn;
    static const JsonField fields[] = {
        JSON_FIELD(ExecIn, argv, "argv", JSON_REQUIRED),
        JSON_FIELD(ExecIn, timeout_ms, "timeoutMs", JSON_OPTIONAL),
    };
    ExecIn in = { .timeout_ms = EXEC_TIMEOUT_USUAL_MS };
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, BODY_MAX);
    if (!json_read_exact(body, "", fields, COUNT_OF(fields), &in, err))
        return false;
    if (in.timeout_ms < 1 || in.timeout_ms > EXEC_TIMEOUT_MAX_MS)
        return refuse(err, "timeoutMs", "must be within 1 and 3600000");
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (!put_argv(in.argv, &w, err))
        return false;
    json_put_int(&w, "timeoutMs", in.timeout_ms);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *command_json = str_dup(arena, buf_str(&buf));
    *timeout_ms = in.timeout_ms;
    return arena_ok(arena) || err_too_big(err);
}

/* -- results -- */

static bool check_stream(Arena *arena, Str encoded, const char *field, Err *err)
{
    Bytes bytes;
    Err wrong = { 0 };
    if (!base64_decode(arena, encoded, &bytes, &wrong))
        return refuse(err, field, "must be base64");
    return bytes.len <= STREAM_MAX_BYTES || refuse(err, field, "must not be longer than 1 MiB; cut it and set truncated");
}

bool command_result_read(Arena *arena, const JsonVal *body, Str *result_json, Err *err)
{
    typedef struct ResultIn { int64_t exit_code, signal; Str out, err_out, error; bool truncated; } ResultIn;
    static const JsonField fields[] = {
        JSON_FIELD(ResultIn, exit_code, "exitCode",  JSON_OPTIONAL),
        JSON_FIELD(ResultIn, signal,    "signal",    JSON_OPTIONAL),
        JSON_FIELD(ResultIn, out,       "stdout",    JSON_OPTIONAL),
        JSON_FIELD(ResultIn, err_out,   "stderr",    JSON_OPTIONAL),
        JSON_FIELD(ResultIn, truncated, "truncated", JSON_OPTIONAL),
        JSON_FIELD(ResultIn, error,     "error",     JSON_OPTIONAL),
    };
    ResultIn in = { .out = STR(""), .err_out = STR(""), .error = STR("") };
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, RESULT_MAX);
    if (!json_read(body, "", fields, COUNT_OF(fields), &in, err) || !check_stream(arena, in.out, "stdout", err) || !check_stream(arena, in.err_out, "stderr", err))
        return false;
    if (in.exit_code < -1 || in.exit_code > 255 || in.signal < 0 || in.signal > 64)
        return refuse(err, "exitCode", "must be within -1 and 255, and signal within 0 and 64");
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_int(&w, "exitCode", in.exit_code);
    json_put_int(&w, "signal", in.signal);
    json_put_str(&w, "stdout", in.out);
    json_put_str(&w, "stderr", in.err_out);
    json_put_bool(&w, "truncated", in.truncated);
    if (!str_empty(in.error))
        json_put_str(&w, "error", str_slice(in.error, 0, ERROR_MAX));
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *result_json = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}
