/* test_federated.c - which tokens of other issuers an application says are its own, and that nobody is asked about any other. A real issuer answers in
 * tests/system/test_federation.py. */
#include "tenant_fixture.h"
#include "base/encode.h"
#include "crypto/jwt.h"
#include "identity/federated.h"

#define TYPE     "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define NOBODY   "https://127.0.0.1:1/issuer"             /* nothing listens there */
#define AUDIENCE "api://AzureADTokenExchange"

static struct { Tenant tenant; Principal app, other; Str admin, path; KeyRef *key; } w;

static Str object_of(Str app_id)
{
    HttpAnswer got = tenant_ask(&w.tenant, &(Ask){ .method = "GET", .host_labels = "graph", .token = w.admin,
                                .path = str_printf(w.tenant.arena, "/v1.0/applications(appId='" STR_FMT "')", STR_ARG(app_id)).ptr });
    assert_int_equal(got.status, 200);
    return answer_text(&w.tenant, &got, "id");
}

static int setup(void **state)
{
    Str secret;
    (void)state;
    memset(&w, 0, sizeof w);
    tenant_open(&w.tenant);
    w.app = tenant_make_app(&w.tenant, "federated", &secret);
    w.other = tenant_make_app(&w.tenant, "other", &secret);
    w.admin = tenant_admin_token(&w.tenant, "https://graph.microsoft.com/.default");
    w.path = str_printf(w.tenant.arena, "/v1.0/applications/" STR_FMT "/federatedIdentityCredentials", STR_ARG(object_of(w.app.app_id)));
    return key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &w.key, E) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    key_free(w.key);
    tenant_close(&w.tenant);
    return 0;
}

static HttpAnswer graph(const char *method, Str path, const char *body)
{
    return tenant_ask(&w.tenant, &(Ask){ .method = method, .host_labels = "graph", .path = path.ptr, .token = w.admin, .body = body ? str_from(body) : STR_NONE,
                                         .content_type = body ? "application/json" : NULL });
}

static const char *body_of(const char *name, const char *issuer, const char *subject, const char *audience)
{
    return str_printf(w.tenant.arena, "{\"name\":\"%s\",\"issuer\":\"%s\",\"subject\":\"%s\",\"audiences\":[\"%s\"]}", name, issuer, subject, audience).ptr;
}

static Str credential(const char *name, const char *issuer, const char *subject, const char *audience)
{
    HttpAnswer made = graph("POST", w.path, body_of(name, issuer, subject, audience));
    if (made.status != 201)
        fail_msg("%d: " STR_FMT, made.status, STR_ARG(made.body));
    return answer_text(&w.tenant, &made, "id");
}

/* ---- who may sign in ---- */

static Str token_of(const char *issuer, const char *subject, const char *aud_json)
{
    Str token;
    int64_t now_s = real_now_ms() / 1000;
    must(jwt_sign(w.tenant.arena, w.key, SIGN_RS256, STR("\"kid\":\"k\""),
                  str_printf(w.tenant.arena, "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":%s,\"iat\":%lld,\"exp\":%lld}", issuer, subject, aud_json, (long long)now_s, (long long)now_s + 600),
                  &token, E));
    return token;
}

/* The number in the refusal. */
static int64_t refused(Str app_id, const char *issuer, const char *subject, const char *aud_json)
{
    HttpAnswer answer = tenant_sign_in(&w.tenant, str_printf(w.tenant.arena, "client_id=" STR_FMT "&grant_type=client_credentials&client_assertion=" STR_FMT
                                       "&client_assertion_type=" TYPE "&scope=https%%3A%%2F%%2Fvault.azure.net%%2F.default", STR_ARG(app_id),
                                       STR_ARG(token_of(issuer, subject, aud_json))));
    assert_true(answer.status == 400 || answer.status == 401);
    return json_int(json_at(json_get(answer_json(&w.tenant, &answer), "error_codes"), 0), 0);
}

static void test_only_what_is_named_letter_by_letter_is_asked_about(void **state)
{
    static const struct { const char *issuer, *subject, *aud_json; int number; } rows[] = {
        { "https://127.0.0.1:1/other",  "system:sa:a",  "\"" AUDIENCE "\"",               700211 },
        { "https://127.0.0.1:1/issuer/", "system:sa:a", "\"" AUDIENCE "\"",               700211 },
        { "https://127.0.0.1:1/Issuer", "system:sa:a",  "\"" AUDIENCE "\"",               700211 },
        { NOBODY,                       "system:sa:b",  "\"" AUDIENCE "\"",               700213 },
        { NOBODY,                       "System:sa:a",  "\"" AUDIENCE "\"",               700213 },
        { NOBODY,                       "system:sa:a ", "\"" AUDIENCE "\"",               700213 },
        { NOBODY,                       "",             "\"" AUDIENCE "\"",               700213 },
        { NOBODY,                       "system:sa:a",  "\"api://azureadtokenexchange\"", 700212 },
        { NOBODY,                       "system:sa:a",  "[\"x\",\"y\"]",                  700212 },
        { NOBODY,                       "system:sa:a",  "[]",                             700212 },
        { NOBODY,                       "system:sa:a",  "7",                              700212 },
        { NOBODY,                       "system:sa:a",  "\"" AUDIENCE "\"",               50166 },      /* this one's issuer is asked, and does not answer */
        { NOBODY,                       "system:sa:a",  "[\"x\",\"" AUDIENCE "\"]",       50166 },
    };
    (void)state;
    (void)credential("one", NOBODY, "system:sa:a", AUDIENCE);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t number = refused(w.app.app_id, rows[i].issuer, rows[i].subject, rows[i].aud_json);
        if (number != rows[i].number)
            fail_msg("%s %s %s: %lld", rows[i].issuer, rows[i].subject, rows[i].aud_json, (long long)number);
    }
}

/* The parts have to be of one credential, and of this application. */
static void test_parts_of_two_credentials_do_not_make_one(void **state)
{
    (void)state;
    (void)credential("one", NOBODY, "a", AUDIENCE);
    (void)credential("two", "https://127.0.0.1:1/second", "b", "api://second");
    assert_int_equal(refused(w.app.app_id, NOBODY, "b", "\"" AUDIENCE "\""), 700213);
    assert_int_equal(refused(w.app.app_id, NOBODY, "a", "\"api://second\""), 700212);
    assert_int_equal(refused(w.app.app_id, "https://127.0.0.1:1/second", "b", "\"api://second\""), 50166);
    assert_int_equal(refused(w.other.app_id, NOBODY, "a", "\"" AUDIENCE "\""), 70025);
}

static void test_a_credential_that_was_changed_or_removed_counts_at_once(void **state)
{
    (void)state;
    Str one = credential("one", NOBODY, "a", AUDIENCE), path = str_printf(w.tenant.arena, STR_FMT "/" STR_FMT, STR_ARG(w.path), STR_ARG(one));
    assert_int_equal(graph("PATCH", path, "{\"subject\":\"b\"}").status, 204);
    assert_int_equal(refused(w.app.app_id, NOBODY, "a", "\"" AUDIENCE "\""), 700213);
    assert_int_equal(refused(w.app.app_id, NOBODY, "b", "\"" AUDIENCE "\""), 50166);
    assert_int_equal(graph("DELETE", path, NULL).status, 204);
    assert_int_equal(refused(w.app.app_id, NOBODY, "b", "\"" AUDIENCE "\""), 70025);
    assert_int_equal(graph("GET", path, NULL).status, 404);
}

/* ---- what is kept ---- */

static void test_credentials_are_found_by_name_and_id_and_told_whole(void **state)
{
    (void)state;
    Str id = credential("Build", NOBODY, "a", AUDIENCE);
    for (size_t i = 0; i < 3; i++) {
        const char *by = i == 0 ? "build" : i == 1 ? "BUILD" : id.ptr;
        HttpAnswer got = graph("GET", str_printf(w.tenant.arena, STR_FMT "/%s", STR_ARG(w.path), by), NULL);
        assert_int_equal(got.status, 200);
        assert_str(answer_text(&w.tenant, &got, "name"), "Build");
        assert_str(answer_text(&w.tenant, &got, "issuer"), NOBODY);
        assert_str(answer_text(&w.tenant, &got, "subject"), "a");
        assert_str(json_str(json_at(json_get(answer_json(&w.tenant, &got), "audiences"), 0)), AUDIENCE);
    }
    HttpAnswer list = graph("GET", w.path, NULL);
    assert_int_equal(json_count(json_get(answer_json(&w.tenant, &list), "value")), 1);
}

static void test_names_and_tokens_belong_to_one_credential_each(void **state)
{
    (void)state;
    Str id = credential("one", NOBODY, "a", AUDIENCE);
    (void)credential("two", NOBODY, "b", AUDIENCE);
    assert_int_equal(graph("POST", w.path, body_of("ONE", NOBODY, "c", AUDIENCE)).status, 409);
    assert_int_equal(graph("POST", w.path, body_of("three", NOBODY, "a", "api://another")).status, 409);
    assert_int_equal(graph("PATCH", str_printf(w.tenant.arena, STR_FMT "/" STR_FMT, STR_ARG(w.path), STR_ARG(id)), "{\"subject\":\"b\"}").status, 409);
    assert_int_equal(graph("PATCH", str_printf(w.tenant.arena, STR_FMT "/" STR_FMT, STR_ARG(w.path), STR_ARG(id)), "{\"subject\":\"a\"}").status, 204);
}

static void test_there_is_a_most_of_them(void **state)
{
    (void)state;
    for (int i = 0; i < FEDERATED_MAX; i++)
        (void)credential(str_printf(w.tenant.arena, "name-%d", i).ptr, NOBODY, str_printf(w.tenant.arena, "s-%d", i).ptr, AUDIENCE);
    assert_int_equal(graph("POST", w.path, body_of("too-many", NOBODY, "s", AUDIENCE)).status / 100, 4);
    HttpAnswer list = graph("GET", w.path, NULL);
    assert_int_equal(json_count(json_get(answer_json(&w.tenant, &list), "value")), FEDERATED_MAX);
}

static void test_what_no_token_can_have_is_refused_by_name(void **state)
{
    static char longer[FEDERATED_TEXT_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    const struct { Federated credential; const char *field; } rows[] = {
        { { .name = STR("ab"),    .issuer = STR("https://i"),            .subject = STR("s"), .audience = STR("a") }, "name" },
        { { .name = STR("-abc"),  .issuer = STR("https://i"),            .subject = STR("s"), .audience = STR("a") }, "name" },
        { { .name = STR("a/bc"),  .issuer = STR("https://i"),            .subject = STR("s"), .audience = STR("a") }, "name" },
        { { .name = STR("name"),  .issuer = STR("http://i"),             .subject = STR("s"), .audience = STR("a") }, "issuer" },
        { { .name = STR("name"),  .issuer = STR("https:///path"),        .subject = STR("s"), .audience = STR("a") }, "issuer" },
        { { .name = STR("name"),  .issuer = STR("https://u@i"),          .subject = STR("s"), .audience = STR("a") }, "issuer" },
        { { .name = STR("name"),  .issuer = STR("https://i?q=1"),        .subject = STR("s"), .audience = STR("a") }, "issuer" },
        { { .name = STR("name"),  .issuer = STR("https://i#f"),          .subject = STR("s"), .audience = STR("a") }, "issuer" },
        { { .name = STR("name"),  .issuer = STR("https://i\xc3\xbc"),    .subject = STR("s"), .audience = STR("a") }, "issuer" },
        { { .name = STR("name"),  .issuer = STR("https://i"),            .subject = STR(""),  .audience = STR("a") }, "subject" },
        { { .name = STR("name"),  .issuer = STR("https://i"),            .subject = str_from(longer), .audience = STR("a") }, "subject" },
        { { .name = STR("name"),  .issuer = STR("https://i"),            .subject = STR("s"), .audience = STR("") }, "audiences" },
        { { .name = STR("name"),  .issuer = STR("https://i"),            .subject = STR("s"), .audience = str_from(longer) }, "audiences" },
        { { .name = STR("name"),  .issuer = STR("https://i"),            .subject = STR("s"), .audience = STR("a"), .description = str_from(longer) }, "description" },
    };
    const Federated good = { .name = STR("a-B_9"), .issuer = STR("https://i.example/x"), .subject = STR("repo:o/r:ref:refs/heads/main"), .audience = STR("a") };
    Err err = { 0 };
    (void)state;
    assert_true(federated_check(&good, &err));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        err = (Err){ 0 };
        assert_false(federated_check(&rows[i].credential, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, rows[i].field);
    }
    assert_int_equal(graph("POST", w.path, "{\"name\":\"name\",\"issuer\":\"https://i\",\"subject\":\"s\",\"audiences\":[\"a\",\"b\"]}").status, 400);
    assert_int_equal(graph("POST", w.path, "{\"name\":\"name\",\"issuer\":\"https://i\",\"subject\":\"s\",\"audiences\":[]}").status, 400);
    assert_int_equal(graph("POST", w.path, "{\"name\":\"name\",\"issuer\":\"https://i\",\"subject\":\"s\",\"audience\":\"a\"}").status, 400);
    HttpAnswer list = graph("GET", w.path, NULL);
    assert_int_equal(json_count(json_get(answer_json(&w.tenant, &list), "value")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_is_named_letter_by_letter_is_asked_about),
        TEST(test_parts_of_two_credentials_do_not_make_one),
        TEST(test_a_credential_that_was_changed_or_removed_counts_at_once),
        TEST(test_credentials_are_found_by_name_and_id_and_told_whole),
        TEST(test_names_and_tokens_belong_to_one_credential_each),
        TEST(test_there_is_a_most_of_them),
        TEST(test_what_no_token_can_have_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
