/* test_graph.c - the Graph plane over HTTP: the calls of az in their order, who may what, and refusals. */
#include "tenant_fixture.h"
#include "base/encode.h"
#include "base/id.h"
#include "crypto/certificates/cert.h"
#include "crypto/jwt.h"

static Tenant tenant;
static Str admin_token;

static int setup(void **state)
{
    tenant_open(&tenant);
    admin_token = tenant_admin_token(&tenant, "https://graph.microsoft.com/.default");
    *state = &tenant;
    return 0;
}

static int teardown(void **state)
{
    tenant_close(*state);
    return 0;
}

static HttpAnswer graph(Tenant *t, Str token, const char *method, const char *path, const char *body)
{
    return tenant_ask(t, &(Ask){ method, "graph", path, .token = token, .body = body ? str_from(body) : STR_NONE });
}

static const JsonVal *graph_ok(Tenant *t, const char *method, const char *path, const char *body, int status)
{
    HttpAnswer answer = graph(t, admin_token, method, path, body);
    if (answer.status != status)
        fail_msg("%s %s: %d " STR_FMT, method, path, answer.status, STR_ARG(answer.body));
    return answer.body.len ? answer_json(t, &answer) : NULL;
}

static void assert_refused(Tenant *t, Str token, const char *method, const char *path, const char *body, int status, const char *code)
{
    HttpAnswer answer = graph(t, token, method, path, body);
    if (answer.status != status || !str_eq(answer_text(t, &answer, "error.code"), str_from(code)))
        fail_msg("%s %s: wanted %d %s, got %d " STR_FMT, method, path, status, code, answer.status, STR_ARG(answer.body));
    assert_true(answer_text(t, &answer, "error.message").len > 0);
    assert_true(answer_text(t, &answer, "error.innerError.request-id").len > 0);
}

static const char *path_of(Tenant *t, const char *fmt, Str id)
{
    Str text = str_from(fmt);
    size_t at = 0;
    (void)str_find(text, STR("@"), &at);
    return str_printf(t->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(str_slice(text, 0, at)), STR_ARG(id), STR_ARG(str_slice(text, at + 1, text.len))).ptr;
}

static size_t listed(Tenant *t, const char *path)
{
    return json_count(json_get(graph_ok(t, "GET", path, NULL, 200), "value"));
}

typedef struct Made { Str app_object, app_id, sp_object, secret; } Made;

/* az ad sp create-for-rbac --name X: the requests in its order. */
static Made create_for_rbac(Tenant *t, Str token, const char *name)
{
    Made made;
    Str body = str_printf(t->arena, "{\"displayName\":\"%s\",\"keyCredentials\":[]}", name);
    HttpAnswer answer = graph(t, token, "POST", "/v1.0/applications", body.ptr);
    if (answer.status != 201)
        fail_msg("%d " STR_FMT, answer.status, STR_ARG(answer.body));
    made.app_object = answer_text(t, &answer, "id");
    made.app_id = answer_text(t, &answer, "appId");
    answer = graph(t, token, "POST", path_of(t, "/v1.0/applications/@/addPassword", made.app_object),
                   "{\"passwordCredential\":{\"displayName\":\"rbac\",\"startDateTime\":\"2020-01-01T00:00:00Z\",\"endDateTime\":\"2099-01-01T00:00:00Z\"}}");
    assert_int_equal(answer.status, 200);
    made.secret = answer_text(t, &answer, "secretText");
    assert_int_equal(made.secret.len, 40);
    assert_true(str_eq(answer_text(t, &answer, "hint"), str_slice(made.secret, 0, 3)));
    body = str_printf(t->arena, "{\"appId\":\"" STR_FMT "\",\"accountEnabled\":true}", STR_ARG(made.app_id));
    answer = graph(t, token, "POST", "/v1.0/servicePrincipals", body.ptr);
    assert_int_equal(answer.status, 201);
    made.sp_object = answer_text(t, &answer, "id");
    return made;
}

static Str token_of(Tenant *t, const Made *made)
{
    HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, made->app_id, made->secret, "https://graph.microsoft.com/.default"));
    if (answer.status != 200)
        fail_msg("%d " STR_FMT, answer.status, STR_ARG(answer.body));
    return answer_text(t, &answer, "access_token");
}

static void test_service_principal_as_az_makes_it_can_sign_in(void **state)
{
    Tenant *t = *state;
    assert_int_equal(listed(t, "/v1.0/servicePrincipals?$filter=displayName%20eq%20%27rbac1%27"), 0);
    Made made = create_for_rbac(t, admin_token, "rbac1");
    (void)token_of(t, &made);
    assert_int_equal(listed(t, "/v1.0/servicePrincipals?$filter=displayName%20eq%20%27RBAC1%27"), 1);
    assert_int_equal(listed(t, "/v1.0/applications?$filter=startswith%28displayName%2C%27rba%27%29"), 1);
    const JsonVal *found = graph_ok(t, "GET", path_of(t, "/v1.0/servicePrincipals?$filter=servicePrincipalNames%2Fany%28c%3Ac%20eq%20%27@%27%29", made.app_id), NULL, 200);
    const JsonVal *item = json_at(json_get(found, "value"), 0);
    assert_true(str_eq(json_str(json_get(item, "id")), made.sp_object));
    assert_str(json_str(json_get(item, "servicePrincipalType")), "Application");
    const JsonVal *app = graph_ok(t, "GET", path_of(t, "/v1.0/applications/@", made.app_object), NULL, 200);
    assert_int_equal(json_count(json_get(app, "passwordCredentials")), 1);
    assert_int_equal(json_kind(json_get(json_at(json_get(app, "passwordCredentials"), 0), "secretText")), JSON_NULL);   /* never again */
    app = graph_ok(t, "GET", path_of(t, "/v1.0/applications(appId='@')", made.app_id), NULL, 200);
    assert_true(str_eq(json_str(json_get(app, "id")), made.app_object));
}

static void test_document_5_names_an_application_by_its_uri(void **state)
{
    Tenant *t = *state;
    const JsonVal *app = graph_ok(t, "POST", "/v1.0/applications",
        "{\"displayName\":\"Batch Key Vault Access\",\"identifierUris\":[\"https://batch.mydomain.com\"],\"web\":{\"homePageUrl\":\"https://batch.mydomain.com\"}}", 201);
    assert_str(json_str(json_path(app, "web.homePageUrl")), "https://batch.mydomain.com");
    Str body = str_printf(t->arena, "{\"appId\":\"" STR_FMT "\"}", STR_ARG(json_str(json_get(app, "appId"))));
    const JsonVal *sp = graph_ok(t, "POST", "/v1.0/servicePrincipals", body.ptr, 201);
    assert_int_equal(json_count(json_get(sp, "servicePrincipalNames")), 2);
    assert_int_equal(listed(t, "/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'https://BATCH.mydomain.com')"), 1);
    assert_refused(t, admin_token, "POST", "/v1.0/applications", "{\"displayName\":\"second\",\"identifierUris\":[\"https://batch.mydomain.com\"]}", 400, "Request_BadRequest");
    assert_int_equal(listed(t, "/v1.0/applications?$filter=displayName%20eq%20'second'"), 0);      /* nothing half-created */
    assert_refused(t, admin_token, "POST", "/v1.0/servicePrincipals", body.ptr, 409, "Request_MultipleObjectsWithSameKeyValue");
}

static void test_bad_bodies_are_refused_and_name_the_field(void **state)
{
    Tenant *t = *state;
    static const char *const bodies[] = {
        "{}", "{\"displayName\":\"\"}", "{\"displayName\":1}", "{\"displayName\":\"x\",\"nickname\":\"y\"}", "{\"displayName\":\"x\",\"appId\":\"y\"}",
        "{\"displayName\":\"x\",\"identifierUris\":\"y\"}", "{\"displayName\":\"x\",\"identifierUris\":[\"no uri\"]}", "{\"displayName\":\"x\",\"identifierUris\":[1]}",
        "{\"displayName\":\"x\",\"keyCredentials\":{}}", "{\"displayName\":\"x\",\"keyCredentials\":[{}]}", "{\"displayName\":\"x\",\"keyCredentials\":[{\"key\":\"AAAA\"}]}",
        "{\"displayName\":\"x\",\"keyCredentials\":[{\"key\":\"!\"}]}", "{\"displayName\":\"x\",\"passwordCredentials\":[{\"secretText\":\"mine\"}]}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_refused(t, admin_token, "POST", "/v1.0/applications", bodies[i], 400, "Request_BadRequest");
    static const char *const broken[] = { "{", "[]", "{\"displayName\":\"x\",\"displayName\":\"y\"}" };
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        assert_int_equal(graph(t, admin_token, "POST", "/v1.0/applications", broken[i]).status, 400);
    assert_refused(t, admin_token, "POST", "/v1.0/servicePrincipals", "{}", 400, "Request_BadRequest");
    assert_refused(t, admin_token, "POST", "/v1.0/servicePrincipals", "{\"appId\":\"99999999-0000-4000-8000-000000000009\"}", 400, "Request_BadRequest");
    assert_int_equal(listed(t, "/v1.0/applications?$filter=displayName%20eq%20'x'"), 0);
    assert_refused(t, admin_token, "GET", "/v1.0/applications/99999999-0000-4000-8000-000000000009", NULL, 404, "Request_ResourceNotFound");
    assert_refused(t, admin_token, "DELETE", "/v1.0/servicePrincipals/x", NULL, 404, "Request_ResourceNotFound");
}

static void test_bad_filters_are_refused(void **state)
{
    Tenant *t = *state;
    assert_refused(t, admin_token, "GET", "/v1.0/applications?$filter=nickname%20eq%20'x'", NULL, 400, "BadRequest");
    assert_refused(t, admin_token, "GET", "/v1.0/applications?$filter=displayName%20eq", NULL, 400, "BadRequest");
    assert_refused(t, admin_token, "GET", "/v1.0/servicePrincipals?$filter=atScope()", NULL, 400, "BadRequest");
    assert_refused(t, admin_token, "GET", "/v1.0/applications?$top=0", NULL, 400, "Request_BadRequest");
    assert_refused(t, admin_token, "GET", "/v1.0/applications?$search=x", NULL, 400, "Request_UnsupportedQuery");
}

static void test_lists_come_in_pages(void **state)
{
    Tenant *t = *state;
    for (int i = 0; i < 5; i++) {
        Str body = str_printf(t->arena, "{\"displayName\":\"paged %d\"}", i);
        (void)graph_ok(t, "POST", "/v1.0/applications", body.ptr, 201);
    }
    const char *path = "/v1.0/applications?$top=2&$filter=startswith(displayName,'paged')";
    size_t total = 0, pages = 0;
    for (Str next = STR("more"); next.len; pages++) {
        const JsonVal *page = graph_ok(t, "GET", path, NULL, 200);
        assert_true(json_count(json_get(page, "value")) <= 2);
        total += json_count(json_get(page, "value"));
        next = json_str(json_get(page, "@odata.nextLink"));
        size_t at;
        path = next.len && str_find(next, STR("/v1.0/"), &at) ? next.ptr + at : "";
    }
    assert_int_equal(total, 5);
    assert_int_equal(pages, 3);
}

static Str certificate_base64(Tenant *t, KeyRef **key)
{
    CertSpec spec = { .subject = STR("CN=graph.test"), .path_length = -1, .not_before_ms = real_now_ms() - 3600000, .not_after_ms = real_now_ms() + 86400000 };
    Bytes der;
    must(key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, key, E));
    must(cert_self_sign(t->arena, *key, &spec, &der, E));
    Str text = base64_encode(t->arena, der);
    return str_printf(t->arena, STR_FMT "\\n" STR_FMT "\\n", STR_ARG(str_slice(text, 0, 64)), STR_ARG(str_slice(text, 64, text.len)));    /* az wraps it */
}

static void test_certificates_are_kept_replaced_and_removed(void **state)
{
    Tenant *t = *state;
    AUTO(key_free_auto) KeyRef *key = NULL, *second = NULL;
    Str cer = certificate_base64(t, &key), other = certificate_base64(t, &second);
    Str body = str_printf(t->arena, "{\"displayName\":\"sp3\",\"keyCredentials\":[{\"@odata.type\":\"#microsoft.graph.keyCredential\",\"displayName\":null,"
                          "\"key\":\"" STR_FMT "\",\"keyId\":\"e4ecbac5-0c0c-4fca-afd1-d3d0160bc446\",\"type\":\"AsymmetricX509Cert\",\"usage\":\"Verify\"}]}", STR_ARG(cer));
    const JsonVal *app = graph_ok(t, "POST", "/v1.0/applications", body.ptr, 201);
    Str id = json_str(json_get(app, "id"));
    const JsonVal *shown = json_at(json_get(app, "keyCredentials"), 0);
    assert_str(json_str(json_get(shown, "keyId")), "e4ecbac5-0c0c-4fca-afd1-d3d0160bc446");
    assert_int_equal(json_kind(json_get(shown, "key")), JSON_NULL);
    /* --append: the old one without its key, and a new one. */
    body = str_printf(t->arena, "{\"keyCredentials\":[{\"keyId\":\"e4ecbac5-0c0c-4fca-afd1-d3d0160bc446\",\"key\":null},{\"key\":\"" STR_FMT "\",\"displayName\":\"new\"}]}", STR_ARG(other));
    (void)graph_ok(t, "PATCH", path_of(t, "/v1.0/applications/@", id), body.ptr, 204);
    app = graph_ok(t, "GET", path_of(t, "/v1.0/applications/@", id), NULL, 200);
    assert_int_equal(json_count(json_get(app, "keyCredentials")), 2);
    (void)graph_ok(t, "PATCH", path_of(t, "/v1.0/applications/@", id), "{\"keyCredentials\":[],\"displayName\":\"renamed\",\"notes\":\"n\"}", 204);
    app = graph_ok(t, "GET", path_of(t, "/v1.0/applications/@", id), NULL, 200);
    assert_int_equal(json_count(json_get(app, "keyCredentials")), 0);
    assert_str(json_str(json_get(app, "displayName")), "renamed");
    assert_str(json_str(json_get(app, "notes")), "n");
    assert_refused(t, admin_token, "PATCH", path_of(t, "/v1.0/applications/@", id), "{\"keyCredentials\":[{\"keyId\":\"e4ecbac5-0c0c-4fca-afd1-d3d0160bc446\"}]}", 400, "Request_BadRequest");
}

static void test_passwords_are_removed_and_then_useless(void **state)
{
    Tenant *t = *state;
    Made made = create_for_rbac(t, admin_token, "forgetful");
    const JsonVal *app = graph_ok(t, "GET", path_of(t, "/v1.0/applications/@", made.app_object), NULL, 200);
    Str key_id = json_str(json_get(json_at(json_get(app, "passwordCredentials"), 0), "keyId"));
    Str body = str_printf(t->arena, "{\"keyId\":\"" STR_FMT "\"}", STR_ARG(key_id));
    (void)graph_ok(t, "POST", path_of(t, "/v1.0/applications/@/removePassword", made.app_object), body.ptr, 204);
    assert_refused(t, admin_token, "POST", path_of(t, "/v1.0/applications/@/removePassword", made.app_object), body.ptr, 400, "Request_BadRequest");
    HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, made.app_id, made.secret, "https://graph.microsoft.com/.default"));
    assert_int_equal(answer.status, 401);
    const char *add = path_of(t, "/v1.0/applications/@/addPassword", made.app_object);
    assert_refused(t, admin_token, "POST", add, "{\"passwordCredential\":{\"endDateTime\":\"2020-01-01T00:00:00Z\"}}", 400, "Request_BadRequest");
    assert_refused(t, admin_token, "POST", add, "{\"passwordCredential\":{\"endDateTime\":\"soon\"}}", 400, "Request_BadRequest");
    assert_refused(t, admin_token, "POST", add, "{\"passwordCredential\":{\"startDateTime\":\"2098-01-01T00:00:00Z\",\"endDateTime\":\"2097-01-01T00:00:00Z\"}}", 400, "Request_BadRequest");
    answer = graph(t, admin_token, "POST", path_of(t, "/v1.0/servicePrincipals/@/addPassword", made.sp_object), "{}");
    assert_int_equal(answer.status, 200);
    made.secret = answer_text(t, &answer, "secretText");
    (void)token_of(t, &made);
}

static void test_disabled_and_deleted_principals_are_shut_out_at_once(void **state)
{
    Tenant *t = *state;
    Made made = create_for_rbac(t, admin_token, "leaving");
    Str token = token_of(t, &made);
    assert_int_equal(graph(t, token, "GET", "/v1.0/applications", NULL).status, 200);
    (void)graph_ok(t, "PATCH", path_of(t, "/v1.0/servicePrincipals/@", made.sp_object), "{\"accountEnabled\":false}", 204);
    assert_refused(t, token, "GET", "/v1.0/applications", NULL, 401, "InvalidAuthenticationToken");
    HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, made.app_id, made.secret, "https://graph.microsoft.com/.default"));
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 7000112);
    (void)graph_ok(t, "PATCH", path_of(t, "/v1.0/servicePrincipals/@", made.sp_object), "{\"accountEnabled\":true}", 204);
    (void)graph_ok(t, "DELETE", path_of(t, "/v1.0/servicePrincipals/@", made.sp_object), NULL, 204);
    assert_refused(t, token, "GET", "/v1.0/applications", NULL, 401, "InvalidAuthenticationToken");
    answer = tenant_sign_in(t, tenant_secret_form(t, made.app_id, made.secret, "https://graph.microsoft.com/.default"));
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 7000229);
    (void)graph_ok(t, "DELETE", path_of(t, "/v1.0/applications/@", made.app_object), NULL, 204);
    answer = tenant_sign_in(t, tenant_secret_form(t, made.app_id, made.secret, "https://graph.microsoft.com/.default"));
    assert_int_equal(json_int(json_at(json_get(answer_json(t, &answer), "error_codes"), 0), 0), 700016);
    assert_refused(t, admin_token, "PATCH", path_of(t, "/v1.0/servicePrincipals/@", t->boot.admin_object_id), "{\"accountEnabled\":true,\"x\":1}", 400, "Request_BadRequest");
}

typedef struct Grantee { Tenant *t; Str object_id; } Grantee;

static bool make_owner(Txn *txn, void *ctx, Err *err)
{
    Grantee *g = ctx;
    return access_assign(g->t->access, txn, g->t->arena, str_from(g->t->scope), g->object_id, ROLE_OWNER, STR_NONE, err);
}

static void test_others_read_and_change_only_what_they_created(void **state)
{
    Tenant *t = *state;
    Made plain = create_for_rbac(t, admin_token, "plain"), victim = create_for_rbac(t, admin_token, "victim");
    Str token = token_of(t, &plain);
    assert_int_equal(graph(t, token, "GET", "/v1.0/servicePrincipals", NULL).status, 200);
    assert_refused(t, token, "POST", "/v1.0/applications", "{\"displayName\":\"mine\"}", 403, "Authorization_RequestDenied");
    assert_refused(t, token, "POST", path_of(t, "/v1.0/applications/@/addPassword", victim.app_object), "{}", 403, "Authorization_RequestDenied");
    assert_refused(t, token, "DELETE", path_of(t, "/v1.0/servicePrincipals/@", victim.sp_object), NULL, 403, "Authorization_RequestDenied");
    assert_refused(t, token, "POST", path_of(t, "/v1.0/applications/@/addPassword", plain.app_object), "{}", 403, "Authorization_RequestDenied");    /* not even itself */

    Grantee grant = { t, plain.sp_object };
    must(store_write(t->site.store, make_owner, &grant, E));
    Made mine = create_for_rbac(t, token, "mine");                           /* an Owner creates, and changes what it created */
    (void)token_of(t, &mine);
    assert_refused(t, token, "POST", path_of(t, "/v1.0/applications/@/addPassword", victim.app_object), "{}", 403, "Authorization_RequestDenied");
    Str body = str_printf(t->arena, "{\"appId\":\"" STR_FMT "\"}", STR_ARG(victim.app_id));
    (void)graph_ok(t, "DELETE", path_of(t, "/v1.0/servicePrincipals/@", victim.sp_object), NULL, 204);
    assert_refused(t, token, "POST", "/v1.0/servicePrincipals", body.ptr, 403, "Authorization_RequestDenied");
    assert_int_equal(graph(t, token, "DELETE", path_of(t, "/v1.0/applications/@", mine.app_object), NULL).status, 204);
    assert_int_equal(listed(t, path_of(t, "/v1.0/servicePrincipals?$filter=id%20eq%20'@'", mine.sp_object)), 0);     /* it went with its application */
}

static void test_administrator_cannot_be_removed(void **state)
{
    Tenant *t = *state;
    const JsonVal *found = graph_ok(t, "GET", path_of(t, "/v1.0/applications?$filter=appId%20eq%20'@'", t->boot.admin_app_id), NULL, 200);
    Str app_object = json_str(json_get(json_at(json_get(found, "value"), 0), "id"));
    assert_refused(t, admin_token, "DELETE", path_of(t, "/v1.0/applications/@", app_object), NULL, 403, "Authorization_RequestDenied");
    assert_refused(t, admin_token, "DELETE", path_of(t, "/v1.0/servicePrincipals/@", t->boot.admin_object_id), NULL, 403, "Authorization_RequestDenied");
    assert_refused(t, admin_token, "PATCH", path_of(t, "/v1.0/servicePrincipals/@", t->boot.admin_object_id), "{\"accountEnabled\":false}", 403, "Authorization_RequestDenied");
}

static bool make_identity(Txn *txn, void *ctx, Err *err)
{
    return principal_create(tenant.identity, txn, tenant.arena, PRINCIPAL_MANAGED_IDENTITY, STR("id1"),
                            STR("/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"), ctx, err);
}

static void test_managed_identities_are_shown_and_left_alone(void **state)
{
    Tenant *t = *state;
    Principal p;
    must(store_write(t->site.store, make_identity, &p, E));
    const JsonVal *sp = graph_ok(t, "GET", path_of(t, "/v1.0/servicePrincipals/@", p.object_id), NULL, 200);
    assert_str(json_str(json_get(sp, "servicePrincipalType")), "ManagedIdentity");
    assert_str(json_str(json_at(json_get(sp, "alternativeNames"), 0)), "isExplicit=True");
    assert_refused(t, admin_token, "DELETE", path_of(t, "/v1.0/servicePrincipals/@", p.object_id), NULL, 403, "Authorization_RequestDenied");
    assert_refused(t, admin_token, "POST", path_of(t, "/v1.0/servicePrincipals/@/addPassword", p.object_id), "{}", 400, "Request_BadRequest");
}

static void test_objects_by_ids(void **state)
{
    Tenant *t = *state;
    Made made = create_for_rbac(t, admin_token, "by id");
    Str body = str_printf(t->arena, "{\"ids\":[\"" STR_FMT "\",\"" STR_FMT "\",\"99999999-0000-4000-8000-000000000009\"],\"types\":[]}", STR_ARG(made.sp_object), STR_ARG(made.app_object));
    const JsonVal *found = graph_ok(t, "POST", "/v1.0/directoryObjects/getByIds", body.ptr, 200);
    assert_int_equal(json_count(json_get(found, "value")), 2);
    assert_str(json_str(json_get(json_at(json_get(found, "value"), 0), "@odata.type")), "#microsoft.graph.servicePrincipal");
    body = str_printf(t->arena, "{\"ids\":[\"" STR_FMT "\",\"" STR_FMT "\"],\"types\":[\"servicePrincipal\"]}", STR_ARG(made.sp_object), STR_ARG(made.app_object));
    found = graph_ok(t, "POST", "/v1.0/directoryObjects/getByIds", body.ptr, 200);
    assert_int_equal(json_count(json_get(found, "value")), 1);
    assert_refused(t, admin_token, "POST", "/v1.0/directoryObjects/getByIds", "{\"ids\":[1]}", 400, "Request_BadRequest");
    assert_refused(t, admin_token, "POST", "/v1.0/directoryObjects/getByIds", "{}", 400, "Request_BadRequest");
}

static void test_me_is_for_people(void **state)
{
    Tenant *t = *state;
    assert_refused(t, admin_token, "GET", "/v1.0/me", NULL, 400, "BadRequest");
    assert_int_equal(listed(t, "/v1.0/users"), 0);
    assert_int_equal(listed(t, "/v1.0/groups"), 0);
}

typedef struct Walk { Tenant *t; Str wrong; int rows; } Walk;

/* The template with a GUID for each {name}. */
static const char *filled(Tenant *t, const char *template)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    buf_init(&out, 1024);
    for (const char *p = template; *p; p++) {
        if (*p != '{') {
            buf_put_char(&out, *p);
            continue;
        }
        p = strchr(p, '}');
        buf_put_str(&out, STR("99999999-0000-4000-8000-000000000009"));
    }
    return str_dup(t->arena, buf_str(&out)).ptr;
}

static bool ask_row(void *ctx, const Plane *plane, const Route *route)
{
    Walk *walk = ctx;
    static const char *const methods[] = { [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE" };
    if (strcmp(plane->name, "graph") != 0)
        return true;
    walk->rows++;
    const char *body = route->body == BODY_NONE ? NULL : "{}", *path = filled(walk->t, route->path);
    assert_refused(walk->t, STR_NONE, methods[route->method], path, body, 401, "InvalidAuthenticationToken");
    assert_refused(walk->t, walk->wrong, methods[route->method], path, body, 401, "InvalidAuthenticationToken");
    return true;
}

static void test_every_row_asks_for_a_token_of_this_plane(void **state)
{
    Tenant *t = *state;
    Walk walk = { .t = t, .wrong = tenant_admin_token(t, "https://vault.azure.net/.default") };
    http_each_route(t->site.http, ask_row, &walk);
    assert_true(walk.rows > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_principal_as_az_makes_it_can_sign_in),
        cmocka_unit_test(test_document_5_names_an_application_by_its_uri),
        cmocka_unit_test(test_bad_bodies_are_refused_and_name_the_field),
        cmocka_unit_test(test_bad_filters_are_refused),
        cmocka_unit_test(test_lists_come_in_pages),
        cmocka_unit_test(test_certificates_are_kept_replaced_and_removed),
        cmocka_unit_test(test_passwords_are_removed_and_then_useless),
        cmocka_unit_test(test_disabled_and_deleted_principals_are_shut_out_at_once),
        cmocka_unit_test(test_others_read_and_change_only_what_they_created),
        cmocka_unit_test(test_administrator_cannot_be_removed),
        cmocka_unit_test(test_managed_identities_are_shown_and_left_alone),
        cmocka_unit_test(test_objects_by_ids),
        cmocka_unit_test(test_me_is_for_people),
        cmocka_unit_test(test_every_row_asks_for_a_token_of_this_plane),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
