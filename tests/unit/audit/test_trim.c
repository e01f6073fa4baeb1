/* test_trim.c - what is old goes, and what is younger stays whole. */
#include "trim_fixture.h"
#include <dirent.h>
#include "json/read.h"

static int files_of_reads(const Books *b)
{
    DIR *dir = opendir(b->dir);
    int count = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strncmp(entry->d_name, "reads-", 6) == 0;
    (void)closedir(dir);
    return count;
}

static AuditReport verified(Books *b)
{
    AuditReport report;
    must(audit_verify(b->place.store, b->seal, b->dir, &report, E));
    if (!report.sound)
        fail_msg("not sound: %s", report.finding);
    return report;
}

/* The last write, which is of that operation. */
typedef struct Wanted { Arena *arena; Str record; } Wanted;

static bool last_write(Txn *txn, void *ctx, Err *err)
{
    Wanted *wanted = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT record FROM audit_record ORDER BY number DESC LIMIT 1") || !rows_next(rows, err))
        return false;
    wanted->record = row_text_kept(wanted->arena, rows, 0);
    return true;
}

static const JsonVal *write_record(Books *b, Arena *arena, const char *operation)
{
    Wanted wanted = { .arena = arena };
    const JsonVal *root;
    must(store_read(b->place.store, last_write, &wanted, E));
    must(json_parse(arena, wanted.record, JSON_STRICT, &root, E));
    assert_str(json_str(json_get(root, "operationName")), operation);
    return root;
}

/* ---- what goes ---- */

static void test_what_is_older_goes_and_the_rest_is_sound(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 5, T0);
    reads_at(&b, 7, T0 + 1000);
    cuts(&b, T0 + DAY_MS, 0, 0);                       /* the files are moved, nothing is older */
    writes_at(&b, 2, T0 + 3 * DAY_MS);
    reads_at(&b, 3, T0 + 3 * DAY_MS);
    is_sound(&b, 17);
    cuts(&b, T0 + 3 * DAY_MS, 5, 7);
    AuditReport report = verified(&b);
    assert_int_equal(report.records, 2 + 3 + 1);
    assert_int_equal(report.writes.number, 5);
    assert_int_equal(report.writes.until_ms, T0);
    assert_int_equal(report.writes.cut_ms, T0 + 3 * DAY_MS);
    assert_int_equal(report.writes.noted, 8);
    assert_int_equal(report.reads.number, 7);
    assert_int_equal(report.reads.until_ms, T0 + 1000);
    assert_int_equal(report.reads.noted, 8);
    assert_int_equal(read_int(b.place.store, "SELECT MIN(number) FROM audit_record"), 6);
    assert_int_equal(files_of_reads(&b), 0);
    books_close(&b);
    books_open(&b);
    is_sound(&b, 6);
    writes_at(&b, 1, T0 + 3 * DAY_MS);
    reads_at(&b, 1, T0 + 3 * DAY_MS);
    is_sound(&b, 8);
    books_done(&b);
}

static void test_the_cut_is_a_record_that_says_who_and_up_to_where(void **state)
{
    (void)state;
    Books b;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    books_make(&b);
    writes_at(&b, 5, T0);
    reads_at(&b, 7, T0);
    cuts(&b, T0 + 2 * DAY_MS, 5, 7);
    const JsonVal *record = write_record(&b, arena, "AuditTrimmed");
    assert_str(json_str(json_get(record, "resultDescription")),
               "the server removed what was older than 86400 s: writes 1 to 5 (5 of them now), made until 2023-11-14T22:13:20Z; reads 1 to 7 (7 of them now), made until 2023-11-14T22:13:20Z");
    assert_str(json_str(json_path(record, "properties.clientInfo")), "vaultyard serve --audit-keep");
    assert_int_equal(json_int(json_path(record, "properties.httpStatusCode"), 0), 200);
    books_done(&b);
}

static void test_everything_may_go_and_the_chains_go_on(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 3, T0);
    reads_at(&b, 3, T0);
    cuts(&b, T0 + 2 * DAY_MS, 3, 3);
    is_sound(&b, 1);                                   /* that of the cut */
    books_close(&b);
    books_open(&b);
    is_sound(&b, 1);
    reads_at(&b, 2, T0 + 2 * DAY_MS);
    is_sound(&b, 3);
    books_close(&b);
    books_open(&b);
    is_sound(&b, 3);
    books_done(&b);
}

static void test_cuts_follow_each_other_and_only_the_last_record_of_one_is_needed(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    int64_t now = real_now_ms();                       /* records of cuts bear the real time */
    for (int round = 0; round < 4; round++) {
        writes_at(&b, 5, now + round * 2 * DAY_MS - 5000);
        reads_at(&b, 6, now + round * 2 * DAY_MS);
        is_sound(&b, round ? 12 : 11);
        cuts(&b, now + (round + 1) * 2 * DAY_MS, round ? 6 : 5, 6);
        is_sound(&b, 1);
    }
    AuditReport report = verified(&b);
    assert_int_equal(report.reads.number, 24);
    assert_int_equal(report.writes.number, 23);
    assert_int_equal(report.writes.noted, 24);
    books_done(&b);
}

static void test_a_server_at_rest_writes_no_records_about_records(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 2, T0);
    cuts(&b, T0 + 2 * DAY_MS, 2, 0);
    for (int year = 50; year < 60; year++)
        cuts(&b, T0 + year * 365 * DAY_MS, 0, 0);
    assert_int_equal(audit_stats(b.audit).writes, 3);
    is_sound(&b, 1);
    books_done(&b);
}

static void test_what_stands_after_a_younger_record_stays(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 2, T0);
    writes_at(&b, 1, T0 + 5 * DAY_MS);
    writes_at(&b, 2, T0);
    reads_at(&b, 2, T0);
    reads_at(&b, 1, T0 + 5 * DAY_MS);
    cuts(&b, T0 + 5 * DAY_MS, 2, 0);                   /* of reads a whole file goes or none of it */
    is_sound(&b, 7);
    cuts(&b, T0 + 11 * DAY_MS, 3, 3);
    is_sound(&b, 2);
    books_done(&b);
}

static void test_records_of_a_clock_that_was_wrong_go_with_those_after_them(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    int64_t wrong = real_now_ms() + 3650 * DAY_MS;
    writes_at(&b, 2, T0);
    writes_at(&b, 2, wrong);
    reads_at(&b, 2, T0);
    cuts(&b, T0 + DAY_MS / 2, 0, 0);                   /* moves the file */
    reads_at(&b, 2, wrong);
    cuts(&b, T0 + DAY_MS / 2, 0, 0);
    assert_int_equal(files_of_reads(&b), 2);
    cuts(&b, T0 + 2 * DAY_MS, 2, 2);
    is_sound(&b, 5);
    writes_at(&b, 1, T0);
    reads_at(&b, 1, T0);
    AuditTrimmed out = cut_at(&b, real_now_ms() + 9 * DAY_MS);      /* the record of the cut stands between them: it bears the real time */
    assert_int_equal(out.writes, 4);
    assert_int_equal(out.reads, 3);
    AuditReport report = verified(&b);
    assert_int_equal(report.records, 1);
    assert_true(report.reads.until_ms == T0);
    books_done(&b);
}

static void test_records_of_a_wrong_clock_stay_with_a_younger_one_after_them(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 2, T0);
    writes_at(&b, 2, T0 + 3650 * DAY_MS);
    writes_at(&b, 1, T0 + 5 * DAY_MS);
    writes_at(&b, 1, T0);
    cuts(&b, T0 + 5 * DAY_MS, 2, 0);
    is_sound(&b, 5);
    books_done(&b);
}

static void test_more_than_one_cut_removes_come_with_the_next(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    for (int file = 0; file <= TRIM_FILES_MAX; file++) {
        reads_at(&b, 1, T0);
        if (file < TRIM_FILES_MAX)
            cuts(&b, T0 + DAY_MS / 2, 0, 0);           /* moves it */
    }
    assert_int_equal(files_of_reads(&b), TRIM_FILES_MAX);
    AuditTrimmed out = cut_at(&b, T0 + 2 * DAY_MS);
    assert_int_equal(out.reads, TRIM_FILES_MAX);
    assert_true(out.more);
    is_sound(&b, 2);
    out = cut_at(&b, T0 + 2 * DAY_MS);
    assert_int_equal(out.reads, 1);
    assert_false(out.more);
    is_sound(&b, 2);
    books_done(&b);
}

static void test_many_writes_are_deleted_in_batches(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 2 * TRIM_BATCH + 10, T0);
    cuts(&b, T0 + 2 * DAY_MS, 2 * TRIM_BATCH + 10, 0);
    assert_int_equal(read_int(b.place.store, "SELECT COUNT(*) FROM audit_record"), 1);
    is_sound(&b, 1);
    books_done(&b);
}

/* ---- what is held ---- */

typedef struct Held { AuditPlace place; bool fails; } Held;

static bool hold(void *ctx, Txn *txn, AuditPlace *most, Err *err)
{
    Held *held = ctx;
    (void)txn;
    *most = held->place;
    return !held->fails || err_set(err, ERR_UNAVAILABLE, "nobody knows");
}

static void test_what_was_not_carried_on_yet_stays(void **state)
{
    (void)state;
    Books b;
    Held held = { .place = { .writes = 2, .reads = 4 } };
    AuditTrim trim = { .now_ms = T0 + 5 * DAY_MS, .keep_ms = DAY_MS, .hold = hold, .hold_ctx = &held };
    AuditTrimmed out;
    Err err = { 0 };
    books_make(&b);
    writes_at(&b, 5, T0);
    reads_at(&b, 5, T0);
    anchor(&b);
    held.fails = true;
    assert_false(audit_trim(b.audit, &trim, &out, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    is_sound(&b, 10);
    held.fails = false;
    must(audit_trim(b.audit, &trim, &out, E));
    assert_true(out.held);
    assert_int_equal(out.writes, 2);
    assert_int_equal(out.reads, 0);                    /* one of its file is wanted */
    is_sound(&b, 9);
    held.place = (AuditPlace){ .writes = 5, .reads = 5 };
    must(audit_trim(b.audit, &trim, &out, E));
    assert_int_equal(out.writes, 3);
    assert_int_equal(out.reads, 5);
    books_done(&b);
}

static bool hold_then_want_more(void *ctx, Txn *txn, AuditPlace *most, Err *err)
{
    int *asked = ctx;
    (void)txn, (void)err;
    most->writes = (*asked)++ ? 3 : 5;
    return true;
}

static void test_what_is_wanted_at_the_last_moment_is_not_cut(void **state)
{
    (void)state;
    Books b;
    int asked = 0;
    AuditTrim trim = { .now_ms = T0 + 5 * DAY_MS, .keep_ms = DAY_MS, .hold = hold_then_want_more, .hold_ctx = &asked };
    AuditTrimmed out;
    Err err = { 0 };
    books_make(&b);
    writes_at(&b, 5, T0);
    assert_false(audit_trim(b.audit, &trim, &out, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    is_sound(&b, 5);
    books_done(&b);
}

typedef struct Seen { int64_t count; } Seen;

static bool see(void *ctx, Str record, Err *err)
{
    Seen *seen = ctx;
    (void)record, (void)err;
    seen->count++;
    return true;
}

static void test_who_carries_records_on_goes_on_after_a_cut(void **state)
{
    (void)state;
    Books b;
    Seen seen = { 0 };
    bool more;
    AuditPlace place = { .writes = 4, .reads = 4 };
    books_make(&b);
    writes_at(&b, 4, T0);
    reads_at(&b, 4, T0);
    cuts(&b, T0 + 2 * DAY_MS, 4, 4);
    reads_at(&b, 3, T0 + 2 * DAY_MS);
    must(audit_tail(b.audit, &place, 100, see, &seen, &more, E));
    assert_int_equal(seen.count, 4);                   /* and the record of the cut */
    books_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_older_goes_and_the_rest_is_sound),
        cmocka_unit_test(test_the_cut_is_a_record_that_says_who_and_up_to_where),
        cmocka_unit_test(test_everything_may_go_and_the_chains_go_on),
        cmocka_unit_test(test_cuts_follow_each_other_and_only_the_last_record_of_one_is_needed),
        cmocka_unit_test(test_a_server_at_rest_writes_no_records_about_records),
        cmocka_unit_test(test_what_stands_after_a_younger_record_stays),
        cmocka_unit_test(test_records_of_a_clock_that_was_wrong_go_with_those_after_them),
        cmocka_unit_test(test_records_of_a_wrong_clock_stay_with_a_younger_one_after_them),
        cmocka_unit_test(test_more_than_one_cut_removes_come_with_the_next),
        cmocka_unit_test(test_many_writes_are_deleted_in_batches),
        cmocka_unit_test(test_what_was_not_carried_on_yet_stays),
        cmocka_unit_test(test_what_is_wanted_at_the_last_moment_is_not_cut),
        cmocka_unit_test(test_who_carries_records_on_goes_on_after_a_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
