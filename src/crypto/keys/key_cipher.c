/* key_cipher.c - AES with symmetric keys: GCM, CBC, and the key wraps. */
#include <limits.h>
#include <pthread.h>
#include "base/id.h"
#include "crypto/keys/key_oct.h"
#include "crypto/keys/key_own.h"

typedef enum Mode { MODE_GCM = 1, MODE_CBC, MODE_CBCPAD, MODE_WRAP, MODE_WRAP_PAD } Mode;
enum { SEMIBLOCK = 8, WRAP_LEAST = 2 * SEMIBLOCK };

static const struct { CipherAlg alg; Str name; int bits; Mode mode; } algs[] = {      /* bits 0: any size */
    { CIPHER_A128GCM,    { "A128GCM", 7 },     128, MODE_GCM },     { CIPHER_A192GCM,    { "A192GCM", 7 },     192, MODE_GCM },
    { CIPHER_A256GCM,    { "A256GCM", 7 },     256, MODE_GCM },     { CIPHER_A128CBC,    { "A128CBC", 7 },     128, MODE_CBC },
    { CIPHER_A192CBC,    { "A192CBC", 7 },     192, MODE_CBC },     { CIPHER_A256CBC,    { "A256CBC", 7 },     256, MODE_CBC },
    { CIPHER_A128CBCPAD, { "A128CBCPAD", 10 }, 128, MODE_CBCPAD },  { CIPHER_A192CBCPAD, { "A192CBCPAD", 10 }, 192, MODE_CBCPAD },
    { CIPHER_A256CBCPAD, { "A256CBCPAD", 10 }, 256, MODE_CBCPAD },  { CIPHER_A128KW,     { "A128KW", 6 },      128, MODE_WRAP },
    { CIPHER_A192KW,     { "A192KW", 6 },      192, MODE_WRAP },    { CIPHER_A256KW,     { "A256KW", 6 },      256, MODE_WRAP },
    { CIPHER_CKM_AES_KEY_WRAP,     { "CKM_AES_KEY_WRAP", 16 },     0, MODE_WRAP },
    { CIPHER_CKM_AES_KEY_WRAP_PAD, { "CKM_AES_KEY_WRAP_PAD", 20 }, 0, MODE_WRAP_PAD },
};

bool cipher_alg_parse(Str name, CipherAlg *out)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (str_eq(name, algs[i].name)) {
            *out = algs[i].alg;
            return true;
        }
    return false;
}

static size_t row_of(CipherAlg alg)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].alg == alg)
            return i;
    return 0;           /* not reached: the enumeration and the table agree */
}

Str  cipher_alg_name(CipherAlg alg) { return algs[row_of(alg)].name; }
bool cipher_alg_wraps(CipherAlg alg) { return algs[row_of(alg)].mode >= MODE_WRAP; }

static bool cipher_alg_fits(CipherAlg alg, KeySpec spec)
{
    int bits = algs[row_of(alg)].bits;
    return spec.kind == KEY_OCT && (!bits || bits == spec.oct_bits);
}

/* Fetched once, as algorithms() are: fetching costs more than a short encryption. */
static EVP_CIPHER *ciphers[MODE_WRAP_PAD + 1][3];
static pthread_once_t ciphers_once = PTHREAD_ONCE_INIT;

static void fetch_ciphers(void)
{
    static const char *const names[MODE_WRAP_PAD + 1][3] = {
        [MODE_GCM]      = { "AES-128-GCM", "AES-192-GCM", "AES-256-GCM" },
        [MODE_CBC]      = { "AES-128-CBC", "AES-192-CBC", "AES-256-CBC" },
        [MODE_CBCPAD]   = { "AES-128-CBC", "AES-192-CBC", "AES-256-CBC" },
        [MODE_WRAP]     = { "AES-128-WRAP", "AES-192-WRAP", "AES-256-WRAP" },
        [MODE_WRAP_PAD] = { "AES-128-WRAP-PAD", "AES-192-WRAP-PAD", "AES-256-WRAP-PAD" },
    };
    for (size_t mode = MODE_GCM; mode <= MODE_WRAP_PAD; mode++)
        for (size_t size = 0; size < 3; size++)
            ciphers[mode][size] = EVP_CIPHER_fetch(NULL, names[mode][size], NULL);
}

static EVP_CIPHER_CTX *start(const KeyRef *key, Mode mode, Bytes iv, bool encrypts)
{
    (void)pthread_once(&ciphers_once, fetch_ciphers);
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!ctx)
        return NULL;
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (EVP_CipherInit_ex2(ctx, ciphers[mode][key->spec.oct_bits / 64 - 2], secret_bytes(key->octets).ptr, iv.len ? iv.ptr : NULL, encrypts, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(ctx, mode == MODE_CBCPAD) != 1)
        return NULL;
    return TAKE(ctx);
}

static bool check_use(const KeyRef *key, CipherAlg alg, Err *err)
{
    if (cipher_alg_fits(alg, key->spec))
        return true;
    if (key->spec.kind != KEY_OCT)
        return err_field(err, "alg", "alg " STR_FMT " needs a symmetric key (oct)", STR_ARG(cipher_alg_name(alg)));
    return err_field(err, "alg", "alg " STR_FMT " does not fit this key, which has %d bits", STR_ARG(cipher_alg_name(alg)), key->spec.oct_bits);
}

static bool check_iv(Mode mode, CipherAlg alg, Bytes iv, bool may_be_absent, Err *err)
{
    if (mode == MODE_CBC || mode == MODE_CBCPAD)
        return iv.len == CIPHER_BLOCK || (may_be_absent && !iv.len) || err_field(err, "iv", "iv of %d bytes is needed for " STR_FMT "; it has %zu", CIPHER_BLOCK, STR_ARG(cipher_alg_name(alg)), iv.len);
    return !iv.len || err_field(err, "iv", "iv must be left out for " STR_FMT, STR_ARG(cipher_alg_name(alg)));
}

static bool check_plain(Mode mode, CipherAlg alg, Bytes plain, Bytes iv, Bytes aad, Err *err)
{
    if (!check_iv(mode, alg, iv, true, err))
        return false;
    if (aad.len && mode != MODE_GCM)
        return err_field(err, "aad", "aad must be left out for " STR_FMT, STR_ARG(cipher_alg_name(alg)));
    if (plain.len > CIPHER_VALUE_MAX || aad.len > CIPHER_VALUE_MAX)
        return err_field(err, "value", "value and aad may have %d bytes each", CIPHER_VALUE_MAX);
    if (mode == MODE_CBC && plain.len % CIPHER_BLOCK)
        return err_field(err, "value", "value must be whole blocks of %d bytes for " STR_FMT "; use CBCPAD for other lengths", CIPHER_BLOCK, STR_ARG(cipher_alg_name(alg)));
    if (mode == MODE_WRAP && (plain.len < WRAP_LEAST || plain.len % SEMIBLOCK))
        return err_field(err, "value", "value must have 16 or more bytes, a multiple of 8, for " STR_FMT, STR_ARG(cipher_alg_name(alg)));
    if (mode == MODE_WRAP_PAD && !plain.len)
        return err_field(err, "value", "value must not be empty for " STR_FMT, STR_ARG(cipher_alg_name(alg)));
    return true;
}

bool key_encrypt(const KeyRef *key, CipherAlg alg, Bytes plain, Bytes iv, Bytes aad, Arena *arena, CipherText *out, Err *err)
{
    static const uint8_t nothing[1];
    Mode mode = algs[row_of(alg)].mode;
    if (!check_use(key, alg, err) || !check_plain(mode, alg, plain, iv, aad, err))
        return false;
    uint8_t *value = arena_alloc(arena, plain.len + 2 * CIPHER_BLOCK), *tag = arena_alloc(arena, CIPHER_TAG), *fresh = arena_alloc(arena, CIPHER_BLOCK);
    if (!value || !tag || !fresh)
        return err_too_big(err);
    if (mode <= MODE_CBCPAD && !iv.len) {
        random_fill(fresh, CIPHER_BLOCK);
        iv = (Bytes){ fresh, mode == MODE_GCM ? CIPHER_GCM_IV : CIPHER_BLOCK };
    }
    if (key->doer)
        return key->doer->encrypt(key->doer_self, alg, plain, iv, aad, arena, out, err);
    int len = 0, rest = 0, ignored;
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = start(key, mode, iv, true);
    if (!ctx || (aad.len && EVP_EncryptUpdate(ctx, NULL, &ignored, aad.ptr, (int)aad.len) != 1) ||
        EVP_EncryptUpdate(ctx, value, &len, plain.len ? plain.ptr : nothing, (int)plain.len) != 1 || EVP_EncryptFinal_ex(ctx, value + len, &rest) != 1 ||
        (mode == MODE_GCM && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG, tag) != 1))
        return openssl_failed(err, "encrypting");
    *out = (CipherText){ .value = { value, (size_t)(len + rest) }, .iv = iv };
    if (mode == MODE_GCM) {
        out->tag = (Bytes){ tag, CIPHER_TAG };
        out->aad = aad;
    }
    return true;
}

/* What is refused before the key is used: that depends on lengths alone, which whoever sent them knows. */
static bool check_cipher_text(Mode mode, CipherAlg alg, const CipherText *in, Err *err)
{
    Str name = cipher_alg_name(alg);
    if (mode == MODE_GCM && in->iv.len != CIPHER_GCM_IV)
        return err_field(err, "iv", "iv of %d bytes is needed for " STR_FMT "; it has %zu", CIPHER_GCM_IV, STR_ARG(name), in->iv.len);
    if (mode == MODE_GCM && in->tag.len != CIPHER_TAG)
        return err_field(err, "tag", "tag of %d bytes is needed for " STR_FMT "; it has %zu", CIPHER_TAG, STR_ARG(name), in->tag.len);
    if (mode != MODE_GCM && !check_iv(mode, alg, in->iv, false, err))
        return false;
    if (mode != MODE_GCM && (in->tag.len || in->aad.len))
        return err_field(err, in->tag.len ? "tag" : "aad", "tag and aad must be left out for " STR_FMT, STR_ARG(name));
    if (in->value.len > CIPHER_VALUE_MAX + CIPHER_BLOCK || in->aad.len > CIPHER_VALUE_MAX)         /* padded, the longest value has a block more */
        return err_field(err, "value", "value and aad may have %d bytes each, value %d more with its padding", CIPHER_VALUE_MAX, CIPHER_BLOCK);
    return true;
}

static bool length_can_be(Mode mode, size_t len)
{
    switch (mode) {
    case MODE_GCM:      return true;
    case MODE_CBC:      return len % CIPHER_BLOCK == 0;
    case MODE_CBCPAD:   return len && len % CIPHER_BLOCK == 0;
    case MODE_WRAP:     return len >= WRAP_LEAST + SEMIBLOCK && len % SEMIBLOCK == 0;
    case MODE_WRAP_PAD: return len >= WRAP_LEAST && len % SEMIBLOCK == 0;
    }
    return false;
}

static bool does_not_decrypt(Err *err) { return err_field(err, "value", "value does not decrypt with this key and algorithm"); }

bool key_decrypt(const KeyRef *key, CipherAlg alg, const CipherText *in, Secret **plain, Err *err)
{
    static const uint8_t nothing[1];
    Mode mode = algs[row_of(alg)].mode;
    if (!check_use(key, alg, err) || !check_cipher_text(mode, alg, in, err))
        return false;
    if (!length_can_be(mode, in->value.len))
        return does_not_decrypt(err);
    if (key->doer)
        return key->doer->decrypt(key->doer_self, alg, in, plain, err);

    AUTO(secret_free_auto) Secret *opened = secret_new(in->value.len + CIPHER_BLOCK);
    if (!opened)
        return err_set(err, ERR_INTERNAL, "out of memory for a decrypted value");
    uint8_t tag[CIPHER_TAG] = { 0 }, *out = secret_ptr(opened);
    int len = 0, rest = 0, ignored;
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = start(key, mode, in->iv, false);
    if (!ctx)
        return openssl_failed(err, "decrypting");
    if (mode == MODE_GCM) {
        memcpy(tag, in->tag.ptr, CIPHER_TAG);
        if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG, tag) != 1)
            return openssl_failed(err, "decrypting");
    }
    if ((in->aad.len && EVP_DecryptUpdate(ctx, NULL, &ignored, in->aad.ptr, (int)in->aad.len) != 1) ||
        EVP_DecryptUpdate(ctx, out, &len, in->value.len ? in->value.ptr : nothing, (int)in->value.len) != 1 || EVP_DecryptFinal_ex(ctx, out + len, &rest) != 1) {
        openssl_forget();
        return does_not_decrypt(err);
    }
    secret_truncate(opened, (size_t)(len + rest));
    *plain = TAKE(opened);
    return true;
}
