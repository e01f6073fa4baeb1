/* test_arm.c - Resource Manager over HTTP: who is refused and in which words, groups, lists, operations, what is audited. */
#include "arm_fixture.h"

static World world;

static int setup(void **state)
{
    world_open(&world, false);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

#define GROUP "/subscriptions/@/resourcegroups/"

static void make_group(World *w, const char *name)
{
    HttpAnswer answer = ask(w, "PUT", str_printf(w->arena, GROUP "%s", name).ptr, "{\"location\":\"West US 2\"}");
    assert_int_equal(answer.status, 201);
}

/* ---- who is refused ---- */

static void test_without_a_token_the_challenge_names_the_authority(void **state)
{
    World *w = *state;
    HttpAnswer answer = ask_as(w, STR_NONE, "GET", "/subscriptions", NULL);
    Str challenge = http_answer_header(&answer, "WWW-Authenticate");
    assert_refused(w, answer, 401, "AuthenticationFailed");
    assert_true(str_starts(challenge, STR("Bearer authorization_uri=\"https://login.vaultyard.localhost:")));
    size_t at;
    assert_true(str_find(challenge, STR("error=\"invalid_token\""), &at) && str_find(challenge, STR("error_description=\""), &at));
}

static void test_tokens_that_are_none_are_refused(void **state)
{
    World *w = *state;
    assert_refused(w, ask_as(w, STR("abc"), "GET", "/subscriptions", NULL), 401, "InvalidAuthenticationToken");
    assert_refused(w, ask_as(w, str_slice(w->token, 0, w->token.len - 8), "GET", "/subscriptions", NULL), 401, "InvalidAuthenticationToken");
}

static void test_a_token_of_another_audience_is_refused(void **state)
{
    World *w = *state;
    Principal owner = { .object_id = w->boot.admin_object_id, .app_id = w->boot.admin_app_id, .kind = PRINCIPAL_APP, .enabled = true };
    Str token;
    int64_t expires;
    Str audience = str_printf(w->arena, "https://vault.vaultyard.localhost:%d", w->site.names.port);
    must(token_issue(w->identity, w->arena, &owner, audience, &token, &expires, E));
    assert_refused(w, ask_as(w, token, "GET", "/subscriptions", NULL), 401, "InvalidAuthenticationTokenAudience");
}

static void test_api_version_is_asked_for(void **state)
{
    World *w = *state;
    assert_refused(w, ask_bare(w, w->token, "GET", "/subscriptions", NULL, 0), 400, "MissingApiVersionParameter");
    assert_refused(w, ask(w, "GET", "/subscriptions/@?api-version=banana", NULL), 400, "InvalidApiVersionParameter");
    assert_int_equal(ask(w, "GET", "/subscriptions/@?api-version=1999-01-01-preview", NULL).status, 200);
    assert_int_equal(ask_bare(w, w->token, "GET", "/subscriptions/@/?api%2Dversion=2021-04-01", NULL, 0).status, 200);
}

static void test_unknown_subscriptions_come_before_permission(void **state)
{
    World *w = *state;
    Str nobody = world_principal(w, "nobody", STR_NONE, NULL, NULL);
    static const char *const paths[] = { "", "/resourcegroups", "/resources", "/resourcegroups/g", "/locations", "/operationresults/x", "/providers" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const char *path = str_printf(w->arena, "/subscriptions/00000000-0000-4000-8000-000000000000%s", paths[i]).ptr;
        if (i != 5)
            assert_refused(w, ask_as(w, nobody, "GET", path, NULL), 404, "SubscriptionNotFound");
        assert_int_equal(ask(w, "GET", path, NULL).status, 404);
    }
    assert_refused(w, ask(w, "GET", "/subscriptions/abc/resourcegroups/g", NULL), 400, "InvalidSubscriptionId");
}

static void test_whoever_has_no_role_sees_nothing_and_changes_nothing(void **state)
{
    World *w = *state;
    Str nobody = world_principal(w, "no-role", STR_NONE, NULL, NULL);
    make_group(w, "closed");
    HttpAnswer list = ask_as(w, nobody, "GET", "/subscriptions", NULL);
    assert_int_equal(list.status, 200);
    assert_int_equal(json_count(json_get(answer_json(w, &list), "value")), 0);
    static const struct { const char *method, *path, *body; } calls[] = {
        { "GET", "/subscriptions/@", NULL }, { "GET", "/subscriptions/@/resourcegroups", NULL }, { "GET", "/subscriptions/@/resources", NULL },
        { "GET", GROUP "closed", NULL }, { "PUT", GROUP "closed", "{\"location\":\"westus2\"}" }, { "PUT", GROUP "mine", "{\"location\":\"westus2\"}" },
        { "PATCH", GROUP "closed", "{\"tags\":{\"a\":\"b\"}}" }, { "DELETE", GROUP "closed", NULL }, { "GET", "/subscriptions/@/locations", NULL },
        { "GET", GROUP "not-there", NULL }, { "GET", "/subscriptions/@/tagNames", NULL },
        { "PUT", GROUP "closed/providers/Microsoft.ManagedIdentity/userAssignedIdentities/abc", "{\"location\":\"local\"}" },
        { "POST", "/subscriptions/@/providers/Microsoft.ManagedIdentity/register", NULL },
    };
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        assert_refused(w, ask_as(w, nobody, calls[i].method, calls[i].path, calls[i].body), 403, "AuthorizationFailed");
    assert_int_equal(ask(w, "HEAD", GROUP "mine", NULL).status, 404);
    HttpAnswer still = ask(w, "GET", GROUP "closed", NULL);
    assert_null(json_get(answer_json(w, &still), "tags"));
}

static void test_a_reader_reads_and_does_not_write(void **state)
{
    World *w = *state;
    Str reader = world_principal(w, "reader", ROLE_READER, "/subscriptions/@", NULL);
    make_group(w, "readable");
    assert_int_equal(ask_as(w, reader, "GET", GROUP "readable", NULL).status, 200);
    assert_refused(w, ask_as(w, reader, "PUT", GROUP "readable", "{\"location\":\"westus2\"}"), 403, "AuthorizationFailed");
    assert_refused(w, ask_as(w, reader, "DELETE", GROUP "readable", NULL), 403, "AuthorizationFailed");
}

static void test_a_role_in_one_group_shows_that_group_alone(void **state)
{
    World *w = *state;
    make_group(w, "one-of-two");
    make_group(w, "two-of-two");
    world_register(w, "one-of-two", "mine", "{}");
    world_register(w, "two-of-two", "theirs", "{}");
    Str reader = world_principal(w, "one-group", ROLE_READER, "/subscriptions/@/resourceGroups/one-of-two", NULL);
    HttpAnswer groups = ask_as(w, reader, "GET", "/subscriptions/@/resourcegroups", NULL), subscriptions = ask_as(w, reader, "GET", "/subscriptions", NULL),
               resources = ask_as(w, reader, "GET", "/subscriptions/@/resources", NULL);
    const JsonVal *value = json_get(answer_json(w, &groups), "value");
    assert_int_equal(json_count(value), 1);
    assert_str(json_str(json_get(json_at(value, 0), "name")), "one-of-two");
    assert_int_equal(json_count(json_get(answer_json(w, &subscriptions), "value")), 1);
    value = json_get(answer_json(w, &resources), "value");
    assert_int_equal(json_count(value), 1);
    assert_str(json_str(json_get(json_at(value, 0), "name")), "mine");
    assert_int_equal(ask_as(w, reader, "GET", "/subscriptions/@", NULL).status, 200);
    assert_refused(w, ask_as(w, reader, "GET", "/subscriptions/@/resourceGroups/two-of-two/resources", NULL), 403, "AuthorizationFailed");
}

static void test_unserved_types_are_refused_in_the_services_words(void **state)
{
    World *w = *state;
    assert_refused(w, ask(w, "GET", GROUP "g/providers/Microsoft.Nope/things/x", NULL), 404, "InvalidResourceNamespace");
    assert_refused(w, ask(w, "GET", GROUP "g/providers/Microsoft.ManagedIdentity/nopes/x", NULL), 404, "InvalidResourceType");
    assert_refused(w, ask(w, "GET", "/nothing/here", NULL), 404, "ResourceNotFound");
    assert_refused(w, ask_as(w, STR_NONE, "GET", "/nothing/here", NULL), 401, "AuthenticationFailed");
    assert_refused(w, ask(w, "DELETE", "/tenants", NULL), 405, "MethodNotAllowed");
    assert_refused(w, ask(w, "GET", "/subscriptions/@/tagNames", NULL), 501, "NotImplemented");
    assert_refused(w, ask(w, "PUT", GROUP "g/providers/Microsoft.Resources/deployments/d", "{}"), 501, "NotImplemented");
    assert_refused(w, ask(w, "GET", "/providers/Vaultyard.Dev/clock", NULL), 404, "InvalidResourceNamespace");
}

static void test_answers_carry_request_ids(void **state)
{
    World *w = *state;
    HttpHeader headers[] = { { "x-ms-client-request-id", STR("51f4a5c8-e612-11f1-ba78-02fc00000001") }, { "x-ms-correlation-request-id", STR("not a guid") } };
    HttpAnswer answer = ask_bare(w, w->token, "GET", "/tenants?api-version=2021-04-01", headers, COUNT_OF(headers));
    assert_str(http_answer_header(&answer, "x-ms-client-request-id"), "51f4a5c8-e612-11f1-ba78-02fc00000001");
    assert_int_equal(http_answer_header(&answer, "x-ms-request-id").len, 36);
    assert_true(str_eq(http_answer_header(&answer, "x-ms-correlation-request-id"), http_answer_header(&answer, "x-ms-request-id")));
    assert_str(http_answer_header(&answer, "Cache-Control"), "no-cache");
}

/* ---- subscriptions, tenant, endpoints, providers ---- */

static void test_a_subscription_has_what_clients_need(void **state)
{
    World *w = *state;
    HttpAnswer list = ask(w, "GET", "/subscriptions?api-version=2019-11-01", NULL);
    const JsonVal *one = json_at(json_get(answer_json(w, &list), "value"), 0);
    assert_true(str_eq(json_str(json_get(one, "id")), world_text(w, "/subscriptions/@")));
    assert_true(str_eq(json_str(json_get(one, "subscriptionId")), w->subscription));
    assert_true(str_eq(json_str(json_get(one, "tenantId")), w->site.tenant_id));
    assert_str(json_str(json_get(one, "displayName")), "First subscription");
    assert_str(json_str(json_get(one, "state")), "Enabled");
    assert_int_equal(json_kind(json_get(one, "managedByTenants")), JSON_ARRAY);
    HttpAnswer tenants = ask(w, "GET", "/tenants", NULL);
    assert_true(str_eq(json_str(json_get(json_at(json_get(answer_json(w, &tenants), "value"), 0), "tenantId")), w->site.tenant_id));
}

static void test_locations_are_the_sites_and_those_in_use(void **state)
{
    World *w = *state;
    make_group(w, "somewhere");
    HttpAnswer answer = ask(w, "GET", "/subscriptions/@/locations", NULL);
    const JsonVal *value = json_get(answer_json(w, &answer), "value");
    assert_str(json_str(json_get(json_at(value, 0), "name")), "local");
    assert_str(json_str(json_get(json_at(value, 1), "name")), "westus2");
}

static void test_endpoints_need_no_token_and_change_shape_in_2019(void **state)
{
    World *w = *state;
    HttpAnswer old = ask_as(w, STR_NONE, "GET", "/metadata/endpoints?api-version=2015-01-01", NULL), array = ask_as(w, STR_NONE, "GET", "/metadata/endpoints?api-version=2019-05-01", NULL);
    Str login = str_printf(w->arena, "https://login.vaultyard.localhost:%d/adfs", w->site.names.port);
    assert_true(str_eq(answer_text(w, &old, "authentication.loginEndpoint"), login));
    const JsonVal *cloud = json_at(answer_json(w, &array), 0);
    assert_str(json_str(json_get(cloud, "name")), "Vaultyard");
    assert_true(str_eq(json_str(json_path(cloud, "authentication.loginEndpoint")), login));
    assert_true(str_eq(json_str(json_get(cloud, "resourceManager")), json_str(json_at(json_path(cloud, "authentication.audiences"), 0))));
    assert_true(str_eq(json_str(json_path(cloud, "suffixes.keyVaultDns")), str_printf(w->arena, "vault.vaultyard.localhost:%d", w->site.names.port)));
    static const char *const needed[] = { "portal", "graphAudience", "microsoftGraphResourceId", "batch", "gallery", "sqlManagement", "vmImageAliasDoc", "media", "suffixes.storage",
                                          "suffixes.mhsmDns", "suffixes.sqlServerHostname", "suffixes.acrLoginServer" };
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        assert_true(json_str(json_path(cloud, needed[i])).len > 0);
    assert_refused(w, ask_bare(w, STR_NONE, "GET", "/metadata/endpoints", NULL, 0), 400, "MissingApiVersionParameter");
    assert_refused(w, ask_as(w, STR_NONE, "GET", "/metadata/endpoints?api-version=7.4", NULL), 400, "InvalidApiVersionParameter");
}

static void test_providers_are_read_off_the_route_table(void **state)
{
    World *w = *state;
    HttpAnswer answer = ask(w, "GET", "/subscriptions/@/providers/microsoft.managedidentity", NULL);
    assert_str(answer_text(w, &answer, "namespace"), "Microsoft.ManagedIdentity");
    assert_str(answer_text(w, &answer, "registrationState"), "Registered");
    const JsonVal *types = json_get(answer_json(w, &answer), "resourceTypes");
    bool found = false, has_nested = false;
    for (size_t i = 0; i < json_count(types); i++) {
        Str type = json_str(json_get(json_at(types, i), "resourceType"));
        found = found || str_eq(type, STR("userAssignedIdentities"));
        has_nested = has_nested || str_eq(type, STR("userAssignedIdentities/federatedIdentityCredentials"));
    }
    assert_true(found && has_nested);
    assert_int_equal(ask(w, "POST", "/subscriptions/@/providers/Microsoft.ManagedIdentity/register", NULL).status, 200);
    assert_refused(w, ask(w, "GET", "/subscriptions/@/providers/Microsoft.Nope", NULL), 404, "InvalidResourceNamespace");
    assert_int_equal(ask(w, "GET", "/providers", NULL).status, 200);
}

/* ---- groups ---- */

static void test_a_group_is_made_once_and_updated_after(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", GROUP "Made-Once", "{\"location\":\"West US 2\",\"tags\":{\"a\":\"b\"},}");        /* with the comma that ARM takes */
    assert_int_equal(made.status, 201);
    assert_true(str_eq(answer_text(w, &made, "id"), world_text(w, "/subscriptions/@/resourceGroups/Made-Once")));
    assert_str(answer_text(w, &made, "location"), "westus2");
    assert_str(answer_text(w, &made, "tags.a"), "b");
    assert_str(answer_text(w, &made, "properties.provisioningState"), "Succeeded");
    HttpAnswer again = ask(w, "PUT", "/SUBSCRIPTIONS/@/ResourceGroups/made-once", "{\"location\":\"westus2\"}");
    assert_int_equal(again.status, 200);
    assert_str(answer_text(w, &again, "name"), "Made-Once");
    assert_null(json_get(answer_json(w, &again), "tags"));
    assert_refused(w, ask(w, "PUT", GROUP "made-once", "{\"location\":\"eastus\"}"), 409, "InvalidResourceGroupLocation");
    assert_int_equal(ask(w, "HEAD", GROUP "MADE-ONCE", NULL).status, 204);
    assert_int_equal(ask(w, "HEAD", GROUP "made-never", NULL).status, 404);
    assert_refused(w, ask(w, "GET", GROUP "made-never", NULL), 404, "ResourceGroupNotFound");
}

static void test_patch_changes_tags_and_nothing_unsaid(void **state)
{
    World *w = *state;
    assert_int_equal(ask(w, "PUT", GROUP "patched", "{\"location\":\"local\",\"tags\":{\"a\":\"b\"},\"managedBy\":\"me\"}").status, 201);
    HttpAnswer none = ask(w, "PATCH", GROUP "patched", "{}"), tagged = ask(w, "PATCH", GROUP "patched", "{\"tags\":{\"c\":\"d\"}}");
    assert_str(answer_text(w, &none, "tags.a"), "b");
    assert_str(answer_text(w, &tagged, "tags.c"), "d");
    assert_null(json_path(answer_json(w, &tagged), "tags.a"));
    assert_str(answer_text(w, &tagged, "managedBy"), "me");
    assert_refused(w, ask(w, "PATCH", GROUP "nowhere", "{}"), 404, "ResourceGroupNotFound");
}

static void test_bad_groups_are_refused_and_not_made(void **state)
{
    World *w = *state;
    static const struct { const char *name, *body, *code; } cases[] = {
        { "bad", "{}", "LocationRequired" }, { "bad", "{\"location\":7}", "InvalidRequestContent" }, { "bad", "{\"location\":\"a/b\"}", "LocationNotAvailableForResourceType" },
        { "bad", "{\"location\":\"local\",\"tags\":[]}", "InvalidRequestContent" }, { "bad", "{\"location\":\"local\",\"tags\":{\"a\":1}}", "InvalidRequestContent" },
        { "bad", "{\"location\":\"local\"", "InvalidRequestContent" }, { "bad", "[]", "InvalidRequestContent" }, { "bad", "{\"location\":\"a\",\"location\":\"b\"}", "InvalidRequestContent" },
        { "ba%20d", "{\"location\":\"local\"}", "InvalidResourceGroup" }, { "bad.", "{\"location\":\"local\"}", "InvalidResourceGroup" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(w, ask(w, "PUT", str_printf(w->arena, GROUP "%s", cases[i].name).ptr, cases[i].body), 400, cases[i].code);
    assert_refused(w, ask(w, "PUT", GROUP "bad", NULL), 400, "InvalidRequestContent");
    assert_int_equal(ask(w, "HEAD", GROUP "bad", NULL).status, 404);
}

static size_t walk(World *w, const char *path, char names[][64], size_t max)
{
    size_t count = 0;
    HttpAnswer answer = ask(w, "GET", path, NULL);
    for (;;) {
        assert_int_equal(answer.status, 200);
        const JsonVal *root = answer_json(w, &answer), *value = json_get(root, "value");
        for (size_t i = 0; i < json_count(value) && count < max; i++)
            (void)snprintf(names[count++], 64, STR_FMT, STR_ARG(json_str(json_get(json_at(value, i), "name"))));
        Str next = json_str(json_get(root, "nextLink"));
        if (!next.ptr)
            return count;
        size_t at;
        assert_true(str_find(next, STR("/subscriptions/"), &at));
        answer = ask(w, "GET", str_slice(next, at, next.len).ptr, NULL);
    }
}

static void test_lists_come_in_pages_that_leave_nothing_out(void **state)
{
    World *w = *state;
    char names[64][64];
    world_register(w, (make_group(w, "paged"), "paged"), "t1", "{\"env\":\"prod\"}");
    for (int i = 2; i <= 7; i++)
        world_register(w, "paged", str_printf(w->arena, "t%d", i).ptr, i % 2 ? "{}" : "{\"env\":\"prod\"}");
    assert_int_equal(walk(w, "/subscriptions/@/resourceGroups/paged/resources?$top=2", names, 64), 7);
    for (int i = 0; i < 7; i++) {
        char wanted[8];
        (void)snprintf(wanted, sizeof wanted, "t%d", i + 1);
        assert_string_equal(names[i], wanted);
    }
    assert_int_equal(walk(w, "/subscriptions/@/resources?$top=1&$filter=tagName%20eq%20%27env%27%20and%20resourceGroup%20eq%20%27paged%27", names, 64), 4);
    assert_int_equal(walk(w, "/subscriptions/@/resources?$filter=resourceType%20eq%20%27test.things%2Fthings%27%20and%20name%20eq%20%27t3%27", names, 64), 1);
    assert_string_equal(names[0], "t3");
    size_t all = walk(w, "/subscriptions/@/resourcegroups", names, 64);
    assert_int_equal(walk(w, "/subscriptions/@/resourcegroups?$top=3", names, 64), all);
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resources?$top=0", NULL), 400, "InvalidTopInQueryString");
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resources?$top=x", NULL), 400, "InvalidTopInQueryString");
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resources?$skiptoken=!!", NULL), 400, "InvalidSkipToken");
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resources?$filter=colour%20eq%20%27x%27", NULL), 400, "InvalidFilterInQueryString");
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resourceGroups/nope/resources", NULL), 404, "ResourceGroupNotFound");
}

/* ---- deletion ---- */

static void test_a_group_goes_with_all_that_is_in_it(void **state)
{
    World *w = *state;
    Principal reader;
    make_group(w, "going");
    world_register(w, "going", "a", "{}");
    world_register(w, "going", "b", "{}");
    assert_int_equal(ask(w, "PUT", GROUP "going/providers/Microsoft.ManagedIdentity/userAssignedIdentities/inside", "{\"location\":\"local\"}").status, 201);
    Str token = world_principal(w, "its-reader", ROLE_READER, "/subscriptions/@/resourceGroups/going", &reader);
    assert_int_equal(ask_as(w, token, "GET", GROUP "going", NULL).status, 200);
    w->deleted.count = 0;
    HttpAnswer accepted = ask(w, "DELETE", GROUP "going", NULL), done = world_wait(w, &accepted);
    assert_int_equal(done.status, 200);
    assert_int_equal(w->deleted.count, 2);
    assert_int_equal(ask(w, "HEAD", GROUP "going", NULL).status, 404);
    make_group(w, "going");                                /* the name is free again, and nothing of the old one is left */
    HttpAnswer inside = ask(w, "GET", "/subscriptions/@/resourceGroups/going/resources", NULL);
    assert_int_equal(json_count(json_get(answer_json(w, &inside), "value")), 0);
    assert_refused(w, ask_as(w, token, "GET", GROUP "going", NULL), 403, "AuthorizationFailed");
    assert_refused(w, ask(w, "DELETE", GROUP "gone-before", NULL), 404, "ResourceGroupNotFound");
}

static void test_a_deletion_that_fails_is_tried_again_until_it_is_done(void **state)
{
    World *w = *state;
    make_group(w, "stubborn");
    world_register(w, "stubborn", "a", "{}");
    w->deleted.fail_first = true;
    w->deleted.calls = 0;
    HttpAnswer accepted = ask(w, "DELETE", GROUP "stubborn", NULL), again = ask(w, "DELETE", GROUP "stubborn", NULL);
    if (again.status == 202)                               /* still there: the same operation answers */
        assert_true(str_eq(http_answer_header(&accepted, "Location"), http_answer_header(&again, "Location")));
    if (ask(w, "HEAD", GROUP "stubborn", NULL).status == 204) {
        HttpAnswer refused = ask(w, "PUT", GROUP "stubborn", "{\"location\":\"westus2\"}");
        if (refused.status != 201)
            assert_refused(w, refused, 409, "ResourceGroupBeingDeleted");
    }
    assert_int_equal(world_wait(w, &accepted).status, 200);
    assert_int_equal(w->deleted.calls, 2);
    w->deleted.fail_first = false;
}

static void test_a_deletion_survives_a_restart(void **state)
{
    World *w = *state;
    make_group(w, "restarted");
    world_register(w, "restarted", "a", "{}");
    w->deleted.fail_first = true;
    w->deleted.calls = 0;
    HttpAnswer accepted = ask(w, "DELETE", GROUP "restarted", NULL);
    assert_int_equal(accepted.status, 202);
    Str location = http_answer_header(&accepted, "Location");
    size_t at;
    assert_true(str_find(location, STR("/subscriptions/"), &at));
    Str path = str_dup(w->arena, str_slice(location, at, location.len));
    world_restart(w, false);
    HttpAnswer answer = { .status = 202 };
    while (answer.status == 202)
        answer = ask_bare(w, w->token, "GET", path.ptr, NULL, 0);
    assert_int_equal(answer.status, 200);
    assert_int_equal(ask(w, "HEAD", GROUP "restarted", NULL).status, 404);
    w->deleted.fail_first = false;
}

static void test_operations_are_found_by_their_own_id_only(void **state)
{
    World *w = *state;
    assert_refused(w, ask(w, "GET", "/subscriptions/@/operationresults/00000000-0000-4000-8000-000000000000", NULL), 404, "ResourceNotFound");
    assert_refused(w, ask_as(w, STR_NONE, "GET", "/subscriptions/@/operationresults/x", NULL), 401, "AuthenticationFailed");
}

typedef struct Operation { World *w; Str id; } Operation;

static bool start_operation(Txn *txn, void *ctx, Err *err)
{
    Operation *o = ctx;
    return arm_operation_start(o->w->arm, txn, o->w->arena, world_text(o->w, "/subscriptions/@/resourceGroups/g/providers/T/t/n"), &o->id, err);
}

static bool finish_operation(Txn *txn, void *ctx, Err *err)
{
    Operation *o = ctx;
    return arm_operation_finish(o->w->arm, txn, o->id, 409, STR("{\"error\":{\"code\":\"X\",\"message\":\"y\"}}"), err);
}

static void test_an_operation_answers_202_until_its_result(void **state)
{
    World *w = *state;
    Operation o = { .w = w };
    must(store_write(w->site.store, start_operation, &o, E));
    const char *path = str_printf(w->arena, "/subscriptions/@/operationresults/" STR_FMT, STR_ARG(o.id)).ptr;
    HttpAnswer running = ask(w, "GET", path, NULL);
    assert_int_equal(running.status, 202);
    assert_true(http_answer_header(&running, "Location").len > 0);
    must(store_write(w->site.store, finish_operation, &o, E));
    HttpAnswer done = ask(w, "GET", path, NULL);
    assert_int_equal(done.status, 409);
    assert_str(answer_text(w, &done, "error.code"), "X");
}

/* ---- audit, scopes of roles ---- */

static void test_writes_are_audited_under_their_action(void **state)
{
    World *w = *state;
    int64_t before = audit_count(w, "Microsoft.Resources/subscriptions/resourceGroups/write");
    make_group(w, "audited");
    assert_int_equal(audit_count(w, "Microsoft.Resources/subscriptions/resourceGroups/write"), before + 1);
    assert_int_equal(ask(w, "PUT", GROUP "audited", "{\"location\":\"eastus\"}").status, 409);
    assert_int_equal(ask(w, "GET", GROUP "audited", NULL).status, 200);
    assert_int_equal(audit_count(w, "Microsoft.Resources/subscriptions/resourceGroups/write"), before + 1);    /* refusals go to the other stream */
}

static void test_roles_are_assigned_only_at_things_that_exist(void **state)
{
    World *w = *state;
    Principal other;
    (void)world_principal(w, "assignee", STR_NONE, NULL, &other);
    const char *body = str_printf(w->arena, "{\"properties\":{\"roleDefinitionId\":\"/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT "\",\"principalId\":\"" STR_FMT "\"}}",
                                  STR_ARG(ROLE_READER), STR_ARG(other.object_id)).ptr;
    make_group(w, "assigned");
    assert_int_equal(ask(w, "PUT", GROUP "assigned/providers/Microsoft.Authorization/roleAssignments/a0000000-0000-4000-8000-000000000001?api-version=2022-04-01", body).status, 201);
    assert_refused(w, ask(w, "PUT", GROUP "nope/providers/Microsoft.Authorization/roleAssignments/a0000000-0000-4000-8000-000000000002?api-version=2022-04-01", body),
                   404, "ResourceGroupNotFound");
    assert_refused(w, ask(w, "PUT", GROUP "assigned/providers/M.K/vaults/v/providers/Microsoft.Authorization/roleAssignments/a0000000-0000-4000-8000-000000000003?api-version=2022-04-01", body),
                   404, "ResourceNotFound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_token_the_challenge_names_the_authority), cmocka_unit_test(test_tokens_that_are_none_are_refused),
        cmocka_unit_test(test_a_token_of_another_audience_is_refused), cmocka_unit_test(test_api_version_is_asked_for),
        cmocka_unit_test(test_unknown_subscriptions_come_before_permission), cmocka_unit_test(test_whoever_has_no_role_sees_nothing_and_changes_nothing),
        cmocka_unit_test(test_a_reader_reads_and_does_not_write), cmocka_unit_test(test_a_role_in_one_group_shows_that_group_alone),
        cmocka_unit_test(test_unserved_types_are_refused_in_the_services_words), cmocka_unit_test(test_answers_carry_request_ids),
        cmocka_unit_test(test_a_subscription_has_what_clients_need), cmocka_unit_test(test_locations_are_the_sites_and_those_in_use),
        cmocka_unit_test(test_endpoints_need_no_token_and_change_shape_in_2019), cmocka_unit_test(test_providers_are_read_off_the_route_table),
        cmocka_unit_test(test_a_group_is_made_once_and_updated_after), cmocka_unit_test(test_patch_changes_tags_and_nothing_unsaid),
        cmocka_unit_test(test_bad_groups_are_refused_and_not_made), cmocka_unit_test(test_lists_come_in_pages_that_leave_nothing_out),
        cmocka_unit_test(test_a_group_goes_with_all_that_is_in_it), cmocka_unit_test(test_a_deletion_that_fails_is_tried_again_until_it_is_done),
        cmocka_unit_test(test_a_deletion_survives_a_restart), cmocka_unit_test(test_operations_are_found_by_their_own_id_only),
        cmocka_unit_test(test_an_operation_answers_202_until_its_result), cmocka_unit_test(test_writes_are_audited_under_their_action),
        cmocka_unit_test(test_roles_are_assigned_only_at_things_that_exist),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
