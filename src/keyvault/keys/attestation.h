/* attestation.h - attestation tokens: believed when an authority that a release policy names has signed them.
 *
 * The keys of an authority are those of its OpenID configuration (<authority>/.well-known/openid-configuration, jwks_uri), asked over HTTPS each time;
 * a JWK counts by n and e, x and y, or its first certificate (x5c; Azure Attestation gives those alone). At most ATTESTATION_CALLS at
 * once ask, so that an authority that does not answer cannot hold up all requests. Times are real time. */
#pragma once
#include "crypto/jwt.h"
#include "http/client.h"
#include "keyvault/vaults/vault.h"

enum { ATTESTATION_CALLS = 8, ATTESTATION_TIMEOUT_MS = 8 * 1000, ATTESTATION_REPLY_MAX = 1 << 20, ATTESTATION_LEEWAY_MS = 5 * 60 * 1000 };

/* Shape, times, and that it is one of `rules` whose claims may be asked. ERR_BAD_INPUT: no token; ERR_DENIED. */
bool attestation_read(Arena *arena, Str token, const JsonVal *rules, int64_t real_ms, Jwt *out, Str *authority, Err *err) MUST_CHECK;
/* The signature, by the authority's keys of now. ERR_DENIED; ERR_UNAVAILABLE: the authority does not answer, or too many are asked. Blocks: worker threads only. */
bool attestation_check(KeyVault *kv, Arena *arena, const Jwt *token, Str authority, Err *err) MUST_CHECK;
/* What asks: over TLS, checked by site->attestation_ca_file, with the limits above. */
bool attestation_call(KeyVault *kv, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err) MUST_CHECK;
/* The RSA key that the attested party has for what it is to be given: x-ms-runtime.keys, for encryption. ERR_DENIED: there is none of 2048 bits or more. */
bool attestation_key(Arena *arena, const JsonVal *claims, KeyRef **out, Str *kid, Err *err) MUST_CHECK;
