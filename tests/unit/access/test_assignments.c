/* test_assignments.c - role assignments over HTTP, the decision behind them, and what is refused. */
#include "access_fixture.h"

#define DATA_ADMIN  "8b54135c-b56d-4d72-a534-26097cfdc8d8"
#define UAA         "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"

static void test_assignment_covers_its_scope_and_all_below(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "covers", NULL);
    Str name = guid_new(t->arena), group = rg(t, "");
    const char *write = "Microsoft.KeyVault/vaults/write";
    assert_false(may(t, p.object_id, write, false, group));
    HttpAnswer answer = assign(t, admin_token, group, name, CONTRIBUTOR, p.object_id);
    assert_status(&answer, 201);
    assert_true(str_eq(answer_text(t, &answer, "properties.scope"), group));
    assert_str(answer_text(t, &answer, "properties.principalType"), "ServicePrincipal");
    assert_true(str_ends(answer_text(t, &answer, "id"), name));
    assert_true(may(t, p.object_id, write, false, group));                                  /* at once */
    assert_true(may(t, p.object_id, write, false, rg(t, "/providers/Microsoft.KeyVault/vaults/v1")));
    assert_true(may(t, str_upper(t->arena, p.object_id), write, false, str_upper(t->arena, group)));
    assert_false(may(t, p.object_id, write, false, rg(t, "0")));                            /* RG10 is not below RG1 */
    assert_false(may(t, p.object_id, write, false, str_from(t->scope)));
    assert_false(may(t, p.object_id, "Microsoft.Authorization/roleAssignments/write", false, group));
    assert_false(may(t, p.object_id, "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, group));
    assert_false(may(t, STR(""), write, false, group));
    answer = arm(t, admin_token, "DELETE", assignment_path(t, group, name), STR_NONE);
    assert_status(&answer, 200);
    assert_false(may(t, p.object_id, write, false, group));
    answer = arm(t, admin_token, "DELETE", assignment_path(t, group, name), STR_NONE);
    assert_int_equal(answer.status, 204);
}

static void test_data_roles_reach_data_actions_only(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "reads secrets", NULL);
    Str vault = rg(t, "/providers/Microsoft.KeyVault/vaults/v1"), secret = rg(t, "/providers/Microsoft.KeyVault/vaults/v1/secrets/s1");
    HttpAnswer answer = assign(t, admin_token, secret, guid_new(t->arena), SECRETS, p.object_id);
    assert_status(&answer, 201);
    assert_true(may(t, p.object_id, "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, secret));
    assert_false(may(t, p.object_id, "Microsoft.KeyVault/vaults/secrets/getSecret/action", true, vault));
    assert_false(may(t, p.object_id, "Microsoft.KeyVault/vaults/secrets/getSecret/action", false, secret));
    bool any;
    must(access_has_below(t->access, t->arena, p.object_id, vault, &any, E));
    assert_true(any);
    must(access_has_below(t->access, t->arena, p.object_id, rg(t, "/providers/Microsoft.Batch"), &any, E));
    assert_false(any);
}

static void test_put_again_is_the_same_and_another_is_refused(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "twice", NULL), q = somebody(t, "other", NULL);
    Str name = guid_new(t->arena), group = rg(t, "");
    HttpAnswer answer = arm(t, admin_token, "PUT", assignment_path(t, group, name), assignment_body(t, READER, p.object_id, ",\"description\":\"why\""));
    assert_status(&answer, 201);
    assert_str(answer_text(t, &answer, "properties.description"), "why");
    answer = arm(t, admin_token, "PUT", assignment_path(t, group, name), assignment_body(t, READER, p.object_id, ""));
    assert_status(&answer, 200);
    assert_refused(t, assign(t, admin_token, group, guid_new(t->arena), READER, p.object_id), 409, "RoleAssignmentExists");
    assert_refused(t, assign(t, admin_token, group, name, READER, q.object_id), 400, "RoleAssignmentUpdateNotPermitted");
    assert_refused(t, assign(t, admin_token, str_from(t->scope), name, READER, p.object_id), 400, "RoleAssignmentUpdateNotPermitted");
    assert_refused(t, assign(t, admin_token, group, name, CONTRIBUTOR, p.object_id), 400, "RoleAssignmentUpdateNotPermitted");
    answer = arm(t, admin_token, "GET", assignment_path(t, group, name), STR_NONE);
    assert_status(&answer, 200);
    assert_refused(t, arm(t, admin_token, "GET", assignment_path(t, str_from(t->scope), name), STR_NONE), 404, "RoleAssignmentNotFound");
}

static void test_bad_assignments_are_refused(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "bad", NULL);
    Str group = rg(t, ""), name = guid_new(t->arena);
    assert_refused(t, assign(t, admin_token, group, STR("not-a-guid"), READER, p.object_id), 400, "InvalidRoleAssignmentId");
    assert_refused(t, assign(t, admin_token, group, name, "99999999-0000-4000-8000-000000000009", p.object_id), 404, "RoleDefinitionDoesNotExist");
    assert_refused(t, assign(t, admin_token, group, name, READER, STR("99999999-0000-4000-8000-000000000009")), 400, "PrincipalNotFound");
    assert_refused(t, assign(t, admin_token, group, name, READER, p.app_id), 400, "PrincipalNotFound");      /* the object id is wanted */
    assert_refused(t, assign(t, admin_token, group, name, READER, STR("x")), 400, "InvalidPrincipalId");
    assert_refused(t, arm(t, admin_token, "PUT", assignment_path(t, group, name), assignment_body(t, READER, p.object_id, ",\"principalType\":\"User\"")), 400, "UnmatchedPrincipalType");
    HttpAnswer answer = arm(t, admin_token, "PUT", assignment_path(t, group, name), assignment_body(t, READER, p.object_id, ",\"condition\":\"true\""));
    assert_int_equal(answer.status, 501);
    static const char *const bodies[] = { "{}", "[]", "{\"properties\":{}}", "{\"properties\":{\"principalId\":\"x\"}}", "{\"properties\":{\"roleDefinitionId\":\"x\",\"principalId\":\"11111111-1111-4111-8111-111111111111\"}}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        answer = arm(t, admin_token, "PUT", assignment_path(t, group, name), str_from(bodies[i]));
        assert_status(&answer, 400);
    }
    answer = arm(t, admin_token, "GET", assignment_path(t, group, name), STR_NONE);
    assert_int_equal(answer.status, 404);                                                            /* nothing was made */
}

static void test_lists_filter_by_scope_and_principal(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "listed", NULL);
    Str group = rg(t, "X"), vault = rg(t, "X/providers/Microsoft.KeyVault/vaults/v1");
    HttpAnswer answer = assign(t, admin_token, group, guid_new(t->arena), READER, p.object_id);
    assert_status(&answer, 201);
    answer = assign(t, admin_token, vault, guid_new(t->arena), SECRETS, p.object_id);
    assert_status(&answer, 201);
    assert_int_equal(count_of(t, list_path(t, group, "roleAssignments", "")), 3);                    /* the administrator's is above */
    assert_int_equal(count_of(t, list_path(t, group, "roleAssignments", "&$filter=atScope()")), 2);
    assert_int_equal(count_of(t, list_path(t, vault, "roleAssignments", "&$filter=atScope()")), 3);
    Str by = str_printf(t->arena, "&$filter=principalId%%20eq%%20%%27" STR_FMT "%%27", STR_ARG(p.object_id));
    assert_int_equal(count_of(t, list_path(t, str_from(t->scope), "roleAssignments", by.ptr)), 2);
    by = str_printf(t->arena, "&$filter=atScope()%%20and%%20assignedTo('" STR_FMT "')", STR_ARG(p.object_id));
    assert_int_equal(count_of(t, list_path(t, group, "roleAssignments", by.ptr)), 1);
    static const char *const bad[] = { "&$filter=principalName%20eq%20'x'", "&$filter=atScope('x')", "&$filter=principalId%20ne%20'x'", "&$filter=atScope()%20or%20atScope()", "&$filter=x" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        answer = arm(t, admin_token, "GET", list_path(t, group, "roleAssignments", bad[i]), STR_NONE);
        assert_status(&answer, 400);
    }
}

static void test_role_definitions_by_name(void **state)
{
    Tenant *t = *state;
    Str group = rg(t, "");
    assert_int_equal(count_of(t, list_path(t, group, "roleDefinitions", "&$filter=roleName%20eq%20%27Contributor%27")), 1);      /* two hits would stop az */
    assert_int_equal(count_of(t, list_path(t, group, "roleDefinitions", "&$filter=roleName%20eq%20%27Key%20Vault%20Secrets%20User%27")), 1);
    assert_int_equal(count_of(t, list_path(t, group, "roleDefinitions", "&$filter=roleName%20eq%20%27Emperor%27")), 0);
    assert_int_equal(count_of(t, list_path(t, group, "roleDefinitions", "&$filter=type%20eq%20%27CustomRole%27")), 0);
    assert_true(count_of(t, list_path(t, group, "roleDefinitions", "&$filter=atScopeAndBelow()")) > 20);
    assert_true(count_of(t, list_path(t, STR(""), "roleDefinitions", "")) > 20);
    HttpAnswer answer = arm(t, admin_token, "GET", list_path(t, str_from(t->scope), "roleDefinitions/" READER, ""), STR_NONE);
    assert_status(&answer, 200);
    Str id = str_printf(t->arena, "%s/providers/Microsoft.Authorization/roleDefinitions/" READER, t->scope);
    assert_true(str_eq(answer_text(t, &answer, "id"), id));
    assert_refused(t, arm(t, admin_token, "GET", list_path(t, group, "roleDefinitions/x", ""), STR_NONE), 404, "RoleDefinitionDoesNotExist");
    assert_refused(t, arm(t, admin_token, "DELETE", list_path(t, group, "roleDefinitions/" READER, ""), STR_NONE), 403, "RoleDefinitionUpdateNotPermitted");
}

static void test_callers_need_the_right_to_assign(void **state)
{
    Tenant *t = *state;
    Str token, reader_token;
    Principal contributor = somebody(t, "contributor", &token), reader = somebody(t, "reader", &reader_token);
    Str group = rg(t, "");
    assert_refused(t, assign(t, token, group, guid_new(t->arena), READER, reader.object_id), 403, "AuthorizationFailed");
    HttpAnswer answer = assign(t, admin_token, group, guid_new(t->arena), CONTRIBUTOR, contributor.object_id);
    assert_status(&answer, 201);
    assert_refused(t, assign(t, token, group, guid_new(t->arena), OWNER, contributor.object_id), 403, "AuthorizationFailed");   /* no climbing */
    answer = arm(t, token, "GET", list_path(t, group, "roleAssignments", ""), STR_NONE);
    assert_status(&answer, 200);
    assert_refused(t, arm(t, reader_token, "GET", list_path(t, group, "roleAssignments", ""), STR_NONE), 403, "AuthorizationFailed");
    answer = arm(t, token, "GET", list_path(t, group, "permissions", ""), STR_NONE);
    assert_int_equal(json_count(json_get(answer_json(t, &answer), "value")), 1);
    answer = arm(t, reader_token, "GET", list_path(t, group, "permissions", ""), STR_NONE);
    assert_int_equal(json_count(json_get(answer_json(t, &answer), "value")), 0);
}

static void test_bound_roles_hand_out_only_what_they_may(void **state)
{
    Tenant *t = *state;
    Str token;
    Principal bound = somebody(t, "bound", &token), p = somebody(t, "given", NULL);
    Str group = rg(t, ""), name = guid_new(t->arena), owner_name = guid_new(t->arena);
    HttpAnswer answer = assign(t, admin_token, group, guid_new(t->arena), DATA_ADMIN, bound.object_id);
    assert_status(&answer, 201);
    answer = assign(t, token, group, name, SECRETS, p.object_id);
    assert_status(&answer, 201);
    assert_refused(t, assign(t, token, group, guid_new(t->arena), OWNER, bound.object_id), 403, "AuthorizationFailed");
    answer = assign(t, admin_token, group, owner_name, OWNER, p.object_id);
    assert_status(&answer, 201);
    assert_refused(t, arm(t, token, "DELETE", assignment_path(t, group, owner_name), STR_NONE), 403, "AuthorizationFailed");
    answer = arm(t, token, "DELETE", assignment_path(t, group, name), STR_NONE);
    assert_status(&answer, 200);
    assert_false(may(t, bound.object_id, "Microsoft.KeyVault/vaults/write", false, group));
}

typedef struct Drop { Tenant *t; Str scope, principal_id; } Drop;
static bool drop_scope(Txn *txn, void *ctx, Err *err) { return access_drop_scope(((Drop *)ctx)->t->access, txn, ((Drop *)ctx)->scope, err); }
static bool drop_principal(Txn *txn, void *ctx, Err *err) { return principal_delete(((Drop *)ctx)->t->identity, txn, ((Drop *)ctx)->principal_id, err); }

static void test_assignments_go_with_their_scope_and_their_principal(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "dropped", NULL);
    const char *read = "Microsoft.KeyVault/vaults/read";
    Str group = rg(t, "D"), vault = rg(t, "D/providers/Microsoft.KeyVault/vaults/v"), beside = rg(t, "D2");
    Str scopes[] = { group, vault, beside };
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        HttpAnswer answer = assign(t, admin_token, scopes[i], guid_new(t->arena), READER, p.object_id);
        assert_status(&answer, 201);
    }
    Drop drop = { t, str_upper(t->arena, group), p.object_id };
    must(store_write(t->site.store, drop_scope, &drop, E));
    assert_false(may(t, p.object_id, read, false, group));
    assert_false(may(t, p.object_id, read, false, vault));
    assert_true(may(t, p.object_id, read, false, beside));
    must(store_write(t->site.store, drop_principal, &drop, E));
    assert_false(may(t, p.object_id, read, false, beside));
}

static void test_last_assignment_that_can_assign_stays(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "second", NULL);
    Str scope = str_from(t->scope), second = guid_new(t->arena);
    Str by = str_printf(t->arena, "&$filter=atScope()%%20and%%20principalId%%20eq%%20'" STR_FMT "'", STR_ARG(t->boot.admin_object_id));
    HttpAnswer answer = arm(t, admin_token, "GET", list_path(t, scope, "roleAssignments", by.ptr), STR_NONE);
    Str first = json_str(json_get(json_at(json_get(answer_json(t, &answer), "value"), 0), "name"));
    assert_refused(t, arm(t, admin_token, "DELETE", assignment_path(t, scope, first), STR_NONE), 409, "CannotDeleteLastRbacAdminAssignment");
    answer = assign(t, admin_token, scope, second, UAA, p.object_id);
    assert_status(&answer, 201);
    answer = arm(t, admin_token, "DELETE", assignment_path(t, scope, first), STR_NONE);
    assert_status(&answer, 200);
    assert_refused(t, arm(t, admin_token, "DELETE", assignment_path(t, scope, second), STR_NONE), 403, "AuthorizationFailed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assignment_covers_its_scope_and_all_below),
        cmocka_unit_test(test_data_roles_reach_data_actions_only),
        cmocka_unit_test(test_put_again_is_the_same_and_another_is_refused),
        cmocka_unit_test(test_bad_assignments_are_refused),
        cmocka_unit_test(test_lists_filter_by_scope_and_principal),
        cmocka_unit_test(test_role_definitions_by_name),
        cmocka_unit_test(test_callers_need_the_right_to_assign),
        cmocka_unit_test(test_bound_roles_hand_out_only_what_they_may),
        cmocka_unit_test(test_assignments_go_with_their_scope_and_their_principal),
        cmocka_unit_test(test_last_assignment_that_can_assign_stays),
    };
    return cmocka_run_group_tests(tests, access_setup, access_teardown);
}
