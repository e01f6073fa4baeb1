/* oct_vectors.c - the published vectors of symmetric keys, for keys wherever they are. */
#include "oct_vectors.h"
#include "../cm.h"
#include "vectors.h"

void same(Bytes a, Bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
}

CipherAlg alg_of(Str name)
{
    CipherAlg alg = 0;
    assert_true(cipher_alg_parse(name, &alg));
    assert_true(str_eq(cipher_alg_name(alg), name));
    return alg;
}

void opens(const KeyRef *key, CipherAlg alg, const CipherText *text, Bytes plain)
{
    AUTO(secret_free_auto) Secret *opened = NULL;
    Err err = { 0 };
    if (!key_decrypt(key, alg, text, &opened, &err))
        fail_msg(STR_FMT ": %s", STR_ARG(cipher_alg_name(alg)), err.text);
    same(secret_bytes(opened), plain);
}

void refuses(const KeyRef *key, CipherAlg alg, const CipherText *text)
{
    Secret *none = NULL;
    Err err = { 0 };
    assert_false(key_decrypt(key, alg, text, &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.target, "value");
    assert_string_equal(err.text, "value does not decrypt with this key and algorithm");
}

static void refuses_changes(const KeyRef *key, CipherAlg alg, CipherText text)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 16);
    Bytes *const parts[] = { &text.value, &text.tag, &text.aad };
    for (size_t p = 0; p < COUNT_OF(parts); p++)
        for (size_t i = 0; i < parts[p]->len; i++) {
            Bytes whole = *parts[p];
            uint8_t *changed = arena_alloc(arena, whole.len);
            memcpy(changed, whole.ptr, whole.len);
            changed[i] ^= 0x10;
            *parts[p] = (Bytes){ changed, whole.len };
            refuses(key, alg, &text);
            *parts[p] = whole;
        }
    if (text.value.len) {
        text.value.len--;
        refuses(key, alg, &text);
    }
}

static void wraps_as(const OctPlace *place, const char *file, CipherAlg (*alg_for)(size_t bytes), size_t expected)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, file);
    Vector v;
    size_t seen = 0;
    for (; vectors_next(&vectors, &v); seen++) {
        Bytes kek = vector_hex(arena, &v, "KEK"), data = vector_hex(arena, &v, "Data");
        KeyRef *key = place->take(kek);
        CipherAlg alg = alg_for(kek.len);
        CipherText text;
        Err err = { 0 };
        if (!key_encrypt(key, alg, data, (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, &err))
            fail_msg("%s", err.text);
        same(text.value, vector_hex(arena, &v, "Wrapped"));
        assert_int_equal(text.iv.len + text.tag.len + text.aad.len, 0);
        opens(key, alg, &text, data);
        refuses_changes(key, alg, text);
        place->leave(key);
    }
    assert_int_equal(seen, expected);
}

static CipherAlg kw_of(size_t bytes) { return bytes == 16 ? CIPHER_A128KW : bytes == 24 ? CIPHER_A192KW : CIPHER_A256KW; }
static CipherAlg ckm_kw_of(size_t bytes) { (void)bytes; return CIPHER_CKM_AES_KEY_WRAP; }
static CipherAlg ckm_kwp_of(size_t bytes) { (void)bytes; return CIPHER_CKM_AES_KEY_WRAP_PAD; }

void oct_wraps_as_published(const OctPlace *place)
{
    wraps_as(place, "rfc3394.rsp", kw_of, 6);
    wraps_as(place, "rfc3394.rsp", ckm_kw_of, 6);
    wraps_as(place, "rfc5649.rsp", ckm_kwp_of, 2);
}

void oct_cbc_as_published(const OctPlace *place)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "sp800-38a-cbc.rsp");
    Vector v;
    size_t seen = 0;
    for (; vectors_next(&vectors, &v); seen++) {
        KeyRef *key = place->take(vector_hex(arena, &v, "Key"));
        Bytes iv = vector_hex(arena, &v, "IV"), pt = vector_hex(arena, &v, "PT"), ct = vector_hex(arena, &v, "CT");
        CipherAlg alg = alg_of(vector_text(&v, "Alg")), with_padding = alg_of(str_printf(arena, STR_FMT "PAD", STR_ARG(vector_text(&v, "Alg"))));
        CipherText text;
        Err err = { 0 };
        assert_true(key_encrypt(key, alg, pt, iv, (Bytes){ 0 }, arena, &text, &err));
        same(text.value, ct);
        same(text.iv, iv);
        opens(key, alg, &text, pt);
        /* A last block of our choice, so that what is refused does not hang on luck: the plain text ends with no padding. */
        assert_true(pt.ptr[pt.len - 1] > 1 && pt.ptr[pt.len - 2] != pt.ptr[pt.len - 1]);
        refuses(key, with_padding, &text);

        /* With padding the same blocks come first, and one more says where the text ends. */
        assert_true(key_encrypt(key, with_padding, pt, iv, (Bytes){ 0 }, arena, &text, &err));
        assert_int_equal(text.value.len, ct.len + CIPHER_BLOCK);
        same((Bytes){ text.value.ptr, ct.len }, ct);
        opens(key, with_padding, &text, pt);
        place->leave(key);
    }
    assert_int_equal(seen, 3);
}

static void gcm_opens(const OctPlace *place, const char *file, size_t expected)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, file);
    Vector v;
    size_t seen = 0;
    for (; vectors_next(&vectors, &v); seen++) {
        KeyRef *key = place->take(vector_hex(arena, &v, "Key"));
        Str name = vector_text(&v, "Alg");
        CipherAlg alg = name.ptr ? alg_of(name) : CIPHER_A256GCM;
        CipherText text = { vector_hex(arena, &v, "CT"), vector_hex(arena, &v, "IV"), vector_hex(arena, &v, "Tag"), vector_hex(arena, &v, "AAD") };
        if (vector_text(&v, "FAIL").ptr) {
            refuses(key, alg, &text);
        } else {
            opens(key, alg, &text, vector_hex(arena, &v, "PT"));
            refuses_changes(key, alg, text);
        }
        place->leave(key);
    }
    assert_int_equal(seen, expected);
}

void oct_gcm_as_published(const OctPlace *place)
{
    gcm_opens(place, "gcm-spec.rsp", 3);
    gcm_opens(place, "gcm-decrypt-256.rsp", 13);
}
