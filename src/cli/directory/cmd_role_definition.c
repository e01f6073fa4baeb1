/* cmd_role_definition.c - role definitions, in the grammar of az: what is given to create and update is a JSON object with Name, Description, Actions,
 * NotActions, DataActions, NotDataActions and AssignableScopes, or what list and show print. */
#include <unistd.h>
#include "base/id.h"
#include "cli/call.h"
#include "cli/directory/role.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

/* ---- list, show ---- */

/* A name that is a GUID is the role's id. */
static bool is_wanted(const JsonVal *item, Str name, bool only_custom)
{
    if (only_custom && !str_eq_nocase(json_str(json_path(item, "properties.type")), STR("CustomRole")))
        return false;
    return !name.ptr || str_eq_nocase(json_str(json_path(item, "properties.roleName")), name) || str_eq_nocase(json_str(json_get(item, "name")), name);
}

typedef struct Found { const JsonVal *items[64]; size_t count; Str name; bool only_custom, writes; } Found;

static bool found_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Found *found = ctx;

    (void)done;
    if (!is_wanted(item, found->name, found->only_custom))
        return true;
    if (found->writes)
        shape_role_definition(cli, &cli->w, item);
    else if (found->count == COUNT_OF(found->items))
        return err_set(err, ERR_TOO_LARGE, "more than %zu roles match", COUNT_OF(found->items));
    else
        found->items[found->count++] = item;
    return true;
}

static bool find_roles(Cli *cli, Str scope, Found *found, Err *err)
{
    return call_each(cli, to_arm(cli), role_url(cli, scope, STR("/roleDefinitions")), found_visit, found, err);
}

bool run_role_definition_list(Cli *cli, Err *err)
{
    Found found = { .name = arg(cli, "--name"), .only_custom = arg_flag(cli, "--custom-role-only"), .writes = true };

    if (!cli_profile(cli, err))
        return false;
    json_open_array(&cli->w, NULL);
    if (!find_roles(cli, role_scope_arg(cli), &found, err))
        return false;
    json_close_array(&cli->w);
    return true;
}

static bool no_such_role(Str name, Err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no role '" STR_FMT "' at this scope; `vy role definition list` lists them, with --scope those of a resource group", STR_ARG(name));
}

bool run_role_definition_show(Cli *cli, Err *err)
{
    Found found = { .name = arg(cli, "--name") };
    Str id = arg(cli, "--id");
    Answer answer;

    if (id.ptr ? found.name.ptr != NULL : !found.name.ptr)
        return cli_usage(cli, err, "give either --id or --name");
    if (!cli_profile(cli, err))
        return false;
    if (id.ptr) {
        if (!call_service(cli, "GET", to_arm(cli), arm_url(cli, id, "2022-04-01"), STR_NONE, &answer, err))
            return false;
        shape_role_definition(cli, &cli->w, answer.json);
        return true;
    }
    if (!find_roles(cli, role_scope_arg(cli), &found, err))
        return false;
    if (found.count == 0)
        return no_such_role(found.name, err);
    shape_role_definition(cli, &cli->w, found.items[0]);
    return true;
}

/* ---- create, update ---- */

/* The object itself, a file's path as az takes it, @FILE or -. */
static bool definition_arg(Cli *cli, const JsonVal **out, Err *err)
{
    Str text = arg(cli, "--role-definition");
    const char *path = str_to_cstr(cli->arena, text, err);

    if (!path || !(access(path, F_OK) == 0 ? read_input(cli, path, &text, err) : text_arg(cli, "--role-definition", &text, err)))
        return false;
    Err inner;
    if (!json_parse(cli->arena, text, JSON_TRAILING_COMMAS, out, &inner))
        return err_set(err, ERR_BAD_INPUT, "--role-definition is neither a file nor JSON: %.300s", inner.text);
    if (json_kind(*out) != JSON_OBJECT)
        return err_set(err, ERR_BAD_INPUT, "--role-definition must be a JSON object with Name, Actions and AssignableScopes");
    return true;
}

static void put_permissions(JsonWriter *w, const JsonVal *given)
{
    static const char *const lists[] = { "actions", "notActions", "dataActions", "notDataActions" };
    const JsonVal *permissions = json_get_nocase(given, "permissions");

    if (permissions) {
        json_put_value(w, "permissions", permissions);
        return;
    }
    json_open_array(w, "permissions");
    json_open(w, NULL);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        json_put_value(w, lists[i], json_get_nocase(given, lists[i]));
    json_close(w);
    json_close_array(w);
}

static bool put_role(Cli *cli, const JsonVal *given, Str guid, Str name, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *scopes = json_get_nocase(given, "assignableScopes");
    Str first = json_str(json_at(scopes, 0)), text;
    Answer answer;

    if (!first.ptr)
        return err_set(err, ERR_BAD_INPUT, "--role-definition needs AssignableScopes: an array with at least one scope, such as /subscriptions/" STR_FMT,
                       STR_ARG(cli->profile.subscription));
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    json_put_str(&body.w, "roleName", name);
    json_put_value(&body.w, "description", json_get_nocase(given, "description"));
    json_put_str(&body.w, "type", STR("CustomRole"));
    put_permissions(&body.w, given);
    json_put_value(&body.w, "assignableScopes", scopes);
    json_close(&body.w);
    json_close(&body.w);
    if (!body_end(&body, &text, err) ||
        !call_service(cli, "PUT", to_arm(cli), role_url(cli, first, str_printf(cli->arena, "/roleDefinitions/" STR_FMT, STR_ARG(guid))), text, &answer, err))
        return false;
    shape_role_definition(cli, &cli->w, answer.json);
    return true;
}

/* Of what list prints "name" is the GUID. */
static Str name_of(const JsonVal *given)
{
    Str name = json_str(json_get_nocase(given, "roleName"));
    return name.ptr ? name : json_str(json_get_nocase(given, "name"));
}

bool run_role_definition_create(Cli *cli, Err *err)
{
    const JsonVal *given;

    if (!cli_profile(cli, err) || !definition_arg(cli, &given, err))
        return false;
    if (str_empty(name_of(given)))
        return err_set(err, ERR_BAD_INPUT, "--role-definition needs a Name");
    return put_role(cli, given, guid_new(cli->arena), name_of(given), err);
}

/* By its id, or the custom role of that name at one of its scopes. */
bool run_role_definition_update(Cli *cli, Err *err)
{
    const JsonVal *given;

    if (!cli_profile(cli, err) || !definition_arg(cli, &given, err))
        return false;
    Str id = json_str(json_get_nocase(given, "id")), name = name_of(given);
    const JsonVal *scopes = json_get_nocase(given, "assignableScopes");
    if (str_empty(name))
        return err_set(err, ERR_BAD_INPUT, "--role-definition needs a Name, and to change it also the Id");
    if (id.len)
        return put_role(cli, given, role_last_segment(id), name, err);
    Found found = { .name = name, .only_custom = true };
    for (size_t i = 0; i < json_count(scopes) && !found.count; i++)
        if (!find_roles(cli, json_str(json_at(scopes, i)), &found, err))
            return false;
    if (!found.count)
        return no_such_role(name, err);
    return put_role(cli, given, json_str(json_get(found.items[0], "name")), json_str(json_path(found.items[0], "properties.roleName")), err);
}

/* ---- delete ---- */

bool run_role_definition_delete(Cli *cli, Err *err)
{
    Found found = { .name = arg(cli, "--name"), .only_custom = arg_flag(cli, "--custom-role-only") };
    Answer answer;

    if (!cli_profile(cli, err))
        return false;
    Str scope = role_scope_arg(cli);
    if (!find_roles(cli, scope, &found, err))
        return false;
    if (found.count == 0)
        return no_such_role(found.name, err);
    for (size_t i = 0; i < found.count; i++) {
        Str path = str_printf(cli->arena, "/roleDefinitions/" STR_FMT, STR_ARG(json_str(json_get(found.items[i], "name"))));
        if (!call_service(cli, "DELETE", to_arm(cli), role_url(cli, scope, path), STR_NONE, &answer, err))
            return false;
    }
    return true;
}
