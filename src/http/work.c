/* work.c - the worker pool: one queue, some threads that stay and more while those are all at work.
 *
 * A worker that waits for its write to be durable does nothing, and only writes that wait together share a commit: so a pool of few
 * threads would be a limit on how many do. Threads beyond the first end when they had nothing to do for a while. */
#include "http/work.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { MORE = 16, REST_S = 5 };                 /* at most so many times the threads that stay */

typedef enum SlotState { SLOT_FREE = 0, SLOT_RUNS, SLOT_ENDED } SlotState;
typedef struct Slot { WorkPool *pool; pthread_t thread; SlotState state; } Slot;

struct WorkPool {
    WorkCalls calls;
    pthread_mutex_t lock;                       /* over all below */
    pthread_cond_t  changed;
    STAILQ_HEAD(, Request) queue;
    size_t queued, idle, alive, staying, slot_count;
    bool   is_stopping;
    Slot  *slots;
};

/* Until there is something in the queue. false: this thread should end. */
static bool wait_for_work(WorkPool *pool)
{
    bool stays = pool->alive <= pool->staying;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += REST_S;
    pool->idle++;
    int code = 0;
    while (!STAILQ_FIRST(&pool->queue) && !pool->is_stopping && code == 0)
        code = stays ? pthread_cond_wait(&pool->changed, &pool->lock) : pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    pool->idle--;
    return STAILQ_FIRST(&pool->queue) || (!pool->is_stopping && pool->alive <= pool->staying);
}

static void *work_main(void *arg)
{
    Slot *slot = arg;
    WorkPool *pool = slot->pool;
    pthread_setname_np(pthread_self(), "http-worker");
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        Request *request = STAILQ_FIRST(&pool->queue);
        if (!request) {
            if (!wait_for_work(pool))
                break;
            continue;
        }
        STAILQ_REMOVE_HEAD(&pool->queue, work_link);
        pool->queued--;
        pthread_mutex_unlock(&pool->lock);
        pool->calls.run(request);
        pthread_mutex_lock(&pool->lock);
    }
    pool->alive--;
    slot->state = SLOT_ENDED;                   /* joined by who takes the slot, or at the end */
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
    pthread_condattr_destroy(&monotonic);
    STAILQ_INIT(&pool->queue);
    pool->staying = (size_t)threads;
    pool->slots = calloc(pool->staying * MORE, sizeof *pool->slots);
    pool->slot_count = pool->slots ? pool->staying * MORE : 0;
    pthread_mutex_lock(&pool->lock);
    errno = pool->slots ? 0 : ENOMEM;
    while (errno == 0 && pool->alive < pool->staying)
        errno = start_one(pool);
    bool good = pool->alive == pool->staying;
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
        pthread_cond_signal(&pool->changed);
        if (pool->queued > pool->idle)
            (void)start_one(pool);              /* if there can be no more, it waits for one of those there are */
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
    pthread_mutex_unlock(&pool->lock);
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
    pthread_mutex_destroy(&pool->lock);
    free(pool->slots);
    free(pool);
}
