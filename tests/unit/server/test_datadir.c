#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "server/datadir.h"

static char base[] = "/tmp/vaultyard-datadir-XXXXXX";
static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    memcpy(base + sizeof base - 7, "XXXXXX", 6);
    arena = arena_new(1 << 20);
    return mkdtemp(base) && chmod(base, 0755) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    arena_free(arena);
    return !dir_remove_tree(base, &err);
}

/* As root the service user must be one of the machine's; "nobody" always is. */
static const DataDir wanted = { .domain = { "vaultyard.localhost", 19 }, .location = { "local", 5 }, .port = 8443 };

static bool create(const char *below, DataDir *out, Err *err)
{
    *err = (Err){ 0 };
    return datadir_create(arena, str_printf(arena, "%s/%s", base, below).ptr, &wanted, "nobody", out, err);
}

static mode_t mode_of(const DataDir *data, const char *below)
{
    struct stat st;
    return stat(datadir_path(arena, data, below), &st) == 0 ? st.st_mode & 07777 : 0;
}

static void test_a_directory_is_made_with_its_parts_and_read_back(void **state)
{
    (void)state;
    DataDir made, found;
    Err err;
    assert_true(create("site", &made, &err));
    assert_int_equal(made.id.len, 32);
    assert_int_equal(mode_of(&made, ""), 0755);
    assert_int_equal(mode_of(&made, "store"), 0700);
    assert_int_equal(mode_of(&made, "host"), 0711);
    made.tenant_id = STR("t");
    made.last_port = 4711;
    assert_true(datadir_write(&made, &err));
    assert_true(datadir_read(arena, made.dir.ptr, &found, &err));
    assert_true(str_eq(found.id, made.id) && str_eq(found.domain, made.domain) && str_eq(found.tenant_id, made.tenant_id));
    assert_true(found.port == 8443 && found.last_port == 4711 && found.uid == made.uid && found.uid != 0);
}

static void test_a_directory_in_use_is_refused(void **state)
{
    (void)state;
    DataDir made;
    Err err;
    assert_true(create("site", &made, &err));
    assert_true(datadir_write(&made, &err));
    assert_false(create("site", &made, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
}

static void test_an_undone_directory_can_be_made_again(void **state)
{
    (void)state;
    DataDir made;
    Err err;
    assert_true(create("site", &made, &err));
    datadir_undo(&made);
    assert_true(create("site", &made, &err));
}

static void test_unknown_users_and_root_are_no_service_users(void **state)
{
    (void)state;
    DataDir made;
    Err err = { 0 };
    const char *dir = str_printf(arena, "%s/site", base).ptr;
    if (geteuid() == 0) {
        assert_false(datadir_create(arena, dir, &wanted, "no-such-user-here", &made, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(datadir_create(arena, dir, &wanted, "root", &made, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    assert_int_not_equal(access(dir, F_OK), 0);
}

static void test_a_closed_directory_above_is_said(void **state)
{
    (void)state;
    DataDir made;
    Err err;
    assert_int_equal(chmod(base, 0700), 0);
    bool entered = create("site", &made, &err);
    assert_int_equal(entered, geteuid() != 0);             /* its own user walks through it */
    if (!entered)
        assert_non_null(strstr(err.text, "chmod o+x"));
    assert_int_equal(chmod(base, 0755), 0);
}

static void test_cards_that_cannot_be_right_are_refused(void **state)
{
    (void)state;
    static const char *const cards[] = {
        "{}", "[]", "{\"version\":2,\"instanceId\":\"a\",\"domain\":\"d\",\"location\":\"l\",\"port\":1,\"lastPort\":0,\"uid\":1,\"gid\":1,\"tenantId\":\"t\"}",
        "{\"version\":1,\"instanceId\":\"a\",\"domain\":\"d\",\"location\":\"l\",\"port\":70000,\"lastPort\":0,\"uid\":1,\"gid\":1,\"tenantId\":\"t\"}",
    };
    DataDir found;
    Err err = { 0 };
    assert_false(datadir_read(arena, base, &found, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    for (size_t i = 0; i < COUNT_OF(cards); i++) {
        assert_true(file_replace(str_printf(arena, "%s/instance.json", base).ptr, bytes_of(str_from(cards[i])), 0644, (uid_t)-1, (gid_t)-1, &err));
        assert_false(datadir_read(arena, base, &found, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_directory_is_made_with_its_parts_and_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_in_use_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_undone_directory_can_be_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_users_and_root_are_no_service_users, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_closed_directory_above_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cards_that_cannot_be_right_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
