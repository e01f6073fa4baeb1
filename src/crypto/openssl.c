/* openssl.c - algorithms fetched once; errors in one sentence. */
#include "crypto/openssl.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static Algorithms fetched;
static pthread_once_t fetched_once = PTHREAD_ONCE_INIT;

static OSSL_LIB_CTX *legacy;
static pthread_once_t legacy_once = PTHREAD_ONCE_INIT;

static EVP_MAC_CTX *hmac_template(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END };
    EVP_MAC_free(mac);                                 /* the context holds a reference */
    if (!ctx || !EVP_MAC_CTX_set_params(ctx, params)) {
        EVP_MAC_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* They stay until the process ends, as the EVP_MD_get0 kind of objects do. */
static void fetch_all(void)
{
    fetched = (Algorithms){
        .sha1 = EVP_MD_fetch(NULL, "SHA1", NULL),
        .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
        .sha384 = EVP_MD_fetch(NULL, "SHA384", NULL),
        .sha512 = EVP_MD_fetch(NULL, "SHA512", NULL),
        .aes256gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL),
        .hmac_sha256 = hmac_template(),
    };
    if (!fetched.sha1 || !fetched.sha256 || !fetched.sha384 || !fetched.sha512 || !fetched.aes256gcm || !fetched.hmac_sha256) {
        (void)fputs("libcrypto has no SHA-1, SHA-2, HMAC or AES-256-GCM: its configuration is broken (openssl list -providers)\n", stderr);
        abort();
    }
}

const Algorithms *algorithms(void)
{
    (void)pthread_once(&fetched_once, fetch_all);
    return &fetched;
}

static void legacy_open(void)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    if (ctx && OSSL_PROVIDER_load(ctx, "default") && OSSL_PROVIDER_load(ctx, "legacy")) {
        legacy = ctx;
        return;
    }
    OSSL_LIB_CTX_free(ctx);                            /* unloads what it loaded */
    openssl_forget();
}

OSSL_LIB_CTX *legacy_context(void)
{
    (void)pthread_once(&legacy_once, legacy_open);
    return legacy;
}

bool openssl_failed(Err *err, const char *what)
{
    unsigned long code = ERR_peek_error();             /* the oldest report is the innermost: the cause, not its echoes */
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    err_set(err, ERR_INTERNAL, "%s failed: %s", what, reason ? reason : "no reason given by OpenSSL");
    ERR_clear_error();
    return false;
}

void openssl_forget(void)
{
    ERR_clear_error();
}
