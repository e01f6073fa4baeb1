/* test_stream.c - bodies that come bit by bit: as they come, in whole, broken off, ended by silence and by the server's stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>
#include "base/clock.h"
#include "fixture.h"

static Fixture fixture;
static Arena *arena;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, true);
    arena = arena_new(64 * 1024 * 1024);
    return 0;
}

static int start_tls(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, false);
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

static int ask(const char *method, const char *target)
{
    int fd = raw_connect(&fixture);
    raw_send(fd, str_printf(arena, "%s %s HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n", method, target));
    return fd;
}

static void test_a_stream_is_sent_as_its_pieces_come(void **state)
{
    (void)state;
    int fd = ask("GET", "/stream?count=3");
    fixture_wait_parked(&fixture, 1);
    fixture_give(&fixture, 1);
    fixture_wait_parked(&fixture, 1);
    fixture_give(&fixture, 2);
    Str answer = raw_read_answer(arena, fd);
    close(fd);
    has(answer, "Content-Length: 30");
    has(answer, "Content-Type: application/octet-stream");
    has(answer, "\r\n\r\naaaaaaaaaabbbbbbbbbbcccccccccc");
    assert_int_equal(http_stats(fixture.server).parked, 0);
}

static void test_a_stream_that_is_there_already_does_not_wait(void **state)
{
    (void)state;
    fixture_give(&fixture, 20000);
    int fd = ask("GET", "/stream?count=20000&wait=0");
    Str answer = raw_read_answer(arena, fd);
    close(fd);
    has(answer, "Content-Length: 200000");
    assert_true(answer.len > 200000);
}

static void test_a_connection_lives_on_after_a_stream(void **state)
{
    (void)state;
    int fd = ask("GET", "/stream?count=1");
    fixture_wait_parked(&fixture, 1);
    fixture_give(&fixture, 1);
    has(raw_read_answer(arena, fd), "aaaaaaaaaa");
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n"));
    has(raw_read_answer(arena, fd), "ok");
    close(fd);
}

/* Less than the length promised, and then the end: no client takes that for the whole. */
static void ends_after(int fd, const char *part)
{
    Str all = raw_read_all(arena, fd);
    has(all, "Content-Length: 30");
    assert_true(str_ends(all, str_from(part)));
}

static void test_a_broken_stream_closes_the_connection(void **state)
{
    (void)state;
    int fd = ask("GET", "/stream?count=3");
    fixture_wait_parked(&fixture, 1);
    fixture_give(&fixture, 1);
    fixture_wait_parked(&fixture, 1);
    fixture_give(&fixture, -1);
    ends_after(fd, "\r\n\r\naaaaaaaaaa");
}

static void test_a_silent_stream_is_broken_off(void **state)
{
    (void)state;
    fixture_give(&fixture, 1);
    ends_after(ask("GET", "/stream?count=3&wait=30"), "\r\n\r\naaaaaaaaaa");
}

static void test_head_tells_the_length_and_reads_nothing(void **state)
{
    (void)state;
    fixture_give(&fixture, -1);
    int fd = ask("HEAD", "/stream?count=3");
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\nHost: management.test.localhost\r\nConnection: close\r\n\r\n"));
    Str all = raw_read_all(arena, fd);
    has(all, "Content-Length: 30");
    has(all, "\r\n\r\nHTTP/1.1 200 OK");
}

static void test_stop_ends_a_stream_at_once(void **state)
{
    (void)state;
    int fd = ask("GET", "/stream?count=3");
    fixture_wait_parked(&fixture, 1);
    fixture_give(&fixture, 1);
    fixture_wait_parked(&fixture, 1);
    int64_t before = mono_now_ms();
    http_stop(fixture.server, 60 * 1000);
    fixture.server = NULL;
    assert_true(mono_now_ms() - before < 30 * 1000);
    ends_after(fd, "\r\n\r\naaaaaaaaaa");
}

typedef struct Sunk { size_t bytes, pieces; } Sunk;

/* What arrived makes more come, so that the server is ahead by one piece at most. */
static bool sink(void *ctx, Bytes piece)
{
    Sunk *sunk = ctx;
    sunk->bytes += piece.len;
    sunk->pieces++;
    fixture_give(&fixture, 1);
    return true;
}

static void test_a_stream_passes_tls(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) HttpClient *client = fixture_client(&fixture, false);
    Sunk sunk = { 0 };
    HttpCall call = { .method = "GET", .url = str_printf(arena, "https://management.test.localhost:%d/stream?count=50", fixture.port), .sink = sink, .sink_ctx = &sunk };
    HttpAnswer answer;
    Err err = { 0 };
    fixture_give(&fixture, 1);
    if (!http_call(client, arena, &call, &answer, &err))
        fail_msg("%s", err.text);
    assert_int_equal(answer.status, 200);
    assert_int_equal(sunk.bytes, 500);
    assert_true(sunk.pieces > 10);
}

#define ON_A_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(test_a_stream_is_sent_as_its_pieces_come),
        ON_A_SERVER(test_a_stream_that_is_there_already_does_not_wait),
        ON_A_SERVER(test_a_connection_lives_on_after_a_stream),
        ON_A_SERVER(test_a_broken_stream_closes_the_connection),
        ON_A_SERVER(test_a_silent_stream_is_broken_off),
        ON_A_SERVER(test_head_tells_the_length_and_reads_nothing),
        ON_A_SERVER(test_stop_ends_a_stream_at_once),
        cmocka_unit_test_setup_teardown(test_a_stream_passes_tls, start_tls, stop),
    };
    return cmocka_run_group_tests_name("http_stream", tests, NULL, NULL);
}
