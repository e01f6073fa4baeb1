/* key_oct.h - symmetric keys (KEY_OCT) as handles: AES of 128, 192 or 256 bits in the modes of Key Vault's key types page, and HMAC.
 *
 * GCM: NIST SP 800-38D with a 96-bit iv that is made here and a 128-bit tag. CBC: NIST SP 800-38A, the plain text whole blocks; CBCPAD adds
 * the padding of PKCS #7. KW: RFC 3394; CKM_AES_KEY_WRAP_PAD: RFC 5649. HS256, 384, 512: RFC 2104 with the SHA-2 of that size. */
#pragma once
#include "crypto/keys/key.h"

enum { OCT_BITS_DEFAULT = 256, CIPHER_BLOCK = 16, CIPHER_TAG = 16, CIPHER_GCM_IV = 12, CIPHER_VALUE_MAX = 1 << 20 };

bool key_oct_spec(int64_t bits, KeySpec *out, Err *err) MUST_CHECK;               /* 0: the default; ERR_BAD_INPUT: not 128, 192 or 256 */
bool key_oct_generate(KeySpec spec, KeyRef **out, Err *err) MUST_CHECK;
bool key_oct_from_bytes(Bytes octets, KeyRef **out, Err *err) MUST_CHECK;         /* copied; ERR_BAD_INPUT on "k" */
bool key_oct_bytes(const KeyRef *key, Secret **out, Err *err) MUST_CHECK;         /* a copy; ERR_BAD_INPUT: it is elsewhere */
bool key_oct_from_doer(int bits, const KeyDoer *doer, void *self, KeyRef **out, Err *err) MUST_CHECK;     /* takes over self, also when it fails */

bool   cipher_alg_parse(Str name, CipherAlg *out);
Str    cipher_alg_name(CipherAlg alg);
bool   cipher_alg_wraps(CipherAlg alg);                                           /* for wrapKey and unwrapKey; else for encrypt and decrypt */

/* iv: CBC and CBCPAD take one of 16 bytes, or make it; the others take none: a GCM nonce that callers choose may be chosen twice. aad: GCM only.
 * ERR_BAD_INPUT names the field. out->tag and aad are of GCM, out->iv of GCM and CBC. */
bool key_encrypt(const KeyRef *key, CipherAlg alg, Bytes plain, Bytes iv, Bytes aad, Arena *arena, CipherText *out, Err *err) MUST_CHECK;
bool key_decrypt(const KeyRef *key, CipherAlg alg, const CipherText *in, Secret **plain, Err *err) MUST_CHECK;    /* ERR_BAD_INPUT on "value": one text for all causes */

bool   mac_alg_parse(Str name, MacAlg *out);
Str    mac_alg_name(MacAlg alg);
size_t mac_alg_size(MacAlg alg);                                                  /* of the MAC, and of the digest that is authenticated */
bool key_mac(const KeyRef *key, MacAlg alg, Bytes data, Arena *arena, Bytes *mac, Err *err) MUST_CHECK;
