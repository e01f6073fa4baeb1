/* account_certificate_content.c - .pfx and .cer as they are uploaded. */
#include "batch/certificates/account_certificate_content.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/encode.h"
#include "base/secret.h"
#include "crypto/bundles/bundle.h"

static bool refuse(Err *err, const char *name, const char *where, const char *field, const char *fmt, ...) FORMAT(5, 6);

static bool refuse(Err *err, const char *name, const char *where, const char *field, const char *fmt, ...)
{
    char reason[480];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    err_named(err, ERR_BAD_INPUT, name, NULL, "%s%s: %s", where, field, reason);
    (void)snprintf(err->target, sizeof err->target, "%s%s", where, field);
    return false;
}

#define INVALID "InvalidPropertyValue"
#define MISSING "MissingRequiredProperty"

bool certificate_thumbprint(Arena *arena, Str text, Str *out)
{
    char digits[THUMBPRINT_DIGITS];
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == ' ')
            continue;
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_digit || count == THUMBPRINT_DIGITS)
            return false;
        digits[count++] = c;
    }
    *out = str_lower(arena, str_dup(arena, (Str){ digits, count }));
    return count == THUMBPRINT_DIGITS && out->ptr;
}

static bool read_format(const CertificateIn *in, const char *where, const char *field, CertificateFormat *out, Err *err)
{
    if (!in->format.ptr || str_eq_nocase(in->format, STR("pfx")))
        *out = CERTIFICATE_PFX;
    else if (str_eq_nocase(in->format, STR("cer")))
        *out = CERTIFICATE_CER;
    else
        return refuse(err, INVALID, where, field, "'" STR_FMT "' is neither pfx nor cer", STR_ARG(str_slice(in->format, 0, 40)));
    return true;
}

static bool read_data(Arena *arena, const CertificateIn *in, const char *where, Bytes *out, Err *err)
{
    Err wrong = { 0 };
    if (str_empty(in->data))
        return refuse(err, MISSING, where, "data", "is required: base64 of the .pfx or .cer file");
    if (!base64_decode(arena, in->data, out, &wrong))
        return wrong.code == ERR_TOO_LARGE ? err_too_big(err) : refuse(err, INVALID, where, "data", "is not base64 of the .pfx or .cer file");
    return out->len <= CERTIFICATE_DATA_MAX ||
           refuse(err, INVALID, where, "data", "has %zu bytes, and an account's certificate may have 10 KB; leave out the issuers of a chain", out->len);
}

static bool read_pfx(Arena *arena, const CertificateIn *in, const char *where, Bytes file, CertificateContent *out, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Err why = { 0 };
    if (!in->password.ptr)
        return refuse(err, MISSING, where, "password", "is required for a .pfx: the password that its private key is kept under");
    if (!bundle_read_pfx(arena, file, in->password, &bundle, &why)) {
        if (strcmp(why.target, "password") == 0)
            return refuse(err, INVALID, where, "password", "does not open the .pfx in data");
        return why.code == ERR_BAD_INPUT ? refuse(err, INVALID, where, "data", "is no .pfx (PKCS #12) file: %.300s", why.text) : (*err = why, false);
    }
    if (!bundle.key || bundle.count == 0)
        return refuse(err, INVALID, where, "data", "is a .pfx without %s; a certificate alone is uploaded as cer", bundle.key ? "a certificate" : "a private key");
    out->der = bundle.certs[0];
    out->material = file;
    out->password = in->password;
    return true;
}

static bool read_cer(Arena *arena, const CertificateIn *in, const char *where, Bytes file, CertificateContent *out, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Err why = { 0 };
    if (!str_empty(in->password))
        return refuse(err, INVALID, where, "password", "must be left out for a .cer, which has no private key");
    if (!bundle_read_certs(arena, file, &bundle, &why))
        return why.code == ERR_BAD_INPUT ? refuse(err, INVALID, where, "data", "is no certificate (DER or PEM): %.280s; a .pfx is uploaded as pfx with its password", why.text)
                                         : (*err = why, false);
    if (bundle.count != 1)
        return refuse(err, INVALID, where, "data", "holds %zu certificates; upload each by itself", bundle.count);
    out->der = out->material = bundle.certs[0];         /* whatever else the file had, such as a key, stays out */
    return true;
}

static bool check_thumbprint(Arena *arena, const CertificateIn *in, const char *where, CertificateContent *out, Err *err)
{
    CertInfo info;
    Err why = { 0 };
    Str given;
    if (!cert_read(arena, out->der, &info, &why))
        return why.code == ERR_BAD_INPUT ? refuse(err, INVALID, where, "data", "holds no certificate that can be read: %.280s", why.text) : (*err = why, false);
    out->thumbprint = hex_encode(arena, (Bytes){ info.sha1, sizeof info.sha1 });
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!in->thumbprint.ptr)
        return true;
    if (!certificate_thumbprint(arena, in->thumbprint, &given))
        return refuse(err, INVALID, where, "thumbprint", "'" STR_FMT "' is no SHA-1 thumbprint, which has 40 hex digits", STR_ARG(str_slice(in->thumbprint, 0, 80)));
    return str_eq(given, out->thumbprint) ||
           refuse(err, INVALID, where, "thumbprint", "'" STR_FMT "' is not the thumbprint of the certificate in data, which is '" STR_FMT "'", STR_ARG(given), STR_ARG(out->thumbprint));
}

bool certificate_content_read(Arena *arena, const CertificateIn *in, const char *where, CertificateContent *out, Err *err)
{
    CertificateContent content = { 0 };
    Bytes file;
    if (in->algorithm.ptr && !str_eq_nocase(in->algorithm, STR("sha1")))
        return refuse(err, INVALID, where, "thumbprintAlgorithm", "'" STR_FMT "' is not sha1, the only one there is", STR_ARG(str_slice(in->algorithm, 0, 40)));
    if (!read_format(in, where, where[0] ? "format" : "certificateFormat", &content.format, err) || !read_data(arena, in, where, &file, err))
        return false;
    if (!(content.format == CERTIFICATE_PFX ? read_pfx(arena, in, where, file, &content, err) : read_cer(arena, in, where, file, &content, err)) ||
        !check_thumbprint(arena, in, where, &content, err))
        return false;
    *out = content;
    return true;
}

/* The arena's copies; the server wipes the body itself. */
void certificate_content_wipe(CertificateContent *content)
{
    secret_wipe((void *)(uintptr_t)content->material.ptr, content->material.len);
    secret_wipe((void *)(uintptr_t)content->password.ptr, content->password.len);
}
