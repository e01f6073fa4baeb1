/* cmd_account.c - signing in and out, and which subscription commands work in. */
#include <stdlib.h>
#include "base/encode.h"
#include "cli/call.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"

#define ALIASES_VERSION "2021-10-01"

/* ---- subscriptions ---- */

static void shape_subscription(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    Str id = json_str(json_get(item, "subscriptionId"));

    json_open(w, NULL);
    json_put_str(w, "cloudName", STR("Vaultyard"));
    json_put_str(w, "homeTenantId", json_str(json_get(item, "tenantId")));
    json_put_str(w, "id", id);
    json_put_bool(w, "isDefault", str_eq_nocase(id, cli->profile.subscription));
    json_open_array(w, "managedByTenants");
    json_close_array(w);
    json_put_str(w, "name", json_str(json_get(item, "displayName")));
    json_put_str(w, "state", json_str(json_get(item, "state")));
    json_put_str(w, "tenantId", json_str(json_get(item, "tenantId")));
    json_open(w, "user");
    json_put_str(w, "name", cli->profile.client_id);
    json_put_str(w, "type", STR("servicePrincipal"));
    json_close(w);
    json_close(w);
}

bool run_account_list(Cli *cli, Err *err)
{
    return cli_profile(cli, err) && call_list(cli, to_arm(cli), arm_url(cli, STR("/subscriptions"), SUBSCRIPTIONS_VERSION), shape_subscription, err);
}

bool run_account_show(Cli *cli, Err *err)
{
    if (!cli_profile(cli, err) || (arg(cli, "--name").ptr && !find_subscription(cli, arg(cli, "--name"), &cli->profile.subscription, err)))
        return false;
    return call_shown(cli, "GET", to_arm(cli), arm_subscription_url(cli, STR(""), SUBSCRIPTIONS_VERSION), STR_NONE, shape_subscription, err);
}

bool run_account_set(Cli *cli, Err *err)
{
    const char *admin = getenv("VY_ADMIN");
    Str wanted = arg(cli, "--name").ptr ? arg(cli, "--name") : arg(cli, "--subscription");

    if (!wanted.ptr)
        return cli_usage(cli, err, "the following arguments are required: --subscription");
    if (admin && admin[0])
        return err_set(err, ERR_BAD_INPUT, "VY_ADMIN is set and names the subscription; unset it, or give --subscription to each command");
    if (!cli_profile(cli, err) || !find_subscription(cli, wanted, &cli->profile.subscription, err))
        return false;
    return profile_store(cli->arena, &cli->profile, err);
}

/* ---- more subscriptions ---- */

/* Under an alias, as Resource Manager makes them: asking again for the same name answers the same subscription. */
bool run_subscription_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str name = arg(cli, "--name"), shown = arg(cli, "--display-name"), text;
    Str path = str_printf(cli->arena, "/providers/Microsoft.Subscription/aliases/" STR_FMT, STR_ARG(percent_encode(cli->arena, name)));
    Answer answer;

    if (!cli_profile(cli, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    json_put_str(&body.w, "displayName", shown.ptr ? shown : name);
    json_put_str(&body.w, "workload", arg(cli, "--workload"));
    json_put_str(&body.w, "billingScope", arg(cli, "--billing-scope"));
    json_close(&body.w);
    json_close(&body.w);
    if (!body_end(&body, &text, err) || !call_service(cli, "PUT", to_arm(cli), arm_url(cli, path, ALIASES_VERSION), text, &answer, err))
        return false;
    path = str_printf(cli->arena, "/subscriptions/" STR_FMT, STR_ARG(json_str(json_path(answer.json, "properties.subscriptionId"))));
    return call_shown(cli, "GET", to_arm(cli), arm_url(cli, path, SUBSCRIPTIONS_VERSION), STR_NONE, shape_subscription, err);
}

bool run_subscription_rename(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str id, text;
    Answer answer;

    if (!cli_profile(cli, err) || !find_subscription(cli, arg(cli, "--id"), &id, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "subscriptionName", arg(cli, "--name"));
    json_close(&body.w);
    Str path = str_printf(cli->arena, "/subscriptions/" STR_FMT "/providers/Microsoft.Subscription/rename", STR_ARG(id));
    if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_arm(cli), arm_url(cli, path, ALIASES_VERSION), text, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}

bool run_account_token(Cli *cli, Err *err)
{
    Str resource = arg(cli, "--resource"), token;

    if (!cli_profile(cli, err) || !cli_token(cli, resource.ptr ? resource : to_arm(cli), false, &token, err))
        return false;
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "accessToken", token);
    json_put_str(&cli->w, "subscription", cli->profile.subscription);
    json_put_str(&cli->w, "tenant", cli->profile.tenant);
    json_put_str(&cli->w, "tokenType", STR("Bearer"));
    json_close(&cli->w);
    return true;
}

/* ---- login ---- */

static Str without_slash(Str url)
{
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    return url;
}

/* https://login.X:port[/adfs] -> the server's own description of its addresses at https://management.X:port */
static bool discover(Cli *cli, Str authority, Err *err)
{
    Profile *p = &cli->profile;
    Str login = STR("https://login."), resource_manager = arg(cli, "--resource-manager");
    const JsonVal *cloud;
    HttpAnswer answer;
    Err inner = { 0 };

    authority = without_slash(authority);
    if (str_ends_nocase(authority, STR("/adfs")))
        authority = str_slice(authority, 0, authority.len - strlen("/adfs"));
    if (!resource_manager.ptr && !str_starts_nocase(authority, login))
        return cli_usage(cli, err, "--authority '" STR_FMT "' does not begin with https://login.; give --resource-manager https://management... as well", STR_ARG(authority));
    if (!resource_manager.ptr)
        resource_manager = str_printf(cli->arena, "https://management." STR_FMT, STR_ARG(str_slice(authority, login.len, authority.len)));
    HttpCall call = { .method = "GET", .url = str_printf(cli->arena, STR_FMT "/metadata/endpoints?api-version=2019-05-01", STR_ARG(without_slash(resource_manager))) };
    if (!cli_http(cli, err) || !http_call(cli->http, cli->arena, &call, &answer, err))
        return false;
    if (answer.status != 200 || !json_parse(cli->arena, answer.body, JSON_STRICT, &cloud, &inner) || !(cloud = json_at(cloud, 0)))
        return err_set(err, ERR_UNAVAILABLE, STR_FMT " answered %d and not with the addresses of a Vaultyard; check --authority", STR_ARG(call.url), answer.status);
    p->authority = authority;
    p->resource_manager = without_slash(json_str(json_get(cloud, "resourceManager")));
    p->graph = without_slash(json_str(json_get(cloud, "graph")));
    p->vault_suffix = json_str(json_path(cloud, "suffixes.keyVaultDns"));
    p->batch_suffix = without_slash(json_str(json_get(cloud, "batch")));
    if (str_starts(p->batch_suffix, STR("https://")))
        p->batch_suffix = str_slice(p->batch_suffix, strlen("https://"), p->batch_suffix.len);
    if (!p->resource_manager.ptr || !p->graph.ptr || !p->vault_suffix.ptr || !p->batch_suffix.ptr)
        return err_set(err, ERR_UNAVAILABLE, STR_FMT " left out an address that vy needs (resourceManager, graph, batch, suffixes.keyVaultDns)", STR_ARG(call.url));
    return true;
}

/* What the options leave out is taken from the server known so far, if there is one. */
static Profile known_server(Arena *arena)
{
    const char *admin = getenv("VY_ADMIN");
    Profile known = { 0 };
    Err ignored = { 0 };
    char *stored;

    if (admin && admin[0])
        return profile_read(arena, admin, &known, &ignored) ? known : (Profile){ 0 };
    return profile_path(arena, "profile.json", &stored, &ignored) && profile_read(arena, stored, &known, &ignored) ? known : (Profile){ 0 };
}

/* Of a file that an option names: the profile is read from elsewhere. */
static bool absolute_path(Cli *cli, const char *option, Str *file, Err *err)
{
    char *path = str_to_cstr(cli->arena, *file, err), *absolute;

    if (!path)
        return false;
    if (!(absolute = realpath(path, NULL)))
        return cli_usage(cli, err, "%s: there is no file %s", option, path);
    *file = str_dup(cli->arena, str_from(absolute));
    free(absolute);
    return file->ptr || err_too_big(err);
}

static bool profile_from_options(Cli *cli, Err *err)
{
    Str user = arg(cli, "--username"), tenant = arg(cli, "--tenant"), authority = arg(cli, "--authority"), ca = arg(cli, "--ca-file"), password = STR_NONE;
    Str certificate = arg(cli, "--certificate");
    Profile known = { 0 };

    if (!arg_flag(cli, "--service-principal"))
        return cli_usage(cli, err, "give --admin-file DIR/admin.json, or --service-principal with --username, --password and --tenant; people cannot sign in with vy yet");
    if (!user.ptr || !tenant.ptr || !(arg(cli, "--password").ptr || certificate.ptr))
        return cli_usage(cli, err, "--service-principal needs --username, --tenant, and --password or --certificate");
    if (arg(cli, "--password").ptr && !text_arg(cli, "--password", &password, err))
        return false;
    known = known_server(cli->arena);
    if ((ca.ptr && !absolute_path(cli, "--ca-file", &ca, err)) || (certificate.ptr && !absolute_path(cli, "--certificate", &certificate, err)))
        return false;
    password = str_trim(password);
    cli->profile = (Profile){ .tenant = tenant, .client_id = user, .client_secret = certificate.ptr ? STR_NONE : password, .certificate_file = certificate,
                              .certificate_password = certificate.ptr && password.ptr ? password : STR_NONE, .ca_file = ca.ptr ? ca : known.ca_file,
                              .location = known.location.ptr ? known.location : STR("local") };
    if (!authority.ptr)
        authority = known.authority.ptr ? known.authority : STR("https://login.vaultyard.localhost:8443");
    return discover(cli, authority, err);
}

static bool profile_from_admin(Cli *cli, Str file, Err *err)
{
    char *path = str_to_cstr(cli->arena, file, err), *absolute;

    if (!path)
        return false;
    if (!(absolute = realpath(path, NULL)))
        return cli_usage(cli, err, "--admin-file: there is no file %s; `vaultyard init --data-dir DIR` makes DIR/admin.json", path);
    bool read = profile_read(cli->arena, absolute, &cli->profile, err);      /* by its absolute path, so that caFile is absolute as well */
    free(absolute);
    return read;
}

bool run_login(Cli *cli, Err *err)
{
    Str admin_file = arg(cli, "--admin-file");
    const char *admin = getenv("VY_ADMIN");
    Str first = STR_NONE, token;

    if (!(admin_file.ptr ? profile_from_admin(cli, admin_file, err) : profile_from_options(cli, err)))
        return false;
    cli->has_profile = true;
    if (!cli_token(cli, to_arm(cli), true, &token, err) || (!find_subscription(cli, STR_NONE, &first, err) && err->code != ERR_NOT_FOUND))
        return false;
    if (!first.ptr && !arg_flag(cli, "--allow-no-subscriptions"))
        return err_set(err, ERR_DENIED, "No subscriptions found for " STR_FMT ". Have a role assigned to it first (vy role assignment create), or give --allow-no-subscriptions",
                       STR_ARG(cli->profile.client_id));
    *err = (Err){ 0 };
    if (!cli->profile.subscription.ptr)
        cli->profile.subscription = first;
    if (!profile_store(cli->arena, &cli->profile, err))
        return false;
    if (admin && admin[0])
        cli_note("VY_ADMIN is set and goes before this sign-in; unset it to use the sign-in");
    return run_account_list(cli, err);
}

bool run_logout(Cli *cli, Err *err)
{
    return profile_forget(cli->arena, err);
}
