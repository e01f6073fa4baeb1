/* handed_key.h - keys that wrap scope keys and lie in no file: handed in, kept in memory, dropped when asked. Private to store/.
 *
 * A handed key has a random id, which the scope keys that it wraps name ("handed:<16 hex digits>"). A scope keeps the last
 * few, so that a reader of a snapshot from before a rewrap goes on. A shut scope has none, and takes none but by an unlock. */
#pragma once
#include "base/secret.h"

typedef struct HandedKeys HandedKeys;     /* any thread */

HandedKeys *handed_keys_new(void);                          /* NULL: out of memory */
void handed_keys_free(HandedKeys *handed);                  /* NULL is fine */

bool handed_keys_add(HandedKeys *handed, Str scope, uint64_t id, const Secret *key, bool unshut, Err *err) MUST_CHECK;
Secret *handed_keys_copy(HandedKeys *handed, Str scope, uint64_t id);      /* the caller's; NULL: not there */
void handed_keys_shut(HandedKeys *handed, Str scope);       /* drops them */
void handed_keys_forget(HandedKeys *handed, Str scope);     /* the scope is gone */

/* Counts the times the scope was shut; *is_shut: it was and is. What was unwrapped before a shut must not be kept after it. */
uint64_t handed_keys_epoch(HandedKeys *handed, Str scope, bool *is_shut);
