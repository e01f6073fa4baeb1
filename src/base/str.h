/* str.h - text and bytes that carry their length.
 *
 * A Str is UTF-8 text that is neither owned nor NUL-terminated; Bytes is anything else. Both are passed by value.
 * An absent Str has ptr NULL; an empty one may have any ptr and len 0. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/attr.h"
#include "base/err.h"

typedef struct Arena Arena;                                      /* base/arena.h */
typedef struct Str { const char *ptr; size_t len; } Str;
typedef struct Bytes { const uint8_t *ptr; size_t len; } Bytes;

#define STR(lit)   ((Str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE   ((Str){ NULL, 0 })
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline Str str_from(const char *cstr) { return (Str){ cstr, cstr ? strlen(cstr) : 0 }; }
static inline Bytes bytes_of(Str s) { return (Bytes){ (const uint8_t *)s.ptr, s.len }; }
static inline Str str_of(Bytes b) { return (Str){ (const char *)b.ptr, b.len }; }
static inline bool str_empty(Str s) { return s.len == 0; }

bool str_eq(Str a, Str b);
bool str_eq_nocase(Str a, Str b);                                /* ASCII letters only, as in host names and ARM ids */
bool str_starts(Str s, Str prefix);
bool str_starts_nocase(Str s, Str prefix);
bool str_ends(Str s, Str suffix);
bool str_ends_nocase(Str s, Str suffix);
int  str_cmp(Str a, Str b);                                      /* memcmp order, shorter first */
bool str_find(Str s, Str needle, size_t *at);
Str  str_trim(Str s);                                            /* ASCII white space off both ends */
Str  str_slice(Str s, size_t from, size_t to);                   /* clamped to the text */
Str  str_cut(Str *rest, char separator);                         /* the text before the separator; *rest is what follows, absent at the end */
bool str_is_utf8(Str s);                                         /* shortest forms, no surrogates */
bool str_is_printable(Str s);                                    /* ASCII from the space to '~', nothing else */

/* How the texts of a block lie behind it: their bytes together; and copied to `at`, one after the other, and pointing there. Absent ones stay absent. */
size_t str_pack_size(Str *const texts[], size_t count);
void   str_pack(Str *const texts[], size_t count, char *at);

/* Whole text as a decimal number within min..max. ERR_BAD_INPUT otherwise; no sign '+', no spaces, no leading zeros. */
bool str_to_int64(Str text, int64_t min, int64_t max, int64_t *out, Err *err) MUST_CHECK;

/* The following allocate in the arena. When its limit is reached they answer an absent Str (or NULL) and the arena
 * stays failed: check arena_ok() once before anything durable. */
char *str_to_cstr(Arena *arena, Str text, Err *err);             /* ERR_BAD_INPUT on an embedded NUL */
Str  str_dup(Arena *arena, Str text);
Str  str_lower(Arena *arena, Str text);                          /* ASCII */
Str  str_upper(Arena *arena, Str text);
Str  str_concat(Arena *arena, const Str parts[], size_t count); /* one after the other; absent ones count as empty */
#define STR_CONCAT(arena, ...) str_concat((arena), (const Str[]){ __VA_ARGS__ }, sizeof((const Str[]){ __VA_ARGS__ }) / sizeof(Str))
Str  str_printf(Arena *arena, const char *fmt, ...) FORMAT(2, 3);
