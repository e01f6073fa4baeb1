/* checkpoint.h - copies the write-ahead log into the database file, off the commit path, and bounds the log.
 *
 * A thread of its own copies (PASSIVE: it waits for nobody) whenever another 4 MiB were written. That never empties the log
 * under steady writing, since SQLite starts it again only when all of it was copied and nobody reads from it; so at 32 MiB
 * the writer pauses between two commits, copies the little that is left and starts the log again. A reader that stays in
 * one snapshot delays that: the log then grows, and it is tried again every 4 MiB. */
#pragma once
#include "store/db.h"

typedef struct Checkpointer Checkpointer;

bool checkpointer_start(const char *path, Checkpointer **out, Err *err) MUST_CHECK;
void checkpointer_stop(Checkpointer *checkpointer);                            /* NULL is fine */
void checkpointer_note(void *checkpointer, int wal_pages);                     /* after each commit (db_on_commit) */
void checkpointer_bound(Checkpointer *checkpointer, Db *writer);               /* by the writer, outside a transaction */
/* By the writer, outside a transaction: copies all of the log and cuts it to nothing. *emptied: no reader was in the way. */
bool checkpointer_empty(Checkpointer *checkpointer, Db *writer, bool *emptied, Err *err) MUST_CHECK;
