/* expiry.h - NearExpiry and Expired: what the clock has to say about current versions that expire.
 *
 * Both are rows of the change feed (objects/feed.h), told at most once for each version and expiry. Whoever changes a version's `exp` notes it
 * here in the same transaction. Near expiry is NEAR_EXPIRY_DAYS before; of a key with a rotation policy it is when the policy's action Notify
 * says, and then keys/ tells it by expiry_tell_near. What is deleted or not current any more is not told of.
 * Source: Key Vault documentation, "Azure Key Vault as Event Grid source" and "Configure key auto-rotation". */
#pragma once
#include "keyvault/objects/ids.h"

#define WORK_EXPIRY "keyvault.expiry"             /* one key, EXPIRY_KEY, for all vaults */
#define EXPIRY_KEY  STR("clock")
enum { NEAR_EXPIRY_DAYS = 30 };

/* The current version of this object expires at exp_s, or does not. An expiry that is already noted stays as it is. */
bool expiry_note(KeyVault *kv, Txn *txn, const Vault *vault, KvKind kind, Str name_key, Str version, OptInt exp_s, Err *err) MUST_CHECK;
bool expiry_forget(Txn *txn, const Vault *vault, KvKind kind, Str name_key, Err *err) MUST_CHECK;

/* For actions that tell of a near expiry at a time of their own: keys' Notify, certificates' e-mail that cannot be sent. Adds
 * <Kind>NearExpiry to the feed unless it was told for this version; the caller calls feed_wake after the commit. `version` must be the
 * current one; one without `exp` is told each time. */
bool expiry_tell_near(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version, int64_t now_ms, Err *err) MUST_CHECK;

RunnerFn expiry_run;
