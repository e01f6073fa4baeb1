/* dev_clock.c - the development clock: object time moved forward by hand, so that a year of renewals passes in an afternoon.
 *
 * Mounted only by `serve --dev`. The offset is on disk before it takes effect, so a restart never goes back in time. A data
 * directory whose clock was moved is refused without --dev: its objects were made in the future. */
#include "arm/parts.h"

enum { SETTLE_MS = 20000 };
#define OFFSET_META "dev.clock_offset_ms"
/* Who may assign roles is an owner; a contributor is not. */
#define OWNER_ACTION "Microsoft.Authorization/roleAssignments/write"

static const int64_t OFFSET_MAX_MS = INT64_C(100) * 365 * 24 * 60 * 60 * 1000;

/* ---- the stored offset ---- */

typedef struct Offset { Arena *arena; int64_t ms; } Offset;

static bool offset_read_txn(Txn *txn, void *ctx, Err *err)
{
    Offset *offset = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;

    offset->ms = 0;
    if (!txn_query(txn, &rows, err, "SELECT value FROM meta WHERE name = ?1", db_text(STR(OFFSET_META))))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    return str_to_int64(str_of(row_blob(rows, 0)), 0, OFFSET_MAX_MS, &offset->ms, err);
}

bool arm_dev_clock_restore(Arm *arm, Err *err)
{
    Offset offset = { 0 };

    if (!store_read(arm->site->store, offset_read_txn, &offset, err))
        return false;
    if (offset.ms == 0)
        return true;
    if (!arm->site->is_dev)
        return err_set(err, ERR_CONFLICT, "the clock of this data directory was moved forward by %lld s in development; it serves with --dev only",
                       (long long)(offset.ms / 1000));
    clock_set_offset(arm->site->clock, offset.ms);
    return true;
}

/* ---- moving it ---- */

typedef struct Advance { Arm *arm; Req *req; int64_t by_ms, offset_ms; } Advance;

static bool advance_txn(Txn *txn, void *ctx, Err *err)
{
    Advance *a = ctx;
    Offset offset;
    Str text;

    if (!offset_read_txn(txn, &offset, err))
        return false;
    if (offset.ms > OFFSET_MAX_MS - a->by_ms)
        return err_field(err, "by", "the clock may be moved forward by 36500 days in all; it already is by %lld days", (long long)(offset.ms / 86400000));
    a->offset_ms = offset.ms + a->by_ms;
    if (!(text = str_printf(a->req->arena, "%lld", (long long)a->offset_ms)).ptr)
        return err_too_big(err);
    return txn_exec(txn, NULL, err, "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
                    db_text(STR(OFFSET_META)), db_blob(bytes_of(text))) &&
           arm_audit(a->arm, txn, a->req, STR("/providers/Vaultyard.Dev/clock"), 200, err);
}

/* "300d", "12h", "90m", "45s", or a duration of ISO 8601 ("P300D"). */
static bool duration_read(Str text, int64_t *out_ms, Err *err)
{
    return duration_parse(text, OFFSET_MAX_MS, out_ms) ||
           err_field(err, "by", "'" STR_FMT "' is no time to move forward: give a positive number of d, h, m or s, such as '300d' (at most 36500d)",
                     STR_ARG(str_slice(text, 0, 60)));
}

static bool write_clock(Arm *arm, Req *req, Reply *reply, Err *err)
{
    JsonWriter *w = &reply->json;
    int64_t offset_ms = clock_offset_ms(arm->site->clock);

    json_open(w, NULL);
    json_put_time(w, "time", clock_now_ms(arm->site->clock));
    json_put_time(w, "realTime", real_now_ms());
    json_put_int(w, "offsetMs", offset_ms);
    json_put_str(w, "offset", str_printf(req->arena, "%lldd %02lldh %02lldm %02llds", (long long)(offset_ms / 86400000), (long long)(offset_ms / 3600000 % 24),
                                         (long long)(offset_ms / 60000 % 60), (long long)(offset_ms / 1000 % 60)));
    json_close(w);
    return json_end(w, err);
}

static bool clock_get(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    return arm_require_in_some_subscription(arm, req, STR(OWNER_ACTION), err) && write_clock(arm, req, reply, err);
}

typedef struct AdvanceIn { Str by; } AdvanceIn;
static const JsonField advance_fields[] = { JSON_FIELD(AdvanceIn, by, "by", JSON_REQUIRED) };

static bool clock_advance(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Advance a = { .arm = arm, .req = req };
    const JsonVal *body;
    AdvanceIn in = { 0 };
    bool stored;

    if (!arm_require_in_some_subscription(arm, req, STR(OWNER_ACTION), err) || !req_object(req, &body, err) ||
        !json_read_exact(body, "", advance_fields, COUNT_OF(advance_fields), &in, err) || !duration_read(in.by, &a.by_ms, err))
        return false;
    pthread_mutex_lock(&arm->clock_lock);                  /* two moves take effect in the order they were stored */
    stored = store_write(arm->site->store, advance_txn, &a, err);
    if (stored)
        clock_set_offset(arm->site->clock, a.offset_ms);
    pthread_mutex_unlock(&arm->clock_lock);
    if (!stored)
        return false;
    req->audited = true;
    /* What became due is done before anyone is told, so that who asks next (a node's poll, a test) finds it done. */
    (void)runner_settle(arm->site->runner, SETTLE_MS);
    for (size_t i = 0; i < arm->clock_hook_count; i++)
        arm->clock_hooks[i].fn(arm->clock_hooks[i].ctx);
    return write_clock(arm, req, reply, err);
}

const Route arm_dev_clock_routes[] = {
    { METHOD_GET,  "/providers/Vaultyard.Dev/clock",         NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0,    clock_get,     "DevClockGet" },
    { METHOD_POST, "/providers/Vaultyard.Dev/clock/advance", NULL, NULL, PERM_TOKEN, WHERE_WORKER, BODY_JSON, 4096, clock_advance, "DevClockAdvance" },
};
const size_t arm_dev_clock_route_count = COUNT_OF(arm_dev_clock_routes);
