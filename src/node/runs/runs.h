/* runs.h - the runs of this node as its agent sees them: begun, ended, dropped, reported until acknowledged.
 *
 * All that counts is in the journal (journal.h); an agent that starts takes up what the one before left. Safe from any thread. */
#pragma once
#include "node/control.h"
#include "node/runs/journal.h"

typedef struct Runs Runs;

/* program: started as "<program> keep <runId> <below>" with the descriptors of keep.h. All is borrowed. */
typedef struct RunsConfig { const NodePlaces *places; const NodeCard *card; const char *program; } RunsConfig;

bool runs_start(const RunsConfig *config, Runs **out, Err *err) MUST_CHECK;
void runs_stop(Runs *runs);                                         /* runs and their keepers go on; NULL is fine */

void runs_describe(Runs *runs, const RunNode *node);                /* for runs begun from now on; copied */
void runs_lease(Runs *runs, int64_t until_boot_ms);                 /* a lease was given; 0: it was taken away, all runs end at once */

/* The commands. What is wrong with a run is reported as its failure; what has no usable runId is logged. */
void runs_begin(Runs *runs, const JsonVal *run);
void runs_end(Runs *runs, Str run_id, Str code, Str message);
void runs_drop(Runs *runs, Str run_id);

/* The lease: `write` says what there is, `answer` gives what the control plane then said of it (NULL: it said nothing). */
void runs_write(Runs *runs, JsonWriter *w, const char *name);
void runs_answer(Runs *runs, const JsonVal *list);
