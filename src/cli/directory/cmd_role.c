/* cmd_role.c - role assignments. */
#include "base/id.h"
#include "cli/call.h"
#include "cli/directory/role.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define ROLES_VERSION "2022-04-01"
#define AUTHORIZATION "/providers/Microsoft.Authorization"

Str role_scope_arg(Cli *cli)
{
    Str scope = arg(cli, "--scope"), group = arg(cli, "--resource-group");

    if (scope.ptr)
        return scope.len > 1 && scope.ptr[scope.len - 1] == '/' ? str_slice(scope, 0, scope.len - 1) : scope;
    if (group.ptr)
        return str_printf(cli->arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT, STR_ARG(cli->profile.subscription), STR_ARG(group));
    return str_printf(cli->arena, "/subscriptions/" STR_FMT, STR_ARG(cli->profile.subscription));
}

Str role_url(Cli *cli, Str scope, Str path)
{
    return arm_url(cli, str_printf(cli->arena, STR_FMT AUTHORIZATION STR_FMT, STR_ARG(str_eq(scope, STR("/")) ? STR("") : scope), STR_ARG(path)), ROLES_VERSION);
}

/* ---- role names and ids ---- */

typedef struct RoleName { Str id, name; } RoleName;
typedef struct RoleNames { RoleName *items; size_t count, room; } RoleNames;

static bool role_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    RoleNames *roles = ctx;

    (void)done;
    if (roles->count == roles->room) {
        size_t room = roles->room ? roles->room * 2 : 64;
        RoleName *grown = ARENA_ARRAY(cli->arena, RoleName, room);
        if (!grown)
            return err_too_big(err);
        if (roles->count)
            memcpy(grown, roles->items, roles->count * sizeof *grown);
        roles->items = grown;
        roles->room = room;
    }
    roles->items[roles->count++] = (RoleName){ json_str(json_get(item, "id")), json_str(json_path(item, "properties.roleName")) };
    return true;
}

static bool role_names(Cli *cli, Str scope, RoleNames **out, Err *err)
{
    RoleNames *roles = ARENA_NEW(cli->arena, RoleNames);

    if (!roles)
        return err_too_big(err);
    *out = roles;
    return call_each(cli, to_arm(cli), role_url(cli, scope, STR("/roleDefinitions")), role_visit, roles, err);
}

Str role_last_segment(Str id)
{
    Str rest = id, part = id;

    while (rest.ptr)
        part = str_cut(&rest, '/');
    return part;
}

/* A name, a GUID or a whole id. */
static bool role_id(Cli *cli, Str scope, Str role, Str *id, Err *err)
{
    RoleNames *roles = NULL;

    if (!role_names(cli, scope, &roles, err))
        return false;
    for (size_t i = 0; i < roles->count; i++) {
        if (str_eq_nocase(roles->items[i].name, role) || str_eq_nocase(role_last_segment(roles->items[i].id), role_last_segment(role))) {
            *id = roles->items[i].id;
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no role '" STR_FMT "'; `vy role definition list` lists them", STR_ARG(role));
}

static Str role_name(const RoleNames *roles, Str id)
{
    for (size_t i = 0; i < roles->count; i++) {
        if (str_eq_nocase(role_last_segment(roles->items[i].id), role_last_segment(id)))
            return roles->items[i].name;
    }
    return STR("");
}

/* ---- assignments ---- */

static void write_assignment(Cli *cli, JsonWriter *w, const JsonVal *item, Str role)
{
    const JsonVal *p = json_get(item, "properties");
    Str scope = json_str(json_get(p, "scope"));

    json_open(w, NULL);
    json_put_value(w, "createdBy", json_get(p, "createdBy"));
    json_put_value(w, "createdOn", json_get(p, "createdOn"));
    json_put_value(w, "description", json_get(p, "description"));
    json_put_value(w, "id", json_get(item, "id"));
    json_put_value(w, "name", json_get(item, "name"));
    json_put_value(w, "principalId", json_get(p, "principalId"));
    json_put_value(w, "principalType", json_get(p, "principalType"));
    json_put_str(w, "resourceGroup", shape_group_of_id(cli, scope));
    json_put_value(w, "roleDefinitionId", json_get(p, "roleDefinitionId"));
    json_put_str(w, "roleDefinitionName", role);
    json_put_str(w, "scope", scope);
    json_put_value(w, "type", json_get(item, "type"));
    json_put_value(w, "updatedBy", json_get(p, "updatedBy"));
    json_put_value(w, "updatedOn", json_get(p, "updatedOn"));
    json_close(w);
}

bool assign_role(Cli *cli, Str object_id, Str role, Str scope, JsonWriter *w, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Str definition, text, name = guid_new(cli->arena);

    if (!role_id(cli, scope, role, &definition, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    json_put_str(&body.w, "roleDefinitionId", definition);
    json_put_str(&body.w, "principalId", object_id);
    json_put_str(&body.w, "principalType", STR("ServicePrincipal"));
    json_close(&body.w);
    json_close(&body.w);
    if (!body_end(&body, &text, err) ||
        !call_service(cli, "PUT", to_arm(cli), role_url(cli, scope, str_printf(cli->arena, "/roleAssignments/" STR_FMT, STR_ARG(name))), text, &answer, err))
        return false;
    if (w)
        write_assignment(cli, w, answer.json, role);
    return true;
}

/* --assignee through Graph, or --assignee-object-id as it is; absent if neither is given. */
static bool assignee_arg(Cli *cli, Str *object_id, Err *err)
{
    Str who = arg(cli, "--assignee");

    *object_id = arg(cli, "--assignee-object-id");
    return object_id->ptr || !who.ptr ? true : find_principal(cli, who, object_id, err);
}

bool run_role_assign(Cli *cli, Err *err)
{
    Str object_id;

    if (!arg(cli, "--assignee").ptr && !arg(cli, "--assignee-object-id").ptr)
        return cli_usage(cli, err, "the following arguments are required: --assignee (or --assignee-object-id)");
    return cli_profile(cli, err) && assignee_arg(cli, &object_id, err) && assign_role(cli, object_id, arg(cli, "--role"), role_scope_arg(cli), &cli->w, err);
}

/* Which of the assignments that the service lists for a scope (its own, inherited and below) are meant. */
typedef enum ScopeMatch { SCOPE_EXACT = 1, SCOPE_WITHIN, SCOPE_ANY } ScopeMatch;

static bool scope_matches(ScopeMatch match, Str wanted, Str found)
{
    if (match == SCOPE_ANY)
        return true;
    if (str_eq_nocase(wanted, found))
        return true;
    return match == SCOPE_WITHIN && str_starts_nocase(found, wanted) && found.len > wanted.len && found.ptr[wanted.len] == '/';
}

typedef struct Wanted { Str object_id, role, scope; ScopeMatch match; const RoleNames *roles; Str ids[512]; size_t count; bool only_collect; } Wanted;

static bool wanted_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Wanted *want = ctx;
    Str role = role_name(want->roles, json_str(json_path(item, "properties.roleDefinitionId")));

    (void)done;
    if (!scope_matches(want->match, want->scope, json_str(json_path(item, "properties.scope"))))
        return true;
    if (want->object_id.ptr && !str_eq_nocase(json_str(json_path(item, "properties.principalId")), want->object_id))
        return true;
    if (want->role.ptr && !str_eq_nocase(role, want->role) && !str_eq_nocase(role_last_segment(json_str(json_path(item, "properties.roleDefinitionId"))), role_last_segment(want->role)))
        return true;
    if (!want->only_collect) {
        write_assignment(cli, &cli->w, item, role);
        return true;
    }
    if (want->count == COUNT_OF(want->ids))
        return err_set(err, ERR_TOO_LARGE, "more than %zu role assignments match; narrow them down by --assignee, --role or --scope", COUNT_OF(want->ids));
    want->ids[want->count++] = json_str(json_get(item, "id"));
    return true;
}

static bool each_assignment(Cli *cli, Wanted *want, Err *err)
{
    RoleNames *roles = NULL;

    want->role = arg(cli, "--role");
    want->scope = role_scope_arg(cli);
    if (!assignee_arg(cli, &want->object_id, err) || !role_names(cli, want->scope, &roles, err))
        return false;
    want->roles = roles;
    return call_each(cli, to_arm(cli), role_url(cli, want->scope, STR("/roleAssignments")), wanted_visit, want, err);
}

bool run_role_list(Cli *cli, Err *err)
{
    Wanted *want = ARENA_NEW(cli->arena, Wanted);

    if (!want)
        return err_too_big(err);
    if (!cli_profile(cli, err))
        return false;
    want->match = arg_flag(cli, "--all") || arg_flag(cli, "--include-inherited") ? SCOPE_ANY : SCOPE_EXACT;
    json_open_array(&cli->w, NULL);
    if (!each_assignment(cli, want, err))
        return false;
    json_close_array(&cli->w);
    return true;
}

bool run_role_unassign(Cli *cli, Err *err)
{
    const char *const *ids;
    size_t id_count = arg_list(cli, "--ids", &ids);
    Wanted *want = ARENA_NEW(cli->arena, Wanted);
    Answer answer;

    if (!want)
        return err_too_big(err);
    if (id_count == 0 && !arg(cli, "--assignee").ptr && !arg(cli, "--assignee-object-id").ptr)
        return cli_usage(cli, err, "the following arguments are required: --ids, or --assignee (with --role and --scope to narrow it down)");
    if (!cli_profile(cli, err))
        return false;
    for (size_t i = 0; i < id_count && i < COUNT_OF(want->ids); i++)
        want->ids[want->count++] = str_from(ids[i]);
    want->only_collect = true;
    /* Without a scope all of the subscription, but never what is inherited from above it. */
    want->match = arg(cli, "--scope").ptr || arg(cli, "--resource-group").ptr ? SCOPE_EXACT : SCOPE_WITHIN;
    if (id_count == 0 && !each_assignment(cli, want, err))
        return false;
    if (want->count == 0)
        return err_set(err, ERR_NOT_FOUND, "no role assignment matches; `vy role assignment list --all` lists them");
    for (size_t i = 0; i < want->count; i++) {
        if (!call_service(cli, "DELETE", to_arm(cli), arm_url(cli, want->ids[i], ROLES_VERSION), STR_NONE, &answer, err))
            return false;
    }
    return true;
}
