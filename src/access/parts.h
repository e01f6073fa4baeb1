/* parts.h - what the files of access/ share. Nobody else includes it. */
#pragma once
#include "access/access.h"
#include "access/roles.h"
#include "site/cache.h"

struct Access {
    Site *site;
    Identity *identity;
    Cache *grants;                          /* by SHA-256 of the principal's object id */
    AccessScopeCheck *scope_check;
    void *scope_ctx;
    AccessChanged *changed;                 /* NULL: nobody wants to know */
    void *changed_ctx;
};

/* One principal's role assignments, in one block of memory. */
typedef struct Grant { const Role *role; Str scope, name; } Grant;       /* scope in lower case */
typedef struct Grants { size_t count; Grant items[]; } Grants;

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

/* definitions.c */
Str  role_definition_id(Arena *arena, Str subscription, Str role_guid);     /* subscription absent: the tenant's */
Handler role_definitions_list, role_definition_get, role_definition_write, permissions_list;
