/* definitions.c - role definitions for reading, and what the caller may do at a scope. */
#include "access/parts.h"
#include "base/id.h"
#include "site/odata.h"

Str role_definition_id(Arena *arena, Str subscription, Str role_guid)
{
    if (str_empty(subscription))
        return str_printf(arena, "/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT, STR_ARG(role_guid));
    return str_printf(arena, "/subscriptions/" STR_FMT "/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT, STR_ARG(subscription),
                      STR_ARG(role_guid));
}

static void put_names(JsonWriter *w, const char *name, const char *const items[ROLE_ACTIONS_MAX])
{
    json_open_array(w, name);
    for (int i = 0; i < ROLE_ACTIONS_MAX && items[i]; i++)
        json_put_str(w, NULL, str_from(items[i]));
    json_close_array(w);
}

static void put_permission(JsonWriter *w, const Role *role)
{
    json_open(w, NULL);
    put_names(w, "actions", role->actions);
    put_names(w, "notActions", role->not_actions);
    put_names(w, "dataActions", role->data_actions);
    json_open_array(w, "notDataActions");
    json_close_array(w);
    json_close(w);
}

static void put_definition(JsonWriter *w, Arena *arena, Str subscription, const Role *role)
{
    json_open(w, NULL);
    json_put_str(w, "id", role_definition_id(arena, subscription, str_from(role->guid)));
    json_put_str(w, "type", STR("Microsoft.Authorization/roleDefinitions"));
    json_put_str(w, "name", str_from(role->guid));
    json_open(w, "properties");
    json_put_str(w, "roleName", str_from(role->name));
    json_put_str(w, "type", STR("BuiltInRole"));
    json_put_str(w, "description", str_from(role->description));
    json_open_array(w, "assignableScopes");
    json_put_str(w, NULL, STR("/"));
    json_close_array(w);
    json_open_array(w, "permissions");
    put_permission(w, role);
    json_close_array(w);
    json_put_null(w, "createdBy");
    json_put_null(w, "updatedBy");
    json_close(w);
    json_close(w);
}

/* ---- GET {scope}/providers/Microsoft.Authorization/roleDefinitions ---- */

static size_t definition_value(void *row, Str path, const Str **values)
{
    static const Str builtin[] = { { "BuiltInRole", 11 } };
    if (str_eq_nocase(path, STR("type")))
        return *values = builtin, 1;
    return *values = row, 1;                            /* roleName: odata_check let nothing else through */
}

/* Built-in roles may be assigned anywhere, so the scope functions of the service select nothing here: they are taken off. */
static bool is_scope_call(const OData *expr)
{
    return expr->kind == ODATA_CALL && (str_eq_nocase(expr->path, STR("atScope")) || str_eq_nocase(expr->path, STR("atScopeAndBelow")));
}

typedef struct RoleFilter { const OData *parts[8]; size_t count; } RoleFilter;

static bool role_filter(const Req *req, RoleFilter *out, Err *err)
{
    static const char *const known[] = { "roleName", "type" };
    *out = (RoleFilter){ 0 };
    Str text = req_query(req, "$filter");
    const OData *expr;
    if (str_empty(text))
        return true;
    if (!odata_parse(req->arena, text, &expr, err))
        return false;
    if (!odata_conjuncts(expr, out->parts, COUNT_OF(out->parts), &out->count))
        return err_field(err, "$filter", "$filter: at most %zu conditions", COUNT_OF(out->parts));
    for (size_t i = 0; i < out->count; i++)
        if (!is_scope_call(out->parts[i]) && !odata_check(out->parts[i], known, COUNT_OF(known), err))
            return false;
    return true;
}

static bool role_passes(const RoleFilter *filter, const Role *role)
{
    Str name = str_from(role->name);
    for (size_t i = 0; i < filter->count; i++)
        if (!is_scope_call(filter->parts[i]) && !odata_matches(filter->parts[i], definition_value, &name))
            return false;
    return true;
}

bool role_definitions_list(Req *req, Reply *reply, Err *err)
{
    RoleFilter filter;
    if (!role_filter(req, &filter, err))
        return false;
    Str scope = scope_normal(req->arena, req_param(req, "scope"));
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    const Role *role;
    for (size_t i = 0; (role = role_at(i)); i++)
        if (role_passes(&filter, role))
            put_definition(&reply->json, req->arena, scope_subscription(scope), role);
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

bool role_definition_get(Req *req, Reply *reply, Err *err)
{
    Str guid = req_param(req, "roleDefinitionId");
    const Role *role = role_find(guid);
    if (!role)
        return err_named(err, ERR_NOT_FOUND, "RoleDefinitionDoesNotExist", NULL,
                         "The specified role definition with ID '" STR_FMT "' does not exist.",
                         STR_ARG(guid));
    Str scope = scope_normal(req->arena, req_param(req, "scope"));
    put_definition(&reply->json, req->arena, scope_subscription(scope), role);
    return json_end(&reply->json, err);
}

/* PUT and DELETE: custom roles. */
bool role_definition_write(Req *req, Reply *reply, Err *err)
{
    (void)reply;
    Str guid = req_param(req, "roleDefinitionId");
    if (role_find(guid))
        return err_named(err, ERR_DENIED, "RoleDefinitionUpdateNotPermitted", NULL, "Built-in role definitions cannot be changed or deleted.");
    return err_set(err, ERR_NOT_BUILT, "Custom role definitions are not available yet; assign a built-in role.");
}

/* ---- GET {scope}/providers/Microsoft.Authorization/permissions ---- */

typedef struct Permissions { Str scope; JsonWriter *w; } Permissions;

static void look_at_permissions(const void *block, void *ctx)
{
    const Grants *grants = block;
    Permissions *asked = ctx;
    for (size_t i = 0; i < grants->count; i++)
        if (scope_covers(grants->items[i].scope, asked->scope))
            put_permission(asked->w, grants->items[i].role);
}

bool permissions_list(Req *req, Reply *reply, Err *err)
{
    Permissions asked = { .scope = scope_normal(req->arena, req_param(req, "scope")), .w = &reply->json };
    if (!asked.scope.ptr)
        return err_too_big(err);
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    if (!access_look_at_grants(req->ctx, req->caller->object_id, look_at_permissions, &asked, err))
        return false;
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}
