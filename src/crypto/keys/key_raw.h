/* key_raw.h - what a device that holds a private key may leave to its caller: paddings, and finding the public half.
 *
 * A doer (key.h) whose device knows the bare operation alone builds the algorithms of JOSE with these. */
#pragma once
#include "crypto/keys/key.h"

enum { RSA_BYTES_MOST = 512, DIGEST_INFO_MAX = 128 };

/* PKCS#1 v1.5 signs this structure: the prefix of SHA-256, 384 or 512, as its length says, then the digest (RFC 8017 section 9.2, step 2). Its length. */
size_t rsa_digest_info(Bytes digest, uint8_t out[DIGEST_INFO_MAX]);
/* What a bare private operation makes the signature PS256 ... of, as long as the modulus (RFC 8017 section 9.1.1). */
bool rsa_pad_pss(SignAlg alg, Bytes digest, int modulus_bits, uint8_t out[RSA_BYTES_MOST], Err *err) MUST_CHECK;
/* Takes the padding off what the bare private operation gave, as long as the modulus, in constant time (RFC 8017 sections 7.1.2 and 7.2.2).
 * ERR_BAD_INPUT on "value", one text for all causes. */
bool rsa_unpad(WrapAlg alg, Bytes padded, Secret **plain, Err *err) MUST_CHECK;

/* The key that made both signatures (r || s) of these digests: each alone fits several (SEC 1 section 4.1.6). For a device that tells
 * no public half of what it unwrapped. ERR_BAD_INPUT: no key, or more than one, made both. */
bool ec_public_of_signatures(KeyCurve curve, const Bytes digests[2], const Bytes signatures[2], KeyRef **out, Err *err) MUST_CHECK;

/* AES key wrap, plain (RFC 3394) or padded (RFC 5649), over a device that does single blocks of AES and keeps the key. Six operations of the device
 * for each 8 bytes, one after the other, so there is a limit. `block` may fail; its error is passed on. */
enum { AES_WRAP_MOST = 4096, AES_WRAP_ROOM = 16 };
typedef struct AesDevice { bool (*block)(void *self, bool decrypts, const uint8_t in[16], uint8_t out[16], Err *err); void *self; } AesDevice;
/* plain: 1 .. AES_WRAP_MOST bytes; not padded: 16 at least and a multiple of 8. out: AES_WRAP_ROOM more. */
bool aes_wrap(const AesDevice *device, bool is_padded, Bytes plain, uint8_t *out, size_t *len, Err *err) MUST_CHECK;
/* wrapped: a multiple of 8, 24 at least or, padded, 16. ERR_BAD_INPUT on "value", one text for all causes. */
bool aes_unwrap(const AesDevice *device, bool is_padded, Bytes wrapped, Secret **plain, Err *err) MUST_CHECK;

/* The private key as CKM_RSA_AES_KEY_WRAP has it (PKCS #11 2.40, section 2.1.21): a fresh AES-256 key under the RSA key `kek` (OAEP, SHA-1),
 * then the PKCS#8, or the bytes of a symmetric key, under that key (RFC 5649). It opens where the private half of kek is. */
bool key_to_transfer(const KeyRef *key, const KeyRef *kek, Arena *arena, Bytes *blob, Err *err) MUST_CHECK;
