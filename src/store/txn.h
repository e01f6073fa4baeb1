/* txn.h - what a Txn is inside store/. */
#pragma once
#include "store/db.h"

typedef struct TxnHook { void (*fn)(void *ctx, int64_t number); void *ctx; int64_t number; } TxnHook;

struct Txn {
    Db *db;
    bool writes;
    TxnHook *hooks;                   /* txn_after_commit, in order */
    size_t hook_count, hook_room;
    Err broken;                       /* the first error that costs this transaction its changes, whatever its function returns */
};

void txn_run_hooks(Txn *txn);         /* after the commit */
void txn_done(Txn *txn);              /* frees what it holds, not itself */

/* Runs fn over the transaction: false if it failed, or if a statement of it did in a way that nothing can mend. */
bool txn_run(Txn *txn, StoreFn *fn, void *ctx, Err *err) MUST_CHECK;
