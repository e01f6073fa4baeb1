/* test_renewal.c - renewal on the wall clock, with the clock in the test's hand. */
#include "base/encode.h"
#include "crypto/certificates/cert.h"
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"

#define DAY INT64_C(86400000)
#define ACTION(trigger) ",\"lifetime_actions\":[{\"trigger\":{" trigger "},\"action\":{\"action_type\":\"AutoRenew\"}}]"

static Answer get(const char *name)
{
    Answer bundle = vault_call("GET", text("/certificates/%s/", name), NULL);
    expect_status(&bundle, 200);
    return bundle;
}

/* A certificate of 12 months with this action, made now. */
static Answer make(const char *name, const char *more)
{
    Answer operation = vault_call("POST", text("/certificates/%s/create", name),
                                  text("{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=%s\"}%s},\"tags\":{\"team\":\"a\"}}", name, more));
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
    return get(name);
}

static size_t versions(const char *name) { return version_count("certificates", name); }

static void test_version_is_renewed_when_its_share_of_life_is_over(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer first = make("share", ACTION("\"lifetime_percentage\":80"));
    set_object_time(start + 291 * DAY);                     /* 80 % of 365 days is day 292 */
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("share"), 1);
    set_object_time(start + 293 * DAY);
    assert_true(run_due(WORK_RENEW) >= 1);
    Answer second = get("share");
    assert_false(str_eq(text_at(&second, "id"), text_at(&first, "id")));
    assert_int_equal(versions("share"), 2);
    assert_in_range(int_at(&second, "attributes.nbf"), (start + 293 * DAY) / 1000 - 601, object_now() / 1000 - 600);
    assert_str(text_at(&second, "tags.team"), "a");
    assert_true(json_bool(json_path(second.json, "attributes.enabled"), false));
    /* the old version stays, with its key and secret */
    Str old = text_at(&first, "sid");
    size_t at;
    assert_true(str_find(old, STR("/secrets/"), &at));
    Answer secret = vault_call("GET", str_to_cstr(fix.arena, str_slice(old, at, old.len), &fix_err), NULL);
    expect_status(&secret, 200);
    Answer now = vault_call("GET", "/secrets/share", NULL);
    assert_true(str_eq(text_at(&now, "id"), text_at(&second, "sid")));
    Answer pending = vault_call("GET", "/certificates/share/pending", NULL);
    assert_str(text_at(&pending, "status"), "completed");
    /* a new key */
    Answer key_a = vault_call("GET", str_to_cstr(fix.arena, str_printf(fix.arena, "/keys/share/" STR_FMT, STR_ARG(str_slice(text_at(&first, "id"), text_at(&first, "id").len - 32, text_at(&first, "id").len))), &fix_err), NULL);
    Answer key_b = vault_call("GET", "/keys/share", NULL);
    assert_false(str_eq(text_at(&key_a, "key.x"), text_at(&key_b, "key.x")));
}

static void test_days_before_expiry_are_counted_from_the_end(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer first = make("days", ACTION("\"days_before_expiry\":30"));
    int64_t expiry = int_at(&first, "attributes.exp") * 1000;
    assert_true(expiry > start);
    set_object_time(expiry - 30 * DAY - 60000);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("days"), 1);
    set_object_time(expiry - 30 * DAY + 60000);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("days"), 2);
}

static void test_next_renewal_is_scheduled_with_the_version(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("chain", ACTION("\"days_before_expiry\":30"));
    for (int year = 1; year <= 3; year++) {
        set_object_time(start + year * 340 * DAY);
        (void)run_due(WORK_RENEW);
        assert_int_equal(versions("chain"), 1 + year);
        Answer now = get("chain");
        int64_t due = count_of("SELECT due_ms FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/chain'");
        assert_int_equal(due / 1000, int_at(&now, "attributes.exp") - 30 * 86400);
    }
}

static void test_clock_that_jumps_years_renews_once(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("jump", ACTION("\"lifetime_percentage\":50"));
    set_object_time(start + 10 * 365 * DAY);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("jump"), 2);
    assert_int_equal(run_due(WORK_RENEW), 0);
    Answer now = get("jump");
    assert_true(int_at(&now, "attributes.exp") * 1000 > object_now());
}

static void test_job_that_runs_twice_renews_once(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("twice", ACTION("\"days_before_expiry\":30"));
    set_object_time(start + 350 * DAY);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("twice"), 2);
    /* the runner was killed after the commit and before it took the job off its queue: the job runs again */
    fixture_reopen();
    Str vault_id = vault_id_of("vlt");
    for (int i = 0; i < 3; i++)
        run_job(WORK_RENEW, str_printf(fix.arena, STR_FMT "/twice", STR_ARG(vault_id)), object_now());
    assert_int_equal(versions("twice"), 2);
    assert_int_equal(count_of("SELECT count(*) FROM runner_work WHERE kind = 'certificate.renew' AND key LIKE '%/twice'"), 1);
}

static void test_changed_action_counts_at_once(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("sooner", ACTION("\"days_before_expiry\":30"));
    set_object_time(start + 100 * DAY);
    assert_int_equal(versions("sooner"), 1);
    Answer patched = vault_call("PATCH", "/certificates/sooner/policy", "{\"lifetime_actions\":[{\"trigger\":{\"lifetime_percentage\":10},\"action\":{\"action_type\":\"AutoRenew\"}}]}");
    expect_status(&patched, 200);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("sooner"), 2);
    patched = vault_call("PATCH", "/certificates/sooner/policy", "{\"lifetime_actions\":[]}");
    expect_status(&patched, 200);
    set_object_time(start + 500 * DAY);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("sooner"), 2);
}

static void test_new_version_follows_the_policy_of_its_time(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("shape", ACTION("\"days_before_expiry\":30"));
    Answer patched = vault_call("PATCH", "/certificates/shape/policy",
                                "{\"key_props\":{\"kty\":\"EC\",\"crv\":\"P-384\"},\"x509_props\":{\"subject\":\"CN=other\",\"validity_months\":6},\"secret_props\":{\"contentType\":\"application/x-pem-file\"}}");
    expect_status(&patched, 200);
    set_object_time(start + 340 * DAY);
    (void)run_due(WORK_RENEW);
    Answer now = get("shape");
    Bytes der;
    CertInfo info;
    must(base64_decode(fix.arena, text_at(&now, "cer"), &der, &fix_err));
    must(cert_read(fix.arena, der, &info, &fix_err));
    assert_str(info.subject, "CN=other");
    assert_in_range(info.not_after_ms - object_now(), 180 * DAY, 185 * DAY);
    Answer key = vault_call("GET", "/keys/shape", NULL);
    assert_str(text_at(&key, "key.crv"), "P-384");
    Answer secret = vault_call("GET", "/secrets/shape", NULL);
    assert_true(str_starts(text_at(&secret, "value"), STR("-----BEGIN")));
}

static void test_key_is_reused_on_wish(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer operation = vault_call("POST", "/certificates/reuse/create", "{\"policy\":{\"key_props\":{\"kty\":\"EC\",\"reuse_key\":true},\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=r\"}}}");
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
    Answer before = vault_call("GET", "/keys/reuse", NULL);
    set_object_time(start + 340 * DAY);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("reuse"), 2);
    Answer after = vault_call("GET", "/keys/reuse", NULL);
    assert_true(str_eq(text_at(&before, "key.x"), text_at(&after, "key.x")));
    assert_false(str_eq(text_at(&before, "key.kid"), text_at(&after, "key.kid")));
}

static void test_disabled_and_deleted_certificates_do_not_renew(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("off", ACTION("\"days_before_expiry\":30"));
    (void)make("del", ACTION("\"days_before_expiry\":30"));
    Answer off = vault_call("PATCH", "/certificates/off/", "{\"attributes\":{\"enabled\":false}}"), del = vault_call("DELETE", "/certificates/del", NULL);
    expect_status(&off, 200);
    expect_status(&del, 200);
    set_object_time(start + 350 * DAY);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("off"), 1);
    Str vault_id = vault_id_of("vlt");
    run_job(WORK_RENEW, str_printf(fix.arena, STR_FMT "/del", STR_ARG(vault_id)), object_now());
    run_job(WORK_RENEW, str_printf(fix.arena, STR_FMT "/off", STR_ARG(vault_id)), object_now());
    run_job(WORK_RENEW, str_printf(fix.arena, STR_FMT "/never-was", STR_ARG(vault_id)), object_now());
    run_job(WORK_RENEW, STR("00000000000000000000000000000000/x"), object_now());
    assert_int_equal(versions("off"), 1);
    /* what became due meanwhile is done when they come back */
    off = vault_call("PATCH", "/certificates/off/", "{\"attributes\":{\"enabled\":true}}");
    del = vault_call("POST", "/deletedcertificates/del/recover", NULL);
    expect_status(&off, 200);
    expect_status(&del, 200);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("off"), 2);
    assert_int_equal(versions("del"), 2);
}

static void test_deleted_vault_renews_after_its_recovery(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer vault = make_vault("resting", "");
    expect_status(&vault, 201);
    Answer operation = call("POST", "resting.vault", "/certificates/c/create" API, fix.owner.vault_token,
                            "{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=c\"}}}");
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
    Answer deleted = arm_call("DELETE", VAULTS "resting", NULL);
    expect_status(&deleted, 200);
    set_object_time(start + 350 * DAY);
    (void)run_due(WORK_RENEW);
    Answer back = make_vault("resting", ",\"createMode\":\"recover\"");
    expect_status(&back, 200);
    assert_true(run_due(WORK_RENEW) >= 1);
    Answer list = call("GET", "resting.vault", "/certificates/c/versions" API, fix.owner.vault_token, NULL);
    expect_status(&list, 200);
    assert_int_equal(json_count(json_get(list.json, "value")), 2);
}

static void test_renewal_is_audited_and_fed(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("seen", ACTION("\"days_before_expiry\":30"));
    int64_t fed = count_of("SELECT count(*) FROM kv_feed WHERE name = 'seen' AND change = 1");
    assert_int_equal(fed, 3);
    set_object_time(start + 350 * DAY);
    (void)run_due(WORK_RENEW);
    assert_int_equal(count_of("SELECT count(*) FROM kv_feed WHERE name = 'seen' AND change = 1"), 6);
    assert_int_equal(count_of("SELECT count(*) FROM audit_record WHERE instr(record, 'CertificateRenew') AND instr(record, '/certificates/seen/')"), 1);
}

static void test_pending_creation_holds_a_renewal_back(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("busy", ACTION("\"days_before_expiry\":30"));
    set_object_time(start + 350 * DAY);
    Answer operation = vault_call("POST", "/certificates/busy/create", "{}");
    expect_status(&operation, 202);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("busy"), 1);
    Answer cancelled = vault_call("PATCH", "/certificates/busy/pending", "{\"cancellation_requested\":true}");
    expect_status(&cancelled, 200);
    set_object_time(start + 350 * DAY + 61000);
    (void)run_due(WORK_RENEW);
    assert_int_equal(versions("busy"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_version_is_renewed_when_its_share_of_life_is_over, object_time_back),
        cmocka_unit_test_setup(test_days_before_expiry_are_counted_from_the_end, object_time_back),
        cmocka_unit_test_setup(test_next_renewal_is_scheduled_with_the_version, object_time_back),
        cmocka_unit_test_setup(test_clock_that_jumps_years_renews_once, object_time_back),
        cmocka_unit_test_setup(test_job_that_runs_twice_renews_once, object_time_back),
        cmocka_unit_test_setup(test_changed_action_counts_at_once, object_time_back),
        cmocka_unit_test_setup(test_new_version_follows_the_policy_of_its_time, object_time_back),
        cmocka_unit_test_setup(test_key_is_reused_on_wish, object_time_back),
        cmocka_unit_test_setup(test_disabled_and_deleted_certificates_do_not_renew, object_time_back),
        cmocka_unit_test_setup(test_deleted_vault_renews_after_its_recovery, object_time_back),
        cmocka_unit_test_setup(test_renewal_is_audited_and_fed, object_time_back),
        cmocka_unit_test_setup(test_pending_creation_holds_a_renewal_back, object_time_back),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
