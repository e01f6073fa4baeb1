#include "../cm.h"
#include <signal.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/exec.h"

static char sh[] = "sh", dash_c[] = "-c", path[] = "PATH=/usr/bin:/bin";
static char *const environment[] = { path, NULL };

static bool run(const char *script, int64_t timeout_ms, ExecResult *result, Err *err)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%s", script);
    char *argv[] = { sh, dash_c, text, NULL };
    return exec_run(argv, environment, timeout_ms, result, err);
}

static void test_streams_and_exit_code_are_kept(void **state)
{
    (void)state;
    ExecResult result;
    Err err = { 0 };
    assert_true(run("echo out; echo err >&2; exit 3", 60000, &result, &err));
    assert_int_equal(result.exit_code, 3);
    assert_str(buf_str(&result.out), "out\n");
    assert_str(buf_str(&result.err), "err\n");
    exec_result_done(&result);
}

static void test_a_command_over_its_time_is_killed_with_its_children(void **state)
{
    (void)state;
    ExecResult result;
    Err err = { 0 };
    int64_t begun = mono_now_ms();
    assert_true(run("tail -f /dev/null & tail -f /dev/null", 100, &result, &err));
    assert_true(result.timed_out && result.signal == 9 && result.exit_code == 137);
    assert_true(mono_now_ms() - begun < 60000);
    exec_result_done(&result);
}

/* A daemon started in the background keeps its starter's pipes open for as long as it lives. */
static void test_a_command_ends_although_what_it_started_stays(void **state)
{
    (void)state;
    ExecResult result;
    Err err = { 0 };
    int64_t begun = mono_now_ms();
    assert_true(run("tail -f /dev/null & echo $!", 300000, &result, &err));
    assert_true(mono_now_ms() - begun < 60000);
    assert_true(!result.timed_out && result.exit_code == 0 && result.signal == 0);
    int stayed = 0;
    char pid[16] = "";
    (void)snprintf(pid, sizeof pid, STR_FMT, STR_ARG(buf_str(&result.out)));
    assert_int_equal(sscanf(pid, "%d", &stayed), 1);
    assert_int_equal(kill(stayed, SIGKILL), 0);           /* it was not killed with its starter */
    exec_result_done(&result);
}

static void test_a_missing_program_is_said(void **state)
{
    (void)state;
    static char missing[] = "no-such-program-here";
    char *argv[] = { missing, NULL };
    ExecResult result;
    Err err = { 0 };
    assert_false(exec_run(argv, environment, 1000, &result, &err));
    assert_string_equal(err.text, "cannot run 'no-such-program-here': No such file or directory");
}

static void test_output_beyond_the_limit_is_dropped_and_said(void **state)
{
    (void)state;
    ExecResult result;
    Err err = { 0 };
    assert_true(run("head -c 5000000 /dev/zero", 60000, &result, &err));
    assert_true(result.truncated && result.out.len == EXEC_STREAM_MAX && result.exit_code == 0);
    exec_result_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_and_exit_code_are_kept),
        cmocka_unit_test(test_a_command_over_its_time_is_killed_with_its_children),
        cmocka_unit_test(test_a_command_ends_although_what_it_started_stays),
        cmocka_unit_test(test_a_missing_program_is_said),
        cmocka_unit_test(test_output_beyond_the_limit_is_dropped_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
