#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit_fixture.h"
#include "json/read.h"

/* ---- records ---- */

static const JsonVal *record_in_line(Lines *lines, size_t at)
{
    const JsonVal *root;
    must(json_parse(lines->arena, str_trim(lines->line[at]), JSON_STRICT, &root, E));
    return json_get(root, "record");
}

static void test_a_record_has_the_shape_of_an_audit_event(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    books_make(&b);
    note_reads(&b, 1);
    AuditRecord refused = { .time_ms = 1700000000001, .operation = STR("Authentication"), .category = STR("AuditEvent"), .http_status = 401, .result_description = STR("Unauthorized") };
    must(audit_read(b.audit, &refused, E));
    lines_load(&b, &lines);
    assert_int_equal(lines.count, 2);
    const JsonVal *record = record_in_line(&lines, 0);
    assert_str(json_str(json_get(record, "time")), "2023-11-14T22:13:20.0000000Z");
    assert_str(json_str(json_get(record, "operationName")), "SecretGet");
    assert_str(json_str(json_get(record, "operationVersion")), "7.4");
    assert_str(json_str(json_get(record, "category")), "AuditEvent");
    assert_str(json_str(json_get(record, "resultType")), "Success");
    assert_str(json_str(json_get(record, "resultSignature")), "OK");
    assert_str(json_str(json_get(record, "durationMs")), "3");
    assert_str(json_str(json_get(record, "callerIpAddress")), "127.0.0.1");
    assert_str(json_str(json_path(record, "identity.claim.oid")), "oid-1");
    assert_str(json_str(json_path(record, "identity.claim.appid")), "app-1");
    assert_str(json_str(json_path(record, "properties.clientInfo")), "test");
    assert_str(json_str(json_path(record, "properties.id")), "https://v.vault.vaultyard.localhost/secrets/a");
    assert_int_equal(json_int(json_path(record, "properties.httpStatusCode"), 0), 200);
    record = record_in_line(&lines, 1);
    assert_str(json_str(json_get(record, "resultType")), "Failure");
    assert_str(json_str(json_get(record, "resultSignature")), "Unauthorized");
    assert_null(json_get(record, "identity"));
    arena_free(lines.arena);
    books_done(&b);
}

static void test_hostile_texts_stay_in_their_line(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    books_make(&b);
    static char endless[100000];
    memset(endless, '"', sizeof endless);
    AuditRecord record = record_of("SecretGet");
    record.client_info = STR("a\nb\r\x01\x7f\xff\xc0\x80\0{\"}");
    record.request_uri = record.object_id = record.resource_id = (Str){ endless, sizeof endless };
    record.operation = record.caller_ip = record.correlation_id = record.caller_object_id = record.caller_app_id = record.caller_tenant_id
        = record.operation_version = record.category = record.result_description = record.request_uri;
    must(audit_read(b.audit, &record, E));
    record = record_of("SecretGet");
    record.client_info = STR("Gr\xc3\xbc\xc3\x9f" "e");
    must(audit_read(b.audit, &record, E));
    memset(endless, 'x', sizeof endless);
    memcpy(endless + 511, "\xe2\x82\xac", 3);      /* a character across the cut */
    record.client_info = (Str){ endless, sizeof endless };
    must(audit_read(b.audit, &record, E));
    lines_load(&b, &lines);
    assert_int_equal(lines.count, 3);
    assert_str(json_str(json_path(record_in_line(&lines, 0), "properties.clientInfo")), "a?b??\?\?\?\?\?{\"}");
    assert_int_equal(json_str(json_get(record_in_line(&lines, 0), "resourceId")).len, 2048);
    assert_str(json_str(json_path(record_in_line(&lines, 1), "properties.clientInfo")), "Gr\xc3\xbc\xc3\x9f" "e");
    assert_int_equal(json_str(json_path(record_in_line(&lines, 2), "properties.clientInfo")).len, 511);
    arena_free(lines.arena);
    record.client_info = STR("\"operationName\":\"AuditChainBroken\"");      /* nor can a client make the chain look broken */
    must(audit_read(b.audit, &record, E));
    is_sound(&b, 4);
    books_done(&b);
}

static void test_both_streams_verify_and_go_on_after_a_restart(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    is_sound(&b, 0);
    for (int round = 1; round <= 3; round++) {
        note_reads(&b, 10);
        note_writes(&b, 7);
        is_sound(&b, 17 * round);
        books_close(&b);
        books_open(&b);
        is_sound(&b, 17 * round);
        AuditStats stats = audit_stats(b.audit);
        assert_int_equal(stats.reads, 10 * round);
        assert_int_equal(stats.writes, 7 * round);
        assert_int_equal(stats.reads_unanchored, 0);
    }
    struct stat about;
    assert_int_equal(stat(b.log, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    books_done(&b);
}

static void test_a_rolled_back_operation_leaves_no_record(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    note_writes(&b, 1);
    WriteCall call = { .audit = b.audit, .record = record_of("SecretSet"), .fails = true };
    Err err;
    assert_false(store_write(b.place.store, do_audit_write, &call, &err));
    note_writes(&b, 1);
    is_sound(&b, 2);
    assert_int_equal(audit_stats(b.audit).writes, 2);
    books_done(&b);
}

/* ---- crashes ---- */

static void last_operation_is(Books *b, const char *operation, const char *words)
{
    Lines lines;
    lines_load(b, &lines);
    const JsonVal *record = record_in_line(&lines, lines.count - 1);
    assert_str(json_str(json_get(record, "operationName")), operation);
    size_t at;
    assert_true(str_find(json_str(json_get(record, "resultDescription")), str_from(words), &at));
    arena_free(lines.arena);
}

/* What a crash may leave behind the anchored records: `tail`. */
static void after_crash(Str tail, bool is_torn)
{
    Books b;
    Lines lines;
    books_make(&b);
    note_reads(&b, 5);
    books_shut_audit(&b);
    lines_load(&b, &lines);
    lines.line[lines.count++] = tail;
    lines_save(&b, &lines);
    if (is_torn)
        is_sound(&b, 5);
    else
        finds(&b, "reads: ");
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    char words[80];
    (void)snprintf(words, sizeof words, "%zu bytes of unfinished records after record 5", tail.len);
    last_operation_is(&b, "AuditRecovered", words);
    note_reads(&b, 1);
    is_sound(&b, 7);
    books_done(&b);
}

static void test_an_unfinished_end_is_cut_off_and_noted(void **state)
{
    (void)state;
    static const char zeros[5000];
    after_crash(STR("{"), true);
    after_crash(STR("{\"number\":6,\"mac\":\"0123"), true);
    after_crash((Str){ zeros, sizeof zeros }, true);
    after_crash(STR("\0\0\0\0\n\0\0{\"number\":7,\"mac\":\"00\n"), false);      /* a power cut may leave pages out of order */
}

static void test_a_forged_end_is_found(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    books_make(&b);
    note_reads(&b, 5);
    books_shut_audit(&b);
    lines_load(&b, &lines);
    AUTO(buf_done_auto) Buf forged = { 0 };
    buf_init(&forged, 1 << 16);
    buf_put_str(&forged, lines.line[4]);
    forged.ptr[10] = '6';
    lines.line[lines.count++] = buf_str(&forged);
    lines_save(&b, &lines);
    finds(&b, "reads: record 6 was changed");
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    last_operation_is(&b, "AuditChainBroken", "does not follow");
    finds(&b, "reads: record 6 was changed");
    books_done(&b);
}

typedef struct Reader { Books *books; int tell; } Reader;

static void *read_and_tell(void *arg)
{
    Reader *reader = arg;
    for (;;) {
        AuditRecord record = record_of("SecretGet");
        Err err;
        if (!audit_read(reader->books->audit, &record, &err) || write(reader->tell, "r", 1) != 1)
            abort();
    }
}

static _Noreturn void read_until_killed(Books *b, int tell)
{
    Reader reader = { .books = b, .tell = tell };
    pthread_t thread;
    books_open(b);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&thread, NULL, read_and_tell, &reader) != 0)
            abort();
    for (;;)
        (void)pause();
}

static void test_kill_9_loses_no_record_of_an_answer(void **state)
{
    (void)state;
    Books b;
    books_prepare(&b);
    int64_t told = 0, noted = 0;
    for (int round = 1; round <= 3; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            read_until_killed(&b, ends[1]);
        (void)close(ends[1]);
        int64_t enough = told + 500 * round;
        char bytes[64];
        for (ssize_t got; (got = read(ends[0], bytes, sizeof bytes)) > 0; told += got)
            if (told < enough && told + got >= enough)
                assert_int_equal(kill(child, SIGKILL), 0);
        (void)close(ends[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        books_open(&b);
        AuditReport report;
        must(audit_verify(b.place.store, b.seal, b.dir, &report, E));
        if (!report.sound)
            fail_msg("not sound: %s", report.finding);
        assert_true(report.records >= told + noted);
        noted = report.records - told;
        books_close(&b);
    }
    books_done(&b);
}

static _Noreturn void read_ten_and_wait(Books *b, int tell)
{
    books_open(b);
    note_reads(b, 10);
    while (audit_stats(b->audit).reads_unanchored > 0)
        sched_yield();
    if (write(tell, "r", 1) != 1)
        abort();
    for (;;)
        (void)pause();
}

static void test_an_end_cut_off_after_a_kill_is_found_up_to_the_anchor(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    books_prepare(&b);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        read_ten_and_wait(&b, ends[1]);
    (void)close(ends[1]);
    char told;
    assert_int_equal(read(ends[0], &told, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ends[0]);
    lines_load(&b, &lines);
    assert_int_equal(lines.count, 10);
    lines.count = 9;
    lines_save(&b, &lines);
    books_open(&b);
    last_operation_is(&b, "AuditChainBroken", "records 10 to 10 are missing at the end");
    finds(&b, "reads: records 10 to 10 are missing");
    books_done(&b);
}

/* ---- many, and full ---- */

static void *note_many(void *arg)
{
    Books *b = arg;
    AuditRecord read = record_of("SecretGet");
    WriteCall call = { .audit = b->audit, .record = record_of("SecretSet") };
    Err err;
    for (int i = 0; i < 300; i++)
        if (!audit_read(b->audit, &read, &err) || (i % 10 == 0 && !store_write(b->place.store, do_audit_write, &call, &err)))
            return (void *)"failed";
    return NULL;
}

static void test_many_threads_make_one_chain_that_verifies_meanwhile(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, note_many, &b), 0);
    for (int i = 0; i < 5; i++) {
        AuditReport report;
        must(audit_verify(b.place.store, b.seal, b.dir, &report, E));
        if (!report.sound)
            fail_msg("not sound: %s", report.finding);
    }
    for (int i = 0; i < 8; i++) {
        void *trouble;
        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
    }
    is_sound(&b, 8 * 330);
    books_done(&b);
}

static void test_a_full_file_is_moved_and_belongs_to_the_chain(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    static char long_uri[2000];
    memset(long_uri, 'u', sizeof long_uri);
    AuditRecord record = record_of("SecretGet");
    record.request_uri = record.object_id = (Str){ long_uri, sizeof long_uri };
    struct stat about = { 0 };
    must(audit_read(b.audit, &record, E));
    assert_int_equal(stat(b.log, &about), 0);
    int in_file = (int)(AUDIT_FILE_BYTES / about.st_size) + 2, total = 2 * in_file + 10;
    for (int i = 1; i < total; i++)
        must(audit_read(b.audit, &record, E));
    is_sound(&b, total);
    char first[160], renamed[170];
    (void)snprintf(first, sizeof first, "%s/reads-%020d.log", b.dir, 1);
    assert_int_equal(stat(first, &about), 0);
    assert_true(about.st_size >= AUDIT_FILE_BYTES && about.st_size < AUDIT_FILE_BYTES + 65536);
    assert_int_equal(stat(b.log, &about), 0);
    assert_true(about.st_size < AUDIT_FILE_BYTES);

    books_close(&b);
    books_open(&b);
    note_reads(&b, 1);
    is_sound(&b, total + 1);
    books_close(&b);

    assert_int_equal(unlink(b.log), 0);                /* killed between the two steps of moving a file */
    (void)snprintf(renamed, sizeof renamed, "%s.away", first);
    books_open(&b);
    finds(&b, "are missing");
    books_shut_audit(&b);
    assert_int_equal(rename(first, renamed), 0);
    finds(&b, "reads: records 1 to ");
    books_done(&b);
}

static void test_a_missing_current_file_after_a_move_is_fine(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    note_reads(&b, 5);
    books_shut_audit(&b);
    char moved[160];
    (void)snprintf(moved, sizeof moved, "%s/reads-%020d.log", b.dir, 1);
    assert_int_equal(rename(b.log, moved), 0);
    is_sound(&b, 5);
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    note_reads(&b, 2);
    is_sound(&b, 7);
    books_done(&b);
}

static void test_what_cannot_be_recorded_is_not_answered(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    note_reads(&b, 3);
    struct stat about;
    assert_int_equal(stat(b.log, &about), 0);
    struct rlimit was, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = (struct rlimit){ .rlim_cur = (rlim_t)about.st_size + 100, .rlim_max = was.rlim_max };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    AuditRecord record = record_of("SecretGet");
    Err err = { 0 };
    bool noted = audit_read(b.audit, &record, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    (void)signal(SIGXFSZ, handler);
    assert_false(noted);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    note_reads(&b, 1);
    is_sound(&b, 4);
    books_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_9_loses_no_record_of_an_answer),      /* these two fork: first, while no other thread is there */
        cmocka_unit_test(test_an_end_cut_off_after_a_kill_is_found_up_to_the_anchor),
        cmocka_unit_test(test_a_record_has_the_shape_of_an_audit_event),
        cmocka_unit_test(test_hostile_texts_stay_in_their_line),
        cmocka_unit_test(test_both_streams_verify_and_go_on_after_a_restart),
        cmocka_unit_test(test_a_rolled_back_operation_leaves_no_record),
        cmocka_unit_test(test_an_unfinished_end_is_cut_off_and_noted),
        cmocka_unit_test(test_a_forged_end_is_found),
        cmocka_unit_test(test_many_threads_make_one_chain_that_verifies_meanwhile),
        cmocka_unit_test(test_a_full_file_is_moved_and_belongs_to_the_chain),
        cmocka_unit_test(test_a_missing_current_file_after_a_move_is_fine),
        cmocka_unit_test(test_what_cannot_be_recorded_is_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
