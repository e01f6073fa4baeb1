/* checkpoint.c - when the write-ahead log is copied, and by whom. */
#include <pthread.h>
#include <stdlib.h>
#include "base/log.h"
#include "store/checkpoint.h"

enum {
    COPY_PAGES = 1024,                /* of 4 KiB */
    BOUND_PAGES = 8192,
    READER_WAIT_MS = 100              /* how long commits may stand still for a reader */
};

struct Checkpointer {
    Db *db;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    int wal_pages;                    /* after the last commit */
    int next_copy;                    /* copy when the log has this many */
    int next_bound;
    bool stopping;
    pthread_mutex_t copying;          /* held during a copy: SQLite lets only one go on, and the writer's waits for the thread's */
};

static void warn(const Err *err)
{
    log_event(LOG_WARN, "store.checkpoint_failed", log_cstr("error", err->text));
}

static void *copy_loop(void *arg)
{
    Checkpointer *c = arg;
    (void)pthread_mutex_lock(&c->mutex);
    while (!c->stopping) {
        if (c->wal_pages < c->next_copy) {
            (void)pthread_cond_wait(&c->wanted, &c->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&c->mutex);
        int wal_pages = 0, copied = 0;
        Err err;
        (void)pthread_mutex_lock(&c->copying);
        bool good = db_checkpoint(c->db, DB_CHECKPOINT_PASSIVE, 0, &wal_pages, &copied, &err);
        (void)pthread_mutex_unlock(&c->copying);
        if (!good)
            warn(&err);
        (void)pthread_mutex_lock(&c->mutex);
        /* A reader may have kept some of it back; what was written since counts from here either way. */
        c->next_copy = (good && wal_pages > 0 ? wal_pages : c->wal_pages) + COPY_PAGES;
    }
    (void)pthread_mutex_unlock(&c->mutex);
    return NULL;
}

void checkpointer_note(void *checkpointer, int wal_pages)
{
    Checkpointer *c = checkpointer;
    (void)pthread_mutex_lock(&c->mutex);
    if (wal_pages < c->wal_pages) {            /* the log was started again */
        c->next_copy = COPY_PAGES;
        c->next_bound = BOUND_PAGES;
    }
    c->wal_pages = wal_pages;
    if (wal_pages >= c->next_copy)
        (void)pthread_cond_signal(&c->wanted);
    (void)pthread_mutex_unlock(&c->mutex);
}

void checkpointer_bound(Checkpointer *c, Db *writer)
{
    (void)pthread_mutex_lock(&c->mutex);
    bool due = c->wal_pages >= c->next_bound;
    if (due)
        c->next_bound = c->wal_pages + COPY_PAGES;
    (void)pthread_mutex_unlock(&c->mutex);
    if (!due)
        return;
    int wal_pages, copied;
    Err err;
    (void)pthread_mutex_lock(&c->copying);
    if (!db_checkpoint(writer, DB_CHECKPOINT_RESTART, READER_WAIT_MS, &wal_pages, &copied, &err))
        warn(&err);
    (void)pthread_mutex_unlock(&c->copying);
}

bool checkpointer_empty(Checkpointer *c, Db *writer, bool *emptied, Err *err)
{
    int wal_pages = 0, copied = 0;
    (void)pthread_mutex_lock(&c->copying);
    bool good = db_checkpoint(writer, DB_CHECKPOINT_TRUNCATE, READER_WAIT_MS, &wal_pages, &copied, err);
    (void)pthread_mutex_unlock(&c->copying);
    *emptied = good && wal_pages == 0;
    return good;
}

bool checkpointer_start(const char *path, Checkpointer **out, Err *err)
{
    Checkpointer *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    *c = (Checkpointer){ .mutex = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER, .copying = PTHREAD_MUTEX_INITIALIZER,
                           .next_copy = COPY_PAGES, .next_bound = BOUND_PAGES };
    if (!db_open(path, DB_CHECKPOINTER, &c->db, err)) {
        free(c);
        return false;
    }
    if (pthread_create(&c->thread, NULL, copy_loop, c) != 0) {
        db_close(c->db);
        free(c);
        return err_set(err, ERR_INTERNAL, "store: cannot start a thread");
    }
    *out = c;
    return true;
}

void checkpointer_stop(Checkpointer *c)
{
    if (!c)
        return;
    (void)pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    (void)pthread_cond_signal(&c->wanted);
    (void)pthread_mutex_unlock(&c->mutex);
    (void)pthread_join(c->thread, NULL);
    db_close(c->db);
    free(c);
}
