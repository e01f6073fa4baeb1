/* schema_store.c - the store's own tables: facts about the database, and the keys of sealed columns (seal.h). */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_store_1[] = {
    "CREATE TABLE meta ("
    "  name   TEXT NOT NULL PRIMARY KEY,"
    "  value  BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID",

    /* A scope has one key a generation; the newest seals, all open. `wrapped_by` says what opens `wrapped`: "root", or
     * "handed:<id>", a key that is in memory alone. `uses` is how many seals were reserved, see seal.h. */
    "CREATE TABLE scope_key ("
    "  id          INTEGER NOT NULL PRIMARY KEY,"      /* random; each sealed value carries it */
    "  scope       TEXT    NOT NULL,"
    "  generation  INTEGER NOT NULL,"                  /* from 1 */
    "  wrapped_by  TEXT    NOT NULL,"
    "  wrapped     BLOB    NOT NULL,"
    "  uses        INTEGER NOT NULL,"
    "  UNIQUE (scope, generation)"
    ") STRICT",
    NULL
};
