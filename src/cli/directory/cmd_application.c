/* cmd_application.c - applications of the directory and the certificates they sign in with, through Graph. */
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/id.h"
#include "cli/directory/graph.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "crypto/bundles/bundle.h"

enum { CERT_BYTES_MAX = 256 * 1024 };

/* ---- finding one ---- */

bool find_application(Cli *cli, Str who, const JsonVal **out, Err *err)
{
    Answer answer;

    *out = NULL;
    if (!guid_is_valid(who)) {
        if (!graph_first(cli, graph_filter_url(cli, "applications", "identifierUris/any(s:s eq ", who, ")"), out, err))
            return false;
    } else if (!graph_first(cli, graph_filter_url(cli, "applications", "appId eq ", who, ""), out, err)) {
        return false;
    } else if (!*out) {
        if (call_service(cli, "GET", to_graph(cli), graph_url(cli, str_printf(cli->arena, "applications/" STR_FMT, STR_ARG(who))), STR_NONE, &answer, err))
            *out = answer.json;
        else if (err->code != ERR_NOT_FOUND)
            return false;
    }
    *err = (Err){ 0 };
    return *out || err_set(err, ERR_NOT_FOUND, "there is no application '" STR_FMT "': give its application (client) id, object id or an identifier URI; `vy ad app list` lists them", STR_ARG(who));
}

static Str path_of(Cli *cli, const JsonVal *app) { return str_printf(cli->arena, "applications/" STR_FMT, STR_ARG(json_str(json_get(app, "id")))); }

static bool show(Cli *cli, Str path, Err *err)
{
    Answer answer;

    if (!call_service(cli, "GET", to_graph(cli), graph_url(cli, path), STR_NONE, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}

/* ---- the certificate ---- */

/* What the options name, base64 of its DER; absent: none. A file is checked here, so that its name is in the message. */
static bool read_certificate(Cli *cli, Str *base64, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Str file = arg(cli, "--cert"), text;
    Err inner = { 0 };
    char *path;

    *base64 = arg(cli, "--key-value");
    if (!file.ptr)
        return true;
    if (base64->ptr)
        return cli_usage(cli, err, "give either --key-value or --cert");
    if (str_starts(file, STR("@")))
        file = str_slice(file, 1, file.len);
    if (!(path = str_to_cstr(cli->arena, file, err)) || !file_read(cli->arena, path, CERT_BYTES_MAX, &text, err))
        return false;
    if (!bundle_read_certs(cli->arena, bytes_of(text), &bundle, &inner) || bundle.count == 0)
        return err_set(err, ERR_BAD_INPUT, "%s is no certificate: %s", path, inner.text[0] ? inner.text : "there is none in it");
    *base64 = base64_encode(cli->arena, bundle.certs[0]);
    return base64->ptr || err_too_big(err);
}

static bool put_date(Cli *cli, JsonWriter *w, const char *option, const char *name, Err *err)
{
    int64_t seconds;

    if (!arg(cli, option).ptr)
        return true;
    if (!time_arg(cli, option, &seconds, err))
        return false;
    json_put_str(w, name, time_str(cli->arena, seconds * 1000, 0));
    return true;
}

static bool put_certificate(Cli *cli, JsonWriter *w, Str base64, Err *err)
{
    json_open(w, NULL);
    json_put_str(w, "type", STR("AsymmetricX509Cert"));
    json_put_str(w, "usage", STR("Verify"));
    json_put_str(w, "key", base64);
    json_put_str(w, "displayName", arg(cli, "--key-display-name"));
    if (!put_date(cli, w, "--start-date", "startDateTime", err) || !put_date(cli, w, "--end-date", "endDateTime", err))
        return false;
    json_close(w);
    return true;
}

/* ---- applications ---- */

bool run_app_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *uris;
    size_t count = arg_list(cli, "--identifier-uris", &uris);
    Str certificate, page = arg(cli, "--web-home-page-url");
    Answer answer;

    if (!read_certificate(cli, &certificate, err))
        return false;
    if (!certificate.ptr && (arg(cli, "--start-date").ptr || arg(cli, "--end-date").ptr))
        return cli_usage(cli, err, "--start-date and --end-date are those of a certificate; give --key-value or --cert as well");
    if (!cli_profile(cli, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "displayName", arg(cli, "--display-name"));
    json_open_array(&body.w, "identifierUris");
    for (size_t i = 0; i < count; i++)
        json_put_str(&body.w, NULL, str_from(uris[i]));
    json_close_array(&body.w);
    if (page.ptr) {
        json_open(&body.w, "web");
        json_put_str(&body.w, "homePageUrl", page);
        json_close(&body.w);
    }
    if (certificate.ptr) {
        json_open_array(&body.w, "keyCredentials");
        if (!put_certificate(cli, &body.w, certificate, err))
            return false;
        json_close_array(&body.w);
    }
    json_close(&body.w);
    if (!graph_post(cli, graph_url(cli, STR("applications")), &body, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}

bool run_app_list(Cli *cli, Err *err)
{
    Str name = arg(cli, "--display-name");

    if (!cli_profile(cli, err))
        return false;
    return call_list(cli, to_graph(cli), name.ptr ? graph_filter_url(cli, "applications", "startswith(displayName,", name, ")") : graph_url(cli, STR("applications")), NULL, err);
}

bool run_app_show(Cli *cli, Err *err)
{
    const JsonVal *app;
    return cli_profile(cli, err) && find_application(cli, arg(cli, "--id"), &app, err) && show(cli, path_of(cli, app), err);
}

bool run_app_delete(Cli *cli, Err *err)
{
    const JsonVal *app;
    Answer answer;

    return cli_profile(cli, err) && find_application(cli, arg(cli, "--id"), &app, err) &&
           call_service(cli, "DELETE", to_graph(cli), graph_url(cli, path_of(cli, app)), STR_NONE, &answer, err);
}

/* ---- credentials ---- */

bool run_app_credential_list(Cli *cli, Err *err)
{
    const JsonVal *app;

    if (!cli_profile(cli, err) || !find_application(cli, arg(cli, "--id"), &app, err))
        return false;
    json_put_value(&cli->w, NULL, json_get(app, arg_flag(cli, "--cert") ? "keyCredentials" : "passwordCredentials"));
    return true;
}

/* Graph replaces the list as a whole: one that is to stay is sent with its keyId and without its key. */
static void put_kept(JsonWriter *w, const JsonVal *app, Str but)
{
    const JsonVal *list = json_get(app, "keyCredentials");

    for (size_t i = 0; i < json_count(list); i++) {
        if (!str_eq_nocase(json_str(json_get(json_at(list, i), "keyId")), but))
            json_put_value(w, NULL, json_at(list, i));
    }
}

static bool has_key(const JsonVal *app, const char *member, Str key_id)
{
    const JsonVal *list = json_get(app, member);

    for (size_t i = 0; i < json_count(list); i++) {
        if (str_eq_nocase(json_str(json_get(json_at(list, i), "keyId")), key_id))
            return true;
    }
    return false;
}

static bool patch(Cli *cli, const JsonVal *app, Body *body, Err *err)
{
    Answer answer;
    Str text;
    return body_end(body, &text, err) && call_service(cli, "PATCH", to_graph(cli), graph_url(cli, path_of(cli, app)), text, &answer, err);
}

bool run_app_credential_add(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *app;
    Str certificate;

    if (!read_certificate(cli, &certificate, err))
        return false;
    if (!certificate.ptr)
        return cli_usage(cli, err, "give the certificate: --cert FILE or --key-value BASE64 (`vy ad sp create` makes secrets)");
    if (!cli_profile(cli, err) || !find_application(cli, arg(cli, "--id"), &app, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open_array(&body.w, "keyCredentials");
    if (arg_flag(cli, "--append"))
        put_kept(&body.w, app, STR_NONE);
    if (!put_certificate(cli, &body.w, certificate, err))
        return false;
    json_close_array(&body.w);
    json_close(&body.w);
    return patch(cli, app, &body, err) && find_application(cli, arg(cli, "--id"), &app, err) && (json_put_value(&cli->w, NULL, json_get(app, "keyCredentials")), true);
}

bool run_app_credential_delete(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str key_id = arg(cli, "--key-id"), text;
    bool is_certificate = arg_flag(cli, "--cert");
    const JsonVal *app;
    Answer answer;

    if (!cli_profile(cli, err) || !find_application(cli, arg(cli, "--id"), &app, err))
        return false;
    if (!has_key(app, is_certificate ? "keyCredentials" : "passwordCredentials", key_id))
        return err_set(err, ERR_NOT_FOUND, "the application has no %s '" STR_FMT "'; `vy ad app credential list --id " STR_FMT "%s` lists them",
                       is_certificate ? "certificate" : "secret", STR_ARG(key_id), STR_ARG(arg(cli, "--id")), is_certificate ? " --cert" : "");
    body_begin(&body);
    json_open(&body.w, NULL);
    if (is_certificate) {
        json_open_array(&body.w, "keyCredentials");
        put_kept(&body.w, app, key_id);
        json_close_array(&body.w);
        json_close(&body.w);
        return patch(cli, app, &body, err);
    }
    json_put_str(&body.w, "keyId", key_id);
    json_close(&body.w);
    return body_end(&body, &text, err) &&
           call_service(cli, "POST", to_graph(cli), graph_url(cli, str_printf(cli->arena, STR_FMT "/removePassword", STR_ARG(path_of(cli, app)))), text, &answer, err);
}
