/* test_expiry.c - NearExpiry and Expired: what the clock adds to the change feed, and when it does not. */
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/events/expiry.h"
#include "keyvault/objects/feed.h"

static const int64_t DAY_MS = 86400 * 1000LL;

/* 2030-01-01T00:00:00Z: ahead of the real clock, so that object time can be set to either side. */
enum { NEW_YEAR_S = 1893456000 };

static void set_secret(const char *name, int64_t exp_s)
{
    Answer answer = vault_call("PUT", text("/secrets/%s", name), text("{\"value\":\"v\",\"attributes\":{\"exp\":%lld}}", (long long)exp_s));
    expect_status(&answer, 200);
}

static void create_key(const char *name, int64_t exp_s)
{
    Answer answer = vault_call("POST", text("/keys/%s/create", name), text("{\"kty\":\"EC\",\"attributes\":{\"exp\":%lld}}", (long long)exp_s));
    expect_status(&answer, 200);
}

typedef struct Told { const char *name; FeedChange change; int64_t count; Str version; int64_t kind; } Told;

static bool told_txn(Txn *txn, void *ctx, Err *err)
{
    Told *told = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT version, kind FROM kv_feed WHERE name = ?1 AND change = ?2", db_text(str_from(told->name)), db_int(told->change)))
        return false;
    *err = (Err){ 0 };
    for (told->count = 0; rows_next(rows, err); told->count++) {
        told->version = str_dup(fix.arena, row_text(rows, 0));
        told->kind = row_int(rows, 1);
    }
    return err->code == ERR_NONE;
}

static Told told(const char *name, FeedChange change)
{
    Told wanted = { .name = name, .change = change };
    must(store_read(fix.site.store, told_txn, &wanted, &fix_err));
    return wanted;
}

static void expect_told(const char *name, int64_t near, int64_t expired)
{
    assert_int_equal(told(name, FEED_NEAR_EXPIRY).count, near);
    assert_int_equal(told(name, FEED_EXPIRED).count, expired);
}

enum { KINDS_OF_A_CERTIFICATE = 1 << KV_SECRET | 1 << KV_KEY | 1 << KV_CERTIFICATE };

static int64_t kinds_told(const char *name, FeedChange change)
{
    static const KvKind kinds[] = { KV_SECRET, KV_KEY, KV_CERTIFICATE };
    int64_t seen = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (count_of(text("SELECT count(*) FROM kv_feed WHERE name = '%s' AND change = %d AND kind = %d", name, (int)change, (int)kinds[i])) == 1)
            seen |= 1 << kinds[i];
    return seen;
}

static void go_to(int64_t ms)
{
    set_object_time(ms);
    (void)run_due(WORK_EXPIRY);
}

static void test_a_secret_is_told_of_thirty_days_before_and_at_its_expiry_once_each(void **state)
{
    (void)state;
    int64_t exp_s = NEW_YEAR_S, near_ms = exp_s * 1000 - 30 * DAY_MS;
    set_object_time(near_ms - 5 * DAY_MS);
    set_secret("expiring", exp_s);
    go_to(near_ms - 60000);
    expect_told("expiring", 0, 0);
    go_to(near_ms + 60000);
    expect_told("expiring", 1, 0);
    Answer secret = vault_call("GET", "/secrets/expiring", NULL);
    Told near = told("expiring", FEED_NEAR_EXPIRY);
    assert_true(str_ends(text_at(&secret, "id"), near.version));
    assert_int_equal(near.kind, KV_SECRET);
    go_to(near_ms + 10 * DAY_MS);
    expect_told("expiring", 1, 0);
    go_to(exp_s * 1000 + 60000);
    expect_told("expiring", 1, 1);
    go_to(exp_s * 1000 + 400 * DAY_MS);
    expect_told("expiring", 1, 1);
}

static void test_a_new_version_is_told_of_and_the_old_one_no_more(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    set_secret("followed", NEW_YEAR_S + 40 * 86400);
    set_secret("followed", NEW_YEAR_S + 80 * 86400);
    go_to((int64_t)NEW_YEAR_S * 1000 + 41 * DAY_MS);
    expect_told("followed", 0, 0);
    go_to((int64_t)NEW_YEAR_S * 1000 + 51 * DAY_MS);
    expect_told("followed", 1, 0);
    set_secret("followed", NEW_YEAR_S + 200 * 86400);
    go_to((int64_t)NEW_YEAR_S * 1000 + 100 * DAY_MS);
    expect_told("followed", 1, 0);
    go_to((int64_t)NEW_YEAR_S * 1000 + 201 * DAY_MS);
    expect_told("followed", 1, 1);              /* a clock that jumped over both tells of the expiry alone */
}

static void test_an_expiry_that_is_moved_is_told_of_at_its_new_time(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    set_secret("moved", NEW_YEAR_S + 35 * 86400);
    go_to((int64_t)NEW_YEAR_S * 1000 + 6 * DAY_MS);
    expect_told("moved", 1, 0);
    Answer tags = vault_call("PATCH", "/secrets/moved", "{\"tags\":{\"a\":\"b\"}}");
    expect_status(&tags, 200);
    go_to((int64_t)NEW_YEAR_S * 1000 + 7 * DAY_MS);
    expect_told("moved", 1, 0);                 /* tags alone change nothing */
    Answer moved = vault_call("PATCH", "/secrets/moved", text("{\"attributes\":{\"exp\":%d}}", NEW_YEAR_S + 100 * 86400));
    expect_status(&moved, 200);
    go_to((int64_t)NEW_YEAR_S * 1000 + 40 * DAY_MS);
    expect_told("moved", 1, 0);
    go_to((int64_t)NEW_YEAR_S * 1000 + 71 * DAY_MS);
    expect_told("moved", 2, 0);
}

static void test_what_is_deleted_is_not_told_of(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    set_secret("gone", NEW_YEAR_S + 31 * 86400);
    set_secret("back", NEW_YEAR_S + 31 * 86400);
    set_secret("purged", NEW_YEAR_S + 31 * 86400);
    static const char *const names[] = { "gone", "back", "purged" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        Answer answer = vault_call("DELETE", text("/secrets/%s", names[i]), NULL);
        expect_status(&answer, 200);
    }
    Answer purge = vault_call("DELETE", "/deletedsecrets/purged", NULL);
    expect_status(&purge, 204);
    assert_int_equal(count_of("SELECT count(*) FROM kv_expiry WHERE name_key = 'purged'"), 0);
    go_to((int64_t)NEW_YEAR_S * 1000 + 2 * DAY_MS);
    Answer recovered = vault_call("POST", "/deletedsecrets/back/recover", NULL);
    expect_status(&recovered, 200);
    go_to((int64_t)NEW_YEAR_S * 1000 + 32 * DAY_MS);
    expect_told("gone", 0, 0);
    expect_told("back", 0, 1);
    expect_told("purged", 0, 0);
}

static void test_a_key_with_a_rotation_policy_is_left_to_its_notify_action(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    create_key("plain", NEW_YEAR_S + 60 * 86400);
    create_key("ruled", NEW_YEAR_S + 60 * 86400);
    Answer policy = vault_call("PUT", "/keys/ruled/rotationpolicy",
                               "{\"lifetimeActions\":[{\"trigger\":{\"timeBeforeExpiry\":\"P10D\"},\"action\":{\"type\":\"Notify\"}}],\"attributes\":{\"expiryTime\":\"P60D\"}}");
    expect_status(&policy, 200);
    go_to((int64_t)NEW_YEAR_S * 1000 + 31 * DAY_MS);
    expect_told("plain", 1, 0);
    assert_int_equal(told("plain", FEED_NEAR_EXPIRY).kind, KV_KEY);
    assert_int_equal(told("ruled", FEED_NEAR_EXPIRY).count, 0);
    go_to((int64_t)NEW_YEAR_S * 1000 + 61 * DAY_MS);
    assert_int_equal(told("ruled", FEED_EXPIRED).count, 1);
}

/* Of a certificate all three are told of, each as what it is. */
static void test_a_certificate_is_told_of_with_its_key_and_secret(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    Answer operation = vault_call("POST", "/certificates/dated/create", "{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Self\"},\"x509_props\":{\"subject\":\"CN=d\",\"validity_months\":3},"
                                  "\"lifetime_actions\":[]}}");
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
    Answer bundle = vault_call("GET", "/certificates/dated/", NULL);
    int64_t exp_ms = int_at(&bundle, "attributes.exp") * 1000;
    assert_true(exp_ms > (int64_t)NEW_YEAR_S * 1000 + 80 * DAY_MS);
    go_to(exp_ms - 31 * DAY_MS);
    expect_told("dated", 0, 0);
    go_to(exp_ms - 29 * DAY_MS);
    assert_int_equal(kinds_told("dated", FEED_NEAR_EXPIRY), KINDS_OF_A_CERTIFICATE);
    expect_told("dated", 3, 0);
    go_to(exp_ms + DAY_MS);
    assert_int_equal(kinds_told("dated", FEED_EXPIRED), KINDS_OF_A_CERTIFICATE);
    expect_told("dated", 3, 3);
}

typedef struct Tell { Vault vault; Str version; } Tell;

static bool tell_txn(Txn *txn, void *ctx, Err *err)
{
    Tell *tell = ctx;
    bool found;
    return vault_by_name(fix.kv, txn, fix.arena, STR("vlt"), &tell->vault, &found, err) &&
           expiry_tell_near(txn, fix.arena, &tell->vault, KV_KEY, STR("Asked"), tell->version, object_now(), err);
}

static void test_what_an_action_tells_the_clock_does_not_tell_again(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    create_key("Asked", NEW_YEAR_S + 60 * 86400);
    Answer key = vault_call("GET", "/keys/Asked", NULL);
    Str kid = text_at(&key, "key.kid");
    Tell tell = { .version = str_slice(kid, kid.len - 32, kid.len) };
    must(store_write(fix.site.store, tell_txn, &tell, &fix_err));
    must(store_write(fix.site.store, tell_txn, &tell, &fix_err));
    expect_told("Asked", 1, 0);
    go_to((int64_t)NEW_YEAR_S * 1000 + 31 * DAY_MS);
    expect_told("Asked", 1, 0);
}

static void test_agents_are_not_told_of_expiries(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000);
    set_secret("quiet", NEW_YEAR_S + 31 * 86400);
    Answer now = vault_call("GET", "/changes", NULL);
    const char *cursor = text(STR_FMT, STR_ARG(text_at(&now, "cursor")));
    go_to((int64_t)NEW_YEAR_S * 1000 + 2 * DAY_MS);
    expect_told("quiet", 1, 0);
    Answer after = vault_call("GET", text("/changes?after=%s&wait=0", cursor), NULL);
    expect_status(&after, 200);
    assert_int_equal(json_count(json_get(after.json, "value")), 0);
}

static void test_the_clock_is_set_for_the_first_of_them(void **state)
{
    (void)state;
    set_object_time((int64_t)NEW_YEAR_S * 1000 - 3000 * DAY_MS);
    set_secret("late", NEW_YEAR_S + 3000 * 86400LL);
    set_secret("early", NEW_YEAR_S - 2900 * 86400LL);
    assert_int_equal(count_of("SELECT due_ms FROM runner_work WHERE kind = 'keyvault.expiry'"), ((int64_t)NEW_YEAR_S - 2930 * 86400LL) * 1000);
    set_secret("later", NEW_YEAR_S + 2000 * 86400LL);
    assert_int_equal(count_of("SELECT due_ms FROM runner_work WHERE kind = 'keyvault.expiry'"), ((int64_t)NEW_YEAR_S - 2930 * 86400LL) * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_clock_is_set_for_the_first_of_them),
        cmocka_unit_test(test_a_secret_is_told_of_thirty_days_before_and_at_its_expiry_once_each),
        cmocka_unit_test(test_a_new_version_is_told_of_and_the_old_one_no_more),
        cmocka_unit_test(test_an_expiry_that_is_moved_is_told_of_at_its_new_time),
        cmocka_unit_test(test_what_is_deleted_is_not_told_of),
        cmocka_unit_test(test_a_key_with_a_rotation_policy_is_left_to_its_notify_action),
        cmocka_unit_test(test_a_certificate_is_told_of_with_its_key_and_secret),
        cmocka_unit_test(test_what_an_action_tells_the_clock_does_not_tell_again),
        cmocka_unit_test(test_agents_are_not_told_of_expiries),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
