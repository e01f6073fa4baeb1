/* The language: each file of jmespath/ holds cases in the form of the public compliance suite, {given, cases: [{expression, result | error}]}. */
#include <dirent.h>
#include <stdio.h>
#include "../cm.h"
#include "base/file.h"
#include "cli/query/jmespath.h"
#include "json/write.h"

enum { ARENA_MAX = 64 << 20, CASES_LEAST = 1800 };

static bool same(const JsonVal *a, const JsonVal *b)
{
    JsonKind ka = json_kind(a), kb = json_kind(b);
    JsonWalk walk = { .object = a };
    const JsonVal *value;
    Str name;

    if ((ka == JSON_INT || ka == JSON_REAL) && (kb == JSON_INT || kb == JSON_REAL))
        return ka == JSON_INT && kb == JSON_INT ? json_int(a, 0) == json_int(b, 1) : json_number(a, 0) == json_number(b, 1);
    if (ka != kb || json_count(a) != json_count(b))
        return false;
    if (ka == JSON_BOOL)
        return json_bool(a, false) == json_bool(b, false);
    if (ka == JSON_STR)
        return str_eq(json_str(a), json_str(b));
    for (size_t i = 0; ka == JSON_ARRAY && i < json_count(a); i++) {
        if (!same(json_at(a, i), json_at(b, i)))
            return false;
    }
    while (json_walk(&walk, &name, &value)) {
        if (!same(value, json_get(b, name.ptr)))
            return false;
    }
    return true;
}

static bool search(Arena *arena, Str expression, const JsonVal *given, const JsonVal **out, Err *err)
{
    const Jmespath *query;

    *err = (Err){ 0 };
    return jmespath_compile(arena, expression, &query, err) && jmespath_search(arena, query, given, out, err);
}

/* One line for a case that does not hold. */
static bool holds(Arena *arena, const char *file, const JsonVal *given, const JsonVal *one)
{
    Str expression = json_str(json_get(one, "expression")), wanted = json_str(json_get(one, "error"));
    const JsonVal *result = NULL;
    Err err;
    bool found = search(arena, expression, given, &result, &err);

    if (wanted.ptr ? !found && err.code == ERR_BAD_INPUT && err.name && str_eq(wanted, str_from(err.name)) : found && same(result, json_get(one, "result")))
        return true;
    Str text = wanted.ptr ? wanted : json_text(arena, json_get(one, "result")), got = found ? json_text(arena, result) : str_from(err.text);
    print_message("%s: " STR_FMT "\n  wanted " STR_FMT "\n  got    " STR_FMT "\n", file, STR_ARG(expression), STR_ARG(text), STR_ARG(got));
    return false;
}

static void run_file(const char *name, size_t *cases, size_t *wrong)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ARENA_MAX);
    char path[4096];
    const JsonVal *suites;
    Err err = { 0 };
    Str text;

    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", CASES_DIR, name) < sizeof path);
    if (!file_read(arena, path, 4 << 20, &text, &err) || !json_parse(arena, text, JSON_STRICT, &suites, &err))
        fail_msg("%s: %s", name, err.text);
    for (size_t i = 0; i < json_count(suites); i++) {
        const JsonVal *suite = json_at(suites, i), *list = json_get(suite, "cases");
        assert_non_null(json_get(suite, "given"));
        for (size_t k = 0; k < json_count(list); k++, ++*cases)
            *wrong += !holds(arena, name, json_get(suite, "given"), json_at(list, k));
    }
}

static void test_each_case_of_the_language_holds(void **state)
{
    (void)state;
    DIR *dir = opendir(CASES_DIR);
    size_t cases = 0, wrong = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_from(entry->d_name), STR(".json")))
            run_file(entry->d_name, &cases, &wrong);
    }
    (void)closedir(dir);
    if (wrong || cases < CASES_LEAST)
        fail_msg("%zu of %zu cases do not hold", wrong, cases);
}

/* ---- limits, which are ours and not the language's ---- */

/* `unit` n times between the ends, searched in {"a": 1}. */
static ErrCode search_repeated(const char *begin, const char *unit, size_t n, const char *end, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ARENA_MAX);
    AUTO(buf_done_auto) Buf text = { 0 };
    const JsonVal *given, *result;

    buf_init(&text, 1 << 20);
    buf_put_str(&text, str_from(begin));
    for (size_t i = 0; i < n; i++)
        buf_put_str(&text, str_from(unit));
    buf_put_str(&text, str_from(end));
    assert_false(text.failed);
    assert_true(json_parse(arena, STR("{\"a\":1}"), JSON_STRICT, &given, err));
    return search(arena, buf_str(&text), given, &result, err) ? ERR_NONE : err->code;
}

static void assert_syntax(const Err *err)
{
    assert_non_null(err->name);
    assert_string_equal(err->name, JMESPATH_SYNTAX);
}

static void test_depth_of_an_expression_is_limited(void **state)
{
    (void)state;
    static const struct { const char *begin, *unit, *end; } deep[] = {
        { "", "(", "" }, { "", "[", "" }, { "", "!", "a" }, { "", "{a:", "" }, { "", "abs(", "" }, { "a", ".a", "" }, { "a", "|a", "" }, { "a", "[0]", "" },
        { "a", "[]", "" }, { "a", "[?a]", "" }, { "a", "[*]", "" }, { "", "*.", "a" }, { "a", "||a", "" }, { "a", "[?", "" }, { "a", "==a", "" }, { "", "map(&", "" },
    };
    Err err;

    for (size_t i = 0; i < COUNT_OF(deep); i++) {
        assert_int_equal(search_repeated(deep[i].begin, deep[i].unit, 10000, deep[i].end, &err), ERR_BAD_INPUT);
        assert_syntax(&err);
    }
    assert_int_equal(search_repeated("a", ".a", JMESPATH_DEPTH_MAX - 1, "", &err), ERR_NONE);
    assert_int_equal(search_repeated("a", ".a", JMESPATH_DEPTH_MAX, "", &err), ERR_BAD_INPUT);
    assert_int_equal(search_repeated("a", " || a", JMESPATH_DEPTH_MAX - 1, "", &err), ERR_NONE);
}

static void test_length_of_an_expression_is_limited(void **state)
{
    (void)state;
    Err err;

    assert_int_equal(search_repeated("a", " ", JMESPATH_LENGTH_MAX - 1, "", &err), ERR_NONE);
    assert_int_equal(search_repeated("a", " ", JMESPATH_LENGTH_MAX, "", &err), ERR_BAD_INPUT);
    assert_syntax(&err);
}

static void test_a_result_may_be_as_deep_as_json_and_no_deeper(void **state)
{
    (void)state;
    Err err;

    assert_int_equal(search_repeated("@", "|[@]", JSON_DEPTH_MAX - 1, "", &err), ERR_NONE);
    assert_int_equal(search_repeated("@", "|[@]", JSON_DEPTH_MAX, "", &err), ERR_TOO_LARGE);
    assert_int_equal(search_repeated("@", "|{a:@}", JSON_DEPTH_MAX, "", &err), ERR_TOO_LARGE);
    assert_int_equal(search_repeated("@", "|[@]", 300, "|to_string(@)", &err), ERR_TOO_LARGE);
    assert_int_equal(search_repeated("@", "|[@]", 300, "|@==@", &err), ERR_NONE);
    assert_int_equal(search_repeated("@", "|[@]", 300, "|length(@)", &err), ERR_NONE);
}

static void test_a_query_that_doubles_its_result_ends(void **state)
{
    (void)state;
    Err err;

    assert_int_equal(search_repeated("[a]", "|[@,@]", 28, "", &err), ERR_TOO_LARGE);             /* 2^28 values to write */
    assert_int_equal(search_repeated("[a]", "|[@,@][]", 40, "", &err), ERR_TOO_LARGE);           /* 2^40 values to keep */
    assert_int_equal(search_repeated("[a]", "|[@,@]", 40, "|@==@", &err), ERR_TOO_LARGE);        /* 2^40 values to compare */
    assert_int_equal(search_repeated("'ab'", "|join(@,[@,@])", 40, "", &err), ERR_TOO_LARGE);
}

static void test_every_arena_limit_ends_in_a_clean_error(void **state)
{
    (void)state;
    static const char *const expressions[] = {
        "l[?n > `1`].{n: n, s: to_string(@)} | [0]", "sort_by(l, &n)[::-1].n | join(',', map(&to_string(@), @))", "merge(@, {a: 'b', \"c\\u00e9\": *}).*[][]", "reverse('\\'x')", "to_number('12345678901234567890')",
        "`{\"a\": [1, 2]}`.a[1:].x || `bare` && keys(@)",
    };
    Err err;
    size_t done = 0;

    for (size_t i = 0; i < COUNT_OF(expressions); i++) {
        for (size_t limit = 0; limit < 16384; limit += 48) {
            AUTO(arena_free_auto) Arena *kept = arena_new(1 << 20), *arena = arena_new(limit);
            const JsonVal *given, *result;
            assert_true(json_parse(kept, STR("{\"l\":[{\"n\":1},{\"n\":2},{\"n\":3.5}]}"), JSON_STRICT, &given, &err));
            if (search(arena, str_from(expressions[i]), given, &result, &err))
                done++;
            else
                assert_int_equal(err.code, ERR_TOO_LARGE);
        }
    }
    assert_true(done > COUNT_OF(expressions));
}

static void test_an_expression_must_be_text(void **state)
{
    (void)state;
    static const Str hostile[] = { { "a\0b", 3 }, { "'\xff'", 3 }, { "\"\xc0\xaf\"", 4 }, { "a.\xed\xa0\x80", 5 }, { "`\"\xc3\"`", 5 }, { "\0", 1 }, { NULL, 0 } };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const Jmespath *query;

    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        Err err = { 0 };
        assert_false(jmespath_compile(arena, hostile[i], &query, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_syntax(&err);
    }
}

static void test_errors_name_the_place_and_what_is_wanted(void **state)
{
    (void)state;
    static const struct { const char *expression, *text; } wrong[] = {
        { "name = 'a'",           "the query is malformed at column 6: equality is tested with ==" },
        { "[].resource-group",    "the query is malformed at column 12: '-' begins a number; a name that holds one is put in double quotes" },
        { "'größe' | [?a",        "the query is malformed at column 14: it ends where ']' should follow" },
        { "{a: b, c}",            "the query is malformed at column 9: '}' stands where ':' should" },
        { "[?name == \"a]",        "the query is malformed at column 11: a name opens with \" and does not close" },
        { "lenght(@)",            "the query calls the unknown function lenght()" },
        { "join(@)",              "join() takes 2 arguments, not 1" },
        { "merge()",              "merge() takes at least 1 argument, not 0" },
        { "[::0]",                "the query is malformed at column 2: the step of a slice is 0; it goes forwards or backwards" },
        { "length(`1`)",          "length() takes a string or an array or an object as argument 1, not a number" },
        { "sum(['a'])",           "sum() takes an array of numbers as argument 1, not one whose item 0 is a string" },
        { "sort([`1`, 'a'])",     "sort() takes an array of numbers or an array of strings as argument 1, not one whose item 1 is a string" },
        { "sort_by([@, `2`], &@)", "the key of item 0 is an object; keys are all numbers or all strings" },
        { "max_by(`[1, \"a\"]`, &@)", "the key of item 1 is a string; keys are all numbers or all strings, and that of item 0 is a number" },
        { "",                     "the query is empty" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const JsonVal *given, *result;
    Err err = { 0 };

    assert_true(json_parse(arena, STR("{\"a\":1}"), JSON_STRICT, &given, &err));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(search(arena, str_from(wrong[i].expression), given, &result, &err));
        assert_str(str_from(err.text), wrong[i].text);
    }
}

static void test_a_result_that_stands_in_the_value_is_not_copied(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const JsonVal *given, *result;
    Err err = { 0 };

    assert_true(json_parse(arena, STR("{\"a\":[{\"b\":{\"c\":[1]}}]}"), JSON_STRICT, &given, &err));
    assert_true(search(arena, STR("@"), given, &result, &err));
    assert_ptr_equal(result, given);
    assert_true(search(arena, STR("a[0].b || x"), given, &result, &err));
    assert_ptr_equal(result, json_get(json_at(json_get(given, "a"), 0), "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_case_of_the_language_holds),
        cmocka_unit_test(test_depth_of_an_expression_is_limited),
        cmocka_unit_test(test_length_of_an_expression_is_limited),
        cmocka_unit_test(test_a_result_may_be_as_deep_as_json_and_no_deeper),
        cmocka_unit_test(test_a_query_that_doubles_its_result_ends),
        cmocka_unit_test(test_every_arena_limit_ends_in_a_clean_error),
        cmocka_unit_test(test_an_expression_must_be_text),
        cmocka_unit_test(test_errors_name_the_place_and_what_is_wanted),
        cmocka_unit_test(test_a_result_that_stands_in_the_value_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
