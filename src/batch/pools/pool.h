/* pool.h - rows of batch_pool, and the one transaction step for each thing that happens to a pool. */
#pragma once
#include "batch/accounts/account.h"
#include "batch/nodes/node_states.h"
#include "batch/pools/pool_body.h"

#define POOL_TYPE STR("Microsoft.Batch/batchAccounts/pools")

typedef struct Pool {
    Str account_id, key, id, host_prefix;
    int64_t next_number;
    PoolState state;
    int64_t state_ms;
    PoolAllocation allocation;
    int64_t allocation_ms;
    Str vm_size, provider;
    int64_t cores, target, target_low, resize_timeout_ms;
    Str deallocation;
    int64_t resize_ms, resize_until_ms;
    Str resize_errors, identities;          /* JSON arrays */
    int64_t slots;
    Bytes body;                             /* sealed */
    int64_t etag;
    Str operation;                          /* absent unless it is being deleted */
    int64_t created_ms, changed_ms;
    int64_t current, current_low;           /* nodes whose machine was started */
} Pool;

bool pool_find(Txn *txn, Arena *arena, Str account_id, Str pool_id, Pool *out, bool *found, Err *err) MUST_CHECK;     /* any case */
/* The pool or the plane's refusal: ERR_NOT_FOUND PoolNotFound. */
bool pool_require(Txn *txn, Arena *arena, Str account_id, Str pool_id, Pool *out, Err *err) MUST_CHECK;
/* At most `limit` pools whose key comes after `after` (absent: from the first). */
bool pool_list(Txn *txn, Arena *arena, Str account_id, Str after, int64_t limit, Pool **out, size_t *count, Err *err) MUST_CHECK;

bool pool_body_open(const Site *site, Txn *txn, Arena *arena, const Pool *pool, Str *body, Err *err) MUST_CHECK;
/* What a PoolSpec of this pool would be, for changes. */
PoolSpec pool_spec_of(const Pool *pool, Str body);

bool pool_id_check(Str id, const char *field, Err *err) MUST_CHECK;         /* 1-64 letters, digits, '-', '_' */
Str  pool_work_key(Arena *arena, Str account_id, Str pool_key);             /* "<account id>/<pool key>" */
int64_t etag_next(int64_t now_ms, int64_t before);                          /* of a row that changes now; rises */
Str  etag_text(Arena *arena, int64_t etag);                                 /* "0x8DC..." without quotes, as the data plane writes it */
/* If-Match and If-None-Match as the request has them (quotes and W/ taken off): ERR_PRECONDITION. exists: etag is of a row. */
bool etag_check(const Req *req, bool exists, int64_t etag, const char *code, Err *err) MUST_CHECK;

/* -- things that happen, each within the caller's transaction; the reconciler is scheduled where it has work -- */

typedef struct PoolMake { Str id, provider; int64_t cores; const PoolSpec *spec; Str identities; int64_t now_ms; } PoolMake;
bool pool_insert(Batch *batch, Txn *txn, Arena *arena, const Account *account, const PoolMake *make, Err *err) MUST_CHECK;
/* Document, identities and, if spec->sets_scale, a new size. ERR_CONFLICT PoolBeingDeleted, PoolBeingResized. */
bool pool_update(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, const PoolSpec *spec, Str identities, int64_t now_ms, Err *err) MUST_CHECK;
bool pool_resize(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, const PoolSpec *spec, int64_t now_ms, Err *err) MUST_CHECK;
bool pool_stop_resize(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, int64_t now_ms, Err *err) MUST_CHECK;
/* Marks it; the reconciler removes its nodes and then the pool. operation may be absent; asked again, the first one stays. */
bool pool_delete_begin(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, Str operation, int64_t now_ms, Err *err) MUST_CHECK;
bool pool_schedule(Batch *batch, Txn *txn, Arena *arena, Str account_id, Str pool_key, Err *err) MUST_CHECK;     /* reconcile now */
