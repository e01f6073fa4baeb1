/* work.c - the worker pool: one queue, a fixed number of threads. */
#include "http/work.h"
#include <errno.h>
#include <stdlib.h>

struct WorkPool {
    WorkCalls calls;
    pthread_mutex_t lock;                       /* over all below */
    pthread_cond_t  changed;
    STAILQ_HEAD(, Request) queue;
    size_t queued;
    bool   is_stopping;
    int        thread_count;
    pthread_t *threads;
};

static void *work_main(void *arg)
{
    WorkPool *pool = arg;
    pthread_setname_np(pthread_self(), "http-worker");
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        Request *request = STAILQ_FIRST(&pool->queue);
        if (!request && pool->is_stopping)
            break;
        if (!request) {
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        STAILQ_REMOVE_HEAD(&pool->queue, work_link);
        pool->queued--;
        pthread_mutex_unlock(&pool->lock);
        pool->calls.run(request);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

bool work_pool_new(int threads, WorkCalls calls, WorkPool **out, Err *err)
{
    WorkPool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return err_errno(err, "worker pool");
    pool->calls = calls;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    STAILQ_INIT(&pool->queue);
    pool->threads = calloc((size_t)threads, sizeof *pool->threads);
    for (; pool->threads && pool->thread_count < threads; pool->thread_count++) {
        int code = pthread_create(&pool->threads[pool->thread_count], NULL, work_main, pool);
        if (code != 0) {
            errno = code;
            break;
        }
    }
    if (pool->thread_count < threads) {
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
    for (; pool->thread_count > 0; pool->thread_count--)
        pthread_join(pool->threads[pool->thread_count - 1], NULL);
}

void work_pool_free(WorkPool *pool)
{
    if (!pool)
        return;
    work_pool_stop(pool);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}
