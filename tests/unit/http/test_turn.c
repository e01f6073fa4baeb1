/* test_turn.c - handlers that compute on the event loop: in turns, with others answered between two, or on a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>
#include "fixture.h"

enum { MANY = 20 };

static Fixture fixture;
static Arena *arena;

/* One event loop, so that it is known what shares it. */
static int start(void **state)
{
    (void)state;
    const HttpConfig config = { .io_threads = 1 };
    arena = arena_new(ARENA);
    fixture_start(&fixture, &config, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    arena_free(arena);
    return 0;
}

static void send_compute(int fd, const char *how, size_t body) { raw_post(arena, fd, str_printf(arena, "/compute?how=%s", how), body); }

static int ask(const char *how, size_t body)
{
    int fd = raw_connect(&fixture);
    send_compute(fd, how, body);
    return fd;
}

static bool is_in(Str text, const char *part)
{
    size_t at;
    return str_find(text, str_from(part), &at);
}

/* A connection that the event loop has taken: what is sent on it later is there as soon as it is sent. */
static int connection_taken(void)
{
    int fd = raw_connect(&fixture);
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n"));
    has(raw_read_answer(arena, fd), "HTTP/1.1 200");
    return fd;
}

/* One computes until the gate opens, and MANY wait behind it. Returns the first's connection. */
static int line_up(int fds[MANY])
{
    int gate = connection_taken();
    for (int i = 0; i < MANY; i++)
        fds[i] = connection_taken();
    send_compute(gate, "gate", 0);
    fixture_wait_at_gate(&fixture, 1);
    for (int i = 0; i < MANY; i++)
        send_compute(fds[i], "spin", 0);
    return gate;
}

static void test_short_work_is_done_on_the_event_loop(void **state)
{
    (void)state;
    raw_answers(arena, ask("quick", 5), "HTTP/1.1 200", "\"worker\":false,\"body\":5}");
    raw_answers(arena, ask("quick", 8 * 1024), "HTTP/1.1 200", "\"worker\":false,\"body\":8192}");
}

static void test_long_work_and_long_bodies_go_to_a_worker(void **state)
{
    (void)state;
    raw_answers(arena, ask("long", 5), "HTTP/1.1 200", "\"worker\":true,\"body\":5}");
    raw_answers(arena, ask("quick", 8 * 1024 + 1), "HTTP/1.1 200", "\"worker\":true,\"body\":8193}");
    assert_int_equal(fixture.handler_runs, 2);
}

static void test_all_that_wait_for_a_turn_are_answered_in_their_order(void **state)
{
    (void)state;
    int fds[MANY], gate = connection_taken();
    for (int i = 0; i < MANY; i++)
        fds[i] = connection_taken();
    send_compute(gate, "gate", 0);
    fixture_wait_at_gate(&fixture, 1);
    for (int i = 0; i < MANY; i++)
        send_compute(fds[i], i % 3 == 1 ? "fails" : i % 3 ? "long" : "spin", 10);
    fixture_open_gate(&fixture);
    raw_answers(arena, gate, "HTTP/1.1 200", "{\"before\":0,");
    for (int i = 0; i < MANY; i++) {
        if (i % 3 == 1)
            raw_answers(arena, fds[i], "HTTP/1.1 409", "refused by the handler");
        else
            raw_answers(arena, fds[i], "HTTP/1.1 200", i % 3 ? "\"worker\":true," : "\"worker\":false,");
    }
    assert_int_equal(fixture.handler_runs, MANY + 1);
}

/* A request that came while somebody computed is not behind all those that came before to compute. */
static void test_others_are_answered_between_two_turns(void **state)
{
    (void)state;
    int fds[MANY], other = connection_taken(), gate = line_up(fds);
    raw_send(other, STR("GET /runs HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n"));
    fixture_open_gate(&fixture);
    Str answer = raw_read_answer(arena, other);
    size_t at;
    int64_t runs = 0;
    Err err = { 0 };
    assert_true(str_find(answer, STR("\r\n\r\n"), &at));
    assert_true(str_to_int64(str_slice(answer, at + 4, answer.len), 0, MANY + 1, &runs, &err));
    assert_in_range(runs, 1, 4);                /* the gate's, one or two of the same round, and the next turn */
    close(other);
    raw_answers(arena, gate, "HTTP/1.1 200", "{\"before\":0,");
    for (int i = 0; i < MANY; i++)
        raw_answers(arena, fds[i], "HTTP/1.1 200", "\"worker\":false,");
}

static void test_a_client_that_leaves_takes_nobodys_turn(void **state)
{
    (void)state;
    int fds[MANY], gate = line_up(fds);
    for (int i = 0; i < MANY; i += 2)
        close(fds[i]);
    fixture_open_gate(&fixture);
    raw_answers(arena, gate, "HTTP/1.1 200", "{\"before\":0,");
    for (int i = 1; i < MANY; i += 2)
        raw_answers(arena, fds[i], "HTTP/1.1 200", "\"worker\":false,");
}

static void test_a_stop_answers_all_that_wait(void **state)
{
    (void)state;
    int fds[MANY], gate = line_up(fds);
    fixture_stop_begin(&fixture, 0);
    fixture_open_gate(&fixture);
    raw_answers(arena, gate, "HTTP/1.1 200", "{\"before\":0,");
    for (int i = 0; i < MANY; i++) {
        Str answer = raw_read_all(arena, fds[i]);
        assert_true(answer.len == 0 || is_in(answer, "HTTP/1.1 200") || is_in(answer, "HTTP/1.1 503"));       /* 0: its request had not been read */
    }
    fixture_stop_wait(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_short_work_is_done_on_the_event_loop, start, stop),
        cmocka_unit_test_setup_teardown(test_long_work_and_long_bodies_go_to_a_worker, start, stop),
        cmocka_unit_test_setup_teardown(test_all_that_wait_for_a_turn_are_answered_in_their_order, start, stop),
        cmocka_unit_test_setup_teardown(test_others_are_answered_between_two_turns, start, stop),
        cmocka_unit_test_setup_teardown(test_a_client_that_leaves_takes_nobodys_turn, start, stop),
        cmocka_unit_test_setup_teardown(test_a_stop_answers_all_that_wait, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
