/* pool_identity.h - the user-assigned identities of pools and accounts.
 *
 * Kept as JSON [{"resourceId","clientId","principalId"}]. The principal is the one at the time of assignment: an identity deleted
 * and made again under the same name is another one, and does not come back by itself. */
#pragma once
#include "batch/batch.h"

typedef struct AssignedIdentity { Str resource_id, client_id, principal_id; } AssignedIdentity;

enum { ASSIGNED_IDENTITIES_MAX = 100 };

bool identities_from_json(Arena *arena, Str json, AssignedIdentity **out, size_t *count, Err *err) MUST_CHECK;
void identities_write(JsonWriter *w, const char *name, const AssignedIdentity *list, size_t count);      /* the same as member `name` */
Str  identities_to_json(Arena *arena, const AssignedIdentity *list, size_t count);

/* "identity" of a body: {type: "UserAssigned", userAssignedIdentities: {"<ARM id>": {}}}; absent or type None is none.
 * allow_system: "SystemAssigned" is a type too (accounts). ERR_BAD_INPUT names the field. Only ids are filled in. */
typedef struct IdentityIn { bool given, system; AssignedIdentity *list; size_t count; } IdentityIn;
bool identity_read(Arena *arena, const JsonVal *identity, bool allow_system, IdentityIn *out, Err *err) MUST_CHECK;

/* May the caller assign each of them? ERR_DENIED LinkedAuthorizationFailed. Outside of any transaction. */
bool identities_require_assign(Access *access, Arena *arena, const Caller *caller, Str action, Str scope, const IdentityIn *in, Err *err) MUST_CHECK;
/* Fills in stored spelling, client and principal ids. ERR_BAD_INPUT: one does not exist, or is named twice. */
bool identities_resolve(ManagedIdentities *ids, Txn *txn, Arena *arena, IdentityIn *in, Err *err) MUST_CHECK;
