/* test_certdir.c - who finds which account certificate, and where. Needs root; without it every test says that it is skipped. */
#include "../cm.h"
#include "../parsed.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "node/commands/files.h"
#include "node/runs/certdir.h"
#include "node_fixture.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"
/* The data are "pfx-a", "cer-b", "pfx-c". */
#define GIVEN_A "{\"thumbprint\":\"" A "\",\"format\":\"pfx\",\"visibility\":[\"starttask\",\"task\"],\"data\":\"cGZ4LWE=\",\"password\":\"it's\"}"
#define GIVEN_B "{\"thumbprint\":\"" B "\",\"format\":\"cer\",\"visibility\":[\"task\"],\"data\":\"Y2VyLWI=\"}"
#define GIVEN_C "{\"thumbprint\":\"" C "\",\"format\":\"pfx\",\"visibility\":[\"remoteuser\"],\"data\":\"cGZ4LWM=\",\"password\":\"\"}"
#define POOL_USER  ",\"user\":{\"scope\":\"pool\"}"
#define LOOK "/bin/sh -c 'cd $AZ_BATCH_CERTIFICATES_DIR && pwd && stat -c \\\"%n %a %u %g\\\" . * && tail -n +1 sha1*'"

static NodeFixture fixture;
static Runs *runs;

static const JsonVal *parse(const char *text) { return json_of(fixture.arena, text); }

static void give(const char *list)
{
    Err err = { 0 };
    if (!certdir_keep(&fixture.places, parse(list), &err))
        fail_msg("%s", err.text);
}

static Str held(bool *asks)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 1 << 16);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    assert_true(certdir_write_held(&fixture.places, &w, asks, &err));
    json_close(&w);
    assert_true(json_end(&w, &err));
    return str_dup(fixture.arena, buf_str(&buf));
}

/* What a run of `kind` printed, with exit code 0. */
static Str output_of(const char *kind, const char *task, const char *command_line, const char *user)
{
    Str run_id = node_run_id(&fixture);
    bool is_start = strcmp(kind, "starttask") == 0;
    const char *directory = is_start ? "startup" : str_printf(fixture.arena, "workitems/job1/job-1/%s", task).ptr;
    runs_begin(runs, parse(str_printf(fixture.arena, "{\"runId\":\"" STR_FMT "\",\"kind\":\"%s\",\"jobId\":\"job1\",\"taskId\":\"%s\",\"directory\":\"%s\",\"commandLine\":\"%s\"%s}",
                                      STR_ARG(run_id), kind, task, directory, command_line, user).ptr));
    const JsonVal *end = node_wait_end(&fixture, run_id);
    if (json_int(json_get(end, "exitCode"), -1) != 0)
        fail_msg("%s: " STR_FMT, command_line, STR_ARG(json_text(fixture.arena, end)));
    return node_file(&fixture, str_printf(fixture.arena, "%s/stdout.txt", directory).ptr);
}

static bool holds(Str text, const char *part)
{
    size_t at;
    return str_find(text, str_from(part), &at);
}

static bool is_there(const char *path) { return access(node_path(&fixture, path), F_OK) == 0; }

static void test_a_node_asks_until_it_was_given_and_then_tells_what_it_has(void **state)
{
    (void)state;
    bool asks;
    struct stat st;
    assert_str(held(&asks), "{}");
    assert_true(asks);
    give("[]");
    assert_str(held(&asks), "{\"certificates\":[]}");
    assert_false(asks);
    give("[" GIVEN_A "," GIVEN_B "]");
    assert_str(held(&asks), "{\"certificates\":[\"" A "\",\"" B "\"]}");
    assert_int_equal(stat(fixture.places.certificates_file, &st), 0);
    assert_true((st.st_mode & 07777) == 0600 && st.st_uid == 0);
}

static void test_a_task_finds_what_tasks_may_see_as_its_own(void **state)
{
    (void)state;
    give("[" GIVEN_A "," GIVEN_B "," GIVEN_C "]");
    Str out = output_of("task", "t1", LOOK, "");
    assert_true(holds(out, "/workitems/job1/job-1/t1/certs\n. 500 60101 60101\n"));
    assert_true(holds(out, "\nsha1-" A ".pfx 400 60101 60101\nsha1-" A ".pfx.pw 400 60101 60101\nsha1-" B ".cer 400 60101 60101\n"));
    assert_true(holds(out, "pfx-a") && holds(out, "it's") && holds(out, "cer-b") && !holds(out, C));
    out = output_of("jobpreparation", "jobpreparation", LOOK, POOL_USER);
    assert_true(holds(out, "/workitems/job1/job-1/jobpreparation/certs\n. 500 1000 1001\n") && holds(out, "sha1-" B ".cer 400 1000 1001\n"));
}

static void test_a_start_task_finds_what_start_tasks_may_see(void **state)
{
    (void)state;
    give("[" GIVEN_A "," GIVEN_B "]");
    Str out = output_of("starttask", "", LOOK, POOL_USER);
    assert_true(holds(out, "/startup/certs\n. 500 1000 1001\n") && holds(out, "\nsha1-" A ".pfx.pw 400 1000 1001\n") && !holds(out, B));
}

static void test_the_directory_goes_with_its_run(void **state)
{
    (void)state;
    give("[" GIVEN_A "]");
    (void)output_of("task", "t1", "/bin/sh -c 'test -d $AZ_BATCH_TASK_DIR/certs'", "");
    assert_true(is_there("workitems/job1/job-1/t1/wd") && !is_there("workitems/job1/job-1/t1/certs"));
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, "t2", "no-such-program", ""));
    (void)node_wait_end(&fixture, run_id);
    assert_true(is_there("workitems/job1/job-1/t2/wd") && !is_there("workitems/job1/job-1/t2/certs"));
}

static void test_nobody_else_reads_them(void **state)
{
    (void)state;
    give("[" GIVEN_A "]");
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, "t1", "/bin/sh -c \"echo up; tail -f /dev/null\"", ""));
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"));
    assert_true(is_there("workitems/job1/job-1/t1/certs/sha1-" A ".pfx"));
    const char *look = str_printf(fixture.arena, "/bin/sh -c '! cat %s/sha1-" A ".pfx'", node_path(&fixture, "workitems/job1/job-1/t1/certs")).ptr;
    assert_str(output_of("task", "t2", look, ""), "");
    assert_str(output_of("task", "t3", look, POOL_USER), "");
    assert_str(output_of("task", "t4", str_printf(fixture.arena, "/bin/sh -c '! cat %s'", fixture.places.certificates_file).ptr, POOL_USER), "");
    runs_end(runs, run_id, STR("TaskEnded"), STR("by the test"));
    (void)node_wait_end(&fixture, run_id);
}

static void test_without_any_to_see_there_is_no_variable_and_no_directory(void **state)
{
    (void)state;
    static const char look[] = "/bin/sh -c 'test -z \\\"${AZ_BATCH_CERTIFICATES_DIR+set}\\\" && ! test -e $AZ_BATCH_TASK_DIR/certs'";
    (void)output_of("task", "t1", look, "");                        /* none were ever given */
    give("[]");
    (void)output_of("task", "t2", look, "");
    give("[" GIVEN_B "]");
    (void)output_of("starttask", "", look, "");                     /* visible to tasks only */
}

static void test_what_a_task_put_in_its_place_is_not_followed_and_its_own_files_stay(void **state)
{
    (void)state;
    give("[" GIVEN_A "]");
    (void)output_of("task", "t1", "/bin/sh -c 'chmod 700 $AZ_BATCH_CERTIFICATES_DIR; echo mine > $AZ_BATCH_CERTIFICATES_DIR/notes'", "");
    assert_str(node_file(&fixture, "workitems/job1/job-1/t1/certs/notes"), "mine\n");
    assert_false(is_there("workitems/job1/job-1/t1/certs/sha1-" A ".pfx"));
    assert_true(holds(output_of("task", "t1", "/bin/sh -c 'cd $AZ_BATCH_CERTIFICATES_DIR; cat notes sha1-" A ".pfx'", ""), "mine\npfx-a"));
    (void)output_of("task", "t2", "/bin/sh -c 'chmod 700 ../certs; rm -rf ../certs; ln -s /tmp ../certs'", "");
    (void)output_of("task", "t2", "/bin/sh -c '! test -L ../certs && test -f ../certs/sha1-" A ".pfx && ! test -e /tmp/sha1-" A ".pfx'", "");
}

static void test_another_boot_finds_nothing_of_the_one_before(void **state)
{
    (void)state;
    Err err = { 0 };
    static const char *const left[] = { "startup/certs/sha1-" A ".pfx", "workitems/job1/job-1/t9/certs/sha1-" A ".pfx.pw" };
    for (size_t i = 0; i < COUNT_OF(left); i++) {                   /* the machine lost power while these ran */
        char *path = (char *)(uintptr_t)node_path(&fixture, left[i]), *slash = strrchr(path, '/');
        *slash = '\0';
        assert_true(dir_make(path, 0700, &err));
        *slash = '/';
        assert_true(file_replace(path, bytes_of(STR("key")), 0400, (uid_t)-1, (gid_t)-1, &err));
    }
    give("[" GIVEN_B "]");
    assert_true(!is_there("startup/certs") && is_there("startup") && !is_there("workitems/job1/job-1/t9/certs") && is_there("workitems/job1/job-1/t9"));
}

static void test_named_accounts_find_them_in_their_homes(void **state)
{
    (void)state;
    Err err = { 0 };
    struct stat st;
    const JsonVal *users = parse("[{\"name\":\"alice\",\"admin\":false,\"uid\":2001,\"gid\":2002},{\"name\":\"bob\",\"admin\":true}]");
    assert_true(users_apply(&fixture.places, users, &err));
    give("[" GIVEN_A "," GIVEN_C "]");
    assert_true(certdir_make_homes(&fixture.places, users, &err));
    const char *dir = str_printf(fixture.arena, "%s/alice/certs", fixture.places.home_dir).ptr, *file = str_printf(fixture.arena, "%s/sha1-" C ".pfx.pw", dir).ptr;
    assert_int_equal(stat(dir, &st), 0);
    assert_true((st.st_mode & 07777) == 0500 && st.st_uid == 2001 && st.st_gid == 2002);
    assert_int_equal(stat(file, &st), 0);
    assert_true((st.st_mode & 07777) == 0400 && st.st_uid == 2001 && st.st_size == 0);
    assert_true(access(str_printf(fixture.arena, "%s/sha1-" A ".pfx", dir).ptr, F_OK) < 0);
    assert_int_equal(access(str_printf(fixture.arena, "%s/bob/certs/sha1-" C ".pfx", fixture.places.home_dir).ptr, F_OK), 0);
    give("[]");
    assert_true(certdir_make_homes(&fixture.places, users, &err));
    assert_true(access(dir, F_OK) < 0 && access(str_printf(fixture.arena, "%s/alice", fixture.places.home_dir).ptr, F_OK) == 0);
    assert_false(certdir_make_homes(&fixture.places, parse("[{\"name\":\"nobody\"}]"), &err));
}

static FileAnswer ask(const char *op, const char *path)
{
    FileAnswer answer;
    FileAsk what = { .op = str_from(op), .path = str_from(path), .recursive = true };
    files_do(fixture.arena, fixture.places.tasks_dir, &what, &answer);
    return answer;
}

static void test_the_file_commands_neither_show_nor_read_them(void **state)
{
    (void)state;
    give("[" GIVEN_A "]");
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, "t1", "/bin/sh -c \"mkdir certs; echo up | tee certs/mine; tail -f /dev/null\"", ""));
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"));
    assert_true(is_there("workitems/job1/job-1/t1/certs/sha1-" A ".pfx"));
    FileAnswer list = ask("list", "workitems");
    bool has_mine = false;
    for (size_t i = 0; i < list.count; i++) {
        assert_false(certdir_is_at(list.entries[i].path) || holds(list.entries[i].path, "sha1-"));
        has_mine = has_mine || str_ends(list.entries[i].path, STR("t1/wd/certs/mine"));
    }
    assert_true(has_mine);                                          /* another directory of that name is no secret */
    static const char *const paths[] = { "workitems/job1/job-1/t1/certs", "workitems/job1/job-1/t1/certs/sha1-" A ".pfx", "workitems/job1/job-1/t1/certs/sha1-" A ".pfx.pw" };
    static const char *const ops[] = { "list", "stat", "read", "delete" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        for (size_t k = 0; k < COUNT_OF(ops); k++)
            assert_string_equal(ask(ops[k], paths[i]).error, "FileNotFound");
    assert_string_equal(ask("read", "workitems/job1/job-1/t1/wd/certs/mine").error, "");
    runs_end(runs, run_id, STR("TaskEnded"), STR("by the test"));
    (void)node_wait_end(&fixture, run_id);
}

static void test_the_place_of_certificates_is_told_from_others(void **state)
{
    (void)state;
    static const char *const ours[] = { "startup/certs", "startup/certs/x", "workitems/j/job-1/t/certs", "workitems/j/job-1/t/certs/a/b" };
    static const char *const others[] = { "", "certs", "startup", "startup/wd/certs", "shared/certs", "workitems/certs", "workitems/j/certs/t/x", "workitems/j/job-1/certs",
                                          "workitems/j/job-1/t/wd/certs", "workitems/j/job-1/t/certsx", "a/b/c/d/certs", "shared/b/c/d/certs" };
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_true(certdir_is_at(str_from(ours[i])));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(certdir_is_at(str_from(others[i])));
}

static void test_a_list_that_is_none_is_refused_and_nothing_is_kept(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "{}", "[1]", "[{}]",
        "[{\"thumbprint\":\"../../../etc/cron.d/aaaaaaaaaaaaaaaaaaaaaaaa\",\"format\":\"pfx\",\"visibility\":[],\"data\":\"\"}]",
        "[{\"thumbprint\":\"" A "a\",\"format\":\"pfx\",\"visibility\":[],\"data\":\"\"}]",
        "[{\"thumbprint\":\"" A "\",\"format\":\"pem\",\"visibility\":[],\"data\":\"\"}]",
        "[{\"thumbprint\":\"" A "\",\"format\":\"pfx\",\"visibility\":[],\"data\":\"%\"}]",
    };
    bool asks;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        Err err = { 0 };
        assert_false(certdir_keep(&fixture.places, parse(lists[i]), &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    (void)held(&asks);
    assert_true(asks);
}

static int start(void **state) { return node_fixture_start_as_root(state, &fixture, &runs); }
static int stop(void **state) { return node_fixture_stop_as_root(state, &fixture, runs); }

AS_ROOT(test_a_node_asks_until_it_was_given_and_then_tells_what_it_has)
AS_ROOT(test_a_task_finds_what_tasks_may_see_as_its_own)
AS_ROOT(test_a_start_task_finds_what_start_tasks_may_see)
AS_ROOT(test_the_directory_goes_with_its_run)
AS_ROOT(test_nobody_else_reads_them)
AS_ROOT(test_without_any_to_see_there_is_no_variable_and_no_directory)
AS_ROOT(test_what_a_task_put_in_its_place_is_not_followed_and_its_own_files_stay)
AS_ROOT(test_another_boot_finds_nothing_of_the_one_before)
AS_ROOT(test_named_accounts_find_them_in_their_homes)
AS_ROOT(test_the_file_commands_neither_show_nor_read_them)
AS_ROOT(test_the_place_of_certificates_is_told_from_others)
AS_ROOT(test_a_list_that_is_none_is_refused_and_nothing_is_kept)
#define ON_A_NODE(name) cmocka_unit_test_setup_teardown(name##_as_root, start, stop)

int main(int argc, char **argv)
{
    node_fixture_main(argc, argv);
    const struct CMUnitTest tests[] = {
        ON_A_NODE(test_a_node_asks_until_it_was_given_and_then_tells_what_it_has),
        ON_A_NODE(test_a_task_finds_what_tasks_may_see_as_its_own),
        ON_A_NODE(test_a_start_task_finds_what_start_tasks_may_see),
        ON_A_NODE(test_the_directory_goes_with_its_run),
        ON_A_NODE(test_nobody_else_reads_them),
        ON_A_NODE(test_without_any_to_see_there_is_no_variable_and_no_directory),
        ON_A_NODE(test_what_a_task_put_in_its_place_is_not_followed_and_its_own_files_stay),
        ON_A_NODE(test_another_boot_finds_nothing_of_the_one_before),
        ON_A_NODE(test_named_accounts_find_them_in_their_homes),
        ON_A_NODE(test_the_file_commands_neither_show_nor_read_them),
        ON_A_NODE(test_the_place_of_certificates_is_told_from_others),
        ON_A_NODE(test_a_list_that_is_none_is_refused_and_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
