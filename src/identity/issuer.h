/* issuer.h - issuers of tokens elsewhere (OpenID Connect Discovery 1.0): which keys they sign with, fetched over HTTPS and kept for a while.
 *
 * Asked is only who stands in a federated credential. Keys are kept for an hour, and for a day when the issuer cannot be reached; a key that is
 * not known makes us ask again, so that an issuer may rotate, but not as often as strangers can invent names of keys. Redirects are not
 * followed, answers are at most 256 KiB, a call takes at most 5 s, and at most eight threads ever wait for issuers. */
#pragma once
#include "crypto/keys/key.h"

enum { ISSUER_KEYS_MAX = 32, ISSUER_KID_MAX = 200 };

typedef struct Issuers Issuers;
bool issuers_new(Issuers **out, Err *err) MUST_CHECK;
void issuers_free(Issuers *issuers);
void issuers_set_ca(Issuers *issuers, const char *ca_file);     /* before anybody asks; NULL: the system's; the string outlives it */

/* The keys that may have made a signature: of that name, or without a name all that fit the algorithm. The caller frees each. None: the issuer
 * has no such key. ERR_UNAVAILABLE: it could not be asked, in one sentence; ERR_THROTTLED: too many wait already. */
bool issuers_keys(Issuers *issuers, Str issuer, Str kid, SignAlg alg, KeyRef *out[ISSUER_KEYS_MAX], size_t *count, Err *err) MUST_CHECK;

/* What an issuer answered; issuer_read.c. */
typedef struct IssuerKey { char kid[ISSUER_KID_MAX + 1]; KeyRef *key; } IssuerKey;         /* kid "": it has no name */
typedef struct IssuerKeys { IssuerKey items[ISSUER_KEYS_MAX]; size_t count; } IssuerKeys;
bool issuer_read_configuration(Arena *arena, Str text, Str issuer, Str *jwks_uri, Err *err) MUST_CHECK;     /* ERR_BAD_INPUT: not its document */
/* RSA of 2048 bits or more and P-256, for signatures; others are passed over. ERR_BAD_INPUT: none is left. */
bool issuer_read_keys(Arena *arena, Str text, IssuerKeys *out, Err *err) MUST_CHECK;
void issuer_keys_done(IssuerKeys *keys);
