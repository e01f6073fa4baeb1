#include "../cm.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/watch.h"

enum { CLOCK = 1, SETTINGS = 2 };

static int64_t clock_ahead_ms;
static bool no_inotify;

int64_t __real_mono_now_ms(void);
int64_t __wrap_mono_now_ms(void);
int64_t __wrap_mono_now_ms(void) { return __real_mono_now_ms() + clock_ahead_ms; }

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __wrap_inotify_init1(int flags)
{
    errno = EMFILE;
    return no_inotify ? -1 : __real_inotify_init1(flags);
}

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
    watch = WATCH_NONE;
    no_inotify = false;
    return mkdtemp(base) && watch_add(&watch, file("clock"), CLOCK, &err) && watch_add(&watch, file("settings.json"), SETTINGS, &err) ? 0 : -1;
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
    assert_int_equal(watch_take(&watch), SETTINGS);
    replace("clock");
    assert_int_equal(watch_take(&watch), CLOCK);
    FILE *to = fopen(file("settings.json"), "w");                   /* written in place, as some editors do: told when it is closed */
    assert_true(fputs("half", to) >= 0 && fflush(to) == 0);
    assert_int_equal(watch_take(&watch), 0);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(watch_take(&watch), SETTINGS);
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
    assert_true(watch_take(&watch) & SETTINGS);
}

static void test_a_file_that_is_dropped_says_nothing(void **state)
{
    (void)state;
    watch_drop(&watch, file("clock"));
    watch_drop(&watch, file("clock"));
    replace("clock");
    assert_int_equal(watch_take(&watch), 0);
    replace("settings.json");
    assert_int_equal(watch_take(&watch), SETTINGS);
}

/* ---- by time ---- */

static unsigned next_look(Watch *of)
{
    assert_in_range(watch_look_at_ms(of), 1, mono_now_ms() + WATCH_LOOK_MS);
    int64_t left_ms = watch_look_at_ms(of) - mono_now_ms();
    clock_ahead_ms += left_ms > 0 ? left_ms : 0;
    return watch_take(of);
}

static void test_without_inotify_files_are_looked_at_until_there_is_one(void **state)
{
    (void)state;
    Watch blind = WATCH_NONE;
    Err err = { 0 };
    no_inotify = true;
    replace("settings.json");
    assert_false(watch_add(&blind, file("settings.json"), SETTINGS, &err));
    assert_non_null(strstr(err.text, "fs.inotify.max_user_instances"));
    assert_false(watch_add(&blind, file("clock"), CLOCK, &err));
    assert_int_equal(blind.fd, -1);
    assert_int_equal(next_look(&blind), 0);
    replace("settings.json");
    assert_int_equal(watch_take(&blind), 0);                        /* not before its time */
    assert_int_equal(next_look(&blind), SETTINGS);
    replace("clock");                                               /* which was not there */
    assert_int_equal(next_look(&blind), CLOCK);
    assert_int_equal(unlink(file("clock")), 0);
    assert_int_equal(next_look(&blind), CLOCK);
    assert_int_equal(next_look(&blind), 0);

    no_inotify = false;
    replace("settings.json");                                       /* while nobody watches, and then somebody does */
    assert_int_equal(next_look(&blind), SETTINGS);
    assert_true(watch_look_at_ms(&blind) == INT64_MAX);
    assert_int_equal(watch_take(&blind), 0);
    replace("clock");
    assert_int_equal(watch_take(&blind), CLOCK);
    watch_done(&blind);
}

static void test_a_directory_that_is_not_there_yet_is_watched_once_it_is(void **state)
{
    (void)state;
    Watch early = WATCH_NONE;
    Err err = { 0 };
    assert_false(watch_add(&early, file("later/settings.json"), SETTINGS, &err));
    assert_non_null(strstr(err.text, "/later"));
    assert_true(watch_add(&early, file("clock"), CLOCK, &err));
    replace("clock");
    assert_int_equal(watch_take(&early), CLOCK);                    /* the other one is none the worse for it */
    assert_int_equal(next_look(&early), 0);
    assert_true(dir_make(file("later"), 0755, &err));
    replace("later/settings.json");
    assert_int_equal(next_look(&early), SETTINGS);
    assert_true(watch_look_at_ms(&early) == INT64_MAX);
    assert_true(dir_remove_tree(file("later"), &err));              /* and gone again */
    (void)watch_take(&early);
    assert_true(watch_look_at_ms(&early) != INT64_MAX);
    assert_true(dir_make(file("later"), 0755, &err));
    replace("later/settings.json");
    assert_int_equal(next_look(&early), SETTINGS);
    watch_done(&early);
}

static void test_a_path_added_twice_is_one_and_there_is_a_most_of_them(void **state)
{
    (void)state;
    Watch full = WATCH_NONE;
    Err err = { 0 };
    for (int i = 0; i < WATCH_FILES_MAX; i++)
        assert_true(watch_add(&full, file(str_printf(arena, "f%d", i).ptr), CLOCK, &err) && watch_add(&full, file(str_printf(arena, "f%d", i).ptr), SETTINGS, &err));
    assert_false(watch_add(&full, file("one-more"), SETTINGS, &err));
    replace("f7");
    assert_int_equal(watch_take(&full), SETTINGS);
    watch_done(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_file_is_told_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_files_of_the_directory_say_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_behind_links_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_dropped_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_inotify_files_are_looked_at_until_there_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_that_is_not_there_yet_is_watched_once_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_path_added_twice_is_one_and_there_is_a_most_of_them, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
