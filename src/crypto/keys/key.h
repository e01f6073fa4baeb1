/* key.h - keys as handles: others ask a KeyRef to sign or to unwrap and never see its numbers.
 *
 * A KeyRef is shared between threads and counted. Signatures and ciphertexts follow JOSE (RFC 7518): EC signatures are
 * r || s, each padded to the curve's width. */
#pragma once
#include "base/arena.h"
#include "base/secret.h"

typedef struct KeyRef KeyRef;
typedef enum KeyKind { KEY_RSA = 1, KEY_EC, KEY_OCT } KeyKind;                     /* KEY_OCT: symmetric, key_oct.h; has no public half */
typedef enum KeyCurve { CURVE_NONE = 0, CURVE_P256, CURVE_P384, CURVE_P521, CURVE_P256K } KeyCurve;   /* JOSE names P-256, P-384, P-521, P-256K */
typedef enum SignAlg { SIGN_RS256 = 1, SIGN_RS384, SIGN_RS512, SIGN_PS256, SIGN_PS384, SIGN_PS512,
                       SIGN_ES256, SIGN_ES384, SIGN_ES512, SIGN_ES256K } SignAlg;
typedef enum WrapAlg { WRAP_RSA1_5 = 1, WRAP_RSA_OAEP, WRAP_RSA_OAEP_256, WRAP_RSA_OAEP_384 } WrapAlg;    /* the last is a part of key_transfer.h and has no name of its own */

typedef enum CipherAlg { CIPHER_A128GCM = 1, CIPHER_A192GCM, CIPHER_A256GCM, CIPHER_A128CBC, CIPHER_A192CBC, CIPHER_A256CBC, CIPHER_A128CBCPAD, CIPHER_A192CBCPAD,
                         CIPHER_A256CBCPAD, CIPHER_A128KW, CIPHER_A192KW, CIPHER_A256KW, CIPHER_CKM_AES_KEY_WRAP, CIPHER_CKM_AES_KEY_WRAP_PAD } CipherAlg;
typedef enum MacAlg { MAC_HS256 = 1, MAC_HS384, MAC_HS512 } MacAlg;
typedef struct CipherText { Bytes value, iv, tag, aad; } CipherText;              /* what an algorithm has not is empty */

typedef struct KeySpec { KeyKind kind; int rsa_bits; KeyCurve curve; int oct_bits; } KeySpec;   /* rsa_bits 2048, 3072 or 4096 */

bool    key_generate(KeySpec spec, KeyRef **out, Err *err) MUST_CHECK;            /* RSA takes up to seconds: worker threads only */
KeyRef *key_share(KeyRef *key);                                                   /* one more reference */
void    key_free(KeyRef *key);                                                    /* one fewer; the last wipes */
DEFINE_AUTO_FREE(KeyRef, key_free)

bool    key_from_pkcs8(Bytes der, KeyRef **out, Err *err) MUST_CHECK;             /* private key; ERR_BAD_INPUT */
bool    key_to_pkcs8(const KeyRef *key, Secret **der, Err *err) MUST_CHECK;       /* ERR_BAD_INPUT: only a public key */
bool    key_from_spki(Bytes der, KeyRef **out, Err *err) MUST_CHECK;              /* public key */
bool    key_to_spki(Arena *arena, const KeyRef *key, Bytes *der, Err *err) MUST_CHECK;

KeySpec key_spec(const KeyRef *key);
bool    key_is_private(const KeyRef *key);                                        /* it can sign or unwrap */
bool    key_is_elsewhere(const KeyRef *key);                                      /* by a doer */
bool    key_same_public(const KeyRef *a, const KeyRef *b);
bool    key_spec_parse(Str kty, int64_t bits, Str crv, KeySpec *out, Err *err) MUST_CHECK;   /* Key Vault names; bits 0 and crv absent take the defaults 2048 and P-256; names the field at fault */

/* Public members as a JWK has them (RFC 7517, 7518): big-endian, n without leading zeros, x and y padded. */
typedef struct KeyPublic { KeyKind kind; Bytes n, e; Bytes x, y; KeyCurve curve; int oct_bits; } KeyPublic;   /* oct_bits: all that there is to say of a symmetric key; these calls take none */
bool    key_public(Arena *arena, const KeyRef *key, KeyPublic *out, Err *err) MUST_CHECK;
bool    key_from_public(const KeyPublic *parts, KeyRef **out, Err *err) MUST_CHECK;
/* Private members as well: d; of an RSA key also p, q, dp, dq and qi. All are needed. ERR_BAD_INPUT names the member, or says that they
 * do not belong together. Checks primes: worker threads only. */
typedef struct KeyPrivate { KeyPublic open; Bytes d, p, q, dp, dq, qi; } KeyPrivate;
bool    key_from_private(const KeyPrivate *parts, KeyRef **out, Err *err) MUST_CHECK;
/* key_pem.c. The first private key of a PEM file, PKCS#8, PKCS#1 or SEC1; password absent: none. ERR_BAD_INPUT, on field "password" when it is that. */
bool    key_from_pem(Str pem, Str password, KeyRef **out, Err *err) MUST_CHECK;
/* For who sends the numbers to a vault; they lie in the arena and are wiped by the caller. ERR_BAD_INPUT: they are not here. */
bool    key_private_parts(Arena *arena, const KeyRef *key, KeyPrivate *out, Err *err) MUST_CHECK;
void    key_private_wipe(const KeyPrivate *parts);
/* A key whose private half is elsewhere, in a PKCS#11 token for instance: its public half is here, its private operations are done by `doer`.
 * They are called from any thread, several at once. Signatures are raw r || s for EC; unwrap has one answer for every failure that the
 * wrapped value can cause, ERR_BAD_INPUT on field "value", as key_unwrap has. */
typedef struct KeyDoer {
    bool (*sign)(void *self, SignAlg alg, Bytes digest, Arena *arena, Bytes *signature, Err *err);       /* alg fits the key, and the digest the alg */
    bool (*unwrap)(void *self, WrapAlg alg, Bytes wrapped, Secret **plain, Err *err);                    /* wrapped is as long as the modulus */
    /* Of symmetric keys; others need none of them. Lengths, iv, tag and aad have been checked as key_oct.h says, and encrypt is given the iv to use, also of GCM. */
    bool (*encrypt)(void *self, CipherAlg alg, Bytes plain, Bytes iv, Bytes aad, Arena *arena, CipherText *out, Err *err);
    bool (*decrypt)(void *self, CipherAlg alg, const CipherText *in, Secret **plain, Err *err);
    bool (*mac)(void *self, MacAlg alg, Bytes data, Arena *arena, Bytes *mac, Err *err);
    void (*done)(void *self);                                                                            /* with the last reference */
} KeyDoer;
/* Takes over self, also when it fails. key_is_private holds for it, key_to_pkcs8 does not. */
bool    key_from_doer(const KeyPublic *parts, const KeyDoer *doer, void *self, KeyRef **out, Err *err) MUST_CHECK;
void   *key_doer_self(const KeyRef *key, const KeyDoer *doer);                     /* NULL: this is no key of that doer */
bool    key_thumbprint(const KeyRef *key, uint8_t out[32], Err *err) MUST_CHECK;  /* SHA-256 of the JWK's required members (RFC 7638) */
Str     key_curve_name(KeyCurve curve);                                           /* "P-256"; absent for CURVE_NONE */
KeyCurve key_curve_parse(Str name);                                               /* CURVE_NONE if unknown; also "secp256k1" style "SECP256K1" */

bool    sign_alg_parse(Str name, SignAlg *out);                                   /* "RS256" ... */
Str     sign_alg_name(SignAlg alg);
bool    sign_alg_fits(SignAlg alg, KeySpec spec);                                 /* RSA algorithms any RSA key, ES256 only P-256, ... */
size_t  sign_alg_digest_size(SignAlg alg);                                        /* 32, 48 or 64 */
bool    key_sign_digest(const KeyRef *key, SignAlg alg, Bytes digest, Arena *arena, Bytes *signature, Err *err) MUST_CHECK;
bool    key_verify_digest(const KeyRef *key, SignAlg alg, Bytes digest, Bytes signature, bool *valid, Err *err) MUST_CHECK;  /* a malformed signature is valid = false */
bool    key_sign(const KeyRef *key, SignAlg alg, Bytes message, Arena *arena, Bytes *signature, Err *err) MUST_CHECK;        /* digests first */
bool    key_verify(const KeyRef *key, SignAlg alg, Bytes message, Bytes signature, bool *valid, Err *err) MUST_CHECK;

bool    wrap_alg_parse(Str name, WrapAlg *out);
bool    key_wrap(const KeyRef *key, WrapAlg alg, Bytes plain, Arena *arena, Bytes *wrapped, Err *err) MUST_CHECK;            /* ERR_BAD_INPUT: too long for the key */
bool    key_unwrap(const KeyRef *key, WrapAlg alg, Bytes wrapped, Secret **plain, Err *err) MUST_CHECK;                      /* ERR_BAD_INPUT, one text for all causes */
