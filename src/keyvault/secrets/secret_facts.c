/* secret_facts.c - one block each: the facts, and behind them the bytes that their texts point to. */
#include "keyvault/secrets/secret_facts.h"
#include <stdlib.h>

typedef struct Kept { SecretFacts facts; size_t len; char bytes[]; } Kept;

typedef struct Look { int64_t commits; Arena *arena; SecretFacts *out; bool found; } Look;

static void lay_out(SecretFacts *facts, char *at)
{
    Str sealed = str_of(facts->sealed), *texts[] = { &facts->name, &facts->version, &facts->content_type, &facts->tags_json, &sealed };
    str_pack(texts, COUNT_OF(texts), at);
    facts->sealed = bytes_of(sealed);
}

static void copy_out(const void *block, void *ctx)
{
    const Kept *kept = block;
    Look *look = ctx;
    char *room = kept->facts.commits == look->commits ? arena_alloc(look->arena, kept->len) : NULL;
    if (!room)
        return;
    *look->out = kept->facts;
    lay_out(look->out, room);
    look->found = true;
}

bool secret_facts_look(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, SecretFacts *out)
{
    uint8_t digest[CACHE_KEY_SIZE];
    Look look = { .commits = store_commits(kv->site->store), .arena = arena, .out = out };
    return object_digest(arena, vault, KV_SECRET, name, version, digest) && cache_look(kv->secret_facts, digest, copy_out, &look) && look.found;
}

void secret_facts_keep(const KeyVault *kv, const Vault *vault, Arena *arena, Str name, Str version, const SecretFacts *facts)
{
    uint8_t digest[CACHE_KEY_SIZE];
    size_t len = facts->name.len + facts->version.len + facts->content_type.len + facts->tags_json.len + facts->sealed.len;
    if (len > SECRET_FACTS_BYTES || facts->commits != store_commits(kv->site->store) || !object_digest(arena, vault, KV_SECRET, name, version, digest))
        return;
    Kept *kept = malloc(sizeof *kept + len);                 /* without memory they are found again */
    if (!kept)
        return;
    kept->facts = *facts;
    kept->len = len;
    lay_out(&kept->facts, kept->bytes);
    cache_put(kv->secret_facts, digest, cache_generation(kv->secret_facts), kept);
}
