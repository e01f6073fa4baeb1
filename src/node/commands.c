/* commands.c - one thread waits for commands; each exec runs on a thread of its own, so that a long one holds up nobody. */
#include "node/commands.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/log.h"
#include "node/exec.h"

enum { WAIT_MS = 60000, EXECS_MAX = 16, ARGS_MAX = 256, DONE_MAX = 512, EXEC_TIMEOUT_MAX_MS = 3600000, RESULT_TRIES = 60, PAUSE_MAX_MS = 5000 };

struct Commands {
    const NodeCard *card;
    CommandFn *asked;
    void *ctx;
    pthread_t thread;
    Control *control;
    _Atomic bool stopping;
    _Atomic int running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct { char id[64]; } done[DONE_MAX];     /* ring of ids begun; guarded by lock */
    size_t done_count;
};

typedef struct Exec { Commands *commands; Arena *arena; Str id; char **argv; int64_t timeout_ms; } Exec;

/* Sleeps for a random part of the pause, ended early by stopping. */
static void pause_for(Commands *commands, int64_t *pause_ms)
{
    uint32_t random;
    random_fill(&random, sizeof random);
    *pause_ms = *pause_ms == 0 ? 200 : *pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : *pause_ms * 2;
    int64_t wait = *pause_ms / 2 + random % (uint32_t)(*pause_ms / 2 + 1), until = real_now_ms() + wait;
    struct timespec due = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_mutex_lock(&commands->lock);
    while (!atomic_load(&commands->stopping) && pthread_cond_timedwait(&commands->changed, &commands->lock, &due) == 0)
        continue;
    pthread_mutex_unlock(&commands->lock);
}

/* First time this id is seen since the agent started? */
static bool first_time(Commands *commands, Str id)
{
    bool is_new = id.len > 0 && id.len < sizeof commands->done[0].id;
    pthread_mutex_lock(&commands->lock);
    for (size_t i = 0; is_new && i < DONE_MAX && i < commands->done_count; i++)
        is_new = !str_eq(str_from(commands->done[i].id), id);
    if (is_new) {
        char *slot = commands->done[commands->done_count++ % DONE_MAX].id;
        memcpy(slot, id.ptr, id.len);
        slot[id.len] = '\0';
    }
    pthread_mutex_unlock(&commands->lock);
    return is_new;
}

static void post_result(Exec *exec, const ExecResult *result, const char *error)
{
    AUTO(buf_done_auto) Buf body;
    JsonWriter w;
    Err err = { 0 };
    Control *control = NULL;
    buf_init(&body, 16 * 1024 * 1024);
    json_begin(&w, &body);
    json_open(&w, NULL);
    json_put_int(&w, "exitCode", result ? result->exit_code : 127);
    json_put_int(&w, "signal", result ? result->signal : 0);
    json_put_str(&w, "stdout", result ? base64_encode(exec->arena, buf_bytes(&result->out)) : STR(""));
    json_put_str(&w, "stderr", result ? base64_encode(exec->arena, buf_bytes(&result->err)) : STR(""));
    json_put_bool(&w, "truncated", result && result->truncated);
    json_put_str(&w, "error", str_from(error));
    json_close(&w);
    if (!json_end(&w, &err) || !control_new(exec->commands->card, &control, &err))
        return;
    int64_t pause_ms = 0;
    Str path = str_printf(exec->arena, "/v1/commands/" STR_FMT "/result", STR_ARG(exec->id));
    for (int tries = 0; tries < RESULT_TRIES && !atomic_load(&exec->commands->stopping); tries++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        HttpAnswer answer;
        if (arena && (control_call(control, arena, path, buf_str(&body), 30000, &answer, &err) || err.code != ERR_UNAVAILABLE))
            break;
        pause_for(exec->commands, &pause_ms);
    }
    control_free(control);
}

static void *run_exec(void *arg)
{
    Exec *exec = arg;
    Commands *commands = exec->commands;
    ExecResult result;
    Err err = { 0 };
    if (exec_run(exec->argv, exec->timeout_ms, &result, &err)) {
        post_result(exec, &result, result.timed_out ? "the command was ended because its time was up" : "");
        exec_result_done(&result);
    } else {
        post_result(exec, NULL, err.text);
    }
    arena_free(exec->arena);
    free(exec);
    pthread_mutex_lock(&commands->lock);
    commands->running--;
    pthread_cond_broadcast(&commands->changed);
    pthread_mutex_unlock(&commands->lock);
    return NULL;
}

static bool exec_prepare(Exec *exec, const JsonVal *command, Err *err)
{
    const JsonVal *argv = json_get(command, "argv");
    size_t count = json_count(argv);
    int64_t timeout = json_int(json_get(command, "timeoutMs"), 60000);
    if (json_kind(argv) != JSON_ARRAY || count == 0 || count > ARGS_MAX)
        return err_set(err, ERR_BAD_INPUT, "'argv' must be an array of 1 to %d strings", ARGS_MAX);
    exec->id = str_dup(exec->arena, json_str(json_get(command, "id")));
    exec->argv = ARENA_ARRAY(exec->arena, char *, count + 1);
    exec->timeout_ms = timeout < 1 ? 1 : timeout > EXEC_TIMEOUT_MAX_MS ? EXEC_TIMEOUT_MAX_MS : timeout;
    for (size_t i = 0; i < count && exec->argv; i++) {
        exec->argv[i] = str_to_cstr(exec->arena, json_str(json_at(argv, i)), err);
        if (!exec->argv[i])
            return false;
    }
    return arena_ok(exec->arena) || err_too_big(err);
}

static void begin_exec(Commands *commands, const JsonVal *command)
{
    pthread_t thread;
    Err err = { 0 };
    Exec *exec = calloc(1, sizeof *exec);
    if (exec)
        exec->arena = arena_new(32 * 1024 * 1024);
    if (!exec || !exec->arena) {
        free(exec);
        return;
    }
    exec->commands = commands;
    bool started = false;
    if (!exec_prepare(exec, command, &err)) {
        post_result(exec, NULL, err.text);
    } else if (atomic_load(&commands->running) >= EXECS_MAX) {
        post_result(exec, NULL, "the node runs as many commands at once as it may; try again later");
    } else {
        pthread_mutex_lock(&commands->lock);
        commands->running++;
        pthread_mutex_unlock(&commands->lock);
        started = pthread_create(&thread, NULL, run_exec, exec) == 0;
        if (started) {
            (void)pthread_detach(thread);
            return;
        }
        pthread_mutex_lock(&commands->lock);
        commands->running--;
        pthread_mutex_unlock(&commands->lock);
    }
    arena_free(exec->arena);
    free(exec);
}

static void take(Commands *commands, const JsonVal *list)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *command = json_at(list, i);
        Str kind = json_str(json_get(command, "kind"));
        if (!first_time(commands, json_str(json_get(command, "id"))))
            continue;
        if (str_eq(kind, STR("exec")))
            begin_exec(commands, command);
        else
            commands->asked(commands->ctx, kind);
    }
}

static void *run(void *arg)
{
    Commands *commands = arg;
    char cursor[256] = "";
    int64_t pause_ms = 0;
    while (!atomic_load(&commands->stopping)) {
        AUTO(arena_free_auto) Arena *arena = arena_new(32 * 1024 * 1024);
        HttpAnswer answer;
        const JsonVal *root;
        Err err = { 0 };
        Str path = arena ? str_printf(arena, "/v1/commands?after=%s", cursor) : STR_NONE;
        if (!arena || !control_call(commands->control, arena, path, STR_NONE, WAIT_MS, &answer, &err) ||
            !json_parse(arena, answer.body, JSON_STRICT, &root, &err)) {
            if (!atomic_load(&commands->stopping))
                pause_for(commands, &pause_ms);
            continue;
        }
        pause_ms = 0;
        Str next = percent_encode(arena, json_str(json_get(root, "cursor")));
        if (next.len < sizeof cursor)
            (void)snprintf(cursor, sizeof cursor, STR_FMT, STR_ARG(next));
        take(commands, json_get(root, "commands"));
    }
    return NULL;
}

bool commands_start(const NodeCard *card, CommandFn *asked, void *ctx, Commands **out, Err *err)
{
    Commands *commands = calloc(1, sizeof *commands);
    if (!commands)
        return err_set(err, ERR_INTERNAL, "out of memory");
    commands->card = card;
    commands->asked = asked;
    commands->ctx = ctx;
    (void)pthread_mutex_init(&commands->lock, NULL);
    (void)pthread_cond_init(&commands->changed, NULL);
    if (!control_new(card, &commands->control, err) ||
        (pthread_create(&commands->thread, NULL, run, commands) != 0 && !err_set(err, ERR_INTERNAL, "cannot start a thread"))) {
        control_free(commands->control);
        free(commands);
        return false;
    }
    *out = commands;
    return true;
}

void commands_stop(Commands *commands)
{
    if (!commands)
        return;
    pthread_mutex_lock(&commands->lock);
    atomic_store(&commands->stopping, true);
    pthread_cond_broadcast(&commands->changed);
    pthread_mutex_unlock(&commands->lock);
    control_cancel(commands->control);
    (void)pthread_join(commands->thread, NULL);
    pthread_mutex_lock(&commands->lock);
    while (atomic_load(&commands->running) > 0)
        (void)pthread_cond_wait(&commands->changed, &commands->lock);
    pthread_mutex_unlock(&commands->lock);
    control_free(commands->control);
    (void)pthread_cond_destroy(&commands->changed);
    (void)pthread_mutex_destroy(&commands->lock);
    free(commands);
}
