/* cert_own.h - private to crypto/: the parts certificates are made of and read from. */
#pragma once
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include "crypto/certificates/cert.h"
#include "crypto/keys/key_own.h"

DEFINE_AUTO_FREE(X509, X509_free)
DEFINE_AUTO_FREE(X509_REQ, X509_REQ_free)
DEFINE_AUTO_FREE(X509_NAME, X509_NAME_free)
DEFINE_AUTO_FREE(GENERAL_NAMES, GENERAL_NAMES_free)

enum { CERT_DER_MAX = 64 * 1024, SUBJECT_MAX = 1024, NAMES_MAX = 250 };

/* NULL: not one whole certificate; the error queue is empty. */
X509 *cert_decode(Bytes der);

/* Subject text of either style into a name. ERR_BAD_INPUT with target "subject". */
bool cert_name_parse(Str text, X509_NAME **out, Err *err) MUST_CHECK;
/* "CN=a.example, O=Example" in the encoded order; absent when the arena is full or the name holds no text. */
Str  cert_name_text(Arena *arena, const X509_NAME *name);

/* Dotted decimal of at least two arcs; caller frees; NULL: no object identifier. */
ASN1_OBJECT *cert_oid(Str oid);

/* The extensions that a spec asks for, for a certificate or a request: all but key identifiers. The spec has been checked. */
bool cert_extensions(const CertSpec *spec, STACK_OF(X509_EXTENSION) **out, Err *err) MUST_CHECK;

/* As CertInfo has it; false: no number, or the arena is full. */
bool cert_serial_hex(Arena *arena, const ASN1_INTEGER *serial, Str *out);

const EVP_MD *cert_digest(const KeyRef *key, int wanted_bits);        /* of a signature; 0: as fits the key */
/* cert_sign.c: the last step of making one, with a key that is here or elsewhere. digest_bits 0: as fits the key. */
bool cert_sign(X509 *cert, const KeyRef *key, int digest_bits, Err *err) MUST_CHECK;
bool cert_sign_request(X509_REQ *request, const KeyRef *key, int digest_bits, Err *err) MUST_CHECK;
bool cert_sign_crl(X509_CRL *crl, const KeyRef *key, Err *err) MUST_CHECK;
bool cert_sign_ocsp(OCSP_BASICRESP *basic, X509 *ca, const KeyRef *key, Err *err) MUST_CHECK;
/* Empty ones, to be filled and then signed by that key and no other. The error queue may have a report; NULL: out of memory. */
X509_CRL *cert_crl_new(const KeyRef *key);
OCSP_BASICRESP *cert_ocsp_new(X509 *ca, const KeyRef *key);
/* Takes over what an i2d function allocated. */
bool cert_keep_der(Arena *arena, unsigned char *encoded, int len, Bytes *der, Err *err) MUST_CHECK;

/* Key Vault's names of the key usage bits (RFC 5280 section 4.2.1.3), in the order of the bits. */
enum { KEY_USAGES = 9 };
extern const Str key_usage_names[KEY_USAGES];

/* Microsoft's user principal name as otherName (szOID_NT_PRINCIPAL_NAME). */
#define UPN_OID "1.3.6.1.4.1.311.20.2.3"
