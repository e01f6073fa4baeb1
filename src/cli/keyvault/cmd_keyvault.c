/* cmd_keyvault.c - vaults and their access policies, through Resource Manager. */
#include "base/encode.h"
#include "base/id.h"
#include "cli/input.h"
#include "cli/keyvault/vault.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define VAULTS "/providers/Microsoft.KeyVault/vaults"
#define HSMS   "/providers/Microsoft.KeyVault/managedHSMs"        /* always none */

static const struct { const char *option, *member; } permission_kinds[] = {
    { "--key-permissions", "keys" }, { "--secret-permissions", "secrets" }, { "--certificate-permissions", "certificates" }, { "--storage-permissions", "storage" },
};

bool vault_resource_url(Cli *cli, Str *url, Err *err)
{
    Str name = arg(cli, "--name"), group = arg(cli, "--resource-group"), id;

    if (group.ptr) {
        *url = arm_group_url(cli, group, str_printf(cli->arena, VAULTS "/" STR_FMT, STR_ARG(percent_encode(cli->arena, name))), VAULT_VERSION);
        return true;
    }
    if (!find_resource(cli, "Microsoft.KeyVault/vaults", name, &id, err))
        return false;
    *url = arm_url(cli, id, VAULT_VERSION);
    return true;
}

/* ---- create ---- */

static void put_all_permissions(JsonWriter *w)
{
    json_open(w, "permissions");
    for (size_t i = 0; i < COUNT_OF(permission_kinds); i++) {
        json_open_array(w, permission_kinds[i].member);
        json_put_str(w, NULL, STR("all"));
        json_close_array(w);
    }
    json_close(w);
}

/* As az: whoever makes a vault may do everything in it, unless it says otherwise. */
static bool put_own_policy(Cli *cli, JsonWriter *w, Err *err)
{
    Str object_id;

    json_open_array(w, "accessPolicies");
    if (!arg_flag(cli, "--no-self-perms") && !arg_flag(cli, "--enable-rbac-authorization")) {
        if (!find_principal(cli, cli->profile.client_id, &object_id, err)) {
            return err->code == ERR_NOT_FOUND ? err_set(err, ERR_DENIED, "Graph does not know " STR_FMT ", so it gets no access policy; create the vault with --no-self-perms",
                                                        STR_ARG(cli->profile.client_id)) : false;
        }
        json_open(w, NULL);
        json_put_str(w, "tenantId", cli->profile.tenant);
        json_put_str(w, "objectId", object_id);
        put_all_permissions(w);
        json_close(w);
    }
    json_close_array(w);
    return true;
}

static bool put_vault_properties(Cli *cli, JsonWriter *w, Err *err)
{
    Str sku = arg(cli, "--sku"), retention = arg(cli, "--retention-days");
    int64_t days = 90;
    bool any = false;

    if (retention.ptr && !str_to_int64(retention, 7, 90, &days, &(Err){ 0 }))
        return cli_usage(cli, err, "--retention-days: '" STR_FMT "' is no number from 7 to 90", STR_ARG(retention));
    json_open(w, "properties");
    json_put_str(w, "tenantId", cli->profile.tenant);
    json_open(w, "sku");
    json_put_str(w, "family", STR("A"));
    json_put_str(w, "name", sku.ptr ? str_lower(cli->arena, sku) : STR("standard"));
    json_close(w);
    if (!put_own_policy(cli, w, err))
        return false;
    json_put_bool(w, "enableSoftDelete", true);
    json_put_int(w, "softDeleteRetentionInDays", days);
    if (!put_vault_flags(cli, w, &any, err) || !put_new_rules(cli, w, err))
        return false;
    json_close(w);
    return true;
}

bool run_vault_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url, location = arg(cli, "--location");
    bool missing;

    if (!cli_profile(cli, err) || !vault_resource_url(cli, &url, err) || !call_is_missing(cli, to_arm(cli), url, &missing, err))
        return false;
    if (!missing)
        return err_set(err, ERR_CONFLICT, "The vault name '" STR_FMT "' is already in use. `vy keyvault show -n NAME` shows it, `vy keyvault set-policy` changes who may use it",
                       STR_ARG(arg(cli, "--name")));
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "location", location.ptr ? location : cli->profile.location);
    if (!put_tags(cli, &body.w, err) || !put_vault_properties(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PUT", to_arm(cli), url, &body, shape_vault, err);
}

/* ---- show, list, delete ---- */

bool run_vault_show(Cli *cli, Err *err)
{
    Answer answer;
    Str url;

    if (!vault_get(cli, &url, &answer, err))
        return false;
    shape_resource(cli, &cli->w, answer.json);
    return true;
}

bool run_vault_list(Cli *cli, Err *err)
{
    Str group = arg(cli, "--resource-group");
    bool vaults, hsms;

    if (!wants_type(cli, &vaults, &hsms, err) || !cli_profile(cli, err))
        return false;
    if (!vaults)
        return call_list(cli, to_arm(cli), group.ptr ? arm_group_url(cli, group, STR(HSMS), VAULT_VERSION) : arm_subscription_url(cli, STR(HSMS), VAULT_VERSION), shape_resource, err);
    return call_list(cli, to_arm(cli), group.ptr ? arm_group_url(cli, group, STR(VAULTS), VAULT_VERSION)
                                                 : arm_subscription_url(cli, STR("/resources?$filter=resourceType%20eq%20%27Microsoft.KeyVault%2Fvaults%27"), "2021-04-01"),
                     shape_resource, err);
}

bool run_vault_delete(Cli *cli, Err *err)
{
    Answer answer;
    Str url;

    return cli_profile(cli, err) && vault_resource_url(cli, &url, err) && call_service(cli, "DELETE", to_arm(cli), url, STR_NONE, &answer, err);
}

/* ---- policies: the vault is read, its list changed and written back, as az does ---- */

static bool policy_principal(Cli *cli, Str *object_id, Err *err)
{
    Str spn = arg(cli, "--spn");

    *object_id = arg(cli, "--object-id");
    return !spn.ptr && guid_is_valid(*object_id) ? true : find_principal(cli, spn.ptr ? spn : *object_id, object_id, err);
}

static void put_permissions(Cli *cli, JsonWriter *w, const JsonVal *now)
{
    json_open(w, "permissions");
    for (size_t i = 0; i < COUNT_OF(permission_kinds); i++) {
        const char *const *values;
        size_t count = arg_list(cli, permission_kinds[i].option, &values);
        if (count == 0) {                                  /* not named: stays as it is */
            json_put_value(w, permission_kinds[i].member, json_get_nocase(json_get(now, "permissions"), permission_kinds[i].member));
            continue;
        }
        json_open_array(w, permission_kinds[i].member);
        for (size_t v = 0; v < count; v++) {
            Str rest = str_from(values[v]);                /* "get list" as one word, too */
            while (rest.ptr) {
                Str one = str_cut(&rest, ' ');
                if (!str_empty(one))
                    json_put_str(w, NULL, one);
            }
        }
        json_close_array(w);
    }
    json_close(w);
}

static void put_policy(Cli *cli, JsonWriter *w, Str object_id, const JsonVal *now)
{
    json_open(w, NULL);
    json_put_str(w, "tenantId", cli->profile.tenant);
    json_put_str(w, "objectId", object_id);
    json_put_str(w, "applicationId", arg(cli, "--application-id"));
    put_permissions(cli, w, now);
    json_close(w);
}

/* The vault's policies with that principal's replaced or left out; *found: it had one. That of the principal through an application is another. */
static void put_policies(Cli *cli, JsonWriter *w, const JsonVal *policies, Str object_id, bool remove, bool *found)
{
    *found = false;
    json_open_array(w, "accessPolicies");
    for (size_t i = 0; i < json_count(policies); i++) {
        const JsonVal *policy = json_at(policies, i);
        if (!str_eq_nocase(json_str(json_get(policy, "objectId")), object_id) || !str_eq_nocase(json_str(json_get(policy, "applicationId")), arg(cli, "--application-id"))) {
            json_put_value(w, NULL, policy);
            continue;
        }
        *found = true;
        if (!remove)
            put_policy(cli, w, object_id, policy);
    }
    if (!*found && !remove)
        put_policy(cli, w, object_id, NULL);
    json_close_array(w);
}

static bool change_policy(Cli *cli, bool remove, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer now;
    Str url, object_id;
    bool found;

    if ((arg(cli, "--object-id").ptr != NULL) == (arg(cli, "--spn").ptr != NULL))
        return cli_usage(cli, err, "give either --object-id or --spn");
    if (!cli_profile(cli, err) || !policy_principal(cli, &object_id, err) || !vault_get(cli, &url, &now, err))
        return false;
    const JsonVal *properties = json_get(now.json, "properties");
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_value(&body.w, "location", json_get(now.json, "location"));
    json_put_value(&body.w, "tags", json_get(now.json, "tags"));
    json_open(&body.w, "properties");
    for (size_t i = 0; i < json_count(properties); i++) {
        Str name;
        const JsonVal *value = json_member(properties, i, &name);
        /* What the service alone sets does not go back. */
        if (!str_eq(name, STR("accessPolicies")) && !str_eq(name, STR("provisioningState")) && !str_eq(name, STR("vaultUri")) && !str_eq(name, STR("hsmPoolResourceId")))
            json_put_value_named(&body.w, name, value);
    }
    put_policies(cli, &body.w, json_get(properties, "accessPolicies"), object_id, remove, &found);
    json_close(&body.w);
    json_close(&body.w);
    if (remove && !found)
        return err_set(err, ERR_NOT_FOUND, "no access policy of this vault names the object id " STR_FMT, STR_ARG(object_id));
    return body_send(cli, "PUT", to_arm(cli), url, &body, shape_vault, err);
}

bool run_vault_set_policy(Cli *cli, Err *err)
{
    const char *const *values;
    size_t given = 0;

    for (size_t i = 0; i < COUNT_OF(permission_kinds); i++)
        given += arg_list(cli, permission_kinds[i].option, &values);
    if (given == 0)
        return cli_usage(cli, err, "give at least one of --key-permissions, --secret-permissions, --certificate-permissions, --storage-permissions");
    return change_policy(cli, false, err);
}

bool run_vault_delete_policy(Cli *cli, Err *err)
{
    return change_policy(cli, true, err);
}
