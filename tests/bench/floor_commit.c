/* floor_commit FILE WRITERS ROW_BYTES SECONDS [one]: how many rows a second SQLite makes durable on this disk (WAL, synchronous=FULL, as the
 * store does) for that many threads, each of which hands in a row, waits until it is durable and hands in the next; one thread writes
 * whatever waits and commits once. With "one" there are no writers: that many rows a commit, and nobody waits. Prints the number, and the
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

static void insert_one(sqlite3 *db, sqlite3_stmt *insert, long row_bytes)
{
    must(db, sqlite3_bind_int64(insert, 1, row_bytes));
    must(db, sqlite3_step(insert));
    must(db, sqlite3_reset(insert));
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
    sqlite3_stmt *insert = NULL;
    must(db, sqlite3_open(argv[1], &db));
    must(db, sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)", NULL, NULL, NULL));
    must(db, sqlite3_prepare_v2(db, "INSERT INTO t (body) VALUES (randomblob(?))", -1, &insert, NULL));
    for (long i = 0; !alone && i < writers; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, writer_main, NULL) != 0)
            return 1;
    }
    int64_t begun = mono_now_ms(), done = 0, now;
    do {
        Row *rows = alone ? NULL : take_rows();
        must(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
        for (long i = 0; alone && i < writers; i++, done++)
            insert_one(db, insert, row_bytes);
        for (Row *row = rows; row; row = row->next, done++)
            insert_one(db, insert, row_bytes);
        must(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
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
