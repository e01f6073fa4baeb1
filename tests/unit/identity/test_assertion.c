/* test_assertion.c - sign-in with a certificate, as az and as npm do it, and each refusal: foreign, expired, replayed, for somebody else. */
#include "tenant_fixture.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/certificates/cert.h"
#include "crypto/hash.h"
#include "crypto/jwt.h"
#include "identity/parts.h"

#define HOUR (3600 * (int64_t)1000)
#define TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

typedef struct World { Tenant tenant; Principal app; KeyRef *key, *other_key; Bytes certificate; } World;
static World world;

typedef struct AddCertificate { World *w; int64_t start_ms, end_ms; } AddCertificate;

static bool add_certificate(Txn *txn, void *ctx, Err *err)
{
    AddCertificate *add = ctx;
    return principal_add_certificate(add->w->tenant.identity, txn, add->w->tenant.arena, add->w->app.app_id, STR("test"), add->w->certificate, add->start_ms, add->end_ms, err);
}

static bool drop_certificates(Txn *txn, void *ctx, Err *err)
{
    World *w = ctx;
    return txn_exec(txn, NULL, err, "DELETE FROM identity_credential WHERE app_id = ?1 AND certificate IS NOT NULL", db_text(w->app.app_id));
}

static void only_valid(World *w, int64_t start_ms, int64_t end_ms)
{
    AddCertificate add = { w, start_ms, end_ms };
    must(store_write(w->tenant.site.store, drop_certificates, w, E));
    must(store_write(w->tenant.site.store, add_certificate, &add, E));
}

static int setup(void **state)
{
    World *w = &world;
    Str secret;
    tenant_open(&w->tenant);
    w->app = tenant_make_app(&w->tenant, "with certificate", &secret);
    must(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &w->key, E));
    must(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &w->other_key, E));
    /* Its own dates are long past: the credential's window decides. */
    CertSpec spec = { .subject = STR("CN=batch.cert.mydomain.org"), .path_length = -1, .not_before_ms = HOUR, .not_after_ms = 2 * HOUR };
    must(cert_self_sign(w->tenant.arena, w->key, &spec, &w->certificate, E));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;
    key_free(w->key);
    key_free(w->other_key);
    tenant_close(&w->tenant);
    return 0;
}

/* What makes one assertion different from az's good one. Absent members are the good values. */
typedef struct Shape {
    const char *what;
    Str iss, sub, aud_json, jti, x5t_member;
    int64_t from_ms, life_ms;               /* relative to now; life 0: 10 min */
    SignAlg alg;
    bool by_sha256, padded, fractional, other_key, no_exp;
} Shape;

static Str aud_of(World *w, const char *path)
{
    return str_printf(w->tenant.arena, "\"https://login.vaultyard.localhost:%d%s\"", w->tenant.site.names.port, path);
}

static Str hybrid_aud(World *w)
{
    Str path = str_printf(w->tenant.arena, "/adfs/t/" STR_FMT "/oauth2/token", STR_ARG(w->tenant.boot.tenant_id));
    return aud_of(w, path.ptr);
}

static Str assertion(World *w, const Shape *s)
{
    Arena *arena = w->tenant.arena;
    CertInfo info;
    Str token;
    must(cert_read(arena, w->certificate, &info, E));
    Str thumbprint = s->by_sha256 ? base64url_encode(arena, (Bytes){ info.sha256, 32 }) : base64url_encode(arena, (Bytes){ info.sha1, 20 });
    Str header = s->x5t_member.ptr ? s->x5t_member : str_printf(arena, "\"%s\":\"" STR_FMT "%s\"", s->by_sha256 ? "x5t#S256" : "x5t", STR_ARG(thumbprint), s->padded ? "=" : "");
    double now = (double)real_now_ms() / 1000, life = (double)(s->life_ms ? s->life_ms : 600 * 1000) / 1000, from = now + (double)s->from_ms / 1000;
    Str iss = s->iss.ptr ? s->iss : w->app.app_id, sub = s->sub.ptr ? s->sub : w->app.app_id;
    Str times = s->fractional ? str_printf(arena, "\"iat\":%.6f,\"exp\":%.6f", from, from + life) : str_printf(arena, "\"nbf\":%.0f,\"exp\":%.0f", from, from + life);
    if (s->no_exp)
        times = str_printf(arena, "\"iat\":%.0f", from);
    Str jti = s->jti.ptr ? s->jti : guid_new(arena);
    Str claims = str_printf(arena, "{\"aud\":" STR_FMT ",\"iss\":\"" STR_FMT "\",\"sub\":\"" STR_FMT "\",\"jti\":\"" STR_FMT "\"," STR_FMT "}",
                            STR_ARG(s->aud_json.ptr ? s->aud_json : hybrid_aud(w)), STR_ARG(iss), STR_ARG(sub), STR_ARG(jti), STR_ARG(times));
    must(jwt_sign(arena, s->other_key ? w->other_key : w->key, s->alg ? s->alg : SIGN_RS256, header, claims, &token, E));
    return token;
}

static HttpAnswer present(World *w, Str token, Str client_id)
{
    Str form = str_printf(w->tenant.arena, "client_id=" STR_FMT "&grant_type=client_credentials&client_assertion=" STR_FMT "&client_assertion_type=" TYPE
                          "&scope=https%%3A%%2F%%2Fvault.azure.net%%2F.default", STR_ARG(client_id), STR_ARG(token));
    return tenant_sign_in(&w->tenant, form);
}

static int64_t number_of(World *w, const HttpAnswer *answer)
{
    return json_int(json_at(json_get(answer_json(&w->tenant, answer), "error_codes"), 0), 0);
}

static void assert_good(World *w, const Shape *shape)
{
    HttpAnswer answer = present(w, assertion(w, shape), w->app.app_id);
    if (answer.status != 200)
        fail_msg("%s: " STR_FMT, shape->what, STR_ARG(answer.body));
    Jwt jwt;
    must(jwt_parse(w->tenant.arena, answer_text(&w->tenant, &answer, "access_token"), &jwt, E));
    assert_str(json_str(json_get(jwt.claims, "appidacr")), "2");
    assert_true(str_eq(json_str(json_get(jwt.claims, "oid")), w->app.object_id));
}

static void test_az_and_npm_sign_in(void **state)
{
    World *w = *state;
    Arena *arena = w->tenant.arena;
    only_valid(w, real_now_ms() - HOUR, real_now_ms() + HOUR);
    assert_good(w, &(Shape){ .what = "az", .fractional = true, .padded = true });
    assert_good(w, &(Shape){ .what = "npm", .alg = SIGN_PS256, .by_sha256 = true });
    assert_good(w, &(Shape){ .what = "padded SHA-256", .by_sha256 = true, .padded = true });
    static const char *const paths[] = { "/adfs/oauth2/token", "/adfs" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_good(w, &(Shape){ .what = paths[i], .aud_json = aud_of(w, paths[i]) });
    static const char *const shapes[] = { "/%s/oauth2/v2.0/token", "/%s/oauth2/token", "/%s/v2.0", "/%s/" };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        Str rest = str_from(shapes[i]), tail;
        tail = str_slice(rest, 3, rest.len);
        Str path = str_printf(arena, "/" STR_FMT STR_FMT, STR_ARG(w->tenant.boot.tenant_id), STR_ARG(tail));
        assert_good(w, &(Shape){ .what = shapes[i], .aud_json = aud_of(w, path.ptr) });
    }
    assert_good(w, &(Shape){ .what = "a list of audiences", .aud_json = str_printf(arena, "[\"https://x.example\"," STR_FMT "]", STR_ARG(hybrid_aud(w))) });
    HttpAnswer without_id = present(w, assertion(w, &(Shape){ .what = "no client_id" }), STR(""));
    assert_int_equal(without_id.status, 200);                            /* sub says it */
}

static void test_each_wrong_assertion_has_its_number(void **state)
{
    World *w = *state;
    Arena *arena = w->tenant.arena;
    only_valid(w, real_now_ms() - HOUR, real_now_ms() + HOUR);
    Str stranger = STR("99999999-0000-4000-8000-000000000009");
    const struct { Shape shape; int64_t number; } cases[] = {
        { { .what = "another key", .other_key = true }, 700027 },
        { { .what = "an unknown certificate", .x5t_member = STR("\"x5t\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAA\"") }, 700027 },
        { { .what = "no certificate named", .x5t_member = STR("\"x\":1") }, 50027 },
        { { .what = "a thumbprint of the wrong length", .x5t_member = STR("\"x5t\":\"AAAA\"") }, 50027 },
        { { .what = "a thumbprint in no base64", .x5t_member = STR("\"x5t\":\"!!\"") }, 50027 },
        { { .what = "an algorithm that we do not take", .alg = SIGN_RS512 }, 50027 },
        { { .what = "another issuer", .iss = stranger }, 700021 },
        { { .what = "another subject", .sub = stranger }, 700021 },
        { { .what = "another audience", .aud_json = STR("\"https://login.evil.example/x/oauth2/v2.0/token\"") }, 700023 },
        { { .what = "no audience", .aud_json = STR("null") }, 700023 },
        { { .what = "an audience that only starts like ours", .aud_json = aud_of(w, "/adfs/oauth2/token/x") }, 700023 },
        { { .what = "another tenant's endpoint", .aud_json = aud_of(w, "/99999999-0000-4000-8000-000000000009/oauth2/token") }, 700023 },
        { { .what = "its end in the past", .from_ms = -HOUR }, 700024 },
        { { .what = "its beginning in the future", .from_ms = HOUR }, 700024 },
        { { .what = "a life of two days", .life_ms = 48 * HOUR }, 700024 },
        { { .what = "no end", .no_exp = true }, 50027 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HttpAnswer answer = present(w, assertion(w, &cases[i].shape), w->app.app_id);
        if (answer.status == 200 || number_of(w, &answer) != cases[i].number)
            fail_msg("%s: %d " STR_FMT, cases[i].shape.what, answer.status, STR_ARG(answer.body));
    }
    Str good = assertion(w, &(Shape){ .what = "good" });
    HttpAnswer answer = present(w, good, w->tenant.boot.admin_app_id);               /* somebody else's client id */
    assert_int_equal(number_of(w, &answer), 700027);
    char *tampered = (char *)str_dup(arena, good).ptr;
    tampered[good.len / 2] ^= 1;
    answer = present(w, (Str){ tampered, good.len }, w->app.app_id);
    assert_int_not_equal(answer.status, 200);
}

static void test_window_of_the_credential_decides(void **state)
{
    World *w = *state;
    int64_t now = real_now_ms();
    only_valid(w, now - 2 * HOUR, now - HOUR);
    HttpAnswer answer = present(w, assertion(w, &(Shape){ .what = "expired" }), w->app.app_id);
    assert_int_equal(number_of(w, &answer), 700027);
    assert_non_null(strstr(answer.body.ptr, "The key used is expired."));
    only_valid(w, now + HOUR, now + 2 * HOUR);
    answer = present(w, assertion(w, &(Shape){ .what = "not yet" }), w->app.app_id);
    assert_non_null(strstr(answer.body.ptr, "not valid yet"));
    must(store_write(w->tenant.site.store, drop_certificates, w, E));
    answer = present(w, assertion(w, &(Shape){ .what = "removed" }), w->app.app_id);
    assert_non_null(strstr(answer.body.ptr, "The key was not found."));
    only_valid(w, now - HOUR, now + HOUR);
    assert_good(w, &(Shape){ .what = "valid" });
}

/* As it comes from `address`. */
static bool checked_from(World *w, Str token, const char *address, Err *err)
{
    Str client_id;
    Req req = { .arena = w->tenant.arena, .host = str_printf(w->tenant.arena, "login.vaultyard.localhost:%d", w->tenant.site.names.port), .client_ip = str_from(address),
                .real_ms = real_now_ms() };
    *err = (Err){ 0 };
    Jwt external;
    return assertion_check(w->tenant.identity, &req, token, w->app.app_id, &client_id, &external, err) && !external.claims;
}

static void test_replays_are_refused(void **state)
{
    World *w = *state;
    Err err;
    only_valid(w, real_now_ms() - HOUR, real_now_ms() + HOUR);
    Str first = assertion(w, &(Shape){ .what = "first" });
    assert_true(checked_from(w, first, "10.0.0.1", &err));
    assert_true(checked_from(w, first, "10.0.0.1", &err));                /* MSAL presents one for ten minutes */
    assert_false(checked_from(w, first, "10.0.0.2", &err));
    assert_string_equal(err.inner, "50027");
    assert_false(checked_from(w, first, "127.0.0.1", &err));

    Str same_jti = STR("11111111-1111-4111-8111-111111111111");
    assert_true(checked_from(w, assertion(w, &(Shape){ .what = "a", .jti = same_jti }), "10.0.0.1", &err));
    assert_false(checked_from(w, assertion(w, &(Shape){ .what = "b", .jti = same_jti, .life_ms = 300 * 1000 }), "10.0.0.1", &err));
    assert_string_equal(err.inner, "50027");

    Str local = assertion(w, &(Shape){ .what = "local" });                /* ::1 and 127.0.0.1 are one machine */
    assert_true(checked_from(w, local, "::1", &err));
    assert_true(checked_from(w, local, "127.0.0.1", &err));
    assert_false(checked_from(w, local, "10.0.0.1", &err));

    Str no_jti = assertion(w, &(Shape){ .what = "empty jti", .jti = STR("") });
    assert_true(checked_from(w, no_jti, "10.0.0.1", &err));
    assert_false(checked_from(w, no_jti, "10.0.0.2", &err));
}

static void test_replays_are_remembered_over_a_restart_and_forgotten_in_time(void **state)
{
    World *w = *state;
    Err err;
    only_valid(w, real_now_ms() - HOUR, real_now_ms() + HOUR);
    int port = w->tenant.site.names.port;
    Str token = assertion(w, &(Shape){ .what = "before" });
    assert_true(checked_from(w, token, "10.0.0.1", &err));
    tenant_restart(&w->tenant);
    w->tenant.site.names.port = port;
    assert_false(checked_from(w, token, "10.0.0.2", &err));
    assert_true(read_int(w->tenant.site.store, "SELECT count(*) FROM identity_assertion") > 0);
    write_sql(w->tenant.site.store, "UPDATE identity_assertion SET ends_ms = 1");
    assert_true(checked_from(w, assertion(w, &(Shape){ .what = "after" }), "10.0.0.1", &err));
    assert_int_equal(read_int(w->tenant.site.store, "SELECT count(*) FROM identity_assertion"), 1);
}

static void test_certificates_without_rsa_are_refused(void **state)
{
    World *w = *state;
    AUTO(key_free_auto) KeyRef *key = NULL;
    World other = *w;
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, E));
    CertSpec spec = { .subject = STR("CN=x"), .path_length = -1, .not_before_ms = HOUR, .not_after_ms = 2 * HOUR };
    must(cert_self_sign(w->tenant.arena, key, &spec, &other.certificate, E));
    AddCertificate add = { &other, real_now_ms(), real_now_ms() + HOUR };
    Err err = { 0 };
    assert_false(store_write(w->tenant.site.store, add_certificate, &add, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    add = (AddCertificate){ w, real_now_ms(), real_now_ms() };
    assert_false(store_write(w->tenant.site.store, add_certificate, &add, &err));        /* ends as it begins */
    other.certificate = bytes_of(STR("no certificate"));
    add = (AddCertificate){ &other, real_now_ms(), real_now_ms() + HOUR };
    assert_false(store_write(w->tenant.site.store, add_certificate, &add, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_az_and_npm_sign_in),
        cmocka_unit_test(test_each_wrong_assertion_has_its_number),
        cmocka_unit_test(test_window_of_the_credential_decides),
        cmocka_unit_test(test_replays_are_refused),
        cmocka_unit_test(test_replays_are_remembered_over_a_restart_and_forgotten_in_time),
        cmocka_unit_test(test_certificates_without_rsa_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
