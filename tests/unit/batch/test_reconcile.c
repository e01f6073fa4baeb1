#include "world.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/clock.h"

static World world;

#define POOL "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/pools/p"

static void pool_of(int nodes)
{
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", nodes, "", STR_NONE), 200);
}

static int64_t rows(const char *sql) { return read_int(world.site.store, sql); }

static int running(void)
{
    int count = 0;
    for (size_t i = 0; i < world.machine_count; i++)
        count += world.machines[i].run == NODE_RUN_RUNNING;
    return count;
}

static Str joined_idle(size_t index)
{
    Str credential = join(&world, machine_of(&world, index));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    return credential;
}

static Answer resize(const char *body) { return data_call(&world, "POST", "/pools/p/resize", str_from(body)); }
static Answer pool_now(void) { return data_call(&world, "GET", "/pools/p", STR_NONE); }

/* As if the server had been up for a day and every lease ended an hour ago. */
static void end_leases(void)
{
    world.batch->opened_real_ms -= INT64_C(24) * 3600 * 1000;
    write_sql(world.site.store, "UPDATE batch_node SET lease_until_ms = lease_until_ms - 3600000");
}

static void test_a_pool_gets_the_nodes_it_asked_for(void **state)
{
    (void)state;
    pool_of(3);
    world_work(&world);
    assert_int_equal(running(), 3);
    assert_int_equal(rows("SELECT COUNT(*) FROM batch_node WHERE state = 1 AND started = 1"), 3);
    Answer pool = pool_now();
    assert_str(answer_text(&pool, "allocationState"), "steady");
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 3);
    for (int i = 0; i < 3; i++) {
        char ending[8];
        (void)snprintf(ending, sizeof ending, "%06d", i);
        assert_true(str_ends(str_from(machine_of(&world, (size_t)i)->host_name), str_from(ending)));
        assert_true(str_starts(str_from(machine_of(&world, (size_t)i)->node_id), STR("tvmps_")));
    }
}

static void test_growing_and_shrinking(void **state)
{
    (void)state;
    pool_of(2);
    world_work(&world);
    expect_status(resize("{\"targetDedicatedNodes\":4,\"targetLowPriorityNodes\":1}"), 202);
    expect_error(resize("{\"targetDedicatedNodes\":5}"), 409, "PoolBeingResized");
    world_work(&world);
    assert_int_equal(running(), 5);
    assert_int_equal(rows("SELECT COUNT(*) FROM batch_node WHERE dedicated = 0"), 1);
    (void)joined_idle(0);
    expect_status(resize("{\"targetDedicatedNodes\":1,\"targetLowPriorityNodes\":0}"), 202);
    world_work(&world);
    assert_int_equal(running(), 1);
    assert_int_equal(machine_of(&world, 0)->run, NODE_RUN_RUNNING);     /* the one that is idle stays, the younger go */
    expect_status(resize("{\"targetDedicatedNodes\":2}"), 202);
    world_work(&world);
    assert_int_equal(rows("SELECT MAX(number) FROM batch_node"), 5);     /* numbers are not used again */
}

static void test_a_start_that_fails_ends_with_the_timeout_and_its_reason(void **state)
{
    (void)state;
    world.starts_fail = true;
    pool_of(2);
    world_work(&world);
    Answer pool = pool_now();
    assert_str(answer_text(&pool, "allocationState"), "resizing");
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 0);
    write_sql(world.site.store, "UPDATE batch_pool SET resize_until_ms = 1");
    world_work(&world);
    pool = pool_now();
    assert_str(answer_text(&pool, "allocationState"), "steady");
    const JsonVal *error = json_at(json_get(pool.json, "resizeErrors"), 0);
    assert_str(json_str(json_get(error, "code")), "AllocationTimedout");
    assert_true(str_ends(json_str(json_get(error, "message")), STR("no more machines")));
    assert_int_equal(rows("SELECT COUNT(*) FROM batch_node"), 0);
    Answer arm = arm_call(&world, "GET", POOL, STR_NONE);
    assert_str(json_str(json_get(json_at(json_path(arm.json, "properties.resizeOperationStatus.errors"), 0), "code")), "AllocationTimedout");
    world.starts_fail = false;
    expect_status(resize("{\"targetDedicatedNodes\":2}"), 202);
    world_work(&world);
    pool = pool_now();
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 2);
    assert_null(json_get(pool.json, "resizeErrors"));
}

static void test_stopping_a_resize_keeps_what_is_there(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    expect_error(data_call(&world, "POST", "/pools/p/stopresize", STR("")), 409, "OperationInvalidForCurrentState");
    world.starts_fail = true;
    expect_status(resize("{\"targetDedicatedNodes\":3}"), 202);
    world_work(&world);
    expect_status(data_call(&world, "POST", "/pools/p/stopresize", STR("")), 202);
    world_work(&world);
    Answer pool = pool_now();
    assert_str(answer_text(&pool, "allocationState"), "steady");
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 1);
    assert_str(json_str(json_get(json_at(json_get(pool.json, "resizeErrors"), 0), "code")), "ResizeStopped");
}

static void test_the_quota_of_cores_is_kept(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Str body = STR("{\"id\":\"p\",\"vmSize\":\"STANDARD_HUGE\",\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\",\"offer\":\"ubuntuserver\","
                   "\"sku\":\"18.04-lts\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 18.04\"},\"targetDedicatedNodes\":3}");
    expect_status(data_call(&world, "POST", "/pools", body), 201);
    world_work(&world);
    Answer pool = pool_now();
    assert_str(answer_text(&pool, "allocationState"), "steady");
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 1);     /* 400 of 700 cores */
    assert_str(json_str(json_get(json_at(json_get(pool.json, "resizeErrors"), 0), "code")), "AccountCoreQuotaReached");
}

static void test_a_node_whose_lease_ended_is_unknown_and_comes_back(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    Str credential = joined_idle(0);
    world_work(&world);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_IDLE);
    end_leases();
    world_work(&world);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_UNKNOWN);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_IDLE);
    assert_int_equal(machine_of(&world, 0)->starts, 1);
}

static void test_a_machine_that_is_gone_is_started_again_with_a_new_token(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    Str old = joined_idle(0);
    char first_token[80];
    memcpy(first_token, machine_of(&world, 0)->join_token, sizeof first_token);
    machine_of(&world, 0)->run = NODE_RUN_ABSENT;
    end_leases();
    world_work(&world);
    assert_int_equal(machine_of(&world, 0)->starts, 2);
    assert_string_not_equal(machine_of(&world, 0)->join_token, first_token);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_CREATING);
    Str fresh = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, fresh, "idle", "[]"), 200);
    expect_error(lease(&world, old, "idle", "[]"), 401, "NodeCredentialInvalid");
    assert_int_equal(rows("SELECT COUNT(*) FROM batch_node"), 1);
}

static void test_a_machine_thought_gone_goes_on_when_it_speaks(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    Str credential = joined_idle(0);
    world.starts_fail = true;
    machine_of(&world, 0)->run = NODE_RUN_STOPPED;
    end_leases();
    world_work(&world);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_CREATING);
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_IDLE);
}

static void test_a_restarted_server_finds_its_nodes_again(void **state)
{
    (void)state;
    pool_of(2);
    world_work(&world);
    Str one = joined_idle(0), two = joined_idle(1);
    /* The leases ended while the server was down; nobody could renew them. */
    write_sql(world.site.store, "UPDATE batch_node SET lease_until_ms = lease_until_ms - 3600000");
    world_restart(&world);
    world_work(&world);
    assert_int_equal(rows("SELECT COUNT(*) FROM batch_node WHERE state = 3"), 2);
    expect_status(lease(&world, one, "idle", "[]"), 200);
    expect_status(lease(&world, two, "idle", "[]"), 200);
    assert_int_equal(machine_of(&world, 0)->starts + machine_of(&world, 1)->starts, 2);
}

static void test_after_a_reboot_of_the_machine_nodes_are_made_anew_at_once(void **state)
{
    (void)state;
    pool_of(2);
    world_work(&world);
    (void)joined_idle(0);
    (void)joined_idle(1);
    machine_of(&world, 0)->run = machine_of(&world, 1)->run = NODE_RUN_ABSENT;
    world_restart(&world);
    world_work(&world);             /* no lease has ended yet */
    assert_int_equal(machine_of(&world, 0)->starts, 2);
    assert_int_equal(machine_of(&world, 1)->starts, 2);
}

static void test_a_crash_between_start_and_note_keeps_the_machines_token(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    write_sql(world.site.store, "UPDATE batch_node SET started = 0");     /* the note was lost */
    world_work(&world);
    assert_int_equal(machine_of(&world, 0)->starts, 1);
    (void)joined_idle(0);
}

static void test_a_machine_that_never_joins_becomes_unusable_with_the_reason(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    end_leases();
    world_work(&world);
    Answer list = data_call(&world, "GET", "/pools/p/nodes", STR_NONE);
    const JsonVal *node = json_at(json_get(list.json, "value"), 0);
    assert_str(json_str(json_get(node, "state")), "unusable");
    assert_str(json_str(json_get(json_at(json_get(node, "errors"), 0), "code")), "NodeDidNotJoin");
    (void)joined_idle(0);           /* better late than never */
}

static void test_a_silent_provider_changes_nothing(void **state)
{
    (void)state;
    pool_of(1);
    world_work(&world);
    (void)joined_idle(0);
    end_leases();
    world.lists_fail = true;
    world_work(&world);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_IDLE);
    world.lists_fail = false;
    world_work(&world);
    assert_int_equal(node_row(&world, machine_of(&world, 0)->node_id).state, NODE_UNKNOWN);
}

/* ---- a provider that goes and comes ---- */

static _Atomic int waits_asked;

static bool wait_away_once(void *self, int64_t *ends, int stop_fd, Err *err)
{
    (void)self;
    if (atomic_fetch_add(&waits_asked, 1) == 0)
        return err_set(err, ERR_UNAVAILABLE, "no host makes nodes here");
    if (*ends == 7)
        (void)poll(&(struct pollfd){ .fd = stop_fd, .events = POLLIN }, 1, 60000);
    *ends = 7;
    return true;
}

/* A server that finds no host when it begins knows no count of ends from before: what ended meanwhile would wait for its lease. */
static void test_a_provider_that_is_back_is_asked_about_its_machines_at_once(void **state)
{
    (void)state;
    pool_of(2);
    world_work(&world);
    (void)joined_idle(0);
    world.batch->opened_real_ms -= INT64_C(24) * 3600 * 1000;
    machine_of(&world, 0)->run = NODE_RUN_STOPPED;
    world.lists_fail = true;
    world_work(&world);
    assert_int_equal(machine_of(&world, 0)->starts, 1);

    atomic_store(&waits_asked, 0);
    world.provider.node_wait = wait_away_once;
    world.lists_fail = false;
    must(batch_watch_start(world.batch, E));
    for (int64_t end_ms = mono_now_ms() + 60000; atomic_load(&waits_asked) < 3;) {      /* the third wait begins when the pools have been told */
        assert_true(mono_now_ms() < end_ms);
        (void)poll(NULL, 0, 10);
    }
    batch_watch_stop(world.batch);
    assert_int_equal(rows("SELECT COUNT(*) FROM runner_work WHERE kind = 'batch.pool' AND failures = 0 AND retry_ms = 0"), 1);
    world_work(&world);
    assert_int_equal(machine_of(&world, 0)->starts, 2);
}

static void test_removed_nodes_are_not_replaced(void **state)
{
    (void)state;
    pool_of(3);
    world_work(&world);
    Str body = str_printf(world.arena, "{\"nodeList\":[\"%s\"]}", machine_of(&world, 1)->node_id);
    expect_status(data_call(&world, "POST", "/pools/p/removenodes", body), 202);
    world_work(&world);
    Answer pool = pool_now();
    assert_int_equal(answer_int(&pool, "targetDedicatedNodes"), 2);
    assert_int_equal(answer_int(&pool, "currentDedicatedNodes"), 2);
    assert_int_equal(machine_of(&world, 1)->run, NODE_RUN_ABSENT);
    expect_error(data_call(&world, "POST", "/pools/p/removenodes", body), 404, "NodeNotFound");
    expect_error(data_call(&world, "POST", "/pools/p/removenodes", STR("{\"nodeList\":[]}")), 400, "InvalidPropertyValue");
}

/* -- the queue itself: everything above again, by the runner's own threads -- */

typedef struct Gate { pthread_mutex_t lock; pthread_cond_t changed; World *world; int wanted; } Gate;
static Gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0 };
static bool (*real_start)(void *self, const NodeSpec *spec, Err *err);
static bool (*real_stop)(void *self, Str node_id, Err *err);

static bool gated_start(void *self, const NodeSpec *spec, Err *err)
{
    pthread_mutex_lock(&gate.lock);
    bool started = real_start(self, spec, err);
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return started;
}

static bool gated_stop(void *self, Str node_id, Err *err)
{
    pthread_mutex_lock(&gate.lock);
    bool stopped = real_stop(self, node_id, err);
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return stopped;
}

static void wait_running(int wanted)
{
    pthread_mutex_lock(&gate.lock);
    while (running() != wanted)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void test_the_runner_does_all_this_by_itself(void **state)
{
    (void)state;
    real_start = world.provider.node_start;
    real_stop = world.provider.node_stop;
    world.provider.node_start = gated_start;
    world.provider.node_stop = gated_stop;
    must(runner_start(world.site.runner, 3, E));
    pool_of(3);
    wait_running(3);
    expect_status(arm_call(&world, "DELETE", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct", STR_NONE), 202);
    wait_running(0);
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_pool_gets_the_nodes_it_asked_for),
        TEST(test_growing_and_shrinking),
        TEST(test_a_start_that_fails_ends_with_the_timeout_and_its_reason),
        TEST(test_stopping_a_resize_keeps_what_is_there),
        TEST(test_the_quota_of_cores_is_kept),
        TEST(test_a_node_whose_lease_ended_is_unknown_and_comes_back),
        TEST(test_a_machine_that_is_gone_is_started_again_with_a_new_token),
        TEST(test_a_machine_thought_gone_goes_on_when_it_speaks),
        TEST(test_a_restarted_server_finds_its_nodes_again),
        TEST(test_after_a_reboot_of_the_machine_nodes_are_made_anew_at_once),
        TEST(test_a_crash_between_start_and_note_keeps_the_machines_token),
        TEST(test_a_machine_that_never_joins_becomes_unusable_with_the_reason),
        TEST(test_a_silent_provider_changes_nothing),
        TEST(test_a_provider_that_is_back_is_asked_about_its_machines_at_once),
        TEST(test_removed_nodes_are_not_replaced),
        TEST(test_the_runner_does_all_this_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
