/* test_login.c - discovery, keys and the token endpoint, over HTTP: what clients need, and each refusal with Entra's number. */
#include "tenant_fixture.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/jwt.h"

static Tenant tenant;

static int setup(void **state)
{
    tenant_open(&tenant);
    *state = &tenant;
    return 0;
}

static int teardown(void **state)
{
    tenant_close(*state);
    return 0;
}

static HttpAnswer get(Tenant *t, const char *fmt, Str tenant_id)
{
    size_t at = 0;
    (void)str_find(str_from(fmt), STR("@"), &at);
    Str path = str_printf(t->arena, STR_FMT STR_FMT "%s", STR_ARG(str_slice(str_from(fmt), 0, at)), STR_ARG(tenant_id), fmt + at + 1);
    return tenant_ask(t, &(Ask){ "GET", "login", at ? path.ptr : fmt });
}

static void test_discovery_echoes_the_host_on_all_authority_shapes(void **state)
{
    Tenant *t = *state;
    static const struct { const char *path, *authority, *token, *issuer; } shapes[] = {
        { "/@/v2.0/.well-known/openid-configuration", "/@",         "/oauth2/v2.0/token", "/v2.0" },
        { "/@/.well-known/openid-configuration",      "/@",         "/oauth2/token",      "/" },
        { "/adfs/.well-known/openid-configuration",   "/adfs",      "/oauth2/token",      "" },
        { "/adfs/t/@/.well-known/openid-configuration", "/adfs/t/@", "/oauth2/token",     "" },
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        HttpAnswer answer = get(t, shapes[i].path, t->boot.tenant_id);
        assert_int_equal(answer.status, 200);
        Str shape = str_from(shapes[i].authority);
        size_t at;
        if (str_find(shape, STR("@"), &at))
            shape = str_printf(t->arena, STR_FMT STR_FMT, STR_ARG(str_slice(shape, 0, at)), STR_ARG(t->boot.tenant_id));
        Str authority = str_printf(t->arena, "https://login.vaultyard.localhost:%d" STR_FMT, t->site.names.port, STR_ARG(shape));
        assert_true(str_eq(answer_text(t, &answer, "token_endpoint"), str_printf(t->arena, STR_FMT "%s", STR_ARG(authority), shapes[i].token)));
        assert_true(str_eq(answer_text(t, &answer, "issuer"), str_printf(t->arena, STR_FMT "%s", STR_ARG(authority), shapes[i].issuer)));
        assert_true(str_starts(answer_text(t, &answer, "authorization_endpoint"), authority));
        assert_true(str_starts(answer_text(t, &answer, "jwks_uri"), authority));
    }
}

static void test_unknown_tenants_are_refused(void **state)
{
    Tenant *t = *state;
    HttpAnswer answer = get(t, "/@/v2.0/.well-known/openid-configuration", STR("99999999-0000-4000-8000-000000000009"));
    assert_int_equal(answer.status, 400);
    assert_str(answer_text(t, &answer, "error"), "invalid_request");
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 90002);
    answer = get(t, "/@/.well-known/openid-configuration", STR("nowhere"));
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 900023);
    answer = get(t, "/@/discovery/keys", STR("other.example"));
    assert_int_equal(answer.status, 400);
}

static void test_instance_discovery_brings_the_port(void **state)
{
    Tenant *t = *state;
    HttpAnswer answer = get(t, "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.vaultyard.localhost/@/oauth2/v2.0/authorize", t->boot.tenant_id);
    assert_int_equal(answer.status, 200);
    Str wanted = str_printf(t->arena, "https://login.vaultyard.localhost:%d/" STR_FMT "/v2.0/.well-known/openid-configuration", t->site.names.port, STR_ARG(t->boot.tenant_id));
    assert_true(str_eq(answer_text(t, &answer, "tenant_discovery_endpoint"), wanted));
    answer = get(t, "/common/discovery/instance?authorization_endpoint=https://login.evil.example/@/oauth2/v2.0/authorize", t->boot.tenant_id);
    assert_int_equal(answer.status, 400);
    assert_str(answer_text(t, &answer, "error"), "invalid_instance");
    answer = tenant_ask(t, &(Ask){ "GET", "login", "/common/discovery/instance" });
    assert_int_equal(answer.status, 400);
}

/* What any client of the keys does: the token's kid is listed, and its signature holds under that key. */
static void test_tokens_verify_against_the_listed_keys(void **state)
{
    Tenant *t = *state;
    Str token = tenant_admin_token(t, "https://management.azure.com/.default");
    HttpAnswer keys = get(t, "/@/discovery/v2.0/keys", t->boot.tenant_id);
    assert_int_equal(keys.status, 200);
    Jwt jwt;
    must(jwt_parse(t->arena, token, &jwt, E));
    const JsonVal *list = json_get(answer_json(t, &keys), "keys");
    bool found = false;
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *one = json_at(list, i);
        if (!str_eq(json_str(json_get(one, "kid")), jwt.kid))
            continue;
        KeyPublic parts = { .kind = KEY_RSA };
        AUTO(key_free_auto) KeyRef *key = NULL;
        must(base64url_decode(t->arena, json_str(json_get(one, "n")), &parts.n, E));
        must(base64url_decode(t->arena, json_str(json_get(one, "e")), &parts.e, E));
        must(key_from_public(&parts, &key, E));
        must(jwt_check(&jwt, key, E));
        found = true;
    }
    assert_true(found);
    assert_str(json_str(json_get(jwt.header, "alg")), "RS256");
    assert_str(json_str(json_get(jwt.header, "typ")), "JWT");
}

static void test_claims_are_those_of_real_tokens(void **state)
{
    Tenant *t = *state;
    Jwt jwt;
    Str resource = str_printf(t->arena, "https://management.vaultyard.localhost:%d/", t->site.names.port);
    Str scope = str_printf(t->arena, STR_FMT "/.default", STR_ARG(resource));         /* az writes a double slash */
    must(jwt_parse(t->arena, tenant_admin_token(t, scope.ptr), &jwt, E));
    assert_true(str_eq(json_str(json_get(jwt.claims, "aud")), resource));
    assert_true(str_eq(json_str(json_get(jwt.claims, "oid")), t->boot.admin_object_id));
    assert_true(str_eq(json_str(json_get(jwt.claims, "sub")), t->boot.admin_object_id));
    assert_true(str_eq(json_str(json_get(jwt.claims, "appid")), t->boot.admin_app_id));
    assert_true(str_eq(json_str(json_get(jwt.claims, "tid")), t->boot.tenant_id));
    assert_str(json_str(json_get(jwt.claims, "idtyp")), "app");
    assert_str(json_str(json_get(jwt.claims, "appidacr")), "1");
    assert_str(json_str(json_get(jwt.claims, "ver")), "1.0");
    assert_int_equal(json_int(json_get(jwt.claims, "exp"), 0) - json_int(json_get(jwt.claims, "iat"), 0), 3600);
    assert_true(json_str(json_get(jwt.claims, "uti")).len > 10);
    assert_null(json_get(jwt.claims, "xms_mirid"));
}

static void test_v1_requests_get_v1_replies(void **state)
{
    Tenant *t = *state;
    Str form = str_printf(t->arena, "client_id=" STR_FMT "&grant_type=client_credentials&client_secret=" STR_FMT "&resource=https%%3A%%2F%%2Fvault.azure.net",
                          STR_ARG(t->boot.admin_app_id), STR_ARG(percent_encode(t->arena, t->boot.admin_secret)));
    HttpAnswer answer = tenant_ask(t, &(Ask){ "POST", "login", "/adfs/oauth2/token", .body = form, .content_type = "application/x-www-form-urlencoded" });
    assert_int_equal(answer.status, 200);
    assert_int_equal(json_kind(json_get(answer_json(t, &answer), "expires_in")), JSON_STR);
    assert_str(answer_text(t, &answer, "resource"), "https://vault.azure.net");
    assert_str(http_answer_header(&answer, "Cache-Control"), "no-store, no-cache");
}

static void test_secret_in_a_basic_header(void **state)
{
    Tenant *t = *state;
    Str pair = str_printf(t->arena, STR_FMT ":" STR_FMT, STR_ARG(t->boot.admin_app_id), STR_ARG(percent_encode(t->arena, t->boot.admin_secret)));
    Str basic = str_printf(t->arena, "Basic " STR_FMT, STR_ARG(base64_encode(t->arena, bytes_of(pair))));
    Str path = str_printf(t->arena, "/adfs/t/" STR_FMT "/oauth2/token", STR_ARG(t->boot.tenant_id));
    Ask ask = { "POST", "login", path.ptr, .body = STR("grant_type=client_credentials&scope=https://vault.azure.net/.default"), .content_type = "application/x-www-form-urlencoded",
                .authorization = basic };
    assert_int_equal(tenant_ask(t, &ask).status, 200);
    ask.body = str_printf(t->arena, "grant_type=client_credentials&scope=https://vault.azure.net/.default&client_secret=x");
    assert_int_equal(tenant_ask(t, &ask).status, 400);                                   /* proved twice */
    ask.body = STR("grant_type=client_credentials&scope=https://vault.azure.net/.default");
    ask.authorization = STR("Basic !!!");
    assert_int_equal(tenant_ask(t, &ask).status, 401);
}

typedef struct Refusal { const char *form; int status; int64_t number; const char *error; } Refusal;

/* "@id" and "@secret" stand for the administrator's. */
static Str filled(Tenant *t, const char *form)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    buf_init(&out, 8192);
    for (const char *p = form; *p;) {
        if (strncmp(p, "@id", 3) == 0) {
            buf_put_str(&out, t->boot.admin_app_id);
            p += 3;
        } else if (strncmp(p, "@secret", 7) == 0) {
            buf_put_str(&out, percent_encode(t->arena, t->boot.admin_secret));
            p += 7;
        } else {
            buf_put_char(&out, *p++);
        }
    }
    return str_dup(t->arena, buf_str(&out));
}

#define GOOD "grant_type=client_credentials&client_id=@id&client_secret=@secret"
#define SCOPE "&scope=https://vault.azure.net/.default"

static void test_each_bad_form_has_its_number(void **state)
{
    Tenant *t = *state;
    static const Refusal cases[] = {
        { "x=y", 400, 900144, "invalid_request" },
        { "grant_type=password" SCOPE, 400, 70003, "unsupported_grant_type" },
        { "grant_type=client_credentials" SCOPE, 400, 900144, "invalid_request" },
        { "grant_type=client_credentials&client_id=@id" SCOPE, 401, 7000216, "invalid_client" },
        { "grant_type=client_credentials&client_id=@id&client_secret=wrong" SCOPE, 401, 7000215, "invalid_client" },
        { "grant_type=client_credentials&client_id=@id&client_secret=@secretx" SCOPE, 401, 7000215, "invalid_client" },
        { "grant_type=client_credentials&client_id=99999999-0000-4000-8000-000000000009&client_secret=@secret" SCOPE, 400, 700016, "unauthorized_client" },
        { "grant_type=client_credentials&client_id=x'y&client_secret=@secret" SCOPE, 400, 700016, "unauthorized_client" },
        { GOOD, 400, 900144, "invalid_request" },
        { GOOD "&scope=https://vault.azure.net", 400, 1002012, "invalid_scope" },
        { GOOD "&scope=/.default", 400, 1002012, "invalid_scope" },
        { GOOD "&scope=https://vault.azure.net/.default%20offline_access", 400, 70011, "invalid_scope" },
        { GOOD "&scope=https://nobody.example/.default", 400, 500011, "invalid_resource" },
        { GOOD SCOPE SCOPE, 400, 9000411, "invalid_request" },
        { GOOD "&Client_Id=@id" SCOPE, 400, 9000411, "invalid_request" },
        { GOOD SCOPE "&x=%zz", 400, 90100, "invalid_request" },
        { GOOD SCOPE "&x=%00", 400, 90100, "invalid_request" },
        { GOOD SCOPE "&client_assertion=a.b.c&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", 400, 90013, "invalid_request" },
        { "grant_type=client_credentials&client_id=@id&client_assertion=a.b.c" SCOPE, 400, 900144, "invalid_request" },
        { "grant_type=client_credentials&client_id=@id&client_assertion=a.b.c&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer" SCOPE, 400, 50027, "invalid_request" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HttpAnswer answer = tenant_sign_in(t, filled(t, cases[i].form));
        const JsonVal *body = answer_json(t, &answer);
        int64_t number = json_int(json_at(json_get(body, "error_codes"), 0), 0);
        if (answer.status != cases[i].status || number != cases[i].number || !str_eq(json_str(json_get(body, "error")), str_from(cases[i].error)))
            fail_msg("%s: %d " STR_FMT, cases[i].form, answer.status, STR_ARG(answer.body));
        Str start = str_printf(t->arena, "AADSTS%lld: ", (long long)number);
        assert_true(str_starts(json_str(json_get(body, "error_description")), start));
        assert_true(guid_is_valid(json_str(json_get(body, "trace_id"))) && guid_is_valid(json_str(json_get(body, "correlation_id"))));
    }
    HttpAnswer answer = tenant_sign_in(t, filled(t, GOOD SCOPE "&x-client-SKU=msal.js.node&claims=%7B%7D"));
    assert_int_equal(answer.status, 200);                                                /* foreign fields are ignored */
}

static void test_common_authority_cannot_give_tokens(void **state)
{
    Tenant *t = *state;
    HttpAnswer answer = tenant_ask(t, &(Ask){ "POST", "login", "/common/oauth2/v2.0/token", .body = filled(t, GOOD SCOPE), .content_type = "application/x-www-form-urlencoded" });
    assert_int_equal(answer.status, 400);
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 50059);
}

typedef struct Window { Tenant *t; Str app_id, secret; int64_t valid_ms; } Window;

static bool add_secret(Txn *txn, void *ctx, Err *err)
{
    Window *w = ctx;
    return principal_add_secret(w->t->identity, txn, w->t->arena, w->app_id, STR("short"), w->valid_ms, &w->secret, err);
}

static bool age_secrets(Txn *txn, void *ctx, Err *err)
{
    Window *w = ctx;
    return txn_exec(txn, NULL, err, "UPDATE identity_credential SET start_ms = 1, end_ms = 2 WHERE app_id = ?1", db_text(w->app_id));
}

static void test_expired_secret_is_told_only_to_who_knows_it(void **state)
{
    Tenant *t = *state;
    Str first;
    Principal app = tenant_make_app(t, "expiring", &first);
    Window w = { .t = t, .app_id = app.app_id, .valid_ms = 3600 * 1000 };
    must(store_write(t->site.store, age_secrets, &w, E));
    HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, app.app_id, first, "https://vault.azure.net/.default"));
    assert_int_equal(answer.status, 401);
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 7000222);
    answer = tenant_sign_in(t, tenant_secret_form(t, app.app_id, STR("wrong"), "https://vault.azure.net/.default"));
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 7000215);
    must(store_write(t->site.store, add_secret, &w, E));
    answer = tenant_sign_in(t, tenant_secret_form(t, app.app_id, w.secret, "https://vault.azure.net/.default"));
    assert_int_equal(answer.status, 200);
}

static void test_secrets_are_forty_random_characters_and_not_kept(void **state)
{
    Tenant *t = *state;
    Str secret, other;
    Principal app = tenant_make_app(t, "random", &secret);
    (void)tenant_make_app(t, "random too", &other);
    assert_int_equal(secret.len, 40);
    assert_false(str_eq(secret, other));
    assert_true((secret.ptr[0] >= '0' && secret.ptr[0] <= '9') || (secret.ptr[0] >= 'A' && secret.ptr[0] <= 'Z') || (secret.ptr[0] >= 'a' && secret.ptr[0] <= 'z'));
    (void)app;
    /* Nothing on disk holds it. */
    static const char *const files[] = { "store.db", "store.db-wal" };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        Str content;
        size_t at;
        Str path = str_printf(t->arena, "%s/%s", t->place.dir, files[i]);
        AUTO(arena_free_auto) Arena *arena = arena_new(256 << 20);
        must(file_read(arena, path.ptr, 128 << 20, &content, E));
        assert_false(str_find(content, secret, &at));
    }
}

static void test_user_flows_say_that_they_are_not_there(void **state)
{
    Tenant *t = *state;
    HttpAnswer answer = get(t, "/@/oauth2/v2.0/authorize", t->boot.tenant_id);
    assert_int_equal(answer.status, 501);
    answer = get(t, "/@/oauth2/v2.0/token", t->boot.tenant_id);
    assert_int_equal(answer.status, 405);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery_echoes_the_host_on_all_authority_shapes),
        cmocka_unit_test(test_unknown_tenants_are_refused),
        cmocka_unit_test(test_instance_discovery_brings_the_port),
        cmocka_unit_test(test_tokens_verify_against_the_listed_keys),
        cmocka_unit_test(test_claims_are_those_of_real_tokens),
        cmocka_unit_test(test_v1_requests_get_v1_replies),
        cmocka_unit_test(test_secret_in_a_basic_header),
        cmocka_unit_test(test_each_bad_form_has_its_number),
        cmocka_unit_test(test_common_authority_cannot_give_tokens),
        cmocka_unit_test(test_expired_secret_is_told_only_to_who_knows_it),
        cmocka_unit_test(test_secrets_are_forty_random_characters_and_not_kept),
        cmocka_unit_test(test_user_flows_say_that_they_are_not_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
