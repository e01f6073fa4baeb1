/* Certificates on their way to nodes, and the life of the feature. */
#include "world.h"
#include "base/encode.h"
#include "uploads.h"

static World world;
static Upload one, other;

static Answer add(const Upload *upload)
{
    return data_call(&world, "POST", "/certificates", str_printf(world.arena,
        "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"data\":\"" STR_FMT "\",\"certificateFormat\":\"pfx\",\"password\":\"pw\"}",
        STR_ARG(upload->thumbprint), STR_ARG(upload->pfx)));
}

static Str path_of(const Upload *upload, const char *rest)
{
    return str_printf(world.arena, "/certificates(thumbprintAlgorithm=sha1,thumbprint=" STR_FMT ")%s", STR_ARG(upload->thumbprint), rest);
}

static Str refs_of(const Upload *upload, const char *more)
{
    return str_printf(world.arena, "[{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\"%s}]", STR_ARG(upload->thumbprint), more);
}

static Answer add_pool(const char *id, int nodes, Str refs)
{
    return data_call(&world, "POST", "/pools", str_printf(world.arena,
        "{\"id\":\"%s\",\"vmSize\":\"standard_d2s_v3\",\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\",\"offer\":\"0001-com-ubuntu-server-jammy\","
        "\"sku\":\"22_04-lts\",\"version\":\"latest\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 22.04\"},\"targetDedicatedNodes\":%d,\"certificateReferences\":" STR_FMT "}",
        id, nodes, STR_ARG(refs)));
}

/* A lease that tells what the node has; certificates NULL asks. */
static Answer lease_with(Str credential, const char *boot, const char *certificates)
{
    return node_call(&world, "POST", credential, "/v1/lease", str_printf(world.arena,
        "{\"state\":\"%s\",\"agentVersion\":\"0.1\",\"bootId\":\"%s\",\"extensions\":[],\"relayPorts\":[]%s%s}", certificates ? "idle" : "starting", boot,
        certificates ? ",\"certificates\":" : "", certificates ? certificates : ""));
}

static const char *held(const Upload *upload) { return str_printf(world.arena, "[\"" STR_FMT "\"]%c", STR_ARG(upload->thumbprint), 0).ptr; }

static Str start_node(const char *boot)
{
    world_work(&world);
    Machine *machine = machine_of(&world, world.machine_count - 1);
    Str credential = join(&world, machine);
    expect_status(lease_with(credential, boot, NULL), 200);
    return credential;
}

static Str state_of(const Upload *upload)
{
    Answer answer = data_call(&world, "GET", path_of(upload, "").ptr, STR_NONE);
    return answer.status == 404 ? STR("gone") : answer_text(&answer, "state");
}

static void expect_state(const Upload *upload, const char *wanted)
{
    Str state = state_of(upload);
    if (!str_eq(state, str_from(wanted)))
        fail_msg("'" STR_FMT "', wanted '%s'", STR_ARG(state), wanted);
}

static Answer feature(const char *method, Str token, Str body)
{
    return world_call(&world, method, token, STR("management/providers/Vaultyard.Batch/certificateFeature?api-version=2021-01-01"), body);
}

static void set_feature(const char *properties)
{
    expect_status(feature("PUT", world.admin_token, str_printf(world.arena, "{\"properties\":%s}", properties)), 200);
}

/* -- nodes -- */

static void test_a_node_is_given_its_pools_certificates_once(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add(&other), 201);
    expect_status(add_pool("p", 1, refs_of(&one, ",\"visibility\":[\"task\"]")), 201);
    world_work(&world);
    Str credential = join(&world, machine_of(&world, 0));
    Answer given = lease_with(credential, "b", NULL);
    expect_status(given, 200);
    const JsonVal *list = json_get(given.json, "certificates"), *first = json_at(list, 0);
    assert_int_equal(json_count(list), 1);
    assert_true(str_eq(json_str(json_get(first, "thumbprint")), one.thumbprint));
    assert_true(str_eq(json_str(json_get(first, "data")), one.pfx));
    assert_true(str_eq(json_str(json_get(first, "password")), STR("pw")));
    assert_true(str_eq(json_str(json_get(first, "format")), STR("pfx")));
    assert_int_equal(json_count(json_get(first, "visibility")), 1);
    Answer second = lease_with(credential, "b", held(&one));
    assert_null(json_get(second.json, "certificates"));

    Answer node = data_call(&world, "GET", str_printf(world.arena, "/pools/p/nodes/%s", machine_of(&world, 0)->node_id).ptr, STR_NONE);
    const JsonVal *has = json_at(json_get(node.json, "certificateReferences"), 0);
    assert_true(str_eq(json_str(json_get(has, "thumbprint")), one.thumbprint));
    assert_int_equal(json_count(json_get(has, "visibility")), 1);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM audit_record WHERE CAST(record AS TEXT) LIKE '%NodeCertificatesGet%'"), 1);
}

static void test_a_pool_without_references_gives_an_empty_list(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add_pool("p", 1, STR("[]")), 201);
    world_work(&world);
    Answer given = lease_with(join(&world, machine_of(&world, 0)), "b", NULL);
    assert_int_equal(json_kind(json_get(given.json, "certificates")), JSON_ARRAY);
    assert_int_equal(json_count(json_get(given.json, "certificates")), 0);
    expect_status(lease_with(STR("tvmps_0_d.00"), "b", NULL), 401);
}

static void test_new_references_reach_a_node_when_it_reboots(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add(&other), 201);
    expect_status(add_pool("p", 1, refs_of(&one, "")), 201);
    Str credential = start_node("b");
    expect_status(lease_with(credential, "b", held(&one)), 200);
    expect_status(data_call(&world, "PATCH", "/pools/p", str_printf(world.arena, "{\"certificateReferences\":" STR_FMT "}", STR_ARG(refs_of(&other, "")))), 200);
    Answer next = lease_with(credential, "b", held(&one));
    assert_null(json_get(next.json, "certificates"));

    /* The old one is still on the node, the new one is named by the pool: neither goes. */
    expect_status(data_call(&world, "DELETE", path_of(&one, "").ptr, STR_NONE), 202);
    expect_status(data_call(&world, "DELETE", path_of(&other, "").ptr, STR_NONE), 202);
    world_work(&world);
    Answer failed = data_call(&world, "GET", path_of(&one, "").ptr, STR_NONE);
    assert_true(str_eq(answer_text(&failed, "deleteCertificateError.code"), STR("NodesReferencingCertificate")));
    assert_true(str_eq(json_str(json_get(json_at(json_path(failed.json, "deleteCertificateError.values"), 0), "value")), str_from(machine_of(&world, 0)->node_id)));
    expect_state(&other, "deletefailed");

    expect_status(data_call(&world, "POST", str_printf(world.arena, "/pools/p/nodes/%s/reboot", machine_of(&world, 0)->node_id).ptr, STR("")), 202);
    world_work(&world);
    Answer given = lease_with(credential, "b2", NULL);
    assert_int_equal(json_count(json_get(given.json, "certificates")), 1);
    assert_true(str_eq(json_str(json_get(json_at(json_get(given.json, "certificates"), 0), "thumbprint")), other.thumbprint));
    expect_status(data_call(&world, "DELETE", path_of(&one, "").ptr, STR_NONE), 202);
    world_work(&world);
    expect_state(&one, "gone");
}

static void test_a_node_that_leaves_frees_its_certificates(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add_pool("p", 1, refs_of(&one, "")), 201);
    (void)start_node("b");
    expect_status(data_call(&world, "PATCH", "/pools/p", STR("{\"certificateReferences\":[]}")), 200);
    expect_status(data_call(&world, "DELETE", path_of(&one, "").ptr, STR_NONE), 202);
    world_work(&world);
    expect_state(&one, "deletefailed");
    expect_status(data_call(&world, "POST", "/pools/p/resize", STR("{\"targetDedicatedNodes\":0}")), 202);
    world_work(&world);
    expect_status(data_call(&world, "DELETE", path_of(&one, "").ptr, STR_NONE), 202);
    world_work(&world);
    expect_state(&one, "gone");
}

static void test_what_a_node_tells_is_believed_as_far_as_it_can_be(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add_pool("p", 1, STR("[]")), 201);
    Str credential = start_node("b");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_node_certificate"), 0);
    expect_status(lease_with(credential, "b", held(&one)), 200);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_node_certificate"), 1);
    expect_status(lease_with(credential, "b", held(&other)), 200);           /* the account has no such certificate */
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_node_certificate"), 0);
    static const char *const bad[] = { "7", "[7]", "[\"ab\"]", "{}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_status(lease_with(credential, "b", bad[i]), 400);
}

/* -- the feature's life -- */

static void test_a_new_site_is_retiring_and_says_so(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer now = feature("GET", world.admin_token, STR_NONE);
    expect_status(now, 200);
    assert_true(str_eq(answer_text(&now, "properties.state"), STR("retiring")));
    Answer added = add(&one);
    expect_status(added, 201);
    assert_true(str_starts(answer_header(&added, "azure-deprecating"), STR("Batch account certificates are being retired")));
    Answer listed = data_call(&world, "GET", "/certificates", STR_NONE);
    assert_non_null(answer_header(&listed, "azure-deprecating").ptr);
    Answer pool = add_pool("p", 0, refs_of(&one, "")), plain = add_pool("q", 0, STR("[]"));
    assert_non_null(answer_header(&pool, "azure-deprecating").ptr);
    assert_null(answer_header(&plain, "azure-deprecating").ptr);
    set_feature("{\"state\":\"enabled\"}");
    listed = data_call(&world, "GET", "/certificates", STR_NONE);
    assert_null(answer_header(&listed, "azure-deprecating").ptr);
}

static void test_only_an_owner_sets_the_feature(void **state)
{
    (void)state;
    Str body = STR("{\"properties\":{\"state\":\"enabled\"}}");
    expect_error(feature("PUT", world.reader_token, body), 403, "AuthorizationFailed");
    expect_error(feature("PUT", world.nobody_token, body), 403, "AuthorizationFailed");
    expect_error(feature("GET", world.nobody_token, STR_NONE), 403, "AuthorizationFailed");
    expect_status(feature("GET", STR_NONE, STR_NONE), 401);
    expect_status(feature("GET", world.reader_token, STR_NONE), 200);
    static const char *const bad[] = { "", "[]", "{}", "{\"properties\":{}}", "{\"properties\":{\"state\":\"gone\"}}", "{\"properties\":{\"state\":7}}",
                                       "{\"properties\":{\"state\":\"retiring\",\"retirementDate\":\"soon\"}}", "{\"properties\":{\"state\":\"enabled\",\"date\":\"2030-01-01T00:00:00Z\"}}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_status(feature("PUT", world.admin_token, str_from(bad[i])), 400);
    Answer now = feature("GET", world.admin_token, STR_NONE);
    assert_true(str_eq(answer_text(&now, "properties.state"), STR("retiring")));
}

static void test_retired_refuses_what_is_new_and_shows_what_was(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add_pool("p", 1, refs_of(&one, "")), 201);
    Str credential = start_node("b");
    set_feature("{\"state\":\"retired\"}");
    expect_error(add(&other), 400, "CertificateRetired");
    expect_error(arm_call(&world, "PUT", str_printf(world.arena, "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/certificates/SHA1-" STR_FMT, STR_ARG(other.thumbprint)).ptr,
                          str_printf(world.arena, "{\"properties\":{\"data\":\"" STR_FMT "\",\"password\":\"pw\"}}", STR_ARG(other.pfx))), 400, "CertificateRetired");
    expect_error(add_pool("q", 0, refs_of(&one, "")), 400, "CertificateRetired");
    expect_status(add_pool("q", 0, STR("[]")), 201);
    expect_error(data_call(&world, "PATCH", "/pools/p", STR("{\"certificateReferences\":[]}")), 400, "CertificateRetired");
    expect_error(data_call(&world, "PATCH", "/pools/q", str_printf(world.arena, "{\"certificateReferences\":" STR_FMT "}", STR_ARG(refs_of(&one, "")))), 400, "CertificateRetired");
    expect_error(data_call(&world, "POST", "/pools/p/updateproperties", STR("{\"certificateReferences\":[],\"metadata\":[],\"applicationPackageReferences\":[]}")), 400, "CertificateRetired");

    /* The same references are no change, and nothing else of the pool is held up. */
    expect_status(data_call(&world, "POST", "/pools/p/updateproperties", str_printf(world.arena,
                  "{\"certificateReferences\":" STR_FMT ",\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}],\"applicationPackageReferences\":[]}", STR_ARG(refs_of(&one, "")))), 204);
    expect_status(data_call(&world, "PATCH", "/pools/p", STR("{\"metadata\":[]}")), 200);
    Answer pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_int_equal(json_count(json_get(pool.json, "certificateReferences")), 1);
    Answer listed = data_call(&world, "GET", "/certificates", STR_NONE);
    assert_int_equal(json_count(json_get(listed.json, "value")), 1);

    /* The node that runs keeps its certificate; when it starts again it gets none. */
    expect_status(lease_with(credential, "b", held(&one)), 200);
    expect_status(data_call(&world, "DELETE", path_of(&one, "").ptr, STR_NONE), 202);
    world_work(&world);
    expect_state(&one, "deletefailed");
    expect_status(data_call(&world, "POST", path_of(&one, "/canceldelete").ptr, STR("")), 204);
    expect_status(data_call(&world, "POST", str_printf(world.arena, "/pools/p/nodes/%s/reboot", machine_of(&world, 0)->node_id).ptr, STR("")), 202);
    world_work(&world);
    Answer given = lease_with(credential, "b2", NULL);
    assert_int_equal(json_kind(json_get(given.json, "certificates")), JSON_ARRAY);
    assert_int_equal(json_count(json_get(given.json, "certificates")), 0);
}

static void test_a_date_retires_by_object_time_and_is_kept(void **state)
{
    (void)state;
    make_account(&world, "acct");
    int64_t day = INT64_C(24) * 60 * 60 * 1000, date = real_now_ms() + 30 * day;
    set_feature(str_printf(world.arena, "{\"state\":\"enabled\",\"retirementDate\":\"" STR_FMT "\"}", STR_ARG(time_str(world.arena, date, 0))).ptr);
    expect_status(add(&one), 201);
    clock_set_offset(world.site.clock, 31 * day);
    expect_error(add(&other), 400, "CertificateRetired");
    world_restart(&world);
    expect_error(add(&other), 400, "CertificateRetired");
    Answer now = feature("GET", world.admin_token, STR_NONE);
    assert_true(str_eq(answer_text(&now, "properties.state"), STR("retired")));
    assert_true(str_eq(answer_text(&now, "properties.stateBefore"), STR("enabled")));
    assert_true(str_starts(answer_text(&now, "properties.retirementDate"), str_slice(time_str(world.arena, date, 0), 0, 19)));
    set_feature("{\"state\":\"retiring\"}");                                 /* without a date: back */
    Answer added = add(&other);
    expect_status(added, 201);
}

static int setup(void **state) { (void)state; world_open(&world); one = upload_make(world.arena, "one"); other = upload_make(world.arena, "other"); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_node_is_given_its_pools_certificates_once),
        TEST(test_a_pool_without_references_gives_an_empty_list),
        TEST(test_new_references_reach_a_node_when_it_reboots),
        TEST(test_a_node_that_leaves_frees_its_certificates),
        TEST(test_what_a_node_tells_is_believed_as_far_as_it_can_be),
        TEST(test_a_new_site_is_retiring_and_says_so),
        TEST(test_only_an_owner_sets_the_feature),
        TEST(test_retired_refuses_what_is_new_and_shows_what_was),
        TEST(test_a_date_retires_by_object_time_and_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
