/* cert_sign.c - certificates, requests and revocation lists get their signature: by OpenSSL where it holds the key, else by the key's doer. */
#include "crypto/certificates/cert_own.h"

/* Without a wish the key's own strength decides (RFC 5480 section 4). */
static int digest_bits_of(const KeyRef *key, int wanted_bits)
{
    KeyCurve curve = key_spec(key).curve;
    return wanted_bits ? wanted_bits : curve == CURVE_P521 ? 512 : curve == CURVE_P384 ? 384 : 256;
}

static const EVP_MD *digest_of(int bits)
{
    const Algorithms *fetched = algorithms();
    return bits == 512 ? fetched->sha512 : bits == 384 ? fetched->sha384 : fetched->sha256;
}

const EVP_MD *cert_digest(const KeyRef *key, int wanted_bits) { return digest_of(digest_bits_of(key, wanted_bits)); }

static bool doer_algorithm(const KeyRef *key, int bits, SignAlg *alg, Err *err)
{
    KeySpec spec = key_spec(key);
    if (spec.kind == KEY_RSA) {
        *alg = bits == 512 ? SIGN_RS512 : bits == 384 ? SIGN_RS384 : SIGN_RS256;
        return true;
    }
    *alg = spec.curve == CURVE_P521 ? SIGN_ES512 : spec.curve == CURVE_P384 ? SIGN_ES384 : spec.curve == CURVE_P256K ? SIGN_ES256K : SIGN_ES256;
    return (size_t)bits == 8 * sign_alg_digest_size(*alg) ||
           err_set(err, ERR_BAD_INPUT, "an EC key that is elsewhere signs with the digest of its curve, %zu bits, not with %d", 8 * sign_alg_digest_size(*alg), bits);
}

/* ECDSA has no parameters (RFC 5758 section 3.2), PKCS#1 v1.5 has NULL (RFC 4055 section 5). */
static bool set_algorithm(X509_ALGOR *algorithm, const KeyRef *key, int bits)
{
    int nid;
    bool is_rsa = key_spec(key).kind == KEY_RSA;
    return OBJ_find_sigid_by_algs(&nid, EVP_MD_get_type(digest_of(bits)), is_rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey) &&
           X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), is_rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL);
}

/* Signs `body`, what `length` bytes of encoding are to be signed, in the form a certificate has it: DER for EC keys. */
static bool sign_body(const KeyRef *key, SignAlg alg, const uint8_t *body, int length, ASN1_BIT_STRING *signature, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 * 1024);
    uint8_t der[DER_EC_MAX];
    Bytes made;
    if (!arena || length <= 0)
        return err_set(err, ERR_INTERNAL, "out of memory for a signature");
    if (!key_sign(key, alg, (Bytes){ body, (size_t)length }, arena, &made, err))
        return false;
    if (key_spec(key).kind == KEY_EC)
        made = (Bytes){ der, ec_raw_to_der(made.ptr, key_curve_bytes(key_spec(key).curve), der) };
    if (!made.len || ASN1_BIT_STRING_set(signature, (unsigned char *)(uintptr_t)made.ptr, (int)made.len) != 1)
        return openssl_failed(err, "signing");
    /* Whole bytes: without this OpenSSL drops zero bits off the end. */
    signature->flags = (signature->flags & ~(long)(ASN1_STRING_FLAG_BITS_LEFT | 7)) | ASN1_STRING_FLAG_BITS_LEFT;
    return true;
}

/* OpenSSL lends algorithm and signature as const to all; they belong to the object, which is ours. */
bool cert_sign(X509 *cert, const KeyRef *key, int digest_bits, Err *err)
{
    const ASN1_BIT_STRING *signature;
    const X509_ALGOR *outer;
    unsigned char *body = NULL;
    SignAlg alg;
    int bits = digest_bits_of(key, digest_bits);
    if (!key->doer)
        return X509_sign(cert, key->pkey, digest_of(bits)) > 0 || openssl_failed(err, "signing a certificate");
    if (!doer_algorithm(key, bits, &alg, err))
        return false;
    X509_get0_signature(&signature, &outer, cert);
    if (!set_algorithm((X509_ALGOR *)(uintptr_t)outer, key, bits) || !set_algorithm((X509_ALGOR *)(uintptr_t)X509_get0_tbs_sigalg(cert), key, bits))
        return openssl_failed(err, "signing a certificate");
    int length = i2d_re_X509_tbs(cert, &body);
    bool is_signed = sign_body(key, alg, body, length, (ASN1_BIT_STRING *)(uintptr_t)signature, err);
    OPENSSL_free(body);
    return is_signed;
}

bool cert_sign_request(X509_REQ *request, const KeyRef *key, int digest_bits, Err *err)
{
    const ASN1_BIT_STRING *signature;
    const X509_ALGOR *outer;
    unsigned char *body = NULL;
    SignAlg alg;
    int bits = digest_bits_of(key, digest_bits);
    if (!key->doer)
        return X509_REQ_sign(request, key->pkey, digest_of(bits)) > 0 || openssl_failed(err, "signing a certificate request");
    if (!doer_algorithm(key, bits, &alg, err))
        return false;
    ASN1_BIT_STRING *made = ASN1_BIT_STRING_new();
    if (made)
        X509_REQ_set0_signature(request, made);         /* a request begins without one */
    X509_REQ_get0_signature(request, &signature, &outer);
    if (!made || !set_algorithm((X509_ALGOR *)(uintptr_t)outer, key, bits))
        return openssl_failed(err, "signing a certificate request");
    int length = i2d_re_X509_REQ_tbs(request, &body);
    bool is_signed = sign_body(key, alg, body, length, made, err);
    OPENSSL_free(body);
    return is_signed;
}

bool cert_sign_crl(X509_CRL *crl, const KeyRef *key, Err *err)
{
    if (key->doer)                      /* authorities keep their keys in software: OpenSSL 3.0 offers no way to set the inner algorithm of a list */
        return err_set(err, ERR_BAD_INPUT, "a key that is elsewhere cannot sign revocation lists");
    return X509_CRL_sign(crl, key->pkey, cert_digest(key, 0)) > 0 || openssl_failed(err, "signing a revocation list");
}
