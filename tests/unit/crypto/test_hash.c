#include "../cm.h"
#include "crypto/hash.h"
#include "vectors.h"

typedef void Digest(Bytes data, uint8_t *out);

static void test_digests_of_the_standard(void **state)
{
    (void)state;
    static const struct { const char *name; Digest *digest; size_t size; } digests[] = {
        { "SHA1", sha1, SHA1_SIZE }, { "SHA256", sha256, SHA256_SIZE }, { "SHA384", sha384, SHA384_SIZE }, { "SHA512", sha512, SHA512_SIZE },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    Vectors vectors = vectors_open(arena, "fips180-4.rsp");
    Vector v;
    size_t checked = 0;
    while (vectors_next(&vectors, &v)) {
        Bytes message = vector_hex(arena, &v, "Msg");
        Str repeat = vector_text(&v, "Repeat");
        if (repeat.ptr) {
            int64_t times = 0;
            Err err;
            assert_true(str_to_int64(repeat, 1, 1000000, &times, &err));
            char *many = arena_alloc(arena, (size_t)times);
            memset(many, message.ptr[0], (size_t)times);
            message = (Bytes){ (uint8_t *)many, (size_t)times };
        }
        for (size_t i = 0; i < COUNT_OF(digests); i++) {
            if (!vector_text(&v, digests[i].name).ptr)
                continue;
            uint8_t out[SHA512_SIZE];
            digests[i].digest(message, out);
            Bytes expected = vector_hex(arena, &v, digests[i].name);
            assert_int_equal(expected.len, digests[i].size);
            assert_memory_equal(out, expected.ptr, expected.len);
            checked++;
        }
    }
    assert_int_equal(checked, 16);
}

static void test_hmac_of_the_standard(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Vectors vectors = vectors_open(arena, "rfc4231.rsp");
    Vector v;
    size_t checked = 0;
    while (vectors_next(&vectors, &v)) {
        uint8_t out[SHA256_SIZE];
        Bytes expected = vector_hex(arena, &v, "Mac");
        hmac_sha256(vector_hex(arena, &v, "Key"), vector_hex(arena, &v, "Msg"), out);
        assert_memory_equal(out, expected.ptr, expected.len);
        Hmac *hmac = hmac_sha256_new(vector_hex(arena, &v, "Key"));
        for (int again = 0; again < 3; again++) {              /* and after another text */
            hmac_make(hmac, vector_hex(arena, &v, "Msg"), out);
            assert_memory_equal(out, expected.ptr, expected.len);
            hmac_make(hmac, vector_hex(arena, &v, "Mac"), out);
        }
        hmac_free(hmac);
        checked++;
    }
    assert_int_equal(checked, 7);
}

/* HMAC_SHA256("", "") as in RFC 2104's definition; an empty key must not mean "the key before". */
static void test_hmac_takes_an_empty_key_and_message(void **state)
{
    (void)state;
    static const uint8_t expected[] = { 0xb6, 0x13, 0x67, 0x9a, 0x08, 0x14, 0xd9, 0xec, 0x77, 0x2f, 0x95, 0xd7, 0x78, 0xc3, 0x5f, 0xc5,
                                        0xff, 0x16, 0x97, 0xc4, 0x93, 0x71, 0x56, 0x53, 0xc6, 0xc7, 0x12, 0x14, 0x42, 0x92, 0xc5, 0xad };
    uint8_t out[SHA256_SIZE];
    hmac_sha256((Bytes){ NULL, 0 }, (Bytes){ NULL, 0 }, out);
    assert_memory_equal(out, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_of_the_standard),
        cmocka_unit_test(test_hmac_of_the_standard),
        cmocka_unit_test(test_hmac_takes_an_empty_key_and_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
