/* test_bridge.c - bytes between two sockets: all of them, in order, and no event that nothing is done about. */
#include "../cm.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/bridge.h"
#include "base/file.h"

enum { EVENTS_MAX = 200, BULK = 1 << 20 };

/* left <-> bridge <-> right: the test holds the outer ends. */
static Bridge *bridge;
static int epoll = -1, left = -1, right = -1;
static bool is_over;

static int start(void **state)
{
    int a[2], b[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, b), 0);
    left = a[0];
    right = b[0];
    bridge = malloc(sizeof *bridge);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    bridge_init(bridge, a[1], b[1]);
    is_over = !bridge_pump(epoll, bridge);
    assert_false(is_over);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    bridge_done(bridge);
    free(bridge);
    fd_close(&left);
    fd_close(&right);
    fd_close(&epoll);
    return 0;
}

/* Handles events until there are none, and there must be an end of them. */
static void settle(void)
{
    struct epoll_event event;
    for (int i = 0; !is_over && epoll_wait(epoll, &event, 1, 0) == 1; i++) {
        assert_true(i < EVENTS_MAX);
        is_over = !bridge_event(epoll, event.data.ptr, event.events);
    }
}

static void says(int fd, const char *text) { assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text)); }

static void hears(int fd, const char *text)
{
    char got[64] = "";
    settle();
    assert_int_equal(recv(fd, got, sizeof got, 0), (ssize_t)strlen(text));
    assert_string_equal(got, text);
}

static void hears_the_end(int fd)
{
    char got;
    settle();
    assert_int_equal(recv(fd, &got, 1, 0), 0);
}

static void test_bytes_go_both_ways(void **state)
{
    (void)state;
    says(left, "there");
    hears(right, "there");
    says(right, "back");
    hears(left, "back");
    assert_int_equal(bridge->ends[0].bytes, 5);
    assert_false(is_over);
}

static void test_an_end_in_one_direction_leaves_the_other_open_and_quiet(void **state)
{
    (void)state;
    says(left, "question");
    assert_int_equal(shutdown(left, SHUT_WR), 0);
    hears(right, "question");
    hears_the_end(right);
    for (int i = 0; i < 3; i++) {
        settle();                               /* quiet while nothing happens */
        assert_false(is_over);
        says(right, "answer");
        hears(left, "answer");
    }
    fd_close(&right);
    settle();
    assert_true(is_over);
}

static void test_who_hung_up_is_heard_out_and_then_it_is_over(void **state)
{
    static char bytes[BULK];
    (void)state;
    size_t sent = 0, have = 0;
    for (ssize_t done; (done = send(left, bytes, sizeof bytes, MSG_NOSIGNAL)) > 0; settle())       /* until the other side holds it back */
        sent += (size_t)done;
    fd_close(&left);
    settle();
    assert_false(is_over);
    says(right, "nobody hears this");
    settle();
    for (ssize_t got; (got = recv(right, bytes, sizeof bytes, 0)) > 0; settle())
        have += (size_t)got;
    assert_int_equal(have, sent);
    assert_true(sent > BRIDGE_BYTES);
    assert_true(is_over);
}

static void test_a_peer_that_went_away_ends_it(void **state)
{
    (void)state;
    fd_close(&right);
    settle();
    assert_true(is_over);                       /* nothing more comes from it, and nobody takes what goes there */
}

static void test_more_than_a_turns_worth_goes_through_after_a_hang_up(void **state)
{
    static char bytes[BULK];
    int size = BULK;
    (void)state;
    (void)setsockopt(left, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(bridge->ends[1].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ssize_t sent = send(left, bytes, sizeof bytes, MSG_NOSIGNAL), have = 0;
    fd_close(&left);
    settle();
    for (ssize_t got; (got = recv(right, bytes, sizeof bytes, 0)) > 0; settle())
        have += got;
    assert_int_equal(have, sent);
    assert_true(is_over);
}

#define BRIDGED(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BRIDGED(test_bytes_go_both_ways),
        BRIDGED(test_an_end_in_one_direction_leaves_the_other_open_and_quiet),
        BRIDGED(test_who_hung_up_is_heard_out_and_then_it_is_over),
        BRIDGED(test_a_peer_that_went_away_ends_it),
        BRIDGED(test_more_than_a_turns_worth_goes_through_after_a_hang_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
