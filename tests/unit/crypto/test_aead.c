#include "../cm.h"
#include "crypto/aead.h"
#include "vectors.h"

static bool opens(const Secret *key, Bytes aad, Bytes sealed, Secret **plain)
{
    Err err = { 0 };
    if (aead_open(key, aad, sealed, plain, &err))
        return true;
    assert_int_equal(err.code, ERR_INTERNAL);
    return false;
}

static void test_vectors_of_nist_open_or_fail(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "gcm-decrypt-256.rsp");
    Vector v;
    size_t opened = 0, refused = 0;
    while (vectors_next(&vectors, &v)) {
        Bytes iv = vector_hex(arena, &v, "IV"), ct = vector_hex(arena, &v, "CT"), tag = vector_hex(arena, &v, "Tag");
        AUTO(secret_free_auto) Secret *key = secret_copy(vector_hex(arena, &v, "Key"));
        AUTO(secret_free_auto) Secret *plain = NULL;
        AUTO(buf_done_auto) Buf sealed = { 0 };
        buf_init(&sealed, 4096);
        buf_put(&sealed, iv.ptr, iv.len);
        buf_put(&sealed, ct.ptr, ct.len);
        buf_put(&sealed, tag.ptr, tag.len);
        bool good = opens(key, vector_hex(arena, &v, "AAD"), buf_bytes(&sealed), &plain);
        assert_int_equal(good, !vector_text(&v, "FAIL").ptr);
        if (good) {
            Bytes expected = vector_hex(arena, &v, "PT");
            assert_int_equal(secret_bytes(plain).len, expected.len);
            assert_memory_equal(secret_bytes(plain).ptr, expected.ptr, expected.len);
            opened++;
        } else {
            refused++;
        }
    }
    assert_int_equal(opened, 8);
    assert_int_equal(refused, 5);
}

static Secret *key_of(uint8_t byte)
{
    Secret *key = secret_new(AEAD_KEY_SIZE);
    assert_non_null(key);
    memset(secret_ptr(key), byte, AEAD_KEY_SIZE);
    return key;
}

/* Lengths around the pieces it works in, appended to what the Buf already held. */
static void test_what_is_sealed_opens_again(void **state)
{
    (void)state;
    static const size_t lengths[] = { 0, 1, 15, 16, 17, 4095, 4096, 4097, 100000 };
    static uint8_t plain[100000];
    AUTO(secret_free_auto) Secret *key = key_of(7);
    Bytes aad = bytes_of(STR("table/1/column"));
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 31);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        AUTO(buf_done_auto) Buf out = { 0 };
        AUTO(secret_free_auto) Secret *back = NULL;
        Err err;
        buf_init(&out, 200000);
        buf_put_str(&out, STR("head"));
        assert_true(aead_seal(key, aad, (Bytes){ plain, lengths[i] }, &out, &err));
        assert_int_equal(out.len, 4 + lengths[i] + AEAD_OVERHEAD);
        assert_true(opens(key, aad, (Bytes){ (uint8_t *)out.ptr + 4, out.len - 4 }, &back));
        assert_int_equal(secret_bytes(back).len, lengths[i]);
        assert_memory_equal(secret_bytes(back).ptr, plain, lengths[i]);
    }
}

static void test_any_flipped_bit_or_cut_is_refused(void **state)
{
    (void)state;
    AUTO(secret_free_auto) Secret *key = key_of(7);
    AUTO(secret_free_auto) Secret *other = key_of(8);
    AUTO(secret_free_auto) Secret *back = NULL;
    AUTO(buf_done_auto) Buf out = { 0 };
    Err err;
    buf_init(&out, 4096);
    assert_true(aead_seal(key, bytes_of(STR("a")), bytes_of(STR("a secret")), &out, &err));
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.ptr[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(opens(key, bytes_of(STR("a")), buf_bytes(&out), &back));
        out.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < out.len; len++)
        assert_false(opens(key, bytes_of(STR("a")), (Bytes){ (uint8_t *)out.ptr, len }, &back));
    assert_false(opens(key, bytes_of(STR("b")), buf_bytes(&out), &back));
    assert_false(opens(key, bytes_of(STR("")), buf_bytes(&out), &back));
    assert_false(opens(other, bytes_of(STR("a")), buf_bytes(&out), &back));
    assert_null(back);
    assert_true(opens(key, bytes_of(STR("a")), buf_bytes(&out), &back));
}

static void test_a_nonce_never_comes_twice(void **state)
{
    (void)state;
    AUTO(secret_free_auto) Secret *key = key_of(7);
    AUTO(buf_done_auto) Buf a, b;
    Err err;
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    assert_true(aead_seal(key, bytes_of(STR("")), bytes_of(STR("x")), &a, &err));
    assert_true(aead_seal(key, bytes_of(STR("")), bytes_of(STR("x")), &b, &err));
    assert_memory_not_equal(a.ptr, b.ptr, AEAD_NONCE_SIZE);
}

static void test_a_wrong_key_size_or_a_full_buffer_is_an_error(void **state)
{
    (void)state;
    AUTO(secret_free_auto) Secret *shorter = secret_new(AEAD_KEY_SIZE - 1);
    AUTO(secret_free_auto) Secret *key = key_of(7);
    AUTO(buf_done_auto) Buf out = { 0 };
    Err err = { 0 };
    buf_init(&out, AEAD_OVERHEAD);
    assert_false(aead_seal(shorter, bytes_of(STR("")), bytes_of(STR("")), &out, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_int_equal(out.len, 0);
    assert_false(aead_seal(key, bytes_of(STR("")), bytes_of(STR("x")), &out, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_nist_open_or_fail),
        cmocka_unit_test(test_what_is_sealed_opens_again),
        cmocka_unit_test(test_any_flipped_bit_or_cut_is_refused),
        cmocka_unit_test(test_a_nonce_never_comes_twice),
        cmocka_unit_test(test_a_wrong_key_size_or_a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
