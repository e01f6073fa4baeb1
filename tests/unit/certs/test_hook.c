#include "../cm.h"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "certs/hook.h"

static char base[] = "/tmp/vaultyard-hook-XXXXXX";
static HookRun run;
static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    memcpy(base + sizeof base - 7, "XXXXXX", 6);
    arena = arena_new(1 << 20);
    hook_init(&run);
    return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    hook_stop(&run);
    bool gone = dir_remove_tree(base, &err);
    arena_free(arena);
    return !gone;
}

static Hook shell(const char *line, int64_t timeout_s)
{
    return (Hook){ .words = { STR("/bin/sh"), STR("-c"), str_from(line) }, .word_count = 3, .timeout_s = timeout_s };
}

/* Steps until the hook runs no more; waits on its descriptors, as the agent does. */
static void to_the_end(const Hook *hook)
{
    for (int64_t at_ms = hook_step(&run, hook); run.pid > 0; at_ms = hook_step(&run, hook)) {
        struct pollfd fds[HOOK_FDS];
        int64_t left = at_ms - mono_now_ms();
        (void)poll(fds, hook_fds(&run, fds), left < 0 ? 0 : (int)left);
    }
}

static void test_it_runs_once_for_all_that_changed(void **state)
{
    (void)state;
    Str text;
    Err err = { 0 };
    Hook hook = shell(str_printf(arena, "echo ran >> %s/count; printf '%%s' \"$VAULTYARD_CHANGED\" > %s/changed; echo said; echo trouble >&2", base, base).ptr, 30);
    assert_true(hook_step(&run, &hook) == INT64_MAX && run.pid == 0);       /* nothing changed */
    hook_ask(&run, STR("/c/a"));
    hook_ask(&run, STR("/c/b"));
    to_the_end(&hook);
    assert_true(run.was_good && !run.is_pending);
    assert_string_equal(run.result, "exit 0");
    assert_string_equal(run.output, "said\ntrouble\n");
    assert_true(file_read(arena, str_printf(arena, "%s/count", base).ptr, 100, &text, &err));
    assert_str(text, "ran\n");
    assert_true(file_read(arena, str_printf(arena, "%s/changed", base).ptr, 100, &text, &err));
    assert_str(text, "/c/a\n/c/b");
    assert_true(hook_step(&run, &hook) == INT64_MAX && run.pid == 0);
    hook_ask(&run, STR("/c/c"));
    to_the_end(&hook);
    assert_true(file_read(arena, str_printf(arena, "%s/changed", base).ptr, 100, &text, &err));
    assert_str(text, "/c/c");
}

static void test_a_failure_is_kept_and_tried_again_later(void **state)
{
    (void)state;
    Hook hook = shell("echo no such service; exit 3", 30);
    int64_t begun = mono_now_ms();
    hook_ask(&run, STR("/c/a"));
    to_the_end(&hook);
    assert_false(run.was_good);
    assert_true(run.is_pending);
    assert_string_equal(run.result, "exit 3");
    assert_string_equal(run.output, "no such service\n");
    assert_in_range(run.due_ms, begun + 5000, mono_now_ms() + 5000);
    run.due_ms = mono_now_ms() + 600 * 1000;
    assert_true(hook_step(&run, &hook) == run.due_ms && run.pid == 0);      /* not before its time */
    run.due_ms = 0;
    begun = mono_now_ms();
    to_the_end(&hook);
    assert_in_range(run.due_ms, begun + 10000, mono_now_ms() + 10000);
    assert_int_equal(run.failures, 2);
    Hook mended = shell("test \"$VAULTYARD_CHANGED\" = /c/a", 30);
    run.due_ms = 0;
    to_the_end(&mended);
    assert_true(run.was_good && !run.is_pending);
    assert_int_equal(run.failures, 0);
}

static void test_its_time_is_limited_with_all_it_started(void **state)
{
    (void)state;
    Hook hook = shell("sleep 1000 & sleep 1000", 1);
    hook_ask(&run, STR("/c/a"));
    (void)hook_step(&run, &hook);
    pid_t group = run.pid;
    assert_true(group > 0);
    int64_t begun = mono_now_ms();
    to_the_end(&hook);
    assert_in_range(mono_now_ms() - begun, 900, 500 * 1000);                /* half of what it wanted */
    assert_string_equal(run.result, "was ended after 1 s");
    assert_true(run.is_pending);
    assert_true(!run.was_good);
}

static void test_one_that_ignores_term_is_killed(void **state)
{
    (void)state;
    Hook hook = shell("trap '' TERM; while :; do sleep 1000; done", 1);
    hook_ask(&run, STR("/c/a"));
    (void)hook_step(&run, &hook);
    run.limit_ms = 0;
    (void)hook_step(&run, &hook);                                         /* SIGTERM */
    assert_true(run.is_killed);
    run.limit_ms = 0;                                                     /* as if 5 s had gone by */
    to_the_end(&hook);
    assert_int_equal(run.pid, 0);
    assert_true(run.is_pending);
}

static void test_a_change_during_the_run_makes_it_run_again(void **state)
{
    (void)state;
    Hook hook = shell(str_printf(arena, "read line < %s/gate; echo ran >> %s/count", base, base).ptr, 30);
    Str text;
    Err err = { 0 };
    assert_int_equal(mkfifo(str_printf(arena, "%s/gate", base).ptr, 0600), 0);
    hook_ask(&run, STR("/c/a"));
    (void)hook_step(&run, &hook);
    assert_true(run.pid > 0);
    hook_ask(&run, STR("/c/b"));
    for (int i = 0; i < 2; i++) {
        FILE *gate = fopen(str_printf(arena, "%s/gate", base).ptr, "w");
        assert_non_null(gate);
        (void)fputs("go\n", gate);
        (void)fclose(gate);
        struct pollfd fds[HOOK_FDS];
        pid_t was = run.pid;
        while (run.pid == was) {
            (void)poll(fds, hook_fds(&run, fds), 1000);
            (void)hook_step(&run, &hook);
        }
    }
    assert_int_equal(run.pid, 0);
    assert_true(file_read(arena, str_printf(arena, "%s/count", base).ptr, 100, &text, &err));
    assert_str(text, "ran\nran\n");
}

static void test_what_cannot_run_is_a_failure_that_says_why(void **state)
{
    (void)state;
    Hook none = { .words = { STR("/nonexistent/program") }, .word_count = 1, .timeout_s = 5 };
    hook_ask(&run, STR("/c/a"));
    to_the_end(&none);
    assert_string_equal(run.result, "exit 127");
    assert_non_null(strstr(run.output, "/nonexistent/program"));
    Hook nobody = shell("true", 5);
    nobody.user = STR("no-such-user-here");
    run.due_ms = 0;
    to_the_end(&nobody);
    assert_non_null(strstr(run.result, "no-such-user-here"));
    assert_true(run.is_pending && !run.was_good);
}

static void test_it_runs_as_its_user_without_our_groups(void **state)
{
    (void)state;
    struct passwd *nobody = getpwnam("nobody");
    Hook hook = shell("id -u; id -G; echo $HOME", 30);
    if (geteuid() != 0 || !nobody) {                                      /* only root may change users: then it must fail, not run as us */
        hook.user = STR("root");
        hook_ask(&run, STR("/c/a"));
        to_the_end(&hook);
        assert_false(run.was_good && geteuid() != 0);
        return;
    }
    hook.user = STR("nobody");
    hook_ask(&run, STR("/c/a"));
    to_the_end(&hook);
    char wanted[200];
    (void)snprintf(wanted, sizeof wanted, "%u\n%u\n%s\n", nobody->pw_uid, nobody->pw_gid, nobody->pw_dir);
    assert_string_equal(run.output, wanted);
}

static void test_long_output_keeps_its_end_and_odd_bytes_do_no_harm(void **state)
{
    (void)state;
    Hook hook = shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; printf '\\377\\033end'", 30);
    hook_ask(&run, STR("/c/a"));
    to_the_end(&hook);
    assert_int_equal(run.output_len, HOOK_OUTPUT_MAX);
    assert_true(str_ends(str_from(run.output), STR("line 1999\n?" "?end")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_runs_once_for_all_that_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_is_kept_and_tried_again_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_its_time_is_limited_with_all_it_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_ignores_term_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_during_the_run_makes_it_run_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_run_is_a_failure_that_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_runs_as_its_user_without_our_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_output_keeps_its_end_and_odd_bytes_do_no_harm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
