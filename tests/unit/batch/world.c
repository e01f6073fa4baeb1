/* world.c - the server of batch's tests. */
#include "world.h"
#include <pthread.h>
#include <stdatomic.h>

/* -- a provider -- */

static Machine *machine_named(World *world, Str node_id)
{
    for (size_t i = 0; i < world->machine_count; i++)
        if (str_eq(str_from(world->machines[i].node_id), node_id))
            return &world->machines[i];
    return NULL;
}

static bool start(void *self, const NodeSpec *spec, Err *err)
{
    World *world = self;
    const JsonVal *join;
    if (world->starts_fail)
        return err_set(err, ERR_UNAVAILABLE, "no more machines");
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);           /* runner threads come here too */
    assert_true(json_parse(arena, spec->join_json, JSON_STRICT, &join, err));
    Machine *machine = machine_named(world, spec->node_id);
    if (!machine) {
        assert_true(world->machine_count < MACHINES_MAX);
        machine = &world->machines[world->machine_count++];
        (void)snprintf(machine->node_id, sizeof machine->node_id, STR_FMT, STR_ARG(spec->node_id));
        (void)snprintf(machine->host_name, sizeof machine->host_name, STR_FMT, STR_ARG(spec->host_name));
    }
    if (machine->run == NODE_RUN_RUNNING)
        return true;                                    /* starting one that runs succeeds, and changes nothing */
    (void)snprintf(machine->join_token, sizeof machine->join_token, STR_FMT, STR_ARG(json_str(json_get(join, "joinToken"))));
    machine->run = NODE_RUN_RUNNING;
    machine->starts++;
    return true;
}

static bool stop(void *self, Str node_id, Err *err)
{
    Machine *machine = machine_named(self, node_id);
    (void)err;
    if (machine)
        machine->run = NODE_RUN_ABSENT;
    return true;
}

static bool restart(void *self, const NodeSpec *spec, Err *err)
{
    World *world = self;
    Machine *machine = machine_named(world, spec->node_id);
    if (machine && !world->starts_fail)
        machine->run = NODE_RUN_STOPPED;
    return start(self, spec, err);
}

static bool list(void *self, Arena *arena, NodeStatus **out, size_t *count, Err *err)
{
    World *world = self;
    if (world->lists_fail)
        return err_set(err, ERR_UNAVAILABLE, "the host does not answer");
    *out = ARENA_ARRAY(arena, NodeStatus, world->machine_count + 1);
    *count = 0;
    for (size_t i = 0; i < world->machine_count; i++)
        if (world->machines[i].run != NODE_RUN_ABSENT)
            (*out)[(*count)++] = (NodeStatus){ str_from(world->machines[i].node_id), world->machines[i].run };
    return true;
}

static bool size_known(void *self, Str vm_size, int *cores, int64_t *memory_bytes)
{
    (void)self;
    if (!str_starts_nocase(vm_size, STR("STANDARD_")))
        return false;
    *cores = str_ends_nocase(vm_size, STR("_HUGE")) ? 400 : 2;
    *memory_bytes = INT64_C(7) << 30;
    return true;
}

/* -- calls of batch to vaults: the same server, without TLS -- */

static bool call_vault(void *ctx, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err)
{
    World *world = ctx;
    AUTO(http_client_free_auto) HttpClient *client = NULL;
    HttpClientConfig config = { .user_agent = "test", .connect_timeout_ms = 60000, .timeout_ms = 60000 };
    HttpCall plain = *call;
    char thread[16] = "";
    assert_int_equal(pthread_getname_np(pthread_self(), thread, sizeof thread), 0);
    assert_true(strncmp(thread, "http-", 5) != 0);      /* never on a thread that serves requests */
    assert_true(str_starts(call->url, STR("https://")));
    plain.url = str_printf(arena, "http://" STR_FMT, STR_ARG(str_slice(call->url, 8, call->url.len)));
    atomic_fetch_add(&world->vault_calls, 1);
    if (atomic_load(&world->vaults_are_silent))
        return err_set(err, ERR_UNAVAILABLE, "nobody answers");
    return http_client_new(&config, &client, err) && http_call(client, arena, &plain, out, err);
}

/* -- the server -- */

static bool bootstrap(Txn *txn, void *ctx, Err *err)
{
    World *world = ctx;
    Bootstrap first;
    if (!identity_bootstrap(world->site.seal, txn, world->arena, STR("test"), &first, err))
        return false;
    world->site.tenant_id = first.tenant_id;
    return arm_bootstrap(&world->site, txn, world->arena, STR("test"), &world->subscription, err);
}

static bool people(Txn *txn, void *ctx, Err *err)
{
    World *world = ctx;
    Str scope = str_printf(world->arena, "/subscriptions/" STR_FMT, STR_ARG(world->subscription));
    return principal_create(world->identity, txn, world->arena, PRINCIPAL_APP, STR("admin"), STR_NONE, &world->admin, err) &&
           principal_create(world->identity, txn, world->arena, PRINCIPAL_APP, STR("reader"), STR_NONE, &world->reader, err) &&
           principal_create(world->identity, txn, world->arena, PRINCIPAL_APP, STR("nobody"), STR_NONE, &world->nobody, err) &&
           access_assign(world->access, txn, world->arena, scope, world->admin.object_id, ROLE_OWNER, STR_NONE, err) &&
           access_assign(world->access, txn, world->arena, scope, world->reader.object_id, ROLE_READER, STR_NONE, err);
}

static void open_parts(World *world)
{
    HttpConfig config = { .base_domain = STR("vaultyard.localhost"), .clock = world->site.clock, .io_threads = 1, .worker_threads = 3, .plain = true };
    must(runner_new(world->site.store, world->site.clock, &world->site.runner, E));
    must(http_new(&config, &world->http, E));
    world->site.http = world->http;
    must(identity_open(&world->site, &world->identity, E));
    must(access_open(&world->site, world->identity, &world->access, E));
    must(arm_open(&world->site, world->identity, world->access, &world->arm, E));
    must(managedidentity_open(&world->site, world->identity, world->arm, &world->ids, E));
    must(keyvault_open(&world->site, world->identity, world->access, world->arm, &world->keyvault, E));
    must(batch_open(&world->site, world->identity, world->access, world->arm, world->ids, world->providers, 1, &world->batch, E));
    world->batch->vault_call = call_vault;
    world->batch->vault_call_ctx = world;
    must(identity_mount(world->identity, world->http, E));
    must(arm_mount(world->arm, world->http, E));
    must(managedidentity_mount(world->ids, world->http, E));
    must(keyvault_mount(world->keyvault, world->http, E));
    must(batch_mount(world->batch, world->http, E));
    must(http_listen_tcp(world->http, "127.0.0.1", 0, &world->site.names.port, E));
    if (world->runs)
        must(runner_start(world->site.runner, 2, E));
    must(http_start(world->http, E));
    HttpClientConfig client = { .user_agent = "test", .connect_timeout_ms = 60000, .timeout_ms = 60000 };
    must(http_client_new(&client, &world->client, E));
}

static Str token_for(World *world, const Principal *principal, Str audience)
{
    Str token;
    int64_t expires_ms;
    must(token_issue(world->identity, world->arena, principal, audience, &token, &expires_ms, E));
    return token;
}

static void give_tokens(World *world)
{
    Str management = site_url(&world->site, world->arena, STR("management")), batch = site_batch_resource(&world->site, world->arena);
    world->admin_token = token_for(world, &world->admin, management);
    world->reader_token = token_for(world, &world->reader, management);
    world->nobody_token = token_for(world, &world->nobody, management);
    world->batch_token = token_for(world, &world->admin, batch);
    world->batch_reader_token = token_for(world, &world->reader, batch);
    world->batch_nobody_token = token_for(world, &world->nobody, batch);
}

/* What a server has in memory of keys begins anew with it. */
static void open_seal(World *world)
{
    char root[128], audit[128];
    (void)snprintf(root, sizeof root, "%s/root.key", world->place.dir);
    (void)snprintf(audit, sizeof audit, "%s/audit", world->place.dir);
    must(seal_open(world->site.store, root, &world->site.seal, E));
    must(audit_open(world->site.store, world->site.seal, audit, &world->site.audit, E));
}

static void close_seal(World *world)
{
    audit_close(TAKE(world->site.audit));
    seal_close(TAKE(world->site.seal));
}

void world_open(World *world)
{
    char root[128], audit[128];
    *world = (World){ .arena = arena_new(256 << 20), .runs = world->runs };
    world->provider = (Provider){ .name = "local", .node_start = start, .node_stop = stop, .node_restart = restart, .node_list = list, .size_known = size_known, .self = world };
    world->providers[0] = &world->provider;
    place_make(&world->place);
    place_open(&world->place);
    (void)snprintf(root, sizeof root, "%s/root.key", world->place.dir);
    (void)snprintf(audit, sizeof audit, "%s/audit", world->place.dir);
    must(dir_make(audit, 0700, E));
    must(seal_make_root_file(root, E));
    world->site = (Site){ .store = world->place.store, .clock = clock_new(0), .instance_id = STR("0123456789abcdef0123456789abcdef"),
                          .names = { .domain = STR("vaultyard.localhost"), .location = STR("local") } };
    open_seal(world);
    must(store_write(world->site.store, bootstrap, world, E));
    open_parts(world);
    must(store_write(world->site.store, people, world, E));
    give_tokens(world);
}

static void close_parts(World *world)
{
    http_client_free(TAKE(world->client));
    runner_drain(world->site.runner);
    http_stop(TAKE(world->http), 1000);
    runner_stop(world->site.runner);                    /* handlers that still run schedule through it */
    world->site.runner = NULL;
    batch_close(TAKE(world->batch));
    keyvault_close(TAKE(world->keyvault));
    managedidentity_close(TAKE(world->ids));
    arm_close(TAKE(world->arm));
    access_close(TAKE(world->access));
    identity_close(TAKE(world->identity));
}

void world_restart(World *world)
{
    close_parts(world);
    close_seal(world);
    open_seal(world);
    open_parts(world);
    give_tokens(world);
}

void world_close(World *world)
{
    close_parts(world);
    close_seal(world);
    clock_free(world->site.clock);
    place_done(&world->place);
    arena_free(world->arena);
}

/* -- background work -- */

typedef struct Due { Arena *arena; Str keys[256]; int kinds[256]; size_t count; } Due;

static bool due_txn(Txn *txn, void *ctx, Err *err)
{
    static const char *const asks[] = {
        "SELECT id FROM batch_account WHERE state = 2",
        "SELECT account_id || '/' || pool_key FROM batch_pool",
        "SELECT account_id || '/' || thumbprint FROM batch_certificate WHERE state = 2",
        "SELECT id FROM batch_node WHERE (state = 1 AND started = 0) OR state = 9 OR (state = 10 AND reboot <> '')",
        "SELECT account_id || '/' || pool_key FROM batch_pool",
        "SELECT account_id || '/' || job_key FROM batch_job",
    };
    Due *due = ctx;
    due->count = 0;
    for (size_t kind = 0; kind < COUNT_OF(asks); kind++) {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, asks[kind]))
            return false;
        *err = (Err){ 0 };
        while (rows_next(rows, err) && due->count < 256) {
            due->kinds[due->count] = (int)kind;
            due->keys[due->count++] = str_dup(due->arena, row_text(rows, 0));
        }
    }
    return true;
}

static int64_t fingerprint(World *world)
{
    return read_int(world->site.store, "SELECT (SELECT COUNT(*) FROM batch_pool) * 1000000 + (SELECT COUNT(*) FROM batch_account) * 100000000 +"
                                       " (SELECT COALESCE(SUM(state * 1009), 0) FROM batch_certificate) +"
                                       " (SELECT COALESCE(SUM(state * 313 + 1), 0) FROM batch_job) + (SELECT COALESCE(SUM(state * 1511 + 3), 0) FROM batch_task) +"
                                       " (SELECT COALESCE(SUM(state * 2003 + 5), 0) FROM batch_run) +"
                                       " (SELECT COALESCE(SUM(state * 7 + started * 131 + length(reboot) * 17 + number), 0) FROM batch_node) +"
                                       " (SELECT COALESCE(SUM(allocation * 10007 + state * 100003), 0) FROM batch_pool) +"
                                       " (SELECT COALESCE(SUM(state * 1009), 0) FROM batch_job) + (SELECT COALESCE(SUM(state * 104729), 0) FROM batch_task) +"
                                       " (SELECT COALESCE(SUM(state * 1299709), 0) FROM batch_run)");
}

void world_work(World *world)
{
    static RunnerFn *const runs[] = { batch_account_run, batch_pool_run, batch_certificate_run, batch_node_run, batch_queue_run, batch_job_run };
    for (int pass = 0; pass < 50; pass++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
        int64_t before = fingerprint(world), again;
        Due due = { .arena = arena };
        must(store_read(world->site.store, due_txn, &due, E));
        for (size_t i = 0; i < due.count; i++) {
            RunnerJob job = { .key = due.keys[i], .attempt = 1 };
            Err err = { 0 };
            if (!runs[due.kinds[i]](world->batch, arena, &job, real_now_ms(), &again, &err) && err.code != ERR_UNAVAILABLE)
                fail_msg("%d of " STR_FMT ": %s", due.kinds[i], STR_ARG(job.key), err.text);
        }
        if (pass > 0 && fingerprint(world) == before)
            return;
    }
    fail_msg("background work never came to rest");
}

/* -- calls -- */

Answer world_call_with(World *world, const char *method, Str token, Str url_rest, Str body, const HttpHeader *more, size_t count)
{
    HttpHeader headers[12] = { { "Content-Type", STR("application/json") } };
    size_t used = 1, slash;
    HttpAnswer got;
    assert_true(str_find(url_rest, STR("/"), &slash));
    Str url = str_printf(world->arena, "http://" STR_FMT ".vaultyard.localhost:%d" STR_FMT, STR_ARG(str_slice(url_rest, 0, slash)), world->site.names.port,
                         STR_ARG(str_slice(url_rest, slash, url_rest.len)));
    if (token.ptr)
        headers[used++] = (HttpHeader){ "Authorization", str_printf(world->arena, "Bearer " STR_FMT, STR_ARG(token)) };
    for (size_t i = 0; i < count; i++)
        headers[used++] = more[i];
    HttpCall call = { .method = method, .url = url, .headers = headers, .header_count = used, .body = body };
    must(http_call(world->client, world->arena, &call, &got, E));
    Answer answer = { .status = got.status, .body = got.body, .headers = got.raw_headers };
    Err ignored = { 0 };
    size_t at;
    if (!str_empty(got.body) && str_find(got.content_type, STR("json"), &at) && !json_parse(world->arena, got.body, JSON_STRICT, &answer.json, &ignored))
        fail_msg("no JSON: " STR_FMT, STR_ARG(got.body));
    return answer;
}

Answer world_call(World *world, const char *method, Str token, Str url_rest, Str body)
{
    return world_call_with(world, method, token, url_rest, body, NULL, 0);
}

Str answer_header(const Answer *answer, const char *name)
{
    HttpAnswer got = { .raw_headers = answer->headers };
    return http_answer_header(&got, name);
}

Str answer_text(const Answer *answer, const char *dotted) { return json_str(json_path(answer->json, dotted)); }
int64_t answer_int(const Answer *answer, const char *dotted) { return json_int(json_path(answer->json, dotted), -1); }

Answer arm_call(World *world, const char *method, const char *path, Str body)
{
    const char *mark = strchr(path, '?');
    return world_call(world, method, world->admin_token, str_printf(world->arena, "management/subscriptions/" STR_FMT "%s%sapi-version=2021-01-01",
                      STR_ARG(world->subscription), path, mark ? "&" : "?"), body);
}

Answer data_call(World *world, const char *method, const char *path, Str body)
{
    return world_call(world, method, world->batch_token, str_printf(world->arena, "acct.westus2.batch%s%sapi-version=2022-10-01.16.0", path, strchr(path, '?') ? "&" : "?"), body);
}

Answer node_call(World *world, const char *method, Str credential, const char *path, Str body)
{
    return world_call(world, method, credential, str_printf(world->arena, "nodes%s", path), body);
}

/* -- things -- */

#define GROUP "/resourceGroups/rg"

void make_account(World *world, const char *name)
{
    char path[160];
    (void)arm_call(world, "PUT", GROUP, STR("{\"location\":\"westus2\"}"));
    (void)snprintf(path, sizeof path, GROUP "/providers/Microsoft.Batch/batchAccounts/%s", name);
    expect_status(arm_call(world, "PUT", path, STR("{\"location\":\"westus2\"}")), 200);
}

Str make_identity(World *world, const char *name, Str *client_id)
{
    char path[200];
    (void)arm_call(world, "PUT", GROUP, STR("{\"location\":\"westus2\"}"));
    (void)snprintf(path, sizeof path, GROUP "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/%s", name);
    Answer made = arm_call(world, "PUT", path, STR("{\"location\":\"westus2\"}"));
    assert_true(made.status == 201 || made.status == 200);
    if (client_id)
        *client_id = answer_text(&made, "properties.clientId");
    return answer_text(&made, "id");
}

Answer make_pool(World *world, const char *id, int nodes, const char *more_properties, Str identities_json)
{
    char path[160];
    (void)snprintf(path, sizeof path, GROUP "/providers/Microsoft.Batch/batchAccounts/acct/pools/%s", id);
    Str body = str_printf(world->arena,
        "{\"properties\":{\"vmSize\":\"STANDARD_DS2_V2\",\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
        "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\",\"version\":\"latest\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"%s}},"
        "\"scaleSettings\":{\"fixedScale\":{\"targetDedicatedNodes\":%d}}}%s" STR_FMT "}",
        more_properties, nodes, identities_json.ptr ? ",\"identity\":" : "", STR_ARG(identities_json));
    return arm_call(world, "PUT", path, body);
}

Machine *machine_of(World *world, size_t index)
{
    assert_true(index < world->machine_count);
    return &world->machines[index];
}

Str join(World *world, const Machine *machine)
{
    Answer joined = node_call(world, "POST", STR_NONE, "/v1/join", str_printf(world->arena,
        "{\"nodeId\":\"%s\",\"joinToken\":\"%s\",\"agentVersion\":\"0.1\",\"bootId\":\"b\"}", machine->node_id, machine->join_token));
    expect_status(joined, 200);
    assert_int_equal(answer_int(&joined, "leaseMs"), LEASE_MS);
    return answer_text(&joined, "credential");
}

Answer lease(World *world, Str credential, const char *state, const char *extensions_json)
{
    return node_call(world, "POST", credential, "/v1/lease", str_printf(world->arena, "{\"state\":\"%s\",\"agentVersion\":\"0.1\",\"extensions\":%s,\"relayPorts\":[8443]}",
                                                                       state, extensions_json));
}

typedef struct NodeLook { Arena *arena; Str id; Node node; bool found; } NodeLook;

static bool node_txn(Txn *txn, void *ctx, Err *err)
{
    NodeLook *look = ctx;
    return node_find(txn, look->arena, look->id, &look->node, &look->found, err);
}

Node node_row(World *world, const char *node_id)
{
    NodeLook look = { .arena = world->arena, .id = str_from(node_id) };
    must(store_read(world->site.store, node_txn, &look, E));
    assert_true(look.found);
    return look.node;
}
