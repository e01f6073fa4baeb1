/* test_cache.c - what was put is found until a flush, and never what was fetched before the flush. */
#include <stdlib.h>
#include "../cm.h"
#include "site/cache.h"

static void key_of(unsigned number, uint8_t key[CACHE_KEY_SIZE])
{
    memset(key, 0, CACHE_KEY_SIZE);
    memcpy(key, &number, sizeof number);
    memcpy(key + 16, &number, sizeof number);
}

static void put(Cache *cache, unsigned number, uint64_t generation)
{
    uint8_t key[CACHE_KEY_SIZE];
    key_of(number, key);
    unsigned *block = malloc(sizeof *block);
    assert_non_null(block);
    *block = number;
    cache_put(cache, key, generation, block);
}

static void copy_out(const void *block, void *ctx) { *(unsigned *)ctx = *(const unsigned *)block; }

static bool has(Cache *cache, unsigned number)
{
    uint8_t key[CACHE_KEY_SIZE];
    key_of(number, key);
    unsigned found = ~number;
    bool there = cache_look(cache, key, copy_out, &found);
    assert_true(!there || found == number);
    return there;
}

static Cache *cache_of(size_t entries)
{
    Cache *cache;
    Err err = { 0 };
    assert_true(cache_new(entries, &cache, &err));
    return cache;
}

static void test_put_is_found_until_flush(void **state)
{
    (void)state;
    AUTO(cache_free_auto) Cache *cache = cache_of(64);
    put(cache, 7, cache_generation(cache));
    assert_true(has(cache, 7));
    assert_false(has(cache, 8));
    cache_flush(cache);
    assert_false(has(cache, 7));
    put(cache, 7, cache_generation(cache));
    assert_true(has(cache, 7));
}

static void test_block_fetched_before_a_flush_is_not_kept(void **state)
{
    (void)state;
    AUTO(cache_free_auto) Cache *cache = cache_of(64);
    uint64_t before = cache_generation(cache);
    cache_flush(cache);
    put(cache, 7, before);
    assert_false(has(cache, 7));
}

static void test_memory_is_bounded_and_the_newest_stay(void **state)
{
    (void)state;
    AUTO(cache_free_auto) Cache *cache = cache_of(8);
    for (unsigned i = 0; i < 1000; i++)
        put(cache, i, cache_generation(cache));
    unsigned kept = 0;
    for (unsigned i = 0; i < 1000; i++)
        kept += has(cache, i);
    assert_int_equal(kept, 8);
    assert_true(has(cache, 999));
    assert_true(has(cache, 998));
}

static void test_same_key_is_replaced_in_place(void **state)
{
    (void)state;
    AUTO(cache_free_auto) Cache *cache = cache_of(8);
    for (unsigned i = 0; i < 8; i++)
        put(cache, i, cache_generation(cache));
    for (int i = 0; i < 100; i++)
        put(cache, 3, cache_generation(cache));
    for (unsigned i = 0; i < 8; i++)
        assert_true(has(cache, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_is_found_until_flush),
        cmocka_unit_test(test_block_fetched_before_a_flush_is_not_kept),
        cmocka_unit_test(test_memory_is_bounded_and_the_newest_stay),
        cmocka_unit_test(test_same_key_is_replaced_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
