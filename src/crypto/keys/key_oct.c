/* key_oct.c - the life of symmetric keys, and their MACs. */
#include "crypto/keys/key_oct.h"
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>
#include "base/id.h"
#include "crypto/hash.h"
#include "crypto/keys/key_own.h"

static const struct { MacAlg alg; Str name; size_t size; const char *digest; } macs[] = {
    { MAC_HS256, { "HS256", 5 }, SHA256_SIZE, "SHA256" },
    { MAC_HS384, { "HS384", 5 }, SHA384_SIZE, "SHA384" },
    { MAC_HS512, { "HS512", 5 }, SHA512_SIZE, "SHA512" },
};

bool key_oct_spec(int64_t bits, KeySpec *out, Err *err)
{
    if (bits && bits != 128 && bits != 192 && bits != 256)
        return err_field(err, "key_size", "key_size %lld is not supported for oct; use 128, 192 or 256", (long long)bits);
    *out = (KeySpec){ .kind = KEY_OCT, .oct_bits = bits ? (int)bits : OCT_BITS_DEFAULT };
    return true;
}

static bool adopt(Secret *octets, int bits, KeyRef **out, Err *err)
{
    KeyRef *key = calloc(1, sizeof *key);
    if (!key) {
        secret_free(octets);
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    }
    atomic_init(&key->users, 1);
    key->octets = octets;
    key->spec = (KeySpec){ .kind = KEY_OCT, .oct_bits = bits };
    key->is_private = true;
    *out = key;
    return true;
}

bool key_oct_generate(KeySpec spec, KeyRef **out, Err *err)
{
    size_t len = (size_t)spec.oct_bits / 8;
    Secret *octets = secret_new(len);
    if (!octets)
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    random_fill(secret_ptr(octets), len);
    return adopt(octets, spec.oct_bits, out, err);
}

bool key_oct_from_bytes(Bytes octets, KeyRef **out, Err *err)
{
    if (octets.len != 16 && octets.len != 24 && octets.len != 32)
        return err_field(err, "k", "k has %zu bytes; a symmetric key has 16, 24 or 32", octets.len);
    Secret *copy = secret_copy(octets);
    return copy ? adopt(copy, (int)octets.len * 8, out, err) : err_set(err, ERR_INTERNAL, "out of memory for a key");
}

bool key_oct_bytes(const KeyRef *key, Secret **out, Err *err)
{
    if (!key->octets)
        return err_set(err, ERR_BAD_INPUT, "the bytes of this key are not here");
    *out = secret_copy(secret_bytes(key->octets));
    return *out || err_set(err, ERR_INTERNAL, "out of memory for a key");
}

bool key_oct_from_doer(int bits, const KeyDoer *doer, void *self, KeyRef **out, Err *err)
{
    KeyRef *key = NULL;
    if (!adopt(NULL, bits, &key, err)) {
        doer->done(self);
        return false;
    }
    key->doer = doer;
    key->doer_self = self;
    *out = key;
    return true;
}

/* ---- MACs ---- */

bool mac_alg_parse(Str name, MacAlg *out)
{
    for (size_t i = 0; i < COUNT_OF(macs); i++)
        if (str_eq(name, macs[i].name)) {
            *out = macs[i].alg;
            return true;
        }
    return false;
}

static size_t row_of(MacAlg alg)
{
    for (size_t i = 0; i < COUNT_OF(macs); i++)
        if (macs[i].alg == alg)
            return i;
    return 0;           /* not reached: the enumeration and the table agree */
}

Str    mac_alg_name(MacAlg alg) { return macs[row_of(alg)].name; }
size_t mac_alg_size(MacAlg alg) { return macs[row_of(alg)].size; }

bool key_mac(const KeyRef *key, MacAlg alg, Bytes data, Arena *arena, Bytes *mac, Err *err)
{
    static const uint8_t nothing[1];
    size_t row = row_of(alg), len = 0;
    if (key->spec.kind != KEY_OCT)
        return err_field(err, "alg", "alg " STR_FMT " needs a symmetric key (oct)", STR_ARG(macs[row].name));
    if (key->doer)
        return key->doer->mac(key->doer_self, alg, data, arena, mac, err);
    uint8_t *out = arena_alloc(arena, macs[row].size);
    if (!out)
        return err_too_big(err);
    char digest[8];
    (void)snprintf(digest, sizeof digest, "%s", macs[row].digest);
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END };
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(algorithms()->hmac_sha256);
    Bytes octets = secret_bytes(key->octets);
    bool done = ctx && EVP_MAC_init(ctx, octets.ptr, octets.len, params) && EVP_MAC_update(ctx, data.len ? data.ptr : nothing, data.len) &&
                EVP_MAC_final(ctx, out, &len, macs[row].size) && len == macs[row].size;
    EVP_MAC_CTX_free(ctx);
    if (!done)
        return openssl_failed(err, "HMAC");
    *mac = (Bytes){ out, len };
    return true;
}
