/* test_trim_steps.c - kill -9 between any two steps of a cut, and a cut between any two steps of a verification.
 *
 * The linker leads what a cut does to the disk, and what a verification asks of store and files, through here (--wrap): a child kills itself before or
 * after the n-th step of its cut, for every n; a verification is held up before or after its n-th look while somebody cuts. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/files.h"
#include "trim_fixture.h"

enum { WRITES = TRIM_BATCH + 20, MANY_WRITES = 5000, FILES = 3, READS = 4, STEPS_MAX = 200 };

static _Thread_local int steps_left = -1;      /* -1: this thread is not killed */

static void step(void)
{
    if (steps_left >= 0 && steps_left-- == 0)
        (void)raise(SIGKILL);
}

static int looks_left = -1;                    /* -1: nobody cuts */
static Books *cutter;
static AuditTrimmed cut;

static void look(void)
{
    if (looks_left >= 0 && looks_left-- == 0)
        cut = cut_at(cutter, T0 + 10 * DAY_MS);
}

bool __real_store_read(Store *store, StoreFn *fn, void *ctx, Err *err);
bool __wrap_store_read(Store *store, StoreFn *fn, void *ctx, Err *err);
bool __wrap_store_read(Store *store, StoreFn *fn, void *ctx, Err *err)
{
    look();
    bool good = __real_store_read(store, fn, ctx, err);
    look();
    return good;
}

bool __real_reads_file_walk(const char *path, LineFn *fn, void *ctx, Err *err);
bool __wrap_reads_file_walk(const char *path, LineFn *fn, void *ctx, Err *err);
bool __wrap_reads_file_walk(const char *path, LineFn *fn, void *ctx, Err *err)
{
    look();
    bool good = __real_reads_file_walk(path, fn, ctx, err);
    look();
    return good;
}

bool __real_store_write(Store *store, StoreFn *fn, void *ctx, Err *err);
bool __wrap_store_write(Store *store, StoreFn *fn, void *ctx, Err *err);
bool __wrap_store_write(Store *store, StoreFn *fn, void *ctx, Err *err)
{
    step();
    bool good = __real_store_write(store, fn, ctx, err);
    step();
    return good;
}

bool __real_dir_sync(const char *path, Err *err);
bool __wrap_dir_sync(const char *path, Err *err);
bool __wrap_dir_sync(const char *path, Err *err)
{
    step();
    return __real_dir_sync(path, err);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    step();
    int result = __real_unlink(path);
    step();
    return result;
}

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    step();
    int result = __real_renameat2(from_dir, from, to_dir, to, flags);
    step();
    return result;
}

/* Old writes, several files of old reads, a current file whose beginning is old, young writes. */
static void make_old_books(Books *b, int writes)
{
    books_make(b);
    writes_at(b, writes, T0);
    for (int file = 0; file < FILES; file++) {
        reads_at(b, READS, T0);
        (void)cut_at(b, T0 + DAY_MS / 2);
    }
    reads_at(b, READS, T0);
    writes_at(b, 3, T0 + 10 * DAY_MS);
    anchor(b);
    books_close(b);
}

/* In a process of its own: opens, cuts, and is killed at that step. Exits with 0 when the cut took fewer. */
static void cut_in_child(Books *b, int kill_at)
{
    AuditTrim trim = { .now_ms = T0 + 10 * DAY_MS, .keep_ms = DAY_MS };
    AuditTrimmed out;
    Err err = { 0 };
    if (!store_open(b->place.path, &b->place.store, &err) || !seal_open(b->place.store, b->root, &b->seal, &err) || !audit_open(b->place.store, b->seal, b->dir, &b->audit, &err))
        _exit(2);
    steps_left = kill_at;
    bool good = audit_trim(b->audit, &trim, &out, &err);
    _exit(good && steps_left >= 0 ? 0 : 3);
}

/* false: it came to its end before that step. */
static bool is_killed_at(Books *b, int kill_at)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        cut_in_child(b, kill_at);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return true;
}

/* What is left is sound; after the next call all is gone that was to go, told by one record at most twice. */
static void goes_on(Books *b)
{
    AuditReport report;
    books_open(b);
    must(audit_verify(b->place.store, b->seal, b->dir, &report, E));
    if (!report.sound)
        fail_msg("not sound: %s", report.finding);
    AuditTrimmed out = cut_at(b, T0 + 10 * DAY_MS);
    assert_string_equal(out.stopped, "");
    must(audit_verify(b->place.store, b->seal, b->dir, &report, E));
    if (!report.sound)
        fail_msg("not sound: %s", report.finding);
    assert_int_equal(report.writes.number, WRITES);
    assert_int_equal(report.reads.number, (FILES + 1) * READS);
    assert_int_equal(report.records, 3 + 1);           /* young writes, and that of the cut */
    assert_int_equal(read_int(b->place.store, "SELECT MIN(number) FROM audit_record"), WRITES + 1);
    char oldest[200];
    struct stat about;
    (void)snprintf(oldest, sizeof oldest, "%s/reads-%020d.log", b->dir, (FILES - 1) * READS + 1);
    assert_int_not_equal(stat(oldest, &about), 0);
    books_close(b);
}

static void test_a_kill_at_any_step_leaves_what_verifies(void **state)
{
    (void)state;
    int kills = 0;
    for (int kill_at = 0; kill_at < STEPS_MAX; kill_at++) {
        Books b;
        make_old_books(&b, WRITES);
        bool killed = is_killed_at(&b, kill_at);
        goes_on(&b);
        books_done(&b);
        if (!killed)
            break;
        kills++;
    }
    /* Moving the current file 3, the cut 2, batches of writes 3 times 2, files 4 times 2, the directory 1. */
    assert_int_equal(kills, 20);
}

/* The same books, killed again and again, each time a step later. */
static void test_one_kill_after_the_other_comes_to_the_end(void **state)
{
    (void)state;
    Books b;
    make_old_books(&b, WRITES);
    int kills = 0;
    while (is_killed_at(&b, kills)) {
        AuditReport report;
        books_open(&b);
        must(audit_verify(b.place.store, b.seal, b.dir, &report, E));
        if (!report.sound)
            fail_msg("not sound after %d kills: %s", kills, report.finding);
        books_close(&b);
        assert_true(kills++ < STEPS_MAX);
    }
    assert_true(kills > 3);
    goes_on(&b);
    books_done(&b);
}

/* What a running server trimmed while somebody looked is not missing, and is told. */
static void test_a_cut_at_any_step_of_a_verification_is_not_taken_for_a_loss(void **state)
{
    (void)state;
    for (int at = 0, was_cut = true; was_cut; at++) {
        Books b;
        AuditReport report;
        make_old_books(&b, MANY_WRITES);              /* more than a page of verification */
        books_open(&b);
        cutter = &b;
        looks_left = at;
        must(audit_verify(b.place.store, b.seal, b.dir, &report, E));
        if (!report.sound)
            fail_msg("not sound, cut at %d: %s", at, report.finding);
        was_cut = looks_left < 0;
        looks_left = -1;
        if (was_cut) {
            assert_int_equal(cut.writes, MANY_WRITES);
            assert_int_equal(cut.reads, (FILES + 1) * READS);
        } else {
            assert_true(at > 4);
        }
        books_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kill_at_any_step_leaves_what_verifies),
        cmocka_unit_test(test_one_kill_after_the_other_comes_to_the_end),
        cmocka_unit_test(test_a_cut_at_any_step_of_a_verification_is_not_taken_for_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
