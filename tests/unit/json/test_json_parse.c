/* test_json_parse.c - our reader of texts beside jansson's: both take the same texts, and find the same in them. */
#include <jansson.h>
#include "../cm.h"
#include "json/parse.h"

enum { ROUNDS = 200000, TEXT_MAX = 256 };

static uint64_t seed = 0x9E3779B97F4A7C15u;

/* xorshift64: the same texts in each run. */
static size_t chance(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % below);
}

static void compare(Str text)
{
    Err err = { 0 };
    json_error_t why;
    void *ours = NULL;
    json_t *theirs = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    bool taken = json_tree_parse(text, false, 32, &ours, &err);
    if (taken != (theirs != NULL))
        fail_msg("%s by us and %s by jansson (%s%s): " STR_FMT, taken ? "taken" : "refused", theirs ? "taken" : "refused", err.text, theirs ? "" : why.text, STR_ARG(text));
    if (taken && !json_equal(ours, theirs))
        fail_msg("understood differently: " STR_FMT, STR_ARG(text));
    assert_true(taken || err.code == ERR_BAD_INPUT);
    json_decref(ours);
    json_decref(theirs);
}

static const char *const texts[] = {
    "{\"value\":\"text with \\\"quotes\\\", \\\\ and \\/ \\b\\f\\n\\r\\t\",\"attributes\":{\"enabled\":true,\"nbf\":1262304000,\"exp\":null},\"tags\":{}}",
    "[0,-0,1,-1,10,-9223372036854775808,9223372036854775807,9223372036854775808,0.5,-1.25e3,1E+2,1e-7,1.0]",
    "[9223372036854775807, -9223372036854775808, 1e308, -1e308, 1e-400, 123456789012345678.9]",
    "{\"\\u00e9\":\"\\u0041\\uD83D\\uDE00\\uFFFF\",\"\xc3\xa9-\":\"\xe2\x82\xac \xf0\x9f\x98\x80\",\"\":[],\"a\":{\"a\":{\"a\":[[[]]]}}}",
    " \t\r\n { \"a\" : [ true , false , null , \"\" ] , \"b\" : { } } \n",
    "\"\\ud834\\udd1e\"", "\"\\ud834\"", "\"\\udd1e\"", "\"\\ud834\\u0041\"", "\"\\u0000\"", "\"\\u12\"", "\"\\x\"", "\"\x7f\"", "\"a\nb\"",
    "true", "nul", "truex", "1 2", "01", "-", "1.", ".5", "1e", "+1", "[1,]", "{\"a\":1,}", "{\"a\"}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{1:2}", "", " ", "\"", "\"\\", "\xef\xbb\xbf{}",
};

static void test_texts_are_taken_or_refused_as_jansson_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        compare(str_from(texts[i]));
}

static void test_changed_texts_are_taken_or_refused_as_jansson_does(void **state)
{
    (void)state;
    static const char likely[] = "{}[]\",:\\u0eE+-.19 \n\x01\x80\xc3\xed";
    for (int round = 0; round < ROUNDS; round++) {
        char text[TEXT_MAX];
        size_t len = strlen(texts[chance(5)]);
        const char *from = texts[chance(5)];
        len = strlen(from) < len ? strlen(from) : len;
        memcpy(text, from, len);
        for (size_t change = 1 + chance(3); change > 0 && len > 0; change--) {
            size_t at = chance(len);
            switch (chance(3)) {
            case 0: text[at] = likely[chance(sizeof likely - 1)]; break;
            case 1: memmove(text + at, text + at + 1, --len - at); break;
            default: len = chance(4) ? len : at; break;
            }
        }
        compare((Str){ text, len });
    }
}

static void test_a_refusal_says_where_and_what(void **state)
{
    (void)state;
    Err err = { 0 };
    void *root = NULL;
    assert_false(json_tree_parse(STR("{\n  \"a\": tru\n}"), false, 32, &root, &err));
    assert_string_equal(err.text, "the JSON body is malformed at line 2 column 8: a value should stand here");
    assert_false(json_tree_parse(STR("{\"a\":1 \"b\":2}"), false, 32, &root, &err));
    assert_string_equal(err.text, "the JSON body is malformed at line 1 column 8: a comma or a closing brace should stand here");
    assert_false(json_tree_parse(STR("{\"a\":1,\"a\":2}"), false, 32, &root, &err));
    assert_string_equal(err.text, "the JSON body is malformed at line 1 column 11: the member 'a' is there twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_taken_or_refused_as_jansson_does),
        cmocka_unit_test(test_changed_texts_are_taken_or_refused_as_jansson_does),
        cmocka_unit_test(test_a_refusal_says_where_and_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
