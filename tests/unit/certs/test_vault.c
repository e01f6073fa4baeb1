/* test_vault.c - signing in, fetching and listening, against a vault and a metadata address of the test's own, which answer what the test wants. */
#include "../cm.h"
#include <poll.h>
#include <stdio.h>
#include "base/clock.h"
#include "certs/fetch.h"
#include "certs/listen.h"
#include "http/server.h"

/* The fake's answers and what it has seen. Changed while no request is under way, or atomically. */
typedef struct Fake {
    HttpServer *server;
    int port;
    _Atomic int secret_status, token_status, changes_status;
    _Atomic int secret_calls, token_calls, changes_calls, refuse_tokens;    /* refuse_tokens: so many are answered 401 */
    _Atomic bool last_waits;
    bool has_challenge, parks;
    const char *secret, *changes;
    char last_after[64];
} Fake;

static Fake fake;
static Arena *arena;
static Clock *clock_;
static CertSettings settings;
static Observed observed;
static Fetcher *fetcher;
static Str pem_json;                    /* a certificate with its key as a JSON string */

static bool answer(Reply *reply, int status, const char *body)
{
    reply->status = status;
    buf_put_str(&reply->body, str_from(body));
    return true;
}

/* false: answered with 401. */
static bool has_token(Req *req, Reply *reply)
{
    bool has = req_header(req, "Authorization").ptr, refuse = has && fake.refuse_tokens > 0;
    if (has && !refuse)
        return true;
    fake.refuse_tokens -= refuse;
    if (fake.has_challenge)
        reply_header(reply, STR("WWW-Authenticate"), STR("Bearer authorization=\"https://login.x/t\", resource=\"https://vault.x\""));
    (void)answer(reply, 401, "{}");
    return false;
}

static bool secret_get(Req *req, Reply *reply, Err *err)
{
    (void)err;
    fake.secret_calls++;
    return !has_token(req, reply) || answer(reply, fake.secret_status, fake.secret);
}

static bool changes_get(Req *req, Reply *reply, Err *err)
{
    Str after = req_query(req, "after");
    (void)err;
    if (!req->was_parked)
        fake.changes_calls++;
    if (!has_token(req, reply))
        return true;
    if (!after.ptr && fake.changes_status == 200)
        return answer(reply, 200, "{\"value\":[],\"cursor\":\"c1\",\"reset\":false}");
    (void)snprintf(fake.last_after, sizeof fake.last_after, STR_FMT, STR_ARG(after));
    fake.last_waits = !str_eq(req_query(req, "wait"), STR("0"));
    if (!fake.last_waits)
        return answer(reply, fake.changes_status, fake.changes_status == 200 ? "{\"value\":[],\"cursor\":\"c1\"}" : fake.changes);
    reply_park(req, reply, STR("fake"), 55000);
    if (fake.parks && fake.changes_status == 200 && !req->was_parked && !req->park_ended)
        return true;
    reply_park_cancel(req, reply);
    return answer(reply, fake.changes_status, fake.changes);
}

static bool token_get(Req *req, Reply *reply, Err *err)
{
    (void)err;
    fake.token_calls++;
    if (!str_eq(req_header(req, "Metadata"), STR("true")) || !str_eq(req_query(req, "resource"), STR("https://vault.x")))
        return answer(reply, 400, "{}");
    return answer(reply, fake.token_status, fake.token_status == 200 ? "{\"access_token\":\"t\",\"expires_in\":\"3600\"}"
                                                                     : "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}");
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "message", str_from(err->text));
    json_close(&reply->json);
}

static const Plane plane = { .name = "fake", .host_pattern = "", .default_content_type = "application/json", .write_error = write_error };
static const Route routes[] = {
    { METHOD_GET, "/secrets/{name}/{version?}",          NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, secret_get,  "Secret" },
    { METHOD_GET, "/changes",                            NULL, NULL, PERM_PUBLIC, WHERE_PARKED, BODY_NONE, 0, changes_get, "Changes" },
    { METHOD_GET, "/metadata/identity/oauth2/token",     NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, token_get,   "Token" },
};

static Str certificate_json(void)
{
    AUTO(bundle_done_auto) Bundle bundle = { .count = 1 };
    AUTO(secret_free_auto) Secret *pem = NULL;
    AUTO(buf_done_auto) Buf text;
    CertSpec spec = { .subject = STR("CN=x"), .path_length = -1, .not_before_ms = real_now_ms(), .not_after_ms = real_now_ms() + 86400000 };
    Err err = { 0 };
    JsonWriter w;
    buf_init(&text, 65536);
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &bundle.key, &err) && cert_self_sign(arena, bundle.key, &spec, &bundle.certs[0], &err) &&
                bundle_write_pem(&bundle, true, &pem, &err));
    json_begin(&w, &text);
    json_put_str(&w, NULL, str_of(secret_bytes(pem)));
    assert_true(json_end(&w, &err));
    return str_dup(arena, buf_str(&text));
}

static const char *secret_json(const char *type, const char *id)
{
    return str_printf(arena, "{\"value\":" STR_FMT ",\"contentType\":\"%s\",\"id\":\"%s\"}", STR_ARG(pem_json), type, id).ptr;
}

static int set_up(void **state)
{
    (void)state;
    Err err = { 0 };
    arena = arena_new(8 << 20);
    clock_ = clock_new(0);
    fake = (Fake){ .secret_status = 200, .token_status = 200, .changes_status = 200, .has_challenge = true, .parks = true };
    HttpConfig config = { .base_domain = STR(""), .clock = clock_, .plain = true, .io_threads = 1, .worker_threads = 2 };
    if (!http_new(&config, &fake.server, &err) || !http_mount(fake.server, &plane, routes, COUNT_OF(routes), NULL, &err) ||
        !http_listen_tcp(fake.server, "127.0.0.1", 0, &fake.port, &err) || !http_start(fake.server, &err) || !fetcher_new(NULL, NULL, &fetcher, &err))
        return -1;
    Str base = str_printf(arena, "http://127.0.0.1:%d", fake.port);
    observed = (Observed){ .vault = STR("v"), .name = STR("web"), .vault_url = base, .base_url = str_printf(arena, STR_FMT "/secrets/web", STR_ARG(base)), .files = FILE_PEM };
    settings = (CertSettings){ .observed = &observed, .observed_count = 1, .push = true, .sign_in.msi_client_id = STR("client-1"),
                               .sign_in.msi_endpoint = str_printf(arena, STR_FMT "/metadata/identity/oauth2/token", STR_ARG(base)) };
    pem_json = certificate_json();
    fake.secret = secret_json("application/x-pem-file", "https://v.vault.x/secrets/web/0123456789abcdef0123456789abcdef");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fetcher_free(fetcher);
    http_stop(fake.server, 1000);
    clock_free(clock_);
    arena_free(arena);
    return 0;
}

/* One call to its end, as the agent makes it. */
static bool get(Str url, HttpAnswer *out, Err *err)
{
    AUTO(http_client_free_auto) HttpClient *client = NULL;
    bool again = true;
    if (!http_client_new(&(HttpClientConfig){ .beside = fetcher_client(fetcher), .timeout_ms = 60000 }, &client, err))
        return false;
    FetchCall call = { .client = client, .arena = arena, .vault_url = observed.vault_url, .url = url };
    bool good = fetch_begin(fetcher, &settings, &call, err);
    while (good && again) {
        while (!http_is_done(client))
            assert_true(http_wait(fetcher_client(fetcher), NULL, 0, 1000, err));
        good = fetch_end(fetcher, &settings, &call, &again, out, err);
    }
    return good;
}

static bool fetch(Err *err)
{
    Fetched fetched = { 0 };
    HttpAnswer answer;
    *err = (Err){ 0 };
    bool done = get(fetch_current_url(arena, &observed), &answer, err) && fetch_take_current(arena, &settings, &observed, STR_NONE, &answer, &fetched, err);
    if (done)
        assert_str(fetched.version, "0123456789abcdef0123456789abcdef");
    fetched_done(&fetched);
    return done;
}

static void test_the_first_request_learns_and_the_next_ones_know(void **state)
{
    (void)state;
    Err err;
    assert_true(fetch(&err));
    assert_int_equal(fake.secret_calls, 2);                  /* the challenge, the secret */
    assert_true(fetch(&err) && fetch(&err));
    assert_int_equal(fake.secret_calls, 4);
    assert_int_equal(fake.token_calls, 1);
}

static void test_a_token_refused_before_its_end_is_replaced_once(void **state)
{
    (void)state;
    Err err;
    assert_true(fetch(&err));
    fake.refuse_tokens = 1;
    assert_true(fetch(&err));
    assert_int_equal(fake.token_calls, 2);
    fake.refuse_tokens = 2;
    int calls = fake.secret_calls;
    assert_false(fetch(&err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(fake.secret_calls, calls + 2);          /* no third try */
    fake.refuse_tokens = 1;
    assert_false(fetch(&err));
    assert_int_equal(fake.secret_calls, calls + 3);          /* one that goes on refusing is asked once each time */
    assert_true(fetch(&err));
    fake.refuse_tokens = 1;
    assert_true(fetch(&err));                                /* and after it has taken one, again as at first */
}

static void test_each_refusal_names_who_what_and_the_cure(void **state)
{
    (void)state;
    const struct { int status; const char *secret; ErrCode code; const char *says[3]; } cases[] = {
        { 403, "{\"error\":{\"message\":\"no get\"}}", ERR_DENIED, { "client id client-1", "az keyvault set-policy --name v", "no get" } },
        { 403, "{\"error\":{\"message\":\"m\",\"innererror\":{\"code\":\"ForbiddenByRbac\"}}}", ERR_DENIED,
          { "az role assignment create", "Key Vault Secrets User", "--assignee client-1" } },
        { 403, "{\"error\":{\"message\":\"m\",\"innererror\":{\"code\":\"SecretDisabled\"}}}", ERR_DENIED, { "is disabled", "--enabled true", "vault 'v'" } },
        { 403, "{\"error\":{\"message\":\"m\",\"innererror\":{\"code\":\"ForbiddenByFirewall\"}}}", ERR_DENIED, { "firewall", "network-rule add", "'v'" } },
        { 404, "{}", ERR_NOT_FOUND, { "/secrets/web", "vault 'v'", "create the certificate" } },
        { 500, "nonsense", ERR_UNAVAILABLE, { "vault 'v'", "500", "" } },
        { 429, "{}", ERR_UNAVAILABLE, { "429", "", "" } },
        { 200, "nonsense", ERR_BAD_INPUT, { "", "", "" } },
        { 200, "{}", ERR_UNAVAILABLE, { "names no version", "", "" } },
        { 200, secret_json("text/plain", "https://v/secrets/web/a1"), ERR_BAD_INPUT, { "no certificate", "text/plain", "" } },
        { 200, secret_json("application/x-pkcs12", "https://v/secrets/web/a1"), ERR_BAD_INPUT, { "", "", "" } },
        { 200, secret_json("application/x-pem-file", "https://v/secrets/web/a.b"), ERR_UNAVAILABLE, { "names no version", "", "" } },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Err err;
        fake.secret_status = cases[i].status;
        fake.secret = cases[i].secret;
        assert_false(fetch(&err));
        assert_int_equal(err.code, cases[i].code);
        for (size_t k = 0; k < 3; k++)
            if (!strstr(err.text, cases[i].says[k]))
                fail_msg("case %zu: '%s' does not say '%s'", i, err.text, cases[i].says[k]);
    }
}

static void test_a_missing_identity_and_a_missing_challenge_are_told(void **state)
{
    (void)state;
    Err err;
    fake.token_status = 400;
    assert_false(fetch(&err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_true(strstr(err.text, "Identity not found") && strstr(err.text, "client-1") && strstr(err.text, "msiClientId"));
    fake.token_status = 200;
    fake.has_challenge = false;
    fetcher_free(fetcher);
    assert_true(fetcher_new(NULL, NULL, &fetcher, &err));
    assert_false(fetch(&err));
    assert_non_null(strstr(err.text, "is no vault"));
}

static void test_which_versions_a_vault_knows(void **state)
{
    (void)state;
    static const struct { int status; bool done, known; } cases[] = { { 200, true, true }, { 403, true, true }, { 404, true, false }, { 503, false, false } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool known = false;
        Err err = { 0 };
        fake.secret_status = cases[i].status;
        HttpAnswer answer;
        assert_true(get(fetch_version_url(arena, &observed, STR("a1")), &answer, &err));
        assert_int_equal(fetch_take_known(&observed, &answer, &known, &err), cases[i].done);
        assert_int_equal(known, cases[i].known);
    }
}

/* ---- listening ---- */

typedef struct Told { int ours, all, again; } Told;
static void told(void *ctx, Str vault_url, Str name)
{
    Told *count = ctx;
    assert_true(str_eq(vault_url, observed.vault_url));
    if (name.len)
        assert_true(str_eq_nocase(name, STR("web")));
    count->again += name.ptr && !name.len;
    count->ours += name.len > 0;
    count->all += name.ptr == NULL;
}

static int64_t stepped_ms, step_next_ms;        /* of the last step: when it began, what it answered */

/* Moves the listeners on until the claim holds, a minute at most. */
#define until(listeners, count, claim) do { \
    int64_t end_ = mono_now_ms() + 60000; \
    while (!(claim)) { \
        Err err_ = { 0 }; \
        assert_true(http_wait(fetcher_client(fetcher), NULL, 0, 20, &err_)); \
        stepped_ms = mono_now_ms(); \
        step_next_ms = listeners_step(&(listeners), told, &(count)); \
        if (mono_now_ms() > end_) fail_msg("did not come: %s", #claim); \
    } } while (0)

static void prepare(Listeners *listeners, Told *count)
{
    listeners_prepare(listeners);
    until(*listeners, *count, listeners_is_ready(listeners, observed.vault_url));
}

static void begin(Listeners *listeners, Told *count)
{
    Err err = { 0 };
    assert_true(listeners_new(fetcher, &settings, NULL, NULL, listeners, &err));
    prepare(listeners, count);
    (void)listeners_step(listeners, told, count);
}

static void test_a_change_is_told_when_the_vault_answers(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.changes = "{\"value\":[{\"name\":\"other\"},{\"name\":\"WEB\",\"change\":\"newVersion\"}],\"cursor\":\"c2\",\"reset\":false}";
    begin(&listeners, &count);
    until(listeners, count, http_stats(fake.server).parked == 1);
    assert_string_equal(fake.last_after, "c1");
    assert_int_equal(count.ours, 0);
    http_wake(fake.server, STR("fake"));
    until(listeners, count, count.ours == 1);
    until(listeners, count, strcmp(fake.last_after, "c2") == 0);             /* goes on from the new cursor */
    assert_int_equal(listeners_active(&listeners), 1);
    listeners_done(&listeners);
}

static void test_a_reset_means_look_at_everything(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.changes = "{\"value\":[],\"cursor\":\"c9\",\"reset\":true}";
    begin(&listeners, &count);
    until(listeners, count, http_stats(fake.server).parked == 1);
    http_wake(fake.server, STR("fake"));
    until(listeners, count, count.all == 1);
    listeners_done(&listeners);
}

static void test_a_vault_without_the_feed_is_left_alone_and_asked_again(void **state)
{
    (void)state;
    static const int without[] = { 404, 405, 501 };
    for (size_t i = 0; i < COUNT_OF(without); i++) {
        Listeners listeners;
        Told count = { 0 };
        fake.changes_status = without[i];
        fake.changes = "{}";
        begin(&listeners, &count);
        int calls = fake.changes_calls;
        assert_true(listeners_step(&listeners, told, &count) == INT64_MAX);
        assert_int_equal(listeners_active(&listeners), 0);
        assert_int_equal(fake.changes_calls, calls);
        fake.changes_status = 200;                                           /* it was updated: the next poll finds the feed */
        prepare(&listeners, &count);
        (void)listeners_step(&listeners, told, &count);
        assert_int_equal(listeners_active(&listeners), 1);
        until(listeners, count, http_stats(fake.server).parked >= 1);
        fake.changes_status = without[i];                                    /* and set back while we listen */
        http_wake(fake.server, STR("fake"));
        until(listeners, count, listeners_active(&listeners) == 0);
        assert_true(listeners_step(&listeners, told, &count) == INT64_MAX);
        listeners_done(&listeners);
    }
}

static void test_a_cursor_that_could_not_be_had_is_asked_for_again_and_everything_looked_at(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.changes_status = 503;
    fake.changes = "{}";
    begin(&listeners, &count);                                               /* looks may go on without it */
    int calls = fake.changes_calls;
    fake.changes_status = 200;
    until(listeners, count, listeners_active(&listeners) == 1);
    assert_in_range(fake.changes_calls, calls + 1, calls + 3);
    assert_int_equal(count.all, 1);
    listeners_done(&listeners);
}

static void test_trouble_waits_longer_and_keeps_the_cursor(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.changes = "{\"value\":[{\"name\":\"web\"}],\"cursor\":\"c2\"}";
    begin(&listeners, &count);
    until(listeners, count, http_stats(fake.server).parked == 1);
    fake.changes_status = 503;
    http_wake(fake.server, STR("fake"));
    until(listeners, count, listeners_active(&listeners) == 0);
    assert_in_range(step_next_ms, stepped_ms + 250, mono_now_ms() + 500);
    fake.changes_status = 200;
    fake.last_after[0] = '\0';
    until(listeners, count, http_stats(fake.server).parked == 1);
    assert_string_equal(fake.last_after, "c1");
    http_wake(fake.server, STR("fake"));
    until(listeners, count, count.ours == 1);
    assert_int_equal(count.again, 1);                                        /* what failed may be tried */
    listeners_done(&listeners);
}

/* A parked request says nothing while nothing changes: that the vault is back is heard at once all the same. */
static void be_heard_again(int trouble, const char *says)
{
    Listeners listeners;
    Told count = { 0 };
    begin(&listeners, &count);
    until(listeners, count, http_stats(fake.server).parked == 1);
    fake.changes_status = trouble;
    fake.changes = says;
    http_wake(fake.server, STR("fake"));
    until(listeners, count, listeners_active(&listeners) == 0);
    assert_int_equal(count.again, 0);
    fake.changes_status = 200;
    until(listeners, count, count.again == 1);
    until(listeners, count, http_stats(fake.server).parked == 1);            /* and then it waits as before */
    assert_true(fake.last_waits);
    assert_int_equal(listeners_active(&listeners), 1);
    assert_int_equal(count.again + count.ours + count.all, 1);
    listeners_done(&listeners);
}

static void test_a_vault_that_is_back_is_heard_of_before_anything_changes(void **state) { (void)state; be_heard_again(503, "{}"); }
static void test_so_is_one_that_had_too_much_to_do(void **state) { (void)state; be_heard_again(429, "{}"); }
static void test_so_is_one_that_answered_nonsense(void **state) { (void)state; be_heard_again(200, "nonsense"); }

/* It is there again, but for us only when we may hear: which the vault tells a request that waits. */
static void test_one_who_may_not_hear_any_more_waits_for_the_permission(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.changes = "{\"value\":[],\"cursor\":\"c2\"}";
    begin(&listeners, &count);
    until(listeners, count, http_stats(fake.server).parked == 1);
    fake.changes_status = 503;
    http_wake(fake.server, STR("fake"));
    until(listeners, count, listeners_active(&listeners) == 0);
    fake.changes_status = 403;
    int calls = fake.changes_calls;
    until(listeners, count, fake.changes_calls >= calls + 2 && fake.last_waits);       /* once without waiting, then waiting */
    fake.changes_status = 200;
    until(listeners, count, http_stats(fake.server).parked == 1);
    http_wake(fake.server, STR("fake"));
    until(listeners, count, count.again == 1);
    listeners_done(&listeners);
}

/* Whatever stands between lets short requests through, and none that wait. */
static void test_a_vault_at_which_no_request_can_wait_makes_no_hot_loop(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.parks = false;
    fake.changes = "nonsense";
    int64_t begun_ms = mono_now_ms();
    begin(&listeners, &count);
    until(listeners, count, count.again == 3);               /* each time it seems to be back */
    assert_true(mono_now_ms() - begun_ms >= 250 + 500 + 1000);
    listeners_done(&listeners);
}

static void test_a_vault_that_answers_somebody_else_is_asked_at_once(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    fake.changes = "nonsense";
    fake.parks = false;
    begin(&listeners, &count);
    until(listeners, count, listeners_active(&listeners) == 0 && step_next_ms != INT64_MAX && step_next_ms - stepped_ms > 900);
    int calls = fake.changes_calls;
    listeners_heard(&listeners, observed.vault_url);
    assert_true(listeners_step(&listeners, told, &count) == INT64_MAX);
    until(listeners, count, fake.changes_calls == calls + 1);
    listeners_done(&listeners);
}

static void test_a_vault_that_answers_at_once_makes_no_hot_loop(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{\"value\":[],\"cursor\":\"c1\"}", "{\"value\":[{\"name\":\"other\"}],\"cursor\":\"c1\"}", "nonsense", "{\"value\":[]}" };
    fake.parks = false;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        Listeners listeners;
        Told count = { 0 };
        fake.changes = bodies[i];
        int before = fake.changes_calls;
        int64_t begun = mono_now_ms();
        begin(&listeners, &count);
        until(listeners, count, mono_now_ms() >= begun + 400 && fake.changes_calls >= before + 2);
        assert_true(fake.changes_calls - before <= 3 + (mono_now_ms() - begun) / 100);
        assert_int_equal(count.ours + count.all, 0);
        listeners_done(&listeners);
    }
}

static void test_a_token_that_ended_while_parked_is_replaced(void **state)
{
    (void)state;
    Listeners listeners;
    Told count = { 0 };
    begin(&listeners, &count);
    until(listeners, count, http_stats(fake.server).parked == 1);
    int tokens = fake.token_calls;
    fake.refuse_tokens = 1;
    http_wake(fake.server, STR("fake"));
    until(listeners, count, fake.token_calls == tokens + 1 && http_stats(fake.server).parked == 1);
    fake.refuse_tokens = 1000;                                               /* whatever token comes: at first at once, then slowly */
    int calls = fake.changes_calls;
    http_wake(fake.server, STR("fake"));
    int64_t begun = mono_now_ms();
    until(listeners, count, fake.changes_calls > calls && mono_now_ms() >= begun + 400);
    assert_true(fake.changes_calls - calls <= 3 + (mono_now_ms() - begun) / 250);
    assert_true(fake.token_calls > tokens + 1);                              /* not the one that was refused again and again */
    listeners_done(&listeners);
}

static void test_nobody_listens_when_told_not_to_or_pinned(void **state)
{
    (void)state;
    Listeners listeners;
    Err err = { 0 };
    settings.push = false;
    assert_true(listeners_new(fetcher, &settings, NULL, NULL, &listeners, &err));
    assert_int_equal(listeners.count, 0);
    listeners_done(&listeners);
    settings.push = true;
    observed.pinned = STR("a1");
    assert_true(listeners_new(fetcher, &settings, NULL, NULL, &listeners, &err));
    assert_int_equal(listeners.count, 0);
    listeners_done(&listeners);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_request_learns_and_the_next_ones_know, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_refused_before_its_end_is_replaced_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_refusal_names_who_what_and_the_cure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_missing_identity_and_a_missing_challenge_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_which_versions_a_vault_knows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_is_told_when_the_vault_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reset_means_look_at_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_vault_without_the_feed_is_left_alone_and_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cursor_that_could_not_be_had_is_asked_for_again_and_everything_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trouble_waits_longer_and_keeps_the_cursor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_vault_that_is_back_is_heard_of_before_anything_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_so_is_one_that_had_too_much_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_so_is_one_that_answered_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_who_may_not_hear_any_more_waits_for_the_permission, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_vault_at_which_no_request_can_wait_makes_no_hot_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_vault_that_answers_somebody_else_is_asked_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_vault_that_answers_at_once_makes_no_hot_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_that_ended_while_parked_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_listens_when_told_not_to_or_pinned, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
