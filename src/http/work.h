/* work.h - threads for handlers that may block. */
#pragma once
#include "http/state.h"

enum { WORK_QUEUE_MAX = 4096 };         /* new requests that may wait for a thread; woken parks always may */

/* run is called on a worker with each request; refuse instead of it for those still queued when the pool stops. */
typedef struct WorkCalls { void (*run)(Request *request); void (*refuse)(Request *request); } WorkCalls;

bool work_pool_new(int threads, WorkCalls calls, WorkPool **out, Err *err) MUST_CHECK;     /* starts them; they stay, others come and go */
bool work_push(WorkPool *pool, Request *request, bool is_new);      /* false: stopped, or too many wait; the request is the caller's still */
void work_pool_stop(WorkPool *pool);                                /* refuses what is queued at once, then waits for what runs; NULL is fine */
void work_pool_free(WorkPool *pool);                                /* stops first */
