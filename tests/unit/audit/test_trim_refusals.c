/* test_trim_refusals.c - each way to make use of a cut, or to undo it, is found; and a cut hides nothing. */
#include "trim_fixture.h"
#include <unistd.h>


/* Two cuts, the base points of the first one kept aside. Writes 1 to 6 and reads 1 to 6 are removed. */
static void make_cut_books(Books *b)
{
    books_make(b);
    writes_at(b, 3, T0);
    reads_at(b, 3, T0);
    cuts(b, T0 + 2 * DAY_MS, 3, 3);                    /* write 4 tells of it, at the time of today */
    write_sql(b->place.store, "CREATE TABLE old_base AS SELECT * FROM audit_base");
    write_sql(b->place.store, "CREATE TABLE old_record AS SELECT * FROM audit_record");
    reads_at(b, 3, T0 + 3 * DAY_MS);
    cuts(b, T0 + 6 * DAY_MS, 0, 3);                    /* write 5 */
    int64_t now = real_now_ms() + 9 * DAY_MS;
    writes_at(b, 1, now - 5 * DAY_MS);
    cuts(b, now, 3, 0);                                /* writes 4 to 6; write 7 tells of it */
    writes_at(b, 3, now);
    reads_at(b, 3, now);
    anchor(b);
    is_sound(b, 7);
}

/* Found, and found again after a restart; and no cut gets over it. */
static void after_cut(const char *const *statements, const char *words)
{
    Books b;
    make_cut_books(&b);
    for (; *statements; statements++)
        write_sql(b.place.store, *statements);
    finds(&b, words);
    AuditTrimmed out = cut_at(&b, real_now_ms() + 99 * DAY_MS);
    if (!strstr(out.stopped, words))
        assert_true(strstr(words, "records") || strstr(words, "tells"));      /* what is missing is seen by who walks the rest */
    assert_int_equal(out.writes, 0);
    finds(&b, words);
    books_close(&b);
    books_open(&b);
    finds(&b, words);
    books_done(&b);
}
#define AFTER_CUT(words, ...) after_cut((const char *const[]){ __VA_ARGS__, NULL }, words)

static void test_a_forged_base_point_is_found(void **state)
{
    (void)state;
    AFTER_CUT("writes: the base point is not genuine", "UPDATE audit_base SET number = 7, mac = (SELECT mac FROM audit_record WHERE number = 7) WHERE stream = 'writes'", "DELETE FROM audit_record WHERE number <= 7");
    AFTER_CUT("writes: the base point is not genuine", "UPDATE audit_base SET mac = (SELECT mac FROM audit_record WHERE number = 7) WHERE stream = 'writes'");
    AFTER_CUT("writes: the base point is not genuine", "UPDATE audit_base SET mac = x'00' WHERE stream = 'writes'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET number = 7 WHERE stream = 'reads'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET until_ms = until_ms - 1 WHERE stream = 'reads'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET cut_ms = cut_ms - 1 WHERE stream = 'reads'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET count = 1 WHERE stream = 'reads'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET noted = 8 WHERE stream = 'reads'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET seal = (SELECT seal FROM audit_base WHERE stream = 'writes') WHERE stream = 'reads'");
    AFTER_CUT("reads: the base point is not genuine", "UPDATE audit_base SET seal = (SELECT anchor FROM audit_head WHERE stream = 'reads') WHERE stream = 'reads'");
    AFTER_CUT("writes: the base point is not genuine", "UPDATE audit_base SET stream = stream || 'x'", "UPDATE audit_base SET stream = 'reads' WHERE stream = 'writesx'", "UPDATE audit_base SET stream = 'writes' WHERE stream = 'readsx'");
}

static void test_a_missing_base_point_is_found(void **state)
{
    (void)state;
    AFTER_CUT("reads: the base point is missing", "DELETE FROM audit_base WHERE stream = 'reads'");
    AFTER_CUT("writes: the base point is missing", "DELETE FROM audit_base WHERE stream = 'writes'");
    AFTER_CUT("writes: records 1 to 6 are missing", "DELETE FROM audit_base");
}

static void test_a_base_point_put_back_is_found(void **state)
{
    (void)state;
    AFTER_CUT("reads: the base point is of an older cut", "DELETE FROM audit_base WHERE stream = 'reads'", "INSERT INTO audit_base SELECT * FROM old_base WHERE stream = 'reads'");
    AFTER_CUT("writes: the base point is of an older cut", "DELETE FROM audit_base WHERE stream = 'writes'", "INSERT INTO audit_base SELECT * FROM old_base WHERE stream = 'writes'");
    AFTER_CUT("writes: records 4 to 6 are missing", "DELETE FROM audit_base", "INSERT INTO audit_base SELECT * FROM old_base");
    AFTER_CUT("writes: records 5 to 6 are missing", "DELETE FROM audit_base", "INSERT INTO audit_base SELECT * FROM old_base", "INSERT INTO audit_record SELECT * FROM old_record");
}

static void test_records_missing_after_the_base_point_are_found(void **state)
{
    (void)state;
    AFTER_CUT("writes: records 7 to 7 are missing", "DELETE FROM audit_record WHERE number = 7");
    AFTER_CUT("writes: records 7 to 10 are missing", "DELETE FROM audit_record");
    AFTER_CUT("writes: record 7 was changed", "UPDATE audit_record SET record = replace(record, 'AuditTrimmed', 'AuditTrammed') WHERE number = 7");
}

/* Only reads were cut the second time, so all writes are there whichever base points stand. */
static void test_base_points_put_back_with_all_their_records_are_found(void **state)
{
    (void)state;
    Books b;
    char kept[200], file[200];
    books_make(&b);
    writes_at(&b, 3, T0 + 9 * DAY_MS);
    reads_at(&b, 3, T0);
    cuts(&b, T0 + 2 * DAY_MS, 0, 3);
    write_sql(b.place.store, "CREATE TABLE old_base AS SELECT * FROM audit_base");
    reads_at(&b, 3, T0 + 3 * DAY_MS);
    cuts(&b, T0 + 3 * DAY_MS + DAY_MS / 2, 0, 0);      /* moves the file */
    (void)snprintf(file, sizeof file, "%s/reads-%020d.log", b.dir, 4);
    (void)snprintf(kept, sizeof kept, "%s/kept", b.dir);
    assert_int_equal(link(file, kept), 0);
    cuts(&b, T0 + 6 * DAY_MS, 0, 3);
    is_sound(&b, 5);
    assert_int_equal(link(kept, file), 0);             /* what is there of trimmed files proves nothing, and is not asked for */
    is_sound(&b, 5);
    write_sql(b.place.store, "DELETE FROM audit_base");
    finds(&b, "writes: record 5 tells of a cut, and the base points are missing");
    write_sql(b.place.store, "INSERT INTO audit_base SELECT * FROM old_base");
    finds(&b, "writes: record 5 tells of a later cut than the base points: they were put back");
    books_done(&b);
}

static void test_a_file_removed_by_hand_is_found(void **state)
{
    (void)state;
    Books b;
    char file[200];
    books_make(&b);
    writes_at(&b, 1, T0);
    reads_at(&b, 3, T0);
    cuts(&b, T0 + 2 * DAY_MS, 1, 3);
    reads_at(&b, 3, T0 + 3 * DAY_MS);
    cuts(&b, T0 + 3 * DAY_MS + DAY_MS / 2, 0, 0);      /* moves the file */
    reads_at(&b, 3, T0 + 4 * DAY_MS);
    is_sound(&b, 7);
    (void)snprintf(file, sizeof file, "%s/reads-%020d.log", b.dir, 4);
    assert_int_equal(unlink(file), 0);
    finds(&b, "reads: records 4 to 6 are missing");
    AuditTrimmed out = cut_at(&b, T0 + 9 * DAY_MS);
    assert_string_equal(out.stopped, "reads: records 4 to 6 are missing");
    assert_int_equal(out.reads, 0);
    finds(&b, "reads: records 4 to 6 are missing");
    books_done(&b);
}

static void test_a_cut_hides_no_tampering(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    size_t at;
    books_make(&b);
    writes_at(&b, 5, T0);
    reads_at(&b, 5, T0);
    anchor(&b);
    lines_load(&b, &lines);
    assert_true(str_find(lines.line[3], STR("oid-1"), &at));
    ((char *)(uintptr_t)lines.line[3].ptr)[at + 4] = '2';
    books_shut_audit(&b);
    lines_save(&b, &lines);
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    write_sql(b.place.store, "UPDATE audit_record SET record = replace(record, 'oid-1', 'oid-2') WHERE number = 3");
    AuditTrimmed out = cut_at(&b, T0 + 2 * DAY_MS);
    assert_string_equal(out.stopped, "writes: record 3 was changed or is not the one that belongs there");
    assert_int_equal(out.writes, 2);                   /* what is proved before it */
    assert_int_equal(out.reads, 0);
    finds(&b, "writes: record 3 was changed");
    write_sql(b.place.store, "UPDATE audit_record SET record = replace(record, 'oid-2', 'oid-1') WHERE number = 3");
    finds(&b, "reads: record 4 was changed");
    out = cut_at(&b, T0 + 2 * DAY_MS);
    assert_string_equal(out.stopped, "reads: record 4 was changed or is not the one that belongs there");
    assert_int_equal(out.writes, 3);
    finds(&b, "reads: record 4 was changed");
    books_done(&b);
}

/* A younger record made to look old would go with the server's own seal. */
static void test_the_time_that_counts_is_the_one_that_is_proved(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 3, T0 + 5 * DAY_MS);
    write_sql(b.place.store, "UPDATE audit_record SET time_ms = 0");
    cuts(&b, T0 + 5 * DAY_MS, 0, 0);
    is_sound(&b, 3);
    write_sql(b.place.store, "UPDATE audit_record SET record = replace(record, '\"time\":\"2023', '\"time\":\"2013')");
    AuditTrimmed out = cut_at(&b, T0 + 5 * DAY_MS);
    assert_string_equal(out.stopped, "writes: record 1 was changed or is not the one that belongs there");
    assert_int_equal(out.writes, 0);
    books_done(&b);
}

static void test_a_noted_break_is_not_cut_away(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 3, T0);
    books_shut_audit(&b);
    write_sql(b.place.store, "UPDATE audit_head SET anchor = x'00' WHERE stream = 'writes'");
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    finds(&b, "writes: record 4 notes that the chain was broken before");
    AuditTrimmed out = cut_at(&b, real_now_ms() + 9 * DAY_MS);
    assert_int_equal(out.writes, 3);
    assert_string_equal(out.stopped, "writes: record 4 notes that the chain was broken before: see its resultDescription");
    finds(&b, "writes: record 4 notes that the chain was broken before");
    books_done(&b);
}

static void test_nothing_goes_by_a_false_anchor(void **state)
{
    (void)state;
    static const struct { const char *sql, *words; } cases[] = {
        { "UPDATE audit_head SET number = 2 WHERE stream = 'reads'", "reads: the anchor is not genuine" },
        { "DELETE FROM audit_head WHERE stream = 'reads'", "reads: the anchor is missing" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Books b;
        books_make(&b);
        writes_at(&b, 3, T0);
        reads_at(&b, 3, T0);
        anchor(&b);
        write_sql(b.place.store, cases[i].sql);
        AuditTrimmed out = cut_at(&b, T0 + 2 * DAY_MS);
        assert_string_equal(out.stopped, cases[i].words);
        assert_int_equal(out.writes + out.reads, 0);
        finds(&b, cases[i].words);
        books_done(&b);
    }
}

static void test_an_anchor_older_than_the_base_point_is_found(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    writes_at(&b, 1, T0);
    write_sql(b.place.store, "CREATE TABLE old_head AS SELECT * FROM audit_head");
    writes_at(&b, 2, T0);
    reads_at(&b, 3, T0);
    cuts(&b, T0 + 2 * DAY_MS, 3, 3);
    books_shut_audit(&b);
    write_sql(b.place.store, "DELETE FROM audit_head WHERE stream = 'reads'");
    write_sql(b.place.store, "INSERT INTO audit_head SELECT * FROM old_head WHERE stream = 'reads'");
    finds(&b, "reads: the anchor is older than the base point: it was put back");
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    AuditReport report;
    must(audit_verify(b.place.store, b.seal, b.dir, &report, E));
    assert_false(report.sound);
    books_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_forged_base_point_is_found),
        cmocka_unit_test(test_a_missing_base_point_is_found),
        cmocka_unit_test(test_a_base_point_put_back_is_found),
        cmocka_unit_test(test_records_missing_after_the_base_point_are_found),
        cmocka_unit_test(test_base_points_put_back_with_all_their_records_are_found),
        cmocka_unit_test(test_a_file_removed_by_hand_is_found),
        cmocka_unit_test(test_a_cut_hides_no_tampering),
        cmocka_unit_test(test_the_time_that_counts_is_the_one_that_is_proved),
        cmocka_unit_test(test_a_noted_break_is_not_cut_away),
        cmocka_unit_test(test_nothing_goes_by_a_false_anchor),
        cmocka_unit_test(test_an_anchor_older_than_the_base_point_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
