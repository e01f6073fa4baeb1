/* test_managedidentity.c - user-assigned identities over HTTP: a resource and a principal, together or not at all. */
#include "arm_fixture.h"
#include "base/id.h"

#define IDS "/subscriptions/@/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities"

static World world;

static int setup(void **state)
{
    world_open(&world, false);
    assert_int_equal(ask(&world, "PUT", "/subscriptions/@/resourcegroups/g", "{\"location\":\"local\"}").status, 201);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

typedef struct Look { World *w; Str id, object_id; Principal principal; Str stored; bool found; } Look;

static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    Look *l = ctx;
    return managedidentity_find(l->w->ids, txn, l->w->arena, l->id, &l->stored, &l->principal, &l->found, err);
}

static bool principal_txn(Txn *txn, void *ctx, Err *err)
{
    Look *l = ctx;
    return principal_by_object_id(l->w->identity, txn, l->w->arena, l->object_id, &l->principal, &l->found, err);
}

static void test_an_identity_comes_with_its_principal(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", IDS "/Id-One?api-version=2022-01-31-preview", "{\"location\":\"West US 2\",\"tags\":{\"a\":\"b\"},\"properties\":{}}");
    assert_int_equal(made.status, 201);
    assert_true(str_eq(answer_text(w, &made, "id"), world_text(w, IDS "/Id-One")));
    assert_str(answer_text(w, &made, "type"), "Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_str(answer_text(w, &made, "location"), "westus2");
    assert_true(str_eq(answer_text(w, &made, "properties.tenantId"), w->site.tenant_id));
    assert_true(guid_is_valid(answer_text(w, &made, "properties.principalId")));
    assert_true(guid_is_valid(answer_text(w, &made, "properties.clientId")));

    Look look = { .w = w, .id = str_upper(w->arena, answer_text(w, &made, "id")) };
    must(store_read(w->site.store, find_txn, &look, E));
    assert_true(look.found);
    assert_true(str_eq(look.stored, answer_text(w, &made, "id")));
    assert_true(str_eq(look.principal.object_id, answer_text(w, &made, "properties.principalId")));
    assert_true(str_eq(look.principal.app_id, answer_text(w, &made, "properties.clientId")));
    assert_true(str_eq(look.principal.mirid, answer_text(w, &made, "id")));
    assert_int_equal(look.principal.kind, PRINCIPAL_MANAGED_IDENTITY);
}

static void test_writing_it_again_keeps_its_principal(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", IDS "/kept", "{\"location\":\"local\",\"tags\":{\"a\":\"b\"}}"), again = ask(w, "PUT", IDS "/KEPT", "{\"location\":\"local\"}"),
               patched = ask(w, "PATCH", IDS "/kept", "{\"tags\":{\"c\":\"d\"}}");
    assert_int_equal(again.status, 200);
    assert_str(answer_text(w, &again, "name"), "kept");
    assert_int_equal(json_count(json_get(answer_json(w, &again), "tags")), 0);
    assert_int_equal(patched.status, 200);
    assert_str(answer_text(w, &patched, "tags.c"), "d");
    assert_true(str_eq(answer_text(w, &made, "properties.principalId"), answer_text(w, &patched, "properties.principalId")));
    assert_refused(w, ask(w, "PUT", IDS "/kept", "{\"location\":\"eastus\"}"), 409, "InvalidResourceLocation");
    assert_refused(w, ask(w, "PATCH", IDS "/never-made", "{}"), 404, "ResourceNotFound");
}

static void test_bad_identities_are_refused_and_not_half_made(void **state)
{
    World *w = *state;
    static const struct { const char *name, *body; int status; const char *code; } cases[] = {
        { "ab", "{\"location\":\"local\"}", 400, "InvalidResourceName" }, { "-abc", "{\"location\":\"local\"}", 400, "InvalidResourceName" },
        { "a.bc", "{\"location\":\"local\"}", 400, "InvalidResourceName" }, { "bad", "{}", 400, "LocationRequired" }, { "bad", "[]", 400, "InvalidRequestContent" },
        { "bad", "{\"location\":\"local\",\"tags\":{\"a\":2}}", 400, "InvalidRequestContent" }, { "bad", "{\"location\":\"local\",\"properties\":7}", 400, "InvalidRequestContent" },
        { "bad", "{\"location\":\"local\",\"properties\":{\"isolationScope\":\"Regional\"}}", 501, "NotImplemented" },
    };
    int64_t principals = read_int(w->site.store, "SELECT count(*) FROM identity_principal");
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(w, ask(w, "PUT", str_printf(w->arena, IDS "/%s", cases[i].name).ptr, cases[i].body), cases[i].status, cases[i].code);
    assert_refused(w, ask(w, "PUT", "/subscriptions/@/resourceGroups/nope/providers/Microsoft.ManagedIdentity/userAssignedIdentities/abc", "{\"location\":\"local\"}"),
                   404, "ResourceGroupNotFound");
    assert_refused(w, ask(w, "GET", IDS "/bad", NULL), 404, "ResourceNotFound");
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resourceGroups/nope/providers/Microsoft.ManagedIdentity/userAssignedIdentities/abc", NULL), 404, "ResourceGroupNotFound");
    assert_int_equal(read_int(w->site.store, "SELECT count(*) FROM identity_principal"), principals);
}

static void test_an_identity_goes_with_principal_and_roles(void **state)
{
    World *w = *state;
    HttpAnswer made = ask(w, "PUT", IDS "/going", "{\"location\":\"local\"}");
    Look look = { .w = w, .object_id = answer_text(w, &made, "properties.principalId") };
    const char *assignment = "/subscriptions/@/resourceGroups/g/providers/Microsoft.Authorization/roleAssignments/b0000000-0000-4000-8000-000000000001?api-version=2022-04-01";
    const char *body = str_printf(w->arena, "{\"properties\":{\"roleDefinitionId\":\"/providers/Microsoft.Authorization/roleDefinitions/" STR_FMT "\",\"principalId\":\"" STR_FMT "\"}}",
                                  STR_ARG(ROLE_READER), STR_ARG(look.object_id)).ptr;
    assert_int_equal(ask(w, "PUT", assignment, body).status, 201);
    assert_int_equal(ask(w, "DELETE", IDS "/GOING", NULL).status, 200);
    must(store_read(w->site.store, principal_txn, &look, E));
    assert_false(look.found);
    assert_int_equal(ask(w, "GET", assignment, NULL).status, 404);
    assert_refused(w, ask(w, "GET", IDS "/going", NULL), 404, "ResourceNotFound");
    assert_int_equal(ask(w, "DELETE", IDS "/going", NULL).status, 204);
    assert_int_equal(audit_count(w, "Microsoft.ManagedIdentity/userAssignedIdentities/delete"), 2);
}

static void test_lists_hold_group_or_subscription(void **state)
{
    World *w = *state;
    assert_int_equal(ask(w, "PUT", "/subscriptions/@/resourcegroups/h", "{\"location\":\"local\"}").status, 201);
    assert_int_equal(ask(w, "PUT", "/subscriptions/@/resourceGroups/h/providers/Microsoft.ManagedIdentity/userAssignedIdentities/only", "{\"location\":\"local\"}").status, 201);
    HttpAnswer group = ask(w, "GET", "/subscriptions/@/resourceGroups/h/providers/Microsoft.ManagedIdentity/userAssignedIdentities", NULL),
               all = ask(w, "GET", "/subscriptions/@/providers/Microsoft.ManagedIdentity/userAssignedIdentities?$top=1", NULL);
    const JsonVal *value = json_get(answer_json(w, &group), "value");
    assert_int_equal(json_count(value), 1);
    assert_true(guid_is_valid(json_str(json_path(json_at(value, 0), "properties.clientId"))));
    assert_int_equal(json_count(json_get(answer_json(w, &all), "value")), 1);
    assert_non_null(json_get(answer_json(w, &all), "nextLink"));
    assert_refused(w, ask(w, "GET", "/subscriptions/@/resourceGroups/nope/providers/Microsoft.ManagedIdentity/userAssignedIdentities", NULL), 404, "ResourceGroupNotFound");
}

static void test_a_user_assigned_identity_has_no_system_assigned_one(void **state)
{
    World *w = *state;
    assert_int_equal(ask(w, "PUT", IDS "/itself", "{\"location\":\"local\"}").status, 201);
    assert_refused(w, ask(w, "GET", IDS "/itself/providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31", NULL), 404, "IdentityNotFound");
    assert_refused(w, ask(w, "GET", IDS "/no-such/providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31", NULL), 404, "ResourceNotFound");
    HttpAnswer none = ask(w, "GET", IDS "/itself/federatedIdentityCredentials?api-version=2023-01-31", NULL);
    assert_int_equal(none.status, 200);
    assert_int_equal(json_count(json_get(answer_json(w, &none), "value")), 0);
    assert_refused(w, ask(w, "GET", IDS "/no-such/federatedIdentityCredentials?api-version=2023-01-31", NULL), 404, "ResourceNotFound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_identity_comes_with_its_principal), cmocka_unit_test(test_writing_it_again_keeps_its_principal),
        cmocka_unit_test(test_bad_identities_are_refused_and_not_half_made), cmocka_unit_test(test_an_identity_goes_with_principal_and_roles),
        cmocka_unit_test(test_lists_hold_group_or_subscription), cmocka_unit_test(test_a_user_assigned_identity_has_no_system_assigned_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
