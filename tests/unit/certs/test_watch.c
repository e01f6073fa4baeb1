#include "../cm.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "certs/watch.h"

static char base[] = "/tmp/vaultyard-watch-XXXXXX";
static Arena *arena;
static Watch watch;

static const char *file(const char *name) { return str_printf(arena, "%s/%s", base, name).ptr; }

static int set_up(void **state)
{
    (void)state;
    Err err = { 0 };
    memcpy(base + sizeof base - 7, "XXXXXX", 6);
    arena = arena_new(1 << 20);
    return mkdtemp(base) && watch_init(file("clock"), file("settings.json"), &watch, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    watch_done(&watch);
    bool gone = dir_remove_tree(base, &err);
    arena_free(arena);
    return !gone;
}

static void replace(const char *name)
{
    Err err = { 0 };
    assert_true(file_replace(file(name), bytes_of(STR("x")), 0600, (uid_t)-1, (gid_t)-1, &err));
}

static void test_each_file_is_told_by_itself(void **state)
{
    (void)state;
    assert_int_equal(watch_take(&watch), 0);
    replace("settings.json");
    assert_int_equal(poll(&(struct pollfd){ .fd = watch.fd, .events = POLLIN }, 1, 0), 1);
    assert_int_equal(watch_take(&watch), WATCHED_SETTINGS);
    replace("clock");
    assert_int_equal(watch_take(&watch), WATCHED_CLOCK);
    FILE *to = fopen(file("settings.json"), "w");                   /* written in place, as some editors do: told when it is closed */
    assert_true(fputs("half", to) >= 0 && fflush(to) == 0);
    assert_int_equal(watch_take(&watch), 0);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(watch_take(&watch), WATCHED_SETTINGS);
}

static void test_other_files_of_the_directory_say_nothing(void **state)
{
    (void)state;
    replace("state.json");
    replace("settings.json.bak");
    assert_int_equal(watch_take(&watch), 0);
}

/* A ConfigMap's files are links through "..data", which is what is replaced. */
static void test_a_directory_behind_links_is_told(void **state)
{
    (void)state;
    assert_int_equal(symlink("somewhere", file("..data_tmp")), 0);
    assert_int_equal(rename(file("..data_tmp"), file("..data")), 0);
    assert_true(watch_take(&watch) & WATCHED_SETTINGS);
}

static void test_what_cannot_be_watched_is_said(void **state)
{
    (void)state;
    Watch none;
    Err err = { 0 };
    assert_false(watch_init(NULL, "/nonexistent/settings.json", &none, &err));
    assert_non_null(strstr(err.text, "/nonexistent"));
    watch_done(&none);
    assert_false(watch_init("/nonexistent/clock", file("settings.json"), &none, &err));
    replace("settings.json");
    assert_int_equal(watch_take(&none), WATCHED_SETTINGS);     /* the other one is none the worse for it */
    watch_done(&none);
    assert_true(watch_init(NULL, NULL, &none, &err));
    assert_int_equal(none.fd, -1);
    assert_int_equal(watch_take(&none), 0);
    watch_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_file_is_told_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_files_of_the_directory_say_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_behind_links_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_watched_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
