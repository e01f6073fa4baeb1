/* p11_wrap.c - the token's own key that wraps the others, and keys on their way into the token. */
#include "base/log.h"
#include "pkcs11/p11_own.h"

#define WRAP_LABEL "vaultyard-wrap"
enum { WRAP_KEY_BYTES = 32 };

/* ---- templates ---- */

typedef struct Template { CK_ATTRIBUTE items[16]; CK_ULONG count; } Template;

static void put(Template *t, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    t->items[t->count++] = (CK_ATTRIBUTE)ATTRIBUTE_BYTES(type, value, len);
}

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* Around a call that makes an object: only one of the token takes its turn. */
static void hold(P11Session *session, const P11New *as)
{
    if (as)
        p11_objects_hold(session);
}

static void release(P11Session *session, const P11New *as)
{
    if (as)
        p11_objects_release(session);
}

/* What every key of ours is: in the token for good under `as`, or of the session and fit to be wrapped. */
static void place_template(Template *t, const P11New *as)
{
    put(t, CKA_TOKEN, as ? &yes : &no, sizeof yes);
    put(t, CKA_PRIVATE, &yes, sizeof yes);
    put(t, CKA_SENSITIVE, &yes, sizeof yes);
    put(t, CKA_EXTRACTABLE, as ? &no : &yes, sizeof yes);
    if (as) {
        put(t, CKA_ID, as->id.bytes, sizeof as->id.bytes);
        put(t, CKA_LABEL, as->label.ptr, as->label.len);
    }
}

/* A secret key of this process's own making, which never leaves: for good, or for as long as the session. */
static void own_template(Template *t, const CK_KEY_TYPE *type, const CK_BBOOL *for_good)
{
    static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    put(t, CKA_CLASS, &class, sizeof class);
    put(t, CKA_KEY_TYPE, type, sizeof *type);
    put(t, CKA_TOKEN, for_good, sizeof *for_good);
    put(t, CKA_PRIVATE, &yes, sizeof yes);
    put(t, CKA_SENSITIVE, &yes, sizeof yes);
    put(t, CKA_EXTRACTABLE, &no, sizeof no);
}

static void secret_template(Template *t, const P11New *as)
{
    static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    static CK_KEY_TYPE aes = CKK_AES;
    static const CK_ATTRIBUTE_TYPE unused[] = { CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP };
    put(t, CKA_CLASS, &class, sizeof class);
    put(t, CKA_KEY_TYPE, &aes, sizeof aes);
    place_template(t, as);
    put(t, CKA_ENCRYPT, &yes, sizeof yes);
    put(t, CKA_DECRYPT, &yes, sizeof yes);
    for (size_t i = 0; i < COUNT_OF(unused); i++)           /* tokens allow what is not spoken of; who may wrap and decrypt with one key could read others */
        put(t, unused[i], &no, sizeof no);
}

static void private_template(Template *t, KeyKind kind, const P11New *as)
{
    static CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    static CK_KEY_TYPE rsa = CKK_RSA, ec = CKK_EC;
    put(t, CKA_CLASS, &class, sizeof class);
    put(t, CKA_KEY_TYPE, kind == KEY_RSA ? &rsa : &ec, sizeof rsa);
    place_template(t, as);
    put(t, CKA_SIGN, &yes, sizeof yes);
    if (kind == KEY_RSA) {
        put(t, CKA_DECRYPT, &yes, sizeof yes);
        put(t, CKA_UNWRAP, &yes, sizeof yes);           /* it may be the key that transfers are wrapped for */
    }
}

/* X9.62 named curves as DER object identifiers (SEC 2 appendix A.2). */
Bytes p11_curve_params(KeyCurve curve)
{
    static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 }, p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 },
                         p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 }, p256k[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a };
    return curve == CURVE_P256 ? (Bytes){ p256, sizeof p256 } : curve == CURVE_P384 ? (Bytes){ p384, sizeof p384 } :
           curve == CURVE_P521 ? (Bytes){ p521, sizeof p521 } : (Bytes){ p256k, sizeof p256k };
}

bool p11_generate_in(P11Session *session, KeySpec spec, const P11New *as, CK_OBJECT_HANDLE *public_half, CK_OBJECT_HANDLE *private_half, Err *err)
{
    static const uint8_t exponent[] = { 1, 0, 1 };
    Template public = { 0 }, private = { 0 };
    CK_MECHANISM mechanism = { .mechanism = spec.kind == KEY_RSA ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN };
    CK_ULONG bits = (CK_ULONG)spec.rsa_bits;
    put(&public, CKA_TOKEN, &no, sizeof no);
    put(&public, CKA_VERIFY, &yes, sizeof yes);
    if (spec.kind == KEY_RSA) {
        put(&public, CKA_ENCRYPT, &yes, sizeof yes);
        put(&public, CKA_MODULUS_BITS, &bits, sizeof bits);
        put(&public, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
    } else {
        Bytes params = p11_curve_params(spec.curve);
        put(&public, CKA_EC_PARAMS, params.ptr, params.len);
    }
    private_template(&private, spec.kind, as);
    hold(session, as);
    CK_RV rv = session->fn->C_GenerateKeyPair(session->handle, &mechanism, public.items, public.count, private.items, private.count, public_half, private_half);
    release(session, as);
    if (rv == CKR_OK || module_is_lost(rv) || rv == CKR_DEVICE_MEMORY)
        return p11_call(session, rv, "making a key pair", err);
    session->last = rv;
    if (spec.kind == KEY_RSA)
        return err_field(err, "key_size", "The token makes no RSA keys of %d bits (%s).", spec.rsa_bits, module_code(rv));
    return err_field(err, "crv", "The token makes no keys on curve " STR_FMT " (%s).", STR_ARG(key_curve_name(spec.curve)), module_code(rv));
}

bool p11_generate_oct_in(P11Session *session, KeySpec spec, const P11New *as, CK_OBJECT_HANDLE *out, Err *err)
{
    Template t = { 0 };
    CK_MECHANISM mechanism = { .mechanism = CKM_AES_KEY_GEN };
    CK_ULONG len = (CK_ULONG)spec.oct_bits / 8;
    secret_template(&t, as);
    put(&t, CKA_VALUE_LEN, &len, sizeof len);
    hold(session, as);
    CK_RV rv = session->fn->C_GenerateKey(session->handle, &mechanism, t.items, t.count, out);
    release(session, as);
    if (rv == CKR_OK || module_is_lost(rv) || rv == CKR_DEVICE_MEMORY)
        return p11_call(session, rv, "making a symmetric key", err);
    session->last = rv;
    return err_field(err, "key_size", "The token makes no symmetric keys of %d bits (%s).", spec.oct_bits, module_code(rv));
}

bool p11_unwrap_mac_in(P11Session *session, Bytes wrapped, CK_OBJECT_HANDLE *out, Err *err)
{
    static CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
    CK_MECHANISM mechanism = { .mechanism = session->token->wrap_mechanism };
    Template t = { 0 };
    own_template(&t, &generic, &no);
    put(&t, CKA_SIGN, &yes, sizeof yes);
    return p11_call(session, session->fn->C_UnwrapKey(session->handle, &mechanism, session->token->wrap_key, (CK_BYTE_PTR)(uintptr_t)wrapped.ptr, wrapped.len, t.items, t.count, out),
                    "unwrapping a key", err);
}

bool p11_unwrap_in(P11Session *session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with, Bytes wrapped, KeyKind kind, const P11New *as, CK_OBJECT_HANDLE *out, Err *err)
{
    Template template = { 0 };
    if (kind == KEY_OCT)
        secret_template(&template, as);
    else
        private_template(&template, kind, as);
    hold(session, as);
    CK_RV rv = session->fn->C_UnwrapKey(session->handle, mechanism, with, (CK_BYTE_PTR)(uintptr_t)wrapped.ptr, wrapped.len, template.items, template.count, out);
    release(session, as);
    return p11_call(session, rv, "unwrapping a key", err);
}

/* ---- the wrap key ---- */

static bool make_wrap_key(P11Session *session, CK_OBJECT_HANDLE *out)
{
    static CK_KEY_TYPE aes = CKK_AES;
    CK_ULONG len = WRAP_KEY_BYTES;
    CK_MECHANISM mechanism = { .mechanism = CKM_AES_KEY_GEN };
    Template t = { 0 };
    own_template(&t, &aes, &yes);
    put(&t, CKA_WRAP, &yes, sizeof yes);
    put(&t, CKA_UNWRAP, &yes, sizeof yes);
    put(&t, CKA_ENCRYPT, &no, sizeof no);               /* else who can use it could open wrappings with it */
    put(&t, CKA_DECRYPT, &no, sizeof no);
    put(&t, CKA_VALUE_LEN, &len, sizeof len);
    put(&t, CKA_LABEL, WRAP_LABEL, sizeof WRAP_LABEL - 1);
    return session->fn->C_GenerateKey(session->handle, &mechanism, t.items, t.count, out) == CKR_OK;
}

/* A token may have the mechanism and yet not let private keys out under it: found out before anything relies on it. */
static bool wraps_private_keys(P11Session *session, CK_OBJECT_HANDLE wrap_key)
{
    CK_OBJECT_HANDLE public_half, private_half;
    CK_MECHANISM mechanism = { .mechanism = session->token->wrap_mechanism };
    uint8_t wrapped[P11_WRAPPED_MAX];
    CK_ULONG len = sizeof wrapped;
    Err ignored;
    if (!p11_generate_in(session, (KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, NULL, &public_half, &private_half, &ignored))
        return false;
    bool does = session->fn->C_WrapKey(session->handle, &mechanism, wrap_key, private_half, wrapped, &len) == CKR_OK;
    (void)session->fn->C_DestroyObject(session->handle, public_half);
    (void)session->fn->C_DestroyObject(session->handle, private_half);
    return does;
}

bool p11_wrap_key_find(P11Session *session, Err *err)
{
    P11Token *token = session->token;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_ATTRIBUTE wanted[] = { ATTRIBUTE(CKA_CLASS, class), ATTRIBUTE(CKA_TOKEN, yes), ATTRIBUTE_BYTES(CKA_LABEL, WRAP_LABEL, sizeof WRAP_LABEL - 1) };
    token->wrap_key = 0;
    token->wrap_mechanism = CKM_AES_KEY_WRAP_PAD;       /* RFC 5649 */
    if (!p11_has_mechanism(session, CKM_AES_KEY_WRAP_PAD, CKF_WRAP | CKF_UNWRAP))
        return true;
    if (!p11_find(session, wanted, COUNT_OF(wanted), &token->wrap_key, err) || token->wrap_key)
        return token->wrap_key != 0;
    CK_OBJECT_HANDLE made;
    if (!make_wrap_key(session, &made))
        return true;
    if (wraps_private_keys(session, made))
        token->wrap_key = made;
    else
        (void)session->fn->C_DestroyObject(session->handle, made);
    return true;
}

bool p11_settle(P11Session *session, CK_OBJECT_HANDLE made, const P11New *as, KeyKind kind, Bytes *wrapped, Err *err)
{
    const P11Token *token = session->token;
    CK_MECHANISM mechanism = { .mechanism = token->wrap_mechanism };
    CK_OBJECT_HANDLE settled;
    uint8_t *bytes = arena_alloc(as->arena, P11_WRAPPED_MAX);
    CK_ULONG len = P11_WRAPPED_MAX;
    if (!bytes)
        return err_too_big(err);
    if (!p11_call(session, session->fn->C_WrapKey(session->handle, &mechanism, token->wrap_key, made, bytes, &len), "wrapping a key", err) ||
        !p11_unwrap_in(session, &mechanism, token->wrap_key, (Bytes){ bytes, len }, kind, as, &settled, err))
        return false;
    (void)session->fn->C_DestroyObject(session->handle, made);          /* of the session: it would go with it */
    *wrapped = (Bytes){ bytes, len };
    return true;
}
