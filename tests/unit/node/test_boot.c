#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "node/boot.h"

static char dir[64], path[96];

static Str get(Arena *arena)
{
    Str id;
    Err err = { 0 };
    if (!boot_id_get(arena, path, &id, &err))
        fail_msg("%s", err.text);
    return id;
}

static void test_one_id_a_boot(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    Str first = get(arena);
    assert_int_equal(first.len, BOOT_ID_DIGITS);
    assert_true(str_eq(get(arena), first));
    assert_int_equal(remove(path), 0);                  /* what a start of the machine does */
    assert_false(str_eq(get(arena), first));
}

static void test_a_broken_file_is_replaced(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    static const char *const broken[] = { "", "abc", "zz345678901234567890123456789012", "\n" };
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        Err err = { 0 };
        assert_true(file_replace(path, bytes_of(str_from(broken[i])), 0600, (uid_t)-1, (gid_t)-1, &err));
        assert_int_equal(get(arena).len, BOOT_ID_DIGITS);
    }
}

static void test_a_place_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(65536);
    Str id;
    Err err = { 0 };
    assert_false(boot_id_get(arena, "/nonexistent/boot", &id, &err));
    assert_int_not_equal(err.code, ERR_NONE);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/vaultyard-boot-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(path, sizeof path, "%s/boot", dir);
    return 0;
}

static int teardown(void **state)
{
    Err err = { 0 };
    (void)state;
    return dir_remove_tree(dir, &err) ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_id_a_boot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_file_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_place_that_cannot_be_written_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
