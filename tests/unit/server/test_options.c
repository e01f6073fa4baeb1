#include "../cm.h"
#include <stdio.h>
#include "base/attr.h"
#include "server/command.h"

typedef struct Seen { const char *dir, *listen[2], *flag; int dirs, listens, flags; } Seen;

static bool reads(int argc, const char *const *argv, Seen *seen)
{
    *seen = (Seen){ 0 };
    const Option options[] = {
        { "--data-dir", false, &seen->dir, &seen->dirs, 1 }, { "--listen", false, seen->listen, &seen->listens, 2 }, { "--dev", true, &seen->flag, &seen->flags, 1 },
    };
    return options_read("test", argc, (char **)(uintptr_t)argv, options, COUNT_OF(options));
}
#define READS(seen, ...) reads(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[]){ __VA_ARGS__ }, seen)

static void test_values_follow_or_are_joined(void **state)
{
    (void)state;
    Seen seen;
    assert_true(READS(&seen, "--data-dir", "d", "--dev", "--listen=a:1", "--listen", "b:2"));
    assert_string_equal(seen.dir, "d");
    assert_string_equal(seen.listen[1], "b:2");
    assert_int_equal(seen.flags, 1);
}

static void test_what_is_not_understood_is_refused(void **state)
{
    (void)state;
    Seen seen;
    assert_false(READS(&seen, "--nonsense"));
    assert_false(READS(&seen, "word"));
    assert_false(READS(&seen, "--data-dir"));
    assert_false(READS(&seen, "--data-dir="));
    assert_false(READS(&seen, "--dev=yes"));
    assert_false(READS(&seen, "--data-dir", "a", "--data-dir", "b"));
    assert_false(READS(&seen, "--data-dirx", "a"));
}

int main(void)
{
    if (!freopen("/dev/null", "w", stderr))                   /* the refusals' words */
        return 1;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_values_follow_or_are_joined), cmocka_unit_test(test_what_is_not_understood_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
