/* key_own.h - private to crypto/: what is inside a KeyRef. */
#pragma once
#include <stdatomic.h>
#include "crypto/keys/key.h"
#include "crypto/openssl.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096 };

typedef struct KeyReady KeyReady;

struct KeyRef {
    atomic_uint users;
    EVP_PKEY   *pkey;           /* never changed after it is made, so threads may share it */
    KeyReady   *ready;          /* beside a pkey: contexts for its private half */
    Secret     *octets;         /* of a symmetric key, which has no pkey; NULL when it is elsewhere */
    KeySpec     spec;
    bool        is_private;
    const KeyDoer *doer;        /* NULL: the private half is in pkey */
    void       *doer_self;
};

/* Takes over pkey, also when it fails. ERR_BAD_INPUT: a kind, size or curve we do not serve, described as `what`. */
bool key_adopt(EVP_PKEY *pkey, bool is_private, const char *what, KeyRef **out, Err *err) MUST_CHECK;

/* Contexts that are set up for one use: an alg of signatures, or KEY_READY_UNWRAP and one of wrapping. take: the caller's, NULL if there is none;
 * keep takes one over after its use. Safe from any thread. */
enum { KEY_READY_UNWRAP = 256 };
KeyReady *key_ready_new(void);
void key_ready_free(KeyReady *ready);           /* NULL is fine */
EVP_PKEY_CTX *key_ready_take(KeyReady *ready, int use);
void key_ready_keep(KeyReady *ready, int use, EVP_PKEY_CTX *ctx);

/* PKCS#1 or SEC1, as older PEM files have them; key_from_pkcs8 for the standard form. */
bool key_from_traditional(KeyKind kind, Bytes der, KeyRef **out, Err *err) MUST_CHECK;

/* True if the private numbers belong to the public ones. For keys from outside: a signature is made and checked. */
bool key_is_consistent(const KeyRef *key);

/* DER of an EC signature that is r || s, each `width` bytes; 0: out of memory. */
enum { DER_EC_MAX = 2 * 66 + 16 };
size_t ec_raw_to_der(const uint8_t *raw, size_t width, uint8_t der[DER_EC_MAX]);

size_t key_curve_bytes(KeyCurve curve);         /* width of one coordinate: 32, 48, 66, 32 */
const char *key_curve_group(KeyCurve curve);    /* OpenSSL's name of the group */
