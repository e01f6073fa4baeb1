/* test_loop.c - the event loop under more at once than it takes from the kernel in one go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>
#include "fixture.h"

enum { BATCH = 128, MOST = 2 * BATCH + 1 };     /* events that libmicrohttpd takes from epoll at a time (its MAX_EVENTS) */

static Fixture fixture;
static Arena *arena;

#define HEALTH STR("GET /healthz HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n")

/* So many connections have a request for the loop at the same moment, and nothing else happens then: each is answered. */
static void answers_at_once(int count)
{
    const HttpConfig config = { .io_threads = 1 };
    int fds[MOST];
    arena = arena_new(ARENA);
    fixture_start(&fixture, &config, true);
    for (int i = 0; i < count; i++) {
        fds[i] = raw_connect(&fixture);
        raw_send(fds[i], HEALTH);
        assert_true(str_ends(raw_read_answer(arena, fds[i]), STR("ok")));
    }
    int hold = raw_connect(&fixture);
    raw_send(hold, STR("GET /hold HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n"));
    fixture_wait_at_gate(&fixture, 1);          /* the loop is in its handler */
    for (int i = 0; i < count; i++)
        raw_send(fds[i], HEALTH);
    fixture_open_gate(&fixture);
    for (int i = 0; i < count; i++) {
        if (!str_ends(raw_read_answer(arena, fds[i]), STR("ok")))
            fail_msg("%d requests at once: number %d was not answered", count, i + 1);
        close(fds[i]);
    }
    close(hold);
    fixture_stop(&fixture);
    arena_free(arena);
}

static void test_as_many_requests_as_the_loop_takes_at_once_are_answered(void **state)
{
    (void)state;
    static const int counts[] = { BATCH - 1, BATCH, BATCH + 1, 2 * BATCH, 2 * BATCH + 1 };
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        answers_at_once(counts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_as_many_requests_as_the_loop_takes_at_once_are_answered) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
