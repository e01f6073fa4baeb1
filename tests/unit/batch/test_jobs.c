/* test_jobs.c - jobs on the data plane: added, read, listed, changed, led through their states, refused. */
#include "world.h"

static World world;

static Answer job_call(const char *method, const char *path, const char *body)
{
    return data_call(&world, method, path, body ? str_from(body) : strcmp(method, "POST") == 0 ? STR("") : STR_NONE);
}

static Answer call_if(const char *method, const char *path, const char *header, Str value, const char *body)
{
    HttpHeader more = { header, value };
    return world_call_with(&world, method, world.batch_token, str_printf(world.arena, "acct.westus2.batch%s?api-version=2022-10-01.16.0", path), body ? str_from(body) : strcmp(method, "POST") == 0 ? STR("") : STR_NONE, &more, 1);
}

static void make_job(const char *id)
{
    expect_status(job_call("POST", "/jobs", str_to_cstr(world.arena, str_printf(world.arena, "{\"id\":\"%s\",\"poolInfo\":{\"poolId\":\"p\"}}", id), NULL)), 201);
}

static Str state_of(const char *path)
{
    Answer got = job_call("GET", path, NULL);
    return answer_text(&got, "state");
}

static void test_a_job_is_added_and_read(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer added = job_call("POST", "/jobs", "{\"id\":\"Job1\",\"displayName\":\"First\",\"priority\":100,\"poolInfo\":{\"poolId\":\"p\"},\"constraints\":{\"maxTaskRetryCount\":3},"
                                            "\"commonEnvironmentSettings\":[{\"name\":\"A\",\"value\":\"1\"}],\"metadata\":[{\"name\":\"k\",\"value\":\"v\"}],\"stats\":null,}");
    expect_status(added, 201);
    assert_true(str_empty(added.body));
    assert_true(str_ends(answer_header(&added, "Location"), STR("/jobs/Job1")));
    assert_true(str_ends(answer_header(&added, "DataServiceId"), STR("/jobs")));
    Answer got = job_call("GET", "/jobs/JOB1", NULL);
    expect_status(got, 200);
    assert_true(str_ends(json_str(json_get(got.json, "odata.metadata")), STR("/$metadata#jobs/@Element")));
    assert_true(str_eq(answer_header(&got, "ETag"), answer_text(&got, "eTag")));
    assert_str(answer_text(&got, "id"), "Job1");
    assert_true(str_ends(answer_text(&got, "url"), STR("/jobs/Job1")));
    assert_str(answer_text(&got, "displayName"), "First");
    assert_str(answer_text(&got, "state"), "active");
    assert_int_equal(answer_int(&got, "priority"), 100);
    assert_int_equal(answer_int(&got, "maxParallelTasks"), -1);
    assert_int_equal(answer_int(&got, "constraints.maxTaskRetryCount"), 3);
    assert_str(answer_text(&got, "constraints.maxWallClockTime"), "P10675199DT2H48M5.4775807S");
    assert_str(answer_text(&got, "onAllTasksComplete"), "noaction");
    assert_str(answer_text(&got, "onTaskFailure"), "noaction");
    assert_str(answer_text(&got, "poolInfo.poolId"), "p");
    assert_str(answer_text(&got, "executionInfo.poolId"), "p");
    assert_non_null(json_path(got.json, "executionInfo.startTime"));
    assert_null(json_path(got.json, "executionInfo.endTime"));
    assert_null(json_get(got.json, "previousState"));
    assert_str(json_str(json_get(json_at(json_get(got.json, "metadata"), 0), "name")), "k");
    expect_error(job_call("POST", "/jobs", "{\"id\":\"job1\",\"poolInfo\":{\"poolId\":\"p\"}}"), 409, "JobExists");
    expect_error(job_call("GET", "/jobs/none", NULL), 404, "JobNotFound");
    /* What people wrote is sealed. */
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_job WHERE instr(CAST(body AS TEXT), 'First') > 0"), 0);
}

static void test_wrong_jobs_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *body; int status; const char *code, *target; } cases[] = {
        { "{}", 400, "MissingRequiredProperty", NULL },
        { "[]", 400, NULL, NULL },
        { "{\"id\":\"j\"}", 400, "MissingRequiredProperty", "poolInfo" },
        { "{\"id\":\"j\",\"poolInfo\":{}}", 400, "MissingRequiredProperty", "poolInfo.poolId" },
        { "{\"id\":\"a b\",\"poolInfo\":{\"poolId\":\"p\"}}", 400, "InvalidPropertyValue", "id" },
        { "{\"id\":\"j\",\"poolinfo\":{\"poolId\":\"p\"}}", 400, "InvalidRequestBody", "poolinfo" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"priority\":1001}", 400, "InvalidPropertyValue", "priority" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"priority\":\"1001\"}", 400, "InvalidPropertyValue", "priority" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"priority\":\"high\"}", 400, "InvalidPropertyValue", "priority" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"constraints\":{\"maxWallClockTime\":\"8h\"}}", 400, "InvalidPropertyValue", "constraints.maxWallClockTime" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"constraints\":{\"maxTaskRetryCount\":-2}}", 400, "InvalidPropertyValue", "constraints.maxTaskRetryCount" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"onAllTasksComplete\":\"explode\"}", 400, "InvalidPropertyValue", "onAllTasksComplete" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"jobReleaseTask\":{\"commandLine\":\"true\"}}", 400, "InvalidPropertyValue", "jobReleaseTask" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"jobPreparationTask\":{}}", 400, "MissingRequiredProperty", "jobPreparationTask.commandLine" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"jobPreparationTask\":{\"commandLine\":\"true\",\"resourceFiles\":[{\"httpUrl\":\"ftp://x\",\"filePath\":\"a\"}]}}", 400,
          "InvalidPropertyValue", "jobPreparationTask.resourceFiles[0].httpUrl" },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"jobManagerTask\":{\"id\":\"m\",\"commandLine\":\"true\"}}", 501, "NotImplemented", NULL },
        { "{\"id\":\"j\",\"poolInfo\":{\"autoPoolSpecification\":{\"poolLifetimeOption\":\"job\"}}}", 501, "NotImplemented", NULL },
        { "{\"id\":\"j\",\"poolInfo\":{\"poolId\":\"p\"},\"usesTaskDependencies\":true}", 501, "NotImplemented", NULL },
    };
    make_account(&world, "acct");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer refused = job_call("POST", "/jobs", cases[i].body);
        if (refused.status != cases[i].status)
            fail_msg("%s: %d " STR_FMT, cases[i].body, refused.status, STR_ARG(refused.body));
        if (cases[i].code && !str_eq(answer_text(&refused, "code"), str_from(cases[i].code)))
            fail_msg("%s: " STR_FMT, cases[i].body, STR_ARG(refused.body));
        Str target = json_str(json_get(json_at(json_get(refused.json, "values"), 0), "value"));
        if (cases[i].target && !str_eq(target, str_from(cases[i].target)))
            fail_msg("%s: " STR_FMT, cases[i].body, STR_ARG(refused.body));
    }
    Answer none = job_call("GET", "/jobs", NULL);
    assert_int_equal(json_count(json_get(none.json, "value")), 0);
}

static void test_jobs_are_listed(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_job("a1");
    make_job("a2");
    make_job("b1");
    expect_status(job_call("POST", "/jobs/a2/terminate", NULL), 202);
    Answer some = job_call("GET", "/jobs?$filter=startswith(id,'a')%20and%20state%20eq%20'active'&$select=id,state", NULL);
    expect_status(some, 200);
    assert_int_equal(json_count(json_get(some.json, "value")), 1);
    const JsonVal *item = json_at(json_get(some.json, "value"), 0);
    assert_int_equal(json_count(item), 2);
    assert_str(json_str(json_get(item, "id")), "a1");
    Answer page = job_call("GET", "/jobs?maxresults=2", NULL);
    assert_int_equal(json_count(json_get(page.json, "value")), 2);
    assert_true(str_ends(json_str(json_get(page.json, "odata.nextLink")), STR("$skiptoken=a2")));
    page = job_call("GET", "/jobs?maxresults=2&$skiptoken=a2", NULL);
    assert_int_equal(json_count(json_get(page.json, "value")), 1);
    assert_null(json_get(page.json, "odata.nextLink"));
    Answer fresh = job_call("GET", "/jobs?$filter=creationTime%20gt%20DateTime'2020-01-01T00:00:00Z'%20and%20priority%20le%200&$select=id", NULL);
    assert_int_equal(json_count(json_get(fresh.json, "value")), 3);
    fresh = job_call("GET", "/jobs?$filter=creationTime%20lt%20DateTime'2020-01-01T00:00:00Z'", NULL);
    assert_int_equal(json_count(json_get(fresh.json, "value")), 0);
    expect_error(job_call("GET", "/jobs?$filter=color%20eq%20'red'", NULL), 400, "InvalidQueryParameterValue");
    expect_error(job_call("GET", "/jobs?maxresults=1001", NULL), 400, "OutOfRangeQueryParameterValue");
    expect_error(job_call("GET", "/jobs/a1?$expand=stats", NULL), 501, "NotImplemented");
}

static void test_jobs_are_changed(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_job("j");
    expect_status(job_call("PATCH", "/jobs/j", "{\"priority\":\"7\",\"constraints\":{\"maxTaskRetryCount\":2},\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}]}"), 200);
    expect_status(job_call("PATCH", "/jobs/j", "{\"maxParallelTasks\":5}"), 200);
    Answer got = job_call("GET", "/jobs/j", NULL);
    assert_int_equal(answer_int(&got, "priority"), 7);
    assert_int_equal(answer_int(&got, "maxParallelTasks"), 5);
    assert_int_equal(json_count(json_get(got.json, "metadata")), 1);
    Answer put = job_call("PUT", "/jobs/j", "{\"poolInfo\":{\"poolId\":\"p\"},\"priority\":1}");
    expect_status(put, 200);
    assert_true(str_ends(answer_header(&put, "DataServiceId"), STR("/jobs/j")));
    got = job_call("GET", "/jobs/j", NULL);
    assert_int_equal(answer_int(&got, "priority"), 1);
    assert_int_equal(answer_int(&got, "maxParallelTasks"), -1);
    assert_int_equal(answer_int(&got, "constraints.maxTaskRetryCount"), 0);
    assert_null(json_get(got.json, "metadata"));
    expect_error(job_call("PUT", "/jobs/j", "{\"priority\":1}"), 400, "MissingRequiredProperty");
    expect_error(job_call("PATCH", "/jobs/j", "{\"displayName\":\"x\"}"), 400, "InvalidRequestBody");
    expect_error(job_call("PATCH", "/jobs/j", "{\"priority\":-1001}"), 400, "InvalidPropertyValue");
    expect_error(job_call("PATCH", "/jobs/none", "{\"priority\":1}"), 404, "JobNotFound");
    expect_error(job_call("PATCH", "/jobs/j", "{\"poolInfo\":{\"poolId\":\"other\"}}"), 409, "OperationInvalidForCurrentState");
    expect_status(job_call("POST", "/jobs/j/disable", "{\"disableTasks\":\"requeue\"}"), 202);
    world_work(&world);
    expect_status(job_call("PATCH", "/jobs/j", "{\"poolInfo\":{\"poolId\":\"other\"}}"), 200);
    got = job_call("GET", "/jobs/j", NULL);
    assert_str(answer_text(&got, "executionInfo.poolId"), "other");
}

static void test_conditions_decide(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_job("j");
    Answer got = job_call("GET", "/jobs/j", NULL);
    Str etag = answer_text(&got, "eTag");
    expect_status(call_if("GET", "/jobs/j", "If-None-Match", etag, NULL), 304);
    expect_error(call_if("PATCH", "/jobs/j", "If-Match", STR("0x8D0"), "{\"priority\":5}"), 412, "ConditionNotMet");
    expect_error(call_if("DELETE", "/jobs/j", "If-Unmodified-Since", STR("Thu, 01 Jan 2015 00:00:00 GMT"), NULL), 412, "ConditionNotMet");
    expect_error(call_if("POST", "/jobs/j/terminate", "If-Modified-Since", STR("Thu, 01 Jan 2099 00:00:00 GMT"), NULL), 412, "ConditionNotMet");
    expect_status(call_if("PATCH", "/jobs/j", "If-Match", etag, "{\"priority\":5}"), 200);
    expect_error(call_if("PATCH", "/jobs/j", "If-Match", etag, "{\"priority\":6}"), 412, "ConditionNotMet");
    got = job_call("GET", "/jobs/j", NULL);
    assert_int_equal(answer_int(&got, "priority"), 5);
}

static void test_a_job_is_led_through_its_states(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_job("j");
    expect_error(job_call("POST", "/jobs/j/disable", "{}"), 400, "MissingRequiredProperty");
    expect_error(job_call("POST", "/jobs/j/disable", "{\"disableTasks\":\"forget\"}"), 400, "InvalidPropertyValue");
    expect_error(job_call("POST", "/jobs/j/enable", NULL), 409, "OperationInvalidForCurrentState");
    Answer disabled = job_call("POST", "/jobs/j/disable", "{\"disableTasks\":\"wait\"}");
    expect_status(disabled, 202);
    assert_true(str_ends(answer_header(&disabled, "DataServiceId"), STR("/jobs/j/disable")));
    world_work(&world);
    assert_str(state_of("/jobs/j"), "disabled");
    expect_error(job_call("POST", "/jobs/j/disable", "{\"disableTasks\":\"wait\"}"), 409, "JobDisabled");
    expect_status(job_call("POST", "/jobs/j/enable", NULL), 202);
    Answer got = job_call("GET", "/jobs/j", NULL);
    assert_str(answer_text(&got, "state"), "active");
    assert_str(answer_text(&got, "previousState"), "disabled");
    expect_error(job_call("POST", "/jobs/j/terminate", "{\"terminatereason\":\"x\"}"), 400, "InvalidRequestBody");
    expect_error(job_call("POST", "/jobs/j/terminate?force=maybe", NULL), 400, "InvalidQueryParameterValue");
    expect_error(job_call("DELETE", "/jobs/j?force=1", NULL), 400, "InvalidQueryParameterValue");
    expect_status(job_call("POST", "/jobs/j/terminate", "{\"terminateReason\":\"enough\"}"), 202);
    world_work(&world);
    got = job_call("GET", "/jobs/j", NULL);
    assert_str(answer_text(&got, "state"), "completed");
    assert_str(answer_text(&got, "executionInfo.terminateReason"), "enough");
    assert_non_null(json_path(got.json, "executionInfo.endTime"));
    expect_error(job_call("POST", "/jobs/j/terminate", NULL), 409, "JobCompleted");
    expect_error(job_call("POST", "/jobs/j/enable", NULL), 409, "JobCompleted");
    expect_error(job_call("PATCH", "/jobs/j", "{\"priority\":1}"), 409, "JobCompleted");
    expect_status(job_call("DELETE", "/jobs/j", NULL), 202);
    world_work(&world);
    expect_error(job_call("GET", "/jobs/j", NULL), 404, "JobNotFound");
    make_job("j");                                      /* the id is free again */
}

static void test_what_a_job_has_not_is_told(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_job("j");
    expect_error(job_call("GET", "/jobs/j/jobpreparationandreleasetaskstatus", NULL), 409, "JobPreparationTaskNotSpecified");
    Answer counts = job_call("GET", "/jobs/j/taskcounts", NULL);
    assert_int_equal(answer_int(&counts, "taskCounts.active"), 0);
    assert_int_equal(answer_int(&counts, "taskSlotCounts.failed"), 0);
    expect_error(job_call("GET", "/jobs/none/taskcounts", NULL), 404, "JobNotFound");
    expect_status(job_call("POST", "/jobs", "{\"id\":\"prepared\",\"poolInfo\":{\"poolId\":\"p\"},\"jobPreparationTask\":{\"commandLine\":\"true\"},\"jobReleaseTask\":{\"commandLine\":\"true\"}}"), 201);
    Answer prepared = job_call("GET", "/jobs/prepared/jobpreparationandreleasetaskstatus", NULL);
    expect_status(prepared, 200);
    assert_int_equal(json_count(json_get(prepared.json, "value")), 0);
    Str url = STR("acct.westus2.batch/jobs?api-version=2022-10-01.16.0");
    expect_error(world_call(&world, "POST", world.batch_reader_token, url, STR("{\"id\":\"x\",\"poolInfo\":{\"poolId\":\"p\"}}")), 403, "InsufficientAccountPermissions");
    expect_status(world_call(&world, "GET", world.batch_reader_token, url, STR_NONE), 200);
    expect_error(world_call(&world, "GET", world.batch_nobody_token, url, STR_NONE), 403, "InsufficientAccountPermissions");
}

static void test_an_account_goes_with_its_jobs(void **state)
{
    (void)state;
    make_account(&world, "acct");
    make_job("j");
    expect_status(job_call("POST", "/jobs/j/tasks", "{\"id\":\"t\",\"commandLine\":\"true\"}"), 201);
    expect_status(arm_call(&world, "DELETE", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct", STR_NONE), 202);
    world_work(&world);
    assert_int_equal(read_int(world.site.store, "SELECT (SELECT COUNT(*) FROM batch_account) + (SELECT COUNT(*) FROM batch_job) + (SELECT COUNT(*) FROM batch_task)"), 0);
}

static int setup(void **state) { (void)state; world_open(&world); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_job_is_added_and_read),
        TEST(test_wrong_jobs_are_refused_by_name),
        TEST(test_jobs_are_listed),
        TEST(test_jobs_are_changed),
        TEST(test_conditions_decide),
        TEST(test_a_job_is_led_through_its_states),
        TEST(test_what_a_job_has_not_is_told),
        TEST(test_an_account_goes_with_its_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
