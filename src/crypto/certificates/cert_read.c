/* cert_read.c - what a certificate says. Nothing of it is believed beyond that: trust is the caller's to decide. */
#include <arpa/inet.h>
#include <time.h>
#include "crypto/certificates/cert_own.h"
#include "crypto/hash.h"

X509 *cert_decode(Bytes der)
{
    const unsigned char *at = der.ptr;
    X509 *cert = der.len && der.len <= CERT_DER_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
    openssl_forget();
    if (cert && at == der.ptr + der.len)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool malformed(Err *err, const char *part)
{
    openssl_forget();
    return err_set(err, ERR_BAD_INPUT, "the certificate's %s is malformed", part);
}

/* An extension by its kind: true and NULL when it is absent; false when it is there twice or does not decode. */
static bool extension(const X509 *cert, int nid, void **out)
{
    int critical = -1;
    *out = X509_get_ext_d2i(cert, nid, &critical, NULL);
    return *out || critical == -1;
}

static bool time_of(const ASN1_TIME *time, int64_t *ms)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    *ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

bool cert_serial_hex(Arena *arena, const ASN1_INTEGER *serial, Str *out)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    char *hex = number ? BN_bn2hex(number) : NULL;
    *out = hex ? str_lower(arena, str_from(hex)) : STR_NONE;
    OPENSSL_free(hex);
    BN_free(number);
    return out->ptr;
}

/* ---- alternative names ---- */

/* Text from outside that will stand in answers and logs: no NUL that could cut it short elsewhere, and UTF-8. */
static bool text_of(Arena *arena, const ASN1_STRING *value, Str *out)
{
    Str text = { (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value) };
    if (text.len == 0 || memchr(text.ptr, 0, text.len) || !str_is_utf8(text))
        return false;
    *out = str_dup(arena, text);
    return true;
}

static bool address_of(Arena *arena, const ASN1_OCTET_STRING *value, Str *out)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(value);
    if ((len != 4 && len != 16) || !inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), text, sizeof text))
        return false;
    *out = str_dup(arena, str_from(text));
    return true;
}

static bool is_upn(const GENERAL_NAME *name)
{
    char oid[64];
    return name->type == GEN_OTHERNAME && OBJ_obj2txt(oid, sizeof oid, name->d.otherName->type_id, 1) > 0 && strcmp(oid, UPN_OID) == 0
        && name->d.otherName->value->type == V_ASN1_UTF8STRING;
}

static CertNames *list_for(CertInfo *info, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DNS:       return &info->dns;
    case GEN_EMAIL:     return &info->emails;
    case GEN_IPADD:     return &info->ips;
    case GEN_URI:       return &info->uris;
    case GEN_OTHERNAME: return is_upn(name) ? &info->upns : NULL;
    default:            return NULL;               /* directory names and the like are not ours to show */
    }
}

static bool read_alternative_names(Arena *arena, const GENERAL_NAMES *names, CertInfo *info)
{
    size_t count = (size_t)sk_GENERAL_NAME_num(names);
    CertNames *lists[] = { &info->dns, &info->emails, &info->upns, &info->ips, &info->uris };
    for (size_t i = 0; i < count; i++) {
        CertNames *list = list_for(info, sk_GENERAL_NAME_value(names, (int)i));
        if (list)
            list->count++;
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        lists[i]->items = lists[i]->count ? ARENA_ARRAY(arena, Str, lists[i]->count) : NULL;
        lists[i]->count = 0;
    }
    if (!arena_ok(arena))
        return true;                                   /* the caller asks the arena once, at the end */
    for (size_t i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, (int)i);
        CertNames *list = list_for(info, name);
        if (!list)
            continue;
        Str *out = &list->items[list->count++];
        bool read = name->type == GEN_IPADD ? address_of(arena, name->d.iPAddress, out)
                                            : text_of(arena, name->type == GEN_OTHERNAME ? name->d.otherName->value->value.utf8string : name->d.ia5, out);
        if (!read)
            return false;
    }
    return true;
}

/* ---- usages ---- */

static bool read_extended_usage(Arena *arena, const EXTENDED_KEY_USAGE *usage, CertNames *out)
{
    int count = sk_ASN1_OBJECT_num(usage);
    Str *items = ARENA_ARRAY(arena, Str, (size_t)count);
    for (int i = 0; items && i < count; i++) {
        char oid[128];
        int len = OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usage, i), 1);
        if (len <= 0 || (size_t)len >= sizeof oid)
            return false;
        items[i] = str_dup(arena, str_from(oid));
    }
    *out = (CertNames){ items, items ? (size_t)count : 0 };
    return true;
}

static void read_key_usage(Arena *arena, const ASN1_BIT_STRING *bits, CertNames *out)
{
    Str *items = ARENA_ARRAY(arena, Str, KEY_USAGES);
    size_t count = 0;
    for (int bit = 0; items && bit < KEY_USAGES; bit++)
        if (ASN1_BIT_STRING_get_bit(bits, bit))
            items[count++] = key_usage_names[bit];
    *out = (CertNames){ items, count };
}

static bool read_extensions(Arena *arena, const X509 *cert, CertInfo *info, Err *err)
{
    void *found;
    if (!extension(cert, NID_subject_alt_name, &found))
        return malformed(err, "subject alternative name");
    if (found) {
        bool read = read_alternative_names(arena, found, info);
        GENERAL_NAMES_free(found);
        if (!read)
            return malformed(err, "subject alternative name");
    }
    if (!extension(cert, NID_ext_key_usage, &found))
        return malformed(err, "extended key usage");
    if (found) {
        bool read = read_extended_usage(arena, found, &info->ekus);
        EXTENDED_KEY_USAGE_free(found);
        if (!read)
            return malformed(err, "extended key usage");
    }
    if (!extension(cert, NID_key_usage, &found))
        return malformed(err, "key usage");
    if (found)
        read_key_usage(arena, found, &info->key_usage);
    ASN1_BIT_STRING_free(found);
    if (!extension(cert, NID_basic_constraints, &found))
        return malformed(err, "basic constraints");
    info->is_ca = found && ((BASIC_CONSTRAINTS *)found)->ca;
    BASIC_CONSTRAINTS_free(found);
    return true;
}

bool cert_read(Arena *arena, Bytes der, CertInfo *out, Err *err)
{
    AUTO(X509_free_auto) X509 *cert = cert_decode(der);
    CertInfo info = { .der = der };
    if (!cert)
        return err_set(err, ERR_BAD_INPUT, "this is not one whole X.509 certificate in DER");
    if (!time_of(X509_get0_notBefore(cert), &info.not_before_ms) || !time_of(X509_get0_notAfter(cert), &info.not_after_ms))
        return malformed(err, "validity");
    if (!cert_serial_hex(arena, X509_get0_serialNumber(cert), &info.serial_hex) && arena_ok(arena))
        return malformed(err, "serial number");
    info.subject = cert_name_text(arena, X509_get_subject_name(cert));
    info.issuer = cert_name_text(arena, X509_get_issuer_name(cert));
    if (arena_ok(arena) && (!info.subject.ptr || !info.issuer.ptr))
        return malformed(err, "subject or issuer");
    if (!read_extensions(arena, cert, &info, err))
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    info.is_self_issued = X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
    sha1(der, info.sha1);
    sha256(der, info.sha256);
    openssl_forget();
    *out = info;
    return true;
}

bool cert_public_key(Bytes der, KeyRef **out, Err *err)
{
    AUTO(X509_free_auto) X509 *cert = cert_decode(der);
    if (!cert)
        return err_set(err, ERR_BAD_INPUT, "this is not one whole X.509 certificate in DER");
    EVP_PKEY *pkey = X509_get_pubkey(cert);            /* a reference of its own */
    openssl_forget();
    if (!pkey)
        return err_set(err, ERR_BAD_INPUT, "the certificate's key is of a type that is not supported; RSA and EC are");
    return key_adopt(pkey, false, "the certificate's key", out, err);
}

bool cert_is_issued_by(Bytes der, Bytes issuer_der)
{
    AUTO(X509_free_auto) X509 *cert = cert_decode(der);
    AUTO(X509_free_auto) X509 *issuer = cert_decode(issuer_der);
    if (!cert || !issuer || X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
        return false;
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool signed_by = key && X509_verify(cert, key) == 1;
    openssl_forget();
    return signed_by;
}
