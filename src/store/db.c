/* db.c - one SQLite connection: how it is opened, its statement cache, and what SQLite's errors mean. */
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "store/db.h"

enum {
    BUSY_WAIT_MS = 10000,             /* readers meet a lock only while another connection recovers or resets the log */
    WRITER_CACHE_KIB = 16 * 1024,
    READER_CACHE_KIB = 4 * 1024,      /* a connection a thread: small, the operating system caches the file as well */
    WAL_FILE_LIMIT_BYTES = 64 << 20,  /* the file shrinks to this when the log starts again */
    STATEMENTS_MAX = 2048
};

typedef struct Statement {
    const char *sql;                  /* the literal's address is the key */
    sqlite3_stmt *handle;
    bool busy;                        /* lent to a Rows */
} Statement;

struct Db {
    sqlite3 *handle;
    Statement **slots;                /* open addressing, a power of two */
    size_t slot_count, used;
    int open_rows;
    int64_t changes;                  /* statements run that are no mere reads */
    void (*commit_fn)(void *ctx, int wal_pages);
    void *commit_ctx;
};

struct Rows {
    Db *db;
    Statement *cached;                /* NULL: `handle` is this Rows' own */
    sqlite3_stmt *handle;
    bool ended;
};

static const uint8_t no_bytes[1];     /* an empty value is not an absent one, SQLite answers NULL for both */

/* ---- errors ---- */

static bool db_fail(const Db *db, int rc, const char *doing, Err *err)
{
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)
            return err_set(err, ERR_CONFLICT, "it exists already (%s)", text);
        return err_set(err, ERR_INTERNAL, "store: %s: %s", text, doing);
    case SQLITE_FULL:
        return err_set(err, ERR_UNAVAILABLE, "the disk that holds the data is full: nothing was changed; free some space and try again");
    case SQLITE_NOTADB:
        return err_set(err, ERR_BAD_INPUT, "the file is not a database of Vaultyard: give the right path or restore a backup");
    case SQLITE_CORRUPT:
        return err_set(err, ERR_INTERNAL, "store: the database is damaged (%s): restore a backup; %s", text, doing);
    case SQLITE_TOOBIG:
        return err_set(err, ERR_TOO_LARGE, "the value is larger than the store takes");
    default:
        return err_set(err, ERR_INTERNAL, "store: %s (%d): %s", text, rc, doing);
    }
}

/* ---- statements ---- */

static size_t slot_of(const Db *db, const char *sql)
{
    uintptr_t hash = (uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);
    return (hash >> 32) & (db->slot_count - 1);
}

static Statement **statement_slot(Db *db, const char *sql)
{
    size_t at = slot_of(db, sql);
    while (db->slots[at] && db->slots[at]->sql != sql)
        at = (at + 1) & (db->slot_count - 1);
    return &db->slots[at];
}

static bool statements_grow(Db *db, Err *err)
{
    size_t old_count = db->slot_count;
    Statement **old = db->slots, **grown = calloc(old_count ? old_count * 2 : 64, sizeof *grown);
    if (!grown)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    db->slots = grown;
    db->slot_count = old_count ? old_count * 2 : 64;
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            *statement_slot(db, old[i]->sql) = old[i];
    free(old);
    return true;
}

static bool prepare(Db *db, const char *sql, bool keep, sqlite3_stmt **out, Err *err)
{
    const char *tail;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, out, &tail);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, sql, err);
    assert(*out && !*tail);                    /* one statement, and not an empty one */
    return true;
}

/* The cached statement of a literal, made when first asked for; NULL in *out: not to be cached (the same statement is in
 * use by a query around this one, the address was given to another text, or there are too many). */
static bool statement_find(Db *db, const char *sql, Statement **out, Err *err)
{
    *out = NULL;
    if (db->used * 2 >= db->slot_count && !statements_grow(db, err))
        return false;
    Statement **slot = statement_slot(db, sql);
    if (*slot) {
        if (!(*slot)->busy && strcmp(sqlite3_sql((*slot)->handle), sql) == 0)
            *out = *slot;
        return true;
    }
    if (db->used >= STATEMENTS_MAX)
        return true;

    Statement *made = calloc(1, sizeof *made);
    if (!made)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    made->sql = sql;
    if (!prepare(db, sql, true, &made->handle, err)) {
        free(made);
        return false;
    }
    db->used++;
    *out = *slot = made;
    return true;
}

static bool bind(Db *db, sqlite3_stmt *handle, const char *sql, const DbVal *vals, size_t count, sqlite3_destructor_type lifetime, Err *err)
{
    assert((size_t)sqlite3_bind_parameter_count(handle) == count);
    for (size_t i = 0; i < count; i++) {
        const DbVal *v = &vals[i];
        int rc = SQLITE_OK, at = (int)i + 1;
        switch (v->kind) {
        case DB_NULL_VAL: rc = sqlite3_bind_null(handle, at); break;
        case DB_INT_VAL:  rc = sqlite3_bind_int64(handle, at, v->num); break;
        case DB_TEXT_VAL: rc = sqlite3_bind_text64(handle, at, (const char *)v->bytes.ptr, v->bytes.len, lifetime, SQLITE_UTF8); break;
        case DB_BLOB_VAL: rc = sqlite3_bind_blob64(handle, at, v->bytes.ptr, v->bytes.len, lifetime); break;
        }
        if (rc != SQLITE_OK)
            return db_fail(db, rc, sql, err);
    }
    return true;
}

static void note_change(Db *db, sqlite3_stmt *handle)
{
    db->changes += sqlite3_stmt_readonly(handle) ? 0 : 1;
}

/* Values are not copied for a statement that ends in this call; they are for rows, which outlive it. */
bool db_exec(Db *db, const char *sql, const DbVal *vals, size_t count, int64_t *changed, Err *err)
{
    Statement *cached;
    sqlite3_stmt *handle = NULL;
    if (!statement_find(db, sql, &cached, err) || (!cached && !prepare(db, sql, false, &handle, err)))
        return false;
    if (cached)
        handle = cached->handle;

    bool good = bind(db, handle, sql, vals, count, SQLITE_STATIC, err);
    if (good) {
        int rc;
        note_change(db, handle);
        do
            rc = sqlite3_step(handle);
        while (rc == SQLITE_ROW);
        good = rc == SQLITE_DONE || db_fail(db, rc, sql, err);
        if (good && changed)
            *changed = sqlite3_changes64(db->handle);
    }
    if (cached) {
        (void)sqlite3_reset(handle);           /* repeats the error of the step */
        (void)sqlite3_clear_bindings(handle);
    } else {
        (void)sqlite3_finalize(handle);
    }
    return good;
}

bool db_query(Db *db, const char *sql, const DbVal *vals, size_t count, Rows **out, Err *err)
{
    Rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    rows->db = db;
    if (!statement_find(db, sql, &rows->cached, err) || (!rows->cached && !prepare(db, sql, false, &rows->handle, err))) {
        free(rows);
        return false;
    }
    if (rows->cached) {
        rows->handle = rows->cached->handle;
        rows->cached->busy = true;
    }
    db->open_rows++;
    if (!bind(db, rows->handle, sql, vals, count, SQLITE_TRANSIENT, err)) {
        rows_free(rows);
        return false;
    }
    note_change(db, rows->handle);
    *out = rows;
    return true;
}

bool rows_next(Rows *rows, Err *err)
{
    if (rows->ended)
        return false;
    int rc = sqlite3_step(rows->handle);
    if (rc == SQLITE_ROW)
        return true;
    rows->ended = true;
    return rc == SQLITE_DONE ? false : db_fail(rows->db, rc, sqlite3_sql(rows->handle), err);
}

void rows_free(Rows *rows)
{
    if (!rows)
        return;
    if (rows->cached) {
        (void)sqlite3_reset(rows->handle);
        (void)sqlite3_clear_bindings(rows->handle);
        rows->cached->busy = false;
    } else {
        (void)sqlite3_finalize(rows->handle);
    }
    rows->db->open_rows--;
    free(rows);
}

bool row_is_null(Rows *rows, int column)
{
    return sqlite3_column_type(rows->handle, column) == SQLITE_NULL;
}

int64_t row_int(Rows *rows, int column)
{
    return sqlite3_column_int64(rows->handle, column);
}

Bytes row_blob(Rows *rows, int column)
{
    if (row_is_null(rows, column))
        return (Bytes){ NULL, 0 };
    const uint8_t *ptr = sqlite3_column_blob(rows->handle, column);
    return (Bytes){ ptr ? ptr : no_bytes, (size_t)sqlite3_column_bytes(rows->handle, column) };
}

Str row_text(Rows *rows, int column)
{
    if (row_is_null(rows, column))
        return STR_NONE;
    const char *ptr = (const char *)sqlite3_column_text(rows->handle, column);
    return (Str){ ptr ? ptr : "", (size_t)sqlite3_column_bytes(rows->handle, column) };
}

bool db_query_int(Db *db, const char *sql, int64_t *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!db_query(db, sql, NULL, 0, &rows, err))
        return false;
    if (!rows_next(rows, &failed)) {
        if (failed.code != ERR_NONE)
            *err = failed;
        else
            (void)err_set(err, ERR_INTERNAL, "store: no row: %s", sql);
        return false;
    }
    *out = row_int(rows, 0);
    return true;
}

bool db_in_transaction(const Db *db) { return !sqlite3_get_autocommit(db->handle); }
int  db_open_rows(const Db *db)      { return db->open_rows; }
int64_t db_changes(const Db *db)     { return db->changes; }

/* ---- opening ---- */

static void sqlite_set_up(void)
{
    /* Off: it takes a process-wide lock at each allocation. Refused if something else started SQLite first, which is fine. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* SQLite gives -wal and -shm the mode of the database, so it is made private before SQLite sees it. */
static bool make_private_file(const char *path, Err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 || err_errno(err, "cannot open the database '%s'", path);
}

bool db_run_once(Db *db, const char *sql, Err *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || db_fail(db, rc, sql, err);
}

bool db_set_pragma(Db *db, const char *name, int64_t value, Err *err)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "PRAGMA %s = %lld", name, (long long)value);
    return db_run_once(db, sql, err);
}

bool db_use_wal(Db *db, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    if (!db_query(db, "PRAGMA journal_mode = WAL", NULL, 0, &rows, err))
        return false;
    if (!rows_next(rows, &failed))
        return *err = failed, false;
    if (!str_eq(row_text(rows, 0), STR("wal")))
        return err_set(err, ERR_UNAVAILABLE, "the file system under the database cannot hold a write-ahead log (is it a network share?): put the data directory on a local disk");
    return true;
}

static bool set_up(Db *db, DbMode mode, Err *err)
{
    int off;
    if (sqlite3_extended_result_codes(db->handle, 1) != SQLITE_OK
        || sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS) != SQLITE_OK
        || sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, &off) != SQLITE_OK
        || sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &off) != SQLITE_OK
        || sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, &off) != SQLITE_OK
        || sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, &off) != SQLITE_OK
        || sqlite3_wal_autocheckpoint(db->handle, 0) != SQLITE_OK)
        return err_set(err, ERR_INTERNAL, "store: SQLite refused a setting: %s", sqlite3_errmsg(db->handle));
    return db_set_pragma(db, "synchronous", 2 /* FULL: a commit is on disk */, err)
        && db_set_pragma(db, "foreign_keys", 1, err)
        && db_set_pragma(db, "cell_size_check", 1, err)
        && db_set_pragma(db, "secure_delete", 1 /* a deleted scope key is overwritten, not just forgotten */, err)
        && db_set_pragma(db, "temp_store", 2 /* memory: nothing of ours in a temporary file */, err)
        && db_set_pragma(db, "journal_size_limit", WAL_FILE_LIMIT_BYTES, err)
        && db_set_pragma(db, "cache_size", -(mode == DB_WRITER ? WRITER_CACHE_KIB : READER_CACHE_KIB), err)
        && (mode != DB_READER || db_set_pragma(db, "query_only", 1, err));
}

bool db_open(const char *path, DbMode mode, Db **out, Err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, sqlite_set_up);

    if (mode == DB_WRITER && !make_private_file(path, err))
        return false;
    Db *db = calloc(1, sizeof *db);
    if (!db)
        return err_set(err, ERR_INTERNAL, "store: out of memory");
    int rc = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK ? !db_fail(db, rc, path, err) : !set_up(db, mode, err)) {
        db_close(db);
        return false;
    }
    *out = db;
    return true;
}

void db_close(Db *db)
{
    if (!db)
        return;
    assert(db->open_rows == 0);
    for (size_t i = 0; i < db->slot_count; i++)
        if (db->slots[i]) {
            (void)sqlite3_finalize(db->slots[i]->handle);
            free(db->slots[i]);
        }
    free(db->slots);
    (void)sqlite3_close(db->handle);
    free(db);
}

/* ---- write-ahead log ---- */

static int committed(void *ctx, sqlite3 *handle, const char *name, int wal_pages)
{
    (void)handle, (void)name;
    Db *db = ctx;
    db->commit_fn(db->commit_ctx, wal_pages);
    return SQLITE_OK;
}

void db_on_commit(Db *db, void (*fn)(void *ctx, int wal_pages), void *ctx)
{
    db->commit_fn = fn;
    db->commit_ctx = ctx;
    (void)sqlite3_wal_hook(db->handle, committed, db);
}

bool db_checkpoint(Db *db, DbCheckpoint how, int wait_ms, int *wal_pages, int *copied, Err *err)
{
    static const int sqlite_mode[] = {
        [DB_CHECKPOINT_PASSIVE] = SQLITE_CHECKPOINT_PASSIVE,
        [DB_CHECKPOINT_RESTART] = SQLITE_CHECKPOINT_RESTART,
        [DB_CHECKPOINT_TRUNCATE] = SQLITE_CHECKPOINT_TRUNCATE,
    };
    (void)sqlite3_busy_timeout(db->handle, wait_ms);
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, sqlite_mode[how], wal_pages, copied);
    (void)sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS);
    return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || db_fail(db, rc, "checkpoint", err);
}
