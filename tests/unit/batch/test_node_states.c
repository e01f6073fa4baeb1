#include "../cm.h"
#include "batch/nodes/node_states.h"

/* Every pair is either in this list or refused; the list is written again here, so that a move cannot slip in. */
static const struct { NodeState from; NodeEvent on; NodeState to; } allowed[] = {
    { NODE_CREATING, NODE_JOINED, NODE_STARTING }, { NODE_CREATING, NODE_BROKEN, NODE_UNUSABLE }, { NODE_CREATING, NODE_GONE, NODE_CREATING },
    { NODE_CREATING, NODE_REMOVED, NODE_LEAVING },
    { NODE_STARTING, NODE_JOINED, NODE_STARTING }, { NODE_STARTING, NODE_GETS_READY, NODE_STARTING }, { NODE_STARTING, NODE_READY, NODE_IDLE },
    { NODE_STARTING, NODE_BUSY, NODE_RUNNING }, { NODE_STARTING, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_STARTING, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_STARTING, NODE_BROKEN, NODE_UNUSABLE }, { NODE_STARTING, NODE_GONE, NODE_CREATING }, { NODE_STARTING, NODE_REMOVED, NODE_LEAVING },
    { NODE_STARTING, NODE_LOST, NODE_UNKNOWN },
    { NODE_IDLE, NODE_JOINED, NODE_STARTING }, { NODE_IDLE, NODE_GETS_READY, NODE_STARTING }, { NODE_IDLE, NODE_READY, NODE_IDLE },
    { NODE_IDLE, NODE_BUSY, NODE_RUNNING }, { NODE_IDLE, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_IDLE, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_IDLE, NODE_BROKEN, NODE_UNUSABLE }, { NODE_IDLE, NODE_GONE, NODE_CREATING }, { NODE_IDLE, NODE_REMOVED, NODE_LEAVING },
    { NODE_IDLE, NODE_LOST, NODE_UNKNOWN }, { NODE_IDLE, NODE_REBOOT, NODE_REBOOTING },
    { NODE_RUNNING, NODE_JOINED, NODE_STARTING }, { NODE_RUNNING, NODE_GETS_READY, NODE_STARTING }, { NODE_RUNNING, NODE_READY, NODE_IDLE },
    { NODE_RUNNING, NODE_BUSY, NODE_RUNNING }, { NODE_RUNNING, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_RUNNING, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_RUNNING, NODE_BROKEN, NODE_UNUSABLE }, { NODE_RUNNING, NODE_GONE, NODE_CREATING }, { NODE_RUNNING, NODE_REMOVED, NODE_LEAVING },
    { NODE_RUNNING, NODE_LOST, NODE_UNKNOWN }, { NODE_RUNNING, NODE_REBOOT, NODE_REBOOTING },
    { NODE_WAITING_FOR_START_TASK, NODE_JOINED, NODE_STARTING }, { NODE_WAITING_FOR_START_TASK, NODE_GETS_READY, NODE_STARTING }, { NODE_WAITING_FOR_START_TASK, NODE_READY, NODE_IDLE },
    { NODE_WAITING_FOR_START_TASK, NODE_BUSY, NODE_RUNNING }, { NODE_WAITING_FOR_START_TASK, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_WAITING_FOR_START_TASK, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_WAITING_FOR_START_TASK, NODE_BROKEN, NODE_UNUSABLE }, { NODE_WAITING_FOR_START_TASK, NODE_GONE, NODE_CREATING }, { NODE_WAITING_FOR_START_TASK, NODE_REMOVED, NODE_LEAVING },
    { NODE_WAITING_FOR_START_TASK, NODE_LOST, NODE_UNKNOWN },
    { NODE_START_TASK_FAILED, NODE_JOINED, NODE_STARTING }, { NODE_START_TASK_FAILED, NODE_GETS_READY, NODE_STARTING }, { NODE_START_TASK_FAILED, NODE_READY, NODE_IDLE },
    { NODE_START_TASK_FAILED, NODE_BUSY, NODE_RUNNING }, { NODE_START_TASK_FAILED, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_START_TASK_FAILED, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_START_TASK_FAILED, NODE_BROKEN, NODE_UNUSABLE }, { NODE_START_TASK_FAILED, NODE_GONE, NODE_CREATING }, { NODE_START_TASK_FAILED, NODE_REMOVED, NODE_LEAVING },
    { NODE_START_TASK_FAILED, NODE_LOST, NODE_UNKNOWN },
    { NODE_UNUSABLE, NODE_JOINED, NODE_STARTING }, { NODE_UNUSABLE, NODE_GETS_READY, NODE_STARTING }, { NODE_UNUSABLE, NODE_READY, NODE_IDLE },
    { NODE_UNUSABLE, NODE_BUSY, NODE_RUNNING }, { NODE_UNUSABLE, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_UNUSABLE, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_UNUSABLE, NODE_BROKEN, NODE_UNUSABLE }, { NODE_UNUSABLE, NODE_GONE, NODE_CREATING }, { NODE_UNUSABLE, NODE_REMOVED, NODE_LEAVING },
    { NODE_UNUSABLE, NODE_LOST, NODE_UNKNOWN },
    { NODE_UNKNOWN, NODE_JOINED, NODE_STARTING }, { NODE_UNKNOWN, NODE_GETS_READY, NODE_STARTING }, { NODE_UNKNOWN, NODE_READY, NODE_IDLE },
    { NODE_UNKNOWN, NODE_BUSY, NODE_RUNNING }, { NODE_UNKNOWN, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK }, { NODE_UNKNOWN, NODE_START_FAILED, NODE_START_TASK_FAILED },
    { NODE_UNKNOWN, NODE_BROKEN, NODE_UNUSABLE }, { NODE_UNKNOWN, NODE_GONE, NODE_CREATING }, { NODE_UNKNOWN, NODE_REMOVED, NODE_LEAVING },
    { NODE_REBOOTING, NODE_JOINED, NODE_STARTING }, { NODE_REBOOTING, NODE_GETS_READY, NODE_REBOOTING }, { NODE_REBOOTING, NODE_READY, NODE_REBOOTING },
    { NODE_REBOOTING, NODE_BUSY, NODE_REBOOTING }, { NODE_REBOOTING, NODE_AWAITS_START, NODE_REBOOTING }, { NODE_REBOOTING, NODE_START_FAILED, NODE_REBOOTING },
    { NODE_REBOOTING, NODE_BROKEN, NODE_REBOOTING }, { NODE_REBOOTING, NODE_LOST, NODE_UNKNOWN }, { NODE_REBOOTING, NODE_GONE, NODE_CREATING },
    { NODE_REBOOTING, NODE_REMOVED, NODE_LEAVING },
};

static void test_node_moves_that_are_not_listed_are_refused(void **state)
{
    (void)state;
    for (int from = 0; from <= NODE_STATE_COUNT; from++) {
        for (int on = 0; on <= NODE_EVENT_COUNT; on++) {
            NodeState to = 0, wanted = 0;
            for (size_t i = 0; i < COUNT_OF(allowed); i++)
                if ((int)allowed[i].from == from && (int)allowed[i].on == on)
                    wanted = allowed[i].to;
            bool moved = node_move((NodeState)from, (NodeEvent)on, &to);
            if (moved != (wanted != 0) || to != wanted)
                fail_msg("state %d on %d: %s to %d, wanted %d", from, on, moved ? "moved" : "refused", to, wanted);
        }
    }
}

static void test_nothing_leaves_leaving(void **state)
{
    (void)state;
    for (int on = 1; on < NODE_EVENT_COUNT; on++) {
        NodeState to;
        assert_false(node_move(NODE_LEAVING, (NodeEvent)on, &to));
    }
}

static void test_pool_moves_that_are_not_listed_are_refused(void **state)
{
    (void)state;
    static const struct { PoolAllocation from; PoolEvent on; PoolAllocation to; } moves[] = {
        { POOL_STEADY, POOL_RESIZE, POOL_RESIZING }, { POOL_STEADY, POOL_DELETE, POOL_RESIZING }, { POOL_RESIZING, POOL_STOP_RESIZE, POOL_STOPPING },
        { POOL_RESIZING, POOL_REACHED, POOL_STEADY }, { POOL_RESIZING, POOL_DELETE, POOL_RESIZING }, { POOL_STOPPING, POOL_REACHED, POOL_STEADY },
        { POOL_STOPPING, POOL_DELETE, POOL_RESIZING },
    };
    for (int from = 0; from <= POOL_ALLOCATION_COUNT; from++) {
        for (int on = 0; on <= POOL_EVENT_COUNT; on++) {
            PoolAllocation to = 0, wanted = 0;
            for (size_t i = 0; i < COUNT_OF(moves); i++)
                if ((int)moves[i].from == from && (int)moves[i].on == on)
                    wanted = moves[i].to;
            assert_int_equal(pool_move((PoolAllocation)from, (PoolEvent)on, &to), wanted != 0);
            assert_int_equal(to, wanted);
        }
    }
}

static void test_each_state_has_its_name_on_the_wire(void **state)
{
    (void)state;
    for (int s = 1; s < NODE_STATE_COUNT; s++) {
        assert_non_null(node_state_name((NodeState)s));
        assert_true(str_eq_nocase(str_from(node_state_name((NodeState)s)), str_from(node_count_name((NodeState)s))));
        for (int other = 1; other < s; other++)
            assert_string_not_equal(node_state_name((NodeState)other), node_state_name((NodeState)s));
    }
    assert_string_equal(node_state_name(NODE_LEAVING), "leavingpool");
    assert_string_equal(pool_allocation_name(POOL_STOPPING), "stopping");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_moves_that_are_not_listed_are_refused),
        cmocka_unit_test(test_nothing_leaves_leaving),
        cmocka_unit_test(test_pool_moves_that_are_not_listed_are_refused),
        cmocka_unit_test(test_each_state_has_its_name_on_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
