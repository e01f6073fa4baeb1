/* crl.h - certificate revocation lists (RFC 5280 section 5), version 2 with number and authority key identifier. */
#pragma once
#include "crypto/certificates/cert.h"

typedef struct CrlEntry { Str serial_hex; int64_t revoked_ms; } CrlEntry;      /* serial_hex as CertInfo has it */
typedef struct CrlSpec {
    int64_t number;                     /* grows from list to list */
    int64_t now_ms, next_ms;            /* thisUpdate, nextUpdate */
    const CrlEntry *entries;
    size_t count;
} CrlSpec;

/* Signed by the authority whose certificate ca_der is. ERR_BAD_INPUT: no certificate, or a serial that is no number. */
bool crl_make(Arena *arena, const KeyRef *ca_key, Bytes ca_der, const CrlSpec *spec, Bytes *der, Err *err) MUST_CHECK;
