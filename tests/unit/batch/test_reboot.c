#include "world.h"

static World world;
static Machine *machine;
static Str credential;

static Answer lease_of_boot(const char *state, const char *boot)
{
    return node_call(&world, "POST", credential, "/v1/lease", str_printf(world.arena, "{\"state\":\"%s\",\"agentVersion\":\"0.1\",\"bootId\":\"%s\",\"extensions\":[],\"relayPorts\":[]}",
                                                                         state, boot));
}

static Answer reboot(const char *body)
{
    return data_call(&world, "POST", str_printf(world.arena, "/pools/p/nodes/%s/reboot", machine->node_id).ptr, str_from(body ? body : ""));
}

static Answer node_get(void) { return data_call(&world, "GET", str_printf(world.arena, "/pools/p/nodes/%s", machine->node_id).ptr, STR_NONE); }

static void expect_state(const char *wanted)
{
    Answer node = node_get();
    expect_status(node, 200);
    assert_true(str_eq(answer_text(&node, "state"), str_from(wanted)));
}

static void make_idle_node(void)
{
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 1, "", STR_NONE), 200);
    world_work(&world);
    machine = machine_of(&world, 0);
    credential = join(&world, machine);
    expect_status(lease_of_boot("idle", "b"), 200);
    expect_state("idle");
}

static void test_a_reboot_goes_through_its_states(void **state)
{
    (void)state;
    make_idle_node();
    Answer before = node_get();
    Answer asked = reboot(NULL);
    expect_status(asked, 202);
    assert_true(str_starts(answer_header(&asked, "ETag"), STR("0x")));
    expect_state("rebooting");

    /* The agent still speaks until its machine ends. */
    expect_status(lease_of_boot("idle", "b"), 200);
    expect_state("rebooting");
    world_work(&world);
    assert_int_equal(machine->starts, 2);
    expect_state("rebooting");
    Answer pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 1);

    expect_status(lease_of_boot("starting", "b2"), 200);
    expect_state("starting");
    expect_status(lease_of_boot("idle", "b2"), 200);
    expect_state("idle");
    world_work(&world);
    assert_int_equal(machine->starts, 2);               /* once */
    assert_int_equal(world.machine_count, 1);
    Answer after = node_get();
    assert_true(str_cmp(answer_text(&after, "lastBootTime"), answer_text(&before, "lastBootTime")) > 0);
    assert_true(str_eq(answer_text(&after, "allocationTime"), answer_text(&before, "allocationTime")));
}

static void test_the_option_is_one_of_four(void **state)
{
    (void)state;
    make_idle_node();
    Answer refused = reboot("{\"nodeRebootOption\":\"now\"}");
    expect_error(refused, 400, "InvalidPropertyValue");
    expect_status(reboot("{\"nodeRebootoption\":\"requeue\"}"), 400);
    expect_status(reboot("[]"), 400);
    expect_state("idle");
    expect_status(reboot("{\"nodeRebootOption\":\"taskcompletion\",}"), 202);
    assert_true(str_eq(node_row(&world, machine->node_id).reboot, STR("taskcompletion")));
}

static void test_only_idle_and_running_nodes_reboot(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 1, "", STR_NONE), 200);
    world_work(&world);
    machine = machine_of(&world, 0);
    expect_error(reboot(NULL), 409, "NodeBeingCreated");
    credential = join(&world, machine);
    expect_error(reboot(NULL), 409, "NodeBeingStarted");
    expect_status(lease_of_boot("unusable", "b"), 200);
    expect_error(reboot(NULL), 409, "NodeStateUnusable");
    expect_status(lease_of_boot("idle", "b"), 200);
    expect_status(reboot(NULL), 202);
    expect_error(reboot(NULL), 409, "NodeBeingRebooted");
    Answer exec = data_call(&world, "POST", str_printf(world.arena, "/pools/p/nodes/%s/exec", machine->node_id).ptr, STR("{\"argv\":[\"true\"]}"));
    expect_error(exec, 409, "NodeBeingRebooted");
    expect_error(data_call(&world, "POST", "/pools/p/nodes/nosuch/reboot", STR("")), 404, "NodeNotFound");
    expect_error(data_call(&world, "POST", "/pools/q/nodes/nosuch/reboot", STR("")), 404, "PoolNotFound");
    Str url = str_printf(world.arena, "acct.westus2.batch/pools/p/nodes/%s/reboot?api-version=2022-10-01.16.0", machine->node_id);
    expect_error(world_call(&world, "POST", world.batch_reader_token, url, STR("")), 403, "InsufficientAccountPermissions");
}

static void test_a_host_that_does_not_answer_is_asked_again(void **state)
{
    (void)state;
    make_idle_node();
    world.starts_fail = true;
    expect_status(reboot(NULL), 202);
    world_work(&world);
    expect_state("rebooting");
    assert_int_equal(machine->starts, 1);
    world.starts_fail = false;
    world_work(&world);
    assert_int_equal(machine->starts, 2);
    expect_status(lease_of_boot("idle", "b2"), 200);
    expect_state("idle");
}

static void test_a_node_that_is_removed_while_it_reboots_goes(void **state)
{
    (void)state;
    make_idle_node();
    expect_status(reboot(NULL), 202);
    expect_status(data_call(&world, "POST", "/pools/p/resize", STR("{\"targetDedicatedNodes\":0}")), 202);
    world_work(&world);
    assert_int_equal(machine->run, NODE_RUN_ABSENT);
    Answer nodes = data_call(&world, "GET", "/pools/p/nodes", STR_NONE);
    assert_int_equal(json_count(json_get(nodes.json, "value")), 0);
}

static void test_a_machine_that_started_again_by_itself_is_noticed(void **state)
{
    (void)state;
    make_idle_node();
    Answer before = node_get();
    expect_status(lease_of_boot("starting", "b2"), 200);
    expect_state("starting");
    Answer after = node_get();
    assert_true(str_cmp(answer_text(&after, "lastBootTime"), answer_text(&before, "lastBootTime")) > 0);
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_reboot_goes_through_its_states),
        TEST(test_the_option_is_one_of_four),
        TEST(test_only_idle_and_running_nodes_reboot),
        TEST(test_a_host_that_does_not_answer_is_asked_again),
        TEST(test_a_node_that_is_removed_while_it_reboots_goes),
        TEST(test_a_machine_that_started_again_by_itself_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
