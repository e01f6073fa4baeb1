/* hash.h - digests and MACs (FIPS 180-4, RFC 2104). Algorithms are fetched once. */
#pragma once
#include "base/secret.h"

enum { SHA1_SIZE = 20, SHA256_SIZE = 32, SHA384_SIZE = 48, SHA512_SIZE = 64 };

void sha1(Bytes data, uint8_t out[SHA1_SIZE]);            /* thumbprints only */
void sha256(Bytes data, uint8_t out[SHA256_SIZE]);
void sha384(Bytes data, uint8_t out[SHA384_SIZE]);
void sha512(Bytes data, uint8_t out[SHA512_SIZE]);
void hmac_sha256(Bytes key, Bytes data, uint8_t out[SHA256_SIZE]);

/* A key that is used again and again: taken in once, which is most of what a MAC of a short text costs. For one thread at a time. */
typedef struct evp_mac_ctx_st Hmac;
Hmac *hmac_sha256_new(Bytes key);                         /* NULL: out of memory */
void  hmac_free(Hmac *hmac);                              /* wipes the key; NULL is fine */
void  hmac_make(Hmac *hmac, Bytes data, uint8_t out[SHA256_SIZE]);
