/* key_facts.h - what of a key's version decides about its use: how it is named, whether it may do what, how much it costs.
 *
 * Found in the store, and remembered for as long as nothing is committed: whatever changes a key, its version or its vault is a commit, so the next
 * request after that looks again. The key itself is in the key cache. */
#pragma once
#include "keyvault/objects/object.h"

typedef enum CryptoOp { OP_ENCRYPT, OP_DECRYPT, OP_WRAP, OP_UNWRAP, OP_SIGN, OP_VERIFY, CRYPTO_OP_COUNT } CryptoOp;
const char *crypto_op_name(CryptoOp op);                  /* as key_ops has it: "wrapKey" */

typedef struct KeyFacts {
    int64_t commits;                    /* store_commits before they were found */
    char    name[OBJECT_NAME_MAX], version[VERSION_DIGITS];
    size_t  name_len, version_len;
    bool    is_enabled;
    OptInt  nbf_s, exp_s;
    bool    allows[CRYPTO_OP_COUNT];    /* key_ops */
    bool    is_in_token;
    size_t  modulus_digits;             /* of an RSA key, in base64url; 0: another */
} KeyFacts;

static inline Str key_facts_name(const KeyFacts *facts) { return (Str){ facts->name, facts->name_len }; }
static inline Str key_facts_version(const KeyFacts *facts) { return (Str){ facts->version, facts->version_len }; }

void key_facts_of(const ObjectRow *object, const VersionRow *row, int64_t commits, KeyFacts *out);

/* Of what a request names: version empty for the current one. false: not known, or something was committed since. */
bool key_facts_look(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, KeyFacts *out);
void key_facts_keep(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, const KeyFacts *facts);
