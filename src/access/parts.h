/* parts.h - what the files of access/ share. Nobody else includes it. */
#pragma once
#include "access/access.h"
#include "access/roles.h"
#include "site/cache.h"
#include "site/page.h"

struct Access {
    Site *site;
    Identity *identity;
    Cache *grants;                          /* by SHA-256 of the principal's object id */
    AccessScopeCheck *scope_check;
    void *scope_ctx;
    AccessChanged *changed;                 /* NULL: nobody wants to know */
    void *changed_ctx;
};

/* grants.c: one principal's role assignments, in one block of memory, with the custom roles among them. */
typedef struct Grant { const Role *role; Str scope, name; } Grant;       /* scope in lower case */
typedef struct Grants { size_t count; Grant items[]; } Grants;

void access_forget_grants(void *access, int64_t number);                 /* for txn_after_commit: all that is cached is void */
bool access_look_at_grants(Access *access, Str object_id, void (*look)(const void *grants, void *ctx), void *ctx, Err *err) MUST_CHECK;

/* Scopes as they are compared: lower case, without a slash at the end, "/" for the tenant. */
Str  scope_normal(Arena *arena, Str scope);
bool scope_covers(Str outer, Str inner);    /* both normal */
Str  scope_subscription(Str scope);         /* the GUID in it; absent if the scope is the tenant */

/* May the caller assign this role (or take it away) at this scope? Some roles may hand out a few others only. */
bool access_require_delegation(Access *access, const Caller *caller, Str action, Str scope, Str role_guid, Err *err) MUST_CHECK;

/* assignment.c */
typedef struct Assignment {
    Str name, scope, principal_id, role_id, created_by, updated_by, description;     /* scope as written; description absent if none */
    int64_t created_ms, updated_ms;
} Assignment;

bool assignment_insert(Access *access, Txn *txn, Arena *arena, const Assignment *assignment, Err *err) MUST_CHECK;   /* ERR_CONFLICT RoleAssignmentExists */
bool assignment_describe(Access *access, Txn *txn, Arena *arena, const Assignment *assignment, Err *err) MUST_CHECK;  /* sets description and who updated it when */
bool assignment_find(Access *access, Txn *txn, Arena *arena, Str name, Assignment *out, bool *found, Err *err) MUST_CHECK;
bool assignment_delete(Access *access, Txn *txn, Str name, Err *err) MUST_CHECK;
/* Each assignment (of one principal, unless principal_id is absent), in the order of scopes; visit may stop with an error. */
typedef bool AssignmentVisit(void *ctx, const Assignment *assignment, Err *err);
bool assignment_each(Access *access, Txn *txn, Arena *arena, Str principal_id, AssignmentVisit *visit, void *ctx, Err *err) MUST_CHECK;
bool assignment_each_of_role(Access *access, Txn *txn, Arena *arena, Str role_id, AssignmentVisit *visit, void *ctx, Err *err) MUST_CHECK;    /* in lower case */

/* custom_role.c */
typedef struct CustomRole {
    Role role;                                  /* guid in lower case */
    const char *const *scopes;                  /* where it may be assigned, as written; ends with NULL */
    Str created_by, updated_by;
    int64_t created_ms, updated_ms, revision;   /* revision: one more with each change */
} CustomRole;

bool custom_role_find(Access *access, Txn *txn, Arena *arena, Str guid, CustomRole *out, bool *found, Err *err) MUST_CHECK;
bool custom_role_put(Access *access, Txn *txn, Arena *arena, const CustomRole *custom, Err *err) MUST_CHECK;         /* ERR_CONFLICT RoleDefinitionWithSameNameExists */
bool custom_role_delete(Txn *txn, Str guid, Err *err) MUST_CHECK;
bool custom_role_count(Txn *txn, Arena *arena, int64_t *count, Err *err) MUST_CHECK;
/* Those that may be assigned at `scope` (normal), and with is_below anywhere below it, by name, after the name `after` in lower case (absent: all).
 * What the visit is shown is gone afterwards. */
typedef bool CustomRoleVisit(void *ctx, const CustomRole *custom, bool *done, Err *err);
bool custom_role_each(Access *access, Txn *txn, Str scope, bool is_below, Str after, CustomRoleVisit *visit, void *ctx, Err *err) MUST_CHECK;
bool custom_role_is_assignable(Arena *arena, const CustomRole *custom, Str scope);
bool custom_role_is_seen_at(Arena *arena, const CustomRole *custom, Str scope);      /* assignable at the scope or somewhere below it */

void role_put_names(JsonWriter *w, const char *name, const char *const *list);
void role_put_permissions(JsonWriter *w, const Role *role);                          /* the elements of an array */
bool role_read_names(Arena *arena, const JsonVal *list, const char *const **out, Err *err) MUST_CHECK;      /* texts, in the arena */
bool role_read_permissions(Arena *arena, const JsonVal *list, Role *out, Err *err) MUST_CHECK;

/* role_in.c: the body of a PUT. Names, actions and scopes are checked, not whether there is something at the scopes. */
bool role_in_read(Req *req, CustomRole *out, Err *err) MUST_CHECK;
bool role_name_taken(Str name, Err *err);                                            /* always false: ERR_CONFLICT */

/* definitions.c */
Str  role_definition_id(Arena *arena, Str subscription, Str role_guid);     /* subscription absent: the tenant's */
void role_definition_put(JsonWriter *w, Arena *arena, Str subscription, const Role *role, const CustomRole *custom);       /* custom NULL: built in */
bool role_not_there(Str guid, Err *err);                                    /* always false: ERR_NOT_FOUND */
Handler role_definitions_list, role_definition_get, permissions_list;

/* role_write.c */
Handler role_definition_write, role_definition_remove;

/* provider_operations.c */
Handler operations_list, provider_operations_list, provider_operations_get;

/* routes.c */
void access_tell_change(Access *access, const Req *req, Str scope);
