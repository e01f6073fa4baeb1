/* cache.h - a bounded cache of read-only blocks, for what every request asks and few requests change.
 *
 * Keys are 32 bytes that are already well mixed (SHA-256). cache_flush makes all that was put before unreachable at once;
 * whoever changes the truth calls it after the commit. A reader that fetched the truth before a flush cannot put it back
 * after: it hands in the generation that it took before fetching. Safe from any thread. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

typedef struct Cache Cache;
enum { CACHE_KEY_SIZE = 32 };

bool     cache_new(size_t entries, Cache **out, Err *err) MUST_CHECK;       /* entries is rounded up to a power of two, at least 8 */
void     cache_free(Cache *cache);                                          /* NULL is fine */
DEFINE_AUTO_FREE(Cache, cache_free)

uint64_t cache_generation(Cache *cache);
/* look(block, ctx) runs under the cache's lock and must be quick; false: nothing current under this key. */
typedef void CacheLook(const void *block, void *ctx);
bool     cache_look(Cache *cache, const uint8_t key[CACHE_KEY_SIZE], CacheLook *look, void *ctx);
/* Takes `block`, one allocation from malloc, and frees it when it makes room; a full neighbourhood gives up its oldest. */
void     cache_put(Cache *cache, const uint8_t key[CACHE_KEY_SIZE], uint64_t generation, void *block);
void     cache_flush(Cache *cache);
