/* test_permission.c - who may do what in a vault: roles or access policies, never both, and each change counts at once. */
#include "fixture.h"
#include "base/id.h"
#include "keyvault/data_routes.h"
#include "keyvault/vaults/permission.h"
#include "access/roles.h"

#define ADMINISTRATOR   "00482a5a-887f-4fb3-b363-3b7fe8e74483"
#define READER          "21090545-7ca7-4776-b22c-e363652d74d2"
#define SECRETS_OFFICER "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
#define SECRETS_USER    "4633458b-17de-408a-b874-0445c86b69e6"
#define CRYPTO_OFFICER  "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
#define ENCRYPTION_USER "e147488a-f6f5-4113-8e2d-b22465e65bf6"
#define CERT_USER       "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba"
#define CERT_OFFICER    "a4417e6f-fecd-4de8-b567-7b0420556985"
#define VAULT_CONTRIBUTOR "f25e0fa2-a7c8-4377-a976-54943a77a395"
#define DATA_ACCESS_ADMIN "8b54135c-b56d-4d72-a534-26097cfdc8d8"
#define RBAC            ",\"enableRbacAuthorization\":true"

static const char *whole(const char *path) { return text("/subscriptions/" STR_FMT "%s", STR_ARG(fix.subscription), path); }

/* Assigns to nobody, who has nothing else; answers the assignment's path for take_away. */
static const char *give(const char *role, const char *scope)
{
    const char *path = text("%s/providers/Microsoft.Authorization/roleAssignments/" STR_FMT, scope, STR_ARG(guid_new(fix.arena)));
    Answer answer = arm_call("PUT", path, text("{\"properties\":{\"roleDefinitionId\":\"%s/providers/Microsoft.Authorization/roleDefinitions/%s\",\"principalId\":\"" STR_FMT "\"}}",
                                               whole(""), role, STR_ARG(fix.nobody.principal.object_id)));
    expect_status(&answer, 201);
    return path;
}

static void take_away(const char *assignment)
{
    Answer answer = arm_call("DELETE", assignment, NULL);
    expect_status(&answer, 200);
}

static Answer as_nobody(const char *method, const char *vault, const char *path, const char *body)
{
    return call(method, text("%s.vault", vault), text("%s" API, path), fix.nobody.vault_token, body);
}

static Answer as_owner(const char *method, const char *vault, const char *path, const char *body)
{
    return call(method, text("%s.vault", vault), text("%s" API, path), fix.owner.vault_token, body);
}

static void expect_rbac_refusal(const Answer *answer, const char *action) { expect_error(answer, 403, "Forbidden", "ForbiddenByRbac", action); }

static const char *rbac_vault(const char *name)
{
    Answer made = make_vault(name, RBAC);
    expect_status(&made, 201);
    assert_true(json_bool(json_path(made.json, "properties.enableRbacAuthorization"), false));
    return text(VAULTS "%s", name);
}

/* The role keeps the tests apart: each gives the owner what it needs to prepare things. */
static void give_owner(const char *role, const char *scope)
{
    Answer answer = arm_call("PUT", text("%s/providers/Microsoft.Authorization/roleAssignments/" STR_FMT, scope, STR_ARG(guid_new(fix.arena))),
                             text("{\"properties\":{\"roleDefinitionId\":\"%s/providers/Microsoft.Authorization/roleDefinitions/%s\",\"principalId\":\"" STR_FMT "\"}}",
                                  whole(""), role, STR_ARG(fix.owner.principal.object_id)));
    expect_status(&answer, 201);
}

static void put_secret(const char *vault, const char *name)
{
    Answer answer = as_owner("PUT", vault, text("/secrets/%s", name), "{\"value\":\"v\"}");
    expect_status(&answer, 200);
}

static void test_every_route_has_a_data_action_that_the_administrator_may(void **state)
{
    (void)state;
    const Role *administrator = role_find(STR(ADMINISTRATOR));
    for (size_t i = 0; i < data_route_count; i++) {
        if (strcmp(data_routes[i].permission, PERM_TOKEN) == 0 || strcmp(data_routes[i].permission, PERM_PUBLIC) == 0)
            continue;
        const char *action = data_action_of(str_from(data_routes[i].permission), str_from(data_routes[i].operation));
        if (!action || !role_allows(administrator, str_from(action), true))
            fail_msg("%s (%s) has the data action %s", data_routes[i].operation, data_routes[i].permission, action ? action : "(none)");
        assert_false(role_allows(role_find(ROLE_OWNER), str_from(action), true));
    }
    assert_null(data_action_of(STR("secrets/unheard"), STR("")));
}

static void test_a_role_opens_a_vault_and_its_removal_closes_it_at_once(void **state)
{
    (void)state;
    const char *vault = rbac_vault("by-role");
    Answer answer = as_nobody("PUT", "by-role", "/secrets/s", "{\"value\":\"v\"}");
    expect_rbac_refusal(&answer, "Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'\r\nResource: '/subscriptions/");
    expect_error(&answer, 403, "Forbidden", "ForbiddenByRbac", "/vaults/by-role/secrets/s'\r\nAssignment: (not found)");
    expect_error(&answer, 403, "Forbidden", "ForbiddenByRbac", "Vault: by-role;location=westus2");
    const char *assignment = give(SECRETS_OFFICER, vault);
    answer = as_nobody("PUT", "by-role", "/secrets/s", "{\"value\":\"v\"}");
    expect_status(&answer, 200);
    answer = as_nobody("GET", "by-role", "/secrets", NULL);
    expect_status(&answer, 200);
    answer = as_nobody("POST", "by-role", "/keys/k/create", "{\"kty\":\"EC\"}");
    expect_rbac_refusal(&answer, "keys/create/action");
    take_away(assignment);
    answer = as_nobody("GET", "by-role", "/secrets/s", NULL);
    expect_rbac_refusal(&answer, "secrets/getSecret/action");
    answer = as_nobody("GET", "by-role", "/secrets", NULL);
    expect_rbac_refusal(&answer, "secrets/readMetadata/action");
}

static void test_owner_of_a_subscription_has_no_data(void **state)
{
    (void)state;
    rbac_vault("owner-none");
    Answer answer = as_owner("GET", "owner-none", "/secrets", NULL);         /* its access policies rest */
    expect_rbac_refusal(&answer, "secrets/readMetadata/action");
}

static void test_scopes_reach_down_and_not_up(void **state)
{
    (void)state;
    const char *vault = rbac_vault("scopes");
    give_owner(SECRETS_OFFICER, vault);
    put_secret("scopes", "one");
    put_secret("scopes", "two");
    const char *const above[] = { "", "/resourceGroups/" GROUP, vault };
    for (size_t i = 0; i < COUNT_OF(above); i++) {
        const char *assignment = give(SECRETS_USER, above[i]);
        Answer answer = as_nobody("GET", "scopes", "/secrets/two", NULL);
        expect_status(&answer, 200);
        take_away(assignment);
        answer = as_nobody("GET", "scopes", "/secrets/two", NULL);
        expect_rbac_refusal(&answer, "");
    }
    const char *assignment = give(SECRETS_USER, text("%s/secrets/one", vault));
    Answer answer = as_nobody("GET", "scopes", "/secrets/one", NULL);
    expect_status(&answer, 200);
    answer = as_nobody("GET", "scopes", "/secrets/ONE", NULL);
    expect_status(&answer, 200);
    answer = as_nobody("GET", "scopes", "/secrets/two", NULL);
    expect_rbac_refusal(&answer, "");
    answer = as_nobody("GET", "scopes", "/secrets/one1", NULL);
    expect_rbac_refusal(&answer, "");
    answer = as_nobody("GET", "scopes", "/secrets", NULL);
    expect_rbac_refusal(&answer, "");
    answer = as_nobody("GET", "scopes", "/keys/one", NULL);
    expect_rbac_refusal(&answer, "keys/read");
    take_away(assignment);
}

static void test_each_data_role_does_its_part_and_no_more(void **state)
{
    (void)state;
    const char *vault = rbac_vault("roles");
    give_owner(ADMINISTRATOR, vault);
    put_secret("roles", "s");
    Answer key = as_owner("POST", "roles", "/keys/k/create", "{\"kty\":\"RSA\"}");
    expect_status(&key, 200);
    static const struct { const char *role, *method, *path, *body; int status; } cases[] = {
        { READER,          "GET",   "/secrets",            NULL, 200 },
        { READER,          "GET",   "/secrets/s",          NULL, 403 },
        { READER,          "GET",   "/keys/k",             NULL, 200 },
        { READER,          "GET",   "/certificates",       NULL, 200 },
        { READER,          "GET",   "/deletedsecrets/x",   NULL, 404 },
        { SECRETS_USER,    "GET",   "/secrets/s",          NULL, 200 },
        { SECRETS_USER,    "PATCH", "/secrets/s/",         "{}", 403 },
        { SECRETS_USER,    "PUT",   "/secrets/s",          "{\"value\":\"v\"}", 403 },
        { SECRETS_USER,    "DELETE", "/secrets/s",         NULL, 403 },
        { SECRETS_OFFICER, "PATCH", "/secrets/s/",         "{}", 200 },
        { SECRETS_OFFICER, "GET",   "/certificates",       NULL, 403 },
        { CRYPTO_OFFICER,  "GET",   "/keys",               NULL, 200 },
        { CRYPTO_OFFICER,  "GET",   "/secrets/s",          NULL, 403 },
        { CERT_USER,       "GET",   "/secrets/s",          NULL, 200 },
        { CERT_USER,       "GET",   "/certificates",       NULL, 200 },
        { CERT_USER,       "POST",  "/certificates/c/create", "{}", 403 },
        { CERT_OFFICER,    "GET",   "/certificates",       NULL, 200 },
        { CERT_OFFICER,    "GET",   "/secrets/s",          NULL, 403 },
        { VAULT_CONTRIBUTOR, "GET", "/secrets",            NULL, 403 },
        { DATA_ACCESS_ADMIN, "GET", "/secrets",            NULL, 403 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *assignment = give(cases[i].role, vault);
        Answer answer = as_nobody(cases[i].method, "roles", cases[i].path, cases[i].body);
        if (answer.status != cases[i].status)
            fail_msg("case %zu, %s %s: %d " STR_FMT, i, cases[i].method, cases[i].path, answer.status, STR_ARG(answer.body));
        take_away(assignment);
    }
}

static void test_who_may_read_a_key_may_use_its_public_part(void **state)
{
    (void)state;
    const char *vault = rbac_vault("public-part"), *wrap = "{\"alg\":\"RSA-OAEP-256\",\"value\":\"AQID\"}";
    give_owner(CRYPTO_OFFICER, vault);
    Answer key = as_owner("POST", "public-part", "/keys/k/create", "{\"kty\":\"RSA\"}");
    expect_status(&key, 200);
    const char *assignment = give(READER, vault);
    Answer answer = as_nobody("POST", "public-part", "/keys/k//wrapkey", wrap);
    expect_status(&answer, 200);
    Answer unwrap = as_nobody("POST", "public-part", "/keys/k//unwrapkey", text("{\"alg\":\"RSA-OAEP-256\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&answer, "value"))));
    expect_rbac_refusal(&unwrap, "keys/unwrap/action");
    answer = as_nobody("POST", "public-part", "/keys/none//wrapkey", wrap);
    expect_error(&answer, 404, "KeyNotFound", NULL, "none");
    take_away(assignment);
    answer = as_nobody("POST", "public-part", "/keys/k//wrapkey", wrap);
    expect_rbac_refusal(&answer, "keys/wrap/action");
    assignment = give(ENCRYPTION_USER, text("%s/keys/k", vault));           /* what an account with a customer's key is given */
    answer = as_nobody("POST", "public-part", "/keys/k//wrapkey", wrap);
    expect_status(&answer, 200);
    unwrap = as_nobody("POST", "public-part", "/keys/k//unwrapkey", text("{\"alg\":\"RSA-OAEP-256\",\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&answer, "value"))));
    expect_status(&unwrap, 200);
    answer = as_nobody("POST", "public-part", "/keys/k//sign", "{\"alg\":\"RS256\",\"value\":\"\"}");
    expect_rbac_refusal(&answer, "keys/sign/action");
    take_away(assignment);
}

static void test_one_model_decides_and_the_other_rests(void **state)
{
    (void)state;
    Answer made = make_vault("switch", "");
    expect_status(&made, 201);
    const char *vault = VAULTS "switch", *assignment = give(ADMINISTRATOR, vault);
    Answer answer = as_nobody("GET", "switch", "/secrets", NULL);
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "does not have secrets list permission");
    answer = as_owner("GET", "switch", "/secrets", NULL);
    expect_status(&answer, 200);

    answer = arm_call("PATCH", vault, "{\"properties\":{\"enableRbacAuthorization\":true}}");
    expect_status(&answer, 200);
    assert_int_equal(json_count(json_path(answer.json, "properties.accessPolicies")), 1);      /* kept for the way back */
    answer = as_nobody("GET", "switch", "/secrets", NULL);
    expect_status(&answer, 200);
    answer = as_owner("GET", "switch", "/secrets", NULL);
    expect_rbac_refusal(&answer, "");

    answer = arm_call("PATCH", vault, "{\"properties\":{\"enableRbacAuthorization\":false}}");
    expect_status(&answer, 200);
    answer = as_nobody("GET", "switch", "/secrets", NULL);
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "");
    answer = as_owner("GET", "switch", "/secrets", NULL);
    expect_status(&answer, 200);
    take_away(assignment);
}

static void test_who_cannot_assign_every_role_cannot_change_the_model(void **state)
{
    (void)state;
    Answer made = make_vault("model", "");
    expect_status(&made, 201);
    const char *path = whole(VAULTS "model" ARM_API), *on = "{\"properties\":{\"enableRbacAuthorization\":true}}";
    const char *write = give(VAULT_CONTRIBUTOR, VAULTS "model"), *bound = give(DATA_ACCESS_ADMIN, VAULTS "model");
    Answer answer = call("PATCH", "management", path, fix.nobody.arm_token, on);
    expect_error(&answer, 403, "InsufficientPermissions", NULL, "permission model");
    answer = call("PATCH", "management", path, fix.nobody.arm_token, "{\"tags\":{\"a\":\"b\"},\"properties\":{\"enableRbacAuthorization\":false}}");
    expect_status(&answer, 200);                             /* as it was: no change of model */
    answer = arm_call("GET", VAULTS "model", NULL);
    assert_false(json_bool(json_path(answer.json, "properties.enableRbacAuthorization"), true));
    const char *unbound = give("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", VAULTS "model");        /* User Access Administrator */
    answer = call("PATCH", "management", path, fix.nobody.arm_token, on);
    expect_status(&answer, 200);
    take_away(write);
    take_away(bound);
    take_away(unbound);
}

static void test_new_vaults_are_decided_by_the_api_version(void **state)
{
    (void)state;
    Str body = str_printf(fix.arena, "{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" STR_FMT "\",\"sku\":{\"family\":\"A\",\"name\":\"standard\"}}}",
                          STR_ARG(fix.site.tenant_id));
    const char *bytes = text(STR_FMT, STR_ARG(body));
    Answer answer = call("PUT", "management", whole(VAULTS "by-date?api-version=2025-05-01"), fix.owner.arm_token, bytes);
    expect_error(&answer, 400, "BadRequest", NULL, "accessPolicies");
    answer = call("PUT", "management", whole(VAULTS "by-date?api-version=2026-02-01"), fix.owner.arm_token, bytes);
    expect_status(&answer, 201);
    assert_true(json_bool(json_path(answer.json, "properties.enableRbacAuthorization"), false));
    assert_int_equal(json_kind(json_path(answer.json, "properties.accessPolicies")), JSON_ARRAY);
    answer = call("PUT", "management", whole(VAULTS "by-date?api-version=2026-02-01"), fix.owner.arm_token, bytes);      /* again, and nothing changes */
    expect_status(&answer, 200);
    answer = make_vault("by-date-2", "");
    assert_false(json_bool(json_path(answer.json, "properties.enableRbacAuthorization"), true));
}

static void test_the_feed_tells_of_what_may_be_got(void **state)
{
    (void)state;
    const char *vault = rbac_vault("feed");
    give_owner(SECRETS_OFFICER, vault);
    Answer answer = as_nobody("GET", "feed", "/changes", NULL);
    expect_rbac_refusal(&answer, "secrets/getSecret/action");
    const char *other = give(CRYPTO_OFFICER, text("%s/keys/k", vault));      /* a role below, of another kind, opens nothing */
    answer = as_nobody("GET", "feed", "/changes", NULL);
    expect_rbac_refusal(&answer, "");
    const char *assignment = give(SECRETS_USER, text("%s/secrets/mine", vault));
    answer = as_nobody("GET", "feed", "/changes", NULL);
    expect_status(&answer, 200);
    put_secret("feed", "theirs");
    put_secret("feed", "mine");
    put_secret("feed", "theirs");
    answer = call("GET", "feed.vault", text("/changes" API "&wait=0&after=" STR_FMT, STR_ARG(text_at(&answer, "cursor"))), fix.nobody.vault_token, NULL);
    expect_status(&answer, 200);
    assert_int_equal(json_count(json_get(answer.json, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(answer.json, "value"), 0), "name")), "mine");
    for (int i = 0; i < 120; i++)                            /* a page of others' changes moves the cursor on */
        put_secret("feed", "theirs");
    put_secret("feed", "mine");
    Str cursor = text_at(&answer, "cursor");
    answer = call("GET", "feed.vault", text("/changes" API "&after=" STR_FMT, STR_ARG(cursor)), fix.nobody.vault_token, NULL);
    expect_status(&answer, 200);
    assert_int_equal(json_count(json_get(answer.json, "value")), 0);
    assert_false(str_eq(cursor, text_at(&answer, "cursor")));
    answer = call("GET", "feed.vault", text("/changes" API "&after=" STR_FMT, STR_ARG(text_at(&answer, "cursor"))), fix.nobody.vault_token, NULL);
    assert_int_equal(json_count(json_get(answer.json, "value")), 1);
    take_away(assignment);
    take_away(other);
}

static void test_roles_go_with_what_they_were_assigned_at(void **state)
{
    (void)state;
    const char *vault = rbac_vault("gone");
    give_owner(ADMINISTRATOR, "/resourceGroups/" GROUP);
    put_secret("gone", "s");
    const char *at_secret = give(SECRETS_USER, text("%s/secrets/s", vault));
    Answer answer = as_owner("DELETE", "gone", "/secrets/s", NULL);
    expect_status(&answer, 200);
    answer = as_owner("DELETE", "gone", "/deletedsecrets/s", NULL);
    expect_status(&answer, 204);
    put_secret("gone", "s");
    answer = as_nobody("GET", "gone", "/secrets/s", NULL);
    expect_rbac_refusal(&answer, "");
    answer = arm_call("GET", at_secret, NULL);
    expect_error(&answer, 404, "RoleAssignmentNotFound", NULL, "");

    give(SECRETS_USER, vault);
    answer = arm_call("DELETE", vault, NULL);
    expect_status(&answer, 200);
    answer = make_vault("gone", ",\"createMode\":\"recover\"");
    expect_status(&answer, 200);
    assert_true(json_bool(json_path(answer.json, "properties.enableRbacAuthorization"), false));
    answer = as_nobody("GET", "gone", "/secrets/s", NULL);
    expect_rbac_refusal(&answer, "");
    answer = as_owner("GET", "gone", "/secrets/s", NULL);
    expect_status(&answer, 200);
}

static void test_a_role_is_told_to_who_waits_for_it_wherever_it_is_given(void **state)
{
    (void)state;
    const char *vault = rbac_vault("waits-rbac");
    const char *const scopes[] = { vault, "/resourceGroups/" GROUP, "", text("%s/secrets/one", vault) };
    give_owner(SECRETS_OFFICER, vault);
    put_secret("waits-rbac", "one");
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        Parked parked;
        parked_begin(&parked, "waits-rbac", "wait=50", fix.nobody.vault_token);
        const char *role = give(SECRETS_USER, scopes[i]);
        const JsonVal *body = parked_end(&parked, 200);
        assert_true(json_str(json_get(body, "cursor")).len > 0);
        assert_true(parked.took_ms < 20000);
        arena_free(parked.arena);
        take_away(role);
    }
}

static void test_a_role_for_one_secret_more_is_told_to_who_may_get_another(void **state)
{
    (void)state;
    const char *vault = rbac_vault("waits-more");
    Parked parked;
    give_owner(SECRETS_OFFICER, vault);
    put_secret("waits-more", "one");
    put_secret("waits-more", "two");
    const char *first = give(SECRETS_USER, text("%s/secrets/one", vault));
    Answer now = call("GET", "waits-more.vault", "/changes" API, fix.nobody.vault_token, NULL);
    expect_status(&now, 200);
    parked_begin(&parked, "waits-more", text("wait=50&after=" STR_FMT, STR_ARG(text_at(&now, "cursor"))), fix.nobody.vault_token);
    put_secret("waits-more", "two");                         /* nothing for him yet */
    const char *second = give(SECRETS_USER, text("%s/secrets/two", vault));
    const JsonVal *body = parked_end(&parked, 200);
    assert_true(parked.took_ms < 20000);
    assert_int_equal(json_count(json_get(body, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(body, "value"), 0), "name")), "two");
    arena_free(parked.arena);
    take_away(first);
    take_away(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_has_a_data_action_that_the_administrator_may),
        cmocka_unit_test(test_a_role_opens_a_vault_and_its_removal_closes_it_at_once),
        cmocka_unit_test(test_owner_of_a_subscription_has_no_data),
        cmocka_unit_test(test_scopes_reach_down_and_not_up),
        cmocka_unit_test(test_each_data_role_does_its_part_and_no_more),
        cmocka_unit_test(test_who_may_read_a_key_may_use_its_public_part),
        cmocka_unit_test(test_one_model_decides_and_the_other_rests),
        cmocka_unit_test(test_who_cannot_assign_every_role_cannot_change_the_model),
        cmocka_unit_test(test_new_vaults_are_decided_by_the_api_version),
        cmocka_unit_test(test_the_feed_tells_of_what_may_be_got),
        cmocka_unit_test(test_roles_go_with_what_they_were_assigned_at),
        cmocka_unit_test(test_a_role_is_told_to_who_waits_for_it_wherever_it_is_given),
        cmocka_unit_test(test_a_role_for_one_secret_more_is_told_to_who_may_get_another),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
