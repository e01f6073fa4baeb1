/* encryption_vault.h - the customer's key, asked over the vault's API by an account's own identity, as any customer does.
 *
 * Calls take as long as the network does: threads of the background runner only. Errors say what the vault did: ERR_DENIED it refuses
 * this identity or this key, ERR_NOT_FOUND vault or key is gone, ERR_BAD_INPUT the key does not fit, ERR_UNAVAILABLE nobody answered.
 * The first three are an answer; only the last is silence. */
#pragma once
#include "batch/encryption/encryption.h"
#include "http/client.h"

typedef struct KeyCalls {
    Batch *batch;
    Arena *arena;
    Principal identity;
    Str token;
} KeyCalls;

/* ERR_DENIED: the principal is gone or disabled. */
bool key_calls_begin(Batch *batch, Arena *arena, Str principal_id, KeyCalls *out, Err *err) MUST_CHECK;

/* Finds the key (version absent: the newest) and checks that it can wrap for us: RSA, enabled, wrapKey and unwrapKey among its operations,
 * in a vault with soft delete and purge protection. *version is the one that was found. */
bool key_check(KeyCalls *calls, const KeyName *key, Str *version, Err *err) MUST_CHECK;
/* key->version must be there. */
bool key_unwrap_data(KeyCalls *calls, const KeyName *key, Str algorithm, Bytes wrapped, Secret **plain, Err *err) MUST_CHECK;

/* Checks the key, wraps a new data key with it and unwraps that again. out->data_key is the caller's to free; identifier, pinned are not set. */
bool key_prove(KeyCalls *calls, const KeyName *key, WrappedKey *out, Secret **data_key, Err *err) MUST_CHECK;
/* May the principal list, get, set and delete the secrets of this vault? Changes nothing there. ERR_DENIED names what it may not. */
bool vault_secrets_check(KeyCalls *calls, Str vault, Err *err) MUST_CHECK;
static inline bool key_is_silent(const Err *err) { return err->code != ERR_DENIED && err->code != ERR_NOT_FOUND && err->code != ERR_BAD_INPUT; }

/* One call to a vault of this site: over its own listener, with its own CA. Batch.vault_call unless a test has another. */
bool key_call_own_site(void *batch, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err) MUST_CHECK;
