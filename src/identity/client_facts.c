/* client_facts.c - in memory: one block each, with its texts behind it. */
#include <stdlib.h>
#include "crypto/hash.h"
#include "identity/parts.h"

enum { KEPT_SECRETS = 8 };                 /* whoever has more is looked up each time */

typedef struct Kept { int64_t commits; ClientFacts facts; ClientSecret secrets[KEPT_SECRETS]; size_t texts_len; char texts[]; } Kept;

static size_t pack_size(Principal *principal)
{
    Str *texts[] = { &principal->object_id, &principal->app_id, &principal->display_name, &principal->mirid };
    return str_pack_size(texts, COUNT_OF(texts));
}

static void pack(Kept *kept)
{
    Principal *principal = &kept->facts.principal;
    Str *texts[] = { &principal->object_id, &principal->app_id, &principal->display_name, &principal->mirid };
    str_pack(texts, COUNT_OF(texts), kept->texts);
    kept->facts.secrets = kept->secrets;
}

typedef struct Look { int64_t commits; Arena *arena; const ClientFacts *found; } Look;

static void copy_out(const void *block, void *ctx)
{
    const Kept *kept = block;
    Look *look = ctx;
    Kept *copy = kept->commits == look->commits ? arena_alloc(look->arena, sizeof *kept + kept->texts_len) : NULL;
    if (!copy)
        return;
    memcpy(copy, kept, sizeof *kept);
    pack(copy);
    look->found = &copy->facts;
}

static void keep(Identity *identity, const uint8_t key[SHA256_SIZE], int64_t commits, const ClientFacts *facts)
{
    Principal principal = facts->principal;
    size_t len = pack_size(&principal);
    bool is_worth_it = facts->has_application && facts->has_principal && facts->secret_count <= KEPT_SECRETS && commits == store_commits(identity->site->store);
    Kept *kept = is_worth_it ? malloc(sizeof *kept + len) : NULL;        /* without memory it is found again */
    if (!kept)
        return;
    *kept = (Kept){ .commits = commits, .facts = *facts, .texts_len = len };
    if (facts->secret_count)
        memcpy(kept->secrets, facts->secrets, facts->secret_count * sizeof *facts->secrets);
    pack(kept);
    cache_put(identity->clients, key, cache_generation(identity->clients), kept);
}

typedef struct Find { Identity *identity; Arena *arena; Str app_id; ClientFacts *out; } Find;

static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    Find *find = ctx;
    ClientFacts *out = find->out;
    Application application;
    *out = (ClientFacts){ 0 };
    return application_by_app_id(find->identity, txn, find->arena, find->app_id, &application, &out->has_application, err) &&
           principal_by_app_id(find->identity, txn, find->arena, find->app_id, &out->principal, &out->has_principal, err) &&
           credential_secrets(txn, find->arena, find->app_id, &out->secrets, &out->secret_count, err);
}

bool client_facts_find(Identity *identity, Arena *arena, Str app_id, const ClientFacts **out, Err *err)
{
    uint8_t key[SHA256_SIZE];
    Look look = { .commits = store_commits(identity->site->store), .arena = arena };     /* before the look, so what comes in between is looked at again */
    sha256(bytes_of(app_id), key);
    if (cache_look(identity->clients, key, copy_out, &look) && look.found) {
        *out = look.found;
        return true;
    }
    Find find = { .identity = identity, .arena = arena, .app_id = app_id, .out = ARENA_NEW(arena, ClientFacts) };
    if (!find.out)
        return err_too_big(err);
    if (!store_read(identity->site->store, find_txn, &find, err))
        return false;
    keep(identity, key, look.commits, find.out);
    *out = find.out;
    return true;
}
