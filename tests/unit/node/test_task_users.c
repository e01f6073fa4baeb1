/* test_task_users.c - who runs are: ids, rights, directories, environment. Needs root; without it every test says that it is skipped. */
#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "node_fixture.h"

static NodeFixture fixture;
static Runs *runs;

/* What a run printed. Its exit code must be 0. */
static Str output_of(const char *task, const char *command_line, const char *more)
{
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, task, command_line, more));
    const JsonVal *end = node_wait_end(&fixture, run_id);
    const char *kind = strstr(more, "starttask") ? "startup" : str_printf(fixture.arena, "workitems/job1/job-1/%s", task).ptr;
    if (json_int(json_get(end, "exitCode"), -1) != 0)
        fail_msg("%s: " STR_FMT " " STR_FMT, command_line, STR_ARG(json_text(fixture.arena, end)),
                 STR_ARG(json_get(end, "exitCode") ? node_file(&fixture, str_printf(fixture.arena, "%s/stderr.txt", kind).ptr) : STR("")));
    return node_file(&fixture, str_printf(fixture.arena, "%s/stdout.txt", kind).ptr);
}

static bool fails(const char *task, const char *command_line, const char *more)
{
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, task, command_line, more));
    return json_int(json_get(node_wait_end(&fixture, run_id), "exitCode"), 0) != 0;
}

static bool holds(Str text, const char *part)
{
    size_t at;
    return str_find(text, str_from(part), &at);
}

#define POOL_USER  ",\"user\":{\"scope\":\"pool\"}"
#define POOL_ADMIN ",\"user\":{\"scope\":\"pool\",\"admin\":true}"
#define STATUS     "/bin/sh -c 'grep -E \"^(Uid|Gid|Groups|Cap|NoNewPrivs)\" /proc/self/status; umask'"

static void test_a_task_has_a_user_of_its_own_without_any_right(void **state)
{
    (void)state;
    Str first = output_of("t1", STATUS, ""), second = output_of("t2", STATUS, "");
    assert_true(holds(first, "Uid:\t60101\t60101\t60101\t60101\n") && holds(first, "Gid:\t60101\t60101\t60101\t60101\n"));
    assert_true(holds(first, "Groups:\t1000 60101 \n"));
    assert_true(holds(first, "CapEff:\t0000000000000000\n") && holds(first, "CapBnd:\t0000000000000000\n") && holds(first, "CapAmb:\t0000000000000000\n"));
    assert_true(holds(first, "NoNewPrivs:\t1\n") && holds(first, "0027\n"));
    assert_true(holds(second, "Uid:\t60102\t"));
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str passwd;
    Err err = { 0 };
    assert_true(file_read(arena, str_printf(arena, "%s/passwd", fixture.places.etc_dir).ptr, 1 << 16, &passwd, &err));
    assert_true(holds(passwd, "\n_azbatchtask_1:x:60101:60101::") && holds(passwd, "\n_azbatch:x:1000:1001::"));
}

static void test_the_pools_users_are_one_each(void **state)
{
    (void)state;
    Str user = output_of("t1", STATUS, POOL_USER), again = output_of("t2", "id -u", POOL_USER), admin = output_of("t3", STATUS, POOL_ADMIN);
    assert_true(holds(user, "Uid:\t1000\t1000\t") && holds(user, "Gid:\t1001\t") && holds(user, "NoNewPrivs:\t1\n") && holds(user, "CapEff:\t0000000000000000\n"));
    assert_str(again, "1000\n");
    assert_true(holds(admin, "Uid:\t0\t0\t0\t0\n") && holds(admin, "NoNewPrivs:\t0\n") && !holds(admin, "CapEff:\t0000000000000000\n"));
}

static void test_a_retry_has_the_same_user_and_its_files(void **state)
{
    (void)state;
    (void)output_of("t1", "/bin/sh -c 'umask 077; echo 1 > mine'", "");
    (void)output_of("t2", "true", "");
    assert_str(output_of("t1", "/bin/sh -c 'cat mine; echo 2 >> mine; id -u'", ""), "1\n60101\n");
}

static void test_tasks_do_not_see_each_others_files(void **state)
{
    (void)state;
    (void)output_of("t1", "/bin/sh -c 'echo secret > x; chmod 644 x'", "");
    const char *look = str_printf(fixture.arena, "/bin/sh -c 'cat %s'", node_path(&fixture, "workitems/job1/job-1/t1/wd/x")).ptr;
    assert_true(fails("t2", look, ""));
    assert_true(fails("t3", look, POOL_USER));
    assert_str(output_of("t4", look, POOL_ADMIN), "secret\n");
    assert_true(fails("t5", str_printf(fixture.arena, "cat %s", node_path(&fixture, "workitems/job1/job-1/t4/stdout.txt")).ptr, ""));
}

static void test_shared_is_everybodys(void **state)
{
    (void)state;
    (void)output_of("t1", "/bin/sh -c 'echo 1 > $AZ_BATCH_NODE_SHARED_DIR/x; mkdir $AZ_BATCH_NODE_SHARED_DIR/d'", "");
    assert_str(output_of("t2", "/bin/sh -c 'cd $AZ_BATCH_NODE_SHARED_DIR; echo 2 >> x; cat x; echo 3 > d/y; rm x'", POOL_USER), "1\n2\n");
    assert_str(output_of("t3", "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/d/y'", ""), "3\n");
}

static const JsonVal *start_run(Str run_id, const char *command_line, const char *user)
{
    const JsonVal *run;
    Err err = { 0 };
    Str text = str_printf(fixture.arena, "{\"runId\":\"" STR_FMT "\",\"kind\":\"starttask\",\"directory\":\"startup\",\"commandLine\":\"%s\"%s}", STR_ARG(run_id), command_line, user);
    assert_true(json_parse(fixture.arena, text, JSON_STRICT, &run, &err));
    return run;
}

static void test_what_the_start_task_makes_others_read_and_do_not_write(void **state)
{
    (void)state;
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, start_run(run_id, "/bin/sh -c 'echo made > tool; mkdir d; echo deep > d/x; env'", POOL_ADMIN));
    assert_int_equal(json_int(json_get(node_wait_end(&fixture, run_id), "exitCode"), -1), 0);
    assert_str(output_of("t1", "/bin/sh -c 'cat $AZ_BATCH_NODE_STARTUP_DIR/wd/tool $AZ_BATCH_NODE_STARTUP_DIR/wd/d/x'", ""), "made\ndeep\n");
    assert_true(fails("t2", "/bin/sh -c 'echo x > $AZ_BATCH_NODE_STARTUP_DIR/wd/tool'", ""));
    assert_true(fails("t3", "/bin/sh -c 'echo x > $AZ_BATCH_NODE_STARTUP_DIR/wd/new'", POOL_USER));
    Str out = node_file(&fixture, "startup/stdout.txt");
    assert_true(!holds(out, "AZ_BATCH_TASK_ID") && !holds(out, "AZ_BATCH_JOB_ID") && holds(out, "AZ_BATCH_TASK_USER_IDENTITY=PoolAdmin\n"));
    runs_drop(runs, run_id);
    Str next = node_run_id(&fixture);
    runs_begin(runs, start_run(next, "cat tool", ""));             /* what lies there is used again, whoever the user */
    (void)node_wait_end(&fixture, next);
    assert_int_equal(access(node_path(&fixture, "startup/wd/tool"), F_OK), 0);
}

static void test_the_environment_is_the_documented_one_and_the_tasks_own(void **state)
{
    (void)state;
    Str out = output_of("t1", "env", ",\"environment\":[{\"name\":\"MINE\",\"value\":\"a b=c\"},{\"name\":\"EMPTY\"},{\"name\":\"HOME\",\"value\":\"/elsewhere\"}],"
                                     "\"jobPreparationDirectory\":\"workitems/job1/job-1/jobpreparation\"");
    const char *root = fixture.places.tasks_dir;
    static const char *const plain[] = {
        "AZ_BATCH_ACCOUNT_NAME=account1\n", "AZ_BATCH_ACCOUNT_URL=https://account1.local.batch.test.localhost:8443\n", "AZ_BATCH_POOL_ID=pool1\n", "AZ_BATCH_NODE_ID=node1\n",
        "AZ_BATCH_NODE_IS_DEDICATED=true\n", "AZ_BATCH_JOB_ID=job1\n", "AZ_BATCH_TASK_ID=t1\n", "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES=1000000\n",
        "AZ_BATCH_TASK_USER=_azbatchtask_1\n", "AZ_BATCH_TASK_USER_IDENTITY=TaskNonAdmin\n", "USER=_azbatchtask_1\n", "MINE=a b=c\n", "EMPTY=\n", "HOME=/elsewhere\n",
    };
    static const char *const paths[][2] = {
        { "AZ_BATCH_NODE_ROOT_DIR", "" }, { "AZ_BATCH_NODE_SHARED_DIR", "/shared" }, { "AZ_BATCH_NODE_STARTUP_DIR", "/startup" }, { "AZ_BATCH_NODE_MOUNTS_DIR", "/fsmounts" },
        { "AZ_BATCH_TASK_DIR", "/workitems/job1/job-1/t1" }, { "AZ_BATCH_TASK_WORKING_DIR", "/workitems/job1/job-1/t1/wd" },
        { "AZ_BATCH_JOB_PREP_DIR", "/workitems/job1/job-1/jobpreparation" }, { "AZ_BATCH_JOB_PREP_WORKING_DIR", "/workitems/job1/job-1/jobpreparation/wd" },
    };
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (!holds(out, plain[i]))
            fail_msg("no %s in " STR_FMT, plain[i], STR_ARG(out));
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (!holds(out, str_printf(fixture.arena, "%s=%s%s\n", paths[i][0], root, paths[i][1]).ptr))
            fail_msg("no %s in " STR_FMT, paths[i][0], STR_ARG(out));
    assert_false(holds(out, "HOME=/mnt"));
}

static void test_a_program_in_the_working_directory_is_found(void **state)
{
    (void)state;
    (void)output_of("t1", "/bin/sh -c 'printf \"#!/bin/sh\\necho hi\\n\" > tool; chmod +x tool'", "");
    assert_str(output_of("t1", "tool", ""), "hi\n");
    assert_str(output_of("t1", "./tool", ""), "hi\n");
}

/* -- named accounts -- */

static bool apply(const char *json, Err *err)
{
    const JsonVal *list;
    *err = (Err){ 0 };
    assert_true(json_parse(fixture.arena, str_from(json), JSON_STRICT, &list, err));
    return users_apply(&fixture.places, list, err);
}

static void test_named_accounts_run_tasks_with_their_ids_and_homes(void **state)
{
    (void)state;
    Err err;
    assert_true(apply("[{\"name\":\"ada\",\"admin\":false,\"uid\":4001,\"gid\":4002},{\"name\":\"root-ish\",\"admin\":true}]", &err));
    assert_true(apply("[{\"name\":\"ada\",\"admin\":false,\"uid\":4001,\"gid\":4002},{\"name\":\"root-ish\",\"admin\":true}]", &err));
    Str out = output_of("t1", "/bin/sh -c 'grep -E \"^(Uid|Gid|CapEff|NoNewPrivs)\" /proc/self/status; echo $HOME'", ",\"user\":{\"scope\":\"named\",\"name\":\"ada\"}");
    assert_true(holds(out, "Uid:\t4001\t4001\t") && holds(out, "Gid:\t4002\t") && holds(out, "NoNewPrivs:\t1\n") && holds(out, "CapEff:\t0000000000000000\n") && holds(out, "/home/ada\n"));
    Str admin = output_of("t2", "/bin/sh -c 'grep -E \"^(Uid|CapEff|CapAmb)\" /proc/self/status; cat ../../t1/stdout.txt >/dev/null && echo reads'",
                          ",\"user\":{\"scope\":\"named\",\"name\":\"root-ish\",\"admin\":true}");
    assert_true(holds(admin, "Uid:\t1002\t1002\t") && !holds(admin, "CapEff:\t0000000000000000\n") && !holds(admin, "CapAmb:\t0000000000000000\n") && holds(admin, "reads\n"));
    struct stat st;
    assert_int_equal(stat(str_printf(fixture.arena, "%s/ada", fixture.places.home_dir).ptr, &st), 0);
    assert_true(st.st_uid == 4001 && st.st_gid == 4002 && (st.st_mode & 07777) == 0700);
}

static void test_an_administrators_groups_of_a_user_are_kept(void **state)
{
    (void)state;
    Err err;
    Str group;
    const char *path = str_printf(fixture.arena, "%s/group", fixture.places.etc_dir).ptr;
    assert_true(apply("[{\"name\":\"ada\"}]", &err));
    assert_true(file_read(fixture.arena, path, 1 << 16, &group, &err));
    assert_true(file_replace(path, bytes_of(str_printf(fixture.arena, STR_FMT "tools:x:777:bob,ada\nother:x:778:adam\n", STR_ARG(group))), 0644, 0, 0, &err));
    Str out = output_of("t1", "id -G", ",\"user\":{\"scope\":\"named\",\"name\":\"ada\"}");
    assert_true(holds(out, " 777") && !holds(out, "778"));
}

static void test_accounts_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct { const char *json; ErrCode code; } bad[] = {
        { "[{\"name\":\"a:b\"}]", ERR_BAD_INPUT },   { "[{\"name\":\"a\\nroot::0:0:::\"}]", ERR_BAD_INPUT }, { "[{\"name\":\"\"}]", ERR_BAD_INPUT },
        { "[{\"name\":\"-x\"}]", ERR_BAD_INPUT },    { "[{\"name\":\"../x\"}]", ERR_BAD_INPUT },             { "[{\"name\":\"root\"}]", ERR_CONFLICT },
        { "[{\"name\":\"nobody\"}]", ERR_CONFLICT }, { "[{\"name\":\"eve\",\"uid\":1000,\"gid\":1000}]", ERR_CONFLICT },
        { "[{\"name\":\"eve\",\"uid\":60100,\"gid\":60100}]", ERR_CONFLICT }, { "[{\"name\":\"_azbatch\"}]", ERR_CONFLICT },
    };
    Err err;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (apply(bad[i].json, &err) || err.code != bad[i].code)
            fail_msg("%s: %s", bad[i].json, err.text);
    assert_true(apply("[{\"name\":\"bob\",\"uid\":5000,\"gid\":5000}]", &err));
    assert_false(apply("[{\"name\":\"bob\",\"uid\":5001,\"gid\":5001}]", &err));
    assert_false(apply("[{\"name\":\"eve\",\"uid\":5000,\"gid\":5000}]", &err));
}

static void test_a_user_the_node_lacks_fails_the_task_and_root_is_no_name(void **state)
{
    (void)state;
    static const char *const users[] = { "nobody-here", "root", "nobody" };
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        Str run_id = node_run_id(&fixture);
        runs_begin(runs, node_run(&fixture, run_id, "t1", "true", str_printf(fixture.arena, ",\"user\":{\"scope\":\"named\",\"name\":\"%s\"}", users[i]).ptr));
        assert_str(json_str(json_path(node_wait_end(&fixture, run_id), "failure.code")), "CommandLaunchFailed");
    }
}

static int start(void **state) { return node_fixture_start_as_root(state, &fixture, &runs); }
static int stop(void **state) { return node_fixture_stop_as_root(state, &fixture, runs); }

AS_ROOT(test_a_task_has_a_user_of_its_own_without_any_right)
AS_ROOT(test_the_pools_users_are_one_each)
AS_ROOT(test_a_retry_has_the_same_user_and_its_files)
AS_ROOT(test_tasks_do_not_see_each_others_files)
AS_ROOT(test_shared_is_everybodys)
AS_ROOT(test_what_the_start_task_makes_others_read_and_do_not_write)
AS_ROOT(test_the_environment_is_the_documented_one_and_the_tasks_own)
AS_ROOT(test_a_program_in_the_working_directory_is_found)
AS_ROOT(test_named_accounts_run_tasks_with_their_ids_and_homes)
AS_ROOT(test_an_administrators_groups_of_a_user_are_kept)
AS_ROOT(test_accounts_that_cannot_be_are_refused)
AS_ROOT(test_a_user_the_node_lacks_fails_the_task_and_root_is_no_name)
#define ON_A_NODE(name) cmocka_unit_test_setup_teardown(name##_as_root, start, stop)

int main(int argc, char **argv)
{
    node_fixture_main(argc, argv);
    const struct CMUnitTest tests[] = {
        ON_A_NODE(test_a_task_has_a_user_of_its_own_without_any_right),
        ON_A_NODE(test_the_pools_users_are_one_each),
        ON_A_NODE(test_a_retry_has_the_same_user_and_its_files),
        ON_A_NODE(test_tasks_do_not_see_each_others_files),
        ON_A_NODE(test_shared_is_everybodys),
        ON_A_NODE(test_what_the_start_task_makes_others_read_and_do_not_write),
        ON_A_NODE(test_the_environment_is_the_documented_one_and_the_tasks_own),
        ON_A_NODE(test_a_program_in_the_working_directory_is_found),
        ON_A_NODE(test_named_accounts_run_tasks_with_their_ids_and_homes),
        ON_A_NODE(test_an_administrators_groups_of_a_user_are_kept),
        ON_A_NODE(test_accounts_that_cannot_be_are_refused),
        ON_A_NODE(test_a_user_the_node_lacks_fails_the_task_and_root_is_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
