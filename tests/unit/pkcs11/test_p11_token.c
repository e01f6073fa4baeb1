#include "../cm.h"
#include <pthread.h>
#include <stdlib.h>
#include "pkcs11/p11_own.h"
#include "softhsm.h"

static bool opens(const char *module, const char *label, const char *pin, bool *is_there, Err *err)
{
    P11Token *token = NULL;
    *err = (Err){ 0 };
    bool opened = softhsm_open_with(module, label, pin, &token, is_there, err);
    p11_close(token);
    return opened;
}

static void test_what_is_configured_wrongly_is_refused(void **state)
{
    (void)state;
    bool is_there;
    size_t at;
    Err err;
    assert_false(opens("/nonexistent/module.so", "one", SOFT_PIN, &is_there, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_true(str_find(str_from(err.text), STR("/nonexistent/module.so"), &at));
    assert_false(opens("libm.so.6", "one", SOFT_PIN, &is_there, &err));
    assert_true(str_find(str_from(err.text), STR("is no PKCS#11 module"), &at));
    assert_false(opens(softhsm_module(), "", SOFT_PIN, &is_there, &err));
    assert_false(opens(softhsm_module(), "a label that is longer than a token's", SOFT_PIN, &is_there, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

static void test_a_wrong_pin_is_refused_once_and_named(void **state)
{
    (void)state;
    bool is_there;
    size_t at;
    Err err;
    assert_false(opens(softhsm_module(), "one", "0815", &is_there, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_true(str_find(str_from(err.text), STR("refuses the PIN (CKR_PIN_INCORRECT)"), &at));
    assert_false(str_find(str_from(err.text), STR("0815"), &at));
}

static void test_a_token_that_is_absent_is_waited_for(void **state)
{
    (void)state;
    P11Token *token = NULL;
    bool is_there = true;
    Err err = { 0 };
    assert_true(softhsm_open_with(softhsm_module(), "later", SOFT_PIN, &token, &is_there, &err));
    assert_false(is_there);
    assert_false(p11_reach(token, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    softhsm_token("later");
    token->retry_ms = 0;                                /* a second later */
    assert_true(p11_reach(token, &err));
    p11_close(token);
}

static P11Token *token;

static void assert_signs(KeyRef *key)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    uint8_t digest[32] = { 9 };
    bool valid = false;
    Bytes signature;
    Err err = { 0 };
    if (!key_sign_digest(key, SIGN_ES256, (Bytes){ digest, 32 }, arena, &signature, &err))
        fail_msg("%s", err.text);
    assert_true(key_verify_digest(key, SIGN_ES256, (Bytes){ digest, 32 }, signature, &valid, &err));
    assert_true(valid);
}

static KeyRef *make_key(Arena *arena)
{
    P11New as = { .id = p11_id_new(), .label = STR("k"), .arena = arena };
    KeyRef *key = NULL;
    Bytes wrapped;
    Err err = { 0 };
    if (!p11_make(token, &as, (KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &wrapped, &err))
        fail_msg("%s", err.text);
    return key;
}

static void test_a_lost_connection_is_made_anew(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *key = make_key(arena);
    const CK_FUNCTION_LIST *fn = token->module.fn;
    unsigned before = token->generation;
    assert_int_equal(fn->C_CloseAllSessions(token->slot), CKR_OK);          /* the sessions are gone */
    assert_signs(key);
    assert_int_equal(token->generation, before + 1);
    assert_int_equal(fn->C_Logout(token->login), CKR_OK);                   /* the login is */
    assert_signs(key);
    assert_int_equal(fn->C_Finalize(NULL), CKR_OK);                         /* the module began anew */
    assert_signs(key);
    assert_true(token->generation > before + 1);
}

static void test_a_pin_that_was_changed_is_tried_once(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    softhsm_token("fickle");
    P11Token *fickle = softhsm_open("fickle");
    const CK_FUNCTION_LIST *fn = fickle->module.fn;
    Err err = { 0 };
    CK_UTF8CHAR old[] = SOFT_PIN, fresh[] = "1234567";
    assert_int_equal(fn->C_SetPIN(fickle->login, old, sizeof old - 1, fresh, sizeof fresh - 1), CKR_OK);
    assert_int_equal(fn->C_CloseAllSessions(fickle->slot), CKR_OK);
    for (int i = 0; i < 3; i++) {
        fickle->retry_ms = 0;
        assert_false(p11_reach(fickle, &err));
        assert_true(fickle->is_pin_refused);
    }
    p11_close(fickle);
}

enum { THREADS = 24, ROUNDS = 30 };

static void *sign_often(void *ctx)
{
    for (int i = 0; i < ROUNDS; i++)
        assert_signs(ctx);
    return NULL;
}

static void test_more_threads_than_sessions_sign_through_a_new_connection(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *key = make_key(arena);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often, key), 0);
    assert_signs(key);
    unsigned before = token->generation;
    (void)pthread_mutex_lock(&token->lock);             /* as one of them would say; SoftHSM2 itself does not bear its sessions being closed under a thread */
    token->is_connected = false;
    (void)pthread_mutex_unlock(&token->lock);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_signs(key);                                  /* should all have been done before */
    assert_int_equal(token->generation, before + 1);
    assert_int_equal(token->in_use, 0);
    assert_int_equal(token->idle_count, token->open_count);
    assert_in_range(token->open_count, 1, SESSIONS_MAX);
}

/* SoftHSM2's store of objects answers CKR_GENERAL_ERROR, or tells of halves, when objects come and go in several threads. */
enum { MAKERS = 16, MADE_EACH = 6 };

static void *make_and_erase_often(void *ctx)
{
    Err *failed = ctx;
    for (int i = 0; i < MADE_EACH && !failed->code; i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
        AUTO(key_free_auto) KeyRef *key = NULL;
        P11New as = { .id = p11_id_new(), .label = STR("k"), .arena = arena };
        const KeySpec specs[] = { { .kind = KEY_EC, .curve = CURVE_P256 }, { .kind = KEY_OCT, .oct_bits = 256 } };
        uint8_t digest[32] = { 1 };
        Bytes wrapped, made;
        bool has = false;
        CipherText text;
        bool good = p11_make(token, &as, specs[i % 2], &key, &wrapped, failed) &&
                    (i % 2 ? key_encrypt(key, CIPHER_A256GCM, bytes_of(STR("x")), (Bytes){ 0 }, (Bytes){ 0 }, arena, &text, failed)
                           : key_sign_digest(key, SIGN_ES256, (Bytes){ digest, 32 }, arena, &made, failed)) &&
                    p11_has(token, as.id, &has, failed) && p11_erase(token, as.id, failed);
        if (good && !has)
            (void)err_set(failed, ERR_INTERNAL, "a key that was made is not there");
    }
    return NULL;
}

static void test_keys_come_and_go_in_many_threads_at_once(void **state)
{
    (void)state;
    pthread_t threads[MAKERS];
    Err failed[MAKERS] = { 0 };
    size_t before = softhsm_private_keys("one") + softhsm_secret_keys("one");
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_erase_often, &failed[i]), 0);
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < MAKERS; i++)
        if (failed[i].code)
            fail_msg("thread %d: %s", i, failed[i].text);
    assert_int_equal(softhsm_private_keys("one") + softhsm_secret_keys("one"), before);
}

static int start(void **state)
{
    (void)state;
    softhsm_setup();
    softhsm_token("one");
    return 0;
}

static int open_one(void **state)
{
    (void)state;
    token = softhsm_open("one");
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    p11_close(token);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_configured_wrongly_is_refused),
        cmocka_unit_test(test_a_wrong_pin_is_refused_once_and_named),
        cmocka_unit_test(test_a_token_that_is_absent_is_waited_for),
        cmocka_unit_test_setup_teardown(test_a_lost_connection_is_made_anew, open_one, close_one),
        cmocka_unit_test_setup_teardown(test_more_threads_than_sessions_sign_through_a_new_connection, open_one, close_one),
        cmocka_unit_test_setup_teardown(test_keys_come_and_go_in_many_threads_at_once, open_one, close_one),
        cmocka_unit_test(test_a_pin_that_was_changed_is_tried_once),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
