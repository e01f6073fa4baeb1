/* test_server.c - a real TLS server, asked through the client: planes, rows, tokens, bodies, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "fixture.h"

static Fixture fixture;
static HttpClient *client;
static Arena *arena;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, false);
    client = fixture_client(&fixture, false);
    arena = arena_new(ARENA);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_client_free(client);
    arena_free(arena);
    fixture_stop(&fixture);
    return 0;
}

static HttpAnswer call(const char *method, const char *host, const char *path, Str body)
{
    return fixture_call(&fixture, client, arena, method, host, path, body);
}

static HttpAnswer call_as(const char *token, const char *method, const char *path, Str body)
{
    Err err = { 0 };
    HttpAnswer answer = { 0 };
    HttpHeader headers[] = { { "Authorization", str_from(token) } };
    HttpCall it = { .method = method, .headers = headers, .header_count = token ? 1 : 0, .body = body,
                    .url = str_printf(arena, "https://v1.vault.test.localhost:%d%s", fixture.port, path) };
    if (!http_call(client, arena, &it, &answer, &err))
        fail_msg("%s", err.text);
    return answer;
}

static void lacks(Str text, const char *part)
{
    size_t at;
    if (str_find(text, str_from(part), &at))
        fail_msg("'%s' is in '" STR_FMT "'", part, STR_ARG(text));
}

static void test_inline_row_answers_with_params_and_plane_headers(void **state)
{
    (void)state;
    HttpAnswer a = call("GET", "v1.vault", "/items/s%201/7?api%2Dversion=7.4&%24filter=a+b%26c", STR_NONE);
    assert_int_equal(a.status, 200);
    has(a.body, "\"vault\":\"v1\"");
    has(a.body, "\"name\":\"s 1\"");
    has(a.body, "\"version\":\"7\"");
    has(a.body, "\"filter\":\"a b&c\"");
    assert_true(str_eq(a.content_type, STR("application/json; charset=utf-8")));
    assert_int_equal(http_answer_header(&a, "X-MS-Request-ID").len, 36);
}

static void test_empty_and_missing_version_segments_are_the_same(void **state)
{
    (void)state;
    has(call("GET", "v1.vault", "/items/s1?api-version=7.4", STR_NONE).body, "\"version\":\"\"");
    has(call("GET", "v1.vault", "/items/s1/?api-version=7.4", STR_NONE).body, "\"version\":\"\"");
    assert_int_equal(call("POST", "v1.vault", "/items/s1//touch?api-version=7.4", STR("")).status, 200);
    assert_int_equal(call("POST", "v1.vault", "/ITEMS/s1/v/Touch/?api-version=7.4", STR("")).status, 200);
}

static void test_worker_row_reads_json_and_answers(void **state)
{
    (void)state;
    HttpAnswer a = call("PUT", "v1.vault", "/items/s1?api-version=7.4", STR("{\"value\":\"x\"}"));
    assert_int_equal(a.status, 201);
    assert_true(str_eq(a.body, STR("{\"value\":\"x\"}")));
}

static void test_bad_json_is_400_and_trailing_comma_only_where_the_row_says(void **state)
{
    (void)state;
    assert_int_equal(call("PUT", "v1.vault", "/items/s1?api-version=7.4", STR("{\"value\":}")).status, 400);
    assert_int_equal(call("PUT", "v1.vault", "/items/s1?api-version=7.4", STR("{\"value\":1,}")).status, 400);
    assert_int_equal(call("POST", "management", "/lenient", STR("{\"value\":1,}")).status, 201);
    HttpAnswer empty = call("PUT", "v1.vault", "/items/s1?api-version=7.4", STR(""));
    assert_int_equal(empty.status, 400);
    has(empty.body, "no body");
}

static void test_no_token_is_401_with_challenge_before_body_path_and_method(void **state)
{
    (void)state;
    int runs = fixture.handler_runs;
    const struct { const char *method, *path; Str body; } cases[] = {
        { "GET", "/items/s1?api-version=7.4", STR_NONE }, { "PUT", "/items/s1?api-version=7.4", STR("not json at all") },
        { "PUT", "/items/s1?api-version=7.4", STR("") },  { "GET", "/nowhere?api-version=7.4", STR_NONE },
        { "DELETE", "/items/s1/versions?api-version=7.4", STR_NONE },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HttpAnswer a = call_as(NULL, cases[i].method, cases[i].path, cases[i].body);
        assert_int_equal(a.status, 401);
        has(http_answer_header(&a, "WWW-Authenticate"), "authorization=");
        has(a.body, "Unauthorized");
    }
    assert_int_equal(fixture.handler_runs, runs);
}

static void test_401_does_not_read_a_large_body_first_and_keeps_the_connection(void **state)
{
    (void)state;
    char *large = malloc(900 * 1024);
    memset(large, 'x', 900 * 1024);
    HttpAnswer a = call_as(NULL, "PUT", "/items/s1?api-version=7.4", (Str){ large, 900 * 1024 });
    assert_int_equal(a.status, 401);
    assert_false(http_answer_header(&a, "Connection").ptr && str_eq(http_answer_header(&a, "Connection"), STR("close")));
    free(large);
}

static void test_wrong_permission_is_403(void **state)
{
    (void)state;
    assert_int_equal(call_as("Bearer reader", "GET", "/items/s1?api-version=7.4", STR_NONE).status, 200);
    int runs = fixture.handler_runs;
    HttpAnswer a = call_as("Bearer reader", "PUT", "/items/s1?api-version=7.4", STR("{bad"));
    assert_int_equal(a.status, 403);
    has(a.body, "items/set");
    assert_int_equal(fixture.handler_runs, runs);
}

static void test_unknown_path_is_404_and_other_method_405_with_allow(void **state)
{
    (void)state;
    assert_int_equal(call("GET", "v1.vault", "/nowhere?api-version=7.4", STR_NONE).status, 404);
    HttpAnswer a = call("DELETE", "v1.vault", "/items/s1/versions?api-version=7.4", STR_NONE);
    assert_int_equal(a.status, 405);
    assert_true(str_eq(http_answer_header(&a, "Allow"), STR("GET, HEAD")));
}

static void test_api_version_is_needed_well_formed_and_in_range(void **state)
{
    (void)state;
    HttpAnswer a = call("GET", "v1.vault", "/items/s1", STR_NONE);
    assert_int_equal(a.status, 400);
    has(a.body, "BadParameter");
    assert_int_equal(call("GET", "v1.vault", "/items/s1?api-version=banana", STR_NONE).status, 400);
    assert_int_equal(call("GET", "v1.vault", "/items/s1?api-version=2099-12-31-preview", STR_NONE).status, 200);
    assert_int_equal(call("GET", "v1.vault", "/new?api-version=2024-01-01", STR_NONE).status, 200);
    HttpAnswer old = call("GET", "v1.vault", "/new?api-version=7.4", STR_NONE);
    assert_int_equal(old.status, 400);
    has(old.body, "NewThing");
}

static void test_head_takes_the_get_row_without_body(void **state)
{
    (void)state;
    HttpAnswer a = call("HEAD", "v1.vault", "/items/s1?api-version=7.4", STR_NONE);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 0);
    assert_true(http_answer_header(&a, "Content-Length").len > 0);
}

static void test_post_with_method_header_takes_the_row_of_that_method(void **state)
{
    (void)state;
    Err err = { 0 };
    HttpAnswer a = { 0 };
    HttpHeader headers[] = { { "Authorization", STR("Bearer good") }, { "X-HTTP-METHOD", STR("PATCH") } };
    HttpCall it = { .method = "POST", .headers = headers, .header_count = 2, .body = STR("{}"),
                    .url = str_printf(arena, "https://v1.vault.test.localhost:%d/items/s1?api-version=7.4", fixture.port) };
    assert_true(http_call(client, arena, &it, &a, &err));
    assert_true(str_eq(a.body, STR("patched")));
    headers[1].value = STR("GET");
    assert_true(http_call(client, arena, &it, &a, &err));
    assert_int_equal(a.status, 400);
}

static void test_body_over_the_limit_of_the_row_is_413(void **state)
{
    (void)state;
    char large[1025];
    memset(large, ' ', sizeof large);
    large[0] = '{';
    large[1023] = '}';
    assert_int_equal(call("PUT", "v1.vault", "/items/s1?api-version=7.4", (Str){ large, 1024 }).status, 201);
    HttpAnswer a = call("PUT", "v1.vault", "/items/s1?api-version=7.4", (Str){ large, 1025 });
    assert_int_equal(a.status, 413);
    has(a.body, "1024 bytes");
}

static void test_204_has_no_body_and_ignored_body_is_read(void **state)
{
    (void)state;
    HttpAnswer a = call("DELETE", "v1.vault", "/items/s1?api-version=7.4", STR("{\"ignored\":true}"));
    assert_int_equal(a.status, 204);
    assert_int_equal(a.body.len, 0);
}

static void test_internal_error_text_stays_in_the_log_and_headers_are_dropped(void **state)
{
    (void)state;
    HttpAnswer a = call("PUT", "v1.vault", "/items/s1?api-version=7.4", STR("{\"value\":\"fail\"}"));
    assert_int_equal(a.status, 500);
    lacks(a.body, "secret detail");
    Str id = http_answer_header(&a, "x-ms-request-id");
    has(a.body, str_to_cstr(arena, id, &(Err){ 0 }));
    assert_null(http_answer_header(&a, "Location").ptr);
}

static void test_failed_audit_turns_the_answer_into_500(void **state)
{
    (void)state;
    int before = fixture.audited;
    assert_int_equal(call("GET", "v1.vault", "/items/s1?api-version=7.4", STR_NONE).status, 200);
    assert_int_equal(fixture.audited, before + 1);
    fixture.audit_fails = true;
    HttpAnswer a = call("GET", "v1.vault", "/items/s1?api-version=7.4", STR_NONE);
    fixture.audit_fails = false;
    assert_int_equal(a.status, 500);
    lacks(a.body, "\"name\"");
    lacks(a.body, "secret detail");
}

static void test_an_audit_without_room_withholds_the_answer_and_says_503(void **state)
{
    (void)state;
    fixture.audit_is_full = true;
    HttpAnswer a = call("GET", "v1.vault", "/items/s1?api-version=7.4", STR_NONE);
    fixture.audit_is_full = false;
    assert_int_equal(a.status, 503);
    has(a.body, "the disk is full");
    lacks(a.body, "\"name\"");
}

static void test_answers_are_whole_or_not_given(void **state)
{
    (void)state;
    HttpAnswer a = call("GET", "management", "/broken/json", STR_NONE);
    assert_int_equal(a.status, 500);
    lacks(a.body, "part");
    a = call("GET", "management", "/broken/arena", STR_NONE);
    assert_int_equal(a.status, 413);
    lacks(a.body, "part");
    a = call("GET", "management", "/broken/reply", STR_NONE);
    assert_int_equal(a.status, 500);
    lacks(a.body, "part");
    a = call("GET", "management", "/broken/header", STR_NONE);
    assert_int_equal(a.status, 500);
    lacks(a.body, "part");
    lacks(a.raw_headers, "Set-Cookie");
    assert_int_equal(call("GET", "management", "/broken/none", STR_NONE).status, 200);
}

static void test_any_arena_limit_gives_a_whole_answer(void **state)
{
    (void)state;
    for (size_t limit = 16; limit <= 16 * 1024; limit += limit < 2048 ? 48 : 1024) {
        static Fixture small;
        HttpConfig config = { .arena_limit_bytes = limit };
        fixture_start(&small, &config, false);
        HttpClient *own = fixture_client(&small, false);
        HttpAnswer a = fixture_call(&small, own, arena, "PUT", "v1.vault", "/items/s%201?api-version=7.4", STR("{\"value\":\"x\"}"));
        if (a.status == 201) {
            assert_true(str_eq(a.body, STR("{\"value\":\"x\"}")));
        } else {
            const JsonVal *body;
            Err err = { 0 };
            if (a.status != 413 && a.status != 500)
                fail_msg("limit %zu: %d " STR_FMT, limit, a.status, STR_ARG(a.body));
            assert_true(a.body.len == 0 || json_parse(arena, a.body, JSON_STRICT, &body, &err));
        }
        assert_true(limit < 8192 || a.status == 201);
        http_client_free(own);
        fixture_stop(&small);
    }
    fixture_point_planes_at(&fixture);
}

static void test_file_body_is_sent_from_its_offset(void **state)
{
    (void)state;
    HttpAnswer a = call("GET", "management", "/file", STR_NONE);
    assert_int_equal(a.status, 200);
    assert_true(str_starts(a.body, STR(" CERTIFICATE-----")));
    assert_true(str_ends(str_trim(a.body), STR("-----END CERTIFICATE-----")));
    assert_true(str_eq(a.content_type, STR("application/x-pem-file")));
    assert_int_equal(call("HEAD", "management", "/file", STR_NONE).body.len, 0);
}

static void test_unix_socket_peers_speak_tls_with_the_same_names(void **state)
{
    (void)state;
    HttpClient *local = fixture_client(&fixture, true);
    HttpAnswer a = fixture_call(&fixture, local, arena, "GET", "v2.vault", "/items/s1?api-version=7.4", STR_NONE);
    assert_int_equal(a.status, 200);
    has(a.body, "\"ip\":\"unix\"");
    has(a.body, "\"vault\":\"v2\"");
    http_client_free(local);
    struct stat info;
    assert_int_equal(stat(fixture.socket_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void *ask_gate(void *arg)
{
    const Fixture *it = arg;
    HttpClient *own = fixture_client(it, false);
    Arena *memory = arena_new(ARENA);
    intptr_t status = fixture_call(it, own, memory, "GET", "management", "/gate", STR_NONE).status;
    arena_free(memory);
    http_client_free(own);
    return (void *)status;
}

static void test_slow_workers_do_not_hold_up_inline_rows(void **state)
{
    (void)state;
    enum { CALLERS = 64 };
    HttpClient *quick = fixture_client(&fixture, false);
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_gate, &fixture), 0);
    fixture_wait_at_gate(&fixture, CALLERS);        /* all workers are busy, those that come then included */
    for (int i = 0; i < 20; i++)
        assert_int_equal(fixture_call(&fixture, quick, arena, "GET", "v1.vault", "/items/s1?api-version=7.4", STR_NONE).status, 200);
    fixture_open_gate(&fixture);
    for (int i = 0; i < CALLERS; i++) {
        void *status;
        pthread_join(threads[i], &status);
        assert_int_equal((intptr_t)status, 200);
    }
    http_client_free(quick);
}

static void test_stats_count_what_happened(void **state)
{
    (void)state;
    HttpStats before = http_stats(fixture.server);
    assert_int_equal(call_as(NULL, "GET", "/items/s1?api-version=7.4", STR_NONE).status, 401);
    HttpStats after = http_stats(fixture.server);
    assert_int_equal(after.requests, before.requests + 1);
    assert_int_equal(after.refused_401, before.refused_401 + 1);
    assert_true(after.connections >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline_row_answers_with_params_and_plane_headers),
        cmocka_unit_test(test_empty_and_missing_version_segments_are_the_same),
        cmocka_unit_test(test_worker_row_reads_json_and_answers),
        cmocka_unit_test(test_bad_json_is_400_and_trailing_comma_only_where_the_row_says),
        cmocka_unit_test(test_no_token_is_401_with_challenge_before_body_path_and_method),
        cmocka_unit_test(test_401_does_not_read_a_large_body_first_and_keeps_the_connection),
        cmocka_unit_test(test_wrong_permission_is_403),
        cmocka_unit_test(test_unknown_path_is_404_and_other_method_405_with_allow),
        cmocka_unit_test(test_api_version_is_needed_well_formed_and_in_range),
        cmocka_unit_test(test_head_takes_the_get_row_without_body),
        cmocka_unit_test(test_post_with_method_header_takes_the_row_of_that_method),
        cmocka_unit_test(test_body_over_the_limit_of_the_row_is_413),
        cmocka_unit_test(test_204_has_no_body_and_ignored_body_is_read),
        cmocka_unit_test(test_internal_error_text_stays_in_the_log_and_headers_are_dropped),
        cmocka_unit_test(test_failed_audit_turns_the_answer_into_500), cmocka_unit_test(test_an_audit_without_room_withholds_the_answer_and_says_503),
        cmocka_unit_test(test_answers_are_whole_or_not_given),
        cmocka_unit_test(test_any_arena_limit_gives_a_whole_answer),
        cmocka_unit_test(test_file_body_is_sent_from_its_offset),
        cmocka_unit_test(test_unix_socket_peers_speak_tls_with_the_same_names),
        cmocka_unit_test(test_slow_workers_do_not_hold_up_inline_rows),
        cmocka_unit_test(test_stats_count_what_happened),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
