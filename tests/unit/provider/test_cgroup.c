#include "../cm.h"
#include "base/arena.h"
#include "provider/cgroup.h"

#define V1_MEMORY "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:3 - cgroup cgroup rw,memory\n"
#define V1_CPU    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
#define V2        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHERS    "23 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"

static size_t parse(Arena *arena, const char *mountinfo, CgroupTree **trees)
{
    size_t count;
    Err err = { 0 };
    if (!cgroup_trees_parse(arena, str_from(mountinfo), trees, &count, &err))
        fail_msg("%s", err.text);
    return count;
}

static void test_both_versions_are_found(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CgroupTree *trees;
    assert_int_equal(parse(arena, OTHERS V1_MEMORY V1_CPU V2, &trees), 3);
    assert_string_equal(trees[0].mount, "/sys/fs/cgroup/memory");
    assert_false(trees[0].is_v2);
    assert_str(trees[0].controllers, "rw,memory");
    assert_string_equal(trees[1].mount, "/sys/fs/cgroup/cpu,cpuacct");
    assert_string_equal(trees[2].mount, "/sys/fs/cgroup/unified");
    assert_true(trees[2].is_v2);
}

static void test_a_hierarchy_mounted_twice_counts_once(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CgroupTree *trees;
    assert_int_equal(parse(arena, V2 "99 31 0:38 / /elsewhere rw - cgroup2 none rw,nsdelegate\n" V1_MEMORY V1_MEMORY, &trees), 2);
}

static void test_escaped_mount_points_are_read(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CgroupTree *trees;
    assert_int_equal(parse(arena, "41 31 0:38 / /a\\040b\\134c rw - cgroup2 none rw\n", &trees), 1);
    assert_string_equal(trees[0].mount, "/a b\\c");
}

static void test_lines_of_another_shape_are_no_hierarchies(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CgroupTree *trees;
    assert_int_equal(parse(arena, "", &trees), 0);
    assert_int_equal(parse(arena, "\n\n - cgroupX none\nnonsense\n41 31 - \n" OTHERS, &trees), 0);
}

static void test_absent_groups_are_killed_and_removed_without_ado(void **state)
{
    (void)state;
    int killed = 0, removed = 0;
    Err err = { 0 };
    if (!cgroup_kill("vaultyard-no-such-group", 1000, &killed, &err) || !cgroup_remove("vaultyard-no-such-group", 1000, &removed, &err))
        fail_msg("%s", err.text);
    assert_int_equal(killed + removed, 0);
    assert_false(cgroup_has_process("vaultyard-no-such-group", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions_are_found),
        cmocka_unit_test(test_a_hierarchy_mounted_twice_counts_once),
        cmocka_unit_test(test_escaped_mount_points_are_read),
        cmocka_unit_test(test_lines_of_another_shape_are_no_hierarchies),
        cmocka_unit_test(test_absent_groups_are_killed_and_removed_without_ado),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
