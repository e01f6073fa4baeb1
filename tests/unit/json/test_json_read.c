#include "../cm.h"
#include "json/read.h"
#include "json/write.h"

static bool parses(const char *text, unsigned flags)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const JsonVal *root;
    Err err = { 0 };
    bool sound = json_parse(arena, str_from(text), flags, &root, &err);
    assert_true(sound || err.code == ERR_BAD_INPUT);
    return sound;
}

static void test_hostile_texts_are_refused(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "", "{", "{\"a\":1,\"a\":2}", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\\u0000\"", "{\"\\u0000\":1}", "'a'", "NaN", "01", "1e400",
        "99999999999999999999", "{} {}", "[1,]", "{\"a\":1,}", "[,]", "\"\x01\"", "// c\n1", "[1 2]", "tru",
    };
    for (size_t i = 0; i < COUNT_OF(hostile); i++)
        if (parses(hostile[i], JSON_STRICT))
            fail_msg("accepted: %s", hostile[i]);
}

static void test_trailing_commas_only_when_allowed(void **state)
{
    (void)state;
    assert_true(parses("{\"a\":[1,2, ],\"b\":{\"c\":1 ,\n},}", JSON_TRAILING_COMMAS));
    assert_true(parses("{\"a\":\",]\"}", JSON_TRAILING_COMMAS));
    static const char *const hostile[] = { "[,]", "{,}", "[1,,]", "{\"a\":,}", "[1,2", ",", "1," };
    for (size_t i = 0; i < COUNT_OF(hostile); i++)
        if (parses(hostile[i], JSON_TRAILING_COMMAS))
            fail_msg("accepted: %s", hostile[i]);
}

static void test_depth_limit_is_32(void **state)
{
    (void)state;
    char text[2 * 40 + 1] = "";
    for (int depth = 32; depth <= 33; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        assert_int_equal(parses(text, JSON_STRICT), depth == 32);
    }
}

typedef struct In { Str kty; int64_t size; bool enabled; OptBool exportable; OptInt exp; const JsonVal *tags; } In;
static const JsonField in_fields[] = {
    JSON_FIELD(In, kty, "kty", JSON_REQUIRED),          JSON_FIELD(In, size, "key_size", JSON_OPTIONAL),
    JSON_FIELD(In, enabled, "enabled", JSON_OPTIONAL),  JSON_FIELD(In, exportable, "exportable", JSON_OPTIONAL),
    JSON_FIELD(In, exp, "exp", JSON_OPTIONAL),          JSON_FIELD(In, tags, "tags", JSON_OPTIONAL),
};

static bool read_in(const char *text, bool exact, In *in, Err *err)
{
    static Arena *arena;
    arena_free(arena);
    arena = arena_new(1 << 20);
    const JsonVal *root;
    assert_true(json_parse(arena, str_from(text), JSON_STRICT, &root, err));
    return exact ? json_read_exact(root, "key", in_fields, COUNT_OF(in_fields), in, err)
                 : json_read(root, "key", in_fields, COUNT_OF(in_fields), in, err);
}

static void test_fields_fill_a_struct_and_defaults_stay(void **state)
{
    (void)state;
    In in = { .size = 2048, .enabled = true };
    Err err = { 0 };
    assert_true(read_in("{\"kty\":\"RSA\",\"exportable\":false,\"exp\":null,\"tags\":{\"a\":\"b\"},\"other\":1}", false, &in, &err));
    assert_str(in.kty, "RSA");
    assert_int_equal(in.size, 2048);
    assert_true(in.enabled && in.exportable.set && !in.exportable.value && !in.exp.set);
    assert_int_equal(json_count(in.tags), 1);
}

static void test_wrong_missing_and_unknown_fields_are_named(void **state)
{
    (void)state;
    In in = { 0 };
    Err err = { 0 };
    assert_false(read_in("{\"kty\":1}", false, &in, &err));
    assert_string_equal(err.target, "key.kty");
    assert_string_equal(err.text, "'key.kty' must be a string, not a whole number");
    assert_false(read_in("{\"key_size\":1}", false, &in, &err));
    assert_string_equal(err.text, "'key.kty' is required");
    assert_false(read_in("{\"kty\":\"RSA\",\"ktyy\":1}", true, &in, &err));
    assert_string_equal(err.target, "key.ktyy");
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

static void test_written_values_read_back_the_same(void **state)
{
    (void)state;
    static const char text[] = "{\"z\":1,\"a\":[true,false,null,-9223372036854775808,9223372036854775807],\"q\":\"\\\"\\\\\\n\\u0001é\",\"r\":0.1,\"e\":{},\"l\":[]}";
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const JsonVal *root;
    Err err = { 0 };
    assert_true(json_parse(arena, str_from(text), JSON_STRICT, &root, &err));
    assert_str(json_text(arena, root), text);
}

static void test_writer_refuses_a_broken_order(void **state)
{
    (void)state;
    Buf buf;
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 1000);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_int(&w, NULL, 1);
    json_close(&w);
    assert_false(json_end(&w, &err));
    buf_done(&buf);

    buf_init(&buf, 4);
    json_begin(&w, &buf);
    json_put_str(&w, NULL, STR("longer than four"));
    assert_false(json_end(&w, &err));
    buf_done(&buf);
}

/* RFC 8259 section 7, for each byte at each place of texts shorter and longer than what is looked at at once. */
static void test_what_has_to_be_escaped_is_and_nothing_else(void **state)
{
    (void)state;
    char text[20];
    for (size_t len = 1; len <= sizeof text; len++)
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'a', len);
                text[at] = (char)byte;
                Buf wanted;
                buf_init(&wanted, 1000);
                buf_put(&wanted, text, at);
                if (byte == '\n')
                    buf_put_str(&wanted, STR("\\n"));
                else if (byte < 0x20)
                    buf_printf(&wanted, "\\u%04x", byte);
                else if (byte == '"' || byte == '\\')
                    buf_printf(&wanted, "\\%c", byte);
                else
                    buf_put_char(&wanted, (char)byte);
                buf_put(&wanted, text + at + 1, len - at - 1);
                Buf buf;
                JsonWriter w;
                buf_init(&buf, 1000);
                json_begin(&w, &buf);
                json_open(&w, NULL);
                json_put_str_named(&w, (Str){ text, len }, (Str){ text, len });
                json_close(&w);
                Str got = buf_str(&buf), part = buf_str(&wanted);
                bool is_right = got.len == 2 * part.len + 7 && str_eq(str_slice(got, 2, 2 + part.len), part) &&
                                str_eq(str_slice(got, part.len + 5, 2 * part.len + 5), part) && str_starts(got, STR("{\"")) && str_ends(got, STR("\"}"));
                if (!is_right)
                    fail_msg("byte %d at %zu of %zu: " STR_FMT, byte, at, len, STR_ARG(got));
                buf_done(&buf);
                buf_done(&wanted);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_texts_are_refused),
        cmocka_unit_test(test_trailing_commas_only_when_allowed),
        cmocka_unit_test(test_depth_limit_is_32),
        cmocka_unit_test(test_fields_fill_a_struct_and_defaults_stay),
        cmocka_unit_test(test_wrong_missing_and_unknown_fields_are_named),
        cmocka_unit_test(test_written_values_read_back_the_same),
        cmocka_unit_test(test_writer_refuses_a_broken_order),
        cmocka_unit_test(test_what_has_to_be_escaped_is_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
