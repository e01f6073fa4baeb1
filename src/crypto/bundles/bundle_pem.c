/* bundle_pem.c - bundles as PEM text (RFC 7468). */
#include <openssl/err.h>
#include <openssl/pem.h>
#include "crypto/bundles/bundle_own.h"

enum { LINE_BYTES = 48 };       /* 64 characters a line, as RFC 7468 section 2 has it */

/* ---- writing ---- */

static size_t block_size(const char *label, size_t len)
{
    size_t lines = (len + LINE_BYTES - 1) / LINE_BYTES;
    return strlen("-----BEGIN -----\n-----END -----\n") + 2 * strlen(label) + (len + 2) / 3 * 4 + lines;
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

/* Needs one byte more than block_size, for the NUL that EVP_EncodeBlock writes. */
static char *put_block(char *at, const char *label, Bytes der)
{
    at = put_text(put_text(put_text(at, "-----BEGIN "), label), "-----\n");
    for (size_t i = 0; i < der.len; i += LINE_BYTES) {
        int piece = der.len - i > LINE_BYTES ? LINE_BYTES : (int)(der.len - i);
        at += EVP_EncodeBlock((unsigned char *)at, der.ptr + i, piece);
        *at++ = '\n';
    }
    return put_text(put_text(put_text(at, "-----END "), label), "-----\n");
}

bool bundle_write_pem(const Bundle *bundle, bool key_first, Secret **pem, Err *err)
{
    AUTO(secret_free_auto) Secret *key = NULL;
    AUTO(secret_free_auto) Secret *text = NULL;
    if (bundle->key && !key_to_pkcs8(bundle->key, &key, err))
        return false;
    size_t size = key ? block_size("PRIVATE KEY", secret_bytes(key).len) : 0;
    for (size_t i = 0; i < bundle->count; i++)
        size += block_size("CERTIFICATE", bundle->certs[i].len);
    text = secret_new(size + 1);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory for a PEM file");

    char *at = (char *)secret_ptr(text);
    if (key && key_first)
        at = put_block(at, "PRIVATE KEY", secret_bytes(key));
    for (size_t i = 0; i < bundle->count; i++)
        at = put_block(at, "CERTIFICATE", bundle->certs[i]);
    if (key && !key_first)
        (void)put_block(at, "PRIVATE KEY", secret_bytes(key));
    secret_truncate(text, size);
    *pem = TAKE(text);
    return true;
}

static Str pem_of(Arena *arena, const char *label, Bytes der)
{
    size_t size = block_size(label, der.len);
    char *text = arena_alloc(arena, size + 1);
    if (!text)
        return STR_NONE;
    (void)put_block(text, label, der);
    return (Str){ text, size };
}

Str pem_of_cert(Arena *arena, Bytes der) { return pem_of(arena, "CERTIFICATE", der); }
Str pem_of_public_key(Arena *arena, Bytes spki) { return pem_of(arena, "PUBLIC KEY", spki); }

/* ---- reading ---- */

typedef struct Block { char *label, *header; unsigned char *data; long len; } Block;

static void block_done(Block *block)
{
    OPENSSL_free(block->label);
    OPENSSL_free(block->header);
    OPENSSL_clear_free(block->data, (size_t)block->len);
    *block = (Block){ 0 };
}
DEFINE_AUTO_DONE(Block, block_done)

/* *more is false at the end of the text. What stands between blocks is skipped, as RFC 7468 section 5.2 allows. */
static bool next_block(BIO *pem, Block *block, bool *more, Err *err)
{
    block_done(block);
    *more = PEM_read_bio(pem, &block->label, &block->header, &block->data, &block->len) == 1;
    bool at_end = !*more && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    openssl_forget();
    return *more || at_end || err_set(err, ERR_BAD_INPUT, "a block of the PEM text is damaged: its BEGIN and END lines or its base64 do not fit");
}

static bool is_label(const Block *block, const char *label)
{
    return strcmp(block->label, label) == 0;
}

static bool add_key(Bundle *bundle, const Block *block, Err *err)
{
    KeyRef *key = NULL;
    Bytes der = { block->data, (size_t)block->len };
    if (is_label(block, "ENCRYPTED PRIVATE KEY") || strstr(block->header, "ENCRYPTED"))
        return err_set(err, ERR_BAD_INPUT, "the private key is encrypted; give it unencrypted (openssl pkey -in FILE -out PLAIN asks for its password)");
    bool read = is_label(block, "PRIVATE KEY") ? key_from_pkcs8(der, &key, err)
        : is_label(block, "RSA PRIVATE KEY") ? key_from_traditional(KEY_RSA, der, &key, err)
        : is_label(block, "EC PRIVATE KEY") ? key_from_traditional(KEY_EC, der, &key, err)
        : err_set(err, ERR_BAD_INPUT, "the PEM text has a private key of a kind that is not supported; RSA and EC keys are");
    return read && bundle_add_key(bundle, key, err);
}

static bool is_certificate(const Block *block)
{
    return is_label(block, "CERTIFICATE") || is_label(block, "X509 CERTIFICATE");      /* the older label of the same thing */
}

static BIO *reader_of(Str pem, Err *err)
{
    if (pem.len > BUNDLE_FILE_MAX) {
        err_set(err, ERR_BAD_INPUT, "the PEM text has %zu bytes; at most %d are accepted", pem.len, BUNDLE_FILE_MAX);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.len ? pem.ptr : "", (int)pem.len);
    if (!bio)
        openssl_failed(err, "reading PEM");
    return bio;
}

bool bundle_read_pem(Arena *arena, Str pem, Bundle *out, Err *err)
{
    AUTO(BIO_vfree_auto) BIO *bio = reader_of(pem, err);
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    AUTO(block_done_auto) Block block = { 0 };
    bool more = false;
    if (!bio || !next_block(bio, &block, &more, err))
        return false;
    while (more) {
        /* Parameters of a curve, requests and the like say nothing that we keep. */
        bool added = is_certificate(&block) ? bundle_add_cert(arena, &bundle, (Bytes){ block.data, (size_t)block.len }, err)
            : !str_ends(str_from(block.label), STR("PRIVATE KEY")) || add_key(&bundle, &block, err);
        if (!added || !next_block(bio, &block, &more, err))
            return false;
    }
    if (!bundle_order(&bundle, "PEM text", err))
        return false;
    *out = bundle;
    bundle.key = NULL;
    return true;
}

bool pem_to_cert(Arena *arena, Str pem, Bytes *der, Err *err)
{
    AUTO(BIO_vfree_auto) BIO *bio = reader_of(pem, err);
    AUTO(block_done_auto) Block block = { 0 };
    bool more = false;
    if (!bio || !next_block(bio, &block, &more, err))
        return false;
    while (more && !is_certificate(&block))
        if (!next_block(bio, &block, &more, err))
            return false;
    Bundle one = { 0 };
    if (!more)
        return err_set(err, ERR_BAD_INPUT, "the PEM text has no certificate");
    if (!bundle_add_cert(arena, &one, (Bytes){ block.data, (size_t)block.len }, err))
        return false;
    *der = one.certs[0];
    return true;
}
