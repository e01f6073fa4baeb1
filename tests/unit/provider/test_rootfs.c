/* Needs root to give files away; without, the test is reported as skipped. */
#include "../cm.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "provider/rootfs.h"
#include "provider/tree.h"

enum { FIRST_ID = 1879113728 };

static char dir[] = "/tmp/vaultyard-rootfs-XXXXXX";

static const char *in_dir(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
    Err err = { 0 };
    if (!file_replace(in_dir(name), bytes_of(str_from(text)), mode, (uid_t)-1, (gid_t)-1, &err))
        fail_msg("%s", err.text);
}

static void assert_content(const char *name, const char *wanted)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    Str text;
    Err err = { 0 };
    if (!file_read(arena, in_dir(name), 1 << 20, &text, &err))
        fail_msg("%s", err.text);
    assert_str(text, wanted);
}

/* An image of its own: usr/, a directory and a link beside it, and an etc/ with things that must stay behind. */
static void make_image(void)
{
    static const char *const dirs[] = { "image", "image/usr", "image/sbin", "image/etc", "image/etc/alternatives", "image/etc/ssl", "image/etc/ssl/certs", "image/etc/python3.9" };
    for (size_t i = 0; i < COUNT_OF(dirs); i++)
        assert_int_equal(mkdir(in_dir(dirs[i]), 0755), 0);
    assert_int_equal(symlink("usr/bin", in_dir("image/bin")), 0);
    assert_int_equal(symlink("/usr/bin/mawk", in_dir("image/etc/alternatives/awk")), 0);
    put("image/etc/ssl/certs/ca-certificates.crt", "MACHINE", 0644);
    put("image/etc/python3.9/config", "p", 0644);
    put("image/etc/services", "http 80/tcp\n", 0644);
    put("image/etc/shells", "not for all\n", 0600);
    put("image/etc/shadow", "root:secret:\n", 0640);
    put("image/etc/passwd", "machine:x:1:1::/:\n", 0644);
    put("image/etc/canary", "canary\n", 0644);
    put("ca.pem", "SITE\n", 0644);
}

static bool build(Err *err)
{
    static char root[512], image[512], ca[512];
    (void)snprintf(root, sizeof root, "%s/root", dir);
    (void)snprintf(image, sizeof image, "%s/image", dir);
    (void)snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    RootPlan plan = { .root = root, .image_dir = image, .ca_path = ca, .first_id = FIRST_ID, .host_name = STR("74773db5fe1b42ab9a4b6cf679d929da000000"),
                      .join_json = STR("{\"joinToken\":\"t\"}") };
    return rootfs_build(&plan, err);
}

static void assert_owned(const char *name, unsigned mode, unsigned gid)
{
    struct stat st;
    assert_int_equal(lstat(in_dir(name), &st), 0);
    assert_true(st.st_uid == FIRST_ID && st.st_gid == FIRST_ID + gid);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void test_a_new_root_has_its_own_etc(void **state)
{
    (void)state;
    Err err = { 0 };
    if (!build(&err))
        fail_msg("%s", err.text);
    assert_content("root/etc/hostname", "74773db5fe1b42ab9a4b6cf679d929da000000\n");
    assert_content("root/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 74773db5fe1b42ab9a4b6cf679d929da000000\n");
    assert_content("root/etc/machine-id", "74773db5fe1b42ab9a4b6cf679d929da\n");
    assert_content("root/etc/resolv.conf", "nameserver 127.0.0.1\n");
    assert_content("root/etc/subuid", "");
    assert_content("root/etc/ssl/certs/ca-certificates.crt", "MACHINE\nSITE\n");
    assert_content("root/etc/vaultyard/ca.pem", "SITE\n");
    assert_content("root/etc/services", "http 80/tcp\n");
    assert_content("root/etc/python3.9/config", "p");
    assert_content("root/run/vaultyard/join.json", "{\"joinToken\":\"t\"}");
    assert_owned("root", 0755, 0);
    assert_owned("root/run/vaultyard/join.json", 0600, 0);
    assert_owned("root/etc/shadow", 0640, 42);
    assert_owned("root/tmp", 01777, 0);
    assert_owned("root/root", 0700, 0);
    assert_owned("root/var/lib/waagent", 0700, 0);
    assert_owned("root/sbin", 0755, 0);
    assert_owned("root/bin", 0777, 0);                  /* a link, as in the image */
}

static void test_nothing_else_comes_from_the_machine(void **state)
{
    (void)state;
    assert_int_equal(access(in_dir("root/etc/canary"), F_OK), -1);
    assert_int_equal(access(in_dir("root/etc/shells"), F_OK), -1);      /* listed, but not for everybody to read */
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    Str text;
    size_t at;
    Err err = { 0 };
    assert_true(file_read(arena, in_dir("root/etc/passwd"), 1 << 20, &text, &err));
    assert_false(str_find(text, STR("machine"), &at));
    assert_true(file_read(arena, in_dir("root/etc/shadow"), 1 << 20, &text, &err));
    assert_false(str_find(text, STR("secret"), &at));
}

static void test_building_again_keeps_the_nodes_things_and_renews_ours(void **state)
{
    (void)state;
    Err err = { 0 };
    put("root/etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n", 0644);
    put("root/etc/hosts", "1.2.3.4 elsewhere\n", 0644);
    put("root/etc/group", "", 0644);                    /* as a power cut may leave it */
    put("root/home/kept", "kept", 0644);
    put("root/tmp/gone", "", 0644);
    put("root/run/gone", "", 0644);
    if (!build(&err))
        fail_msg("%s", err.text);
    assert_content("root/etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
    assert_content("root/home/kept", "kept");
    assert_content("root/etc/hostname", "74773db5fe1b42ab9a4b6cf679d929da000000\n");
    assert_int_equal(access(in_dir("root/tmp/gone"), F_OK), -1);
    assert_int_equal(access(in_dir("root/run/gone"), F_OK), -1);
    struct stat st;
    assert_int_equal(stat(in_dir("root/etc/group"), &st), 0);
    assert_true(st.st_size > 0);
    assert_int_equal(stat(in_dir("root/etc/hosts"), &st), 0);
    assert_true(st.st_size > 60);
}

static void test_links_that_a_node_put_in_place_of_directories_are_not_followed(void **state)
{
    (void)state;
    static const char *const swapped[] = { "root/etc", "root/run", "root/tmp", "root/etc/ssl", "root/opt/vaultyard/bin", "root/var/lib" };
    Err err = { 0 };
    assert_int_equal(mkdir(in_dir("victim"), 0755), 0);
    put("victim/hosts", "the machine's", 0644);
    for (size_t i = 0; i < COUNT_OF(swapped); i++) {
        char aside[512];
        (void)snprintf(aside, sizeof aside, "%s.aside", in_dir(swapped[i]));
        assert_int_equal(rename(in_dir(swapped[i]), aside), 0);
        assert_int_equal(symlink(in_dir("victim"), in_dir(swapped[i])), 0);
        if (build(&err))
            fail_msg("built through %s", swapped[i]);
        assert_int_equal(err.code, ERR_CONFLICT);
        assert_content("victim/hosts", "the machine's");
        assert_int_equal(unlink(in_dir(swapped[i])), 0);
        assert_int_equal(rename(aside, in_dir(swapped[i])), 0);
    }
    if (!build(&err))
        fail_msg("%s", err.text);
}

static void test_a_linked_file_is_replaced_not_written_through(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_int_equal(unlink(in_dir("root/etc/hosts")), 0);
    assert_int_equal(symlink(in_dir("victim/hosts"), in_dir("root/etc/hosts")), 0);
    if (!build(&err))
        fail_msg("%s", err.text);
    assert_content("victim/hosts", "the machine's");
    struct stat st;
    assert_int_equal(lstat(in_dir("root/etc/hosts"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void test_paths_do_not_leave_the_tree(void **state)
{
    (void)state;
    AUTO(tree_close_auto) Tree tree = { .fd = -1 };
    Err err = { 0 };
    assert_true(tree_open(&tree, in_dir("root"), FIRST_ID, &err));
    assert_false(tree_file(&tree, "../escaped", STR("x"), 0644, 0, 0, &err));
    assert_false(tree_file(&tree, "etc/../../escaped", STR("x"), 0644, 0, 0, &err));
    assert_false(tree_dir(&tree, "../escaped", 0755, &err));
    assert_int_equal(access(in_dir("escaped"), F_OK), -1);
}

static int set_up(void **state)
{
    (void)state;
    (void)umask(022);
    if (!mkdtemp(dir))
        return -1;
    make_image();
    return 0;
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
        cmocka_unit_test(test_a_new_root_has_its_own_etc),
        cmocka_unit_test(test_nothing_else_comes_from_the_machine),
        cmocka_unit_test(test_building_again_keeps_the_nodes_things_and_renews_ours),
        cmocka_unit_test(test_links_that_a_node_put_in_place_of_directories_are_not_followed),
        cmocka_unit_test(test_a_linked_file_is_replaced_not_written_through),
        cmocka_unit_test(test_paths_do_not_leave_the_tree),
    };
    if (geteuid() != 0) {
        puts("giving files away needs root");
        return 77;                                      /* "skipped" to Meson, which says so */
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
