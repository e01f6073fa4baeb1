/* txn.c - one caller's part of a transaction: its statements, what broke it, what to do once it is durable. */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "store/txn.h"

/* A broken UNIQUE is an answer that a function may deal with: SQLite undid that statement alone. Anything else (disk full,
 * input/output error) may have undone more, so no further statement runs and the function's result no longer counts. */
static bool note_failure(Txn *txn, const Err *err)
{
    if (err->code != ERR_CONFLICT && err->code != ERR_TOO_LARGE && txn->broken.code == ERR_NONE)
        txn->broken = *err;
    return false;
}

static bool refuse_if_broken(Txn *txn, Err *err)
{
    if (txn->broken.code == ERR_NONE)
        return true;
    *err = txn->broken;
    return false;
}

bool txn_exec_vals(Txn *txn, const char *sql, const DbVal *vals, size_t count, int64_t *changed, Err *err)
{
    assert(txn->writes);
    return refuse_if_broken(txn, err) && (db_exec(txn->db, sql, vals, count, changed, err) || note_failure(txn, err));
}

bool txn_query_vals(Txn *txn, const char *sql, const DbVal *vals, size_t count, Rows **rows, Err *err)
{
    return refuse_if_broken(txn, err) && (db_query(txn->db, sql, vals, count, rows, err) || note_failure(txn, err));
}

void txn_after_commit(Txn *txn, void (*fn)(void *ctx, int64_t number), void *ctx, int64_t number)
{
    assert(txn->writes);
    if (txn->hook_count == txn->hook_room) {
        size_t room = txn->hook_room ? txn->hook_room * 2 : 4;
        TxnHook *grown = reallocarray(txn->hooks, room, sizeof *grown);
        if (!grown) {
            Err err;
            (void)note_failure(txn, (err_set(&err, ERR_INTERNAL, "store: out of memory"), &err));
            return;
        }
        txn->hooks = grown;
        txn->hook_room = room;
    }
    txn->hooks[txn->hook_count++] = (TxnHook){ .fn = fn, .ctx = ctx, .number = number };
}

void txn_before_commit(Txn *txn, StoreFn *fn, void *ctx, bool *is_first)
{
    assert(txn->writes && txn->last);
    TxnLast *last = txn->last;
    size_t at = 0;
    while (at < last->count && (last->calls[at].fn != fn || last->calls[at].ctx != ctx))
        at++;
    if (is_first)
        *is_first = at == last->count;
    if (at < last->count)
        return;
    assert(last->count < TXN_LAST_MAX);
    last->calls[at].fn = fn;
    last->calls[at].ctx = ctx;
    last->count++;
}

int64_t txn_epoch_new(void)
{
    static _Atomic int64_t epochs;
    return atomic_fetch_add_explicit(&epochs, 1, memory_order_relaxed) + 1;
}

int64_t txn_epoch(const Txn *txn)
{
    assert(txn->writes && txn->last);
    return txn->last->epoch;
}

void txn_run_hooks(Txn *txn)
{
    for (size_t i = 0; i < txn->hook_count; i++)
        txn->hooks[i].fn(txn->hooks[i].ctx, txn->hooks[i].number);
}

void txn_done(Txn *txn)
{
    free(txn->hooks);
    txn->hooks = NULL;
    txn->hook_count = txn->hook_room = 0;
}

bool txn_run(Txn *txn, StoreFn *fn, void *ctx, Err *err)
{
    int rows_before = db_open_rows(txn->db);
    bool good = fn(txn, ctx, err);
    assert(db_open_rows(txn->db) == rows_before);     /* a function frees its Rows, or the snapshot would never end */
    return good && refuse_if_broken(txn, err);
}
