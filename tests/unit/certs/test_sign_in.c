/* test_sign_in.c - each way to a token, against endpoints of the test's own that refuse whatever is not as its document says. */
#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "certs/settings.h"
#include "certs/sign_in.h"
#include "crypto/bundles/bundle.h"
#include "crypto/jwt.h"
#include "http/form.h"
#include "http/server.h"

typedef struct Fake { HttpServer *server; int port; _Atomic int calls; char challenge[300]; const char *token; int status; char form[16384]; } Fake;

static Fake fake;
static Arena *arena;
static Clock *clock_;
static SignInClients clients;
static Str base, dir;

static const char good[] = "{\"access_token\":\"t1\",\"expires_in\":3599}";

static bool answer(Reply *reply, int status, const char *body)
{
    reply->status = status;
    buf_put_str(&reply->body, str_from(body));
    return true;
}

static bool metadata(Req *req, Reply *reply, Err *err)
{
    (void)err;
    fake.calls++;
    bool asked = str_eq(req_header(req, "Metadata"), STR("true")) && str_eq(req_query(req, "api-version"), STR("2018-02-01")) &&
                 str_eq(req_query(req, "resource"), STR("https://vault.x")) && str_eq(req_query(req, "msi_res_id"), STR("/subscriptions/s/x"));
    return answer(reply, asked ? 200 : 400, asked ? good : "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}");
}

static bool app_service(Req *req, Reply *reply, Err *err)
{
    (void)err;
    bool asked = str_eq(req_header(req, "X-IDENTITY-HEADER"), STR("h-1")) && str_eq(req_query(req, "api-version"), STR("2019-08-01")) &&
                 str_eq(req_query(req, "client_id"), STR("c-1")) && !req_header(req, "Metadata").ptr;
    return answer(reply, asked ? 200 : 400, asked ? fake.token : "{\"message\":\"No User Assigned identity found\"}");
}

static bool arc(Req *req, Reply *reply, Err *err)
{
    (void)err;
    fake.calls++;
    if (str_eq(req_header(req, "Authorization"), STR("Basic of-the-file")))
        return answer(reply, 200, good);
    reply_header(reply, STR("WWW-Authenticate"), str_from(fake.challenge));
    return answer(reply, 401, "{}");
}

static bool login(Req *req, Reply *reply, Err *err)
{
    (void)err;
    fake.calls++;
    (void)snprintf(fake.form, sizeof fake.form, STR_FMT, STR_ARG(req->body));
    return answer(reply, fake.status, fake.status == 200 ? good : "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided.\"}");
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "message", str_from(err->text));
    json_close(&reply->json);
}

static const Plane plane = { .name = "fake", .host_pattern = "", .default_content_type = "application/json", .write_error = write_error };
static const Route routes[] = {
    { METHOD_GET,  "/metadata/identity/oauth2/token", NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0,     metadata,    "Metadata" },
    { METHOD_GET,  "/msi/token",                      NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0,     app_service, "AppService" },
    { METHOD_GET,  "/arc",                            NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0,     arc,         "Arc" },
    { METHOD_POST, "/t-1/oauth2/v2.0/token",          NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_RAW,  65536, login,       "Login" },
};

static int set_up(void **state)
{
    (void)state;
    Err err = { 0 };
    char name[] = "/tmp/sign-in-test-XXXXXX";
    arena = arena_new(8 << 20);
    clock_ = clock_new(0);
    fake = (Fake){ .status = 200, .token = good };
    HttpConfig config = { .base_domain = STR(""), .clock = clock_, .plain = true, .io_threads = 1, .worker_threads = 2 };
    if (!mkdtemp(name) || !http_new(&config, &fake.server, &err) || !http_mount(fake.server, &plane, routes, COUNT_OF(routes), NULL, &err) ||
        !http_listen_tcp(fake.server, "127.0.0.1", 0, &fake.port, &err) || !http_start(fake.server, &err) ||
        !http_client_new(&(HttpClientConfig){ .timeout_ms = 60000 }, &clients.local, &err))
        return -1;
    clients.remote = clients.local;
    dir = str_dup(arena, str_from(name));
    base = str_printf(arena, "http://127.0.0.1:%d", fake.port);
    static const char *const variables[] = { "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST" };
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        (void)unsetenv(variables[i]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    http_client_free(clients.local);
    http_stop(fake.server, 1000);
    clock_free(clock_);
    bool removed = dir_remove_tree(dir.ptr, &err);
    arena_free(arena);
    return removed ? 0 : -1;
}

static Str file_of(const char *name, Str text)
{
    Err err = { 0 };
    Str path = str_printf(arena, STR_FMT "/%s", STR_ARG(dir), name);
    assert_true(file_replace(path.ptr, bytes_of(text), 0600, (uid_t)-1, (gid_t)-1, &err));
    return path;
}

static bool sign_in(const SignIn *s, int64_t *until_ms, Err *err)
{
    Str token;
    *err = (Err){ 0 };
    bool done = sign_in_token(clients, arena, s, STR("https://vault.x"), 1000000, &token, until_ms, err);
    if (done)
        assert_str(token, "t1");
    return done;
}

static void says(const Err *err, ErrCode code, const char *const *parts)
{
    assert_int_equal(err->code, code);
    for (; *parts; parts++)
        if (!strstr(err->text, *parts))
            fail_msg("'%s' does not say '%s'", err->text, *parts);
}
#define assert_says(err, code, ...) says(&(err), code, (const char *const[]){ __VA_ARGS__, NULL })

static void test_a_resource_id_reaches_the_metadata_address(void **state)
{
    (void)state;
    SignIn s = { .msi_endpoint = str_printf(arena, STR_FMT "/metadata/identity/oauth2/token", STR_ARG(base)), .msi_resource_id = STR("/subscriptions/s/x") };
    int64_t until;
    Err err;
    assert_true(sign_in(&s, &until, &err));
    assert_int_equal(until, 1000000 + 3599000);
    s.msi_resource_id = STR("/subscriptions/s/other");
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "/subscriptions/s/other", "Identity not found", "status 400");
}

static void test_app_services_form_comes_from_the_environment_unless_settings_name_an_endpoint(void **state)
{
    (void)state;
    Err err = { 0 };
    int64_t until;
    assert_int_equal(setenv("IDENTITY_ENDPOINT", str_printf(arena, STR_FMT "/msi/token", STR_ARG(base)).ptr, 1), 0);
    assert_int_equal(setenv("IDENTITY_HEADER", "h-1", 1), 0);
    SignIn s = { .msi_endpoint = STR("http://169.254.169.254/x"), .msi_client_id = STR("c-1") }, given = s;
    given.is_endpoint_given = true;
    assert_true(sign_in_complete(arena, &s, &err) && sign_in_complete(arena, &given, &err));
    assert_str(given.msi_endpoint, "http://169.254.169.254/x");
    fake.token = "{\"access_token\":\"t1\",\"expires_on\":\"1586984735\",\"token_type\":\"Bearer\"}";         /* this form has no expires_in */
    assert_true(sign_in(&s, &until, &err));
    assert_true(until == 1586984735000);
    s.app_service_header = STR("wrong");
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "No User Assigned identity found", "client id c-1");
}

static void test_arc_proves_itself_with_the_key_file(void **state)
{
    (void)state;
    SignIn s = { .msi_endpoint = str_printf(arena, STR_FMT "/arc", STR_ARG(base)), .arc_key_dir = dir };
    int64_t until;
    Err err;
    (void)snprintf(fake.challenge, sizeof fake.challenge, "Basic realm=" STR_FMT, STR_ARG(file_of("1.key", STR("of-the-file"))));
    assert_true(sign_in(&s, &until, &err));
    assert_int_equal(fake.calls, 2);
}

static void test_arc_sends_no_other_file(void **state)
{
    (void)state;
    SignIn s = { .msi_endpoint = str_printf(arena, STR_FMT "/arc", STR_ARG(base)), .arc_key_dir = dir };
    static const char *const realms[] = { "Basic realm=/etc/shadow", "Basic realm=%s/../etc/1.key", "Basic realm=%s/sub/1.key", "Basic realm=%s/1.pem", "Basic realm=%s.key",
                                          "Basic realm=%s/.key", "Bearer realm=%s/1.key", "Basic" };
    for (size_t i = 0; i < COUNT_OF(realms); i++) {
        size_t at;
        Str realm = str_from(realms[i]);
        bool has = str_find(realm, STR("%s"), &at);
        (void)snprintf(fake.challenge, sizeof fake.challenge, STR_FMT STR_FMT STR_FMT, STR_ARG(has ? str_slice(realm, 0, at) : realm), STR_ARG(has ? dir : STR("")),
                       STR_ARG(has ? str_slice(realm, at + 2, realm.len) : STR("")));
        int64_t until;
        Err err;
        int calls = fake.calls;
        assert_false(sign_in(&s, &until, &err));
        assert_int_equal(err.code, ERR_DENIED);
        assert_int_equal(fake.calls, calls + 1);
    }
    int64_t until;
    Err err;
    (void)snprintf(fake.challenge, sizeof fake.challenge, "Basic realm=" STR_FMT "/absent.key", STR_ARG(dir));
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "key file cannot be read", "himds");
}

static SignIn application(SignInKind kind)
{
    return (SignIn){ .kind = kind, .authority = base, .tenant = STR("t-1"), .client_id = STR("c-1") };
}

static void test_a_secret_is_read_anew_and_its_refusal_names_file_and_cure(void **state)
{
    (void)state;
    SignIn s = application(SIGN_IN_SECRET);
    int64_t until;
    Err err;
    s.secret_file = file_of("secret", STR("p+w &1\n"));
    assert_true(sign_in(&s, &until, &err));
    Str form = str_from(fake.form);
    assert_str(form_get(arena, form, "client_secret"), "p+w &1");
    assert_str(form_get(arena, form, "scope"), "https://vault.x/.default");
    assert_str(form_get(arena, form, "grant_type"), "client_credentials");
    (void)file_of("secret", STR("second"));
    assert_true(sign_in(&s, &until, &err));
    assert_str(form_get(arena, str_from(fake.form), "client_secret"), "second");
    fake.status = 401;
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "application c-1 of tenant t-1", "/secret", "AADSTS7000215", "credential reset");
    if (strstr(err.text, "second"))
        fail_msg("the secret is told: %s", err.text);
    fake.status = 503;
    assert_false(sign_in(&s, &until, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    (void)file_of("secret", STR("\n"));
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "is empty");
}

static void test_a_certificate_signs_an_assertion_for_the_endpoint(void **state)
{
    (void)state;
    AUTO(bundle_done_auto) Bundle bundle = { .count = 1 };
    AUTO(secret_free_auto) Secret *pem = NULL, *pfx = NULL;
    CertSpec spec = { .subject = STR("CN=c"), .path_length = -1, .not_before_ms = real_now_ms(), .not_after_ms = real_now_ms() + 86400000 };
    SignIn s = application(SIGN_IN_CERTIFICATE);
    CertInfo leaf;
    Err err = { 0 };
    int64_t until;
    assert_true(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &bundle.key, &err) && cert_self_sign(arena, bundle.key, &spec, &bundle.certs[0], &err) &&
                cert_read(arena, bundle.certs[0], &leaf, &err) && bundle_write_pem(&bundle, true, &pem, &err) && bundle_write_pfx(&bundle, STR("pass"), &pfx, &err));
    Str files[] = { file_of("client.pem", str_of(secret_bytes(pem))), file_of("client.pfx", str_of(secret_bytes(pfx))) };
    for (size_t i = 0; i < 2; i++) {
        Jwt jwt;
        s.certificate_file = files[i];
        s.certificate_password_file = i ? file_of("password", STR("pass\n")) : STR_NONE;
        assert_true(sign_in(&s, &until, &err));
        Str form = str_from(fake.form);
        assert_str(form_get(arena, form, "client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_true(jwt_parse(arena, form_get(arena, form, "client_assertion"), &jwt, &err) && jwt_check(&jwt, bundle.key, &err));
        assert_str(json_str(json_get(jwt.claims, "aud")), str_printf(arena, STR_FMT "/t-1/oauth2/v2.0/token", STR_ARG(base)).ptr);
        assert_str(json_str(json_get(jwt.claims, "iss")), "c-1");
        assert_int_equal(json_int(json_get(jwt.claims, "exp"), 0), 1600);
        assert_true(str_eq(jwt.x5t, base64url_encode(arena, (Bytes){ leaf.sha1, sizeof leaf.sha1 })));
    }
    (void)file_of("password", STR("wrong"));
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "client.pfx");
    s.certificate_file = file_of("only.pem", pem_of_cert(arena, bundle.certs[0]));
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "only.pem", "private key");
}

static void test_workload_identity_takes_what_the_environment_says(void **state)
{
    (void)state;
    SignIn s = { .kind = SIGN_IN_FEDERATED };
    Err err = { 0 };
    int64_t until;
    assert_false(sign_in_complete(arena, &s, &err));
    assert_string_equal(err.target, "vaultyard.signIn.federatedTokenFile");
    assert_int_equal(setenv("AZURE_FEDERATED_TOKEN_FILE", file_of("token", STR("e30.e30.sig")).ptr, 1) | setenv("AZURE_CLIENT_ID", "c-1", 1), 0);
    assert_false(sign_in_complete(arena, &s, &err));
    assert_string_equal(err.target, "vaultyard.signIn.tenantId");
    assert_int_equal(setenv("AZURE_TENANT_ID", "t-1", 1), 0);
    assert_true(sign_in_complete(arena, &s, &err));
    assert_str(s.authority, "https://login.microsoftonline.com");
    assert_int_equal(setenv("AZURE_AUTHORITY_HOST", "http://plain", 1), 0);
    s.authority = STR_NONE;
    assert_false(sign_in_complete(arena, &s, &err));                         /* a secret does not go out in the clear */
    s.authority = base;
    assert_true(sign_in(&s, &until, &err));
    Str form = str_from(fake.form);
    assert_str(form_get(arena, form, "client_assertion"), "e30.e30.sig");
    assert_false(form_get(arena, form, "client_secret").ptr != NULL);
    fake.status = 400;
    assert_false(sign_in(&s, &until, &err));
    assert_says(err, ERR_DENIED, "federated-credential create", "/token");
}

static void test_what_is_no_token_is_not_taken(void **state)
{
    (void)state;
    static const char *const bodies[] = { "", "nonsense", "{}", "{\"access_token\":\"\",\"expires_in\":1}", "{\"access_token\":\"t1\"}", "{\"access_token\":\"t1\",\"expires_in\":\"soon\"}",
                                          "{\"access_token\":\"t1\",\"expires_in\":-5}", "{\"access_token\":7,\"expires_in\":5}" };
    SignIn s = { .msi_endpoint = str_printf(arena, STR_FMT "/msi/token", STR_ARG(base)), .msi_client_id = STR("c-1"), .app_service_header = STR("h-1") };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        int64_t until;
        Err err;
        fake.token = bodies[i];
        assert_false(sign_in(&s, &until, &err));
        assert_says(err, ERR_UNAVAILABLE, "no token");
    }
}

static bool reads(const char *own, CertSettings *out, Err *err)
{
    *err = (Err){ 0 };
    return settings_read(arena, str_printf(arena, "{\"secretsManagementSettings\":{\"observedCertificates\":[]},\"vaultyard\":{\"signIn\":%s}}", own), out, err);
}

static void test_settings_say_how_and_wrong_ones_are_refused(void **state)
{
    (void)state;
    static const struct { const char *text; SignInKind kind; } rights[] = {
        { "{\"tenantId\":\"t\",\"clientId\":\"c\",\"clientSecretFile\":\"/s\"}", SIGN_IN_SECRET },
        { "{\"tenantId\":\"t\",\"clientId\":\"c\",\"clientCertificateFile\":\"/s\",\"clientCertificatePasswordFile\":\"/p\"}", SIGN_IN_CERTIFICATE },
        { "{\"tenantId\":\"t\",\"clientId\":\"c\",\"federatedTokenFile\":\"/s\",\"authorityHost\":\"https://login.x/\"}", SIGN_IN_FEDERATED },
        { "{\"workloadIdentity\":true}", SIGN_IN_FEDERATED },
    };
    static const char *const wrong[] = {
        "[]", "{}", "{\"tenantId\":\"t\",\"clientId\":\"c\"}", "{\"clientSecretFile\":\"/s\",\"federatedTokenFile\":\"/t\"}", "{\"clientSecretFile\":\"relative\"}",
        "{\"clientSecret\":\"inline\"}", "{\"clientSecretFile\":\"/s\",\"tenantId\":\"a/b\"}", "{\"clientSecretFile\":\"/s\",\"clientId\":\"a\\\"b\"}", "{\"workloadIdentity\":false}",
    };
    CertSettings s;
    Err err;
    for (size_t i = 0; i < COUNT_OF(rights); i++) {
        assert_true(reads(rights[i].text, &s, &err));
        assert_int_equal(s.sign_in.kind, rights[i].kind);
        assert_int_equal(s.note_count, 0);                                   /* nothing about a managed identity that nobody wants */
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (reads(wrong[i], &s, &err) || !strstr(err.target, "vaultyard.signIn"))
            fail_msg("%s: target '%s' text '%s'", wrong[i], err.target, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_resource_id_reaches_the_metadata_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_app_services_form_comes_from_the_environment_unless_settings_name_an_endpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arc_proves_itself_with_the_key_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arc_sends_no_other_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_secret_is_read_anew_and_its_refusal_names_file_and_cure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_signs_an_assertion_for_the_endpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_workload_identity_takes_what_the_environment_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_token_is_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings_say_how_and_wrong_ones_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
