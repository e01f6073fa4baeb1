/* tenant_fixture.c - see the header. */
#include "tenant_fixture.h"
#include "base/encode.h"
#include "base/id.h"

enum { TEST_ARENA = 64 * 1024 * 1024, CALL_ARENA = 8 * 1024 * 1024 };

/* ---- the plane for role assignments ---- */

static bool authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    Tenant *t = ctx;
    const Str *audiences;
    (void)reply;
    size_t count = audiences_of(&t->site, req->arena, "management", &audiences);
    return token_verify(t->identity, req, audiences, count, &req->caller, err);
}

static bool authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    Tenant *t = ctx;
    Str scope = req_param(req, "scope");
    if (strcmp(route->permission, PERM_TOKEN) == 0)
        return true;
    return access_require(t->access, req->arena, req->caller, str_from(route->permission), str_printf(req->arena, "/" STR_FMT, STR_ARG(scope)), err);
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req;
    json_open(&reply->json, NULL);
    json_open(&reply->json, "error");
    json_put_str(&reply->json, "code", err->name ? str_from(err->name) : STR("Default"));
    json_put_str(&reply->json, "message", str_from(err->text));
    json_close(&reply->json);
    json_close(&reply->json);
}

/* ---- life ---- */

static bool bootstrap(Txn *txn, void *ctx, Err *err)
{
    Tenant *t = ctx;
    return identity_bootstrap(t->site.seal, txn, t->arena, STR("Test"), &t->boot, err);
}

static bool own(Txn *txn, void *ctx, Err *err)
{
    Tenant *t = ctx;
    return access_assign(t->access, txn, t->arena, str_from(t->scope), t->boot.admin_object_id, ROLE_OWNER, STR_NONE, err);
}

static char *path_in(Tenant *t, const char *name)
{
    return (char *)str_printf(t->arena, "%s/%s", t->place.dir, name).ptr;
}

static void open_parts(Tenant *t, bool is_new)
{
    Site *site = &t->site;
    place_open(&t->place);
    site->store = t->place.store;
    if (is_new)
        must(seal_make_root_file(path_in(t, "root.key"), E));
    must(seal_open(site->store, path_in(t, "root.key"), &site->seal, E));
    site->names = (Names){ .domain = STR("vaultyard.localhost"), .location = STR("local") };
    site->clock = clock_new(0);
    must(audit_open(site->store, site->seal, t->place.dir, &site->audit, E));
    must(runner_new(site->store, site->clock, &site->runner, E));
    if (is_new)
        must(store_write(site->store, bootstrap, t, E));
    must(identity_tenant(site->store, t->arena, &site->tenant_id, E));
    must(identity_open(site, &t->identity, E));
    must(access_open(site, t->identity, &t->access, E));
    if (is_new)
        must(store_write(site->store, own, t, E));

    HttpConfig config = { .base_domain = site->names.domain, .clock = site->clock, .io_threads = 1, .worker_threads = 2, .plain = true };
    must(http_new(&config, &site->http, E));
    t->management = (Plane){ .name = "management", .host_pattern = "management", .default_content_type = "application/json", .ctx = t,
                             .authenticate = authenticate, .authorize = authorize, .write_error = write_error };
    must(identity_mount(t->identity, site->http, E));
    must(http_mount(site->http, &t->management, access_routes, access_route_count, t->access, E));
    must(http_listen_tcp(site->http, "127.0.0.1", 0, &site->names.port, E));
    must(http_start(site->http, E));
    must(http_client_new(&(HttpClientConfig){ .user_agent = "test" }, &t->client, E));
}

static void close_parts(Tenant *t)
{
    http_client_free(TAKE(t->client));
    http_stop(TAKE(t->site.http), 1000);
    runner_stop(TAKE(t->site.runner));
    access_close(TAKE(t->access));
    identity_close(TAKE(t->identity));
    audit_close(TAKE(t->site.audit));
    seal_close(TAKE(t->site.seal));
    clock_free(TAKE(t->site.clock));
    place_close(&t->place);
}

void tenant_open(Tenant *t)
{
    *t = (Tenant){ .arena = arena_new(TEST_ARENA) };
    Str subscription = guid_new(t->arena);
    (void)snprintf(t->scope, sizeof t->scope, "/subscriptions/" STR_FMT, STR_ARG(subscription));
    place_make(&t->place);
    open_parts(t, true);
}

void tenant_restart(Tenant *t)
{
    close_parts(t);
    open_parts(t, false);
}

void tenant_close(Tenant *t)
{
    close_parts(t);
    place_done(&t->place);
    arena_free(TAKE(t->arena));
}

/* ---- talking to it ---- */

Str tenant_url(Tenant *t, const char *host_labels, const char *path)
{
    return str_printf(t->arena, "http://%s." STR_FMT ":%d%s", host_labels, STR_ARG(t->site.names.domain), t->site.names.port, path);
}

HttpAnswer tenant_ask(Tenant *t, const Ask *ask)
{
    HttpHeader headers[3];
    size_t count = 0;
    if (ask->token.ptr)
        headers[count++] = (HttpHeader){ "Authorization", str_printf(t->arena, "Bearer " STR_FMT, STR_ARG(ask->token)) };
    if (ask->authorization.ptr)
        headers[count++] = (HttpHeader){ "Authorization", ask->authorization };
    if (ask->body.ptr)
        headers[count++] = (HttpHeader){ "Content-Type", str_from(ask->content_type ? ask->content_type : "application/json") };
    HttpCall call = { .method = ask->method, .url = tenant_url(t, ask->host_labels, ask->path), .headers = headers, .header_count = count, .body = ask->body };
    HttpAnswer answer;
    must(http_call(t->client, t->arena, &call, &answer, E));
    return answer;
}

const JsonVal *answer_json(Tenant *t, const HttpAnswer *answer)
{
    const JsonVal *root;
    Err err = { 0 };
    if (!json_parse(t->arena, answer->body, JSON_STRICT, &root, &err))
        fail_msg("%d, no JSON (%s): " STR_FMT, answer->status, err.text, STR_ARG(answer->body));
    return root;
}

Str answer_text(Tenant *t, const HttpAnswer *answer, const char *dotted) { return json_str(json_path(answer_json(t, answer), dotted)); }

HttpAnswer tenant_sign_in(Tenant *t, Str form)
{
    Str path = str_printf(t->arena, "/" STR_FMT "/oauth2/v2.0/token", STR_ARG(t->boot.tenant_id));
    return tenant_ask(t, &(Ask){ "POST", "login", path.ptr, .body = form, .content_type = "application/x-www-form-urlencoded" });
}

Str tenant_secret_form(Tenant *t, Str client_id, Str secret, const char *scope)
{
    return str_printf(t->arena, "client_id=" STR_FMT "&grant_type=client_credentials&client_info=1&client_secret=" STR_FMT "&scope=" STR_FMT, STR_ARG(client_id),
                      STR_ARG(percent_encode(t->arena, secret)), STR_ARG(percent_encode(t->arena, str_from(scope))));
}

Str tenant_admin_token(Tenant *t, const char *scope)
{
    HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, t->boot.admin_app_id, t->boot.admin_secret, scope));
    if (answer.status != 200)
        fail_msg("%d: " STR_FMT, answer.status, STR_ARG(answer.body));
    return answer_text(t, &answer, "access_token");
}

typedef struct MakeApp { Tenant *t; const char *name; Principal principal; Str *secret; } MakeApp;

static bool make_app(Txn *txn, void *ctx, Err *err)
{
    MakeApp *make = ctx;
    return principal_create(make->t->identity, txn, make->t->arena, PRINCIPAL_APP, str_from(make->name), STR_NONE, &make->principal, err) &&
           principal_add_secret(make->t->identity, txn, make->t->arena, make->principal.app_id, STR("test"), 3600 * 1000, make->secret, err);
}

Principal tenant_make_app(Tenant *t, const char *name, Str *secret)
{
    MakeApp make = { .t = t, .name = name, .secret = secret };
    must(store_write(t->site.store, make_app, &make, E));
    return make.principal;
}
