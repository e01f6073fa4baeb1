/* test_tampering.c - whatever is changed, removed, moved or added afterwards is found. */
#include <sys/stat.h>
#include <unistd.h>
#include "audit_fixture.h"
#include "json/read.h"

/* ---- tampering with the writes ---- */

static void after_writes(const char *const *statements, const char *words)
{
    Books b;
    books_make(&b);
    note_writes(&b, 5);
    write_sql(b.place.store, "CREATE TABLE old_head AS SELECT * FROM audit_head");
    note_writes(&b, 5);
    note_reads(&b, 5);
    books_shut_audit(&b);
    is_sound(&b, 15);
    for (; *statements; statements++)
        write_sql(b.place.store, *statements);
    finds(&b, words);

    /* A restart neither hides it nor stands still. */
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    note_writes(&b, 1);
    note_reads(&b, 1);
    finds(&b, "writes: ");
    books_done(&b);
}
#define AFTER_WRITES(words, ...) after_writes((const char *const[]){ __VA_ARGS__, NULL }, words)

static void test_a_changed_write_is_found(void **state)
{
    (void)state;
    AFTER_WRITES("writes: record 4 was changed", "UPDATE audit_record SET record = replace(record, 'oid-1', 'oid-2') WHERE number = 4");
    AFTER_WRITES("writes: record 4 was changed", "UPDATE audit_record SET mac = (SELECT mac FROM audit_record WHERE number = 5) WHERE number = 4");
    AFTER_WRITES("writes: record 4 has no MAC", "UPDATE audit_record SET mac = x'00' WHERE number = 4");
    AFTER_WRITES("writes: record 10 was changed", "UPDATE audit_record SET record = replace(record, 'oid-1', 'oid-2') WHERE number = 10");
}

static void test_a_removed_write_is_found(void **state)
{
    (void)state;
    AFTER_WRITES("writes: records 4 to 4 are missing", "DELETE FROM audit_record WHERE number = 4");
    AFTER_WRITES("writes: records 1 to 3 are missing", "DELETE FROM audit_record WHERE number < 4");
    AFTER_WRITES("writes: record 4 was changed", "DELETE FROM audit_record WHERE number = 4", "UPDATE audit_record SET number = 4 WHERE number = 5",
                 "UPDATE audit_record SET number = 5 WHERE number = 6");
}

static void test_reordered_writes_are_found(void **state)
{
    (void)state;
    AFTER_WRITES("writes: record 4 was changed", "UPDATE audit_record SET number = 400 WHERE number = 4", "UPDATE audit_record SET number = 4 WHERE number = 5",
                 "UPDATE audit_record SET number = 5 WHERE number = 400");
}

static void test_cut_off_writes_are_found(void **state)
{
    (void)state;
    AFTER_WRITES("writes: records 10 to 10 are missing at the end", "DELETE FROM audit_record WHERE number = 10");
    AFTER_WRITES("writes: records 1 to 10 are missing at the end", "DELETE FROM audit_record");
    AFTER_WRITES("writes: the anchor is not genuine", "DELETE FROM audit_record WHERE number = 10",
                 "UPDATE audit_head SET number = 9, mac = (SELECT mac FROM audit_record WHERE number = 9) WHERE stream = 'writes'");
    AFTER_WRITES("writes: the anchor is missing", "DELETE FROM audit_record WHERE number = 10", "DELETE FROM audit_head WHERE stream = 'writes'");
    AFTER_WRITES("writes: there are records after 5", "DELETE FROM audit_head", "INSERT INTO audit_head SELECT * FROM old_head");
}

static void test_an_invented_write_is_found(void **state)
{
    (void)state;
    AFTER_WRITES("writes: there are records after 10", "INSERT INTO audit_record (number, time_ms, record, mac) SELECT 11, time_ms, record, mac FROM audit_record WHERE number = 10");
}

static void test_a_false_head_stops_writes_of_a_running_server(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    note_writes(&b, 3);
    write_sql(b.place.store, "UPDATE audit_head SET number = 2, mac = (SELECT mac FROM audit_record WHERE number = 2) WHERE stream = 'writes'");
    WriteCall call = { .audit = b.audit, .record = record_of("SecretSet") };
    Err err;
    assert_false(store_write(b.place.store, do_audit_write, &call, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    books_done(&b);
}

/* ---- tampering with the reads ---- */

typedef void Tamper(Lines *lines);

static void after_reads(Tamper *tamper, const char *words)
{
    Books b;
    Lines lines;
    books_make(&b);
    note_reads(&b, 10);
    note_writes(&b, 5);
    books_shut_audit(&b);
    is_sound(&b, 15);
    lines_load(&b, &lines);
    tamper(&lines);
    lines_save(&b, &lines);
    finds(&b, words);

    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    note_writes(&b, 1);
    note_reads(&b, 1);
    finds(&b, "reads: ");
    books_close(&b);
    books_open(&b);
    finds(&b, "reads: ");
    books_done(&b);
}

static void change_record(Lines *lines)
{
    size_t at;
    assert_true(str_find(lines->line[3], STR("oid-1"), &at));
    ((char *)(uintptr_t)lines->line[3].ptr)[at + 4] = '2';
}

static void change_number(Lines *lines)
{
    size_t at;
    assert_true(str_find(lines->line[3], STR("\"number\":4"), &at));
    ((char *)(uintptr_t)lines->line[3].ptr)[at + 9] = '9';
}

static void change_last(Lines *lines)
{
    size_t at;
    assert_true(str_find(lines->line[9], STR("oid-1"), &at));
    ((char *)(uintptr_t)lines->line[9].ptr)[at + 4] = '2';
}

static void spoil_line(Lines *lines)       { lines->line[3] = STR("not a record\n"); }
static void spoil_last(Lines *lines)       { lines->line[9] = STR("not a record\n"); }
static void remove_line(Lines *lines)      { lines_drop(lines, 3); }
static void remove_first(Lines *lines)     { lines_drop(lines, 0); }
static void remove_last(Lines *lines)      { lines->count = 9; }
static void remove_all(Lines *lines)       { lines->count = 0; }
static void swap_lines(Lines *lines)       { Str kept = lines->line[3]; lines->line[3] = lines->line[4]; lines->line[4] = kept; }
static void swap_last(Lines *lines)        { Str kept = lines->line[9]; lines->line[9] = lines->line[8]; lines->line[8] = kept; }
static void repeat_line(Lines *lines)      { lines->line[lines->count++] = lines->line[3]; }
static void cut_in_last(Lines *lines)      { lines->line[9].len /= 2; }
static void cut_in_middle(Lines *lines)    { lines->line[4].len /= 2; lines->count = 5; }

static void test_a_changed_read_is_found(void **state)
{
    (void)state;
    after_reads(change_record, "reads: record 4 was changed");
    after_reads(change_number, "reads: records 4 to 8 are missing");
    after_reads(change_last, "reads: record 10 was changed");
    after_reads(spoil_line, "reads: what stands after record 3 is no record");
    after_reads(spoil_last, "reads: what stands after record 9 is no record");
}

static void test_a_removed_read_is_found(void **state)
{
    (void)state;
    after_reads(remove_line, "reads: records 4 to 4 are missing");
    after_reads(remove_first, "reads: records 1 to 1 are missing");
}

static void test_reordered_reads_are_found(void **state)
{
    (void)state;
    after_reads(swap_lines, "reads: records 4 to 4 are missing");
    after_reads(swap_last, "reads: records 9 to 9 are missing");
    after_reads(repeat_line, "reads: record 4 stands after record 10");
}

static void test_cut_off_reads_are_found(void **state)
{
    (void)state;
    after_reads(remove_last, "reads: records 10 to 10 are missing at the end");
    after_reads(remove_all, "reads: records 1 to 10 are missing at the end");
    after_reads(cut_in_last, "reads: what stands after record 9 is no record");
    after_reads(cut_in_middle, "reads: what stands after record 4 is no record");
}

static void test_a_removed_file_and_a_moved_head_are_found(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    note_reads(&b, 5);
    books_shut_audit(&b);
    write_sql(b.place.store, "UPDATE audit_head SET number = 4 WHERE stream = 'reads'");
    finds(&b, "reads: the anchor is not genuine");
    write_sql(b.place.store, "UPDATE audit_head SET number = 5 WHERE stream = 'reads'");
    is_sound(&b, 5);
    assert_int_equal(unlink(b.log), 0);
    finds(&b, "reads: records 1 to 5 are missing at the end");
    must(audit_open(b.place.store, b.seal, b.dir, &b.audit, E));
    finds(&b, "reads: records 1 to 5 are missing");
    books_done(&b);
}

static void test_records_of_another_database_are_refused(void **state)
{
    (void)state;
    Books a, b;
    books_make(&a);
    note_reads(&a, 3);
    books_close(&a);
    books_prepare(&b);
    place_open(&b.place);
    must(seal_open(b.place.store, b.root, &b.seal, E));
    Err err = { 0 };
    assert_false(audit_open(b.place.store, b.seal, a.dir, &b.audit, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    books_done(&b);
    books_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_changed_write_is_found),
        cmocka_unit_test(test_a_removed_write_is_found),
        cmocka_unit_test(test_reordered_writes_are_found),
        cmocka_unit_test(test_cut_off_writes_are_found),
        cmocka_unit_test(test_an_invented_write_is_found),
        cmocka_unit_test(test_a_false_head_stops_writes_of_a_running_server),
        cmocka_unit_test(test_a_changed_read_is_found),
        cmocka_unit_test(test_a_removed_read_is_found),
        cmocka_unit_test(test_reordered_reads_are_found),
        cmocka_unit_test(test_cut_off_reads_are_found),
        cmocka_unit_test(test_a_removed_file_and_a_moved_head_are_found),
        cmocka_unit_test(test_records_of_another_database_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
