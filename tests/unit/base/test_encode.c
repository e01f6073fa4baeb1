#include "../cm.h"
#include "base/encode.h"
#include "base/id.h"

typedef bool Decoder(Arena *arena, Str text, Bytes *out, Err *err);

/* RFC 4648 section 10. */
static void test_base64_vectors_of_the_standard(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        Bytes back;
        Err err = { 0 };
        assert_str(base64_encode(arena, bytes_of(str_from(pairs[i][0]))), pairs[i][1]);
        assert_true(base64_decode(arena, str_from(pairs[i][1]), &back, &err));
        assert_str(str_of(back), pairs[i][0]);
    }
}

static bool refuses(Decoder *decode, const char *text)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Bytes out;
    Err err = { 0 };
    return !decode(arena, str_from(text), &out, &err) && err.code == ERR_BAD_INPUT;
}

static void test_decoders_refuse_what_is_not_theirs(void **state)
{
    (void)state;
    assert_true(refuses(base64_decode, "Zg"));
    assert_true(refuses(base64_decode, "Zg="));
    assert_true(refuses(base64_decode, "Zg==="));
    assert_true(refuses(base64_decode, "Zh=="));           /* bits that belong to no byte */
    assert_true(refuses(base64_decode, "Z"));
    assert_true(refuses(base64_decode, "Zm-_"));
    assert_true(refuses(base64_decode, "Zg==Zg=="));
    assert_true(refuses(base64url_decode, "Zm+/"));
    assert_true(refuses(base64url_decode, "Z g"));
    assert_true(refuses(hex_decode, "abc"));
    assert_true(refuses(hex_decode, "zz"));
}

static void test_lenient_only_where_clients_need_it(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Bytes out;
    Err err = { 0 };
    assert_true(base64_decode(arena, STR("Zm9v\r\nYmFy\n"), &out, &err));
    assert_str(str_of(out), "foobar");
    assert_true(base64url_decode(arena, STR("Zg=="), &out, &err));
    assert_true(base64url_decode(arena, STR("Zg"), &out, &err));
}

static void test_percent_round_trip_and_refusals(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Str out;
    Err err = { 0 };
    assert_str(percent_encode(arena, STR("a b/\xc3\xa9~")), "a%20b%2F%C3%A9~");
    assert_true(percent_decode(arena, STR("api%2Dversion+%41"), true, &out, &err));
    assert_str(out, "api-version A");
    assert_false(percent_decode(arena, STR("%00"), false, &out, &err));
    assert_false(percent_decode(arena, STR("%4"), false, &out, &err));
    assert_false(percent_decode(arena, STR("%"), false, &out, &err));
    assert_false(percent_decode(arena, STR("%C0%80"), false, &out, &err));
}

static void test_ids_have_their_form(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Str guid = guid_new(arena);
    assert_true(guid_is_valid(guid) && guid.ptr[14] == '4');
    assert_int_equal(hex_id_new(arena, 32).len, 32);
    assert_int_equal(hex_id_new(arena, 7).len, 7);
    assert_false(guid_is_valid(STR("x2345678-1234-1234-1234-123456789012")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_vectors_of_the_standard),
        cmocka_unit_test(test_decoders_refuse_what_is_not_theirs),
        cmocka_unit_test(test_lenient_only_where_clients_need_it),
        cmocka_unit_test(test_percent_round_trip_and_refusals),
        cmocka_unit_test(test_ids_have_their_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
