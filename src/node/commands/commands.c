/* commands.c - one thread waits for commands; what takes time runs on threads of its own, so that a long one holds up nobody. */
#include "node/commands/commands.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/log.h"

enum { WAIT_MS = 60000, DONE_MAX = 512, RESULT_TRIES = 60, PAUSE_MAX_MS = 5000, JOB_ARENA = 32 << 20, RESULT_BYTES_MAX = 16 << 20 };

struct Commands {
    const NodeCard *card;
    const CommandKind *kinds;
    size_t kind_count;
    void *ctx;
    pthread_t thread;
    Control *control;
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running[COMMAND_KINDS_MAX], running_all;    /* threads; guarded by lock */
    struct { char id[64]; } done[DONE_MAX];         /* ring of ids begun; guarded by lock */
    size_t done_count;
};

typedef struct Job { Commands *commands; const CommandKind *kind; Arena *arena; Str id; const JsonVal *command; } Job;

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

/* -- results -- */

static void post_result(Job *job, Str body)
{
    Err err = { 0 };
    Control *control = NULL;
    if (!control_new(job->commands->card, &control, &err))
        return;
    int64_t pause_ms = 0;
    Str path = str_printf(job->arena, "/v1/commands/" STR_FMT "/result", STR_ARG(percent_encode(job->arena, job->id)));
    for (int tries = 0; tries < RESULT_TRIES && !atomic_load(&job->commands->stopping); tries++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        HttpAnswer answer;
        err = (Err){ 0 };
        if (arena && (control_call(control, arena, path, body, 30000, &answer, &err) || err.code != ERR_UNAVAILABLE))
            break;
        pause_for(job->commands, &pause_ms);
    }
    if (err.code)
        log_event(LOG_WARN, "node.result_not_taken", log_str("command", job->id), log_cstr("error", err.text));
    control_free(control);
}

/* Runs the command, or refuses it with `why`. */
static void do_job(Job *job, const char *why)
{
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&body, RESULT_BYTES_MAX);
    json_begin(&w, &body);
    if (why)
        job->kind->refuse(&w, why);
    else
        job->kind->work(job->commands->ctx, job->arena, job->command, &w);
    if (json_end(&w, &err))
        post_result(job, buf_str(&body));
    else
        log_event(LOG_ERROR, "node.result_too_large", log_str("command", job->id));
}

static void job_free(Job *job)
{
    if (job)
        arena_free(job->arena);
    free(job);
}

/* -- threads -- */

static size_t index_of(const Commands *commands, const CommandKind *kind) { return (size_t)(kind - commands->kinds); }

static void *run_job(void *arg)
{
    Job *job = arg;
    Commands *commands = job->commands;
    size_t kind = index_of(commands, job->kind);
    do_job(job, NULL);
    job_free(job);
    pthread_mutex_lock(&commands->lock);
    commands->running[kind]--;
    commands->running_all--;
    pthread_cond_broadcast(&commands->changed);
    pthread_mutex_unlock(&commands->lock);
    return NULL;
}

/* A place for one more thread of the kind, waited for unless the kind refuses. */
static bool take_place(Commands *commands, const CommandKind *kind)
{
    size_t at = index_of(commands, kind);
    pthread_mutex_lock(&commands->lock);
    while (!kind->refuse && commands->running[at] >= kind->threads_max && !atomic_load(&commands->stopping))
        (void)pthread_cond_wait(&commands->changed, &commands->lock);
    bool has_place = commands->running[at] < kind->threads_max && !atomic_load(&commands->stopping);
    commands->running[at] += has_place;
    commands->running_all += has_place;
    pthread_mutex_unlock(&commands->lock);
    return has_place;
}

static void give_place_back(Commands *commands, const CommandKind *kind)
{
    pthread_mutex_lock(&commands->lock);
    commands->running[index_of(commands, kind)]--;
    commands->running_all--;
    pthread_mutex_unlock(&commands->lock);
}

/* The command is read again into an arena of its own: it outlives the answer it came in. */
static Job *job_new(Commands *commands, const CommandKind *kind, const JsonVal *command)
{
    Err err = { 0 };
    Job *job = calloc(1, sizeof *job);
    if (!job || !(job->arena = arena_new(JOB_ARENA))) {
        free(job);
        return NULL;
    }
    job->commands = commands;
    job->kind = kind;
    Str text = json_text(job->arena, command);
    if (!text.ptr || !json_parse(job->arena, text, JSON_STRICT, &job->command, &err)) {
        job_free(job);
        return NULL;
    }
    job->id = json_str(json_get(job->command, "id"));
    return job;
}

static void begin_work(Commands *commands, const CommandKind *kind, const JsonVal *command)
{
    pthread_t thread;
    Job *job = job_new(commands, kind, command);
    if (!job) {
        log_event(LOG_ERROR, "node.command_not_begun", log_cstr("error", "out of memory"));
        return;
    }
    if (take_place(commands, kind)) {
        if (pthread_create(&thread, NULL, run_job, job) == 0) {
            (void)pthread_detach(thread);
            return;
        }
        give_place_back(commands, kind);
        log_event(LOG_ERROR, "node.command_not_begun", log_str("command", job->id), log_cstr("error", "cannot start a thread"));
    } else if (kind->refuse) {
        do_job(job, "the node runs as many commands at once as it may; try again later");
    }
    job_free(job);
}

static void take_all(Commands *commands, const JsonVal *list)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *command = json_at(list, i);
        Str kind = json_str(json_get(command, "kind"));
        size_t at = 0;
        if (!first_time(commands, json_str(json_get(command, "id"))))
            continue;
        while (at < commands->kind_count && !str_eq(kind, str_from(commands->kinds[at].kind)))
            at++;
        if (at == commands->kind_count)
            log_event(LOG_ERROR, "node.unknown_command", log_str("kind", str_slice(kind, 0, 40)));
        else if (commands->kinds[at].take)
            commands->kinds[at].take(commands->ctx, command);
        else
            begin_work(commands, &commands->kinds[at], command);
    }
}

static void *run(void *arg)
{
    Commands *commands = arg;
    char cursor[256] = "";
    int64_t pause_ms = 0;
    while (!atomic_load(&commands->stopping)) {
        AUTO(arena_free_auto) Arena *arena = arena_new(JOB_ARENA);
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
        take_all(commands, json_get(root, "commands"));
        if (next.len < sizeof cursor)
            (void)snprintf(cursor, sizeof cursor, STR_FMT, STR_ARG(next));
    }
    return NULL;
}

bool commands_start(const NodeCard *card, const CommandKind *kinds, size_t count, void *ctx, Commands **out, Err *err)
{
    assert(count <= COMMAND_KINDS_MAX);
    Commands *commands = calloc(1, sizeof *commands);
    if (!commands)
        return err_set(err, ERR_INTERNAL, "out of memory");
    commands->card = card;
    commands->kinds = kinds;
    commands->kind_count = count;
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
    while (commands->running_all > 0)
        (void)pthread_cond_wait(&commands->changed, &commands->lock);
    pthread_mutex_unlock(&commands->lock);
    control_free(commands->control);
    (void)pthread_cond_destroy(&commands->changed);
    (void)pthread_mutex_destroy(&commands->lock);
    free(commands);
}
