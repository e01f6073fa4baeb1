/* bundle.h - a key with its certificates in files: PKCS#12 (RFC 7292) and PEM (RFC 7468). */
#pragma once
#include "base/buf.h"
#include "crypto/certificates/cert.h"

enum { BUNDLE_CERTS_MAX = 20 };
typedef struct Bundle {
    KeyRef *key;                          /* NULL: certificates only */
    Bytes   certs[BUNDLE_CERTS_MAX];      /* DER; leaf first, then issuers in chain order; in the arena */
    size_t  count;
    size_t  came_as[BUNDLE_CERTS_MAX];    /* where each was before bundle_order (reading does that too): certs[i] was number came_as[i] */
    size_t  leaf;                         /* for bundle_write_pfx: which one is the key's; 0 after bundle_order */
} Bundle;
void bundle_done(Bundle *bundle);         /* frees the key reference */
DEFINE_AUTO_DONE(Bundle, bundle_done)

bool bundle_write_pfx(const Bundle *bundle, Str password, Secret **pfx, Err *err) MUST_CHECK;              /* an empty password is the empty password; AES-256, SHA-256 MAC */
bool bundle_write_pem(const Bundle *bundle, bool key_first, Secret **pem, Err *err) MUST_CHECK;            /* Key Vault puts the key first; files on a node have it last */
bool bundle_read_pfx(Arena *arena, Bytes pfx, Str password, Bundle *out, Err *err) MUST_CHECK;             /* orders the chain; ERR_BAD_INPUT: err->target is "password" when that is at fault, else "" */
bool bundle_read_pem(Arena *arena, Str pem, Bundle *out, Err *err) MUST_CHECK;                             /* any order of blocks; unencrypted PKCS#8, PKCS#1 and SEC1 keys */
bool bundle_read_certs(Arena *arena, Bytes file, Bundle *out, Err *err) MUST_CHECK;                        /* .cer .crt .p7b .spc: DER, PEM or PKCS#7; the key stays NULL */
/* Puts the leaf first (the key's certificate; without a key, one that issued no other), then its issuers, then the rest
 * as they came. ERR_BAD_INPUT: no certificate, or none for the key. `file` is what the message calls the source. */
bool bundle_order(Bundle *bundle, const char *file, Err *err) MUST_CHECK;
void bundle_order_undo(Bundle *bundle);   /* back to where they were; leaf says which is the key's */
Str  pem_of_cert(Arena *arena, Bytes der);
Str  pem_of_public_key(Arena *arena, Bytes spki);
bool pem_to_cert(Arena *arena, Str pem, Bytes *der, Err *err) MUST_CHECK;                                  /* the first certificate */
