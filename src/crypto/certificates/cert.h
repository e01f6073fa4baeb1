/* cert.h - X.509 certificates (RFC 5280): made, read, checked. */
#pragma once
#include "crypto/keys/key.h"

typedef struct CertNames { Str *items; size_t count; } CertNames;

typedef struct CertSpec {
    Str       subject;              /* "CN=a.example, O=Example" (RFC 4514 order as typed; also "/CN=a/O=b"); may be empty if a SAN is given */
    CertNames dns, emails, upns, ips, uris;
    CertNames ekus;                 /* dotted OIDs */
    CertNames key_usage;            /* Key Vault's names: digitalSignature, keyEncipherment, keyCertSign, ...; any case */
    bool      is_ca;                /* basicConstraints CA:TRUE */
    Str       crl_url;              /* cRLDistributionPoints; absent: none */
    Str       ocsp_url, issuer_url; /* authorityInfoAccess: where its standing is asked, where the issuer's certificate is; absent: none */
    bool      is_ocsp_unchecked;    /* id-pkix-ocsp-nocheck: of a responder whose own standing nobody asks (RFC 6960 section 4.2.2.2.1) */
    int       path_length;          /* -1: none; only with is_ca */
    int64_t   not_before_ms, not_after_ms;   /* cut to seconds; their order is not checked (makecert makes such certificates) */
    int       digest_bits;          /* of the signature: 256, 384 or 512; 0: as fits the signing key */
} CertSpec;

typedef struct CertInfo {
    Bytes   der;                    /* borrowed from the caller of cert_read */
    uint8_t sha1[20], sha256[32];   /* thumbprints of the DER */
    int64_t not_before_ms, not_after_ms;
    Str     subject, issuer;        /* RFC 4514-like text as Key Vault prints it: "CN=a.example, O=Example" in the encoded order */
    Str     serial_hex;
    CertNames dns, emails, upns, ips, uris, ekus, key_usage;
    bool    is_ca, is_self_issued;
} CertInfo;

bool cert_spec_check(const CertSpec *spec, Err *err) MUST_CHECK;                  /* ERR_BAD_INPUT names the field: subject syntax, OIDs, usage names, addresses */
/* The last common name of a subject text, absent if it has none. ERR_BAD_INPUT as cert_spec_check. */
bool cert_common_name(Arena *arena, Str subject, Str *out, Err *err) MUST_CHECK;
bool cert_self_sign(Arena *arena, const KeyRef *key, const CertSpec *spec, Bytes *der, Err *err) MUST_CHECK;
bool cert_issue(Arena *arena, const KeyRef *ca_key, Bytes ca_der, const KeyRef *subject_key, const CertSpec *spec, Bytes *der, Err *err) MUST_CHECK;
bool cert_request(Arena *arena, const KeyRef *key, const CertSpec *spec, Bytes *csr_der, Err *err) MUST_CHECK;     /* PKCS#10, RFC 2986 */
bool cert_read(Arena *arena, Bytes der, CertInfo *out, Err *err) MUST_CHECK;      /* ERR_BAD_INPUT: not one whole certificate */
bool cert_public_key(Bytes der, KeyRef **out, Err *err) MUST_CHECK;
bool cert_is_issued_by(Bytes der, Bytes issuer_der);                              /* name and signature */
