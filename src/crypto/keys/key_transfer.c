/* key_transfer.c - RSA-OAEP around AES key wrap with padding. */
#include "crypto/keys/key_transfer.h"
#include "crypto/keys/key_oct.h"
#include "crypto/keys/key_own.h"

enum { BLOB_MAX = 64 << 10 };

static const struct { TransferAlg alg; Str name; WrapAlg wrap; } algs[] = {
    { TRANSFER_CKM_RSA_AES_KEY_WRAP, { "CKM_RSA_AES_KEY_WRAP", 20 }, WRAP_RSA_OAEP },
    { TRANSFER_RSA_AES_KEY_WRAP_256, { "RSA_AES_KEY_WRAP_256", 20 }, WRAP_RSA_OAEP_256 },
    { TRANSFER_RSA_AES_KEY_WRAP_384, { "RSA_AES_KEY_WRAP_384", 20 }, WRAP_RSA_OAEP_384 },
};

bool transfer_alg_parse(Str name, TransferAlg *out)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (str_eq(name, algs[i].name)) {
            *out = algs[i].alg;
            return true;
        }
    return false;
}

static size_t row_of(TransferAlg alg)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].alg == alg)
            return i;
    return 0;           /* not reached: the enumeration and the table agree */
}

Str transfer_alg_name(TransferAlg alg) { return algs[row_of(alg)].name; }

bool key_transfer_wrap(const KeyRef *to, TransferAlg alg, const Secret *material, Arena *arena, Bytes *blob, Err *err)
{
    AUTO(key_free_auto) KeyRef *once = NULL;
    AUTO(secret_free_auto) Secret *octets = NULL;
    KeySpec spec;
    Bytes head;
    CipherText tail;
    if (!key_oct_spec(256, &spec, err) || !key_oct_generate(spec, &once, err) || !key_oct_bytes(once, &octets, err) ||
        !key_wrap(to, algs[row_of(alg)].wrap, secret_bytes(octets), arena, &head, err) ||
        !key_encrypt(once, CIPHER_CKM_AES_KEY_WRAP_PAD, secret_bytes(material), (Bytes){ 0 }, (Bytes){ 0 }, arena, &tail, err))
        return false;
    uint8_t *out = arena_alloc(arena, head.len + tail.value.len);
    if (!out)
        return err_too_big(err);
    memcpy(out, head.ptr, head.len);
    memcpy(out + head.len, tail.value.ptr, tail.value.len);
    *blob = (Bytes){ out, head.len + tail.value.len };
    return true;
}

bool key_transfer_unwrap(const KeyRef *by, TransferAlg alg, Bytes blob, Secret **material, Err *err)
{
    AUTO(key_free_auto) KeyRef *once = NULL;
    AUTO(secret_free_auto) Secret *octets = NULL;
    if (by->spec.kind != KEY_RSA)
        return err_field(err, "alg", "alg " STR_FMT " needs an RSA key", STR_ARG(transfer_alg_name(alg)));
    size_t head = (size_t)by->spec.rsa_bits / 8;
    CipherText tail = { .value = { blob.ptr + head, blob.len > head ? blob.len - head : 0 } };
    bool opens = blob.len > head && blob.len <= BLOB_MAX && key_unwrap(by, algs[row_of(alg)].wrap, (Bytes){ blob.ptr, head }, &octets, err) &&
                 key_oct_from_bytes(secret_bytes(octets), &once, err) && key_decrypt(once, CIPHER_CKM_AES_KEY_WRAP_PAD, &tail, material, err);
    if (opens || err->code == ERR_INTERNAL || err->code == ERR_UNAVAILABLE)
        return opens;
    return err_field(err, "value", "the transferred key does not unwrap with this key and algorithm");
}
