/* assertion.h - client assertions (RFC 7523): a program proves with a certificate's key who it is. */
#pragma once
#include "crypto/bundles/bundle.h"

enum { ASSERTION_S = 600 };             /* how long one is good for */

/* Signed RS256 by the bundle's key, its first certificate named by both thumbprints, as "Microsoft identity platform application
 * authentication certificate credentials" wants it. `audience` is the token endpoint. ERR_BAD_INPUT: there is no RSA key with a certificate. */
bool assertion_sign(Arena *arena, const Bundle *bundle, Str client_id, Str audience, int64_t now_ms, Str *out, Err *err) MUST_CHECK;
