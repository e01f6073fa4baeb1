/* test_deliveries.c - bodies of event subscriptions, and events on their way: taken up, tried again, given up. The courier does not run here. */
#include "event_fixture.h"
#include "keyvault/events/delivery.h"
#include "keyvault/objects/feed.h"

static bool read_body(const char *body, bool is_patch, EventSubscription *io, Err *err)
{
    const JsonVal *json;
    must(json_parse(fix.arena, str_from(body), JSON_STRICT, &json, &fix_err));
    *err = (Err){ 0 };
    return event_subscription_read(json, is_patch, io, err);
}

#define HOOK "\"destination\":{\"endpointType\":\"WebHook\",\"properties\":{\"endpointUrl\":\"https://h/x\"}}"
#define SCHEMA "\"eventDeliverySchema\":\"CloudEventSchemaV1_0\""

static void test_a_body_is_read_with_the_services_defaults(void **state)
{
    (void)state;
    EventSubscription subscription = { 0 };
    Err err;
    assert_true(read_body("{" HOOK "," SCHEMA "}", false, &subscription, &err));
    assert_str(subscription.endpoint, "https://h/x");
    assert_int_equal(subscription.tries_max, 30);
    assert_int_equal(subscription.ttl_minutes, 1440);
    assert_true(event_subscription_wants(&subscription, STR("Microsoft.KeyVault.KeyExpired"), STR("any")));
    assert_true(read_body("{\"filter\":{\"subjectBeginsWith\":\"Web\",\"subjectEndsWith\":\"-1\",\"includedEventTypes\":[\"microsoft.keyvault.keyexpired\"]}}", true, &subscription, &err));
    assert_str(subscription.endpoint, "https://h/x");
    assert_true(read_body("{\"destination\":{\"endpointType\":\"WebHook\",\"properties\":{\"endpointBaseUrl\":\"https://h/x\"}}}", true, &subscription, &err));
    assert_str(subscription.endpoint, "https://h/x");
    assert_true(event_subscription_wants(&subscription, STR("Microsoft.KeyVault.KeyExpired"), STR("web-1")));
    assert_false(event_subscription_wants(&subscription, STR("Microsoft.KeyVault.KeyExpired"), STR("web-2")));
    assert_false(event_subscription_wants(&subscription, STR("Microsoft.KeyVault.SecretExpired"), STR("web-1")));
}

static void test_a_bad_body_is_refused_and_names_its_field(void **state)
{
    (void)state;
    static const struct { const char *body; ErrCode code; const char *word; } cases[] = {
        { "[]", ERR_BAD_INPUT, "properties" },
        { "{" SCHEMA "}", ERR_BAD_INPUT, "destination.endpointType" },
        { "{" SCHEMA ",\"destination\":{\"endpointType\":\"EventHub\"}}", ERR_NOT_BUILT, "EventHub" },
        { "{" SCHEMA ",\"destination\":{\"endpointType\":\"WebHook\"}}", ERR_BAD_INPUT, "endpointUrl" },
        { "{" SCHEMA ",\"destination\":{\"endpointType\":\"WebHook\",\"properties\":{\"endpointUrl\":\"https://\"}}}", ERR_BAD_INPUT, "https" },
        { "{" SCHEMA ",\"destination\":{\"endpointType\":\"WebHook\",\"properties\":{\"endpointUrl\":\"https://h/\\n\"}}}", ERR_BAD_INPUT, "control" },
        { "{" SCHEMA ",\"destination\":{\"endpointType\":\"WebHook\",\"properties\":{\"endpointUrl\":\"https://h/\",\"maxEventsPerBatch\":2}}}", ERR_NOT_BUILT, "maxEventsPerBatch" },
        { "{" HOOK ",\"eventDeliverySchema\":\"EventGridSchema\"}", ERR_NOT_BUILT, "CloudEventSchemaV1_0" },
        { "{" HOOK "," SCHEMA ",\"filter\":[]}", ERR_BAD_INPUT, "filter" },
        { "{" HOOK "," SCHEMA ",\"filter\":{\"includedEventTypes\":[1]}}", ERR_BAD_INPUT, "includedEventTypes" },
        { "{" HOOK "," SCHEMA ",\"filter\":{\"subjectBeginsWith\":1}}", ERR_BAD_INPUT, "subjectBeginsWith" },
        { "{" HOOK "," SCHEMA ",\"filter\":{\"isSubjectCaseSensitive\":\"yes\"}}", ERR_BAD_INPUT, "isSubjectCaseSensitive" },
        { "{" HOOK "," SCHEMA ",\"retryPolicy\":{\"maxDeliveryAttempts\":0}}", ERR_BAD_INPUT, "maxDeliveryAttempts" },
        { "{" HOOK "," SCHEMA ",\"retryPolicy\":{\"eventTimeToLiveInMinutes\":\"5\"}}", ERR_BAD_INPUT, "eventTimeToLiveInMinutes" },
        { "{" HOOK "," SCHEMA ",\"labels\":\"a\"}", ERR_BAD_INPUT, "labels" },
        { "{" HOOK "," SCHEMA ",\"expirationTimeUtc\":\"2030-01-01T00:00:00Z\"}", ERR_NOT_BUILT, "expirationTimeUtc" },
        { "{" HOOK "," SCHEMA ",\"deliveryWithResourceIdentity\":{}}", ERR_NOT_BUILT, "deliveryWithResourceIdentity" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EventSubscription subscription = { 0 };
        Err err;
        size_t at;
        if (read_body(cases[i].body, false, &subscription, &err) || err.code != cases[i].code || !str_find(str_from(err.text), str_from(cases[i].word), &at))
            fail_msg("%s: %d %s", cases[i].body, (int)err.code, err.text);
    }
}

static void test_every_event_has_a_type_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(event_type(KV_CERTIFICATE, FEED_NEAR_EXPIRY), "Microsoft.KeyVault.CertificateNearExpiry");
    assert_string_equal(event_type(FEED_OF_VAULT, FEED_POLICY_CHANGED), "Microsoft.KeyVault.VaultAccessPolicyChanged");
    assert_null(event_type(KV_SECRET, FEED_DELETED));
    assert_null(event_type(KV_SECRET, FEED_POLICY_CHANGED));
    assert_null(event_type(9, FEED_NEW_VERSION));
}

/* ---- on their way ---- */

static const int64_t T0 = 1900000000000;

static Str subscribe(int tries_max, int ttl_minutes) { return event_subscribe("https://h/x", tries_max, ttl_minutes); }

static void take_up(int64_t now_ms)
{
    bool more = true, any;
    while (more)
        must(delivery_take_up(fix.kv, now_ms, &more, &any, &fix_err));
}

typedef struct Due { Delivery *list; size_t count; int64_t next_ms; } Due;

static Due due_at(Str subscription, int64_t now_ms)
{
    Due due = { .next_ms = INT64_MAX };
    must(delivery_due(fix.kv, fix.arena, subscription, now_ms, 100, &due.list, &due.count, &due.next_ms, &fix_err));
    return due;
}

static DeliveryEnd try_once(Str subscription, int64_t number, int status, int64_t now_ms)
{
    DeliveryTry attempt = { .subscription = subscription, .number = number, .status = status };
    must(delivery_settle(fix.kv, now_ms, &attempt, 1, &fix_err));
    return attempt.end;
}

static void test_the_schedule_is_event_grids(void **state)
{
    (void)state;
    static const int64_t seconds[] = { 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 43200, 43200 };
    for (size_t i = 0; i < COUNT_OF(seconds); i++)
        assert_int_equal(delivery_wait_ms((int64_t)i + 1), 1000 * seconds[i]);
    assert_true(delivery_is_final(400) && delivery_is_final(401) && delivery_is_final(403) && delivery_is_final(413));
    assert_false(delivery_is_final(0) || delivery_is_final(404) || delivery_is_final(429) || delivery_is_final(500) || delivery_is_final(302));
}

static void test_an_event_is_tried_until_it_is_delivered(void **state)
{
    (void)state;
    Str id = subscribe(30, 1440);
    event_set_secret("tried");
    take_up(T0);
    Due due = due_at(id, T0);
    assert_int_equal(due.count, 1);
    assert_int_equal(due.list[0].tries, 0);
    int64_t number = due.list[0].number;
    Str event_id = due.list[0].event_id;
    assert_int_equal(try_once(id, number, 0, T0), DELIVERY_AGAIN);
    due = due_at(id, T0 + 9999);
    assert_int_equal(due.count, 0);
    assert_in_range(due.next_ms, T0 + 10000, T0 + 11000);
    due = due_at(id, T0 + 11000);
    assert_int_equal(due.count, 1);
    assert_int_equal(due.list[0].tries, 1);
    assert_true(str_eq(due.list[0].event_id, event_id));
    assert_int_equal(try_once(id, number, 503, T0 + 11000), DELIVERY_AGAIN);
    assert_int_equal(due_at(id, T0 + 11000 + 29999).count, 0);
    assert_int_equal(due_at(id, T0 + 11000 + 33000).count, 1);
    assert_int_equal(try_once(id, number, 202, T0 + 44000), DELIVERY_DONE);
    assert_int_equal(due_at(id, T0 + 86400000).count, 0);
    assert_int_equal(try_once(id, number, 500, T0 + 45000), DELIVERY_DROPPED);     /* a late answer of what is gone */
    assert_int_equal(count_of("SELECT count(*) FROM kv_event_delivery"), 0);
}

static void test_an_event_ends_after_its_tries_its_time_or_a_final_refusal(void **state)
{
    (void)state;
    Str id = subscribe(2, 1440);
    event_set_secret("twice");
    take_up(T0);
    int64_t number = due_at(id, T0).list[0].number;
    assert_int_equal(try_once(id, number, 500, T0), DELIVERY_AGAIN);
    assert_int_equal(try_once(id, number, 500, T0 + 11000), DELIVERY_DROPPED);

    id = subscribe(30, 1);
    event_set_secret("minute");
    take_up(T0);
    number = due_at(id, T0).list[0].number;
    assert_int_equal(try_once(id, number, 500, T0), DELIVERY_AGAIN);
    assert_int_equal(try_once(id, number, 500, T0 + 11000), DELIVERY_AGAIN);
    assert_int_equal(try_once(id, number, 500, T0 + 44000), DELIVERY_DROPPED);     /* the next try would be past the minute */

    static const int final[] = { 400, 401, 403, 413 };
    for (size_t i = 0; i < COUNT_OF(final); i++) {
        id = subscribe(30, 1440);
        event_set_secret("refused");
        take_up(T0);
        assert_int_equal(try_once(id, due_at(id, T0).list[0].number, final[i], T0), DELIVERY_DROPPED);
    }
    assert_int_equal(count_of("SELECT count(*) FROM kv_event_delivery"), 0);
}

static void test_the_default_ends_within_a_day_and_thirty_tries(void **state)
{
    (void)state;
    Str id = subscribe(30, 1440);
    event_set_secret("day");
    take_up(T0);
    int64_t number = due_at(id, T0).list[0].number, now = T0, tries = 0;
    for (DeliveryEnd end = DELIVERY_AGAIN; end == DELIVERY_AGAIN; tries++) {
        end = try_once(id, number, 500, now);
        Due due = due_at(id, now);
        if (end == DELIVERY_AGAIN)
            now = due.next_ms;
    }
    assert_in_range(tries, 9, 30);
    assert_in_range(now, T0 + 10 * 3600000LL, T0 + 24 * 3600000LL);
}

static void test_what_the_feed_let_go_was_taken_up_before(void **state)
{
    (void)state;
    Str id = subscribe(30, 1440);
    for (int i = 0; i < 450; i++)
        event_set_secret(text("many-%d", i));
    take_up(T0);
    assert_int_equal(count_of("SELECT count(*) FROM kv_event_delivery"), 450);
    assert_int_equal(count_of("SELECT s.cursor - MAX(f.number) FROM kv_event_subscription s JOIN kv_feed f ON f.vault = s.vault"), 0);
    take_up(T0);
    assert_int_equal(count_of("SELECT count(*) FROM kv_event_delivery"), 450);
    Due due = due_at(id, T0);
    assert_int_equal(due.count, 100);
    for (size_t i = 1; i < due.count; i++)
        assert_true(due.list[i].number > due.list[i - 1].number);
}

static bool old_cursor_txn(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "INSERT INTO kv_feed (vault, number, kind, name, change, time_ms) SELECT vault, MAX(number) + 20000, 1, 'far', 2, 0 FROM kv_feed GROUP BY vault") &&
           txn_exec(txn, NULL, err, "DELETE FROM kv_event_delivery");
}

static void test_the_feed_keeps_what_a_subscription_has_not_taken_up(void **state)
{
    (void)state;
    (void)subscribe(30, 1440);
    event_set_secret("kept");
    must(store_write(fix.site.store, old_cursor_txn, NULL, &fix_err));       /* as if 20,000 rows had been added meanwhile */
    for (int i = 0; i < FEED_TRIM; i++)
        event_set_secret("later");                                                  /* one of them trims the feed */
    assert_int_equal(count_of("SELECT count(*) FROM kv_feed WHERE name = 'kept'"), 1);
    take_up(T0);
    assert_int_equal(count_of("SELECT count(*) FROM kv_event_delivery WHERE name = 'kept'"), 1);
    assert_int_equal(count_of("SELECT count(*) FROM kv_event_delivery WHERE name = 'later'"), FEED_TRIM);
    for (int i = 0; i < FEED_TRIM; i++)
        event_set_secret("latest");
    assert_int_equal(count_of("SELECT count(*) FROM kv_feed WHERE name = 'kept'"), 0);
}

static void test_a_subscription_needs_a_server_that_delivers(void **state)
{
    (void)state;
    Answer answer = call("PUT", "management", text("/subscriptions/" STR_FMT VAULTS "vlt/providers/Microsoft.EventGrid/eventSubscriptions/hook?api-version=2022-06-15", STR_ARG(fix.subscription)),
                         fix.owner.arm_token, "{\"properties\":{" HOOK "," SCHEMA "}}");
    expect_status(&answer, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_is_read_with_the_services_defaults),
        cmocka_unit_test(test_a_bad_body_is_refused_and_names_its_field),
        cmocka_unit_test(test_every_event_has_a_type_of_its_own),
        cmocka_unit_test(test_the_schedule_is_event_grids),
        cmocka_unit_test(test_an_event_is_tried_until_it_is_delivered),
        cmocka_unit_test(test_an_event_ends_after_its_tries_its_time_or_a_final_refusal),
        cmocka_unit_test(test_the_default_ends_within_a_day_and_thirty_tries),
        cmocka_unit_test(test_what_the_feed_let_go_was_taken_up_before),
        cmocka_unit_test(test_the_feed_keeps_what_a_subscription_has_not_taken_up),
        cmocka_unit_test(test_a_subscription_needs_a_server_that_delivers),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
