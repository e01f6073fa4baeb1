/* node_lease.c - a node tells how it is and is told for how long it is ours, what it is set up with and who it may be (docs/node-protocol.md). */
#include "batch/parts.h"
#include "batch/certificates/account_certificate_node.h"
#include "batch/encryption/encryption.h"
#include "batch/jobs/run_wire.h"
#include "batch/nodes/node_plane.h"
#include "batch/nodes/node_settle.h"
#include "batch/pools/extension.h"

enum { SCRATCH_BYTES = 512 << 20, VERSION_SHOWN = 64 };

typedef struct LeaseIn { Str state, version, ip_address, boot_id; const JsonVal *reason, *extensions, *ports; } LeaseIn;
static const JsonField lease_fields[] = {
    JSON_FIELD(LeaseIn, state,      "state",        JSON_REQUIRED),
    JSON_FIELD(LeaseIn, version,    "agentVersion", JSON_OPTIONAL),
    JSON_FIELD(LeaseIn, ip_address, "ipAddress",    JSON_OPTIONAL),
    JSON_FIELD(LeaseIn, boot_id,    "bootId",       JSON_OPTIONAL),
};

typedef struct Lease {
    Batch *batch;
    Req *req;
    const NodeCaller *caller;
    LeaseIn in;
    NodeEvent event;
    Str report;
    Account account;
    Pool pool;
    PoolExtension *extensions;
    size_t extension_count;
    CertificatesLease certificates;
    RunsLease runs;
    Arena *scratch;                     /* lost runs may touch many tasks */
    Str pool_body;                      /* absent while suspended */
    bool suspended;                     /* the account's customer-managed key cannot be used */
} Lease;

static bool lease_event(Str state, NodeEvent *out, Err *err)
{
    static const struct { const char *state; NodeEvent event; } states[] = {
        { "starting", NODE_GETS_READY }, { "idle", NODE_READY }, { "unusable", NODE_BROKEN },
    };
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (str_eq(state, str_from(states[i].state))) {
            *out = states[i].event;
            return true;
        }
    }
    return err_field(err, "state", "'" STR_FMT "' is none of starting, idle, unusable", STR_ARG(str_slice(state, 0, 40)));
}

/* The agent may not know yet which extensions come first: its first lease has not been answered. We do. */
static bool wait_for_extensions(Lease *lease, Err *err)
{
    const JsonVal *report;
    Str name = STR(""), reason = STR("");
    if (lease->event != NODE_READY)
        return true;
    if (!json_parse(lease->req->arena, lease->report, JSON_STRICT, &report, err))
        return false;
    FirstSync sync = report_first_sync(report, lease->extensions, lease->extension_count, &name, &reason);
    if (sync == FIRST_SYNC_WAITING)
        lease->event = NODE_GETS_READY;
    if (sync != FIRST_SYNC_FAILED)
        return true;
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, 256 * 1024);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_open(&w, "reason");
    json_put_str(&w, "code", STR("ExtensionFailed"));
    json_put_str(&w, "message", str_printf(lease->req->arena, "extension '" STR_FMT "': " STR_FMT, STR_ARG(name), STR_ARG(reason)));
    json_close(&w);
    json_put_value(&w, "extensions", json_get(report, "extensions"));
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    lease->event = NODE_BROKEN;
    lease->report = str_dup(lease->req->arena, buf_str(&buf));
    return arena_ok(lease->req->arena) || err_too_big(err);
}

static bool keep_report(Lease *lease, Txn *txn, const Node *node, Err *err)
{
    Str before;
    Bytes sealed;
    if (!node_report_open(lease->batch->site, txn, lease->req->arena, node, &before, err))
        return false;
    if (str_eq(before, lease->report))
        return true;
    return node_report_seal(lease->batch->site, txn, lease->req->arena, node, lease->report, &sealed, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_node SET report = ?2 WHERE id = ?1", db_text(node->id), db_blob(sealed));
}

/* Without its key an account's nodes keep their leases and what they are set up with, and run nothing. */
static bool check_key(Lease *lease, Txn *txn, const Node *node, Err *err)
{
    KeyHindrance hindrance;
    if (!encryption_hindrance(lease->batch, txn, lease->req->arena, node->account_id, &hindrance, err))
        return false;
    if (hindrance == KEY_IS_OPENING)
        return err_set(err, ERR_UNAVAILABLE, "the account is being opened with its customer-managed key");
    lease->suspended = hindrance == KEY_IS_LOST;
    if (lease->suspended)
        lease->event = NODE_BROKEN;
    return true;
}

static bool set_up(Lease *lease, Txn *txn, Err *err)
{
    Arena *arena = lease->req->arena;
    lease->pool_body = STR_NONE;
    return lease->suspended || (pool_body_open(lease->batch->site, txn, arena, &lease->pool, &lease->pool_body, err) &&
                                pool_extensions(arena, lease->pool_body, &lease->extensions, &lease->extension_count, err) && wait_for_extensions(lease, err));
}

/* Its machine started again, by a reboot or by itself; it kept its disk, and with it its credential. */
static bool note_boot(Lease *lease, Txn *txn, Node *node, Err *err)
{
    bool moved;
    node->boot_ms = lease->req->now_ms;
    return (node->state == NODE_LEAVING || node_apply(txn, node, NODE_JOINED, lease->req->now_ms, &node->state, &moved, err)) &&
           txn_exec(txn, NULL, err, "UPDATE batch_node SET boot_id = ?2, boot_ms = ?3, reboot = '' WHERE id = ?1",
                    db_text(node->id), db_text(lease->in.boot_id), db_int(lease->req->now_ms));
}

/* First what became of its runs, then its state, which they are part of. */
static bool settle(Lease *lease, Txn *txn, Node *node, Err *err)
{
    Arena *arena = lease->req->arena;
    NodeState now;
    bool found, moved;
    if (!runs_lease_take(lease->batch, txn, lease->scratch, node, &lease->pool, lease->pool_body, lease->req->now_ms, &lease->runs, err) ||
        !node_find(txn, arena, node->id, node, &found, err))
        return false;
    if (lease->event == NODE_READY)
        return node_ready(lease->batch, txn, lease->scratch, node, &lease->pool, lease->req->now_ms, err);
    return node->state == NODE_LEAVING || node_apply(txn, node, lease->event, lease->req->now_ms, &now, &moved, err);
}

static bool lease_txn(Txn *txn, void *ctx, Err *err)
{
    Lease *lease = ctx;
    Arena *arena = lease->req->arena;
    Node node;
    bool found, moved;
    if (!node_find(txn, arena, lease->caller->node.id, &node, &found, err))
        return false;
    if (!found)
        return node_bad_credential(err);
    if (!node_first_use(txn, lease->caller, err) || !account_by_id(txn, arena, node.account_id, &lease->account, &found, err) ||
        !pool_find(txn, arena, node.account_id, node.pool_key, &lease->pool, &found, err))
        return false;
    if (!found)
        return node_bad_credential(err);
    if (!check_key(lease, txn, &node, err) || !set_up(lease, txn, err))
        return false;
    bool is_new_boot = !str_empty(lease->in.boot_id) && !str_eq(lease->in.boot_id, node.boot_id);
    if (is_new_boot && !note_boot(lease, txn, &node, err))
        return false;
    /* It was thought gone and is not. */
    if (node.state == NODE_CREATING && (!node_apply(txn, &node, NODE_JOINED, lease->req->now_ms, &node.state, &moved, err)))
        return false;
    if (!settle(lease, txn, &node, err))
        return false;
    bool is_new_version = !str_eq(node.agent_version, lease->in.version);
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_node SET lease_until_ms = ?2, leases = leases + 1, started = 1, agent_version = ?3, agent_ms = CASE WHEN ?4 = 1 THEN ?5 ELSE agent_ms END, ip_address = ?6 WHERE id = ?1",
                    db_text(node.id), db_int(real_now_ms() + LEASE_MS), db_text(lease->in.version), db_int(is_new_version), db_int(lease->req->now_ms),
                    db_text(lease->in.ip_address)) &&
           (lease->suspended || (keep_report(lease, txn, &node, err) &&
                                 certificates_lease(lease->batch, txn, lease->req, &lease->account, &node, &lease->pool, &lease->certificates, err)));
}

static void write_extensions(const Lease *lease, JsonWriter *w)
{
    json_open_array(w, "extensions");
    for (size_t i = 0; i < lease->extension_count; i++) {
        const PoolExtension *e = &lease->extensions[i];
        json_open(w, NULL);
        json_put_str(w, "name", e->name);
        json_put_str(w, "publisher", e->publisher);
        json_put_str(w, "type", e->type);
        json_put_str(w, "typeHandlerVersion", e->type_handler_version.ptr ? e->type_handler_version : STR("1.0"));
        if (e->settings)
            json_put_value(w, "settings", e->settings);
        else
            json_put_raw(w, "settings", STR("{}"));
        json_close(w);
    }
    json_close_array(w);
}

static bool write_lease(Lease *lease, JsonWriter *w, Err *err)
{
    const Site *site = lease->batch->site;
    Arena *arena = lease->req->arena;
    AssignedIdentity *list;
    size_t count;
    if (!identities_from_json(arena, lease->pool.identities, &list, &count, err))
        return false;
    json_open(w, NULL);
    json_put_int(w, "leaseMs", LEASE_MS);
    json_put_int(w, "clockOffsetMs", clock_offset_ms(site->clock));
    json_open_array(w, "ports");
    json_put_int(w, NULL, site->names.port);
    json_close_array(w);
    json_open_array(w, "domains");
    json_put_str(w, NULL, site->names.domain);
    for (size_t i = 0; i < site->names.alias_count; i++)
        json_put_str(w, NULL, site->names.aliases[i].name);
    json_close_array(w);
    json_put_str(w, "account", lease->account.name);
    json_put_str(w, "accountUrl", str_printf(arena, "https://" STR_FMT, STR_ARG(site_batch_host(site, arena, lease->account.name, lease->account.location))));
    json_put_str(w, "pool", lease->pool.id);
    identities_write(w, "identities", list, count);
    if (lease->suspended)
        json_put_bool(w, "suspended", true);
    else
        write_extensions(lease, w);
    runs_lease_write(&lease->runs, w);
    if (!lease->suspended)
        certificates_lease_write(arena, &lease->certificates, w);
    json_close(w);
    return json_end(w, err);
}

bool node_lease(Req *req, Reply *reply, Err *err)
{
    AUTO(arena_free_auto) Arena *scratch = arena_new(SCRATCH_BYTES);
    Lease lease = { .batch = req->ctx, .req = req, .scratch = scratch, .caller = req->caller->plane_data, .in = { .version = STR(""), .ip_address = STR("") } };
    const JsonVal *body;
    if (!scratch)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!req_object(req, &body, err) || !json_read(body, "", lease_fields, COUNT_OF(lease_fields), &lease.in, err) ||
        !lease_event(lease.in.state, &lease.event, err) || !runs_lease_read(req->arena, body, &lease.runs, err) || !report_read(req->arena, body, &lease.report, err) ||
        !certificates_lease_read(body, &lease.certificates, err))
        return false;
    lease.in.version = str_slice(lease.in.version, 0, VERSION_SHOWN);
    lease.in.ip_address = str_slice(lease.in.ip_address, 0, VERSION_SHOWN);
    lease.in.boot_id = str_slice(lease.in.boot_id, 0, VERSION_SHOWN);
    bool done = store_write(lease.batch->site->store, lease_txn, &lease, err) && write_lease(&lease, &reply->json, err);
    certificates_lease_done(&lease.certificates);
    return done;
}
