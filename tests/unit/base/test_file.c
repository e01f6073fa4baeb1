#include "../cm.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/secret.h"

static char dir[] = "/tmp/vaultyard-file-XXXXXX";
static const char *in_dir(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void test_replace_and_read_back(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str text;
    Err err = { 0 };
    assert_true(file_replace(in_dir("a"), bytes_of(STR("one")), 0640, (uid_t)-1, (gid_t)-1, &err));
    assert_true(file_replace(in_dir("a"), bytes_of(STR("two")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_true(file_read(arena, in_dir("a"), 100, &text, &err));
    assert_str(text, "two");
    struct stat st;
    assert_int_equal(stat(in_dir("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_read_refuses_absent_and_large(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str text;
    Err err = { 0 };
    assert_false(file_read(arena, in_dir("none"), 100, &text, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(file_replace(in_dir("b"), bytes_of(STR("12345")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_false(file_read(arena, in_dir("b"), 4, &text, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_true(file_read(arena, "/proc/self/status", 1 << 16, &text, &err) && text.len > 0);
}

static void test_a_failed_replace_leaves_the_old_file(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_true(dir_make(in_dir("d/e/f"), 0755, &err));
    assert_false(file_replace(in_dir("d"), bytes_of(STR("x")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_int_equal(access(in_dir("d/e/f"), F_OK), 0);
}

static void test_create_never_replaces(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    struct stat st;
    Str text;
    Err err = { 0 };
    assert_true(file_create(in_dir("new"), bytes_of(STR("one")), 0600, &err));
    assert_int_equal(stat(in_dir("new"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_false(file_create(in_dir("new"), bytes_of(STR("two")), 0644, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_true(file_read(arena, in_dir("new"), 100, &text, &err));
    assert_str(text, "one");
    assert_int_equal(symlink("nowhere", in_dir("dangling")), 0);
    assert_false(file_create(in_dir("dangling"), bytes_of(STR("x")), 0600, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_false(file_create(in_dir("absent/new"), bytes_of(STR("x")), 0600, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
}

static void test_remove_tree_takes_any_depth(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_true(dir_make(in_dir("deep"), 0755, &err));
    int fd = open(in_dir("deep"), O_PATH | O_DIRECTORY);
    for (int depth = 0; depth < 1000; depth++) {        /* far beyond PATH_MAX for its path */
        assert_int_equal(mkdirat(fd, "0123456789", 0700), 0);
        int next = openat(fd, "0123456789", O_PATH | O_DIRECTORY);
        close(fd);
        fd = next;
    }
    int file = openat(fd, "file", O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    close(file);
    close(fd);
    if (!dir_remove_tree(in_dir("deep"), &err))
        fail_msg("%s", err.text);
    assert_int_equal(access(in_dir("deep"), F_OK), -1);
}

static void test_remove_tree_does_not_follow_links(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_true(dir_make(in_dir("keep"), 0755, &err));
    assert_true(file_replace(in_dir("keep/file"), bytes_of(STR("x")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_true(dir_make(in_dir("tree/sub"), 0755, &err));
    char target[256];
    (void)snprintf(target, sizeof target, "%s", in_dir("keep"));
    assert_int_equal(symlink(target, in_dir("tree/sub/link")), 0);
    assert_true(dir_remove_tree(in_dir("tree"), &err));
    assert_int_not_equal(access(in_dir("tree"), F_OK), 0);
    assert_int_equal(access(in_dir("keep/file"), F_OK), 0);
    assert_true(dir_remove_tree(in_dir("tree"), &err));
}

static void test_secrets_compare_and_shrink(void **state)
{
    (void)state;
    AUTO(secret_free_auto) Secret *secret = secret_copy(bytes_of(STR("password")));
    assert_true(secret_equal(secret_bytes(secret), bytes_of(STR("password"))));
    assert_false(secret_equal(secret_bytes(secret), bytes_of(STR("passwore"))));
    secret_truncate(secret, 4);
    assert_true(secret_equal(secret_bytes(secret), bytes_of(STR("pass"))));
}

static int make_dir(void **state) { (void)state; return mkdtemp(dir) ? 0 : -1; }
static int drop_dir(void **state) { (void)state; Err err = { 0 }; return dir_remove_tree(dir, &err) ? 0 : -1; }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace_and_read_back),
        cmocka_unit_test(test_read_refuses_absent_and_large),
        cmocka_unit_test(test_a_failed_replace_leaves_the_old_file),
        cmocka_unit_test(test_create_never_replaces),
        cmocka_unit_test(test_remove_tree_does_not_follow_links),
        cmocka_unit_test(test_remove_tree_takes_any_depth),
        cmocka_unit_test(test_secrets_compare_and_shrink),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
