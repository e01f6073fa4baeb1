/* exec_command.c - the command "exec". */
#include "node/commands/exec_command.h"
#include "base/encode.h"
#include "base/exec.h"

enum { ARGS_MAX = 256, TIMEOUT_USUAL_MS = 60000, TIMEOUT_MAX_MS = 3600000, NOT_STARTED = 127 };

static void write_result(Arena *arena, const ExecResult *result, const char *error, JsonWriter *w)
{
    json_open(w, NULL);
    json_put_int(w, "exitCode", result ? result->exit_code : NOT_STARTED);
    json_put_int(w, "signal", result ? result->signal : 0);
    json_put_str(w, "stdout", result ? base64_encode(arena, buf_bytes(&result->out)) : STR(""));
    json_put_str(w, "stderr", result ? base64_encode(arena, buf_bytes(&result->err)) : STR(""));
    json_put_bool(w, "truncated", result && result->truncated);
    json_put_str(w, "error", str_from(error));
    json_close(w);
}

void exec_command_refuse(JsonWriter *result, const char *why) { write_result(NULL, NULL, why, result); }

static bool read_argv(Arena *arena, const JsonVal *argv, char ***out, Err *err)
{
    size_t count = json_count(argv);
    if (json_kind(argv) != JSON_ARRAY || count == 0 || count > ARGS_MAX)
        return err_set(err, ERR_BAD_INPUT, "'argv' must be an array of 1 to %d strings", ARGS_MAX);
    char **words = ARENA_ARRAY(arena, char *, count + 1);
    if (!words)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++)
        if (!(words[i] = str_to_cstr(arena, json_str(json_at(argv, i)), err)))
            return false;
    *out = words;
    return true;
}

void exec_command_work(void *ctx, Arena *arena, const JsonVal *command, JsonWriter *result)
{
    int64_t timeout_ms = json_int(json_get(command, "timeoutMs"), TIMEOUT_USUAL_MS);
    ExecResult ran;
    char **argv = NULL;
    Err err = { 0 };
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", home[] = "HOME=/root", user[] = "USER=root";
    static char logname[] = "LOGNAME=root", shell[] = "SHELL=/bin/sh", lang[] = "LANG=C.UTF-8";
    char *const environment[] = { path, home, user, logname, shell, lang, NULL };
    (void)ctx;
    timeout_ms = timeout_ms < 1 ? 1 : timeout_ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : timeout_ms;
    if (!read_argv(arena, json_get(command, "argv"), &argv, &err) || !exec_run(argv, environment, timeout_ms, &ran, &err)) {
        exec_command_refuse(result, err.text);
        return;
    }
    write_result(arena, &ran, ran.timed_out ? "the command was ended because its time was up" : "", result);
    exec_result_done(&ran);
}
