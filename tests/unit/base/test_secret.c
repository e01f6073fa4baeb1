#include <pthread.h>
#include "../cm.h"
#include "base/secret.h"

enum { PAGE = 4096, THREADS = 8, ROUNDS = 2000 };

static bool all_zero(Bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i])
            return false;
    return true;
}

/* The memory of one that was freed may be given again: never with anything in it. */
static void test_a_new_secret_is_zero(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 32, 400, 4000, PAGE, 3 * PAGE };
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            Secret *secret = secret_new(sizes[i]);
            assert_non_null(secret);
            assert_int_equal(secret_bytes(secret).len, sizes[i]);
            assert_true(all_zero(secret_bytes(secret)));
            memset(secret_ptr(secret), 0xA5, sizes[i]);
            secret_truncate(secret, sizes[i] / 2);
            assert_int_equal(secret_bytes(secret).len, sizes[i] / 2);
            secret_truncate(secret, sizes[i]);                          /* never grows */
            assert_int_equal(secret_bytes(secret).len, sizes[i] / 2);
            secret_free(secret);
        }
    }
}

static void test_secrets_do_not_share_memory(void **state)
{
    (void)state;
    Secret *held[200];
    for (size_t i = 0; i < COUNT_OF(held); i++) {
        held[i] = secret_new(32);
        assert_non_null(held[i]);
        memset(secret_ptr(held[i]), (int)(i + 1), 32);
    }
    for (size_t i = 0; i < COUNT_OF(held); i++) {
        for (size_t at = 0; at < 32; at++)
            assert_int_equal(secret_bytes(held[i]).ptr[at], (uint8_t)(i + 1));
        secret_free(held[i]);
    }
}

static void *make_and_free(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        AUTO(secret_free_auto) Secret *secret = secret_new(64);
        if (!secret || !all_zero(secret_bytes(secret)))
            return arg;
        memset(secret_ptr(secret), 0xFF, 64);
    }
    return NULL;
}

static void test_many_threads_make_and_free(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int mark;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_free, &mark), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *bad;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
}

static void test_refusals_and_comparison(void **state)
{
    (void)state;
    assert_null(secret_new(SIZE_MAX));
    secret_free(NULL);
    AUTO(secret_free_auto) Secret *empty = secret_copy((Bytes){ 0 });
    assert_non_null(empty);
    assert_int_equal(secret_bytes(empty).len, 0);
    assert_true(secret_equal((Bytes){ (const uint8_t *)"abc", 3 }, (Bytes){ (const uint8_t *)"abc", 3 }));
    assert_false(secret_equal((Bytes){ (const uint8_t *)"abc", 3 }, (Bytes){ (const uint8_t *)"abd", 3 }));
    assert_false(secret_equal((Bytes){ (const uint8_t *)"abc", 3 }, (Bytes){ (const uint8_t *)"ab", 2 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_secret_is_zero),
        cmocka_unit_test(test_secrets_do_not_share_memory),
        cmocka_unit_test(test_many_threads_make_and_free),
        cmocka_unit_test(test_refusals_and_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
