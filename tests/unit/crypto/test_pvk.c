#include "../cm.h"
#include "crypto/bundles/pvk.h"
#include "keys.h"
#include "tool.h"

#define LEGACY "-provider legacy -provider default"

static void test_openssl_reads_our_pvk_plain_and_encrypted(void **state)
{
    (void)state;
    static const char *const passwords[] = { "", "secret", "p\xC3\xA4ss \xE2\x82\xAC" };
    static const int keys[] = { TEST_RSA2048, TEST_RSA3072 };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t k = 0; k < COUNT_OF(keys); k++)
        for (size_t i = 0; i < COUNT_OF(passwords); i++) {
            AUTO(secret_free_auto) Secret *pvk = NULL;
            AUTO(key_free_auto) KeyRef *seen = NULL;
            AUTO(key_free_auto) KeyRef *back = NULL;
            Err err;
            assert_true(pvk_write(test_key(keys[k]), str_from(passwords[i]), &pvk, &err));
            assert_int_equal(pvk_is_encrypted(secret_bytes(pvk)), *passwords[i] != 0);
            tool_write("k.pvk", secret_bytes(pvk));
            assert_true(tool_openssl(arena, NULL, "rsa " LEGACY " -inform PVK -in k.pvk -passin 'pass:%s' -noout -check", passwords[i]));
            assert_true(tool_openssl(arena, NULL, "rsa " LEGACY " -inform PVK -in k.pvk -passin 'pass:%s' -pubout -outform DER -out k.der", passwords[i]));
            assert_true(key_from_spki(tool_read(arena, "k.der"), &seen, &err));
            assert_true(key_same_public(seen, test_key(keys[k])));
            assert_true(pvk_read(secret_bytes(pvk), str_from(passwords[i]), &back, &err));
            assert_true(key_is_private(back) && key_same_public(back, test_key(keys[k])));
        }
}

static void test_pvk_files_of_openssl_are_read(void **state)
{
    (void)state;
    static const char *const levels[] = { "none", "weak", "strong" };          /* weak: the 40-bit keys of older makecerts */
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Err err;
    assert_true(key_to_pkcs8(test_key(TEST_RSA2048), &pkcs8, &err));
    tool_write("k.der", secret_bytes(pkcs8));
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        AUTO(key_free_auto) KeyRef *back = NULL;
        KeyRef *none = NULL;
        assert_true(tool_openssl(arena, NULL, "rsa " LEGACY " -inform DER -in k.der -outform PVK -pvk-%s -passout pass:secret -out k.pvk", levels[i]));
        Bytes pvk = tool_read(arena, "k.pvk");
        assert_int_equal(pvk_is_encrypted(pvk), i > 0);
        if (!pvk_read(pvk, STR("secret"), &back, &err))
            fail_msg("%s: %s", levels[i], err.text);
        assert_true(key_same_public(back, test_key(TEST_RSA2048)));
        if (i == 0)
            continue;
        assert_false(pvk_read(pvk, STR("Secret"), &none, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, "password");
        assert_false(pvk_read(pvk, STR(""), &none, &err));
        assert_string_equal(err.target, "password");
        assert_null(none);
    }
}

static void refuse(Bytes pvk, Str password, const char *target)
{
    KeyRef *none = NULL;
    Err err = { 0 };
    assert_false(pvk_read(pvk, password, &none, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.target, target);
    assert_null(none);
}

static void test_broken_files_are_refused(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    AUTO(secret_free_auto) Secret *plain = NULL;
    Err err;
    assert_true(pvk_write(test_key(TEST_RSA2048), STR(""), &plain, &err));
    Bytes good = secret_bytes(plain);
    uint8_t *changed = arena_alloc(arena, good.len + 1);
    memcpy(changed, good.ptr, good.len);

    refuse((Bytes){ NULL, 0 }, STR(""), "");
    refuse(bytes_of(STR("-----BEGIN PRIVATE KEY-----")), STR(""), "");
    for (size_t len = 0; len < good.len; len += 5)
        refuse((Bytes){ changed, len }, STR(""), "");
    refuse((Bytes){ changed, good.len + 1 }, STR(""), "");
    for (size_t i = 0; i < good.len; i += i < 64 ? 1 : 29) {
        AUTO(key_free_auto) KeyRef *key = NULL;
        changed[i] ^= 0x41;
        if (pvk_read((Bytes){ changed, good.len }, STR("x"), &key, &err))      /* the reserved word and the key's use say nothing */
            assert_true(key_same_public(key, test_key(TEST_RSA2048)));
        else
            assert_int_equal(err.code, ERR_BAD_INPUT);
        changed[i] ^= 0x41;
    }
    assert_false(pvk_is_encrypted((Bytes){ NULL, 0 }));
    static char lengthy[PVK_PASSWORD_MAX + 1];
    memset(lengthy, 'x', sizeof lengthy);
    refuse(good, (Str){ lengthy, sizeof lengthy }, "password");
}

static void test_only_private_rsa_keys_are_written(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *public = NULL;
    Secret *out = NULL;
    KeyPublic parts;
    Err err;
    assert_true(key_public(arena, test_key(TEST_RSA2048), &parts, &err));
    assert_true(key_from_public(&parts, &public, &err));
    assert_false(pvk_write(public, STR(""), &out, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(pvk_write(test_key(TEST_P256), STR(""), &out, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    static char lengthy[PVK_PASSWORD_MAX + 1];
    memset(lengthy, 'x', sizeof lengthy);
    assert_false(pvk_write(test_key(TEST_RSA2048), (Str){ lengthy, sizeof lengthy }, &out, &err));
    assert_string_equal(err.target, "password");
    assert_null(out);
}

static bool only_plain_files_work(void)
{
    Secret *pvk = NULL, *plain = NULL;
    KeyRef *back = NULL;
    Err err = { 0 };
    bool held = !pvk_write(test_key(TEST_RSA2048), STR("secret"), &pvk, &err) && err.code == ERR_NOT_BUILT && strstr(err.text, "RC4")
        && pvk_write(test_key(TEST_RSA2048), STR(""), &plain, &err) && pvk_read(secret_bytes(plain), STR(""), &back, &err);
    secret_free(plain);
    key_free(back);
    return held;
}

static void test_without_a_legacy_provider_only_plain_files_work(void **state)
{
    (void)state;
    assert_true(tool_without_modules(only_plain_files_work));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_legacy_provider_only_plain_files_work),     /* first: see tool.h */
        cmocka_unit_test(test_openssl_reads_our_pvk_plain_and_encrypted),
        cmocka_unit_test(test_pvk_files_of_openssl_are_read),
        cmocka_unit_test(test_broken_files_are_refused),
        cmocka_unit_test(test_only_private_rsa_keys_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, test_keys_free);
}
