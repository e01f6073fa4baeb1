/* id.h - random identifiers, from getrandom(2). */
#pragma once
#include "base/arena.h"

void random_fill(void *out, size_t len_bytes);            /* aborts if the kernel has no randomness: nothing could go on */
Str  guid_new(Arena *arena);                              /* RFC 9562 version 4, lower case, 36 characters */
Str  hex_id_new(Arena *arena, size_t digits);             /* `digits` lower-case hex digits; 32 for object versions */
bool guid_is_valid(Str text);                             /* 8-4-4-4-12 hex digits, either case */
