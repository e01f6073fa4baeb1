/* cache.c - four-way associative: a key lives in one set of four places, so a lookup reads four keys and memory is fixed. */
#include "site/cache.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 4 };

typedef struct Place {
    uint8_t key[CACHE_KEY_SIZE];
    uint64_t generation;
    uint64_t age;                       /* of the cache's count when it was put; 0: never used */
    void *block;
} Place;

struct Cache {
    pthread_mutex_t lock;
    uint64_t generation, puts;
    size_t sets;                        /* a power of two */
    Place places[];
};

bool cache_new(size_t entries, Cache **out, Err *err)
{
    size_t sets = 2;
    while (sets * WAYS < entries)
        sets *= 2;
    Cache *cache = calloc(1, sizeof *cache + sets * WAYS * sizeof(Place));
    if (!cache)
        return err_set(err, ERR_INTERNAL, "no memory for a cache of %zu entries", entries);
    pthread_mutex_init(&cache->lock, NULL);
    cache->generation = 1;
    cache->sets = sets;
    *out = cache;
    return true;
}

void cache_free(Cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->sets * WAYS; i++)
        free(cache->places[i].block);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static Place *set_of(Cache *cache, const uint8_t *key)
{
    uint64_t mixed;
    memcpy(&mixed, key, sizeof mixed);
    return &cache->places[(mixed & (cache->sets - 1)) * WAYS];
}

uint64_t cache_generation(Cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    uint64_t generation = cache->generation;
    pthread_mutex_unlock(&cache->lock);
    return generation;
}

bool cache_look(Cache *cache, const uint8_t key[CACHE_KEY_SIZE], CacheLook *look, void *ctx)
{
    bool found = false;
    pthread_mutex_lock(&cache->lock);
    Place *set = set_of(cache, key);
    for (int i = 0; i < WAYS && !found; i++) {
        found = set[i].block && set[i].generation == cache->generation && memcmp(set[i].key, key, CACHE_KEY_SIZE) == 0;
        if (found)
            look(set[i].block, ctx);
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void cache_put(Cache *cache, const uint8_t key[CACHE_KEY_SIZE], uint64_t generation, void *block)
{
    pthread_mutex_lock(&cache->lock);
    Place *set = set_of(cache, key), *chosen = &set[0];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].block && memcmp(set[i].key, key, CACHE_KEY_SIZE) == 0) {
            chosen = &set[i];
            break;
        }
        if (set[i].age < chosen->age)
            chosen = &set[i];
    }
    void *loser = block;
    if (generation == cache->generation) {
        loser = chosen->block;
        memcpy(chosen->key, key, CACHE_KEY_SIZE);
        chosen->generation = generation;
        chosen->age = ++cache->puts;
        chosen->block = block;
    }
    pthread_mutex_unlock(&cache->lock);
    free(loser);
}

void cache_flush(Cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    cache->generation++;
    pthread_mutex_unlock(&cache->lock);
}
