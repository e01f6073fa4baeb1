/* test_throttle.c - the limits of operations: each class, weights, windows, the subscription's. */
#include "../cm.h"
#include "keyvault/vaults/throttle.h"

static const Vault one = { .id = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32 }, .subscription = { "00000000-0000-0000-0000-000000000001", 36 } };

static int64_t taken(Throttle *throttle, const Vault *vault, ThrottleClass what, int64_t weight, int64_t now_ms)
{
    int64_t count = 0;
    for (Err err = { 0 }; throttle_take(throttle, vault, what, weight, now_ms, &err); count++)
        assert_in_range(count, 0, 100000);
    return count;
}

static void test_each_class_has_its_number_in_ten_seconds(void **state)
{
    (void)state;
    static const struct { ThrottleClass what; int64_t weight, count; } rows[] = {
        { THROTTLE_SECRET_CREATE, 1, 300 }, { THROTTLE_VAULT, 1, 4000 },    { THROTTLE_KEY_CREATE, 1, 20 },   { THROTTLE_KEY_CREATE_HSM, 1, 10 },
        { THROTTLE_KEY, 1, 4000 },          { THROTTLE_KEY_HSM, 1, 2000 },  { THROTTLE_KEY, 4, 1000 },        { THROTTLE_KEY, 8, 500 },
        { THROTTLE_KEY_HSM, 4, 500 },       { THROTTLE_KEY_HSM, 8, 250 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Throttle *throttle = throttle_new();
        assert_non_null(throttle);
        assert_int_equal(taken(throttle, &one, rows[i].what, rows[i].weight, 5000), rows[i].count);
        assert_int_equal(taken(throttle, &one, rows[i].what, rows[i].weight, 14999), 0);
        assert_int_equal(taken(throttle, &one, rows[i].what, rows[i].weight, 15000), rows[i].count);
        throttle_free(throttle);
    }
}

static void test_one_budget_is_shared_by_weight(void **state)
{
    (void)state;
    Throttle *throttle = throttle_new();
    Err err = { 0 };
    for (int i = 0; i < 499; i++)
        assert_true(throttle_take(throttle, &one, THROTTLE_KEY, 8, 0, &err));
    assert_int_equal(taken(throttle, &one, THROTTLE_KEY, 1, 0), 8);
    assert_int_equal(taken(throttle, &one, THROTTLE_VAULT, 1, 0), 4000);         /* another class is another budget */
    throttle_free(throttle);
}

static void test_the_refusal_is_in_the_services_words_and_says_when(void **state)
{
    (void)state;
    Throttle *throttle = throttle_new();
    Err err = { 0 };
    assert_int_equal(taken(throttle, &one, THROTTLE_KEY_CREATE, 1, 1000), 20);
    assert_false(throttle_take(throttle, &one, THROTTLE_KEY_CREATE, 1, 3500, &err));
    assert_int_equal(err.code, ERR_THROTTLED);
    assert_string_equal(err.name, "Throttled");
    assert_string_equal(err.text, "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached");
    assert_int_equal(throttle_wait_s(throttle, &one, 3500), 8);
    assert_int_equal(throttle_wait_s(throttle, &one, 10999), 1);
    throttle_free(throttle);
}

static void test_a_subscription_has_five_times_one_vault(void **state)
{
    (void)state;
    Throttle *throttle = throttle_new();
    Vault vaults[7];
    char ids[7][33];
    int64_t sum = 0;
    for (int i = 0; i < 7; i++) {
        vaults[i] = one;
        for (int j = 0; j < 32; j++)
            ids[i][j] = (char)('a' + i);
        vaults[i].id = (Str){ ids[i], 32 };
    }
    for (int i = 0; i < 6; i++)
        sum += taken(throttle, &vaults[i], THROTTLE_SECRET_CREATE, 1, 0);
    assert_int_equal(sum, 1500);
    Err err = { 0 };
    assert_false(throttle_take(throttle, &vaults[6], THROTTLE_SECRET_CREATE, 1, 0, &err));
    assert_non_null(strstr(err.text, "Subscription"));
    vaults[6].subscription = STR("00000000-0000-0000-0000-000000000002");
    assert_int_equal(taken(throttle, &vaults[6], THROTTLE_SECRET_CREATE, 1, 0), 300);
    throttle_free(throttle);
}

static void test_without_a_throttle_nothing_is_refused(void **state)
{
    (void)state;
    Err err = { 0 };
    for (int i = 0; i < 10000; i++)
        assert_true(throttle_take(NULL, &one, THROTTLE_KEY_CREATE, 1, 0, &err));
}

static void test_operations_are_classed_as_the_service_does(void **state)
{
    (void)state;
    assert_int_equal(throttle_class_of(STR("SecretSet")), THROTTLE_SECRET_CREATE);
    assert_int_equal(throttle_class_of(STR("SecretGet")), THROTTLE_VAULT);
    assert_int_equal(throttle_class_of(STR("CertificateCreate")), THROTTLE_VAULT);
    assert_int_equal(throttle_class_of(STR("KeyGet")), THROTTLE_KEY);
    assert_int_equal(throttle_class_of(STR("KeyRotate")), THROTTLE_KEY_CREATE);
    assert_int_equal(throttle_class_of(STR("KeySign")), THROTTLE_NONE);           /* the handler knows the key */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_class_has_its_number_in_ten_seconds),
        cmocka_unit_test(test_one_budget_is_shared_by_weight),
        cmocka_unit_test(test_the_refusal_is_in_the_services_words_and_says_when),
        cmocka_unit_test(test_a_subscription_has_five_times_one_vault),
        cmocka_unit_test(test_without_a_throttle_nothing_is_refused),
        cmocka_unit_test(test_operations_are_classed_as_the_service_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
