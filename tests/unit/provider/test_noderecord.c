#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "provider/noderecord.h"

static char path[] = "/tmp/vaultyard-record-XXXXXX";

static void test_a_record_reads_back_as_written_and_is_private(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    NodeRecord read, record = { .first_id = 1879113728, .spec = { .node_id = STR("tvm1"), .host_name = STR("h1"), .account = STR("a"), .pool = STR("p"),
                                .vm_size = STR("STANDARD_D2_V3"), .join_json = STR("{\"joinToken\":\"t\"}") } };
    struct stat st;
    Err err = { 0 };
    if (!node_record_write(path, &record, &err) || !node_record_read(arena, path, &read, &err))
        fail_msg("%s", err.text);
    assert_true(read.first_id == record.first_id);
    assert_true(str_eq(read.spec.node_id, record.spec.node_id) && str_eq(read.spec.host_name, record.spec.host_name));
    assert_true(str_eq(read.spec.vm_size, record.spec.vm_size) && str_eq(read.spec.join_json, record.spec.join_json));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_records_that_cannot_be_right_are_refused(void **state)
{
    (void)state;
#define REST ",\"nodeId\":\"n\",\"hostName\":\"h\",\"vmSize\":\"D2_V3\",\"join\":\"{}\"}"
    static const char *const bad[] = {
        "", "{}", "{\"version\":1,\"firstId\":1879113728", "{\"version\":2,\"firstId\":1879113728" REST, "{\"version\":1,\"firstId\":0" REST,
        "{\"version\":1,\"firstId\":1879113729" REST, "{\"version\":1,\"firstId\":2147352576" REST, "{\"version\":1,\"firstId\":\"1879113728\"" REST,
        "{\"version\":1,\"firstId\":1879113728,\"nodeId\":\"../n\",\"hostName\":\"h\",\"vmSize\":\"D2_V3\",\"join\":\"{}\"}",
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    NodeRecord read;
    Err err = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_true(file_replace(path, bytes_of(str_from(bad[i])), 0600, (uid_t)-1, (gid_t)-1, &err));
        if (node_record_read(arena, path, &read, &err))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    assert_false(node_record_read(arena, "/nowhere/node.json", &read, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_reads_back_as_written_and_is_private),
        cmocka_unit_test(test_records_that_cannot_be_right_are_refused),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return unlink(path) < 0 || failed;
}
