/* crl.c - see crl.h. */
#include "crypto/certificates/crl.h"
#include "crypto/certificates/cert_own.h"

DEFINE_AUTO_FREE(X509_CRL, X509_CRL_free)
DEFINE_AUTO_FREE(ASN1_TIME, ASN1_TIME_free)
DEFINE_AUTO_FREE(ASN1_INTEGER, ASN1_INTEGER_free)

static bool add_entry(Arena *arena, X509_CRL *crl, const CrlEntry *entry, Err *err)
{
    BIGNUM *number = NULL;
    const char *hex = str_to_cstr(arena, entry->serial_hex, err);
    if (!hex)
        return false;
    bool is_number = entry->serial_hex.len && BN_hex2bn(&number, hex) == (int)entry->serial_hex.len;
    AUTO(ASN1_INTEGER_free_auto) ASN1_INTEGER *serial = is_number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    AUTO(ASN1_TIME_free_auto) ASN1_TIME *when = ASN1_TIME_set(NULL, entry->revoked_ms / 1000);
    BN_free(number);
    if (!is_number)
        return err_set(err, ERR_BAD_INPUT, "a serial of a revocation list is no hexadecimal number");
    X509_REVOKED *revoked = serial && when ? X509_REVOKED_new() : NULL;
    bool added = revoked && X509_REVOKED_set_serialNumber(revoked, serial) == 1 && X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
                 X509_CRL_add0_revoked(crl, revoked) == 1;
    if (!added)
        X509_REVOKED_free(revoked);
    return added || openssl_failed(err, "making a revocation list");
}

static bool add_extensions(X509_CRL *crl, const X509 *ca, int64_t number)
{
    AUTO(ASN1_INTEGER_free_auto) ASN1_INTEGER *value = ASN1_INTEGER_new();
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id((X509 *)ca);
    if (authority)
        authority->keyid = id ? ASN1_OCTET_STRING_dup(id) : NULL;
    bool added = value && authority && authority->keyid && ASN1_INTEGER_set_int64(value, number) == 1 &&
                 X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, X509V3_ADD_DEFAULT) == 1 &&
                 X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, authority, 0, X509V3_ADD_DEFAULT) == 1;
    AUTHORITY_KEYID_free(authority);
    return added;
}

bool crl_make(Arena *arena, const KeyRef *ca_key, Bytes ca_der, const CrlSpec *spec, Bytes *der, Err *err)
{
    AUTO(X509_free_auto) X509 *ca = cert_decode(ca_der);
    AUTO(X509_CRL_free_auto) X509_CRL *crl = cert_crl_new(ca_key);
    AUTO(ASN1_TIME_free_auto) ASN1_TIME *now = ASN1_TIME_set(NULL, spec->now_ms / 1000);
    AUTO(ASN1_TIME_free_auto) ASN1_TIME *next = ASN1_TIME_set(NULL, spec->next_ms / 1000);
    if (!ca)
        return err_set(err, ERR_BAD_INPUT, "the issuer is not one whole certificate");
    if (!crl || !now || !next || X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 || X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) != 1 ||
        X509_CRL_set1_lastUpdate(crl, now) != 1 || X509_CRL_set1_nextUpdate(crl, next) != 1)
        return openssl_failed(err, "making a revocation list");
    for (size_t i = 0; i < spec->count; i++)
        if (!add_entry(arena, crl, &spec->entries[i], err))
            return false;
    if (!add_extensions(crl, ca, spec->number) || X509_CRL_sort(crl) != 1)
        return openssl_failed(err, "making a revocation list");
    if (!cert_sign_crl(crl, ca_key, err))
        return false;
    unsigned char *encoded = NULL;
    int len = i2d_X509_CRL(crl, &encoded);
    return cert_keep_der(arena, encoded, len, der, err);
}
