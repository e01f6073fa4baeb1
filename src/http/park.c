/* park.c - the table of parked requests and its timer. */
#include "http/park.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { BUCKETS = 1024 };

typedef LIST_HEAD(RequestList, Request) RequestList;

struct ParkTable {
    void (*resume)(Request *request);
    pthread_mutex_t lock;                       /* over all below and the park fields of requests */
    pthread_cond_t  earlier;                    /* next_due_ms moved forward, or the end came */
    RequestList buckets[BUCKETS];               /* registered and waiting, by key */
    RequestList waiting;
    int64_t waiting_count;
    int64_t next_due_ms;
    bool is_ending, is_stopped;
    pthread_t timer;
};

/* FNV-1a; keys are our own, so no one can choose colliding ones. */
static RequestList *bucket_of(ParkTable *table, Str key)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 16777619u;
    return &table->buckets[hash % BUCKETS];
}

static void take_out(ParkTable *table, Request *request)
{
    if (request->park_phase == PARK_NONE)
        return;
    LIST_REMOVE(request, park_key_link);
    if (request->park_phase == PARK_WAITING) {
        LIST_REMOVE(request, park_wait_link);
        table->waiting_count--;
    }
    request->park_phase = PARK_NONE;
}

/* Waiting requests for which `is_due` holds, moved to `out`; park_wait_link is free for that once they left the table. */
static void collect_due(ParkTable *table, int64_t now_ms, RequestList *out)
{
    int64_t next = INT64_MAX;
    for (Request *request = LIST_FIRST(&table->waiting), *after; request; request = after) {
        after = LIST_NEXT(request, park_wait_link);
        if (!table->is_ending && request->park_until_ms > now_ms) {
            if (request->park_until_ms < next)
                next = request->park_until_ms;
            continue;
        }
        take_out(table, request);
        request->req.park_ended = true;
        LIST_INSERT_HEAD(out, request, park_wait_link);
    }
    table->next_due_ms = next;
}

static void resume_all(ParkTable *table, RequestList *list)
{
    for (Request *request = LIST_FIRST(list), *after; request; request = after) {
        after = LIST_NEXT(request, park_wait_link);
        table->resume(request);
    }
}

static void *timer_main(void *arg)
{
    ParkTable *table = arg;
    pthread_setname_np(pthread_self(), "http-park");
    pthread_mutex_lock(&table->lock);
    while (!table->is_stopped) {
        if (table->next_due_ms == INT64_MAX) {
            pthread_cond_wait(&table->earlier, &table->lock);
            continue;
        }
        if (table->next_due_ms > mono_now_ms()) {
            struct timespec at = { .tv_sec = table->next_due_ms / 1000, .tv_nsec = table->next_due_ms % 1000 * 1000000 };
            pthread_cond_timedwait(&table->earlier, &table->lock, &at);
            continue;
        }
        RequestList due = LIST_HEAD_INITIALIZER(due);
        collect_due(table, mono_now_ms(), &due);
        pthread_mutex_unlock(&table->lock);
        resume_all(table, &due);
        pthread_mutex_lock(&table->lock);
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

bool park_table_new(void (*resume)(Request *request), ParkTable **out, Err *err)
{
    ParkTable *table = calloc(1, sizeof *table);
    if (!table)
        return err_errno(err, "park table");
    table->resume = resume;
    table->next_due_ms = INT64_MAX;
    pthread_mutex_init(&table->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&table->earlier, &attr);
    pthread_condattr_destroy(&attr);
    int code = pthread_create(&table->timer, NULL, timer_main, table);
    if (code != 0) {
        pthread_cond_destroy(&table->earlier);
        pthread_mutex_destroy(&table->lock);
        free(table);
        errno = code;
        return err_errno(err, "cannot start the timer thread");
    }
    *out = table;
    return true;
}

void park_table_free(ParkTable *table)
{
    if (!table)
        return;
    pthread_mutex_lock(&table->lock);
    table->is_stopped = true;
    pthread_cond_signal(&table->earlier);
    pthread_mutex_unlock(&table->lock);
    pthread_join(table->timer, NULL);
    pthread_cond_destroy(&table->earlier);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

void park_register(ParkTable *table, Request *request, Str key, int64_t until_ms)
{
    pthread_mutex_lock(&table->lock);
    take_out(table, request);
    request->park_key = key;
    request->park_until_ms = until_ms;
    request->is_woken = false;
    request->park_phase = PARK_REGISTERED;
    LIST_INSERT_HEAD(bucket_of(table, key), request, park_key_link);
    pthread_mutex_unlock(&table->lock);
}

void park_leave(ParkTable *table, Request *request)
{
    pthread_mutex_lock(&table->lock);
    take_out(table, request);
    pthread_mutex_unlock(&table->lock);
}

bool park_settle(ParkTable *table, Request *request)
{
    pthread_mutex_lock(&table->lock);
    bool is_over = table->is_ending || request->park_until_ms <= mono_now_ms();
    bool is_parked = !is_over && !request->is_woken;
    if (is_parked) {
        request->park_phase = PARK_WAITING;
        LIST_INSERT_HEAD(&table->waiting, request, park_wait_link);
        table->waiting_count++;
        if (request->park_until_ms < table->next_due_ms) {
            table->next_due_ms = request->park_until_ms;
            pthread_cond_signal(&table->earlier);
        }
    } else {
        take_out(table, request);
        request->req.park_ended = is_over;
    }
    pthread_mutex_unlock(&table->lock);
    return is_parked;
}

void park_wake(ParkTable *table, Str key)
{
    RequestList woken = LIST_HEAD_INITIALIZER(woken);
    pthread_mutex_lock(&table->lock);
    for (Request *request = LIST_FIRST(bucket_of(table, key)), *after; request; request = after) {
        after = LIST_NEXT(request, park_key_link);
        if (!str_eq(request->park_key, key))
            continue;
        request->is_woken = true;
        if (request->park_phase != PARK_WAITING)
            continue;
        take_out(table, request);
        LIST_INSERT_HEAD(&woken, request, park_wait_link);
    }
    pthread_mutex_unlock(&table->lock);
    resume_all(table, &woken);
}

void park_end_all(ParkTable *table)
{
    RequestList ended = LIST_HEAD_INITIALIZER(ended);
    pthread_mutex_lock(&table->lock);
    table->is_ending = true;
    collect_due(table, mono_now_ms(), &ended);
    pthread_mutex_unlock(&table->lock);
    resume_all(table, &ended);
}

int64_t park_count(ParkTable *table)
{
    pthread_mutex_lock(&table->lock);
    int64_t count = table->waiting_count;
    pthread_mutex_unlock(&table->lock);
    return count;
}
