/* node_plane.c - what node agents call (docs/node-protocol.md): who they are, join, results; leases, commands, runs and identity tokens are in
 * node_lease.c, node_commands.c, run_plane.c and node_token.c.
 *
 * A credential is "<node id>.<64 hex digits>"; only its SHA-256 is kept. A join's credential lies beside the old one until it is first
 * used, so a crash of either side between the answer and the agent's disk is harmless. */
#include "batch/parts.h"
#include "base/encode.h"
#include "base/id.h"
#include "batch/nodes/command.h"
#include "batch/nodes/node_plane.h"
#include "crypto/hash.h"

enum { RESULT_ARENA = 24 * 1024 * 1024, JOIN_BODY_MAX = 16 * 1024,
       LEASE_BODY_MAX = 256 * 1024, RESULT_BODY_MAX = 3 * 1024 * 1024, TOKEN_BODY_MAX = 16 * 1024, RUN_BODY_MAX = 256 * 1024, VERSION_SHOWN = 64 };

bool node_bad_credential(Err *err)
{
    return err_named(err, ERR_UNAUTHENTICATED, "NodeCredentialInvalid", NULL, "the node's credential is missing or wrong, or the node was removed");
}

static bool hash_is(Bytes kept, const uint8_t given[SHA256_SIZE])
{
    return kept.len == SHA256_SIZE && secret_equal(kept, (Bytes){ given, SHA256_SIZE });
}

/* -- who calls -- */

typedef struct Check { Req *req; Str node_id; uint8_t hash[SHA256_SIZE]; NodeCaller *caller; bool passed; } Check;

static bool check_txn(Txn *txn, void *ctx, Err *err)
{
    Check *check = ctx;
    Account account;
    bool found;
    if (!node_find(txn, check->req->arena, check->node_id, &check->caller->node, &found, err))
        return false;
    if (!found)
        return true;
    check->caller->is_new = hash_is(check->caller->node.credential_new, check->hash);
    check->passed = check->caller->is_new || hash_is(check->caller->node.credential_hash, check->hash);
    if (!check->passed)
        return true;
    if (!account_by_id(txn, check->req->arena, check->caller->node.account_id, &account, &found, err))
        return false;
    check->caller->account_arm_id = found ? account.arm_id : STR_NONE;
    return true;
}

static bool authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    Batch *batch = ctx;
    Str bearer = STR("Bearer "), header = req_header(req, "Authorization");
    Check check = { .req = req, .caller = ARENA_NEW(req->arena, NodeCaller) };
    (void)reply;
    if (!str_starts_nocase(header, bearer))
        return node_bad_credential(err);
    Str credential = str_trim(str_slice(header, bearer.len, header.len)), rest = credential;
    check.node_id = str_cut(&rest, '.');
    sha256(bytes_of(credential), check.hash);
    if (!check.caller)
        return err_too_big(err);
    if (str_empty(check.node_id) || !rest.ptr)
        return node_bad_credential(err);
    if (!store_read(batch->site->store, check_txn, &check, err))
        return false;
    if (!check.passed)
        return node_bad_credential(err);
    Caller *caller = ARENA_NEW(req->arena, Caller);
    if (!caller)
        return err_too_big(err);
    *caller = (Caller){ .object_id = check.caller->node.id, .tenant_id = batch->site->tenant_id, .id_type = STR("node"),
                        .name = check.caller->node.host_name, .expires_ms = INT64_MAX, .plane_data = check.caller };
    req->caller = caller;
    return true;
}

static bool authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    (void)ctx, (void)req, (void)route;
    return err_set(err, ERR_INTERNAL, "a row of the nodes' plane asks for a permission; nodes have none but being themselves");
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    static const struct { ErrCode code; const char *name; } names[] = {
        { ERR_BAD_INPUT, "InvalidRequest" }, { ERR_UNAUTHENTICATED, "NodeCredentialInvalid" }, { ERR_NOT_FOUND, "NotFound" },
        { ERR_TOO_LARGE, "RequestTooLarge" }, { ERR_UNAVAILABLE, "Unavailable" }, { ERR_CONFLICT, "Conflict" },
    };
    const char *name = err->name;
    (void)ctx;
    for (size_t i = 0; !name && i < COUNT_OF(names); i++)
        name = names[i].code == err->code ? names[i].name : NULL;
    json_open(&reply->json, NULL);
    json_open(&reply->json, "error");
    json_put_str(&reply->json, "code", str_from(name ? name : "InternalError"));
    json_put_str(&reply->json, "message", err->code == ERR_INTERNAL ? str_printf(req->arena, "internal error; request id " STR_FMT, STR_ARG(req->request_id))
                                                                    : str_from(err->text));
    json_close(&reply->json);
    json_close(&reply->json);
}

/* Tokens given, and refusals; leases and empty waits come every few seconds and say nothing new. */
static bool audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    Batch *batch = ctx;
    const NodeCaller *caller = req->caller ? req->caller->plane_data : NULL;
    bool is_token = req->route && strcmp(req->route->operation, "NodeIdentityToken") == 0;
    if (!is_token && (!err || err->code != ERR_UNAUTHENTICATED))
        return true;
    AuditRecord record = site_audit_record(batch->site, req, caller ? caller->account_arm_id : STR_NONE, err ? err_http_status(err->code) : reply->status ? reply->status : 200,
                                           err ? str_from(err->name ? err->name : "") : STR(""));
    return audit_read(batch->site->audit, &record, audit_err);
}

bool node_first_use(Txn *txn, const NodeCaller *caller, Err *err)
{
    return !caller->is_new ||
           txn_exec(txn, NULL, err, "UPDATE batch_node SET credential_hash = credential_new, credential_new = NULL, join_hash = NULL WHERE id = ?1 AND credential_new = ?2",
                    db_text(caller->node.id), db_blob(caller->node.credential_new));
}

static bool first_use_txn(Txn *txn, void *ctx, Err *err) { return node_first_use(txn, ctx, err); }

bool node_note_first_use(Batch *batch, const NodeCaller *caller, Err *err)
{
    NodeCaller copy = *caller;
    return !caller->is_new || store_write(batch->site->store, first_use_txn, &copy, err);
}

/* -- join -- */

typedef struct JoinIn { Str node_id, token, version, boot_id; } JoinIn;
static const JsonField join_fields[] = {
    JSON_FIELD(JoinIn, node_id, "nodeId",       JSON_REQUIRED),
    JSON_FIELD(JoinIn, token,   "joinToken",    JSON_REQUIRED),
    JSON_FIELD(JoinIn, version, "agentVersion", JSON_OPTIONAL),
    JSON_FIELD(JoinIn, boot_id, "bootId",       JSON_OPTIONAL),
};

typedef struct Join { Batch *batch; Req *req; JoinIn in; uint8_t token_hash[SHA256_SIZE], credential_hash[SHA256_SIZE]; } Join;

static bool join_txn(Txn *txn, void *ctx, Err *err)
{
    Join *join = ctx;
    Arena *arena = join->req->arena;
    Node node;
    Account account;
    NodeState now;
    bool found, moved;
    if (!node_find(txn, arena, join->in.node_id, &node, &found, err))
        return false;
    if (!found || node.state == NODE_LEAVING)
        return err_named(err, ERR_UNAUTHENTICATED, "JoinTokenInvalid", NULL, "the join token is wrong, or the node was removed");
    if (!node.join_hash.ptr)
        return err_named(err, ERR_UNAUTHENTICATED, "JoinTokenUsed", NULL, "the join token was used already; the node is started again with a new one when its machine ends");
    if (!hash_is(node.join_hash, join->token_hash))
        return err_named(err, ERR_UNAUTHENTICATED, "JoinTokenInvalid", NULL, "the join token is wrong, or the node was removed");
    if (!node_apply(txn, &node, NODE_JOINED, join->req->now_ms, &now, &moved, err) ||
        !account_by_id(txn, arena, node.account_id, &account, &found, err))
        return false;
    AuditRecord record = site_audit_record(join->batch->site, join->req, found ? account.arm_id : STR_NONE, 200, STR(""));
    record.object_id = node.id;
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_node SET credential_new = ?2, boot_id = ?3, boot_ms = ?4, started = 1, start_error = '', agent_version = ?5, agent_ms = ?4,"
                    " lease_until_ms = ?6 WHERE id = ?1",
                    db_text(node.id), db_blob((Bytes){ join->credential_hash, SHA256_SIZE }), db_text(join->in.boot_id), db_int(join->req->now_ms),
                    db_text(join->in.version), db_int(real_now_ms() + LEASE_MS)) &&
           pool_schedule(join->batch, txn, arena, node.account_id, node.pool_key, err) &&
           audit_write(join->batch->site->audit, txn, &record, err);
}

static bool node_join(Req *req, Reply *reply, Err *err)
{
    Join join = { .batch = req->ctx, .req = req, .in = { .version = STR(""), .boot_id = STR("") } };
    uint8_t random[CREDENTIAL_SIZE];
    const JsonVal *body;
    if (!req_object(req, &body, err) || !json_read(body, "", join_fields, COUNT_OF(join_fields), &join.in, err))
        return false;
    join.in.version = str_slice(join.in.version, 0, VERSION_SHOWN);
    join.in.boot_id = str_slice(join.in.boot_id, 0, VERSION_SHOWN);
    random_fill(random, sizeof random);
    Str credential = str_printf(req->arena, STR_FMT "." STR_FMT, STR_ARG(str_lower(req->arena, join.in.node_id)),
                                STR_ARG(hex_encode(req->arena, (Bytes){ random, sizeof random })));
    secret_wipe(random, sizeof random);
    if (!arena_ok(req->arena))
        return err_too_big(err);
    sha256(bytes_of(join.in.token), join.token_hash);
    sha256(bytes_of(credential), join.credential_hash);
    if (!store_write(join.batch->site->store, join_txn, &join, err))
        return false;
    req->audited = true;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "credential", credential);
    json_put_int(&reply->json, "leaseMs", LEASE_MS);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

/* -- results -- */

typedef struct Result { Batch *batch; Arena *arena; const NodeCaller *caller; Str id, json; bool kept; } Result;

static bool result_txn(Txn *txn, void *ctx, Err *err)
{
    Result *result = ctx;
    return node_first_use(txn, result->caller, err) &&
           command_result_put(result->batch->site, txn, result->arena, &result->caller->node, result->id, result->json, &result->kept, err);
}

/* Of a file command: the call keeps what was read of it, in an arena of its own. */
static bool file_result(const Result *result, const Req *req, Err *err)
{
    AUTO(arena_free_auto) Arena *own = arena_new(RESULT_ARENA);
    const JsonVal *body;
    FileResult read;
    Str waker;
    if (!own)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!json_parse(result->arena, req->body, JSON_STRICT, &body, err) || !file_result_read(result->arena, body, &read, err) || !file_result_keep(own, &read, err))
        return false;
    file_calls_answer(result->batch->files, result->caller->node.id, result->id, TAKE(own), &read, req->arena, &waker);
    if (waker.ptr)
        http_wake(result->batch->site->http, waker);
    return true;
}

/* The body may be larger than a request's arena, so it is read into one of its own. */
static bool node_result(Req *req, Reply *reply, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(RESULT_ARENA);
    Result result = { .batch = req->ctx, .arena = arena, .caller = req->caller->plane_data, .id = req_param(req, "commandId") };
    const JsonVal *body;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    reply->status = 204;
    if (file_calls_have(result.batch->files, result.caller->node.id, result.id))
        return node_note_first_use(result.batch, result.caller, err) && file_result(&result, req, err);
    if (!json_parse(arena, req->body, JSON_STRICT, &body, err) || !command_result_read(arena, body, &result.json, err) ||
        !store_write(result.batch->site->store, result_txn, &result, err))
        return false;
    if (result.kept)
        http_wake(result.batch->site->http, command_exec_key(req->arena, result.id));
    return true;
}

const Route node_plane_routes[] = {
    { METHOD_POST, "/v1/join",                         NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_JSON, JOIN_BODY_MAX,   node_join,     "NodeJoin" },
    { METHOD_POST, "/v1/lease",                        NULL, NULL, PERM_TOKEN,  WHERE_WORKER, BODY_JSON, LEASE_BODY_MAX,  node_lease,    "NodeLease" },
    { METHOD_GET,  "/v1/commands",                     NULL, NULL, PERM_TOKEN,  WHERE_PARKED, BODY_NONE, 0,               node_commands, "NodeCommands" },
    { METHOD_POST, "/v1/commands/{commandId}/result",  NULL, NULL, PERM_TOKEN,  WHERE_WORKER, BODY_RAW,  RESULT_BODY_MAX, node_result,   "NodeCommandResult" },
    { METHOD_POST, "/v1/runs/{runId}",                 NULL, NULL, PERM_TOKEN,  WHERE_WORKER, BODY_JSON, RUN_BODY_MAX,    node_run_report, "NodeRunReport" },
    { METHOD_POST, "/v1/identity/token",               NULL, NULL, PERM_TOKEN,  WHERE_WORKER, BODY_JSON, TOKEN_BODY_MAX,  node_token,    "NodeIdentityToken" },
};
const size_t node_plane_route_count = COUNT_OF(node_plane_routes);

void node_plane_init(Batch *batch)
{
    batch->node_plane = (Plane){
        .name = "nodes", .host_pattern = "nodes", .default_content_type = "application/json; charset=utf-8", .ctx = batch,
        .authenticate = authenticate, .authorize = authorize, .write_error = write_error, .audit = audit,
    };
}
