/* vault_cache.c - the names of live vaults, and the vaults in use, in memory.
 *
 * Every name has an entry, since TLS asks for names that may not exist. Of the vaults themselves at most LOADED_MAX stay:
 * a vault with a thousand access policies is large. */
#include <pthread.h>
#include <stdlib.h>
#include "base/id.h"
#include "keyvault/vaults/vault.h"

enum { BUCKETS = 4096, LOADED_MAX = 256, VAULT_ARENA_BYTES = 8 << 20 };

typedef struct Entry {
    struct Entry *next;
    Vault *vault;                       /* one reference; NULL: not loaded */
    int64_t seen;                       /* store_commits before it was last found to be current */
    size_t name_len;
    char   name[VAULT_NAME_MAX];
} Entry;

struct VaultCache {
    pthread_mutex_t lock;
    Entry *buckets[BUCKETS];
    size_t loaded;
    size_t hand;                        /* bucket where the search for something to drop goes on */
    uint64_t salt;                      /* names come from outside */
};

static Entry **bucket_of(VaultCache *cache, Str name_key)
{
    uint64_t hash = cache->salt;
    for (size_t i = 0; i < name_key.len; i++)
        hash = (hash ^ (unsigned char)name_key.ptr[i]) * 0x100000001b3u;    /* FNV-1a */
    return &cache->buckets[(hash ^ (hash >> 32)) % BUCKETS];
}

static Entry *entry_find(VaultCache *cache, Str name_key)
{
    Entry *entry = *bucket_of(cache, name_key);
    while (entry && !str_eq((Str){ entry->name, entry->name_len }, name_key))
        entry = entry->next;
    return entry;
}

static Entry *entry_add(VaultCache *cache, Str name_key)
{
    Entry *entry = entry_find(cache, name_key);
    if (entry || name_key.len > VAULT_NAME_MAX)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->name_len = name_key.len;
    memcpy(entry->name, name_key.ptr, name_key.len);
    Entry **bucket = bucket_of(cache, name_key);
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

static void entry_unload(VaultCache *cache, Entry *entry)
{
    if (!entry->vault)
        return;
    vault_release(TAKE(entry->vault));
    cache->loaded--;
}

static void make_room(VaultCache *cache)
{
    for (size_t i = 0; cache->loaded >= LOADED_MAX && i < BUCKETS; i++) {
        cache->hand = (cache->hand + 1) % BUCKETS;
        for (Entry *entry = cache->buckets[cache->hand]; entry; entry = entry->next)
            entry_unload(cache, entry);
    }
}

void vault_release(Vault *vault)
{
    if (vault && atomic_fetch_sub(&vault->refs, 1) == 1)
        arena_free(vault->arena);       /* which the vault lies in */
}

static bool read_names(Txn *txn, void *ctx, Err *err)
{
    VaultCache *cache = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT name_key FROM kv_vault WHERE deleted_ms = 0"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        if (!entry_add(cache, row_text(rows, 0)))
            return err_set(err, ERR_INTERNAL, "out of memory for the names of vaults");
    return err->code == ERR_NONE;
}

bool vault_cache_open(KeyVault *kv, Err *err)
{
    VaultCache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return err_set(err, ERR_INTERNAL, "out of memory for the cache of vaults");
    random_fill(&cache->salt, sizeof cache->salt);
    pthread_mutex_init(&cache->lock, NULL);
    kv->cache = cache;
    return store_read(kv->site->store, read_names, cache, err);
}

void vault_cache_close(VaultCache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (Entry *entry; (entry = cache->buckets[i]);) {
            cache->buckets[i] = entry->next;
            vault_release(entry->vault);
            free(entry);
        }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

bool vault_name_exists(KeyVault *kv, Str name_key)
{
    pthread_mutex_lock(&kv->cache->lock);
    bool exists = entry_find(kv->cache, name_key) != NULL;
    pthread_mutex_unlock(&kv->cache->lock);
    return exists;
}

void vault_name_add(KeyVault *kv, Str name_key)
{
    pthread_mutex_lock(&kv->cache->lock);
    (void)entry_add(kv->cache, name_key);       /* out of memory: the name is unknown until the next start; the row is safe */
    pthread_mutex_unlock(&kv->cache->lock);
}

void vault_name_drop(KeyVault *kv, Str name_key)
{
    pthread_mutex_lock(&kv->cache->lock);
    for (Entry **at = bucket_of(kv->cache, name_key); *at; at = &(*at)->next) {
        Entry *entry = *at;
        if (!str_eq((Str){ entry->name, entry->name_len }, name_key))
            continue;
        *at = entry->next;
        entry_unload(kv->cache, entry);
        free(entry);
        break;
    }
    pthread_mutex_unlock(&kv->cache->lock);
}

/* *is_current: nothing was committed since that was found. */
static Vault *shared_vault(KeyVault *kv, Str name_key, int64_t commits, bool *is_current)
{
    pthread_mutex_lock(&kv->cache->lock);
    Entry *entry = entry_find(kv->cache, name_key);
    Vault *vault = entry ? entry->vault : NULL;
    *is_current = vault && entry->seen == commits;
    if (vault)
        atomic_fetch_add(&vault->refs, 1);
    pthread_mutex_unlock(&kv->cache->lock);
    return vault;
}

static void keep_vault(KeyVault *kv, Vault *vault, int64_t commits)
{
    pthread_mutex_lock(&kv->cache->lock);
    Entry *entry = entry_add(kv->cache, vault->name_key);
    if (entry && entry->vault != vault) {
        entry_unload(kv->cache, entry);
        make_room(kv->cache);
        atomic_fetch_add(&vault->refs, 1);
        entry->vault = vault;
        kv->cache->loaded++;
    }
    if (entry)
        entry->seen = commits;
    pthread_mutex_unlock(&kv->cache->lock);
}

typedef struct Acquire { KeyVault *kv; Str name_key; Vault *vault; bool is_current; } Acquire;

static bool acquire_read(Txn *txn, void *ctx, Err *err)
{
    Acquire *acquire = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT id, revision FROM kv_vault WHERE name_key = ?1 AND deleted_ms = 0",
                   db_text(acquire->name_key)))
        return false;
    *err = (Err){ 0 };
    bool exists = rows_next(rows, err);
    if (!exists && err->code != ERR_NONE)
        return false;
    acquire->is_current = exists && acquire->vault && str_eq(row_text(rows, 0), acquire->vault->id) &&
                          row_int(rows, 1) == acquire->vault->revision;
    if (acquire->is_current)
        return true;
    vault_release(TAKE(acquire->vault));
    if (!exists)
        return true;

    Arena *arena = arena_new(VAULT_ARENA_BYTES);
    Vault *vault = arena ? ARENA_NEW(arena, Vault) : NULL;
    bool found = false;
    if (!vault || !vault_by_name(acquire->kv, txn, arena, acquire->name_key, vault, &found, err)) {
        arena_free(arena);
        return vault ? false : err_set(err, ERR_INTERNAL, "out of memory for a vault");
    }
    vault->arena = arena;
    atomic_store(&vault->refs, 1);
    acquire->vault = vault;             /* the same snapshot: it was found */
    return true;
}

bool vault_acquire(KeyVault *kv, Str name_key, Vault **out, Err *err)
{
    int64_t commits = store_commits(kv->site->store);       /* before the look, so what comes in between is looked at again */
    Acquire acquire = { .kv = kv, .name_key = name_key };
    acquire.vault = shared_vault(kv, name_key, commits, &acquire.is_current);
    if (acquire.is_current)
        return *out = acquire.vault, true;
    if (!store_read(kv->site->store, acquire_read, &acquire, err)) {
        vault_release(acquire.vault);
        return false;
    }
    if (acquire.vault)
        keep_vault(kv, acquire.vault, commits);
    *out = acquire.vault;
    return true;
}
