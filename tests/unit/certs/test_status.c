#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "certs/status.h"

static char path[] = "/tmp/vaultyard-status-XXXXXX";
static const int64_t SINCE_MS = 1614813143000, NOW_MS = 1614813200000;    /* 2021-03-03T23:12:23Z, as in the document */

static void status_is(ServiceState state, const char *reason, const char *wanted)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Str text;
    Err err = { 0 };
    assert_true(status_write(path, state, str_from(reason), SINCE_MS, NOW_MS, &err));
    assert_true(file_read(arena, path, 65536, &text, &err));
    assert_str(text, wanted);
}

static void test_states_read_as_the_documents_print_them(void **state)
{
    (void)state;
    status_is(SERVICE_RUNNING, "",
              "[{\"status\":{\"code\":0,\"formattedMessage\":{\"lang\":\"en\",\"message\":\"Successfully started Key Vault extension service. 2021-03-03T23:12:23Z\"},"
              "\"operation\":\"Service start.\",\"status\":\"success\"},\"timestampUTC\":\"2021-03-03T23:13:20Z\",\"version\":\"1.0\"}]");
    status_is(SERVICE_SYNCING, "why",
              "[{\"status\":{\"code\":0,\"formattedMessage\":{\"lang\":\"en\",\"message\":\"Failed to download one or more certificates, retrying... why\"},"
              "\"operation\":\"Service start.\",\"status\":\"transitioning\"},\"timestampUTC\":\"2021-03-03T23:13:20Z\",\"version\":\"1.0\"}]");
    status_is(SERVICE_BAD_SETTINGS, "Failed to parse the configuration settings with: 'not an object'",
              "[{\"status\":{\"code\":0,\"formattedMessage\":{\"lang\":\"en\",\"message\":\"Failed to parse the configuration settings with: 'not an object'\"},"
              "\"operation\":\"Service start - Settings Load.\",\"status\":\"error\"},\"timestampUTC\":\"2021-03-03T23:13:20Z\",\"version\":\"1.0\"}]");
}

static void test_a_status_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_false(status_write("/nonexistent/1.status", SERVICE_RUNNING, STR(""), SINCE_MS, NOW_MS, &err));
}

static int make_file(void **state) { (void)state; int fd = mkstemp(path); return fd < 0 ? -1 : close(fd); }
static int drop_file(void **state) { (void)state; return unlink(path); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_read_as_the_documents_print_them),
        cmocka_unit_test(test_a_status_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
