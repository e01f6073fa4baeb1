/* test_routes.c - the route table: what it takes, what it captures, and which rows it refuses to mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "http/form.h"
#include "http/match.h"

static Arena *arena;
static RouteTable *table;

static int start(void **state)
{
    (void)state;
    arena = arena_new(1024 * 1024);
    table = route_table_new(STR("Test.Localhost"), NULL, 0);
    return arena && table ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    route_table_free(table);
    arena_free(arena);
    return 0;
}

static bool never(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)reply;
    return err_set(err, ERR_INTERNAL, "not called here");
}

static bool authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    (void)ctx, (void)req, (void)reply;
    return err_set(err, ERR_UNAUTHENTICATED, "no");
}

static bool authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    (void)ctx, (void)req, (void)route;
    return err_set(err, ERR_DENIED, "no");
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req, (void)reply, (void)err;
}

static const Plane plane = { .name = "p", .host_pattern = "p", .authenticate = authenticate, .authorize = authorize, .write_error = write_error };

#define ROW(method, path) { method, path, NULL, NULL, "x/read", WHERE_INLINE, BODY_NONE, 0, never, path }
#define ROW_IN(method, path, since, until) { method, path, since, until, "x/read", WHERE_INLINE, BODY_NONE, 0, never, path }

static void mount(const Route *routes, size_t count)
{
    Err err = { 0 };
    if (!route_table_mount(table, &plane, routes, count, NULL, &err))
        fail_msg("%s", err.text);
}
#define MOUNT(rows) mount(rows, COUNT_OF(rows))

static void refused(const Plane *on, const Route *rows, size_t count, const char *word)
{
    RouteTable *own = route_table_new(STR("x"), NULL, 0);
    Err err = { 0 };
    size_t at;
    assert_false(route_table_mount(own, on, rows, count, NULL, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    if (!str_find(str_from(err.text), str_from(word), &at))
        fail_msg("'%s' does not say '%s'", err.text, word);
    route_table_free(own);
}
#define REFUSED(word, ...) do { const Route rows_[] = { __VA_ARGS__ }; refused(&plane, rows_, COUNT_OF(rows_), word); } while (0)

/* The path of the row that takes it and the captures, "path a|b|"; or what is wrong. */
static const char *find_in(HttpMethod method, const char *path, const char *version)
{
    Match match;
    MatchOutcome outcome;
    Err err = { 0 };
    if (!route_table_match(table, &plane, method, str_from(path), version ? str_from(version) : STR_NONE, arena, &outcome, &match, &err))
        return "error";
    if (outcome != MATCH_FOUND)
        return outcome == MATCH_NO_PATH ? "no path" : outcome == MATCH_WRONG_METHOD ? "wrong method" : "wrong version";
    Str text = str_printf(arena, "%s ", match.route->path);
    for (size_t i = 0; i < match.param_count; i++)
        text = str_printf(arena, STR_FMT STR_FMT "|", STR_ARG(text), STR_ARG(match.params[i]));
    return str_to_cstr(arena, text, &err);
}

static const char *find(const char *path)
{
    return find_in(METHOD_GET, path, NULL);
}

static void test_unversioned_path_is_there_in_any_version_and_in_none(void **state)
{
    (void)state;
    const Route rows[] = { ROW_IN(METHOD_GET, "/ocsp/{x...}", API_NONE, NULL), ROW_IN(METHOD_GET, "/a", "2021-01-01", NULL) };
    MOUNT(rows);
    assert_string_equal(find("/ocsp/MFE%2Bz//w%3D%3D"), "/ocsp/{x...} MFE+z//w==|");
    assert_string_equal(find_in(METHOD_GET, "/ocsp/b", "7.4"), "/ocsp/{x...} b|");
    assert_string_equal(find_in(METHOD_GET, "/ocsp/b", "1999-01-01"), "/ocsp/{x...} b|");
    assert_string_equal(find_in(METHOD_GET, "/a", "1999-01-01"), "wrong version");
    REFUSED("shadowed", ROW_IN(METHOD_GET, "/b", API_NONE, NULL), ROW_IN(METHOD_GET, "/b", "2020-01-01", NULL));
}

static void test_literals_compare_without_case_and_captures_are_decoded(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/secrets"), ROW(METHOD_GET, "/secrets/{name}"), ROW(METHOD_GET, "/") };
    MOUNT(rows);
    assert_string_equal(find("/Secrets"), "/secrets ");
    assert_string_equal(find("/secrets/"), "/secrets ");
    assert_string_equal(find("/secrets/A%20b"), "/secrets/{name} A b|");
    assert_string_equal(find("/secrets/a%2Fb"), "/secrets/{name} a/b|");
    assert_string_equal(find("/%73ecrets/a/"), "/secrets/{name} a|");
    assert_string_equal(find("/"), "/ ");
    assert_string_equal(find("/secret"), "no path");
    assert_string_equal(find("/secrets/a/b"), "no path");
    assert_string_equal(find("/secrets//"), "no path");
    assert_string_equal(find("//secrets"), "no path");
    assert_string_equal(find("/secrets/a//"), "no path");
}

static void test_optional_segments_may_be_empty_and_at_the_end_missing(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/keys/{name}/versions"), ROW(METHOD_GET, "/keys/{name}/{version?}"), ROW(METHOD_POST, "/keys/{name}/{version?}/sign") };
    MOUNT(rows);
    assert_string_equal(find("/keys/k"), "/keys/{name}/{version?} k||");
    assert_string_equal(find("/keys/k/"), "/keys/{name}/{version?} k||");
    assert_string_equal(find("/keys/k/1"), "/keys/{name}/{version?} k|1|");
    assert_string_equal(find("/keys/k/1/"), "/keys/{name}/{version?} k|1|");
    assert_string_equal(find("/keys/k/versions"), "/keys/{name}/versions k|");
    assert_string_equal(find("/keys/"), "no path");
    assert_string_equal(find_in(METHOD_POST, "/keys/k//sign", NULL), "/keys/{name}/{version?}/sign k||");
    assert_string_equal(find_in(METHOD_POST, "/keys/k/1/sign", NULL), "/keys/{name}/{version?}/sign k|1|");
    assert_string_equal(find_in(METHOD_POST, "/keys/k/sign", NULL), "wrong method");
    assert_string_equal(find_in(METHOD_POST, "/keys//1/sign", NULL), "no path");
}

static void test_rest_takes_segments_up_to_what_follows_at_the_end(void **state)
{
    (void)state;
    const Route rows[] = {
        ROW(METHOD_GET, "/{scope...}/providers/Microsoft.Authorization/roleAssignments"),
        ROW(METHOD_GET, "/{scope...}/providers/Microsoft.Authorization/roleAssignments/{id}"),
        ROW(METHOD_GET, "/files/{path...}"),
    };
    MOUNT(rows);
    assert_string_equal(find("/subscriptions/S/providers/microsoft.authorization/RoleAssignments/1"),
                        "/{scope...}/providers/Microsoft.Authorization/roleAssignments/{id} subscriptions/S|1|");
    assert_string_equal(find("/a/providers/X/v/V/providers/Microsoft.Authorization/roleAssignments/"),
                        "/{scope...}/providers/Microsoft.Authorization/roleAssignments a/providers/X/v/V|");
    assert_string_equal(find("/a%2fb/c%20d/providers/Microsoft.Authorization/roleAssignments"), "/{scope...}/providers/Microsoft.Authorization/roleAssignments a/b/c d|");
    assert_string_equal(find("/providers/Microsoft.Authorization/roleAssignments"), "no path");
    assert_string_equal(find("/files/wd/a%2Bb.txt"), "/files/{path...} wd/a+b.txt|");
    assert_string_equal(find("/files/wd/"), "/files/{path...} wd|");
    assert_string_equal(find("/files/"), "no path");
    assert_string_equal(find("/files"), "no path");
}

static void test_captures_inside_a_segment(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/certificates(thumbprintAlgorithm={alg},thumbprint={tp})"), ROW(METHOD_POST, "/certificates(thumbprintAlgorithm={alg},thumbprint={tp})/canceldelete") };
    MOUNT(rows);
    assert_string_equal(find("/certificates(thumbprintAlgorithm=sha1,thumbprint=abc)"), "/certificates(thumbprintAlgorithm={alg},thumbprint={tp}) sha1|abc|");
    assert_string_equal(find("/Certificates%28thumbprintAlgorithm%3Dsha1%2CThumbprint%3Dabc%29"), "/certificates(thumbprintAlgorithm={alg},thumbprint={tp}) sha1|abc|");
    assert_string_equal(find_in(METHOD_POST, "/certificates(thumbprintAlgorithm=sha1,thumbprint=abc)/cancelDelete", NULL),
                        "/certificates(thumbprintAlgorithm={alg},thumbprint={tp})/canceldelete sha1|abc|");
    assert_string_equal(find("/certificates(thumbprintAlgorithm=,thumbprint=abc)"), "no path");
    assert_string_equal(find("/certificates(thumbprintAlgorithm=sha1,thumbprint=)"), "no path");
    assert_string_equal(find("/certificates(thumbprintAlgorithm=sha1,thumbprint=abc"), "no path");
    assert_string_equal(find("/certificates(thumbprintAlgorithm=sha1,thumbprint=abc))x"), "no path");
    assert_string_equal(find("/certificates"), "no path");
}

static void test_method_and_version_choose_the_row(void **state)
{
    (void)state;
    const Route rows[] = {
        ROW_IN(METHOD_GET, "/a", NULL, "2020-12-31"), ROW_IN(METHOD_GET, "/a/{x?}", "2021-01-01", NULL), ROW_IN(METHOD_PUT, "/a", "2022-01-01", "2023-01-01"),
    };
    MOUNT(rows);
    assert_string_equal(find_in(METHOD_GET, "/a", "2020-12-31"), "/a ");
    assert_string_equal(find_in(METHOD_GET, "/a", "2021-01-01-preview"), "/a/{x?} |");
    assert_string_equal(find_in(METHOD_GET, "/a", "7.4"), "/a ");
    assert_string_equal(find_in(METHOD_GET, "/a", "2024-07-01.20.0"), "/a/{x?} |");
    assert_string_equal(find_in(METHOD_GET, "/a", NULL), "/a ");
    assert_string_equal(find_in(METHOD_GET, "/a/b", "2020-01-01"), "wrong version");
    assert_string_equal(find_in(METHOD_PUT, "/a", "7.4"), "wrong version");
    assert_string_equal(find_in(METHOD_PUT, "/a", "2023-01-02"), "wrong version");
    assert_string_equal(find_in(METHOD_PATCH, "/a", "2022-06-01"), "wrong method");
    assert_string_equal(find_in(METHOD_UNDECLARED, "/a", NULL), "wrong method");
    assert_string_equal(find_in(METHOD_HEAD, "/a", "7.4"), "/a ");
}

static void test_head_row_wins_over_get_row(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/{x}"), ROW(METHOD_HEAD, "/a") };
    MOUNT(rows);
    assert_string_equal(find_in(METHOD_HEAD, "/a", NULL), "/a ");
    assert_string_equal(find_in(METHOD_HEAD, "/b", NULL), "/{x} b|");
}

static void test_bad_paths_are_errors(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/{x...}") };
    MOUNT(rows);
    static const char *const bad[] = { "", "a", "/%", "/%2", "/%zz", "/%00", "/%ff", "/%c0%80", "/..", "/a/./b", "/a/%2e%2e", "/a%2f..", "/..%2fa" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (strcmp(find(bad[i]), "error") != 0)
            fail_msg("'%s' was taken", bad[i]);
    assert_string_equal(find("/..."), "/{x...} ...|");
    char deep[200] = "";
    for (size_t i = 0; i < 98; i++)
        memcpy(deep + 2 * i, "/a", 3);
    assert_string_equal(find(deep), "error");
}

static void test_rows_that_declare_too_little_are_refused(void **state)
{
    (void)state;
    REFUSED("declared", { 0, "/a", NULL, NULL, "p", WHERE_INLINE, BODY_NONE, 0, never, "A" });
    REFUSED("declared", { METHOD_GET, NULL, NULL, NULL, "p", WHERE_INLINE, BODY_NONE, 0, never, "A" });
    REFUSED("declared", { METHOD_GET, "/a", NULL, NULL, NULL, WHERE_INLINE, BODY_NONE, 0, never, "A" });
    REFUSED("declared", { METHOD_GET, "/a", NULL, NULL, "", WHERE_INLINE, BODY_NONE, 0, never, "A" });
    REFUSED("declared", { METHOD_GET, "/a", NULL, NULL, "p", 0, BODY_NONE, 0, never, "A" });
    REFUSED("declared", { METHOD_GET, "/a", NULL, NULL, "p", WHERE_INLINE, BODY_NONE, 0, NULL, "A" });
    REFUSED("declared", { METHOD_GET, "/a", NULL, NULL, "p", WHERE_INLINE, BODY_NONE, 0, never, NULL });
    REFUSED("body_max", { METHOD_PUT, "/a", NULL, NULL, "p", WHERE_INLINE, BODY_JSON, 0, never, "A" });
    REFUSED("dates", { METHOD_GET, "/a", "2021", NULL, "p", WHERE_INLINE, BODY_NONE, 0, never, "A" });
    REFUSED("never in force", { METHOD_GET, "/a", "2022-01-01", "2021-01-01", "p", WHERE_INLINE, BODY_NONE, 0, never, "A" });
}

static void test_malformed_templates_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "a", "/a//b", "/a/", "/{", "/{}", "/}", "/a{x?}", "/{x...}a", "/{x}{y}", "/{x...}/a/{y...}",
                                       "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "/{a{b}}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        REFUSED("route GET", ROW(METHOD_GET, bad[i]));
}

static void test_shadowed_rows_are_refused(void **state)
{
    (void)state;
    REFUSED("shadowed", ROW(METHOD_GET, "/a/{x}"), ROW(METHOD_GET, "/a/b"));
    REFUSED("shadowed", ROW(METHOD_GET, "/a/{x}"), ROW(METHOD_GET, "/a/{y}"));
    REFUSED("shadowed", ROW(METHOD_GET, "/a"), ROW(METHOD_GET, "/A"));
    REFUSED("shadowed", ROW(METHOD_GET, "/a/{x?}"), ROW(METHOD_GET, "/a"));
    REFUSED("shadowed", ROW(METHOD_GET, "/a/{x?}"), ROW(METHOD_GET, "/a/{x}"));
    REFUSED("shadowed", ROW(METHOD_GET, "/{x...}"), ROW(METHOD_GET, "/a/{y}/c"));
    REFUSED("shadowed", ROW(METHOD_GET, "/{x...}/p/{n}"), ROW(METHOD_GET, "/s/{y}/p/{n}"));
    REFUSED("shadowed", ROW(METHOD_GET, "/{x}"), ROW(METHOD_GET, "/c(a={a})"));
    REFUSED("shadowed", ROW(METHOD_GET, "/a"), ROW_IN(METHOD_GET, "/a", "2020-01-01", "2021-01-01"));
    REFUSED("shadowed", ROW_IN(METHOD_GET, "/a", NULL, "2021-01-01"), ROW_IN(METHOD_GET, "/a", NULL, "2020-01-01"));
}

static void test_rows_that_only_overlap_are_mounted(void **state)
{
    (void)state;
    const Route rows[] = {
        ROW(METHOD_GET, "/a/b"), ROW(METHOD_GET, "/a/{x?}"), ROW(METHOD_PUT, "/a/b"), ROW(METHOD_GET, "/{s...}/p/{n}"), ROW(METHOD_GET, "/{s...}"),
        ROW_IN(METHOD_POST, "/a", NULL, "2020-01-01"), ROW_IN(METHOD_POST, "/a", "2020-01-02", NULL), ROW(METHOD_GET, "/{s...}/q"),
    };
    Err err = { 0 };
    assert_false(route_table_mount(table, &plane, rows, COUNT_OF(rows), NULL, &err));       /* only the last hides behind /{s...} */
    route_table_free(table);
    table = route_table_new(STR("x"), NULL, 0);
    mount(rows, COUNT_OF(rows) - 1);
}

static void test_planes_that_cannot_refuse_are_refused(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/a") };
    const Plane no_check = { .name = "p", .host_pattern = "p", .authorize = authorize, .write_error = write_error };
    const Plane no_decision = { .name = "p", .host_pattern = "p", .authenticate = authenticate, .write_error = write_error };
    const Plane no_words = { .name = "p", .host_pattern = "p", .authenticate = authenticate, .authorize = authorize };
    refused(&no_check, rows, 1, "needs a token");
    refused(&no_decision, rows, 1, "needs a permission");
    refused(&no_words, rows, 1, "write_error");
    mount(rows, 1);
    const Plane twin = { .name = "q", .host_pattern = "p", .authenticate = authenticate, .authorize = authorize, .write_error = write_error };
    Err err = { 0 };
    assert_false(route_table_mount(table, &twin, rows, 1, NULL, &err));
}

static const Plane base_plane = { .name = "base", .host_pattern = "", .write_error = write_error };
static const Plane vault_plane = { .name = "vault", .host_pattern = "*.vault", .write_error = write_error };
static const Plane batch_plane = { .name = "batch", .host_pattern = "*.*.batch", .write_error = write_error };
static const Plane one_plane = { .name = "one", .host_pattern = "one.vault", .write_error = write_error };

static const char *plane_of(const char *name)
{
    Str labels[HOST_LABELS_MAX] = { 0 };
    const Plane *found = route_table_plane(table, str_from(name), labels);
    if (!found)
        return "none";
    Str text = str_printf(arena, "%s " STR_FMT " " STR_FMT, found->name, STR_ARG(labels[0]), STR_ARG(labels[1]));
    Err err = { 0 };
    return str_to_cstr(arena, text, &err);
}

static void test_host_patterns_find_planes(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_true(route_table_mount(table, &vault_plane, NULL, 0, NULL, &err));
    assert_true(route_table_mount(table, &base_plane, NULL, 0, NULL, &err));
    assert_true(route_table_mount(table, &batch_plane, NULL, 0, NULL, &err));
    assert_true(route_table_mount(table, &one_plane, NULL, 0, NULL, &err));
    assert_string_equal(plane_of("v1.vault.test.localhost"), "vault v1 ");
    assert_string_equal(plane_of("one.vault.test.localhost"), "one  ");
    assert_string_equal(plane_of("acc.west.batch.test.localhost"), "batch acc west");
    assert_string_equal(plane_of("test.localhost"), "base  ");
    assert_string_equal(plane_of("vault.test.localhost"), "none");
    assert_string_equal(plane_of("a.b.vault.test.localhost"), "none");
    assert_string_equal(plane_of("v1.vault.test.localhost.evil.com"), "none");
    assert_string_equal(plane_of("v1.vaulttest.localhost"), "none");
    assert_string_equal(plane_of("xtest.localhost"), "none");
    assert_string_equal(plane_of("localhost"), "none");
    assert_string_equal(plane_of(""), "none");
    route_table_free(table);
    table = route_table_new(STR(""), NULL, 0);
    assert_true(route_table_mount(table, &base_plane, NULL, 0, NULL, &err));
    assert_string_equal(plane_of("169.254.169.254"), "base  ");
}

static void test_other_names_of_parts_find_the_same_planes(void **state)
{
    (void)state;
    static const HttpAlias aliases[] = { { { "vault", 5 }, { "vault.azure.net", 15 } }, { { "batch", 5 }, { "batch.azure.com", 15 } } };
    Err err = { 0 };
    route_table_free(table);
    table = route_table_new(STR("test.localhost"), aliases, COUNT_OF(aliases));
    assert_true(route_table_mount(table, &vault_plane, NULL, 0, NULL, &err));
    assert_true(route_table_mount(table, &base_plane, NULL, 0, NULL, &err));
    assert_true(route_table_mount(table, &batch_plane, NULL, 0, NULL, &err));
    assert_string_equal(plane_of("v1.vault.azure.net"), "vault v1 ");
    assert_string_equal(plane_of("v1.vault.test.localhost"), "vault v1 ");
    assert_string_equal(plane_of("acc.west.batch.azure.com"), "batch acc west");
    assert_string_equal(plane_of("test.localhost"), "base  ");
    assert_string_equal(plane_of("vault.azure.net"), "none");
    assert_string_equal(plane_of("a.v1.vault.azure.net"), "none");
    assert_string_equal(plane_of("v1.vault.azure.net.evil.com"), "none");
    assert_string_equal(plane_of("xvault.azure.net"), "none");
    assert_string_equal(plane_of("v1.batch.azure.com"), "none");
    assert_true(route_table_is_ours(table, STR("vault.azure.net")));
    assert_true(route_table_is_ours(table, STR("a.b.test.localhost")));
    assert_false(route_table_is_ours(table, STR("azure.net")));
}

static void test_hosts_are_parsed_strictly(void **state)
{
    (void)state;
    static const struct { const char *text, *name; HostKind kind; } good[] = {
        { "A.b", "a.b", HOST_NAME }, { "a.b:8443", "a.b", HOST_NAME }, { "a.b.", "a.b", HOST_NAME }, { "a.b.:1", "a.b", HOST_NAME }, { "a_b-c", "a_b-c", HOST_NAME },
        { "127.0.0.1:80", "127.0.0.1", HOST_ADDRESS }, { "[::1]", "::1", HOST_ADDRESS }, { "[::1]:443", "::1", HOST_ADDRESS }, { "Localhost", "localhost", HOST_LOCALHOST },
    };
    static const char *const bad[] = { "", ".", "a..b", ".a", "a:", "a:0", "a:65536", "a:1:2", "a b", "a/b", "a@b", "a%20", "::1", "[::1", "[::1]x", "[a]", "[127.0.0.1]", "[::1]:", "é" };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        Host host;
        Err err = { 0 };
        assert_true(host_parse(arena, str_from(good[i].text), &host, &err));
        assert_true(str_eq(host.name, str_from(good[i].name)));
        assert_int_equal(host.kind, good[i].kind);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Host host;
        Err err = { 0 };
        if (host_parse(arena, str_from(bad[i]), &host, &err))
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

static void test_api_versions_by_form(void **state)
{
    (void)state;
    static const char *const good[] = { "2021-06-01", "2021-06-01-preview", "2022-10-01.16.0", "7.4", "7.4-preview.1", "2025-07-01-Privatepreview" };
    static const char *const bad[] = { "", "7", "v1", "banana", "2021-6-1", "2021-06-01x", "2021-06-01 preview", ".4", "7.4/", "2021-06-01-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(api_version_is_well_formed(str_from(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (api_version_is_well_formed(str_from(bad[i])))
            fail_msg("'%s' was taken", bad[i]);
}

static void test_forms_decode_names_and_values(void **state)
{
    (void)state;
    Str form = STR("api%2Dversion=7.4&%24filter=a+b%3Dc&empty=&flag&api-version=second&=nameless&bad=%zz");
    assert_true(str_eq(form_get(arena, form, "API-Version"), STR("7.4")));
    assert_true(str_eq(form_get(arena, form, "$filter"), STR("a b=c")));
    assert_true(str_eq(form_get(arena, form, "empty"), STR("")) && form_get(arena, form, "empty").ptr);
    assert_non_null(form_get(arena, form, "flag").ptr);
    assert_null(form_get(arena, form, "missing").ptr);
    assert_null(form_get(arena, form, "bad").ptr);
    assert_null(form_get(arena, STR(""), "a").ptr);
    Err err = { 0 };
    assert_false(form_check(arena, form, &err));
    assert_true(form_check(arena, STR("a=1&b=%c3%a9&&c"), &err));
    assert_false(form_check(arena, STR("a=%00"), &err));
    assert_false(form_check(arena, STR("%ff=1"), &err));
    assert_false(form_check(arena, STR("\xff=1"), &err));
    assert_true(str_is_utf8(str_from(err.text)));
}

static void test_params_are_found_by_name(void **state)
{
    (void)state;
    Route row = ROW(METHOD_GET, "/{scope...}/c(a={alg},t={tp})/{v?}");
    Req req = { .arena = arena, .route = &row, .params = { STR("s"), STR("a"), STR("t"), STR("") }, .param_count = 4 };
    assert_true(str_eq(req_param(&req, "scope"), STR("s")));
    assert_true(str_eq(req_param(&req, "tp"), STR("t")));
    assert_non_null(req_param(&req, "v").ptr);
    assert_null(req_param(&req, "x").ptr);
}

static bool count_row(void *ctx, const Plane *on, const Route *route)
{
    (void)on, (void)route;
    return ++*(int *)ctx < 2;
}

static void test_walk_visits_rows_until_told_to_stop(void **state)
{
    (void)state;
    const Route rows[] = { ROW(METHOD_GET, "/a"), ROW(METHOD_GET, "/b"), ROW(METHOD_GET, "/c") };
    int count = 0;
    MOUNT(rows);
    route_table_each(table, count_row, &count);
    assert_int_equal(count, 2);
}

static void test_boolean_parameters_are_true_or_false_and_nothing_else(void **state)
{
    (void)state;
    static const struct { const char *query; bool value; } good[] = {
        { "wanted=true", true }, { "wanted=TRUE", true }, { "x=maybe&Wanted=tRue", true }, { "wanted=%74rue", true },
        { "wanted=false", false }, { "wanted=False", false }, { "wanted=", false }, { "wanted", false }, { "x=true", false }, { "", false },
    };
    static const char *const bad[] = { "maybe", "1", "0", "yes", "no", "t", "truefalse", "true,true", "%20", "null" };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        Req req = { .arena = arena, .query = str_from(good[i].query) };
        bool value = !good[i].value;
        Err err = { 0 };
        if (!req_query_bool(&req, "wanted", &value, &err) || value != good[i].value)
            fail_msg("'%s': %s", good[i].query, err.text);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Req req = { .arena = arena, .query = str_printf(arena, "x=true&wanted=%s", bad[i]) };
        bool value = false;
        Err err = { 0 };
        if (req_query_bool(&req, "wanted", &value, &err))
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, "wanted");
        assert_string_equal(err.text, "wanted must be true or false");
    }
}

#define ON_A_TABLE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_TABLE(test_unversioned_path_is_there_in_any_version_and_in_none),
        ON_A_TABLE(test_literals_compare_without_case_and_captures_are_decoded),
        ON_A_TABLE(test_optional_segments_may_be_empty_and_at_the_end_missing),
        ON_A_TABLE(test_rest_takes_segments_up_to_what_follows_at_the_end),
        ON_A_TABLE(test_captures_inside_a_segment),
        ON_A_TABLE(test_method_and_version_choose_the_row),
        ON_A_TABLE(test_head_row_wins_over_get_row),
        ON_A_TABLE(test_bad_paths_are_errors),
        ON_A_TABLE(test_rows_that_declare_too_little_are_refused),
        ON_A_TABLE(test_malformed_templates_are_refused),
        ON_A_TABLE(test_shadowed_rows_are_refused),
        ON_A_TABLE(test_rows_that_only_overlap_are_mounted),
        ON_A_TABLE(test_planes_that_cannot_refuse_are_refused),
        ON_A_TABLE(test_host_patterns_find_planes),
        ON_A_TABLE(test_other_names_of_parts_find_the_same_planes),
        ON_A_TABLE(test_hosts_are_parsed_strictly),
        ON_A_TABLE(test_api_versions_by_form),
        ON_A_TABLE(test_forms_decode_names_and_values),
        ON_A_TABLE(test_params_are_found_by_name),
        ON_A_TABLE(test_boolean_parameters_are_true_or_false_and_nothing_else),
        ON_A_TABLE(test_walk_visits_rows_until_told_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
