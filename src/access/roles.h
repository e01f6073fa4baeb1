/* roles.h - the built-in roles as data, and how an action is matched against them. */
#pragma once
#include "base/str.h"

enum { ROLE_ACTIONS_MAX = 16 };

typedef struct Role {
    const char *guid, *name, *description;
    const char *actions[ROLE_ACTIONS_MAX], *not_actions[ROLE_ACTIONS_MAX];
    const char *data_actions[ROLE_ACTIONS_MAX];            /* no built-in role takes a data action away again */
    const char *const *may_assign;                         /* NULL-ended role GUIDs: its right to assign roles is bound to these; NULL: unbound */
} Role;

const Role *role_find(Str guid);                           /* NULL: no such role; compares without case */
const Role *role_at(size_t index);                         /* NULL: past the end */
bool role_allows(const Role *role, Str action, bool is_data);
bool role_may_assign(const Role *role, Str assigned_guid);

/* A star stands for any text, slashes included, and between two slashes also for nothing but one of them: Managed Identity
 * Operator, whose pattern has a star between userAssignedIdentities and assign, may do userAssignedIdentities/assign/action. */
bool action_matches(const char *pattern, Str action);
