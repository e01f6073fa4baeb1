/* test_key_rotation.c - rotation of keys: asked for, and by the clock, which is in the test's hand. */
#include "fixture.h"
#include "keyvault/keys/key_notify.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/objects/feed.h"

#define DAY INT64_C(86400000)

static Answer make(const char *name, const char *body)
{
    Answer made = vault_call("POST", text("/keys/%s/create", name), body);
    expect_status(&made, 200);
    return made;
}

static Answer set_policy(const char *name, const char *body) { return vault_call("PUT", text("/keys/%s/rotationpolicy", name), body); }
static Answer get(const char *name) { return vault_call("GET", text("/keys/%s/", name), NULL); }
static Str version_of(const Answer *bundle) { Str kid = text_at(bundle, "key.kid"); return str_slice(kid, kid.len - 32, kid.len); }

static size_t versions(const char *name) { return version_count("keys", name); }

#define ROTATE(trigger) "{\"trigger\":{" trigger "},\"action\":{\"type\":\"Rotate\"}}"
#define NOTIFY(trigger) "{\"trigger\":{" trigger "},\"action\":{\"type\":\"notify\"}}"

static void test_a_key_rotated_by_hand_is_of_the_same_kind(void **state)
{
    (void)state;
    Answer first = make("hand", "{\"kty\":\"EC\",\"crv\":\"P-384\",\"key_ops\":[\"sign\"],\"tags\":{\"a\":\"b\"},\"attributes\":{\"exp\":4000000000}}");
    Answer second = vault_call("POST", "/keys/hand/rotate", "");
    expect_status(&second, 200);
    assert_false(str_eq(version_of(&first), version_of(&second)));
    assert_str(text_at(&second, "key.crv"), "P-384");
    assert_str(text_at(&second, "tags.a"), "b");
    assert_int_equal(json_count(json_path(second.json, "key.key_ops")), 1);
    assert_null(json_path(second.json, "attributes.exp"));  /* the policy says how long, and there is none */
    Answer now = get("hand");
    assert_true(str_eq(now.body, second.body));
    Answer rsa = make("bits", "{\"kty\":\"RSA\",\"key_size\":3072}"), rotated = vault_call("POST", "/keys/bits/rotate", NULL);
    expect_status(&rotated, 200);
    assert_int_equal(text_at(&rotated, "key.n").len, text_at(&rsa, "key.n").len);
    Answer old = vault_call("POST", text("/keys/hand/" STR_FMT "/sign", STR_ARG(version_of(&first))),
                            "{\"alg\":\"ES384\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    expect_status(&old, 200);                               /* the old version stays */
}

static void test_a_key_without_a_policy_shows_the_usual_one(void **state)
{
    (void)state;
    (void)make("plain", "{\"kty\":\"EC\"}");
    Answer policy = vault_call("GET", "/keys/plain/rotationpolicy", NULL);
    expect_status(&policy, 200);
    assert_int_equal(json_count(json_get(policy.json, "lifetimeActions")), 1);
    Str id = text_at(&policy, "id");
    assert_true(str_ends(id, STR("/keys/plain/rotationpolicy")));
    set_object_time(object_now() + 4000 * DAY);
    assert_int_equal(run_due(WORK_ROTATE), 0);
    assert_int_equal(versions("plain"), 1);
}

static void test_a_key_is_rotated_so_long_after_its_creation(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("after", "{\"kty\":\"EC\",\"tags\":{\"team\":\"a\"}}");
    Answer policy = set_policy("after", "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P30D\"") "," NOTIFY("\"timeBeforeExpiry\":\"P10D\"") "],\"attributes\":{\"expiryTime\":\"P2M\"}}");
    expect_status(&policy, 200);
    assert_str(text_at(&policy, "attributes.expiryTime"), "P2M");
    assert_int_equal(json_count(json_get(policy.json, "lifetimeActions")), 2);
    assert_true(int_at(&policy, "attributes.created") > 0);
    Answer again = vault_call("GET", "/keys/after/rotationpolicy", NULL);
    assert_true(str_eq(again.body, policy.body));
    set_object_time(start + 29 * DAY);
    (void)run_due(WORK_ROTATE);
    assert_int_equal(versions("after"), 1);
    set_object_time(start + 31 * DAY);
    assert_int_equal(run_due(WORK_ROTATE), 1);
    assert_int_equal(versions("after"), 2);
    Answer second = get("after");
    assert_str(text_at(&second, "tags.team"), "a");
    assert_in_range(int_at(&second, "attributes.exp"), (start + (31 + 59) * DAY) / 1000, (start + (31 + 63) * DAY) / 1000);
    assert_int_equal(run_due(WORK_ROTATE), 0);              /* once */
    set_object_time(start + 4000 * DAY);                    /* a clock that jumped years rotates once */
    assert_int_equal(run_due(WORK_ROTATE), 1);
    assert_int_equal(versions("after"), 3);
}

static void test_a_key_is_rotated_before_its_expiry(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer first = make("before", text("{\"kty\":\"EC\",\"attributes\":{\"exp\":%lld}}", (long long)((start + 100 * DAY) / 1000)));
    expect_status(&first, 200);
    Answer policy = set_policy("before", "{\"lifetimeActions\":[" ROTATE("\"timeBeforeExpiry\":\"P20D\"") "],\"attributes\":{\"expiryTime\":\"P90D\"}}");
    expect_status(&policy, 200);
    set_object_time(start + 79 * DAY);
    (void)run_due(WORK_ROTATE);
    assert_int_equal(versions("before"), 1);
    Answer changed = vault_call("PATCH", "/keys/before/", text("{\"attributes\":{\"exp\":%lld}}", (long long)((start + 200 * DAY) / 1000)));
    expect_status(&changed, 200);                           /* its expiry is another now, and so is the day */
    set_object_time(start + 81 * DAY);
    (void)run_due(WORK_ROTATE);
    assert_int_equal(versions("before"), 1);
    set_object_time(start + 181 * DAY);
    assert_int_equal(run_due(WORK_ROTATE), 1);
    assert_int_equal(versions("before"), 2);
    (void)make("endless", "{\"kty\":\"EC\"}");              /* no expiry: nothing to be before of */
    policy = set_policy("endless", "{\"lifetimeActions\":[" ROTATE("\"timeBeforeExpiry\":\"P20D\"") "],\"attributes\":{\"expiryTime\":\"P90D\"}}");
    expect_status(&policy, 200);
    set_object_time(start + 4000 * DAY);
    (void)run_due(WORK_ROTATE);
    assert_int_equal(versions("endless"), 1);
}

static void test_a_disabled_or_deleted_key_is_left_alone(void **state)
{
    (void)state;
    int64_t start = object_now();
    const char *policy = "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P30D\"") "]}";
    (void)make("off", "{\"kty\":\"EC\"}");
    (void)make("gone", "{\"kty\":\"EC\"}");
    Answer answer = set_policy("off", policy);
    expect_status(&answer, 200);
    answer = set_policy("gone", policy);
    expect_status(&answer, 200);
    answer = vault_call("PATCH", "/keys/off/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&answer, 200);
    answer = vault_call("DELETE", "/keys/gone", NULL);
    expect_status(&answer, 200);
    set_object_time(start + 31 * DAY);
    (void)run_due(WORK_ROTATE);
    assert_int_equal(versions("off"), 1);
    answer = vault_call("POST", "/deletedkeys/gone/recover", "");
    expect_status(&answer, 200);
    assert_int_equal(run_due(WORK_ROTATE), 1);              /* what became due meanwhile is done now */
    assert_int_equal(versions("gone"), 2);
    answer = vault_call("PATCH", "/keys/off/", "{\"attributes\":{\"enabled\":true}}");
    expect_status(&answer, 200);
    assert_int_equal(run_due(WORK_ROTATE), 1);
    answer = vault_call("DELETE", "/keys/gone", NULL);
    expect_status(&answer, 200);
    answer = vault_call("DELETE", "/deletedkeys/gone", NULL);
    expect_status(&answer, 204);
    assert_int_equal(count_of("SELECT COUNT(*) FROM kv_rotation WHERE name_key = 'gone'"), 0);
}

static void test_a_backup_brings_the_policy_along(void **state)
{
    (void)state;
    int64_t start = object_now();
    (void)make("copied", "{\"kty\":\"EC\"}");
    Answer policy = set_policy("copied", "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P30D\"") "],\"attributes\":{\"expiryTime\":\"P1Y\"}}");
    expect_status(&policy, 200);
    Answer backup = vault_call("POST", "/keys/copied/backup", "");
    expect_status(&backup, 200);
    Answer gone = vault_call("DELETE", "/keys/copied", NULL), purged = vault_call("DELETE", "/deletedkeys/copied", NULL);
    expect_status(&gone, 200);
    expect_status(&purged, 204);
    Answer restored = vault_call("POST", "/keys/restore", text("{\"value\":\"" STR_FMT "\"}", STR_ARG(text_at(&backup, "value"))));
    expect_status(&restored, 200);
    Answer again = vault_call("GET", "/keys/copied/rotationpolicy", NULL);
    assert_true(str_eq(again.body, policy.body));
    set_object_time(start + 31 * DAY);
    assert_int_equal(run_due(WORK_ROTATE), 1);
    assert_int_equal(versions("copied"), 2);
}

static void test_bad_policies_are_refused_by_field(void **state)
{
    (void)state;
    (void)make("strict", "{\"kty\":\"EC\"}");
    static const struct { const char *body, *word; } cases[] = {
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"30D\"") "]}",                                                      "timeAfterCreate" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P30\"") "]}",                                                      "timeAfterCreate" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P1D1M\"") "]}",                                                    "timeAfterCreate" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P99999999999999999999D\"") "]}",                                   "timeAfterCreate" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P6D\"") "]}",                                                      "7 days after" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P85D\"") "],\"attributes\":{\"expiryTime\":\"P90D\"}}",            "7 days before" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeBeforeExpiry\":\"P30D\"") "]}",                                                    "expiryTime" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeBeforeExpiry\":\"P85D\"") "],\"attributes\":{\"expiryTime\":\"P90D\"}}",           "7 days after" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P30D\",\"timeBeforeExpiry\":\"P30D\"") "]}",                       "either" },
        { "{\"lifetimeActions\":[" ROTATE("\"timeAfterCreate\":\"P30D\"") "," ROTATE("\"timeAfterCreate\":\"P40D\"") "]}",          "once" },
        { "{\"lifetimeActions\":[" NOTIFY("\"timeAfterCreate\":\"P30D\"") "]}",                                                     "Notify" },
        { "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P30D\"},\"action\":{\"type\":\"Spin\"}}]}",                    "action.type" },
        { "{\"lifetimeActions\":{}}",                                                                                              "lifetimeActions" },
        { "{\"attributes\":{\"expiryTime\":\"P27D\"}}",                                                                            "28 days" },
        { "{\"attributes\":{\"expiryTime\":9}}",                                                                                   "expiryTime" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = set_policy("strict", cases[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    assert_int_equal(count_of("SELECT COUNT(*) FROM kv_rotation WHERE name_key = 'strict'"), 0);
    Answer missing = set_policy("none-such", "{}"), rotated = vault_call("POST", "/keys/none-such/rotate", "");
    expect_error(&missing, 404, "KeyNotFound", NULL, "none-such");
    expect_error(&rotated, 404, "KeyNotFound", NULL, "none-such");
}

#define CASE(name) cmocka_unit_test_setup(name, object_time_back)

static int64_t notices(void) { return count_of("SELECT count(*) FROM kv_feed WHERE kind = 2 AND change = 7"); }     /* keys, FEED_NEAR_EXPIRY */

static void test_notify_tells_once_before_a_version_expires(void **state)
{
    (void)state;
    assert_int_equal(KV_KEY, 2);
    assert_int_equal(FEED_NEAR_EXPIRY, 7);
    int64_t start = object_now(), before = notices();
    (void)make("told", text("{\"kty\":\"EC\",\"attributes\":{\"exp\":%lld}}", (long long)(start + 100 * DAY) / 1000));
    Answer policy = set_policy("told", "{\"lifetimeActions\":[" NOTIFY("\"timeBeforeExpiry\":\"P20D\"") "],\"attributes\":{}}");
    expect_status(&policy, 200);
    set_object_time(start + 79 * DAY);
    assert_int_equal(run_due(WORK_NOTIFY), 0);
    set_object_time(start + 81 * DAY);
    assert_int_equal(run_due(WORK_NOTIFY), 1);
    assert_int_equal(notices(), before + 1);
    Answer touched = vault_call("PATCH", "/keys/told/", "{\"tags\":{\"a\":\"b\"}}");      /* scheduled anew, told already */
    expect_status(&touched, 200);
    (void)run_due(WORK_NOTIFY);
    assert_int_equal(notices(), before + 1);

    /* Another expiry is another matter. */
    Answer moved = vault_call("PATCH", "/keys/told/", text("{\"attributes\":{\"exp\":%lld}}", (long long)(start + 200 * DAY) / 1000));
    expect_status(&moved, 200);
    (void)run_due(WORK_NOTIFY);
    assert_int_equal(notices(), before + 1);
    set_object_time(start + 181 * DAY);
    assert_int_equal(run_due(WORK_NOTIFY), 1);
    assert_int_equal(notices(), before + 2);
}

static void test_notify_is_silent_of_what_is_gone_or_has_no_such_action(void **state)
{
    (void)state;
    int64_t start = object_now(), before = notices();
    static const char *const names[] = { "gone", "taken-off", "endless" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)make(names[i], i == 2 ? "{\"kty\":\"EC\"}" : text("{\"kty\":\"EC\",\"attributes\":{\"exp\":%lld}}", (long long)(start + 100 * DAY) / 1000));
        Answer policy = set_policy(names[i], "{\"lifetimeActions\":[" NOTIFY("\"timeBeforeExpiry\":\"P20D\"") "],\"attributes\":{}}");
        expect_status(&policy, 200);
    }
    Answer deleted = vault_call("DELETE", "/keys/gone", NULL), without = set_policy("taken-off", "{\"lifetimeActions\":[],\"attributes\":{}}");
    expect_status(&deleted, 200);
    expect_status(&without, 200);
    set_object_time(start + 150 * DAY);
    (void)run_due(WORK_NOTIFY);
    assert_int_equal(notices(), before);

    /* What comes back after its time is told of then. */
    Answer back = vault_call("POST", "/deletedkeys/gone/recover", NULL);
    expect_status(&back, 200);
    assert_int_equal(run_due(WORK_NOTIFY), 1);
    assert_int_equal(notices(), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_key_rotated_by_hand_is_of_the_same_kind),
        CASE(test_a_key_without_a_policy_shows_the_usual_one),
        CASE(test_a_key_is_rotated_so_long_after_its_creation),
        CASE(test_a_key_is_rotated_before_its_expiry),
        CASE(test_a_disabled_or_deleted_key_is_left_alone),
        CASE(test_a_backup_brings_the_policy_along),
        CASE(test_bad_policies_are_refused_by_field),
        CASE(test_notify_tells_once_before_a_version_expires),
        CASE(test_notify_is_silent_of_what_is_gone_or_has_no_such_action),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
