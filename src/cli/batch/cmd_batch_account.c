/* cmd_batch_account.c - Batch accounts through Resource Manager: their identity and their key among it. */
#include "base/encode.h"
#include "cli/call.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define ACCOUNTS "/providers/Microsoft.Batch/batchAccounts"

static bool account_url(Cli *cli, Str *url, Err *err)
{
    Str name = arg(cli, "--name"), group = arg(cli, "--resource-group"), id;

    if (group.ptr) {
        *url = arm_group_url(cli, group, str_printf(cli->arena, ACCOUNTS "/" STR_FMT, STR_ARG(percent_encode(cli->arena, name))), BATCH_ARM_VERSION);
        return true;
    }
    if (!find_resource(cli, "Microsoft.Batch/batchAccounts", name, &id, err))
        return false;
    *url = arm_url(cli, id, BATCH_ARM_VERSION);
    return true;
}

/* -l westus2, or --locations regionName='West US 2' as the documents have it. */
static bool account_location(Cli *cli, Str *location, Err *err)
{
    Str plain = arg(cli, "--location"), region = arg(cli, "--locations"), prefix = STR("regionName=");

    if (plain.ptr && region.ptr)
        return cli_usage(cli, err, "give either --location or --locations");
    if (region.ptr && str_starts_nocase(region, prefix))
        region = str_slice(region, prefix.len, region.len);
    *location = plain.ptr ? plain : region;
    return true;
}

/* ---- identity ---- */

/* "identity" of a body. */
static void put_identity(JsonWriter *w, Str type, const char *const *users, size_t count)
{
    json_open(w, "identity");
    json_put_str(w, "type", type);
    if (count > 0)
        json_open(w, "userAssignedIdentities");
    for (size_t i = 0; i < count; i++) {
        json_open_named(w, str_from(users[i]));
        json_close(w);
    }
    if (count > 0)
        json_close(w);
    json_close(w);
}

static bool account_identity(Cli *cli, Str *type, Err *err)
{
    static const Str known[] = { { "SystemAssigned", 14 }, { "UserAssigned", 12 }, { "None", 4 } };
    Str given = arg(cli, "--identity");
    const char *const *users;
    bool system, has_users = arg_list(cli, "--mi-user-assigned", &users) > 0;

    if (!bool_arg(cli, "--mi-system-assigned", &system, err))
        return false;
    system = arg_flag(cli, "--mi-system-assigned");        /* bool_arg takes what is not given for true */
    *type = system ? known[0] : has_users ? known[1] : known[2];
    for (size_t i = 0; given.ptr && i < COUNT_OF(known); i++) {
        if (str_eq_nocase(given, known[i])) {
            *type = known[i];
            given = STR_NONE;
        }
    }
    if (given.ptr)
        return cli_usage(cli, err, "--identity: '" STR_FMT "' is none of SystemAssigned, UserAssigned and None", STR_ARG(given));
    if (has_users != str_eq(*type, known[1]))
        return cli_usage(cli, err, "--mi-user-assigned with the identities' ids belongs to --identity UserAssigned, and to nothing else");
    return true;
}

/* ---- encryption ---- */

static bool encryption_is_given(Cli *cli)
{
    return arg(cli, "--encryption-key-source").ptr || arg(cli, "--encryption-key-identifier").ptr;
}

/* "encryption" of properties; what is not given is left to the server to know. */
static void put_encryption(Cli *cli, JsonWriter *w)
{
    Str identifier = arg(cli, "--encryption-key-identifier");

    if (!encryption_is_given(cli))
        return;
    json_open(w, "encryption");
    json_put_str(w, "keySource", arg(cli, "--encryption-key-source"));
    if (identifier.ptr) {
        json_open(w, "keyVaultProperties");
        json_put_str(w, "keyIdentifier", identifier);
        json_close(w);
    }
    json_close(w);
}

/* ---- the vault of an account whose nodes are the user's ---- */

#define VAULT_VERSION "2022-07-01"

/* --keyvault: a name or an id, as az takes it. "poolAllocationMode" and "keyVaultReference" of properties. */
static bool put_vault(Cli *cli, JsonWriter *w, Err *err)
{
    Str given = arg(cli, "--keyvault"), id = given;
    Answer answer;

    if (!given.ptr)
        return true;
    if (!str_starts(given, STR("/")) && !find_resource(cli, "Microsoft.KeyVault/vaults", given, &id, err))
        return false;
    if (!call_service(cli, "GET", to_arm(cli), arm_url(cli, id, VAULT_VERSION), STR_NONE, &answer, err))
        return false;
    json_put_str(w, "poolAllocationMode", STR("UserSubscription"));
    json_open(w, "keyVaultReference");
    json_put_value(w, "id", json_get(answer.json, "id"));
    json_put_value(w, "url", json_path(answer.json, "properties.vaultUri"));
    json_close(w);
    return true;
}

/* ---- create, show, list, change, delete ---- */

bool run_batch_account_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *users;
    Str url, text, location, identity;
    Answer answer;

    if (!account_location(cli, &location, err) || !account_identity(cli, &identity, err) || !cli_profile(cli, err) || !account_url(cli, &url, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "location", location.ptr ? location : cli->profile.location);
    size_t user_count = arg_list(cli, "--mi-user-assigned", &users);
    put_identity(&body.w, identity, users, user_count);
    if (!put_tags(cli, &body.w, err))
        return false;
    json_open(&body.w, "properties");
    put_encryption(cli, &body.w);
    if (!put_vault(cli, &body.w, err))
        return false;
    json_close(&body.w);
    json_close(&body.w);
    if (!body_end(&body, &text, err) || !call_and_wait(cli, "PUT", to_arm(cli), url, text, &answer, err))
        return false;
    if (!answer.json)
        return call_shown(cli, "GET", to_arm(cli), url, STR_NONE, shape_flat, err);
    shape_flat(cli, &cli->w, answer.json);
    return true;
}

bool run_batch_account_set(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *tags;
    Str url;

    if (!encryption_is_given(cli) && arg_list(cli, "--tags", &tags) == 0)
        return cli_usage(cli, err, "give what to change: --encryption-key-source, --encryption-key-identifier or --tags");
    if (!cli_profile(cli, err) || !account_url(cli, &url, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    if (!put_tags(cli, &body.w, err))
        return false;
    json_open(&body.w, "properties");
    put_encryption(cli, &body.w);
    json_close(&body.w);
    json_close(&body.w);
    return body_send(cli, "PATCH", to_arm(cli), url, &body, shape_flat, err);
}

bool run_batch_account_show(Cli *cli, Err *err)
{
    Str url;

    if (!cli_profile(cli, err) || !account_url(cli, &url, err))
        return false;
    return call_shown(cli, "GET", to_arm(cli), url, STR_NONE, shape_flat, err);
}

bool run_batch_account_list(Cli *cli, Err *err)
{
    Str group = arg(cli, "--resource-group");

    if (!cli_profile(cli, err))
        return false;
    return call_list(cli, to_arm(cli), group.ptr ? arm_group_url(cli, group, STR(ACCOUNTS), BATCH_ARM_VERSION) : arm_subscription_url(cli, STR(ACCOUNTS), BATCH_ARM_VERSION),
                     shape_flat, err);
}

bool run_batch_account_delete(Cli *cli, Err *err)
{
    Answer answer;
    Str url;

    if (!cli_confirm(cli, "delete this account with its pools and nodes", err) || !cli_profile(cli, err) || !account_url(cli, &url, err))
        return false;
    return arg_flag(cli, "--no-wait") ? call_service(cli, "DELETE", to_arm(cli), url, STR_NONE, &answer, err)
                                      : call_and_wait(cli, "DELETE", to_arm(cli), url, STR_NONE, &answer, err);
}

/* ---- the identity of an account that is there ---- */

bool run_batch_account_identity_show(Cli *cli, Err *err)
{
    Answer answer;
    Str url;

    if (!cli_profile(cli, err) || !account_url(cli, &url, err) || !call_service(cli, "GET", to_arm(cli), url, STR_NONE, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, json_get(answer.json, "identity"));
    return true;
}

typedef struct Users { const char *ids[VALUES_MAX]; size_t count; } Users;

/* The account's user-assigned identities, without those that are named. */
static bool users_now(Cli *cli, const JsonVal *account, const char *const *without, size_t count, Users *out, Err *err)
{
    const JsonVal *map = json_path(account, "identity.userAssignedIdentities");

    for (size_t i = 0; i < json_count(map) && out->count < VALUES_MAX; i++) {
        Str id;
        bool is_named = false;
        (void)json_member(map, i, &id);
        for (size_t j = 0; j < count; j++)
            is_named = is_named || str_eq_nocase(id, str_from(without[j]));
        if (!is_named && !(out->ids[out->count++] = str_to_cstr(cli->arena, id, err)))
            return false;
    }
    return true;
}

/* An account has one kind of identity or none; user-assigned ones are added to or taken from those it has. */
static bool change_identity(Cli *cli, bool removes, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *named;
    size_t count = arg_list(cli, "--user-assigned", &named);
    Users users = { .count = 0 };
    Answer now;
    Str url;
    bool system;

    if (!bool_arg(cli, "--system-assigned", &system, err))
        return false;
    system = arg_flag(cli, "--system-assigned");
    if (system == (count > 0))
        return cli_usage(cli, err, "give either --system-assigned or --user-assigned with ids");
    if (!cli_profile(cli, err) || !account_url(cli, &url, err) || !call_service(cli, "GET", to_arm(cli), url, STR_NONE, &now, err) ||
        (count > 0 && !users_now(cli, now.json, named, count, &users, err)))
        return false;
    Str type = json_str(json_path(now.json, "identity.type"));
    if (removes && str_eq(type, STR("SystemAssigned")) != system)
        return err_set(err, ERR_NOT_FOUND, "the account has no such identity; its identity is of type " STR_FMT, STR_ARG(type));
    for (size_t i = 0; !removes && i < count && users.count < VALUES_MAX; i++)
        users.ids[users.count++] = named[i];
    body_begin(&body);
    json_open(&body.w, NULL);
    put_identity(&body.w, system && !removes ? STR("SystemAssigned") : users.count > 0 ? STR("UserAssigned") : STR("None"), users.ids, users.count);
    json_close(&body.w);
    return body_send(cli, "PATCH", to_arm(cli), url, &body, shape_flat, err);
}

bool run_batch_account_identity_assign(Cli *cli, Err *err) { return change_identity(cli, false, err); }
bool run_batch_account_identity_remove(Cli *cli, Err *err) { return change_identity(cli, true, err); }
