/* test_files.c - files of nodes on the data plane: listed, read in parts and in whole, described, deleted, refused. */
#include "file_agent.h"

static World world;
static FileAgent agent;

#define MIB (1024 * 1024)

static void one_node(void)
{
    make_account(&world, "acct");
    expect_status(data_call(&world, "POST", "/pools", STR("{\"id\":\"p\",\"vmSize\":\"standard_d2s_v3\",\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
        "\"offer\":\"0001-com-ubuntu-server-jammy\",\"sku\":\"22_04-lts\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 22.04\"},\"targetDedicatedNodes\":1}")), 201);
    world_work(&world);
}

static void with_agent(void)
{
    one_node();
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    file_agent_start(&agent, &world, credential);
    file_agent_put(&agent, "startup/stdout.txt", "hello\n", 6);
    file_agent_put(&agent, "startup/wd/a b.bin", "0123456789", 10);
}

static const char *path_of(const char *rest)
{
    return str_to_cstr(world.arena, str_printf(world.arena, "/pools/p/nodes/%s/files%s", machine_of(&world, 0)->node_id, rest), NULL);
}

static Answer files(const char *method, const char *rest) { return data_call(&world, method, path_of(rest), STR_NONE); }

static Answer files_with(const char *method, const char *rest, const char *header, const char *value)
{
    HttpHeader more = { header, str_from(value) };
    return world_call_with(&world, method, world.batch_token, str_printf(world.arena, "acct.westus2.batch%s?api-version=2022-10-01.16.0", path_of(rest)), STR_NONE, &more, 1);
}

static void test_files_are_listed(void **state)
{
    (void)state;
    with_agent();
    Answer top = files("GET", "");
    expect_status(top, 200);
    const JsonVal *entry = json_at(json_get(top.json, "value"), 0);
    assert_int_equal(json_count(json_get(top.json, "value")), 1);
    assert_str(json_str(json_get(entry, "name")), "startup");
    assert_true(json_bool(json_get(entry, "isDirectory"), false));
    assert_null(json_get(entry, "properties"));
    Answer all = files("GET", "?recursive=true");
    assert_int_equal(json_count(json_get(all.json, "value")), 4);
    entry = json_at(json_get(all.json, "value"), 1);
    assert_str(json_str(json_get(entry, "name")), "startup/stdout.txt");
    assert_true(str_ends(json_str(json_get(entry, "url")), STR("/files/startup/stdout.txt")));
    assert_int_equal(json_int(json_path(entry, "properties.contentLength"), -1), 6);
    assert_str(json_str(json_path(entry, "properties.contentType")), "text/plain");
    assert_str(json_str(json_path(entry, "properties.fileMode")), "0100644");
    assert_true(str_ends(json_str(json_path(entry, "properties.lastModified")), STR("Z")));
    entry = json_at(json_get(all.json, "value"), 3);
    assert_true(str_ends(json_str(json_get(entry, "url")), STR("/files/startup/wd/a%20b.bin")));
    Answer some = files("GET", "?recursive=true&$filter=startswith(name,'startup/wd/')");
    assert_int_equal(json_count(json_get(some.json, "value")), 1);
    file_agent_stop(&agent);
}

static void test_a_list_comes_in_pages(void **state)
{
    (void)state;
    with_agent();
    for (int i = 0; i < 1200; i++)
        file_agent_put(&agent, str_to_cstr(world.arena, str_printf(world.arena, "shared/f%04d", i), NULL), "", 0);
    Answer page = files("GET", "?recursive=true&$filter=startswith(name,'shared/f')");
    expect_status(page, 200);
    assert_int_equal(json_count(json_get(page.json, "value")), 1000);
    size_t at;
    Str link = json_str(json_get(page.json, "odata.nextLink"));
    assert_true(str_find(link, STR("$skiptoken="), &at));
    Str token = str_slice(link, at, link.len);
    Answer rest = files("GET", str_to_cstr(world.arena, str_printf(world.arena, "?recursive=true&$filter=startswith(name,'shared/f')&" STR_FMT, STR_ARG(token)), NULL));
    assert_int_equal(json_count(json_get(rest.json, "value")), 200);
    assert_str(json_str(json_path(json_at(json_get(rest.json, "value"), 199), "name")), "shared/f1199");
    assert_false(json_get(rest.json, "odata.nextLink") != NULL);
    Answer few = files("GET", "?recursive=true&maxresults=3");
    assert_int_equal(json_count(json_get(few.json, "value")), 3);
    assert_true(str_ends(json_str(json_get(few.json, "odata.nextLink")), STR("$skiptoken=3")));
    file_agent_stop(&agent);
}

static void test_a_file_is_read_and_described(void **state)
{
    (void)state;
    with_agent();
    Answer got = files("GET", "/startup/stdout.txt");
    expect_status(got, 200);
    assert_str(got.body, "hello\n");
    assert_str(answer_header(&got, "Content-Type"), "text/plain");
    assert_str(answer_header(&got, "Content-Length"), "6");
    assert_str(answer_header(&got, "ocp-batch-file-isdirectory"), "false");
    assert_str(answer_header(&got, "ocp-batch-file-mode"), "0100644");
    assert_true(str_ends(answer_header(&got, "ocp-batch-file-url"), STR("/files/startup/stdout.txt")));
    assert_true(str_ends(answer_header(&got, "Last-Modified"), STR("GMT")));
    assert_true(str_ends(answer_header(&got, "ocp-creation-time"), STR("GMT")));
    Answer head = files("HEAD", "/startup%2Fwd%2Fa%20b.bin");         /* clients encode the slashes too */
    expect_status(head, 200);
    assert_str(answer_header(&head, "Content-Length"), "10");
    assert_true(str_empty(head.body));
    head = files("HEAD", "/startup/wd");
    assert_str(answer_header(&head, "ocp-batch-file-isdirectory"), "true");
    expect_status(files("HEAD", "/startup/none"), 404);
    file_agent_stop(&agent);
}

static void test_parts_are_read(void **state)
{
    (void)state;
    static const struct { const char *header, *range; int status; const char *body; } cases[] = {
        { "ocp-range", "bytes=2-4", 200, "234" }, { "ocp-range", "bytes=8-", 200, "89" }, { "ocp-range", "bytes=8-100", 200, "89" }, { "ocp-range", "bytes=-3", 200, "789" },
        { "ocp-range", "bytes=-30", 200, "0123456789" }, { "Range", "bytes=0-0", 206, "0" }, { "Range", "bytes=-1", 206, "9" },
    };
    with_agent();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer got = files_with("GET", "/startup/wd/a%20b.bin", cases[i].header, cases[i].range);
        expect_status(got, cases[i].status);
        assert_str(got.body, cases[i].body);
    }
    Answer part = files_with("GET", "/startup/wd/a%20b.bin", "Range", "bytes=2-4");
    assert_str(answer_header(&part, "Content-Range"), "bytes 2-4/10");
    expect_error(files_with("GET", "/startup/wd/a%20b.bin", "ocp-range", "bytes=10-"), 416, "InvalidRange");
    expect_error(files_with("GET", "/startup/wd/a%20b.bin", "ocp-range", "bytes=-0"), 416, "InvalidRange");
    static const char *const bad[] = { "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=--1", "0-5" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_error(files_with("GET", "/startup/wd/a%20b.bin", "ocp-range", bad[i]), 400, "InvalidHeaderValue");
    file_agent_stop(&agent);
}

static void test_a_large_file_is_sent_whole(void **state)
{
    (void)state;
    enum { SIZE = 6 * MIB + 12345 };
    with_agent();
    uint8_t *bytes = arena_alloc(world.arena, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 65536);
    file_agent_put(&agent, "shared/large", bytes, SIZE);
    Answer got = files("GET", "/shared/large");
    expect_status(got, 200);
    assert_int_equal(got.body.len, SIZE);
    assert_memory_equal(got.body.ptr, bytes, SIZE);
    Answer part = files_with("GET", "/shared/large", "ocp-range", "bytes=1000000-3500000");
    assert_int_equal(part.body.len, 2500001);
    assert_memory_equal(part.body.ptr, bytes + 1000000, 2500001);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_command WHERE kind = 'file'"), 0);      /* what files hold does not come there */
    file_agent_stop(&agent);
}

static void test_dates_decide(void **state)
{
    (void)state;
    with_agent();
    expect_status(files_with("GET", "/startup/stdout.txt", "If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"), 304);
    expect_status(files_with("GET", "/startup/stdout.txt", "If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), 200);
    expect_error(files_with("GET", "/startup/stdout.txt", "If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), 412, "ConditionNotMet");
    expect_error(files_with("GET", "/startup/stdout.txt", "If-Modified-Since", "yesterday"), 400, "InvalidHeaderValue");
    file_agent_stop(&agent);
}

static void test_files_are_deleted(void **state)
{
    (void)state;
    with_agent();
    expect_error(files("DELETE", "/startup"), 409, "ResourceTypeMismatch");
    expect_status(files("DELETE", "/startup/stdout.txt"), 200);
    expect_error(files("DELETE", "/startup/stdout.txt"), 404, "FileNotFound");
    expect_status(files("DELETE", "/startup?recursive=true"), 200);
    assert_int_equal(json_count(json_get(files("GET", "").json, "value")), 0);
    file_agent_stop(&agent);
}

static void test_what_is_no_file_is_refused(void **state)
{
    (void)state;
    with_agent();
    expect_error(files("GET", "/none"), 404, "FileNotFound");
    expect_error(files("GET", "/startup"), 409, "ResourceTypeMismatch");
    expect_error(files("GET", "/startup//wd"), 400, "InvalidUri");
    expect_error(files("GET", "?recursive=maybe"), 400, "InvalidQueryParameterValue");
    expect_error(files("DELETE", "/startup?recursive=1"), 400, "InvalidQueryParameterValue");
    expect_error(files("GET", "?maxresults=0"), 400, "OutOfRangeQueryParameterValue");
    expect_error(files("GET", "?$filter=size%20eq%201"), 400, "InvalidQueryParameterValue");
    expect_error(files("GET", "?$skiptoken=x"), 400, "InvalidQueryParameterValue");
    expect_error(files("GET", "/startup/stdout.txt?timeout=99"), 400, "OutOfRangeQueryParameterValue");
    expect_error(data_call(&world, "GET", "/pools/p/nodes/none/files", STR_NONE), 404, "NodeNotFound");
    expect_error(data_call(&world, "GET", "/pools/none/nodes/none/files/x", STR_NONE), 404, "PoolNotFound");
    Str url = str_printf(world.arena, "acct.westus2.batch%s?api-version=2022-10-01.16.0", path_of("/startup"));
    expect_error(world_call(&world, "DELETE", world.batch_reader_token, url, STR_NONE), 403, "InsufficientAccountPermissions");
    file_agent_stop(&agent);
}

static void test_a_node_that_does_not_answer_is_told(void **state)
{
    (void)state;
    one_node();
    expect_error(files("GET", "/startup/stdout.txt"), 409, "NodeBeingCreated");
    Str credential = join(&world, machine_of(&world, 0));
    expect_status(lease(&world, credential, "idle", "[]"), 200);
    expect_error(files("GET", "/startup/stdout.txt?timeout=1"), 500, "OperationTimedOut");
}

static void test_a_wrong_answer_is_refused_and_the_call_goes_on(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "[]", "{\"entries\":[{}]}", "{\"entries\":[{\"path\":\"../../etc/shadow\",\"isDirectory\":false,\"size\":1,\"modifiedMs\":1,\"mode\":\"0100644\"}]}",
        "{\"entries\":[{\"path\":\"a\",\"isDirectory\":false,\"size\":-1,\"modifiedMs\":1,\"mode\":\"0100644\"}]}", "{\"error\":\"Oops\"}", "{\"data\":\"#\"}",
    };
    with_agent();
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        (void)snprintf(agent.spoilt, sizeof agent.spoilt, "%s", wrong[i]);
        Answer got = files("GET", "/startup/stdout.txt");
        expect_status(got, 200);
        assert_str(got.body, "hello\n");
    }
    (void)snprintf(agent.spoilt, sizeof agent.spoilt, "{\"error\":\"IOError\",\"message\":\"the disk is broken\"}");
    expect_error(files("GET", "/startup/stdout.txt"), 403, "IOError");
    file_agent_stop(&agent);
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_are_listed),
        TEST(test_a_list_comes_in_pages),
        TEST(test_a_file_is_read_and_described),
        TEST(test_parts_are_read),
        TEST(test_a_large_file_is_sent_whole),
        TEST(test_dates_decide),
        TEST(test_files_are_deleted),
        TEST(test_what_is_no_file_is_refused),
        TEST(test_a_node_that_does_not_answer_is_told),
        TEST(test_a_wrong_answer_is_refused_and_the_call_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
