/* task_world.c - nodes of pool "p" with agents that do as the test says. */
#include "task_world.h"

void pool_of_agents(World *world, Agent *agents, int nodes, int slots, const char *more_properties)
{
    make_account(world, "acct");
    Str body = str_printf(world->arena,
        "{\"id\":\"p\",\"vmSize\":\"STANDARD_DS2_V2\",\"taskSlotsPerNode\":%d,\"targetDedicatedNodes\":%d,\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
        "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 18.04\"}%s}", slots, nodes, more_properties);
    expect_status(data_call(world, "POST", "/pools", body), 201);
    world_work(world);
    for (int i = 0; i < nodes; i++) {
        agents[i].lease_number = 0;
        agents[i].machine = machine_of(world, (size_t)i);
        agents[i].credential = join(world, agents[i].machine);
        expect_status(agent_lease(world, &agents[i], "idle", "[]"), 200);
    }
}

Answer agent_lease(World *world, const Agent *agent, const char *state, const char *runs_json)
{
    return node_call(world, "POST", agent->credential, "/v1/lease",
                     str_printf(world->arena, "{\"state\":\"%s\",\"agentVersion\":\"0.1\",\"bootId\":\"b\",\"extensions\":[],\"relayPorts\":[],%s\"runs\":%s}", state,
                                agent->lease_number ? str_printf(world->arena, "\"lease\":%lld,", (long long)agent->lease_number).ptr : "", runs_json));
}

Str agent_told(World *world, const Agent *agent, const char *kind, size_t n, const JsonVal **command)
{
    if (read_int(world->site.store, "SELECT COUNT(*) FROM batch_command") == 0)
        return STR_NONE;                                /* it would be parked */
    Answer got = node_call(world, "GET", agent->credential, "/v1/commands?after=", STR_NONE);
    const JsonVal *list = json_get(got.json, "commands");
    expect_status(got, 200);
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *one = json_at(list, i);
        if (!str_eq(json_str(json_get(one, "kind")), str_from(kind)) || n-- > 0)
            continue;
        if (command)
            *command = one;
        Str run = json_str(json_path(one, "run.runId"));
        return run.ptr ? run : json_str(json_get(one, "runId"));
    }
    return STR_NONE;
}

Answer agent_says(World *world, const Agent *agent, Str run_id, const char *report_json)
{
    return node_call(world, "POST", agent->credential, str_to_cstr(world->arena, str_printf(world->arena, "/v1/runs/" STR_FMT, STR_ARG(run_id)), NULL), str_from(report_json));
}

void add_job(World *world, const char *id, const char *more)
{
    expect_status(data_call(world, "POST", "/jobs", str_printf(world->arena, "{\"id\":\"%s\",\"poolInfo\":{\"poolId\":\"p\"}%s}", id, more)), 201);
}

void add_task(World *world, const char *job, const char *id, const char *more)
{
    expect_status(data_call(world, "POST", str_printf(world->arena, "/jobs/%s/tasks", job).ptr, str_printf(world->arena, "{\"id\":\"%s\",\"commandLine\":\"true\"%s}", id, more)), 201);
}

static Answer shown(World *world, const char *job, const char *id)
{
    Answer task = data_call(world, "GET", str_printf(world->arena, "/jobs/%s/tasks/%s", job, id).ptr, STR_NONE);
    expect_status(task, 200);
    return task;
}

Str task_state(World *world, const char *job, const char *id)
{
    Answer task = shown(world, job, id);
    return answer_text(&task, "state");
}

int64_t task_number(World *world, const char *job, const char *id, const char *dotted)
{
    Answer task = shown(world, job, id);
    return answer_int(&task, dotted);
}
