#include "../cm.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "certs/install.h"

static char base[] = "/tmp/vaultyard-install-XXXXXX";
static Arena *arena;
static Observed observed;

static Fetched fetched(const char *version, int64_t now_ms)
{
    Fetched made = { .version = str_from(version) };
    CertSpec spec = { .subject = STR("CN=x"), .path_length = -1, .not_before_ms = now_ms, .not_after_ms = now_ms + 86400000 };
    Err err = { 0 };
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &made.bundle.key, &err));
    assert_true(cert_self_sign(arena, made.bundle.key, &spec, &made.bundle.certs[0], &err));
    made.bundle.count = 1;
    assert_true(cert_read(arena, made.bundle.certs[0], &made.leaf, &err));
    return made;
}

static bool install(const char *version, bool *changed, Err *err)
{
    Fetched made = fetched(version, 1700000000000);
    bool done = install_certificate(arena, &observed, &made, changed, err);
    bundle_done(&made.bundle);
    return done;
}

static int files_in_store(void)
{
    int count = 0;
    DIR *dir = opendir(observed.store_dir.ptr);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += str_ends(str_from(entry->d_name), STR(".PEM"));
    if (dir)
        (void)closedir(dir);
    return count;
}

static int set_up(void **state)
{
    (void)state;
    memcpy(base + sizeof base - 7, "XXXXXX", 6);
    arena = arena_new(8 << 20);
    if (!mkdtemp(base))
        return -1;
    observed = (Observed){ .vault = STR("v"), .name = STR("web"), .link_name = STR("v.web"), .store_dir = str_printf(arena, "%s/deep/store", base) };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    bool gone = dir_remove_tree(base, &err);
    arena_free(arena);
    return !gone;
}

static void test_the_file_is_named_and_ordered_as_documented(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    Str text;
    struct stat st;
    assert_true(install("0123456789abcdef0123456789abcdef", &changed, &err) && changed);
    Str link = str_printf(arena, STR_FMT "/v.web", STR_ARG(observed.store_dir));
    char target[512] = "";
    assert_true(readlink(link.ptr, target, sizeof target - 1) > 0);
    assert_str(str_from(target), str_printf(arena, STR_FMT "/v.web.0123456789abcdef0123456789abcdef.1700000000.1700086400.PEM", STR_ARG(observed.store_dir)).ptr);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(observed.store_dir.ptr, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    size_t certificate, key;
    assert_true(file_read(arena, target, 65536, &text, &err));
    assert_true(str_find(text, STR("BEGIN CERTIFICATE"), &certificate) && str_find(text, STR("BEGIN PRIVATE KEY"), &key) && certificate < key);
    assert_str(installed_version(arena, &observed), "0123456789abcdef0123456789abcdef");
}

static void test_the_same_version_is_not_written_again_unless_its_file_is_gone(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    assert_true(install("a1", &changed, &err) && changed);
    assert_true(install("a1", &changed, &err) && !changed);
    char target[512] = "";
    assert_true(readlink(str_printf(arena, STR_FMT "/v.web", STR_ARG(observed.store_dir)).ptr, target, sizeof target - 1) > 0);
    assert_int_equal(unlink(target), 0);
    assert_null(installed_version(arena, &observed).ptr);
    assert_true(install("a1", &changed, &err) && changed);
}

static void test_two_versions_are_kept(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    assert_true(install("a1", &changed, &err) && install("a2", &changed, &err) && install("a3", &changed, &err) && install("a4", &changed, &err));
    assert_int_equal(files_in_store(), 2);
    assert_str(installed_version(arena, &observed), "a4");
}

/* A directory where the link should be: the link cannot move, and what was there stays. */
static void test_a_failure_leaves_what_is_there(void **state)
{
    (void)state;
    bool changed = true;
    Err err = { 0 };
    assert_true(dir_make(str_printf(arena, STR_FMT "/v.web/sub", STR_ARG(observed.store_dir)).ptr, 0700, &err));
    assert_false(install("a1", &changed, &err));
    assert_false(changed);
    assert_int_equal(access(str_printf(arena, STR_FMT "/v.web/sub", STR_ARG(observed.store_dir)).ptr, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_file_is_named_and_ordered_as_documented, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_version_is_not_written_again_unless_its_file_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_versions_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_leaves_what_is_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
