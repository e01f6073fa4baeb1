/* test_client.c - what the client says when a call does not work, how it is cancelled, and what it sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"
#include "fixture.h"

static Fixture fixture;
static Arena *arena;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, false);
    arena = arena_new(ARENA);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_free(arena);
    fixture_stop(&fixture);
    return 0;
}

static HttpClient *client_with(HttpClientConfig config)
{
    HttpClient *client;
    Err err = { 0 };
    assert_true(http_client_new(&config, &client, &err));
    return client;
}

/* One GET that must fail; the sentence has to hold the word. */
static void fails(HttpClientConfig config, const char *url, ErrCode code, const char *word)
{
    HttpClient *client = client_with(config);
    HttpAnswer answer = { 0 };
    Err err = { 0 };
    size_t at;
    HttpCall call = { .method = "GET", .url = str_from(url) };
    assert_false(http_call(client, arena, &call, &answer, &err));
    assert_int_equal(err.code, code);
    if (!str_find(str_from(err.text), str_from(word), &at))
        fail_msg("'%s' does not say '%s'", err.text, word);
    http_client_free(client);
}

static const char *url_of(const char *host, const char *path)
{
    Err err = { 0 };
    return str_to_cstr(arena, str_printf(arena, "https://%s:%d%s", host, fixture.port, path), &err);
}

static int free_port(void)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
    close(fd);
    return ntohs(where.sin_port);
}

static void test_failures_are_told_in_one_sentence(void **state)
{
    (void)state;
    HttpClientConfig trusted = { .ca_file = fixture.ca_file };
    char refused[64], missing[128], bad_ca[128];
    snprintf(refused, sizeof refused, "https://x.localhost:%d/", free_port());
    snprintf(missing, sizeof missing, "%s/no.sock", fixture.dir);
    snprintf(bad_ca, sizeof bad_ca, "%s/bad.pem", fixture.dir);
    Err err = { 0 };
    assert_true(file_replace(bad_ca, bytes_of(STR("no certificate")), 0600, (uid_t)-1, (gid_t)-1, &err));

    fails(trusted, refused, ERR_UNAVAILABLE, "refused");
    fails(trusted, "https://name-that-cannot-exist.invalid/", ERR_UNAVAILABLE, "was not found");
    fails(trusted, url_of("gone.vault.test.localhost", "/"), ERR_UNAVAILABLE, "no host called 'gone.vault.test.localhost");
    fails((HttpClientConfig){ 0 }, url_of("v1.vault.test.localhost", "/"), ERR_UNAVAILABLE, "the system's");
    fails((HttpClientConfig){ .ca_file = bad_ca }, url_of("v1.vault.test.localhost", "/"), ERR_UNAVAILABLE, bad_ca);
    fails((HttpClientConfig){ .ca_file = missing }, url_of("v1.vault.test.localhost", "/"), ERR_UNAVAILABLE, missing);
    fails((HttpClientConfig){ .unix_socket = missing }, url_of("v1.vault.test.localhost", "/"), ERR_UNAVAILABLE, missing);
    fails(trusted, "ftp://x.localhost/", ERR_BAD_INPUT, "no https URL");
    fails(trusted, "https://", ERR_BAD_INPUT, "no https URL");
    fails(trusted, "http://x y/", ERR_BAD_INPUT, "no https URL");
}

static void test_certificate_for_another_name_is_not_trusted(void **state)
{
    (void)state;
    fails((HttpClientConfig){ .ca_file = fixture.ca_file, .unix_socket = fixture.socket_path }, "https://127.0.0.9/", ERR_UNAVAILABLE, "'127.0.0.9' is not trusted");
    HttpClient *client = client_with((HttpClientConfig){ .ca_file = fixture.ca_file });
    HttpAnswer answer = { 0 };
    Err err = { 0 };
    HttpCall call = { .method = "GET", .url = str_from(url_of("127.0.0.1", "/")) };
    assert_true(http_call(client, arena, &call, &answer, &err));       /* the default leaf names it */
    assert_int_equal(answer.status, 421);
    http_client_free(client);
}

static void test_silent_server_is_a_timeout(void **state)
{
    (void)state;
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
    char url[64];
    snprintf(url, sizeof url, "http://x.localhost:%d/", ntohs(where.sin_port));
    fails((HttpClientConfig){ .timeout_ms = 50 }, url, ERR_UNAVAILABLE, "did not answer within 50 ms");
    close(fd);
}

static void test_answer_over_the_limit_is_refused(void **state)
{
    (void)state;
    fails((HttpClientConfig){ .ca_file = fixture.ca_file, .reply_max_bytes = 100 }, url_of("management.test.localhost", "/file"), ERR_TOO_LARGE, "over 100 bytes");
}

static void test_headers_with_line_breaks_are_refused(void **state)
{
    (void)state;
    HttpClient *client = client_with((HttpClientConfig){ .ca_file = fixture.ca_file });
    const Str bad[] = { STR("a\r\nX: y"), STR("a\nb"), STR("a\0b") };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        HttpHeader header = { "X-A", bad[i] };
        HttpCall call = { .method = "GET", .url = str_from(url_of("management.test.localhost", "/healthz")), .headers = &header, .header_count = 1 };
        HttpAnswer answer = { 0 };
        Err err = { 0 };
        assert_false(http_call(client, arena, &call, &answer, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    HttpAnswer answer = { 0 };
    Err err = { 0 };
    HttpCall call = { .method = "GET", .url = (Str){ "https://a\0b/", 12 } };
    assert_false(http_call(client, arena, &call, &answer, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    http_client_free(client);
}

static void test_environment_proxies_are_not_used(void **state)
{
    (void)state;
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    HttpClient *client = fixture_client(&fixture, false);
    assert_int_equal(fixture_call(&fixture, client, arena, "GET", "management", "/healthz", STR_NONE).status, 200);
    http_client_free(client);
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
    fails((HttpClientConfig){ .ca_file = fixture.ca_file, .proxy = "http://127.0.0.1:1" }, url_of("management.test.localhost", "/healthz"), ERR_UNAVAILABLE, "cannot connect");
}

static void test_answers_have_headers_body_and_its_nul(void **state)
{
    (void)state;
    HttpClient *client = fixture_client(&fixture, false);
    HttpAnswer answer = fixture_call(&fixture, client, arena, "GET", "management", "/healthz", STR_NONE);
    assert_true(str_eq(answer.body, STR("ok")));
    assert_int_equal(answer.body.ptr[answer.body.len], '\0');
    assert_true(str_eq(answer.content_type, STR("text/plain")));
    assert_null(http_answer_header(&answer, "X-None").ptr);
    answer = fixture_call(&fixture, client, arena, "DELETE", "v1.vault", "/items/a?api-version=7.4", STR_NONE);
    assert_int_equal(answer.status, 204);
    assert_non_null(answer.body.ptr);
    assert_int_equal(answer.body.len, 0);
    http_client_free(client);
}

static void test_connection_is_reused(void **state)
{
    (void)state;
    HttpClient *client = fixture_client(&fixture, false);
    for (int i = 0; i < 10; i++)
        (void)fixture_call(&fixture, client, arena, "GET", "management", "/healthz", STR_NONE);
    assert_int_equal(http_stats(fixture.server).connections, 1);
    http_client_free(client);
}

static void test_large_bodies_go_through_with_expect(void **state)
{
    (void)state;
    HttpClient *client = fixture_client(&fixture, false);
    size_t size = 3 * 1024 * 1024;
    char *body = malloc(size);
    memset(body, ' ', size);
    assert_int_equal(fixture_call(&fixture, client, arena, "PUT", "v1.vault", "/items/a?api-version=7.4", (Str){ body, size }).status, 413);
    assert_int_equal(fixture_call(&fixture, client, arena, "POST", "v1.vault", "/items/a/raw?api-version=7.4", (Str){ body, 60 * 1024 }).status, 200);
    free(body);
    http_client_free(client);
}

typedef struct Watcher { HttpClient *client; Err err; bool is_good; } Watcher;

static void *watch_main(void *arg)
{
    Watcher *watcher = arg;
    Arena *own = arena_new(ARENA);
    HttpAnswer answer = { 0 };
    HttpHeader header = { "Authorization", STR("Bearer good") };
    HttpCall call = { .method = "GET", .url = str_printf(own, "https://management.test.localhost:%d/watch", fixture.port), .headers = &header, .header_count = 1 };
    watcher->is_good = http_call(watcher->client, own, &call, &answer, &watcher->err);
    arena_free(own);
    return NULL;
}

static void test_cancel_ends_the_call_under_way_at_once(void **state)
{
    (void)state;
    Watcher watcher = { .client = fixture_client(&fixture, false) };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch_main, &watcher), 0);
    fixture_wait_parked(&fixture, 1);
    int64_t before = mono_now_ms();
    http_client_cancel(watcher.client);
    pthread_join(thread, NULL);
    assert_true(mono_now_ms() - before < 30 * 1000);        /* half of what it would have waited */
    assert_false(watcher.is_good);
    assert_int_equal(watcher.err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(watcher.err.text, "cancelled"));
    assert_int_equal(fixture_call(&fixture, watcher.client, arena, "GET", "management", "/healthz", STR_NONE).status, 200);
    http_client_free(watcher.client);
}

static void test_cancel_between_calls_ends_the_next_one_only(void **state)
{
    (void)state;
    Watcher watcher = { .client = fixture_client(&fixture, false) };
    http_client_cancel(watcher.client);
    watch_main(&watcher);
    assert_false(watcher.is_good);
    assert_non_null(strstr(watcher.err.text, "cancelled"));
    assert_int_equal(fixture_call(&fixture, watcher.client, arena, "GET", "management", "/healthz", STR_NONE).status, 200);
    http_client_free(watcher.client);
}

static void begin_watch(HttpClient *client)
{
    HttpHeader header = { "Authorization", STR("Bearer good") };
    Err err = { 0 };
    HttpCall call = { .method = "GET", .url = str_printf(arena, "https://management.test.localhost:%d/watch", fixture.port), .headers = &header, .header_count = 1 };
    assert_true(http_begin(client, arena, &call, &err));
    assert_true(http_is_begun(client) && !http_is_done(client));
}

static void test_calls_beside_each_other_wait_on_one_thread(void **state)
{
    (void)state;
    HttpClient *first = fixture_client(&fixture, false), *second, *third;
    HttpClientConfig config = { .ca_file = fixture.ca_file, .beside = first };
    HttpAnswer answer;
    Err err = { 0 };
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    second = client_with(config);
    third = client_with(config);
    begin_watch(second);
    begin_watch(third);
    struct pollfd fds = { .fd = pipes[0] };
    while (http_stats(fixture.server).parked < 2)
        assert_true(http_wait(first, &fds, 1, 10, &err));
    assert_int_equal(fixture_call(&fixture, first, arena, "GET", "management", "/healthz", STR_NONE).status, 200);    /* the others go on waiting */
    assert_false(http_is_done(second) || http_is_done(third));

    assert_int_equal(write(pipes[1], "x", 1), 1);
    fds.revents = 0;
    while (!fds.revents)
        assert_true(http_wait(first, &fds, 1, -1, &err));
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 1);

    assert_false(http_end(third, arena, &answer, &err));               /* given up */
    assert_non_null(strstr(err.text, "cancelled"));
    assert_false(http_is_begun(third));
    fixture_happen(&fixture);
    while (!http_is_done(second))
        assert_true(http_wait(first, &fds, 1, -1, &err));
    assert_true(http_end(second, arena, &answer, &err));
    assert_int_equal(answer.status, 200);
    assert_false(http_end(second, arena, &answer, &err));              /* nothing was begun */
    http_client_free(third);
    http_client_free(second);
    http_client_free(first);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

/* A sink that takes so many pieces and refuses the next. */
typedef struct Sink { Buf got; int pieces_left; } Sink;

static bool sink_take(void *ctx, Bytes piece)
{
    Sink *sink = ctx;
    if (sink->pieces_left-- <= 0)
        return false;
    buf_put(&sink->got, piece.ptr, piece.len);
    return true;
}

static bool get_into(Sink *sink, const char *path, HttpAnswer *answer, Err *err)
{
    HttpClient *client = client_with((HttpClientConfig){ .ca_file = fixture.ca_file, .reply_max_bytes = 50 });
    HttpCall call = { .method = "GET", .url = str_from(url_of("management.test.localhost", path)), .sink = sink_take, .sink_ctx = sink };
    buf_init(&sink->got, ARENA);
    bool done = http_call(client, arena, &call, answer, err);
    http_client_free(client);
    return done;
}

static void test_a_sink_gets_the_body_whatever_its_size(void **state)
{
    (void)state;
    Sink sink = { .pieces_left = 1000 };
    HttpAnswer answer;
    Err err = { 0 };
    Str file;
    assert_true(get_into(&sink, "/file", &answer, &err));
    assert_true(file_read(arena, fixture.ca_file, ARENA, &file, &err));
    assert_true(answer.status == 200 && answer.body.len == 0 && file.len > 100);
    assert_true(str_eq(buf_str(&sink.got), str_slice(file, 10, file.len)));
    buf_done(&sink.got);
}

static void test_a_sink_that_refuses_ends_the_call(void **state)
{
    (void)state;
    Sink sink = { .pieces_left = 0 };
    HttpAnswer answer;
    Err err = { 0 };
    assert_false(get_into(&sink, "/file", &answer, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    buf_done(&sink.got);
}

static void test_errors_do_not_reach_the_sink(void **state)
{
    (void)state;
    Sink sink = { .pieces_left = 0 };
    HttpAnswer answer;
    Err err = { 0 };
    assert_false(get_into(&sink, "/not/there", &answer, &err));         /* its body is over the limit of 50 bytes */
    assert_int_equal(err.code, ERR_TOO_LARGE);
    buf_done(&sink.got);
}

#define ON_A_SERVER(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(test_failures_are_told_in_one_sentence),
        ON_A_SERVER(test_certificate_for_another_name_is_not_trusted),
        ON_A_SERVER(test_silent_server_is_a_timeout),
        ON_A_SERVER(test_answer_over_the_limit_is_refused),
        ON_A_SERVER(test_headers_with_line_breaks_are_refused),
        ON_A_SERVER(test_environment_proxies_are_not_used),
        ON_A_SERVER(test_answers_have_headers_body_and_its_nul),
        ON_A_SERVER(test_connection_is_reused),
        ON_A_SERVER(test_large_bodies_go_through_with_expect),
        ON_A_SERVER(test_cancel_ends_the_call_under_way_at_once),
        ON_A_SERVER(test_cancel_between_calls_ends_the_next_one_only),
        ON_A_SERVER(test_calls_beside_each_other_wait_on_one_thread),
        ON_A_SERVER(test_a_sink_gets_the_body_whatever_its_size),
        ON_A_SERVER(test_a_sink_that_refuses_ends_the_call),
        ON_A_SERVER(test_errors_do_not_reach_the_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
