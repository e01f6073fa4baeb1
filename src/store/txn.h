/* txn.h - what a Txn is inside store/. */
#pragma once
#include "store/db.h"

typedef struct TxnHook { void (*fn)(void *ctx, int64_t number); void *ctx; int64_t number; } TxnHook;

enum { TXN_LAST_MAX = 4 };
typedef struct TxnLast {              /* of all functions in a transaction */
    struct { StoreFn *fn; void *ctx; } calls[TXN_LAST_MAX];      /* txn_before_commit */
    size_t count;
    int64_t epoch;                    /* txn_epoch */
} TxnLast;

struct Txn {
    Db *db;
    bool writes;
    TxnLast *last;                    /* NULL of a reader, and of the calls in it */
    TxnHook *hooks;                   /* txn_after_commit, in order */
    size_t hook_count, hook_room;
    Err broken;                       /* the first error that costs this transaction its changes, whatever its function returns */
};

int64_t txn_epoch_new(void);          /* any thread */
void txn_run_hooks(Txn *txn);         /* after the commit */
void txn_done(Txn *txn);              /* frees what it holds, not itself */

/* Runs fn over the transaction: false if it failed, or if a statement of it did in a way that nothing can mend. */
bool txn_run(Txn *txn, StoreFn *fn, void *ctx, Err *err) MUST_CHECK;
