/* federated.c - federatedIdentityCredentials of a user-assigned identity: tokens of other issuers that sign in as it. */
#include "identity/federated.h"
#include "managedidentity/parts.h"

typedef struct Call {
    ManagedIdentities *ids;
    Req *req;
    UserAssigned of;
    Federated one;
    const Federated *all;
    size_t count;
    bool found;
} Call;

static void put_one(JsonWriter *w, const Call *c, const Federated *f)
{
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(c->req->arena, STR_FMT "/federatedIdentityCredentials/" STR_FMT, STR_ARG(c->of.resource.id), STR_ARG(f->name)));
    json_put_str(w, "name", f->name);
    json_put_str(w, "type", STR(USER_ASSIGNED_TYPE "/federatedIdentityCredentials"));
    json_open(w, "properties");
    json_put_str(w, "issuer", f->issuer);
    json_put_str(w, "subject", f->subject);
    json_open_array(w, "audiences");
    json_put_str(w, NULL, f->audience);
    json_close_array(w);
    json_close(w);
    json_close(w);
}

static bool find_identity(Call *c, Txn *txn, Err *err)
{
    return user_assigned_of_request(c->ids, txn, c->req, &c->of, err);
}

static bool find_one(Call *c, Txn *txn, Err *err)
{
    return find_identity(c, txn, err) &&
           federated_find(c->ids->identity, txn, c->req->arena, c->of.principal.object_id, req_param(c->req, "credentialName"), &c->one, &c->found, err);
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    return find_identity(c, txn, err) && federated_list(c->ids->identity, txn, c->req->arena, c->of.principal.object_id, &c->all, &c->count, err);
}

bool identity_federated_list(Req *req, Reply *reply, Err *err)
{
    Call c = { .ids = req->ctx, .req = req };
    JsonWriter *w = &reply->json;
    if (!store_read(c.ids->site->store, list_txn, &c, err))
        return false;
    json_open(w, NULL);
    json_open_array(w, "value");
    for (size_t i = 0; i < c.count; i++)
        put_one(w, &c, &c.all[i]);
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    return find_one(c, txn, err) && (c->found || err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The federated identity credential '" STR_FMT "' was not found in '" STR_FMT "'.",
                                                           STR_ARG(str_slice(req_param(c->req, "credentialName"), 0, 120)), STR_ARG(c->of.resource.id)));
}

bool identity_federated_get(Req *req, Reply *reply, Err *err)
{
    Call c = { .ids = req->ctx, .req = req };
    if (!store_read(c.ids->site->store, get_txn, &c, err))
        return false;
    put_one(&reply->json, &c, &c.one);
    return json_end(&reply->json, err);
}

/* ---- write ---- */

typedef struct PropertiesIn { Str issuer, subject; const JsonVal *audiences; } PropertiesIn;
static const JsonField fields[] = {
    JSON_FIELD(PropertiesIn, issuer,    "issuer",    JSON_REQUIRED),
    JSON_FIELD(PropertiesIn, subject,   "subject",   JSON_REQUIRED),
    JSON_FIELD(PropertiesIn, audiences, "audiences", JSON_REQUIRED),
};

static bool put_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    Federated wanted = c->one;
    if (!find_one(c, txn, err))
        return false;
    if (c->found) {                                     /* written over: the id and its spelling stay */
        wanted.id = c->one.id;
        wanted.name = c->one.name;
    }
    c->one = wanted;
    if (!federated_put(c->ids->identity, txn, c->req->arena, c->of.principal.object_id, c->of.principal.app_id, &c->one, err))
        return err->code == ERR_TOO_LARGE ? err_set(err, ERR_BAD_INPUT, "Too many Federated Identity Credentials on this Managed Identity: it may have %d. Remove one first.", FEDERATED_MAX) : false;
    return arm_audit(c->ids->arm, txn, c->req, c->of.resource.id, c->found ? 200 : 201, err);
}

bool identity_federated_put(Req *req, Reply *reply, Err *err)
{
    Call c = { .ids = req->ctx, .req = req, .one.name = req_param(req, "credentialName") };
    PropertiesIn in = { 0 };
    const JsonVal *body, *properties;
    if (!req_object(req, &body, err))
        return false;
    properties = json_get(body, "properties");
    if (json_kind(properties) != JSON_OBJECT)
        return err_field(err, "properties", "properties must be an object with issuer, subject and audiences");
    if (!json_read(properties, "properties", fields, COUNT_OF(fields), &in, err) || !federated_audience(in.audiences, &c.one.audience, err))
        return false;
    c.one.issuer = in.issuer;
    c.one.subject = in.subject;
    if (!federated_check(&c.one, err) || !store_write(c.ids->site->store, put_txn, &c, err))
        return false;
    req->audited = true;
    reply->status = c.found ? 200 : 201;
    put_one(&reply->json, &c, &c.one);
    return json_end(&reply->json, err);
}

static bool remove_txn(Txn *txn, void *ctx, Err *err)
{
    Call *c = ctx;
    return find_one(c, txn, err) && (!c->found || federated_remove(txn, c->of.principal.object_id, c->one.id, err)) &&
           arm_audit(c->ids->arm, txn, c->req, c->of.resource.id, c->found ? 200 : 204, err);
}

bool identity_federated_delete(Req *req, Reply *reply, Err *err)
{
    Call c = { .ids = req->ctx, .req = req };
    if (!store_write(c.ids->site->store, remove_txn, &c, err))
        return false;
    req->audited = true;
    reply->status = c.found ? 200 : 204;
    return true;
}
