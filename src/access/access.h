/* access.h - who may do what: role assignments (Azure RBAC) and vault access policies, one decision, one explanation.
 *
 * Deny by default. Built-in roles are data (access/roles.c). Scopes compare without case; an assignment covers its scope and all below. */
#pragma once
#include "identity/identity.h"

typedef struct Access Access;

/* Also gives identity its directory rule: who may assign roles at some subscription may create applications. */
bool access_open(Site *site, Identity *identity, Access **out, Err *err) MUST_CHECK;
void access_close(Access *access);                                            /* before identity_close; NULL is fine */

typedef struct Decision { bool allowed; char why[256]; } Decision;            /* why: the assignment or policy that allowed, or what is missing */
/* `action` is a control-plane action ("Microsoft.KeyVault/vaults/write") or, with is_data, a data action. */
bool access_decide(Access *access, Arena *arena, Str object_id, Str action, bool is_data, Str scope, Decision *out, Err *err) MUST_CHECK;
/* Is any role assigned to it at `scope` or below? (Lists show such callers what they may read; decided item by item.) */
bool access_has_below(Access *access, Arena *arena, Str object_id, Str scope, bool *any, Err *err) MUST_CHECK;
/* Does a role allow the action at `scope`, above it, or anywhere below? */
bool access_allows_below(Access *access, Arena *arena, Str object_id, Str action, bool is_data, Str scope, bool *any, Err *err) MUST_CHECK;
/* May it assign every role at `scope`? Roles whose right is bound to a few others do not count. */
bool access_may_assign_any(Access *access, Arena *arena, Str object_id, Str scope, bool *allowed, Err *err) MUST_CHECK;
/* Could it hand out any role at a whole subscription (or above)? Asked where the directory itself, or the set of subscriptions, is changed. */
bool access_rules_a_subscription(Access *access, Str object_id, bool *rules, Err *err) MUST_CHECK;
/* access_decide as a refusal: ERR_DENIED "AuthorizationFailed" in ARM's words. */
bool access_require(Access *access, Arena *arena, const Caller *caller, Str action, Str scope, Err *err) MUST_CHECK;

/* name_guid absent: a new one. ERR_CONFLICT RoleAssignmentExists; ERR_NOT_FOUND RoleDefinitionDoesNotExist. */
bool access_assign(Access *access, Txn *txn, Arena *arena, Str scope, Str principal_id, Str role_guid, Str name_guid, Err *err) MUST_CHECK;
bool access_drop_scope(Access *access, Txn *txn, Str scope, Err *err) MUST_CHECK;              /* the resource went away: its assignments too */
bool access_drop_principal(Access *access, Txn *txn, Str principal_id, Err *err) MUST_CHECK;

/* Set by arm/, above which access knows nothing: is there something at this scope (ERR_NOT_FOUND in the service's words if not)?
 * Asked before a role is assigned. */
typedef bool AccessScopeCheck(void *ctx, Txn *txn, Arena *arena, Str scope, Err *err);
void access_on_scope(Access *access, AccessScopeCheck *check, void *ctx);

/* Called after the commit of each role assignment that was given or taken away by a request, with its scope in lower case ("/": the tenant), on
 * that request's thread. Set by keyvault/, where some wait for a permission. */
typedef void AccessChanged(void *ctx, Arena *arena, Str scope);
void access_on_change(Access *access, AccessChanged *changed, void *ctx);

/* Routes of Microsoft.Authorization, to be mounted on the Resource Manager plane by arm/ with the Access as their ctx. */
extern const Route access_routes[];
extern const size_t access_route_count;

#define ROLE_OWNER        STR("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")
#define ROLE_CONTRIBUTOR  STR("b24988ac-6180-42a0-ab88-20f7382dd24c")
#define ROLE_READER       STR("acdd72a7-3385-48ef-bd42-f606fba81ae7")
