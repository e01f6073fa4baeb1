/* arm_fixture.c - see the header. */
#include "arm_fixture.h"
#include <time.h>
#include "base/encode.h"

enum { TEST_ARENA = 256 * 1024 * 1024 };

/* ---- hooks ---- */

static bool delete_thing(void *ctx, Arena *arena, Str id, Err *err);

typedef struct Unregister { World *w; Str id; } Unregister;

static bool unregister(Txn *txn, void *ctx, Err *err)
{
    Unregister *u = ctx;
    return arm_unregister(u->w->arm, txn, u->id, err);
}

static bool delete_thing(void *ctx, Arena *arena, Str id, Err *err)
{
    World *w = ctx;
    Unregister u = { w, id };

    (void)arena;
    pthread_mutex_lock(&w->deleted.lock);
    bool fails = w->deleted.fail_first && w->deleted.calls == 0;
    w->deleted.calls++;
    if (!fails && w->deleted.count < COUNT_OF(w->deleted.ids))
        (void)snprintf(w->deleted.ids[w->deleted.count++], sizeof w->deleted.ids[0], STR_FMT, STR_ARG(id));
    pthread_mutex_unlock(&w->deleted.lock);
    return fails ? err_set(err, ERR_UNAVAILABLE, "not yet") : store_write(w->site.store, unregister, &u, err);
}

static void clock_moved(void *ctx)
{
    World *w = ctx;
    w->clock_moves++;
}

/* ---- life ---- */

static bool bootstrap(Txn *txn, void *ctx, Err *err)
{
    World *w = ctx;
    if (!identity_bootstrap(w->site.seal, txn, w->arena, STR("Test"), &w->boot, err))
        return false;
    w->site.tenant_id = w->boot.tenant_id;
    return arm_bootstrap(&w->site, txn, w->arena, STR("First subscription"), &w->subscription, err);
}

typedef struct Assign { World *w; Str scope, principal, role; } Assign;

static bool assign(Txn *txn, void *ctx, Err *err)
{
    Assign *a = ctx;
    return access_assign(a->w->access, txn, a->w->arena, a->scope, a->principal, a->role, STR_NONE, err);
}

static const char *path_in(World *w, const char *name)
{
    return str_printf(w->arena, "%s/%s", w->place.dir, name).ptr;
}

static bool open_arm(World *w, Err *err)
{
    return arm_open(&w->site, w->identity, w->access, &w->arm, err) && managedidentity_open(&w->site, w->identity, w->arm, &w->ids, err);
}

static bool open_parts(World *w, bool is_new, bool is_dev, Err *err)
{
    Site *site = &w->site;

    place_open(&w->place);
    site->store = w->place.store;
    if (is_new)
        must(seal_make_root_file(path_in(w, "root.key"), E));
    must(seal_open(site->store, path_in(w, "root.key"), &site->seal, E));
    site->names = (Names){ .domain = STR("vaultyard.localhost"), .location = STR("local") };
    site->clock = clock_new(0);
    site->is_dev = is_dev;
    must(audit_open(site->store, site->seal, w->place.dir, &site->audit, E));
    must(runner_new(site->store, site->clock, &site->runner, E));
    if (is_new)
        must(store_write(site->store, bootstrap, w, E));
    must(identity_tenant(site->store, w->arena, &site->tenant_id, E));
    must(identity_open(site, &w->identity, E));
    must(access_open(site, w->identity, &w->access, E));
    if (is_new) {
        Assign owner = { w, str_from(world_text(w, "/subscriptions/@").ptr), w->boot.admin_object_id, ROLE_OWNER };
        must(store_write(site->store, assign, &owner, E));
    }
    if (!open_arm(w, err))
        return false;
    arm_on_delete(w->arm, "Test.Things/things", delete_thing, w);
    arm_on_clock(w->arm, clock_moved, w);

    HttpConfig config = { .base_domain = site->names.domain, .clock = site->clock, .io_threads = 1, .worker_threads = 2, .plain = true };
    must(http_new(&config, &site->http, E));
    must(identity_mount(w->identity, site->http, E));
    must(arm_mount(w->arm, site->http, E));
    must(managedidentity_mount(w->ids, site->http, E));
    must(http_listen_tcp(site->http, "127.0.0.1", 0, &site->names.port, E));
    must(runner_start(site->runner, 1, E));
    must(http_start(site->http, E));
    must(http_client_new(&(HttpClientConfig){ .user_agent = "test" }, &w->client, E));
    return true;
}

static void close_parts(World *w)
{
    http_client_free(TAKE(w->client));
    http_stop(TAKE(w->site.http), 1000);
    runner_stop(TAKE(w->site.runner));
    managedidentity_close(TAKE(w->ids));
    arm_close(TAKE(w->arm));
    access_close(TAKE(w->access));
    identity_close(TAKE(w->identity));
    audit_close(TAKE(w->site.audit));
    seal_close(TAKE(w->site.seal));
    clock_free(TAKE(w->site.clock));
    place_close(&w->place);
}

static Str sign_in(World *w, Str client_id, Str secret)
{
    HttpHeader headers[] = { { "Content-Type", STR("application/x-www-form-urlencoded") } };
    Str url = str_printf(w->arena, "http://login.vaultyard.localhost:%d/" STR_FMT "/oauth2/v2.0/token", w->site.names.port, STR_ARG(w->site.tenant_id));
    Str body = str_printf(w->arena, "grant_type=client_credentials&client_id=" STR_FMT "&client_secret=" STR_FMT "&scope=https%%3A%%2F%%2Fmanagement.vaultyard.localhost%%3A%d%%2F.default",
                          STR_ARG(client_id), STR_ARG(percent_encode(w->arena, secret)), w->site.names.port);
    HttpCall call = { .method = "POST", .url = url, .headers = headers, .header_count = 1, .body = body };
    HttpAnswer answer;

    must(http_call(w->client, w->arena, &call, &answer, E));
    if (answer.status != 200)
        fail_msg("%d: " STR_FMT, answer.status, STR_ARG(answer.body));
    return answer_text(w, &answer, "access_token");
}

void world_open(World *w, bool is_dev)
{
    *w = (World){ .arena = arena_new(TEST_ARENA), .deleted = { .lock = PTHREAD_MUTEX_INITIALIZER } };
    place_make(&w->place);
    must(open_parts(w, true, is_dev, E));
    w->token = sign_in(w, w->boot.admin_app_id, w->boot.admin_secret);
}

void world_restart(World *w, bool is_dev)
{
    close_parts(w);
    must(open_parts(w, false, is_dev, E));
    w->token = sign_in(w, w->boot.admin_app_id, w->boot.admin_secret);
}

bool world_reopen_fails(World *w, bool is_dev, Err *err)
{
    close_parts(w);
    bool opened = open_parts(w, false, is_dev, err);
    close_parts(w);
    return !opened;
}

void world_close(World *w)
{
    if (w->place.store)
        close_parts(w);
    place_done(&w->place);
    arena_free(TAKE(w->arena));
}

/* ---- asking ---- */

Str world_text(World *w, const char *text)
{
    Str rest = str_from(text), out = str_cut(&rest, '@');

    while (rest.ptr) {
        Str part = str_cut(&rest, '@');
        out = str_printf(w->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(out), STR_ARG(w->subscription), STR_ARG(part));
    }
    return str_dup(w->arena, out);
}

static HttpAnswer call(World *w, Str token, const char *method, Str url, const char *body, const HttpHeader *more, size_t more_count)
{
    HttpHeader headers[6];
    size_t count = 0;
    HttpAnswer answer;

    for (size_t i = 0; i < more_count; i++)
        headers[count++] = more[i];
    if (token.ptr)
        headers[count++] = (HttpHeader){ "Authorization", str_printf(w->arena, "Bearer " STR_FMT, STR_ARG(token)) };
    if (body)
        headers[count++] = (HttpHeader){ "Content-Type", STR("application/json") };
    bool sends = strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    HttpCall request = { .method = method, .url = url, .headers = headers, .header_count = count, .body = body ? str_from(body) : sends ? STR("") : STR_NONE };
    must(http_call(w->client, w->arena, &request, &answer, E));
    return answer;
}

HttpAnswer ask_bare(World *w, Str token, const char *method, const char *path, const HttpHeader *more, size_t more_count)
{
    Str text = world_text(w, path);
    return call(w, token, method, str_printf(w->arena, "http://management.vaultyard.localhost:%d" STR_FMT, w->site.names.port, STR_ARG(text)), NULL, more, more_count);
}

HttpAnswer ask_as(World *w, Str token, const char *method, const char *path, const char *body)
{
    Str text = world_text(w, path);
    size_t at;
    bool has_version = str_find(text, STR("api-version="), &at), has_query = str_find(text, STR("?"), &at);
    Str url = str_printf(w->arena, "http://management.vaultyard.localhost:%d" STR_FMT "%s%s", w->site.names.port, STR_ARG(text), has_version ? "" : has_query ? "&" : "?",
                         has_version ? "" : "api-version=2021-04-01");
    return call(w, token, method, url, body, NULL, 0);
}

HttpAnswer ask(World *w, const char *method, const char *path, const char *body)
{
    return ask_as(w, w->token, method, path, body);
}

const JsonVal *answer_json(World *w, const HttpAnswer *answer)
{
    const JsonVal *root;
    Err err = { 0 };

    if (!json_parse(w->arena, answer->body, JSON_STRICT, &root, &err))
        fail_msg("%d, no JSON (%s): " STR_FMT, answer->status, err.text, STR_ARG(answer->body));
    return root;
}

Str answer_text(World *w, const HttpAnswer *answer, const char *dotted)
{
    return json_str(json_path(answer_json(w, answer), dotted));
}

void assert_refused(World *w, HttpAnswer answer, int status, const char *code)
{
    if (answer.status != status)
        fail_msg("got %d, wanted %d %s: " STR_FMT, answer.status, status, code, STR_ARG(answer.body));
    assert_str(answer_text(w, &answer, "error.code"), code);
    assert_true(answer_text(w, &answer, "error.message").len > 10);
}

/* ---- others ---- */

typedef struct MakeApp { World *w; const char *name; Principal principal; Str secret; } MakeApp;

static bool make_app(Txn *txn, void *ctx, Err *err)
{
    MakeApp *make = ctx;
    return principal_create(make->w->identity, txn, make->w->arena, PRINCIPAL_APP, str_from(make->name), STR_NONE, &make->principal, err) &&
           principal_add_secret(make->w->identity, txn, make->w->arena, make->principal.app_id, STR("test"), 3600 * 1000, &make->secret, err);
}

Str world_principal(World *w, const char *name, Str role, const char *scope, Principal *out)
{
    MakeApp make = { .w = w, .name = name };

    must(store_write(w->site.store, make_app, &make, E));
    if (role.ptr) {
        Assign a = { w, world_text(w, scope), make.principal.object_id, role };
        must(store_write(w->site.store, assign, &a, E));
    }
    if (out)
        *out = make.principal;
    return sign_in(w, make.principal.app_id, make.secret);
}

typedef struct Register { World *w; ArmResource resource; } Register;

static bool register_it(Txn *txn, void *ctx, Err *err)
{
    Register *r = ctx;
    return arm_register(r->w->arm, txn, &r->resource, err);
}

void world_register(World *w, const char *group, const char *name, const char *tags_json)
{
    Register r = { w, { .type = STR("Test.Things/things"), .name = str_from(name), .subscription = w->subscription, .group = str_from(group),
                        .location = STR("local"), .tags_json = str_from(tags_json) } };

    r.resource.id = str_printf(w->arena, "/subscriptions/" STR_FMT "/resourceGroups/%s/providers/Test.Things/things/%s", STR_ARG(w->subscription), group, name);
    must(store_write(w->site.store, register_it, &r, E));
}

HttpAnswer world_wait(World *w, const HttpAnswer *accepted)
{
    HttpAnswer answer = *accepted;
    struct timespec pause = { .tv_nsec = 2000000 };
    /* Answers name https; this server is plain. */
    Str location = http_answer_header(accepted, "Location");

    assert_int_equal(accepted->status, 202);
    assert_true(str_starts(location, STR("https://management.vaultyard.localhost:")));
    assert_true(http_answer_header(accepted, "Retry-After").len > 0);
    while (answer.status == 202) {
        (void)nanosleep(&pause, NULL);                     /* polling is what clients do here */
        answer = call(w, w->token, "GET", str_printf(w->arena, "http" STR_FMT, STR_ARG(str_slice(location, 5, location.len))), NULL, NULL, 0);
    }
    return answer;
}

typedef struct AuditCount { Str operation; int64_t count; } AuditCount;

static bool audit_count_txn(Txn *txn, void *ctx, Err *err)
{
    AuditCount *c = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;

    if (!txn_query(txn, &rows, err, "SELECT record FROM audit_record"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        size_t at;
        c->count += str_find(row_text(rows, 0), c->operation, &at);
    }
    return err->code == ERR_NONE;
}

int64_t audit_count(World *w, const char *operation)
{
    AuditCount c = { .operation = str_printf(w->arena, "\"%s\"", operation) };
    must(store_read(w->site.store, audit_count_txn, &c, E));
    return c.count;
}
