/* test_tasks.c - tasks on the data plane: added one by one and in collections, read, listed, changed, ended, tried again, refused. */
#include "world.h"

static World world;

static Answer task_call(const char *method, const char *path, Str body) { return data_call(&world, method, path, body); }
static Answer get(const char *path) { return data_call(&world, "GET", path, STR_NONE); }
static Answer post(const char *path, const char *body) { return data_call(&world, "POST", path, str_from(body ? body : "")); }

static void with_job(void)
{
    make_account(&world, "acct");
    expect_status(post("/jobs", "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"jobPreparationTask\":{\"commandLine\":\"true\"},\"jobReleaseTask\":{\"id\":\"rel\",\"commandLine\":\"true\"}}"), 201);
}

static void add(const char *id)
{
    expect_status(post("/jobs/j/tasks", str_to_cstr(world.arena, str_printf(world.arena, "{\"id\":\"%s\",\"commandLine\":\"/bin/true\"}", id), NULL)), 201);
}

static void test_a_task_is_added_and_read(void **state)
{
    (void)state;
    with_job();
    Answer added = post("/jobs/J/tasks", "{\"id\":\"T1\",\"commandLine\":\"/bin/sh -c 'exit 0'\",\"environmentSettings\":[{\"name\":\"A\",\"value\":\"1\"}],"
                                         "\"constraints\":{\"maxTaskRetryCount\":2,\"retentionTime\":\"PT1H\"},\"userIdentity\":{\"autoUser\":{\"elevationLevel\":\"admin\"}}}");
    expect_status(added, 201);
    assert_true(str_ends(answer_header(&added, "Location"), STR("/jobs/j/tasks/T1")));
    assert_true(str_starts(answer_header(&added, "ETag"), STR("0x8D")));
    Answer got = get("/jobs/j/tasks/t1");
    expect_status(got, 200);
    assert_true(str_ends(json_str(json_get(got.json, "odata.metadata")), STR("/$metadata#tasks/@Element")));
    assert_str(answer_text(&got, "id"), "T1");
    assert_str(answer_text(&got, "state"), "active");
    assert_str(answer_text(&got, "commandLine"), "/bin/sh -c 'exit 0'");
    assert_int_equal(answer_int(&got, "requiredSlots"), 1);
    assert_int_equal(answer_int(&got, "constraints.maxTaskRetryCount"), 2);
    assert_str(answer_text(&got, "constraints.retentionTime"), "PT1H");
    assert_str(answer_text(&got, "userIdentity.autoUser.elevationLevel"), "admin");
    assert_int_equal(answer_int(&got, "executionInfo.retryCount"), 0);
    assert_int_equal(answer_int(&got, "executionInfo.requeueCount"), 0);
    assert_null(json_path(got.json, "executionInfo.startTime"));
    assert_null(json_get(got.json, "nodeInfo"));
    expect_error(post("/jobs/j/tasks", "{\"id\":\"t1\",\"commandLine\":\"true\"}"), 409, "TaskExists");
    expect_error(post("/jobs/j/tasks", "{\"id\":\"JobPreparation\",\"commandLine\":\"true\"}"), 409, "TaskIdSameAsJobPreparationTask");
    expect_error(post("/jobs/j/tasks", "{\"id\":\"rel\",\"commandLine\":\"true\"}"), 409, "TaskIdSameAsJobReleaseTask");
    expect_error(post("/jobs/none/tasks", "{\"id\":\"t\",\"commandLine\":\"true\"}"), 404, "JobNotFound");
    expect_error(get("/jobs/j/tasks/none"), 404, "TaskNotFound");
    expect_error(get("/jobs/none/tasks/none"), 404, "JobNotFound");
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_task WHERE instr(CAST(body AS TEXT), 'exit') > 0"), 0);
}

static void test_wrong_tasks_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *members; int status; const char *code, *target; } cases[] = {
        { "\"id\":\"t\"", 400, "MissingRequiredProperty", "commandLine" },
        { "\"commandLine\":\"true\"", 400, "MissingRequiredProperty", "id" },
        { "\"id\":\"t/1\",\"commandLine\":\"true\"", 400, "InvalidPropertyValue", "id" },
        { "\"id\":\"t\",\"commandLine\":\"\"", 400, "InvalidPropertyValue", "commandLine" },
        { "\"id\":\"t\",\"commandline\":\"true\"", 400, "InvalidRequestBody", "commandline" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"requiredSlots\":0", 400, "InvalidPropertyValue", "requiredSlots" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"resourceFiles\":[{\"httpUrl\":\"https://x/y\",\"filePath\":\"../y\"}]", 400, "InvalidPropertyValue", "resourceFiles[0].filePath" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"resourceFiles\":[{\"httpUrl\":\"https://x/y\",\"filePath\":\"y\",\"fileMode\":\"rwx\"}]", 400, "InvalidPropertyValue", "resourceFiles[0].fileMode" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"environmentSettings\":[{\"value\":\"1\"}]", 400, "MissingRequiredProperty", "environmentSettings[0].name" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"userIdentity\":{\"username\":\"u\",\"autoUser\":{}}", 400, "InvalidPropertyValue", "userIdentity" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"userIdentity\":{\"autoUser\":{\"scope\":\"planet\"}}", 400, "InvalidPropertyValue", "userIdentity.autoUser.scope" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"constraints\":{\"maxWallClockTime\":\"soon\"}", 400, "InvalidPropertyValue", "constraints.maxWallClockTime" },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"dependsOn\":{\"taskIds\":[\"a\"]}", 501, "NotImplemented", NULL },
        { "\"id\":\"t\",\"commandLine\":\"true\",\"multiInstanceSettings\":{\"coordinationCommandLine\":\"true\"}", 501, "NotImplemented", NULL },
    };
    with_job();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer refused = task_call("POST", "/jobs/j/tasks", str_printf(world.arena, "{%s}", cases[i].members));
        Str target = json_str(json_get(json_at(json_get(refused.json, "values"), 0), "value"));
        if (refused.status != cases[i].status || !str_eq(answer_text(&refused, "code"), str_from(cases[i].code)) || (cases[i].target && !str_eq(target, str_from(cases[i].target))))
            fail_msg("%s: %d " STR_FMT, cases[i].members, refused.status, STR_ARG(refused.body));
    }
    Answer none = get("/jobs/j/tasks");
    assert_int_equal(json_count(json_get(none.json, "value")), 0);
}

static void test_a_collection_tells_of_each_task(void **state)
{
    (void)state;
    with_job();
    add("there");
    Answer added = post("/jobs/j/addtaskcollection", "{\"value\":[{\"id\":\"a\",\"commandLine\":\"true\"},{\"id\":\"there\",\"commandLine\":\"true\"},{\"id\":\"b\",\"commandLine\":\"true\"},"
                                                     "{\"id\":\"c\",\"commandLine\":\"true\",\"requiredSlots\":\"two\"},{\"id\":\"A\",\"commandLine\":\"true\"}]}");
    static const char *const wanted[][3] = { { "a", "success", NULL }, { "there", "clienterror", "TaskExists" }, { "b", "success", NULL }, { "c", "clienterror", "InvalidPropertyValue" },
                                             { "A", "clienterror", "TaskExists" } };
    expect_status(added, 200);
    const JsonVal *list = json_get(added.json, "value");
    assert_int_equal(json_count(list), COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        const JsonVal *item = json_at(list, i);
        assert_str(json_str(json_get(item, "taskId")), wanted[i][0]);
        assert_str(json_str(json_get(item, "status")), wanted[i][1]);
        assert_true((json_get(item, "eTag") != NULL) == (wanted[i][2] == NULL));
        if (wanted[i][2])
            assert_str(json_str(json_path(item, "error.code")), wanted[i][2]);
        else
            assert_true(str_ends(json_str(json_get(item, "location")), str_printf(world.arena, "/jobs/j/tasks/%s", wanted[i][0])));
    }
    Answer all = get("/jobs/j/tasks");
    assert_int_equal(json_count(json_get(all.json, "value")), 3);
    expect_error(post("/jobs/j/addtaskcollection", "{\"value\":[]}"), 400, "InvalidPropertyValue");
    expect_error(post("/jobs/j/addtaskcollection", "{}"), 400, "MissingRequiredProperty");
    expect_error(post("/jobs/j/addtaskcollection", "{\"value\":[{\"commandLine\":\"true\"}]}"), 400, "MissingRequiredProperty");
    expect_error(post("/jobs/none/addtaskcollection", "{\"value\":[{\"id\":\"a\",\"commandLine\":\"true\"}]}"), 404, "JobNotFound");
}

static Str many(int count)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    buf_init(&buf, 1 << 20);
    buf_put_str(&buf, STR("{\"value\":["));
    for (int i = 0; i < count; i++)
        buf_printf(&buf, "%s{\"id\":\"n%04d\",\"commandLine\":\"true\"}", i ? "," : "", i);
    buf_put_str(&buf, STR("]}"));
    return str_dup(world.arena, buf_str(&buf));
}

static void test_a_hundred_tasks_come_in_a_call(void **state)
{
    (void)state;
    with_job();
    expect_error(task_call("POST", "/jobs/j/addtaskcollection", many(101)), 400, "InvalidPropertyValue");
    expect_status(task_call("POST", "/jobs/j/addtaskcollection", many(100)), 200);
    Answer page = get("/jobs/j/tasks?maxresults=60&$select=id");
    assert_int_equal(json_count(json_get(page.json, "value")), 60);
    Answer rest = get("/jobs/j/tasks?maxresults=60&$skiptoken=n0059");
    assert_int_equal(json_count(json_get(rest.json, "value")), 40);
    assert_null(json_get(rest.json, "odata.nextLink"));
    Answer some = get("/jobs/j/tasks?$filter=startswith(id,'n000')");
    assert_int_equal(json_count(json_get(some.json, "value")), 10);
    Answer counts = get("/jobs/j/taskcounts");
    assert_int_equal(answer_int(&counts, "taskCounts.active"), 100);
    assert_int_equal(answer_int(&counts, "taskSlotCounts.active"), 100);
    expect_error(get("/jobs/j/tasks?$filter=size%20eq%201"), 400, "InvalidQueryParameterValue");
}

static void test_a_waiting_task_is_changed_ended_and_tried_again(void **state)
{
    (void)state;
    with_job();
    add("t");
    expect_error(post("/jobs/j/tasks/t/reactivate", NULL), 409, "TaskNotCompleted");
    expect_status(task_call("PUT", "/jobs/j/tasks/t", STR("{\"constraints\":{\"maxTaskRetryCount\":4}}")), 200);
    Answer got = get("/jobs/j/tasks/t");
    assert_int_equal(answer_int(&got, "constraints.maxTaskRetryCount"), 4);
    expect_status(task_call("PUT", "/jobs/j/tasks/t", STR("{}")), 200);
    got = get("/jobs/j/tasks/t");
    assert_int_equal(answer_int(&got, "constraints.maxTaskRetryCount"), 0);
    expect_error(task_call("PUT", "/jobs/j/tasks/t", STR("{\"commandLine\":\"false\"}")), 400, "InvalidRequestBody");
    expect_error(task_call("PUT", "/jobs/j/tasks/t", STR("{\"constraints\":{\"maxTaskRetryCount\":-9}}")), 400, "InvalidPropertyValue");
    expect_status(post("/jobs/j/tasks/t/terminate", NULL), 204);
    got = get("/jobs/j/tasks/t");
    assert_str(answer_text(&got, "state"), "completed");
    assert_str(answer_text(&got, "previousState"), "active");
    assert_str(answer_text(&got, "executionInfo.result"), "failure");
    assert_str(answer_text(&got, "executionInfo.failureInfo.code"), "TaskEnded");
    assert_str(answer_text(&got, "executionInfo.failureInfo.category"), "usererror");
    assert_null(json_path(got.json, "executionInfo.exitCode"));
    expect_error(post("/jobs/j/tasks/t/terminate", NULL), 409, "TaskCompleted");
    expect_error(task_call("PUT", "/jobs/j/tasks/t", STR("{}")), 409, "TaskCompleted");
    Answer counts = get("/jobs/j/taskcounts");
    assert_int_equal(answer_int(&counts, "taskCounts.completed"), 1);
    assert_int_equal(answer_int(&counts, "taskCounts.failed"), 1);
    expect_status(post("/jobs/j/tasks/t/reactivate", NULL), 204);
    got = get("/jobs/j/tasks/t");
    assert_str(answer_text(&got, "state"), "active");
    assert_null(json_path(got.json, "executionInfo.failureInfo"));
    expect_status(task_call("DELETE", "/jobs/j/tasks/t", STR_NONE), 200);
    expect_error(task_call("DELETE", "/jobs/j/tasks/t", STR_NONE), 404, "TaskNotFound");
}

static void test_conditions_decide(void **state)
{
    (void)state;
    HttpHeader stale = { "If-Match", STR("0x8D0") };
    with_job();
    add("t");
    Str url = STR("acct.westus2.batch/jobs/j/tasks/t?api-version=2022-10-01.16.0");
    expect_error(world_call_with(&world, "DELETE", world.batch_token, url, STR_NONE, &stale, 1), 412, "ConditionNotMet");
    Answer got = get("/jobs/j/tasks/t");
    HttpHeader fresh = { "If-None-Match", answer_text(&got, "eTag") }, match = { "If-Match", answer_text(&got, "eTag") };
    expect_status(world_call_with(&world, "GET", world.batch_token, url, STR_NONE, &fresh, 1), 304);
    expect_status(world_call_with(&world, "DELETE", world.batch_token, url, STR_NONE, &match, 1), 200);
}

static void test_closed_jobs_take_no_tasks(void **state)
{
    (void)state;
    with_job();
    add("t");
    expect_status(post("/jobs/j/terminate", NULL), 202);
    Answer refused = post("/jobs/j/tasks", "{\"id\":\"u\",\"commandLine\":\"true\"}");
    expect_error(refused, 409, "JobBeingTerminated");
    world_work(&world);
    expect_error(post("/jobs/j/tasks", "{\"id\":\"u\",\"commandLine\":\"true\"}"), 409, "JobCompleted");
    Answer got = get("/jobs/j/tasks/t");
    assert_str(answer_text(&got, "state"), "completed");
    expect_error(post("/jobs/j/tasks/t/reactivate", NULL), 409, "JobCompleted");
    Answer added = post("/jobs/j/addtaskcollection", "{\"value\":[{\"id\":\"u\",\"commandLine\":\"true\"}]}");
    expect_status(added, 200);
    assert_str(json_str(json_path(json_at(json_get(added.json, "value"), 0), "error.code")), "JobCompleted");
}

static void test_a_task_that_did_not_run_has_neither_files_nor_subtasks(void **state)
{
    (void)state;
    with_job();
    add("t");
    expect_error(get("/jobs/j/tasks/t/files"), 409, "TaskFilesUnavailable");
    expect_error(get("/jobs/j/tasks/t/files/stdout.txt"), 409, "TaskFilesUnavailable");
    expect_error(get("/jobs/j/tasks/none/files"), 404, "TaskNotFound");
    expect_error(get("/jobs/none/tasks/t/files/stdout.txt"), 404, "JobNotFound");
    Answer subtasks = get("/jobs/j/tasks/t/subtasksinfo");
    expect_status(subtasks, 200);
    assert_int_equal(json_count(json_get(subtasks.json, "value")), 0);
    expect_error(get("/jobs/j/tasks/none/subtasksinfo"), 404, "TaskNotFound");
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_task_is_added_and_read),
        TEST(test_wrong_tasks_are_refused_by_name),
        TEST(test_a_collection_tells_of_each_task),
        TEST(test_a_hundred_tasks_come_in_a_call),
        TEST(test_a_waiting_task_is_changed_ended_and_tried_again),
        TEST(test_conditions_decide),
        TEST(test_closed_jobs_take_no_tasks),
        TEST(test_a_task_that_did_not_run_has_neither_files_nor_subtasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
