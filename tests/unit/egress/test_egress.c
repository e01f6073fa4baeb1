/* test_egress.c - connections through the socket, to servers of the test. */
#include "../cm.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "egress/egress.h"
#include "egress/socks.h"

enum { WAIT_MS = 120000 /* a name that nobody knows may take as long as resolvers that do not answer */, BULK_BYTES = 8 << 20 };
static char dir[] = "/tmp/vaultyard-egress-XXXXXX", path[64];
static int server = -1, port;
static Egress *egress;

/* A port of the test's own that nobody listens on: while it is bound it can become nobody else's. */
static int bind_somewhere(int *at)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *at = ntohs(address.sin_port);
    return fd;
}

static int listen_somewhere(int *at)
{
    int fd = bind_somewhere(at);
    assert_int_equal(listen(fd, 512), 0);
    return fd;
}

static void serve_with(EgressMode mode, const char *rule)
{
    EgressPolicy policy = { .mode = mode };
    Err err = { 0 };
    if (rule && !egress_rule_read(str_from(rule), &policy.rules[policy.rule_count++], &err))
        fail_msg("%s", err.text);
    if (!egress_start(path, &policy, &egress, &err))
        fail_msg("%s", err.text);
}

static void open_to_server(void)
{
    char rule[64];
    (void)snprintf(rule, sizeof rule, "127.0.0.1/32:%d", port);
    serve_with(EGRESS_ON, rule);
}

static int dial(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The bytes that come, up to `len`; less when the connection ends. */
static size_t take(int fd, void *into, size_t len)
{
    size_t have = 0;
    while (have < len) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        ssize_t got = recv(fd, (char *)into + have, len - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

/* Greeting and request; answers the reply's code, -1 when the connection ended without one. */
static int ask(int fd, const uint8_t *address, size_t len, int to)
{
    uint8_t request[300] = { 5, 1, 0, 5, 1, 0 }, method[2], reply[SOCKS_REPLY_BYTES];
    size_t at = 6;
    memcpy(request + at, address, len);
    at += len;
    request[at++] = (uint8_t)(to >> 8);
    request[at++] = (uint8_t)to;
    assert_int_equal(send(fd, request, at, MSG_NOSIGNAL), (ssize_t)at);     /* all at once: nobody says it may not be */
    if (take(fd, method, 2) != 2 || method[1] != 0 || take(fd, reply, sizeof reply) != sizeof reply)
        return -1;
    return reply[1];
}

static int ask_v4(int fd, uint8_t a, uint8_t b, uint8_t c, uint8_t d, int to) { return ask(fd, (const uint8_t[]){ 1, a, b, c, d }, 5, to); }

static int ask_name(int fd, const char *name, int to)
{
    uint8_t address[256] = { 3, (uint8_t)strlen(name) };
    memcpy(address + 2, name, strlen(name));
    return ask(fd, address, 2 + strlen(name), to);
}

static int refused(const char *name, int to)
{
    int fd = dial(), code = name ? ask_name(fd, name, to) : ask_v4(fd, 127, 0, 0, 1, to);
    char byte;
    assert_int_equal(take(fd, &byte, 1), 0);            /* and it is over */
    (void)close(fd);
    return code;
}

static void test_an_allowed_port_is_reached_by_address_and_by_name(void **state)
{
    static const char *const names[] = { NULL, "127.0.0.1", "localhost", "0x7f.1", "::ffff:127.0.0.1" };
    (void)state;
    open_to_server();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char text[8] = "";
        int fd = dial();
        int code = names[i] ? ask_name(fd, names[i], port) : ask_v4(fd, 127, 0, 0, 1, port);
        if (code != 0)
            fail_msg("%s: %d", names[i] ? names[i] : "by address", code);
        int far = accept(server, NULL, NULL);
        assert_true(far >= 0);
        assert_int_equal(send(fd, "hello", 5, 0), 5);
        assert_int_equal(take(far, text, 5), 5);
        assert_string_equal(text, "hello");
        assert_int_equal(shutdown(fd, SHUT_WR), 0);     /* an end in one direction is carried over, the other goes on */
        assert_int_equal(take(far, text, 1), 0);
        assert_int_equal(send(far, "bye", 3, 0), 3);
        (void)close(far);
        assert_int_equal(take(fd, text, 8), 3);
        (void)close(fd);
    }
}

static void test_other_ports_and_this_machines_addresses_are_refused(void **state)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "127.1", "2130706433", "0.0.0.0", "::1", "::", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1",
                                         "64:ff9b::a9fe:a9fe" };
    (void)state;
    open_to_server();
    assert_int_equal(refused(NULL, port == 65535 ? 1 : port + 1), SOCKS_NOT_ALLOWED);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int code = refused(names[i], 80);
        if (code != SOCKS_NOT_ALLOWED)
            fail_msg("%s: %d", names[i], code);
    }
    struct pollfd wait = { .fd = server, .events = POLLIN };
    assert_int_equal(poll(&wait, 1, 0), 0);             /* nobody came to the server */
}

static void test_what_cannot_be_reached_is_told_as_such(void **state)
{
    char rule[64];
    int closed_port, closed = bind_somewhere(&closed_port);
    (void)state;
    (void)snprintf(rule, sizeof rule, "127.0.0.1:%d", closed_port);
    serve_with(EGRESS_ON, rule);
    assert_int_equal(refused(NULL, closed_port), SOCKS_REFUSED);
    assert_int_equal(refused("no-such-name.invalid", 80), SOCKS_HOST_UNREACHABLE);      /* RFC 2606 section 2 */
    int fd = dial();
    uint8_t bind_request[] = { 5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80 }, answer[12];
    assert_int_equal(send(fd, bind_request, sizeof bind_request, 0), sizeof bind_request);
    assert_int_equal(take(fd, answer, sizeof answer), sizeof answer);
    assert_int_equal(answer[3], SOCKS_BAD_COMMAND);
    (void)close(fd);
    (void)close(closed);
}

static void test_who_speaks_something_else_is_shown_the_door(void **state)
{
    static const char *const said[] = { "GET / HTTP/1.1\r\n\r\n", "\x04\x01", "\x05\x01\x02" };
    (void)state;
    open_to_server();
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        char answer[16];
        int fd = dial();
        assert_int_equal(send(fd, said[i], strlen(said[i]), 0), (ssize_t)strlen(said[i]));
        size_t len = take(fd, answer, sizeof answer);
        assert_true(len == 0 || (len == 2 && answer[1] == (char)SOCKS_NO_METHOD));
        (void)close(fd);
    }
}

static void *send_bulk(void *arg)
{
    static char bytes[64 * 1024];
    int fd = *(int *)arg;
    for (size_t sent = 0; sent < BULK_BYTES; sent += sizeof bytes)
        for (size_t at = 0; at < sizeof bytes;) {
            ssize_t done = send(fd, bytes + at, sizeof bytes - at, MSG_NOSIGNAL);
            if (done <= 0)
                return NULL;
            at += (size_t)done;
        }
    (void)shutdown(fd, SHUT_WR);
    return NULL;
}

static void test_much_goes_both_ways_while_another_does_not_read(void **state)
{
    static char bytes[256 * 1024];
    pthread_t threads[2];
    (void)state;
    open_to_server();
    int lazy = dial(), fd = dial();
    assert_int_equal(ask_v4(lazy, 127, 0, 0, 1, port), 0);
    int lazy_far = accept(server, NULL, NULL);
    assert_int_equal(ask_v4(fd, 127, 0, 0, 1, port), 0);
    int far = accept(server, NULL, NULL);
    pthread_t lazy_thread;
    assert_int_equal(pthread_create(&lazy_thread, NULL, send_bulk, &lazy_far), 0);      /* nobody reads this one */
    assert_int_equal(pthread_create(&threads[0], NULL, send_bulk, &fd), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, send_bulk, &far), 0);
    size_t here = 0, there = 0;
    while (here < BULK_BYTES || there < BULK_BYTES) {
        struct pollfd wait[] = { { .fd = here < BULK_BYTES ? fd : -1, .events = POLLIN }, { .fd = there < BULK_BYTES ? far : -1, .events = POLLIN } };
        assert_true(poll(wait, 2, WAIT_MS) > 0);
        ssize_t got = wait[0].revents ? recv(fd, bytes, sizeof bytes, 0) : 0;
        here += got > 0 ? (size_t)got : 0;
        got = wait[1].revents ? recv(far, bytes, sizeof bytes, 0) : 0;
        there += got > 0 ? (size_t)got : 0;
    }
    assert_true(here == BULK_BYTES && there == BULK_BYTES);
    (void)pthread_join(threads[0], NULL);
    (void)pthread_join(threads[1], NULL);
    (void)close(lazy);
    (void)pthread_join(lazy_thread, NULL);
    (void)close(lazy_far);
    (void)close(fd);
    (void)close(far);
}

/* The server's side stays open and silent: it is told that nobody is there any more, after all that was sent. */
static void test_a_client_that_goes_away_takes_its_connection_with_it(void **state)
{
    static char bytes[BULK_BYTES];
    (void)state;
    open_to_server();
    int fd = dial();
    assert_int_equal(ask_v4(fd, 127, 0, 0, 1, port), 0);
    int far = accept(server, NULL, NULL);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, send_bulk, &fd), 0);
    struct pollfd wait = { .fd = far, .events = POLLIN };
    assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
    size_t have = take(far, bytes, BULK_BYTES - 128 * 1024);
    (void)pthread_join(thread, NULL);                   /* all is sent, not all is through */
    (void)close(fd);
    have += take(far, bytes, sizeof bytes - have);
    assert_int_equal(have, BULK_BYTES);
    assert_int_equal(take(far, bytes, 1), 0);
    while (send(far, "x", 1, MSG_NOSIGNAL) == 1)        /* the connection itself ends, not only one direction of it */
        (void)poll(&wait, 1, 10);
    (void)close(far);
}

static void test_one_caller_has_so_many_connections_and_no_more(void **state)
{
    int fds[EGRESS_NODE_CONNECTIONS_MAX];
    char byte;
    (void)state;
    open_to_server();
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial();
        assert_int_equal(ask_v4(fds[i], 127, 0, 0, 1, port), 0);
    }
    int one_more = dial();
    assert_int_equal(take(one_more, &byte, 1), 0);
    (void)close(one_more);
    (void)close(fds[0]);                                /* room for one */
    for (int code = -1; code != 0;) {
        fds[0] = dial();
        uint8_t hello[] = { 5, 1, 0 }, method[2];
        code = send(fds[0], hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello && take(fds[0], method, 2) == 2 ? 0 : -1;
        if (code)
            (void)close(fds[0]);
    }
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        (void)close(fds[i]);
}

static void test_off_leaves_no_socket_behind(void **state)
{
    struct stat info;
    (void)state;
    open_to_server();
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0666);
    egress_stop(egress);
    assert_true(lstat(path, &info) < 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };        /* what a killed server leaves */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    serve_with(EGRESS_OFF, NULL);
    assert_null(egress);
    assert_true(lstat(path, &info) < 0);
}

static int start(void **state)
{
    (void)state;
    server = listen_somewhere(&port);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    egress_stop(egress);
    egress = NULL;
    (void)close(server);
    return 0;
}

#define SERVED(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    log_setup(LOG_ERROR, LOG_KEY_VALUE, "test");
    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(path, sizeof path, "%s/egress.sock", dir);
    const struct CMUnitTest tests[] = {
        SERVED(test_an_allowed_port_is_reached_by_address_and_by_name),
        SERVED(test_other_ports_and_this_machines_addresses_are_refused),
        SERVED(test_what_cannot_be_reached_is_told_as_such),
        SERVED(test_who_speaks_something_else_is_shown_the_door),
        SERVED(test_much_goes_both_ways_while_another_does_not_read),
        SERVED(test_a_client_that_goes_away_takes_its_connection_with_it),
        SERVED(test_one_caller_has_so_many_connections_and_no_more),
        SERVED(test_off_leaves_no_socket_behind),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(dir);
    return failed;
}
