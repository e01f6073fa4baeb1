/* key_transfer.h - key material on its way to another device: sealed to an RSA key of that device.
 *
 * CKM_RSA_AES_KEY_WRAP of PKCS #11 (v2.40 mechanisms, "RSA AES KEY WRAP"): an AES-256 key made for this once, under RSA-OAEP, and behind it the
 * material under that AES key by RFC 5649. Material: PKCS#8 of an RSA or EC key, the bytes of a symmetric one. It is how exportable keys
 * are released, and how keys made elsewhere come in (BYOK, "Import HSM-protected keys"). */
#pragma once
#include "crypto/keys/key.h"

typedef enum TransferAlg { TRANSFER_CKM_RSA_AES_KEY_WRAP = 1, TRANSFER_RSA_AES_KEY_WRAP_256, TRANSFER_RSA_AES_KEY_WRAP_384 } TransferAlg;   /* OAEP with SHA-1, SHA-256, SHA-384 */

bool transfer_alg_parse(Str name, TransferAlg *out);
Str  transfer_alg_name(TransferAlg alg);

bool key_transfer_wrap(const KeyRef *to, TransferAlg alg, const Secret *material, Arena *arena, Bytes *blob, Err *err) MUST_CHECK;   /* ERR_BAD_INPUT: `to` is no RSA key */
/* `by` may be elsewhere: its one private operation is the unwrapping of the AES key. ERR_BAD_INPUT, one text for all that blob can cause. */
bool key_transfer_unwrap(const KeyRef *by, TransferAlg alg, Bytes blob, Secret **material, Err *err) MUST_CHECK;
