/* journal.h - what a node knows of its runs, on disk: a directory each, readable by root alone.
 *
 *   run.json    what to do; with it the run is known, without it the directory is rubbish        written by the agent
 *   lock        locked (flock) as long as a keeper lives; the agent locks it and hands it on     made by the agent
 *   poke        FIFO: a byte makes the keeper look at stop.json                                  "
 *   alive       FIFO: a byte tells that something changed, its end that the keeper ended         "
 *   stop.json   the run shall end, and why                                                       written by the agent
 *   launched    from here on the process may have been started, so never again                  written by the keeper
 *   end.json    how it ended: the report, ready to be posted                                     by the keeper, or by the agent when that is dead
 *   told        the control plane knows the end                                                  written by the agent
 *   drop        forget the run once it has ended                                                 "
 *
 * Each file appears whole and on disk (file_replace), so whoever is killed leaves one of these states and the next one goes on from it:
 * run.json alone: start a keeper; launched without end.json and without a keeper: the run is lost. */
#pragma once
#include "node/runs/runenv.h"

typedef struct RunEntry {
    RunSpec spec;
    RunNode node;
    int slot;                           /* users.h */
    int64_t accepted_ms;                /* real time: the run's start */
} RunEntry;

/* Why a run shall end. */
typedef struct RunStop { Str code, message; bool at_once; } RunStop;      /* at_once: no SIGTERM first */

typedef enum JournalFile { JOURNAL_RUN = 0, JOURNAL_LOCK, JOURNAL_POKE, JOURNAL_ALIVE, JOURNAL_STOP, JOURNAL_LAUNCHED, JOURNAL_END, JOURNAL_TOLD, JOURNAL_DROP } JournalFile;

char *journal_path(const NodePlaces *places, Arena *arena, Str run_id, JournalFile file);     /* NULL: the arena is full */
bool journal_has(const NodePlaces *places, Str run_id, JournalFile file);

/* Makes the run known. `run` is the command's object, not judged here. ERR_CONFLICT: it is known already. */
bool journal_add(const NodePlaces *places, Str run_id, const JsonVal *run, const RunNode *node, int slot, int64_t now_ms, Err *err) MUST_CHECK;
/* ERR_BAD_INPUT: what the command brought is wrong; then all but the spec is set all the same. ERR_INTERNAL: the file is no entry. */
bool journal_read(const NodePlaces *places, Arena *arena, Str run_id, RunEntry *out, Err *err) MUST_CHECK;
bool journal_put(const NodePlaces *places, Str run_id, JournalFile file, Str content, Err *err) MUST_CHECK;
bool journal_get(const NodePlaces *places, Arena *arena, Str run_id, JournalFile file, Str *content, Err *err) MUST_CHECK;    /* ERR_NOT_FOUND */
bool journal_put_stop(const NodePlaces *places, Str run_id, const RunStop *stop, Err *err) MUST_CHECK;
bool journal_get_stop(const NodePlaces *places, Arena *arena, Str run_id, RunStop *out, Err *err) MUST_CHECK;                 /* ERR_NOT_FOUND */
bool journal_forget(const NodePlaces *places, Str run_id, Err *err) MUST_CHECK;
/* Calls `each` for every known run; removes rubbish. */
bool journal_walk(const NodePlaces *places, bool (*each)(void *ctx, Str run_id, Err *err), void *ctx, Err *err) MUST_CHECK;
