/* cert_make.c - certificates and requests, made and signed. */
#include "base/id.h"
#include "crypto/certificates/cert_own.h"

enum { SERIAL_SIZE = 16 };

/* RFC 5280 section 4.1.2.2: positive, unique, at most 20 octets. 126 random bits with the top two fixed to 01 are
 * always 16 octets, as Key Vault's are. */
static bool set_serial(X509 *cert)
{
    uint8_t serial[SERIAL_SIZE];
    random_fill(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x3F) | 0x40);
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    ASN1_INTEGER *value = number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    bool set = value && X509_set_serialNumber(cert, value) == 1;
    ASN1_INTEGER_free(value);
    BN_free(number);
    return set;
}

static int64_t seconds_of(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

static bool set_validity(X509 *cert, const CertSpec *spec)
{
    ASN1_TIME *from = ASN1_TIME_set(NULL, seconds_of(spec->not_before_ms));
    ASN1_TIME *until = ASN1_TIME_set(NULL, seconds_of(spec->not_after_ms));
    bool set = from && until && X509_set1_notBefore(cert, from) == 1 && X509_set1_notAfter(cert, until) == 1;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return set;
}

/* RFC 5280 section 4.2.1.2, method 1: SHA-1 of the subject's key. */
static ASN1_OCTET_STRING *key_identifier(const X509 *cert)
{
    uint8_t digest[20];
    unsigned len = 0;
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    if (id && X509_pubkey_digest(cert, algorithms()->sha1, digest, &len) == 1 && ASN1_OCTET_STRING_set(id, digest, (int)len) == 1)
        return id;
    ASN1_OCTET_STRING_free(id);
    return NULL;
}

/* The issuer's identifier as its certificate has it, or as it would have it. */
static bool add_key_identifiers(X509 *cert, const X509 *issuer)
{
    const ASN1_OCTET_STRING *given = issuer == cert ? NULL : X509_get0_subject_key_id((X509 *)issuer);
    ASN1_OCTET_STRING *subject_id = key_identifier(cert);
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    if (authority)
        authority->keyid = given ? ASN1_OCTET_STRING_dup(given) : key_identifier(issuer);
    bool added = subject_id && authority && authority->keyid
        && X509_add1_ext_i2d(cert, NID_subject_key_identifier, subject_id, 0, X509V3_ADD_DEFAULT) == 1
        && X509_add1_ext_i2d(cert, NID_authority_key_identifier, authority, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_OCTET_STRING_free(subject_id);
    AUTHORITY_KEYID_free(authority);
    return added;
}

static bool add_extensions(X509 *cert, const CertSpec *spec, Err *err)
{
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    if (!cert_extensions(spec, &extensions, err))
        return false;
    bool added = true;
    for (int i = 0; added && i < sk_X509_EXTENSION_num(extensions); i++)
        added = X509_add_ext(cert, sk_X509_EXTENSION_value(extensions, i), -1) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return added || openssl_failed(err, "making a certificate");
}

bool cert_keep_der(Arena *arena, unsigned char *encoded, int len, Bytes *der, Err *err)
{
    if (len <= 0)
        return openssl_failed(err, "encoding a certificate");
    uint8_t *bytes = arena_alloc(arena, (size_t)len);
    if (bytes)
        memcpy(bytes, encoded, (size_t)len);
    OPENSSL_free(encoded);
    if (!bytes)
        return err_too_big(err);
    *der = (Bytes){ bytes, (size_t)len };
    return true;
}

/* `issuer` NULL: signed by itself. */
static bool make(Arena *arena, const KeyRef *signer, const X509 *issuer, const KeyRef *subject_key, const CertSpec *spec, Bytes *der, Err *err)
{
    AUTO(X509_NAME_free_auto) X509_NAME *name = NULL;
    AUTO(X509_free_auto) X509 *cert = X509_new();
    if (!cert_spec_check(spec, err) || !cert_name_parse(spec->subject, &name, err))
        return false;
    if (!key_is_private(signer))
        return err_set(err, ERR_BAD_INPUT, "the signing key has no private half");
    if (!cert || !X509_set_version(cert, X509_VERSION_3) || !set_serial(cert) || !set_validity(cert, spec)
        || !X509_set_subject_name(cert, name) || !X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name)
        || !X509_set_pubkey(cert, subject_key->pkey))
        return openssl_failed(err, "making a certificate");
    if (!add_extensions(cert, spec, err))
        return false;
    if (!add_key_identifiers(cert, issuer ? issuer : cert))
        return openssl_failed(err, "making a certificate");
    if (!cert_sign(cert, signer, spec->digest_bits, err))
        return false;
    unsigned char *encoded = NULL;
    int len = i2d_X509(cert, &encoded);
    return cert_keep_der(arena, encoded, len, der, err);
}

bool cert_self_sign(Arena *arena, const KeyRef *key, const CertSpec *spec, Bytes *der, Err *err)
{
    return make(arena, key, NULL, key, spec, der, err);
}

bool cert_issue(Arena *arena, const KeyRef *ca_key, Bytes ca_der, const KeyRef *subject_key, const CertSpec *spec, Bytes *der, Err *err)
{
    AUTO(X509_free_auto) X509 *ca = cert_decode(ca_der);
    if (!ca)
        return err_set(err, ERR_BAD_INPUT, "the issuer is not one whole certificate");
    bool is_ca = X509_check_ca(ca) == 1;
    const EVP_PKEY *ca_public = X509_get0_pubkey(ca);
    bool is_its_key = ca_public && EVP_PKEY_eq(ca_public, ca_key->pkey) == 1;
    openssl_forget();
    if (!is_ca)
        return err_set(err, ERR_BAD_INPUT, "the issuer's certificate may not sign others: it has no CA:TRUE, or a key usage without keyCertSign");
    if (!is_its_key)
        return err_set(err, ERR_BAD_INPUT, "the issuer's key is not the one of its certificate");
    return make(arena, ca_key, ca, subject_key, spec, der, err);
}

bool cert_request(Arena *arena, const KeyRef *key, const CertSpec *spec, Bytes *csr_der, Err *err)
{
    AUTO(X509_NAME_free_auto) X509_NAME *name = NULL;
    AUTO(X509_REQ_free_auto) X509_REQ *request = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    if (!cert_spec_check(spec, err) || !cert_name_parse(spec->subject, &name, err))
        return false;
    if (!key_is_private(key))
        return err_set(err, ERR_BAD_INPUT, "the signing key has no private half");
    if (!cert_extensions(spec, &extensions, err))
        return false;
    bool made = request && X509_REQ_set_version(request, X509_REQ_VERSION_1) && X509_REQ_set_subject_name(request, name)
        && X509_REQ_set_pubkey(request, key->pkey) && X509_REQ_add_extensions(request, extensions) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    if (!made)
        return openssl_failed(err, "making a certificate request");
    if (!cert_sign_request(request, key, spec->digest_bits, err))
        return false;
    unsigned char *encoded = NULL;
    int len = i2d_X509_REQ(request, &encoded);
    return cert_keep_der(arena, encoded, len, csr_der, err);
}
