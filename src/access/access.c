/* access.c - the one decision: a principal's role assignments (grants.c) against an action at a scope. */
#include "access/parts.h"
#include <stdio.h>
#include <stdlib.h>

enum { CACHED_PRINCIPALS = 4096 };

/* ---- scopes ---- */

Str scope_normal(Arena *arena, Str scope)
{
    while (scope.len > 1 && scope.ptr[scope.len - 1] == '/')
        scope.len--;
    if (str_empty(scope))
        return STR("/");
    if (scope.ptr[0] == '/')
        return str_lower(arena, scope);
    Str rooted = str_printf(arena, "/" STR_FMT, STR_ARG(scope));      /* a "{scope...}" parameter comes without its slash */
    return str_lower(arena, rooted);
}

bool scope_covers(Str outer, Str inner)
{
    if (outer.len == 1 && outer.ptr[0] == '/')
        return true;
    return str_starts(inner, outer) && (inner.len == outer.len || inner.ptr[outer.len] == '/');
}

Str scope_subscription(Str scope)
{
    Str prefix = STR("/subscriptions/");
    if (!str_starts_nocase(scope, prefix))
        return STR_NONE;
    Str rest = str_slice(scope, prefix.len, scope.len);
    return str_cut(&rest, '/');
}

/* ---- decisions ---- */

typedef struct Ask { Str action, scope, object_id; bool is_data; Decision decision; } Ask;

static void decide(const void *block, void *ctx)
{
    const Grants *grants = block;
    Ask *ask = ctx;
    for (size_t i = 0; i < grants->count; i++) {
        const Grant *grant = &grants->items[i];
        if (!scope_covers(grant->scope, ask->scope) || !role_allows(grant->role, ask->action, ask->is_data))
            continue;
        ask->decision.allowed = true;
        (void)snprintf(ask->decision.why, sizeof ask->decision.why, "%s at " STR_FMT " (role assignment " STR_FMT ")", grant->role->name,
                       STR_ARG(grant->scope), STR_ARG(grant->name));
        return;
    }
    (void)snprintf(ask->decision.why, sizeof ask->decision.why, "no role assignment of " STR_FMT " at " STR_FMT " or above allows " STR_FMT,
                   STR_ARG(ask->object_id), STR_ARG(ask->scope), STR_ARG(ask->action));
}

bool access_decide(Access *access, Arena *arena, Str object_id, Str action, bool is_data, Str scope, Decision *out, Err *err)
{
    Ask ask = { .action = action, .scope = scope_normal(arena, scope), .object_id = object_id, .is_data = is_data };
    if (!ask.scope.ptr)
        return err_too_big(err);
    if (str_empty(object_id))                           /* no principal, no role */
        decide(&(Grants){ .count = 0 }, &ask);
    else if (!access_look_at_grants(access, object_id, decide, &ask, err))
        return false;
    *out = ask.decision;
    return true;
}

typedef struct Below { Str scope; bool any; } Below;

static void look_below(const void *block, void *ctx)
{
    const Grants *grants = block;
    Below *below = ctx;
    for (size_t i = 0; i < grants->count && !below->any; i++)
        below->any = scope_covers(below->scope, grants->items[i].scope);
}

bool access_has_below(Access *access, Arena *arena, Str object_id, Str scope, bool *any, Err *err)
{
    Below below = { .scope = scope_normal(arena, scope) };
    if (!below.scope.ptr)
        return err_too_big(err);
    if (!str_empty(object_id) && !access_look_at_grants(access, object_id, look_below, &below, err))
        return false;
    *any = below.any;
    return true;
}

static void look_allowed_below(const void *block, void *ctx)
{
    const Grants *grants = block;
    Ask *ask = ctx;
    for (size_t i = 0; i < grants->count && !ask->decision.allowed; i++) {
        const Grant *grant = &grants->items[i];
        ask->decision.allowed = (scope_covers(grant->scope, ask->scope) || scope_covers(ask->scope, grant->scope)) &&
                                role_allows(grant->role, ask->action, ask->is_data);
    }
}

bool access_allows_below(Access *access, Arena *arena, Str object_id, Str action, bool is_data, Str scope, bool *any, Err *err)
{
    Ask ask = { .action = action, .scope = scope_normal(arena, scope), .object_id = object_id, .is_data = is_data };
    if (!ask.scope.ptr)
        return err_too_big(err);
    if (!str_empty(object_id) && !access_look_at_grants(access, object_id, look_allowed_below, &ask, err))
        return false;
    *any = ask.decision.allowed;
    return true;
}

static bool refuse(const Caller *caller, Str action, Str scope, Err *err)
{
    Str client = caller->app_id.ptr ? caller->app_id : caller->name;
    return err_named(err, ERR_DENIED, "AuthorizationFailed", NULL,
                     "The client '" STR_FMT "' with object id '" STR_FMT "' does not have authorization to perform action '" STR_FMT "' over scope '"
                     STR_FMT "' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                     STR_ARG(client), STR_ARG(caller->object_id), STR_ARG(action), STR_ARG(scope));
}

bool access_require(Access *access, Arena *arena, const Caller *caller, Str action, Str scope, Err *err)
{
    Decision decision;
    if (!access_decide(access, arena, caller->object_id, action, false, scope, &decision, err))
        return false;
    return decision.allowed ? true : refuse(caller, action, scope, err);
}

typedef struct Delegation { Str action, scope, role_guid; bool allowed; } Delegation;

static void look_at_delegation(const void *block, void *ctx)
{
    const Grants *grants = block;
    Delegation *ask = ctx;
    for (size_t i = 0; i < grants->count && !ask->allowed; i++) {
        const Grant *grant = &grants->items[i];
        ask->allowed = scope_covers(grant->scope, ask->scope) && role_allows(grant->role, ask->action, false) &&
                       role_may_assign(grant->role, ask->role_guid);
    }
}

bool access_require_delegation(Access *access, const Caller *caller, Str action, Str scope, Str role_guid, Err *err)
{
    Delegation ask = { .action = action, .scope = scope, .role_guid = role_guid };
    if (!access_look_at_grants(access, caller->object_id, look_at_delegation, &ask, err))
        return false;
    return ask.allowed ? true : refuse(caller, action, scope, err);
}

/* Owner is a role that no bound right may hand out. */
bool access_may_assign_any(Access *access, Arena *arena, Str object_id, Str scope, bool *allowed, Err *err)
{
    Delegation ask = { .action = STR("Microsoft.Authorization/roleAssignments/write"), .scope = scope_normal(arena, scope), .role_guid = ROLE_OWNER };
    if (!ask.scope.ptr)
        return err_too_big(err);
    if (!str_empty(object_id) && !access_look_at_grants(access, object_id, look_at_delegation, &ask, err))
        return false;
    *allowed = ask.allowed;
    return true;
}

/* ---- what identity/ asks ---- */

/* Whoever may hand out any role at a whole subscription may also make somebody to hand it to. */
static void look_at_directory_right(const void *block, void *ctx)
{
    const Grants *grants = block;
    bool *allowed = ctx;
    for (size_t i = 0; i < grants->count && !*allowed; i++) {
        const Grant *grant = &grants->items[i];
        Str subscription = scope_subscription(grant->scope);
        bool is_whole = !subscription.ptr || grant->scope.len == sizeof "/subscriptions/" - 1 + subscription.len;
        *allowed = is_whole && !grant->role->may_assign && role_allows(grant->role, STR("Microsoft.Authorization/roleAssignments/write"), false);
    }
}

bool access_rules_a_subscription(Access *access, Str object_id, bool *rules, Err *err)
{
    *rules = false;
    return access_look_at_grants(access, object_id, look_at_directory_right, rules, err);
}

static bool may_write_directory(void *ctx, Arena *arena, Str object_id, bool *allowed, Err *err)
{
    (void)arena;
    return access_rules_a_subscription(ctx, object_id, allowed, err);
}

static bool principal_dropped(void *ctx, Txn *txn, Str object_id, Err *err) { return access_drop_principal(ctx, txn, object_id, err); }

bool access_open(Site *site, Identity *identity, Access **out, Err *err)
{
    Access *access = calloc(1, sizeof *access);
    if (!access)
        return err_set(err, ERR_INTERNAL, "no memory for access");
    access->site = site;
    access->identity = identity;
    if (!cache_new(CACHED_PRINCIPALS, &access->grants, err)) {
        access_close(access);
        return false;
    }
    identity_set_directory_rule(identity, may_write_directory, principal_dropped, access);
    *out = access;
    return true;
}

void access_close(Access *access)
{
    if (!access)
        return;
    identity_set_directory_rule(access->identity, NULL, NULL, NULL);
    cache_free(access->grants);
    free(access);
}

void access_on_scope(Access *access, AccessScopeCheck *check, void *ctx)
{
    access->scope_check = check;
    access->scope_ctx = ctx;
}

void access_on_change(Access *access, AccessChanged *changed, void *ctx)
{
    access->changed = changed;
    access->changed_ctx = ctx;
}
