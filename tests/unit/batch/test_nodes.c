#include "world.h"
#include <pthread.h>
#include "base/encode.h"
#include "batch/nodes/command.h"

static World world;

#define KV ",\"extensions\":[{\"name\":\"KVExtensions\",\"type\":\"KeyVaultForLinux\",\"publisher\":\"Microsoft.Azure.KeyVault\",\"typeHandlerVersion\":\"1.0\"," \
    "\"settings\":{\"secretsManagementSettings\":{\"pollingIntervalInS\":\"300\",\"requireInitialSync\":%s,\"observedCertificates\":[\"https://x/secrets/y\"]}}}]"
#define STATUS(code, level, message) "[{\"name\":\"KVExtensions\",\"statuses\":[{\"code\":\"" code "\",\"level\":\"" level "\",\"displayStatus\":\"d\",\"message\":\"" message \
    "\",\"time\":\"2021-03-03T23:12:23Z\"}]}]"
#define GOOD STATUS("ProvisioningState/succeeded", "Info", "Successfully started Key Vault extension service.")
#define BAD  STATUS("ProvisioningState/failed/0", "Error", "the vault does not exist")
#define WAIT STATUS("ProvisioningState/transitioning", "Info", "starting")

static void one_node(const char *more)
{
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 1, more, STR_NONE), 200);
    world_work(&world);
}

static const char *with_sync(const char *value)
{
    return str_to_cstr(world.arena, str_printf(world.arena, KV, value), NULL);
}

static NodeState state_now(void) { return node_row(&world, machine_of(&world, 0)->node_id).state; }

static void test_a_node_joins_and_becomes_idle(void **state)
{
    (void)state;
    one_node("");
    assert_int_equal(state_now(), NODE_CREATING);
    Str credential = join(&world, machine_of(&world, 0));
    assert_int_equal(state_now(), NODE_STARTING);
    Answer leased = lease(&world, credential, "starting", "[]");
    expect_status(leased, 200);
    assert_str(answer_text(&leased, "account"), "acct");
    assert_str(answer_text(&leased, "pool"), "p");
    assert_int_equal(answer_int(&leased, "leaseMs"), LEASE_MS);
    assert_int_equal(json_int(json_at(json_get(leased.json, "ports"), 0), 0), world.site.names.port);
    assert_true(str_eq(answer_text(&leased, "accountUrl"), str_printf(world.arena, "https://acct.westus2.batch.vaultyard.localhost:%d", world.site.names.port)));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(state_now(), NODE_IDLE);
    expect_status(lease(&world, credential, "unusable", "[]"), 200);
    assert_int_equal(state_now(), NODE_UNUSABLE);
    expect_status(lease(&world, credential, "resting", "[]"), 400);
    assert_int_equal(state_now(), NODE_UNUSABLE);
}

static void test_a_join_token_works_until_its_credential_was_used(void **state)
{
    (void)state;
    one_node("");
    Machine *machine = machine_of(&world, 0);
    Str lost = join(&world, machine), kept = join(&world, machine);         /* the first answer never arrived */
    expect_error(lease(&world, lost, "idle", "[]"), 401, "NodeCredentialInvalid");
    expect_status(lease(&world, kept, "idle", "[]"), 200);
    Answer again = node_call(&world, "POST", STR_NONE, "/v1/join", str_printf(world.arena, "{\"nodeId\":\"%s\",\"joinToken\":\"%s\"}", machine->node_id, machine->join_token));
    expect_error(again, 401, "JoinTokenUsed");
    expect_status(lease(&world, kept, "idle", "[]"), 200);
}

static void test_other_calls_end_the_join_token_too(void **state)
{
    (void)state;
    one_node("");
    Machine *machine = machine_of(&world, 0);
    Str credential = join(&world, machine);
    expect_status(node_call(&world, "POST", credential, "/v1/identity/token", STR("{\"resource\":\"https://vault.vaultyard.localhost\"}")), 400);
    Answer again = node_call(&world, "POST", STR_NONE, "/v1/join", str_printf(world.arena, "{\"nodeId\":\"%s\",\"joinToken\":\"%s\"}", machine->node_id, machine->join_token));
    expect_error(again, 401, "JoinTokenUsed");
}

static void test_wrong_tokens_and_credentials_are_refused(void **state)
{
    (void)state;
    one_node("");
    Machine *machine = machine_of(&world, 0);
    static const char *const bodies[] = {
        "{\"nodeId\":\"%s\",\"joinToken\":\"00\"}", "{\"nodeId\":\"%sx\",\"joinToken\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
        "{\"nodeId\":\"%s\",\"joinToken\":\"\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char body[300];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(body, sizeof body, bodies[i], machine->node_id);
#pragma GCC diagnostic pop
        expect_error(node_call(&world, "POST", STR_NONE, "/v1/join", str_from(body)), 401, "JoinTokenInvalid");
    }
    expect_status(node_call(&world, "POST", STR_NONE, "/v1/join", STR("{\"nodeId\":1}")), 400);
    expect_status(node_call(&world, "POST", STR_NONE, "/v1/join", STR("{}")), 400);
    Str credential = join(&world, machine);
    expect_error(lease(&world, STR_NONE, "idle", "[]"), 401, "NodeCredentialInvalid");
    expect_error(lease(&world, STR("x"), "idle", "[]"), 401, "NodeCredentialInvalid");
    expect_error(lease(&world, str_slice(credential, 0, credential.len - 1), "idle", "[]"), 401, "NodeCredentialInvalid");
    expect_error(lease(&world, world.batch_token, "idle", "[]"), 401, "NodeCredentialInvalid");
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_node WHERE length(credential_hash) = 32 AND credential_new IS NULL AND join_hash IS NULL"), 1);
}

static void test_a_required_extension_comes_first(void **state)
{
    (void)state;
    one_node(with_sync("true"));
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);            /* the agent has not been told of it yet */
    assert_int_equal(state_now(), NODE_STARTING);
    expect_status(lease(&world, credential, "idle", WAIT), 200);
    assert_int_equal(state_now(), NODE_STARTING);
    expect_status(lease(&world, credential, "idle", GOOD), 200);
    assert_int_equal(state_now(), NODE_IDLE);
}

static void test_a_required_extension_that_fails_makes_the_node_unusable_with_the_reason(void **state)
{
    (void)state;
    one_node(with_sync("\"true\""));                    /* settings may have strings where the service has them */
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", BAD), 200);
    assert_int_equal(state_now(), NODE_UNUSABLE);
    Answer node = data_call(&world, "GET", str_to_cstr(world.arena, str_printf(world.arena, "/pools/p/nodes/%s", machine_of(&world, 0)->node_id), NULL), STR_NONE);
    expect_status(node, 200);
    assert_str(answer_text(&node, "state"), "unusable");
    const JsonVal *error = json_at(json_get(node.json, "errors"), 0);
    assert_str(json_str(json_get(error, "code")), "ExtensionFailed");
    assert_str(json_str(json_get(error, "message")), "extension 'KVExtensions': the vault does not exist");
    expect_status(lease(&world, credential, "idle", GOOD), 200);            /* the cause went away */
    assert_int_equal(state_now(), NODE_IDLE);
}

static void test_a_failing_extension_that_is_not_required_is_only_shown(void **state)
{
    (void)state;
    one_node(with_sync("false"));
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", BAD), 200);
    assert_int_equal(state_now(), NODE_IDLE);
    const char *path = str_to_cstr(world.arena, str_printf(world.arena, "/pools/p/nodes/%s/extensions", machine_of(&world, 0)->node_id), NULL);
    Answer list = data_call(&world, "GET", path, STR_NONE);
    expect_status(list, 200);
    const JsonVal *one = json_at(json_get(list.json, "value"), 0), *status = json_at(json_path(one, "instanceView.statuses"), 0);
    assert_str(json_str(json_get(one, "provisioningState")), "Failed");
    assert_str(json_str(json_get(status, "code")), "ProvisioningState/failed/0");
    assert_str(json_str(json_get(status, "level")), "Error");
    assert_str(json_str(json_get(status, "message")), "the vault does not exist");
    assert_str(json_str(json_path(one, "instanceView.name")), "KVExtensions");
    Str settings = json_str(json_path(one, "vmExtension.settings"));
    assert_true(str_starts(settings, STR("{\"secretsManagementSettings\":")));
    Answer single = data_call(&world, "GET", str_to_cstr(world.arena, str_printf(world.arena, "%s/kvextensions", path), NULL), STR_NONE);
    assert_str(answer_text(&single, "instanceView.name"), "KVExtensions");
    expect_error(data_call(&world, "GET", str_to_cstr(world.arena, str_printf(world.arena, "%s/other", path), NULL), STR_NONE), 404, "ResourceNotFound");
}

static void test_bad_leases_change_nothing(void **state)
{
    (void)state;
    one_node(with_sync("false"));
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", GOOD), 200);
    static const char *const bad[] = { "{}", "[1]", "[{\"statuses\":[]}]", "[{\"name\":\"a\",\"statuses\":[{\"code\":\"c\",\"level\":\"Loud\"}]}]",
                                       "[{\"name\":\"a\",\"statuses\":[{\"message\":\"m\"}]}]" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_status(lease(&world, credential, "unusable", bad[i]), 400);
    assert_int_equal(state_now(), NODE_IDLE);
    /* an agent of another version may say more */
    expect_status(node_call(&world, "POST", credential, "/v1/lease", STR("{\"state\":\"idle\",\"extensions\":[],\"novelty\":{\"a\":1}}")), 200);
}

static Str ask_token(Str credential, const char *selector, int status)
{
    Answer got = node_call(&world, "POST", credential, "/v1/identity/token", str_printf(world.arena, "{\"resource\":\"https://vault.vaultyard.localhost:%d\"%s}",
                                                                                       world.site.names.port, selector));
    expect_status(got, status);
    if (status != 200)
        return answer_text(&got, "error_description");
    assert_str(answer_text(&got, "token_type"), "Bearer");
    assert_true(answer_text(&got, "expires_on").len >= 10);
    assert_true(answer_text(&got, "expires_in").ptr && answer_text(&got, "not_before").ptr && answer_text(&got, "resource").ptr);
    assert_true(answer_text(&got, "access_token").len > 100);
    return answer_text(&got, "client_id");
}

static void test_tokens_are_of_the_pools_identities_only(void **state)
{
    (void)state;
    Str client_one, client_two, client_three, one = make_identity(&world, "one", &client_one), two = make_identity(&world, "two", &client_two);
    (void)make_identity(&world, "three", &client_three);
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 1, "", str_printf(world.arena, "{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{},\"" STR_FMT "\":{}}}",
                                                          STR_ARG(one), STR_ARG(two))), 200);
    world_work(&world);
    Str credential = join(&world, machine_of(&world, 0));
    assert_str(ask_token(credential, "", 400), "Identity not found");
    Str by_client = str_printf(world.arena, ",\"clientId\":\"" STR_FMT "\"", STR_ARG(client_two)), by_id = str_printf(world.arena, ",\"resourceId\":\"" STR_FMT "\"", STR_ARG(one));
    assert_true(str_eq(ask_token(credential, str_to_cstr(world.arena, by_client, NULL), 200), client_two));
    assert_true(str_eq(ask_token(credential, str_to_cstr(world.arena, by_id, NULL), 200), client_one));
    Str foreign = str_printf(world.arena, ",\"clientId\":\"" STR_FMT "\"", STR_ARG(client_three));
    assert_str(ask_token(credential, str_to_cstr(world.arena, foreign, NULL), 400), "Identity not found");
    Answer none = node_call(&world, "POST", credential, "/v1/identity/token", STR("{\"clientId\":\"x\"}"));
    expect_status(none, 400);
    assert_str(answer_text(&none, "error"), "invalid_request");

    /* Deleted and made again under its name, it is another identity. */
    expect_status(arm_call(&world, "DELETE", "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one", STR_NONE), 200);
    (void)make_identity(&world, "one", NULL);
    assert_str(ask_token(credential, str_to_cstr(world.arena, by_id, NULL), 400), "Identity not found");
}

static void test_one_identity_needs_no_selector(void **state)
{
    (void)state;
    Str client, one = make_identity(&world, "one", &client);
    make_account(&world, "acct");
    expect_status(make_pool(&world, "p", 1, "", str_printf(world.arena, "{\"type\":\"UserAssigned\",\"userAssignedIdentities\":{\"" STR_FMT "\":{}}}", STR_ARG(one))), 200);
    world_work(&world);
    Str credential = join(&world, machine_of(&world, 0));
    assert_true(str_eq(ask_token(credential, "", 200), client));
    expect_status(arm_call(&world, "PATCH", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/pools/p", STR("{\"identity\":{\"type\":\"None\"}}")), 200);
    assert_str(ask_token(credential, "", 400), "Identity not found");
}

/* -- commands -- */

static void test_a_refresh_is_given_once_the_cursor_passed_it(void **state)
{
    (void)state;
    one_node("");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    batch_refresh_nodes(world.batch);
    batch_refresh_nodes(world.batch);
    Answer first = node_call(&world, "GET", credential, "/v1/commands?after=", STR_NONE);
    expect_status(first, 200);
    assert_int_equal(json_count(json_get(first.json, "commands")), 1);
    assert_str(json_str(json_get(json_at(json_get(first.json, "commands"), 0), "kind")), "refresh");
    Answer again = node_call(&world, "GET", credential, "/v1/commands?after=", STR_NONE);       /* the answer was lost */
    assert_int_equal(json_count(json_get(again.json, "commands")), 1);
    Str cursor = answer_text(&first, "cursor");
    batch_refresh_nodes(world.batch);
    Answer next = node_call(&world, "GET", credential, str_to_cstr(world.arena, str_printf(world.arena, "/v1/commands?after=" STR_FMT, STR_ARG(cursor)), NULL), STR_NONE);
    assert_int_equal(json_count(json_get(next.json, "commands")), 1);
    assert_false(str_eq(answer_text(&next, "cursor"), cursor));
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_command"), 1);
    expect_status(node_call(&world, "GET", credential, "/v1/commands?after=x", STR_NONE), 400);
}

typedef struct Caller2 { Str path, body; Answer answer; HttpClient *client; pthread_t thread; Arena *arena; } Caller2;

static void *call_in_thread(void *arg)
{
    Caller2 *c = arg;
    HttpHeader headers[] = { { "Content-Type", STR("application/json") },
                             { "Authorization", str_printf(c->arena, "Bearer " STR_FMT, STR_ARG(world.batch_token)) } };
    HttpCall call = { .method = "POST", .url = str_printf(c->arena, "http://acct.westus2.batch.vaultyard.localhost:%d" STR_FMT "?api-version=2022-10-01.16.0",
                      world.site.names.port, STR_ARG(c->path)), .headers = headers, .header_count = 2, .body = c->body };
    HttpAnswer got;
    Err err = { 0 };
    if (http_call(c->client, c->arena, &call, &got, &err))
        c->answer = (Answer){ .status = got.status, .body = got.body, .headers = got.raw_headers };
    return NULL;
}

static void exec_start(Caller2 *c, const char *body)
{
    HttpClientConfig config = { .user_agent = "test", .timeout_ms = 60000 };
    *c = (Caller2){ .arena = arena_new(32 << 20), .body = str_from(body) };
    c->path = str_printf(c->arena, "/pools/p/nodes/%s/exec", machine_of(&world, 0)->node_id);
    must(http_client_new(&config, &c->client, E));
    assert_int_equal(pthread_create(&c->thread, NULL, call_in_thread, c), 0);
}

static void exec_end(Caller2 *c)
{
    Err err = { 0 };
    assert_int_equal(pthread_join(c->thread, NULL), 0);
    http_client_free(c->client);
    if (!str_empty(c->answer.body))
        assert_true(json_parse(c->arena, c->answer.body, JSON_STRICT, &c->answer.json, &err));
}

static void test_exec_waits_for_the_agents_result(void **state)
{
    (void)state;
    one_node("");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    Caller2 exec;
    exec_start(&exec, "{\"argv\":[\"cat\",\"1.status\"],\"timeoutMs\":60000}");
    Answer commands = node_call(&world, "GET", credential, "/v1/commands?after=", STR_NONE);      /* parked until the exec is there */
    const JsonVal *command = json_at(json_get(commands.json, "commands"), 0);
    assert_str(json_str(json_get(command, "kind")), "exec");
    assert_str(json_str(json_at(json_get(command, "argv"), 1)), "1.status");
    assert_int_equal(json_int(json_get(command, "timeoutMs"), 0), 60000);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_command WHERE instr(CAST(body AS TEXT), 'status') > 0"), 0);
    const char *result = str_to_cstr(world.arena, str_printf(world.arena, "/v1/commands/" STR_FMT "/result", STR_ARG(json_str(json_get(command, "id")))), NULL);
    static const char *const bad[] = { "", "[]", "{\"exitCode\":\"0\"}", "{\"exitCode\":0,\"stdout\":\"#\"}", "{\"exitCode\":999}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_status(node_call(&world, "POST", credential, result, str_from(bad[i])), 400);
    expect_status(node_call(&world, "POST", credential, result, STR("{\"exitCode\":3,\"signal\":0,\"stdout\":\"aGk=\",\"stderr\":\"\",\"truncated\":false,\"error\":\"\"}")), 204);
    exec_end(&exec);
    assert_int_equal(exec.answer.status, 200);
    assert_int_equal(answer_int(&exec.answer, "exitCode"), 3);
    assert_str(answer_text(&exec.answer, "stdout"), "aGk=");
    arena_free(exec.arena);
    /* Posted again it is fine, and nothing is left. */
    expect_status(node_call(&world, "POST", credential, result, STR("{\"exitCode\":3}")), 204);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_command"), 0);
}

static void test_the_largest_result_passes(void **state)
{
    (void)state;
    one_node("");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    Caller2 exec;
    exec_start(&exec, "{\"argv\":[\"yes\"]}");
    Answer commands = node_call(&world, "GET", credential, "/v1/commands?after=", STR_NONE);
    const JsonVal *command = json_at(json_get(commands.json, "commands"), 0);
    uint8_t *stream = arena_alloc(world.arena, STREAM_MAX_BYTES + 1);
    memset(stream, 'y', STREAM_MAX_BYTES + 1);
    Str text = base64_encode(world.arena, (Bytes){ stream, STREAM_MAX_BYTES }), more = base64_encode(world.arena, (Bytes){ stream, STREAM_MAX_BYTES + 1 });
    const char *result = str_to_cstr(world.arena, str_printf(world.arena, "/v1/commands/" STR_FMT "/result", STR_ARG(json_str(json_get(command, "id")))), NULL);
    expect_status(node_call(&world, "POST", credential, result, str_printf(world.arena, "{\"stdout\":\"" STR_FMT "\"}", STR_ARG(more))), 400);
    expect_status(node_call(&world, "POST", credential, result, str_printf(world.arena, "{\"stdout\":\"" STR_FMT "\",\"stderr\":\"" STR_FMT "\",\"truncated\":true}",
                                                                         STR_ARG(text), STR_ARG(text))), 204);
    exec_end(&exec);
    assert_int_equal(exec.answer.status, 200);
    assert_int_equal(answer_text(&exec.answer, "stdout").len, text.len);
    arena_free(exec.arena);
}

static void test_a_result_can_be_asked_for_later(void **state)
{
    (void)state;
    one_node("");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    Caller2 exec;
    exec_start(&exec, "{\"argv\":[\"true\"]}");
    Answer commands = node_call(&world, "GET", credential, "/v1/commands?after=", STR_NONE);
    Str id = json_str(json_get(json_at(json_get(commands.json, "commands"), 0), "id"));
    const char *path = str_to_cstr(world.arena, str_printf(world.arena, "/pools/p/nodes/%s/exec/" STR_FMT, machine_of(&world, 0)->node_id, STR_ARG(id)), NULL);
    const char *result = str_to_cstr(world.arena, str_printf(world.arena, "/v1/commands/" STR_FMT "/result", STR_ARG(id)), NULL);
    write_sql(world.site.store, "UPDATE batch_command SET until_ms = 1");
    expect_error(data_call(&world, "GET", path, STR_NONE), 404, "ResourceNotFound");        /* nothing came in time */
    expect_status(node_call(&world, "POST", credential, result, STR("{\"exitCode\":7}")), 204);
    Answer later = data_call(&world, "GET", path, STR_NONE);
    if (later.status == 200)                            /* else the one who waits was first */
        assert_int_equal(answer_int(&later, "exitCode"), 7);
    exec_end(&exec);
    assert_int_equal(answer_int(&exec.answer, "exitCode"), 7);
    arena_free(exec.arena);
    expect_error(data_call(&world, "GET", "/pools/p/nodes/none/exec/x", STR_NONE), 404, "NodeNotFound");
}

static void test_exec_is_refused_with_reasons(void **state)
{
    (void)state;
    one_node("");
    const char *path = str_to_cstr(world.arena, str_printf(world.arena, "/pools/p/nodes/%s/exec", machine_of(&world, 0)->node_id), NULL);
    expect_error(data_call(&world, "POST", path, STR("{\"argv\":[\"true\"]}")), 409, "NodeBeingCreated");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    static const char *const bad[] = { "{}", "{\"argv\":[]}", "{\"argv\":[1]}", "{\"argv\":[\"\"]}", "{\"argv\":\"true\"}", "{\"argv\":[\"true\"],\"timeoutMs\":0}",
                                       "{\"argv\":[\"true\"],\"timeoutMs\":3600001}", "{\"argv\":[\"true\"],\"shell\":true}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_status(data_call(&world, "POST", path, str_from(bad[i])), 400);
    expect_error(data_call(&world, "POST", "/pools/p/nodes/none/exec", STR("{\"argv\":[\"true\"]}")), 404, "NodeNotFound");
    Str url = str_printf(world.arena, "acct.westus2.batch%s?api-version=2022-10-01.16.0", path);
    expect_error(world_call(&world, "POST", world.batch_reader_token, url, STR("{\"argv\":[\"true\"]}")), 403, "InsufficientAccountPermissions");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_command"), 0);
}

static void test_a_removed_nodes_credential_is_worthless(void **state)
{
    (void)state;
    one_node("");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    expect_status(data_call(&world, "DELETE", "/pools/p", STR_NONE), 202);
    world_work(&world);
    expect_error(lease(&world, credential, "idle", "[]"), 401, "NodeCredentialInvalid");
    expect_error(node_call(&world, "POST", credential, "/v1/identity/token", STR("{\"resource\":\"x\"}")), 401, "NodeCredentialInvalid");
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_node_joins_and_becomes_idle),
        TEST(test_a_join_token_works_until_its_credential_was_used),
        TEST(test_other_calls_end_the_join_token_too),
        TEST(test_wrong_tokens_and_credentials_are_refused),
        TEST(test_a_required_extension_comes_first),
        TEST(test_a_required_extension_that_fails_makes_the_node_unusable_with_the_reason),
        TEST(test_a_failing_extension_that_is_not_required_is_only_shown),
        TEST(test_bad_leases_change_nothing),
        TEST(test_tokens_are_of_the_pools_identities_only),
        TEST(test_one_identity_needs_no_selector),
        TEST(test_a_refresh_is_given_once_the_cursor_passed_it),
        TEST(test_exec_waits_for_the_agents_result),
        TEST(test_the_largest_result_passes),
        TEST(test_a_result_can_be_asked_for_later),
        TEST(test_exec_is_refused_with_reasons),
        TEST(test_a_removed_nodes_credential_is_worthless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
