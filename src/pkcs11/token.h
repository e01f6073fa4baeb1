/* token.h - a PKCS#11 token (OASIS PKCS #11 2.40) that keeps private and symmetric keys: makes them, takes them over, uses them, never gives them out.
 *
 * One P11Token is one login at one token of one module, used by all threads over a pool of sessions. A token that goes away (a device that was
 * pulled, a network that broke, a module that lost its sessions) is looked for again at the next use, at most once a second; meanwhile calls
 * answer ERR_UNAVAILABLE. A refused PIN is not tried again: a token locks itself after a few.
 *
 * Keys are CKA_SENSITIVE and not CKA_EXTRACTABLE. Where the token can wrap them under an AES key of its own, each comes with such a
 * wrapping from the moment it is made: it is what a backup of the key holds, opens in this token alone (or one that was given that key
 * by its vendor's means), and no key is ever readable by us. */
#pragma once
#include "crypto/keys/key_oct.h"

typedef struct P11Token P11Token;

typedef struct P11Config {
    const char   *module;                   /* the vendor's library, a path */
    Str           label;                    /* of the token */
    const Secret *pin;                      /* copied */
} P11Config;

enum { P11_ID_BYTES = 16, P11_WRAPPED_MAX = 8 * 1024 };
typedef struct P11Id { uint8_t bytes[P11_ID_BYTES]; } P11Id;                /* CKA_ID, random */
P11Id p11_id_new(void);

/* ERR_BAD_INPUT: what is configured is wrong (no such module, not a module, the PIN is refused). A token that is not there now is no error:
 * *is_there says so, and calls find it when it comes. */
bool p11_open(const P11Config *config, P11Token **out, bool *is_there, Err *err) MUST_CHECK;
void p11_close(P11Token *token);             /* after every key of it is freed. NULL is fine */
bool p11_reach(P11Token *token, Err *err) MUST_CHECK;                              /* ERR_UNAVAILABLE, or why it cannot be used */

/* A private or symmetric (AES) key in the token under `id`, whatever had that id before is gone. *out signs, unwraps or encrypts there (key_is_elsewhere). *wrapped, in the arena,
 * is its wrapping; absent: this token wraps no keys. `label` is for people who look into the token. All take their time: worker threads only.
 * What fails leaves nothing in the token, unless the token was lost; p11_erase later. */
typedef struct P11New { P11Id id; Str label; Arena *arena; } P11New;
bool p11_make(P11Token *token, const P11New *as, KeySpec spec, KeyRef **out, Bytes *wrapped, Err *err) MUST_CHECK;                /* ERR_BAD_INPUT: not a kind this token makes */
bool p11_take(P11Token *token, const P11New *as, const KeyRef *key, KeyRef **out, Bytes *wrapped, Err *err) MUST_CHECK;           /* a key that is in this process */
/* A key wrapped as CKM_RSA_AES_KEY_WRAP says (PKCS #11 2.40, section 2.1.21) for the RSA key `kek` of the token, SHA-1 as its hash. ERR_BAD_INPUT: not that, or another kind. */
bool p11_transfer(P11Token *token, const P11New *as, P11Id kek, KeyKind kind, Bytes blob, KeyRef **out, Bytes *wrapped, Err *err) MUST_CHECK;
/* What p11_make and the others gave as `wrapped`, once more. ERR_BAD_INPUT: not a wrapping of this token. */
bool p11_restore(P11Token *token, const P11New *as, const KeyPublic *public_half, Bytes wrapped, KeyRef **out, Err *err) MUST_CHECK;

/* A handle of a key that is in the token; whether it is there shows when it is used. `wrapped` is remembered. Of a symmetric key public_half has
 * kind and oct_bits. Such a key does GCM, CBC and CBCPAD by the token's mechanisms, the key wraps by single blocks (CKM_AES_ECB) with at most
 * AES_WRAP_MOST bytes, and HMAC by its wrapping, which the token opens as a generic secret each time. ERR_BAD_INPUT on "alg": the token does not do that. */
bool p11_key_open(P11Token *token, P11Id id, const KeyPublic *public_half, Bytes wrapped, KeyRef **out, Err *err) MUST_CHECK;
/* false: no key of a token. *wrapped is the handle's. */
bool p11_key_about(const KeyRef *key, P11Id *id, Bytes *wrapped) MUST_CHECK;
/* Takes the key out of the token for good. Fine if it is not there. */
bool p11_erase(P11Token *token, P11Id id, Err *err) MUST_CHECK;
bool p11_has(P11Token *token, P11Id id, bool *has, Err *err) MUST_CHECK;
