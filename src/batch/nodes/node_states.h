/* node_states.h - the states of pools and nodes, and every move between them. A move that is not listed is refused.
 *
 * Numbers are stored: never reuse one. Names are the wire's (data plane; Resource Manager writes pools' with a capital). */
#pragma once
#include "base/str.h"

typedef enum NodeState {
    NODE_CREATING = 1,          /* its machine was asked for and has not joined yet */
    NODE_STARTING,              /* its agent joined and gets ready */
    NODE_IDLE,
    NODE_RUNNING,               /* tasks besides the start task */
    NODE_WAITING_FOR_START_TASK,
    NODE_START_TASK_FAILED,
    NODE_UNUSABLE,
    NODE_UNKNOWN,               /* its lease ended */
    NODE_LEAVING,
    NODE_REBOOTING,
    NODE_REIMAGING,
    NODE_OFFLINE,
    NODE_PREEMPTED,
    NODE_STATE_COUNT
} NodeState;

typedef enum NodeEvent {
    NODE_JOINED = 1,            /* an agent joined with the node's token, or speaks for the first time after its machine started again */
    NODE_GETS_READY,            /* its lease says it is not ready (again) */
    NODE_READY,                 /* it may take tasks, and has none */
    NODE_BUSY,                  /* it may take tasks, and has some */
    NODE_AWAITS_START,          /* ready but for its start task, which must succeed first */
    NODE_START_FAILED,
    NODE_BROKEN,                /* its lease, or an extension that must succeed first, says it cannot run tasks; or it never joined */
    NODE_LOST,                  /* its lease ended */
    NODE_GONE,                  /* its machine is no more: it is started again */
    NODE_REMOVED,               /* resize, removal, deletion of the pool */
    NODE_REBOOT,                /* somebody asked for it */
    NODE_EVENT_COUNT
} NodeEvent;

/* false: the move is not listed, *to is untouched. */
bool node_move(NodeState from, NodeEvent on, NodeState *to);
bool node_takes_tasks(NodeState state);                   /* idle or running */
bool node_is_reachable(NodeState state);                  /* its agent has joined, its lease goes on, and it stays */
const char *node_state_name(NodeState state);             /* "waitingforstarttask" */
const char *node_count_name(NodeState state);             /* "waitingForStartTask", as node counts spell it */

typedef enum PoolState { POOL_ACTIVE = 1, POOL_DELETING } PoolState;
typedef enum PoolAllocation { POOL_STEADY = 1, POOL_RESIZING, POOL_STOPPING, POOL_ALLOCATION_COUNT } PoolAllocation;
typedef enum PoolEvent {
    POOL_RESIZE = 1,            /* a new target; also removal of single nodes */
    POOL_STOP_RESIZE,
    POOL_REACHED,               /* the size is as wanted, or the time for it is up */
    POOL_DELETE,
    POOL_EVENT_COUNT
} PoolEvent;

bool pool_move(PoolAllocation from, PoolEvent on, PoolAllocation *to);
const char *pool_state_name(PoolState state);             /* "active" */
const char *pool_allocation_name(PoolAllocation allocation);   /* "steady" */
