/* work.c - the worker pool: one queue, and threads of which at most so many run at a time.
 *
 * More threads than cores that compute take turns on them, which makes each request slower and none faster. A thread that waits for its
 * write to be durable does nothing, and only writes that wait together share a commit; so one that waits (base/wait.h) is not counted, and
 * others run. For handlers that wait for something without saying so there is a watchman: when nothing was taken from the queue
 * for a moment, one more may run. Threads beyond those that stay end when they had nothing to do for a while. */
#include "http/work.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "base/wait.h"

enum { MORE = 16, REST_S = 5, STUCK_MS = 5 };   /* at most so many times the threads that stay */

typedef enum SlotState { SLOT_FREE = 0, SLOT_RUNS, SLOT_ENDED } SlotState;
typedef struct Slot { WorkPool *pool; pthread_t thread; SlotState state; } Slot;

struct WorkPool {
    WorkCalls calls;
    pthread_mutex_t lock;                       /* over all below */
    pthread_cond_t  changed;
    STAILQ_HEAD(, Request) queue;
    size_t queued, idle, alive, staying, slot_count;
    size_t running;                             /* with a request, and not waiting */
    size_t extra;                               /* that may run beyond `staying`, until the queue is empty */
    uint64_t taken;                             /* from the queue, ever */
    bool   is_stopping;
    Slot  *slots;
    pthread_t watchman;
    bool   has_watchman, watchman_rests;
    pthread_cond_t stuck;                       /* for the watchman: there is a queue that nobody may take from, or the end */
};

static bool may_run(const WorkPool *pool) { return pool->running < pool->staying + pool->extra; }
static bool has_work(const WorkPool *pool) { return STAILQ_FIRST(&pool->queue) && may_run(pool); }

static struct timespec mono_in(int64_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
    return (struct timespec){ .tv_sec = at.tv_sec + ms / 1000 + ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

/* Until there is something to do. false: this thread should end. */
static bool wait_for_work(WorkPool *pool)
{
    bool stays = pool->alive <= pool->staying;
    struct timespec until = mono_in(REST_S * 1000);
    pool->idle++;
    int code = 0;
    while (!has_work(pool) && !pool->is_stopping && code == 0)
        code = stays ? pthread_cond_wait(&pool->changed, &pool->lock) : pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    pool->idle--;
    return has_work(pool) || (!pool->is_stopping && pool->alive <= pool->staying);
}

static int start_one(WorkPool *pool);

/* What is queued and may run gets a thread: one that rests, or a new one. If there can be no more, it waits for one of those there are. */
static void let_run(WorkPool *pool)
{
    if (!has_work(pool))
        return;
    size_t room = pool->staying + pool->extra - pool->running, wanted = pool->queued < room ? pool->queued : room;
    if (wanted > pool->idle)
        (void)start_one(pool);
    if (pool->idle > 0)
        pthread_cond_signal(&pool->changed);
}

static bool is_held_up(const WorkPool *pool) { return STAILQ_FIRST(&pool->queue) && !may_run(pool); }

static void call_watchman(WorkPool *pool)
{
    if (pool->watchman_rests && is_held_up(pool))
        pthread_cond_signal(&pool->stuck);
}

static void worker_waits(void *ctx)
{
    WorkPool *pool = ctx;
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    let_run(pool);
    pthread_mutex_unlock(&pool->lock);
}

static void worker_goes_on(void *ctx)
{
    WorkPool *pool = ctx;
    pthread_mutex_lock(&pool->lock);
    pool->running++;                            /* at once, so for a moment there may be more than should be */
    call_watchman(pool);
    pthread_mutex_unlock(&pool->lock);
}

static void *work_main(void *arg)
{
    Slot *slot = arg;
    WorkPool *pool = slot->pool;
    const WaitWatch watch = { worker_waits, worker_goes_on, pool };
    pthread_setname_np(pthread_self(), "http-worker");
    wait_watch(&watch);
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        Request *request = has_work(pool) ? STAILQ_FIRST(&pool->queue) : NULL;
        if (!request) {
            if (!wait_for_work(pool))
                break;
            continue;
        }
        STAILQ_REMOVE_HEAD(&pool->queue, work_link);
        pool->queued--;
        pool->taken++;
        pool->running++;
        call_watchman(pool);
        pthread_mutex_unlock(&pool->lock);
        pool->calls.run(request);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
        if (pool->queued == 0)
            pool->extra = 0;
    }
    pool->alive--;
    slot->state = SLOT_ENDED;                   /* joined by who takes the slot, or at the end */
    pthread_mutex_unlock(&pool->lock);
    wait_watch(NULL);
    return NULL;
}

/* One more may run each time that nothing moved for STUCK_MS. */
static void *watchman_main(void *arg)
{
    WorkPool *pool = arg;
    pthread_setname_np(pthread_self(), "http-watchman");
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_stopping) {
        if (!is_held_up(pool)) {
            pool->watchman_rests = true;
            pthread_cond_wait(&pool->stuck, &pool->lock);
            pool->watchman_rests = false;
            continue;
        }
        uint64_t taken = pool->taken;
        struct timespec until = mono_in(STUCK_MS);
        while (!pool->is_stopping && pthread_cond_timedwait(&pool->stuck, &pool->lock, &until) == 0)
            continue;
        if (pool->taken == taken && is_held_up(pool) && pool->running < pool->slot_count) {
            pool->extra = pool->running + 1 - pool->staying;
            let_run(pool);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* One more thread, if there is room; 0 or an errno. The lock is held. */
static int start_one(WorkPool *pool)
{
    if (pool->alive == pool->slot_count)
        return EAGAIN;
    Slot *slot = pool->slots;
    while (slot->state == SLOT_RUNS)
        slot++;
    if (slot->state == SLOT_ENDED)
        (void)pthread_join(slot->thread, NULL);             /* it has let the lock go, or is about to end without it */
    slot->state = SLOT_FREE;
    slot->pool = pool;
    int code = pthread_create(&slot->thread, NULL, work_main, slot);
    if (code == 0) {
        slot->state = SLOT_RUNS;
        pool->alive++;
    }
    return code;
}

bool work_pool_new(int threads, WorkCalls calls, WorkPool **out, Err *err)
{
    WorkPool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return err_errno(err, "worker pool");
    pool->calls = calls;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &monotonic);
    pthread_cond_init(&pool->stuck, &monotonic);
    pthread_condattr_destroy(&monotonic);
    STAILQ_INIT(&pool->queue);
    pool->staying = (size_t)threads;
    pool->slots = calloc(pool->staying * MORE, sizeof *pool->slots);
    pool->slot_count = pool->slots ? pool->staying * MORE : 0;
    pthread_mutex_lock(&pool->lock);
    errno = pool->slots ? 0 : ENOMEM;
    while (errno == 0 && pool->alive < pool->staying)
        errno = start_one(pool);
    if (errno == 0)
        errno = pthread_create(&pool->watchman, NULL, watchman_main, pool);
    bool good = pool->has_watchman = errno == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!good) {
        (void)err_errno(err, "cannot start %d worker threads", threads);
        work_pool_free(pool);
        return false;
    }
    *out = pool;
    return true;
}

bool work_push(WorkPool *pool, Request *request, bool is_new)
{
    pthread_mutex_lock(&pool->lock);
    bool is_taken = !pool->is_stopping && (!is_new || pool->queued < WORK_QUEUE_MAX);
    if (is_taken) {
        STAILQ_INSERT_TAIL(&pool->queue, request, work_link);
        pool->queued++;
        let_run(pool);
        call_watchman(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return is_taken;
}

void work_pool_stop(WorkPool *pool)
{
    if (!pool)
        return;
    STAILQ_HEAD(, Request) left = STAILQ_HEAD_INITIALIZER(left);
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    STAILQ_CONCAT(&left, &pool->queue);
    pool->queued = 0;
    pthread_cond_broadcast(&pool->changed);
    pthread_cond_signal(&pool->stuck);
    bool has_watchman = pool->has_watchman;
    pool->has_watchman = false;
    pthread_mutex_unlock(&pool->lock);
    if (has_watchman)
        pthread_join(pool->watchman, NULL);
    for (Request *request = STAILQ_FIRST(&left), *after; request; request = after) {
        after = STAILQ_NEXT(request, work_link);        /* once refused, the request may be gone */
        pool->calls.refuse(request);
    }
    for (Slot *slot = pool->slots; slot < pool->slots + pool->slot_count; slot++) {
        pthread_mutex_lock(&pool->lock);
        bool used = slot->state != SLOT_FREE;   /* nobody starts any more */
        pthread_mutex_unlock(&pool->lock);
        if (used)
            pthread_join(slot->thread, NULL);
        slot->state = SLOT_FREE;
    }
}

void work_pool_free(WorkPool *pool)
{
    if (!pool)
        return;
    work_pool_stop(pool);
    pthread_cond_destroy(&pool->changed);
    pthread_cond_destroy(&pool->stuck);
    pthread_mutex_destroy(&pool->lock);
    free(pool->slots);
    free(pool);
}
