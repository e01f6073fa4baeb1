/* test_commands.c - commands from the parked request to the posted result. */
#include "../cm.h"
#include <stdatomic.h>
#include <unistd.h>
#include "node/commands/commands.h"
#include "node/commands/exec_command.h"
#include "node_fixture.h"

static NodeFixture fixture;
static Commands *commands;
static _Atomic int taken, working, most_working;
static _Atomic bool may_end;

static void take(void *ctx, const JsonVal *command) { (void)ctx, (void)command; taken++; }

/* Stays until the test says so; the result tells how many worked at once. */
static void work(void *ctx, Arena *arena, const JsonVal *command, JsonWriter *result)
{
    (void)ctx, (void)arena;
    int now = ++working;
    if (now > most_working)
        most_working = now;
    while (!json_bool(json_get(command, "quick"), false) && !may_end)
        usleep(1000);
    working--;
    json_open(result, NULL);
    json_put_str(result, "word", json_str(json_get(command, "word")));
    json_close(result);
}

static void refuse(JsonWriter *result, const char *why)
{
    json_open(result, NULL);
    json_put_str(result, "error", str_from(why));
    json_close(result);
}

static const CommandKind kinds[] = {
    { .kind = "take", .take = take },
    { .kind = "work", .work = work, .threads_max = 2 },
    { .kind = "rare", .work = work, .threads_max = 1, .refuse = refuse },
    { .kind = "exec", .work = exec_command_work, .threads_max = EXECS_MAX, .refuse = exec_command_refuse },
};

static Str result_of(const char *id, const char *name) { return json_str(json_get(node_wait_result(&fixture, id), name)); }

static void test_each_command_is_done_once_however_often_it_is_given(void **state)
{
    (void)state;
    node_command(&fixture, "{\"id\":\"1\",\"kind\":\"take\"}");
    node_command(&fixture, "{\"id\":\"2\",\"kind\":\"work\",\"quick\":true,\"word\":\"a\"}");
    node_command(&fixture, "{\"id\":\"1\",\"kind\":\"take\"}");
    node_command(&fixture, "{\"id\":\"2\",\"kind\":\"work\",\"quick\":true,\"word\":\"b\"}");
    node_command(&fixture, "{\"id\":\"3\",\"kind\":\"work\",\"quick\":true,\"word\":\"c\"}");
    assert_str(result_of("3", "word"), "c");
    assert_str(result_of("2", "word"), "a");
    assert_int_equal(taken, 1);
    assert_int_equal(node_results(&fixture, "2"), 1);
}

static void test_commands_that_are_none_are_passed_over(void **state)
{
    (void)state;
    node_command(&fixture, "{\"id\":\"1\",\"kind\":\"unheard-of\"}");
    node_command(&fixture, "{\"kind\":\"take\"}");
    node_command(&fixture, "7");
    node_command(&fixture, "{\"id\":\"2\",\"kind\":\"work\",\"quick\":true,\"word\":\"x\"}");
    assert_str(result_of("2", "word"), "x");
    assert_int_equal(taken, 0);
}

static void test_more_than_may_work_wait_and_none_is_lost(void **state)
{
    (void)state;
    static const char *const given[] = {
        "{\"id\":\"1\",\"kind\":\"work\",\"word\":\"1\"}", "{\"id\":\"2\",\"kind\":\"work\",\"word\":\"2\"}", "{\"id\":\"3\",\"kind\":\"work\",\"word\":\"3\"}",
        "{\"id\":\"4\",\"kind\":\"work\",\"word\":\"4\"}",
    };
    for (size_t i = 0; i < COUNT_OF(given); i++)
        node_command(&fixture, given[i]);
    while (working < 2)
        usleep(1000);
    may_end = true;
    assert_str(result_of("4", "word"), "4");
    assert_str(result_of("1", "word"), "1");
    assert_int_equal(most_working, 2);
}

static void test_a_kind_that_refuses_says_so_at_once(void **state)
{
    (void)state;
    node_command(&fixture, "{\"id\":\"1\",\"kind\":\"rare\",\"word\":\"1\"}");
    node_command(&fixture, "{\"id\":\"2\",\"kind\":\"rare\",\"word\":\"2\"}");
    assert_str(result_of("2", "error"), "the node runs as many commands at once as it may; try again later");
    may_end = true;
    assert_str(result_of("1", "word"), "1");
}

static void test_results_are_posted_until_they_are_taken(void **state)
{
    (void)state;
    pthread_mutex_lock(&fixture.lock);
    fixture.unavailable = 2;
    pthread_mutex_unlock(&fixture.lock);
    node_command(&fixture, "{\"id\":\"1\",\"kind\":\"work\",\"quick\":true,\"word\":\"late\"}");
    assert_str(result_of("1", "word"), "late");
}

static void test_exec_answers_with_streams_or_the_reason(void **state)
{
    (void)state;
    node_command(&fixture, "{\"id\":\"1\",\"kind\":\"exec\",\"argv\":[\"sh\",\"-c\",\"echo out; echo err >&2; exit 3\"]}");
    const JsonVal *result = node_wait_result(&fixture, "1");
    assert_int_equal(json_int(json_get(result, "exitCode"), -1), 3);
    assert_str(json_str(json_get(result, "stdout")), "b3V0Cg==");
    assert_str(json_str(json_get(result, "stderr")), "ZXJyCg==");
    node_command(&fixture, "{\"id\":\"2\",\"kind\":\"exec\",\"argv\":[]}");
    assert_str(result_of("2", "error"), "'argv' must be an array of 1 to 256 strings");
    node_command(&fixture, "{\"id\":\"3\",\"kind\":\"exec\",\"argv\":[\"no-such-program-here\"]}");
    assert_str(result_of("3", "error"), "cannot run 'no-such-program-here': No such file or directory");
    node_command(&fixture, "{\"id\":\"4\",\"kind\":\"exec\",\"argv\":[\"tail\",\"-f\",\"/dev/null\"],\"timeoutMs\":50}");
    assert_str(result_of("4", "error"), "the command was ended because its time was up");
}

static int start(void **state)
{
    (void)state;
    Err err = { 0 };
    node_fixture_start(&fixture);
    taken = working = most_working = 0;
    may_end = false;
    return commands_start(&fixture.card, kinds, COUNT_OF(kinds), NULL, &commands, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    may_end = true;
    commands_stop(commands);
    node_fixture_stop(&fixture);
    return 0;
}

#define ON_A_NODE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
    node_fixture_main(argc, argv);
    const struct CMUnitTest tests[] = {
        ON_A_NODE(test_each_command_is_done_once_however_often_it_is_given),
        ON_A_NODE(test_commands_that_are_none_are_passed_over),
        ON_A_NODE(test_more_than_may_work_wait_and_none_is_lost),
        ON_A_NODE(test_a_kind_that_refuses_says_so_at_once),
        ON_A_NODE(test_results_are_posted_until_they_are_taken),
        ON_A_NODE(test_exec_answers_with_streams_or_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
