#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "../cm.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/format.h"

/* libc's vsnprintf is the oracle, at every size of the output. */
static void same(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void same(const char *fmt, ...)
{
    for (size_t size = 0; size < 64; size++) {
        char ours[64], theirs[64];
        memset(ours, '#', sizeof ours);
        memset(theirs, '#', sizeof theirs);
        va_list args, again;
        va_start(args, fmt);
        va_copy(again, args);
        int our_len = text_format(ours, size, fmt, args), their_len = vsnprintf(theirs, size, fmt, again);
        va_end(again);
        va_end(args);
        if (our_len != their_len || memcmp(ours, theirs, size) != 0)
            fail_msg("'%s' at %zu: '%.*s' (%d) instead of '%.*s' (%d)", fmt, size, (int)size, ours, our_len, (int)size, theirs, their_len);
        for (size_t i = size; i < sizeof ours; i++)
            assert_int_equal(ours[i], '#');                /* nothing behind the end is touched */
    }
}

static void test_formats_are_those_of_libc(void **state)
{
    (void)state;
    const char *volatile nothing = NULL;        /* so that the compiler does not warn of what is meant */
    same("plain");
    same("%s", "");
    same("%s/%d/%s", "vault", 3, "name");
    same("%.*s-%.*s", 3, "abcdef", 0, nothing);
    same("%.*s", 100, "ends before that");
    same("%.*s|", -1, "all of it");
    same("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
    same("%u %lu %llu", UINT_MAX, ULONG_MAX, ULLONG_MAX);
    same("%ld %lld", LONG_MIN, LLONG_MIN);
    same("%zu%c%%", SIZE_MAX, 'x');
    same("%c", '\0');
}

static void test_what_is_not_ours_goes_to_libc(void **state)
{
    (void)state;
    same("%s %04x %s", "before", 0xabu, "behind");
    same("%5d|%-5d|%+d", 1, 2, 3);
    same("%.2f %g", 1.5, 2.5);
    same("%10s|%.3s", "ab", "abcdef");
    same("%zd %hhu %jd", (ssize_t)-3, (unsigned char)7, (intmax_t)9);
    same("%p", (void *)0);
}

static void test_texts_longer_than_any_buffer_are_whole(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    char text[1000];
    for (size_t len = 200; len < sizeof text; len += 13) {
        memset(text, 'a', len);
        text[len] = '\0';
        Str made = str_printf(arena, "%s%d", text, 7);
        assert_int_equal(made.len, len + 1);
        assert_memory_equal(made.ptr, text, len);
        assert_string_equal(made.ptr + len, "7");
        Buf buf;
        buf_init(&buf, 4096);
        buf_put_str(&buf, STR("x"));
        buf_printf(&buf, "%s%d", text, 7);
        buf_printf(&buf, "%s", "");
        assert_int_equal(buf.len, len + 2);
        assert_memory_equal(buf.ptr + 1, text, len);
        assert_string_equal(buf.ptr + 1 + len, "7");
        buf_done(&buf);
    }
    Buf small;
    buf_init(&small, 10);
    buf_printf(&small, "%s", "0123456789");
    assert_false(small.failed);
    buf_printf(&small, "%d", 1);
    assert_true(small.failed);
    buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_are_those_of_libc),
        cmocka_unit_test(test_what_is_not_ours_goes_to_libc),
        cmocka_unit_test(test_texts_longer_than_any_buffer_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
