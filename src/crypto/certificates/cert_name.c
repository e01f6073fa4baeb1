/* cert_name.c - distinguished names as people type and read them.
 *
 * Typed as "CN=a.example, O=Example" (RFC 4514 syntax, also with ';' and quotes as Windows tools take it) or as
 * "/CN=a.example/O=Example" (the openssl command). The order typed is the order encoded, and printed again. */
#include <openssl/err.h>
#include "base/buf.h"
#include "crypto/certificates/cert_own.h"

/* The first row of a kind is the name we print. Windows says S, E, G and SN where OpenSSL says ST, emailAddress, GN and SN. */
static const struct { const char *name; int nid; } attributes[] = {
    { "CN", NID_commonName },               { "O", NID_organizationName },        { "OU", NID_organizationalUnitName },
    { "C", NID_countryName },               { "L", NID_localityName },            { "ST", NID_stateOrProvinceName },
    { "S", NID_stateOrProvinceName },       { "STREET", NID_streetAddress },      { "DC", NID_domainComponent },
    { "emailAddress", NID_pkcs9_emailAddress }, { "E", NID_pkcs9_emailAddress },  { "EMAIL", NID_pkcs9_emailAddress },
    { "serialNumber", NID_serialNumber },   { "SN", NID_surname },                { "GN", NID_givenName },
    { "G", NID_givenName },                 { "title", NID_title },               { "T", NID_title },
    { "initials", NID_initials },           { "I", NID_initials },                { "UID", NID_userId },
    { "postalCode", NID_postalCode },       { "description", NID_description },   { "dnQualifier", NID_dnQualifier },
    { "pseudonym", NID_pseudonym },         { "generationQualifier", NID_generationQualifier },
    { "businessCategory", NID_businessCategory }, { "organizationIdentifier", NID_organizationIdentifier },
    { "jurisdictionC", NID_jurisdictionCountryName }, { "jurisdictionST", NID_jurisdictionStateOrProvinceName },
    { "jurisdictionL", NID_jurisdictionLocalityName },
};

/* Caller frees; NULL if it is no attribute. */
static ASN1_OBJECT *attribute_of(Str name)
{
    for (size_t i = 0; i < COUNT_OF(attributes); i++)
        if (str_eq_nocase(name, str_from(attributes[i].name)) || str_eq_nocase(name, str_from(OBJ_nid2ln(attributes[i].nid))))
            return OBJ_nid2obj(attributes[i].nid);     /* a built-in one, which ASN1_OBJECT_free leaves alone */
    if (str_starts_nocase(name, STR("OID.")))
        name = str_slice(name, 4, name.len);
    return cert_oid(name);
}

static const char *attribute_name(const ASN1_OBJECT *object, char dotted[80])
{
    int nid = OBJ_obj2nid(object);
    for (size_t i = 0; i < COUNT_OF(attributes); i++)
        if (attributes[i].nid == nid && nid != NID_undef)
            return attributes[i].name;
    int len = OBJ_obj2txt(dotted, 80, object, 1);
    return len > 0 && len < 80 ? dotted : NULL;
}

/* ---- reading ---- */

typedef struct Scanner {
    Str  rest;
    bool slashes;               /* "/CN=a/O=b" */
    char value[SUBJECT_MAX];    /* the value just read, without its quotes and escapes */
    size_t len;
    char end;                   /* what ended it: ',' '+' or 0 at the end of the text */
} Scanner;

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character behind a backslash, or two hex digits for a byte (RFC 4514 section 2.4). */
static bool scan_escape(Scanner *s, Err *err)
{
    int high = s->rest.len > 1 ? hex_digit(s->rest.ptr[0]) : -1, low = s->rest.len > 1 ? hex_digit(s->rest.ptr[1]) : -1;
    if (!s->rest.len)
        return err_field(err, "subject", "the subject ends in a backslash that escapes nothing");
    bool byte = high >= 0 && low >= 0;
    s->value[s->len++] = byte ? (char)(high << 4 | low) : s->rest.ptr[0];
    s->rest = str_slice(s->rest, byte ? 2 : 1, s->rest.len);
    return true;
}

static bool scan_quoted(Scanner *s, Err *err)
{
    for (;;) {
        if (!s->rest.len)
            return err_field(err, "subject", "the subject opens a quote and does not close it");
        char c = s->rest.ptr[0];
        s->rest = str_slice(s->rest, 1, s->rest.len);
        bool doubled = c == '"' && s->rest.len && s->rest.ptr[0] == '"';      /* Windows doubles a quote within quotes */
        if (c == '\\') {
            if (!scan_escape(s, err))
                return false;
            continue;
        }
        if (c == '"' && !doubled)
            return true;
        if (doubled)
            s->rest = str_slice(s->rest, 1, s->rest.len);
        s->value[s->len++] = c;
    }
}

static bool is_separator(const Scanner *s, char c)
{
    return c == '+' || (s->slashes ? c == '/' : c == ',' || c == ';');
}

static void skip_spaces(Scanner *s)
{
    while (s->rest.len && s->rest.ptr[0] == ' ')
        s->rest = str_slice(s->rest, 1, s->rest.len);
}

/* What lies between '=' and the next separator. The value is never longer than the text, so it fits. */
static bool scan_value(Scanner *s, Err *err)
{
    s->len = 0;
    s->end = 0;
    skip_spaces(s);
    bool quoted = !s->slashes && s->rest.len && s->rest.ptr[0] == '"';
    if (!s->slashes && s->rest.len && s->rest.ptr[0] == '#')
        return err_field(err, "subject", "the subject has a value in hex ('#...'), which is not accepted; write its text");
    if (quoted) {
        s->rest = str_slice(s->rest, 1, s->rest.len);
        if (!scan_quoted(s, err))
            return false;
    }
    size_t keep = s->len;                              /* up to here trailing spaces are the value's own */
    while (s->rest.len && !is_separator(s, s->rest.ptr[0])) {
        char c = s->rest.ptr[0];
        s->rest = str_slice(s->rest, 1, s->rest.len);
        if (quoted && c != ' ')
            return err_field(err, "subject", "the subject goes on behind a closing quote; put a comma there");
        if (c == '"')
            return err_field(err, "subject", "the subject has a quote inside a value; put a backslash before it");
        if (c == '\\') {
            if (!scan_escape(s, err))
                return false;
            keep = s->len;
        } else {
            s->value[s->len++] = c;
        }
    }
    while (s->len > keep && s->value[s->len - 1] == ' ')
        s->len--;
    if (s->rest.len) {
        s->end = s->rest.ptr[0] == '+' ? '+' : ',';
        s->rest = str_slice(s->rest, 1, s->rest.len);
    }
    return true;
}

static bool add_entry(X509_NAME *name, Str attribute, Str value, bool same_rdn, Err *err)
{
    ASN1_OBJECT *object = attribute_of(attribute);
    if (!object) {
        openssl_forget();
        return err_field(err, "subject", "the subject names '" STR_FMT "', which is no attribute known here; CN, O, OU, C, L, ST, DC, E or a dotted OID are",
                         STR_ARG(attribute));
    }
    int nid = OBJ_obj2nid(object);
    bool added = X509_NAME_add_entry_by_OBJ(name, object, MBSTRING_UTF8, (const unsigned char *)value.ptr, (int)value.len, -1, same_rdn ? -1 : 0) == 1;
    int reason = added ? 0 : ERR_GET_REASON(ERR_peek_error());
    ASN1_OBJECT_free(object);
    openssl_forget();
    if (added)
        return true;

    const ASN1_STRING_TABLE *limits = ASN1_STRING_TABLE_get(nid);
    bool bad_length = limits && (reason == ASN1_R_STRING_TOO_LONG || reason == ASN1_R_STRING_TOO_SHORT);
    if (bad_length && limits->minsize == limits->maxsize)
        return err_field(err, "subject", STR_FMT " in the subject must have %ld characters", STR_ARG(attribute), limits->maxsize);
    if (bad_length)
        return err_field(err, "subject", STR_FMT " in the subject may have %ld to %ld characters", STR_ARG(attribute), limits->minsize, limits->maxsize);
    return err_field(err, "subject", STR_FMT " in the subject has characters that this attribute cannot hold", STR_ARG(attribute));
}

/* Control characters would let a name look like another one in a log or a table. */
static bool is_plain(Str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F)
            return false;
    return str_is_utf8(text);
}

static bool scan_attribute(Scanner *s, Str *attribute, Err *err)
{
    size_t at = 0;
    skip_spaces(s);
    if (!s->rest.len)
        return err_field(err, "subject", "the subject ends in a separator");
    if (!str_find(s->rest, STR("="), &at))
        return err_field(err, "subject", "'" STR_FMT "' in the subject has no '='; parts read like \"CN=name, O=company\", and a comma inside a value is written \"\\,\"",
                         STR_ARG(s->rest));
    *attribute = str_trim(str_slice(s->rest, 0, at));
    s->rest = str_slice(s->rest, at + 1, s->rest.len);
    return true;
}

bool cert_name_parse(Str text, X509_NAME **out, Err *err)
{
    if (text.len > SUBJECT_MAX)
        return err_field(err, "subject", "the subject has %zu bytes; at most %d are accepted", text.len, SUBJECT_MAX);
    if (!is_plain(text))
        return err_field(err, "subject", "the subject has control characters or bytes that are not UTF-8");
    AUTO(X509_NAME_free_auto) X509_NAME *name = X509_NAME_new();
    if (!name)
        return openssl_failed(err, "making a name");

    Scanner s = { .rest = text };
    skip_spaces(&s);                                   /* not at the end, where a backslash may make a space count */
    s.slashes = str_starts(s.rest, STR("/"));
    if (s.slashes)
        s.rest = str_slice(s.rest, 1, s.rest.len);
    bool more = s.rest.len > 0, same_rdn = false;      /* an empty subject is one: then a SAN names the certificate */
    while (more) {
        Str attribute = STR_NONE;
        if (!scan_attribute(&s, &attribute, err) || !scan_value(&s, err))
            return false;
        Str value = { s.value, s.len };
        if (!value.len)
            return err_field(err, "subject", STR_FMT " in the subject has no value", STR_ARG(attribute));
        if (!is_plain(value))                          /* again, since escapes can spell any byte */
            return err_field(err, "subject", STR_FMT " in the subject has control characters or bytes that are not UTF-8", STR_ARG(attribute));
        if (!add_entry(name, attribute, value, same_rdn, err))
            return false;
        same_rdn = s.end == '+';
        more = s.end != 0;
    }
    *out = TAKE(name);
    return true;
}

/* ---- printing ---- */

static void put_escaped(Buf *out, const unsigned char *utf8, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = utf8[i];
        bool edge_space = c == ' ' && (i == 0 || i == len - 1);
        if (c < 0x20 || c == 0x7F) {
            buf_printf(out, "\\%02X", c);
            continue;
        }
        if (edge_space || (c == '#' && i == 0) || strchr(",+\"\\<>;", c))
            buf_put_char(out, '\\');
        buf_put_char(out, (char)c);
    }
}

/* A value of a type that holds no text is shown as the hex of its content. */
static void put_value(Buf *out, const ASN1_STRING *value)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, value);
    if (len >= 0 && str_is_utf8((Str){ (char *)utf8, (size_t)len }))
        put_escaped(out, utf8, (size_t)len);
    else {
        buf_put_char(out, '#');
        for (int i = 0; i < ASN1_STRING_length(value); i++)
            buf_printf(out, "%02x", ASN1_STRING_get0_data(value)[i]);
    }
    OPENSSL_free(utf8);
    openssl_forget();
}

Str cert_name_text(Arena *arena, const X509_NAME *name)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 4 * CERT_DER_MAX);
    int last_set = -1;
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        char dotted[80];
        const char *attribute = attribute_name(X509_NAME_ENTRY_get_object(entry), dotted);
        bool same_rdn = X509_NAME_ENTRY_set(entry) == last_set;
        last_set = X509_NAME_ENTRY_set(entry);
        if (!attribute)
            return STR_NONE;
        buf_printf(&text, "%s%s=", i == 0 ? "" : same_rdn ? " + " : ", ", attribute);
        put_value(&text, X509_NAME_ENTRY_get_data(entry));
    }
    return text.failed ? STR_NONE : str_dup(arena, buf_str(&text));
}

bool cert_common_name(Arena *arena, Str subject, Str *out, Err *err)
{
    AUTO(X509_NAME_free_auto) X509_NAME *name = NULL;
    if (!cert_name_parse(subject, &name, err))
        return false;
    int at = -1;
    for (int next = X509_NAME_get_index_by_NID(name, NID_commonName, -1); next >= 0; next = X509_NAME_get_index_by_NID(name, NID_commonName, at))
        at = next;
    *out = STR_NONE;
    if (at < 0)
        return true;
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (len < 0)
        return openssl_failed(err, "reading a common name");
    *out = str_dup(arena, (Str){ (const char *)utf8, (size_t)len });
    OPENSSL_free(utf8);
    return out->ptr || err_too_big(err);
}
