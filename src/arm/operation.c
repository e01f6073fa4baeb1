/* operation.c - long-running answers: started and finished in their subjects' transactions, polled here, forgotten a day later. */
#include "arm/parts.h"
#include "base/id.h"

enum { KEPT_MS = 24 * 60 * 60 * 1000, RETRY_AFTER_S = 1 };

static SealPlace body_place(Str scope, Str id)
{
    return (SealPlace){ .scope = scope, .table = "arm_operation", .row = id, .column = "body" };
}

bool arm_operation_start(Arm *arm, Txn *txn, Arena *arena, Str subject_id, Str *operation_id, Err *err)
{
    Str id = guid_new(arena);

    (void)arm;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!txn_exec(txn, NULL, err, "INSERT INTO arm_operation (id, subject, status, body, started_ms, finished_ms) VALUES (?1, ?2, 0, NULL, ?3, 0)",
                  db_text(id), db_text(subject_id), db_int(real_now_ms())))
        return false;
    *operation_id = id;
    return true;
}

bool arm_operation_finish(Arm *arm, Txn *txn, Str operation_id, int final_status, Str final_body_json, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4 * 1024 * 1024);
    Bytes body = { 0 };
    int64_t now = real_now_ms();

    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!str_empty(final_body_json) &&
        !seal_put(arm->site->seal, txn, body_place(arm_tenant_scope(arm, arena), operation_id), bytes_of(final_body_json), arena, &body, err))
        return false;
    return txn_exec(txn, NULL, err, "UPDATE arm_operation SET status = ?2, body = ?3, finished_ms = ?4 WHERE id = ?1",
                    db_text(operation_id), db_int(final_status), db_blob(body), db_int(now)) &&
           runner_schedule(arm->site->runner, txn, ARM_WORK_OPERATION_FORGET, operation_id, now + KEPT_MS, err);
}

static bool forget_txn(Txn *txn, void *ctx, Err *err)
{
    const Str *id = ctx;
    return txn_exec(txn, NULL, err, "DELETE FROM arm_operation WHERE id = ?1 AND status <> 0", db_text(*id));
}

bool arm_operation_forget_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Arm *arm = ctx;
    Str id = job->key;

    (void)arena;
    (void)now_ms;
    *again_ms = 0;
    return store_write(arm->site->store, forget_txn, &id, err);
}

/* ---- polling ---- */

void arm_reply_accepted(Arm *arm, Req *req, Reply *reply, Str subscription, Str operation_id)
{
    Str base = site_url(arm->site, req->arena, STR("management"));

    reply->status = 202;
    reply_header(reply, STR("Location"), str_printf(req->arena, STR_FMT "/subscriptions/" STR_FMT "/operationresults/" STR_FMT "?api-version=" STR_FMT,
                                                    STR_ARG(base), STR_ARG(subscription), STR_ARG(operation_id), STR_ARG(req->api_version)));
    reply_header(reply, STR("Retry-After"), str_printf(req->arena, "%d", RETRY_AFTER_S));
}

typedef struct Poll { Arm *arm; Req *req; bool found; int64_t status; Str subject, body; } Poll;

static bool poll_txn(Txn *txn, void *ctx, Err *err)
{
    Poll *p = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str id = str_lower(p->req->arena, req_param(p->req, "operationId"));

    if (!txn_query(txn, &rows, err, "SELECT status, subject, body FROM arm_operation WHERE id = ?1", db_text(id)))
        return false;
    *err = (Err){ 0 };
    if (!(p->found = rows_next(rows, err)))
        return err->code == ERR_NONE;
    p->status = row_int(rows, 0);
    p->subject = str_dup(p->req->arena, row_text(rows, 1));
    p->body = STR_NONE;
    if (row_is_null(rows, 2))
        return true;
    return seal_get_text(p->arm->site->seal, txn, body_place(arm_tenant_scope(p->arm, p->req->arena), id), row_blob(rows, 2), p->req->arena, &p->body, err);
}

/* Any token of the tenant may poll: the id is 122 random bits that only the starter was given, and the starter's own role
 * may be gone by the end (it hung on the group that was deleted). */
static bool operation_result(Req *req, Reply *reply, Err *err)
{
    Poll p = { .arm = req->ctx, .req = req };
    Str subscription = req_param(req, "subscriptionId"), prefix;

    if (!store_read(p.arm->site->store, poll_txn, &p, err))
        return false;
    prefix = str_printf(req->arena, "/subscriptions/" STR_FMT "/", STR_ARG(subscription));
    if (!p.found || !str_starts_nocase(p.subject, prefix))
        return err_set(err, ERR_NOT_FOUND, "The operation '" STR_FMT "' was not found; results are kept for a day.",
                       STR_ARG(str_slice(req_param(req, "operationId"), 0, 60)));
    if (p.status == 0) {
        arm_reply_accepted(p.arm, req, reply, subscription, req_param(req, "operationId"));
        return true;
    }
    reply->status = (int)p.status;
    if (p.body.ptr)
        json_put_raw(&reply->json, NULL, p.body);
    return true;
}

const Route arm_operation_routes[] = {
    { METHOD_GET, "/subscriptions/{subscriptionId}/operationresults/{operationId}", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, operation_result, "OperationResultsGet" },
};
const size_t arm_operation_route_count = COUNT_OF(arm_operation_routes);
