/* schema_audit.c - audit records of writes, and the anchored heads of both streams (audit/audit.h). */
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
