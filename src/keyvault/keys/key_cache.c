/* key_cache.c - a table of fixed size, the clock algorithm. */
#include "keyvault/keys/key_cache.h"
#include <pthread.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 32 + 1 + 127 + 1 + 32 };          /* vault id, name, version */

typedef struct Entry { KeyRef *key; bool used; size_t len; char name[NAME_MAX_BYTES]; } Entry;

struct KeyCache {
    pthread_mutex_t lock;
    size_t hand;
    Entry entries[KEY_CACHE_MAX];
};

/* One text of the three; 0: longer than any that exists. */
static size_t join(char out[NAME_MAX_BYTES], Str vault_id, Str name_key, Str version)
{
    const Str parts[] = { vault_id, STR("/"), name_key, STR("/"), version };
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].len > NAME_MAX_BYTES - len)
            return 0;
        memcpy(out + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return len;
}

static Entry *find(KeyCache *cache, const char *name, size_t len)
{
    for (size_t i = 0; i < KEY_CACHE_MAX; i++) {
        Entry *entry = &cache->entries[i];
        if (entry->key && entry->len == len && memcmp(entry->name, name, len) == 0)
            return entry;
    }
    return NULL;
}

KeyCache *key_cache_new(void)
{
    KeyCache *cache = calloc(1, sizeof *cache);
    if (cache)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void key_cache_free(KeyCache *cache)
{
    if (!cache)
        return;
    key_cache_clear(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

KeyRef *key_cache_get(KeyCache *cache, Str vault_id, Str name_key, Str version)
{
    char name[NAME_MAX_BYTES];
    size_t len = join(name, vault_id, name_key, version);
    pthread_mutex_lock(&cache->lock);
    Entry *entry = len ? find(cache, name, len) : NULL;
    KeyRef *key = entry ? key_share(entry->key) : NULL;
    if (entry)
        entry->used = true;
    pthread_mutex_unlock(&cache->lock);
    return key;
}

void key_cache_put(KeyCache *cache, Str vault_id, Str name_key, Str version, KeyRef *key)
{
    char name[NAME_MAX_BYTES];
    size_t len = join(name, vault_id, name_key, version);
    pthread_mutex_lock(&cache->lock);
    if (len && !find(cache, name, len)) {
        while (cache->entries[cache->hand].used) {
            cache->entries[cache->hand].used = false;
            cache->hand = (cache->hand + 1) % KEY_CACHE_MAX;
        }
        Entry *entry = &cache->entries[cache->hand];
        cache->hand = (cache->hand + 1) % KEY_CACHE_MAX;
        key_free(TAKE(entry->key));
        entry->key = key_share(key);
        entry->len = len;
        memcpy(entry->name, name, len);
    }
    pthread_mutex_unlock(&cache->lock);
}

void key_cache_clear(KeyCache *cache)
{
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < KEY_CACHE_MAX; i++) {
        key_free(TAKE(cache->entries[i].key));
        cache->entries[i].used = false;
    }
    pthread_mutex_unlock(&cache->lock);
}
