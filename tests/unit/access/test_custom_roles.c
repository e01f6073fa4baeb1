/* test_custom_roles.c - custom roles over HTTP: made, decided by, changed, refused and deleted. */
#include "access_fixture.h"

#define GET_SECRET "Microsoft.KeyVault/vaults/secrets/getSecret/action"
#define SET_SECRET "Microsoft.KeyVault/vaults/secrets/setSecret/action"
#define VAULT_READ "Microsoft.KeyVault/vaults/read"
#define VAULT_WRITE "Microsoft.KeyVault/vaults/write"

static Str role_path(Tenant *t, Str scope, Str guid)
{
    return list_path(t, scope, str_printf(t->arena, "roleDefinitions/" STR_FMT, STR_ARG(guid)).ptr, "");
}

/* scopes: elements of the array, with their quotes. */
static Str role_body(Tenant *t, const char *name, const char *permission, Str scopes)
{
    return str_printf(t->arena, "{\"properties\":{\"roleName\":\"%s\",\"description\":\"of a test\",\"type\":\"CustomRole\",\"permissions\":[{%s}],"
                      "\"assignableScopes\":[" STR_FMT "]}}", name, permission, STR_ARG(scopes));
}

static Str quoted(Tenant *t, Str text) { return str_printf(t->arena, "\"" STR_FMT "\"", STR_ARG(text)); }

static HttpAnswer put_role(Tenant *t, Str token, Str scope, Str guid, const char *name, const char *permission, Str scopes)
{
    return arm(t, token, "PUT", role_path(t, scope, guid), role_body(t, name, permission, scopes));
}

static Str make_role(Tenant *t, const char *name, const char *permission)
{
    Str guid = guid_new(t->arena), scope = str_from(t->scope);
    HttpAnswer answer = put_role(t, admin_token, scope, guid, name, permission, quoted(t, scope));
    assert_status(&answer, 201);
    return guid;
}

static void give(Tenant *t, Str guid, Str principal_id, Str scope)
{
    HttpAnswer answer = assign(t, admin_token, scope, guid_new(t->arena), guid.ptr, principal_id);
    assert_status(&answer, 201);
}

static void test_a_role_is_made_shown_changed_and_deleted(void **state)
{
    Tenant *t = *state;
    Str guid = guid_new(t->arena), scope = str_from(t->scope), group = rg(t, "");
    HttpAnswer answer = put_role(t, admin_token, scope, guid, "Rôle A", "\"actions\":[\"" VAULT_READ "\"],\"notActions\":[],\"dataActions\":[\"" GET_SECRET "\"]", quoted(t, scope));
    assert_status(&answer, 201);
    assert_true(str_ends(answer_text(t, &answer, "id"), guid));
    assert_str(answer_text(t, &answer, "properties.type"), "CustomRole");
    assert_str(answer_text(t, &answer, "properties.roleName"), "Rôle A");
    assert_true(str_eq(answer_text(t, &answer, "properties.createdBy"), t->boot.admin_object_id));
    const JsonVal *permission = json_at(json_path(answer_json(t, &answer), "properties.permissions"), 0);
    assert_str(json_str(json_at(json_get(permission, "dataActions"), 0)), GET_SECRET);
    assert_int_equal(json_count(json_get(permission, "notDataActions")), 0);

    Str elsewhere = STR("/subscriptions/22222222-2222-4222-8222-222222222222");
    Str seen[] = { scope, group, rg(t, "/providers/Microsoft.KeyVault/vaults/v"), STR("") };
    for (size_t i = 0; i < COUNT_OF(seen); i++) {
        answer = arm(t, admin_token, "GET", role_path(t, seen[i], str_upper(t->arena, guid)), STR_NONE);
        assert_status(&answer, 200);
    }
    assert_refused(t, arm(t, admin_token, "GET", role_path(t, elsewhere, guid), STR_NONE), 403, "AuthorizationFailed");

    answer = put_role(t, admin_token, scope, guid, "rôle a2", "\"actions\":[\"*/read\"]", quoted(t, group));
    assert_status(&answer, 201);
    answer = arm(t, admin_token, "GET", role_path(t, scope, guid), STR_NONE);
    assert_str(answer_text(t, &answer, "properties.roleName"), "rôle a2");
    assert_true(str_eq(json_str(json_at(json_path(answer_json(t, &answer), "properties.assignableScopes"), 0)), group));

    answer = arm(t, admin_token, "DELETE", role_path(t, scope, guid), STR_NONE);
    assert_status(&answer, 200);
    assert_str(answer_text(t, &answer, "properties.roleName"), "rôle a2");
    answer = arm(t, admin_token, "DELETE", role_path(t, scope, guid), STR_NONE);
    assert_int_equal(answer.status, 204);
    assert_refused(t, arm(t, admin_token, "GET", role_path(t, scope, guid), STR_NONE), 404, "RoleDefinitionDoesNotExist");
}

static void test_a_role_decides_and_a_change_counts_at_once(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "custom decides", NULL);
    Str scope = str_from(t->scope), vault = rg(t, "/providers/Microsoft.KeyVault/vaults/v"), one = rg(t, "/providers/Microsoft.KeyVault/vaults/v/secrets/one");
    Str guid = make_role(t, "decides", "\"actions\":[\"Microsoft.KeyVault/*\"],\"notActions\":[\"Microsoft.KeyVault/vaults/write\"],"
                         "\"dataActions\":[\"Microsoft.KeyVault/vaults/secrets/*\"],\"notDataActions\":[\"" SET_SECRET "\"]");
    give(t, guid, p.object_id, one);
    assert_true(may(t, p.object_id, GET_SECRET, true, one));
    assert_false(may(t, p.object_id, GET_SECRET, true, vault));
    give(t, guid, p.object_id, vault);
    assert_true(may(t, p.object_id, VAULT_READ, false, vault));
    assert_false(may(t, p.object_id, VAULT_WRITE, false, vault));                  /* taken away again */
    assert_true(may(t, p.object_id, GET_SECRET, true, vault));
    assert_false(may(t, p.object_id, SET_SECRET, true, one));
    assert_false(may(t, p.object_id, VAULT_READ, true, vault));
    assert_false(may(t, p.object_id, VAULT_READ, false, rg(t, "")));

    HttpAnswer answer = put_role(t, admin_token, scope, guid, "decides", "\"dataActions\":[\"" SET_SECRET "\"]", quoted(t, scope));
    assert_status(&answer, 201);
    assert_false(may(t, p.object_id, GET_SECRET, true, vault));
    assert_false(may(t, p.object_id, VAULT_READ, false, vault));
    assert_true(may(t, p.object_id, SET_SECRET, true, one));
    tenant_restart(t);
    admin_token = tenant_admin_token(t, "https://management.azure.com/.default");      /* the port is another, so the issuer is */
    assert_true(may(t, p.object_id, SET_SECRET, true, one));
    assert_false(may(t, p.object_id, GET_SECRET, true, one));
    answer = put_role(t, admin_token, scope, guid, "decides", "", quoted(t, scope));
    assert_status(&answer, 201);
    assert_false(may(t, p.object_id, SET_SECRET, true, one));                      /* a role without actions allows nothing */
}

/* What one permission of a role takes away another gives; of several roles each counts by itself. */
static void test_permissions_and_roles_add_up(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "adds up", NULL);
    Str scope = str_from(t->scope), group = rg(t, "A");
    Str two = make_role(t, "two permissions", "\"actions\":[\"Microsoft.KeyVault/*\"],\"notActions\":[\"*/write\"]},{\"actions\":[\"" VAULT_WRITE "\"]");
    give(t, two, p.object_id, group);
    assert_true(may(t, p.object_id, VAULT_WRITE, false, group));
    assert_false(may(t, p.object_id, "Microsoft.KeyVault/vaults/secrets/write", false, group));
    for (int i = 0; i < 40; i++) {
        Str name = str_printf(t->arena, "one of many %d", i);
        Str guid = make_role(t, name.ptr, i == 37 ? "\"dataActions\":[\"" GET_SECRET "\"]" : "\"actions\":[\"*/read\"]");
        give(t, guid, p.object_id, i % 2 ? scope : group);
    }
    assert_true(may(t, p.object_id, GET_SECRET, true, group));
    assert_false(may(t, p.object_id, SET_SECRET, true, group));
    assert_true(may(t, p.object_id, VAULT_READ, false, scope));
    assert_false(may(t, p.object_id, VAULT_WRITE, false, scope));
    Decision decision;
    must(access_decide(t->access, t->arena, p.object_id, STR(GET_SECRET), true, group, &decision, E));
    assert_non_null(strstr(decision.why, "one of many 37 at "));
}

static void test_bad_definitions_are_refused_and_change_nothing(void **state)
{
    Tenant *t = *state;
    Str scope = str_from(t->scope), guid = make_role(t, "stays", "\"actions\":[\"*/read\"]"), good = quoted(t, scope);
    Str twice = str_printf(t->arena, "\"actions\":[\"Microsoft.KeyVault/*/keys/*\"]");
    Str long_action = str_printf(t->arena, "\"actions\":[\"Microsoft.Compute/%0600d/read\"]", 7);
    const struct { const char *name, *permission; Str scopes; int status; const char *code; } cases[] = {
        { "", "", good, 400, "RoleDefinitionNameNullOrEmpty" },
        { "  ", "", good, 400, "RoleDefinitionNameNullOrEmpty" },
        { str_printf(t->arena, "%0513d", 7).ptr, "", good, 400, "Default" },
        { "reader", "", good, 409, "RoleDefinitionWithSameNameExists" },
        { "x", "\"actions\":[\"Microsoft.KeyVault/vaults/raed\"]", good, 400, "InvalidActionOrNotAction" },
        { "x", "\"notActions\":[\"Microsoft.KeyVault/vaults/raed\"]", good, 400, "InvalidActionOrNotAction" },
        { "x", "\"actions\":[\"\"]", good, 400, "InvalidActionOrNotAction" },
        { "x", "\"actions\":[\"" GET_SECRET "\"]", good, 400, "InvalidActionOrNotAction" },
        { "x", twice.ptr, good, 400, "InvalidActionOrNotAction" },
        { "x", long_action.ptr, good, 400, "InvalidActionOrNotAction" },
        { "x", "\"dataActions\":[\"" VAULT_WRITE "\"]", good, 400, "InvalidDataActionOrNotDataAction" },
        { "x", "\"notDataActions\":[\"Microsoft.Authorization/*/read\"]", good, 400, "InvalidDataActionOrNotDataAction" },
        { "x", "\"actions\":\"*\"", good, 400, "Default" },
        { "x", "\"actions\":[1]", good, 400, "Default" },
        { "x", "\"actions\":[\"*\"],\"condition\":\"true\"", good, 501, "Default" },
        { "x", "", STR(""), 400, "MissingAssignableScopes" },
        { "x", "", STR("\"/\""), 400, "LinkedInvalidPropertyId" },
        { "x", "", STR("\"Invalid_Scope\""), 400, "LinkedInvalidPropertyId" },
        { "x", "", STR("1"), 400, "LinkedInvalidPropertyId" },
        { "x", "", STR("\"/subscriptions/*\""), 400, "LinkedInvalidPropertyId" },
        { "x", "", STR("\"/providers/Microsoft.Management/managementGroups/g\""), 400, "LinkedInvalidPropertyId" },
        { "x", "", quoted(t, rg(t, "*")), 400, "LinkedInvalidPropertyId" },
        { "x", "", quoted(t, rg(t, "/providers/Microsoft.KeyVault/vaults/v")), 400, "LinkedInvalidPropertyId" },
        { "x", "", quoted(t, str_printf(t->arena, "%s/resourceGroups/", t->scope)), 400, "LinkedInvalidPropertyId" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HttpAnswer answer = put_role(t, admin_token, scope, guid, cases[i].name, cases[i].permission, cases[i].scopes);
        if (answer.status != cases[i].status || !str_eq(answer_text(t, &answer, "error.code"), str_from(cases[i].code)))
            fail_msg("case %zu: wanted %d %s, got %d " STR_FMT, i, cases[i].status, cases[i].code, answer.status, STR_ARG(answer.body));
    }
    Str built_in = str_printf(t->arena, "{\"properties\":{\"roleName\":\"x\",\"type\":\"BuiltInRole\",\"assignableScopes\":[" STR_FMT "]}}", STR_ARG(good));
    assert_refused(t, arm(t, admin_token, "PUT", role_path(t, scope, guid), built_in), 400, "InvalidRoleDefinitionType");
    static const char *const bodies[] = { "{}", "[]", "{\"properties\":1}", "{\"properties\":{\"roleName\":7}}", "{\"properties\":{\"roleName\":\"x\",\"permissions\":{}}}",
                                          "{\"properties\":{\"roleName\":\"x\",\"permissions\":[1]}}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        HttpAnswer answer = arm(t, admin_token, "PUT", role_path(t, scope, guid), str_from(bodies[i]));
        assert_status(&answer, 400);
    }
    assert_refused(t, put_role(t, admin_token, scope, STR("not-a-guid"), "x", "", good), 400, "InvalidRoleDefinitionId");
    assert_refused(t, put_role(t, admin_token, scope, STR(READER), "x", "", good), 409, "RoleDefinitionExists");
    assert_refused(t, arm(t, admin_token, "DELETE", role_path(t, scope, STR(READER)), STR_NONE), 403, "RoleDefinitionUpdateNotPermitted");
    HttpAnswer answer = arm(t, admin_token, "GET", role_path(t, scope, guid), STR_NONE);
    assert_str(answer_text(t, &answer, "properties.roleName"), "stays");
    assert_int_equal(count_of(t, list_path(t, scope, "roleDefinitions", "&$filter=roleName%20eq%20'x'")), 0);
}

static void test_a_name_is_given_once(void **state)
{
    Tenant *t = *state;
    Str scope = str_from(t->scope), first = make_role(t, "Unique Name", "");
    assert_refused(t, put_role(t, admin_token, scope, guid_new(t->arena), "unique NAME", "", quoted(t, scope)), 409, "RoleDefinitionWithSameNameExists");
    Str second = make_role(t, "Another Name", "");
    assert_refused(t, put_role(t, admin_token, scope, second, "Unique Name", "", quoted(t, scope)), 409, "RoleDefinitionWithSameNameExists");
    HttpAnswer answer = put_role(t, admin_token, scope, first, "UNIQUE name", "", quoted(t, scope));
    assert_status(&answer, 201);
    answer = arm(t, admin_token, "DELETE", role_path(t, scope, first), STR_NONE);
    assert_status(&answer, 200);
    answer = put_role(t, admin_token, scope, second, "Unique Name", "", quoted(t, scope));
    assert_status(&answer, 201);
}

static void test_a_role_in_use_stays(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "uses", NULL);
    Str scope = str_from(t->scope), group = rg(t, "U"), guid = make_role(t, "in use", "\"actions\":[\"*/read\"]"), name = guid_new(t->arena);
    HttpAnswer answer = assign(t, admin_token, group, name, guid.ptr, p.object_id);
    assert_status(&answer, 201);
    assert_refused(t, arm(t, admin_token, "DELETE", role_path(t, scope, guid), STR_NONE), 400, "RoleDefinitionHasAssignments");
    assert_refused(t, put_role(t, admin_token, scope, guid, "in use", "\"actions\":[\"*\"]", quoted(t, rg(t, "Other"))), 400, "RoleDefinitionHasAssignments");
    assert_false(may(t, p.object_id, VAULT_WRITE, false, group));
    answer = put_role(t, admin_token, scope, guid, "in use", "\"actions\":[\"*/read\"]", quoted(t, group));       /* still covers it */
    assert_status(&answer, 201);
    answer = arm(t, admin_token, "DELETE", assignment_path(t, group, name), STR_NONE);
    assert_status(&answer, 200);
    answer = arm(t, admin_token, "DELETE", role_path(t, scope, guid), STR_NONE);
    assert_status(&answer, 200);
    assert_refused(t, assign(t, admin_token, group, guid_new(t->arena), guid.ptr, p.object_id), 404, "RoleDefinitionDoesNotExist");
}

static void test_assigning_needs_an_assignable_scope(void **state)
{
    Tenant *t = *state;
    Principal p = somebody(t, "assignable", NULL);
    Str guid = guid_new(t->arena), group = rg(t, "S");
    HttpAnswer answer = put_role(t, admin_token, group, guid, "group only", "\"actions\":[\"*/read\"]", quoted(t, str_upper(t->arena, group)));
    assert_status(&answer, 201);
    assert_refused(t, assign(t, admin_token, str_from(t->scope), guid_new(t->arena), guid.ptr, p.object_id), 400, "RoleAssignmentScopeNotAssignableToRoleDefinition");
    assert_refused(t, assign(t, admin_token, rg(t, "S2"), guid_new(t->arena), guid.ptr, p.object_id), 400, "RoleAssignmentScopeNotAssignableToRoleDefinition");
    assert_false(may(t, p.object_id, VAULT_READ, false, rg(t, "S2")));
    give(t, guid, p.object_id, rg(t, "S/providers/Microsoft.KeyVault/vaults/v"));
    give(t, guid, p.object_id, group);
    assert_true(may(t, p.object_id, VAULT_READ, false, group));
}

static void test_who_may_write_definitions(void **state)
{
    Tenant *t = *state;
    Str token, nobody_token, group = rg(t, "W"), scope = str_from(t->scope), guid = guid_new(t->arena);
    Principal owner = somebody(t, "owns a group", &token), nobody = somebody(t, "contributes", &nobody_token);
    HttpAnswer answer = assign(t, admin_token, group, guid_new(t->arena), OWNER, owner.object_id);
    assert_status(&answer, 201);
    answer = assign(t, admin_token, scope, guid_new(t->arena), CONTRIBUTOR, nobody.object_id);
    assert_status(&answer, 201);
    assert_refused(t, put_role(t, nobody_token, scope, guid, "w", "", quoted(t, scope)), 403, "AuthorizationFailed");
    assert_refused(t, put_role(t, token, scope, guid, "w", "", quoted(t, group)), 403, "AuthorizationFailed");
    assert_refused(t, put_role(t, token, group, guid, "w", "", quoted(t, scope)), 403, "LinkedAuthorizationFailed");
    Str both = str_printf(t->arena, "\"" STR_FMT "\",\"" STR_FMT "\"", STR_ARG(group), STR_ARG(rg(t, "W2")));
    assert_refused(t, put_role(t, token, group, guid, "w", "", both), 403, "LinkedAuthorizationFailed");
    answer = put_role(t, token, group, guid, "w", "\"actions\":[\"*\"]", quoted(t, group));
    assert_status(&answer, 201);

    answer = put_role(t, admin_token, scope, guid, "w", "\"actions\":[\"*\"]", both);
    assert_status(&answer, 201);
    assert_refused(t, put_role(t, token, group, guid, "w", "", quoted(t, group)), 403, "LinkedAuthorizationFailed");   /* it was somebody else's as well */
    assert_refused(t, arm(t, token, "DELETE", role_path(t, group, guid), STR_NONE), 403, "LinkedAuthorizationFailed");
    assert_refused(t, arm(t, nobody_token, "DELETE", role_path(t, scope, guid), STR_NONE), 403, "AuthorizationFailed");
    answer = arm(t, token, "GET", role_path(t, group, guid), STR_NONE);
    assert_status(&answer, 200);
    answer = arm(t, admin_token, "DELETE", role_path(t, scope, guid), STR_NONE);
    assert_status(&answer, 200);
}

static void test_lists_show_what_may_be_assigned_there(void **state)
{
    Tenant *t = *state;
    Str token, scope = str_from(t->scope), group = rg(t, "L"), guid = guid_new(t->arena);
    (void)somebody(t, "sees no custom role", &token);
    HttpAnswer answer = put_role(t, admin_token, scope, guid, "listed in L", "", quoted(t, group));
    assert_status(&answer, 201);
    Str other = make_role(t, "listed in all", "");
    const char *const mine = "&$filter=roleName%20eq%20'listed%20in%20L'", *const below = "&$filter=atScopeAndBelow()%20and%20roleName%20eq%20'Listed%20in%20l'";
    assert_int_equal(count_of(t, list_path(t, group, "roleDefinitions", mine)), 1);
    assert_int_equal(count_of(t, list_path(t, rg(t, "L/providers/Microsoft.KeyVault/vaults/v"), "roleDefinitions", mine)), 1);
    assert_int_equal(count_of(t, list_path(t, rg(t, "L2"), "roleDefinitions", mine)), 0);
    assert_int_equal(count_of(t, list_path(t, scope, "roleDefinitions", mine)), 0);                  /* its scope is below */
    assert_int_equal(count_of(t, list_path(t, scope, "roleDefinitions", below)), 1);
    assert_int_equal(count_of(t, list_path(t, rg(t, "L2"), "roleDefinitions", "&$filter=roleName%20eq%20'listed%20in%20all'")), 1);
    size_t custom = count_of(t, list_path(t, scope, "roleDefinitions", "&$filter=type%20eq%20'CustomRole'%20and%20atScopeAndBelow()"));
    size_t built_in = count_of(t, list_path(t, scope, "roleDefinitions", "&$filter=type%20eq%20'BuiltInRole'"));
    assert_int_equal(custom + built_in, count_of(t, list_path(t, scope, "roleDefinitions", "&$filter=atScopeAndBelow()")));
    assert_int_equal(count_of(t, list_path(t, STR(""), "roleDefinitions", "&$filter=atScopeAndBelow()")), built_in);
    answer = arm(t, token, "GET", list_path(t, STR(""), "roleDefinitions", "&$filter=atScopeAndBelow()"), STR_NONE);
    assert_int_equal(json_count(json_get(answer_json(t, &answer), "value")), built_in);
    assert_refused(t, arm(t, token, "GET", role_path(t, STR(""), other), STR_NONE), 404, "RoleDefinitionDoesNotExist");
    assert_refused(t, arm(t, token, "GET", role_path(t, scope, other), STR_NONE), 403, "AuthorizationFailed");
    answer = arm(t, admin_token, "GET", list_path(t, scope, "roleDefinitions", "&$filter=description%20eq%20'x'"), STR_NONE);
    assert_status(&answer, 400);
}

/* A page ends after a mebibyte: seven roles of 200 KiB do not fit into one. */
static void test_long_lists_come_in_pages(void **state)
{
    Tenant *t = *state;
    Str scope = str_from(t->scope);
    AUTO(buf_done_auto) Buf actions = { 0 };
    buf_init(&actions, 1024 * 1024);
    buf_put_str(&actions, STR("\"actions\":[\"*\""));
    for (int i = 0; i < 500; i++)
        buf_printf(&actions, ",\"Microsoft.Compute/%0400d/read\"", i);
    buf_put_str(&actions, STR("]"));
    buf_put_char(&actions, '\0');
    for (int i = 0; i < 7; i++)
        (void)make_role(t, str_printf(t->arena, "long %d", i).ptr, actions.ptr);
    size_t pages = 0, found = 0;
    Str path = list_path(t, scope, "roleDefinitions", "&$filter=type%20eq%20'CustomRole'");
    size_t wanted = 0;
    while (path.ptr) {
        HttpAnswer answer = arm(t, admin_token, "GET", path, STR_NONE);
        assert_status(&answer, 200);
        assert_true(answer.body.len < 2 * 1024 * 1024);
        const JsonVal *value = json_get(answer_json(t, &answer), "value");
        for (size_t i = 0; i < json_count(value); i++)
            found += str_starts(json_str(json_path(json_at(value, i), "properties.roleName")), STR("long "));
        wanted += json_count(value);
        Str next = answer_text(t, &answer, "nextLink");
        size_t at;
        path = next.ptr && str_find(next, STR("/subscriptions/"), &at) ? str_slice(next, at, next.len) : STR_NONE;
        if (path.ptr)
            path = str_dup(t->arena, path);
        pages++;
    }
    assert_int_equal(found, 7);
    assert_true(pages > 1 && wanted >= 7);
}

static bool fill(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "INSERT INTO access_role (id, name_key, doc, created_ms, updated_ms, created_by, updated_by, revision)"
                    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT 'id' || i, 'filler' || i, x'00', 0, 0, '', '', 1 FROM n");
}

static bool empty(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "DELETE FROM access_role WHERE created_ms = 0");
}

static void test_a_directory_has_room_for_5000(void **state)
{
    Tenant *t = *state;
    Str scope = str_from(t->scope), guid = make_role(t, "before the limit", "");
    must(store_write(t->site.store, fill, NULL, E));
    assert_refused(t, put_role(t, admin_token, scope, guid_new(t->arena), "one too many", "", quoted(t, scope)), 400, "RoleDefinitionLimitExceeded");
    HttpAnswer answer = put_role(t, admin_token, scope, guid, "before the limit", "\"actions\":[\"*\"]", quoted(t, scope));
    assert_status(&answer, 201);
    must(store_write(t->site.store, empty, NULL, E));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_role_is_made_shown_changed_and_deleted),
        cmocka_unit_test(test_a_role_decides_and_a_change_counts_at_once),
        cmocka_unit_test(test_permissions_and_roles_add_up),
        cmocka_unit_test(test_bad_definitions_are_refused_and_change_nothing),
        cmocka_unit_test(test_a_name_is_given_once),
        cmocka_unit_test(test_a_role_in_use_stays),
        cmocka_unit_test(test_assigning_needs_an_assignable_scope),
        cmocka_unit_test(test_who_may_write_definitions),
        cmocka_unit_test(test_lists_show_what_may_be_assigned_there),
        cmocka_unit_test(test_long_lists_come_in_pages),
        cmocka_unit_test(test_a_directory_has_room_for_5000),
    };
    return cmocka_run_group_tests(tests, access_setup, access_teardown);
}
