/* cmd_group.c - resource groups and user-assigned identities. */
#include "base/encode.h"
#include "cli/call.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define GROUPS_VERSION   "2021-04-01"
#define IDENTITY_VERSION "2023-01-31"

static Str name_arg(Cli *cli, const char *option)
{
    return percent_encode(cli->arena, arg(cli, option));
}

static Str location_arg(Cli *cli)
{
    Str location = arg(cli, "--location");
    return location.ptr ? location : cli->profile.location;
}

/* {"location", "tags"} */
static bool put_resource(Cli *cli, Str url, Shape *shape, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };

    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "location", location_arg(cli));
    if (!put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PUT", to_arm(cli), url, &body, shape, err);
}

static bool get_resource(Cli *cli, Str url, Shape *shape, Err *err)
{
    return call_shown(cli, "GET", to_arm(cli), url, STR_NONE, shape, err);
}

/* ---- groups ---- */

static void shape_group(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    (void)cli;
    json_put_value(w, NULL, item);
}

static Str group_url(Cli *cli)
{
    return arm_group_url(cli, arg(cli, "--name"), STR(""), GROUPS_VERSION);
}

bool run_group_create(Cli *cli, Err *err)
{
    return cli_profile(cli, err) && put_resource(cli, group_url(cli), shape_group, err);
}

bool run_group_show(Cli *cli, Err *err)
{
    return cli_profile(cli, err) && get_resource(cli, group_url(cli), shape_group, err);
}

bool run_group_list(Cli *cli, Err *err)
{
    return cli_profile(cli, err) && call_list(cli, to_arm(cli), arm_subscription_url(cli, STR("/resourcegroups"), GROUPS_VERSION), NULL, err);
}

bool run_group_exists(Cli *cli, Err *err)
{
    bool missing;

    if (!cli_profile(cli, err) || !call_is_missing(cli, to_arm(cli), group_url(cli), &missing, err))
        return false;
    json_put_bool(&cli->w, NULL, !missing);
    return true;
}

bool run_group_delete(Cli *cli, Err *err)
{
    Answer answer;

    if (!cli_confirm(cli, "delete this group and everything in it", err) || !cli_profile(cli, err))
        return false;
    return arg_flag(cli, "--no-wait") ? call_service(cli, "DELETE", to_arm(cli), group_url(cli), STR_NONE, &answer, err)
                                      : call_and_wait(cli, "DELETE", to_arm(cli), group_url(cli), STR_NONE, &answer, err);
}

/* ---- identities ---- */

#define IDENTITIES "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"

static Str identity_url(Cli *cli)
{
    return arm_group_url(cli, arg(cli, "--resource-group"), str_printf(cli->arena, IDENTITIES "/" STR_FMT, STR_ARG(name_arg(cli, "--name"))), IDENTITY_VERSION);
}

bool run_identity_create(Cli *cli, Err *err)
{
    return cli_profile(cli, err) && put_resource(cli, identity_url(cli), shape_flat, err);
}

bool run_identity_show(Cli *cli, Err *err)
{
    return cli_profile(cli, err) && get_resource(cli, identity_url(cli), shape_flat, err);
}

bool run_identity_list(Cli *cli, Err *err)
{
    Str group = arg(cli, "--resource-group");

    if (!cli_profile(cli, err))
        return false;
    return call_list(cli, to_arm(cli), group.ptr ? arm_group_url(cli, group, STR(IDENTITIES), IDENTITY_VERSION) : arm_subscription_url(cli, STR(IDENTITIES), IDENTITY_VERSION),
                     shape_flat, err);
}

bool run_identity_delete(Cli *cli, Err *err)
{
    Answer answer;
    return cli_profile(cli, err) && call_service(cli, "DELETE", to_arm(cli), identity_url(cli), STR_NONE, &answer, err);
}
