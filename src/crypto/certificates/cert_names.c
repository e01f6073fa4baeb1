/* cert_names.c - what a certificate is for and whom it names: checking a spec, and its extensions (RFC 5280 section 4.2). */
#include <arpa/inet.h>
#include "crypto/certificates/cert_own.h"

const Str key_usage_names[KEY_USAGES] = {
    { "digitalSignature", 16 }, { "nonRepudiation", 14 }, { "keyEncipherment", 15 }, { "dataEncipherment", 16 }, { "keyAgreement", 12 },
    { "keyCertSign", 11 },      { "cRLSign", 7 },         { "encipherOnly", 12 },    { "decipherOnly", 12 },
};

/* -1: no such usage. */
static int key_usage_bit(Str name)
{
    for (int bit = 0; bit < KEY_USAGES; bit++)
        if (str_eq_nocase(name, key_usage_names[bit]))
            return bit;
    return str_eq_nocase(name, STR("contentCommitment")) ? 1 : -1;      /* X.509's later name of nonRepudiation */
}

/* ---- the forms of names ---- */

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 5280 section 4.2.1.6 wants the preferred name syntax; '_' is met in the wild, '*' may be the first label. */
static bool dns_is_valid(Str name)
{
    if (!name.len || name.len > 253)
        return false;
    Str rest = str_starts(name, STR("*.")) ? str_slice(name, 2, name.len) : name;
    if (!rest.len)
        return false;
    while (rest.ptr) {
        Str label = str_cut(&rest, '.');
        if (!label.len || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_letter_or_digit(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
                return false;
    }
    return true;
}

static bool is_visible_ascii(Str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7F)
            return false;
    return text.len > 0;
}

static bool email_is_valid(Str name)
{
    size_t at = 0;
    return name.len <= 320 && is_visible_ascii(name) && str_find(name, STR("@"), &at) && at > 0 && dns_is_valid(str_slice(name, at + 1, name.len));
}

static bool upn_is_valid(Str name)
{
    size_t at = 0;
    if (name.len > 1024 || !str_is_utf8(name) || !str_find(name, STR("@"), &at) || at == 0 || at + 1 == name.len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= 0x20 || name.ptr[i] == 0x7F)
            return false;
    return true;
}

/* An absolute URI (RFC 5280 section 4.2.1.6): scheme ':' something. */
static bool uri_is_valid(Str name)
{
    size_t colon = 0;
    if (name.len > 2048 || !is_visible_ascii(name) || !str_find(name, STR(":"), &colon) || colon == 0 || colon + 1 == name.len)
        return false;
    for (size_t i = 0; i < colon; i++)
        if (!is_letter_or_digit(name.ptr[i]) && (i == 0 || !strchr("+-.", name.ptr[i])))
            return false;
    return !(name.ptr[0] >= '0' && name.ptr[0] <= '9');
}

/* 4 or 16 bytes; 0: no address. */
static size_t ip_parse(Str name, uint8_t out[16])
{
    char text[INET6_ADDRSTRLEN];
    if (!name.len || name.len >= sizeof text || memchr(name.ptr, 0, name.len))
        return 0;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static bool ip_is_valid(Str name)
{
    uint8_t address[16];
    return ip_parse(name, address) != 0;
}

/* Dotted decimal with at least two arcs, the first 0 to 2. OpenSSL checks the rest when it makes the object. */
ASN1_OBJECT *cert_oid(Str oid)
{
    char text[128];
    if (oid.len < 3 || oid.len >= sizeof text || oid.ptr[0] < '0' || oid.ptr[0] > '2')
        return NULL;
    for (size_t i = 0; i < oid.len; i++)
        if ((oid.ptr[i] < '0' || oid.ptr[i] > '9') && (oid.ptr[i] != '.' || i == 0 || i == oid.len - 1 || oid.ptr[i - 1] == '.'))
            return NULL;
    memcpy(text, oid.ptr, oid.len);
    text[oid.len] = '\0';
    ASN1_OBJECT *object = OBJ_txt2obj(text, 1);
    openssl_forget();
    return object;
}

static bool oid_is_valid(Str oid)
{
    ASN1_OBJECT *object = cert_oid(oid);
    ASN1_OBJECT_free(object);
    return object != NULL;
}

static bool usage_is_valid(Str name) { return key_usage_bit(name) >= 0; }

/* ---- checking a spec ---- */

static bool names_check(const CertNames *names, const char *field, bool (*is_valid)(Str), const char *wanted, Err *err)
{
    if (names->count > NAMES_MAX)
        return err_field(err, field, "%s has %zu entries; at most %d are accepted", field, names->count, NAMES_MAX);
    for (size_t i = 0; i < names->count; i++)
        if (!is_valid(names->items[i])) {
            bool printable = is_visible_ascii(names->items[i]);
            return err_field(err, field, "%s: '" STR_FMT "' is not %s", field, STR_ARG(printable ? names->items[i] : STR("...")), wanted);
        }
    return true;
}

static bool has_alternative_name(const CertSpec *spec)
{
    return spec->dns.count || spec->emails.count || spec->upns.count || spec->ips.count || spec->uris.count;
}

bool cert_spec_check(const CertSpec *spec, Err *err)
{
    static const int64_t year_1950_ms = -631152000000, year_10000_ms = 253402300800000;
    AUTO(X509_NAME_free_auto) X509_NAME *name = NULL;
    if (!cert_name_parse(spec->subject, &name, err)
        || !names_check(&spec->dns, "sans.dns_names", dns_is_valid, "a DNS name; international names are written in their xn-- form", err)
        || !names_check(&spec->emails, "sans.emails", email_is_valid, "an e-mail address", err)
        || !names_check(&spec->upns, "sans.upns", upn_is_valid, "a user principal name like user@domain", err)
        || !names_check(&spec->ips, "sans.ipAddresses", ip_is_valid, "an IPv4 or IPv6 address", err)
        || !names_check(&spec->uris, "sans.uris", uri_is_valid, "an absolute URI", err)
        || !names_check(&spec->ekus, "ekus", oid_is_valid, "an object identifier like 1.3.6.1.5.5.7.3.1", err)
        || !names_check(&spec->key_usage, "key_usage", usage_is_valid,
                        "a key usage; use digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement, keyCertSign, cRLSign, encipherOnly or decipherOnly", err))
        return false;
    if (X509_NAME_entry_count(name) == 0 && !has_alternative_name(spec))
        return err_field(err, "subject", "a certificate needs a subject or a subject alternative name");
    if (spec->is_ca && spec->path_length < -1)
        return err_field(err, "path_length", "path_length is %d; it must be 0 or more, or -1 for none", spec->path_length);
    if (spec->digest_bits && spec->digest_bits != 256 && spec->digest_bits != 384 && spec->digest_bits != 512)
        return err_field(err, "digest", "a digest of %d bits is not offered; use SHA-256, SHA-384 or SHA-512", spec->digest_bits);
    /* RFC 5280 section 4.1.2.5: what the two encodings of time can say. */
    if (spec->not_before_ms < year_1950_ms || spec->not_before_ms >= year_10000_ms)
        return err_field(err, "not_before", "the start of the validity lies outside the years 1950 to 9999");
    if (spec->not_after_ms < year_1950_ms || spec->not_after_ms >= year_10000_ms)
        return err_field(err, "not_after", "the end of the validity lies outside the years 1950 to 9999");
    return true;
}

/* ---- the extensions ---- */

/* Takes over the name, also when it fails. */
static bool push_name(GENERAL_NAMES *names, GENERAL_NAME *name)
{
    if (name && sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

/* A name whose value is one string of bytes; NULL: out of memory. */
static GENERAL_NAME *name_of(int type, int string_type, const void *bytes, size_t len)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(string_type);
    if (name && value && ASN1_STRING_set(value, bytes, (int)len)) {
        GENERAL_NAME_set0_value(name, type, value);
        return name;
    }
    GENERAL_NAME_free(name);
    ASN1_STRING_free(value);
    return NULL;
}

static GENERAL_NAME *upn_of(Str upn)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OBJECT *oid = OBJ_txt2obj(UPN_OID, 1);
    ASN1_TYPE *value = ASN1_TYPE_new();
    ASN1_STRING *text = ASN1_STRING_type_new(V_ASN1_UTF8STRING);
    if (name && oid && value && text && ASN1_STRING_set(text, upn.ptr, (int)upn.len)) {
        ASN1_TYPE_set(value, V_ASN1_UTF8STRING, TAKE(text));
        if (GENERAL_NAME_set0_othername(name, oid, value))
            return name;
    }
    GENERAL_NAME_free(name);
    ASN1_OBJECT_free(oid);
    ASN1_TYPE_free(value);
    ASN1_STRING_free(text);
    return NULL;
}

static bool push_all(GENERAL_NAMES *names, const CertSpec *spec)
{
    const struct { const CertNames *list; int type; } texts[] = { { &spec->dns, GEN_DNS }, { &spec->emails, GEN_EMAIL }, { &spec->uris, GEN_URI } };
    for (size_t t = 0; t < COUNT_OF(texts); t++)
        for (size_t i = 0; i < texts[t].list->count; i++)
            if (!push_name(names, name_of(texts[t].type, V_ASN1_IA5STRING, texts[t].list->items[i].ptr, texts[t].list->items[i].len)))
                return false;
    for (size_t i = 0; i < spec->upns.count; i++)
        if (!push_name(names, upn_of(spec->upns.items[i])))
            return false;
    for (size_t i = 0; i < spec->ips.count; i++) {
        uint8_t bytes[16];
        size_t len = ip_parse(spec->ips.items[i], bytes);
        if (!push_name(names, name_of(GEN_IPADD, V_ASN1_OCTET_STRING, bytes, len)))
            return false;
    }
    return true;
}

static bool add_alternative_names(const CertSpec *spec, bool critical, STACK_OF(X509_EXTENSION) **out)
{
    AUTO(GENERAL_NAMES_free_auto) GENERAL_NAMES *names = GENERAL_NAMES_new();
    return names && push_all(names, spec)
        && X509V3_add1_i2d(out, NID_subject_alt_name, names, critical, X509V3_ADD_DEFAULT) == 1;
}

static bool add_extended_usage(const CertNames *ekus, STACK_OF(X509_EXTENSION) **out)
{
    EXTENDED_KEY_USAGE *usage = EXTENDED_KEY_USAGE_new();
    bool added = usage != NULL;
    for (size_t i = 0; added && i < ekus->count; i++) {
        ASN1_OBJECT *object = cert_oid(ekus->items[i]);
        added = object && sk_ASN1_OBJECT_push(usage, object) > 0;
        if (!added)
            ASN1_OBJECT_free(object);
    }
    added = added && X509V3_add1_i2d(out, NID_ext_key_usage, usage, 0, X509V3_ADD_DEFAULT) == 1;
    EXTENDED_KEY_USAGE_free(usage);
    return added;
}

static bool add_key_usage(const CertNames *usages, STACK_OF(X509_EXTENSION) **out)
{
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    bool added = bits != NULL;
    for (size_t i = 0; added && i < usages->count; i++)
        added = ASN1_BIT_STRING_set_bit(bits, key_usage_bit(usages->items[i]), 1) == 1;
    added = added && X509V3_add1_i2d(out, NID_key_usage, bits, 1, X509V3_ADD_DEFAULT) == 1;
    ASN1_BIT_STRING_free(bits);
    return added;
}

static bool add_basic_constraints(const CertSpec *spec, STACK_OF(X509_EXTENSION) **out)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    bool added = constraints != NULL;
    if (added && spec->is_ca) {
        constraints->ca = 0xFF;
        if (spec->path_length >= 0) {
            constraints->pathlen = ASN1_INTEGER_new();
            added = constraints->pathlen && ASN1_INTEGER_set(constraints->pathlen, spec->path_length) == 1;
        }
    }
    /* RFC 5280 section 4.2.1.9: critical in a CA's certificate, free in others. */
    added = added && X509V3_add1_i2d(out, NID_basic_constraints, constraints, spec->is_ca, X509V3_ADD_DEFAULT) == 1;
    BASIC_CONSTRAINTS_free(constraints);
    return added;
}

/* RFC 5280 section 4.2.1.13: one point with one address. */
static bool add_crl_point(Str url, STACK_OF(X509_EXTENSION) **out)
{
    STACK_OF(DIST_POINT) *points = sk_DIST_POINT_new_null();
    DIST_POINT *point = DIST_POINT_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *address = ASN1_IA5STRING_new();
    bool made = points && point && name && address && ASN1_STRING_set(address, url.ptr, (int)url.len) == 1 && (point->distpoint = DIST_POINT_NAME_new()) &&
                (point->distpoint->name.fullname = GENERAL_NAMES_new());
    if (made) {
        GENERAL_NAME_set0_value(name, GEN_URI, address);
        address = NULL;
        point->distpoint->type = 0;                         /* fullName */
        made = sk_GENERAL_NAME_push(point->distpoint->name.fullname, name) > 0;
        name = made ? NULL : name;
        made = made && sk_DIST_POINT_push(points, point) > 0;
        point = made ? NULL : point;
    }
    made = made && X509V3_add1_i2d(out, NID_crl_distribution_points, points, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_IA5STRING_free(address);
    GENERAL_NAME_free(name);
    DIST_POINT_free(point);
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return made;
}

static bool push_access(AUTHORITY_INFO_ACCESS *access, int method, Str url)
{
    ACCESS_DESCRIPTION *entry = ACCESS_DESCRIPTION_new();
    GENERAL_NAME *name = name_of(GEN_URI, V_ASN1_IA5STRING, url.ptr, url.len);
    if (entry && name) {
        ASN1_OBJECT_free(entry->method);
        GENERAL_NAME_free(entry->location);
        entry->method = OBJ_nid2obj(method);
        entry->location = TAKE(name);
        if (sk_ACCESS_DESCRIPTION_push(access, entry) > 0)
            return true;
    }
    GENERAL_NAME_free(name);
    ACCESS_DESCRIPTION_free(entry);
    return false;
}

/* RFC 5280 section 4.2.2.1. */
static bool add_authority_access(const CertSpec *spec, STACK_OF(X509_EXTENSION) **out)
{
    AUTHORITY_INFO_ACCESS *access = AUTHORITY_INFO_ACCESS_new();
    bool added = access && (str_empty(spec->ocsp_url) || push_access(access, NID_ad_OCSP, spec->ocsp_url)) &&
                 (str_empty(spec->issuer_url) || push_access(access, NID_ad_ca_issuers, spec->issuer_url)) &&
                 X509V3_add1_i2d(out, NID_info_access, access, 0, X509V3_ADD_DEFAULT) == 1;
    AUTHORITY_INFO_ACCESS_free(access);
    return added;
}

static bool add_no_check(STACK_OF(X509_EXTENSION) **out)
{
    ASN1_NULL *nothing = ASN1_NULL_new();
    bool added = nothing && X509V3_add1_i2d(out, NID_id_pkix_OCSP_noCheck, nothing, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_NULL_free(nothing);
    return added;
}

bool cert_extensions(const CertSpec *spec, STACK_OF(X509_EXTENSION) **out, Err *err)
{
    STACK_OF(X509_EXTENSION) *made = NULL;
    /* RFC 5280 section 4.2.1.6: with an empty subject the alternative name is critical. */
    bool nameless = str_empty(str_trim(spec->subject));
    bool complete = add_basic_constraints(spec, &made)
        && (!spec->key_usage.count || add_key_usage(&spec->key_usage, &made))
        && (!spec->ekus.count || add_extended_usage(&spec->ekus, &made))
        && (!has_alternative_name(spec) || add_alternative_names(spec, nameless, &made))
        && (str_empty(spec->crl_url) || add_crl_point(spec->crl_url, &made))
        && (!spec->is_ocsp_unchecked || add_no_check(&made))
        && ((str_empty(spec->ocsp_url) && str_empty(spec->issuer_url)) || add_authority_access(spec, &made));
    if (complete) {
        *out = made;
        return true;
    }
    sk_X509_EXTENSION_pop_free(made, X509_EXTENSION_free);
    return openssl_failed(err, "making a certificate's extensions");
}
