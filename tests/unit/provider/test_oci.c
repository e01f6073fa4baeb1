#include "../cm.h"
#include "base/arena.h"
#include "base/buf.h"
#include "json/read.h"
#include "provider/oci.h"

static const char *const command[] = { "/opt/vaultyard/bin/vaultyard-node", "init", NULL };

static OciPlan good_plan(void)
{
    OciPlan plan = {
        .host_name = STR("74773db5fe1b42ab9a4b6cf679d929da000000"), .root = "/data/host/nodes/n1/root", .image_dir = "/", .site_mount = "/data/host/nodes/n1/site",
        .bin_dir = "/usr/lib/vaultyard", .has_certs = true, .command = command, .first_id = 1879113728, .size = { 2, INT64_C(7) << 30 },
        .group = "vaultyard-01234567/n1", .limits_swap = true, .open_files_max = 20000,
    };
    return plan;
}

static const JsonVal *written(Arena *arena, const OciPlan *plan)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    const JsonVal *root;
    Err err = { 0 };
    buf_init(&text, 1 << 20);
    if (!oci_write(plan, &text, &err) || !json_parse(arena, str_dup(arena, buf_str(&text)), JSON_STRICT, &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static bool holds(const JsonVal *array, const char *text)
{
    for (size_t i = 0; i < json_count(array); i++)
        if (str_eq(json_str(json_at(array, i)), str_from(text)))
            return true;
    return false;
}

static const JsonVal *mount_at(const JsonVal *root, const char *destination)
{
    const JsonVal *mounts = json_get(root, "mounts");
    for (size_t i = 0; i < json_count(mounts); i++)
        if (str_eq(json_str(json_get(json_at(mounts, i), "destination")), str_from(destination)))
            return json_at(mounts, i);
    return NULL;
}

static void test_the_node_has_name_root_and_first_process(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    const JsonVal *root = written(arena, &plan);
    assert_str(json_str(json_get(root, "ociVersion")), "1.0.2");
    assert_str(json_str(json_get(root, "hostname")), "74773db5fe1b42ab9a4b6cf679d929da000000");
    assert_str(json_str(json_path(root, "root.path")), "/data/host/nodes/n1/root");
    assert_int_equal(json_count(json_path(root, "process.args")), 2);
    assert_str(json_str(json_at(json_path(root, "process.args"), 1)), "init");
    assert_false(json_bool(json_path(root, "process.terminal"), true));
    assert_int_equal(json_int(json_path(root, "process.user.uid"), -1), 0);
}

static void test_every_namespace_is_its_own(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    const JsonVal *root = written(arena, &plan), *namespaces = json_path(root, "linux.namespaces");
    static const char *const kinds[] = { "user", "pid", "network", "ipc", "uts", "mount", "cgroup" };
    assert_int_equal(json_count(namespaces), COUNT_OF(kinds));
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_str(json_str(json_get(json_at(namespaces, i), "type")), kinds[i]);
        assert_null(json_get(json_at(namespaces, i), "path"));          /* a path would join an existing one */
    }
    static const char *const maps[] = { "linux.uidMappings", "linux.gidMappings" };
    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        assert_int_equal(json_count(json_path(root, maps[i])), 1);
        const JsonVal *map = json_at(json_path(root, maps[i]), 0);
        assert_int_equal(json_int(json_get(map, "containerID"), -1), 0);
        assert_int_equal(json_int(json_get(map, "hostID"), -1), 1879113728);
        assert_int_equal(json_int(json_get(map, "size"), -1), 65536);
    }
}

static void test_what_comes_from_the_machine_is_read_only(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    const JsonVal *root = written(arena, &plan), *mounts = json_get(root, "mounts");
    size_t binds = 0;
    for (size_t i = 0; i < json_count(mounts); i++) {
        const JsonVal *mount = json_at(mounts, i), *options = json_get(mount, "options");
        assert_true(holds(options, "nosuid"));
        if (!str_eq(json_str(json_get(mount, "type")), STR("bind")))
            continue;
        binds++;
        assert_true(holds(options, "ro") || holds(options, "rro"));
        assert_true(holds(options, "nodev"));
    }
    assert_true(binds >= 4);
    assert_true(holds(json_get(mount_at(root, "/usr"), "options"), "rro"));     /* recursively: submounts as well */
    assert_str(json_str(json_get(mount_at(root, "/run/vaultyard/site"), "source")), "/data/host/nodes/n1/site");
    assert_str(json_str(json_get(mount_at(root, "/opt/vaultyard/bin/vaultyard-node"), "source")), "/usr/lib/vaultyard/vaultyard-node");
    assert_non_null(mount_at(root, "/opt/vaultyard/bin/vaultyard-certs"));
    assert_true(holds(json_get(mount_at(root, "/sys"), "options"), "ro"));
    plan.has_certs = false;
    assert_null(mount_at(written(arena, &plan), "/opt/vaultyard/bin/vaultyard-certs"));
}

static void test_limits_follow_the_size(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    const JsonVal *resources = json_path(written(arena, &plan), "linux.resources");
    assert_true(json_int(json_path(resources, "memory.limit"), 0) == INT64_C(7) << 30);
    assert_true(json_int(json_path(resources, "memory.swap"), 0) == INT64_C(7) << 30);
    assert_int_equal(json_int(json_path(resources, "cpu.quota"), 0), 200000);
    assert_int_equal(json_int(json_path(resources, "cpu.period"), 0), 100000);
    assert_int_equal(json_int(json_path(resources, "pids.limit"), 0), 8192);
    assert_false(json_bool(json_get(json_at(json_get(resources, "devices"), 0), "allow"), true));
    plan.limits_swap = false;
    plan.size = (VmSize){ 96, INT64_C(672) << 30 };
    resources = json_path(written(arena, &plan), "linux.resources");
    assert_null(json_path(resources, "memory.swap"));
    assert_int_equal(json_int(json_path(resources, "pids.limit"), 0), 65536);
}

static void test_open_files_never_exceed_what_the_host_may_have(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    assert_int_equal(json_int(json_get(json_at(json_path(written(arena, &plan), "process.rlimits"), 0), "hard"), 0), 20000);
    plan.open_files_max = UINT64_MAX;
    assert_int_equal(json_int(json_get(json_at(json_path(written(arena, &plan), "process.rlimits"), 0), "hard"), 0), 1048576);
}

static void test_no_capability_reaches_beyond_the_node(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    const JsonVal *capabilities = json_path(written(arena, &plan), "process.capabilities");
    static const char *const sets[] = { "bounding", "effective", "permitted" };
    static const char *const never[] = { "CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_NET_RAW" };
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        assert_int_equal(json_count(json_get(capabilities, sets[i])), 11);
        for (size_t k = 0; k < COUNT_OF(never); k++)
            assert_false(holds(json_get(capabilities, sets[i]), never[k]));
    }
    assert_null(json_get(capabilities, "ambient"));
    assert_null(json_get(capabilities, "inheritable"));
}

static const JsonVal *rule_for(const JsonVal *rules, const char *call, int64_t flag)
{
    for (size_t i = 0; i < json_count(rules); i++) {
        const JsonVal *rule = json_at(rules, i), *args = json_get(rule, "args");
        if (holds(json_get(rule, "names"), call) && (!args ? flag == 0 : json_int(json_get(json_at(args, 0), "value"), 0) == flag))
            return rule;
    }
    return NULL;
}

static void test_dangerous_calls_are_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 22);
    OciPlan plan = good_plan();
    const JsonVal *seccomp = json_path(written(arena, &plan), "linux.seccomp"), *rules = json_get(seccomp, "syscalls");
    static const char *const refused[] = { "mount", "move_mount", "fsopen", "keyctl", "add_key", "bpf", "kexec_load", "init_module", "finit_module", "setns",
                                           "open_by_handle_at", "perf_event_open", "userfaultfd", "io_uring_setup", "pivot_root", "reboot", "swapon" };
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (json_int(json_get(rule_for(rules, refused[i], 0), "errnoRet"), 0) != 1)
            fail_msg("%s is not refused", refused[i]);
    assert_int_equal(json_int(json_get(rule_for(rules, "clone3", 0), "errnoRet"), 0), 38);
    assert_non_null(rule_for(rules, "clone", 0x10000000));              /* CLONE_NEWUSER */
    assert_non_null(rule_for(rules, "unshare", 0x10000000));
    assert_null(rule_for(rules, "clone", 0x80));                        /* CLONE_NEWTIME is part of clone's signal */
    assert_true(json_count(json_get(seccomp, "architectures")) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_node_has_name_root_and_first_process),
        cmocka_unit_test(test_every_namespace_is_its_own),
        cmocka_unit_test(test_what_comes_from_the_machine_is_read_only),
        cmocka_unit_test(test_limits_follow_the_size),
        cmocka_unit_test(test_open_files_never_exceed_what_the_host_may_have),
        cmocka_unit_test(test_no_capability_reaches_beyond_the_node),
        cmocka_unit_test(test_dangerous_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
