/* runs_own.h - inside runs.c and report.c only. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "node/lease_mark.h"
#include "node/runs/run_table.h"
#include "node/runs/runs.h"

enum { FORGOTTEN_MAX = 512 };

struct Runs {
    RunsConfig config;
    pthread_mutex_t lock;               /* guards all but the watcher's own */
    pthread_cond_t changed;
    pthread_t watcher, remover;
    bool has_watcher, has_remover;
    _Atomic bool stopping;
    int epoll, wake;
    RunTable table;
    char forgotten[FORGOTTEN_MAX][RUN_ID_DIGITS + 1];   /* ring: a command that comes late must not begin them again */
    size_t forgotten_count;
    LeaseMark *lease;
    Arena *node_arena;
    RunNode node;
    int64_t pause_ms, pause_until_ms;   /* of all reports, while the control plane does not answer */
    Control *control;                   /* the watcher's own */
};

/* Posts what is due, one after the other, without the lock; milliseconds until the next is, -1: none. On the watcher's thread. */
int64_t runs_report_due(Runs *runs);
/* Ends and removes it; the lock is held. */
void runs_forget(Runs *runs, Run *run);
