/* schema_runner.c - the queue of background work (runner/runner.h). */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_runner_1[] = {
    "CREATE TABLE runner_work ("
    "  kind            TEXT    NOT NULL,"
    "  key             TEXT    NOT NULL,"
    "  version         INTEGER NOT NULL,"              /* random, new with each schedule: tells a run that it was scheduled anew meanwhile */
    "  clock           INTEGER NOT NULL,"              /* RunnerTime of due_ms */
    "  due_ms          INTEGER NOT NULL,"
    "  failures        INTEGER NOT NULL,"              /* in a row, since it was scheduled or last succeeded */
    "  retry_ms        INTEGER NOT NULL,"              /* real time, not before; 0: no failure */
    "  failed_ms       INTEGER NOT NULL,"              /* real time of the last failure; 0: none */
    "  last_error      TEXT,"
    "  lease_owner     TEXT,"                          /* the runner that has it */
    "  lease_until_ms  INTEGER NOT NULL,"              /* real time; 0: nobody has it */
    "  PRIMARY KEY (kind, key)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX runner_work_due ON runner_work (kind, due_ms)",
    "CREATE INDEX runner_work_lease ON runner_work (kind) WHERE lease_until_ms <> 0",
    "CREATE INDEX runner_work_failing ON runner_work (failed_ms) WHERE failures <> 0",
    NULL
};
