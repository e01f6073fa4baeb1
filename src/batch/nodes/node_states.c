/* node_states.c - the transition tables of nodes and pools. */
#include "batch/nodes/node_states.h"

static const struct { NodeState from; NodeEvent on; NodeState to; } node_moves[] = {
    { NODE_CREATING, NODE_JOINED,     NODE_STARTING },
    { NODE_CREATING, NODE_BROKEN,     NODE_UNUSABLE },      /* its machine runs and never joined */
    { NODE_CREATING, NODE_GONE,       NODE_CREATING },      /* it died before it joined */
    { NODE_CREATING, NODE_REMOVED,    NODE_LEAVING  },

    { NODE_STARTING,               NODE_JOINED,       NODE_STARTING               },      /* the agent was restarted before it kept its credential */
    { NODE_STARTING,               NODE_GETS_READY,   NODE_STARTING               },
    { NODE_STARTING,               NODE_READY,        NODE_IDLE                   },
    { NODE_STARTING,               NODE_BUSY,         NODE_RUNNING                },
    { NODE_STARTING,               NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_STARTING,               NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_STARTING,               NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_STARTING,               NODE_LOST,         NODE_UNKNOWN                },
    { NODE_STARTING,               NODE_GONE,         NODE_CREATING               },
    { NODE_STARTING,               NODE_REMOVED,      NODE_LEAVING                },

    { NODE_IDLE,                   NODE_JOINED,       NODE_STARTING               },
    { NODE_IDLE,                   NODE_GETS_READY,   NODE_STARTING               },      /* the agent was restarted */
    { NODE_IDLE,                   NODE_READY,        NODE_IDLE                   },
    { NODE_IDLE,                   NODE_BUSY,         NODE_RUNNING                },
    { NODE_IDLE,                   NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_IDLE,                   NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_IDLE,                   NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_IDLE,                   NODE_LOST,         NODE_UNKNOWN                },
    { NODE_IDLE,                   NODE_GONE,         NODE_CREATING               },
    { NODE_IDLE,                   NODE_REMOVED,      NODE_LEAVING                },
    { NODE_IDLE,                   NODE_REBOOT,       NODE_REBOOTING              },

    { NODE_RUNNING,                NODE_JOINED,       NODE_STARTING               },
    { NODE_RUNNING,                NODE_GETS_READY,   NODE_STARTING               },
    { NODE_RUNNING,                NODE_READY,        NODE_IDLE                   },
    { NODE_RUNNING,                NODE_BUSY,         NODE_RUNNING                },
    { NODE_RUNNING,                NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_RUNNING,                NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_RUNNING,                NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_RUNNING,                NODE_LOST,         NODE_UNKNOWN                },
    { NODE_RUNNING,                NODE_GONE,         NODE_CREATING               },
    { NODE_RUNNING,                NODE_REMOVED,      NODE_LEAVING                },
    { NODE_RUNNING,                NODE_REBOOT,       NODE_REBOOTING              },

    { NODE_WAITING_FOR_START_TASK, NODE_JOINED,       NODE_STARTING               },
    { NODE_WAITING_FOR_START_TASK, NODE_GETS_READY,   NODE_STARTING               },
    { NODE_WAITING_FOR_START_TASK, NODE_READY,        NODE_IDLE                   },
    { NODE_WAITING_FOR_START_TASK, NODE_BUSY,         NODE_RUNNING                },
    { NODE_WAITING_FOR_START_TASK, NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_WAITING_FOR_START_TASK, NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_WAITING_FOR_START_TASK, NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_WAITING_FOR_START_TASK, NODE_LOST,         NODE_UNKNOWN                },
    { NODE_WAITING_FOR_START_TASK, NODE_GONE,         NODE_CREATING               },
    { NODE_WAITING_FOR_START_TASK, NODE_REMOVED,      NODE_LEAVING                },

    { NODE_START_TASK_FAILED,      NODE_JOINED,       NODE_STARTING               },
    { NODE_START_TASK_FAILED,      NODE_GETS_READY,   NODE_STARTING               },
    { NODE_START_TASK_FAILED,      NODE_READY,        NODE_IDLE                   },
    { NODE_START_TASK_FAILED,      NODE_BUSY,         NODE_RUNNING                },
    { NODE_START_TASK_FAILED,      NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_START_TASK_FAILED,      NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_START_TASK_FAILED,      NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_START_TASK_FAILED,      NODE_LOST,         NODE_UNKNOWN                },
    { NODE_START_TASK_FAILED,      NODE_GONE,         NODE_CREATING               },
    { NODE_START_TASK_FAILED,      NODE_REMOVED,      NODE_LEAVING                },

    { NODE_UNUSABLE,               NODE_JOINED,       NODE_STARTING               },
    { NODE_UNUSABLE,               NODE_GETS_READY,   NODE_STARTING               },
    { NODE_UNUSABLE,               NODE_READY,        NODE_IDLE                   },      /* the cause went away */
    { NODE_UNUSABLE,               NODE_BUSY,         NODE_RUNNING                },
    { NODE_UNUSABLE,               NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_UNUSABLE,               NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_UNUSABLE,               NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_UNUSABLE,               NODE_LOST,         NODE_UNKNOWN                },
    { NODE_UNUSABLE,               NODE_GONE,         NODE_CREATING               },
    { NODE_UNUSABLE,               NODE_REMOVED,      NODE_LEAVING                },

    { NODE_UNKNOWN,                NODE_JOINED,       NODE_STARTING               },
    { NODE_UNKNOWN,                NODE_GETS_READY,   NODE_STARTING               },
    { NODE_UNKNOWN,                NODE_READY,        NODE_IDLE                   },
    { NODE_UNKNOWN,                NODE_BUSY,         NODE_RUNNING                },
    { NODE_UNKNOWN,                NODE_AWAITS_START, NODE_WAITING_FOR_START_TASK },
    { NODE_UNKNOWN,                NODE_START_FAILED, NODE_START_TASK_FAILED      },
    { NODE_UNKNOWN,                NODE_BROKEN,       NODE_UNUSABLE               },
    { NODE_UNKNOWN,                NODE_GONE,         NODE_CREATING               },
    { NODE_UNKNOWN,                NODE_REMOVED,      NODE_LEAVING                },

    { NODE_REBOOTING,              NODE_JOINED,       NODE_STARTING               },
    { NODE_REBOOTING,              NODE_GETS_READY,   NODE_REBOOTING              },      /* the agent still speaks: its machine has not ended yet */
    { NODE_REBOOTING,              NODE_READY,        NODE_REBOOTING              },
    { NODE_REBOOTING,              NODE_BUSY,         NODE_REBOOTING              },
    { NODE_REBOOTING,              NODE_AWAITS_START, NODE_REBOOTING              },
    { NODE_REBOOTING,              NODE_START_FAILED, NODE_REBOOTING              },
    { NODE_REBOOTING,              NODE_BROKEN,       NODE_REBOOTING              },
    { NODE_REBOOTING,              NODE_LOST,         NODE_UNKNOWN                },
    { NODE_REBOOTING,              NODE_GONE,         NODE_CREATING               },
    { NODE_REBOOTING,              NODE_REMOVED,      NODE_LEAVING                },
};

bool node_move(NodeState from, NodeEvent on, NodeState *to)
{
    for (size_t i = 0; i < COUNT_OF(node_moves); i++) {
        if (node_moves[i].from == from && node_moves[i].on == on) {
            *to = node_moves[i].to;
            return true;
        }
    }
    return false;
}

bool node_takes_tasks(NodeState state) { return state == NODE_IDLE || state == NODE_RUNNING; }

bool node_is_reachable(NodeState state)
{
    return node_takes_tasks(state) || state == NODE_STARTING || state == NODE_WAITING_FOR_START_TASK || state == NODE_START_TASK_FAILED || state == NODE_UNUSABLE ||
           state == NODE_REBOOTING;
}

static const struct { const char *name, *count; } node_names[NODE_STATE_COUNT] = {
    [NODE_CREATING] = { "creating", "creating" },
    [NODE_STARTING] = { "starting", "starting" },
    [NODE_IDLE] = { "idle", "idle" },
    [NODE_RUNNING] = { "running", "running" },
    [NODE_WAITING_FOR_START_TASK] = { "waitingforstarttask", "waitingForStartTask" },
    [NODE_START_TASK_FAILED] = { "starttaskfailed", "startTaskFailed" },
    [NODE_UNUSABLE] = { "unusable", "unusable" },
    [NODE_UNKNOWN] = { "unknown", "unknown" },
    [NODE_LEAVING] = { "leavingpool", "leavingPool" },
    [NODE_REBOOTING] = { "rebooting", "rebooting" },
    [NODE_REIMAGING] = { "reimaging", "reimaging" },
    [NODE_OFFLINE] = { "offline", "offline" },
    [NODE_PREEMPTED] = { "preempted", "preempted" },
};

const char *node_state_name(NodeState state) { return node_names[state].name; }
const char *node_count_name(NodeState state) { return node_names[state].count; }

static const struct { PoolAllocation from; PoolEvent on; PoolAllocation to; } pool_moves[] = {
    { POOL_STEADY,   POOL_RESIZE,      POOL_RESIZING },     /* while resizing another resize is refused: PoolBeingResized */
    { POOL_STEADY,   POOL_DELETE,      POOL_RESIZING },
    { POOL_RESIZING, POOL_STOP_RESIZE, POOL_STOPPING },
    { POOL_RESIZING, POOL_REACHED,     POOL_STEADY   },
    { POOL_RESIZING, POOL_DELETE,      POOL_RESIZING },
    { POOL_STOPPING, POOL_REACHED,     POOL_STEADY   },
    { POOL_STOPPING, POOL_DELETE,      POOL_RESIZING },
};

bool pool_move(PoolAllocation from, PoolEvent on, PoolAllocation *to)
{
    for (size_t i = 0; i < COUNT_OF(pool_moves); i++) {
        if (pool_moves[i].from == from && pool_moves[i].on == on) {
            *to = pool_moves[i].to;
            return true;
        }
    }
    return false;
}

const char *pool_state_name(PoolState state) { return state == POOL_DELETING ? "deleting" : "active"; }

const char *pool_allocation_name(PoolAllocation allocation)
{
    return allocation == POOL_RESIZING ? "resizing" : allocation == POOL_STOPPING ? "stopping" : "steady";
}
