#include "../cm.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "certs/scrape.h"

static const char good[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
static char base[64];
static size_t filler;                               /* bytes of the metrics beside their first line */
static Scrape *scrape;

static void text_of(void *ctx, Buf *text)
{
    (void)ctx;
    buf_put_str(text, STR("m 1\n"));
    for (size_t i = 0; i < filler; i++)
        buf_put_char(text, 'x');
}

static int set_up(void **state)
{
    (void)state;
    Err err = { 0 };
    filler = 0;
    (void)snprintf(base, sizeof base, "/tmp/vaultyard-scrape-XXXXXX");
    return mkdtemp(base) && scrape_new(STR("127.0.0.1:0"), &scrape, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    scrape_free(scrape);
    return !dir_remove_tree(base, &err);
}

static int connect_to(Str where)
{
    ScrapeAddress address;
    Err err = { 0 };
    assert_true(scrape_address(where, &address, &err));
    int fd = socket(address.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address.to, address.len), 0);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* As the agent does: waits for the one descriptor, and moves on what is ready. */
static int64_t turn(int timeout_ms)
{
    struct pollfd fd = { .fd = scrape_fd(scrape), .events = POLLIN };
    (void)poll(&fd, 1, timeout_ms);
    return scrape_step(scrape, text_of, NULL);
}

/* What the server answers until it closes. */
static Str answer_to(int fd, const char *request, char *room, size_t size)
{
    size_t sent = 0, wanted = strlen(request), len = 0;
    for (int i = 0; i < 100000; i++) {
        ssize_t n = sent < wanted ? send(fd, request + sent, wanted - sent, MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        (void)turn(sent < wanted ? 0 : 1);
        while ((n = recv(fd, room + len, size - len, 0)) > 0)
            len += (size_t)n;
        if (n == 0) {
            (void)close(fd);
            return (Str){ room, len };
        }
    }
    fail_msg("no answer to %.60s", request);
    return STR_NONE;
}

static void test_the_metrics_are_answered_and_the_connection_ends(void **state)
{
    (void)state;
    static const char *const requests[] = { good, "GET /metrics?collect[]=x HTTP/1.1\r\nhost: a\r\nAccept: */*\r\n\r\n", "GET http://a:1/metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                                            "GET /metrics HTTP/1.0\r\n\r\n" };
    char room[4096];
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        Str got = answer_to(connect_to(str_from(scrape_where(scrape))), requests[i], room, sizeof room);
        assert_true(str_starts(got, STR("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")));
        assert_true(str_ends(got, STR("\r\n\r\nm 1\n")));
    }
    assert_int_equal(turn(0), INT64_MAX);                    /* nobody there: nothing to wake for */
}

static void test_other_paths_methods_and_what_is_no_request_are_refused(void **state)
{
    (void)state;
    static const struct { const char *request, *status; } cases[] = {
        { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404" }, { "GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", "404" }, { "GET /../metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404" },
        { "GET metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404" }, { "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "405" },
        { "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405" }, { "get /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405" },
        { "GET /metrics HTTP/1.1\r\n\r\n", "400" }, { "GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400" }, { "GET /metrics\r\n\r\n", "400" },
        { "GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "400" }, { "GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n", "400" }, { "GET /metrics HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "400" },
        { "GET /metrics HTTP/1.1\r\nHost: x\ny: z\r\n\r\n", "400" }, { "GET /metrics HTTP/1.1 \r\nHost: x\r\n\r\n", "400" }, { "\r\n\r\n", "400" },
        { "GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n", "505" }, { "GET /metrics HTTP/0.9\r\n\r\n", "505" },
    };
    char room[4096];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Str got = answer_to(connect_to(str_from(scrape_where(scrape))), cases[i].request, room, sizeof room);
        if (!str_starts(got, STR("HTTP/1.1 ")) || !str_eq(str_slice(got, 9, 12), str_from(cases[i].status)))
            fail_msg("%s was answered %.*s", cases[i].request, (int)got.len, got.ptr);
        if (strcmp(cases[i].status, "405") == 0)
            assert_non_null(strstr(room, "\r\nAllow: GET\r\n"));
    }
    char huge[SCRAPE_HEAD_MAX + 100];
    memset(huge, 'a', sizeof huge);
    huge[sizeof huge - 1] = '\0';
    assert_true(str_starts(answer_to(connect_to(str_from(scrape_where(scrape))), huge, room, sizeof room), STR("HTTP/1.1 431")));
}

static void test_one_who_is_slow_delays_nobody_and_is_let_go(void **state)
{
    (void)state;
    static char room[1 << 20];
    Str where = str_from(scrape_where(scrape));
    int silent = connect_to(where), slow = connect_to(where);
    filler = 8 << 20;                                        /* more than the kernel keeps for one who does not read: refused as too much, so */
    assert_true(str_starts(answer_to(connect_to(where), good, room, sizeof room), STR("HTTP/1.1 500")));
    filler = 3 << 20;
    assert_int_equal(send(slow, good, sizeof good - 1, 0), (ssize_t)sizeof good - 1);
    int64_t begun_ms = mono_now_ms(), next_ms = turn(100);
    filler = 0;
    assert_true(str_starts(answer_to(connect_to(where), good, room, sizeof room), STR("HTTP/1.1 200")));
    assert_true(next_ms <= begun_ms + SCRAPE_CLIENT_MS);
    while (turn(100) != INT64_MAX)
        assert_true(mono_now_ms() < begun_ms + 10 * SCRAPE_CLIENT_MS);
    assert_int_equal(recv(silent, room, 1, 0), 0);           /* closed, with nothing said */
    (void)close(silent);
    (void)close(slow);
}

static void test_more_than_fit_wait_for_their_turn(void **state)
{
    (void)state;
    int fds[SCRAPE_CLIENTS_MAX + 4];
    char room[4096];
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = connect_to(str_from(scrape_where(scrape)));
    for (int i = 0; i < 20; i++)
        (void)turn(0);
    struct pollfd quiet = { .fd = scrape_fd(scrape), .events = POLLIN };
    assert_int_equal(poll(&quiet, 1, 0), 0);                 /* those who wait do not keep the agent awake */
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        assert_true(str_starts(answer_to(fds[i], good, room, sizeof room), STR("HTTP/1.1 200")));
}

static void test_a_socket_file_is_made_anew_but_never_anothers(void **state)
{
    (void)state;
    char where[100], path[90], room[4096];
    Err err = { 0 };
    Scrape *second = NULL;
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/m.sock", base);
    (void)snprintf(where, sizeof where, "unix:%s", path);
    scrape_free(scrape);
    assert_true(scrape_new(str_from(where), &scrape, &err));
    assert_string_equal(scrape_where(scrape), where);
    assert_true(str_starts(answer_to(connect_to(str_from(where)), good, room, sizeof room), STR("HTTP/1.1 200")));
    assert_false(scrape_new(str_from(where), &second, &err));                /* ours is alive */
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_true(str_starts(answer_to(connect_to(str_from(where)), good, room, sizeof room), STR("HTTP/1.1 200")));
    scrape_free(scrape);
    scrape = NULL;
    assert_int_equal(lstat(path, &st), -1);
    struct sockaddr_un dead = { .sun_family = AF_UNIX };
    (void)snprintf(dead.sun_path, sizeof dead.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&dead, sizeof dead), 0);
    (void)close(fd);
    assert_true(scrape_new(str_from(where), &scrape, &err));                 /* what a killed agent left */
    scrape_free(scrape);
    scrape = NULL;
    assert_true(file_replace(path, bytes_of(STR("mine")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_false(scrape_new(str_from(where), &scrape, &err));
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_size, 4);
}

static void test_an_address_that_is_taken_is_said(void **state)
{
    (void)state;
    Scrape *second = NULL;
    Err err = { 0 };
    assert_false(scrape_new(str_from(scrape_where(scrape)), &second, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "is taken"));
    assert_false(scrape_new(STR("192.0.2.1:0"), &second, &err));             /* not of this machine */
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void test_what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "9477", ":9477", "localhost:9477", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:09", "::1:9477", "[::1]", "[::1]9477",
                                       "[]:1", "127.0.0.256:1", "unix:", "unix:run/x", "unix:/run/", "/run/x", "http://127.0.0.1:1" };
    static const char *const fine[] = { "127.0.0.1:9477", "0.0.0.0:0", "[::1]:9477", "[::]:1", "unix:/run/vaultyard-certs/metrics.sock" };
    char path[200] = "unix:/";
    ScrapeAddress address;
    Err err = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (scrape_address(str_from(bad[i]), &address, &err))
            fail_msg("%s was taken", bad[i]);
        assert_string_equal(err.target, "vaultyard.metrics.listen");
    }
    for (size_t i = 0; i < COUNT_OF(fine); i++)
        if (!scrape_address(str_from(fine[i]), &address, &err))
            fail_msg("%s: %s", fine[i], err.text);
    memset(path + 6, 'x', 110);
    assert_false(scrape_address(str_from(path), &address, &err));            /* longer than a socket's name may be */
    assert_false(scrape_address((Str){ "unix:/a\0b", 9 }, &address, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_metrics_are_answered_and_the_connection_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_paths_methods_and_what_is_no_request_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_who_is_slow_delays_nobody_and_is_let_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_than_fit_wait_for_their_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_socket_file_is_made_anew_but_never_anothers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_address_that_is_taken_is_said, set_up, tear_down),
        cmocka_unit_test(test_what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
