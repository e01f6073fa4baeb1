/* test_kills.c - kill -9 at every system call of an agent that begins a run, and of a keeper from its start to its end: no run is run
 * twice, no exit code that was written is lost, nothing goes on unseen. NODE_KILL_STRIDE takes every so manieth call only (default 3). */
#include "../cm.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "node/runs/certdir.h"
#include "node/runs/keep.h"
#include "node/runs/processes.h"
#include "node_fixture.h"

enum { MARK_ARG = 424242, CALLS_MAX = 5000 };
#define SCRIPT "/bin/sh -c 'echo x >> ../count; exit 7'"

static NodeFixture fixture;

static int stride(void)
{
    const char *text = getenv("NODE_KILL_STRIDE");
    return text && text[0] >= '1' && text[0] <= '9' && !text[1] ? text[0] - '0' : 3;
}

/* -- killing at a system call -- */

typedef bool IsMark(const struct __ptrace_syscall_info *info);
static bool is_agents_mark(const struct __ptrace_syscall_info *info) { return info->entry.nr == SYS_getpgid && info->entry.args[0] == MARK_ARG; }
static bool is_keepers_mark(const struct __ptrace_syscall_info *info) { return info->entry.nr == SYS_prctl && info->entry.args[0] == PR_SET_CHILD_SUBREAPER; }

/* Lets the traced child, stopped before its exec, run up to its `nth` call after the mark and kills it there. false: it ended before. */
static bool kill_at(pid_t child, IsMark *is_mark, int nth)
{
    int status, calls = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
    for (int deliver = 0;;) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, 0, deliver), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status))
            return false;
        deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        struct __ptrace_syscall_info info;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80) || ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
            continue;
        if (calls < 0 ? is_mark(&info) : true)
            calls++;
        if (calls == nth)
            break;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

static void be_traced(void)
{
    assert_int_equal(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
    (void)raise(SIGSTOP);
}

/* -- what must hold afterwards -- */

static size_t times_run(const char *task)
{
    Str count;
    Err err = { 0 };
    const char *path = node_path(&fixture, str_printf(fixture.arena, "workitems/job1/job-1/%s/count", task).ptr);
    if (!file_read(fixture.arena, path, 4096, &count, &err))
        return 0;
    return count.len / 2;
}

/* An agent comes, the command is given again as long as nothing was reported, and the run ends one way or the other. Its exit code, or that it was lost. */
static int settle(Str run_id, const char *task, const JsonVal *run)
{
    Runs *runs = node_fixture_runs(&fixture);
    if (node_reports(&fixture, run_id, "running") == 0 && node_reports(&fixture, run_id, "completed") == 0)
        runs_begin(runs, run);
    const JsonVal *end = node_wait_end(&fixture, run_id);
    int code = (int)json_int(json_get(end, "exitCode"), -1);
    bool is_lost = str_eq(json_str(json_get(end, "state")), STR("lost"));
    size_t times = times_run(task);
    if (is_lost ? times > 1 : times != 1 || code != 7)
        fail_msg("%s: ran %zu times: " STR_FMT, task, times, STR_ARG(json_text(fixture.arena, end)));
    assert_int_equal(node_reports(&fixture, run_id, "completed") + node_reports(&fixture, run_id, "lost"), 1);
    runs_drop(runs, run_id);
    for (int64_t until = mono_now_ms() + NODE_WAIT_MS; journal_has(&fixture.places, run_id, JOURNAL_RUN); usleep(1000))
        assert_true(mono_now_ms() < until);
    runs_stop(runs);
    return is_lost ? -1 : code;
}

/* -- the agent -- */

/* "agent <below> <file with the run>": begins the run, with a mark before it, and ends. */
static void agent_main(char **argv)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str text;
    const JsonVal *run;
    Err err = { 0 };
    fixture.arena = arena_new(16 << 20);
    fixture.program = "/proc/self/exe";
    if (!arena || !node_places(fixture.arena, argv[2], &fixture.places, &err) || !node_card_read(fixture.arena, &fixture.places, &fixture.card, &err) ||
        !control_load(&fixture.card, &err) || !file_read(arena, argv[3], 1 << 16, &text, &err) || !json_parse(arena, text, JSON_STRICT, &run, &err))
        _exit(9);
    char program[4096] = "";
    if (readlink("/proc/self/exe", program, sizeof program - 1) <= 0)
        _exit(9);
    fixture.program = program;
    Runs *runs = node_fixture_runs(&fixture);
    (void)syscall(SYS_getpgid, MARK_ARG);
    runs_begin(runs, run);
    _exit(0);
}

static void test_an_agent_killed_at_any_call_neither_loses_nor_repeats_a_run(void **state)
{
    (void)state;
    bool was_killed = true;
    int calls = 0;
    for (; was_killed; calls += stride()) {
        Err err = { 0 };
        Str run_id = node_run_id(&fixture);
        const char *task = str_printf(fixture.arena, "a%d", calls).ptr, *path = str_printf(fixture.arena, "%s/run.json", fixture.dir).ptr;
        const JsonVal *run = node_run(&fixture, run_id, task, SCRIPT, "");
        assert_true(file_replace(path, bytes_of(json_text(fixture.arena, run)), 0600, (uid_t)-1, (gid_t)-1, &err));
        pid_t child = fork();
        if (child == 0) {
            be_traced();
            execl(fixture.program, fixture.program, "agent", fixture.dir, path, (char *)NULL);
            _exit(127);
        }
        was_killed = kill_at(child, is_agents_mark, calls);
        assert_int_equal(settle(run_id, task, run), 7);         /* only a keeper's death may lose one */
        assert_true(calls < CALLS_MAX);
    }
    assert_true(calls > 20);                                    /* it did go through the steps of beginning */
}

/* -- the keeper -- */

static int open_tool(Str run_id, JournalFile file, int flags)
{
    int fd = open(journal_path(&fixture.places, fixture.arena, run_id, file), flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* As keeper_start does it, but a child of ours and traced. */
static pid_t start_traced_keeper(Str run_id)
{
    int tools[] = { open_tool(run_id, JOURNAL_LOCK, O_WRONLY), open_tool(run_id, JOURNAL_POKE, O_RDWR | O_NONBLOCK), open_tool(run_id, JOURNAL_ALIVE, O_RDWR | O_NONBLOCK) };
    assert_int_equal(flock(tools[0], LOCK_EX | LOCK_NB), 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++)
            tools[i] = fcntl(tools[i], F_DUPFD, 100);
        for (int i = 0; i < 3; i++)
            (void)dup2(tools[i], KEEP_LOCK_FD + i);
        (void)close_range(KEEP_FD_END, ~0U, 0);
        be_traced();
        execl(fixture.program, fixture.program, "keep", run_id.ptr, fixture.dir, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 3; i++)
        (void)close(tools[i]);
    return child;
}

static void test_a_keeper_killed_at_any_call_never_makes_a_run_run_twice(void **state)
{
    (void)state;
    RunNode node = { STR("node1"), STR("account1"), STR("https://x"), STR("pool1"), true };
    int calls = 0, lost = 0, completed = 0;
    Runs *first = node_fixture_runs(&fixture);          /* lays the node out */
    runs_stop(first);
    for (bool was_killed = true; was_killed; calls += stride()) {
        Err err = { 0 };
        Str run_id = node_run_id(&fixture);
        const char *task = str_printf(fixture.arena, "k%d", calls).ptr;
        const JsonVal *run = node_run(&fixture, run_id, task, SCRIPT, "");
        if (!journal_add(&fixture.places, run_id, run, &node, 1, real_now_ms(), &err))
            fail_msg("%s", err.text);
        was_killed = kill_at(start_traced_keeper(run_id), is_keepers_mark, calls);
        int code = settle(run_id, task, run);
        lost += code < 0;
        completed += code == 7;
        assert_true(was_killed || code == 7);
        assert_true(calls < CALLS_MAX);
    }
    assert_true(lost > 0 && completed > 1);             /* killed before, within and after the process's life */
}

/* -- what a killed keeper leaves -- */

static pid_t find_keeper(Str run_id)
{
    pid_t found = 0;
    DIR *dir = opendir("/proc");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) && !found;) {
        char path[300], line[4096];
        (void)snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t len = fd >= 0 ? read(fd, line, sizeof line) : -1;
        fd_close(&fd);
        if (len > 0 && memmem(line, (size_t)len, "\0keep\0", 6) && memmem(line, (size_t)len, run_id.ptr, run_id.len))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    (void)closedir(dir);
    return found;
}

static void test_a_killed_keeper_leaves_no_process_and_no_certificate_and_the_run_is_lost(void **state)
{
    static const char certs[] = "[{\"thumbprint\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"format\":\"cer\",\"visibility\":[\"task\"],\"data\":\"\"}]";
    (void)state;
    needs_root();                                       /* nobody else gives runs their mark */
    Runs *runs = node_fixture_runs(&fixture);
    Str run_id = node_run_id(&fixture);
    const JsonVal *list;
    Err err = { 0 };
    assert_true(json_parse(fixture.arena, str_from(certs), JSON_STRICT, &list, &err) && certdir_keep(&fixture.places, list, &err));
    runs_begin(runs, node_run(&fixture, run_id, "t1", "/bin/sh -c \"trap '' TERM; setsid sh -c 'trap \\\"\\\" TERM HUP; echo up; while :; do sleep 1; done' & wait\"", ""));
    assert_true(node_wait_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"));
    const char *dir = node_path(&fixture, "workitems/job1/job-1/t1/certs");
    assert_int_equal(access(dir, F_OK), 0);
    assert_int_equal(kill(find_keeper(run_id), SIGKILL), 0);
    const JsonVal *end = node_wait_end(&fixture, run_id);
    assert_str(json_str(json_get(end, "state")), "lost");
    int count;
    assert_true(access(dir, F_OK) < 0);
    assert_true(processes_signal(&(RunProcesses){ .mark = users_mark(1) }, 0, &count, &err));
    assert_int_equal(count, 0);
    runs_stop(runs);
}

static int start(void **state) { (void)state; node_fixture_start(&fixture); return 0; }
static int stop(void **state) { (void)state; node_fixture_stop(&fixture); return 0; }
#define ON_A_NODE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
    node_fixture_main(argc, argv);
    if (argc == 4 && strcmp(argv[1], "agent") == 0)
        agent_main(argv);
    const struct CMUnitTest tests[] = {
        ON_A_NODE(test_an_agent_killed_at_any_call_neither_loses_nor_repeats_a_run),
        ON_A_NODE(test_a_keeper_killed_at_any_call_never_makes_a_run_run_twice),
        ON_A_NODE(test_a_killed_keeper_leaves_no_process_and_no_certificate_and_the_run_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
