/* p11_make.c - keys come into the token: made there, taken over, transferred, restored.
 *
 * Where the token has a wrap key a new key is one of the session first, is wrapped, and what is unwrapped of that stays: so each wrapping was
 * proven to open. */
#include "crypto/keys/key_raw.h"
#include "pkcs11/p11_own.h"

typedef struct Make {
    const P11New *as;
    KeySpec   spec;                         /* make */
    const KeyRef *key;                      /* take */
    P11Id   kek;                          /* transfer */
    KeyKind   kind;
    Bytes     blob;                         /* transfer, restore */
    KeyPublic public_half;
    Bytes     wrapped;
} Make;

static const P11New *place_of(const P11Session *session, const Make *make) { return session->token->wrap_key ? NULL : make->as; }

static bool settle(P11Session *session, Make *make, KeyKind kind, CK_OBJECT_HANDLE made, Err *err)
{
    make->wrapped = (Bytes){ 0 };
    return !session->token->wrap_key || p11_settle(session, made, make->as, kind, &make->wrapped, err);
}

/* An attribute's value in the arena. */
static bool attribute(P11Session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, Arena *arena, Bytes *out, Err *err)
{
    CK_ATTRIBUTE ask = { .type = type };
    if (!p11_call(session, session->fn->C_GetAttributeValue(session->handle, object, &ask, 1), "reading a key's attribute", err))
        return false;
    if (!ask.ulValueLen || ask.ulValueLen > RSA_BYTES_MOST + 8)
        return err_set(err, ERR_INTERNAL, "a key in the token lacks attribute 0x%lx", type);
    uint8_t *bytes = arena_alloc(arena, ask.ulValueLen);
    if (!bytes)
        return err_too_big(err);
    ask.pValue = bytes;
    if (!p11_call(session, session->fn->C_GetAttributeValue(session->handle, object, &ask, 1), "reading a key's attribute", err))
        return false;
    *out = (Bytes){ bytes, ask.ulValueLen };
    return true;
}

static bool rsa_public(P11Session *session, CK_OBJECT_HANDLE object, Make *make, Err *err)
{
    KeyPublic *open = &make->public_half;
    *open = (KeyPublic){ .kind = KEY_RSA };
    if (!attribute(session, object, CKA_MODULUS, make->as->arena, &open->n, err) || !attribute(session, object, CKA_PUBLIC_EXPONENT, make->as->arena, &open->e, err))
        return false;
    while (open->n.len && !*open->n.ptr)
        open->n = (Bytes){ open->n.ptr + 1, open->n.len - 1 };
    while (open->e.len && !*open->e.ptr)
        open->e = (Bytes){ open->e.ptr + 1, open->e.len - 1 };
    return true;
}

/* CKA_EC_POINT is a DER OCTET STRING around the uncompressed point (PKCS #11 2.40, section 2.3.3); a few tokens leave the wrapper out. */
static bool ec_public(P11Session *session, CK_OBJECT_HANDLE object, Make *make, Err *err)
{
    Bytes point;
    size_t width = make->spec.curve == CURVE_P384 ? 48 : make->spec.curve == CURVE_P521 ? 66 : 32;
    if (!attribute(session, object, CKA_EC_POINT, make->as->arena, &point, err))
        return false;
    if (point.len < 1 + 2 * width || point.ptr[point.len - 2 * width - 1] != 4)
        return err_set(err, ERR_INTERNAL, "the token's EC point is not an uncompressed one of its curve");
    const uint8_t *x = point.ptr + point.len - 2 * width;
    make->public_half = (KeyPublic){ .kind = KEY_EC, .curve = make->spec.curve, .x = { x, width }, .y = { x + width, width } };
    return true;
}

static bool make_in(P11Session *session, void *ctx, Err *err)
{
    Make *make = ctx;
    CK_OBJECT_HANDLE public_half, private_half;
    if (!p11_erase_in(session, make->as->id, err) || !p11_generate_in(session, make->spec, place_of(session, make), &public_half, &private_half, err))
        return false;
    bool good = make->spec.kind == KEY_RSA ? rsa_public(session, public_half, make, err) : ec_public(session, public_half, make, err);
    (void)session->fn->C_DestroyObject(session->handle, public_half);
    good = good && settle(session, make, make->spec.kind, private_half, err);
    if (!good)
        (void)session->fn->C_DestroyObject(session->handle, private_half);
    return good;
}

static bool make_oct_in(P11Session *session, void *ctx, Err *err)
{
    Make *make = ctx;
    CK_OBJECT_HANDLE made;
    make->public_half = (KeyPublic){ .kind = KEY_OCT, .oct_bits = make->spec.oct_bits };
    if (!p11_erase_in(session, make->as->id, err) || !p11_generate_oct_in(session, make->spec, place_of(session, make), &made, err))
        return false;
    bool good = settle(session, make, KEY_OCT, made, err);
    if (!good)
        (void)session->fn->C_DestroyObject(session->handle, made);
    return good;
}

/* ---- transfer ---- */

/* Refused for what was sent, not for the token's state. */
static bool not_a_transfer(P11Session *session, Err *err)
{
    if (module_is_lost(session->last) || session->last == CKR_DEVICE_MEMORY)
        return false;
    return err_field(err, "key.key_hsm", "key_hsm does not hold a key of this type, wrapped for this key exchange key as CKM_RSA_AES_KEY_WRAP says (%s)", module_code(session->last));
}

static bool unwrap_aes(P11Session *session, CK_OBJECT_HANDLE kek, Bytes wrapped, CK_OBJECT_HANDLE *out, Err *err)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE aes = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_RSA_PKCS_OAEP_PARAMS oaep = { .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED };
    CK_MECHANISM mechanism = { CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep };
    CK_ATTRIBUTE template[] = { ATTRIBUTE(CKA_CLASS, class), ATTRIBUTE(CKA_KEY_TYPE, aes), ATTRIBUTE(CKA_TOKEN, no), ATTRIBUTE(CKA_PRIVATE, yes), ATTRIBUTE(CKA_SENSITIVE, yes),
                                ATTRIBUTE(CKA_EXTRACTABLE, no), ATTRIBUTE(CKA_UNWRAP, yes) };
    return p11_call(session, session->fn->C_UnwrapKey(session->handle, &mechanism, kek, (CK_BYTE_PTR)(uintptr_t)wrapped.ptr, wrapped.len, template, COUNT_OF(template), out),
                      "unwrapping a transfer", err);
}

static bool open_transfer(P11Session *session, const Make *make, CK_OBJECT_HANDLE kek, size_t kek_bytes, Bytes blob, CK_OBJECT_HANDLE *out, Err *err)
{
    CK_OBJECT_HANDLE aes;
    CK_MECHANISM mechanism = { .mechanism = CKM_AES_KEY_WRAP_PAD };
    session->last = CKR_WRAPPED_KEY_LEN_RANGE;
    if (blob.len <= kek_bytes || !unwrap_aes(session, kek, (Bytes){ blob.ptr, kek_bytes }, &aes, err))
        return not_a_transfer(session, err);
    bool good = p11_unwrap_in(session, &mechanism, aes, (Bytes){ blob.ptr + kek_bytes, blob.len - kek_bytes }, make->kind, place_of(session, make), out, err) ||
                not_a_transfer(session, err);
    (void)session->fn->C_DestroyObject(session->handle, aes);
    return good;
}

/* ---- the public half of what was transferred ---- */

static bool curve_of(P11Session *session, CK_OBJECT_HANDLE object, Arena *arena, KeyCurve *out, Err *err)
{
    Bytes params;
    *out = CURVE_NONE;
    if (!attribute(session, object, CKA_EC_PARAMS, arena, &params, err))
        return false;
    for (KeyCurve curve = CURVE_P256; curve <= CURVE_P256K; curve++) {
        Bytes known = p11_curve_params(curve);
        if (params.len == known.len && memcmp(params.ptr, known.ptr, known.len) == 0)
            *out = curve;
    }
    return *out || err_field(err, "key.key_hsm", "the key lies on a curve that is not served; use P-256, P-384, P-521 or P-256K");
}

/* The token tells no point of a private key. */
static bool ec_public_of_private(P11Session *session, CK_OBJECT_HANDLE object, Make *make, Err *err)
{
    AUTO(key_free_auto) KeyRef *found = NULL;
    uint8_t raw[2][64] = { { 0 } }, made[2][2 * 66];
    Bytes digests[2], signatures[2];
    KeyCurve curve;
    CK_MECHANISM mechanism = { .mechanism = CKM_ECDSA };
    if (!curve_of(session, object, make->as->arena, &curve, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        CK_ULONG len = sizeof made[i];
        memset(raw[i], (int)(0x5a + i), sizeof raw[i]);
        if (!p11_call(session, session->fn->C_SignInit(session->handle, &mechanism, object), "signing", err) ||
            !p11_call(session, session->fn->C_Sign(session->handle, raw[i], 32, made[i], &len), "signing", err))
            return false;
        digests[i] = (Bytes){ raw[i], 32 };
        signatures[i] = (Bytes){ made[i], len };
    }
    return ec_public_of_signatures(curve, digests, signatures, &found, err) && key_public(make->as->arena, found, &make->public_half, err);
}

/* Of its wrapping's length (RFC 5649: a multiple of 8, and 8 more). That it has no byte fewer is seen by its use: AES has keys of these sizes alone. */
static bool oct_public(P11Session *session, CK_OBJECT_HANDLE object, size_t wrapped_len, Make *make, Err *err)
{
    CK_MECHANISM mechanism = { .mechanism = CKM_AES_ECB };
    uint8_t block[CIPHER_BLOCK] = { 0 }, out[CIPHER_BLOCK];
    CK_ULONG len = sizeof out;
    KeySpec spec;
    if (wrapped_len != 24 && wrapped_len != 32 && wrapped_len != 40)
        return err_field(err, "key.key_hsm", "a symmetric key has 128, 192 or 256 bits");
    session->last = session->fn->C_EncryptInit(session->handle, &mechanism, object);
    if (session->last == CKR_OK)
        session->last = session->fn->C_Encrypt(session->handle, block, sizeof block, out, &len);
    if (session->last != CKR_OK)
        return not_a_transfer(session, err);
    make->public_half = (KeyPublic){ .kind = KEY_OCT, .oct_bits = (int)(wrapped_len - 8) * 8 };
    return key_oct_spec(make->public_half.oct_bits, &spec, err);
}

static bool transfer_in(P11Session *session, void *ctx, Err *err)
{
    Make *make = ctx;
    CK_OBJECT_HANDLE kek, made;
    Bytes modulus;
    if (!p11_erase_in(session, make->as->id, err) || !p11_find_key(session, make->kek, &kek, err))
        return false;
    if (!kek)
        return err_named(err, ERR_UNAVAILABLE, "ServiceUnavailable", NULL, "The key exchange key is not in the token any more.");
    if (!attribute(session, kek, CKA_MODULUS, make->as->arena, &modulus, err))
        return false;
    size_t kek_bytes = modulus.len - (modulus.len && !*modulus.ptr);
    if (!open_transfer(session, make, kek, kek_bytes, make->blob, &made, err))
        return false;
    bool good = (make->kind == KEY_RSA ? rsa_public(session, made, make, err) : make->kind == KEY_OCT ? oct_public(session, made, make->blob.len - kek_bytes, make, err)
                                                                                                      : ec_public_of_private(session, made, make, err)) &&
                settle(session, make, make->kind, made, err);
    if (!good)
        (void)session->fn->C_DestroyObject(session->handle, made);
    return good;
}

/* ---- a key of this process, the same way: the token makes a pair for this one transfer ---- */

static bool take_in(P11Session *session, void *ctx, Err *err)
{
    Make *make = ctx;
    Make exchange = { .as = make->as };
    AUTO(key_free_auto) KeyRef *kek = NULL;
    CK_OBJECT_HANDLE public_half, private_half, made;
    Bytes blob;
    if (!p11_erase_in(session, make->as->id, err) ||
        !p11_generate_in(session, (KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, NULL, &public_half, &private_half, err))
        return false;
    bool good = rsa_public(session, public_half, &exchange, err) && key_from_public(&exchange.public_half, &kek, err) &&
                key_to_transfer(make->key, kek, make->as->arena, &blob, err) && open_transfer(session, make, private_half, 2048 / 8, blob, &made, err);
    (void)session->fn->C_DestroyObject(session->handle, public_half);
    (void)session->fn->C_DestroyObject(session->handle, private_half);
    if (!good)
        return false;
    good = settle(session, make, make->kind, made, err);
    if (!good)
        (void)session->fn->C_DestroyObject(session->handle, made);
    return good;
}

static bool restore_in(P11Session *session, void *ctx, Err *err)
{
    Make *make = ctx;
    CK_MECHANISM mechanism = { .mechanism = session->token->wrap_mechanism };
    CK_OBJECT_HANDLE made;
    if (!session->token->wrap_key)
        return err_field(err, "value", "This token wraps no keys, so a backup of a key in a token cannot be restored into it.");
    if (!p11_erase_in(session, make->as->id, err))
        return false;
    if (p11_unwrap_in(session, &mechanism, session->token->wrap_key, make->blob, make->kind, make->as, &made, err) || module_is_lost(session->last))
        return session->last == CKR_OK;
    return err_field(err, "value", "The key of this backup was wrapped in another token than the one of this server (%s).", module_code(session->last));
}

/* ---- calls ---- */

static bool finish(P11Token *token, P11Fn *fn, Make *make, KeyRef **out, Bytes *wrapped, Err *err)
{
    if (!p11_run(token, fn, make, err))
        return false;
    if (!p11_key_open(token, make->as->id, &make->public_half, fn == restore_in ? make->blob : make->wrapped, out, err)) {
        Err ignored;
        bool is_gone = p11_erase(token, make->as->id, &ignored);
        (void)is_gone;                          /* the first error is what counts; whoever chose the id erases it later */
        return false;
    }
    if (wrapped)
        *wrapped = make->wrapped;
    return true;
}

bool p11_make(P11Token *token, const P11New *as, KeySpec spec, KeyRef **out, Bytes *wrapped, Err *err)
{
    Make make = { .as = as, .spec = spec };
    return finish(token, spec.kind == KEY_OCT ? make_oct_in : make_in, &make, out, wrapped, err);
}

bool p11_take(P11Token *token, const P11New *as, const KeyRef *key, KeyRef **out, Bytes *wrapped, Err *err)
{
    Make make = { .as = as, .key = key, .kind = key_spec(key).kind, .public_half = { .kind = KEY_OCT, .oct_bits = key_spec(key).oct_bits } };
    return (make.kind == KEY_OCT || key_public(as->arena, key, &make.public_half, err)) && finish(token, take_in, &make, out, wrapped, err);
}

bool p11_transfer(P11Token *token, const P11New *as, P11Id kek, KeyKind kind, Bytes blob, KeyRef **out, Bytes *wrapped, Err *err)
{
    Make make = { .as = as, .kek = kek, .kind = kind, .blob = blob };
    return finish(token, transfer_in, &make, out, wrapped, err);
}

bool p11_restore(P11Token *token, const P11New *as, const KeyPublic *public_half, Bytes wrapped, KeyRef **out, Err *err)
{
    Make make = { .as = as, .kind = public_half->kind, .public_half = *public_half, .blob = wrapped };
    return finish(token, restore_in, &make, out, NULL, err);
}
