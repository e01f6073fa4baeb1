/* secret_facts.h - what a get of a secret answers, remembered for as long as nothing is committed.
 *
 * The value stays sealed, as in its row, and is opened for each answer. Whatever changes a secret or its vault is a commit, so the next request after
 * that looks in the store again. What has more than SECRET_FACTS_BYTES of texts is not remembered. Safe from any thread. */
#pragma once
#include "keyvault/objects/object.h"

enum { SECRET_FACTS_MAX = 512, SECRET_FACTS_BYTES = 16 << 10 };

typedef struct SecretFacts {
    int64_t    commits;                 /* store_commits before they were found */
    Str        name, version;
    Str        content_type, tags_json; /* absent: none */
    Bytes      sealed;
    bool       is_managed;
    Attributes attributes;
} SecretFacts;

/* Of what a request names, version empty for the current one; the texts are copied to the arena. false: not known, or something was committed since. */
bool secret_facts_look(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, SecretFacts *out);
void secret_facts_keep(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, const SecretFacts *facts);
