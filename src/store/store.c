/* store.c - the writer thread with its group commit, the readers, and the life of a store.
 *
 * What it keeps true: a call of store_write returns true only after the commit that holds its change was synced; a function
 * that fails is undone alone; hooks run after the commit and before its callers wake, so a cache entry that a change made
 * stale is gone when the change is acknowledged. */
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/log.h"
#include "base/wait.h"
#include "store/checkpoint.h"
#include "store/lock.h"
#include "store/migrate.h"
#include "store/txn.h"

enum { BATCH_MAX = 1024 };            /* functions in one commit: the first of them waits for the last */

typedef struct Write {
    StoreFn *fn;
    void *ctx;
    Err *err;
    bool good;
    Txn txn;
    void (*later)(void *ctx, bool good);   /* store_write_later; NULL: its caller waits for `done` */
    sem_t done;
    struct Write *next;
} Write;

typedef struct Scrub {                /* one caller of store_scrub */
    bool good, done;
    Err *err;
    sem_t over;
    struct Scrub *next;
} Scrub;

typedef struct Reader {               /* one thread's connection */
    Store *store;
    Db *db;
    int depth;                        /* store_read inside store_read shares the snapshot */
    struct Reader *next, **link;
} Reader;

struct Store {
    char *path;
    int lock_fd;

    Db *writer;
    pthread_t writer_thread;
    bool writer_runs;
    pthread_mutex_t mutex;            /* the queue */
    pthread_cond_t queued;
    Write *first, **last;
    Scrub *scrubs;
    bool stopping;

    Checkpointer *checkpointer;

    pthread_key_t reader_key;
    bool has_reader_key;
    pthread_mutex_t readers_mutex;
    Reader *readers;

    _Atomic int64_t commits, writes, failures, depth;
};

/* ---- group commit ---- */

/* Whatever waits, oldest first. false: the store is closing and nothing is left. */
static bool take_queue(Store *store, Write **out, Scrub **scrubs)
{
    (void)pthread_mutex_lock(&store->mutex);
    while (!store->first && !store->scrubs && !store->stopping)
        (void)pthread_cond_wait(&store->queued, &store->mutex);
    Write *batch = store->first;
    *scrubs = TAKE(store->scrubs);
    if (batch) {
        Write *tail = batch;
        for (int i = 1; i < BATCH_MAX && tail->next; i++)
            tail = tail->next;
        store->first = tail->next;
        tail->next = NULL;
        if (!store->first)
            store->last = &store->first;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    *out = batch;
    return batch || *scrubs;
}

/* How the functions of a transaction are kept apart, should one of them fail. A savepoint each undoes that one alone, but makes SQLite copy every
 * page that it changes. Few fail, and hardly any after they changed something: so there are none at first, and only when such a one comes
 * all is rolled back and run again with them. */
typedef enum Apart { APART_NOT = 1, APART_BY_SAVEPOINTS } Apart;
typedef enum Ran { RAN = 1, RAN_LOST, RAN_MIXED } Ran;    /* lost: there is no transaction any more; mixed: what a failed one did stands among the others' */

static bool call_one(Db *db, Write *write, TxnLast *last)
{
    txn_done(&write->txn);            /* of the run before */
    write->txn = (Txn){ .db = db, .writes = true, .last = last };
    return write->good = txn_run(&write->txn, write->fn, write->ctx, write->err);
}

static Ran run_one_bare(Db *db, Write *write, TxnLast *last)
{
    size_t asked = last->count;
    int64_t changes = db_changes(db);
    bool good = call_one(db, write, last);
    if (!db_in_transaction(db))
        return RAN_LOST;
    if (good)
        return RAN;
    last->count = asked;
    return db_changes(db) == changes ? RAN : RAN_MIXED;
}

/* When it cannot be undone alone, the whole transaction is given up. */
static Ran run_one_apart(Db *db, Write *write, TxnLast *last)
{
    Err undo;
    size_t asked = last->count;
    write->good = db_run(db, "SAVEPOINT one", write->err) && call_one(db, write, last);
    if (!db_in_transaction(db))
        return RAN_LOST;
    if (write->good) {
        write->good = db_run(db, "RELEASE one", write->err);
        if (write->good)
            return RAN;
    } else if (db_run(db, "ROLLBACK TO one", &undo) && db_run(db, "RELEASE one", &undo)) {
        last->count = asked;
        last->epoch = txn_epoch_new();
        return RAN;
    }
    if (db_in_transaction(db))
        (void)db_run(db, "ROLLBACK", &undo);   /* a transaction that is no longer there is what we want */
    return RAN_LOST;
}

static bool run_last(Db *db, const TxnLast *last, Err *err)
{
    Txn txn = { .db = db, .writes = true };
    bool good = true;
    for (size_t i = 0; good && i < last->count; i++)
        good = txn_run(&txn, last->calls[i].fn, last->calls[i].ctx, err);
    txn_done(&txn);
    return good;
}

/* The functions from `from` on in one transaction. RAN: it is durable. RAN_LOST: it was lost, with those up to *rest, which were not run. */
static Ran run_transaction(Db *db, Write *from, Apart apart, Write **rest, Err *err)
{
    TxnLast last = { .epoch = txn_epoch_new() };
    Err undo;
    *rest = NULL;
    if (!db_run(db, "BEGIN IMMEDIATE", err)) {
        for (Write *write = from; write; write = write->next)
            write->good = true;                /* not at fault: each gets the error of the transaction */
        return RAN_LOST;
    }
    for (Write *write = from; write; write = write->next) {
        switch (apart == APART_NOT ? run_one_bare(db, write, &last) : run_one_apart(db, write, &last)) {
        case RAN:
            break;
        case RAN_LOST:
            *rest = write->next;
            if (write->good)
                (void)err_set(err, ERR_INTERNAL, "store: the transaction ended by itself");
            else
                *err = *write->err;
            return RAN_LOST;
        case RAN_MIXED:
            if (db_run(db, "ROLLBACK", err))
                return RAN_MIXED;
            *rest = write->next;               /* then it cannot be committed either */
            return RAN_LOST;
        }
    }
    if (run_last(db, &last, err) && db_run(db, "COMMIT", err))
        return RAN;
    if (db_in_transaction(db))
        (void)db_run(db, "ROLLBACK", &undo);
    return RAN_LOST;
}

static void run_batch(Store *store, Write *batch)
{
    for (Write *from = batch, *rest; from; from = rest) {
        Err err;
        Ran ran = run_transaction(store->writer, from, APART_NOT, &rest, &err);
        if (ran == RAN_MIXED)
            ran = run_transaction(store->writer, from, APART_BY_SAVEPOINTS, &rest, &err);
        bool durable = ran == RAN;
        if (durable)
            atomic_fetch_add_explicit(&store->commits, 1, memory_order_release);
        for (Write *write = from; write != rest; write = write->next) {
            if (durable && write->good) {
                txn_run_hooks(&write->txn);
            } else if (write->good) {
                write->good = false;
                *write->err = err;
            }
            atomic_fetch_add_explicit(write->good ? &store->writes : &store->failures, 1, memory_order_relaxed);
        }
    }
}

static void wake_callers(Store *store, Write *batch)
{
    for (Write *write = batch, *next; write; write = next) {
        next = write->next;                    /* it is the caller's stack: gone once woken */
        txn_done(&write->txn);
        atomic_fetch_sub_explicit(&store->depth, 1, memory_order_relaxed);
        if (!write->later) {
            (void)sem_post(&write->done);
            continue;
        }
        write->later(write->ctx, write->good);
        free(write);
    }
}

/* All of them are served by one: each came before it. */
static void run_scrubs(Store *store, Scrub *scrubs)
{
    Err err = { 0 };
    bool done = false, good = scrubs && checkpointer_empty(store->checkpointer, store->writer, &done, &err);
    for (Scrub *scrub = scrubs, *next; scrub; scrub = next) {
        next = scrub->next;                    /* its caller's stack */
        scrub->good = good;
        scrub->done = done;
        if (!good)
            *scrub->err = err;
        (void)sem_post(&scrub->over);
    }
}

static void *write_loop(void *arg)
{
    Store *store = arg;
    Write *batch;
    Scrub *scrubs;
    while (take_queue(store, &batch, &scrubs)) {
        if (batch) {
            run_batch(store, batch);
            wake_callers(store, batch);
            checkpointer_bound(store->checkpointer, store->writer);
        }
        run_scrubs(store, scrubs);
    }
    return NULL;
}

bool store_scrub(Store *store, bool *done, Err *err)
{
    Scrub scrub = { .err = err };
    if (sem_init(&scrub.over, 0, 0) != 0)
        return err_errno(err, "store: cannot make a semaphore");
    (void)pthread_mutex_lock(&store->mutex);
    bool taken = !store->stopping;
    if (taken) {
        scrub.next = store->scrubs;
        store->scrubs = &scrub;
        (void)pthread_cond_signal(&store->queued);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (taken)
        while (sem_wait(&scrub.over) != 0)     /* EINTR */
            continue;
    else
        (void)err_set(err, ERR_UNAVAILABLE, "the server is stopping: try again once it is back");
    (void)sem_destroy(&scrub.over);
    *done = scrub.done;
    return scrub.good;
}

static bool enqueue(Store *store, Write *write)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool taken = !store->stopping;
    bool first = !store->first;
    if (taken) {
        *store->last = write;
        store->last = &write->next;
        atomic_fetch_add_explicit(&store->depth, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (taken && first)                        /* behind others the writer is awake, or about to be */
        (void)pthread_cond_signal(&store->queued);
    return taken || err_set(write->err, ERR_UNAVAILABLE, "the server is stopping: try again once it is back");
}

bool store_write(Store *store, StoreFn *fn, void *ctx, Err *err)
{
    assert(!pthread_equal(pthread_self(), store->writer_thread));     /* it would wait for itself */
    Write write = { .fn = fn, .ctx = ctx, .err = err };
    if (sem_init(&write.done, 0, 0) != 0)
        return err_errno(err, "store: cannot make a semaphore");
    if (enqueue(store, &write)) {
        wait_begins();
        while (sem_wait(&write.done) != 0)     /* EINTR: a signal handler ran on this thread */
            continue;
        wait_ends();
    }
    (void)sem_destroy(&write.done);
    return write.good;
}

bool store_write_later(Store *store, StoreFn *fn, void *ctx, Err *err, void (*done)(void *ctx, bool good))
{
    Write *write = calloc(1, sizeof *write);
    if (!write)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    write->fn = fn;
    write->ctx = ctx;
    write->err = err;
    write->later = done;
    if (enqueue(store, write))
        return true;
    free(write);
    return false;
}

/* ---- readers ---- */

static void reader_close(void *arg)
{
    Reader *reader = arg;
    Store *store = reader->store;
    (void)pthread_mutex_lock(&store->readers_mutex);
    *reader->link = reader->next;
    if (reader->next)
        reader->next->link = reader->link;
    (void)pthread_mutex_unlock(&store->readers_mutex);
    db_close(reader->db);
    free(reader);
}

static bool reader_of_thread(Store *store, Reader **out, Err *err)
{
    Reader *reader = pthread_getspecific(store->reader_key);
    if (reader)
        return *out = reader, true;
    reader = calloc(1, sizeof *reader);
    if (!reader)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    reader->store = store;
    if (!db_open(store->path, DB_READER, &reader->db, err)) {
        free(reader);
        return false;
    }
    if (pthread_setspecific(store->reader_key, reader) != 0) {
        db_close(reader->db);
        free(reader);
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    }
    (void)pthread_mutex_lock(&store->readers_mutex);
    reader->next = store->readers;
    reader->link = &store->readers;
    if (reader->next)
        reader->next->link = &reader->next;
    store->readers = reader;
    (void)pthread_mutex_unlock(&store->readers_mutex);
    *out = reader;
    return true;
}

bool store_read(Store *store, StoreFn *fn, void *ctx, Err *err)
{
    Reader *reader = NULL;
    if (!reader_of_thread(store, &reader, err) || (reader->depth == 0 && !db_run(reader->db, "BEGIN", err)))
        return false;
    reader->depth++;
    Txn txn = { .db = reader->db };
    bool good = txn_run(&txn, fn, ctx, err);
    txn_done(&txn);
    Err ignored;
    if (--reader->depth == 0 && db_in_transaction(reader->db) && !db_run(reader->db, "COMMIT", &ignored))
        (void)db_run(reader->db, "ROLLBACK", &ignored);     /* nothing was written: what was read stands */
    return good;
}

/* ---- life ---- */

static bool start(Store *store, Err *err)
{
    if (!store_lock(store->path, &store->lock_fd, err)
        || !db_open(store->path, DB_WRITER, &store->writer, err)
        || !store_migrate(store->writer, err)
        || !checkpointer_start(store->path, &store->checkpointer, err))
        return false;
    db_on_commit(store->writer, checkpointer_note, store->checkpointer);
    if (pthread_key_create(&store->reader_key, reader_close) != 0)
        return err_set(err, ERR_INTERNAL, "store: too many stores are open");
    store->has_reader_key = true;
    if (pthread_create(&store->writer_thread, NULL, write_loop, store) != 0)
        return err_set(err, ERR_INTERNAL, "store: cannot start a thread");
    store->writer_runs = true;
    return true;
}

bool store_open(const char *path, Store **out, Err *err)
{
    Store *store = calloc(1, sizeof *store);
    if (!store)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    store->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    store->readers_mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    store->queued = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    store->last = &store->first;
    store->lock_fd = -1;
    store->path = strdup(path);
    if (!store->path ? !err_set(err, ERR_INTERNAL, "store: out of memory") : !start(store, err)) {
        store_close(store);
        return false;
    }
    *out = store;
    return true;
}

static void stop_writer(Store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    (void)pthread_cond_signal(&store->queued);
    (void)pthread_mutex_unlock(&store->mutex);
    (void)pthread_join(store->writer_thread, NULL);
}

void store_close(Store *store)
{
    if (!store)
        return;
    if (store->writer_runs)
        stop_writer(store);
    checkpointer_stop(store->checkpointer);
    if (store->has_reader_key)
        (void)pthread_key_delete(store->reader_key);
    while (store->readers)
        reader_close(store->readers);

    Err err;
    int wal_pages, copied;
    if (store->writer_runs && !db_checkpoint(store->writer, DB_CHECKPOINT_TRUNCATE, 0, &wal_pages, &copied, &err))
        log_event(LOG_WARN, "store.checkpoint_failed", log_cstr("error", err.text));     /* nothing is lost: the next start reads the log */
    db_close(store->writer);
    fd_close(&store->lock_fd);
    free(store->path);
    free(store);
}

int64_t store_commits(Store *store) { return atomic_load_explicit(&store->commits, memory_order_acquire); }

StoreStats store_stats(Store *store)
{
    return (StoreStats){
        .commits = atomic_load_explicit(&store->commits, memory_order_relaxed),
        .writes = atomic_load_explicit(&store->writes, memory_order_relaxed),
        .write_failures = atomic_load_explicit(&store->failures, memory_order_relaxed),
        .queue_depth = atomic_load_explicit(&store->depth, memory_order_relaxed),
    };
}
