/* pool.c - rows of batch_pool and what happens to them. */
#include "batch/pools/pool.h"
#include <stdio.h>
#include "base/id.h"
#include "batch/certificates/account_certificate_refs.h"
#include "batch/parts.h"

#define POOL_COLUMNS \
    "p.account_id, p.pool_key, p.id, p.host_prefix, p.next_number, p.state, p.state_ms, p.allocation, p.allocation_ms, p.vm_size, p.provider, " \
    "p.cores, p.target, p.target_low, p.resize_timeout_ms, p.deallocation, p.resize_ms, p.resize_until_ms, p.resize_errors, p.identities, p.slots, " \
    "p.body, p.etag, p.operation, p.created_ms, p.changed_ms, " \
    "(SELECT COUNT(*) FROM batch_node n WHERE n.account_id = p.account_id AND n.pool_key = p.pool_key AND n.started = 1 AND n.dedicated = 1), " \
    "(SELECT COUNT(*) FROM batch_node n WHERE n.account_id = p.account_id AND n.pool_key = p.pool_key AND n.started = 1 AND n.dedicated = 0)"

/* The service counts 100 ns since the year 1; entity tags are such counts, and rise. */
enum { TICKS_A_MS = 10000 };
static const int64_t ticks_to_1970 = INT64_C(621355968000000000);

int64_t etag_next(int64_t now_ms, int64_t before)
{
    int64_t ticks = ticks_to_1970 + now_ms * TICKS_A_MS;
    return ticks > before ? ticks : before + 1;
}

Str etag_text(Arena *arena, int64_t etag) { return str_printf(arena, "0x%llX", (unsigned long long)etag); }

static bool etag_listed(const Req *req, Str header, Str etag)
{
    Str rest = header;
    while (rest.ptr) {
        Str one = str_trim(str_cut(&rest, ','));
        if (str_starts(one, STR("W/")))
            one = str_slice(one, 2, one.len);
        if (one.len >= 2 && one.ptr[0] == '"' && one.ptr[one.len - 1] == '"')
            one = str_slice(one, 1, one.len - 1);
        if (str_eq(one, STR("*")) || str_eq_nocase(one, etag))
            return true;
    }
    (void)req;
    return false;
}

bool etag_check(const Req *req, bool exists, int64_t etag, const char *code, Err *err)
{
    Str wanted = req_header(req, "If-Match"), unwanted = req_header(req, "If-None-Match");
    Str text = exists ? etag_text(req->arena, etag) : STR_NONE;
    if (!str_empty(wanted) && (!exists || !etag_listed(req, wanted, text)))
        return err_named(err, ERR_PRECONDITION, code, NULL, "If-Match: %s", exists ? "it was changed since it was read; read it again" : "it does not exist");
    if (!str_empty(unwanted) && exists && etag_listed(req, unwanted, text))
        return err_named(err, ERR_PRECONDITION, code, NULL, "If-None-Match: it exists already");
    return true;
}

bool pool_id_check(Str id, const char *field, Err *err)
{
    bool fits = id.len >= 1 && id.len <= 64;
    for (size_t i = 0; fits && i < id.len; i++) {
        char c = id.ptr[i];
        fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    }
    if (fits)
        return true;
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s: '" STR_FMT "' must be 1 to 64 characters long and have letters, digits, '-' and '_' only", field,
              STR_ARG(str_slice(id, 0, 80)));
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

Str pool_work_key(Arena *arena, Str account_id, Str pool_key)
{
    return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(account_id), STR_ARG(pool_key));
}

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    Pool *out = into;
    *out = (Pool){
        .account_id = row_text_kept(arena, rows, 0), .key = row_text_kept(arena, rows, 1), .id = row_text_kept(arena, rows, 2), .host_prefix = row_text_kept(arena, rows, 3),
        .next_number = row_int(rows, 4), .state = (PoolState)row_int(rows, 5), .state_ms = row_int(rows, 6),
        .allocation = (PoolAllocation)row_int(rows, 7), .allocation_ms = row_int(rows, 8), .vm_size = row_text_kept(arena, rows, 9),
        .provider = row_text_kept(arena, rows, 10), .cores = row_int(rows, 11), .target = row_int(rows, 12), .target_low = row_int(rows, 13),
        .resize_timeout_ms = row_int(rows, 14), .deallocation = row_text_kept(arena, rows, 15), .resize_ms = row_int(rows, 16),
        .resize_until_ms = row_int(rows, 17), .resize_errors = row_text_kept(arena, rows, 18), .identities = row_text_kept(arena, rows, 19),
        .slots = row_int(rows, 20), .body = bytes_of(str_dup(arena, str_of(row_blob(rows, 21)))), .etag = row_int(rows, 22),
        .operation = row_text_kept(arena, rows, 23), .created_ms = row_int(rows, 24), .changed_ms = row_int(rows, 25),
        .current = row_int(rows, 26), .current_low = row_int(rows, 27),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool pool_find(Txn *txn, Arena *arena, Str account_id, Str pool_id, Pool *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " POOL_COLUMNS " FROM batch_pool p WHERE p.account_id = ?1 AND p.pool_key = ?2",
                   db_text(account_id), db_text(str_lower(arena, pool_id))) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool pool_require(Txn *txn, Arena *arena, Str account_id, Str pool_id, Pool *out, Err *err)
{
    bool found;
    if (!pool_find(txn, arena, account_id, pool_id, out, &found, err))
        return false;
    return found || err_named(err, ERR_NOT_FOUND, "PoolNotFound", NULL, "The specified pool does not exist: '" STR_FMT "'.", STR_ARG(str_slice(pool_id, 0, 80)));
}

bool pool_list(Txn *txn, Arena *arena, Str account_id, Str after, int64_t limit, Pool **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " POOL_COLUMNS " FROM batch_pool p WHERE p.account_id = ?1 AND p.pool_key > ?2 ORDER BY p.pool_key LIMIT ?3",
                   db_text(account_id), db_text(after.ptr ? after : STR("")), db_int(limit)) &&
           rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

static bool pool_count(Txn *txn, Str account_id, int64_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT COUNT(*) FROM batch_pool WHERE account_id = ?1", db_text(account_id)))
        return false;
    *err = (Err){ 0 };
    *count = rows_next(rows, err) ? row_int(rows, 0) : 0;
    return err->code == ERR_NONE;
}

static SealPlace body_place(Arena *arena, Str account_id, Str pool_key)
{
    return (SealPlace){ .scope = account_scope(arena, account_id), .table = "batch_pool", .row = pool_work_key(arena, account_id, pool_key), .column = "body" };
}

bool pool_body_open(const Site *site, Txn *txn, Arena *arena, const Pool *pool, Str *body, Err *err)
{
    return seal_get_text(site->seal, txn, body_place(arena, pool->account_id, pool->key), pool->body, arena, body, err);
}

PoolSpec pool_spec_of(const Pool *pool, Str body)
{
    return (PoolSpec){
        .vm_size = pool->vm_size, .target = pool->target, .target_low = pool->target_low, .resize_timeout_ms = pool->resize_timeout_ms,
        .deallocation = pool->deallocation, .slots = pool->slots, .body = body,
    };
}

bool pool_schedule(Batch *batch, Txn *txn, Arena *arena, Str account_id, Str pool_key, Err *err)
{
    return runner_schedule(batch->site->runner, txn, WORK_POOL, pool_work_key(arena, account_id, pool_key), real_now_ms(), err);
}

/* -- things that happen -- */

bool pool_insert(Batch *batch, Txn *txn, Arena *arena, const Account *account, const PoolMake *make, Err *err)
{
    const PoolSpec *spec = make->spec;
    Str key = str_lower(arena, make->id);
    bool resizing = spec->target + spec->target_low > 0;
    int64_t count, now = make->now_ms;
    Bytes body;
    if (!pool_count(txn, account->id, &count, err))
        return false;
    if (count >= ACCOUNT_POOL_QUOTA)
        return err_named(err, ERR_CONFLICT, "PoolQuotaReached", NULL, "The account has %d pools already, which is its quota; delete one first.", ACCOUNT_POOL_QUOTA);
    if (!seal_put(batch->site->seal, txn, body_place(arena, account->id, key), bytes_of(spec->body), arena, &body, err))
        return false;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO batch_pool (account_id, pool_key, id, host_prefix, next_number, state, state_ms, allocation, allocation_ms, vm_size, cores,"
                    " provider, target, target_low, resize_timeout_ms, deallocation, resize_ms, resize_until_ms, resize_errors, slots, identities, body, etag,"
                    " operation, created_ms, changed_ms)"
                    " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?6, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?6, ?15, '[]', ?16, ?17, ?18, ?19, NULL, ?6, ?6)",
                    db_text(account->id), db_text(key), db_text(make->id), db_text(hex_id_new(arena, 32)), db_int(POOL_ACTIVE), db_int(now),
                    db_int(resizing ? POOL_RESIZING : POOL_STEADY), db_text(spec->vm_size), db_int(make->cores), db_text(make->provider),
                    db_int(spec->target), db_int(spec->target_low), db_int(spec->resize_timeout_ms), db_text(spec->deallocation),
                    db_int(real_now_ms() + spec->resize_timeout_ms), db_int(spec->slots), db_text(make->identities), db_blob(body),
                    db_int(etag_next(now, 0))) &&
           certificate_refs_apply(txn, arena, &(CertificateRefsChange){ .account_id = account->id, .pool_key = key, .after = spec->body,
                                  .asked_account = spec->certificates_account, .now_ms = now }, err) &&
           (!resizing || pool_schedule(batch, txn, arena, account->id, key, err));
}

static bool require_active(const Pool *pool, Err *err)
{
    return pool->state == POOL_ACTIVE ||
           err_named(err, ERR_CONFLICT, "PoolBeingDeleted", NULL, "The pool '" STR_FMT "' is being deleted.", STR_ARG(pool->id));
}

bool pool_resize(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, const PoolSpec *spec, int64_t now_ms, Err *err)
{
    PoolAllocation to;
    if (!require_active(pool, err))
        return false;
    if (!pool_move(pool->allocation, POOL_RESIZE, &to))
        return err_named(err, ERR_CONFLICT, "PoolBeingResized", NULL,
                         "The pool '" STR_FMT "' is being resized; wait until it is steady, or stop the resize first.", STR_ARG(pool->id));
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_pool SET allocation = ?3, allocation_ms = ?4, target = ?5, target_low = ?6, resize_timeout_ms = ?7, deallocation = ?8,"
                    " resize_ms = ?4, resize_until_ms = ?9, resize_errors = '[]', etag = ?10, changed_ms = ?4 WHERE account_id = ?1 AND pool_key = ?2",
                    db_text(pool->account_id), db_text(pool->key), db_int(to), db_int(now_ms), db_int(spec->target), db_int(spec->target_low),
                    db_int(spec->resize_timeout_ms), db_text(spec->deallocation), db_int(real_now_ms() + spec->resize_timeout_ms),
                    db_int(etag_next(now_ms, pool->etag))) &&
           pool_schedule(batch, txn, arena, pool->account_id, pool->key, err);
}

bool pool_update(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, const PoolSpec *spec, Str identities, int64_t now_ms, Err *err)
{
    Bytes body;
    Str before;
    if (!require_active(pool, err))
        return false;
    /* A target that is as it was is no resize: sending a pool again is not refused while it grows. */
    bool resizes = spec->sets_scale && (spec->target != pool->target || spec->target_low != pool->target_low);
    if (resizes && !pool_resize(batch, txn, arena, pool, spec, now_ms, err))
        return false;
    return pool_body_open(batch->site, txn, arena, pool, &before, err) &&
           certificate_refs_apply(txn, arena, &(CertificateRefsChange){ .account_id = pool->account_id, .pool_key = pool->key, .before = before, .after = spec->body,
                                  .asked_account = spec->certificates_account, .now_ms = now_ms }, err) &&
           seal_put(batch->site->seal, txn, body_place(arena, pool->account_id, pool->key), bytes_of(spec->body), arena, &body, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_pool SET body = ?3, identities = ?4, etag = ?5, changed_ms = ?6 WHERE account_id = ?1 AND pool_key = ?2",
                    db_text(pool->account_id), db_text(pool->key), db_blob(body), db_text(identities), db_int(etag_next(now_ms, pool->etag)), db_int(now_ms));
}

bool pool_stop_resize(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, int64_t now_ms, Err *err)
{
    PoolAllocation to;
    if (!require_active(pool, err))
        return false;
    if (!pool_move(pool->allocation, POOL_STOP_RESIZE, &to))
        return err_named(err, ERR_CONFLICT, "OperationInvalidForCurrentState", NULL, "The pool '" STR_FMT "' is not being resized.", STR_ARG(pool->id));
    return txn_exec(txn, NULL, err, "UPDATE batch_pool SET allocation = ?3, allocation_ms = ?4, etag = ?5, changed_ms = ?4 WHERE account_id = ?1 AND pool_key = ?2",
                    db_text(pool->account_id), db_text(pool->key), db_int(to), db_int(now_ms), db_int(etag_next(now_ms, pool->etag))) &&
           pool_schedule(batch, txn, arena, pool->account_id, pool->key, err);
}

bool pool_delete_begin(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, Str operation, int64_t now_ms, Err *err)
{
    PoolAllocation to;
    if (pool->state == POOL_DELETING)
        return pool_schedule(batch, txn, arena, pool->account_id, pool->key, err);
    if (!pool_move(pool->allocation, POOL_DELETE, &to))
        return err_set(err, ERR_INTERNAL, "pool '" STR_FMT "' cannot be deleted from allocation state %d", STR_ARG(pool->id), pool->allocation);
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_pool SET state = ?3, state_ms = ?4, allocation = ?5, allocation_ms = ?4, target = 0, target_low = 0, operation = ?6, etag = ?7,"
                    " changed_ms = ?4 WHERE account_id = ?1 AND pool_key = ?2",
                    db_text(pool->account_id), db_text(pool->key), db_int(POOL_DELETING), db_int(now_ms), db_int(to), db_text(operation),
                    db_int(etag_next(now_ms, pool->etag))) &&
           pool_schedule(batch, txn, arena, pool->account_id, pool->key, err);
}
