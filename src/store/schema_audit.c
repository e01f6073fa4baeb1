/* schema_audit.c - audit records of writes, the anchored heads of both streams (audit/audit.h), and where they begin (audit/base_point.h). */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_audit_1[] = {
    "CREATE TABLE audit_record ("
    "  number   INTEGER NOT NULL PRIMARY KEY,"         /* from 1, without a gap */
    "  time_ms  INTEGER NOT NULL,"
    "  record   TEXT    NOT NULL,"                     /* JSON, exactly the bytes under the MAC */
    "  mac      BLOB    NOT NULL"
    ") STRICT",

    "CREATE TABLE audit_head ("
    "  stream  TEXT    NOT NULL PRIMARY KEY,"          /* "writes" or "reads" */
    "  number  INTEGER NOT NULL,"                      /* of the last record; 0: none yet */
    "  mac     BLOB    NOT NULL,"                      /* of that record */
    "  anchor  BLOB    NOT NULL"                       /* MAC over the three above, so a head cannot be moved back to a record */
    ") STRICT, WITHOUT ROWID",
    NULL
};

const char *const schema_audit_12[] = {
    "CREATE TABLE audit_base ("                          /* where the chains begin since they were trimmed; no row: with record 1 */
    "  stream    TEXT    NOT NULL PRIMARY KEY,"          /* "writes" or "reads" */
    "  number    INTEGER NOT NULL,"                      /* of the last record removed; 0: none */
    "  mac       BLOB    NOT NULL,"                      /* of that record */
    "  until_ms  INTEGER NOT NULL,"                      /* the latest time in what was removed */
    "  cut_ms    INTEGER NOT NULL,"
    "  count     INTEGER NOT NULL,"                      /* removed by this cut */
    "  noted     INTEGER NOT NULL,"                      /* number of the write that tells of the cut */
    "  seal      BLOB    NOT NULL"                       /* MAC over all of these */
    ") STRICT, WITHOUT ROWID",
    NULL
};
