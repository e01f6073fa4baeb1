/* test_client_facts.c - clients that are remembered: signed in without a look in the store, and never after a change. */
#include <stdatomic.h>
#include "identity/parts.h"
#include "tenant_fixture.h"

static atomic_int looks;

bool __real_credential_secrets(Txn *txn, Arena *arena, Str app_id, const ClientSecret **out, size_t *count, Err *err);
bool __wrap_credential_secrets(Txn *txn, Arena *arena, Str app_id, const ClientSecret **out, size_t *count, Err *err);

bool __wrap_credential_secrets(Txn *txn, Arena *arena, Str app_id, const ClientSecret **out, size_t *count, Err *err)
{
    atomic_fetch_add(&looks, 1);
    return __real_credential_secrets(txn, arena, app_id, out, count, err);
}

static int open_tenant(void **state)
{
    static Tenant tenant;
    tenant_open(&tenant);
    *state = &tenant;
    return 0;
}

static int close_tenant(void **state)
{
    tenant_close(*state);
    return 0;
}

static int64_t sign_in_with(Tenant *t, Str app_id, Str secret)
{
    HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, app_id, secret, "https://vault.azure.net/.default"));
    return answer.status == 200 ? 200 : json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0);
}

/* Whether one of many needs no look. Not each: the anchor of the audit is a commit too, some four a second. */
static bool is_remembered(Tenant *t, Str app_id, Str secret, int64_t wanted)
{
    for (int i = 0; i < 200; i++) {
        int before = atomic_load(&looks);
        assert_int_equal(sign_in_with(t, app_id, secret), wanted);
        if (atomic_load(&looks) == before)
            return true;
    }
    return false;
}

typedef struct Change { Tenant *t; Principal app; const char *sql; Str secret; } Change;

static bool apply(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    return txn_exec(txn, NULL, err, change->sql, db_text(change->app.app_id));
}

static bool add_secret(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    return principal_add_secret(change->t->identity, txn, change->t->arena, change->app.app_id, STR("more"), 3600 * 1000, &change->secret, err);
}

static bool drop_principal(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    return principal_delete(change->t->identity, txn, change->app.object_id, err);
}

static void test_what_is_remembered_still_checks_the_secret(void **state)
{
    Tenant *t = *state;
    Str secret, others;
    Principal app = tenant_make_app(t, "remembered", &secret), other = tenant_make_app(t, "other", &others);
    assert_true(is_remembered(t, app.app_id, secret, 200));
    assert_true(is_remembered(t, str_upper(t->arena, app.app_id), secret, 200));
    assert_true(is_remembered(t, app.app_id, STR("wrong"), 7000215));
    assert_true(is_remembered(t, app.app_id, others, 7000215));
    assert_true(is_remembered(t, other.app_id, others, 200));
}

/* The token is for the principal that was found first: name and all. */
static void test_tokens_say_the_same_either_way(void **state)
{
    Tenant *t = *state;
    Str secret;
    Principal app = tenant_make_app(t, "told", &secret);
    const Caller *first = NULL, *again = NULL;
    Str audience = STR("https://vault.azure.net");
    for (int i = 0; i < 2; i++) {
        if (i)
            assert_true(is_remembered(t, app.app_id, secret, 200));
        HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, app.app_id, secret, "https://vault.azure.net/.default"));
        must(token_check(t->identity, t->arena, answer_text(t, &answer, "access_token"), &audience, 1, real_now_ms(), i ? &again : &first, E));
    }
    assert_true(str_eq(first->object_id, again->object_id) && str_eq(first->app_id, again->app_id) && str_eq(first->name, again->name));
    assert_true(str_eq(first->object_id, app.object_id));
}

static void test_the_next_sign_in_sees_each_change(void **state)
{
    Tenant *t = *state;
    static const struct { const char *sql; int64_t then; } changes[] = {
        { "UPDATE identity_credential SET end_ms = 2, start_ms = 1 WHERE app_id = ?1", 7000222 },
        { "DELETE FROM identity_credential WHERE app_id = ?1", 7000215 },
        { "UPDATE identity_principal SET enabled = 0 WHERE app_id = ?1", 7000112 },
        { "DELETE FROM identity_application WHERE app_id = ?1", 700016 },
    };
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        Str secret;
        Change change = { .t = t, .app = tenant_make_app(t, "changing", &secret), .sql = changes[i].sql };
        assert_true(is_remembered(t, change.app.app_id, secret, 200));
        must(store_write(t->site.store, apply, &change, E));
        assert_int_equal(sign_in_with(t, change.app.app_id, secret), changes[i].then);
    }
    Str secret;
    Change change = { .t = t, .app = tenant_make_app(t, "growing", &secret) };
    assert_true(is_remembered(t, change.app.app_id, secret, 200));
    must(store_write(t->site.store, add_secret, &change, E));
    assert_int_equal(sign_in_with(t, change.app.app_id, change.secret), 200);
    assert_int_equal(sign_in_with(t, change.app.app_id, secret), 200);
    assert_true(is_remembered(t, change.app.app_id, change.secret, 200));
    must(store_write(t->site.store, drop_principal, &change, E));
    assert_int_equal(sign_in_with(t, change.app.app_id, secret), 7000229);
}

static void test_who_has_many_secrets_or_is_nobody_is_looked_up(void **state)
{
    Tenant *t = *state;
    Str secret;
    Change change = { .t = t, .app = tenant_make_app(t, "many", &secret) };
    for (int i = 0; i < 20; i++)
        must(store_write(t->site.store, add_secret, &change, E));
    const struct { Str app_id, secret; int64_t wanted; } asked[] = {
        { change.app.app_id, secret, 200 }, { change.app.app_id, change.secret, 200 }, { change.app.app_id, STR("wrong"), 7000215 },
        { STR("00000000-0000-4000-8000-000000000000"), secret, 700016 },
    };
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        for (int n = 0; n < 2; n++) {
            int before = atomic_load(&looks);
            assert_int_equal(sign_in_with(t, asked[i].app_id, asked[i].secret), asked[i].wanted);
            assert_int_equal(atomic_load(&looks), before + 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_remembered_still_checks_the_secret),
        cmocka_unit_test(test_tokens_say_the_same_either_way),
        cmocka_unit_test(test_the_next_sign_in_sees_each_change),
        cmocka_unit_test(test_who_has_many_secrets_or_is_nobody_is_looked_up),
    };
    return cmocka_run_group_tests(tests, open_tenant, close_tenant);
}
