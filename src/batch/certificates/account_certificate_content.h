/* account_certificate_content.h - what people upload as an account's certificate, checked against itself.
 *
 * A .pfx needs its password, which must open it, and holds a private key; a .cer (DER, PEM or PKCS#7, one certificate) has no password.
 * The SHA-1 thumbprint is the name that references use; it must be that of the certificate itself. */
#pragma once
#include "base/arena.h"

enum { CERTIFICATE_DATA_MAX = 10 * 1024, THUMBPRINT_DIGITS = 40 };
typedef enum CertificateFormat { CERTIFICATE_PFX = 1, CERTIFICATE_CER } CertificateFormat;

typedef struct CertificateIn {
    Str thumbprint, algorithm;              /* absent: not given */
    Str format;                             /* "pfx", "cer" in any case; absent: pfx, as Resource Manager documents it */
    Str data;                               /* base64 */
    Str password;
} CertificateIn;

typedef struct CertificateContent {
    Str thumbprint;                         /* lower case */
    CertificateFormat format;
    Bytes der;                              /* the certificate */
    Bytes material;                         /* the .pfx as it came; of a .cer the DER */
    Str password;                           /* absent for a .cer */
} CertificateContent;

/* The thumbprint as we keep it: spaces are taken out, lower case. false: it is no SHA-1 thumbprint. */
bool certificate_thumbprint(Arena *arena, Str text, Str *out);

/* `where` prefixes names in messages: "" or "properties.". Everything lies in the arena: certificate_content_wipe it. ERR_BAD_INPUT names the field. */
bool certificate_content_read(Arena *arena, const CertificateIn *in, const char *where, CertificateContent *out, Err *err) MUST_CHECK;
void certificate_content_wipe(CertificateContent *content);
