/* db.h - one SQLite connection and its prepared statements. Private to store/: everything else speaks store.h.
 *
 * A connection is used by one thread at a time (SQLITE_OPEN_NOMUTEX). */
#pragma once
#include "store/store.h"

typedef struct Db Db;
typedef enum DbMode { DB_WRITER = 1, DB_READER, DB_CHECKPOINTER } DbMode;

/* The writer creates the file (0600); the others expect it. ERR_BAD_INPUT: not a database. */
bool db_open(const char *path, DbMode mode, Db **out, Err *err) MUST_CHECK;
void db_close(Db *db);                                                        /* NULL is fine */
bool db_use_wal(Db *db, Err *err) MUST_CHECK;                                 /* stays with the file; ERR_UNAVAILABLE: its file system cannot */

bool db_exec(Db *db, const char *sql, const DbVal *vals, size_t count, int64_t *changed, Err *err) MUST_CHECK;
bool db_query(Db *db, const char *sql, const DbVal *vals, size_t count, Rows **rows, Err *err) MUST_CHECK;
static inline bool db_run(Db *db, const char *sql, Err *err) { return db_exec(db, sql, NULL, 0, NULL, err); }
bool db_run_once(Db *db, const char *sql, Err *err) MUST_CHECK;               /* any text, not kept among the prepared statements */
bool db_set_pragma(Db *db, const char *name, int64_t value, Err *err) MUST_CHECK;
bool db_query_int(Db *db, const char *sql, int64_t *out, Err *err) MUST_CHECK;   /* the first column of the first row */

bool db_in_transaction(const Db *db);     /* false after an error that made SQLite roll all of it back */
int  db_open_rows(const Db *db);          /* Rows not yet freed */
int64_t db_changes(const Db *db);         /* grows with each statement that may have changed something */

/* Calls fn with the length of the write-ahead log, in pages, after each commit of this connection. */
void db_on_commit(Db *db, void (*fn)(void *ctx, int wal_pages), void *ctx);

typedef enum DbCheckpoint { DB_CHECKPOINT_PASSIVE = 1, DB_CHECKPOINT_RESTART, DB_CHECKPOINT_TRUNCATE } DbCheckpoint;
/* true: *wal_pages are in the log, *copied of them are in the database file. The two that wait do so for readers, at most
 * wait_ms; a reader that stays longer is no error. */
bool db_checkpoint(Db *db, DbCheckpoint how, int wait_ms, int *wal_pages, int *copied, Err *err) MUST_CHECK;
