/* test_cert_mail.c - what the contacts of a vault are told of its certificates, how often, and what becomes of a message that nobody takes. The
 * relay is the test's: what would be sent is kept, as it would be sent. */
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/bundles/bundle.h"
#include "crypto/certificates/cert.h"
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/certificates/cert_mail.h"
#include "keyvault/objects/feed.h"

#define DAY INT64_C(86400000)
#define MAIL_AT "{\"trigger\":{\"days_before_expiry\":30},\"action\":{\"action_type\":\"EmailContacts\"}}"
#define RENEW_AT "{\"trigger\":{\"days_before_expiry\":10},\"action\":{\"action_type\":\"AutoRenew\"}}"

static struct { bool refuses; size_t count; Str subject, text, id, composed; } relay;
static const MailRelay mail_relay = { .host = "mail.example.org", .port = 25, .tls = MAIL_PLAIN, .from = { "vault@example.org", 17 } };

bool __wrap_mail_send(const MailRelay *to, Arena *arena, const MailMessage *message, size_t *refused, Err *err);

bool __wrap_mail_send(const MailRelay *to, Arena *arena, const MailMessage *message, size_t *refused, Err *err)
{
    Str composed;
    if (!mail_compose(arena, to, message, &composed, err))
        return false;
    relay.count++;
    relay.composed = str_dup(fix.arena, composed);
    relay.subject = str_dup(fix.arena, message->subject);
    relay.text = str_dup(fix.arena, message->text);
    relay.id = str_dup(fix.arena, message->id);
    *refused = 0;
    return !relay.refuses || err_set(err, ERR_UNAVAILABLE, "the relay is full");
}

/* ---- certificates and contacts ---- */

static void make(const char *name, const char *actions)
{
    Answer operation = vault_call("POST", text("/certificates/%s/create", name),
                                  text("{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=%s.example\",\"validity_months\":12},"
                                       "\"lifetime_actions\":[%s]}}", name, actions));
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
}

static int64_t expiry_of(const char *name)
{
    Answer bundle = vault_call("GET", text("/certificates/%s", name), NULL);
    expect_status(&bundle, 200);
    return int_at(&bundle, "attributes.exp") * 1000;
}

static void set_contacts(const char *list)
{
    Answer set = vault_call("PUT", "/certificates/contacts", text("{\"contacts\":[%s]}", list));
    expect_status(&set, 200);
}

typedef struct Stored { Str vault; const char *list; } Stored;

static bool store_txn(Txn *txn, void *ctx, Err *err)
{
    const Stored *stored = ctx;
    SealPlace place = { str_printf(fix.arena, "vault:" STR_FMT, STR_ARG(stored->vault)), "kv_contacts", stored->vault, "doc" };
    Bytes sealed;
    return seal_put(fix.site.seal, txn, place, bytes_of(str_from(stored->list)), fix.arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_contacts (vault, doc) VALUES (?1, ?2) ON CONFLICT (vault) DO UPDATE SET doc = excluded.doc", db_text(stored->vault), db_blob(sealed));
}

/* As a list that was taken before addresses were checked. */
static void store_contacts(const char *list)
{
    Stored stored = { vault_id_of("vlt"), list };
    must(store_write(fix.site.store, store_txn, &stored, &fix_err));
}

static int64_t told_by_event(void) { return count_of("SELECT count(*) FROM kv_feed WHERE change = 7"); }
_Static_assert(FEED_NEAR_EXPIRY == 7, "told_by_event asks for it");

/* One run of the work, as the runner would; what it answered, and *again_ms. */
static bool runs(const char *name, int64_t now_ms, int64_t attempt, int64_t *again_ms)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    Str key = str_printf(fix.arena, STR_FMT "/%s", STR_ARG(vault_id_of("vlt")), name);
    RunnerJob job = { .kind = STR(WORK_MAIL), .key = key, .due_ms = now_ms, .attempt = attempt };
    fix_err = (Err){ 0 };
    *again_ms = 0;
    return cert_mail_run(fix.kv, arena, &job, now_ms, again_ms, &fix_err);
}

static void runs_well(const char *name, int64_t now_ms)
{
    int64_t again_ms;
    if (!runs(name, now_ms, 1, &again_ms))
        fail_msg("%s", fix_err.text);
    assert_int_equal(again_ms, 0);
}

static int with_relay(void **state)
{
    (void)state;
    memset(&relay, 0, sizeof relay);
    keyvault_use_mail(fix.kv, &mail_relay);
    set_contacts("{\"email\":\"ops@example.com\",\"name\":\"Ops\"},{\"email\":\"j\xC3\xBCrgen@example.com\"}");
    return 0;
}

/* ---- what is said ---- */

static void test_contacts_are_told_once_what_expires_and_when(void **state)
{
    (void)state;
    int64_t again_ms, before = told_by_event();
    make("told", MAIL_AT);
    int64_t exp_ms = expiry_of("told");
    assert_true(runs("told", exp_ms - 31 * DAY, 1, &again_ms));
    assert_int_equal(again_ms, exp_ms - 30 * DAY);
    assert_int_equal(relay.count, 0);
    runs_well("told", exp_ms - 30 * DAY);
    assert_int_equal(relay.count, 1);
    Str when = time_str(fix.arena, exp_ms, 0);
    assert_str(relay.subject, text("Certificate told of vault vlt expires on %.10s", when.ptr));
    assert_has(relay.text, text("(CN=told.example) of the key vault 'vlt' expires at " STR_FMT, STR_ARG(when)));
    assert_has(relay.text, "It does not renew by itself: create a new version in time.");
    Answer bundle = vault_call("GET", "/certificates/told", NULL);
    assert_has(relay.text, text("Certificate: " STR_FMT "\n", STR_ARG(text_at(&bundle, "id"))));
    assert_has(relay.composed, "\r\nTo: <ops@example.com>,\r\n <j\xC3\xBCrgen@example.com>\r\n");
    runs_well("told", exp_ms - 29 * DAY);
    runs_well("told", exp_ms + DAY);
    assert_int_equal(relay.count, 1);
    assert_int_equal(told_by_event(), before);
    make("told", MAIL_AT);                                          /* of the next version again */
    runs_well("told", expiry_of("told") - DAY);
    assert_int_equal(relay.count, 2);
}

static void test_the_text_says_who_renews(void **state)
{
    (void)state;
    make("renewing", MAIL_AT "," RENEW_AT);
    runs_well("renewing", expiry_of("renewing") - DAY);
    assert_has(relay.text, "Its policy renews it by itself as well.");
}

/* The subject of an imported certificate is its maker's. One with a line break is not taken; all else stays within the text of the message. */
static void test_an_imported_subject_begins_no_header(void **state)
{
    (void)state;
    AUTO(key_free_auto) KeyRef *key = NULL;
    static const Str name = { "a##Bcc: evil@example.com##", 26 };
    const int64_t now_ms = real_now_ms();
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &fix_err));
    for (int broken = 1; broken >= 0; broken--) {
        AUTO(secret_free_auto) Secret *pem = NULL;
        CertSpec spec = { .subject = str_printf(fix.arena, "CN=\"" STR_FMT "=?UTF-8?B?eA==?=<b>\"", STR_ARG(name)), .path_length = -1, .not_before_ms = now_ms, .not_after_ms = now_ms + 100 * DAY };
        Bundle bundle = { .key = key, .count = 1 };
        size_t at, from = 0;
        must(cert_self_sign(fix.arena, key, &spec, &bundle.certs[0], &fix_err));
        Str der = str_of(bundle.certs[0]);
        for (; broken && str_find(str_slice(der, from, der.len), name, &at); from += at + name.len)         /* no tool of ours makes such a name */
            memcpy((char *)(uintptr_t)der.ptr + from + at + 1, "\r\n", 2);
        assert_true(!broken || from > 0);
        must(bundle_write_pem(&bundle, true, &pem, &fix_err));
        Answer made = vault_call("POST", "/certificates/strange/import",
                                 text("{\"value\":\"" STR_FMT "\",\"policy\":{\"secret_props\":{\"contentType\":\"application/x-pem-file\"},\"lifetime_actions\":[" MAIL_AT "]}}",
                                      STR_ARG(base64_encode(fix.arena, secret_bytes(pem)))));
        if (broken)
            expect_error(&made, 400, "BadParameter", NULL, "control characters");
        else
            expect_status(&made, 200);
    }
    runs_well("strange", expiry_of("strange") - DAY);
    assert_int_equal(relay.count, 1);
    assert_has(relay.text, "evil@example.com");                           /* it is there, and said */
    assert_has(relay.text, "have its request signed, and merge the result");
    size_t end;
    assert_true(str_find(relay.composed, STR("\r\n\r\n"), &end));
    assert_false(str_has(str_slice(relay.composed, 0, end), "evil"));
    assert_false(str_has(str_slice(relay.composed, 0, end), "Bcc"));
}

/* ---- to whom ---- */

static void test_addresses_that_could_end_a_line_or_a_command_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "a@b\\r\\nBcc: c@d", "a@b\\nRCPT TO:<c@d>", "a@b>,<c@d", "a@b c", "<a@b>", "a@b\\u0000", "ab", "@b", "a@", "" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Answer refused = vault_call("PUT", "/certificates/contacts", text("{\"contacts\":[{\"email\":\"%s\"}]}", bad[i]));
        expect_status(&refused, 400);
    }
    Answer kept = vault_call("GET", "/certificates/contacts", NULL);
    assert_int_equal(json_count(json_get(kept.json, "contacts")), 2);
}

static void test_names_that_could_end_a_line_make_no_certificate(void **state)
{
    (void)state;
    static const char *const bad[] = { "a%0D%0ABcc:c@d", "a%0Ab", "a%00b", "a%20b", "a<b" };
    int64_t before = count_of("SELECT count(*) FROM kv_object");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Answer refused = vault_call("POST", text("/certificates/%s/create", bad[i]), "{\"policy\":{\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=a\"}}}");
        expect_status(&refused, 400);
    }
    assert_int_equal(count_of("SELECT count(*) FROM kv_object"), before);
}

static void test_what_is_stored_and_is_no_address_is_passed_over(void **state)
{
    (void)state;
    int64_t before = told_by_event();
    make("old-list", MAIL_AT);
    store_contacts("[{\"email\":\"a@b\\r\\nBcc: c@d\"},{\"email\":\"good@example.com\"},{\"email\":7},{\"name\":\"none\"},7,{\"email\":\"<x@y>\"}]");
    runs_well("old-list", expiry_of("old-list") - DAY);
    assert_int_equal(relay.count, 1);
    assert_has(relay.composed, "\r\nTo: <good@example.com>\r\n");
    make("no-good", MAIL_AT);
    store_contacts("[{\"email\":\"a@b\\r\\nBcc: c@d\"}]");
    runs_well("no-good", expiry_of("no-good") - DAY);
    assert_int_equal(relay.count, 1);
    assert_int_equal(told_by_event(), before + 1);                  /* nobody to write to: the event tells */
}

static void test_without_a_relay_or_contacts_an_event_tells_once(void **state)
{
    (void)state;
    int64_t before = told_by_event();
    make("silent", MAIL_AT);
    keyvault_use_mail(fix.kv, NULL);
    runs_well("silent", expiry_of("silent") - DAY);
    runs_well("silent", expiry_of("silent") - DAY);
    assert_int_equal(told_by_event(), before + 1);
    keyvault_use_mail(fix.kv, &mail_relay);
    Answer gone = vault_call("DELETE", "/certificates/contacts", NULL);
    expect_status(&gone, 200);
    make("nobodys", MAIL_AT);
    runs_well("nobodys", expiry_of("nobodys") - DAY);
    assert_int_equal(told_by_event(), before + 2);
    assert_int_equal(relay.count, 0);
}

/* ---- again, or not ---- */

static void test_a_message_that_is_refused_is_sent_again_as_the_same_one(void **state)
{
    (void)state;
    int64_t again_ms, before = told_by_event();
    make("refused", MAIL_AT);
    int64_t exp_ms = expiry_of("refused");
    relay.refuses = true;
    for (int attempt = 1; attempt <= 5; attempt++) {
        assert_false(runs("refused", exp_ms - DAY, attempt, &again_ms));
        assert_int_equal(fix_err.code, ERR_UNAVAILABLE);
    }
    assert_int_equal(relay.count, 5);
    Str id = relay.id;
    relay.refuses = false;
    assert_true(runs("refused", exp_ms - DAY, 6, &again_ms));
    assert_int_equal(relay.count, 6);
    assert_true(str_eq(relay.id, id));                              /* receivers can drop one of them */
    assert_true(runs("refused", exp_ms - DAY, 7, &again_ms));
    assert_int_equal(relay.count, 6);
    assert_int_equal(told_by_event(), before);
}

static void test_after_the_expiry_one_try_is_made_and_then_the_event_tells(void **state)
{
    (void)state;
    int64_t again_ms, before = told_by_event();
    make("over", MAIL_AT);
    int64_t exp_ms = expiry_of("over");
    relay.refuses = true;
    assert_false(runs("over", exp_ms, 1, &again_ms));
    assert_int_equal(told_by_event(), before);
    assert_true(runs("over", exp_ms, 2, &again_ms));
    assert_int_equal(relay.count, 1);
    assert_int_equal(told_by_event(), before + 1);
    relay.refuses = false;
    assert_true(runs("over", exp_ms + DAY, 1, &again_ms));
    assert_int_equal(relay.count, 1);                               /* said is said */
}

static void test_nobody_is_told_of_what_is_disabled_deleted_or_without_the_action(void **state)
{
    (void)state;
    int64_t before = told_by_event();
    make("off", MAIL_AT);
    make("gone", MAIL_AT);
    make("quiet", RENEW_AT);
    int64_t off = expiry_of("off"), gone = expiry_of("gone"), quiet = expiry_of("quiet");
    Answer answer = vault_call("PATCH", "/certificates/off", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    answer = vault_call("DELETE", "/certificates/gone", NULL);
    expect_status(&answer, 200);
    runs_well("off", off - DAY);
    runs_well("gone", gone - DAY);
    runs_well("quiet", quiet - DAY);
    runs_well("never-was", quiet - DAY);
    assert_int_equal(relay.count, 0);
    assert_int_equal(told_by_event(), before);
    answer = vault_call("PATCH", "/certificates/off", "{\"attributes\":{\"enabled\":true}}");
    expect_status(&answer, 200);
    runs_well("off", off - DAY);
    assert_int_equal(relay.count, 1);
}

static void test_the_work_is_scheduled_with_the_version_and_goes_with_the_action(void **state)
{
    (void)state;
#define SCHEDULED "SELECT COALESCE((SELECT due_ms FROM runner_work WHERE kind = '" WORK_MAIL "' AND key LIKE '%/planned'), 0)"
    make("planned", MAIL_AT);
    int64_t exp_ms = expiry_of("planned");
    assert_int_equal(count_of(SCHEDULED), exp_ms - 30 * DAY);
    Answer answer = vault_call("PATCH", "/certificates/planned", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    assert_int_equal(count_of(SCHEDULED), 0);
    answer = vault_call("PATCH", "/certificates/planned", "{\"attributes\":{\"enabled\":true}}");
    expect_status(&answer, 200);
    assert_int_equal(count_of(SCHEDULED), exp_ms - 30 * DAY);
    answer = vault_call("PATCH", "/certificates/planned/policy", "{\"lifetime_actions\":[" RENEW_AT "]}");
    expect_status(&answer, 200);
    assert_int_equal(count_of(SCHEDULED), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, with_relay)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_contacts_are_told_once_what_expires_and_when),
        TEST(test_the_text_says_who_renews),
        TEST(test_an_imported_subject_begins_no_header),
        TEST(test_addresses_that_could_end_a_line_or_a_command_are_refused),
        TEST(test_names_that_could_end_a_line_make_no_certificate),
        TEST(test_what_is_stored_and_is_no_address_is_passed_over),
        TEST(test_without_a_relay_or_contacts_an_event_tells_once),
        TEST(test_a_message_that_is_refused_is_sent_again_as_the_same_one),
        TEST(test_after_the_expiry_one_try_is_made_and_then_the_event_tells),
        TEST(test_nobody_is_told_of_what_is_disabled_deleted_or_without_the_action),
        TEST(test_the_work_is_scheduled_with_the_version_and_goes_with_the_action),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
