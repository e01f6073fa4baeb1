#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "batch/jobs/task_states.h"

static void expect_job(JobState from, JobEvent on, int wanted)
{
    JobState to = (JobState)0;
    bool listed = job_move(from, on, &to);
    if (listed != (wanted != 0) || (int)to != wanted)
        fail_msg("job %s, event %d: %s, wanted %s", job_state_name(from), on, listed ? job_state_name(to) : "refused", wanted ? job_state_name((JobState)wanted) : "refused");
}

/* The whole table: what is not written here is refused. */
static void test_jobs_move_as_listed_and_not_otherwise(void **state)
{
    static const int to[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
        [JOB_ACTIVE] = { [JOB_DISABLE] = JOB_DISABLING, [JOB_TERMINATE] = JOB_TERMINATING, [JOB_DELETE] = JOB_DELETING },
        [JOB_DISABLING] = { [JOB_IS_DISABLED] = JOB_DISABLED, [JOB_ENABLE] = JOB_ACTIVE, [JOB_TERMINATE] = JOB_TERMINATING, [JOB_DELETE] = JOB_DELETING },
        [JOB_DISABLED] = { [JOB_ENABLE] = JOB_ACTIVE, [JOB_TERMINATE] = JOB_TERMINATING, [JOB_DELETE] = JOB_DELETING },
        [JOB_TERMINATING] = { [JOB_IS_DONE] = JOB_COMPLETED, [JOB_DELETE] = JOB_DELETING },
        [JOB_COMPLETED] = { [JOB_DELETE] = JOB_DELETING },
    };
    (void)state;
    for (int from = JOB_ACTIVE; from < JOB_STATE_COUNT; from++)
        for (int on = JOB_DISABLE; on < JOB_EVENT_COUNT; on++)
            expect_job((JobState)from, (JobEvent)on, to[from][on]);
}

static void test_tasks_move_as_listed_and_not_otherwise(void **state)
{
    static const int to[TASK_STATE_COUNT][TASK_EVENT_COUNT] = {
        [TASK_ACTIVE] = { [TASK_PREPARES] = TASK_PREPARING, [TASK_RUNS] = TASK_RUNNING, [TASK_ENDS] = TASK_COMPLETED },
        [TASK_PREPARING] = { [TASK_RUNS] = TASK_RUNNING, [TASK_ENDS] = TASK_COMPLETED, [TASK_WAITS] = TASK_ACTIVE },
        [TASK_RUNNING] = { [TASK_ENDS] = TASK_COMPLETED, [TASK_WAITS] = TASK_ACTIVE },
        [TASK_COMPLETED] = { [TASK_REACTIVATED] = TASK_ACTIVE },
    };
    (void)state;
    for (int from = TASK_ACTIVE; from < TASK_STATE_COUNT; from++)
        for (int on = TASK_PREPARES; on < TASK_EVENT_COUNT; on++) {
            TaskState got = (TaskState)0;
            assert_int_equal(task_move((TaskState)from, (TaskEvent)on, &got), to[from][on] != 0);
            assert_int_equal(got, to[from][on]);
        }
}

static void test_names_are_the_wire_s(void **state)
{
    static const char *const jobs[] = { "", "active", "disabling", "disabled", "enabling", "terminating", "completed", "deleting" };
    static const char *const tasks[] = { "", "active", "preparing", "running", "completed" };
    (void)state;
    for (int i = JOB_ACTIVE; i < JOB_STATE_COUNT; i++)
        assert_string_equal(job_state_name((JobState)i), jobs[i]);
    for (int i = TASK_ACTIVE; i < TASK_STATE_COUNT; i++)
        assert_string_equal(task_state_name((TaskState)i), tasks[i]);
    assert_string_equal(run_kind_name(RUN_START), "starttask");
    assert_string_equal(run_kind_name(RUN_PREPARATION), "jobpreparation");
    assert_string_equal(run_kind_name(RUN_RELEASE), "jobrelease");
    assert_string_equal(run_kind_name(RUN_TASK), "task");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_move_as_listed_and_not_otherwise),
        cmocka_unit_test(test_tasks_move_as_listed_and_not_otherwise),
        cmocka_unit_test(test_names_are_the_wire_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
