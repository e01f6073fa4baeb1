/* pvk.c - Microsoft's .pvk files. */
#include "crypto/bundles/pvk.h"
#include <openssl/pem.h>
#include "base/id.h"
#include "crypto/hash.h"
#include "crypto/keys/key_own.h"

/* Little-endian words: magic, reserved, key type, encrypted, salt length, key length. Salt and key follow. The key is a
 * PRIVATEKEYBLOB of the Windows CryptoAPI, whose own header of 8 bytes is never encrypted. */
enum { HEADER_SIZE = 24, AT_MAGIC = 0, AT_USE = 8, AT_ENCRYPTED = 12, AT_SALT_SIZE = 16, AT_KEY_SIZE = 20 };
enum { BLOB_HEADER_SIZE = 8, SALT_SIZE = 16, SALT_MAX = 1024, KEY_MAX = 16 * 1024, RC4_KEY_SIZE = 16, RC4_WEAK_SIZE = 5, USE_EXCHANGE = 1 };
static const uint32_t PVK_MAGIC = 0xB0B5F11E, RSA_PRIVATE_MAGIC = 0x32415352;       /* the second reads "RSA2" */

typedef struct Header { bool encrypted; size_t salt_size, key_size; } Header;

static uint32_t word_at(Bytes bytes, size_t at)
{
    const uint8_t *p = bytes.ptr + at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool header_read(Bytes pvk, Header *out)
{
    if (pvk.len < HEADER_SIZE || word_at(pvk, AT_MAGIC) != PVK_MAGIC)
        return false;
    *out = (Header){ word_at(pvk, AT_ENCRYPTED) != 0, word_at(pvk, AT_SALT_SIZE), word_at(pvk, AT_KEY_SIZE) };
    return out->salt_size <= SALT_MAX && out->key_size > BLOB_HEADER_SIZE + 4 && out->key_size <= KEY_MAX
        && pvk.len == HEADER_SIZE + out->salt_size + out->key_size && out->encrypted == (out->salt_size != 0);
}

static void put_word(uint8_t *at, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(word >> 8 * i);
}

bool pvk_is_encrypted(Bytes pvk)
{
    Header header;
    return header_read(pvk, &header) && header.encrypted;
}

static bool password_check(Str password, Err *err)
{
    return password.len <= PVK_PASSWORD_MAX || err_field(err, "password", "the password has more than %d bytes", PVK_PASSWORD_MAX);
}

static bool no_rc4(Err *err)
{
    return err_set(err, ERR_NOT_BUILT, "a .pvk under a password needs RC4, and the OpenSSL of this machine has no legacy provider; install it or use a plain .pvk");
}

/* Both ways. OpenSSL 3.0's own reader asks for RC4 in the default library context, where we do not want it. */
static bool rc4(const uint8_t key[RC4_KEY_SIZE], Bytes in, uint8_t *out)
{
    int len = 0;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(legacy_context(), "RC4", NULL);
    AUTO(EVP_CIPHER_CTX_free_auto) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool done = cipher && ctx && EVP_CipherInit_ex2(ctx, cipher, key, NULL, 1, NULL) == 1
        && EVP_CipherUpdate(ctx, out, &len, in.ptr, (int)in.len) == 1 && (size_t)len == in.len;
    EVP_CIPHER_free(cipher);
    openssl_forget();
    return done;
}

/* The first 16 bytes of SHA-1 over salt and password. */
static bool derive(Bytes salt, Str password, uint8_t key[RC4_KEY_SIZE])
{
    uint8_t digest[SHA1_SIZE];
    AUTO(secret_free_auto) Secret *both = secret_new(salt.len + password.len);
    if (!both)
        return false;
    memcpy(secret_ptr(both), salt.ptr, salt.len);
    memcpy(secret_ptr(both) + salt.len, password.ptr, password.len);
    sha1(secret_bytes(both), digest);
    memcpy(key, digest, RC4_KEY_SIZE);
    secret_wipe(digest, sizeof digest);
    return true;
}

/* Into `blob`, which holds the encrypted key: tried with the whole key, then with the 40 bits of export days. */
static bool decrypt(Bytes salt, Str password, Bytes encrypted, Secret *blob)
{
    uint8_t key[RC4_KEY_SIZE];
    Bytes body = { encrypted.ptr + BLOB_HEADER_SIZE, encrypted.len - BLOB_HEADER_SIZE };
    uint8_t *out = secret_ptr(blob) + BLOB_HEADER_SIZE;
    bool opened = derive(salt, password, key) && rc4(key, body, out);
    if (opened && word_at((Bytes){ out, body.len }, 0) != RSA_PRIVATE_MAGIC) {
        memset(key + RC4_WEAK_SIZE, 0, RC4_KEY_SIZE - RC4_WEAK_SIZE);
        opened = rc4(key, body, out) && word_at((Bytes){ out, body.len }, 0) == RSA_PRIVATE_MAGIC;
    }
    secret_wipe(key, sizeof key);
    return opened;
}

/* The key becomes an ordinary one by way of DER. */
static bool read_blob(Bytes blob, KeyRef **out, Err *err)
{
    const unsigned char *at = blob.ptr;
    AUTO(EVP_PKEY_free_auto) EVP_PKEY *pkey = b2i_PrivateKey(&at, (long)blob.len);
    PKCS8_PRIV_KEY_INFO *info = pkey ? EVP_PKEY2PKCS8(pkey) : NULL;
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : 0;
    AUTO(secret_free_auto) Secret *der = len > 0 ? secret_new((size_t)len) : NULL;
    AUTO(key_free_auto) KeyRef *key = NULL;
    uint8_t *end = der ? secret_ptr(der) : NULL;
    bool written = der && i2d_PKCS8_PRIV_KEY_INFO(info, &end) == len;
    PKCS8_PRIV_KEY_INFO_free(info);
    openssl_forget();
    if (!written)
        return err_set(err, ERR_BAD_INPUT, "the .pvk holds no whole RSA key");
    if (!key_from_pkcs8(secret_bytes(der), &key, err))
        return false;
    if (key->spec.kind != KEY_RSA || !key_is_consistent(key))
        return err_set(err, ERR_BAD_INPUT, "the .pvk holds no sound RSA key");
    *out = TAKE(key);
    return true;
}

bool pvk_read(Bytes pvk, Str password, KeyRef **out, Err *err)
{
    Header header;
    if (!header_read(pvk, &header))
        return err_set(err, ERR_BAD_INPUT, "this is not one whole .pvk file");
    if (header.encrypted && !password.len)
        return err_field(err, "password", "the .pvk is encrypted; its password is needed");
    if (!password_check(password, err))
        return false;
    Bytes salt = { pvk.ptr + HEADER_SIZE, header.salt_size }, stored = { salt.ptr + salt.len, header.key_size };
    if (!header.encrypted)
        return read_blob(stored, out, err);
    if (!legacy_context())
        return no_rc4(err);
    AUTO(secret_free_auto) Secret *blob = secret_copy(stored);
    if (!blob)
        return err_set(err, ERR_INTERNAL, "out of memory for a .pvk");
    if (!decrypt(salt, password, stored, blob))
        return err_field(err, "password", "the password of the .pvk is wrong, or the file is damaged");
    return read_blob(secret_bytes(blob), out, err);
}

bool pvk_write(const KeyRef *key, Str password, Secret **pvk, Err *err)
{
    if (key->spec.kind != KEY_RSA || !key->is_private)
        return err_set(err, ERR_BAD_INPUT, "a .pvk holds a private RSA key; this key is %s", key->spec.kind == KEY_RSA ? "only the public half of one" : "EC");
    if (!password_check(password, err))
        return false;
    if (password.len && !legacy_context())
        return no_rc4(err);

    /* libcrypto frees one copy of the blob without clearing it; the programs that write .pvk files end at once. */
    AUTO(BIO_vfree_auto) BIO *bio = BIO_new(BIO_s_secmem());
    uint8_t *blob = NULL;
    int len = bio && i2b_PrivateKey_bio(bio, key->pkey) > 0 ? (int)BIO_get_mem_data(bio, (char **)&blob) : 0;
    if (len <= BLOB_HEADER_SIZE)
        return openssl_failed(err, "writing a .pvk");

    size_t salt_size = password.len ? SALT_SIZE : 0;
    AUTO(secret_free_auto) Secret *file = secret_new(HEADER_SIZE + salt_size + (size_t)len);
    if (!file)
        return err_set(err, ERR_INTERNAL, "out of memory for a .pvk");
    uint8_t *head = secret_ptr(file), *salt = head + HEADER_SIZE, *stored = salt + salt_size;
    put_word(head + AT_MAGIC, PVK_MAGIC);
    put_word(head + AT_USE, USE_EXCHANGE);
    put_word(head + AT_ENCRYPTED, password.len != 0);
    put_word(head + AT_SALT_SIZE, (uint32_t)salt_size);
    put_word(head + AT_KEY_SIZE, (uint32_t)len);
    memcpy(stored, blob, (size_t)len);
    if (password.len) {
        uint8_t rc4_key[RC4_KEY_SIZE];
        random_fill(salt, salt_size);
        bool encrypted = derive((Bytes){ salt, salt_size }, password, rc4_key)
            && rc4(rc4_key, (Bytes){ blob + BLOB_HEADER_SIZE, (size_t)len - BLOB_HEADER_SIZE }, stored + BLOB_HEADER_SIZE);
        secret_wipe(rc4_key, sizeof rc4_key);
        if (!encrypted)
            return openssl_failed(err, "encrypting a .pvk");
    }
    *pvk = TAKE(file);
    return true;
}
