#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "provider/nodelog.h"

static char dir[] = "/tmp/vaultyard-nodelog-XXXXXX";

static off_t size_of(const char *name)
{
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void test_a_new_log_puts_the_old_one_aside(void **state)
{
    (void)state;
    Err err = { 0 };
    for (int round = 0; round < 3; round++) {
        int fd;
        if (!node_log_open(dir, geteuid(), &fd, &err))
            fail_msg("%s", err.text);
        assert_int_equal(write(fd, "abc", 3), 3);
        close(fd);
    }
    assert_int_equal(size_of("node.log"), 3);
    assert_int_equal(size_of("node.log.1"), 3);
}

static void test_a_small_log_is_left_alone(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_true(node_log_trim(dir, &err));
    assert_int_equal(size_of("node.log"), 3);
}

static void test_a_large_log_keeps_its_end_and_its_writer(void **state)
{
    (void)state;
    static char block[1 << 16];
    int fd;
    Err err = { 0 };
    memset(block, 'x', sizeof block);
    assert_true(node_log_open(dir, geteuid(), &fd, &err));
    for (size_t written = 0; written <= NODE_LOG_BYTES_MAX; written += sizeof block)
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
    assert_int_equal(write(fd, "last line\n", 10), 10);
    if (!node_log_trim(dir, &err))
        fail_msg("%s", err.text);
    assert_int_equal(size_of("node.log"), 0);
    assert_int_equal(size_of("node.log.1"), NODE_LOG_BYTES_KEPT);
    assert_int_equal(write(fd, "next\n", 5), 5);
    assert_int_equal(size_of("node.log"), 5);
    close(fd);

    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    char path[256];
    Str text;
    (void)snprintf(path, sizeof path, "%s/node.log.1", dir);
    assert_true(file_read(arena, path, NODE_LOG_BYTES_KEPT, &text, &err));
    assert_true(str_ends(text, STR("xxlast line\n")));
}

static void test_no_log_is_fine(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_true(node_log_trim("/nowhere", &err));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    return !dir_remove_tree(dir, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_log_puts_the_old_one_aside),
        cmocka_unit_test(test_a_small_log_is_left_alone),
        cmocka_unit_test(test_a_large_log_keeps_its_end_and_its_writer),
        cmocka_unit_test(test_no_log_is_fine),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
