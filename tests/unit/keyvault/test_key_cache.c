#include <stdio.h>
#include "../cm.h"
#include "keyvault/keys/key_cache.h"

static KeyRef *make_key(void)
{
    KeyRef *key;
    Err err = { 0 };
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &err));
    return key;
}

static Str numbered(char text[24], int i)
{
    (void)snprintf(text, 24, "key-%d", i);
    return str_from(text);
}

static void test_a_key_is_found_by_vault_name_and_version_alone(void **state)
{
    (void)state;
    KeyCache *cache = key_cache_new();
    KeyRef *key = make_key();
    key_cache_put(cache, STR("v1"), STR("k"), STR("1"), key);
    KeyRef *found = key_cache_get(cache, STR("v1"), STR("k"), STR("1"));
    assert_ptr_equal(found, key);
    key_free(found);
    assert_null(key_cache_get(cache, STR("v2"), STR("k"), STR("1")));
    assert_null(key_cache_get(cache, STR("v1"), STR("j"), STR("1")));
    assert_null(key_cache_get(cache, STR("v1"), STR("k"), STR("2")));
    assert_null(key_cache_get(cache, STR("v1/k"), STR("1"), STR("")));      /* parts do not run into each other */
    key_free(key);
    key_cache_free(cache);
}

static void test_nothing_is_left_after_a_clear(void **state)
{
    (void)state;
    KeyCache *cache = key_cache_new();
    KeyRef *key = make_key();
    key_cache_put(cache, STR("v"), STR("k"), STR("1"), key);
    KeyRef *held = key_cache_get(cache, STR("v"), STR("k"), STR("1"));
    key_cache_clear(cache);
    assert_null(key_cache_get(cache, STR("v"), STR("k"), STR("1")));
    assert_true(key_is_private(held));                                      /* who holds one goes on */
    key_free(held);
    key_free(key);
    key_cache_free(cache);
    key_cache_free(NULL);
}

/* The leak checker of the sanitizer build tells whether those that made room were freed. */
static void test_it_keeps_what_is_used_and_never_more_than_its_size(void **state)
{
    (void)state;
    KeyCache *cache = key_cache_new();
    char text[24];
    for (int i = 0; i < 3 * KEY_CACHE_MAX; i++) {
        KeyRef *key = make_key();
        key_cache_put(cache, STR("v"), numbered(text, i), STR("1"), key);
        key_free(key);
        KeyRef *often = key_cache_get(cache, STR("v"), STR("key-0"), STR("1"));
        assert_non_null(often);                                             /* used all the time: stays */
        key_free(often);
    }
    int held = 0;
    for (int i = 0; i < 3 * KEY_CACHE_MAX; i++) {
        KeyRef *key = key_cache_get(cache, STR("v"), numbered(text, i), STR("1"));
        held += key != NULL;
        key_free(key);
    }
    assert_int_equal(held, KEY_CACHE_MAX);
    key_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_found_by_vault_name_and_version_alone),
        cmocka_unit_test(test_nothing_is_left_after_a_clear),
        cmocka_unit_test(test_it_keeps_what_is_used_and_never_more_than_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
