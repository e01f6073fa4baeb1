/* key_rotation.h - new versions of keys: when asked for, and by the clock as the key's rotation policy says.
 *
 * The policy belongs to the key, not to a version. The newest version decides when the next is due: so long after its creation, or before
 * its expiry. A clock that jumped years rotates once; work that runs twice rotates once. */
#pragma once
#include "keyvault/objects/object.h"
#include "keyvault/plane.h"

#define WORK_ROTATE "keyvault.key_rotate"     /* "<vault id>/<name in lower case>" */

bool key_rotate(Req *req, Reply *reply, Err *err);
bool key_rotation_get(Req *req, Reply *reply, Err *err);
bool key_rotation_set(Req *req, Reply *reply, Err *err);

/* Schedules the key's next rotation and notification, or takes them off: in every transaction that changes its versions, their expiry, or the policy. */
bool key_rotation_schedule(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err) MUST_CHECK;
bool key_rotation_erase(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err) MUST_CHECK;      /* with the key */

RunnerFn key_rotation_run;
