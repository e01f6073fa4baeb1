/* fixture.c - the server of the tests: its planes, its handlers, its CA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"
#include "fixture.h"

/* --- planes ------------------------------------------------------------------------------------------------------------------ */

static Fixture *fixture_of(const Req *req)
{
    return req->ctx;
}

static bool vault_exists(void *ctx, const Str labels[HOST_LABELS_MAX])
{
    Fixture *fixture = ctx;
    return (str_eq(labels[0], STR("v1")) && !fixture->vault_gone) || str_eq(labels[0], STR("v2")) || str_starts(labels[0], STR("x-"));
}

static bool check_token(void *ctx, Req *req, Reply *reply, Err *err)
{
    Fixture *fixture = ctx;
    Str header = req_header(req, "Authorization");
    bool is_good = str_starts(header, STR("Bearer good")), is_reader = str_eq(header, STR("Bearer reader"));
    if ((!is_good && !is_reader) || fixture->token_expired) {
        reply_header(reply, STR("WWW-Authenticate"), STR("Bearer authorization=\"https://login.test/t\", resource=\"https://vault.test\""));
        return err_named(err, ERR_UNAUTHENTICATED, "Unauthorized", NULL, "no valid token");
    }
    Caller *caller = ARENA_NEW(req->arena, Caller);
    if (!caller)
        return err_too_big(err);
    caller->name = is_good ? STR("good") : STR("reader");
    caller->expires_ms = fixture->token_expires_ms;
    req->caller = caller;
    return true;
}

static bool decide(void *ctx, Req *req, const Route *route, Err *err)
{
    (void)ctx;
    if (str_eq(req->caller->name, STR("good")) || strcmp(route->permission, "items/get") == 0)
        return true;
    return err_named(err, ERR_DENIED, "Forbidden", NULL, "%s lacks %s", "reader", route->permission);
}

static void put_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_open(w, "error");
    json_put_str(w, "code", err->name ? str_from(err->name) : STR("Default"));
    json_put_str(w, "message", str_from(err->text));
    json_close(w);
    json_close(w);
}

static bool audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    (void)req, (void)reply, (void)err;
    Fixture *fixture = ctx;
    if (fixture->audit_fails)
        return err_set(audit_err, ERR_INTERNAL, "disk full: secret detail");
    if (fixture->audit_is_full)
        return err_set(audit_err, ERR_UNAVAILABLE, "the disk is full");
    fixture->audited++;
    return true;
}

static void finish(void *ctx, const Req *req, Reply *reply)
{
    (void)ctx;
    reply_header(reply, STR("x-ms-request-id"), req->request_id);
    reply_header(reply, STR("x-ms-client-request-id"), req->client_request_id);
}

/* --- handlers ---------------------------------------------------------------------------------------------------------------- */

static bool item_get(Req *req, Reply *reply, Err *err)
{
    fixture_of(req)->handler_runs++;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "vault", req->host_labels[0]);
    json_put_str(w, "name", req_param(req, "name"));
    json_put_str(w, "version", req_param(req, "version"));
    json_put_str(w, "filter", req_query(req, "$filter"));
    json_put_str(w, "ip", req->client_ip);
    json_close(w);
    return json_end(w, err);
}

static bool item_put(Req *req, Reply *reply, Err *err)
{
    Fixture *fixture = fixture_of(req);
    fixture->handler_runs++;
    fixture->body_bytes = (int)req->body.len;
    const JsonVal *body;
    if (!req_object(req, &body, err))
        return false;
    if (str_eq(json_str(json_get(body, "value")), STR("fail"))) {
        reply_header(reply, STR("Location"), STR("/half-done"));
        json_open(&reply->json, NULL);
        return err_set(err, ERR_INTERNAL, "the store said: secret detail");
    }
    reply->status = 201;
    json_put_value(&reply->json, NULL, body);
    return json_end(&reply->json, err);
}

static bool item_post(Req *req, Reply *reply, Err *err)
{
    (void)err;
    fixture_of(req)->handler_runs++;
    reply->content_type = STR("text/plain");
    buf_printf(&reply->body, "%zu bytes for " STR_FMT, req->body.len, STR_ARG(req_param(req, "name")));
    return true;
}

static bool item_patch(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)err;
    reply->content_type = STR("text/plain");
    buf_put_str(&reply->body, STR("patched"));
    return true;
}

static bool item_delete(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)err;
    reply->status = 204;
    return true;
}

static bool health(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)err;
    reply->content_type = STR("text/plain");
    buf_put_str(&reply->body, STR("ok"));
    return true;
}

static bool runs(Req *req, Reply *reply, Err *err)
{
    (void)err;
    reply->content_type = STR("text/plain");
    buf_printf(&reply->body, "%d", (int)fixture_of(req)->handler_runs);
    return true;
}

/* Unfinished JSON, an arena that ran out, and a header with a line break: none may reach a client in part. */
static bool broken(Req *req, Reply *reply, Err *err)
{
    (void)err;
    Str how = req_param(req, "how");
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "part", STR("one"));
    if (str_eq(how, STR("json")))
        return true;
    json_close(&reply->json);
    if (str_eq(how, STR("arena")))
        while (arena_alloc(req->arena, 65536))
            ;
    if (str_eq(how, STR("reply")))
        while (!reply->body.failed)
            buf_put(&reply->body, "0123456789abcdef", 16);
    if (str_eq(how, STR("header")))
        reply_header(reply, STR("X-Split"), STR("a\r\nSet-Cookie: b"));
    return true;
}

static bool gate(Req *req, Reply *reply, Err *err)
{
    Fixture *fixture = fixture_of(req);
    pthread_mutex_lock(&fixture->lock);
    fixture->waiting++;
    pthread_cond_broadcast(&fixture->changed);
    while (!fixture->is_open)
        pthread_cond_wait(&fixture->changed, &fixture->lock);
    pthread_mutex_unlock(&fixture->lock);
    return health(req, reply, err);
}

static bool later_end(Req *req, Reply *reply, Err *err)
{
    reply_header(reply, STR("X-Later"), STR("yes"));
    if (str_eq(req_query(req, "how"), STR("fails")))
        return err_set(err, ERR_CONFLICT, "refused later");
    json_open(&reply->json, NULL);
    json_put_int(&reply->json, "body", (int64_t)req->body.len);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

/* Goes on when the gate opens. */
static void *later_main(void *arg)
{
    Req *req = arg;
    Fixture *fixture = fixture_of(req);
    pthread_mutex_lock(&fixture->lock);
    fixture->waiting++;
    pthread_cond_broadcast(&fixture->changed);
    while (!fixture->is_open)
        pthread_cond_wait(&fixture->changed, &fixture->lock);
    pthread_mutex_unlock(&fixture->lock);
    http_go_on(req);
    return NULL;
}

static bool later(Req *req, Reply *reply, Err *err)
{
    Fixture *fixture = fixture_of(req);
    fixture->handler_runs++;
    Str how = req_query(req, "how");
    reply_later(req, reply, later_end);
    if (str_eq(how, STR("never")))
        return err_set(err, ERR_CONFLICT, "could not begin");
    if (!str_eq(how, STR("gate"))) {
        http_go_on(req);                /* before this function has returned */
        return true;
    }
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    assert_int_equal(pthread_create(&thread, &detached, later_main, req), 0);
    pthread_attr_destroy(&detached);
    return true;
}

/* Computes: until the gate opens, for two milliseconds, or, when it should be on a worker, nothing. The answer says how many computed before. */
static bool compute(Req *req, Reply *reply, Err *err)
{
    Fixture *fixture = fixture_of(req);
    Str how = req_query(req, "how");
    if (str_eq(how, STR("long")) && reply_on_worker(req, reply))
        return true;
    int before = fixture->handler_runs++;
    int64_t until = mono_now_ms() + 2;
    if (str_eq(how, STR("gate"))) {
        Reply ignored = { 0 };
        (void)gate(req, &ignored, err);
        buf_done(&ignored.body);
    } else if (str_eq(how, STR("spin"))) {
        while (mono_now_ms() < until)
            continue;
    }
    char thread[16] = "";
    (void)pthread_getname_np(pthread_self(), thread, sizeof thread);
    if (str_eq(how, STR("fails")))
        return err_set(err, ERR_CONFLICT, "refused by the handler");
    json_open(&reply->json, NULL);
    json_put_int(&reply->json, "before", before);
    json_put_bool(&reply->json, "worker", strcmp(thread, "http-worker") == 0);
    json_put_int(&reply->json, "body", (int64_t)req->body.len);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static bool watch(Req *req, Reply *reply, Err *err)
{
    Fixture *fixture = fixture_of(req);
    fixture->handler_runs++;
    Err ignored = { 0 };
    int64_t wait_ms;
    if (!str_to_int64(req_query(req, "wait"), 0, 60 * 1000, &wait_ms, &ignored))
        wait_ms = 60 * 1000;
    reply_park(req, reply, STR("event"), wait_ms);
    if (req_query(req, "wake").ptr && !req->was_parked)
        fixture_happen(fixture);        /* between register and return: must not be lost */
    pthread_mutex_lock(&fixture->lock);
    bool event = fixture->event;
    pthread_mutex_unlock(&fixture->lock);
    if (req_query(req, "refuse").ptr && req->was_parked)
        return err_set(err, ERR_CONFLICT, "refused after the park");
    if (!event && !req->park_ended)
        return true;
    reply_park_cancel(req, reply);
    json_open(&reply->json, NULL);
    json_put_bool(&reply->json, "event", event);
    json_put_bool(&reply->json, "ended", req->park_ended);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static bool file_get(Req *req, Reply *reply, Err *err)
{
    (void)err;
    Fixture *fixture = fixture_of(req);
    FILE *file = fopen(fixture->ca_file, "rb");
    if (!file)
        return err_errno(err, "ca file");
    fseek(file, 0, SEEK_END);
    reply->file_size = (uint64_t)ftell(file) - 10;
    reply->file_offset = 10;
    reply->file_fd = dup(fileno(file));
    reply->content_type = STR("application/x-pem-file");
    fclose(file);
    return true;
}

/* Pieces of ten bytes as fixture_give puts them there; -1 breaks off. */
typedef struct Pieces { Fixture *fixture; int taken; } Pieces;

static int64_t pieces_read(void *ctx, char *out, size_t max)
{
    Pieces *pieces = ctx;
    pthread_mutex_lock(&pieces->fixture->lock);
    int there = pieces->fixture->pieces;
    pthread_mutex_unlock(&pieces->fixture->lock);
    if (there < 0)
        return -1;
    if (pieces->taken >= there)
        return 0;
    pieces->taken++;
    assert_true(max >= 10);
    memset(out, 'a' + (pieces->taken - 1) % 26, 10);
    return 10;
}

static bool streamed(Req *req, Reply *reply, Err *err)
{
    Pieces *pieces = ARENA_NEW(req->arena, Pieces);
    int64_t count, wait_ms;
    Err ignored = { 0 };
    if (!pieces || !str_to_int64(req_query(req, "count"), 1, 1000000, &count, err))
        return false;
    if (!str_to_int64(req_query(req, "wait"), 0, 60 * 1000, &wait_ms, &ignored))
        wait_ms = 60 * 1000;
    pieces->fixture = fixture_of(req);
    reply->stream = (ReplyStream){ .size_bytes = (uint64_t)count * 10, .key = STR("event"), .wait_ms = wait_ms, .read = pieces_read, .ctx = pieces };
    reply->content_type = STR("application/octet-stream");
    return true;
}

static const Route vault_routes[] = {
    { METHOD_GET,    "/items/{name}/versions",         NULL, NULL, "items/get",    WHERE_INLINE, BODY_NONE, 0,         item_get,    "ItemVersions" },
    { METHOD_GET,    "/items/{name}/{version?}",       NULL, NULL, "items/get",    WHERE_INLINE, BODY_NONE, 0,         item_get,    "ItemGet" },
    { METHOD_PUT,    "/items/{name}",                  NULL, NULL, "items/set",    WHERE_WORKER, BODY_JSON, 1024,      item_put,    "ItemSet" },
    { METHOD_POST,   "/items/{name}/{version?}/touch", NULL, NULL, "items/touch",  WHERE_WORKER, BODY_NONE, 0,         item_post,   "ItemTouch" },
    { METHOD_POST,   "/items/{name}/raw",              NULL, NULL, "items/touch",  WHERE_INLINE, BODY_RAW,  64 * 1024, item_post,   "ItemRaw" },
    { METHOD_PATCH,  "/items/{name}",                  NULL, NULL, "items/set",    WHERE_WORKER, BODY_JSON, 1024,      item_patch,  "ItemUpdate" },
    { METHOD_DELETE, "/items/{name}",                  NULL, NULL, "items/delete", WHERE_WORKER, BODY_NONE, 0,         item_delete, "ItemDelete" },
    { METHOD_GET,    "/new",             "2024-01-01", NULL,       "items/get",    WHERE_INLINE, BODY_NONE, 0,         health,      "NewThing" },
};

static const Route management_routes[] = {
    { METHOD_GET,  "/healthz",      NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,    health,   "Health" },
    { METHOD_GET,  "/runs",         NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,    runs,     "Runs" },
    { METHOD_GET,  "/gate",         NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0,    gate,     "Gate" },
    { METHOD_GET,  "/hold",         NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,    gate,     "Hold" },
    { METHOD_POST, "/later",        NULL, NULL, PERM_PUBLIC, WHERE_COMMIT, BODY_RAW,  1 << 20, later, "Later" },
    { METHOD_POST, "/compute",      NULL, NULL, PERM_PUBLIC, WHERE_COMPUTE, BODY_RAW, 1 << 20, compute, "Compute" },
    { METHOD_GET,  "/watch",        NULL, NULL, PERM_TOKEN,  WHERE_PARKED, BODY_NONE, 0,    watch,    "Watch" },
    { METHOD_GET,  "/broken/{how}", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,    broken,   "Broken" },
    { METHOD_GET,  "/file",         NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0,    file_get, "File" },
    { METHOD_GET,  "/stream",       NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0,    streamed, "Stream" },
    { METHOD_POST, "/lenient",      NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_JSON_LENIENT, 1024, item_put, "Lenient" },
};

/* --- the CA ------------------------------------------------------------------------------------------------------------------ */

static void sign(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *common_name, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key)
{
    unsigned char serial[8];
    random_fill(serial, sizeof serial);
    serial[0] &= 0x7F;
    assert_int_equal(gnutls_x509_crt_set_version(cert, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(cert, serial, sizeof serial), 0);
    gnutls_x509_crt_set_activation_time(cert, time(NULL) - 60);
    gnutls_x509_crt_set_expiration_time(cert, time(NULL) + 3600);
    assert_int_equal(gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, common_name, (unsigned)strlen(common_name)), 0);
    assert_int_equal(gnutls_x509_crt_set_key(cert, key), 0);
    assert_int_equal(gnutls_x509_crt_sign2(cert, ca, ca_key, GNUTLS_DIG_SHA256, 0), 0);
}

static void ca_make(Fixture *fixture)
{
    gnutls_x509_crt_t cert;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_init(&cert);
    gnutls_x509_privkey_init(&key);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    gnutls_x509_crt_set_basic_constraints(cert, 1, -1);
    gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_KEY_CERT_SIGN);
    sign(cert, key, "Test CA", cert, key);
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), 0);
    Err err = { 0 };
    assert_true(file_replace(fixture->ca_file, (Bytes){ pem.data, pem.size }, 0600, (uid_t)-1, (gid_t)-1, &err));
    gnutls_free(pem.data);
    fixture->gnutls_ca = cert;
    fixture->gnutls_ca_key = key;
}

static bool leaf_make(void *ctx, Arena *arena, Str name, TlsLeaf *out, Err *err)
{
    Fixture *fixture = ctx;
    if (fixture->leaf_fails)
        return err_set(err, ERR_INTERNAL, "no leaf today");
    fixture->leaves_made++;
    gnutls_x509_crt_t cert;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_init(&cert);
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (name.len > 0) {
        gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, name.ptr, (unsigned)name.len, GNUTLS_FSAN_SET);
    } else {
        const unsigned char v4[4] = { 127, 0, 0, 1 };
        gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_SET);
        gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, v4, sizeof v4, GNUTLS_FSAN_APPEND);
    }
    sign(cert, key, "leaf", fixture->gnutls_ca, fixture->gnutls_ca_key);
    gnutls_datum_t cert_pem, key_pem;
    gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &cert_pem);
    gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
    out->cert_chain_pem = str_dup(arena, (Str){ (char *)cert_pem.data, cert_pem.size });
    out->key_pem = str_dup(arena, (Str){ (char *)key_pem.data, key_pem.size });
    out->renew_at_ms = real_now_ms() + fixture->renew_in_ms;
    gnutls_free(cert_pem.data);
    gnutls_free(key_pem.data);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    return true;
}

/* --- start and stop ------------------------------------------------------------------------------------------------------------ */

static Plane vault_plane = {
    .name = "vault", .host_pattern = "*.vault", .default_content_type = "application/json; charset=utf-8", .needs_api_version = true,
    .missing_api_version = "BadParameter", .host_exists = vault_exists, .authenticate = check_token, .authorize = decide,
    .write_error = put_error, .audit = audit, .finish = finish,
};
static Plane management_plane = {
    .name = "management", .host_pattern = "management", .default_content_type = "application/json", .authenticate = check_token, .authorize = decide,
    .write_error = put_error, .finish = finish,
};

void fixture_point_planes_at(Fixture *fixture)
{
    vault_plane.ctx = management_plane.ctx = fixture;
}

void fixture_start(Fixture *fixture, const HttpConfig *config, bool is_plain)
{
    Err err = { 0 };
    *fixture = (Fixture){ .is_plain = is_plain, .renew_in_ms = 3600 * 1000, .dir = "/tmp/http-test-XXXXXX" };
    fixture->token_expires_ms = real_now_ms() + 3600 * 1000;
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->ca_file, sizeof fixture->ca_file, "%s/ca.pem", fixture->dir);
    snprintf(fixture->socket_path, sizeof fixture->socket_path, "%s/http.sock", fixture->dir);
    ca_make(fixture);
    fixture->clock = clock_new(0);

    HttpConfig full = config ? *config : (HttpConfig){ 0 };
    full.base_domain = STR("test.localhost");
    full.clock = fixture->clock;
    full.plain = is_plain;
    full.tls_leaf = leaf_make;
    full.tls_ctx = fixture;
    fixture_point_planes_at(fixture);
    assert_true(http_new(&full, &fixture->server, &err));
    if (!http_mount(fixture->server, &vault_plane, vault_routes, COUNT_OF(vault_routes), fixture, &err) ||
        !http_mount(fixture->server, &management_plane, management_routes, COUNT_OF(management_routes), fixture, &err) ||
        !http_listen_loopback(fixture->server, 0, &fixture->port, &err) ||
        !http_listen_unix(fixture->server, fixture->socket_path, 0600, &err) || !http_start(fixture->server, &err))
        fail_msg("%s", err.text);
}

void fixture_stop(Fixture *fixture)
{
    Err err = { 0 };
    http_stop(fixture->server, 5000);
    gnutls_x509_crt_deinit(fixture->gnutls_ca);
    gnutls_x509_privkey_deinit(fixture->gnutls_ca_key);
    clock_free(fixture->clock);
    assert_true(dir_remove_tree(fixture->dir, &err));
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
}

void fixture_wait_at_gate(Fixture *fixture, int count)
{
    pthread_mutex_lock(&fixture->lock);
    while (fixture->waiting < count)
        pthread_cond_wait(&fixture->changed, &fixture->lock);
    pthread_mutex_unlock(&fixture->lock);
}

void fixture_open_gate(Fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->is_open = true;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

void fixture_happen(Fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->event = true;
    pthread_mutex_unlock(&fixture->lock);
    http_wake(fixture->server, STR("event"));
}

void fixture_give(Fixture *fixture, int pieces)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->pieces = pieces < 0 ? -1 : fixture->pieces + pieces;
    pthread_mutex_unlock(&fixture->lock);
    http_wake(fixture->server, STR("event"));
}

/* The server gives no event for "it is parked now", only its count. */
void fixture_wait_parked(Fixture *fixture, int64_t count)
{
    int64_t until = mono_now_ms() + 40 * 1000;          /* before parks end by themselves */
    HttpStats stats;
    while ((stats = http_stats(fixture->server)).parked < count) {
        if (mono_now_ms() > until)
            fail_msg("%lld of %lld are parked; %lld connections, %lld requests, %lld failed", (long long)stats.parked, (long long)count, (long long)stats.connections,
                     (long long)stats.requests, (long long)stats.failed_5xx);
        usleep(1000);
    }
}

static void *stop_main(void *arg)
{
    Fixture *fixture = arg;
    http_stop(fixture->server, fixture->stop_ms);
    return NULL;
}

void fixture_stop_begin(Fixture *fixture, int within_ms)
{
    fixture->stop_ms = within_ms;
    assert_int_equal(pthread_create(&fixture->stopping, NULL, stop_main, fixture), 0);
}

void fixture_stop_wait(Fixture *fixture)
{
    pthread_join(fixture->stopping, NULL);
    fixture->server = NULL;
}

void fixture_wait_deaf(Fixture *fixture)
{
    for (struct stat info; stat(fixture->socket_path, &info) == 0;)
        usleep(1000);
}

void has(Str text, const char *part)
{
    size_t at;
    if (!str_find(text, str_from(part), &at))
        fail_msg("'%s' is not in '" STR_FMT "'", part, STR_ARG(text));
}
