/* test_later.c - answers that come after something on another thread has ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>
#include "fixture.h"

static Fixture fixture;
static Arena *arena;

static int start(void **state)
{
    (void)state;
    arena = arena_new(ARENA);
    fixture_start(&fixture, NULL, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    arena_free(arena);
    return 0;
}

static int ask(const char *how, size_t body)
{
    int fd = raw_connect(&fixture);
    raw_post(arena, fd, str_printf(arena, "/later?how=%s", how), body);
    return fd;
}

/* Short bodies are handled on the event loop, long ones on a worker. */
static const size_t bodies[] = { 0, 5, 8 * 1024, 8 * 1024 + 1, 200 * 1024 };

static void test_go_on_before_the_handler_returned_is_not_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char wanted[40];
        snprintf(wanted, sizeof wanted, "{\"body\":%zu}", bodies[i]);
        raw_answers(arena, ask("now", bodies[i]), "HTTP/1.1 200", wanted);
    }
}

static void test_many_wait_and_no_thread_with_them(void **state)
{
    (void)state;
    enum { MANY = 300 };                        /* far more than there are workers */
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = ask("gate", i % 2 ? 10 : 9000);
    fixture_wait_at_gate(&fixture, MANY);
    raw_answers(arena, ask("now", 9000), "HTTP/1.1 200", "{\"body\":9000}");      /* a worker is free */
    fixture_open_gate(&fixture);
    for (int i = 0; i < MANY; i++)
        raw_answers(arena, fds[i], "HTTP/1.1 200", i % 2 ? "{\"body\":10}" : "{\"body\":9000}");
}

static void test_what_could_not_begin_is_refused_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        raw_answers(arena, ask("never", bodies[i]), "HTTP/1.1 409", "could not begin");
}

static void test_a_late_refusal_is_an_error_without_the_headers_before_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        int fd = ask("fails", bodies[i]);
        Str answer = raw_read_answer(arena, fd);
        size_t at;
        has(answer, "HTTP/1.1 409");
        has(answer, "refused later");
        assert_false(str_find(answer, STR("X-Later"), &at));
        close(fd);
    }
}

static void test_a_client_that_leaves_meanwhile_harms_nobody(void **state)
{
    (void)state;
    int fd = ask("gate", 10);
    fixture_wait_at_gate(&fixture, 1);
    close(fd);
    fixture_open_gate(&fixture);
    raw_answers(arena, ask("now", 5), "HTTP/1.1 200", "{\"body\":5}");
}

static void test_stop_waits_for_what_was_begun_however_long(void **state)
{
    (void)state;
    int fd = ask("gate", 10);
    fixture_wait_at_gate(&fixture, 1);
    fixture_stop_begin(&fixture, 0);
    fixture_wait_deaf(&fixture);
    usleep(600 * 1000);                         /* past every time that http_stop waits for anything else */
    fixture_open_gate(&fixture);
    raw_answers(arena, fd, "HTTP/1.1 200", "{\"body\":10}");
    fixture_stop_wait(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_go_on_before_the_handler_returned_is_not_lost, start, stop),
        cmocka_unit_test_setup_teardown(test_many_wait_and_no_thread_with_them, start, stop),
        cmocka_unit_test_setup_teardown(test_what_could_not_begin_is_refused_at_once, start, stop),
        cmocka_unit_test_setup_teardown(test_a_late_refusal_is_an_error_without_the_headers_before_it, start, stop),
        cmocka_unit_test_setup_teardown(test_a_client_that_leaves_meanwhile_harms_nobody, start, stop),
        cmocka_unit_test_setup_teardown(test_stop_waits_for_what_was_begun_however_long, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
