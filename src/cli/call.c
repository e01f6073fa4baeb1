/* call.c - authenticated calls; see call.h. A cached token that the server no longer takes is renewed once. */
#include "cli/call.h"
#include <stdio.h>
#include <time.h>
#include "base/clock.h"
#include "base/encode.h"
#include "cli/profile.h"
#include "cli/progress.h"

enum { CALL_TIMEOUT_MS = 120 * 1000, POLL_MS = 1000 };

bool cli_http(Cli *cli, Err *err)
{
    HttpClientConfig config = { .user_agent = "vy/" VAULTYARD_VERSION, .timeout_ms = CALL_TIMEOUT_MS };

    if (cli->http)
        return true;
    if (!str_empty(cli->profile.ca_file) && !(config.ca_file = str_to_cstr(cli->arena, cli->profile.ca_file, err)))
        return false;
    return http_client_new(&config, &cli->http, err);
}

void sleep_ms(int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0) {
    }
}

Str to_arm(const Cli *cli)
{
    return cli->profile.resource_manager;
}

Str to_graph(const Cli *cli)
{
    return cli->profile.graph;
}

Str to_vault(Cli *cli)
{
    return str_printf(cli->arena, "https://" STR_FMT, STR_ARG(cli->profile.vault_suffix));
}

Str to_batch(Cli *cli)
{
    return str_printf(cli->arena, "https://" STR_FMT, STR_ARG(cli->profile.batch_suffix));
}

bool host_is_below(Str host, Str suffix)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':'))
            return false;
    }
    return host.len > suffix.len + 1 && str_ends_nocase(host, suffix) && host.ptr[host.len - suffix.len - 1] == '.';
}

/* ---- refusals ---- */

static ErrCode code_of(int status)
{
    switch (status) {
    case 400: return ERR_BAD_INPUT;
    case 401: return ERR_UNAUTHENTICATED;
    case 403: return ERR_DENIED;
    case 404: return ERR_NOT_FOUND;
    case 409: return ERR_CONFLICT;
    case 412: return ERR_PRECONDITION;
    case 413: return ERR_TOO_LARGE;
    case 429: return ERR_THROTTLED;
    case 501: return ERR_NOT_BUILT;
    case 503: return ERR_UNAVAILABLE;
    default:  return ERR_INTERNAL;
    }
}

/* Resource Manager, Graph and Key Vault: {"error":{"code","message","innererror":{"code"}}}; Batch: {"code","message":{"value"}}. */
static bool refused(Cli *cli, const Answer *answer, Str url, Err *err)
{
    const JsonVal *error = json_get(answer->json, "error"), *inner = json_get(error, "innererror");
    Str code = json_str(json_get(error ? error : answer->json, "code")), message = json_str(json_get(error ? error : answer->json, "message"));

    if (!message.ptr)
        message = json_str(json_path(answer->json, "message.value"));
    (void)snprintf(cli->service_code, sizeof cli->service_code, STR_FMT, STR_ARG(code));
    if (json_str(json_get(inner, "code")).ptr)
        (void)snprintf(cli->service_code, sizeof cli->service_code, STR_FMT, STR_ARG(json_str(json_get(inner, "code"))));
    if (!code.ptr && !message.ptr)
        return err_set(err, code_of(answer->status), STR_FMT " answered %d", STR_ARG(url), answer->status);
    return err_set(err, code_of(answer->status), "(" STR_FMT ") " STR_FMT, STR_ARG(code), STR_ARG(message));
}

/* ---- one call ---- */

Str answer_header(const Answer *answer, const char *name)
{
    HttpAnswer headers = { .raw_headers = answer->raw_headers };
    return http_answer_header(&headers, name);
}

/* Azure's REST guidelines: "azure-deprecating" says what will go and what to use instead. Once is enough. */
static void warn_of_retirement(Cli *cli, const HttpAnswer *answer)
{
    Str text = http_answer_header(answer, "azure-deprecating");

    if (str_empty(text) || cli->has_warned)
        return;
    cli_note("warning: " STR_FMT, STR_ARG(text));
    cli->has_warned = true;
}

/* For --verbose. Tokens and bodies are never told. */
static void tell(const Cli *cli, const char *method, Str url, int status, int64_t begun_ms)
{
    if (arg_flag(cli, "--verbose") || arg_flag(cli, "--debug"))
        (void)fprintf(stderr, "vy: %s " STR_FMT ": %d after %lld ms\n", method, STR_ARG(url), status, (long long)(mono_now_ms() - begun_ms));
}

static bool call_once(Cli *cli, const char *method, Str resource, Str url, Str body, bool fresh, Answer *out, Err *err)
{
    bool is_batch = str_eq(resource, to_batch(cli));
    HttpHeader headers[] = {
        { "Authorization", STR_NONE },
        { "Accept", STR("application/json") },
        { "Content-Type", is_batch ? STR("application/json; odata=minimalmetadata") : STR("application/json") },
    };
    HttpCall call = { .method = method, .url = url, .headers = headers, .header_count = body.len ? 3 : 2, .body = body, .timeout_ms = cli->call_timeout_ms,
                      .sink = cli->sink, .sink_ctx = cli->sink_ctx };
    HttpAnswer answer;
    Err inner = { 0 };
    Str token;

    if (!cli_http(cli, err) || !cli_token(cli, resource, fresh, &token, err))
        return false;
    headers[0].value = str_printf(cli->arena, "Bearer " STR_FMT, STR_ARG(token));
    if (!arena_ok(cli->arena))
        return err_too_big(err);
    int64_t begun_ms = mono_now_ms();
    if (!http_call(cli->http, cli->arena, &call, &answer, err))
        return false;
    tell(cli, method, url, answer.status, begun_ms);
    warn_of_retirement(cli, &answer);
    *out = (Answer){ .status = answer.status, .text = answer.body, .location = http_answer_header(&answer, "Location"), .raw_headers = answer.raw_headers };
    if (!str_empty(str_trim(answer.body)) && !json_parse(cli->arena, answer.body, JSON_STRICT, &out->json, &inner) && answer.status < 400)
        return err_set(err, ERR_UNAVAILABLE, STR_FMT " answered with what is no JSON: %s", STR_ARG(url), inner.text);
    return true;
}

bool call_service(Cli *cli, const char *method, Str resource, Str url, Str body, Answer *out, Err *err)
{
    if (!cli_profile(cli, err))
        return false;
    bool needs_body = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    if (needs_body && !body.ptr)
        body = STR("");                                    /* Content-Length: 0 */
    if (!call_once(cli, method, resource, url, body, false, out, err) ||
        (out->status == 401 && !call_once(cli, method, resource, url, body, true, out, err)))
        return false;
    return out->status < 400 ? true : refused(cli, out, url, err);
}

bool call_shown(Cli *cli, const char *method, Str resource, Str url, Str body, Shape *shape, Err *err)
{
    Answer answer;

    if (!call_service(cli, method, resource, url, body, &answer, err))
        return false;
    shape(cli, &cli->w, answer.json);
    return true;
}

bool call_and_wait(Cli *cli, const char *method, Str resource, Str url, Str body, Answer *out, Err *err)
{
    if (!call_service(cli, method, resource, url, body, out, err))
        return false;
    AUTO(progress_end_auto) Progress progress = progress_begin(cli);
    while (out->status == 202 && out->location.ptr) {
        Str location = out->location;
        progress_wait(&progress, STR("Running"), POLL_MS);
        if (!call_service(cli, "GET", resource, location, STR_NONE, out, err))
            return false;
        if (out->status == 202 && !out->location.ptr)
            out->location = location;
    }
    return true;
}

bool call_is_missing(Cli *cli, Str resource, Str url, bool *missing, Err *err)
{
    Answer answer;

    *missing = false;
    if (call_service(cli, "GET", resource, url, STR_NONE, &answer, err))
        return true;
    if (err->code != ERR_NOT_FOUND)
        return false;
    *missing = true;
    *err = (Err){ 0 };
    return true;
}

/* ---- lists ---- */

bool call_each(Cli *cli, Str resource, Str url, Visit *visit, void *ctx, Err *err)
{
    bool done = false;

    while (url.ptr && !done) {
        Answer answer;
        if (!call_service(cli, "GET", resource, url, STR_NONE, &answer, err))
            return false;
        const JsonVal *items = json_get(answer.json, "value");
        for (size_t i = 0; i < json_count(items) && !done; i++) {
            if (!visit(cli, ctx, json_at(items, i), &done, err))
                return false;
        }
        url = json_str(json_get(answer.json, "nextLink"));
        if (!url.ptr)
            url = json_str(json_get(answer.json, "odata.nextLink"));
        if (!url.ptr)
            url = json_str(json_get(answer.json, "@odata.nextLink"));
        if (str_empty(url))
            url = STR_NONE;
    }
    return true;
}

static bool write_item(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Shape *const *shape = ctx;

    (void)done;
    (void)err;
    if (*shape)
        (*shape)(cli, &cli->w, item);
    else
        json_put_value(&cli->w, NULL, item);
    return true;
}

bool call_list(Cli *cli, Str resource, Str url, Shape *shape, Err *err)
{
    json_open_array(&cli->w, NULL);
    if (!call_each(cli, resource, url, write_item, &shape, err))
        return false;
    json_close_array(&cli->w);
    return true;
}

/* ---- addresses of Resource Manager ---- */

Str arm_url(Cli *cli, Str path, const char *api_version)
{
    size_t at;
    bool has_query = str_find(path, STR("?"), &at);

    return str_printf(cli->arena, STR_FMT STR_FMT "%capi-version=%s", STR_ARG(cli->profile.resource_manager), STR_ARG(path), has_query ? '&' : '?', api_version);
}

Str arm_subscription_url(Cli *cli, Str path, const char *api_version)
{
    return arm_url(cli, str_printf(cli->arena, "/subscriptions/" STR_FMT STR_FMT, STR_ARG(cli->profile.subscription), STR_ARG(path)), api_version);
}

Str arm_group_url(Cli *cli, Str group, Str path, const char *api_version)
{
    return arm_subscription_url(cli, str_printf(cli->arena, "/resourceGroups/" STR_FMT STR_FMT, STR_ARG(percent_encode(cli->arena, group)), STR_ARG(path)), api_version);
}

typedef struct Pick { Str wanted, id; } Pick;

static bool pick_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Pick *pick = ctx;
    Str id = json_str(json_get(item, "subscriptionId"));

    (void)cli;
    (void)err;
    if (!pick->wanted.ptr || str_eq_nocase(id, pick->wanted) || str_eq_nocase(json_str(json_get(item, "displayName")), pick->wanted)) {
        pick->id = id;
        *done = true;
    }
    return true;
}

bool find_subscription(Cli *cli, Str wanted, Str *id, Err *err)
{
    Pick pick = { .wanted = wanted };

    if (!call_each(cli, to_arm(cli), arm_url(cli, STR("/subscriptions"), SUBSCRIPTIONS_VERSION), pick_visit, &pick, err))
        return false;
    if (!pick.id.ptr)
        return err_set(err, ERR_NOT_FOUND, "there is no subscription '" STR_FMT "' that you may see; `vy account list` lists them", STR_ARG(wanted));
    *id = pick.id;
    return true;
}

typedef struct Search { Str name; Str id; } Search;

static bool search_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Search *s = ctx;

    (void)cli;
    (void)err;
    if (str_eq_nocase(json_str(json_get(item, "name")), s->name)) {
        s->id = json_str(json_get(item, "id"));
        *done = true;
    }
    return true;
}

bool find_resource(Cli *cli, const char *type, Str name, Str *id, Err *err)
{
    Search s = { .name = name };
    Str filter = percent_encode(cli->arena, str_printf(cli->arena, "resourceType eq '%s'", type));

    if (!cli_profile(cli, err) ||
        !call_each(cli, to_arm(cli), arm_subscription_url(cli, str_printf(cli->arena, "/resources?$filter=" STR_FMT, STR_ARG(filter)), "2021-04-01"), search_visit, &s, err))
        return false;
    if (!s.id.ptr)
        return err_set(err, ERR_NOT_FOUND, "there is no %s '" STR_FMT "' in subscription " STR_FMT " that you may see", type, STR_ARG(name), STR_ARG(cli->profile.subscription));
    *id = s.id;
    return true;
}
