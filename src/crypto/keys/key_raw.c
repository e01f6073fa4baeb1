/* key_raw.c - see key_raw.h. */
#define OPENSSL_SUPPRESS_DEPRECATED     /* OpenSSL 3 offers its checked paddings as functions of their own nowhere else */
#include "crypto/keys/key_raw.h"
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "base/id.h"
#include "crypto/hash.h"
#include "crypto/keys/key_oct.h"
#include "crypto/keys/key_own.h"

static const EVP_MD *md_of(SignAlg alg)
{
    size_t size = sign_alg_digest_size(alg);
    const Algorithms *fetched = algorithms();
    return size == SHA512_SIZE ? fetched->sha512 : size == SHA384_SIZE ? fetched->sha384 : fetched->sha256;
}

size_t rsa_digest_info(Bytes digest, uint8_t out[DIGEST_INFO_MAX])
{
    /* RFC 8017 section 9.2, note 1; the digest's own length is the last byte. */
    static const uint8_t prefix[] = { 0x30, 0, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0, 0x05, 0x00, 0x04, 0 };
    memcpy(out, prefix, sizeof prefix);
    out[1] = (uint8_t)(sizeof prefix - 2 + digest.len);
    out[14] = digest.len == SHA512_SIZE ? 3 : digest.len == SHA384_SIZE ? 2 : 1;
    out[sizeof prefix - 1] = (uint8_t)digest.len;
    memcpy(out + sizeof prefix, digest.ptr, digest.len);
    return sizeof prefix + digest.len;
}

/* RFC 8017 appendix B.2.1 over what is there already. */
static bool mask(const EVP_MD *md, const uint8_t *seed, size_t seed_len, uint8_t *bytes, size_t len)
{
    uint8_t made[RSA_BYTES_MOST];
    if (PKCS1_MGF1(made, (long)len, seed, (long)seed_len, md) != 0)
        return false;
    for (size_t i = 0; i < len; i++)
        bytes[i] ^= made[i];
    return true;
}

bool rsa_pad_pss(SignAlg alg, Bytes digest, int modulus_bits, uint8_t out[RSA_BYTES_MOST], Err *err)
{
    const EVP_MD *md = md_of(alg);
    size_t len = (size_t)modulus_bits / 8, hash = digest.len, db = len - hash - 1;
    uint8_t salt[SHA512_SIZE], message[8 + 2 * SHA512_SIZE] = { 0 };
    random_fill(salt, hash);                /* RFC 7518 section 3.5: as long as the digest */
    memcpy(message + 8, digest.ptr, hash);
    memcpy(message + 8 + hash, salt, hash);
    memset(out, 0, db - hash - 1);
    out[db - hash - 1] = 1;
    memcpy(out + db - hash, salt, hash);
    if (EVP_Digest(message, 8 + 2 * hash, out + db, NULL, md, NULL) != 1 || !mask(md, out + db, hash, out, db))
        return openssl_failed(err, "padding a digest");
    out[0] &= 0x7f;                         /* the sizes served are whole bytes, so emBits is one less */
    out[len - 1] = 0xbc;
    return true;
}

bool rsa_unpad(WrapAlg alg, Bytes padded, Secret **plain, Err *err)
{
    AUTO(secret_free_auto) Secret *opened = secret_new(padded.len);
    const EVP_MD *md = alg == WRAP_RSA_OAEP_256 ? algorithms()->sha256 : algorithms()->sha1;
    if (!opened)
        return err_set(err, ERR_INTERNAL, "out of memory for an unwrapped value");
    int size = (int)padded.len;
    int len = alg == WRAP_RSA1_5 ? RSA_padding_check_PKCS1_type_2(secret_ptr(opened), size, padded.ptr, size, size)
                                 : RSA_padding_check_PKCS1_OAEP_mgf1(secret_ptr(opened), size, padded.ptr, size, size, NULL, 0, md, md);
    openssl_forget();
    if (len < 0)
        return err_field(err, "value", "value does not unwrap with this key and algorithm");
    secret_truncate(opened, (size_t)len);
    *plain = TAKE(opened);
    return true;
}

/* RFC 5649: at most 8 bytes of padding and 8 of header. */
static bool wrap_padded(Bytes key, Bytes plain, uint8_t *out, int *len)
{
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return ctx && EVP_EncryptInit_ex2(ctx, EVP_aes_256_wrap_pad(), key.ptr, NULL, NULL) == 1 && EVP_EncryptUpdate(ctx, out, len, plain.ptr, (int)plain.len) == 1;
}

bool key_to_transfer(const KeyRef *key, const KeyRef *kek, Arena *arena, Bytes *blob, Err *err)
{
    enum { AES_BYTES = 32, WRAP_ROOM = 16 };
    AUTO(secret_free_auto) Secret *material = NULL;
    AUTO(secret_free_auto) Secret *aes = secret_new(AES_BYTES);
    Bytes first;
    int len;
    if (!aes)
        return err_set(err, ERR_INTERNAL, "out of memory for a key");
    random_fill(secret_ptr(aes), AES_BYTES);
    bool has_material = key->spec.kind == KEY_OCT ? key_oct_bytes(key, &material, err) : key_to_pkcs8(key, &material, err);
    if (!has_material || !key_wrap(kek, WRAP_RSA_OAEP, secret_bytes(aes), arena, &first, err))
        return false;
    uint8_t *out = arena_alloc(arena, first.len + secret_bytes(material).len + WRAP_ROOM);
    if (!out)
        return err_too_big(err);
    memcpy(out, first.ptr, first.len);
    if (!wrap_padded(secret_bytes(aes), secret_bytes(material), out + first.len, &len))
        return openssl_failed(err, "wrapping a key for its transfer");
    *blob = (Bytes){ out, first.len + (size_t)len };
    return true;
}

/* ---- the public half of an EC key ---- */

enum { CANDIDATES = 4 };
typedef struct Recovery { EC_GROUP *group; BN_CTX *ctx; BIGNUM *order, *field; } Recovery;

static void recovery_done(Recovery *r)
{
    EC_GROUP_free(r->group);
    BN_free(r->order);
    BN_free(r->field);
    BN_CTX_free(r->ctx);
}

/* Q = r^-1 (s R - z G), for each point R whose x is r or r + n (SEC 1 section 4.1.6). */
static size_t candidates_of(const Recovery *rec, Bytes digest, Bytes signature, EC_POINT *out[CANDIDATES])
{
    int width = (int)signature.len / 2, order_bits = BN_num_bits(rec->order);
    size_t count = 0;
    BIGNUM *r = BN_bin2bn(signature.ptr, width, NULL), *s = BN_bin2bn(signature.ptr + width, width, NULL), *z = BN_bin2bn(digest.ptr, (int)digest.len, NULL);
    BIGNUM *inverse = r ? BN_mod_inverse(NULL, r, rec->order, rec->ctx) : NULL, *x = r ? BN_dup(r) : NULL;
    bool good = s && z && inverse && x && ((int)digest.len * 8 <= order_bits || BN_rshift(z, z, (int)digest.len * 8 - order_bits)) &&
                BN_nnmod(z, z, rec->order, rec->ctx) && BN_mod_mul(s, s, inverse, rec->order, rec->ctx) && BN_mod_mul(z, z, inverse, rec->order, rec->ctx) &&
                (BN_is_zero(z) || BN_sub(z, rec->order, z));
    for (; good && BN_cmp(x, rec->field) < 0; good = BN_add(x, x, rec->order))
        for (int odd = 0; odd < 2 && count < CANDIDATES; odd++) {
            EC_POINT *point = EC_POINT_new(rec->group), *key = EC_POINT_new(rec->group);
            if (point && key && EC_POINT_set_compressed_coordinates(rec->group, point, x, odd, rec->ctx) == 1 &&
                EC_POINT_mul(rec->group, key, z, point, s, rec->ctx) == 1)
                out[count++] = TAKE(key);
            EC_POINT_free(key);
            EC_POINT_free(point);
        }
    BN_free(r);
    BN_clear_free(s);
    BN_free(z);
    BN_free(inverse);
    BN_free(x);
    return count;
}

static bool key_of_point(const Recovery *rec, KeyCurve curve, const EC_POINT *point, KeyRef **out, Err *err)
{
    uint8_t encoded[1 + 2 * 66];
    size_t width = key_curve_bytes(curve);
    if (EC_POINT_point2oct(rec->group, point, POINT_CONVERSION_UNCOMPRESSED, encoded, sizeof encoded, rec->ctx) != 1 + 2 * width)
        return openssl_failed(err, "writing a point");
    KeyPublic parts = { .kind = KEY_EC, .curve = curve, .x = { encoded + 1, width }, .y = { encoded + 1 + width, width } };
    return key_from_public(&parts, out, err);
}

bool ec_public_of_signatures(KeyCurve curve, const Bytes digests[2], const Bytes signatures[2], KeyRef **out, Err *err)
{
    EC_POINT *points[2][CANDIDATES] = { 0 };
    const EC_POINT *common = NULL;
    size_t counts[2] = { 0 }, matches = 0;
    Recovery rec = { .group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(key_curve_group(curve))), .ctx = BN_CTX_new(), .order = BN_new(), .field = BN_new() };
    bool ready = rec.group && rec.ctx && rec.order && rec.field && EC_GROUP_get_order(rec.group, rec.order, rec.ctx) == 1 &&
                 EC_GROUP_get_curve(rec.group, rec.field, NULL, NULL, rec.ctx) == 1;
    for (size_t i = 0; ready && i < 2; i++)
        counts[i] = candidates_of(&rec, digests[i], signatures[i], points[i]);
    for (size_t a = 0; a < counts[0]; a++)
        for (size_t b = 0; b < counts[1]; b++)
            if (EC_POINT_cmp(rec.group, points[0][a], points[1][b], rec.ctx) == 0) {
                common = points[0][a];
                matches++;
            }
    bool good = ready && matches == 1 ? key_of_point(&rec, curve, common, out, err)
                                      : err_set(err, ready ? ERR_BAD_INPUT : ERR_INTERNAL, "the public half of the EC key cannot be told from its signatures");
    for (size_t i = 0; i < 2; i++)
        for (size_t at = 0; at < counts[i]; at++)
            EC_POINT_free(points[i][at]);
    recovery_done(&rec);
    openssl_forget();
    return good;
}
