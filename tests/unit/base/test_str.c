#include "../cm.h"
#include "base/arena.h"
#include "base/str.h"

static void test_numbers_are_whole_and_within_bounds(void **state)
{
    (void)state;
    static const struct { const char *text; bool sound; int64_t value; } cases[] = {
        { "0", true, 0 }, { "-1", true, -1 }, { "9223372036854775807", true, INT64_MAX }, { "-9223372036854775808", true, INT64_MIN },
        { "", false, 0 }, { "-", false, 0 }, { "-0", false, 0 }, { "+1", false, 0 }, { "01", false, 0 }, { "1 ", false, 0 }, { "0x1", false, 0 },
        { "9223372036854775808", false, 0 }, { "99999999999999999999", false, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t out = 77;
        Err err = { 0 };
        bool sound = str_to_int64(str_from(cases[i].text), INT64_MIN, INT64_MAX, &out, &err);
        if (sound != cases[i].sound || (sound && out != cases[i].value) || (!sound && (out != 77 || err.code != ERR_BAD_INPUT)))
            fail_msg("'%s'", cases[i].text);
    }
    int64_t out;
    Err err = { 0 };
    assert_false(str_to_int64(STR("26"), 1, 25, &out, &err));
    assert_string_equal(err.text, "26 is not within 1 to 25");
}

static void test_utf8_refuses_overlong_surrogate_and_cut_forms(void **state)
{
    (void)state;
    assert_true(str_is_utf8(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91")));
    static const char *const bad[] = { "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xe2\x82", "\xff" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_is_utf8(str_from(bad[i])));
}

/* Each byte at each place of texts shorter and longer than what is looked at at once. */
static void test_printable_is_said_of_printable_ascii_alone(void **state)
{
    (void)state;
    char text[20];
    assert_true(str_is_printable(STR("")));
    for (size_t len = 1; len <= sizeof text; len++)
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                memset(text, at % 2 ? ' ' : '~', len);
                text[at] = (char)byte;
                if (str_is_printable((Str){ text, len }) != (byte >= 0x20 && byte <= 0x7E))
                    fail_msg("byte %d at %zu of %zu", byte, at, len);
            }
}

static void test_parts_are_put_together(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(64);
    Str made = STR_CONCAT(arena, STR("a"), STR(""), STR_NONE, STR("bc"));
    assert_str(made, "abc");
    assert_int_equal(made.ptr[made.len], '\0');
    assert_str(STR_CONCAT(arena, STR_NONE), "");
    assert_non_null(STR_CONCAT(arena, STR_NONE).ptr);
    char most[64];
    memset(most, 'x', sizeof most);
    assert_null(STR_CONCAT(arena, (Str){ most, sizeof most }, STR("y")).ptr);
    assert_false(arena_ok(arena));
}

static void test_packed_texts_keep_what_they_say(void **state)
{
    (void)state;
    char bytes[5];
    Str a = STR("ab"), none = STR_NONE, empty = STR(""), c = STR("cde"), *texts[] = { &a, &none, &empty, &c };
    assert_int_equal(str_pack_size(texts, COUNT_OF(texts)), sizeof bytes);
    str_pack(texts, COUNT_OF(texts), bytes);
    assert_memory_equal(bytes, "abcde", sizeof bytes);
    assert_true(a.ptr == bytes && a.len == 2 && c.ptr == bytes + 2 && c.len == 3);
    assert_null(none.ptr);
    assert_true(empty.ptr && empty.len == 0);
}

static void test_cut_walks_the_parts(void **state)
{
    (void)state;
    Str rest = STR("a,,b");
    assert_str(str_cut(&rest, ','), "a");
    assert_str(str_cut(&rest, ','), "");
    assert_str(str_cut(&rest, ','), "b");
    assert_null(rest.ptr);
}

static void test_comparisons(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("ResourceGroups"), STR("resourcegroups")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_starts_nocase(STR("Bearer x"), STR("bearer ")));
    assert_true(str_ends(STR("a.PEM"), STR(".PEM")));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
    assert_str(str_trim(STR(" \t x y \r\n")), "x y");
}

static void test_cstr_refuses_an_embedded_nul(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1000);
    Err err = { 0 };
    assert_null(str_to_cstr(arena, (Str){ "a\0b", 3 }, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(str_to_cstr(arena, STR("ab"), &err), "ab");
}

static void test_error_texts_are_utf8_however_they_were_cut(void **state)
{
    (void)state;
    Err err;
    static char longer[2 * sizeof err.text + 2];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2)
        memcpy(longer + i, "\xC3\xA4", 2);
    (void)err_set(&err, ERR_BAD_INPUT, "x%s", longer);
    assert_true(str_is_utf8(str_from(err.text)));
    (void)err_named(&err, ERR_BAD_INPUT, "N", NULL, "half [%.*s] and [\xFF] \xC3", 3, "\xF0\x9F\x98\x80");
    assert_true(str_is_utf8(str_from(err.text)));
    assert_string_equal(err.text, "half [\?\?\?] and [\?] ");
    (void)err_set(&err, ERR_BAD_INPUT, "whole '%s'", "\xF0\x9F\x98\x80");
    assert_string_equal(err.text, "whole '\xF0\x9F\x98\x80'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_texts_are_utf8_however_they_were_cut),
        cmocka_unit_test(test_numbers_are_whole_and_within_bounds),
        cmocka_unit_test(test_utf8_refuses_overlong_surrogate_and_cut_forms),
        cmocka_unit_test(test_printable_is_said_of_printable_ascii_alone),
        cmocka_unit_test(test_parts_are_put_together),
        cmocka_unit_test(test_packed_texts_keep_what_they_say),
        cmocka_unit_test(test_cut_walks_the_parts),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_cstr_refuses_an_embedded_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
