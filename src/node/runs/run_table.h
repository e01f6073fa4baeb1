/* run_table.h - the runs that an agent knows, in memory; what outlives the agent is in the journal. The caller's lock guards it. */
#pragma once
#include "node/runs/runspec.h"

typedef enum RunPhase {
    RUN_GOING = 1,                      /* has a keeper, or should */
    RUN_ENDED,
    RUN_LEAVING,                        /* its directory is being removed */
} RunPhase;
typedef enum RunTold { TOLD_NOTHING = 0, TOLD_RUNNING, TOLD_END } RunTold;

typedef struct Run {
    uint64_t serial;                    /* in this agent's life */
    char id[RUN_ID_DIGITS + 1];
    char *directory;                    /* "" when the command could not be read */
    char *unrecorded;                   /* the report of one that the journal does not have; NULL otherwise */
    int slot;
    int64_t accepted_ms;
    RunPhase phase;
    RunTold told;
    bool is_lost, is_dropped, was_named;
    int watch;                          /* of its keeper; -1: none */
    int starts;                         /* of keepers */
    int64_t check_at_ms, report_at_ms, pause_ms;        /* monotonic; check_at 0: no check is due */
} Run;

typedef struct RunTable { Run **items; size_t count, cap; uint64_t serials; } RunTable;

Run *run_table_add(RunTable *table, Str id, Str directory);         /* NULL: out of memory */
Run *run_table_find(const RunTable *table, Str id);
Run *run_table_by_serial(const RunTable *table, uint64_t serial);
void run_table_remove(RunTable *table, Run *run);                   /* frees it */
void run_table_done(RunTable *table);

bool run_table_directory_used(const RunTable *table, const Run *but);      /* by another run than this one */
/* The slot of a new run: that of an ended run in the same directory, whose files it may go on with; else one that nobody has; else, when the
 * directories kept have used all up, one that no going run has. The start task's is 0. -1: none. */
int  run_table_slot(const RunTable *table, Str directory, bool is_start_task);
