#include "../cm.h"
#include <stdlib.h>
#include "base/arena.h"
#include "provider/idrange.h"

static uint32_t pick(const IdSpan *taken, size_t count, uint32_t wish)
{
    uint32_t first = 0;
    Err err = { 0 };
    if (!id_range_pick(taken, count, wish, &first, &err))
        fail_msg("%s", err.text);
    return first;
}

static void test_ranges_begin_on_their_grid(void **state)
{
    (void)state;
    assert_true(pick(NULL, 0, 0) == ID_RANGE_FIRST);
    assert_true(pick(NULL, 0, ID_RANGE_FIRST) == ID_RANGE_FIRST);
    assert_true(pick(NULL, 0, ID_RANGE_FIRST + 65535) == ID_RANGE_FIRST);
    assert_true(pick(NULL, 0, ID_RANGE_FIRST + 65536) == ID_RANGE_FIRST + 65536);
    assert_true(pick(NULL, 0, UINT32_MAX) <= ID_RANGE_LAST - 65535);
}

static void test_what_touches_a_taken_span_is_passed_over(void **state)
{
    (void)state;
    const IdSpan last_id[] = { { ID_RANGE_FIRST + 65535, 1 } }, first_id[] = { { ID_RANGE_FIRST, 1 } };
    const IdSpan across[] = { { ID_RANGE_FIRST - 10, 11 } }, before[] = { { ID_RANGE_FIRST - 10, 10 } }, behind[] = { { ID_RANGE_FIRST + 65536, 5 } };
    const IdSpan wide[] = { { ID_RANGE_FIRST, 3 * 65536 + 1 } };
    assert_true(pick(last_id, 1, 0) == ID_RANGE_FIRST + 65536);
    assert_true(pick(first_id, 1, 0) == ID_RANGE_FIRST + 65536);
    assert_true(pick(across, 1, 0) == ID_RANGE_FIRST + 65536);
    assert_true(pick(before, 1, 0) == ID_RANGE_FIRST);
    assert_true(pick(behind, 1, 0) == ID_RANGE_FIRST);
    assert_true(pick(wide, 1, 0) == ID_RANGE_FIRST + 4 * 65536);
}

static void test_picking_wraps_round_and_ends_when_all_are_taken(void **state)
{
    (void)state;
    const uint32_t last = ID_RANGE_LAST - 65535;
    const IdSpan last_taken[] = { { last, 65536 } }, all[] = { { 0, UINT64_C(1) << 32 } };
    uint32_t first;
    Err err = { 0 };
    assert_true(pick(last_taken, 1, last) == ID_RANGE_FIRST);
    assert_false(id_range_pick(all, 1, 0, &first, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void test_as_many_ranges_as_there_are_do_not_overlap(void **state)
{
    (void)state;
    enum { ROUNDS = 500 };
    IdSpan taken[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        uint32_t first = pick(taken, i, ID_RANGE_LAST - 65536 * 100);
        for (size_t k = 0; k < i; k++)
            assert_true(taken[k].first != first);
        taken[i] = (IdSpan){ first, ID_RANGE_SIZE };
    }
}

static void test_files_of_sub_ids_and_users_are_read(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    IdSpan *spans;
    size_t count;
    Err err = { 0 };
    assert_true(id_spans_parse_sub(arena, STR("alice:100000:65536\n\n# no\nbob:x:1\ncarol:5\n1000:1879048192:131072"), &spans, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(spans[0].first, 100000);
    assert_true(spans[1].first == 1879048192 && spans[1].count == 131072);
    assert_true(id_spans_parse_users(arena, STR("root:x:0:0:root:/root:/bin/sh\nnonsense\nwide:x:4294967295:1::/:\nhuge:x:4294967296:1::/:\n"), &spans, &count, &err));
    assert_int_equal(count, 2);
    assert_true(spans[1].first == UINT32_MAX && spans[1].count == 1);
    assert_true(id_spans_parse_sub(arena, STR(""), &spans, &count, &err));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_begin_on_their_grid),
        cmocka_unit_test(test_what_touches_a_taken_span_is_passed_over),
        cmocka_unit_test(test_picking_wraps_round_and_ends_when_all_are_taken),
        cmocka_unit_test(test_as_many_ranges_as_there_are_do_not_overlap),
        cmocka_unit_test(test_files_of_sub_ids_and_users_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
