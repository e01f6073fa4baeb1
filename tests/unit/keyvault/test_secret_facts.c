/* test_secret_facts.c - secrets that are remembered: answered without a look in the store, and never after a change. */
#include <stdatomic.h>
#include "fixture.h"
#include "keyvault/secrets/secret_facts.h"

static atomic_int looks;

bool __real_object_require_sealed(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                                  ObjectRow *object, VersionRow *row, Bytes *sealed, Err *err);
bool __wrap_object_require_sealed(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                                  ObjectRow *object, VersionRow *row, Bytes *sealed, Err *err);

bool __wrap_object_require_sealed(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                                  ObjectRow *object, VersionRow *row, Bytes *sealed, Err *err)
{
    atomic_fetch_add(&looks, 1);
    return __real_object_require_sealed(kv, txn, arena, vault, kind, name, version, object, row, sealed, err);
}

/* Whether one of many gets needs no look. Not each: the anchor of the audit is a commit too, some four a second. */
static bool is_remembered(const char *path, Answer *answer)
{
    for (int i = 0; i < 1000; i++) {
        int before = atomic_load(&looks);
        *answer = vault_call("GET", path, NULL);
        if (atomic_load(&looks) == before)
            return true;
        if (answer->status != 200)
            return false;
    }
    return false;
}

static void test_what_is_remembered_is_the_same_answer(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{\"value\":\"plain\"}", "{\"value\":\"\"}",
                                          "{\"value\":\"v\",\"contentType\":\"t\",\"tags\":{\"a\":\"b\"},\"attributes\":{\"exp\":4102444800,\"nbf\":5}}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        Answer set = vault_call("PUT", "/secrets/Same", bodies[i]), again;
        expect_status(&set, 200);
        Str version = str_slice(text_at(&set, "id"), text_at(&set, "id").len - VERSION_DIGITS, text_at(&set, "id").len);
        Answer found = vault_call("GET", "/secrets/same", NULL);
        assert_true(str_eq(found.body, set.body));
        assert_true(is_remembered("/secrets/SAME", &again));
        assert_true(str_eq(again.body, set.body));
        assert_true(is_remembered(text("/secrets/same/" STR_FMT, STR_ARG(version)), &again));
        assert_true(str_eq(again.body, set.body));
    }
}

static void test_each_version_is_remembered_as_itself(void **state)
{
    (void)state;
    Answer first = vault_call("PUT", "/secrets/two", "{\"value\":\"one\"}"), second = vault_call("PUT", "/secrets/two", "{\"value\":\"two\"}"), found;
    Str id = text_at(&first, "id");
    expect_status(&second, 200);
    assert_true(is_remembered(text("/secrets/two/" STR_FMT, STR_ARG(str_slice(id, id.len - VERSION_DIGITS, id.len))), &found));
    assert_true(str_eq(found.body, first.body));
    assert_true(is_remembered("/secrets/two", &found));
    assert_true(str_eq(found.body, second.body));
}

/* The change, and what the get right behind it must say: a value, or the status of a refusal. */
static void test_the_next_get_sees_each_change(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *body; int status; const char *value; int refused; } changes[] = {
        { "PUT",    "/secrets/changing",                "{\"value\":\"second\"}",                  200, "second", 0 },
        { "PATCH",  "/secrets/changing",                "{\"attributes\":{\"enabled\":false}}",    200, NULL,     403 },
        { "PATCH",  "/secrets/changing",                "{\"attributes\":{\"enabled\":true}}",     200, "second", 0 },
        { "DELETE", "/secrets/changing",                NULL,                                      200, NULL,     404 },
        { "POST",   "/deletedsecrets/changing/recover", NULL,                                      200, "second", 0 },
        { "DELETE", "/secrets/changing",                NULL,                                      200, NULL,     404 },
        { "DELETE", "/deletedsecrets/changing",         NULL,                                      204, NULL,     404 },
        { "PUT",    "/secrets/changing",                "{\"value\":\"third\"}",                   200, "third",  0 },
    };
    Answer answer = vault_call("PUT", "/secrets/changing", "{\"value\":\"first\"}");
    expect_status(&answer, 200);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        (void)is_remembered("/secrets/changing", &answer);
        answer = vault_call(changes[i].method, changes[i].path, changes[i].body);
        expect_status(&answer, changes[i].status);
        answer = vault_call("GET", "/secrets/changing", NULL);
        expect_status(&answer, changes[i].value ? 200 : changes[i].refused);
        if (changes[i].value)
            assert_str(text_at(&answer, "value"), changes[i].value);
    }
}

static void test_a_permission_that_is_taken_counts_for_what_is_remembered(void **state)
{
    (void)state;
    Answer answer = vault_call("PUT", "/secrets/guarded", "{\"value\":\"v\"}");
    expect_status(&answer, 200);
    assert_true(is_remembered("/secrets/guarded", &answer));
    answer = call("GET", "vlt.vault", "/secrets/guarded" API, fix.nobody.vault_token, NULL);
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "secrets get");
    answer = call("GET", "vlt.vault", "/secrets/guarded" API, STR_NONE, NULL);
    expect_status(&answer, 401);
}

static void test_long_values_and_refusals_are_not_remembered(void **state)
{
    (void)state;
    char value[SECRET_FACTS_BYTES + 1];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    Answer answer = vault_call("PUT", "/secrets/long", text("{\"value\":\"%s\"}", value));
    expect_status(&answer, 200);
    Answer off = vault_call("PUT", "/secrets/off", "{\"value\":\"v\",\"attributes\":{\"enabled\":false}}");
    expect_status(&off, 200);
    static const struct { const char *path; int status; } asked[] = { { "/secrets/long", 200 }, { "/secrets/off", 403 }, { "/secrets/none", 404 }, { "/secrets/no_such!", 400 } };
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        for (int n = 0; n < 3; n++) {
            int before = atomic_load(&looks);
            answer = vault_call("GET", asked[i].path, NULL);
            expect_status(&answer, asked[i].status);
            assert_int_equal(atomic_load(&looks), before + 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_remembered_is_the_same_answer),
        cmocka_unit_test(test_each_version_is_remembered_as_itself),
        cmocka_unit_test(test_the_next_get_sees_each_change),
        cmocka_unit_test(test_a_permission_that_is_taken_counts_for_what_is_remembered),
        cmocka_unit_test(test_long_values_and_refusals_are_not_remembered),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
