/* p11_own.h - private to pkcs11/: sessions, and turning a module's codes into errors. */
#pragma once
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include "pkcs11/module.h"
#include "pkcs11/token.h"

enum { SESSIONS_MAX = 16, RECONNECT_MS = 1000, LABEL_BYTES = 32 };

struct P11Token {
    Module          module;
    Str             label;
    Secret         *pin;
    pthread_mutex_t objects;                /* held while objects of the token are looked for, come or go; see p11_objects_hold */
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    /* under the lock */
    bool              is_connected, is_connecting, is_pin_refused;
    int64_t           retry_ms;             /* monotonic: no connection is tried before */
    Err               why_not;              /* while it is not connected */
    unsigned          generation;           /* of the connection: handles are good within one */
    CK_SESSION_HANDLE idle[SESSIONS_MAX];
    int               idle_count, open_count, most, in_use;
    /* of the connection: written while no session is in use */
    CK_SLOT_ID        slot;
    CK_SESSION_HANDLE login;                /* stays open: a login ends with the last session */
    CK_OBJECT_HANDLE  wrap_key;             /* 0: this token wraps no keys */
    CK_MECHANISM_TYPE wrap_mechanism;
    atomic_bool       bare_oaep_256, bare_pss;          /* the token refused it: bare RSA and our padding from then on */
    atomic_bool       no_bare_rsa;                      /* the token refused CKM_RSA_X_509 to decrypt: its own PKCS#1 1.5 from then on */
};

typedef struct P11Session {
    P11Token   *token;
    const CK_FUNCTION_LIST *fn;
    CK_SESSION_HANDLE handle;
    unsigned generation;
    CK_RV    last;                          /* what the call that failed answered */
} P11Session;

/* May run twice: the second time in a new connection when the first one was lost meanwhile. */
typedef bool P11Fn(P11Session *session, void *ctx, Err *err);
bool p11_run(P11Token *token, P11Fn *fn, void *ctx, Err *err) MUST_CHECK;

/* false unless rv is CKR_OK: remembers it and describes it, "<what>: CKR_..." as ERR_INTERNAL, or ERR_UNAVAILABLE when the token was lost. */
bool p11_call(P11Session *session, CK_RV rv, const char *what, Err *err) MUST_CHECK;

/* A token may bear use by many threads and yet not that its objects come and go in several at once: SoftHSM2 reads its folder anew for every search, meets
 * there what another thread is still writing, and answers CKR_GENERAL_ERROR to one of them. So searches, makings and destructions take turns, in calls
 * as short as they can be; what is of a session, and all use of keys, does not. */
void p11_objects_hold(P11Session *session);
void p11_objects_release(P11Session *session);

/* The first object of these attributes; 0: there is none. */
bool p11_find(P11Session *session, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *out, Err *err) MUST_CHECK;
bool p11_find_key(P11Session *session, P11Id id, CK_OBJECT_HANDLE *out, Err *err) MUST_CHECK;
bool p11_has_mechanism(P11Session *session, CK_MECHANISM_TYPE type, CK_FLAGS flags);
bool p11_erase_in(P11Session *session, P11Id id, Err *err) MUST_CHECK;

/* ---- p11_key.c: a key in use ---- */

typedef struct P11Key {
    P11Token  *token;
    P11Id id;
    KeySpec spec;
    pthread_mutex_t lock;
    CK_OBJECT_HANDLE handle;            /* good in one generation of the connection; 0, 0: not looked for */
    unsigned generation;
    size_t wrapped_len;
    uint8_t wrapped[];
} P11Key;

typedef enum P11Op { P11_SIGN = 1, P11_DECRYPT, P11_ENCRYPT } P11Op;
typedef struct P11Use { P11Key *key; P11Op op; CK_MECHANISM mechanism; Bytes in; uint8_t *out; CK_ULONG room, len; } P11Use;

/* One operation of one call. On false session->last says what the token answered. */
bool p11_use_in(P11Session *session, P11Use *use, Err *err) MUST_CHECK;
bool p11_is_unknown(CK_RV rv);              /* the token knows the mechanism, but not with these parameters, or not at all */
bool p11_is_value_at_fault(CK_RV rv);       /* what a token answers when the value is at fault; SoftHSM says CKR_GENERAL_ERROR */

/* p11_oct.c: what a KeyDoer needs for a symmetric key; self is a P11Key. */
bool p11_oct_encrypt(void *self, CipherAlg alg, Bytes plain, Bytes iv, Bytes aad, Arena *arena, CipherText *out, Err *err);
bool p11_oct_decrypt(void *self, CipherAlg alg, const CipherText *in, Secret **plain, Err *err);
bool p11_oct_mac(void *self, MacAlg alg, Bytes data, Arena *arena, Bytes *mac, Err *err);

/* ---- p11_wrap.c ---- */

/* Finds the key that wraps others, or makes it; a token that cannot has none. */
bool p11_wrap_key_find(P11Session *session, Err *err) MUST_CHECK;
/* A key pair: the private half as p11_unwrap_in has it, the public one of the session. ERR_BAD_INPUT: the token makes no such keys. */
bool p11_generate_in(P11Session *session, KeySpec spec, const P11New *as, CK_OBJECT_HANDLE *public_half, CK_OBJECT_HANDLE *private_half, Err *err) MUST_CHECK;
/* A symmetric key, the same way. */
bool p11_generate_oct_in(P11Session *session, KeySpec spec, const P11New *as, CK_OBJECT_HANDLE *out, Err *err) MUST_CHECK;
/* The bytes of a wrapped symmetric key once more as an object of the session that authenticates and does nothing else. */
bool p11_unwrap_mac_in(P11Session *session, Bytes wrapped, CK_OBJECT_HANDLE *out, Err *err) MUST_CHECK;
Bytes p11_curve_params(KeyCurve curve);   /* DER object identifier */
/* Puts a session's key, which is destroyed, into the token for good. */
bool p11_settle(P11Session *session, CK_OBJECT_HANDLE made, const P11New *as, KeyKind kind, Bytes *wrapped, Err *err) MUST_CHECK;
/* Unwraps into the token, or into the session when `as` is NULL: then it can be wrapped and settled. */
bool p11_unwrap_in(P11Session *session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with, Bytes wrapped, KeyKind kind, const P11New *as, CK_OBJECT_HANDLE *out, Err *err) MUST_CHECK;

#define ATTRIBUTE(type, value) { (type), &(value), sizeof(value) }
#define ATTRIBUTE_BYTES(type, bytes, length) { (type), (void *)(uintptr_t)(bytes), (length) }
