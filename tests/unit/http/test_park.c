/* test_park.c - long polls: parked, woken, ended by time, by their token, by the server's stop; and stopping in general. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fixture.h"

#define HEAD "Host: management.test.localhost\r\nAuthorization: Bearer good\r\n\r\n"

static Fixture fixture;
static Arena *arena;

static int start(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    fixture_start(&fixture, NULL, true);
    arena = arena_new(64 * 1024 * 1024);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    arena_free(arena);
    return 0;
}

static int ask(const char *target)
{
    int fd = raw_connect(&fixture);
    raw_send(fd, str_printf(arena, "GET %s HTTP/1.1\r\n" HEAD, target));
    return fd;
}

static Str answer_of(int fd)
{
    Str answer = raw_read_answer(arena, fd);
    close(fd);
    return answer;
}

static void test_wake_answers_a_parked_request(void **state)
{
    (void)state;
    int fd = ask("/watch");
    fixture_wait_parked(&fixture, 1);
    assert_int_equal(fixture.handler_runs, 1);
    fixture_happen(&fixture);
    has(answer_of(fd), "{\"event\":true,\"ended\":false}");
    assert_int_equal(fixture.handler_runs, 2);
    assert_int_equal(http_stats(fixture.server).parked, 0);
}

static void test_wake_for_nothing_parks_again_and_other_keys_wake_nobody(void **state)
{
    (void)state;
    int fd = ask("/watch");
    fixture_wait_parked(&fixture, 1);
    http_wake(fixture.server, STR("other"));
    http_wake(fixture.server, STR("event"));
    while (fixture.handler_runs < 2)
        usleep(1000);
    fixture_wait_parked(&fixture, 1);
    fixture_happen(&fixture);
    has(answer_of(fd), "\"event\":true");
    assert_int_equal(fixture.handler_runs, 3);
}

static void test_wake_between_register_and_return_is_not_lost(void **state)
{
    (void)state;
    has(answer_of(ask("/watch?wake=1")), "{\"event\":true,\"ended\":false}");
}

static void test_park_ends_after_its_time(void **state)
{
    (void)state;
    has(answer_of(ask("/watch?wait=30")), "{\"event\":false,\"ended\":true}");
    has(answer_of(ask("/watch?wait=0")), "{\"event\":false,\"ended\":true}");
    assert_int_equal(fixture.handler_runs, 4);
}

static void test_thousand_parked_requests_are_woken_by_one_event(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    int *fds = calloc(COUNT, sizeof *fds);
    for (int i = 0; i < COUNT; i++)
        fds[i] = ask("/watch");
    fixture_wait_parked(&fixture, COUNT);
    has(answer_of(ask("/healthz")), "ok");          /* nobody waits for them */
    fixture_happen(&fixture);
    for (int i = 0; i < COUNT; i++)
        has(answer_of(fds[i]), "\"event\":true");
    assert_int_equal(http_stats(fixture.server).parked, 0);
    free(fds);
}

static void test_connection_lives_on_after_a_park(void **state)
{
    (void)state;
    int fd = ask("/watch?wait=10");
    has(raw_read_answer(arena, fd), "\"ended\":true");
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\n" HEAD));
    has(raw_read_answer(arena, fd), "ok");
    raw_send(fd, STR("GET /watch?wait=10 HTTP/1.1\r\n" HEAD));
    has(raw_read_answer(arena, fd), "\"ended\":true");
    close(fd);
}

static void test_token_is_checked_again_on_resume(void **state)
{
    (void)state;
    int fd = ask("/watch");
    fixture_wait_parked(&fixture, 1);
    fixture.token_expired = true;
    fixture_happen(&fixture);
    Str answer = answer_of(fd);
    has(answer, "HTTP/1.1 401");
    has(answer, "WWW-Authenticate");
    assert_int_equal(fixture.handler_runs, 1);
}

static void test_park_ends_with_its_token(void **state)
{
    (void)state;
    fixture.token_expires_ms = real_now_ms() + 50;
    has(answer_of(ask("/watch")), "\"ended\":true");
}

static void test_error_after_a_park_is_answered(void **state)
{
    (void)state;
    has(answer_of(ask("/watch?wait=10&refuse=1")), "HTTP/1.1 409");
}

static void test_client_that_left_does_no_harm(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        int fd = ask("/watch");
        const struct linger reset = { .l_onoff = 1 };
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        fixture_wait_parked(&fixture, i + 1);
        close(fd);
    }
    fixture_happen(&fixture);
    has(answer_of(ask("/healthz")), "ok");
}

static void test_stop_answers_parked_requests_at_once(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = ask("/watch");
    fixture_wait_parked(&fixture, COUNT);
    int64_t before = mono_now_ms();
    http_stop(fixture.server, 60 * 1000);
    fixture.server = NULL;
    assert_true(mono_now_ms() - before < 30 * 1000);
    for (int i = 0; i < COUNT; i++) {
        Str answer = answer_of(fds[i]);
        has(answer, "\"ended\":true");
        has(answer, "Connection: close");
    }
}

static void test_stop_lets_running_requests_finish_and_refuses_connections(void **state)
{
    (void)state;
    int fd = ask("/gate");
    fixture_wait_at_gate(&fixture, 1);
    fixture_stop_begin(&fixture, 10 * 1000);
    fixture_wait_deaf(&fixture);
    fixture_open_gate(&fixture);
    has(answer_of(fd), "ok");
    fixture_stop_wait(&fixture);
}

static void test_stop_refuses_what_is_still_queued_when_its_time_is_up(void **state)
{
    (void)state;
    enum { RUNNING = 64, QUEUED = 10 };      /* all workers, those that come when it is busy included */
    int fds[RUNNING + QUEUED];
    for (int i = 0; i < RUNNING; i++)
        fds[i] = ask("/gate");
    fixture_wait_at_gate(&fixture, RUNNING);
    for (int i = RUNNING; i < RUNNING + QUEUED; i++)
        fds[i] = ask("/gate");
    while (http_stats(fixture.server).requests < RUNNING + QUEUED)
        usleep(1000);

    fixture_stop_begin(&fixture, 0);
    for (int i = RUNNING; i < RUNNING + QUEUED; i++)
        has(answer_of(fds[i]), "HTTP/1.1 503");
    fixture_open_gate(&fixture);
    for (int i = 0; i < RUNNING; i++)
        has(answer_of(fds[i]), "ok");
    fixture_stop_wait(&fixture);
    assert_int_equal(fixture.waiting, RUNNING);
}

static void test_wake_before_start_and_stop_without_start_are_harmless(void **state)
{
    (void)state;
    HttpServer *server;
    Err err = { 0 };
    HttpConfig config = { .base_domain = STR("x"), .plain = true };
    assert_true(http_new(&config, &server, &err));
    http_wake(server, STR("event"));
    http_stop(server, 1000);
    http_stop(NULL, 0);
    HttpConfig no_leaves = { .base_domain = STR("x") };
    assert_false(http_new(&no_leaves, &server, &err));
}

static void test_unix_socket_of_a_dead_server_is_replaced_and_of_a_live_one_is_not(void **state)
{
    (void)state;
    HttpServer *second;
    Err err = { 0 };
    HttpConfig config = { .base_domain = STR("x"), .plain = true };
    assert_true(http_new(&config, &second, &err));
    assert_false(http_listen_unix(second, fixture.socket_path, 0600, &err));
    has(str_from(err.text), "another server answers");
    assert_false(http_listen_unix(second, fixture.ca_file, 0600, &err));
    assert_int_equal(access(fixture.ca_file, F_OK), 0);
    assert_false(http_listen_tcp(second, "127.0.0.1", fixture.port, NULL, &err));
    assert_false(http_listen_tcp(second, "example.com", 0, NULL, &err));

    http_stop(fixture.server, 0);
    fixture.server = NULL;
    assert_int_equal(access(fixture.socket_path, F_OK), -1);
    char stale[128];
    snprintf(stale, sizeof stale, "%s/stale", fixture.dir);
    HttpServer *third;
    assert_true(http_new(&config, &third, &err));
    assert_true(http_listen_unix(third, stale, 0600, &err));
    assert_int_equal(rename(stale, fixture.socket_path), 0);        /* what a killed server leaves: a socket file nobody listens on */
    http_stop(third, 0);
    assert_int_equal(access(fixture.socket_path, F_OK), 0);
    assert_true(http_listen_unix(second, fixture.socket_path, 0600, &err));
    http_stop(second, 0);
}

#define ON_A_SERVER(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(test_wake_answers_a_parked_request),
        ON_A_SERVER(test_wake_for_nothing_parks_again_and_other_keys_wake_nobody),
        ON_A_SERVER(test_wake_between_register_and_return_is_not_lost),
        ON_A_SERVER(test_park_ends_after_its_time),
        ON_A_SERVER(test_thousand_parked_requests_are_woken_by_one_event),
        ON_A_SERVER(test_connection_lives_on_after_a_park),
        ON_A_SERVER(test_token_is_checked_again_on_resume),
        ON_A_SERVER(test_park_ends_with_its_token),
        ON_A_SERVER(test_error_after_a_park_is_answered),
        ON_A_SERVER(test_client_that_left_does_no_harm),
        ON_A_SERVER(test_stop_answers_parked_requests_at_once),
        ON_A_SERVER(test_stop_lets_running_requests_finish_and_refuses_connections),
        ON_A_SERVER(test_stop_refuses_what_is_still_queued_when_its_time_is_up),
        ON_A_SERVER(test_wake_before_start_and_stop_without_start_are_harmless),
        ON_A_SERVER(test_unix_socket_of_a_dead_server_is_replaced_and_of_a_live_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
