/* role_write.c - PUT and DELETE of custom roles.
 *
 * Who makes, changes or deletes a role needs the right to at each of its assignable scopes, those it had as well as those it gets. Rights are looked up
 * before the transaction, which then changes only what they were looked up for: the revision tells. */
#include "access/parts.h"

enum { ROLES_MAX = 5000 };          /* of a tenant */

#define TYPE            "Microsoft.Authorization/roleDefinitions"
#define ACTION_WRITE    TYPE "/write"
#define ACTION_DELETE   TYPE "/delete"

typedef struct Change { Access *access; Req *req; CustomRole wanted, now; bool is_there; Str missing; } Change;

static bool find_now(Txn *txn, void *ctx, Err *err)
{
    Change *c = ctx;
    return custom_role_find(c->access, txn, c->req->arena, req_param(c->req, "roleDefinitionId"), &c->now, &c->is_there, err);
}

/* Seen from a scope that it has nothing to do with, it is not there. */
static bool is_seen(const Change *c)
{
    return c->is_there && custom_role_is_seen_at(c->req->arena, &c->now, scope_normal(c->req->arena, req_param(c->req, "scope")));
}

static bool collect_missing(Change *c, Str action, const char *const *scopes, Err *err)
{
    for (size_t i = 0; scopes[i]; i++) {
        Decision decision;
        Str scope = str_from(scopes[i]);
        if (!access_decide(c->access, c->req->arena, c->req->caller->object_id, action, false, scope, &decision, err))
            return false;
        if (!decision.allowed)
            c->missing = str_printf(c->req->arena, STR_FMT "%s" STR_FMT, STR_ARG(c->missing), c->missing.len ? "," : "", STR_ARG(scope));
        if (c->missing.len > 400)
            break;
    }
    return arena_ok(c->req->arena) || err_too_big(err);
}

static bool require_scopes(Change *c, Str action, Err *err)
{
    const Caller *caller = c->req->caller;
    Str client = caller->app_id.ptr ? caller->app_id : caller->name;
    c->missing = STR("");
    if ((c->wanted.scopes && !collect_missing(c, action, c->wanted.scopes, err)) || (c->is_there && !collect_missing(c, action, c->now.scopes, err)))
        return false;
    if (str_empty(c->missing))
        return true;
    return err_named(err, ERR_DENIED, "LinkedAuthorizationFailed", NULL,
                     "The client '" STR_FMT "' with object id '" STR_FMT "' has permission to perform action '" STR_FMT "' on scope '/" STR_FMT "'; however, it does "
                     "not have permission to perform action '" STR_FMT "' on the linked scope(s) '" STR_FMT "' or the linked scope(s) are invalid.",
                     STR_ARG(client), STR_ARG(caller->object_id), STR_ARG(action), STR_ARG(str_slice(req_param(c->req, "scope"), 0, 200)), STR_ARG(action),
                     STR_ARG(str_slice(c->missing, 0, 400)));
}

static bool write_audit(const Change *c, Txn *txn, const Role *role, int http_status, Err *err)
{
    Str scope = scope_normal(c->req->arena, req_param(c->req, "scope"));
    AuditRecord record = site_audit_record(c->access->site, c->req, role_definition_id(c->req->arena, scope_subscription(scope), str_from(role->guid)), http_status, STR(""));
    return audit_write(c->access->site->audit, txn, &record, err);
}

static bool is_as_looked_up(Change *c, Txn *txn, Err *err)
{
    bool was_there = c->is_there;
    int64_t revision = c->now.revision;
    if (!find_now(txn, c, err))
        return false;
    if (was_there == c->is_there && (!was_there || revision == c->now.revision))
        return true;
    return err_set(err, ERR_CONFLICT, "The role definition was changed by another request meanwhile; look at it and try again.");
}

/* ---- PUT ---- */

/* What stood in the role before may have gone since; what is new in it must be there. */
static bool require_new_scopes(const Change *c, Txn *txn, Err *err)
{
    Arena *arena = c->req->arena;
    for (size_t i = 0; c->access->scope_check && c->wanted.scopes[i]; i++) {
        bool is_new = true;
        for (size_t k = 0; c->is_there && c->now.scopes[k]; k++)
            is_new = is_new && !str_eq(scope_normal(arena, str_from(c->wanted.scopes[i])), scope_normal(arena, str_from(c->now.scopes[k])));
        if (is_new && !c->access->scope_check(c->access->scope_ctx, txn, arena, str_from(c->wanted.scopes[i]), err))
            return false;
    }
    return true;
}

static bool keeps_assignment(void *ctx, const Assignment *a, Err *err)
{
    Change *c = ctx;
    if (custom_role_is_assignable(c->req->arena, &c->wanted, scope_normal(c->req->arena, a->scope)))
        return true;
    return err_named(err, ERR_BAD_INPUT, "RoleDefinitionHasAssignments", NULL,
                     "There are existing role assignments referencing role '%s' at a scope that properties.assignableScopes would not cover any more: '" STR_FMT
                     "'. Delete the role assignment, or keep the scope.", c->wanted.role.guid, STR_ARG(str_slice(a->scope, 0, 300)));
}

static bool require_room(const Change *c, Txn *txn, Err *err)
{
    int64_t count = 0;
    if (c->is_there)
        return true;
    if (!custom_role_count(txn, c->req->arena, &count, err))
        return false;
    return count < ROLES_MAX ? true : err_named(err, ERR_BAD_INPUT, "RoleDefinitionLimitExceeded", NULL,
                                                "Role definition limit exceeded. No more role definitions can be created: a directory has at most %d.", ROLES_MAX);
}

static bool put_write(Txn *txn, void *ctx, Err *err)
{
    Change *c = ctx;
    if (!is_as_looked_up(c, txn, err) || !require_new_scopes(c, txn, err) || !require_room(c, txn, err))
        return false;
    if (c->is_there) {
        c->wanted.created_by = c->now.created_by;
        c->wanted.created_ms = c->now.created_ms;
        c->wanted.revision = c->now.revision + 1;
        if (!assignment_each_of_role(c->access, txn, c->req->arena, str_from(c->now.role.guid), keeps_assignment, c, err))
            return false;
    }
    return custom_role_put(c->access, txn, c->req->arena, &c->wanted, err) && write_audit(c, txn, &c->wanted.role, 201, err);
}

static void tell_scopes(const Change *c, const char *const *scopes)
{
    for (size_t i = 0; scopes[i]; i++)
        access_tell_change(c->access, c->req, scope_normal(c->req->arena, str_from(scopes[i])));
}

bool role_definition_write(Req *req, Reply *reply, Err *err)
{
    Change c = { .access = req->ctx, .req = req };
    if (role_find(req_param(req, "roleDefinitionId")))
        return err_named(err, ERR_CONFLICT, "RoleDefinitionExists", NULL, "The role definition '" STR_FMT "' is a built-in role, which cannot be changed.",
                         STR_ARG(req_param(req, "roleDefinitionId")));
    if (!role_in_read(req, &c.wanted, err) || !store_read(c.access->site->store, find_now, &c, err) || !require_scopes(&c, STR(ACTION_WRITE), err) ||
        !store_write(c.access->site->store, put_write, &c, err))
        return false;
    req->audited = true;
    if (c.is_there)
        tell_scopes(&c, c.now.scopes);
    reply->status = 201;                /* whether it was there or not */
    Str scope = scope_normal(req->arena, req_param(req, "scope"));
    role_definition_put(&reply->json, req->arena, scope_subscription(scope), &c.wanted.role, &c.wanted);
    return json_end(&reply->json, err);
}

/* ---- DELETE ---- */

static bool refuse_assigned(void *ctx, const Assignment *a, Err *err)
{
    Change *c = ctx;
    return err_named(err, ERR_BAD_INPUT, "RoleDefinitionHasAssignments", NULL, "There are existing role assignments referencing role '%s', as at '" STR_FMT
                     "'. Delete them first.", c->now.role.guid, STR_ARG(str_slice(a->scope, 0, 300)));
}

static bool remove_write(Txn *txn, void *ctx, Err *err)
{
    Change *c = ctx;
    return is_as_looked_up(c, txn, err) && assignment_each_of_role(c->access, txn, c->req->arena, str_from(c->now.role.guid), refuse_assigned, c, err) &&
           custom_role_delete(txn, str_from(c->now.role.guid), err) && write_audit(c, txn, &c->now.role, 200, err);
}

bool role_definition_remove(Req *req, Reply *reply, Err *err)
{
    Change c = { .access = req->ctx, .req = req };
    if (role_find(req_param(req, "roleDefinitionId")))
        return err_named(err, ERR_DENIED, "RoleDefinitionUpdateNotPermitted", NULL, "Built-in role definitions cannot be changed or deleted.");
    if (!store_read(c.access->site->store, find_now, &c, err))
        return false;
    if (!is_seen(&c)) {
        reply->status = 204;
        return true;
    }
    if (!require_scopes(&c, STR(ACTION_DELETE), err) || !store_write(c.access->site->store, remove_write, &c, err))
        return false;
    req->audited = true;
    Str scope = scope_normal(req->arena, req_param(req, "scope"));
    role_definition_put(&reply->json, req->arena, scope_subscription(scope), &c.now.role, &c.now);
    return json_end(&reply->json, err);
}
