/* account_certificate_work.c - the deletion of an account's certificate: it goes unless a pool refers to it or a node has it. */
#include "batch/certificates/account_certificate.h"
#include "batch/parts.h"

enum { NAMED_MAX = 100 };           /* "if a large number of resources reference the Certificate, the list contains only about the first hundred" */

typedef struct Deletion { Batch *batch; Arena *arena; Str account_id, thumbprint; int64_t object_ms; } Deletion;

/* The first users, "p1, p2"; empty when there are none. The query is a literal: statements are cached by address. */
static bool list_users(Rows *rows, Arena *arena, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf names = { 0 };
    buf_init(&names, NAMED_MAX * 128);
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (names.len > 0)
            buf_put_str(&names, STR(", "));
        buf_put_str(&names, row_text(rows, 0));
    }
    *out = str_dup(arena, buf_str(&names));
    return err->code == ERR_NONE && (arena_ok(arena) || err_too_big(err));
}

static bool find_users(const Deletion *d, Txn *txn, Str *pools, Str *nodes, Err *err)
{
    AUTO(rows_free_auto) Rows *pool_rows = NULL;
    AUTO(rows_free_auto) Rows *node_rows = NULL;
    return txn_query(txn, &pool_rows, err,
                     "SELECT p.id FROM batch_pool_certificate c JOIN batch_pool p ON p.account_id = c.account_id AND p.pool_key = c.pool_key"
                     " WHERE c.account_id = ?1 AND c.thumbprint = ?2 ORDER BY p.pool_key LIMIT ?3", db_text(d->account_id), db_text(d->thumbprint), db_int(NAMED_MAX)) &&
           list_users(pool_rows, d->arena, pools, err) &&
           txn_query(txn, &node_rows, err, "SELECT node_id FROM batch_node_certificate WHERE account_id = ?1 AND thumbprint = ?2 ORDER BY node_id LIMIT ?3",
                     db_text(d->account_id), db_text(d->thumbprint), db_int(NAMED_MAX)) &&
           list_users(node_rows, d->arena, nodes, err);
}

static void put_detail(JsonWriter *w, const char *name, Str users)
{
    if (str_empty(users))
        return;
    json_open(w, NULL);
    json_put_str(w, "name", str_from(name));
    json_put_str(w, "value", users);
    json_close(w);
}

/* Words and codes as the reference of "Certificate - List" shows them. */
static bool error_text(Arena *arena, Str pools, Str nodes, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    bool by_pools = !str_empty(pools);
    buf_init(&buf, 64 * 1024);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "code", by_pools ? STR("PoolsReferencingCertificate") : STR("NodesReferencingCertificate"));
    json_put_str(&w, "message", by_pools ? STR("The specified certificate is being used by the below mentioned pool(s)")
                                         : STR("The specified certificate is being used by the below mentioned node(s)"));
    json_open_array(&w, "details");
    put_detail(&w, "Pools", pools);
    put_detail(&w, "Nodes", nodes);
    json_close_array(&w);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *out = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}

static bool finish_operation(const Deletion *d, Txn *txn, Str operation, Str pools, Str nodes, bool failed, Err *err)
{
    if (!operation.ptr)
        return true;
    Str body = !failed ? STR_NONE : str_printf(d->arena, "{\"error\":{\"code\":\"%s\",\"message\":\"The specified certificate is being used by: " STR_FMT "\"}}",
                                               str_empty(pools) ? "NodesReferencingCertificate" : "PoolsReferencingCertificate", STR_ARG(str_empty(pools) ? nodes : pools));
    return (arena_ok(d->arena) || err_too_big(err)) && arm_operation_finish(d->batch->arm, txn, operation, failed ? 409 : 200, body, err);
}

static bool decide(Txn *txn, void *ctx, Err *err)
{
    Deletion *d = ctx;
    AccountCertificate certificate;
    CertificateState now;
    Str pools, nodes, error = STR_NONE;
    bool found;
    if (!account_certificate_find(txn, d->arena, d->account_id, d->thumbprint, &certificate, &found, err))
        return false;
    if (!found || certificate.state != CERTIFICATE_DELETING)
        return true;
    if (!find_users(d, txn, &pools, &nodes, err))
        return false;
    bool used = !str_empty(pools) || !str_empty(nodes);
    if (used && !error_text(d->arena, pools, nodes, &error, err))
        return false;
    return account_certificate_apply(txn, &certificate, used ? CERTIFICATE_IN_USE : CERTIFICATE_UNUSED, error, d->object_ms, &now, err) &&
           finish_operation(d, txn, certificate.operation, pools, nodes, used, err);
}

bool batch_certificate_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Deletion d = { .batch = ctx, .arena = arena, .object_ms = clock_now_ms(((Batch *)ctx)->site->clock) };
    Str rest = str_dup(arena, job->key);
    (void)now_ms;
    *again_ms = 0;
    d.account_id = str_cut(&rest, '/');
    d.thumbprint = rest;
    return store_write(d.batch->site->store, decide, &d, err);
}
