#include "customer.h"

static World world;
static Str kid, credential;
static const Machine *machine;

static int set_up(void **state)
{
    (void)state;
    world.runs = true;
    world_open(&world);
    Str principal = make_account_with(&world, "{\"type\":\"SystemAssigned\"}");
    make_vault(&world, "kv1", true, principal, "\"get\",\"wrapKey\",\"unwrapKey\"");
    kid = make_key(&world, "kv1", "k1", RSA_KEY);
    expect_status(set_key(&world, kid), 200);
    expect_status(make_pool(&world, "p1", 1, "", STR_NONE), 200);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    machine = machine_of(&world, 0);
    credential = join(&world, machine);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(node_row(&world, machine->node_id).state, NODE_IDLE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void enable(bool enabled)
{
    Str path = str_printf(world.arena, "/keys/k1/" STR_FMT, STR_ARG(str_slice(kid, kid.len - 32, kid.len)));
    expect_status(vault_call(&world, "PATCH", "kv1", path.ptr, enabled ? STR("{\"attributes\":{\"enabled\":true}}") : STR("{\"attributes\":{\"enabled\":false}}")), 200);
    probe(&world);
}

static void test_nodes_become_unusable_and_keep_their_leases(void **state)
{
    (void)state;
    enable(false);
    Node node = node_row(&world, machine->node_id);
    assert_int_equal(node.state, NODE_UNUSABLE);
    int64_t until = node.lease_until_ms;
    Answer got = lease(&world, credential, "idle", "[]");
    expect_status(got, 200);
    assert_true(json_bool(json_get(got.json, "suspended"), false));
    assert_null(json_get(got.json, "extensions"));
    assert_int_equal(answer_int(&got, "leaseMs"), LEASE_MS);
    node = node_row(&world, machine->node_id);
    assert_int_equal(node.state, NODE_UNUSABLE);
    assert_true(node.lease_until_ms >= until);
    assert_int_equal(world.machine_count, 1);
    assert_int_equal(machine->starts, 1);
}

static void test_nodes_return_with_the_key(void **state)
{
    (void)state;
    enable(false);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    enable(true);
    /* before its next lease the node still says why it was unusable */
    Answer shown = data_call(&world, "GET", str_printf(world.arena, "/pools/p1/nodes/%s", machine->node_id).ptr, STR_NONE);
    expect_status(shown, 200);
    assert_str(answer_text(&shown, "state"), "unusable");
    size_t at;
    assert_true(str_find(shown.body, STR("AccountIsDisabled"), &at));
    Answer got = lease(&world, credential, "idle", "[]");
    expect_status(got, 200);
    assert_null(json_get(got.json, "suspended"));
    assert_int_equal(json_kind(json_get(got.json, "extensions")), JSON_ARRAY);
    assert_int_equal(node_row(&world, machine->node_id).state, NODE_IDLE);
}

static void test_nodes_are_told_at_once(void **state)
{
    (void)state;
    enable(false);
    Answer told = node_call(&world, "GET", credential, "/v1/commands?after=", STR_NONE);
    expect_status(told, 200);
    assert_str(json_str(json_get(json_at(json_get(told.json, "commands"), 0), "kind")), "refresh");
    Str path = str_printf(world.arena, "/v1/commands?after=" STR_FMT, STR_ARG(answer_text(&told, "cursor")));
    enable(true);
    told = node_call(&world, "GET", credential, path.ptr, STR_NONE);
    assert_str(json_str(json_get(json_at(json_get(told.json, "commands"), 0), "kind")), "refresh");
}

static void test_a_new_machine_joins_and_waits_for_the_key(void **state)
{
    (void)state;
    enable(false);
    ((Machine *)machine)->run = NODE_RUN_ABSENT;            /* it died while the account was disabled */
    node_call(&world, "POST", credential, "/v1/lease", STR("{}"));
    world_restart(&world);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    for (int i = 0; i < 400 && machine->starts < 2; i++)
        assert_true(runner_settle(world.site.runner, WAIT_MS));
    assert_int_equal(machine->starts, 2);
    credential = join(&world, machine);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(node_row(&world, machine->node_id).state, NODE_UNUSABLE);
    enable(true);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(node_row(&world, machine->node_id).state, NODE_IDLE);
}

static void test_while_the_key_is_asked_for_a_lease_waits(void **state)
{
    (void)state;
    world.vaults_are_silent = true;
    world_restart(&world);
    assert_true(runner_settle(world.site.runner, WAIT_MS));
    expect_status(lease(&world, credential, "idle", "[]"), 503);       /* the agent tries again; its tasks go on */
    assert_int_equal(node_row(&world, machine->node_id).state, NODE_IDLE);
    world.vaults_are_silent = false;
    probe(&world);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(node_row(&world, machine->node_id).state, NODE_IDLE);
}

static int losses, returns;

static bool count_access(Batch *batch, Txn *txn, Arena *arena, Str account_id, bool is_back, Err *err)
{
    (void)batch, (void)txn, (void)arena, (void)err;
    assert_int_equal(account_id.len, 36);
    *(is_back ? &returns : &losses) += 1;
    return true;
}

static void test_whoever_runs_tasks_is_told_once(void **state)
{
    (void)state;
    world.batch->on_key_access = count_access;
    enable(false);
    probe(&world);
    assert_int_equal(losses, 1);
    assert_int_equal(returns, 0);
    enable(true);
    probe(&world);
    assert_int_equal(losses, 1);
    assert_int_equal(returns, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_nodes_become_unusable_and_keep_their_leases),
        TEST(test_nodes_return_with_the_key),
        TEST(test_nodes_are_told_at_once),
        TEST(test_a_new_machine_joins_and_waits_for_the_key),
        TEST(test_while_the_key_is_asked_for_a_lease_waits),
        TEST(test_whoever_runs_tasks_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
