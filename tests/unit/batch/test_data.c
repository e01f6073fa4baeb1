#include "world.h"
#include "base/encode.h"
#include "batch/accounts/sharedkey.h"
#include "crypto/hash.h"

static World world;

#define MACHINE "\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\",\"offer\":\"0001-com-ubuntu-server-jammy\",\"sku\":\"22_04-lts\"}," \
    "\"nodeAgentSKUId\":\"batch.node.ubuntu 22.04\"}"

static Answer add_pool(const char *id, int nodes)
{
    return data_call(&world, "POST", "/pools", str_printf(world.arena, "{\"id\":\"%s\",\"vmSize\":\"standard_d2s_v3\"," MACHINE ",\"targetDedicatedNodes\":%d}", id, nodes));
}

static void test_a_pool_is_added_and_read(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer added = add_pool("pool1", 1);
    expect_status(added, 201);
    assert_true(str_empty(added.body));
    assert_true(str_starts(answer_header(&added, "ETag"), STR("0x8D")));
    assert_true(str_ends(answer_header(&added, "Last-Modified"), STR("GMT")));
    assert_true(str_ends(answer_header(&added, "DataServiceId"), STR("/pools")));
    assert_int_equal(answer_header(&added, "request-id").len, 36);
    Answer got = data_call(&world, "GET", "/pools/POOL1", STR_NONE);
    expect_status(got, 200);
    assert_str(answer_header(&got, "Content-Type"), "application/json;odata=minimalmetadata");
    assert_true(str_eq(answer_header(&got, "ETag"), answer_text(&got, "eTag")));
    assert_str(answer_text(&got, "id"), "pool1");
    assert_str(answer_text(&got, "state"), "active");
    assert_str(answer_text(&got, "allocationState"), "resizing");
    assert_str(answer_text(&got, "virtualMachineConfiguration.nodeAgentSKUId"), "batch.node.ubuntu 22.04");
    assert_str(answer_text(&got, "taskSchedulingPolicy.nodeFillType"), "spread");
    assert_true(str_ends(json_str(json_get(got.json, "odata.metadata")), STR("/$metadata#pools/@Element")));
    expect_error(add_pool("Pool1", 1), 409, "PoolExists");
    expect_status(data_call(&world, "HEAD", "/pools/pool1", STR_NONE), 200);
    expect_status(data_call(&world, "HEAD", "/pools/none", STR_NONE), 404);
    expect_error(data_call(&world, "GET", "/pools/none", STR_NONE), 404, "PoolNotFound");
    expect_error(data_call(&world, "GET", "/pools/none/nodes", STR_NONE), 404, "PoolNotFound");
}

static void test_errors_have_the_services_shape(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer refused = data_call(&world, "POST", "/pools", STR("{\"id\":\"p\",\"vmsize\":\"x\"}"));
    expect_error(refused, 400, "InvalidRequestBody");
    assert_true(str_ends(json_str(json_get(refused.json, "odata.metadata")), STR("/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element")));
    assert_str(answer_text(&refused, "message.lang"), "en-US");
    size_t at;
    assert_true(str_find(answer_text(&refused, "message.value"), STR("\nRequestId:"), &at));
    const JsonVal *value = json_at(json_get(refused.json, "values"), 0);
    assert_str(json_str(json_get(value, "key")), "PropertyName");
    assert_str(json_str(json_get(value, "value")), "vmsize");
    expect_error(data_call(&world, "GET", "/jobschedules", STR_NONE), 501, "NotImplemented");
    expect_error(data_call(&world, "GET", "/nothing", STR_NONE), 404, "ResourceNotFound");
    expect_error(data_call(&world, "PUT", "/pools/p", STR("{}")), 405, "UnsupportedHttpVerb");
    expect_error(world_call(&world, "GET", world.batch_token, STR("acct.westus2.batch/pools"), STR_NONE), 400, "MissingRequiredQueryParameter");
    expect_status(data_call(&world, "GET", "/pools?maxresults=0", STR_NONE), 400);
    expect_error(data_call(&world, "GET", "/pools?maxresults=1001", STR_NONE), 400, "OutOfRangeQueryParameterValue");
    expect_error(data_call(&world, "GET", "/pools?timeout=31", STR_NONE), 400, "OutOfRangeQueryParameterValue");
    expect_error(data_call(&world, "GET", "/pools?$filter=stat%20eq%20'active'", STR_NONE), 400, "InvalidQueryParameterValue");
    expect_error(data_call(&world, "GET", "/pools?$expand=stats", STR_NONE), 501, "NotImplemented");
}

static void test_tokens_are_asked_and_checked(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Str url = STR("acct.westus2.batch/pools?api-version=2022-10-01.16.0");
    Answer none = world_call(&world, "GET", STR_NONE, url, STR_NONE);
    expect_error(none, 401, "AuthenticationFailed");
    assert_true(str_starts(answer_header(&none, "WWW-Authenticate"), STR("Bearer authorization_uri=\"https://login.vaultyard.localhost:")));
    expect_status(world_call(&world, "GET", STR("x.y.z"), url, STR_NONE), 401);
    Str vault_token;
    int64_t expires_ms;
    must(token_issue(world.identity, world.arena, &world.admin, site_vault_resource(&world.site, world.arena), &vault_token, &expires_ms, E));
    expect_error(world_call(&world, "GET", vault_token, url, STR_NONE), 401, "AuthenticationFailed");
    expect_status(world_call(&world, "GET", world.admin_token, url, STR_NONE), 200);       /* @azure/batch asks for the management audience */
    expect_error(world_call(&world, "GET", world.batch_nobody_token, url, STR_NONE), 403, "InsufficientAccountPermissions");
    expect_status(world_call(&world, "GET", world.batch_reader_token, url, STR_NONE), 200);
    expect_error(world_call(&world, "POST", world.batch_reader_token, url, STR("{}")), 403, "InsufficientAccountPermissions");
    expect_status(world_call(&world, "GET", world.batch_token, STR("other.westus2.batch/pools?api-version=2022-10-01.16.0"), STR_NONE), 404);
    expect_status(world_call(&world, "GET", world.batch_token, STR("acct.eastus.batch/pools?api-version=2022-10-01.16.0"), STR_NONE), 404);
}

/* -- shared keys -- */

static Answer signed_call(const char *method, const char *path, const char *query, Str date, Str key_base64, const char *account, Str body)
{
    Bytes key;
    uint8_t mac[SHA256_SIZE];
    char length[24];
    Str text;
    must(base64_decode(world.arena, key_base64, &key, E));
    (void)snprintf(length, sizeof length, "%zu", body.len);
    SignedHeader headers[] = { { STR("content-type"), STR("application/json") }, { STR("ocp-date"), date }, { STR("content-length"), str_from(length) } };
    SignedRequest request = { .method = str_from(method), .path = str_from(path), .query = str_from(query), .account = STR("acct"), .headers = headers,
                              .header_count = body.ptr ? 3 : 2 };
    must(sharedkey_text(world.arena, &request, &text, E));
    hmac_sha256(key, bytes_of(text), mac);
    HttpHeader more[] = { { "ocp-date", date },
                          { "Authorization", str_printf(world.arena, "SharedKey %s:" STR_FMT, account, STR_ARG(base64_encode(world.arena, (Bytes){ mac, sizeof mac }))) } };
    return world_call_with(&world, method, STR_NONE, str_printf(world.arena, "acct.westus2.batch%s?%s", path, query), body, more, 2);
}

static void test_shared_keys_open_the_whole_account(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer keys = arm_call(&world, "POST", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/listKeys", STR(""));
    Str primary = answer_text(&keys, "primary"), secondary = answer_text(&keys, "secondary"), now = http_date_str(world.arena, real_now_ms());
    const char *query = "api-version=2022-10-01.16.0&maxresults=10";
    expect_status(signed_call("GET", "/pools", query, now, primary, "acct", STR_NONE), 200);
    expect_status(signed_call("GET", "/pools", query, now, secondary, "acct", STR_NONE), 200);
    Str body = str_printf(world.arena, "{\"id\":\"p\",\"vmSize\":\"standard_d2s_v3\"," MACHINE "}");
    expect_status(signed_call("POST", "/pools", query, now, primary, "acct", body), 201);
    expect_status(signed_call("DELETE", "/pools/p", query, now, primary, "acct", STR("")), 202);

    Str old = http_date_str(world.arena, real_now_ms() - 16 * 60 * 1000), later = http_date_str(world.arena, real_now_ms() + 16 * 60 * 1000);
    expect_error(signed_call("GET", "/pools", query, old, primary, "acct", STR_NONE), 403, "AuthenticationFailed");
    expect_error(signed_call("GET", "/pools", query, later, primary, "acct", STR_NONE), 403, "AuthenticationFailed");
    expect_error(signed_call("GET", "/pools", query, STR("yesterday"), primary, "acct", STR_NONE), 403, "AuthenticationFailed");
    expect_error(signed_call("GET", "/pools", query, now, primary, "bcct", STR_NONE), 403, "AuthenticationFailed");
    expect_error(signed_call("GET", "/pools", query, now, base64_encode(world.arena, bytes_of(STR("not the key"))), "acct", STR_NONE), 403, "AuthenticationFailed");

    expect_status(arm_call(&world, "POST", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/regenerateKeys", STR("{\"keyName\":\"Primary\"}")), 200);
    expect_error(signed_call("GET", "/pools", query, now, primary, "acct", STR_NONE), 403, "AuthenticationFailed");
    expect_status(signed_call("GET", "/pools", query, now, secondary, "acct", STR_NONE), 200);
    expect_status(arm_call(&world, "PATCH", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct",
                           STR("{\"properties\":{\"allowedAuthenticationModes\":[\"AAD\"]}}")), 200);
    expect_error(signed_call("GET", "/pools", query, now, secondary, "acct", STR_NONE), 403, "AuthenticationFailed");
}

static void test_an_account_may_refuse_tokens(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(arm_call(&world, "PATCH", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct",
                           STR("{\"properties\":{\"allowedAuthenticationModes\":[\"SharedKey\"]}}")), 200);
    expect_error(data_call(&world, "GET", "/pools", STR_NONE), 403, "AuthenticationFailed");
}

/* -- lists -- */

static void test_lists_are_paged_selected_and_filtered(void **state)
{
    (void)state;
    make_account(&world, "acct");
    for (int i = 0; i < 5; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "p%d", i);
        expect_status(add_pool(id, i == 3 ? 1 : 0), 201);
    }
    Answer page = data_call(&world, "GET", "/pools?maxresults=2&$select=id,%20state", STR_NONE);
    assert_int_equal(json_count(json_get(page.json, "value")), 2);
    assert_int_equal(json_count(json_at(json_get(page.json, "value"), 0)), 2);
    int seen = 2, pages = 1;
    while (json_get(page.json, "odata.nextLink")) {
        Str next = json_str(json_get(page.json, "odata.nextLink"));
        size_t at;
        assert_true(str_find(next, STR("/pools?"), &at));
        page = world_call(&world, "GET", world.batch_token, str_printf(world.arena, "acct.westus2.batch" STR_FMT, STR_ARG(str_slice(next, at, next.len))), STR_NONE);
        expect_status(page, 200);
        seen += (int)json_count(json_get(page.json, "value"));
        pages++;
    }
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 3);
    Answer some = data_call(&world, "GET", "/pools?$filter=allocationState%20eq%20'resizing'", STR_NONE);
    assert_int_equal(json_count(json_get(some.json, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(some.json, "value"), 0), "id")), "p3");
    some = data_call(&world, "GET", "/pools?$filter=startswith(id,'p')%20and%20state%20eq%20'active'&maxresults=1", STR_NONE);
    assert_int_equal(json_count(json_get(some.json, "value")), 1);
    assert_non_null(json_get(some.json, "odata.nextLink"));
}

static void test_nodes_are_listed_by_state(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add_pool("p", 3), 201);
    world_work(&world);
    Str credential = join(&world, machine_of(&world, 1));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    Answer all = data_call(&world, "GET", "/pools/p/nodes", STR_NONE);
    assert_int_equal(json_count(json_get(all.json, "value")), 3);
    Answer idle = data_call(&world, "GET", "/pools/p/nodes?$filter=state%20eq%20'idle'", STR_NONE);
    assert_int_equal(json_count(json_get(idle.json, "value")), 1);
    const JsonVal *node = json_at(json_get(idle.json, "value"), 0);
    assert_true(str_eq(json_str(json_get(node, "id")), str_from(machine_of(&world, 1)->node_id)));
    assert_true(str_starts(json_str(json_get(node, "affinityId")), STR("TVM:tvmps_")));
    assert_str(json_str(json_get(node, "schedulingState")), "enabled");
    assert_true(json_bool(json_get(node, "isDedicated"), false));
    assert_true(json_str(json_get(node, "lastBootTime")).len > 20);
    assert_str(json_str(json_path(node, "nodeAgentInfo.version")), "0.1");
    assert_str(json_str(json_path(node, "virtualMachineInfo.imageReference.offer")), "0001-com-ubuntu-server-jammy");
    Answer page = data_call(&world, "GET", "/pools/p/nodes?maxresults=2", STR_NONE);
    Str next = json_str(json_get(page.json, "odata.nextLink"));
    size_t at;
    assert_true(str_find(next, STR("/pools/"), &at));
    page = world_call(&world, "GET", world.batch_token, str_printf(world.arena, "acct.westus2.batch" STR_FMT, STR_ARG(str_slice(next, at, next.len))), STR_NONE);
    assert_int_equal(json_count(json_get(page.json, "value")), 1);
    expect_error(data_call(&world, "GET", "/pools/p/nodes?$skiptoken=x", STR_NONE), 400, "InvalidQueryParameterValue");
    expect_error(data_call(&world, "GET", "/pools/p/nodes/tvmps_none_d", STR_NONE), 404, "NodeNotFound");
    Answer counts = data_call(&world, "GET", "/nodecounts", STR_NONE);
    const JsonVal *count = json_path(json_at(json_get(counts.json, "value"), 0), "dedicated");
    assert_int_equal(json_int(json_get(count, "total"), -1), 3);
    assert_int_equal(json_int(json_get(count, "idle"), -1), 1);
    assert_int_equal(json_int(json_get(count, "creating"), -1), 2);
}

static void test_images_are_listed(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer images = data_call(&world, "GET", "/supportedimages?$filter=nodeAgentSKUId%20eq%20'batch.node.ubuntu%2018.04'", STR_NONE);
    assert_int_equal(json_count(json_get(images.json, "value")), 1);
    assert_str(json_str(json_path(json_at(json_get(images.json, "value"), 0), "imageReference.offer")), "ubuntuserver");
}

/* -- conditions -- */

static Answer with_header(const char *method, const char *path, const char *name, Str value, Str body)
{
    HttpHeader header = { name, value };
    return world_call_with(&world, method, world.batch_token, str_printf(world.arena, "acct.westus2.batch%s?api-version=2022-10-01.16.0", path), body, &header, 1);
}

static void test_conditions_are_kept(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add_pool("p", 0), 201);
    Answer got = data_call(&world, "GET", "/pools/p", STR_NONE);
    Str etag = answer_header(&got, "ETag"), changed = answer_header(&got, "Last-Modified"), before = STR("Sun, 01 Jan 2017 00:00:00 GMT");
    expect_status(with_header("GET", "/pools/p", "If-None-Match", etag, STR_NONE), 304);
    expect_status(with_header("GET", "/pools/p", "If-None-Match", STR("0x1"), STR_NONE), 200);
    expect_status(with_header("GET", "/pools/p", "If-Modified-Since", changed, STR_NONE), 304);
    expect_status(with_header("GET", "/pools/p", "If-Modified-Since", before, STR_NONE), 200);
    expect_error(with_header("GET", "/pools/p", "If-Unmodified-Since", before, STR_NONE), 412, "ConditionNotMet");
    expect_error(with_header("GET", "/pools/p", "If-Match", STR("0x1"), STR_NONE), 412, "ConditionNotMet");
    Str body = STR("{\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}]}");
    expect_error(with_header("PATCH", "/pools/p", "If-Match", STR("0x1"), body), 412, "ConditionNotMet");
    Answer patched = with_header("PATCH", "/pools/p", "If-Match", etag, body);
    expect_status(patched, 200);
    assert_false(str_eq(answer_header(&patched, "ETag"), etag));
    expect_error(with_header("DELETE", "/pools/p", "If-Match", etag, STR_NONE), 412, "ConditionNotMet");
    expect_error(with_header("GET", "/pools/p", "If-Modified-Since", STR("soon"), STR_NONE), 400, "InvalidHeaderValue");
    expect_status(with_header("DELETE", "/pools/p", "If-Match", answer_header(&patched, "ETag"), STR_NONE), 202);
}

static void test_patch_takes_what_the_service_takes(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add_pool("p", 0), 201);
    expect_status(data_call(&world, "PATCH", "/pools/p", STR("{\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}],\"targetNodeCommunicationMode\":\"simplified\"}")), 200);
    Answer got = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_str(answer_text(&got, "targetNodeCommunicationMode"), "simplified");
    expect_error(data_call(&world, "PATCH", "/pools/p", STR("{\"vmSize\":\"x\"}")), 400, "InvalidRequestBody");
    expect_error(data_call(&world, "POST", "/pools/p/resize", STR("{\"targetDedicatedNodes\":-1}")), 400, "InvalidPropertyValue");
}

static void test_every_operation_leaves_a_record(void **state)
{
    (void)state;
    make_account(&world, "acct");
    int64_t before = read_int(world.site.store, "SELECT COUNT(*) FROM audit_record");
    expect_status(add_pool("p", 0), 201);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM audit_record"), before + 1);
    expect_status(data_call(&world, "GET", "/pools/p", STR_NONE), 200);
    expect_error(data_call(&world, "GET", "/pools/q", STR_NONE), 404, "PoolNotFound");
    AuditReport report;
    char dir[128];
    audit_close(TAKE(world.site.audit));
    (void)snprintf(dir, sizeof dir, "%s/audit", world.place.dir);
    must(audit_verify(world.site.store, world.site.seal, dir, &report, E));
    if (!report.sound)
        fail_msg("%s", report.finding);
    assert_true(report.records >= before + 3);
    must(audit_open(world.site.store, world.site.seal, dir, &world.site.audit, E));
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_pool_is_added_and_read),
        TEST(test_errors_have_the_services_shape),
        TEST(test_tokens_are_asked_and_checked),
        TEST(test_shared_keys_open_the_whole_account),
        TEST(test_an_account_may_refuse_tokens),
        TEST(test_lists_are_paged_selected_and_filtered),
        TEST(test_nodes_are_listed_by_state),
        TEST(test_images_are_listed),
        TEST(test_conditions_are_kept),
        TEST(test_patch_takes_what_the_service_takes),
        TEST(test_every_operation_leaves_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
