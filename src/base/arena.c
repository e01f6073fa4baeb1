/* arena.c - blocks that grow, freed together; under AddressSanitizer one block an allocation. */
#include "base/arena.h"
#include <stdalign.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
enum { BLOCK_EACH = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { BLOCK_EACH = 1 };
#else
enum { BLOCK_EACH = 0 };
#endif
#else
enum { BLOCK_EACH = 0 };
#endif

enum { ALIGN = alignof(max_align_t), FIRST_BLOCK = 4096, LARGEST_BLOCK = 256 * 1024 };

typedef struct Block { struct Block *next; size_t used, size; alignas(max_align_t) unsigned char bytes[]; } Block;
typedef struct Deferred { struct Deferred *next; void (*fn)(void *); void *arg; } Deferred;

struct Arena {
    Block *blocks;              /* newest first */
    Deferred *deferred;         /* newest first */
    size_t limit, used;
    bool failed;
};

Arena *arena_new(size_t limit_bytes)
{
    Arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->limit = limit_bytes;
    return arena;
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    for (Deferred *d = arena->deferred; d; d = d->next)
        d->fn(d->arg);
    for (Block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

static Block *block_add(Arena *arena, size_t needed)
{
    size_t size = needed;
    if (!BLOCK_EACH) {
        size_t usual = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
        if (usual > LARGEST_BLOCK)
            usual = LARGEST_BLOCK;
        if (size < usual)
            size = usual;
    }
    Block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(Arena *arena, size_t size_bytes)
{
    size_t exact = size_bytes ? size_bytes : 1;
    if (arena->failed || exact > arena->limit || arena->used > arena->limit - exact) {
        arena->failed = true;
        return NULL;
    }
    size_t padded = (exact + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    Block *block = arena->blocks;
    if (BLOCK_EACH || !block || block->size - block->used < padded)
        block = block_add(arena, BLOCK_EACH ? exact : padded);
    if (!block) {
        arena->failed = true;
        return NULL;
    }
    void *out = block->bytes + block->used;
    block->used += BLOCK_EACH ? exact : padded;
    arena->used += exact;
    return out;
}

void *arena_array(Arena *arena, size_t count, size_t size_bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total)) {
        arena->failed = true;
        return NULL;
    }
    return arena_alloc(arena, total);
}

bool arena_ok(const Arena *arena) { return !arena->failed; }
bool arena_defer(Arena *arena, void (*fn)(void *), void *arg)
{
    Deferred *deferred = arena_alloc(arena, sizeof *deferred);
    if (!deferred) {
        fn(arg);
        return false;
    }
    *deferred = (Deferred){ arena->deferred, fn, arg };
    arena->deferred = deferred;
    return true;
}
