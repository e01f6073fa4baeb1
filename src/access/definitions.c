/* definitions.c - role definitions for reading, and what the caller may do at a scope. */
#include "access/parts.h"
#include "site/odata.h"

Str role_definition_id(Arena *arena, Str subscription, Str role_guid)
{
    if (str_empty(subscription))
        return str_printf(arena, "/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT, STR_ARG(role_guid));
    return str_printf(arena, "/subscriptions/" STR_FMT "/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT, STR_ARG(subscription),
                      STR_ARG(role_guid));
}

void role_definition_put(JsonWriter *w, Arena *arena, Str subscription, const Role *role, const CustomRole *custom)
{
    static const char *const everywhere[] = { "/", NULL };
    json_open(w, NULL);
    json_put_str(w, "id", role_definition_id(arena, subscription, str_from(role->guid)));
    json_put_str(w, "type", STR("Microsoft.Authorization/roleDefinitions"));
    json_put_str(w, "name", str_from(role->guid));
    json_open(w, "properties");
    json_put_str(w, "roleName", str_from(role->name));
    json_put_str(w, "type", custom ? STR("CustomRole") : STR("BuiltInRole"));
    json_put_str(w, "description", str_from(role->description));
    role_put_names(w, "assignableScopes", custom ? custom->scopes : everywhere);
    json_open_array(w, "permissions");
    role_put_permissions(w, role);
    json_close_array(w);
    if (custom) {
        json_put_time(w, "createdOn", custom->created_ms);
        json_put_time(w, "updatedOn", custom->updated_ms);
        json_put_str(w, "createdBy", custom->created_by);
        json_put_str(w, "updatedBy", custom->updated_by);
    } else {
        json_put_null(w, "createdBy");
        json_put_null(w, "updatedBy");
    }
    json_close(w);
    json_close(w);
}

/* ---- GET {scope}/providers/Microsoft.Authorization/roleDefinitions ---- */

enum { FILTER_PARTS_MAX = 8, PAGE_BYTES = 1024 * 1024 };

typedef struct RoleRow { Str name; bool is_custom; } RoleRow;

static size_t definition_value(void *row, Str path, const Str **values)
{
    static const Str builtin = { "BuiltInRole", 11 }, custom = { "CustomRole", 10 };
    RoleRow *role = row;
    if (str_eq_nocase(path, STR("type")))
        *values = role->is_custom ? &custom : &builtin;
    else
        *values = &role->name;                          /* roleName: odata_check let nothing else through */
    return 1;
}

static bool is_call(const OData *expr, Str name) { return expr->kind == ODATA_CALL && expr->value_count == 0 && str_eq_nocase(expr->path, name); }

typedef struct RoleFilter { const OData *parts[FILTER_PARTS_MAX]; size_t count; bool is_below; } RoleFilter;

/* atScopeAndBelow() looks further; atScope() says what is so without it. */
static bool role_filter(const Req *req, RoleFilter *out, Err *err)
{
    static const char *const known[] = { "roleName", "type" };
    const OData *expr, *parts[FILTER_PARTS_MAX];
    size_t count;
    *out = (RoleFilter){ 0 };
    Str text = req_query(req, "$filter");
    if (str_empty(text))
        return true;
    if (!odata_parse(req->arena, text, &expr, err))
        return false;
    if (!odata_conjuncts(expr, parts, COUNT_OF(parts), &count))
        return err_field(err, "$filter", "$filter: at most %zu conditions", COUNT_OF(parts));
    for (size_t i = 0; i < count; i++) {
        if (is_call(parts[i], STR("atScopeAndBelow")))
            out->is_below = true;
        else if (is_call(parts[i], STR("atScope")))
            continue;
        else if (odata_check(parts[i], known, COUNT_OF(known), err))
            out->parts[out->count++] = parts[i];
        else
            return false;
    }
    return true;
}

static bool role_passes(const RoleFilter *filter, const Role *role, bool is_custom)
{
    RoleRow row = { str_from(role->name), is_custom };
    for (size_t i = 0; i < filter->count; i++)
        if (!odata_matches(filter->parts[i], definition_value, &row))
            return false;
    return true;
}

typedef struct Definitions { Access *access; Req *req; JsonWriter *w; RoleFilter filter; SitePage page; Str scope, last; bool is_cut; } Definitions;

static bool list_custom(void *ctx, const CustomRole *custom, bool *done, Err *err)
{
    Definitions *list = ctx;
    if (list->w->buf->len > PAGE_BYTES && list->last.ptr) {
        json_close_array(list->w);
        site_page_next(list->access->site, list->req, list->w, list->last);
        *done = list->is_cut = true;
        return true;
    }
    list->last = str_lower(list->req->arena, str_from(custom->role.name));
    if (role_passes(&list->filter, &custom->role, true))
        role_definition_put(list->w, list->req->arena, scope_subscription(list->scope), &custom->role, custom);
    return arena_ok(list->req->arena) || err_too_big(err);
}

static bool list_read(Txn *txn, void *ctx, Err *err)
{
    Definitions *list = ctx;
    return custom_role_each(list->access, txn, list->scope, list->filter.is_below, list->page.after, list_custom, list, err);
}

bool role_definitions_list(Req *req, Reply *reply, Err *err)
{
    Definitions list = { .access = req->ctx, .req = req, .w = &reply->json, .scope = scope_normal(req->arena, req_param(req, "scope")) };
    Decision reads = { .allowed = true };
    if (!list.scope.ptr)
        return err_too_big(err);
    if (!role_filter(req, &list.filter, err) || !site_page_read(req, INT32_MAX, &list.page, err))
        return false;
    /* The tenant's path takes any token, to which it shows the built-in roles alone. */
    if (str_eq(list.scope, STR("/")) &&
        !access_decide(list.access, req->arena, req->caller->object_id, STR("Microsoft.Authorization/roleDefinitions/read"), false, list.scope, &reads, err))
        return false;
    json_open(list.w, NULL);
    json_open_array(list.w, "value");
    const Role *role;
    for (size_t i = 0; !list.page.after.ptr && (role = role_at(i)); i++)
        if (role_passes(&list.filter, role, false))
            role_definition_put(list.w, req->arena, scope_subscription(list.scope), role, NULL);
    if (reads.allowed && !store_read(list.access->site->store, list_read, &list, err))
        return false;
    if (!list.is_cut)
        json_close_array(list.w);
    json_close(list.w);
    return json_end(list.w, err);
}

/* ---- GET {scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId} ---- */

bool role_not_there(Str guid, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "RoleDefinitionDoesNotExist", NULL, "The specified role definition with ID '" STR_FMT "' does not exist.", STR_ARG(guid));
}

typedef struct One { Access *access; Req *req; CustomRole found; bool is_there; } One;

static bool one_read(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return custom_role_find(one->access, txn, one->req->arena, req_param(one->req, "roleDefinitionId"), &one->found, &one->is_there, err);
}

/* By the tenant's path whoever may read definitions at one of its scopes. */
static bool may_see(const One *one, Str scope, bool *may, Err *err)
{
    const Req *req = one->req;
    *may = one->is_there && !str_eq(scope, STR("/")) && custom_role_is_seen_at(req->arena, &one->found, scope);
    for (size_t i = 0; !*may && one->is_there && str_eq(scope, STR("/")) && one->found.scopes[i]; i++) {
        Decision decision;
        if (!access_decide(one->access, req->arena, req->caller->object_id, STR("Microsoft.Authorization/roleDefinitions/read"), false,
                           str_from(one->found.scopes[i]), &decision, err))
            return false;
        *may = decision.allowed;
    }
    return true;
}

bool role_definition_get(Req *req, Reply *reply, Err *err)
{
    Str guid = req_param(req, "roleDefinitionId"), scope = scope_normal(req->arena, req_param(req, "scope"));
    const Role *role = role_find(guid);
    One one = { .access = req->ctx, .req = req };
    bool may;
    if (!scope.ptr)
        return err_too_big(err);
    if (!role && (!store_read(one.access->site->store, one_read, &one, err) || !may_see(&one, scope, &may, err)))
        return false;
    if (!role && !may)
        return role_not_there(guid, err);
    role_definition_put(&reply->json, req->arena, scope_subscription(scope), role ? role : &one.found.role, role ? NULL : &one.found);
    return json_end(&reply->json, err);
}

/* ---- GET {scope}/providers/Microsoft.Authorization/permissions ---- */

typedef struct Permissions { Str scope; JsonWriter *w; } Permissions;

static void look_at_permissions(const void *block, void *ctx)
{
    const Grants *grants = block;
    Permissions *asked = ctx;
    for (size_t i = 0; i < grants->count; i++)
        if (scope_covers(grants->items[i].scope, asked->scope))
            role_put_permissions(asked->w, grants->items[i].role);
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
