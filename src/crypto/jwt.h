/* jwt.h - compact JWS (RFC 7515) around JSON claims (RFC 7519). No claim counts before the signature holds. */
#pragma once
#include "crypto/keys/key.h"
#include "json/read.h"

typedef struct Jwt {
    SignAlg alg;
    Str     kid, x5t, x5t_s256;           /* header members; absent if not given; x5t values decoded are up to the caller */
    const JsonVal *header, *claims;
    Str     signed_part;                  /* header '.' payload, as sent */
    Bytes   signature;
} Jwt;

bool jwt_sign(Arena *arena, const KeyRef *key, SignAlg alg, Str header_extra_json, Str claims_json, Str *out, Err *err) MUST_CHECK;   /* header_extra_json: members without braces, e.g. "\"kid\":\"x\"" or empty */
bool jwt_parse(Arena *arena, Str token, Jwt *out, Err *err) MUST_CHECK;       /* shape only; ERR_UNAUTHENTICATED; "none", HS* and crit are refused */
bool jwt_check(const Jwt *jwt, const KeyRef *key, Err *err) MUST_CHECK;       /* signature; ERR_UNAUTHENTICATED */
bool jwt_time(const JsonVal *claim, int64_t *ms);                             /* NumericDate, fractions allowed; false: absent or no number */
