/* cmd_network_rule.c - who may reach a vault: its network rules, read and written back, as az does. */
#include "base/file.h"
#include "cli/input.h"
#include "cli/keyvault/vault.h"
#include "cli/run.h"
#include "cli/shape.h"

enum { RULES_MAX = 256, FILE_MAX = 1 << 20 };

typedef struct Rules { Str ips[RULES_MAX], subnets[RULES_MAX]; size_t ip_count, subnet_count; } Rules;

static bool too_many(Cli *cli, Err *err) { return cli_usage(cli, err, "more than %d rules at once", RULES_MAX); }

/* A subnet by its id, or as VNET/SUBNET of the vault's group. */
static bool subnet_id(Cli *cli, Str group, Str given, Str *id, Err *err)
{
    Str subnet = given, vnet;
    *id = given;
    if (str_starts_nocase(given, STR("/subscriptions/")))
        return true;
    vnet = str_cut(&subnet, '/');
    if (!subnet.ptr || str_empty(vnet) || str_empty(subnet) || !group.ptr)
        return cli_usage(cli, err, "'" STR_FMT "' is no subnet: give its id, or its name with --vnet-name (VNET/SUBNET in --network-acls-vnets)", STR_ARG(given));
    *id = str_printf(cli->arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/Microsoft.Network/virtualNetworks/" STR_FMT "/subnets/" STR_FMT,
                     STR_ARG(cli->profile.subscription), STR_ARG(group), STR_ARG(vnet), STR_ARG(subnet));
    return id->ptr || err_too_big(err);
}

static bool add_subnet(Cli *cli, Rules *rules, Str group, Str given, Err *err)
{
    if (rules->subnet_count == RULES_MAX)
        return too_many(cli, err);
    return subnet_id(cli, group, given, &rules->subnets[rules->subnet_count++], err);
}

static bool rules_of_list(Cli *cli, Rules *rules, const char *option, bool is_subnet, Str group, Err *err)
{
    const char *const *values;
    size_t count = arg_list(cli, option, &values);
    for (size_t i = 0; i < count; i++) {
        if (is_subnet ? !add_subnet(cli, rules, group, str_from(values[i]), err) : rules->ip_count == RULES_MAX && !too_many(cli, err))
            return false;
        if (!is_subnet)
            rules->ips[rules->ip_count++] = str_from(values[i]);
    }
    return true;
}

/* ---- of a new vault ---- */

/* {"ip": [...], "vnet": [...]}, or a file with that. */
static bool rules_of_json(Cli *cli, Rules *rules, Str group, Err *err)
{
    Str text = arg(cli, "--network-acls");
    const JsonVal *acls;
    Err why = { 0 };
    if (!text.ptr)
        return true;
    if (!str_starts(str_trim(text), STR("{"))) {
        char *path = str_to_cstr(cli->arena, str_slice(text, str_starts(text, STR("@")), text.len), err);
        if (!path || !file_read(cli->arena, path, FILE_MAX, &text, err))
            return false;
    }
    if (!json_parse(cli->arena, text, JSON_STRICT, &acls, &why) || json_kind(acls) != JSON_OBJECT)
        return cli_usage(cli, err, "--network-acls is no object like {\"ip\": [\"203.0.113.7\"], \"vnet\": []}%s%s", why.text[0] ? ": " : "", why.text);
    for (size_t i = 0; i < json_count(json_get(acls, "vnet")); i++)
        if (!add_subnet(cli, rules, group, json_str(json_at(json_get(acls, "vnet"), i)), err))
            return false;
    for (size_t i = 0; i < json_count(json_get(acls, "ip")); i++) {
        if (rules->ip_count == RULES_MAX)
            return too_many(cli, err);
        rules->ips[rules->ip_count++] = json_str(json_at(json_get(acls, "ip"), i));
    }
    return true;
}

static void put_rule(JsonWriter *w, const char *member, Str value)
{
    json_open(w, NULL);
    json_put_str(w, member, value);
    json_close(w);
}

bool put_new_rules(Cli *cli, JsonWriter *w, Err *err)
{
    Str action = arg(cli, "--default-action"), bypass = arg(cli, "--bypass"), group = arg(cli, "--resource-group");
    Rules *rules = ARENA_NEW(cli->arena, Rules);
    if (!rules)
        return err_too_big(err);
    if (!rules_of_json(cli, rules, group, err) || !rules_of_list(cli, rules, "--network-acls-ips", false, group, err) ||
        !rules_of_list(cli, rules, "--network-acls-vnets", true, group, err))
        return false;
    if (!action.ptr && !bypass.ptr && rules->ip_count == 0 && rules->subnet_count == 0)
        return true;
    json_open(w, "networkAcls");
    json_put_str(w, "defaultAction", action.ptr ? action : STR("Allow"));
    json_put_str(w, "bypass", bypass.ptr ? bypass : STR("AzureServices"));
    json_open_array(w, "ipRules");
    for (size_t i = 0; i < rules->ip_count; i++)
        put_rule(w, "value", rules->ips[i]);
    json_close_array(w);
    json_open_array(w, "virtualNetworkRules");
    for (size_t i = 0; i < rules->subnet_count; i++)
        put_rule(w, "id", rules->subnets[i]);
    json_close_array(w);
    json_close(w);
    return true;
}

/* ---- add, remove, list ---- */

static bool same_rule(Str kept, Str wanted)
{
    return str_eq_nocase(kept, wanted) || (str_starts(kept, wanted) && (str_eq(str_slice(kept, wanted.len, kept.len), STR("/32")) || str_eq(str_slice(kept, wanted.len, kept.len), STR("/128"))));
}

/* The list as it is, without those named, or with them at its end. */
static size_t put_rules(JsonWriter *w, const char *list, const char *member, const JsonVal *now, const Str *named, size_t count, bool remove)
{
    size_t changed = 0;
    json_open_array(w, list);
    for (size_t i = 0; i < json_count(now); i++) {
        bool is_named = false;
        for (size_t n = 0; n < count; n++)
            is_named = is_named || same_rule(json_str(json_get(json_at(now, i), member)), named[n]);
        changed += is_named && remove;
        if (!is_named || !remove)
            json_put_value(w, NULL, json_at(now, i));
    }
    for (size_t n = 0; !remove && n < count; n++) {
        bool is_there = false;
        for (size_t i = 0; i < json_count(now); i++)
            is_there = is_there || same_rule(json_str(json_get(json_at(now, i), member)), named[n]);
        if (!is_there)
            put_rule(w, member, named[n]);
        changed += !is_there;
    }
    json_close_array(w);
    return changed;
}

static bool named_rules(Cli *cli, Rules *rules, Str group, Err *err)
{
    Str subnet = arg(cli, "--subnet"), vnet = arg(cli, "--vnet-name");
    const char *const *values;
    if (arg_list(cli, "--ip-address", &values) == 0 && !subnet.ptr)
        return cli_usage(cli, err, "give what the rule is for: --ip-address or --subnet");
    if (vnet.ptr)
        subnet = str_printf(cli->arena, STR_FMT "/" STR_FMT, STR_ARG(vnet), STR_ARG(subnet));
    return rules_of_list(cli, rules, "--ip-address", false, group, err) && (!subnet.ptr || add_subnet(cli, rules, group, subnet, err));
}

static bool change_rules(Cli *cli, bool remove, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url;
    Answer now;
    Rules *rules = ARENA_NEW(cli->arena, Rules);

    if (!rules)
        return err_too_big(err);
    if (!vault_get(cli, &url, &now, err) || !named_rules(cli, rules, shape_group_of_id(cli, json_str(json_get(now.json, "id"))), err))
        return false;
    const JsonVal *acls = json_path(now.json, "properties.networkAcls");
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    json_open(&body.w, "networkAcls");
    json_put_str(&body.w, "defaultAction", acls ? json_str(json_get(acls, "defaultAction")) : STR("Allow"));
    json_put_str(&body.w, "bypass", acls ? json_str(json_get(acls, "bypass")) : STR("AzureServices"));
    size_t changed = put_rules(&body.w, "ipRules", "value", json_get(acls, "ipRules"), rules->ips, rules->ip_count, remove) +
                     put_rules(&body.w, "virtualNetworkRules", "id", json_get(acls, "virtualNetworkRules"), rules->subnets, rules->subnet_count, remove);
    json_close(&body.w);
    json_close(&body.w);
    json_close(&body.w);
    if (remove && changed == 0)
        return err_set(err, ERR_NOT_FOUND, "no network rule of this vault is for that; `vy keyvault network-rule list` lists them");
    if (changed > 0)
        return body_send(cli, "PATCH", to_arm(cli), url, &body, shape_vault, err);
    shape_vault(cli, &cli->w, now.json);
    return true;
}

bool run_network_rule_add(Cli *cli, Err *err) { return change_rules(cli, false, err); }
bool run_network_rule_remove(Cli *cli, Err *err) { return change_rules(cli, true, err); }

bool run_network_rule_list(Cli *cli, Err *err)
{
    Answer now;
    Str url;

    if (!vault_get(cli, &url, &now, err))
        return false;
    const JsonVal *acls = json_path(now.json, "properties.networkAcls");
    if (acls)
        json_put_value(&cli->w, NULL, acls);
    else
        json_put_raw(&cli->w, NULL, STR("{\"bypass\":\"AzureServices\",\"defaultAction\":\"Allow\",\"ipRules\":[],\"virtualNetworkRules\":[]}"));
    return true;
}
