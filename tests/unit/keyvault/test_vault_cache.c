/* test_vault_cache.c - the cache of vaults under many hands: nobody sees a vault half made, and nobody an old one after a change. */
#include <pthread.h>
#include "fixture.h"
#include "keyvault/vaults/vault.h"

enum { READERS = 4, CHANGES = 40 };

static _Atomic int64_t seen_least;      /* revision that every acquire from now on must have reached */
static _Atomic int failures, stop;

static void *reader(void *arg)
{
    (void)arg;
    while (!stop) {
        Err err = { 0 };
        int64_t least = seen_least;
        Vault *vault = NULL;
        if (!vault_acquire(fix.kv, STR("vlt"), &vault, &err) || !vault || vault->revision < least || !str_eq(vault->name, STR("vlt")) ||
            json_kind(vault->policies) != JSON_ARRAY || json_count(vault->policies) != 1)
            failures++;
        vault_release(vault);
        if (!vault_name_exists(fix.kv, STR("vlt")) || vault_name_exists(fix.kv, STR("nope")))
            failures++;
    }
    return NULL;
}

static void test_acquire_never_gives_an_outdated_vault(void **state)
{
    (void)state;
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, NULL), 0);
    for (int i = 0; i < CHANGES; i++) {
        Answer changed = arm_call("PATCH", VAULTS "vlt", text("{\"tags\":{\"round\":\"%d\"}}", i));
        expect_status(&changed, 200);
        seen_least = count_of("SELECT revision FROM kv_vault WHERE name_key = 'vlt'");
    }
    stop = 1;
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failures, 0);
}

/* More vaults than stay loaded, each usable while another takes its place. */
static void test_more_vaults_than_the_cache_keeps(void **state)
{
    (void)state;
    Vault *held[300] = { 0 };
    for (int i = 0; i < 300; i++) {
        Answer made = make_vault(text("many-%03d", i), "");
        expect_status(&made, 201);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            vault_release(held[i]);
            held[i] = NULL;
            must(vault_acquire(fix.kv, str_from(text("many-%03d", i)), &held[i], &fix_err));
            assert_non_null(held[i]);
        }
        for (int i = 0; i < 300; i++)
            assert_str(held[i]->name, text("many-%03d", i));
    }
    for (int i = 0; i < 300; i++)
        vault_release(held[i]);
    Vault *none;
    must(vault_acquire(fix.kv, STR("many-999"), &none, &fix_err));
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acquire_never_gives_an_outdated_vault),
        cmocka_unit_test(test_more_vaults_than_the_cache_keeps),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
