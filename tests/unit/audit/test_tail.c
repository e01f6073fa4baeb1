/* test_tail.c - who carries records elsewhere is given each of them, in order, whatever happens to the files meanwhile. */
#include "audit/tail.h"
#include <sys/stat.h>
#include "audit_fixture.h"
#include "json/read.h"

enum { SEEN_MAX = 64 };

/* What was given: "r3" is the third read, "w1" the first write. Records carry their number as their duration. */
typedef struct Carrier { AuditPlace place; char seen[SEEN_MAX][24]; size_t count; size_t refuse_at; bool more; } Carrier;

static bool see(void *ctx, Str record, Err *err)
{
    Carrier *carrier = ctx;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const JsonVal *root;
    must(json_parse(arena, record, JSON_STRICT, &root, E));
    if (carrier->refuse_at && carrier->count + 1 == carrier->refuse_at)
        return err_set(err, ERR_UNAVAILABLE, "nowhere to put it");
    assert_true(carrier->count < SEEN_MAX);
    bool is_read = str_eq(json_str(json_get(root, "operationName")), STR("SecretGet"));
    (void)snprintf(carrier->seen[carrier->count++], sizeof carrier->seen[0], "%c" STR_FMT, is_read ? 'r' : 'w', STR_ARG(json_str(json_get(root, "durationMs"))));
    return true;
}

static bool carry(Books *b, Carrier *carrier, int64_t max, Err *err)
{
    carrier->count = 0;
    return audit_tail(b->audit, &carrier->place, max, see, carrier, &carrier->more, err);
}

/* One call gives exactly these, and says whether there are more. */
static void gives(Books *b, Carrier *carrier, int64_t max, const char *wanted, bool more)
{
    char got[SEEN_MAX * 24] = "";
    size_t len = 0;
    must(carry(b, carrier, max, E));
    for (size_t i = 0; i < carrier->count; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s", i ? " " : "", carrier->seen[i]);
    assert_string_equal(got, wanted);
    assert_int_equal(carrier->more, more);
}

static void reads(Books *b, int from, int to)
{
    AuditRecord record = record_of("SecretGet");
    for (int i = from; i <= to; i++) {
        record.duration_ms = i;
        must(audit_read(b->audit, &record, E));
    }
}

static void writes(Books *b, int from, int to)
{
    WriteCall call = { .audit = b->audit, .record = record_of("SecretSet") };
    for (int i = from; i <= to; i++) {
        call.record.duration_ms = i;
        must(store_write(b->place.store, do_audit_write, &call, E));
    }
}

static void test_each_record_is_given_once_and_in_order(void **state)
{
    (void)state;
    Books b;
    Carrier all = { 0 };
    books_make(&b);
    gives(&b, &all, 10, "", false);
    reads(&b, 1, 3);
    writes(&b, 1, 2);
    gives(&b, &all, 10, "w1 w2 r1 r2 r3", false);
    gives(&b, &all, 10, "", false);
    writes(&b, 3, 3);
    gives(&b, &all, 10, "w3", false);
    reads(&b, 4, 4);
    gives(&b, &all, 10, "r4", false);
    assert_int_equal(all.place.reads, 4);
    assert_int_equal(all.place.writes, 3);
    books_done(&b);
}

static void test_who_begins_now_is_given_what_comes_after(void **state)
{
    (void)state;
    Books b;
    books_make(&b);
    reads(&b, 1, 2);
    writes(&b, 1, 1);
    Carrier later = { .place = audit_place_now(b.audit) };
    gives(&b, &later, 10, "", false);
    reads(&b, 3, 3);
    writes(&b, 2, 2);
    gives(&b, &later, 10, "w2 r3", false);
    books_done(&b);
}

static void test_no_more_than_asked_for_come_at_a_time_and_the_rest_next(void **state)
{
    (void)state;
    Books b;
    Carrier all = { 0 };
    books_make(&b);
    reads(&b, 1, 5);
    writes(&b, 1, 3);
    gives(&b, &all, 2, "w1 w2 r1 r2", true);
    gives(&b, &all, 2, "w3 r3 r4", true);
    gives(&b, &all, 2, "r5", false);
    gives(&b, &all, 2, "", false);
    books_done(&b);
}

static void test_what_could_not_be_carried_is_given_again(void **state)
{
    (void)state;
    Books b;
    Carrier all = { .refuse_at = 2 };
    Err err = { 0 };
    books_make(&b);
    reads(&b, 1, 3);
    assert_false(carry(&b, &all, 10, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_string_equal(err.text, "nowhere to put it");
    assert_int_equal(all.place.reads, 1);
    writes(&b, 1, 3);
    err = (Err){ 0 };
    assert_false(carry(&b, &all, 10, &err));
    assert_int_equal(all.place.writes, 1);
    assert_int_equal(all.place.reads, 1);                  /* writes come first: reads were not reached */
    all.refuse_at = 0;
    gives(&b, &all, 10, "w2 w3 r2 r3", false);
    books_done(&b);
}

/* A server that was restarted goes on by the place that was kept. */
static void test_a_place_outlives_the_server(void **state)
{
    (void)state;
    Books b;
    Carrier all = { 0 };
    books_make(&b);
    reads(&b, 1, 3);
    gives(&b, &all, 2, "r1 r2", true);
    books_close(&b);
    books_open(&b);
    reads(&b, 4, 4);
    gives(&b, &all, 10, "r3 r4", false);
    books_done(&b);
}

/* ---- files ---- */

static void moved_name(const Books *b, int first, char out[200])
{
    (void)snprintf(out, 200, "%s/reads-%020d.log", b->dir, first);
}

static void keep_lines(Books *b, const char *path, const Lines *lines, size_t from, size_t to)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    buf_init(&buf, 8 << 20);
    (void)b;
    for (size_t i = from; i < to; i++)
        buf_put_str(&buf, lines->line[i]);
    must(file_replace(path, buf_bytes(&buf), 0600, (uid_t)-1, (gid_t)-1, E));
}

static void test_files_that_were_moved_are_read_on_and_finished_ones_are_not_opened(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    Carrier all = { 0 };
    char first[200], second[200];
    books_make(&b);
    reads(&b, 1, 6);
    lines_load(&b, &lines);
    moved_name(&b, 1, first);
    moved_name(&b, 3, second);
    keep_lines(&b, first, &lines, 0, 2);
    keep_lines(&b, second, &lines, 2, 4);
    keep_lines(&b, b.log, &lines, 4, 6);
    gives(&b, &all, 3, "r1 r2 r3", true);
    assert_int_equal(unlink(first), 0);                    /* behind us: nobody asks for it any more */
    assert_int_equal(mkdir(first, 0700), 0);
    gives(&b, &all, 3, "r4 r5 r6", true);
    gives(&b, &all, 3, "", false);
    arena_free(lines.arena);
    books_done(&b);
}

static void test_the_file_that_was_just_moved_needs_no_successor(void **state)
{
    (void)state;
    Books b;
    Carrier all = { 0 };
    char moved[200];
    books_make(&b);
    reads(&b, 1, 3);
    moved_name(&b, 1, moved);
    assert_int_equal(rename(b.log, moved), 0);
    gives(&b, &all, 10, "r1 r2 r3", false);
    books_done(&b);
}

static void test_a_line_that_is_being_written_waits_and_a_strange_one_is_passed_over(void **state)
{
    (void)state;
    Books b;
    Lines lines;
    Carrier all = { 0 };
    books_make(&b);
    reads(&b, 1, 4);
    lines_load(&b, &lines);
    Str second = lines.line[1], fourth = lines.line[3];
    lines.line[1] = STR("no record\n");
    lines.line[3] = str_slice(fourth, 0, fourth.len / 2);
    keep_lines(&b, b.log, &lines, 0, 4);
    gives(&b, &all, 10, "r1 r3", false);
    lines.line[1] = second;
    lines.line[3] = fourth;
    keep_lines(&b, b.log, &lines, 0, 4);
    gives(&b, &all, 10, "r4", false);
    arena_free(lines.arena);
    books_done(&b);
}

static void test_a_directory_that_is_gone_is_an_error_and_moves_nothing(void **state)
{
    (void)state;
    Books b;
    Carrier all = { 0 };
    Err err = { 0 };
    char aside[120];
    books_make(&b);
    reads(&b, 1, 2);
    (void)snprintf(aside, sizeof aside, "%s.aside", b.dir);
    assert_int_equal(rename(b.dir, aside), 0);
    assert_false(carry(&b, &all, 10, &err));
    assert_non_null(strstr(err.text, "audit directory"));
    assert_int_equal(all.place.reads, 0);
    assert_int_equal(rename(aside, b.dir), 0);
    gives(&b, &all, 10, "r1 r2", false);
    books_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_record_is_given_once_and_in_order),
        cmocka_unit_test(test_who_begins_now_is_given_what_comes_after),
        cmocka_unit_test(test_no_more_than_asked_for_come_at_a_time_and_the_rest_next),
        cmocka_unit_test(test_what_could_not_be_carried_is_given_again),
        cmocka_unit_test(test_a_place_outlives_the_server),
        cmocka_unit_test(test_files_that_were_moved_are_read_on_and_finished_ones_are_not_opened),
        cmocka_unit_test(test_the_file_that_was_just_moved_needs_no_successor),
        cmocka_unit_test(test_a_line_that_is_being_written_waits_and_a_strange_one_is_passed_over),
        cmocka_unit_test(test_a_directory_that_is_gone_is_an_error_and_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
