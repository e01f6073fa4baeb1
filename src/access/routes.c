/* routes.c - Microsoft.Authorization on the Resource Manager plane (api-version 2022-04-01 and its elders). */
#include "access/parts.h"
#include "base/id.h"
#include "site/odata.h"

enum { BODY_MAX = 64 * 1024, ROLE_MAX = 256 * 1024, DESCRIPTION_MAX = 1024 };

#define TYPE            "Microsoft.Authorization/roleAssignments"
#define ASSIGNMENTS     "/{scope...}/providers/Microsoft.Authorization/roleAssignments"
#define DEFINITIONS     "/{scope...}/providers/Microsoft.Authorization/roleDefinitions"
#define ACTION_WRITE    "Microsoft.Authorization/roleAssignments/write"
#define ACTION_DELETE   "Microsoft.Authorization/roleAssignments/delete"

static Str scope_shown(const Req *req)
{
    Str scope = req_param(req, "scope");
    while (scope.len > 1 && scope.ptr[scope.len - 1] == '/')
        scope.len--;
    return scope.len && scope.ptr[0] == '/' ? scope : str_printf(req->arena, "/" STR_FMT, STR_ARG(scope));
}

static void put_assignment(JsonWriter *w, Arena *arena, const Assignment *a)
{
    bool is_root = str_eq(a->scope, STR("/"));
    json_open(w, NULL);
    json_open(w, "properties");
    json_put_str(w, "roleDefinitionId", role_definition_id(arena, scope_subscription(a->scope), a->role_id));
    json_put_str(w, "principalId", a->principal_id);
    json_put_str(w, "principalType", STR("ServicePrincipal"));      /* applications and managed identities alike */
    json_put_str(w, "scope", a->scope);
    json_put_null(w, "condition");
    json_put_null(w, "conditionVersion");
    if (a->description.ptr)
        json_put_str(w, "description", a->description);
    json_put_time(w, "createdOn", a->created_ms);
    json_put_time(w, "updatedOn", a->updated_ms);
    json_put_str(w, "createdBy", a->created_by);
    json_put_str(w, "updatedBy", a->updated_by);
    json_close(w);
    json_put_str(w, "id", str_printf(arena, STR_FMT "/providers/" TYPE "/" STR_FMT, STR_ARG(is_root ? STR("") : a->scope), STR_ARG(a->name)));
    json_put_str(w, "type", STR(TYPE));
    json_put_str(w, "name", a->name);
    json_close(w);
}

/* ---- GET list ---- */

typedef struct List { Access *access; Req *req; JsonWriter *w; Str scope, principal_id; bool is_at_scope; } List;

/* atScope() and principalId eq 'x' and assignedTo('x'), in any order, each once or not at all. */
static bool list_filter(List *list, Err *err)
{
    Str text = req_query(list->req, "$filter");
    const OData *expr, *parts[4];
    size_t count;
    if (str_empty(text))
        return true;
    if (!odata_parse(list->req->arena, text, &expr, err))
        return false;
    if (!odata_conjuncts(expr, parts, COUNT_OF(parts), &count))
        return err_field(err, "$filter", "$filter: at most %zu conditions", COUNT_OF(parts));
    for (size_t i = 0; i < count; i++) {
        const OData *part = parts[i];
        bool is_call = part->kind == ODATA_CALL;
        bool is_named = is_call ? str_eq_nocase(part->path, STR("assignedTo"))
                                : part->kind == ODATA_EQ && !part->any && str_eq_nocase(part->path, STR("principalId"));
        bool is_principal = is_named && part->value_count == 1 && part->values[0].ptr;
        if (is_call && str_eq_nocase(part->path, STR("atScope")) && part->value_count == 0)
            list->is_at_scope = true;
        else if (is_principal && (!list->principal_id.ptr || str_eq_nocase(list->principal_id, part->values[0])))
            list->principal_id = str_lower(list->req->arena, part->values[0]);
        else
            return err_field(err, "$filter", "$filter: role assignments can be filtered by atScope(), principalId eq 'id' and assignedTo('id'), of one principal");
    }
    return true;
}

static bool list_one(void *ctx, const Assignment *a, Err *err)
{
    List *list = ctx;
    Str scope = scope_normal(list->req->arena, a->scope);
    if (!scope.ptr)
        return err_too_big(err);
    bool is_above = scope_covers(scope, list->scope), is_below = scope_covers(list->scope, scope);
    if (is_above || (is_below && !list->is_at_scope))
        put_assignment(list->w, list->req->arena, a);
    return true;
}

static bool list_read(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    return assignment_each(list->access, txn, list->req->arena, list->principal_id, list_one, list, err);
}

static bool assignments_list(Req *req, Reply *reply, Err *err)
{
    List list = { .access = req->ctx, .req = req, .w = &reply->json, .scope = scope_normal(req->arena, req_param(req, "scope")) };
    if (!list.scope.ptr)
        return err_too_big(err);
    if (!list_filter(&list, err))
        return false;
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    if (!store_read(list.access->site->store, list_read, &list, err))
        return false;
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

/* ---- GET one ---- */

typedef struct One { Access *access; Req *req; Assignment found; bool is_there; } One;

static bool find_at_scope(Access *access, Txn *txn, const Req *req, Assignment *out, bool *found, Err *err)
{
    if (!assignment_find(access, txn, req->arena, req_param(req, "roleAssignmentName"), out, found, err))
        return false;
    Str asked = scope_normal(req->arena, req_param(req, "scope"));
    *found = *found && str_eq(asked, scope_normal(req->arena, out->scope));
    return true;
}

static bool one_read(Txn *txn, void *ctx, Err *err)
{
    One *one = ctx;
    return find_at_scope(one->access, txn, one->req, &one->found, &one->is_there, err);
}

static bool assignment_get(Req *req, Reply *reply, Err *err)
{
    One one = { .access = req->ctx, .req = req };
    if (!store_read(one.access->site->store, one_read, &one, err))
        return false;
    if (!one.is_there)
        return err_named(err, ERR_NOT_FOUND, "RoleAssignmentNotFound", NULL, "The role assignment '" STR_FMT "' is not found.",
                         STR_ARG(req_param(req, "roleAssignmentName")));
    put_assignment(&reply->json, req->arena, &one.found);
    return json_end(&reply->json, err);
}

/* ---- PUT ---- */

typedef struct PutIn { Str role_definition_id, principal_id, principal_type, description, condition; } PutIn;
static const JsonField put_fields[] = {
    JSON_FIELD(PutIn, role_definition_id, "roleDefinitionId", JSON_REQUIRED),
    JSON_FIELD(PutIn, principal_id,       "principalId",      JSON_REQUIRED),
    JSON_FIELD(PutIn, principal_type,     "principalType",    JSON_OPTIONAL),
    JSON_FIELD(PutIn, description,        "description",      JSON_OPTIONAL),
    JSON_FIELD(PutIn, condition,          "condition",        JSON_OPTIONAL),
};

typedef struct Put { Access *access; Req *req; Assignment wanted, result; bool is_new; } Put;

/* "[/subscriptions/<id>]/providers/Microsoft.Authorization/roleDefinitions/<guid>" */
static bool role_of_id(const Req *req, Str id, Str *guid, Err *err)
{
    Str marker = STR("/providers/Microsoft.Authorization/roleDefinitions/");
    size_t at = id.len > 36 ? id.len - 36 : 0;
    Str tail = str_slice(id, at, id.len), head = str_slice(id, 0, at);
    if (!str_ends_nocase(head, marker) || !guid_is_valid(tail))
        return err_field(err, "properties.roleDefinitionId", "properties.roleDefinitionId '" STR_FMT "' is no role definition: expected "
                         "/subscriptions/<id>/providers/Microsoft.Authorization/roleDefinitions/<guid>", STR_ARG(id));
    *guid = str_lower(req->arena, tail);
    return true;
}

static bool put_read_body(Req *req, Assignment *out, Err *err)
{
    const JsonVal *body;
    PutIn in = { 0 };
    Str name = req_param(req, "roleAssignmentName");
    if (!guid_is_valid(name))
        return err_named(err, ERR_BAD_INPUT, "InvalidRoleAssignmentId", NULL,
                         "The role assignment ID '" STR_FMT "' is not valid. It must be a GUID.", STR_ARG(name));
    if (!req_object(req, &body, err))
        return false;
    const JsonVal *properties = json_get_nocase(body, "properties");
    if (json_kind(properties) != JSON_OBJECT)
        return err_field(err, "properties", "properties must be an object with roleDefinitionId and principalId");
    if (!json_read(properties, "properties", put_fields, COUNT_OF(put_fields), &in, err))
        return false;
    if (in.condition.len)
        return err_set(err, ERR_NOT_BUILT, "Conditions on role assignments are not available yet; leave out properties.condition.");
    if (!guid_is_valid(in.principal_id))
        return err_named(err, ERR_BAD_INPUT, "InvalidPrincipalId", NULL,
                         "A valid principal ID must be provided for role assignment: properties.principalId is '"
                         STR_FMT "', not a GUID.", STR_ARG(in.principal_id));
    if (in.principal_type.len && !str_eq_nocase(in.principal_type, STR("ServicePrincipal")))
        return err_named(err, ERR_BAD_INPUT, "UnmatchedPrincipalType", NULL,
                         "The PrincipalId '" STR_FMT "' has type 'ServicePrincipal', which is different from "
                         "specified PrincipalType '" STR_FMT "'.", STR_ARG(in.principal_id), STR_ARG(in.principal_type));
    if (in.description.len > DESCRIPTION_MAX)
        return err_field(err, "properties.description", "properties.description is longer than %d characters", DESCRIPTION_MAX);
    *out = (Assignment){
        .name = str_lower(req->arena, name), .scope = scope_shown(req), .principal_id = str_lower(req->arena, in.principal_id),
        .created_by = req->caller->object_id, .updated_by = req->caller->object_id, .description = in.description,
        .created_ms = req->now_ms, .updated_ms = req->now_ms,
    };
    return role_of_id(req, in.role_definition_id, &out->role_id, err);
}

static bool require_principal(Put *put, Txn *txn, Err *err)
{
    Principal principal;
    bool found;
    if (!principal_by_object_id(put->access->identity, txn, put->req->arena, put->wanted.principal_id, &principal, &found, err))
        return false;
    if (found)
        return true;
    return err_named(err, ERR_BAD_INPUT, "PrincipalNotFound", NULL, "Principal " STR_FMT " does not exist in the directory " STR_FMT
                     ". Check that you have the correct principal ID: the object id of a service principal, not its application id.",
                     STR_ARG(put->wanted.principal_id), STR_ARG(put->access->site->tenant_id));
}

/* The same assignment again: only its description may change. */
static bool put_existing(Put *put, Txn *txn, const Assignment *now, Err *err)
{
    Arena *arena = put->req->arena;
    bool same = str_eq(scope_normal(arena, now->scope), scope_normal(arena, put->wanted.scope)) &&
                str_eq(now->principal_id, put->wanted.principal_id) &&
                str_eq(now->role_id, put->wanted.role_id);
    if (!same)
        return err_named(err, ERR_BAD_INPUT, "RoleAssignmentUpdateNotPermitted", NULL,
                         "Tenant ID, application ID, principal ID, role definition and scope are not allowed to be updated.");
    put->result = *now;
    put->result.description = put->wanted.description;
    put->result.updated_ms = put->wanted.updated_ms;
    put->result.updated_by = put->wanted.updated_by;
    put->is_new = false;
    return assignment_describe(put->access, txn, arena, &put->result, err);
}

static bool write_audit(Access *access, Txn *txn, const Req *req, const Assignment *a, int http_status, Err *err)
{
    Str id = str_printf(req->arena, STR_FMT "/providers/" TYPE "/" STR_FMT, STR_ARG(a->scope), STR_ARG(a->name));
    AuditRecord record = site_audit_record(access->site, req, id, http_status, STR(""));
    return audit_write(access->site->audit, txn, &record, err);
}

/* A custom role only where it says that it may be assigned. */
static bool require_role(const Put *put, Txn *txn, Err *err)
{
    Arena *arena = put->req->arena;
    CustomRole custom;
    bool found;
    Str guid = put->wanted.role_id;
    if (role_find(guid))
        return true;
    if (!custom_role_find(put->access, txn, arena, guid, &custom, &found, err))
        return false;
    if (!found)
        return role_not_there(guid, err);
    if (custom_role_is_assignable(arena, &custom, scope_normal(arena, put->wanted.scope)))
        return true;
    return err_named(err, ERR_BAD_INPUT, "RoleAssignmentScopeNotAssignableToRoleDefinition", NULL,
                     "The scope '" STR_FMT "' of the role assignment is not within the assignable scopes of the role definition '%s' (%.200s).",
                     STR_ARG(str_slice(put->wanted.scope, 0, 300)), custom.role.guid, custom.role.name);
}

static bool put_write(Txn *txn, void *ctx, Err *err)
{
    Put *put = ctx;
    Access *access = put->access;
    Assignment now;
    bool found;
    if (access->scope_check && !access->scope_check(access->scope_ctx, txn, put->req->arena, put->wanted.scope, err))
        return false;
    if (!require_role(put, txn, err) || !require_principal(put, txn, err) || !assignment_find(access, txn, put->req->arena, put->wanted.name, &now, &found, err))
        return false;
    if (found) {
        if (!put_existing(put, txn, &now, err))
            return false;
    } else {
        put->result = put->wanted;
        put->is_new = true;
        if (!assignment_insert(access, txn, put->req->arena, &put->result, err))
            return false;
    }
    return write_audit(access, txn, put->req, &put->result, put->is_new ? 201 : 200, err);
}

void access_tell_change(Access *access, const Req *req, Str scope)
{
    if (access->changed)
        access->changed(access->changed_ctx, req->arena, scope);
}

static bool assignment_put(Req *req, Reply *reply, Err *err)
{
    Put put = { .access = req->ctx, .req = req };
    if (!put_read_body(req, &put.wanted, err))
        return false;
    Str scope = scope_normal(req->arena, put.wanted.scope);
    if (!arena_ok(req->arena))
        return err_too_big(err);
    if (!access_require_delegation(put.access, req->caller, STR(ACTION_WRITE), scope, put.wanted.role_id, err) ||
        !store_write(put.access->site->store, put_write, &put, err))
        return false;
    req->audited = true;
    access_tell_change(put.access, req, scope);
    reply->status = put.is_new ? 201 : 200;
    put_assignment(&reply->json, req->arena, &put.result);
    return json_end(&reply->json, err);
}

/* ---- DELETE ---- */

typedef struct Delete { Access *access; Req *req; Assignment gone; bool was_there; Str scope, allowed_role; size_t keepers; } Delete;

/* Built-in roles alone count: what a custom role allows may change. */
static bool can_assign_any_role(const Assignment *a)
{
    const Role *role = role_find(a->role_id);
    return role && !role->may_assign && role_allows(role, STR(ACTION_WRITE), false);
}

static bool count_keeper(void *ctx, const Assignment *a, Err *err)
{
    Delete *d = ctx;
    (void)err;
    if (!str_eq(a->name, d->gone.name) && can_assign_any_role(a) && str_eq(scope_normal(d->req->arena, a->scope), d->scope))
        d->keepers++;
    return true;
}

/* A subscription whose last such assignment went could never get another one. */
static bool keep_the_last_one(Delete *d, Txn *txn, Err *err)
{
    Str subscription = scope_subscription(d->scope);
    bool is_whole = d->scope.len == sizeof "/subscriptions/" - 1 + subscription.len;
    if (!subscription.ptr || !is_whole || !can_assign_any_role(&d->gone))
        return true;
    d->keepers = 0;
    if (!assignment_each(d->access, txn, d->req->arena, STR_NONE, count_keeper, d, err))
        return false;
    return d->keepers ? true : err_named(err, ERR_CONFLICT, "CannotDeleteLastRbacAdminAssignment", NULL,
                                         "Cannot delete the last RBAC admin assignment of subscription " STR_FMT ": nobody could assign roles there any more.",
                                         STR_ARG(subscription));
}

static bool delete_write(Txn *txn, void *ctx, Err *err)
{
    Delete *d = ctx;
    if (!find_at_scope(d->access, txn, d->req, &d->gone, &d->was_there, err))
        return false;
    if (!d->was_there)
        return true;
    if (!str_eq(d->gone.role_id, d->allowed_role))
        return err_set(err, ERR_CONFLICT, "The role assignment was exchanged by another one meanwhile; look at it and try again.");
    return keep_the_last_one(d, txn, err) && assignment_delete(d->access, txn, d->gone.name, err) &&
           write_audit(d->access, txn, d->req, &d->gone, 200, err);
}

static bool assignment_remove(Req *req, Reply *reply, Err *err)
{
    Delete d = { .access = req->ctx, .req = req, .scope = scope_normal(req->arena, req_param(req, "scope")) };
    One now = { .access = req->ctx, .req = req };
    if (!d.scope.ptr)
        return err_too_big(err);
    if (!store_read(d.access->site->store, one_read, &now, err))
        return false;
    if (now.is_there) {
        d.allowed_role = now.found.role_id;
        if (!access_require_delegation(d.access, req->caller, STR(ACTION_DELETE), d.scope, d.allowed_role, err) ||
            !store_write(d.access->site->store, delete_write, &d, err))
            return false;
    }
    if (!d.was_there) {
        reply->status = 204;
        return true;
    }
    req->audited = true;
    access_tell_change(d.access, req, d.scope);
    put_assignment(&reply->json, req->arena, &d.gone);
    return json_end(&reply->json, err);
}

#define READ_DEFINITIONS "Microsoft.Authorization/roleDefinitions/read"

const Route access_routes[] = {
    /* method       path                                     since until  permission                                      where         body               max       handler                operation */
    { METHOD_GET,    ASSIGNMENTS,                             NULL, NULL, "Microsoft.Authorization/roleAssignments/read",  WHERE_WORKER, BODY_NONE,         0,        assignments_list,      "RoleAssignmentList" },
    { METHOD_GET,    ASSIGNMENTS "/{roleAssignmentName}",     NULL, NULL, "Microsoft.Authorization/roleAssignments/read",  WHERE_INLINE, BODY_NONE,         0,        assignment_get,        "RoleAssignmentGet" },
    { METHOD_PUT,    ASSIGNMENTS "/{roleAssignmentName}",     NULL, NULL, ACTION_WRITE,                                    WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, assignment_put,        "RoleAssignmentPut" },
    { METHOD_DELETE, ASSIGNMENTS "/{roleAssignmentName}",     NULL, NULL, ACTION_DELETE,                                   WHERE_WORKER, BODY_NONE,         0,        assignment_remove,     "RoleAssignmentDelete" },
    { METHOD_GET,    DEFINITIONS,                             NULL, NULL, READ_DEFINITIONS,                                WHERE_WORKER, BODY_NONE,         0,        role_definitions_list, "RoleDefinitionList" },
    { METHOD_GET,    DEFINITIONS "/{roleDefinitionId}",       NULL, NULL, READ_DEFINITIONS,                                WHERE_INLINE, BODY_NONE,         0,        role_definition_get,   "RoleDefinitionGet" },
    { METHOD_PUT,    DEFINITIONS "/{roleDefinitionId}",       NULL, NULL, "Microsoft.Authorization/roleDefinitions/write",  WHERE_WORKER, BODY_JSON_LENIENT, ROLE_MAX, role_definition_write, "RoleDefinitionPut" },
    { METHOD_DELETE, DEFINITIONS "/{roleDefinitionId}",       NULL, NULL, "Microsoft.Authorization/roleDefinitions/delete", WHERE_WORKER, BODY_NONE,         0,        role_definition_remove, "RoleDefinitionDelete" },
    { METHOD_GET,    "/{scope...}/providers/Microsoft.Authorization/permissions", NULL, NULL, PERM_TOKEN,                  WHERE_INLINE, BODY_NONE,         0,        permissions_list,      "PermissionList" },
    /* The tenant's own paths: built-in roles are public knowledge, so any token will do. */
    { METHOD_GET,    "/providers/Microsoft.Authorization/roleDefinitions", NULL, NULL, PERM_TOKEN,                         WHERE_WORKER, BODY_NONE,         0,        role_definitions_list, "RoleDefinitionList" },
    { METHOD_GET,    "/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}", NULL, NULL, PERM_TOKEN,      WHERE_INLINE, BODY_NONE,         0,        role_definition_get,   "RoleDefinitionGet" },
    /* So are the operations that roles are made of. */
    { METHOD_GET,    "/providers/{resourceProviderNamespace}/operations", NULL, NULL, PERM_TOKEN,                          WHERE_INLINE, BODY_NONE,         0,        operations_list,       "OperationList" },
    { METHOD_GET,    "/providers/Microsoft.Authorization/providerOperations", NULL, NULL, PERM_TOKEN,                      WHERE_INLINE, BODY_NONE,         0,        provider_operations_list, "ProviderOperationsList" },
    { METHOD_GET,    "/providers/Microsoft.Authorization/providerOperations/{resourceProviderNamespace}", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE,  0,        provider_operations_get, "ProviderOperationsGet" },
};
const size_t access_route_count = COUNT_OF(access_routes);
