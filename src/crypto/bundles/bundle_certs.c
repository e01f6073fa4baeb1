/* bundle_certs.c - certificates without a key as other tools store them: one in DER, some in PEM, or PKCS#7 (RFC 2315). */
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include "crypto/bundles/bundle_own.h"

static bool add_all(Arena *arena, Bundle *bundle, const STACK_OF(X509) *certs, Err *err)
{
    for (int i = 0; i < sk_X509_num(certs); i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(certs, i), &der);
        bool added = len > 0 ? bundle_add_cert(arena, bundle, (Bytes){ der, (size_t)len }, err) : openssl_failed(err, "reading PKCS#7");
        OPENSSL_free(der);
        if (!added)
            return false;
    }
    return true;
}

/* The signature, if there is one, is about data that is not ours to check; the certificates speak for themselves. */
static bool read_pkcs7(Arena *arena, PKCS7 *p7, Bundle *bundle, Err *err)
{
    bool is_signed = p7 && PKCS7_type_is_signed(p7) && p7->d.sign;
    bool added = is_signed ? add_all(arena, bundle, p7->d.sign->cert, err)
                           : err_set(err, ERR_BAD_INPUT, "the file is neither one certificate in DER, nor PEM, nor PKCS#7 with certificates");
    PKCS7_free(p7);
    openssl_forget();
    return added;
}

static bool read_der(Arena *arena, Bytes der, Bundle *bundle, Err *err)
{
    AUTO(X509_free_auto) X509 *cert = cert_decode(der);
    if (cert)
        return bundle_add_cert(arena, bundle, der, err);
    const unsigned char *at = der.ptr;
    PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)der.len);
    if (p7 && at != der.ptr + der.len) {
        PKCS7_free(p7);
        p7 = NULL;
    }
    return read_pkcs7(arena, p7, bundle, err);
}

static bool read_pem(Arena *arena, Str pem, Bundle *bundle, Err *err)
{
    size_t at;
    if (!str_find(pem, STR("-----BEGIN PKCS7-----"), &at) && !str_find(pem, STR("-----BEGIN CMS-----"), &at))
        return bundle_read_pem(arena, pem, bundle, err);
    AUTO(BIO_vfree_auto) BIO *bio = BIO_new_mem_buf(pem.ptr + at, (int)(pem.len - at));
    return read_pkcs7(arena, bio ? PEM_read_bio_PKCS7(bio, NULL, NULL, NULL) : NULL, bundle, err);
}

bool bundle_read_certs(Arena *arena, Bytes file, Bundle *out, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    if (file.len > BUNDLE_FILE_MAX)
        return err_set(err, ERR_BAD_INPUT, "the file has %zu bytes; at most %d are accepted", file.len, BUNDLE_FILE_MAX);
    bool is_der = file.len && file.ptr[0] == 0x30;     /* a SEQUENCE; in text it would be the digit 0 */
    if (!(is_der ? read_der(arena, file, &bundle, err) : read_pem(arena, str_of(file), &bundle, err)))
        return false;
    key_free(bundle.key);
    bundle.key = NULL;
    if (!bundle_order(&bundle, "file", err))
        return false;
    *out = bundle;
    return true;
}
