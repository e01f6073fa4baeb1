/* key_cache.h - handles of the private keys that are in use: reading one out of its sealed row costs more than signing with it.
 *
 * A version's key never changes, so an entry is never stale; who asks has found the live version in the store first. What is
 * deleted leaves the memory with it. At most KEY_CACHE_MAX handles stay; the last reference to each wipes it. Safe from any thread. */
#pragma once
#include "base/str.h"
#include "crypto/keys/key.h"

enum { KEY_CACHE_MAX = 256 };

typedef struct KeyCache KeyCache;

KeyCache *key_cache_new(void);                            /* NULL: out of memory */
void key_cache_free(KeyCache *cache);                     /* NULL is fine */

/* name_key: the name in lower case. A reference for the caller, or NULL. */
KeyRef *key_cache_get(KeyCache *cache, Str vault_id, Str name_key, Str version);
void key_cache_put(KeyCache *cache, Str vault_id, Str name_key, Str version, KeyRef *key);     /* takes a reference of its own */
void key_cache_clear(KeyCache *cache);                    /* a key or a vault was deleted */
