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

static void openssl_free_auto(unsigned char **bytes) { OPENSSL_free(*bytes); }

/* Signs the `length` bytes of encoding in `encoded`, which it frees, in the form a certificate has it: DER for EC keys. OpenSSL lends
 * algorithm and signature as const to all; they belong to the object, which is ours. */
static bool sign_encoded(const KeyRef *key, SignAlg alg, unsigned char *encoded, int length, const ASN1_BIT_STRING *lent, Err *err)
{
    AUTO(openssl_free_auto) unsigned char *body = encoded;
    AUTO(arena_free_auto) Arena *arena = arena_new(16 * 1024);
    ASN1_BIT_STRING *signature = (ASN1_BIT_STRING *)(uintptr_t)lent;
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
    return sign_encoded(key, alg, body, length, signature, err);
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
    return sign_encoded(key, alg, body, length, made, err);
}

/* ---- lists and answers: the inner algorithm of a list and the responder of an answer are set by who reads them, and by no call of OpenSSL 3.0.
 * So those that a doer signs are read from a template of a few bytes, and then filled as any other. ---- */

typedef struct Template { uint8_t bytes[128]; size_t len; } Template;

static void put(Template *t, const void *bytes, size_t len)
{
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

/* What was put since `from` becomes one value of this tag; all are short (X.690 section 8.1.3.4). */
static void enclose(Template *t, size_t from, uint8_t tag)
{
    memmove(t->bytes + from + 2, t->bytes + from, t->len - from);
    t->bytes[from] = tag;
    t->bytes[from + 1] = (uint8_t)(t->len - from);
    t->len += 2;
}

static bool put_algorithm(Template *t, const KeyRef *key)
{
    X509_ALGOR *algorithm = X509_ALGOR_new();
    unsigned char *der = NULL;
    int len = algorithm && set_algorithm(algorithm, key, digest_bits_of(key, 0)) ? i2d_X509_ALGOR(algorithm, &der) : 0;
    bool fits = len > 0 && len < 32;
    if (fits)
        put(t, der, (size_t)len);
    OPENSSL_free(der);
    X509_ALGOR_free(algorithm);
    return fits;
}

enum { DER_SEQUENCE = 0x30, DER_OCTETS = 0x04, DER_BY_KEY = 0xa2 };

/* What is there is what will be signed: with its algorithm and room for a signature it becomes one sequence. */
static bool seal_off(Template *t, const KeyRef *key)
{
    static const uint8_t no_signature[] = { 0x03, 0x01, 0x00 };
    enclose(t, 0, DER_SEQUENCE);
    if (!put_algorithm(t, key))
        return false;
    put(t, no_signature, sizeof no_signature);
    enclose(t, 0, DER_SEQUENCE);
    return true;
}

X509_CRL *cert_crl_new(const KeyRef *key)
{
    static const uint8_t version[] = { 0x02, 0x01, 0x01 }, no_name_then[] = "\x30\x00\x17\x0d" "700101000000Z";
    Template t = { .len = 0 };
    if (!key->doer)
        return X509_CRL_new();
    put(&t, version, sizeof version);
    if (!put_algorithm(&t, key))
        return NULL;
    put(&t, no_name_then, sizeof no_name_then - 1);
    if (!seal_off(&t, key))
        return NULL;
    const unsigned char *at = t.bytes;
    return d2i_X509_CRL(NULL, &at, (long)t.len);
}

OCSP_BASICRESP *cert_ocsp_new(X509 *ca, const KeyRef *key)
{
    static const uint8_t then_nothing[] = "\x18\x0f" "19700101000000Z" "\x30\x00";
    Template t = { .len = 0 };
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    if (!key->doer)
        return OCSP_BASICRESP_new();
    if (X509_pubkey_digest(ca, algorithms()->sha1, hash, &hash_len) != 1)      /* RFC 6960 section 4.2.1, KeyHash */
        return NULL;
    put(&t, hash, hash_len);
    enclose(&t, 0, DER_OCTETS);
    enclose(&t, 0, DER_BY_KEY);
    put(&t, then_nothing, sizeof then_nothing - 1);
    if (!seal_off(&t, key))
        return NULL;
    const unsigned char *at = t.bytes;
    return d2i_OCSP_BASICRESP(NULL, &at, (long)t.len);
}

bool cert_sign_crl(X509_CRL *crl, const KeyRef *key, Err *err)
{
    const ASN1_BIT_STRING *signature;
    unsigned char *body = NULL;
    SignAlg alg;
    if (!key->doer)
        return X509_CRL_sign(crl, key->pkey, cert_digest(key, 0)) > 0 || openssl_failed(err, "signing a revocation list");
    if (!doer_algorithm(key, digest_bits_of(key, 0), &alg, err))
        return false;
    X509_CRL_get0_signature(crl, &signature, NULL);
    int length = i2d_re_X509_CRL_tbs(crl, &body);
    return sign_encoded(key, alg, body, length, signature, err);
}

bool cert_sign_ocsp(OCSP_BASICRESP *basic, X509 *ca, const KeyRef *key, Err *err)
{
    unsigned char *body = NULL;
    SignAlg alg;
    if (!key->doer)
        return OCSP_basic_sign(basic, ca, key->pkey, cert_digest(key, 0), NULL, OCSP_NOCERTS | OCSP_NOTIME | OCSP_RESPID_KEY) == 1 || openssl_failed(err, "signing an OCSP answer");
    if (!doer_algorithm(key, digest_bits_of(key, 0), &alg, err))
        return false;
    int length = i2d_OCSP_RESPDATA((OCSP_RESPDATA *)(uintptr_t)OCSP_resp_get0_respdata(basic), &body);
    return sign_encoded(key, alg, body, length, OCSP_resp_get0_signature(basic), err);
}
