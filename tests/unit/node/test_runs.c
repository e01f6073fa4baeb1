/* test_runs.c - runs from command to acknowledged report, over real keepers and processes. */
#include "../cm.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "node/lease_mark.h"
#include "node_fixture.h"

static NodeFixture fixture;
static Runs *runs;

static int64_t number(const JsonVal *body, const char *name) { return json_int(json_get(body, name), -1); }
static Str text(const JsonVal *body, const char *path) { return json_str(json_path(body, path)); }

static Str begin(const char *task, const char *command_line, const char *more)
{
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, task, command_line, more));
    return run_id;
}

static void wait_journal(Str run_id, JournalFile file)
{
    for (int64_t until = mono_now_ms() + NODE_WAIT_MS; !journal_has(&fixture.places, run_id, file); usleep(2000))
        assert_true(mono_now_ms() < until);
}

static void test_a_run_ends_with_its_exit_code_and_streams(void **state)
{
    (void)state;
    int64_t before = real_now_ms();
    Str run_id = begin("t1", "/bin/sh -c \"echo out; echo err >&2; pwd; exit 3\"", "");
    const JsonVal *end = node_wait_end(&fixture, run_id);
    assert_str(text(end, "state"), "completed");
    assert_int_equal(number(end, "exitCode"), 3);
    assert_int_equal(number(end, "signal"), -1);
    assert_true(number(end, "startMs") >= before && number(end, "endMs") >= number(end, "startMs"));
    assert_null(json_get(end, "failure"));
    Str out = node_file(&fixture, "workitems/job1/job-1/t1/stdout.txt");
    assert_true(str_starts(out, STR("out\n")) && str_ends(str_trim(out), STR("/workitems/job1/job-1/t1/wd")));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t1/stderr.txt"), "err\n");
}

static void test_streams_are_readable_while_it_runs_and_running_is_told(void **state)
{
    (void)state;
    Str run_id = begin("t2", "/bin/sh -c \"mkfifo gate; echo now; read x < gate; echo $x\"", "");
    (void)node_wait_report(&fixture, run_id, "running");
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t2/stdout.txt"));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t2/stdout.txt"), "now\n");
    FILE *gate = fopen(node_path(&fixture, "workitems/job1/job-1/t2/wd/gate"), "w");
    assert_non_null(gate);
    (void)fputs("later\n", gate);
    (void)fclose(gate);
    assert_int_equal(number(node_wait_end(&fixture, run_id), "exitCode"), 0);
    assert_str(node_file(&fixture, "workitems/job1/job-1/t2/stdout.txt"), "now\nlater\n");
}

static void test_a_missing_program_is_the_users_failure(void **state)
{
    (void)state;
    const JsonVal *end = node_wait_end(&fixture, begin("t3", "no-such-program a b", ""));
    assert_str(text(end, "state"), "completed");
    assert_str(text(end, "failure.code"), "CommandProgramNotFound");
    assert_str(text(end, "failure.category"), "usererror");
    assert_null(json_get(end, "exitCode"));
    end = node_wait_end(&fixture, begin("t3", "/bin/sh -c 'open", ""));
    assert_str(text(end, "failure.code"), "CommandLaunchFailed");
    end = node_wait_end(&fixture, begin("t3", "/etc/passwd", ""));
    assert_str(text(end, "failure.code"), "CommandLaunchFailed");
}

static void test_a_signal_is_an_exit_code_above_128(void **state)
{
    (void)state;
    const JsonVal *end = node_wait_end(&fixture, begin("t4", "/bin/sh -c 'kill -9 $$'", ""));
    assert_true(number(end, "exitCode") == 137 && number(end, "signal") == 9);
}

static void test_a_stopped_run_is_asked_first_and_its_children_end_too(void **state)
{
    (void)state;
    Str run_id = begin("t5", "/bin/sh -c \"trap 'echo asked; exit 5' TERM; setsid sh -c 'tail -f /dev/null' & echo up; while :; do sleep 1 & wait $!; done\"", "");
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t5/stdout.txt"));
    runs_end(runs, run_id, STR("TaskEnded"), STR("ended by the test"));
    const JsonVal *end = node_wait_end(&fixture, run_id);
    assert_str(text(end, "state"), "completed");
    assert_str(text(end, "failure.code"), "TaskEnded");
    assert_str(text(end, "failure.message"), "ended by the test");
    assert_int_equal(number(end, "exitCode"), 5);
    assert_str(node_file(&fixture, "workitems/job1/job-1/t5/stdout.txt"), "up\nasked\n");
}

static void test_what_outlives_its_first_process_ends_with_it(void **state)
{
    (void)state;
    Str run_id = begin("t6", "/bin/sh -c \"(setsid tail -f /dev/null &) ; echo done\"", "");
    assert_int_equal(number(node_wait_end(&fixture, run_id), "exitCode"), 0);      /* node_fixture_stop finds nothing left */
}

static void test_time_over_ends_a_run(void **state)
{
    (void)state;
    const JsonVal *end = node_wait_end(&fixture, begin("t7", "tail -f /dev/null", ",\"maxWallClockMs\":100"));
    assert_str(text(end, "failure.code"), "TaskEnded");
    assert_true(number(end, "exitCode") == 143 && number(end, "signal") == 15);
}

static void test_a_second_command_for_a_run_changes_nothing(void **state)
{
    (void)state;
    Str run_id = begin("t8", "/bin/sh -c 'echo once >> ../count'", "");
    const JsonVal *again = node_run(&fixture, run_id, "t8", "/bin/sh -c 'echo once >> ../count'", "");
    runs_begin(runs, again);
    (void)node_wait_end(&fixture, run_id);
    runs_begin(runs, again);
    runs_drop(runs, node_run_id(&fixture));         /* one that nobody knows */
    Str later = begin("t9", "true", "");
    (void)node_wait_end(&fixture, later);
    assert_str(node_file(&fixture, "workitems/job1/job-1/t8/count"), "once\n");
}

static void test_a_lost_lease_ends_every_run_and_tells_lost(void **state)
{
    (void)state;
    Str run_id = begin("t10", "/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"", "");
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t10/stdout.txt"));
    runs_lease(runs, boot_now_ms() + 50);           /* and nobody renews it */
    runs_lease(runs, 0);
    const JsonVal *end = node_wait_end(&fixture, run_id);
    assert_str(text(end, "state"), "lost");
    assert_null(json_get(end, "exitCode"));
    Str without = begin("t11", "true", "");
    assert_str(text(node_wait_end(&fixture, without), "state"), "lost");
}

static void test_a_keeper_ends_its_run_when_the_lease_ends_though_no_agent_lives(void **state)
{
    (void)state;
    Str run_id = begin("t12", "/bin/sh -c 'echo up; exec tail -f /dev/null'", "");
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t12/stdout.txt"));
    LeaseMark *mark;
    Err err = { 0 };
    runs_lease(runs, boot_now_ms() + 300);
    runs_stop(runs);
    assert_true(lease_mark_open(fixture.places.lease_file, false, &mark, &err));
    runs = NULL;
    wait_journal(run_id, JOURNAL_END);
    assert_true(boot_now_ms() >= atomic_load(&mark->until_ms));
    lease_mark_close(mark);
    runs = node_fixture_runs(&fixture);
    assert_str(text(node_wait_end(&fixture, run_id), "state"), "lost");
}

static void test_a_new_agent_takes_up_what_runs_and_what_ended_meanwhile(void **state)
{
    (void)state;
    Str slow = begin("t13", "/bin/sh -c \"mkfifo gate; echo up; read x < gate; exit 4\"", "");
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t13/stdout.txt"));
    Str quick = begin("t14", "/bin/sh -c \"mkfifo gate; echo up; read x < gate; exit 6\"", "");
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t14/stdout.txt"));
    runs_stop(runs);
    FILE *gate = fopen(node_path(&fixture, "workitems/job1/job-1/t14/wd/gate"), "w");
    (void)fputs("x\n", gate);
    (void)fclose(gate);
    wait_journal(quick, JOURNAL_END);
    assert_int_equal(node_reports(&fixture, quick, "completed"), 0);
    runs = node_fixture_runs(&fixture);
    assert_int_equal(number(node_wait_end(&fixture, quick), "exitCode"), 6);
    gate = fopen(node_path(&fixture, "workitems/job1/job-1/t13/wd/gate"), "w");
    (void)fputs("x\n", gate);
    (void)fclose(gate);
    assert_int_equal(number(node_wait_end(&fixture, slow), "exitCode"), 4);
}

static void test_reports_are_repeated_until_they_are_taken(void **state)
{
    (void)state;
    pthread_mutex_lock(&fixture.lock);
    fixture.unavailable = 3;
    pthread_mutex_unlock(&fixture.lock);
    Str run_id = begin("t15", "/bin/sh -c 'exit 9'", "");
    assert_int_equal(number(node_wait_end(&fixture, run_id), "exitCode"), 9);
    assert_int_equal(node_reports(&fixture, run_id, "completed"), 1);
}

static bool is_gone(const char *path)
{
    for (int64_t until = mono_now_ms() + NODE_WAIT_MS; mono_now_ms() < until; usleep(2000))
        if (access(path, F_OK) < 0)
            return true;
    return false;
}

static void test_a_run_the_control_plane_does_not_know_is_ended_and_forgotten(void **state)
{
    (void)state;
    Str run_id = node_run_id(&fixture);
    pthread_mutex_lock(&fixture.lock);
    fixture.unknown_run = run_id;
    pthread_mutex_unlock(&fixture.lock);
    runs_begin(runs, node_run(&fixture, run_id, "t16", "/bin/sh -c 'echo up; exec tail -f /dev/null'", ""));
    assert_true(is_gone(str_printf(fixture.arena, "%s/" STR_FMT, fixture.places.runs_dir, STR_ARG(run_id)).ptr));
    assert_true(is_gone(node_path(&fixture, "workitems/job1/job-1/t16")));
}

static void test_a_lease_that_does_not_name_a_run_ends_it(void **state)
{
    (void)state;
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    Err err = { 0 };
    const JsonVal *none;
    Str run_id = begin("t17", "tail -f /dev/null", "");
    (void)node_wait_report(&fixture, run_id, "running");
    assert_true(json_parse(fixture.arena, STR("[]"), JSON_STRICT, &none, &err));
    runs_answer(runs, NULL);                        /* a control plane that does not speak of runs */
    runs_answer(runs, none);                        /* one that was asked before there was the run */
    buf_init(&body, 65536);
    json_begin(&w, &body);
    json_open(&w, NULL);
    runs_write(runs, &w, "runs");
    json_close(&w);
    assert_true(json_end(&w, &err));
    assert_str(buf_str(&body), str_printf(fixture.arena, "{\"runs\":[{\"runId\":\"" STR_FMT "\",\"state\":\"running\"}]}", STR_ARG(run_id)).ptr);
    assert_true(journal_has(&fixture.places, run_id, JOURNAL_RUN) && !journal_has(&fixture.places, run_id, JOURNAL_DROP));
    runs_answer(runs, none);
    assert_true(is_gone(node_path(&fixture, "workitems/job1/job-1/t17")));
}

static void test_a_dropped_run_takes_its_directory_along_and_no_other(void **state)
{
    (void)state;
    Str first = begin("t18", "/bin/sh -c 'echo 1 > kept'", "");
    (void)node_wait_end(&fixture, first);
    Str second = begin("t18", "/bin/sh -c 'cat kept'", "");         /* a retry on the same node */
    assert_int_equal(number(node_wait_end(&fixture, second), "exitCode"), 0);
    const char *journal = str_printf(fixture.arena, "%s/" STR_FMT, fixture.places.runs_dir, STR_ARG(first)).ptr;
    runs_drop(runs, first);
    assert_true(is_gone(journal));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t18/stdout.txt"), "1\n");
    runs_drop(runs, second);
    assert_true(is_gone(node_path(&fixture, "workitems/job1/job-1/t18")));
}

static void test_stopping_a_run_nobody_knows_says_lost(void **state)
{
    (void)state;
    Str run_id = node_run_id(&fixture);
    runs_end(runs, run_id, STR("TaskEnded"), STR("?"));
    assert_str(text(node_wait_end(&fixture, run_id), "state"), "lost");
}

static void test_a_run_that_is_none_is_reported_as_failed(void **state)
{
    (void)state;
    const JsonVal *end = node_wait_end(&fixture, begin("t19/../../..", "true", ""));
    assert_str(text(end, "state"), "completed");
    assert_str(text(end, "failure.category"), "servererror");
}

static int start(void **state) { (void)state; node_fixture_start(&fixture); runs = node_fixture_runs(&fixture); return 0; }
static int stop(void **state) { (void)state; runs_stop(runs); node_fixture_stop(&fixture); return 0; }
#define ON_A_NODE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
    node_fixture_main(argc, argv);
    const struct CMUnitTest tests[] = {
        ON_A_NODE(test_a_run_ends_with_its_exit_code_and_streams),
        ON_A_NODE(test_streams_are_readable_while_it_runs_and_running_is_told),
        ON_A_NODE(test_a_missing_program_is_the_users_failure),
        ON_A_NODE(test_a_signal_is_an_exit_code_above_128),
        ON_A_NODE(test_a_stopped_run_is_asked_first_and_its_children_end_too),
        ON_A_NODE(test_what_outlives_its_first_process_ends_with_it),
        ON_A_NODE(test_time_over_ends_a_run),
        ON_A_NODE(test_a_second_command_for_a_run_changes_nothing),
        ON_A_NODE(test_a_lost_lease_ends_every_run_and_tells_lost),
        ON_A_NODE(test_a_keeper_ends_its_run_when_the_lease_ends_though_no_agent_lives),
        ON_A_NODE(test_a_new_agent_takes_up_what_runs_and_what_ended_meanwhile),
        ON_A_NODE(test_reports_are_repeated_until_they_are_taken),
        ON_A_NODE(test_a_run_the_control_plane_does_not_know_is_ended_and_forgotten),
        ON_A_NODE(test_a_lease_that_does_not_name_a_run_ends_it),
        ON_A_NODE(test_a_dropped_run_takes_its_directory_along_and_no_other),
        ON_A_NODE(test_stopping_a_run_nobody_knows_says_lost),
        ON_A_NODE(test_a_run_that_is_none_is_reported_as_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
