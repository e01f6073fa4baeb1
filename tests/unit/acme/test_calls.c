/* test_calls.c - the calls of an ACME client, to an authority whose answers are a list: nonces, refusals, and what is not believed. */
#include "../parsed.h"
#include "acme/acme.h"
#include "acme_test.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/bundles/bundle.h"
#include "crypto/certificates/cert.h"

#define SITE      "https://a.example"
#define DIRECTORY "{\"newNonce\":\"" SITE "/nonce\",\"newAccount\":\"" SITE "/account\",\"newOrder\":\"" SITE "/order\"}"
#define ORDER     "{\"status\":\"pending\",\"authorizations\":[\"" SITE "/z/1\"],\"finalize\":\"" SITE "/f/1\"}"
#define ORDER_AT  "Location: " SITE "/o/1\r\n"
#define PROBLEM(type) "{\"type\":\"urn:ietf:params:acme:error:" type "\",\"detail\":\"so it is\"}"
#define NONCE(n)  "Replay-Nonce: " n "\r\n"

enum { CALLS_MAX = 40 };
typedef struct Told { int status; const char *headers, *body; } Told;
typedef struct Asked { Str method, url, accept; const JsonVal *header; Str payload; } Asked;      /* header: NULL unless it was signed */

static struct { Told told[CALLS_MAX]; size_t told_count; Asked asked[CALLS_MAX]; size_t count; } authority;

bool __wrap_http_call(HttpClient *client, Arena *of, const HttpCall *call, HttpAnswer *out, Err *why);

static Str opened(const JsonVal *value)
{
    Bytes bytes;
    must(base64url_decode(arena, json_str(value), &bytes, &err));
    return str_of(bytes);
}

bool __wrap_http_call(HttpClient *client, Arena *of, const HttpCall *call, HttpAnswer *out, Err *why)
{
    (void)client;
    assert_true(authority.count < CALLS_MAX);
    Asked *asked = &authority.asked[authority.count];
    *asked = (Asked){ .method = str_dup(arena, str_from(call->method)), .url = str_dup(arena, call->url) };
    for (size_t i = 0; i < call->header_count; i++)
        if (strcmp(call->headers[i].name, "Accept") == 0)
            asked->accept = str_dup(arena, call->headers[i].value);
    if (call->body.ptr) {
        const JsonVal *jws = json_of(arena, str_printf(arena, STR_FMT "%c", STR_ARG(call->body), '\0').ptr);
        asked->header = json_of(arena, str_printf(arena, STR_FMT "%c", STR_ARG(opened(json_get(jws, "protected"))), '\0').ptr);
        asked->payload = opened(json_get(jws, "payload"));
    }
    if (authority.count >= authority.told_count)
        return err_set(why, ERR_UNAVAILABLE, "nobody is there");
    const Told *told = &authority.told[authority.count++];
    *out = (HttpAnswer){ .status = told->status, .raw_headers = str_dup(of, str_from(told->headers)), .body = str_dup(of, str_from(told->body)) };
    return true;
}

static void tell(int status, const char *headers, const char *body)
{
    authority.told[authority.told_count++] = (Told){ status, headers, body };
}

static AcmeClient *client_of(Str account_url)
{
    AcmeClient *client;
    AcmeConfig config = { .directory_url = STR(SITE "/directory"), .key = key, .account_url = account_url };
    memset(&authority, 0, sizeof authority);
    must(acme_open(arena, &config, &client, &err));
    return client;
}

/* With a directory, and a first nonce "n1". */
static AcmeClient *client_with_nonce(void)
{
    AcmeClient *client = client_of(STR(SITE "/me"));
    tell(200, "", DIRECTORY);
    tell(200, NONCE("n1"), "");
    return client;
}

static const Asked *asked(size_t i, const char *method, const char *url)
{
    assert_true(i < authority.count);
    assert_str(authority.asked[i].method, method);
    assert_str(authority.asked[i].url, url);
    return &authority.asked[i];
}

static Str nonce_of(size_t i) { return json_str(json_get(authority.asked[i].header, "nonce")); }

static bool look(AcmeClient *client)
{
    AcmeOrder order;
    err = (Err){ 0 };
    return acme_order_look(client, STR(SITE "/o/1"), &order, &err);
}

/* ---- nonces (section 6.5) ---- */

static void test_a_call_uses_the_nonce_of_the_answer_before_it_once(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
    static const AcmeName names[] = { { .text = { "a.example", 9 } }, { .is_ip = true, .text = { "192.0.2.1", 9 } } };
    AcmeOrder order;
    tell(201, ORDER_AT NONCE("n2"), ORDER);
    tell(200, "", ORDER);                                           /* brings none: the next call has to fetch one */
    tell(200, NONCE("n3"), "");
    tell(200, NONCE("n4"), ORDER);
    must(acme_order(client, names, 2, &order, &err));
    assert_str(order.url, SITE "/o/1");
    assert_int_equal(order.count, 1);
    assert_true(look(client));
    assert_true(look(client));
    (void)asked(0, "GET", SITE "/directory");
    (void)asked(1, "HEAD", SITE "/nonce");
    assert_str(asked(2, "POST", SITE "/order")->payload, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},{\"type\":\"ip\",\"value\":\"192.0.2.1\"}]}");
    assert_str(asked(3, "POST", SITE "/o/1")->payload, "");         /* section 6.3: POST-as-GET */
    (void)asked(4, "HEAD", SITE "/nonce");
    (void)asked(5, "POST", SITE "/o/1");
    assert_str(nonce_of(2), "n1");
    assert_str(nonce_of(3), "n2");
    assert_str(nonce_of(5), "n3");
    for (size_t i = 2; i < 6; i++)
        if (i != 4) {
            assert_str(json_str(json_get(authority.asked[i].header, "kid")), SITE "/me");
            assert_true(str_eq(json_str(json_get(authority.asked[i].header, "url")), authority.asked[i].url));
        }
    assert_int_equal(authority.count, 6);
}

static void test_a_bad_nonce_is_tried_again_with_the_one_that_came_with_it(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
    tell(400, NONCE("n2"), PROBLEM("badNonce"));
    tell(400, NONCE("n3"), PROBLEM("badNonce"));
    tell(200, NONCE("n4"), ORDER);
    assert_true(look(client));
    assert_str(nonce_of(2), "n1");
    assert_str(nonce_of(3), "n2");
    assert_str(nonce_of(4), "n3");
}

static void test_an_authority_that_takes_no_nonce_is_given_up_for_now(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
    for (int i = 0; i < 20; i++)
        tell(400, NONCE("again"), PROBLEM("badNonce"));
    assert_false(look(client));
    assert_int_equal(err.code, ERR_UNAVAILABLE);                    /* it may mend itself: the order is not lost for it */
    assert_int_equal(authority.count, 2 + 8);
}

static void test_a_nonce_of_a_call_that_failed_is_not_used_again(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
    assert_false(look(client));                                     /* nobody answers: whether it was used is not known */
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    tell(200, NONCE("n2"), "");
    tell(200, "", ORDER);
    assert_true(look(client));
    (void)asked(2, "HEAD", SITE "/nonce");
    assert_str(nonce_of(3), "n2");
}

static void test_nonces_that_are_none_are_not_sent(void **state)
{
    (void)state;
    char *long_one = arena_alloc(arena, 700);
    memset(long_one, 'n', 699);
    long_one[699] = '\0';
    const char *const headers[] = { "", "Replay-Nonce: \r\n", str_printf(arena, "Replay-Nonce: %s\r\n%c", long_one, '\0').ptr };
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_of(STR(SITE "/me"));
        tell(200, "", DIRECTORY);
        tell(200, headers[i], "");
        assert_false(look(client));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_int_equal(authority.count, 2);
    }
}

/* ---- refusals ---- */

static void test_refusals_say_whether_to_try_again(void **state)
{
    (void)state;
    static const struct { int status; const char *body; ErrCode code; const char *name, *word; } rows[] = {
        { 429, "", ERR_THROTTLED, NULL, "status 429" },
        { 403, PROBLEM("rateLimited"), ERR_THROTTLED, NULL, "so it is" },
        { 500, "<html>", ERR_UNAVAILABLE, NULL, "status 500" },
        { 503, PROBLEM("malformed"), ERR_UNAVAILABLE, NULL, "so it is" },
        { 403, PROBLEM("serverInternal"), ERR_UNAVAILABLE, NULL, "so it is" },
        { 403, PROBLEM("orderNotReady"), ERR_UNAVAILABLE, NULL, "so it is" },
        { 400, PROBLEM("accountDoesNotExist"), ERR_BAD_INPUT, ACME_NO_ACCOUNT, "so it is" },
        { 404, PROBLEM("malformed"), ERR_BAD_INPUT, ACME_GONE, "so it is" },
        { 404, "", ERR_BAD_INPUT, ACME_GONE, "status 404" },
        { 400, PROBLEM("rejectedIdentifier"), ERR_BAD_INPUT, NULL, "rejectedIdentifier" },
        { 302, "", ERR_BAD_INPUT, NULL, "status 302" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
        tell(rows[i].status, "", rows[i].body);
        bool good = look(client), is_named = err.name && rows[i].name ? strcmp(err.name, rows[i].name) == 0 : !err.name && !rows[i].name;
        if (good || err.code != rows[i].code || !is_named || !strstr(err.text, rows[i].word))
            fail_msg("%d %s: %d %s", rows[i].status, rows[i].body, (int)err.code, err.text);
        assert_int_equal(authority.count, 3);
    }
}

static void test_the_pause_that_is_asked_for_is_told_and_at_most_a_day(void **state)
{
    (void)state;
    const int64_t day = 24 * 3600 * 1000LL;
    static const struct { const char *header; int64_t least, most; } rows[] = {
        { "Retry-After: 120\r\n", 120000, 120000 }, { "retry-after: 0\r\n", 0, 0 }, { "Retry-After: 86400\r\n", 24 * 3600 * 1000LL, 24 * 3600 * 1000LL },
        { "Retry-After: 86401\r\n", 24 * 3600 * 1000LL, 24 * 3600 * 1000LL }, { "Retry-After: 99999999999\r\n", 24 * 3600 * 1000LL, 24 * 3600 * 1000LL },
        { "Retry-After: -5\r\n", 0, 0 }, { "Retry-After: soon\r\n", 0, 0 }, { "", 0, 0 },
        { "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", 0, 0 }, { "Retry-After: Fri, 31 Dec 2999 23:59:59 GMT\r\n", 24 * 3600 * 1000LL, 24 * 3600 * 1000LL },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
        tell(503, rows[i].header, "");
        assert_false(look(client));
        if (acme_retry_ms(client) < rows[i].least || acme_retry_ms(client) > rows[i].most)
            fail_msg("%s: %lld", rows[i].header, (long long)acme_retry_ms(client));
    }
    AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
    tell(200, "Retry-After: 7\r\n", ORDER);                         /* of an order that is processed: how soon to look again */
    tell(200, NONCE("n"), "");
    tell(200, "", ORDER);
    assert_true(look(client));
    assert_int_equal(acme_retry_ms(client), 7000);
    assert_true(look(client));
    assert_int_equal(acme_retry_ms(client), 0);                     /* the last answer's */
    assert_true(acme_retry_ms(client) <= day);
}

static void test_what_is_no_directory_is_asked_for_again(void **state)
{
    (void)state;
    static const Told none[] = { { 404, "", "" }, { 403, "", PROBLEM("malformed") }, { 200, "", "<html>" }, { 200, "", "{\"newNonce\":\"" SITE "/nonce\"}" } };
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_of(STR(SITE "/me"));
        tell(none[i].status, none[i].headers, none[i].body);
        assert_false(look(client));
        assert_int_equal(err.code, ERR_UNAVAILABLE);                /* an address mistyped is the operator's: no order fails for it */
        tell(200, "", DIRECTORY);
        tell(200, NONCE("n"), "");
        tell(200, "", ORDER);
        assert_true(look(client));
        (void)asked(1, "GET", SITE "/directory");
    }
}

/* ---- accounts (section 7.3) ---- */

static const AcmeAccount *account_of(Str eab_id)
{
    static const Str emails[] = { { "ops@example.com", 15 } };
    static AcmeAccount account;
    account = (AcmeAccount){ .emails = emails, .email_count = 1, .eab_id = eab_id, .eab_key = STR("AQID") };
    return &account;
}

static void test_a_new_account_agrees_and_signs_with_its_key(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_of(STR_NONE);
    Str url;
    tell(200, "", DIRECTORY);
    tell(200, NONCE("n1"), "");
    tell(201, "Location: " SITE "/me\r\n" NONCE("n2"), "{}");
    tell(200, "", ORDER);
    must(acme_register(client, account_of(STR("customer")), &url, &err));
    assert_str(url, SITE "/me");
    assert_int_equal(authority.count, 3);
    const Asked *post = asked(2, "POST", SITE "/account");
    const JsonVal *said = json_of(arena, str_printf(arena, STR_FMT "%c", STR_ARG(post->payload), '\0').ptr);
    assert_non_null(json_get(post->header, "jwk"));
    assert_null(json_get(post->header, "kid"));
    assert_true(json_bool(json_get(said, "termsOfServiceAgreed"), false));
    assert_str(json_str(json_at(json_get(said, "contact"), 0)), "mailto:ops@example.com");
    assert_non_null(json_path(said, "externalAccountBinding.signature"));
    assert_true(look(client));                                      /* from now on it signs as this account */
    assert_str(json_str(json_get(asked(3, "POST", SITE "/o/1")->header, "kid")), SITE "/me");
}

static void test_an_account_that_was_there_is_told_its_contacts(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_of(STR_NONE);
    Str url;
    tell(200, "", DIRECTORY);
    tell(200, NONCE("n1"), "");
    tell(200, "Location: " SITE "/me\r\n" NONCE("n2"), "{}");
    tell(200, "", "{}");
    must(acme_register(client, account_of(STR("customer")), &url, &err));
    assert_int_equal(authority.count, 4);
    assert_str(asked(3, "POST", SITE "/me")->payload, "{\"contact\":[\"mailto:ops@example.com\"]}");     /* no binding, no terms: those are of new ones */
}

static void test_an_account_without_an_address_of_its_own_is_not_believed(void **state)
{
    (void)state;
    static const char *const headers[] = { "", "Location: \r\n", "Location: http://a.example/me\r\n", "Location: /me\r\n" };
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_of(STR_NONE);
        AcmeOrder order;
        Str url = STR_NONE;
        tell(200, "", DIRECTORY);
        tell(200, NONCE("n1"), "");
        tell(201, headers[i], "{}");
        err = (Err){ 0 };
        assert_false(acme_register(client, account_of(STR_NONE), &url, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_null(url.ptr);
        assert_false(acme_order_look(client, STR(SITE "/o/1"), &order, &err));     /* still nobody's */
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_int_equal(authority.count, 3);
    }
}

/* ---- orders ---- */

static void test_an_order_without_an_address_is_not_believed(void **state)
{
    (void)state;
    static const char *const headers[] = { "", "Location: http://a.example/o\r\n", "Location: o/1\r\n" };
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
        AcmeName name = { .text = STR("a.example") };
        AcmeOrder order;
        tell(201, headers[i], ORDER);
        err = (Err){ 0 };
        assert_false(acme_order(client, &name, 1, &order, &err));
        assert_int_equal(err.code, ERR_UNAVAILABLE);
    }
}

static void test_finalizing_sends_the_request_and_keeps_the_orders_address(void **state)
{
    (void)state;
    AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
    static const uint8_t csr[] = { 0x30, 0x03, 0xFB, 0xFF, 0x01 };
    AcmeOrder order = { .url = STR(SITE "/o/1"), .finalize_url = STR(SITE "/f/1") }, after;
    tell(200, "Location: https://elsewhere.example/o\r\n" NONCE("n2"), "{\"status\":\"valid\",\"authorizations\":[],\"finalize\":\"" SITE "/f/1\",\"certificate\":\"" SITE "/c/1\"}");
    must(acme_finalize(client, &order, (Bytes){ csr, sizeof csr }, &after, &err));
    assert_str(asked(2, "POST", SITE "/f/1")->payload, "{\"csr\":\"MAP7_wE\"}");
    assert_int_equal(after.state, ACME_VALID);
    assert_str(after.url, SITE "/o/1");
    assert_str(after.certificate_url, SITE "/c/1");
    tell(200, NONCE("n3"), "{}");
    must(acme_challenge_ready(client, STR(SITE "/h/1"), &err));
    assert_str(asked(3, "POST", SITE "/h/1")->payload, "{}");       /* section 7.5.1: an object, not POST-as-GET */
}

static Str chain_of(size_t length)
{
    Str all = STR("");
    for (size_t i = 0; i < length; i++) {
        Str subject = str_printf(arena, "CN=%zu", i);
        CertSpec spec = { .subject = subject, .path_length = -1, .not_before_ms = real_now_ms(), .not_after_ms = real_now_ms() + 86400000 };
        Bytes der;
        must(cert_self_sign(arena, key, &spec, &der, &err));
        all = str_printf(arena, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(pem_of_cert(arena, der)));
    }
    return str_printf(arena, STR_FMT "%c", STR_ARG(all), '\0');
}

static void test_a_chain_is_taken_as_it_came_and_nothing_else_is(void **state)
{
    (void)state;
    const struct { const char *body; size_t count; } rows[] = {
        { chain_of(1).ptr, 1 }, { chain_of(3).ptr, 3 }, { chain_of(ACME_CHAIN_MAX).ptr, ACME_CHAIN_MAX }, { chain_of(ACME_CHAIN_MAX + 1).ptr, 0 },
        { "", 0 }, { "<html>", 0 }, { "{}", 0 }, { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(acme_close_auto) AcmeClient *client = client_with_nonce();
        AcmeOrder order = { .certificate_url = STR(SITE "/c/1") };
        Bytes chain[ACME_CHAIN_MAX];
        size_t count = 0;
        tell(200, NONCE("n2"), rows[i].body);
        err = (Err){ 0 };
        if (acme_download(client, &order, chain, &count, &err) != (rows[i].count > 0) || count != rows[i].count)
            fail_msg("row %zu: %zu certificates, %s", i, count, err.text);
        assert_str(asked(2, "POST", SITE "/c/1")->accept, "application/pem-certificate-chain");
        if (!rows[i].count)
            assert_int_equal(err.code, ERR_UNAVAILABLE);
    }
}

static void test_an_accounts_key_is_of_p_256(void **state)
{
    (void)state;
    AUTO(key_free_auto) KeyRef *other = NULL;
    AcmeClient *client = NULL;
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P384 }, &other, &err));
    AcmeConfig config = { .directory_url = STR(SITE "/directory"), .key = other };
    assert_false(acme_open(arena, &config, &client, &err));
    assert_null(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_uses_the_nonce_of_the_answer_before_it_once),
        cmocka_unit_test(test_a_bad_nonce_is_tried_again_with_the_one_that_came_with_it),
        cmocka_unit_test(test_an_authority_that_takes_no_nonce_is_given_up_for_now),
        cmocka_unit_test(test_a_nonce_of_a_call_that_failed_is_not_used_again),
        cmocka_unit_test(test_nonces_that_are_none_are_not_sent),
        cmocka_unit_test(test_refusals_say_whether_to_try_again),
        cmocka_unit_test(test_the_pause_that_is_asked_for_is_told_and_at_most_a_day),
        cmocka_unit_test(test_what_is_no_directory_is_asked_for_again),
        cmocka_unit_test(test_a_new_account_agrees_and_signs_with_its_key),
        cmocka_unit_test(test_an_account_that_was_there_is_told_its_contacts),
        cmocka_unit_test(test_an_account_without_an_address_of_its_own_is_not_believed),
        cmocka_unit_test(test_an_order_without_an_address_is_not_believed),
        cmocka_unit_test(test_finalizing_sends_the_request_and_keeps_the_orders_address),
        cmocka_unit_test(test_a_chain_is_taken_as_it_came_and_nothing_else_is),
        cmocka_unit_test(test_an_accounts_key_is_of_p_256),
    };
    return cmocka_run_group_tests(tests, acme_test_set_up, acme_test_tear_down);
}
