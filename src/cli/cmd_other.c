/* cmd_other.c - the development clock, calls by hand, the version. */
#include "cli/call.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"

#define CLOCK_VERSION "2024-01-01"

/* ---- the development clock ---- */

static bool clock_call(Cli *cli, const char *method, const char *path, Str body, Err *err)
{
    Answer answer;

    if (!cli_profile(cli, err))
        return false;
    if (!call_service(cli, method, to_arm(cli), arm_url(cli, str_from(path), CLOCK_VERSION), body, &answer, err))
        return err->code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, "this server's clock cannot be moved; start it with `vaultyard serve --dev`") : false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}

bool run_clock_show(Cli *cli, Err *err)
{
    return clock_call(cli, "GET", "/providers/Vaultyard.Dev/clock", STR_NONE, err);
}

bool run_clock_advance(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str text;

    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "by", str_from(cli->args.positional));
    json_close(&body.w);
    return body_end(&body, &text, err) && clock_call(cli, "POST", "/providers/Vaultyard.Dev/clock/advance", text, err);
}

/* ---- rest ---- */

static Str host_of(Str url)
{
    Str rest = str_slice(url, strlen("https://"), url.len);

    for (size_t i = 0; i < rest.len; i++) {
        if (memchr("/?#", rest.ptr[i], 3))
            return str_slice(rest, 0, i);
    }
    return rest;
}

/* Whose token an address wants: by its host, unless --resource says. */
static bool rest_resource(Cli *cli, Str url, Str *resource, Err *err)
{
    Str host = host_of(url);

    *resource = arg(cli, "--resource");
    if (resource->ptr)
        return true;
    if (str_eq_nocase(host, host_of(cli->profile.resource_manager)))
        *resource = to_arm(cli);
    else if (str_eq_nocase(host, host_of(cli->profile.graph)))
        *resource = to_graph(cli);
    else if (host_is_below(host, cli->profile.vault_suffix))
        *resource = to_vault(cli);
    else if (host_is_below(host, cli->profile.batch_suffix))
        *resource = to_batch(cli);
    else
        return cli_usage(cli, err, "--url: '" STR_FMT "' is no address of this site; give --resource AUDIENCE to send it a token all the same", STR_ARG(host));
    return true;
}

/* {subscriptionId} as az has it. */
static Str with_subscription(Cli *cli, Str url)
{
    Str word = STR("{subscriptionId}");
    size_t at;

    while (str_find(url, word, &at))
        url = str_printf(cli->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(str_slice(url, 0, at)), STR_ARG(cli->profile.subscription), STR_ARG(str_slice(url, at + word.len, url.len)));
    return url;
}

bool run_rest(Cli *cli, Err *err)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS" };
    Str wanted = arg(cli, "--method"), url = arg(cli, "--url"), resource, body = STR_NONE;
    const char *method = wanted.ptr ? NULL : "GET";
    Answer answer;

    for (size_t i = 0; wanted.ptr && i < COUNT_OF(methods); i++) {
        if (str_eq_nocase(wanted, str_from(methods[i])))
            method = methods[i];
    }
    if (!method)
        return cli_usage(cli, err, "--method: '" STR_FMT "' is none of get, head, put, post, patch, delete, options", STR_ARG(wanted));
    if (!cli_profile(cli, err) || (arg(cli, "--body").ptr && !text_arg(cli, "--body", &body, err)))
        return false;
    url = with_subscription(cli, url);
    if (str_starts(url, STR("/")))
        url = str_printf(cli->arena, STR_FMT STR_FMT, STR_ARG(cli->profile.resource_manager), STR_ARG(url));
    if (!str_starts_nocase(url, STR("https://")))
        return cli_usage(cli, err, "--url must begin with https://, or with / for Resource Manager");
    if (!rest_resource(cli, url, &resource, err) || !call_service(cli, method, resource, url, body, &answer, err))
        return false;
    if (answer.location.ptr)
        cli_note("Location: " STR_FMT, STR_ARG(answer.location));
    if (answer.json)
        json_put_value(&cli->w, NULL, answer.json);
    return true;
}

bool run_version(Cli *cli, Err *err)
{
    (void)err;
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "vy", STR(VAULTYARD_VERSION));
    json_close(&cli->w);
    return true;
}
