/* hsm_key.h - keys of vaults whose private half is in the site's PKCS#11 token: RSA-HSM, EC-HSM and oct-HSM.
 *
 * The token is no part of a transaction. So a row of kv_hsm_key is committed before a key is made, and the version (or pending certificate) that
 * names the key is committed after; background work destroys in the token whatever no row names (any more), and only then forgets it. A server
 * that is killed at any point leaves a key that is named, or one that the next start destroys. */
#pragma once
#include "keyvault/keys/key_place.h"

#define WORK_HSM "keyvault.hsm_keys"            /* destroys in the token what is not named; one key: "all" */

extern const KeyPlaceOps hsm_place;

/* May this vault use keys in a token? ERR_BAD_INPUT in the service's words: it is standard; ERR_NOT_BUILT: this server was started without a token. */
bool hsm_check(const KeyVault *kv, const Vault *vault, Err *err) MUST_CHECK;

/* What is kept of such a key, told from a software key: its id, for the row's column hsm_key; absent: a software key. */
Str  hsm_kept_id(Arena *arena, Bytes kept);
bool hsm_kept(const KeyRef *key, Secret **out, bool *is_token, Err *err) MUST_CHECK;      /* for a row; *out is written for a key in the token alone */
bool hsm_kept_is_wrapped(Bytes kept);           /* a backup can hold it */

/* In the transaction that stores what is kept: from now on the key is named by its row. id absent: nothing to do. */
bool hsm_name(Txn *txn, Str id, Err *err) MUST_CHECK;
/* In a transaction that took rows of the vault away, which may have named keys. */
bool hsm_sweep(KeyVault *kv, Txn *txn, const Vault *vault, Err *err) MUST_CHECK;
bool hsm_start(KeyVault *kv, Err *err) MUST_CHECK;      /* at start: what a killed server left */
RunnerFn hsm_sweep_run;

/* A key of a backup, in the token once more under an id of its own. */
bool hsm_restore(KeyVault *kv, const Vault *vault, Bytes kept, KeyMade *out, Err *err) MUST_CHECK;
/* BYOK: the key of `blob` (CKM_RSA_AES_KEY_WRAP), wrapped for the key that `kek_kept` keeps. */
bool hsm_transfer(KeyVault *kv, const Vault *vault, KeyKind kind, Bytes kek_kept, Bytes blob, KeyMade *out, Err *err) MUST_CHECK;
