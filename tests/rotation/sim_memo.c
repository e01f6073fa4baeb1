/* sim_memo.c - what is the same bytes is parsed once. Ten years of polls read the same secret some hundred times each; that parsing it again gives
 * the same again is not what is simulated here. Each wrapped call is a pure function of its bytes, and the first time it is the real one. */
#include <openssl/x509.h>
#include <stdlib.h>
#include "crypto/bundles/bundle.h"
#include "json/read.h"
#include "sim.h"

enum { SLOTS = 4096, RECENT = 8, MEMO_BYTES = 64 * 1024 * 1024 };

typedef struct Memo {
    Str text;                           /* the body of a secret */
    const JsonVal *root;
    Str pem;                            /* within root */
    bool has_bundle;
    Bundle bundle;
    struct Memo *next;
} Memo;
static Memo *slots[SLOTS];
static Arena *arena;                    /* of all that is kept */
static Memo *last;                      /* whose PEM may be asked for next */

/* A certificate is decoded, and its signature checked, several times on its way to the disk. */
typedef struct Decoded { uint8_t der[2048]; size_t len; X509 *cert; } Decoded;
typedef struct Signed { uint8_t der[2048], issuer[2048]; size_t len, issuer_len; bool is_issued; } Signed;
static Decoded decoded[RECENT];
static Signed checked[RECENT];
static size_t next_decoded, next_checked;
static struct { uint8_t der[2048]; size_t len; KeyRef *key; } keys[KEYS];    /* all there are */
static struct { KeyRef *key; Secret *der; } encoded[2 * KEYS];                /* the vaults' and the machine's */

bool __real_json_parse(Arena *to, Str text, unsigned flags, const JsonVal **root, Err *err);
bool __wrap_json_parse(Arena *to, Str text, unsigned flags, const JsonVal **root, Err *err);
bool __real_bundle_read_pem(Arena *to, Str pem, Bundle *out, Err *err);
bool __wrap_bundle_read_pem(Arena *to, Str pem, Bundle *out, Err *err);
bool __real_key_from_pkcs8(Bytes der, KeyRef **out, Err *err);
bool __wrap_key_from_pkcs8(Bytes der, KeyRef **out, Err *err);
bool __real_key_to_pkcs8(const KeyRef *key, Secret **der, Err *err);
bool __wrap_key_to_pkcs8(const KeyRef *key, Secret **der, Err *err);
X509 *__real_d2i_X509(X509 **into, const unsigned char **at, long len);
X509 *__wrap_d2i_X509(X509 **into, const unsigned char **at, long len);
bool __real_cert_is_issued_by(Bytes der, Bytes issuer_der);
bool __wrap_cert_is_issued_by(Bytes der, Bytes issuer_der);

void memo_forget(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        for (Memo *memo = slots[i]; memo; memo = memo->next)
            bundle_done(&memo->bundle);
        slots[i] = NULL;
    }
    arena_free(TAKE(arena));
    last = NULL;
}

/* The end of a secret's body names its version. */
static Memo **slot_of(Str text)
{
    uint64_t tail[4], hash = 0;
    memcpy(tail, text.ptr + text.len - sizeof tail, sizeof tail);
    for (size_t i = 0; i < COUNT_OF(tail); i++)
        hash = (hash ^ tail[i]) * 0x9E3779B97F4A7C15;
    return &slots[(hash >> 40) % SLOTS];
}

static bool is_secret(Str text) { return str_starts(text, STR("{\"value\":\"-----BEGIN")); }

bool __wrap_json_parse(Arena *to, Str text, unsigned flags, const JsonVal **root, Err *err)
{
    if (!is_secret(text))
        return __real_json_parse(to, text, flags, root, err);
    Memo **slot = slot_of(text), *memo = *slot;
    while (memo && !str_eq(memo->text, text))
        memo = memo->next;
    if (!memo) {
        arena = arena ? arena : arena_new(MEMO_BYTES);
        memo = arena ? ARENA_NEW(arena, Memo) : NULL;
        if (!memo)
            abort();
        memo->text = str_dup(arena, text);
        if (!__real_json_parse(arena, text, flags, &memo->root, err))
            abort();                    /* the simulated vaults answer what can be read */
        memo->pem = json_str(json_get(memo->root, "value"));
        memo->next = *slot;
        *slot = memo;
    }
    last = memo;
    *root = memo->root;
    return true;
}

bool __wrap_bundle_read_pem(Arena *to, Str pem, Bundle *out, Err *err)
{
    if (!last || last->pem.ptr != pem.ptr)
        return __real_bundle_read_pem(to, pem, out, err);
    if (!last->has_bundle) {
        if (!__real_bundle_read_pem(arena, pem, &last->bundle, err))
            return false;
        last->has_bundle = true;
    }
    *out = last->bundle;
    out->key = key_share(out->key);
    return true;
}

static bool is_same(const uint8_t *kept, size_t len, Bytes der) { return len == der.len && memcmp(kept, der.ptr, len) == 0; }

bool __wrap_key_from_pkcs8(Bytes der, KeyRef **out, Err *err)
{
    size_t i = 0;
    while (i < KEYS && keys[i].key && !is_same(keys[i].der, keys[i].len, der))
        i++;
    if (i == KEYS || der.len > sizeof keys[i].der)
        return __real_key_from_pkcs8(der, out, err);
    if (!keys[i].key && !__real_key_from_pkcs8(der, &keys[i].key, err))
        return false;
    memcpy(keys[i].der, der.ptr, der.len);
    keys[i].len = der.len;
    *out = key_share(keys[i].key);
    return true;
}

bool __wrap_key_to_pkcs8(const KeyRef *key, Secret **der, Err *err)
{
    size_t i = 0;
    while (i < COUNT_OF(encoded) && encoded[i].key && encoded[i].key != key)
        i++;
    if (i == COUNT_OF(encoded))
        return __real_key_to_pkcs8(key, der, err);
    if (!encoded[i].key && !__real_key_to_pkcs8(key, &encoded[i].der, err))
        return false;
    if (!encoded[i].key)
        encoded[i].key = key_share((KeyRef *)key);
    *der = secret_copy(secret_bytes(encoded[i].der));
    return *der || err_set(err, ERR_INTERNAL, "out of memory");
}

X509 *__wrap_d2i_X509(X509 **into, const unsigned char **at, long len)
{
    Bytes der = { *at, (size_t)len };
    for (size_t i = 0; i < RECENT && !into; i++)
        if (decoded[i].cert && is_same(decoded[i].der, decoded[i].len, der)) {
            X509_up_ref(decoded[i].cert);
            *at += len;
            return decoded[i].cert;
        }
    X509 *cert = __real_d2i_X509(into, at, len);
    Decoded *kept = &decoded[next_decoded % RECENT];
    if (!cert || into || *at != der.ptr + der.len || der.len > sizeof kept->der)
        return cert;
    next_decoded++;
    X509_free(kept->cert);
    X509_up_ref(cert);
    memcpy(kept->der, der.ptr, der.len);
    kept->len = der.len;
    kept->cert = cert;
    return cert;
}

bool __wrap_cert_is_issued_by(Bytes der, Bytes issuer_der)
{
    for (size_t i = 0; i < RECENT; i++)
        if (checked[i].len && is_same(checked[i].der, checked[i].len, der) && is_same(checked[i].issuer, checked[i].issuer_len, issuer_der))
            return checked[i].is_issued;
    bool is_issued = __real_cert_is_issued_by(der, issuer_der);
    Signed *kept = &checked[next_checked++ % RECENT];
    if (der.len > sizeof kept->der || issuer_der.len > sizeof kept->issuer)
        return is_issued;
    memcpy(kept->der, der.ptr, der.len);
    memcpy(kept->issuer, issuer_der.ptr, issuer_der.len);
    kept->len = der.len;
    kept->issuer_len = issuer_der.len;
    kept->is_issued = is_issued;
    return is_issued;
}
