/* key_facts.c - out of the rows, and in memory. */
#include "keyvault/keys/key_facts.h"
#include <stdlib.h>
#include "keyvault/keys/key_place.h"
#include "site/cache.h"

static const char *const names[] = {
    [OP_ENCRYPT] = "encrypt", [OP_DECRYPT] = "decrypt", [OP_WRAP] = "wrapKey", [OP_UNWRAP] = "unwrapKey", [OP_SIGN] = "sign", [OP_VERIFY] = "verify",
};

const char *crypto_op_name(CryptoOp op) { return names[op]; }

static bool is_listed(const JsonVal *key_ops, const char *name)
{
    for (size_t i = 0; i < json_count(key_ops); i++)
        if (str_eq(json_str(json_at(key_ops, i)), str_from(name)))
            return true;
    return false;
}

static size_t copy(char *to, size_t size, Str text)
{
    size_t len = text.len < size ? text.len : size;          /* names and versions of rows fit */
    memcpy(to, text.ptr, len);
    return len;
}

void key_facts_of(const ObjectRow *object, const VersionRow *row, int64_t commits, KeyFacts *out)
{
    *out = (KeyFacts){
        .commits = commits, .is_enabled = row->attributes.enabled, .nbf_s = row->attributes.nbf_s, .exp_s = row->attributes.exp_s,
        .is_in_token = key_place_of_doc(row->doc) == PLACE_TOKEN, .modulus_digits = json_str(json_path(row->doc, "jwk.n")).len,
    };
    out->name_len = copy(out->name, sizeof out->name, object->name);
    out->version_len = copy(out->version, sizeof out->version, row->version);
    for (int op = 0; op < CRYPTO_OP_COUNT; op++)
        out->allows[op] = is_listed(json_get(row->doc, "key_ops"), names[op]);
}

static void copy_out(const void *block, void *ctx) { *(KeyFacts *)ctx = *(const KeyFacts *)block; }

bool key_facts_look(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, KeyFacts *out)
{
    uint8_t digest[CACHE_KEY_SIZE];
    return object_digest(arena, vault, KV_KEY, name, version, digest) && cache_look(kv->key_facts, digest, copy_out, out) && out->commits == store_commits(kv->site->store);
}

void key_facts_keep(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, const KeyFacts *facts)
{
    uint8_t digest[CACHE_KEY_SIZE];
    KeyFacts *kept = malloc(sizeof *kept);                   /* without memory they are found again */
    if (!kept || !object_digest(arena, vault, KV_KEY, name, version, digest)) {
        free(kept);
        return;
    }
    *kept = *facts;
    cache_put(kv->key_facts, digest, cache_generation(kv->key_facts), kept);
}
