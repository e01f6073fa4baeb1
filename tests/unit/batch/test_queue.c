#include "task_world.h"

static World world;
static Agent agents[3];

#define DONE "{\"state\":\"completed\",\"startMs\":1,\"endMs\":2,\"exitCode\":0}"

static int64_t runs_on(int agent)
{
    return read_int(world.site.store, str_printf(world.arena, "SELECT COUNT(*) FROM batch_run WHERE node_id = '%s'", agents[agent].machine->node_id).ptr);
}

static bool is(const char *job, const char *task, const char *wanted) { return str_eq(task_state(&world, job, task), str_from(wanted)); }

static void add_tasks(const char *job, int count, const char *more)
{
    for (int i = 0; i < count; i++)
        add_task(&world, job, str_printf(world.arena, "t%d", i).ptr, more);
}

static void test_spread_fills_evenly(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 2, 4, "");
    add_job(&world, "j", "");
    add_tasks("j", 4, "");
    world_work(&world);
    assert_int_equal(runs_on(0), 2);
    assert_int_equal(runs_on(1), 2);
}

static void test_pack_fills_one_before_the_next(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 2, 4, ",\"taskSchedulingPolicy\":{\"nodeFillType\":\"pack\"}");
    add_job(&world, "j", "");
    add_tasks("j", 5, "");
    world_work(&world);
    assert_int_equal(runs_on(0) * runs_on(1), 4);
}

static void test_affinity_is_a_wish(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 2, 1, "");
    add_job(&world, "j", "");
    add_tasks("j", 2, str_printf(world.arena, ",\"affinityInfo\":{\"affinityId\":\"TVM:%s\"}", agents[1].machine->node_id).ptr);
    world_work(&world);
    assert_int_equal(read_int(world.site.store, str_printf(world.arena, "SELECT COUNT(*) FROM batch_task WHERE task_key = 't0' AND node_id = '%s'", agents[1].machine->node_id).ptr), 1);
    assert_int_equal(runs_on(0), 1);
}

static void test_higher_priority_comes_first_and_equals_take_turns(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 4, "");
    add_job(&world, "low", ",\"priority\":-1");
    add_job(&world, "a", "");
    add_job(&world, "b", "");
    add_job(&world, "high", ",\"priority\":5");
    add_tasks("low", 1, "");
    add_tasks("a", 3, "");
    add_tasks("b", 3, "");
    add_tasks("high", 2, "");
    world_work(&world);
    assert_true(is("high", "t0", "running") && is("high", "t1", "running") && is("a", "t0", "running") && is("b", "t0", "running"));
    assert_true(is("a", "t1", "active") && is("b", "t1", "active") && is("low", "t0", "active"));
}

static void test_slots_and_parallel_tasks_are_kept(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 4, "");
    add_job(&world, "two", ",\"maxParallelTasks\":2");
    add_tasks("two", 3, "");
    world_work(&world);
    assert_int_equal(runs_on(0), 2);
    add_job(&world, "wide", "");
    add_task(&world, "wide", "w", ",\"requiredSlots\":3");
    add_task(&world, "wide", "n", ",\"requiredSlots\":2");
    world_work(&world);
    assert_true(is("wide", "w", "active") && is("wide", "n", "running"));
    expect_status(data_call(&world, "PATCH", "/jobs/two", STR("{\"maxParallelTasks\":-1}")), 200);
    world_work(&world);
    assert_int_equal(runs_on(0), 3);                    /* no slot is left for its third */
}

static void test_only_nodes_in_use_get_tasks(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 1, "");
    expect_status(agent_lease(&world, &agents[0], "unusable", "[]"), 200);
    add_job(&world, "j", "");
    add_tasks("j", 1, "");
    world_work(&world);
    assert_true(is("j", "t0", "active"));
    expect_status(agent_lease(&world, &agents[0], "idle", "[]"), 200);
    world_work(&world);
    assert_true(is("j", "t0", "running"));
}

static void test_preparation_comes_first_once_a_node(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 2, "");
    add_job(&world, "j", ",\"jobPreparationTask\":{\"commandLine\":\"make\"},\"jobReleaseTask\":{\"commandLine\":\"clean\"}");
    add_tasks("j", 2, "");
    world_work(&world);
    const JsonVal *command;
    Str preparation = agent_told(&world, &agents[0], "run", 0, &command);
    assert_true(str_eq(json_str(json_path(command, "run.kind")), STR("jobpreparation")));
    assert_null(agent_told(&world, &agents[0], "run", 1, NULL).ptr);
    assert_true(is("j", "t0", "preparing") && is("j", "t1", "preparing"));
    expect_status(agent_says(&world, &agents[0], preparation, DONE), 204);
    assert_true(is("j", "t0", "running") && is("j", "t1", "running"));
    for (int i = 0; i < 2; i++)
        expect_status(agent_says(&world, &agents[0], agent_told(&world, &agents[0], "run", 0, NULL), DONE), 204);
    add_task(&world, "j", "u", "");
    world_work(&world);
    assert_true(is("j", "u", "running"));
    expect_status(data_call(&world, "POST", "/jobs/j/terminate", STR("")), 202);
    world_work(&world);
    expect_status(agent_says(&world, &agents[0], agent_told(&world, &agents[0], "stop-run", 0, NULL), "{\"state\":\"completed\",\"exitCode\":143,\"signal\":15}"), 204);
    world_work(&world);
    Str release = agent_told(&world, &agents[0], "run", 0, &command);
    assert_true(str_eq(json_str(json_path(command, "run.kind")), STR("jobrelease")));
    assert_int_equal(json_int(json_path(command, "run.maxWallClockMs"), 0), RELEASE_WALL_MAX_MS);
    Answer job = data_call(&world, "GET", "/jobs/j", STR_NONE);
    assert_true(str_eq(answer_text(&job, "state"), STR("terminating")));
    expect_status(agent_says(&world, &agents[0], release, "{\"state\":\"completed\",\"exitCode\":1}"), 204);       /* a failed one does not stop it */
    world_work(&world);
    job = data_call(&world, "GET", "/jobs/j", STR_NONE);
    assert_true(str_eq(answer_text(&job, "state"), STR("completed")));
}

static void test_a_failed_preparation_shuts_the_node_to_its_job_only(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 2, "");
    add_job(&world, "j", ",\"jobPreparationTask\":{\"commandLine\":\"make\"}");
    add_tasks("j", 2, "");
    world_work(&world);
    expect_status(agent_says(&world, &agents[0], agent_told(&world, &agents[0], "run", 0, NULL), "{\"state\":\"completed\",\"exitCode\":2}"), 204);
    world_work(&world);
    assert_true(is("j", "t0", "active") && is("j", "t1", "active"));
    assert_int_equal(node_row(&world, agents[0].machine->node_id).state, NODE_IDLE);
    add_job(&world, "other", "");
    add_tasks("other", 1, "");
    world_work(&world);
    assert_true(is("other", "t0", "running"));
}

static void test_a_lost_node_gives_back_what_it_prepares_for(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 2, "");
    add_job(&world, "j", ",\"jobPreparationTask\":{\"commandLine\":\"make\"}");
    add_tasks("j", 2, "");
    world_work(&world);
    world.batch->opened_real_ms = 0;
    write_sql(world.site.store, "UPDATE batch_node SET lease_until_ms = 1");
    world_work(&world);
    assert_true(is("j", "t0", "active") && is("j", "t1", "active"));
    assert_int_equal(runs_on(0), 0);
    int64_t commands = read_int(world.site.store, "SELECT next_command FROM batch_node");
    world_work(&world);
    assert_int_equal(read_int(world.site.store, "SELECT next_command FROM batch_node"), commands);     /* nothing is begun for a node that is not there */
    expect_status(agent_lease(&world, &agents[0], "idle", "[]"), 200);
    world_work(&world);
    assert_true(is("j", "t0", "preparing"));
}

static void test_everything_goes_on_after_a_restart_of_the_server(void **state)
{
    (void)state;
    pool_of_agents(&world, agents, 1, 1, "");
    add_job(&world, "j", "");
    add_tasks("j", 2, "");
    world_work(&world);
    Str run = agent_told(&world, &agents[0], "run", 0, NULL);
    world_restart(&world);
    assert_true(str_eq(agent_told(&world, &agents[0], "run", 0, NULL), run));
    expect_status(agent_says(&world, &agents[0], run, DONE), 204);
    world_work(&world);
    assert_true(is("j", "t0", "completed") && is("j", "t1", "running"));
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_spread_fills_evenly),
        TEST(test_pack_fills_one_before_the_next),
        TEST(test_affinity_is_a_wish),
        TEST(test_higher_priority_comes_first_and_equals_take_turns),
        TEST(test_slots_and_parallel_tasks_are_kept),
        TEST(test_only_nodes_in_use_get_tasks),
        TEST(test_preparation_comes_first_once_a_node),
        TEST(test_a_failed_preparation_shuts_the_node_to_its_job_only),
        TEST(test_a_lost_node_gives_back_what_it_prepares_for),
        TEST(test_everything_goes_on_after_a_restart_of_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
