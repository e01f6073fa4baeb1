/* managedidentity.c - user-assigned identities: a resource in the register and a principal, made and removed in one transaction. */
#include <stdlib.h>
#include "managedidentity/parts.h"

#define TYPE USER_ASSIGNED_TYPE

enum { NAME_MIN = 3, NAME_MAX_LEN = 128, BODY_MAX = 64 * 1024 };

/* ---- rows ---- */

static bool load(ManagedIdentities *ids, Txn *txn, Arena *arena, Str id, UserAssigned *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    bool has_resource, has_principal;
    Str principal_id;

    *found = false;
    if (!txn_query(txn, &rows, err, "SELECT principal_id FROM managedidentity_user_assigned WHERE id_key = ?1", db_text(str_lower(arena, id))))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    principal_id = str_dup(arena, row_text(rows, 0));
    if (!arm_resource_find(ids->arm, txn, arena, id, &out->resource, &has_resource, err) ||
        !principal_by_object_id(ids->identity, txn, arena, principal_id, &out->principal, &has_principal, err))
        return false;
    if (!has_resource || !has_principal)
        return err_set(err, ERR_INTERNAL, "identity '" STR_FMT "' has lost its resource or its principal", STR_ARG(id));
    *found = true;
    return true;
}

bool managedidentity_find(ManagedIdentities *ids, Txn *txn, Arena *arena, Str resource_id, Str *stored_id, Principal *out, bool *found, Err *err)
{
    UserAssigned u;

    if (!load(ids, txn, arena, resource_id, &u, found, err))
        return false;
    if (*found) {
        *stored_id = u.resource.id;
        *out = u.principal;
    }
    return true;
}

static bool create(ManagedIdentities *ids, Txn *txn, Arena *arena, UserAssigned *u, Err *err)
{
    return principal_create(ids->identity, txn, arena, PRINCIPAL_MANAGED_IDENTITY, u->resource.name, u->resource.id, &u->principal, err) &&
           arm_register(ids->arm, txn, &u->resource, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO managedidentity_user_assigned (id_key, principal_id) VALUES (?1, ?2)",
                    db_text(str_lower(arena, u->resource.id)), db_text(u->principal.object_id));
}

static bool erase(ManagedIdentities *ids, Txn *txn, Arena *arena, const UserAssigned *u, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM managedidentity_user_assigned WHERE id_key = ?1", db_text(str_lower(arena, u->resource.id))) &&
           principal_delete(ids->identity, txn, u->principal.object_id, err) &&
           arm_unregister(ids->arm, txn, u->resource.id, err);
}

/* ---- answers ---- */

static void write_identity(const ManagedIdentities *ids, JsonWriter *w, const UserAssigned *u)
{
    json_open(w, NULL);
    json_put_str(w, "id", u->resource.id);
    json_put_str(w, "name", u->resource.name);
    json_put_str(w, "type", STR(TYPE));
    json_put_str(w, "location", u->resource.location);
    json_put_raw(w, "tags", u->resource.tags_json);
    json_open(w, "properties");
    json_put_str(w, "tenantId", ids->site->tenant_id);
    json_put_str(w, "principalId", u->principal.object_id);
    json_put_str(w, "clientId", u->principal.app_id);
    json_close(w);
    json_close(w);
}

static Str id_of_request(const Req *req)
{
    return arm_id_of_request(req, STR(TYPE), req_param(req, "resourceName"));
}

static bool not_found(Str id, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The Resource '" STR_FMT "' was not found.", STR_ARG(id));
}

typedef struct One { ManagedIdentities *ids; Req *req; UserAssigned found; bool is_there; } One;

bool user_assigned_of_request(ManagedIdentities *ids, Txn *txn, Req *req, UserAssigned *out, Err *err)
{
    Str group;
    bool found;

    if (!load(ids, txn, req->arena, id_of_request(req), out, &found, err))
        return false;
    if (found)
        return true;
    return arm_require_group(ids->arm, txn, req->arena, req_param(req, "subscriptionId"), req_param(req, "resourceGroupName"), &group, err) &&
           not_found(id_of_request(req), err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return user_assigned_of_request(one->ids, txn, one->req, &one->found, err);
}

static bool identity_get(Req *req, Reply *reply, Err *err)
{
    One one = { .ids = req->ctx, .req = req };

    if (!store_read(one.ids->site->store, get_txn, &one, err))
        return false;
    write_identity(one.ids, &reply->json, &one.found);
    return json_end(&reply->json, err);
}

/* ---- create, update ---- */

static bool name_check(Str name, Err *err)
{
    bool good = name.len >= NAME_MIN && name.len <= NAME_MAX_LEN;

    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        good = is_alnum || (i > 0 && (c == '-' || c == '_'));
    }
    if (good)
        return true;
    return err_named(err, ERR_BAD_INPUT, "InvalidResourceName", NULL,
                     "The identity name '" STR_FMT "' is invalid. It must be %d to %d characters long, begin with a letter or digit, and have only letters, digits, '-' and '_'.",
                     STR_ARG(str_slice(name, 0, NAME_MAX_LEN)), NAME_MIN, NAME_MAX_LEN);
}

typedef struct IdentityIn { Str location; const JsonVal *tags, *properties; } IdentityIn;
static const JsonField identity_fields[] = {
    JSON_FIELD(IdentityIn, location,   "location",   JSON_OPTIONAL),
    JSON_FIELD(IdentityIn, tags,       "tags",       JSON_OPTIONAL),
    JSON_FIELD(IdentityIn, properties, "properties", JSON_OPTIONAL),
};

typedef struct Write {
    ManagedIdentities *ids;
    Req *req;
    bool is_patch, has_tags, created;
    Str location, tags_json;
    UserAssigned result;
} Write;

static bool write_txn(Txn *txn, void *ctx, Err *err)
{
    Write *c = ctx;
    Arena *arena = c->req->arena;
    Str group, name = req_param(c->req, "resourceName");
    ArmResource *r = &c->result.resource;
    bool found;

    if (!arm_require_group(c->ids->arm, txn, arena, req_param(c->req, "subscriptionId"), req_param(c->req, "resourceGroupName"), &group, err) ||
        !load(c->ids, txn, arena, id_of_request(c->req), &c->result, &found, err))
        return false;
    c->created = !found;
    if (!found && c->is_patch)
        return not_found(id_of_request(c->req), err);
    if (found && !str_empty(c->location) && !str_eq(c->location, r->location))
        return err_named(err, ERR_CONFLICT, "InvalidResourceLocation", NULL,
                         "The resource '" STR_FMT "' already exists in location '" STR_FMT "' in resource group '" STR_FMT "'. "
                         "A resource with the same name cannot be created in location '" STR_FMT "'. Please select a new resource name.",
                         STR_ARG(r->name), STR_ARG(r->location), STR_ARG(group), STR_ARG(c->location));
    if (!found) {
        Str subscription = str_lower(arena, req_param(c->req, "subscriptionId"));
        *r = (ArmResource){
            .id = str_printf(arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/" TYPE "/" STR_FMT, STR_ARG(subscription), STR_ARG(group), STR_ARG(name)),
            .type = STR(TYPE), .name = name, .subscription = subscription, .group = group, .location = c->location, .tags_json = STR("{}"),
        };
    }
    if (c->has_tags)
        r->tags_json = c->tags_json;
    if (!arena_ok(arena))
        return err_too_big(err);
    return (found ? arm_register(c->ids->arm, txn, r, err) : create(c->ids, txn, arena, &c->result, err)) &&
           arm_audit(c->ids->arm, txn, c->req, r->id, c->created ? 201 : 200, err);
}

/* isolationScope came with api-version 2024-11-30; properties are read-only otherwise and what clients send back of them is ignored. */
static bool properties_check(const JsonVal *properties, Err *err)
{
    Str scope = json_str(json_get(properties, "isolationScope"));

    if (json_kind(properties) != JSON_ABSENT && json_kind(properties) != JSON_NULL && json_kind(properties) != JSON_OBJECT)
        return err_field(err, "properties", "properties must be an object, not %s", json_kind_name(json_kind(properties)));
    if (str_empty(scope) || str_eq_nocase(scope, STR("None")))
        return true;
    return err_set(err, ERR_NOT_BUILT, "properties.isolationScope '" STR_FMT "' is not built; leave it out or say 'None'", STR_ARG(str_slice(scope, 0, 60)));
}

static bool identity_write(Req *req, Reply *reply, bool is_patch, Err *err)
{
    Write c = { .ids = req->ctx, .req = req, .is_patch = is_patch };
    IdentityIn in = { 0 };
    const JsonVal *body;

    if (!req_object(req, &body, err) || !json_read(body, "", identity_fields, COUNT_OF(identity_fields), &in, err) ||
        !properties_check(in.properties, err) || !arm_tags_check(req->arena, in.tags, &c.tags_json, err))
        return false;
    if (!is_patch && !name_check(req_param(req, "resourceName"), err))
        return false;
    if ((!is_patch || !str_empty(in.location)) && !arm_location_check(req->arena, in.location, &c.location, err))
        return false;
    c.has_tags = !is_patch || json_kind(in.tags) == JSON_OBJECT;
    if (!store_write(c.ids->site->store, write_txn, &c, err))
        return false;
    req->audited = true;
    reply->status = c.created ? 201 : 200;
    write_identity(c.ids, &reply->json, &c.result);
    return json_end(&reply->json, err);
}

static bool identity_put(Req *req, Reply *reply, Err *err)
{
    return identity_write(req, reply, false, err);
}

static bool identity_patch(Req *req, Reply *reply, Err *err)
{
    return identity_write(req, reply, true, err);
}

/* ---- delete ---- */

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    Str id = id_of_request(one->req);

    if (!load(one->ids, txn, one->req->arena, id, &one->found, &one->is_there, err))
        return false;
    if (one->is_there && !erase(one->ids, txn, one->req->arena, &one->found, err))
        return false;
    return arm_audit(one->ids->arm, txn, one->req, one->is_there ? one->found.resource.id : id, one->is_there ? 200 : 204, err);
}

static bool identity_delete(Req *req, Reply *reply, Err *err)
{
    One one = { .ids = req->ctx, .req = req };

    if (!store_write(one.ids->site->store, delete_txn, &one, err))
        return false;
    req->audited = true;
    reply->status = one.is_there ? 200 : 204;
    return true;
}

typedef struct Drop { ManagedIdentities *ids; Arena *arena; Str id; } Drop;

static bool drop_txn(Txn *txn, void *ctx, Err *err)
{
    Drop *drop = ctx;
    UserAssigned u;
    bool found;

    return load(drop->ids, txn, drop->arena, drop->id, &u, &found, err) && (!found || erase(drop->ids, txn, drop->arena, &u, err));
}

/* The group goes away. */
static bool drop(void *ctx, Arena *arena, Str resource_id, Err *err)
{
    Drop what = { ctx, arena, resource_id };
    return store_write(what.ids->site->store, drop_txn, &what, err);
}

/* ---- lists: in a group, in a subscription ---- */

static bool write_listed(void *ctx, Txn *txn, Arena *arena, const ArmResource *resource, JsonWriter *w, Err *err)
{
    UserAssigned u;
    bool found;

    if (!load(ctx, txn, arena, resource->id, &u, &found, err))
        return false;
    if (found)
        write_identity(ctx, w, &u);
    return true;
}

static bool identity_list(Req *req, Reply *reply, Err *err)
{
    ManagedIdentities *ids = req->ctx;

    return arm_list_of_type(ids->arm, req, reply, STR(TYPE), write_listed, ids, err);
}

/* ---- the system-assigned identity of a resource ---- */

typedef struct SystemAssigned { ManagedIdentities *ids; Req *req; Str scope; ArmResource resource; Principal principal; } SystemAssigned;

static bool system_assigned_txn(Txn *txn, void *ctx, Err *err)
{
    SystemAssigned *s = ctx;
    bool has_resource, has_principal;

    if (!arm_resource_find(s->ids->arm, txn, s->req->arena, s->scope, &s->resource, &has_resource, err) ||
        !principal_by_mirid(s->ids->identity, txn, s->req->arena, s->scope, &s->principal, &has_principal, err))
        return false;
    if (!has_resource)
        return not_found(s->scope, err);
    /* A user-assigned identity's own principal carries its id too, but it is not assigned to it. */
    if (!has_principal || str_eq_nocase(s->resource.type, STR(TYPE)))
        return err_named(err, ERR_NOT_FOUND, "IdentityNotFound", NULL, "The resource '" STR_FMT "' has no system-assigned identity.", STR_ARG(s->resource.id));
    return true;
}

static bool system_assigned_get(Req *req, Reply *reply, Err *err)
{
    SystemAssigned s = { .ids = req->ctx, .req = req, .scope = str_printf(req->arena, "/" STR_FMT, STR_ARG(req_param(req, "scope"))) };
    JsonWriter *w = &reply->json;

    if (!store_read(s.ids->site->store, system_assigned_txn, &s, err))
        return false;
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(req->arena, STR_FMT "/providers/Microsoft.ManagedIdentity/identities/default", STR_ARG(s.resource.id)));
    json_put_str(w, "name", STR("default"));
    json_put_str(w, "type", STR("Microsoft.ManagedIdentity/identities"));
    json_put_str(w, "location", s.resource.location);
    json_open(w, "properties");
    json_put_str(w, "tenantId", s.ids->site->tenant_id);
    json_put_str(w, "principalId", s.principal.object_id);
    json_put_str(w, "clientId", s.principal.app_id);
    json_close(w);
    json_close(w);
    return json_end(w, err);
}

/* ---- the table ---- */

#define SUB    "/subscriptions/{subscriptionId}/providers/" TYPE
#define GROUP  "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" TYPE
#define FEDERATED GROUP "/{resourceName}/federatedIdentityCredentials"

static const Route routes[] = {
    { METHOD_GET,    SUB,                                 NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        identity_list,   "UserAssignedIdentitiesListBySubscription" },
    { METHOD_GET,    GROUP,                               NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        identity_list,   "UserAssignedIdentitiesListByResourceGroup" },
    { METHOD_GET,    GROUP "/{resourceName}",             NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        identity_get,    "UserAssignedIdentitiesGet" },
    { METHOD_PUT,    GROUP "/{resourceName}",             NULL, NULL, TYPE "/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, identity_put,    "UserAssignedIdentitiesCreateOrUpdate" },
    { METHOD_PATCH,  GROUP "/{resourceName}",             NULL, NULL, TYPE "/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, identity_patch,  "UserAssignedIdentitiesUpdate" },
    { METHOD_DELETE, GROUP "/{resourceName}",             NULL, NULL, TYPE "/delete", WHERE_WORKER, BODY_NONE,         0,        identity_delete, "UserAssignedIdentitiesDelete" },
    { METHOD_GET,    "/{scope...}/providers/Microsoft.ManagedIdentity/identities/default", NULL, NULL, "Microsoft.ManagedIdentity/identities/read", WHERE_INLINE, BODY_NONE, 0, system_assigned_get, "SystemAssignedIdentitiesGetByScope" },
    { METHOD_POST,   GROUP "/{resourceName}/listAssociatedResources", NULL, NULL, TYPE "/listAssociatedResources/action", WHERE_INLINE, BODY_NONE, 0, route_not_built, "UserAssignedIdentitiesListAssociatedResources" },
    { METHOD_GET,    FEDERATED,                           NULL, NULL, TYPE "/federatedIdentityCredentials/read",   WHERE_INLINE, BODY_NONE, 0, identity_federated_list, "FederatedIdentityCredentialsList" },
    { METHOD_GET,    FEDERATED "/{credentialName}",       NULL, NULL, TYPE "/federatedIdentityCredentials/read",   WHERE_INLINE, BODY_NONE, 0, identity_federated_get, "FederatedIdentityCredentialsGet" },
    { METHOD_PUT,    FEDERATED "/{credentialName}",       NULL, NULL, TYPE "/federatedIdentityCredentials/write",  WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, identity_federated_put, "FederatedIdentityCredentialsCreateOrUpdate" },
    { METHOD_DELETE, FEDERATED "/{credentialName}",       NULL, NULL, TYPE "/federatedIdentityCredentials/delete", WHERE_WORKER, BODY_NONE, 0, identity_federated_delete, "FederatedIdentityCredentialsDelete" },
};

bool managedidentity_open(Site *site, Identity *identity, Arm *arm, ManagedIdentities **out, Err *err)
{
    ManagedIdentities *ids = calloc(1, sizeof *ids);

    if (!ids)
        return err_set(err, ERR_INTERNAL, "out of memory");
    *ids = (ManagedIdentities){ site, identity, arm };
    arm_on_delete(arm, TYPE, drop, ids);
    *out = ids;
    return true;
}

void managedidentity_close(ManagedIdentities *ids)
{
    free(ids);
}

bool managedidentity_mount(ManagedIdentities *ids, HttpServer *server, Err *err)
{
    return http_mount(server, arm_plane(ids->arm), routes, COUNT_OF(routes), ids, err);
}
