/* access_fixture.h - a tenant, its administrator's token, and role assignments over HTTP, for the tests of access. */
#pragma once
#include "../identity/tenant_fixture.h"
#include "base/id.h"

#define READER      "acdd72a7-3385-48ef-bd42-f606fba81ae7"
#define OWNER       "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
#define CONTRIBUTOR "b24988ac-6180-42a0-ab88-20f7382dd24c"
#define SECRETS     "4633458b-17de-408a-b874-0445c86b69e6"

static Tenant tenant;
static Str admin_token;

static inline int access_setup(void **state)
{
    tenant_open(&tenant);
    admin_token = tenant_admin_token(&tenant, "https://management.azure.com/.default");
    *state = &tenant;
    return 0;
}

static inline int access_teardown(void **state)
{
    tenant_close(*state);
    return 0;
}

static inline HttpAnswer arm(Tenant *t, Str token, const char *method, Str path, Str body)
{
    return tenant_ask(t, &(Ask){ method, "management", path.ptr, .token = token, .body = body });
}

static inline Str rg(Tenant *t, const char *tail) { return str_printf(t->arena, "%s/resourceGroups/RG1%s", t->scope, tail); }

static inline Str assignment_path(Tenant *t, Str scope, Str name)
{
    return str_printf(t->arena, STR_FMT "/providers/Microsoft.Authorization/roleAssignments/" STR_FMT "?api-version=2022-04-01", STR_ARG(scope), STR_ARG(name));
}

static inline Str assignment_body(Tenant *t, const char *role, Str principal_id, const char *more)
{
    return str_printf(t->arena, "{\"properties\":{\"roleDefinitionId\":\"%s/providers/Microsoft.Authorization/roleDefinitions/%s\",\"principalId\":\"" STR_FMT "\"%s},}",
                      t->scope, role, STR_ARG(principal_id), more);
}

static inline HttpAnswer assign(Tenant *t, Str token, Str scope, Str name, const char *role, Str principal_id)
{
    return arm(t, token, "PUT", assignment_path(t, scope, name), assignment_body(t, role, principal_id, ",\"principalType\":\"ServicePrincipal\""));
}

static inline void assert_status(const HttpAnswer *answer, int status)
{
    if (answer->status != status)
        fail_msg("wanted %d, got %d " STR_FMT, status, answer->status, STR_ARG(answer->body));
}

static inline void assert_refused(Tenant *t, HttpAnswer answer, int status, const char *code)
{
    if (answer.status != status || !str_eq(answer_text(t, &answer, "error.code"), str_from(code)))
        fail_msg("wanted %d %s, got %d " STR_FMT, status, code, answer.status, STR_ARG(answer.body));
}

static inline bool may(Tenant *t, Str object_id, const char *action, bool is_data, Str scope)
{
    Decision decision;
    must(access_decide(t->access, t->arena, object_id, str_from(action), is_data, scope, &decision, E));
    assert_true(decision.why[0]);
    return decision.allowed;
}

static inline Principal somebody(Tenant *t, const char *name, Str *token)
{
    Str secret;
    Principal p = tenant_make_app(t, name, &secret);
    if (token) {
        HttpAnswer answer = tenant_sign_in(t, tenant_secret_form(t, p.app_id, secret, "https://management.azure.com/.default"));
        *token = answer_text(t, &answer, "access_token");
    }
    return p;
}

static inline size_t count_of(Tenant *t, Str path)
{
    HttpAnswer answer = arm(t, admin_token, "GET", path, STR_NONE);
    assert_status(&answer, 200);
    return json_count(json_get(answer_json(t, &answer), "value"));
}

static inline Str list_path(Tenant *t, Str scope, const char *what, const char *filter)
{
    return str_printf(t->arena, STR_FMT "/providers/Microsoft.Authorization/%s?api-version=2022-04-01%s", STR_ARG(scope), what, filter);
}
