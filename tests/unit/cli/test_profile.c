/* test_profile.c - where the server is and who asks: read, stored privately, forgotten; tokens cached and asked for anew. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "../cm.h"
#include "base/file.h"
#include "cli/profile.h"
#include "http/server.h"

static char dir[64];
static Arena *arena;
static Err must_err;
#define E (&must_err)
#define must(call) do { must_err = (Err){ 0 }; if (!(call)) fail_msg("%s: %s", #call, must_err.text); } while (0)

static const char *in_dir(const char *name)
{
    return str_printf(arena, "%s/%s", dir, name).ptr;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = in_dir(name);
    must(file_replace(path, bytes_of(str_from(text)), 0600, (uid_t)-1, (gid_t)-1, E));
    return path;
}

#define ADMIN(more) "{\"tenantId\":\"t\",\"subscriptionId\":\"s\",\"clientId\":\"c\",\"clientSecret\":\"p\",\"authorityHost\":\"https://login.x:1/\"," \
                    "\"resourceManager\":\"https://management.x:1/\",\"graph\":\"https://graph.x:1\",\"vaultDnsSuffix\":\".vault.x:1\",\"batchDnsSuffix\":\"https://batch.x:1/\"" more "}"

static void test_an_admin_file_is_read_whatever_its_slashes_and_dots(void **state)
{
    Profile p = { 0 };
    (void)state;
    must(profile_read(arena, write_file("admin.json", ADMIN(",\"caFile\":\"ca.pem\"")), &p, E));
    assert_str(p.authority, "https://login.x:1");
    assert_str(p.resource_manager, "https://management.x:1");
    assert_str(p.vault_suffix, "vault.x:1");
    assert_str(p.batch_suffix, "batch.x:1");
    assert_str(p.location, "local");
    assert_str(p.ca_file, in_dir("ca.pem"));
}

static void test_what_is_no_admin_file_is_refused(void **state)
{
    static const char *const wrong[] = { "", "{}", "[]", "{\"tenantId\":7}", ADMIN("") "x", "{\"tenantId\":\"t\",\"tenantId\":\"t\"}" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        Profile p = { 0 };
        Err err = { 0 };
        assert_false(profile_read(arena, write_file("wrong.json", wrong[i]), &p, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_null(p.tenant.ptr);
    }
    Profile p = { 0 };
    Err err = { 0 };
    assert_false(profile_read(arena, in_dir("absent.json"), &p, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static mode_t mode_of(const char *path)
{
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_mode & 07777;
}

static void test_a_sign_in_is_stored_for_its_user_alone_and_forgotten(void **state)
{
    Profile p = { 0 }, again = { 0 };
    (void)state;
    must(profile_read(arena, write_file("admin.json", ADMIN(",\"location\":\"here\",\"caFile\":\"/etc/ca.pem\"")), &p, E));
    must(profile_store(arena, &p, E));
    assert_int_equal(mode_of(in_dir("conf/profile.json")), 0600);
    assert_int_equal(mode_of(in_dir("conf")), 0700);
    must(profile_read(arena, in_dir("conf/profile.json"), &again, E));
    assert_true(str_eq(again.client_secret, p.client_secret) && str_eq(again.location, p.location) && str_eq(again.ca_file, p.ca_file));
    must(profile_forget(arena, E));
    must(profile_forget(arena, E));
    Err err = { 0 };
    assert_false(profile_read(arena, in_dir("conf/profile.json"), &again, &err));
}

/* ---- tokens, from a server that counts them ---- */

static _Atomic int tokens_given;
static int expires_in = 3600;

static bool give_token(Req *req, Reply *reply, Err *err)
{
    size_t at;
    int number = ++tokens_given;
    if (!str_find(req->body, STR("client_secret=good"), &at)) {
        reply->status = 401;
        json_open(&reply->json, NULL);
        json_put_str(&reply->json, "error", STR("invalid_client"));
        json_put_str(&reply->json, "error_description", STR("AADSTS7000215: Invalid client secret provided."));
        json_close(&reply->json);
        return json_end(&reply->json, err);
    }
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "access_token", str_printf(req->arena, "token%d", number));
    json_put_int(&reply->json, "expires_in", expires_in);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static void no_error_body(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req, (void)err;
    json_put_raw(&reply->json, NULL, STR("{}"));
}

static const Plane login_plane = { .name = "login", .host_pattern = "login", .default_content_type = "application/json", .write_error = no_error_body };
static const Route login_routes[] = { { METHOD_POST, "/{tenant}/oauth2/v2.0/token", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_RAW, 4096, give_token, "Token" } };

typedef struct Login { HttpServer *server; Clock *clock; int port; } Login;

static void login_start(Login *l)
{
    l->clock = clock_new(0);
    HttpConfig config = { .base_domain = STR("vaultyard.localhost"), .clock = l->clock, .io_threads = 1, .worker_threads = 1, .plain = true };
    must(http_new(&config, &l->server, E));
    must(http_mount(l->server, &login_plane, login_routes, COUNT_OF(login_routes), NULL, E));
    must(http_listen_tcp(l->server, "127.0.0.1", 0, &l->port, E));
    must(http_start(l->server, E));
    tokens_given = 0;
    expires_in = 3600;
}

static void login_stop(Login *l)
{
    http_stop(l->server, 1000);
    clock_free(l->clock);
}

static Cli cli_for(const Login *l, const char *secret)
{
    return (Cli){ .arena = arena, .has_profile = true,
                  .profile = { .tenant = STR("t"), .client_id = STR("c"), .client_secret = str_from(secret),
                               .authority = str_printf(arena, "http://login.vaultyard.localhost:%d", l->port) } };
}

static Str token_of(const Login *l, const char *secret, const char *resource, bool fresh)
{
    Cli cli = cli_for(l, secret);
    Str token = STR_NONE;
    must(cli_token(&cli, str_from(resource), fresh, &token, E));
    http_client_free(cli.http);
    return token;
}

static void test_a_token_is_kept_for_what_it_was_asked_with(void **state)
{
    Login l;
    (void)state;
    login_start(&l);
    assert_str(token_of(&l, "good", "https://a", false), "token1");
    assert_str(token_of(&l, "good", "https://a", false), "token1");
    assert_str(token_of(&l, "good", "https://b", false), "token2");
    assert_str(token_of(&l, "good2", "https://a", false), "token3");        /* another secret never meets the old token */
    assert_str(token_of(&l, "good", "https://a", false), "token1");
    assert_str(token_of(&l, "good", "https://a", true), "token4");
    assert_str(token_of(&l, "good", "https://a", false), "token4");
    assert_int_equal(mode_of(in_dir("conf/tokens.json")), 0600);
    login_stop(&l);
}

static void test_a_token_near_its_end_is_not_used(void **state)
{
    Login l;
    (void)state;
    login_start(&l);
    expires_in = 200;
    assert_str(token_of(&l, "good", "https://short", false), "token1");
    assert_str(token_of(&l, "good", "https://short", false), "token2");
    login_stop(&l);
}

static void test_a_spoilt_cache_is_an_empty_one(void **state)
{
    Login l;
    (void)state;
    login_start(&l);
    assert_str(token_of(&l, "good", "https://a", false), "token1");
    (void)write_file("conf/tokens.json", "{\"not\":\"ours");
    assert_str(token_of(&l, "good", "https://a", false), "token2");
    assert_str(token_of(&l, "good", "https://a", false), "token2");
    login_stop(&l);
}

static void test_a_refused_sign_in_says_whose_and_keeps_nothing(void **state)
{
    Login l;
    size_t at;
    (void)state;
    login_start(&l);
    Cli cli = cli_for(&l, "wrong");
    Str token = STR_NONE;
    Err err = { 0 };
    assert_false(cli_token(&cli, STR("https://a"), false, &token, &err));
    assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    assert_true(str_find(str_from(err.text), STR("AADSTS7000215"), &at));
    assert_false(str_find(str_from(err.text), STR("wrong"), &at));
    assert_null(token.ptr);
    http_client_free(cli.http);
    login_stop(&l);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/vaultyard-test-XXXXXX");
    if (!mkdtemp(dir) || !(arena = arena_new(64 << 20)))
        return -1;
    return setenv("VY_CONFIG_DIR", in_dir("conf"), 1);
}

static int teardown(void **state)
{
    Err err = { 0 };
    (void)state;
    bool removed = dir_remove_tree(dir, &err);
    arena_free(TAKE(arena));
    return removed ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_admin_file_is_read_whatever_its_slashes_and_dots), cmocka_unit_test(test_what_is_no_admin_file_is_refused),
        cmocka_unit_test(test_a_sign_in_is_stored_for_its_user_alone_and_forgotten), cmocka_unit_test(test_a_token_is_kept_for_what_it_was_asked_with),
        cmocka_unit_test(test_a_token_near_its_end_is_not_used), cmocka_unit_test(test_a_spoilt_cache_is_an_empty_one),
        cmocka_unit_test(test_a_refused_sign_in_says_whose_and_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
