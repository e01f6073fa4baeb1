/* fixture_ask.c - talking to the server of the tests: through the client, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fixture.h"

HttpClient *fixture_client(const Fixture *fixture, bool over_unix)
{
    HttpClient *client;
    Err err = { 0 };
    HttpClientConfig config = { .ca_file = fixture->ca_file, .unix_socket = over_unix ? fixture->socket_path : NULL, .user_agent = "test" };
    assert_true(http_client_new(&config, &client, &err));
    return client;
}

HttpAnswer fixture_call(const Fixture *fixture, HttpClient *client, Arena *arena, const char *method, const char *host_labels, const char *path, Str body)
{
    Err err = { 0 };
    HttpAnswer answer = { 0 };
    HttpHeader headers[] = { { "Authorization", STR("Bearer good") }, { "Content-Type", STR("application/json") } };
    HttpCall call = {
        .method = method, .headers = headers, .header_count = COUNT_OF(headers), .body = body,
        .url = str_printf(arena, "%s://%s.test.localhost:%d%s", fixture->is_plain ? "http" : "https", host_labels, fixture->port, path),
    };
    if (!http_call(client, arena, &call, &answer, &err))
        fail_msg("%s %s: %s", method, path, err.text);
    return answer;
}

int raw_connect(const Fixture *fixture)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t)fixture->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    const int on = 1;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    const struct timeval limit = { .tv_sec = 60 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

void raw_send(int fd, Str bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        ssize_t sent = send(fd, bytes.ptr + at, bytes.len - at, MSG_NOSIGNAL);
        if (sent < 0)
            return;                     /* the server may refuse before it has read all */
        at += (size_t)sent;
    }
}

Str raw_read_all(Arena *arena, int fd)
{
    Buf all;
    buf_init(&all, ARENA);
    char part[4096];
    ssize_t got;
    while ((got = recv(fd, part, sizeof part, 0)) > 0)
        buf_put(&all, part, (size_t)got);
    assert_false(got < 0 && errno == EAGAIN);
    close(fd);
    Str text = str_dup(arena, buf_str(&all));
    buf_done(&all);
    return text;
}

Str raw_read_answer(Arena *arena, int fd)
{
    Buf all;
    buf_init(&all, ARENA);
    size_t head_end = 0, want = SIZE_MAX;
    char c;
    while (all.len < want && recv(fd, &c, 1, 0) == 1) {
        buf_put_char(&all, c);
        if (want == SIZE_MAX && str_ends(buf_str(&all), STR("\r\n\r\n"))) {
            size_t at;
            int64_t length = 0;
            Err err = { 0 };
            head_end = all.len;
            if (str_find(buf_str(&all), STR("Content-Length: "), &at)) {
                Str rest = str_slice(buf_str(&all), at + 16, all.len);
                assert_true(str_to_int64(str_trim(str_cut(&rest, '\n')), 0, ARENA, &length, &err));
            }
            want = head_end + (size_t)length;
        }
    }
    Str text = str_dup(arena, buf_str(&all));
    buf_done(&all);
    return text;
}

void raw_post(Arena *arena, int fd, Str target, size_t body)
{
    char *text = calloc(1, body + 1);
    assert_non_null(text);
    memset(text, 'x', body);
    raw_send(fd, str_printf(arena, "POST " STR_FMT " HTTP/1.1\r\nHost: management.test.localhost\r\nContent-Length: %zu\r\n\r\n%s", STR_ARG(target), body, text));
    free(text);
}

void raw_answers(Arena *arena, int fd, const char *status, const char *part)
{
    Str answer = raw_read_answer(arena, fd);
    has(answer, status);
    has(answer, part);
    close(fd);
}

Str raw_ask(const Fixture *fixture, Arena *arena, Str bytes)
{
    int fd = raw_connect(fixture);
    raw_send(fd, bytes);
    Str answer = raw_read_answer(arena, fd);
    close(fd);
    return answer;
}
