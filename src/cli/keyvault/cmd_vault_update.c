/* cmd_vault_update.c - what of a vault can be changed, its network rules, and whether a name is free. */
#include "cli/batch/shape.h"
#include "cli/call.h"
#include "cli/profile.h"
#include "cli/run.h"

#define VAULT_VERSION "2022-07-01"

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

/* The rules as they are, with what the options change. */
static void put_acls(Cli *cli, JsonWriter *w, const JsonVal *now)
{
    Str action = arg(cli, "--default-action"), bypass = arg(cli, "--bypass");

    json_open(w, "networkAcls");
    json_put_str(w, "defaultAction", action.ptr ? action : json_str(json_get(now, "defaultAction")));
    json_put_str(w, "bypass", bypass.ptr ? bypass : json_str(json_get(now, "bypass")));
    json_put_value(w, "ipRules", json_get(now, "ipRules"));
    json_put_value(w, "virtualNetworkRules", json_get(now, "virtualNetworkRules"));
    json_close(w);
}

bool run_vault_update(Cli *cli, Err *err)
{
    static const struct { const char *option, *member; } bools[] = {
        { "--enable-purge-protection", "enablePurgeProtection" }, { "--enable-rbac-authorization", "enableRbacAuthorization" },
        { "--enabled-for-deployment", "enabledForDeployment" },   { "--enabled-for-disk-encryption", "enabledForDiskEncryption" },
        { "--enabled-for-template-deployment", "enabledForTemplateDeployment" },
    };
    AUTO(body_done_auto) Body body = { 0 };
    Str url, access = arg(cli, "--public-network-access");
    const char *const *tags;
    Answer now;
    bool any = arg_list(cli, "--tags", &tags) > 0;

    if (!cli_profile(cli, err) || !vault_resource_url(cli, &url, err) || !call_service(cli, "GET", to_arm(cli), url, STR_NONE, &now, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    if (!put_tags(cli, &body.w, err))
        return false;
    json_open(&body.w, "properties");
    for (size_t i = 0; i < COUNT_OF(bools); i++)
        if (!put_bool(cli, &body.w, bools[i].option, bools[i].member, &any, err))
            return false;
    if (access.ptr)
        json_put_str(&body.w, "publicNetworkAccess", access);
    if (arg(cli, "--default-action").ptr || arg(cli, "--bypass").ptr)
        put_acls(cli, &body.w, json_path(now.json, "properties.networkAcls"));
    any = any || access.ptr || arg(cli, "--default-action").ptr || arg(cli, "--bypass").ptr;
    json_close(&body.w);
    json_close(&body.w);
    if (!any)
        return cli_usage(cli, err, "give what to change: --default-action, --bypass, --public-network-access, --enable-purge-protection, --enable-rbac-authorization, "
                         "--enabled-for-deployment, --enabled-for-disk-encryption, --enabled-for-template-deployment or --tags");
    return body_send(cli, "PATCH", to_arm(cli), url, &body, shape_resource, err);
}

/* ---- network rules ---- */

static bool is_address(const JsonVal *rule, const char *address)
{
    Str kept = json_str(json_get(rule, "value")), wanted = str_from(address);
    return str_eq(kept, wanted) || (str_starts(kept, wanted) && str_eq(str_slice(kept, wanted.len, kept.len), STR("/32")));
}

static bool change_rules(Cli *cli, bool remove, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url;
    Answer now;
    const char *const *addresses;
    size_t count = arg_list(cli, "--ip-address", &addresses), removed = 0;

    if (!cli_profile(cli, err) || !vault_resource_url(cli, &url, err) || !call_service(cli, "GET", to_arm(cli), url, STR_NONE, &now, err))
        return false;
    const JsonVal *acls = json_path(now.json, "properties.networkAcls"), *rules = json_get(acls, "ipRules");
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    json_open(&body.w, "networkAcls");
    json_put_str(&body.w, "defaultAction", acls ? json_str(json_get(acls, "defaultAction")) : STR("Allow"));
    json_put_str(&body.w, "bypass", acls ? json_str(json_get(acls, "bypass")) : STR("AzureServices"));
    json_put_value(&body.w, "virtualNetworkRules", json_get(acls, "virtualNetworkRules"));
    json_open_array(&body.w, "ipRules");
    for (size_t i = 0; i < json_count(rules); i++) {
        bool named = false;
        for (size_t a = 0; a < count; a++)
            named = named || is_address(json_at(rules, i), addresses[a]);
        removed += named;
        if (!named)
            json_put_value(&body.w, NULL, json_at(rules, i));
    }
    for (size_t a = 0; !remove && a < count; a++) {
        json_open(&body.w, NULL);
        json_put_str(&body.w, "value", str_from(addresses[a]));
        json_close(&body.w);
    }
    json_close_array(&body.w);
    json_close(&body.w);
    json_close(&body.w);
    json_close(&body.w);
    if (remove && removed == 0)
        return err_set(err, ERR_NOT_FOUND, "no network rule of this vault is for that address; `vy keyvault network-rule list` lists them");
    return body_send(cli, "PATCH", to_arm(cli), url, &body, shape_resource, err);
}

bool run_network_rule_add(Cli *cli, Err *err) { return change_rules(cli, false, err); }
bool run_network_rule_remove(Cli *cli, Err *err) { return change_rules(cli, true, err); }

bool run_network_rule_list(Cli *cli, Err *err)
{
    Answer now;
    Str url;

    if (!cli_profile(cli, err) || !vault_resource_url(cli, &url, err) || !call_service(cli, "GET", to_arm(cli), url, STR_NONE, &now, err))
        return false;
    const JsonVal *acls = json_path(now.json, "properties.networkAcls");
    if (acls)
        json_put_value(&cli->w, NULL, acls);
    else
        json_put_raw(&cli->w, NULL, STR("{\"bypass\":\"AzureServices\",\"defaultAction\":\"Allow\",\"ipRules\":[],\"virtualNetworkRules\":[]}"));
    return true;
}

bool run_vault_check_name(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Str text;

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
