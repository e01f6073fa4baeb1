/* p11_key.c - a KeyRef whose private operations the token does. */
#include "crypto/keys/key_raw.h"
#include "pkcs11/p11_own.h"
#include <stdlib.h>

static bool handle_of(P11Session *session, P11Key *key, CK_OBJECT_HANDLE *out, Err *err)
{
    (void)pthread_mutex_lock(&key->lock);
    *out = key->generation == session->generation ? key->handle : 0;
    (void)pthread_mutex_unlock(&key->lock);
    if (*out)
        return true;
    if (!p11_find_key(session, key->id, out, err))
        return false;
    if (!*out)
        return err_named(err, ERR_UNAVAILABLE, "ServiceUnavailable", NULL, "The token has no private key for this version any more.");
    (void)pthread_mutex_lock(&key->lock);
    key->handle = *out;
    key->generation = session->generation;
    (void)pthread_mutex_unlock(&key->lock);
    return true;
}

/* The object under this handle is another, or none: somebody took it out and put it back, for instance with the vendor's restore. */
static bool is_stale(P11Key *key, CK_RV rv)
{
    if (rv != CKR_KEY_HANDLE_INVALID && rv != CKR_OBJECT_HANDLE_INVALID)
        return false;
    (void)pthread_mutex_lock(&key->lock);
    key->handle = 0;
    (void)pthread_mutex_unlock(&key->lock);
    return true;
}

bool p11_is_unknown(CK_RV rv)
{
    return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_ARGUMENTS_BAD || rv == CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_RV use_once(P11Session *session, P11Use *use, CK_OBJECT_HANDLE handle)
{
    const CK_FUNCTION_LIST *fn = session->fn;
    CK_SESSION_HANDLE at = session->handle;
    CK_BYTE_PTR in = (CK_BYTE_PTR)(uintptr_t)use->in.ptr;
    CK_RV rv = use->op == P11_DECRYPT ? fn->C_DecryptInit(at, &use->mechanism, handle) :
               use->op == P11_ENCRYPT ? fn->C_EncryptInit(at, &use->mechanism, handle) : fn->C_SignInit(at, &use->mechanism, handle);
    use->len = use->room;
    if (rv != CKR_OK)
        return rv;
    return use->op == P11_DECRYPT ? fn->C_Decrypt(at, in, use->in.len, use->out, &use->len) :
           use->op == P11_ENCRYPT ? fn->C_Encrypt(at, in, use->in.len, use->out, &use->len) : fn->C_Sign(at, in, use->in.len, use->out, &use->len);
}

bool p11_use_in(P11Session *session, P11Use *use, Err *err)
{
    static const char *const what[] = { [P11_SIGN] = "signing", [P11_DECRYPT] = "decrypting", [P11_ENCRYPT] = "encrypting" };
    session->last = CKR_OK;
    for (int attempt = 1;; attempt++) {
        CK_OBJECT_HANDLE handle;
        if (!handle_of(session, use->key, &handle, err))
            return false;
        CK_RV rv = use_once(session, use, handle);
        if (attempt == 2 || !is_stale(use->key, rv))
            return p11_call(session, rv, what[use->op], err);
    }
}

/* ---- signing ---- */

typedef struct Signing { P11Key *key; SignAlg alg; Bytes digest; uint8_t out[RSA_BYTES_MOST]; size_t len; } Signing;

static bool sign_pss(P11Session *session, Signing *signing, P11Use *use, Err *err)
{
    size_t size = signing->digest.len;
    uint8_t padded[RSA_BYTES_MOST];
    CK_RSA_PKCS_PSS_PARAMS pss = { .hashAlg = size == 64 ? CKM_SHA512 : size == 48 ? CKM_SHA384 : CKM_SHA256,
                                   .mgf = size == 64 ? CKG_MGF1_SHA512 : size == 48 ? CKG_MGF1_SHA384 : CKG_MGF1_SHA256, .sLen = size };
    P11Token *token = session->token;
    if (!atomic_load(&token->bare_pss)) {
        use->mechanism = (CK_MECHANISM){ CKM_RSA_PKCS_PSS, &pss, sizeof pss };
        use->in = signing->digest;
        if (p11_use_in(session, use, err))
            return true;
        if (!p11_is_unknown(session->last))
            return false;
        atomic_store(&token->bare_pss, true);
    }
    use->mechanism = (CK_MECHANISM){ .mechanism = CKM_RSA_X_509 };
    use->in = (Bytes){ padded, (size_t)signing->key->spec.rsa_bits / 8 };
    return rsa_pad_pss(signing->alg, signing->digest, signing->key->spec.rsa_bits, padded, err) && p11_use_in(session, use, err);
}

static bool sign_in(P11Session *session, void *ctx, Err *err)
{
    Signing *signing = ctx;
    uint8_t info[DIGEST_INFO_MAX];
    P11Use use = { .key = signing->key, .op = P11_SIGN, .out = signing->out, .room = sizeof signing->out };
    SignAlg alg = signing->alg;
    bool good;
    if (alg == SIGN_PS256 || alg == SIGN_PS384 || alg == SIGN_PS512) {
        good = sign_pss(session, signing, &use, err);
    } else {
        bool is_rsa = signing->key->spec.kind == KEY_RSA;
        use.mechanism = (CK_MECHANISM){ .mechanism = is_rsa ? CKM_RSA_PKCS : CKM_ECDSA };
        use.in = is_rsa ? (Bytes){ info, rsa_digest_info(signing->digest, info) } : signing->digest;
        good = p11_use_in(session, &use, err);
    }
    signing->len = use.len;
    return good;
}

static size_t signature_size(KeySpec spec)
{
    return spec.kind == KEY_RSA ? (size_t)spec.rsa_bits / 8 : spec.curve == CURVE_P521 ? 132 : spec.curve == CURVE_P384 ? 96 : 64;
}

static bool key_sign_there(void *self, SignAlg alg, Bytes digest, Arena *arena, Bytes *signature, Err *err)
{
    P11Key *key = self;
    Signing signing = { .key = key, .alg = alg, .digest = digest };
    if (!p11_run(key->token, sign_in, &signing, err))
        return false;
    if (signing.len != signature_size(key->spec))
        return err_set(err, ERR_INTERNAL, "the token made a signature of %zu bytes, not %zu", signing.len, signature_size(key->spec));
    uint8_t *out = arena_alloc(arena, signing.len);
    if (!out)
        return err_too_big(err);
    memcpy(out, signing.out, signing.len);
    *signature = (Bytes){ out, signing.len };
    return true;
}

/* ---- unwrapping ---- */

typedef struct Unwrapping { P11Key *key; WrapAlg alg; Bytes wrapped; Secret *plain; } Unwrapping;

static bool does_not_unwrap(Err *err) { return err_field(err, "value", "value does not unwrap with this key and algorithm"); }

bool p11_is_value_at_fault(CK_RV rv)
{
    return rv == CKR_ENCRYPTED_DATA_INVALID || rv == CKR_ENCRYPTED_DATA_LEN_RANGE || rv == CKR_DATA_INVALID || rv == CKR_DATA_LEN_RANGE || rv == CKR_GENERAL_ERROR ||
           rv == CKR_FUNCTION_FAILED;
}

static bool unwrap_native(P11Session *session, Unwrapping *unwrapping, P11Use *use, Err *err)
{
    bool is_256 = unwrapping->alg == WRAP_RSA_OAEP_256;
    CK_RSA_PKCS_OAEP_PARAMS oaep = { .hashAlg = is_256 ? CKM_SHA256 : CKM_SHA_1, .mgf = is_256 ? CKG_MGF1_SHA256 : CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED };
    use->mechanism = unwrapping->alg == WRAP_RSA1_5 ? (CK_MECHANISM){ .mechanism = CKM_RSA_PKCS } : (CK_MECHANISM){ CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep };
    if (!p11_use_in(session, use, err))
        return false;
    secret_truncate(unwrapping->plain, use->len);
    return true;
}

static bool unwrap_bare(P11Session *session, Unwrapping *unwrapping, P11Use *use, Err *err)
{
    uint8_t *bytes = use->out;
    size_t len = use->in.len;
    use->mechanism = (CK_MECHANISM){ .mechanism = CKM_RSA_X_509 };
    if (!p11_use_in(session, use, err))
        return false;
    if (use->len > len)
        return err_set(err, ERR_INTERNAL, "the token gave %lu bytes for %zu", use->len, len);
    memmove(bytes + len - use->len, bytes, use->len);           /* a token may leave leading zeros out */
    memset(bytes, 0, len - use->len);
    Secret *plain = NULL;
    bool good = rsa_unpad(unwrapping->alg, (Bytes){ bytes, len }, &plain, err);
    secret_free(unwrapping->plain);
    unwrapping->plain = plain;
    return good;
}

static bool unwrap_in(P11Session *session, void *ctx, Err *err)
{
    Unwrapping *unwrapping = ctx;
    size_t len = unwrapping->wrapped.len;
    secret_free(TAKE(unwrapping->plain));
    unwrapping->plain = secret_new(len);
    if (!unwrapping->plain)
        return err_set(err, ERR_INTERNAL, "out of memory for an unwrapped value");
    P11Use use = { .key = unwrapping->key, .op = P11_DECRYPT, .in = unwrapping->wrapped, .out = secret_ptr(unwrapping->plain), .room = len };
    /* The bare operation, its padding checked here: where a token has no OAEP with SHA-256, and for PKCS#1 1.5 wherever it can be had. A token may make
     * up a value for what is badly padded (SoftHSM2 does, over an OpenSSL that does) instead of refusing. */
    bool bare = unwrapping->alg == WRAP_RSA1_5, good = false;
    atomic_bool *other_way = bare ? &session->token->no_bare_rsa : unwrapping->alg == WRAP_RSA_OAEP_256 ? &session->token->bare_oaep_256 : NULL;
    bool is_refused = other_way && atomic_load(other_way);
    if (!is_refused) {
        good = (bare ? unwrap_bare : unwrap_native)(session, unwrapping, &use, err);
        is_refused = !good && other_way && p11_is_unknown(session->last);
        if (is_refused)
            atomic_store(other_way, true);
    }
    if (is_refused)
        good = (bare ? unwrap_native : unwrap_bare)(session, unwrapping, &use, err);
    return good || (p11_is_value_at_fault(session->last) ? does_not_unwrap(err) : false);
}

static bool key_unwrap_there(void *self, WrapAlg alg, Bytes wrapped, Secret **plain, Err *err)
{
    P11Key *key = self;
    Unwrapping unwrapping = { .key = key, .alg = alg, .wrapped = wrapped };
    bool good = p11_run(key->token, unwrap_in, &unwrapping, err);
    if (good)
        *plain = TAKE(unwrapping.plain);
    secret_free(unwrapping.plain);
    return good;
}

static void key_done(void *self)
{
    P11Key *key = self;
    (void)pthread_mutex_destroy(&key->lock);
    free(key);
}

static const KeyDoer doer = { .sign = key_sign_there, .unwrap = key_unwrap_there, .encrypt = p11_oct_encrypt, .decrypt = p11_oct_decrypt, .mac = p11_oct_mac,
                              .done = key_done };

bool p11_key_about(const KeyRef *ref, P11Id *id, Bytes *wrapped)
{
    const P11Key *key = key_doer_self(ref, &doer);
    if (!key)
        return false;
    *id = key->id;
    *wrapped = (Bytes){ key->wrapped, key->wrapped_len };
    return true;
}

bool p11_key_open(P11Token *token, P11Id id, const KeyPublic *public_half, Bytes wrapped, KeyRef **out, Err *err)
{
    P11Key *key = calloc(1, sizeof *key + wrapped.len);
    if (!key)
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    key->token = token;
    key->id = id;
    key->wrapped_len = wrapped.len;
    if (wrapped.len)
        memcpy(key->wrapped, wrapped.ptr, wrapped.len);
    (void)pthread_mutex_init(&key->lock, NULL);
    if (public_half->kind == KEY_OCT ? !key_oct_from_doer(public_half->oct_bits, &doer, key, out, err) : !key_from_doer(public_half, &doer, key, out, err))
        return false;
    key->spec = key_spec(*out);
    return true;
}
