/* graph_federated.c - federatedIdentityCredentials of applications: tokens of other issuers that sign in as them. */
#include "identity/federated.h"
#include "identity/graph.h"

typedef struct Call {
    Identity *identity;
    Req *req;
    Application app;
    Federated one;
    const Federated *all;
    size_t count;
    const JsonVal *body;
    bool found;
} Call;

static void put_members(JsonWriter *w, const Federated *f)
{
    json_put_str(w, "id", f->id);
    json_put_str(w, "name", f->name);
    json_put_str(w, "issuer", f->issuer);
    json_put_str(w, "subject", f->subject);
    if (f->description.ptr)
        json_put_str(w, "description", f->description);
    else
        json_put_null(w, "description");
    json_open_array(w, "audiences");
    json_put_str(w, NULL, f->audience);
    json_close_array(w);
}

/* What federated.h refuses, in Graph's words. */
static bool in_graphs_words(Err *err)
{
    Err why = *err;
    if (why.code == ERR_BAD_INPUT || why.code == ERR_TOO_LARGE)
        return graph_bad_request(err, why.target, "%s", why.text);
    if (why.code == ERR_CONFLICT)
        return err_named(err, ERR_CONFLICT, "Request_MultipleObjectsWithSameKeyValue", NULL, "%s", why.text);
    return false;
}

static bool find_application(Call *c, Txn *txn, Err *err)
{
    Str id = req_param(c->req, "id");
    return application_by_object_id(c->identity, txn, c->req->arena, id, &c->app, &c->found, err) && (c->found || graph_not_found(err, id));
}

static bool find_one(Call *c, Txn *txn, Err *err)
{
    Str id = req_param(c->req, "federatedId");
    return find_application(c, txn, err) && federated_find(c->identity, txn, c->req->arena, c->app.object_id, id, &c->one, &c->found, err) &&
           (c->found || graph_not_found(err, id));
}

/* ---- read ---- */

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    return find_application(c, txn, err) && federated_list(c->identity, txn, c->req->arena, c->app.object_id, &c->all, &c->count, err);
}

bool graph_federated_list(Req *req, Reply *reply, Err *err)
{
    Call c = { .identity = req->ctx, .req = req };
    JsonWriter *w = &reply->json;
    if (!store_read(c.identity->site->store, list_txn, &c, err))
        return false;
    Str what = str_printf(req->arena, "applications('" STR_FMT "')/federatedIdentityCredentials", STR_ARG(c.app.object_id));
    if (!what.ptr)
        return err_too_big(err);
    json_open(w, NULL);
    graph_put_context(c.identity, req, w, what.ptr);
    json_open_array(w, "value");
    for (size_t i = 0; i < c.count; i++) {
        json_open(w, NULL);
        put_members(w, &c.all[i]);
        json_close(w);
    }
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err) { return find_one(ctx, txn, err); }

static bool answer_one(Call *c, Reply *reply, Err *err)
{
    Str what = str_printf(c->req->arena, "applications('" STR_FMT "')/federatedIdentityCredentials/$entity", STR_ARG(c->app.object_id));
    if (!what.ptr)
        return err_too_big(err);
    json_open(&reply->json, NULL);
    graph_put_context(c->identity, c->req, &reply->json, what.ptr);
    put_members(&reply->json, &c->one);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

bool graph_federated_get(Req *req, Reply *reply, Err *err)
{
    Call c = { .identity = req->ctx, .req = req };
    return store_read(c.identity->site->store, get_txn, &c, err) && answer_one(&c, reply, err);
}

/* ---- write ---- */

typedef struct FederatedIn { Str id, name, issuer, subject, description; const JsonVal *audiences; } FederatedIn;
static const JsonField fields[] = {
    JSON_FIELD(FederatedIn, id,          "id",          JSON_OPTIONAL), JSON_FIELD(FederatedIn, name,      "name",      JSON_OPTIONAL),
    JSON_FIELD(FederatedIn, issuer,      "issuer",      JSON_OPTIONAL), JSON_FIELD(FederatedIn, subject,   "subject",   JSON_OPTIONAL),
    JSON_FIELD(FederatedIn, description, "description", JSON_OPTIONAL), JSON_FIELD(FederatedIn, audiences, "audiences", JSON_OPTIONAL),
};

/* Members that are given, over those that *f has. */
static bool read_body(const JsonVal *body, Federated *f, Err *err)
{
    FederatedIn in = { 0 };
    if (!json_read(body, "", fields, COUNT_OF(fields), &in, err))
        return false;
    const JsonVal *expression = json_get(body, "claimsMatchingExpression");
    if (json_kind(expression) > JSON_NULL)
        return graph_bad_request(err, "claimsMatchingExpression", "claimsMatchingExpression is not supported; name one subject, or make one credential a subject.");
    if (in.name.ptr && f->id.ptr && !str_eq_nocase(in.name, f->name))
        return graph_bad_request(err, "name", "name of a federated identity credential cannot be changed; make another one.");
    if (in.name.ptr && !f->id.ptr)
        f->name = in.name;
    if (in.issuer.ptr)
        f->issuer = in.issuer;
    if (in.subject.ptr)
        f->subject = in.subject;
    if (in.description.ptr)
        f->description = in.description;
    if ((in.audiences || !f->id.ptr) && !federated_audience(in.audiences, &f->audience, err))
        return in_graphs_words(err);
    return federated_check(f, err) || in_graphs_words(err);
}

static bool put(Call *c, Txn *txn, int http_status, Err *err)
{
    if (!federated_put(c->identity, txn, c->req->arena, c->app.object_id, c->app.app_id, &c->one, err))
        return in_graphs_words(err);
    return graph_record_write(c->identity, txn, c->req, c->app.object_id, http_status, err);
}

static bool create_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    c->one.id = STR_NONE;
    return find_application(c, txn, err) && put(c, txn, 201, err);
}

bool graph_federated_create(Req *req, Reply *reply, Err *err)
{
    Call c = { .identity = req->ctx, .req = req };
    if (!req_object(req, &c.body, err) || !read_body(c.body, &c.one, err) || !store_write(c.identity->site->store, create_txn, &c, err))
        return false;
    req->audited = true;
    reply->status = 201;
    return answer_one(&c, reply, err);
}

static bool patch_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    return find_one(c, txn, err) && read_body(c->body, &c->one, err) && put(c, txn, 204, err);
}

bool graph_federated_patch(Req *req, Reply *reply, Err *err)
{
    Call c = { .identity = req->ctx, .req = req };
    if (!req_object(req, &c.body, err) || !store_write(c.identity->site->store, patch_txn, &c, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}

static bool remove_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    return find_one(c, txn, err) && federated_remove(txn, c->app.object_id, c->one.id, err) && graph_record_write(c->identity, txn, c->req, c->app.object_id, 204, err);
}

bool graph_federated_remove(Req *req, Reply *reply, Err *err)
{
    Call c = { .identity = req->ctx, .req = req };
    if (!store_write(c.identity->site->store, remove_txn, &c, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}
