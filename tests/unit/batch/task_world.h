/* task_world.h - nodes of pool "p" with agents that do as the test says. */
#pragma once
#include "world.h"
#include "batch/jobs/run.h"

typedef struct Agent { const Machine *machine; Str credential; int64_t lease_number; } Agent;     /* lease_number 0: it says none */

/* `nodes` idle ones with `slots` slots each, in agents[0..]; more_properties of the pool begins with a comma. */
void pool_of_agents(World *world, Agent *agents, int nodes, int slots, const char *more_properties);
Answer agent_lease(World *world, const Agent *agent, const char *state, const char *runs_json);
/* Its n-th command of this kind that it was not done with (0: the first); its run's id, absent if there is none. */
Str  agent_told(World *world, const Agent *agent, const char *kind, size_t n, const JsonVal **command);
Answer agent_says(World *world, const Agent *agent, Str run_id, const char *report_json);

void add_job(World *world, const char *id, const char *more);           /* more begins with a comma, or is "" */
void add_task(World *world, const char *job, const char *id, const char *more);
Str  task_state(World *world, const char *job, const char *id);
int64_t task_number(World *world, const char *job, const char *id, const char *dotted);
