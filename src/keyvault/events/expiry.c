/* expiry.c - one row an object, one piece of background work that is due when the first of them is. */
#include "keyvault/events/expiry.h"
#include "keyvault/objects/feed.h"
#include "keyvault/objects/object.h"

static const int64_t DAY_MS = 86400 * 1000LL;
enum { TOLD_NEAR = 1, TOLD_EXPIRED = 2, BATCH = 100 };

static bool first_due(Txn *txn, int64_t *due_ms, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *due_ms = 0;
    if (!txn_query(txn, &rows, err, "SELECT due_ms FROM kv_expiry WHERE due_ms <> 0 ORDER BY due_ms LIMIT 1"))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        *due_ms = row_int(rows, 0);
    return err->code == ERR_NONE;
}

bool expiry_forget(Txn *txn, const Vault *vault, KvKind kind, Str name_key, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_expiry WHERE vault = ?1 AND kind = ?2 AND name_key = ?3", db_text(vault->id), db_int(kind),
                    db_text(name_key));
}

bool expiry_note(KeyVault *kv, Txn *txn, const Vault *vault, KvKind kind, Str name_key, Str version, OptInt exp_s, Err *err)
{
    if (!exp_s.set)
        return expiry_forget(txn, vault, kind, name_key, err);
    int64_t exp_ms = exp_s.value * 1000, near_ms = exp_ms - NEAR_EXPIRY_DAYS * DAY_MS, due_ms = near_ms > 0 ? near_ms : 1, first, changed;
    if (!first_due(txn, &first, err) ||
        !txn_exec(txn, &changed, err,
                  "INSERT INTO kv_expiry (vault, kind, name_key, version, exp_ms, due_ms, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)"
                  " ON CONFLICT (vault, kind, name_key) DO UPDATE SET version = ?4, exp_ms = ?5, due_ms = ?6, told = 0"
                  " WHERE kv_expiry.version <> ?4 OR kv_expiry.exp_ms <> ?5",
                  db_text(vault->id), db_int(kind), db_text(name_key), db_text(version), db_int(exp_ms), db_int(due_ms)))
        return false;
    return !changed || (first && first <= due_ms) || runner_schedule(kv->site->runner, txn, WORK_EXPIRY, EXPIRY_KEY, due_ms, err);
}

/* *is_new: nobody told it before. */
static bool mark_told(Txn *txn, const Vault *vault, KvKind kind, Str name_key, Str version, int what, bool *is_new, Err *err)
{
    int64_t changed;
    if (!txn_exec(txn, &changed, err,
                  "UPDATE kv_expiry SET told = told + ?5 WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND version = ?4 AND (told & ?5) = 0",
                  db_text(vault->id), db_int(kind), db_text(name_key), db_text(version), db_int(what)))
        return false;
    *is_new = changed > 0;
    return true;
}

static bool expires(Txn *txn, const Vault *vault, KvKind kind, Str name_key, Str version, bool *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_expiry WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND version = ?4", db_text(vault->id),
                   db_int(kind), db_text(name_key), db_text(version)))
        return false;
    *err = (Err){ 0 };
    *out = rows_next(rows, err);
    return err->code == ERR_NONE;
}

bool expiry_tell_near(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version, int64_t now_ms, Err *err)
{
    Str name_key = str_lower(arena, name);
    bool has_row, is_new = true;
    if (!arena_ok(arena))
        return err_too_big(err);
    return expires(txn, vault, kind, name_key, version, &has_row, err) &&
           (!has_row || mark_told(txn, vault, kind, name_key, version, TOLD_NEAR, &is_new, err)) &&
           (!is_new || feed_add(txn, vault, kind, name, version, FEED_NEAR_EXPIRY, now_ms, err));
}

/* ---- by the clock ---- */

typedef struct Due { Str vault, name_key, version; KvKind kind; int64_t exp_ms, due_ms; } Due;
typedef struct Run {
    KeyVault *kv;
    Arena    *arena;
    int64_t   now_ms, again_ms;
    Due       due[BATCH];
    size_t    count;
    Vault     vaults[BATCH];            /* of due[i]; name absent: gone or deleted */
} Run;

static bool read_due(Txn *txn, Run *run, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    run->count = 0;
    if (!txn_query(txn, &rows, err, "SELECT vault, kind, name_key, version, exp_ms, due_ms FROM kv_expiry WHERE due_ms <> 0 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2",
                   db_int(run->now_ms), db_int(BATCH)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        run->due[run->count++] = (Due){ .vault = str_dup(run->arena, row_text(rows, 0)), .kind = (KvKind)row_int(rows, 1), .name_key = str_dup(run->arena, row_text(rows, 2)),
                                        .version = str_dup(run->arena, row_text(rows, 3)), .exp_ms = row_int(rows, 4), .due_ms = row_int(rows, 5) };
    if (err->code == ERR_NONE && !arena_ok(run->arena))
        return err_too_big(err);
    return err->code == ERR_NONE;
}

/* A key with a rotation policy is told of when its action Notify says, and not at all without one. */
static bool policy_tells(Txn *txn, const Due *due, bool *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *out = false;
    if (due->kind != KV_KEY)
        return true;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_rotation WHERE vault = ?1 AND name_key = ?2", db_text(due->vault), db_text(due->name_key)))
        return false;
    *err = (Err){ 0 };
    *out = rows_next(rows, err);
    return err->code == ERR_NONE;
}

static bool tell(Txn *txn, Run *run, const Due *due, const Vault *vault, Err *err)
{
    bool is_expired = run->now_ms >= due->exp_ms, found, leaves_it, is_new;
    ObjectRow object;
    if (!object_find(txn, run->arena, vault, due->kind, due->name_key, &object, &found, err))
        return false;
    if (!found || object.deleted_ms || !str_eq(object.current, due->version))
        return true;
    if (is_expired)
        return mark_told(txn, vault, due->kind, due->name_key, due->version, TOLD_EXPIRED, &is_new, err) &&
               (!is_new || feed_add(txn, vault, due->kind, object.name, due->version, FEED_EXPIRED, run->now_ms, err));
    return policy_tells(txn, due, &leaves_it, err) &&
           (leaves_it || expiry_tell_near(txn, run->arena, vault, due->kind, object.name, due->version, run->now_ms, err));
}

static bool run_txn(Txn *txn, void *ctx, Err *err)
{
    Run *run = ctx;
    bool found;
    if (!read_due(txn, run, err))
        return false;
    for (size_t i = 0; i < run->count; i++) {
        const Due *due = &run->due[i];
        Vault *vault = &run->vaults[i];
        *vault = (Vault){ 0 };
        if (!vault_by_id(run->kv, txn, run->arena, due->vault, vault, &found, err) ||
            (found && !vault->deleted_ms && !tell(txn, run, due, vault, err)) ||
            !txn_exec(txn, NULL, err, "UPDATE kv_expiry SET due_ms = ?4 WHERE vault = ?1 AND kind = ?2 AND name_key = ?3", db_text(due->vault),
                      db_int(due->kind), db_text(due->name_key), db_int(run->now_ms >= due->exp_ms ? 0 : due->exp_ms)))
            return false;
    }
    return first_due(txn, &run->again_ms, err);
}

bool expiry_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    (void)job;
    Run *run = ARENA_NEW(arena, Run);
    if (!run)
        return err_too_big(err);
    *run = (Run){ .kv = ctx, .arena = arena, .now_ms = now_ms };
    if (!store_write(run->kv->site->store, run_txn, run, err))
        return false;
    for (size_t i = 0; i < run->count; i++)
        if (run->vaults[i].name.ptr && (i == 0 || !str_eq(run->vaults[i].id, run->vaults[i - 1].id)))
            feed_wake(run->kv, &run->vaults[i]);
    *again_ms = run->again_ms;
    return true;
}
