/* node_token.c - tokens for the identities of a node's pool, which the node's metadata address hands on. */
#include "batch/nodes/node_identity.h"
#include "batch/nodes/node_plane.h"
#include "batch/parts.h"

typedef struct TokenGive { Batch *batch; Req *req; const NodeCaller *caller; TokenAsk ask; const char *why; bool chosen; Principal principal; } TokenGive;

static const JsonField token_fields[] = {
    JSON_FIELD(TokenAsk, resource,    "resource",   JSON_OPTIONAL),
    JSON_FIELD(TokenAsk, client_id,   "clientId",   JSON_OPTIONAL),
    JSON_FIELD(TokenAsk, object_id,   "objectId",   JSON_OPTIONAL),
    JSON_FIELD(TokenAsk, resource_id, "resourceId", JSON_OPTIONAL),
};

static bool choose_txn(Txn *txn, void *ctx, Err *err)
{
    TokenGive *give = ctx;
    Arena *arena = give->req->arena;
    AssignedIdentity *list;
    size_t count;
    Pool pool;
    bool found;
    if (!pool_find(txn, arena, give->caller->node.account_id, give->caller->node.pool_key, &pool, &found, err))
        return false;
    if (!found || give->caller->node.state == NODE_LEAVING)
        return node_bad_credential(err);
    if (!identities_from_json(arena, pool.identities, &list, &count, err))
        return false;
    const AssignedIdentity *one = node_identity_select(list, count, &give->ask, &give->why);
    if (!one)
        return true;
    if (!principal_by_object_id(give->batch->identity, txn, arena, one->principal_id, &give->principal, &give->chosen, err))
        return false;
    give->chosen = give->chosen && give->principal.enabled;             /* deleted or blocked since it was assigned */
    give->why = "Identity not found";
    return true;
}

static bool refuse_token(Reply *reply, Str error, const char *why, Err *err)
{
    reply->status = 400;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "error", error);
    json_put_str(&reply->json, "error_description", str_from(why));
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static void put_number_text(JsonWriter *w, Arena *arena, const char *name, int64_t n)
{
    json_put_str(w, name, str_printf(arena, "%lld", (long long)n));
}

bool node_token(Req *req, Reply *reply, Err *err)
{
    TokenGive give = { .batch = req->ctx, .req = req, .caller = req->caller->plane_data };
    const JsonVal *body;
    Str token;
    int64_t expires_ms, now_s = real_now_ms() / 1000;
    JsonWriter *w = &reply->json;
    if (!req_object(req, &body, err) || !json_read(body, "", token_fields, COUNT_OF(token_fields), &give.ask, err) ||
        !node_note_first_use(give.batch, give.caller, err))
        return false;
    if (str_empty(give.ask.resource))
        return refuse_token(reply, STR("invalid_request"), "Required audience parameter not specified", err);
    if (!store_read(give.batch->site->store, choose_txn, &give, err))
        return false;
    if (!give.chosen)
        return refuse_token(reply, STR("invalid_request"), give.why, err);
    if (!token_issue(give.batch->identity, req->arena, &give.principal, give.ask.resource, &token, &expires_ms, err))
        return err->code == ERR_BAD_INPUT && refuse_token(reply, STR("invalid_resource"), err->text, err);
    /* The metadata address gives numbers as strings. */
    json_open(w, NULL);
    json_put_str(w, "access_token", token);
    json_put_str(w, "client_id", give.principal.app_id);
    put_number_text(w, req->arena, "expires_in", expires_ms / 1000 - now_s);
    put_number_text(w, req->arena, "expires_on", expires_ms / 1000);
    put_number_text(w, req->arena, "ext_expires_in", expires_ms / 1000 - now_s);
    put_number_text(w, req->arena, "not_before", now_s);
    json_put_str(w, "resource", give.ask.resource);
    json_put_str(w, "token_type", STR("Bearer"));
    json_close(w);
    return json_end(w, err);
}
