#include "task_world.h"

static World world;
static Agent agents[3];

#define DONE(code) "{\"state\":\"completed\",\"startMs\":1,\"endMs\":2,\"exitCode\":" code "}"

static Str one_run(const char *more)
{
    pool_of_agents(&world, agents, 1, 1, "");
    add_job(&world, "j", "");
    add_task(&world, "j", "t", more);
    world_work(&world);
    Str run = agent_told(&world, &agents[0], "run", 0, NULL);
    assert_int_equal(run.len, 32);
    return run;
}

static int64_t count(const char *sql) { return read_int(world.site.store, sql); }

static void test_a_node_is_told_until_it_speaks(void **state)
{
    (void)state;
    Str run = one_run(",\"userIdentity\":{\"autoUser\":{\"elevationLevel\":\"admin\"}},\"constraints\":{\"maxWallClockTime\":\"PT1M\"}");
    const JsonVal *command;
    assert_true(str_eq(agent_told(&world, &agents[0], "run", 0, &command), run));
    assert_str(json_str(json_path(command, "run.kind")), "task");
    assert_str(json_str(json_path(command, "run.directory")), "workitems/j/job-1/t");
    assert_str(json_str(json_path(command, "run.user.scope")), "pool");
    assert_true(json_bool(json_path(command, "run.user.admin"), false));
    assert_int_equal(json_int(json_path(command, "run.maxWallClockMs"), 0), 60000);
    assert_str(task_state(&world, "j", "t"), "running");
    assert_int_equal(node_row(&world, agents[0].machine->node_id).state, NODE_RUNNING);

    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"running\",\"startMs\":1}"), 204);
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"running\",\"startMs\":1}"), 204);
    assert_null(agent_told(&world, &agents[0], "run", 0, NULL).ptr);
    expect_status(agent_says(&world, &agents[0], run, DONE("0")), 204);
    assert_str(task_state(&world, "j", "t"), "completed");
    assert_int_equal(node_row(&world, agents[0].machine->node_id).state, NODE_IDLE);
    assert_int_equal(count("SELECT COUNT(*) FROM batch_run"), 0);
}

static void test_a_report_may_come_again_and_an_unknown_one_is_refused(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(agent_says(&world, &agents[0], run, DONE("3")), 204);
    expect_status(agent_says(&world, &agents[0], run, DONE("3")), 204);         /* the answer was lost; the task's files stay */
    expect_status(agent_says(&world, &agents[0], run, DONE("0")), 204);
    assert_int_equal(task_number(&world, "j", "t", "executionInfo.exitCode"), 3);
    expect_error(agent_says(&world, &agents[0], STR("00000000000000000000000000000000"), DONE("0")), 404, "RunUnknown");
    expect_status(data_call(&world, "DELETE", "/jobs/j/tasks/t", STR_NONE), 200);
    expect_error(agent_says(&world, &agents[0], run, DONE("3")), 404, "RunUnknown");
    assert_true(str_eq(agent_told(&world, &agents[0], "drop-run", 0, NULL), run));
}

static void test_another_nodes_run_is_not_its(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 2, 1, "");
    add_job(&world, "j", "");
    add_task(&world, "j", "t", str_printf(world.arena, ",\"affinityInfo\":{\"affinityId\":\"TVM:%s\"}", agents[1].machine->node_id).ptr);
    world_work(&world);
    Str run = agent_told(&world, &agents[1], "run", 0, NULL);
    assert_int_equal(run.len, 32);
    expect_error(agent_says(&world, &agents[0], run, DONE("0")), 404, "RunUnknown");
    assert_str(task_state(&world, "j", "t"), "running");
}

static void test_bad_reports_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}", "[]", "{\"state\":\"done\"}", "{\"state\":\"completed\"}", "{\"state\":\"completed\",\"exitCode\":\"0\"}", "{\"state\":\"completed\",\"exitCode\":99999999999}",
        "{\"state\":\"completed\",\"failure\":{\"code\":\"X\"}}", "{\"state\":\"completed\",\"failure\":{\"category\":\"usererror\"}}",
        "{\"state\":\"completed\",\"failure\":{\"category\":\"usererror\",\"code\":\"X\",\"details\":[{}]}}",
    };
    Str run = one_run("");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_status(agent_says(&world, &agents[0], run, bad[i]), 400);
    assert_str(task_state(&world, "j", "t"), "running");
}

static void test_a_lost_run_is_run_again_uncounted(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"lost\",\"startMs\":1,\"endMs\":2}"), 204);
    world_work(&world);
    Str next = agent_told(&world, &agents[0], "run", 0, NULL);
    assert_int_equal(next.len, 32);
    assert_false(str_eq(next, run));
    assert_true(str_eq(agent_told(&world, &agents[0], "drop-run", 0, NULL), run));
    assert_int_equal(task_number(&world, "j", "t", "executionInfo.retryCount"), 0);
    assert_int_equal(task_number(&world, "j", "t", "executionInfo.requeueCount"), 0);
    expect_error(agent_says(&world, &agents[0], run, DONE("0")), 404, "RunUnknown");
}

static void test_a_run_that_no_lease_names_is_lost_once_it_must_be_named(void **state)
{
    (void)state;
    Str run = one_run("");
    const char *named = str_printf(world.arena, "[{\"runId\":\"" STR_FMT "\",\"state\":\"running\"}]", STR_ARG(run)).ptr;
    Answer first = agent_lease(&world, &agents[0], "idle", "[]");               /* it may not have got the command yet */
    assert_true(str_eq(json_str(json_at(json_get(first.json, "runs"), 0)), run));
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"running\",\"startMs\":1}"), 204);
    expect_status(agent_lease(&world, &agents[0], "idle", "[]"), 200);          /* written before that: it had no newer answer */
    assert_str(task_state(&world, "j", "t"), "running");
    agents[0].lease_number = answer_int(&first, "lease");
    expect_status(agent_lease(&world, &agents[0], "idle", "[]"), 200);
    assert_str(task_state(&world, "j", "t"), "running");
    agents[0].lease_number++;
    expect_status(agent_lease(&world, &agents[0], "idle", named), 200);
    assert_str(task_state(&world, "j", "t"), "running");
    expect_status(agent_lease(&world, &agents[0], "idle", "[]"), 200);
    assert_str(task_state(&world, "j", "t"), "active");
    assert_int_equal(node_row(&world, agents[0].machine->node_id).state, NODE_IDLE);
    Answer last = agent_lease(&world, &agents[0], "idle", named);               /* not its own any more: it ends it */
    assert_int_equal(json_count(json_get(last.json, "runs")), 0);
}

static void test_a_run_that_may_be_on_its_way_is_waited_for(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(data_call(&world, "DELETE", "/jobs/j/tasks/t", STR_NONE), 200);
    add_task(&world, "j", "t", "");
    for (agents[0].lease_number = 1; agents[0].lease_number < 5; agents[0].lease_number++)
        expect_status(agent_lease(&world, &agents[0], "idle", "[]"), 200);      /* it was never heard of: the command may still come */
    world_work(&world);
    assert_str(task_state(&world, "j", "t"), "active");
    assert_true(str_eq(agent_told(&world, &agents[0], "stop-run", 0, NULL), run));
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"lost\"}"), 204);
    world_work(&world);
    assert_str(task_state(&world, "j", "t"), "running");
}

static void test_bad_runs_in_a_lease_are_refused(void **state)
{
    (void)state;
    (void)one_run("");
    expect_status(agent_lease(&world, &agents[0], "idle", "{}"), 400);
    expect_status(agent_lease(&world, &agents[0], "idle", "[{}]"), 400);
    expect_status(agent_lease(&world, &agents[0], "idle", "[\"x\"]"), 400);
}

/* As if the node had been silent for so long; its machine runs. */
static void silence(const Agent *agent, int64_t beyond_lease_ms)
{
    world.batch->opened_real_ms = 0;
    write_sql(world.site.store, str_printf(world.arena, "UPDATE batch_node SET lease_until_ms = %lld WHERE id = '%s'", (long long)(real_now_ms() - beyond_lease_ms), agent->machine->node_id).ptr);
}

static void test_a_silent_node_keeps_its_task_until_five_seconds_after_its_lease(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 2, 1, "");
    add_job(&world, "j", "");
    add_task(&world, "j", "t", str_printf(world.arena, ",\"affinityInfo\":{\"affinityId\":\"TVM:%s\"}", agents[0].machine->node_id).ptr);
    world_work(&world);
    Str run = agent_told(&world, &agents[0], "run", 0, NULL);
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"running\",\"startMs\":1}"), 204);
    silence(&agents[0], 1000);
    world_work(&world);
    assert_int_equal(node_row(&world, agents[0].machine->node_id).state, NODE_UNKNOWN);
    assert_str(task_state(&world, "j", "t"), "running");
    silence(&agents[0], RUN_LEASE_GRACE_MS + 1000);
    world_work(&world);
    assert_str(task_state(&world, "j", "t"), "running");
    assert_int_equal(agent_told(&world, &agents[1], "run", 0, NULL).len, 32);
    assert_int_equal(task_number(&world, "j", "t", "executionInfo.requeueCount"), 0);
    expect_error(agent_says(&world, &agents[0], run, DONE("0")), 404, "RunUnknown");      /* it comes back and has nothing to say */
}

static void test_what_is_not_begun_is_ended_without_beginning(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(data_call(&world, "POST", "/jobs/j/tasks/t/terminate", STR("")), 204);
    assert_null(agent_told(&world, &agents[0], "run", 0, NULL).ptr);
    const JsonVal *command;
    assert_true(str_eq(agent_told(&world, &agents[0], "stop-run", 0, &command), run));
    assert_str(json_str(json_get(command, "code")), "TaskEnded");
    assert_str(task_state(&world, "j", "t"), "running");
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"lost\",\"startMs\":1,\"endMs\":1}"), 204);      /* it does not know it */
    assert_str(task_state(&world, "j", "t"), "completed");
    assert_null(agent_told(&world, &agents[0], "stop-run", 0, NULL).ptr);
}

static void test_success_wins_over_an_end_that_was_asked_for(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(data_call(&world, "POST", "/jobs/j/tasks/t/terminate", STR("")), 204);
    expect_status(agent_says(&world, &agents[0], run, DONE("0")), 204);
    Answer task = data_call(&world, "GET", "/jobs/j/tasks/t", STR_NONE);
    assert_str(answer_text(&task, "executionInfo.result"), "success");
}

typedef struct Key { bool is_back; } Key;

static bool key_txn(Txn *txn, void *ctx, Err *err)
{
    const Key *key = ctx;
    return world.batch->on_key_access(world.batch, txn, world.arena, str_dup(world.arena, node_row(&world, agents[0].machine->node_id).account_id), key->is_back, err);
}

static void test_without_the_accounts_key_tasks_are_taken_back_and_do_not_run_twice(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(agent_says(&world, &agents[0], run, "{\"state\":\"running\",\"startMs\":1}"), 204);
    must(store_write(world.site.store, key_txn, &(Key){ false }, E));
    assert_str(task_state(&world, "j", "t"), "active");
    world_work(&world);
    assert_str(task_state(&world, "j", "t"), "active");                         /* the old run may still execute */
    const char *named = str_printf(world.arena, "[{\"runId\":\"" STR_FMT "\",\"state\":\"running\"}]", STR_ARG(run)).ptr;
    Answer lease = agent_lease(&world, &agents[0], "idle", named);
    assert_int_equal(json_count(json_get(lease.json, "runs")), 0);
    must(store_write(world.site.store, key_txn, &(Key){ true }, E));
    world_work(&world);
    assert_str(task_state(&world, "j", "t"), "active");
    expect_status(agent_says(&world, &agents[0], run, DONE("0")), 204);         /* it is over, and counts for nothing */
    world_work(&world);
    assert_str(task_state(&world, "j", "t"), "running");
    assert_false(str_eq(agent_told(&world, &agents[0], "run", 0, NULL), run));
    assert_int_equal(task_number(&world, "j", "t", "executionInfo.requeueCount"), 0);
}

static void test_a_task_keeps_the_pool_of_its_node_when_its_job_moves(void **state)
{
    (void)state;
    Str run = one_run("");
    expect_status(agent_says(&world, &agents[0], run, DONE("0")), 204);
    expect_status(data_call(&world, "POST", "/jobs/j/disable", STR("{\"disableTasks\":\"wait\"}")), 202);
    world_work(&world);
    expect_status(data_call(&world, "PATCH", "/jobs/j", STR("{\"poolInfo\":{\"poolId\":\"elsewhere\"}}")), 200);
    Answer task = data_call(&world, "GET", "/jobs/j/tasks/t", STR_NONE);
    assert_str(answer_text(&task, "nodeInfo.poolId"), "p");
    assert_non_null(strstr(answer_text(&task, "nodeInfo.nodeUrl").ptr, "/pools/p/nodes/"));
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_node_is_told_until_it_speaks),
        TEST(test_a_report_may_come_again_and_an_unknown_one_is_refused),
        TEST(test_another_nodes_run_is_not_its),
        TEST(test_bad_reports_change_nothing),
        TEST(test_a_lost_run_is_run_again_uncounted),
        TEST(test_a_run_that_no_lease_names_is_lost_once_it_must_be_named),
        TEST(test_a_run_that_may_be_on_its_way_is_waited_for),
        TEST(test_bad_runs_in_a_lease_are_refused),
        TEST(test_a_silent_node_keeps_its_task_until_five_seconds_after_its_lease),
        TEST(test_what_is_not_begun_is_ended_without_beginning),
        TEST(test_success_wins_over_an_end_that_was_asked_for),
        TEST(test_a_task_keeps_the_pool_of_its_node_when_its_job_moves),
        TEST(test_without_the_accounts_key_tasks_are_taken_back_and_do_not_run_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
