/* graph_principal.c - service principals: created for an application, shown, disabled, deleted. */
#include "base/id.h"
#include "identity/graph.h"

enum { NAMES_MAX = 51 };                    /* the app id and the URIs of an application */

/* ---- shown ---- */

bool graph_principal_load(Identity *identity, Txn *txn, Arena *arena, Str object_id, GraphPrincipal *out, bool *found, Err *err)
{
    const Str *uris;
    size_t count;
    if (!principal_row(txn, arena, object_id, &out->row, found, err))
        return false;
    if (!*found)
        return true;
    if (!application_uris(txn, arena, out->row.p.app_id, &uris, &count, err) ||
        !credential_list(identity, txn, arena, out->row.p.object_id, &out->credentials, &out->credential_count, err))
        return false;
    Str *names = ARENA_ARRAY(arena, Str, NAMES_MAX);
    if (!names)
        return err_too_big(err);
    names[0] = out->row.p.app_id;
    for (size_t i = 0; i < count && i + 1 < NAMES_MAX; i++)
        names[i + 1] = uris[i];
    out->names = names;
    out->name_count = count + 1 < NAMES_MAX ? count + 1 : NAMES_MAX;
    return true;
}

void graph_put_principal(JsonWriter *w, const Identity *identity, Arena *arena, const GraphPrincipal *p)
{
    bool is_identity = p->row.p.kind == PRINCIPAL_MANAGED_IDENTITY;
    json_put_str(w, "id", p->row.p.object_id);
    json_put_null(w, "deletedDateTime");
    json_put_bool(w, "accountEnabled", p->row.p.enabled);
    json_open_array(w, "alternativeNames");
    if (is_identity) {
        size_t at;
        bool is_explicit = str_find(p->row.p.mirid, STR("/userAssignedIdentities/"), &at);
        json_put_str(w, NULL, is_explicit ? STR("isExplicit=True") : STR("isExplicit=False"));
        json_put_str(w, NULL, p->row.p.mirid);
    }
    json_close_array(w);
    json_put_str(w, "appDisplayName", p->row.p.display_name);
    json_put_str(w, "appId", p->row.p.app_id);
    json_put_str(w, "appOwnerOrganizationId", identity->site->tenant_id);
    json_put_bool(w, "appRoleAssignmentRequired", false);
    json_put_str(w, "createdDateTime", time_str(arena, p->row.created_ms, 0));
    json_put_str(w, "displayName", p->row.p.display_name);
    json_open_array(w, "servicePrincipalNames");
    for (size_t i = 0; i < p->name_count; i++)
        json_put_str(w, NULL, p->names[i]);
    json_close_array(w);
    json_put_str(w, "servicePrincipalType", is_identity ? STR("ManagedIdentity") : STR("Application"));
    json_put_str(w, "signInAudience", is_identity ? STR_NONE : STR("AzureADMyOrg"));
    graph_put_credentials(w, arena, p->credentials, p->credential_count);
}

static bool reply_principal(const Identity *identity, Req *req, Reply *reply, const GraphPrincipal *p, Err *err)
{
    json_open(&reply->json, NULL);
    graph_put_context(identity, req, &reply->json, "servicePrincipals/$entity");
    graph_put_principal(&reply->json, identity, req->arena, p);
    json_close(&reply->json);
    return arena_ok(req->arena) ? json_end(&reply->json, err) : err_too_big(err);
}

/* ---- work ---- */

typedef struct CreateIn { Str app_id; OptBool enabled; } CreateIn;
static const JsonField create_fields[] = {
    JSON_FIELD(CreateIn, app_id,  "appId",          JSON_REQUIRED),
    JSON_FIELD(CreateIn, enabled, "accountEnabled", JSON_OPTIONAL),
};

typedef struct PatchIn { OptBool enabled; } PatchIn;
static const JsonField patch_fields[] = { JSON_FIELD(PatchIn, enabled, "accountEnabled", JSON_OPTIONAL) };

typedef struct Work { Identity *identity; Req *req; CreateIn in; GraphPrincipal view; bool found; } Work;

static bool create_write(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Identity *identity = work->identity;
    Req *req = work->req;
    Application app;
    Principal now;
    bool found;
    if (!application_by_app_id(identity, txn, req->arena, work->in.app_id, &app, &found, err))
        return false;
    if (!found)
        return graph_bad_request(err, "appId", "The appId '" STR_FMT "' of the service principal does not reference a valid application object.",
                                 STR_ARG(str_slice(work->in.app_id, 0, 80)));
    if (!graph_is_administrator(identity, req) && !str_eq(app.owner_id, req->caller->object_id))
        return graph_denied(err, "Only its creator and the administrator of the tenant may give an application a service principal.");
    if (!principal_by_app_id(identity, txn, req->arena, app.app_id, &now, &found, err))
        return false;
    if (found)
        return err_named(err, ERR_CONFLICT, "Request_MultipleObjectsWithSameKeyValue", NULL,
                         "The service principal cannot be created, updated, or restored because the service "
                         "principal name " STR_FMT " is already in use.", STR_ARG(app.app_id));
    PrincipalRow row = {
        .p = { .object_id = guid_new(req->arena), .app_id = app.app_id, .display_name = app.display_name, .kind = PRINCIPAL_APP,
               .enabled = !work->in.enabled.set || work->in.enabled.value },
        .owner_id = req->caller->object_id, .created_ms = req->now_ms,
    };
    if (!arena_ok(req->arena))
        return err_too_big(err);
    return principal_insert(txn, req->arena, &row, err) &&
           graph_principal_load(identity, txn, req->arena, row.p.object_id, &work->view, &work->found, err) &&
           graph_record_write(identity, txn, req, row.p.object_id, 201, err);
}

bool graph_principal_create(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    const JsonVal *body;
    if (!req_object(req, &body, err) || !json_read(body, "", create_fields, COUNT_OF(create_fields), &work.in, err) ||
        !store_write(work.identity->site->store, create_write, &work, err))
        return false;
    req->audited = true;
    reply->status = 201;
    return reply_principal(work.identity, req, reply, &work.view, err);
}

static bool load(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Str app_id = req_param(work->req, "appId"), id = req_param(work->req, "id");
    Principal named;
    if (app_id.ptr) {
        if (!principal_by_app_id(work->identity, txn, work->req->arena, app_id, &named, &work->found, err))
            return false;
        if (!work->found)
            return true;
        id = named.object_id;
    }
    return graph_principal_load(work->identity, txn, work->req->arena, id, &work->view, &work->found, err);
}

static bool load_or_refuse(Work *work, Txn *txn, Err *err)
{
    return load(txn, work, err) && (work->found || graph_not_found(err, graph_asked_id(work->req)));
}

static bool get_read(Txn *txn, void *ctx, Err *err) { return load_or_refuse(ctx, txn, err); }

bool graph_principal_get(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    return store_read(work.identity->site->store, get_read, &work, err) && reply_principal(work.identity, req, reply, &work.view, err);
}

/* Managed identities belong to their resources, the administrator to the site. */
static bool may_be_changed(const Work *work, Err *err)
{
    if (work->view.row.p.kind == PRINCIPAL_MANAGED_IDENTITY)
        return graph_denied(err, "A managed identity lives and ends with its resource.");
    if (str_eq(work->view.row.p.object_id, work->identity->admin_id))
        return graph_denied(err, "The administrator of the tenant can neither be disabled nor deleted.");
    return true;
}

static bool patch_write(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Str id;
    if (!load_or_refuse(work, txn, err) || !may_be_changed(work, err))
        return false;
    id = work->view.row.p.object_id;
    if (work->in.enabled.set && !principal_set_enabled(work->identity, txn, id, work->in.enabled.value, err))
        return false;
    return graph_record_write(work->identity, txn, work->req, id, 204, err);
}

bool graph_principal_patch(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    PatchIn in = { 0 };
    const JsonVal *body;
    if (!req_object(req, &body, err) || !json_read_exact(body, "", patch_fields, COUNT_OF(patch_fields), &in, err))
        return false;
    work.in.enabled = in.enabled;
    if (!store_write(work.identity->site->store, patch_write, &work, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}

static bool remove_write(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    if (!load_or_refuse(work, txn, err) || !may_be_changed(work, err))
        return false;
    return principal_delete(work->identity, txn, work->view.row.p.object_id, err) &&
           graph_record_write(work->identity, txn, work->req, work->view.row.p.object_id, 204, err);
}

bool graph_principal_remove(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    if (!store_write(work.identity->site->store, remove_write, &work, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}
