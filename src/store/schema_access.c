/* schema_access.c - tables of access. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_access_1[] = {
    "CREATE TABLE access_assignment ("
    "  name          TEXT    NOT NULL PRIMARY KEY,"    /* GUID, lower case: one in the whole tenant, as in the service */
    "  scope         TEXT    NOT NULL,"                /* lower case: ARM ids compare without case */
    "  scope_shown   TEXT    NOT NULL,"                /* as it was written */
    "  principal_id  TEXT    NOT NULL,"
    "  role_id       TEXT    NOT NULL,"
    "  created_ms    INTEGER NOT NULL,"
    "  updated_ms    INTEGER NOT NULL,"
    "  created_by    TEXT    NOT NULL,"                /* object ids; empty: made by the site itself */
    "  updated_by    TEXT    NOT NULL,"
    "  description   BLOB,"                            /* sealed under the tenant */
    "  UNIQUE (scope, principal_id, role_id)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX access_assignment_principal ON access_assignment (principal_id)",
    NULL
};
