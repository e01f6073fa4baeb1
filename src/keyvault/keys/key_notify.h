/* key_notify.h - the action Notify of rotation policies: who listens to events is told so long before the current version expires.
 *
 * Once for each version and expiry (events/expiry.h). A clock that jumped past the expiry tells of it all the same. */
#pragma once
#include "keyvault/keys/key_policy.h"

#define WORK_NOTIFY "keyvault.key_notify"     /* "<vault id>/<name in lower case>" */

/* Schedules the notification of a key whose current version is this, or takes it off; current NULL: there is none. With each change of the policy,
 * of the versions or of their expiry. */
bool key_notify_schedule(KeyVault *kv, Txn *txn, Str work_key, const RotationPolicy *policy, const VersionRow *current, Err *err) MUST_CHECK;

RunnerFn key_notify_run;
