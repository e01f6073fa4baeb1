/* schema_diagnostics.c - where the audit logs of vaults go (keyvault/vaults/diagnostics.h). */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_diagnostics_7[] = {
    "CREATE TABLE kv_diagnostic ("
    "  vault     TEXT NOT NULL REFERENCES kv_vault (id),"
    "  name_key  TEXT NOT NULL,"
    "  name      TEXT NOT NULL,"
    "  storage   TEXT NOT NULL,"                         /* ARM id of a storage account */
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT, WITHOUT ROWID",
    "CREATE TABLE kv_diagnostic_place ("
    "  id      INTEGER NOT NULL PRIMARY KEY,"            /* 1 */
    "  writes  INTEGER NOT NULL,"                        /* numbers of the last audit records that were carried on */
    "  reads   INTEGER NOT NULL"
    ") STRICT",
    NULL
};
