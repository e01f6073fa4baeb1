#include "../cm.h"
#include "node/runs/cmdline.h"

static Arena *arena;

/* The words with '|' behind each. */
static Str split(Str line)
{
    char **argv;
    Err err = { 0 };
    Str all = STR("");
    if (!cmdline_split(arena, line, &argv, &err))
        return str_dup(arena, str_from(err.text));
    for (size_t i = 0; argv[i]; i++)
        all = str_printf(arena, STR_FMT "%s|", STR_ARG(all), argv[i]);
    return all;
}

static void test_words_are_parted_by_white_space(void **state)
{
    (void)state;
    assert_str(split(STR("  a\tb\n c\r\nd ")), "a|b|c|d|");
    assert_str(split(STR("one")), "one|");
}

static void test_quotes_hold_words_together_and_may_be_empty(void **state)
{
    (void)state;
    assert_str(split(STR("/bin/bash -c 'printenv | grep AZ_BATCH; sleep 90s'")), "/bin/bash|-c|printenv | grep AZ_BATCH; sleep 90s|");
    assert_str(split(STR("a\"b c\"d'e f'")), "ab cde f|");
    assert_str(split(STR("'' \"\" x")), "||x|");
}

static void test_backslashes_mean_what_the_header_says(void **state)
{
    (void)state;
    assert_str(split(STR("sh -c \"echo \\\"a b\\\"\"")), "sh|-c|echo \"a b\"|");
    assert_str(split(STR("\"\\$HOME \\n \\\\\"")), "\\$HOME \\n \\|");
    assert_str(split(STR("'a\\'b")), "a\\b|");
    assert_str(split(STR("a\\ b \\\"c")), "a b|\"c|");
}

static void test_nothing_is_expanded(void **state)
{
    (void)state;
    assert_str(split(STR("echo $HOME * ~ `id` a;b|c > d")), "echo|$HOME|*|~|`id`|a;b|c|>|d|");
}

static void test_bad_lines_are_refused_with_the_reason(void **state)
{
    (void)state;
    assert_str(split(STR("")), "the command line is empty");
    assert_str(split(STR(" \t ")), "the command line is empty");
    assert_str(split(STR("a \"b")), "the command line ends inside a quote (\")");
    assert_str(split(STR("a 'b\\'c'")), "the command line ends inside a quote (')");
    assert_str(split(STR("a \\")), "the command line ends with a backslash");
    assert_str(split(STR("a\0b")), "the command line holds a NUL");
}

static void test_a_line_of_too_many_words_is_refused(void **state)
{
    (void)state;
    size_t len = 2 * (CMDLINE_WORDS_MAX + 1);
    char *line = arena_alloc(arena, len);
    for (size_t i = 0; i < len; i++)
        line[i] = i % 2 ? ' ' : 'x';
    assert_str(split((Str){ line, len }), "the command line has more than 65536 words");
}

static int set_up(void **state) { (void)state; return (arena = arena_new(16 << 20)) ? 0 : -1; }
static int tear_down(void **state) { (void)state; arena_free(arena); return 0; }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_parted_by_white_space),
        cmocka_unit_test(test_quotes_hold_words_together_and_may_be_empty),
        cmocka_unit_test(test_backslashes_mean_what_the_header_says),
        cmocka_unit_test(test_nothing_is_expanded),
        cmocka_unit_test(test_bad_lines_are_refused_with_the_reason),
        cmocka_unit_test(test_a_line_of_too_many_words_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
