/* arena.h - memory with one lifetime and a limit: what a request needs until its reply has been sent.
 *
 * Not thread-safe. After the first refused allocation the arena stays failed (arena_ok() is false) and refuses all
 * that follow, so code may build a whole answer and check once. Secrets do not belong here (base/secret.h).
 * Under AddressSanitizer each allocation is a block of its own, so overruns show. */
#pragma once
#include "base/str.h"

Arena *arena_new(size_t limit_bytes);                    /* NULL: out of memory */
void   arena_free(Arena *arena);                         /* runs the deferred calls, newest first; NULL is fine */
DEFINE_AUTO_FREE(Arena, arena_free)

void  *arena_alloc(Arena *arena, size_t size_bytes);     /* zeroed, aligned for any type; NULL: limit reached */
bool   arena_ok(const Arena *arena);
bool   arena_defer(Arena *arena, void (*fn)(void *), void *arg);   /* fn(arg) when the arena goes; on false it was called at once */

#define ARENA_NEW(arena, Type)          ((Type *)arena_alloc((arena), sizeof(Type)))
#define ARENA_ARRAY(arena, Type, count) ((Type *)arena_array((arena), (count), sizeof(Type)))
void  *arena_array(Arena *arena, size_t count, size_t size_bytes);  /* refuses overflow */
