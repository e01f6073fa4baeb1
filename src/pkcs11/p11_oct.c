/* p11_oct.c - what the token does with a symmetric key: AES by its mechanisms, the key wraps block by block, HMAC by the key's wrapping.
 *
 * C_WrapKey wraps objects of the token and no bytes of a caller; so RFC 3394 and RFC 5649 are built here on CKM_AES_ECB, and the token sees
 * single blocks. The key stays where it is in all of this. */
#include "crypto/keys/key_raw.h"
#include "pkcs11/p11_own.h"

/* What the token cannot do is the caller's to know by name; what is wrong with the token is not. */
static bool not_done(const P11Session *session, Str alg, Err *err)
{
    static const CK_RV more[] = { CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_SIZE_RANGE, CKR_KEY_FUNCTION_NOT_PERMITTED };
    bool is_alg = p11_is_unknown(session->last);
    for (size_t i = 0; i < COUNT_OF(more); i++)
        is_alg = is_alg || session->last == more[i];
    return is_alg ? err_field(err, "alg", "the token that holds this key does not do " STR_FMT " with it (%s)", STR_ARG(alg), module_code(session->last)) : false;
}

static bool is_gcm(CipherAlg alg) { return alg <= CIPHER_A256GCM; }

typedef struct Blocks { P11Session *session; P11Key *key; } Blocks;

static bool one_block(void *self, bool decrypts, const uint8_t in[CIPHER_BLOCK], uint8_t out[CIPHER_BLOCK], Err *err)
{
    Blocks *blocks = self;
    P11Use use = { .key = blocks->key, .op = decrypts ? P11_DECRYPT : P11_ENCRYPT, .mechanism = { .mechanism = CKM_AES_ECB }, .in = { in, CIPHER_BLOCK }, .out = out, .room = CIPHER_BLOCK };
    if (!p11_use_in(blocks->session, &use, err))
        return false;
    return use.len == CIPHER_BLOCK || err_set(err, ERR_INTERNAL, "the token made %lu bytes of a block", use.len);
}

/* gcm lies with the caller, for as long as the mechanism is used. */
static CK_MECHANISM mechanism_of(CipherAlg alg, Bytes iv, Bytes aad, CK_GCM_PARAMS *gcm)
{
    if (!is_gcm(alg))
        return (CK_MECHANISM){ alg <= CIPHER_A256CBC ? CKM_AES_CBC : CKM_AES_CBC_PAD, (void *)(uintptr_t)iv.ptr, iv.len };
    /* pIv, ulIvLen, ulIvBits, pAAD, ulAADLen, ulTagBits: p11-kit's releases spell some of them differently. */
    *gcm = (CK_GCM_PARAMS){ (unsigned char *)(uintptr_t)iv.ptr, iv.len, 8 * iv.len, (unsigned char *)(uintptr_t)aad.ptr, aad.len, 8 * CIPHER_TAG };
    return (CK_MECHANISM){ CKM_AES_GCM, gcm, sizeof *gcm };
}

/* A token refuses no bytes at no address. */
static Bytes never_null(Bytes bytes)
{
    static const uint8_t nothing[1];
    return bytes.len ? bytes : (Bytes){ nothing, 0 };
}

/* ---- encrypting ---- */

typedef struct Sealing { P11Key *key; CipherAlg alg; Bytes plain, iv, aad; uint8_t *out; size_t room, len; } Sealing;

static bool seal_in(P11Session *session, void *ctx, Err *err)
{
    Sealing *sealing = ctx;
    CK_GCM_PARAMS gcm;
    if (cipher_alg_wraps(sealing->alg)) {
        Blocks blocks = { session, sealing->key };
        AesDevice device = { one_block, &blocks };
        return aes_wrap(&device, sealing->alg == CIPHER_CKM_AES_KEY_WRAP_PAD, sealing->plain, sealing->out, &sealing->len, err) || not_done(session, cipher_alg_name(sealing->alg), err);
    }
    P11Use use = { .key = sealing->key, .op = P11_ENCRYPT, .mechanism = mechanism_of(sealing->alg, sealing->iv, sealing->aad, &gcm), .in = never_null(sealing->plain),
                   .out = sealing->out, .room = sealing->room };
    if (!p11_use_in(session, &use, err))
        return not_done(session, cipher_alg_name(sealing->alg), err);
    sealing->len = use.len;
    return true;
}

static bool fits_wrap(CipherAlg alg, size_t len, size_t most, Err *err)
{
    return !cipher_alg_wraps(alg) || len <= most ||
           err_field(err, "value", "value may have %zu bytes for " STR_FMT " with a key in a hardware module", most, STR_ARG(cipher_alg_name(alg)));
}

bool p11_oct_encrypt(void *self, CipherAlg alg, Bytes plain, Bytes iv, Bytes aad, Arena *arena, CipherText *out, Err *err)
{
    P11Key *key = self;
    Sealing sealing = { .key = key, .alg = alg, .plain = plain, .iv = iv, .aad = aad, .room = plain.len + 2 * CIPHER_BLOCK };
    if (!fits_wrap(alg, plain.len, AES_WRAP_MOST, err))
        return false;
    sealing.out = arena_alloc(arena, sealing.room);
    if (!sealing.out)
        return err_too_big(err);
    if (!p11_run(key->token, seal_in, &sealing, err))
        return false;
    if (!is_gcm(alg)) {
        *out = (CipherText){ .value = { sealing.out, sealing.len }, .iv = iv };
        return true;
    }
    /* PKCS #11 2.40, section 2.12.2: the tag is behind what was encrypted. */
    if (sealing.len != plain.len + CIPHER_TAG)
        return err_set(err, ERR_INTERNAL, "the token made %zu bytes of %zu by AES-GCM", sealing.len, plain.len);
    *out = (CipherText){ .value = { sealing.out, plain.len }, .iv = iv, .tag = { sealing.out + plain.len, CIPHER_TAG }, .aad = aad };
    return true;
}

/* ---- decrypting ---- */

typedef struct Opening { P11Key *key; CipherAlg alg; const CipherText *in; Bytes sealed; Secret *plain; } Opening;

static bool does_not_open(Err *err) { return err_field(err, "value", "value does not decrypt with this key and algorithm"); }

static bool open_in(P11Session *session, void *ctx, Err *err)
{
    Opening *opening = ctx;
    CK_GCM_PARAMS gcm;
    secret_free(TAKE(opening->plain));
    if (cipher_alg_wraps(opening->alg)) {
        Blocks blocks = { session, opening->key };
        AesDevice device = { one_block, &blocks };
        return aes_unwrap(&device, opening->alg == CIPHER_CKM_AES_KEY_WRAP_PAD, opening->sealed, &opening->plain, err) || not_done(session, cipher_alg_name(opening->alg), err);
    }
    opening->plain = secret_new(opening->sealed.len + CIPHER_BLOCK);
    if (!opening->plain)
        return err_set(err, ERR_INTERNAL, "out of memory for a decrypted value");
    P11Use use = { .key = opening->key, .op = P11_DECRYPT, .mechanism = mechanism_of(opening->alg, opening->in->iv, opening->in->aad, &gcm), .in = never_null(opening->sealed),
                   .out = secret_ptr(opening->plain), .room = opening->sealed.len + CIPHER_BLOCK };
    if (!p11_use_in(session, &use, err))
        return p11_is_value_at_fault(session->last) ? does_not_open(err) : not_done(session, cipher_alg_name(opening->alg), err);
    secret_truncate(opening->plain, use.len);
    return true;
}

bool p11_oct_decrypt(void *self, CipherAlg alg, const CipherText *in, Secret **plain, Err *err)
{
    P11Key *key = self;
    AUTO(arena_free_auto) Arena *arena = NULL;
    Opening opening = { .key = key, .alg = alg, .in = in, .sealed = in->value };
    if (!fits_wrap(alg, in->value.len, AES_WRAP_MOST + AES_WRAP_ROOM, err))
        return false;
    if (is_gcm(alg)) {
        size_t len = in->value.len + in->tag.len;
        arena = arena_new(len + 1024);
        uint8_t *joined = arena ? arena_alloc(arena, len) : NULL;
        if (!joined)
            return err_set(err, ERR_INTERNAL, "out of memory for a value to decrypt");
        if (in->value.len)
            memcpy(joined, in->value.ptr, in->value.len);
        memcpy(joined + in->value.len, in->tag.ptr, in->tag.len);
        opening.sealed = (Bytes){ joined, len };
    }
    bool good = p11_run(key->token, open_in, &opening, err);
    if (good)
        *plain = TAKE(opening.plain);
    secret_free(opening.plain);
    return good;
}

/* ---- HMAC ---- */

typedef struct Macing { P11Key *key; MacAlg alg; Bytes data; uint8_t out[64]; CK_ULONG len; } Macing;

/* HMAC is of generic secrets, and this key is of AES (PKCS #11 2.40, section 2.14): its wrapping is opened as the one for this once, in the token. */
static bool mac_in(P11Session *session, void *ctx, Err *err)
{
    Macing *macing = ctx;
    Str name = mac_alg_name(macing->alg);
    CK_MECHANISM mechanism = { .mechanism = macing->alg == MAC_HS256 ? CKM_SHA256_HMAC : macing->alg == MAC_HS384 ? CKM_SHA384_HMAC : CKM_SHA512_HMAC };
    CK_OBJECT_HANDLE handle;
    if (!session->token->wrap_key || !macing->key->wrapped_len)
        return err_field(err, "alg", "the token that holds this key does not do " STR_FMT " with it: it wraps no keys", STR_ARG(name));
    if (!p11_unwrap_mac_in(session, (Bytes){ macing->key->wrapped, macing->key->wrapped_len }, &handle, err))
        return false;
    macing->len = sizeof macing->out;
    bool good = p11_call(session, session->fn->C_SignInit(session->handle, &mechanism, handle), "authenticating", err) &&
                p11_call(session, session->fn->C_Sign(session->handle, (CK_BYTE_PTR)(uintptr_t)macing->data.ptr, macing->data.len, macing->out, &macing->len), "authenticating", err);
    (void)session->fn->C_DestroyObject(session->handle, handle);
    return good || not_done(session, name, err);
}

bool p11_oct_mac(void *self, MacAlg alg, Bytes data, Arena *arena, Bytes *mac, Err *err)
{
    P11Key *key = self;
    Macing macing = { .key = key, .alg = alg, .data = never_null(data) };
    if (!p11_run(key->token, mac_in, &macing, err))
        return false;
    if (macing.len != mac_alg_size(alg))
        return err_set(err, ERR_INTERNAL, "the token made a MAC of %lu bytes, not %zu", macing.len, mac_alg_size(alg));
    uint8_t *out = arena_alloc(arena, macing.len);
    if (!out)
        return err_too_big(err);
    memcpy(out, macing.out, macing.len);
    *mac = (Bytes){ out, macing.len };
    return true;
}
