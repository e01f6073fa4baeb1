/* runner.c - one thread that finds and leases what is due, and those that run it.
 *
 * The finder sleeps until the earliest due time it has read, or until something pokes it: a commit that schedules sooner, a
 * run that ended, a moved clock. A poke that comes while it reads is kept, so none is lost. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "base/id.h"
#include "base/log.h"
#include "runner/queue.h"

enum {
    THREADS_MAX = 64,
    JOB_ARENA_BYTES = 64 << 20,
    CLAIM_ARENA_BYTES = 1 << 20,
    LOOK_AGAIN_MS = 60 * 1000,        /* the machine's own clock may be set at any time */
    STORE_RETRY_MS = 1000
};

typedef struct Kind {
    const char *name;
    RunnerTime time;
    RunnerFn *fn;
    void *ctx;
    int limit, running;
    int64_t retry_most_ms;
} Kind;

typedef struct Run {                  /* a leased item on its way through a thread; lives in its arena */
    Arena *arena;
    Kind *kind;
    QueueItem item;
    bool leased;
    struct Run *next;                 /* in the list it was claimed with, then in `active` */
    struct Run *next_given;
} Run;

struct Runner {
    Store *store;
    Clock *clock;
    int64_t (*real_now_ms)(void *ctx);
    void *real_now_ctx;
    char owner[33];                   /* this runner, among the servers of a store */

    Kind *kinds;
    size_t kind_count;

    pthread_mutex_t mutex;
    pthread_cond_t poked, given_some, stopped, rested;
    int64_t rests;                    /* passes of the finder that found nothing to do and nothing being done */
    bool poke, stop_finding, stop_running;
    int64_t waits_until_ms;           /* real time; what is due earlier pokes */
    Run *active;                      /* from the lease until the outcome is noted */
    Run *given;                       /* those of them that no thread has picked up yet, in order */
    int idle;

    pthread_t finder, threads[THREADS_MAX];
    int thread_count;
    bool finder_runs;
};

static int64_t real_clock(void *ctx)
{
    (void)ctx;
    return real_now_ms();
}

static QueueNow now_of(const Runner *runner)
{
    int64_t real_ms = runner->real_now_ms(runner->real_now_ctx);
    return (QueueNow){ .real_ms = real_ms, .object_ms = real_ms + clock_offset_ms(runner->clock), .owner = str_from(runner->owner) };
}

static Kind *kind_find(Runner *runner, const char *name)
{
    for (size_t i = 0; i < runner->kind_count; i++)
        if (strcmp(runner->kinds[i].name, name) == 0)
            return &runner->kinds[i];
    return NULL;
}

/* ---- scheduling ---- */

static void poke_locked(Runner *runner)
{
    runner->poke = true;
    (void)pthread_cond_signal(&runner->poked);
}

void runner_wake(Runner *runner)
{
    (void)pthread_mutex_lock(&runner->mutex);
    poke_locked(runner);
    (void)pthread_mutex_unlock(&runner->mutex);
}

static struct timespec monotonic_in(int64_t wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return until;
}

bool runner_settle(Runner *runner, int64_t wait_ms)
{
    struct timespec until = monotonic_in(wait_ms);
    (void)pthread_mutex_lock(&runner->mutex);
    int64_t before = runner->rests;
    poke_locked(runner);              /* a pass that has begun already does not count: it sees the poke at its end */
    while (runner->rests == before && !runner->stop_finding && pthread_cond_timedwait(&runner->rested, &runner->mutex, &until) == 0)
        continue;
    bool settled = runner->rests != before;
    (void)pthread_mutex_unlock(&runner->mutex);
    return settled;
}

static void due_at_real(Runner *runner, int64_t real_ms)
{
    (void)pthread_mutex_lock(&runner->mutex);
    if (real_ms < runner->waits_until_ms)
        poke_locked(runner);
    (void)pthread_mutex_unlock(&runner->mutex);
}

static void real_work_committed(void *ctx, int64_t due_ms)
{
    due_at_real(ctx, due_ms);
}

static void object_work_committed(void *ctx, int64_t due_ms)
{
    Runner *runner = ctx;
    due_at_real(runner, due_ms - clock_offset_ms(runner->clock));
}

bool runner_schedule(Runner *runner, Txn *txn, const char *kind_name, Str key, int64_t due_ms, Err *err)
{
    const Kind *kind = kind_find(runner, kind_name);
    assert(kind);
    if (due_ms < 0)
        due_ms = 0;                   /* long past either way */
    if (!queue_put(txn, str_from(kind->name), key, kind->time, due_ms, err))
        return false;
    txn_after_commit(txn, kind->time == RUNNER_REAL_TIME ? real_work_committed : object_work_committed, runner, due_ms);
    return true;
}

bool runner_cancel(Runner *runner, Txn *txn, const char *kind_name, Str key, Err *err)
{
    assert(kind_find(runner, kind_name));
    return queue_remove(txn, str_from(kind_name), key, err);
}

bool runner_stats(Runner *runner, RunnerStats *out, Err *err)
{
    return queue_stats(runner->store, out, err);
}

/* ---- finding ---- */

typedef struct Search {
    Runner *runner;
    QueueNow now;
    Kind *kind;
    int kind_room;                    /* how many more keys of this kind may run */
    Arena *arena;
    struct Candidate { Kind *kind; QueueItem item; } found[2 * THREADS_MAX];
    int count, want;
    int64_t next_real_ms;
} Search;

static int64_t late_ms(const Search *search, const QueueItem *item)
{
    return queue_now(&search->now, item->time) - item->due_ms;
}

/* A run whose lease ran out is still a run. */
static bool is_active(Runner *runner, const Kind *kind, Str key)
{
    bool active = false;
    (void)pthread_mutex_lock(&runner->mutex);
    for (const Run *run = runner->active; run && !active; run = run->next)
        active = run->kind == kind && str_eq(run->item.key, key);
    (void)pthread_mutex_unlock(&runner->mutex);
    return active;
}

/* Keeps the most overdue `want` of all kinds, in order. */
static bool consider(void *ctx, const QueueItem *item)
{
    Search *search = ctx;
    if (search->kind_room == 0)
        return false;
    if (is_active(search->runner, search->kind, item->key))
        return true;
    int at = search->count;
    while (at > 0 && late_ms(search, &search->found[at - 1].item) < late_ms(search, item))
        at--;
    if (at >= search->want)
        return false;                 /* the rest of this kind is less overdue still */
    int kept = search->count < search->want ? search->count++ : search->want - 1;
    for (int i = kept; i > at; i--)
        search->found[i] = search->found[i - 1];
    search->found[at] = (struct Candidate){ .kind = search->kind, .item = *item };
    search->found[at].item.key = str_dup(search->arena, item->key);
    search->kind_room--;
    return true;
}

static bool find_due(Txn *txn, void *ctx, Err *err)
{
    Search *search = ctx;
    Runner *runner = search->runner;
    for (size_t i = 0; i < runner->kind_count; i++) {
        Kind *kind = search->kind = &runner->kinds[i];
        int64_t elsewhere;
        if (!queue_leased_elsewhere(txn, str_from(kind->name), &search->now, &elsewhere, err))
            return false;
        (void)pthread_mutex_lock(&runner->mutex);
        int64_t room = kind->limit - kind->running - elsewhere;
        (void)pthread_mutex_unlock(&runner->mutex);
        search->kind_room = room > 0 ? (int)room : 0;
        if (elsewhere > 0)            /* nobody tells us when the other server is done */
            search->next_real_ms = search->next_real_ms < search->now.real_ms + STORE_RETRY_MS ? search->next_real_ms : search->now.real_ms + STORE_RETRY_MS;
        if (!queue_ready(txn, str_from(kind->name), kind->time, &search->now, consider, search, &search->next_real_ms, err))
            return false;
    }
    return arena_ok(search->arena) || err_set(err, ERR_INTERNAL, "out of memory");
}

typedef struct Claim { Run *runs; const QueueNow *now; } Claim;

static bool lease_runs(Txn *txn, void *ctx, Err *err)
{
    Claim *claim = ctx;
    for (Run *run = claim->runs; run; run = run->next)
        if (!queue_lease(txn, &run->item, claim->now, &run->leased, err))
            return false;
    return true;
}

static Run *run_new(Kind *kind, const QueueItem *item)
{
    Arena *arena = arena_new(JOB_ARENA_BYTES);
    Run *run = arena ? ARENA_NEW(arena, Run) : NULL;
    if (!run) {
        arena_free(arena);
        return NULL;
    }
    *run = (Run){ .arena = arena, .kind = kind, .item = *item };
    run->item.kind = str_from(kind->name);
    run->item.key = str_dup(arena, item->key);
    if (!arena_ok(arena)) {
        arena_free(arena);
        return NULL;
    }
    return run;
}

static void give(Runner *runner, Run *runs)
{
    (void)pthread_mutex_lock(&runner->mutex);
    Run **end = &runner->given;
    while (*end)
        end = &(*end)->next_given;
    for (Run *run = runs, *next; run; run = next) {
        next = run->next;
        if (!run->leased) {           /* scheduled anew, cancelled or taken by another server since we looked */
            arena_free(run->arena);
            continue;
        }
        run->next = runner->active;
        runner->active = run;
        *end = run;
        end = &run->next_given;
        run->kind->running++;
        runner->idle--;
        (void)pthread_cond_signal(&runner->given_some);
    }
    (void)pthread_mutex_unlock(&runner->mutex);
}

/* Leases what is due and gives it to the idle threads. *next_real_ms: when to look again. */
static bool find_and_give(Runner *runner, int idle, int64_t *next_real_ms, bool *gave, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(CLAIM_ARENA_BYTES);
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    QueueNow now = now_of(runner);
    Search search = { .runner = runner, .now = now, .arena = arena, .want = idle, .next_real_ms = now.real_ms + LOOK_AGAIN_MS };
    if (!store_read(runner->store, find_due, &search, err))
        return false;
    *next_real_ms = search.next_real_ms;
    *gave = search.count > 0;

    Claim claim = { .now = &now };
    Run **end = &claim.runs;
    for (int i = 0; i < search.count; i++) {
        Run *run = run_new(search.found[i].kind, &search.found[i].item);
        if (!run)
            break;                    /* the rest stays queued */
        *end = run;
        end = &run->next;
    }
    if (search.count > 0 && !claim.runs)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (claim.runs && !store_write(runner->store, lease_runs, &claim, err)) {
        for (Run *run = claim.runs, *next; run; run = next) {
            next = run->next;
            arena_free(run->arena);
        }
        return false;
    }
    give(runner, claim.runs);
    return true;
}

static void wait_poked(Runner *runner, int64_t wait_ms)
{
    struct timespec until = monotonic_in(wait_ms);
    while (!runner->poke && !runner->stop_finding && pthread_cond_timedwait(&runner->poked, &runner->mutex, &until) == 0)
        continue;
}

static void *find_loop(void *arg)
{
    Runner *runner = arg;
    (void)pthread_mutex_lock(&runner->mutex);
    while (!runner->stop_finding) {
        runner->poke = false;
        runner->waits_until_ms = INT64_MAX;            /* while we read, everything pokes */
        int idle = runner->idle;
        (void)pthread_mutex_unlock(&runner->mutex);

        Err err;
        bool gave = false;
        int64_t next_ms = INT64_MIN;                   /* with all threads busy only the end of a run pokes */
        if (idle > 0 && !find_and_give(runner, idle, &next_ms, &gave, &err)) {
            log_event(LOG_ERROR, "runner.queue_failed", log_cstr("error", err.text));
            next_ms = runner->real_now_ms(runner->real_now_ctx) + STORE_RETRY_MS;
        }

        (void)pthread_mutex_lock(&runner->mutex);
        if (gave && runner->idle > 0)
            continue;                                  /* more may be due than we had looked at */
        if (idle > 0 && !gave && !runner->active && !runner->poke) {
            runner->rests++;
            (void)pthread_cond_broadcast(&runner->rested);
        }
        runner->waits_until_ms = next_ms;
        int64_t wait_ms = idle > 0 ? next_ms - runner->real_now_ms(runner->real_now_ctx) : LOOK_AGAIN_MS;
        wait_poked(runner, wait_ms < 0 ? 0 : wait_ms < LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS);
    }
    (void)pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

/* ---- running ---- */

typedef struct Outcome { Runner *runner; const Run *run; bool good; int64_t again_ms; Str error; } Outcome;

static int64_t retry_after_ms(const Run *run) { return queue_retry_after_ms(run->item.failures + 1, run->kind->retry_most_ms); }

static bool note_outcome(Txn *txn, void *ctx, Err *err)
{
    Outcome *outcome = ctx;
    QueueNow now = now_of(outcome->runner);
    return outcome->good ? queue_done(txn, &outcome->run->item, &now, outcome->again_ms, err)
                         : queue_failed(txn, &outcome->run->item, &now, retry_after_ms(outcome->run), outcome->error, err);
}

/* Until the store takes it, for without it the work would run again. When the runner stops first, it does: that is allowed. */
static void note_outcome_surely(Outcome *outcome)
{
    Runner *runner = outcome->runner;
    Err err;
    while (!store_write(runner->store, note_outcome, outcome, &err)) {
        log_event(LOG_ERROR, "runner.queue_failed", log_str("kind", outcome->run->item.kind), log_str("key", outcome->run->item.key), log_cstr("error", err.text));
        struct timespec until = monotonic_in(STORE_RETRY_MS);
        (void)pthread_mutex_lock(&runner->mutex);
        while (!runner->stop_running && pthread_cond_timedwait(&runner->stopped, &runner->mutex, &until) == 0)
            continue;
        bool stopping = runner->stop_running;
        (void)pthread_mutex_unlock(&runner->mutex);
        if (stopping)
            return;
    }
}

static _Thread_local bool is_working;

bool runner_is_working_here(void) { return is_working; }

static void run_one(Runner *runner, Run *run)
{
    RunnerJob job = { .kind = run->item.kind, .key = run->item.key, .due_ms = run->item.due_ms, .attempt = run->item.failures + 1 };
    QueueNow now = now_of(runner);
    Outcome outcome = { .runner = runner, .run = run };
    Err err = { 0 };
    is_working = true;
    outcome.good = run->kind->fn(run->kind->ctx, run->arena, &job, queue_now(&now, run->kind->time), &outcome.again_ms, &err);
    is_working = false;
    if (!outcome.good) {
        if (err.code == ERR_NONE)
            (void)err_set(&err, ERR_INTERNAL, "failed without saying why");
        outcome.error = str_from(err.text);
        log_event(LOG_WARN, "runner.failed", log_str("kind", job.kind), log_str("key", job.key), log_int("attempt", job.attempt),
                  log_int("retry_ms", retry_after_ms(run)), log_cstr("error", err.text));
    }
    note_outcome_surely(&outcome);
}

static void forget_active(Runner *runner, Run *run)
{
    Run **link = &runner->active;
    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    run->kind->running--;
    runner->idle++;
    poke_locked(runner);
}

static void *run_loop(void *arg)
{
    Runner *runner = arg;
    (void)pthread_mutex_lock(&runner->mutex);
    for (;;) {
        while (!runner->given && !runner->stop_running)
            (void)pthread_cond_wait(&runner->given_some, &runner->mutex);
        Run *run = runner->given;
        if (!run)
            break;
        runner->given = run->next_given;
        (void)pthread_mutex_unlock(&runner->mutex);
        run_one(runner, run);
        (void)pthread_mutex_lock(&runner->mutex);
        forget_active(runner, run);
        arena_free(run->arena);
    }
    (void)pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

/* ---- life ---- */

bool runner_new(Store *store, Clock *clock, Runner **out, Err *err)
{
    Runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return err_set(err, ERR_INTERNAL, "out of memory");
    runner->store = store;
    runner->clock = clock;
    runner->real_now_ms = real_clock;
    runner->waits_until_ms = INT64_MIN;                /* nobody to wake before runner_start */
    runner->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;

    uint8_t random[sizeof runner->owner / 2];
    random_fill(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        runner->owner[2 * i] = "0123456789abcdef"[random[i] >> 4];
        runner->owner[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }

    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&runner->poked, &monotonic);
    (void)pthread_cond_init(&runner->given_some, &monotonic);
    (void)pthread_cond_init(&runner->stopped, &monotonic);
    (void)pthread_cond_init(&runner->rested, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *out = runner;
    return true;
}

void runner_set_real_time(Runner *runner, int64_t (*now_ms)(void *ctx), void *ctx)
{
    runner->real_now_ms = now_ms;
    runner->real_now_ctx = ctx;
}

void runner_register(Runner *runner, const char *name, RunnerTime time, RunnerFn *fn, void *ctx)
{
    assert(!runner->finder_runs && !kind_find(runner, name));
    Kind *grown = reallocarray(runner->kinds, runner->kind_count + 1, sizeof *grown);
    if (!grown)
        abort();                                       /* at the start of the program, and it has no way to fail */
    runner->kinds = grown;
    runner->kinds[runner->kind_count++] = (Kind){ .name = name, .time = time, .fn = fn, .ctx = ctx, .limit = 1, .retry_most_ms = RUNNER_RETRY_MOST_MS };
}

void runner_allow(Runner *runner, const char *name, int keys_at_once)
{
    Kind *kind = kind_find(runner, name);
    assert(!runner->finder_runs && kind && keys_at_once > 0);
    kind->limit = keys_at_once;
}

void runner_retry_within(Runner *runner, const char *name, int64_t most_ms)
{
    Kind *kind = kind_find(runner, name);
    assert(!runner->finder_runs && kind && most_ms >= RUNNER_RETRY_FIRST_MS);
    kind->retry_most_ms = most_ms;
}

int runner_runs_at_most(const Runner *runner)
{
    int runs = 0;
    for (size_t i = 0; i < runner->kind_count; i++)
        runs += runner->kinds[i].limit;
    return runs < THREADS_MAX ? runs : THREADS_MAX;
}

static bool void_leases(Txn *txn, void *ctx, Err *err)
{
    QueueNow now = now_of(ctx);
    return queue_void_leases(txn, &now, err);
}

bool runner_start(Runner *runner, int threads, Err *err)
{
    assert(!runner->finder_runs && threads > 0 && threads <= THREADS_MAX);
    if (!store_write(runner->store, void_leases, runner, err))
        return false;
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&runner->threads[i], NULL, run_loop, runner) != 0)
            return err_set(err, ERR_INTERNAL, "cannot start a thread");
        runner->thread_count++;
    }
    runner->idle = threads;
    if (pthread_create(&runner->finder, NULL, find_loop, runner) != 0)
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    runner->finder_runs = true;
    return true;
}

/* The finder first: what it has leased is run, so nothing is left leased that nobody has. */
void runner_drain(Runner *runner)
{
    (void)pthread_mutex_lock(&runner->mutex);
    runner->stop_finding = true;
    (void)pthread_cond_signal(&runner->poked);
    (void)pthread_mutex_unlock(&runner->mutex);
    if (runner->finder_runs)
        (void)pthread_join(runner->finder, NULL);
    runner->finder_runs = false;

    (void)pthread_mutex_lock(&runner->mutex);
    runner->stop_running = true;
    (void)pthread_cond_broadcast(&runner->given_some);
    (void)pthread_cond_broadcast(&runner->stopped);
    (void)pthread_mutex_unlock(&runner->mutex);
    for (; runner->thread_count > 0; runner->thread_count--)
        (void)pthread_join(runner->threads[runner->thread_count - 1], NULL);
}

void runner_stop(Runner *runner)
{
    if (!runner)
        return;
    runner_drain(runner);
    (void)pthread_cond_destroy(&runner->poked);
    (void)pthread_cond_destroy(&runner->given_some);
    (void)pthread_cond_destroy(&runner->stopped);
    (void)pthread_cond_destroy(&runner->rested);
    (void)pthread_mutex_destroy(&runner->mutex);
    free(runner->kinds);
    free(runner);
}
