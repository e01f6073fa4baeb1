/* test_extension.c - a node's extensions below a temporary directory. Their program is this one, called as the certificate agent is. */
#include "../cm.h"
#include "../parsed.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/file.h"
#include "node/commands/extension.h"

enum { EVENT_WITHIN_MS = 120 * 1000, ARENA_BYTES = 8 << 20 };

typedef struct Machine { char dir[64], programs[80], refuses[100]; Extensions *extensions; Arena *arena; } Machine;
static Machine machine;

/* ---- the machine's clock and its inotify instances, which the linker leads here ---- */

static int64_t clock_ahead_ms;
static bool no_inotify;

int64_t __real_mono_now_ms(void);
int64_t __wrap_mono_now_ms(void);
int64_t __wrap_mono_now_ms(void) { return __real_mono_now_ms() + clock_ahead_ms; }

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __wrap_inotify_init1(int flags)
{
    errno = EMFILE;
    return no_inotify ? -1 : __real_inotify_init1(flags);
}

/* ---- the program: says who it is in its status, and waits to be stopped. With a file "refuses" beside it, it ends at once. ---- */

static int be_the_program(char **argv)
{
    char text[200], refuses[200], program[160];
    int number;
    sigset_t term;
    Err err = { 0 };
    (void)snprintf(program, sizeof program, "%s", argv[0]);
    *strrchr(program, '/') = '\0';
    (void)snprintf(refuses, sizeof refuses, "%s/refuses", program);
    if (access(refuses, F_OK) == 0)
        return 3;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    (void)snprintf(text, sizeof text, "[{\"timestampUTC\":\"t\",\"status\":{\"status\":\"success\",\"formattedMessage\":{\"message\":\"%d\"}}}]", (int)getpid());
    if (strcmp(argv[1], "--settings") != 0 || strcmp(argv[3], "--status") != 0 || strcmp(argv[5], "--clock") != 0 || access(argv[2], R_OK) != 0 ||
        !file_replace(argv[4], bytes_of(str_from(text)), 0644, (uid_t)-1, (gid_t)-1, &err))
        return 4;
    return sigwait(&term, &number) == 0 ? 0 : 5;
}

/* ---- the machine ---- */

static const char *in_dir(const char *rest) { return str_printf(machine.arena, "%s%s", machine.dir, rest).ptr; }

static int set_up(void **state)
{
    char self[200] = "";
    Err err = { 0 };
    (void)state;
    clock_ahead_ms = 0;
    no_inotify = false;
    machine = (Machine){ .dir = "/tmp/vaultyard-ext-XXXXXX", .arena = arena_new(ARENA_BYTES) };
    assert_non_null(mkdtemp(machine.dir));
    (void)snprintf(machine.programs, sizeof machine.programs, "%s/programs", machine.dir);
    (void)snprintf(machine.refuses, sizeof machine.refuses, "%s/refuses", machine.programs);
    assert_int_equal(mkdir(machine.programs, 0755), 0);
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    assert_int_equal(symlink(self, in_dir("/programs/vaultyard-certs")), 0);
    return extensions_new(machine.programs, machine.dir, &machine.extensions, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    Err err = { 0 };
    (void)state;
    extensions_free(machine.extensions);
    arena_free(machine.arena);
    return dir_remove_tree(machine.dir, &err) ? 0 : -1;
}

static const JsonVal *parsed(const char *text) { return json_of(machine.arena, text); }

static const char *item(const char *name, const char *version, const char *settings)
{
    return str_printf(machine.arena, "{\"name\":\"%s\",\"publisher\":\"Microsoft.Azure.KeyVault\",\"type\":\"KeyVaultForLinux\",\"typeHandlerVersion\":\"%s\",\"settings\":%s}",
                      name, version, settings).ptr;
}

static bool applied(const char *items, Err *err)
{
    *err = (Err){ 0 };
    return extensions_apply(machine.extensions, parsed(str_printf(machine.arena, "[%s]", items).ptr), err);
}

static void apply(const char *items)
{
    Err err;
    if (!applied(items, &err))
        fail_msg("%s", err.text);
}

static const JsonVal *view(void)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 1 << 20);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    extensions_write(machine.extensions, machine.arena, &w, "extensions");
    json_close(&w);
    assert_true(json_end(&w, &err));
    return json_get(parsed(str_to_cstr(machine.arena, buf_str(&buf), &err)), "extensions");
}

/* The process that wrote the status of the i-th, once it is another than `former`. */
static pid_t process(size_t i, pid_t former)
{
    for (;;) {
        int64_t pid = 0;
        Err ignored;
        const JsonVal *status = json_at(json_get(json_at(view(), i), "statuses"), 0);
        if (str_to_int64(json_str(json_get(status, "message")), 1, INT32_MAX, &pid, &ignored) && pid != former)
            return (pid_t)pid;
        struct pollfd fd = { .fd = extensions_watch_fd(machine.extensions), .events = POLLIN };
        if (poll(&fd, 1, EVENT_WITHIN_MS) == 0)
            fail_msg("no status came");
        (void)extensions_watched(machine.extensions);
    }
}

static bool is_there(pid_t pid) { return kill(pid, 0) == 0; }

#define FIRST_DIR "/var/lib/waagent/Microsoft.Azure.KeyVault.KeyVaultForLinux-1.0.1363.13"

static Str settings_of(const char *dir)
{
    Str text;
    Err err = { 0 };
    if (!file_read(machine.arena, in_dir(str_printf(machine.arena, "%s/config/1.settings", dir).ptr), 1 << 20, &text, &err))
        fail_msg("%s", err.text);
    return json_text(machine.arena, json_get(json_get(json_at(json_get(parsed(str_to_cstr(machine.arena, text, &err)), "runtimeSettings"), 0), "handlerSettings"), "publicSettings"));
}

/* ---- what is asked for ---- */

static void test_a_new_one_is_laid_out_as_the_machine_agent_does_and_started(void **state)
{
    struct stat about = { 0 };
    (void)state;
    apply(item("KVExt", "1.0", "{\"a\":1}"));
    assert_true(is_there(process(0, 0)));
    assert_str(settings_of(FIRST_DIR), "{\"a\":1}");
    assert_int_equal(stat(in_dir(FIRST_DIR "/config"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    assert_int_equal(stat(in_dir(FIRST_DIR "/config/1.settings"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(stat(in_dir("/var/log/azure/Microsoft.Azure.KeyVault.KeyVaultForLinux/akvvm_service.log"), &about), 0);
    const JsonVal *status = json_at(json_get(json_at(view(), 0), "statuses"), 0);
    assert_str(json_str(json_get(status, "code")), "ProvisioningState/succeeded");
}

static void test_other_settings_reach_the_process_that_runs(void **state)
{
    (void)state;
    apply(item("KVExt", "1.0", "{\"a\":1}"));
    pid_t pid = process(0, 0);
    apply(item("KVExt", "1.0", "{\"a\":2}"));
    assert_str(settings_of(FIRST_DIR), "{\"a\":2}");
    assert_int_equal(extensions_tend(machine.extensions), -1);
    assert_true(is_there(pid));
    assert_int_equal(process(0, 0), pid);                       /* what it said last stays until it says more */
}

static void test_the_same_settings_touch_nothing(void **state)
{
    struct stat before = { 0 }, after = { 0 };
    (void)state;
    apply(item("KVExt", "1.0", "{\"a\":1}"));
    pid_t pid = process(0, 0);
    assert_int_equal(stat(in_dir(FIRST_DIR "/config/1.settings"), &before), 0);
    apply(item("KVExt", "1.0", "{ \"a\" : 1 }"));
    assert_int_equal(stat(in_dir(FIRST_DIR "/config/1.settings"), &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_true(is_there(pid));
}

static void test_one_that_has_just_ended_is_started_with_its_new_settings(void **state)
{
    siginfo_t ended;
    (void)state;
    apply(item("KVExt", "1.0", "{\"a\":1}"));
    pid_t pid = process(0, 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);       /* and nobody has seen it yet */
    apply(item("KVExt", "1.0", "{\"a\":2}"));
    assert_true(is_there(process(0, pid)));
    assert_str(settings_of(FIRST_DIR), "{\"a\":2}");
}

static void test_another_version_lives_in_a_directory_of_its_own(void **state)
{
    (void)state;
    apply(item("KVExt", "1.0", "{\"a\":1}"));
    pid_t pid = process(0, 0);
    apply(item("KVExt", "3", "{\"a\":1}"));
    assert_false(is_there(pid));
    assert_true(is_there(process(0, pid)));
    assert_str(settings_of("/var/lib/waagent/Microsoft.Azure.KeyVault.KeyVaultForLinux-3.0.1363.13"), "{\"a\":1}");
}

static void test_what_is_not_asked_for_any_more_is_stopped(void **state)
{
    (void)state;
    apply(str_printf(machine.arena, "%s,%s", item("KVExt", "1.0", "{}"), item("Other", "2.1.3", "{}")).ptr);
    pid_t first = process(0, 0), second = process(1, 0);
    apply(item("Other", "2.1.3", "{}"));
    assert_false(is_there(first));
    assert_true(is_there(second));
    assert_int_equal(json_count(view()), 1);
    assert_int_equal(process(0, 0), second);
    apply("");
    assert_false(is_there(second));
    assert_int_equal(json_count(view()), 0);
}

static void test_one_that_ends_is_started_again_after_a_pause_that_grows(void **state)
{
    siginfo_t ended;
    (void)state;
    FILE *file = fopen(machine.refuses, "w");
    assert_non_null(file);
    (void)fclose(file);
    apply(item("KVExt", "1.0", "{}"));
    int64_t pauses[2];
    for (size_t i = 0; i < COUNT_OF(pauses); i++) {
        assert_int_equal(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT), 0);
        pauses[i] = extensions_tend(machine.extensions);
        assert_true(pauses[i] > 0);
        if (i == 1)
            assert_int_equal(unlink(machine.refuses), 0);
        assert_int_equal(poll(NULL, 0, (int)pauses[i] + 1), 0);
        assert_int_equal(extensions_tend(machine.extensions), -1);
    }
    assert_true(pauses[1] > 500);                               /* the first is at most that */
    assert_true(is_there(process(0, 0)));
}

static void test_the_pause_begins_anew_after_a_run_that_lasted(void **state)
{
    siginfo_t ended;
    pid_t pid = 0;
    int64_t pauses[4];
    (void)state;
    apply(item("KVExt", "1.0", "{}"));
    for (size_t i = 0; i < COUNT_OF(pauses); i++) {
        pid = process(0, pid);
        if (i == 3)
            clock_ahead_ms += 11 * 1000;
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
        pauses[i] = extensions_tend(machine.extensions);
        clock_ahead_ms += pauses[i];
        (void)extensions_tend(machine.extensions);
    }
    assert_true(pauses[1] > 500 && pauses[2] > 1000);
    assert_in_range(pauses[3], 1, 500);
}

static void say(const char *status, const char *message)
{
    Err err = { 0 };
    Str text = str_printf(machine.arena, "[{\"status\":{\"status\":\"%s\",\"formattedMessage\":{\"message\":\"%s\"}}}]", status, message);
    assert_true(file_replace(in_dir(FIRST_DIR "/status/1.status"), bytes_of(text), 0644, (uid_t)-1, (gid_t)-1, &err));
}

/* ---- what cannot be ---- */

static void test_without_inotify_a_status_is_found_by_looking(void **state)
{
    (void)state;
    no_inotify = true;
    apply(item("KVExt", "1.0", "{}"));
    assert_int_equal(extensions_watch_fd(machine.extensions), -1);
    while (!extensions_watched(machine.extensions)) {
        int64_t look_ms = extensions_tend(machine.extensions);
        assert_in_range(look_ms, 0, 2000);
        assert_int_equal(poll(NULL, 0, (int)look_ms), 0);
    }
    assert_true(is_there(process(0, 0)));

    no_inotify = false;                                         /* others have ended: it is watched again with the next look */
    clock_ahead_ms += extensions_tend(machine.extensions);
    (void)extensions_watched(machine.extensions);
    assert_true(extensions_watch_fd(machine.extensions) >= 0);
    assert_int_equal(extensions_tend(machine.extensions), -1);
    say("success", "so it is");
    assert_true(extensions_watched(machine.extensions));
}

static void test_what_is_no_extension_of_ours_is_refused_and_the_others_run(void **state)
{
    static const char *const wrong[] = {
        "{\"name\":\"E\",\"publisher\":\"Microsoft.Azure.KeyVault\",\"type\":\"CustomScript\"}",
        "{\"name\":\"../E\",\"publisher\":\"Microsoft.Azure.KeyVault\",\"type\":\"KeyVaultForLinux\"}",
        "{\"name\":\"E\",\"publisher\":\"a/b\",\"type\":\"KeyVaultForLinux\"}",
        "{\"name\":\"E\",\"publisher\":\"..\",\"type\":\"KeyVaultForLinux\"}",
        "{\"name\":\"E\",\"publisher\":\"p\",\"type\":\"KeyVaultForLinux\",\"typeHandlerVersion\":\"1/0\"}",
        "{\"name\":\"\",\"publisher\":\"p\",\"type\":\"KeyVaultForLinux\"}",
        "{\"publisher\":\"p\",\"type\":\"KeyVaultForLinux\"}",
        "{\"name\":7,\"publisher\":\"p\",\"type\":\"KeyVaultForLinux\"}",
    };
    Err err;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(applied(str_printf(machine.arena, "%s,%s", wrong[i], item("Good", "1.0", "{}")).ptr, &err));
        assert_true(err.code == ERR_NOT_BUILT || err.code == ERR_BAD_INPUT);
        assert_int_equal(json_count(view()), 1);
    }
    assert_true(is_there(process(0, 0)));
}

static void test_there_is_a_most_of_them(void **state)
{
    Err err;
    const char *items = item("E0", "1.0.0.0", "{}");
    (void)state;
    for (int i = 1; i <= EXTENSIONS_MAX; i++)
        items = str_printf(machine.arena, "%s,%s", items, item(str_printf(machine.arena, "E%d", i).ptr, str_printf(machine.arena, "1.0.0.%d", i).ptr, "{}")).ptr;
    assert_false(applied(items, &err));
    assert_int_equal(json_count(view()), EXTENSIONS_MAX);
}

static void in_the_way(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
}

static void test_settings_that_cannot_be_written_come_with_the_next_lease(void **state)
{
    Err err;
    const char *config, *aside;
    (void)state;
    config = in_dir(FIRST_DIR "/config");
    aside = in_dir(FIRST_DIR "/aside");
    assert_true(dir_make(in_dir(FIRST_DIR), 0755, &err));
    in_the_way(config);
    assert_false(applied(item("KVExt", "1.0", "{\"a\":1}"), &err));
    assert_int_equal(extensions_tend(machine.extensions), -1);  /* nothing is started without settings */
    assert_int_equal(unlink(config), 0);
    apply(item("KVExt", "1.0", "{\"a\":1}"));
    pid_t pid = process(0, 0);

    assert_int_equal(rename(config, aside), 0);
    in_the_way(config);
    assert_false(applied(item("KVExt", "1.0", "{\"a\":2}"), &err));
    assert_true(is_there(pid));                                 /* by the former settings */
    assert_int_equal(unlink(config), 0);
    assert_int_equal(rename(aside, config), 0);
    apply(item("KVExt", "1.0", "{\"a\":2}"));
    assert_true(is_there(pid));
    assert_str(settings_of(FIRST_DIR), "{\"a\":2}");
}

/* ---- what the node's state hears of them ---- */

static void test_a_node_waits_for_the_first_sync_where_that_is_required(void **state)
{
    static const struct { const char *status; ExtensionsState state; } rows[] = {
        { "transitioning", EXTENSIONS_WAITING }, { "success", EXTENSIONS_READY }, { "warning", EXTENSIONS_READY }, { "error", EXTENSIONS_FAILED },
    };
    Str reason = STR_NONE;
    (void)state;
    in_the_way(machine.refuses);                                /* its status is ours to write */
    apply(item("KVExt", "1.0", "{\"secretsManagementSettings\":{\"requireInitialSync\":\"true\"}}"));
    assert_int_equal(extensions_state(machine.extensions, machine.arena, &reason), EXTENSIONS_WAITING);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        say(rows[i].status, "so it is");
        assert_int_equal(extensions_state(machine.extensions, machine.arena, &reason), rows[i].state);
    }
    assert_str(reason, "extension 'KVExt': so it is");
    apply(item("KVExt", "1.0", "{}"));
    say("error", "so it is");
    assert_int_equal(extensions_state(machine.extensions, machine.arena, &reason), EXTENSIONS_READY);
}

static void test_a_status_that_is_none_reads_as_starting(void **state)
{
    static const char *const wrong[] = { "", "{", "[]", "[{\"status\":{\"status\":7}}]" };
    Err err = { 0 };
    (void)state;
    in_the_way(machine.refuses);
    apply(item("KVExt", "1.0", "{}"));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_true(file_replace(in_dir(FIRST_DIR "/status/1.status"), bytes_of(str_from(wrong[i])), 0644, (uid_t)-1, (gid_t)-1, &err));
        assert_str(json_str(json_get(json_at(json_get(json_at(view(), 0), "statuses"), 0), "code")), "ProvisioningState/transitioning");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    if (argc == 7)
        return be_the_program(argv);
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_one_is_laid_out_as_the_machine_agent_does_and_started),
        TEST(test_other_settings_reach_the_process_that_runs),
        TEST(test_the_same_settings_touch_nothing),
        TEST(test_one_that_has_just_ended_is_started_with_its_new_settings),
        TEST(test_another_version_lives_in_a_directory_of_its_own),
        TEST(test_what_is_not_asked_for_any_more_is_stopped),
        TEST(test_one_that_ends_is_started_again_after_a_pause_that_grows),
        TEST(test_the_pause_begins_anew_after_a_run_that_lasted),
        TEST(test_without_inotify_a_status_is_found_by_looking),
        TEST(test_what_is_no_extension_of_ours_is_refused_and_the_others_run),
        TEST(test_there_is_a_most_of_them),
        TEST(test_settings_that_cannot_be_written_come_with_the_next_lease),
        TEST(test_a_node_waits_for_the_first_sync_where_that_is_required),
        TEST(test_a_status_that_is_none_reads_as_starting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
