/* roles.h - roles as data, those built in, and how an action is matched against them. */
#pragma once
#include "base/str.h"

enum { ROLE_ACTION_MAX = 512 };                            /* characters of one pattern */

/* Each list ends with NULL; NULL: nothing. */
typedef struct RolePermission { const char *const *actions, *const *not_actions, *const *data_actions, *const *not_data_actions; } RolePermission;

typedef struct Role {
    const char *guid, *name, *description;
    const RolePermission *permissions; size_t permission_count;
    const char *const *may_assign;                         /* NULL-ended role GUIDs: its right to assign roles is bound to these; NULL: unbound */
} Role;

const Role *role_find(Str guid);                           /* a built-in role; NULL: none of them; compares without case */
const Role *role_at(size_t index);                         /* of those; NULL: past the end */
bool role_allows(const Role *role, Str action, bool is_data);
bool role_may_assign(const Role *role, Str assigned_guid);

/* A star stands for any text, slashes included, and between two slashes also for nothing but one of them: Managed Identity
 * Operator, whose pattern has a star between userAssignedIdentities and assign, may do userAssignedIdentities/assign/action.
 * Each star multiplies the work, so what comes from outside has one at most (role_in.c). */
bool action_matches(const char *pattern, Str action);
