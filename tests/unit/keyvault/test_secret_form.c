/* test_secret_form.c - the secret of a certificate in another form than it is kept in; what reads a PFX stands at a gate of the test's. */
#include <semaphore.h>
#include "base/encode.h"
#include "crypto/bundles/bundle.h"
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"

enum { AT_ONCE = 2 };                                               /* as many as the fixture has workers */
static _Atomic bool is_gated;
static sem_t arrived, may_go;

bool __real_bundle_read_pfx(Arena *arena, Bytes pfx, Str password, Bundle *out, Err *err);
bool __wrap_bundle_read_pfx(Arena *arena, Bytes pfx, Str password, Bundle *out, Err *err);

bool __wrap_bundle_read_pfx(Arena *arena, Bytes pfx, Str password, Bundle *out, Err *err)
{
    if (is_gated) {
        (void)sem_post(&arrived);
        while (sem_wait(&may_go) != 0)
            continue;
    }
    return __real_bundle_read_pfx(arena, pfx, password, out, err);
}

static void test_the_pfx_of_a_certificate_is_told_as_pem_on_wish(void **state)
{
    (void)state;
    Answer pfx = vault_call("POST", "/certificates/form-pfx/create", SELF_SIGNED("application/x-pkcs12")), pem = vault_call("POST", "/certificates/form-pem/create", SELF_SIGNED("application/x-pem-file"));
    Answer plain = vault_call("PUT", "/secrets/form-plain", "{\"value\":\"v\",\"contentType\":\"application/x-pkcs12\"}");
    expect_status(&pfx, 202);
    expect_status(&pem, 202);
    expect_status(&plain, 200);
    (void)run_due(WORK_ISSUE);
    Answer key = vault_call("GET", "/keys/form-pfx", NULL);
    pfx = vault_call("GET", "/secrets/form-pfx", NULL);
    assert_str(text_at(&pfx, "contentType"), "application/x-pkcs12");
    Answer told = vault_call("GET", "/secrets/form-pfx?outContentType=application/x-pem-file", NULL);
    expect_status(&told, 200);
    assert_str(text_at(&told, "contentType"), "application/x-pem-file");
    assert_str(text_at(&told, "tags.a"), "b");
    assert_true(str_eq(text_at(&told, "id"), text_at(&pfx, "id")) && json_bool(json_get(told.json, "managed"), false));
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    KeyPublic parts;
    must(bundle_read_pem(fix.arena, text_at(&told, "value"), &bundle, &fix_err));
    must(key_public(fix.arena, bundle.key, &parts, &fix_err));
    assert_true(str_eq(base64url_encode(fix.arena, parts.x), text_at(&key, "key.x")));
    assert_int_equal(bundle.count, 1);
    Answer same = vault_call("GET", "/secrets/form-pfx?outContentType=application/x-pkcs12", NULL);
    assert_true(str_eq(same.body, pfx.body));                    /* and what is stored is as it was */
    static const char *const refused[] = { "/secrets/form-pfx?outContentType=text/plain", "/secrets/form-pfx?outContentType=", "/secrets/form-pem?outContentType=application/x-pkcs12",
                                           "/secrets/form-plain?outContentType=application/x-pem-file" };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        Answer answer = vault_call("GET", refused[i], NULL);
        expect_error(&answer, 400, "BadParameter", NULL, "outContentType");
    }
}

/* There is one event loop: a conversion on it would keep the plain gets, which open the gate, from their answers. */
static void test_conversions_keep_nobody_waiting(void **state)
{
    (void)state;
    Answer made = vault_call("POST", "/certificates/form-slow/create", SELF_SIGNED("application/x-pkcs12"));
    Parked gets[AT_ONCE];
    expect_status(&made, 202);
    (void)run_due(WORK_ISSUE);
    assert_int_equal(sem_init(&arrived, 0, 0) + sem_init(&may_go, 0, 0), 0);
    is_gated = true;
    for (int i = 0; i < AT_ONCE; i++)
        get_begin(&gets[i], "vlt", "/secrets/form-slow" API "&outContentType=application/x-pem-file", fix.owner.vault_token);
    for (int i = 0; i < AT_ONCE; i++)
        while (sem_wait(&arrived) != 0)
            continue;
    Answer plain = vault_call("GET", "/secrets/form-slow", NULL), none = vault_call("GET", "/secrets/form-none", NULL);
    is_gated = false;
    for (int i = 0; i < AT_ONCE; i++)
        (void)sem_post(&may_go);
    expect_status(&plain, 200);
    assert_str(text_at(&plain, "contentType"), "application/x-pkcs12");
    expect_error(&none, 404, "SecretNotFound", NULL, "form-none");
    for (int i = 0; i < AT_ONCE; i++) {
        assert_str(json_str(json_get(parked_end(&gets[i], 200), "contentType")), "application/x-pem-file");
        arena_free(gets[i].arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_pfx_of_a_certificate_is_told_as_pem_on_wish),
        cmocka_unit_test(test_conversions_keep_nobody_waiting),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
