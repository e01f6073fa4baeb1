/* cmd_vault_deleted.c - vaults that were deleted: list, show, recover, purge; through Resource Manager. */
#include "cli/input.h"
#include "cli/keyvault/vault.h"
#include "cli/profile.h"
#include "cli/run.h"

#define DELETED      "/providers/Microsoft.KeyVault/deletedVaults"
#define DELETED_HSMS "/providers/Microsoft.KeyVault/deletedManagedHSMs"        /* always none */

typedef struct Search { Str name; const JsonVal *item; } Search;

static bool search_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Search *s = ctx;

    (void)cli;
    (void)err;
    *done = str_eq_nocase(json_str(json_get(item, "name")), s->name);
    if (*done)
        s->item = item;
    return true;
}

static bool find_deleted(Cli *cli, const JsonVal **out, Err *err)
{
    Search s = { .name = arg(cli, "--name") };

    if (!cli_profile(cli, err) || !call_each(cli, to_arm(cli), arm_subscription_url(cli, STR(DELETED), VAULT_VERSION), search_visit, &s, err))
        return false;
    if (!s.item)
        return err_set(err, ERR_NOT_FOUND, "there is no deleted vault '" STR_FMT "'; `vy keyvault list-deleted` lists them", STR_ARG(s.name));
    *out = s.item;
    return true;
}

bool run_vault_list_deleted(Cli *cli, Err *err)
{
    bool vaults, hsms;
    return wants_type(cli, &vaults, &hsms, err) && cli_profile(cli, err) &&
           call_list(cli, to_arm(cli), arm_subscription_url(cli, vaults ? STR(DELETED) : STR(DELETED_HSMS), VAULT_VERSION), NULL, err);
}

bool run_vault_show_deleted(Cli *cli, Err *err)
{
    const JsonVal *item = NULL;

    if (!find_deleted(cli, &item, err))
        return false;
    json_put_value(&cli->w, NULL, item);
    return true;
}

/* It comes back with all that was in it, where it was. */
bool run_vault_recover(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *item = NULL;

    if (!find_deleted(cli, &item, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_value(&body.w, "location", json_path(item, "properties.location"));
    json_open(&body.w, "properties");
    json_put_str(&body.w, "tenantId", cli->profile.tenant);
    json_put_str(&body.w, "createMode", STR("recover"));
    json_close(&body.w);
    json_close(&body.w);
    return body_send(cli, "PUT", to_arm(cli), arm_url(cli, json_str(json_path(item, "properties.vaultId")), VAULT_VERSION), &body, shape_vault, err);
}

bool run_vault_purge(Cli *cli, Err *err)
{
    const JsonVal *item = NULL;
    Answer answer;

    if (!find_deleted(cli, &item, err))
        return false;
    Str url = arm_url(cli, str_printf(cli->arena, STR_FMT "/purge", STR_ARG(json_str(json_get(item, "id")))), VAULT_VERSION);
    return arg_flag(cli, "--no-wait") ? call_service(cli, "POST", to_arm(cli), url, STR(""), &answer, err) : call_and_wait(cli, "POST", to_arm(cli), url, STR(""), &answer, err);
}
