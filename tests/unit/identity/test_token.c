/* test_token.c - what token_check lets through, and each way in which a token is no token of ours. */
#include "tenant_fixture.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/jwt.h"
#include "identity/parts.h"

static Tenant tenant;
static Str audience = { "https://vault.azure.net", 23 };

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

static Principal admin(Tenant *t)
{
    return (Principal){ .object_id = t->boot.admin_object_id, .app_id = t->boot.admin_app_id, .kind = PRINCIPAL_APP, .enabled = true };
}

static Str issued(Tenant *t, const Principal *principal, Str to)
{
    Str token;
    int64_t expires_ms;
    must(token_issue(t->identity, t->arena, principal, to, &token, &expires_ms, E));
    assert_true(expires_ms > real_now_ms());
    return token;
}

/* The outcome: "" or the name of the refusal. */
static const char *checked(Tenant *t, Str token, Str to, int64_t now_ms)
{
    const Caller *caller = NULL;
    Err err = { 0 };
    if (token_check(t->identity, t->arena, token, &to, 1, now_ms, &caller, &err)) {
        assert_non_null(caller);
        return "";
    }
    assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    assert_null(caller);
    return err.name;
}

static void test_good_token_names_its_caller(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    Str token = issued(t, &p, STR("https://VAULT.azure.net/"));
    for (int round = 0; round < 2; round++) {                    /* verified, then from the cache */
        const Caller *caller;
        must(token_check(t->identity, t->arena, token, &audience, 1, real_now_ms(), &caller, E));
        assert_true(str_eq(caller->object_id, p.object_id));
        assert_true(str_eq(caller->app_id, p.app_id));
        assert_true(str_eq(caller->tenant_id, t->boot.tenant_id));
        assert_str(caller->id_type, "app");
        assert_str(caller->name, "Vaultyard administrator");
        assert_true(caller->expires_ms > real_now_ms());
    }
}

static void test_wrong_audience_names_both(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    Str token = issued(t, &p, STR("https://management.azure.com"));
    const Caller *caller;
    Err err = { 0 };
    assert_string_equal(checked(t, token, audience, real_now_ms()), "audience");
    assert_string_equal(checked(t, token, STR("https://management.azure.com.evil.example"), real_now_ms()), "audience");
    assert_false(token_check(t->identity, t->arena, token, &audience, 1, real_now_ms(), &caller, &err));
    assert_non_null(strstr(err.text, "https://management.azure.com"));
    assert_non_null(strstr(err.text, "https://vault.azure.net"));
    assert_false(token_check(t->identity, t->arena, token, NULL, 0, real_now_ms(), &caller, &err));
}

static void test_times_hold_with_five_minutes_leeway(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    Str token = issued(t, &p, audience);
    int64_t now = real_now_ms(), minute = 60 * 1000;
    assert_string_equal(checked(t, token, audience, now + 60 * minute + 4 * minute), "");
    assert_string_equal(checked(t, token, audience, now + 60 * minute + 6 * minute), "expired");
    assert_string_equal(checked(t, token, audience, now - 4 * minute), "");
    assert_string_equal(checked(t, token, audience, now - 6 * minute), "invalid");
    assert_string_equal(checked(t, token, audience, now), "");
}

static void test_any_changed_byte_is_refused(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    Str token = issued(t, &p, audience);
    for (size_t at = 0; at < token.len; at += 7) {
        char *copy = (char *)str_dup(t->arena, token).ptr;
        copy[at] = copy[at] == 'A' ? 'B' : copy[at] == '.' ? 'A' : 'A';
        if (strcmp(checked(t, (Str){ copy, token.len }, audience, real_now_ms()), "invalid") != 0)
            fail_msg("accepted with byte %zu changed", at);
    }
    for (size_t len = 0; len < token.len; len += 13)
        assert_string_equal(checked(t, str_slice(token, 0, len), audience, real_now_ms()), "invalid");
}

/* Tokens made by hand: each a good one but for one thing. */
typedef struct Forged { const char *what; const char *member, *value; bool foreign_key; SignAlg alg; const char *kid; } Forged;

static Str claims_with(Tenant *t, const char *member, const char *value)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    buf_init(&buf, 4096);
    long long now = real_now_ms() / 1000;
    Str issuer = site_authority(&t->site, t->arena);
    const struct { const char *name; Str value; } all[] = {
        { "aud", str_printf(t->arena, "\"" STR_FMT "\"", STR_ARG(audience)) },
        { "iss", str_printf(t->arena, "\"" STR_FMT "/\"", STR_ARG(issuer)) },
        { "tid", str_printf(t->arena, "\"" STR_FMT "\"", STR_ARG(t->boot.tenant_id)) },
        { "oid", str_printf(t->arena, "\"" STR_FMT "\"", STR_ARG(t->boot.admin_object_id)) },
        { "appid", str_printf(t->arena, "\"" STR_FMT "\"", STR_ARG(t->boot.admin_app_id)) },
        { "nbf", str_printf(t->arena, "%lld", now) },
        { "exp", str_printf(t->arena, "%lld", now + 3600) },
    };
    buf_put_char(&buf, '{');
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        Str shown = member && strcmp(member, all[i].name) == 0 ? str_from(value) : all[i].value;
        if (shown.len)
            buf_printf(&buf, "%s\"%s\":" STR_FMT, buf.len > 1 ? "," : "", all[i].name, STR_ARG(shown));
    }
    buf_put_char(&buf, '}');
    return str_dup(t->arena, buf_str(&buf));
}

static Str forged(Tenant *t, const Forged *f, const KeyRef *foreign)
{
    Ring *ring = signing_ring(t->identity);
    const SigningKey *ours = signing_current(ring, real_now_ms());
    Str kid = f->kid ? str_from(f->kid) : ours->kid, token;
    Str header = str_printf(t->arena, "\"kid\":\"" STR_FMT "\"", STR_ARG(kid));
    must(jwt_sign(t->arena, f->foreign_key ? foreign : ours->key, f->alg ? f->alg : SIGN_RS256, header, claims_with(t, f->member, f->value), &token, E));
    signing_release(t->identity, ring);
    return token;
}

static void test_tokens_good_but_for_one_thing_are_refused(void **state)
{
    Tenant *t = *state;
    AUTO(key_free_auto) KeyRef *foreign = NULL;
    must(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &foreign, E));
    static const Forged good = { "nothing" };
    assert_string_equal(checked(t, forged(t, &good, foreign), audience, real_now_ms()), "");
    static const Forged cases[] = {
        { .what = "a foreign key under our kid", .foreign_key = true },
        { .what = "a foreign kid", .kid = "AAAAAAAAAAAAAAAAAAAAAAAAAAA" },
        { .what = "no kid", .kid = "" },
        { .what = "another algorithm", .alg = SIGN_PS256 },
        { .what = "another tenant", .member = "tid", .value = "\"99999999-0000-4000-8000-000000000009\"" },
        { .what = "another issuer", .member = "iss", .value = "\"https://login.evil.example/x/\"" },
        { .what = "no issuer", .member = "iss", .value = "" },
        { .what = "an unknown principal", .member = "oid", .value = "\"99999999-0000-4000-8000-000000000009\"" },
        { .what = "another application", .member = "appid", .value = "\"99999999-0000-4000-8000-000000000009\"" },
        { .what = "no principal", .member = "oid", .value = "" },
        { .what = "no end", .member = "exp", .value = "" },
        { .what = "an end that is no number", .member = "exp", .value = "\"never\"" },
        { .what = "no beginning", .member = "nbf", .value = "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (strcmp(checked(t, forged(t, &cases[i], foreign), audience, real_now_ms()), "invalid") != 0)
            fail_msg("accepted a token with %s", cases[i].what);
    Forged no_audience = { .member = "aud", .value = "" };
    assert_string_equal(checked(t, forged(t, &no_audience, foreign), audience, real_now_ms()), "audience");
    Forged list = { .member = "aud", .value = "[\"https://vault.azure.net\"]" };
    assert_string_equal(checked(t, forged(t, &list, foreign), audience, real_now_ms()), "audience");
}

static void test_unsigned_tokens_are_refused(void **state)
{
    Tenant *t = *state;
    Str claims = base64url_encode(t->arena, bytes_of(claims_with(t, NULL, NULL)));
    static const char *const headers[] = { "{\"alg\":\"none\",\"typ\":\"JWT\"}", "{\"alg\":\"NONE\"}", "{\"alg\":\"HS256\"}", "{}", "{\"alg\":\"RS256\",\"crit\":[\"x\"]}" };
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        Str header = base64url_encode(t->arena, bytes_of(str_from(headers[i])));
        assert_string_equal(checked(t, str_printf(t->arena, STR_FMT "." STR_FMT ".", STR_ARG(header), STR_ARG(claims)), audience, real_now_ms()), "invalid");
        assert_string_equal(checked(t, str_printf(t->arena, STR_FMT "." STR_FMT ".AAAA", STR_ARG(header), STR_ARG(claims)), audience, real_now_ms()), "invalid");
    }
    static const char *const junk[] = { "", ".", "..", "a.b.c", "a.b", "....", "Bearer" };
    for (size_t i = 0; i < COUNT_OF(junk); i++)
        assert_string_equal(checked(t, str_from(junk[i]), audience, real_now_ms()), "invalid");
    static char longer[20000];
    memset(longer, 'a', sizeof longer);
    assert_string_equal(checked(t, (Str){ longer, sizeof longer }, audience, real_now_ms()), "invalid");
}

typedef struct Change { Tenant *t; Str object_id; bool enabled; bool remove; } Change;

static bool change_principal(Txn *txn, void *ctx, Err *err)
{
    Change *c = ctx;
    return c->remove ? principal_delete(c->t->identity, txn, c->object_id, err) : principal_set_enabled(c->t->identity, txn, c->object_id, c->enabled, err);
}

static void test_tokens_stop_with_their_principal(void **state)
{
    Tenant *t = *state;
    Str secret;
    Principal p = tenant_make_app(t, "stopping", &secret);
    Str token = issued(t, &p, audience);
    assert_string_equal(checked(t, token, audience, real_now_ms()), "");
    Change change = { .t = t, .object_id = p.object_id, .enabled = false };
    must(store_write(t->site.store, change_principal, &change, E));
    assert_string_equal(checked(t, token, audience, real_now_ms()), "invalid");          /* at once, cache or not */
    change.enabled = true;
    must(store_write(t->site.store, change_principal, &change, E));
    assert_string_equal(checked(t, token, audience, real_now_ms()), "");
    change.remove = true;
    must(store_write(t->site.store, change_principal, &change, E));
    assert_string_equal(checked(t, token, audience, real_now_ms()), "invalid");
}

static bool make_identity(Txn *txn, void *ctx, Err *err)
{
    Principal *p = ctx;
    return principal_create(tenant.identity, txn, tenant.arena, PRINCIPAL_MANAGED_IDENTITY, STR("id1"),
                            STR("/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"), p, err);
}

static void test_managed_identities_get_a_day_and_their_resource(void **state)
{
    Tenant *t = *state;
    Principal p;
    Jwt jwt;
    const Caller *caller;
    must(store_write(t->site.store, make_identity, &p, E));
    Str token = issued(t, &p, audience);
    must(jwt_parse(t->arena, token, &jwt, E));
    assert_int_equal(json_int(json_get(jwt.claims, "exp"), 0) - json_int(json_get(jwt.claims, "iat"), 0), 24 * 3600);
    assert_true(str_eq(json_str(json_get(jwt.claims, "xms_mirid")), p.mirid));
    assert_str(json_str(json_get(jwt.claims, "appidacr")), "2");
    must(token_check(t->identity, t->arena, token, &audience, 1, real_now_ms(), &caller, E));
    assert_true(str_eq(caller->mirid, p.mirid));
}

static void test_tokens_are_given_for_known_audiences_only(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    static const char *const known[] = { "https://management.azure.com/", "https://vault.azure.net", "https://batch.core.windows.net/", "https://graph.microsoft.com",
                                         "https://storage.azure.com/" };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        (void)issued(t, &p, str_from(known[i]));
    (void)issued(t, &p, site_vault_resource(&t->site, t->arena));
    (void)issued(t, &p, site_batch_resource(&t->site, t->arena));
    (void)issued(t, &p, t->boot.admin_app_id);
    (void)issued(t, &p, str_printf(t->arena, "api://" STR_FMT, STR_ARG(t->boot.admin_app_id)));
    static const char *const unknown[] = { "", "/", "https://vault.azure.net.evil.example", "https://vault.vaultyard.localhost:1", "x" };
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        Str token;
        int64_t expires_ms;
        Err err = { 0 };
        if (token_issue(t->identity, t->arena, &p, str_from(unknown[i]), &token, &expires_ms, &err))
            fail_msg("a token for '%s'", unknown[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.name, "invalid_resource");
    }
}

static void test_planes_take_their_own_audiences(void **state)
{
    Tenant *t = *state;
    static const struct { const char *plane, *name; bool wanted; } cases[] = {
        { "batch", "https://management.azure.com/", true }, { "batch", "https://batch.core.windows.net/", true }, { "management", "https://batch.core.windows.net/", false },
        { "keyvault", "https://management.azure.com/", false }, { "keyvault", "https://VAULT.azure.net/", true }, { "graph", "https://vault.azure.net", false },
        { "management", "https://management.core.windows.net/", true }, { "nobody", "https://vault.azure.net", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const Str *list;
        bool found = false;
        for (size_t n = audiences_of(&t->site, t->arena, cases[i].plane, &list); n-- > 0;)
            found = found || audience_same(list[n], str_from(cases[i].name));
        if (found != cases[i].wanted)
            fail_msg("%s and %s", cases[i].plane, cases[i].name);
    }
}

static void test_tokens_outlive_a_restart_on_the_same_port_only(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    Str token = issued(t, &p, audience);
    int port = t->site.names.port;
    tenant_restart(t);
    t->site.names.port = port;                                    /* the issuer carries it */
    assert_string_equal(checked(t, token, audience, real_now_ms()), "");
}

/* ---- rotation ---- */

#define DAY (24 * 3600 * (int64_t)1000)

static void test_rotation_lists_a_key_before_it_signs_and_keeps_it_after(void **state)
{
    (void)state;
    int64_t start = 1000 * DAY, keys[3] = { start };
    SigningPlan plan = signing_plan(NULL, 0, start);
    assert_true(plan.make && plan.make_sign_from_ms == start);
    plan = signing_plan(keys, 1, start + DAY);
    assert_true(!plan.make && plan.drop == 0 && plan.again_ms == start + 29 * DAY);
    plan = signing_plan(keys, 1, start + 29 * DAY);
    assert_true(plan.make && plan.make_sign_from_ms == start + 30 * DAY && plan.drop == 0);
    keys[1] = start + 30 * DAY;
    plan = signing_plan(keys, 2, start + 29 * DAY + 1);
    assert_true(!plan.make && plan.drop == 0 && plan.again_ms > start + 31 * DAY && plan.again_ms < start + 31 * DAY + 3600 * 1000);
    plan = signing_plan(keys, 2, start + 31 * DAY);
    assert_true(!plan.make && plan.drop == 0);                    /* tokens of the old key may still live */
    plan = signing_plan(keys, 2, start + 31 * DAY + 3600 * 1000);
    assert_true(!plan.make && plan.drop == 1 && plan.again_ms == start + 59 * DAY);
    /* Down for a year: the key goes on, a new one is made in time. */
    plan = signing_plan(keys, 1, start + 400 * DAY);
    assert_true(plan.make && plan.make_sign_from_ms == start + 401 * DAY && plan.drop == 0);
}

static void test_rotation_runs_and_old_tokens_stay_good(void **state)
{
    Tenant *t = *state;
    Principal p = admin(t);
    Str token = issued(t, &p, audience);
    int64_t now = real_now_ms(), again;
    must(signing_rotate(t->identity, t->arena, NULL, now + 29 * DAY, &again, E));
    Ring *ring = signing_ring(t->identity);
    assert_int_equal(ring->count, 2);
    assert_ptr_equal(signing_current(ring, now), &ring->keys[0]);
    assert_ptr_equal(signing_current(ring, now + 31 * DAY), &ring->keys[1]);
    signing_release(t->identity, ring);
    assert_string_equal(checked(t, token, audience, now), "");
    assert_int_equal(read_int(t->site.store, "SELECT count(*) FROM identity_signing_key"), 2);
    must(signing_rotate(t->identity, t->arena, NULL, now + 33 * DAY, &again, E));
    assert_int_equal(read_int(t->site.store, "SELECT count(*) FROM identity_signing_key"), 1);
    assert_string_equal(checked(t, token, audience, now), "invalid");   /* its key is gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_token_names_its_caller),
        cmocka_unit_test(test_wrong_audience_names_both),
        cmocka_unit_test(test_times_hold_with_five_minutes_leeway),
        cmocka_unit_test(test_any_changed_byte_is_refused),
        cmocka_unit_test(test_tokens_good_but_for_one_thing_are_refused),
        cmocka_unit_test(test_unsigned_tokens_are_refused),
        cmocka_unit_test(test_tokens_stop_with_their_principal),
        cmocka_unit_test(test_managed_identities_get_a_day_and_their_resource),
        cmocka_unit_test(test_tokens_are_given_for_known_audiences_only),
        cmocka_unit_test(test_planes_take_their_own_audiences),
        cmocka_unit_test(test_tokens_outlive_a_restart_on_the_same_port_only),
        cmocka_unit_test(test_rotation_lists_a_key_before_it_signs_and_keeps_it_after),
        cmocka_unit_test(test_rotation_runs_and_old_tokens_stay_good),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
