/* store.h - the durable store: SQLite (WAL, synchronous=FULL) behind calls that PostgreSQL can serve as well.
 *
 * One writer thread takes whatever writes are queued, runs them in one transaction, commits once and wakes all: a call of
 * store_write returns only when its change is on disk, and nothing is acknowledged before. A function that fails is undone
 * alone. Reads run on a connection of the calling thread and see one snapshot. Functions given to store_write must not block
 * on anything but the store, must not call store_write, and may run again from the start: what was done by those of one
 * transaction is undone, and all run once more, when one of them failed half-way. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

typedef struct Store Store;
typedef struct Txn Txn;                   /* a read snapshot or one caller's part of a write transaction */
typedef struct Rows Rows;

bool  store_open(const char *path, Store **out, Err *err) MUST_CHECK;    /* creates and migrates; ERR_CONFLICT: in use by another process; ERR_BAD_INPUT: made by a newer version */
void  store_close(Store *store);                                         /* finishes queued writes, checkpoints */

typedef bool StoreFn(Txn *txn, void *ctx, Err *err);
bool  store_write(Store *store, StoreFn *fn, void *ctx, Err *err) MUST_CHECK;   /* false: rolled back, nothing changed */
/* The same without waiting: `done` runs on the writer thread once the change is durable or was refused (then err says why), so it must be
 * quick. fn, ctx and err stay the store's until then. false: the store is closing; err says so, and done does not run. */
bool  store_write_later(Store *store, StoreFn *fn, void *ctx, Err *err, void (*done)(void *ctx, bool good)) MUST_CHECK;
bool  store_read(Store *store, StoreFn *fn, void *ctx, Err *err) MUST_CHECK;

/* What commits before this call overwrote or deleted is in no file of the store any more (database files overwrite what is deleted,
 * but the write-ahead log keeps what it held). *done false: a reader stood in the way for a while; call again. Commits wait meanwhile. */
bool  store_scrub(Store *store, bool *done, Err *err) MUST_CHECK;

/* Runs on the writer thread after the commit that contains this transaction (never after a rollback): wake a park, drop a
 * cache entry. Must be quick. */
void  txn_after_commit(Txn *txn, void (*fn)(void *ctx, int64_t number), void *ctx, int64_t number);

/* Runs once, on the writer thread, in the transaction that is about to be committed, however many of the functions in it asked for the
 * same fn and ctx; what a function that failed asked for is forgotten. For a row that sums up what they wrote. Its failure costs all of them their changes.
 * *is_first (may be NULL): nobody before this caller asked for it. */
void txn_before_commit(Txn *txn, StoreFn *fn, void *ctx, bool *is_first);

/* While this number stays the same, it is the same transaction of this store and nothing in it was undone: what a module remembers of
 * rows that it alone writes is still what they hold. Never the same in two transactions. */
int64_t txn_epoch(const Txn *txn);

/* Values bound to ?1, ?2 ... in statements. Statements are string literals: they are cached by address. */
typedef struct DbVal { enum { DB_NULL_VAL, DB_INT_VAL, DB_TEXT_VAL, DB_BLOB_VAL } kind; int64_t num; Bytes bytes; } DbVal;
static inline DbVal db_int(int64_t v) { return (DbVal){ .kind = DB_INT_VAL, .num = v }; }
static inline DbVal db_text(Str v) { return v.ptr ? (DbVal){ .kind = DB_TEXT_VAL, .bytes = bytes_of(v) } : (DbVal){ .kind = DB_NULL_VAL }; }
static inline DbVal db_blob(Bytes v) { return v.ptr ? (DbVal){ .kind = DB_BLOB_VAL, .bytes = v } : (DbVal){ .kind = DB_NULL_VAL }; }
static inline DbVal db_null(void) { return (DbVal){ .kind = DB_NULL_VAL }; }

bool  txn_exec_vals(Txn *txn, const char *sql, const DbVal *vals, size_t count, int64_t *changed, Err *err) MUST_CHECK;   /* ERR_CONFLICT on a broken UNIQUE or PRIMARY KEY */
bool  txn_query_vals(Txn *txn, const char *sql, const DbVal *vals, size_t count, Rows **rows, Err *err) MUST_CHECK;
#define txn_exec(txn, changed, err, sql, ...) \
    txn_exec_vals((txn), (sql), (DbVal[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }, sizeof((DbVal[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }) / sizeof(DbVal) - 1, (changed), (err))
#define txn_query(txn, rows, err, sql, ...) \
    txn_query_vals((txn), (sql), (DbVal[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }, sizeof((DbVal[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }) / sizeof(DbVal) - 1, (rows), (err))

bool    rows_next(Rows *rows, Err *err);            /* true: on a row; false: at the end (err->code ERR_NONE) or failed: set *err = (Err){0} before the loop and check err->code after it */
void    rows_free(Rows *rows);                      /* NULL is fine */
DEFINE_AUTO_FREE(Rows, rows_free)
/* Reads the row it is on into a struct of the caller's; texts are copied into the arena. */
typedef bool RowFn(Arena *arena, Rows *rows, void *into, Err *err);
bool    rows_one(Rows *rows, Arena *arena, RowFn *read, void *into, bool *found, Err *err) MUST_CHECK;      /* the first, if there is one */
/* All that are left, at most `most`, in an array of the arena that grows as they come. out: a T**, for a `read` that fills one T. */
#define rows_all(rows, arena, read, most, out, count, err) rows_array(rows, arena, read, most, sizeof **(out), (void **)(out), count, err)
bool    rows_array(Rows *rows, Arena *arena, RowFn *read, size_t most, size_t size, void **out, size_t *count, Err *err) MUST_CHECK;
bool    row_is_null(Rows *rows, int column);
int64_t row_int(Rows *rows, int column);
Str     row_text(Rows *rows, int column);           /* until the next rows_next; str_dup to keep; absent for NULL */
Bytes   row_blob(Rows *rows, int column);
Str     row_text_kept(Arena *arena, Rows *rows, int column);         /* a copy; absent for NULL */

/* How many transactions were committed: while it stays the same, so does what store_read finds. A change is counted before its caller
 * learns that it is durable. */
int64_t store_commits(Store *store);

/* Figures for /metrics. */
typedef struct StoreStats { int64_t commits, writes, write_failures, queue_depth; } StoreStats;
StoreStats store_stats(Store *store);
