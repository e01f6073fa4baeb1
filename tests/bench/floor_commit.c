/* floor_commit FILE ROWS_A_COMMIT ROW_BYTES SECONDS: how many rows a second SQLite makes durable on this disk when that many share one
 * commit (WAL, synchronous=FULL, as the store does). Prints the number. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"

static void must(sqlite3 *db, int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE)
        return;
    fprintf(stderr, "floor_commit: %s\n", sqlite3_errmsg(db));
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: floor_commit FILE ROWS_A_COMMIT ROW_BYTES SECONDS\n");
        return 2;
    }
    long rows = strtol(argv[2], NULL, 10), row_bytes = strtol(argv[3], NULL, 10), seconds = strtol(argv[4], NULL, 10);
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    must(db, sqlite3_open(argv[1], &db));
    must(db, sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)", NULL, NULL, NULL));
    must(db, sqlite3_prepare_v2(db, "INSERT INTO t (body) VALUES (randomblob(?))", -1, &insert, NULL));
    int64_t begun = mono_now_ms(), done = 0, now;
    do {
        must(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        for (long i = 0; i < rows; i++, done++) {
            must(db, sqlite3_bind_int64(insert, 1, row_bytes));
            must(db, sqlite3_step(insert));
            must(db, sqlite3_reset(insert));
        }
        must(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
        now = mono_now_ms();
    } while (now - begun < seconds * 1000);
    printf("%.0f\n", (double)done * 1000 / (double)(now - begun));
    (void)sqlite3_finalize(insert);
    (void)sqlite3_close(db);
    return 0;
}
