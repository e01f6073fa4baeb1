/* metrics.c - accounts under a customer's key, in Prometheus' text format (exposition formats, version 0.0.4). */
#include "batch/encryption/encryption.h"
#include "batch/parts.h"

enum { ACCOUNTS_MAX = 5000 };

typedef struct Watched { Str name, arm_id; KeyAccess access; int64_t unwrapped_ms, lost_ms, restored_ms; } Watched;
typedef struct Watching { Arena *arena; Watched *list; size_t count; } Watching;

static bool watched_txn(Txn *txn, void *ctx, Err *err)
{
    Watching *w = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT a.name, a.arm_id, e.access, e.unwrapped_ms, e.lost_ms, e.restored_ms FROM batch_encryption e"
                   " JOIN batch_account a ON a.id = e.account_id WHERE e.identifier IS NOT NULL ORDER BY a.name LIMIT ?1", db_int(ACCOUNTS_MAX)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        w->list[w->count++] = (Watched){ str_dup(w->arena, row_text(rows, 0)), str_dup(w->arena, row_text(rows, 1)), (KeyAccess)row_int(rows, 2), row_int(rows, 3),
                                         row_int(rows, 4), row_int(rows, 5) };
    return err->code == ERR_NONE && (arena_ok(w->arena) || err_too_big(err));
}

/* Those that the caller may read in Resource Manager. */
static bool keep_readable(Batch *batch, const Req *req, Watching *w, Err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        Decision decision;
        if (!access_decide(batch->access, req->arena, req->caller->object_id, STR("Microsoft.Batch/batchAccounts/read"), false, w->list[i].arm_id, &decision, err))
            return false;
        if (decision.allowed)
            w->list[kept++] = w->list[i];
    }
    w->count = kept;
    return true;
}

/* -- one family a column -- */

static double available(const Watched *w) { return w->access == KEY_OPEN; }
static double checked(const Watched *w) { return (double)w->unwrapped_ms / 1000; }
static double lost(const Watched *w) { return (double)w->lost_ms / 1000; }
static double restored(const Watched *w) { return (double)w->restored_ms / 1000; }

static const struct { const char *name, *help; double (*value)(const Watched *w); bool is_time; } families[] = {
    { "available",                   "1 while the account's customer-managed key can be used, 0 while the account is disabled.",      available, false },
    { "unwrapped_timestamp_seconds", "When the vault last unwrapped the account's key.",                                              checked,   true },
    { "lost_timestamp_seconds",      "When access to the key was last lost; absent if it never was.",                                 lost,      true },
    { "restored_timestamp_seconds",  "When access to the key was back after it was last lost; absent while it is lost.",              restored,  true },
};

static void put_family_head(Buf *out, const char *name, const char *help)
{
    buf_printf(out, "# HELP vaultyard_batch_account_key_%s %s\n# TYPE vaultyard_batch_account_key_%s gauge\n", name, help, name);
}

bool batch_metrics(Batch *batch, Req *req, Buf *out, Err *err)
{
    Watching w = { .arena = req->arena, .list = ARENA_ARRAY(req->arena, Watched, ACCOUNTS_MAX) };
    if (!w.list)
        return err_too_big(err);
    if (!store_read(batch->site->store, watched_txn, &w, err) || !keep_readable(batch, req, &w, err))
        return false;
    for (size_t f = 0; f < COUNT_OF(families); f++) {
        put_family_head(out, families[f].name, families[f].help);
        for (size_t i = 0; i < w.count; i++) {
            double value = families[f].value(&w.list[i]);
            if (value > 0 || !families[f].is_time)           /* names are letters and digits: nothing to escape */
                buf_printf(out, "vaultyard_batch_account_key_%s{account=\"" STR_FMT "\"} %.3f\n", families[f].name, STR_ARG(w.list[i].name), value);
        }
    }
    put_family_head(out, "check_period_seconds", "How often customer-managed keys are tried: so soon is a lost one noticed, and one that is back.");
    buf_printf(out, "vaultyard_batch_account_key_check_period_seconds %.3f\n", (double)batch->key_check_ms / 1000);
    put_family_head(out, "documented_return_seconds", "How long the service's documentation allows until an account is back.");
    buf_printf(out, "vaultyard_batch_account_key_documented_return_seconds %d\n", KEY_RETURN_DOCUMENTED_MS / 1000);
    return true;
}
