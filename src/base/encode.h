/* encode.h - hex, base64 (RFC 4648 section 4) and base64url (section 5).
 *
 * Results lie in the arena; absent when its limit is reached. Decoders are strict: ERR_BAD_INPUT on any foreign
 * character, wrong padding or non-zero trailing bits. */
#pragma once
#include "base/arena.h"

Str  hex_encode(Arena *arena, Bytes bytes);                                       /* lower case */
bool hex_decode(Arena *arena, Str text, Bytes *out, Err *err) MUST_CHECK;         /* either case */
Str  base64_encode(Arena *arena, Bytes bytes);                                    /* with padding, one line */
Str  base64url_encode(Arena *arena, Bytes bytes);                                 /* without padding */
bool base64_decode(Arena *arena, Str text, Bytes *out, Err *err) MUST_CHECK;      /* padding needed; line breaks and spaces are skipped (az wraps) */
bool base64url_decode(Arena *arena, Str text, Bytes *out, Err *err) MUST_CHECK;   /* padded or not (az pads x5t) */

bool percent_decode(Arena *arena, Str text, bool plus_is_space, Str *out, Err *err) MUST_CHECK;   /* refuses %00 and bad UTF-8 */
Str  percent_encode(Arena *arena, Str text);                                      /* all but RFC 3986 unreserved */
