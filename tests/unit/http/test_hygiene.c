/* test_hygiene.c - hostile bytes against a plain server: what two implementations could read differently is refused, and the
 * connection with it; what is merely unusual is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fixture.h"

#define HOST "Host: management.test.localhost\r\n"
#define VAULT "Host: v1.vault.test.localhost\r\nAuthorization: Bearer good\r\n"

static Fixture fixture;
static Arena *arena;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, true);
    arena = arena_new(64 * 1024 * 1024);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_free(arena);
    fixture_stop(&fixture);
    return 0;
}

static Str ask(Str bytes)
{
    return raw_ask(&fixture, arena, bytes);
}

static size_t answers_in(Str text)
{
    size_t count = 0, at;
    for (; str_find(text, STR("HTTP/1.1 "), &at); count++)
        text = str_slice(text, at + 9, text.len);
    return count;
}

/* Followed by a good request: a refused head must take the connection with it, or the second would be a smuggled one. Status NULL: 400, or no answer at all. */
static void refused(Str head, const char *status)
{
    int runs = fixture.handler_runs;
    int fd = raw_connect(&fixture);
    raw_send(fd, head);
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
    Str answer = raw_read_all(arena, fd);
    size_t at;
    bool is_cut = !status && answer.len == 0;
    if ((!is_cut && !str_starts(answer, str_printf(arena, "HTTP/1.1 %s", status ? status : "400"))) || str_find(answer, STR("HTTP/1.1 200"), &at))
        fail_msg("'" STR_FMT "' was answered '" STR_FMT "'", STR_ARG(head), STR_ARG(answer));
    assert_int_equal(fixture.handler_runs, runs);
}

static void accepted(Str request)
{
    Str answer = ask(request);
    if (!str_starts(answer, STR("HTTP/1.1 200")))
        fail_msg("'" STR_FMT "' was answered '" STR_FMT "'", STR_ARG(request), STR_ARG(answer));
}

static void test_plain_good_requests_are_answered(void **state)
{
    (void)state;
    accepted(STR("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
    accepted(STR("GET /healthz HTTP/1.0\r\n" HOST "\r\n"));
    accepted(STR("GET /healthz HTTP/1.1\r\nHOST:management.test.localhost:8443\r\nX-Empty:\r\nX-Tab:\t a\t\r\n\r\n"));
    accepted(STR("\r\nGET /healthz HTTP/1.1\r\n" HOST "\r\n"));
    accepted(STR("GET /healthz?a=b&c HTTP/1.1\r\n" HOST "Cookie: a=b; c=d\r\n\r\n"));
    accepted(STR("GET http://management.test.localhost/healthz HTTP/1.1\r\n" HOST "\r\n"));
    accepted(STR("POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
}

static void test_transfer_encoding_beside_content_length_is_refused(void **state)
{
    (void)state;
    refused(STR("POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400");
    refused(STR("POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"), "400");
}

static void test_unusual_transfer_encodings_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = { "identity", "gzip, chunked", "chunked, chunked", "xchunked", "\"chunked\"", "" };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        refused(str_printf(arena, "POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Transfer-Encoding: %s\r\n\r\n0\r\n\r\n", values[i]), "400");
    refused(STR("POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400");
    refused(STR("POST /items/s1/raw?api-version=7.4 HTTP/1.0\r\n" VAULT "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400");
}

static void test_several_or_strange_content_lengths_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "Content-Length: 0\r\nContent-Length: 0\r\n", "Content-Length: 0\r\nContent-Length: 34\r\n", "Content-Length: 0, 0\r\n", "Content-Length: +0\r\n",
        "Content-Length: 0x0\r\n", "Content-Length: -1\r\n", "Content-Length: \r\n", "Content-Length: 00\r\n", "Content-Length: 0 0\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        refused(str_printf(arena, "POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "%s\r\n", lines[i]), "400");
    refused(STR("POST /items/s1/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 99999999999999999999999\r\n\r\n"), "4");
}

static void test_host_is_needed_exactly_once(void **state)
{
    (void)state;
    refused(STR("GET /healthz HTTP/1.1\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.0\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\nHost:\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST HOST "\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "host: other\r\n\r\n"), "400");
    refused(STR("GET http://other.test.localhost/healthz HTTP/1.1\r\n" HOST "\r\n"), "400");
}

static void test_folded_lines_are_refused(void **state)
{
    (void)state;
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\r\n c\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\r\n\tc\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "Transfer-: chunked\r\n Encoding\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n X: y\r\n" HOST "\r\n"), "400");
}

static void test_lines_that_do_not_end_in_cr_lf_are_refused(void **state)
{
    (void)state;
    refused(STR("GET /healthz HTTP/1.1\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\nHost: management.test.localhost\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\nX-B: c\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\r\n\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\nHost: management.test.localhost\n\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\rX-B: c\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\r\n" HOST "\r\n"), "400");
}

static void test_nul_and_control_characters_are_refused(void **state)
{
    (void)state;
    /* libmicrohttpd 1.0 closes the connection at a NUL, and at white space of other kinds in the first line. */
    refused(STR("GET /healthz\0x HTTP/1.1\r\n" HOST "\r\n"), NULL);
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\0c\r\n\r\n"), NULL);
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A\0: b\r\n\r\n"), NULL);
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\0\r\n\r\n"), NULL);
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\x01\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: b\x7f\r\n\r\n"), "400");
    refused(STR("GET /heal\x0bthz HTTP/1.1\r\n" HOST "\r\n"), NULL);
    refused(STR("GET /heal\tthz HTTP/1.1\r\n" HOST "\r\n"), NULL);
    refused(STR("GET /heal\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X-A: \xff\xfe\r\n\r\n"), "400");
}

static void test_malformed_header_names_are_refused(void **state)
{
    (void)state;
    refused(STR("GET /healthz HTTP/1.1\r\nHost : management.test.localhost\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "Content-Length : 0\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST ": x\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "X(A): x\r\n\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.1\r\n" HOST "no colon\r\n\r\n"), "400");
}

static void test_other_versions_are_refused(void **state)
{
    (void)state;
    refused(STR("GET /healthz HTTP/9.9\r\n" HOST "\r\n"), "505");
    refused(STR("GET /healthz HTTP/2.0\r\n" HOST "\r\n"), "505");
    refused(STR("GET /healthz HTTP/0.9\r\n" HOST "\r\n"), "505");
    refused(STR("GET /healthz HTTP/1.2\r\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz HTTP/1.10\r\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz http/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz\r\n"), "400");
}

static void test_strange_targets_are_refused(void **state)
{
    (void)state;
    refused(STR("GET healthz HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET * HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("CONNECT management.test.localhost:443 HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz#top HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET  /healthz HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET /healthz  HTTP/1.1\r\n" HOST "\r\n"), "400");
    refused(STR("GET /a b HTTP/1.1\r\n" HOST "\r\n"), "400");
}

static void answered(Str request, const char *status)
{
    Str answer = ask(request);
    if (!str_starts(answer, str_printf(arena, "HTTP/1.1 %s", status)))
        fail_msg("'" STR_FMT "' was answered '" STR_FMT "'", STR_ARG(request), STR_ARG(answer));
}

static void test_badly_encoded_paths_and_queries_are_400(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/items/%?api-version=7.4", "/items/%zz?api-version=7.4", "/items/%00?api-version=7.4", "/items/%ff?api-version=7.4", "/items/../x?api-version=7.4",
        "/items/%2e%2E?api-version=7.4", "/items/a%2F..%2Fb?api-version=7.4", "/items/a?x=%ff", "/items/a?%00=1", "/items/a?x=%",
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        answered(str_printf(arena, "GET %s HTTP/1.1\r\n" VAULT "\r\n", targets[i]), "400");
}

static void test_unknown_method_is_405(void **state)
{
    (void)state;
    answered(STR("BREW /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "405");
    answered(STR("get /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "405");
    answered(STR("TRACE /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "405");
}

static void test_body_without_length_is_411(void **state)
{
    (void)state;
    answered(STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "411");
    answered(STR("POST /items/a/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "411");
    answered(STR("PATCH /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "411");
    answered(STR("DELETE /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "\r\n"), "204");
}

static void test_hosts_that_are_not_ours_say_so(void **state)
{
    (void)state;
    static const struct { const char *host, *status, *word; } cases[] = {
        { "gone.vault.test.localhost", "404", "gone.vault.test.localhost" }, { "nothing.test.localhost", "404", "nothing.test.localhost" },
        { "test.localhost", "404", "test.localhost" }, { "example.com", "421", "below 'test.localhost'" }, { "127.0.0.1:8443", "421", "management.test.localhost" },
        { "[::1]:8443", "421", "asked by name" }, { "localhost", "421", "asked by name" }, { "xtest.localhost", "421", "below" },
        { "a b", "400", "" }, { "v1..vault.test.localhost", "400", "" }, { "v1.vault.test.localhost:x", "400", "" }, { "v1.vault.test.localhost:99999", "400", "" },
        { "[::1", "400", "" }, { "a@b", "400", "" }, { "v1.vault.test.localhost/", "400", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Str answer = ask(str_printf(arena, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host));
        size_t at;
        bool has_word = !cases[i].word[0] || str_find(answer, str_from(cases[i].word), &at);
        if (!str_starts(answer, str_printf(arena, "HTTP/1.1 %s", cases[i].status)) || !has_word)
            fail_msg("host %s was answered '" STR_FMT "'", cases[i].host, STR_ARG(answer));
    }
    accepted(STR("GET /healthz HTTP/1.1\r\nHost: MANAGEMENT.Test.localhost.:80\r\n\r\n"));
}

static void test_20_kb_authorization_is_accepted_and_64_kb_refused(void **state)
{
    (void)state;
    char *token = malloc(64 * 1024 + 1);
    memset(token, 'a', 64 * 1024);
    token[20 * 1024] = '\0';
    accepted(str_printf(arena, "GET /items/a?api-version=7.4 HTTP/1.1\r\nHost: v1.vault.test.localhost\r\nAuthorization: Bearer good%s\r\n\r\n", token));
    token[20 * 1024] = 'a';
    token[64 * 1024] = '\0';
    answered(str_printf(arena, "GET /items/a?api-version=7.4 HTTP/1.1\r\nHost: v1.vault.test.localhost\r\nAuthorization: Bearer good%s\r\n\r\n", token), "431");
    answered(str_printf(arena, "GET /items/%s HTTP/1.1\r\n" VAULT "\r\n", token), "414");
    free(token);
}

static void test_more_than_100_headers_are_refused(void **state)
{
    (void)state;
    Buf head;
    buf_init(&head, ARENA);
    buf_put_str(&head, STR("GET /healthz HTTP/1.1\r\n" HOST));
    for (int i = 0; i < 99; i++)
        buf_printf(&head, "X-%d: y\r\n", i);
    accepted(str_printf(arena, "%s\r\n", head.ptr));
    refused(str_printf(arena, "%sX-Last: y\r\n\r\n", head.ptr), "400");
    buf_done(&head);
}

static void test_pipelined_requests_on_one_connection_are_all_answered(void **state)
{
    (void)state;
    Str one = STR("GET /healthz?padding=0123456789 HTTP/1.1\r\n" HOST "X-A: b\r\n\r\n");
    Str put = STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 2\r\n\r\n{}");
    int fd = raw_connect(&fixture);
    for (int i = 0; i < 20; i++)
        raw_send(fd, str_printf(arena, STR_FMT STR_FMT, STR_ARG(one), STR_ARG(put)));
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_int_equal(answers_in(raw_read_all(arena, fd)), 41);
}

static void test_bytes_that_come_one_by_one_are_one_request(void **state)
{
    (void)state;
    int fd = raw_connect(&fixture);
    Str request = STR("POST /items/a/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    for (size_t i = 0; i < request.len; i++)
        raw_send(fd, str_slice(request, i, i + 1));
    assert_true(str_ends(raw_read_answer(arena, fd), STR("3 bytes for a")));
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(str_ends(raw_read_answer(arena, fd), STR("ok")));
    close(fd);
}

static void test_refused_body_is_dropped_and_the_connection_lives(void **state)
{
    (void)state;
    int fd = raw_connect(&fixture);
    char *body = calloc(1, 200 * 1024);
    raw_send(fd, STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\nHost: v1.vault.test.localhost\r\nContent-Length: 204800\r\n\r\n"));
    raw_send(fd, (Str){ body, 200 * 1024 });
    assert_true(str_starts(raw_read_answer(arena, fd), STR("HTTP/1.1 401")));
    raw_send(fd, STR("POST /items/a/raw?api-version=7.4 HTTP/1.1\r\n" VAULT "Transfer-Encoding: chunked\r\n\r\n19000\r\n"));
    raw_send(fd, (Str){ body, 0x19000 });
    raw_send(fd, STR("\r\n0\r\n\r\n"));
    assert_true(str_starts(raw_read_answer(arena, fd), STR("HTTP/1.1 413")));
    raw_send(fd, STR("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(str_ends(raw_read_answer(arena, fd), STR("ok")));
    close(fd);
    free(body);
}

static void test_refusal_needs_no_body_when_the_client_asks_first_or_it_is_huge(void **state)
{
    (void)state;
    int fd = raw_connect(&fixture);
    raw_send(fd, STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\nHost: v1.vault.test.localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"));
    Str answer = raw_read_all(arena, fd);
    assert_true(str_starts(answer, STR("HTTP/1.1 401")));
    fd = raw_connect(&fixture);
    raw_send(fd, STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\nHost: v1.vault.test.localhost\r\nContent-Length: 99999999999\r\n\r\n"));
    assert_true(str_starts(raw_read_all(arena, fd), STR("HTTP/1.1 401")));
    fd = raw_connect(&fixture);
    raw_send(fd, STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 99999999999\r\n\r\n"));
    assert_true(str_starts(raw_read_all(arena, fd), STR("HTTP/1.1 413")));
    fd = raw_connect(&fixture);
    raw_send(fd, STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    assert_true(str_starts(raw_read_answer(arena, fd), STR("HTTP/1.1 100")));
    raw_send(fd, STR("{}"));
    assert_true(str_starts(raw_read_answer(arena, fd), STR("HTTP/1.1 201")));
    close(fd);
}

static void test_endless_chunks_are_cut_off(void **state)
{
    (void)state;
    int fd = raw_connect(&fixture);
    char *chunk = calloc(1, 65536);
    raw_send(fd, STR("PUT /items/a?api-version=7.4 HTTP/1.1\r\nHost: v1.vault.test.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
    bool is_cut = false;
    for (int i = 0; i < 1000 && !is_cut; i++) {
        raw_send(fd, STR("10000\r\n"));
        raw_send(fd, (Str){ chunk, 65536 });
        is_cut = send(fd, "\r\n", 2, MSG_NOSIGNAL) < 0;
    }
    assert_true(is_cut);
    close(fd);
    free(chunk);
}

static void test_half_requests_leave_nothing_behind(void **state)
{
    (void)state;
    static const char *const starts[] = { "G", "GET /healthz", "GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\n" HOST,
        "PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 10\r\n\r\n", "PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "Content-Length: 10\r\n\r\n{\"a\"",
        "PUT /items/a?api-version=7.4 HTTP/1.1\r\n" VAULT "Transfer-Encoding: chunked\r\n\r\n5\r\nab" };
    int runs = fixture.handler_runs;
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        int fd = raw_connect(&fixture);
        raw_send(fd, str_from(starts[i]));
        close(fd);
    }
    assert_int_equal(fixture.handler_runs, runs);
    accepted(STR("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_good_requests_are_answered),
        cmocka_unit_test(test_transfer_encoding_beside_content_length_is_refused),
        cmocka_unit_test(test_unusual_transfer_encodings_are_refused),
        cmocka_unit_test(test_several_or_strange_content_lengths_are_refused),
        cmocka_unit_test(test_host_is_needed_exactly_once),
        cmocka_unit_test(test_folded_lines_are_refused),
        cmocka_unit_test(test_lines_that_do_not_end_in_cr_lf_are_refused),
        cmocka_unit_test(test_nul_and_control_characters_are_refused),
        cmocka_unit_test(test_malformed_header_names_are_refused),
        cmocka_unit_test(test_other_versions_are_refused),
        cmocka_unit_test(test_strange_targets_are_refused),
        cmocka_unit_test(test_badly_encoded_paths_and_queries_are_400),
        cmocka_unit_test(test_unknown_method_is_405),
        cmocka_unit_test(test_body_without_length_is_411),
        cmocka_unit_test(test_hosts_that_are_not_ours_say_so),
        cmocka_unit_test(test_20_kb_authorization_is_accepted_and_64_kb_refused),
        cmocka_unit_test(test_more_than_100_headers_are_refused),
        cmocka_unit_test(test_pipelined_requests_on_one_connection_are_all_answered),
        cmocka_unit_test(test_bytes_that_come_one_by_one_are_one_request),
        cmocka_unit_test(test_refused_body_is_dropped_and_the_connection_lives),
        cmocka_unit_test(test_refusal_needs_no_body_when_the_client_asks_first_or_it_is_huge),
        cmocka_unit_test(test_endless_chunks_are_cut_off),
        cmocka_unit_test(test_half_requests_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
