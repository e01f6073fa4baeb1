/* floor_commit FILE WRITERS ROW_BYTES SECONDS [one]: how many rows a second SQLite makes durable on this disk (WAL, synchronous=FULL, as the
 * store does) for that many threads, each of which hands in a row, waits until it is durable and hands in the next; one thread writes
 * whatever waits and commits once. Nothing else is done: statements are prepared once, rows are not made, SQLite counts and locks nothing for
 * itself. With "one" there are no writers: that many rows a commit, and nobody waits. Prints the number, and the
 * processor microseconds of one row. */
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"

typedef struct Row { struct Row *next; sem_t durable; } Row;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queued = PTHREAD_COND_INITIALIZER;
static Row *first;

static void must(sqlite3 *db, int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE)
        return;
    fprintf(stderr, "floor_commit: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void *writer_main(void *arg)
{
    (void)arg;
    Row row;
    if (sem_init(&row.durable, 0, 0) != 0)
        abort();
    for (;;) {
        pthread_mutex_lock(&lock);
        row.next = first;
        first = &row;
        pthread_cond_signal(&queued);
        pthread_mutex_unlock(&lock);
        while (sem_wait(&row.durable) != 0)
            continue;
    }
    return NULL;
}

static Row *take_rows(void)
{
    pthread_mutex_lock(&lock);
    while (!first)
        pthread_cond_wait(&queued, &lock);
    Row *rows = first;
    first = NULL;
    pthread_mutex_unlock(&lock);
    return rows;
}

static void run(sqlite3 *db, sqlite3_stmt *statement)
{
    must(db, sqlite3_step(statement));
    must(db, sqlite3_reset(statement));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    must(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL));
    return statement;
}

int main(int argc, char **argv)
{
    bool alone = argc == 6 && strcmp(argv[5], "one") == 0;
    if (argc != 5 && !alone) {
        fprintf(stderr, "usage: floor_commit FILE WRITERS ROW_BYTES SECONDS [one]\n");
        return 2;
    }
    long writers = strtol(argv[2], NULL, 10), row_bytes = strtol(argv[3], NULL, 10), seconds = strtol(argv[4], NULL, 10);
    sqlite3 *db = NULL;
    uint8_t *body = malloc(row_bytes > 0 ? (size_t)row_bytes : 1);      /* the same in each row: making it is no part of the floor */
    if (!body || row_bytes < 0 || sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
        return 1;
    memset(body, 'x', (size_t)row_bytes);
    must(db, sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    must(db, sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)", NULL, NULL, NULL));
    sqlite3_stmt *begin = prepare(db, "BEGIN IMMEDIATE"), *commit = prepare(db, "COMMIT"), *insert = prepare(db, "INSERT INTO t (body) VALUES (?)");
    must(db, sqlite3_bind_blob64(insert, 1, body, (sqlite3_uint64)row_bytes, SQLITE_STATIC));
    for (long i = 0; !alone && i < writers; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, writer_main, NULL) != 0)
            return 1;
    }
    int64_t begun = mono_now_ms(), done = 0, now;
    do {
        Row *rows = alone ? NULL : take_rows();
        run(db, begin);
        for (long i = 0; alone && i < writers; i++, done++)
            run(db, insert);
        for (Row *row = rows; row; row = row->next, done++)
            run(db, insert);
        run(db, commit);
        for (Row *row = rows, *next; row; row = next) {
            next = row->next;                   /* its thread's stack: another row once woken */
            if (sem_post(&row->durable) != 0)
                abort();
        }
        now = mono_now_ms();
    } while (now - begun < seconds * 1000);
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0)
        return 1;
    double cpu_us = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    printf("%.0f %.1f\n", (double)done * 1000 / (double)(now - begun), cpu_us / (double)done);
    (void)fflush(stdout);
    _exit(0);                                   /* the writers wait still */
}
