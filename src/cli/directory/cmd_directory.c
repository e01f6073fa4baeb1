/* cmd_directory.c - service principals, through Graph. */
#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "cli/directory/graph.h"
#include "cli/profile.h"
#include "cli/run.h"

Str graph_url(Cli *cli, Str path)
{
    return str_printf(cli->arena, STR_FMT "/v1.0/" STR_FMT, STR_ARG(cli->profile.graph), STR_ARG(path));
}

/* A text inside an OData literal: quotes doubled. */
static Str odata_text(Cli *cli, Str text)
{
    char *out = arena_alloc(cli->arena, text.len * 2 + 1);
    size_t len = 0;

    for (size_t i = 0; out && i < text.len; i++) {
        if (text.ptr[i] == '\'')
            out[len++] = '\'';
        out[len++] = text.ptr[i];
    }
    return (Str){ out, len };
}

Str graph_filter_url(Cli *cli, const char *collection, const char *before, Str text, const char *after)
{
    Str filter = str_printf(cli->arena, "%s'" STR_FMT "'%s", before, STR_ARG(odata_text(cli, text)), after);
    return graph_url(cli, str_printf(cli->arena, "%s?$filter=" STR_FMT, collection, STR_ARG(percent_encode(cli->arena, filter))));
}

/* ---- finding one ---- */

typedef struct First { const JsonVal *item; } First;
typedef struct Named { const JsonVal *item; size_t count; } Named;

static bool named_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Named *named = ctx;

    (void)cli;
    (void)err;
    named->item = item;
    *done = ++named->count > 1;
    return true;
}

static bool first_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    First *first = ctx;

    (void)cli;
    (void)err;
    first->item = item;
    *done = true;
    return true;
}

bool graph_first(Cli *cli, Str url, const JsonVal **item, Err *err)
{
    First first = { 0 };

    if (!call_each(cli, to_graph(cli), url, first_visit, &first, err))
        return false;
    *item = first.item;
    return true;
}

static bool find_service_principal(Cli *cli, Str who, const JsonVal **out, Err *err)
{
    First first = { 0 };
    Answer answer;

    if (!call_each(cli, to_graph(cli), graph_filter_url(cli, "servicePrincipals", "servicePrincipalNames/any(c:c eq ", who, ")"), first_visit, &first, err))
        return false;
    if (!first.item && guid_is_valid(who)) {
        if (call_service(cli, "GET", to_graph(cli), graph_url(cli, str_printf(cli->arena, "servicePrincipals/" STR_FMT, STR_ARG(who))), STR_NONE, &answer, err))
            first.item = answer.json;
        else if (err->code != ERR_NOT_FOUND)
            return false;
    }
    *err = (Err){ 0 };
    if (!first.item && !guid_is_valid(who)) {
        Named named = { 0 };
        if (!call_each(cli, to_graph(cli), graph_filter_url(cli, "servicePrincipals", "displayName eq ", who, ""), named_visit, &named, err))
            return false;
        if (named.count > 1)
            return err_set(err, ERR_CONFLICT, "several principals are called '" STR_FMT "': give the object id of the one you mean; `vy ad sp list --display-name` shows them", STR_ARG(who));
        first.item = named.item;
    }
    if (!first.item)
        return err_set(err, ERR_NOT_FOUND, "there is no service principal or managed identity '" STR_FMT "': give its application (client) id, object id or name; `vy ad sp list` lists them",
                       STR_ARG(who));
    *err = (Err){ 0 };
    *out = first.item;
    return true;
}

bool find_principal(Cli *cli, Str who, Str *object_id, Err *err)
{
    const JsonVal *sp = NULL;

    if (!find_service_principal(cli, who, &sp, err))
        return false;
    *object_id = json_str(json_get(sp, "id"));
    return object_id->ptr ? true : err_set(err, ERR_UNAVAILABLE, "Graph gave a service principal without an id");
}

/* ---- commands ---- */

bool graph_post(Cli *cli, Str url, Body *body, Answer *answer, Err *err)
{
    Str text;
    return body_end(body, &text, err) && call_service(cli, "POST", to_graph(cli), url, text, answer, err);
}

static bool add_password(Cli *cli, Str app_object_id, Str *secret, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str years = arg(cli, "--years");
    int64_t count = 1;
    Answer answer;

    if (years.ptr && !str_to_int64(years, 1, 99, &count, &(Err){ 0 }))
        return cli_usage(cli, err, "--years: '" STR_FMT "' is no number from 1 to 99", STR_ARG(years));
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "passwordCredential");
    json_put_str(&body.w, "displayName", STR("vy"));
    json_put_str(&body.w, "startDateTime", time_str(cli->arena, real_now_ms(), 0));
    json_put_str(&body.w, "endDateTime", time_str(cli->arena, real_now_ms() + count * 365 * 86400000, 0));
    json_close(&body.w);
    json_close(&body.w);
    if (!graph_post(cli, graph_url(cli, str_printf(cli->arena, "applications/" STR_FMT "/addPassword", STR_ARG(app_object_id))), &body, &answer, err))
        return false;
    *secret = json_str(json_get(answer.json, "secretText"));
    return secret->ptr ? true : err_set(err, ERR_UNAVAILABLE, "Graph gave no secretText");
}

static bool make_principal(Cli *cli, Str app_id, Answer *answer, Err *err)
{
    AUTO(body_done_auto) Body sp = { 0 };

    body_begin(&sp);
    json_open(&sp.w, NULL);
    json_put_str(&sp.w, "appId", app_id);
    json_put_bool(&sp.w, "accountEnabled", true);
    json_close(&sp.w);
    return graph_post(cli, graph_url(cli, STR("servicePrincipals")), &sp, answer, err);
}

static bool assign_roles(Cli *cli, Str object_id, Str role, const char *const *scopes, size_t count, Err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!assign_role(cli, object_id, role, str_from(scopes[i]), NULL, err))
            return false;
    }
    return true;
}

/* Of an application that is there, with the credentials that it has: nothing is to be kept secret. */
static bool create_of_application(Cli *cli, Str role, const char *const *scopes, size_t scope_count, Err *err)
{
    const JsonVal *app;
    Answer made;

    if (!cli_profile(cli, err) || !find_application(cli, arg(cli, "--id"), &app, err) || !make_principal(cli, json_str(json_get(app, "appId")), &made, err) ||
        !assign_roles(cli, json_str(json_get(made.json, "id")), role, scopes, scope_count, err))
        return false;
    json_put_value(&cli->w, NULL, made.json);
    return true;
}

/* The application, its secret, its service principal; and its roles, when asked for. */
bool run_sp_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body app = { 0 };
    Answer made_app, made_sp;
    const char *const *scopes;
    size_t scope_count = arg_list(cli, "--scopes", &scopes);
    Str role = arg(cli, "--role"), app_id, secret, object_id;

    if ((role.ptr != NULL) != (scope_count > 0))
        return cli_usage(cli, err, "--role and --scopes go together");
    if (arg(cli, "--id").ptr && arg(cli, "--name").ptr)
        return cli_usage(cli, err, "give either --id of an application that is there, or --name of a new one");
    if (arg(cli, "--id").ptr)
        return create_of_application(cli, role, scopes, scope_count, err);
    if (!arg(cli, "--name").ptr)
        return cli_usage(cli, err, "the following arguments are required: --name (or --id of an application that is there)");
    if (!cli_profile(cli, err))
        return false;
    body_begin(&app);
    json_open(&app.w, NULL);
    json_put_str(&app.w, "displayName", arg(cli, "--name"));
    json_close(&app.w);
    if (!graph_post(cli, graph_url(cli, STR("applications")), &app, &made_app, err) || !add_password(cli, json_str(json_get(made_app.json, "id")), &secret, err))
        return false;
    app_id = json_str(json_get(made_app.json, "appId"));
    if (!make_principal(cli, app_id, &made_sp, err))
        return false;
    object_id = json_str(json_get(made_sp.json, "id"));
    if (!assign_roles(cli, object_id, role, scopes, scope_count, err))
        return false;
    cli_note("the password is shown only now: keep it, or make a new one later");
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "appId", app_id);
    json_put_str(&cli->w, "displayName", json_str(json_get(made_app.json, "displayName")));
    json_put_str(&cli->w, "id", object_id);
    json_put_str(&cli->w, "password", secret);
    json_put_str(&cli->w, "tenant", cli->profile.tenant);
    json_close(&cli->w);
    return true;
}

bool run_sp_list(Cli *cli, Err *err)
{
    Str name = arg(cli, "--display-name");

    if (!cli_profile(cli, err))
        return false;
    return call_list(cli, to_graph(cli), name.ptr ? graph_filter_url(cli, "servicePrincipals", "startswith(displayName,", name, ")") : graph_url(cli, STR("servicePrincipals")), NULL, err);
}

bool run_sp_show(Cli *cli, Err *err)
{
    const JsonVal *sp = NULL;

    if (!cli_profile(cli, err) || !find_service_principal(cli, arg(cli, "--id"), &sp, err))
        return false;
    json_put_value(&cli->w, NULL, sp);
    return true;
}

bool run_sp_delete(Cli *cli, Err *err)
{
    Answer answer;
    Str object_id;

    return cli_profile(cli, err) && find_principal(cli, arg(cli, "--id"), &object_id, err) &&
           call_service(cli, "DELETE", to_graph(cli), graph_url(cli, str_printf(cli->arena, "servicePrincipals/" STR_FMT, STR_ARG(object_id))), STR_NONE, &answer, err);
}
