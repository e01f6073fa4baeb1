/* runner_fixture.h - a runner over a store of its own, with real time in the test's hand. */
#pragma once
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include "../store/store_fixture.h"
#include "runner/runner.h"

enum { START_MS = 1000000000, RUNS_MAX = 64 };
typedef struct Site {
    Place place;
    Clock *clock;
    Runner *runner;
    _Atomic int64_t real_ms;

    pthread_mutex_t mutex;
    struct { char name[32]; int64_t attempt, now_ms; } runs[RUNS_MAX];
    int run_count;
    sem_t ran;                        /* once a run has begun */

    _Atomic int failures_left;        /* of handler `flaky` */
    int64_t again_ms;                 /* for handler `again`: set once */
    sem_t hold;                       /* handler `held` waits here */
    _Atomic int together, most_together;
} Site;

typedef struct Order { Runner *runner; const char *kind, *key; int64_t due_ms; bool fails; } Order;

int64_t site_now(void *ctx);
void wait_for(sem_t *sem);
void site_runner(Site *site);
void site_open(Site *site);
void site_make(Site *site);
void site_done(Site *site);
void move_time(Site *site, int64_t by_ms);
void schedule(Site *site, const char *kind, const char *key, int64_t due_ms);
void cancel(Site *site, const char *kind, const char *key);
/* The entry once no run holds it; its text lives until the next call. NULL: not queued. */
const RunnerEntry *settled(Site *site, const char *kind, const char *key);
void gone(Site *site, const char *kind, const char *key);
/* Proof that nothing else was ready: something due now, scheduled last, is the next to run. */
void only_probe_runs(Site *site);
bool held(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err);      /* a handler: see hold */
bool do_schedule(Txn *txn, void *ctx, Err *err);
