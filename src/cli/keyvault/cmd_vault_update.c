/* cmd_vault_update.c - what of a vault can be changed, and whether a name is free. */
#include "cli/generic_update.h"
#include "cli/input.h"
#include "cli/keyvault/vault.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

/* ---- what the commands about vaults share ---- */

void shape_vault(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    if (!arg_flag(cli, "--no-wait"))
        shape_resource(cli, w, item);
}

bool vault_get(Cli *cli, Str *url, Answer *answer, Err *err)
{
    return cli_profile(cli, err) && vault_resource_url(cli, url, err) && call_service(cli, "GET", to_arm(cli), *url, STR_NONE, answer, err);
}

bool wants_type(Cli *cli, bool *vaults, bool *hsms, Err *err)
{
    Str type = arg(cli, "--resource-type");
    *vaults = !type.ptr || str_eq_nocase(type, STR("vault"));
    *hsms = !type.ptr || str_eq_nocase(type, STR("hsm"));
    return *vaults || *hsms || cli_usage(cli, err, "--resource-type: '" STR_FMT "' is neither vault nor hsm", STR_ARG(type));
}

static bool put_bool(Cli *cli, JsonWriter *w, const char *option, const char *member, bool *any, Err *err)
{
    bool value;

    if (!arg_given(cli, option))
        return true;
    if (!bool_arg(cli, option, &value, err))
        return false;
    json_put_bool(w, member, value);
    *any = true;
    return true;
}

bool put_vault_flags(Cli *cli, JsonWriter *w, bool *any, Err *err)
{
    static const struct { const char *option, *member; } bools[] = {
        { "--enable-purge-protection", "enablePurgeProtection" }, { "--enable-rbac-authorization", "enableRbacAuthorization" },
        { "--enabled-for-deployment", "enabledForDeployment" },   { "--enabled-for-disk-encryption", "enabledForDiskEncryption" },
        { "--enabled-for-template-deployment", "enabledForTemplateDeployment" },
    };
    Str access = arg(cli, "--public-network-access");
    for (size_t i = 0; i < COUNT_OF(bools); i++)
        if (!put_bool(cli, w, bools[i].option, bools[i].member, any, err))
            return false;
    json_put_str(w, "publicNetworkAccess", access);
    *any = *any || access.ptr;
    return true;
}

/* ---- update ---- */

/* The rules as they are, with what the options change. */
static void put_acls(Cli *cli, JsonWriter *w, const JsonVal *now)
{
    Str action = arg(cli, "--default-action"), bypass = arg(cli, "--bypass");

    json_open(w, "networkAcls");
    json_put_str(w, "defaultAction", action.ptr ? action : now ? json_str(json_get(now, "defaultAction")) : STR("Allow"));
    json_put_str(w, "bypass", bypass.ptr ? bypass : now ? json_str(json_get(now, "bypass")) : STR("AzureServices"));
    json_put_value(w, "ipRules", json_get(now, "ipRules"));
    json_put_value(w, "virtualNetworkRules", json_get(now, "virtualNetworkRules"));
    json_close(w);
}

/* Member "properties" of what the options name. */
static bool put_changes(Cli *cli, JsonWriter *w, const JsonVal *now, bool *any, Err *err)
{
    Str retention = arg(cli, "--retention-days");
    int64_t days;

    json_open(w, "properties");
    if (!put_vault_flags(cli, w, any, err))
        return false;
    if (retention.ptr) {
        if (!str_to_int64(retention, 7, 90, &days, &(Err){ 0 }))
            return cli_usage(cli, err, "--retention-days: '" STR_FMT "' is no number from 7 to 90", STR_ARG(retention));
        json_put_int(w, "softDeleteRetentionInDays", days);
    }
    if (arg(cli, "--default-action").ptr || arg(cli, "--bypass").ptr)
        put_acls(cli, w, json_path(now, "properties.networkAcls"));
    *any = *any || retention.ptr || arg(cli, "--default-action").ptr || arg(cli, "--bypass").ptr;
    json_close(w);
    return true;
}

/* --set, --add and --remove change any part of the vault: read, changed and written back whole, as az does. */
static bool update_whole(Cli *cli, Str url, const JsonVal *vault, const JsonVal *changes, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    JsonWalk walk = { .object = json_get(changes, "properties") };
    const JsonVal *value;
    Str name;

    while (json_walk(&walk, &name, &value)) {
        char *path = str_to_cstr(cli->arena, str_printf(cli->arena, "properties." STR_FMT, STR_ARG(name)), err);
        if (!path || !generic_update_set(cli, &vault, path, json_text(cli->arena, value), err))
            return false;
    }
    if (json_get(changes, "tags") && !generic_update_set(cli, &vault, "tags", json_text(cli->arena, json_get(changes, "tags")), err))
        return false;
    if (!generic_update(cli, &vault, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_value(&body.w, "location", json_get(vault, "location"));
    json_put_value(&body.w, "tags", json_get(vault, "tags"));
    json_open(&body.w, "properties");
    walk = (JsonWalk){ .object = json_get(vault, "properties") };
    while (json_walk(&walk, &name, &value))               /* what the service alone sets does not go back */
        if (!str_eq(name, STR("provisioningState")) && !str_eq(name, STR("vaultUri")) && !str_eq(name, STR("hsmPoolResourceId")))
            json_put_value_named(&body.w, name, value);
    json_close(&body.w);
    json_close(&body.w);
    return body_send(cli, "PUT", to_arm(cli), url, &body, shape_vault, err);
}

bool run_vault_update(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *tags;
    const JsonVal *changes;
    Str url, text;
    Answer now;
    bool any = arg_list(cli, "--tags", &tags) > 0 || generic_update_is_given(cli);

    if (!vault_get(cli, &url, &now, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    if (!put_tags(cli, &body.w, err) || !put_changes(cli, &body.w, now.json, &any, err))
        return false;
    json_close(&body.w);
    if (!any)
        return cli_usage(cli, err, "give what to change, for example --default-action or --tags; --help lists it all");
    if (!body_end(&body, &text, err))
        return false;
    if (generic_update_is_given(cli))
        return json_parse(cli->arena, text, JSON_STRICT, &changes, err) && update_whole(cli, url, now.json, changes, err);
    return call_shown(cli, "PATCH", to_arm(cli), url, text, shape_vault, err);
}

/* ---- names ---- */

bool run_vault_check_name(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Str text, type = arg(cli, "--resource-type");

    if (type.ptr && !str_eq_nocase(type, STR("vault")))
        return cli_usage(cli, err, "--resource-type: there are names of vaults alone here, and no managed HSMs");
    if (!cli_profile(cli, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "name", arg(cli, "--name"));
    json_put_str(&body.w, "type", STR("Microsoft.KeyVault/vaults"));
    json_close(&body.w);
    if (!body_end(&body, &text, err) ||
        !call_service(cli, "POST", to_arm(cli), arm_subscription_url(cli, STR("/providers/Microsoft.KeyVault/checkNameAvailability"), VAULT_VERSION), text, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}
