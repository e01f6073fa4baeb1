#include "../cm.h"
#include "base/arena.h"
#include "base/buf.h"

static void test_arena_stays_failed_after_its_limit(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(100);
    assert_non_null(arena_alloc(arena, 60));
    assert_null(arena_alloc(arena, 60));
    assert_null(arena_alloc(arena, 1));
    assert_false(arena_ok(arena));
}

static void test_arena_refuses_overflow(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(SIZE_MAX);
    assert_null(arena_array(arena, SIZE_MAX / 2, 4));
}

static void test_allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 1; i < 600; i++) {
        unsigned char *p = arena_alloc(arena, i);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xAA, i);
    }
}

static void note(void *arg) { (*(int *)arg)++; }

static void test_deferred_calls_run_once_even_when_refused(void **state)
{
    (void)state;
    int calls = 0;
    Arena *arena = arena_new(1000);
    assert_true(arena_defer(arena, note, &calls));
    arena_free(arena);
    assert_int_equal(calls, 1);
    arena = arena_new(1);
    assert_false(arena_defer(arena, note, &calls));
    arena_free(arena);
    assert_int_equal(calls, 2);
}

static void test_buf_refuses_more_than_its_maximum_and_stays_failed(void **state)
{
    (void)state;
    Buf buf;
    buf_init(&buf, 10);
    buf_put_str(&buf, STR("12345"));
    buf_printf(&buf, "%s", "67890");
    assert_str(buf_str(&buf), "1234567890");
    buf_put_char(&buf, 'x');
    assert_true(buf.failed);
    buf_reset(&buf);
    buf_put_str(&buf, STR("again"));
    assert_str(buf_str(&buf), "again");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_stays_failed_after_its_limit),
        cmocka_unit_test(test_arena_refuses_overflow),
        cmocka_unit_test(test_allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(test_deferred_calls_run_once_even_when_refused),
        cmocka_unit_test(test_buf_refuses_more_than_its_maximum_and_stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
