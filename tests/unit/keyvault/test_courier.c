/* test_courier.c - the thread that takes events to webhooks, before a webhook: consent, what is sent, what becomes of answers, and of a stop. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../parsed.h"
#include "event_fixture.h"
#include "keyvault/events/courier.h"

#define ORIGIN "eventgrid.vaultyard.localhost"
enum { WAITING_MAX = 64 };                  /* of the courier's: shakes that wait to be sent */

static Hook hook;

static void start_courier(void) { must(keyvault_start(fix.kv, NULL, &fix_err)); }

static void end_courier(void)
{
    keyvault_stop(fix.kv);
    courier_free(fix.kv);
}

static int begin(void **state)
{
    (void)state;
    hook_open(&hook);
    start_courier();
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_courier();
    hook_close(&hook);
    return 0;
}

static void until_count(const char *sql, int64_t wanted)
{
    for (int i = 0; count_of(sql) != wanted; i++) {
        if (i == 60 * 1000)
            fail_msg("%s: %lld", sql, (long long)count_of(sql));
        (void)usleep(1000);
    }
}

/* ---- consent ---- */

static ShakeState shaken(Shake *shake, char *why, size_t why_size)
{
    ShakeState state = SHAKE_WAITS;
    for (int i = 0; state == SHAKE_WAITS; i++) {
        if (i == 60 * 1000)
            fail_msg("no answer to a shake");
        (void)usleep(1000);
        state = shake_state(shake, why, why_size);
    }
    shake_release(shake);
    return state;
}

static Shake *shake(const char *url)
{
    fix_err = (Err){ 0 };
    return courier_shake(fix.kv, str_from(url), STR("key"), &fix_err);
}

static void test_an_endpoint_consents_by_its_header_and_nothing_else(void **state)
{
    (void)state;
    static const struct { int status; const char *headers; bool consents; } rows[] = {
        { 200, "WebHook-Allowed-Origin: *\r\n", true },
        { 200, "WebHook-Allowed-Origin: " ORIGIN "\r\n", true },
        { 200, "webhook-allowed-origin: EVENTGRID.vaultyard.localhost\r\n", true },
        { 200, "WebHook-Allowed-Origin: eventgrid.azure.net\r\nWebHook-Allowed-Rate: 120\r\n", true },
        { 404, "WebHook-Allowed-Origin: *\r\n", true },              /* the specification: the status means nothing */
        { 200, "", false },
        { 204, "Allow: OPTIONS, POST\r\n", false },
        { 200, "WebHook-Allowed-Origin: \r\n", false },
        { 200, "WebHook-Allowed-Origin: another.example\r\n", false },
        { 200, "WebHook-Allowed-Origin: eventgrid.azure.net.another.example\r\n", false },
        { 200, "WebHook-Allowed-Origin: **\r\n", false },
        { 200, "Access-Control-Allow-Origin: *\r\n", false },
        { 302, "Location: http://127.0.0.1:1/\r\n", false },         /* not followed: it consents for itself alone */
        { 500, "", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char why[400] = "";
        hook_answer(&hook, rows[i].status, rows[i].headers);
        Shake *asked = shake(hook_url(&hook));
        assert_non_null(asked);
        if (shaken(asked, why, sizeof why) != (rows[i].consents ? SHAKE_GOOD : SHAKE_BAD))
            fail_msg("%d %s: %s", rows[i].status, rows[i].headers, why);
        if (!rows[i].consents) {
            assert_has(str_from(why), text("status %d", rows[i].status));
            assert_has(str_from(why), ORIGIN);
        }
    }
    assert_int_equal(hook.count, COUNT_OF(rows));
    assert_true(str_starts(hook_asked(&hook, 0), STR("OPTIONS /hook HTTP/1.1\r\n")));
    assert_has(hook_asked(&hook, 0), "\r\nWebHook-Request-Origin: " ORIGIN "\r\n");
}

static void test_an_endpoint_that_cannot_be_asked_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);        /* the port is taken, and nobody listens */
    assert_int_equal(bind(fd, (struct sockaddr *)&where, len) + getsockname(fd, (struct sockaddr *)&where, &len), 0);
    hook_hang_up(&hook);
    const char *const urls[] = { text("http://127.0.0.1:%d/", ntohs(where.sin_port)), hook_url(&hook), "nonsense", "http://", "file:///etc/passwd" };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        char why[400] = "";
        Shake *asked = shake(urls[i]);
        assert_non_null(asked);
        assert_int_equal(shaken(asked, why, sizeof why), SHAKE_BAD);
        assert_true(why[0] != '\0');
    }
    (void)close(fd);
}

static void test_too_many_endpoints_at_once_are_refused_and_the_rest_is_asked(void **state)
{
    (void)state;
    Shake *shakes[COURIER_SHAKES + WAITING_MAX];
    char why[400];
    hook_answer(&hook, 200, "WebHook-Allowed-Origin: *\r\n");
    hook_hold(&hook, true);
    for (int i = 0; i < COURIER_SHAKES; i++)
        assert_non_null(shakes[i] = shake(hook_url(&hook)));
    hook_wait(&hook, COURIER_SHAKES);                               /* under way: none of them waits to be sent */
    for (int i = COURIER_SHAKES; i < COURIER_SHAKES + WAITING_MAX; i++)
        assert_non_null(shakes[i] = shake(hook_url(&hook)));
    assert_null(shake(hook_url(&hook)));
    assert_int_equal(fix_err.code, ERR_UNAVAILABLE);
    hook_hold(&hook, false);
    for (size_t i = 0; i < COUNT_OF(shakes); i++)
        assert_int_equal(shaken(shakes[i], why, sizeof why), SHAKE_GOOD);
    assert_int_equal(hook.count, COURIER_SHAKES + WAITING_MAX);
    assert_in_range(hook.most_open, 1, COURIER_SHAKES);
}

static void test_a_stop_answers_all_that_ask(void **state)
{
    (void)state;
    Shake *shakes[COURIER_SHAKES + 3];
    hook_hold(&hook, true);
    for (size_t i = 0; i < COUNT_OF(shakes); i++)
        assert_non_null(shakes[i] = shake(hook_url(&hook)));
    hook_wait(&hook, COURIER_SHAKES);
    keyvault_stop(fix.kv);
    for (size_t i = 0; i < COUNT_OF(shakes); i++) {
        char why[400] = "";
        assert_int_equal(shaken(shakes[i], why, sizeof why), SHAKE_BAD);
        assert_string_equal(why, "the server stops");
    }
    assert_null(shake(hook_url(&hook)));
    assert_int_equal(fix_err.code, ERR_UNAVAILABLE);
    keyvault_stop(fix.kv);                                          /* once more is fine */
}

/* ---- deliveries ---- */

#define ON_THE_WAY "SELECT count(*) FROM kv_event_delivery"
#define TRIED "SELECT count(*) FROM kv_event_delivery WHERE tries > 0"        /* more than once where this machine takes its time */

static void subscribe(void)
{
    (void)event_subscribe(hook_url(&hook), 30, 1440);
    courier_wake(fix.kv);
}

static Str header_in(Str request, const char *name)
{
    HttpAnswer head = { .raw_headers = request };
    return http_answer_header(&head, name);
}

static const JsonVal *event_in(Str request)
{
    size_t at;
    assert_true(str_find(request, STR("\r\n\r\n"), &at));
    return json_of(fix.arena, request.ptr + at + 4);
}

static void test_an_event_is_posted_as_a_cloud_event_and_gone_when_it_was_taken(void **state)
{
    (void)state;
    subscribe();
    event_set_secret("sent");
    hook_wait(&hook, 1);
    Str request = hook_asked(&hook, 0);
    assert_true(str_starts(request, STR("POST /hook HTTP/1.1\r\n")));
    assert_str(header_in(request, "Content-Type"), "application/cloudevents+json; charset=utf-8");
    assert_str(header_in(request, "WebHook-Request-Origin"), ORIGIN);
    assert_str(header_in(request, "aeg-event-type"), "Notification");
    assert_str(header_in(request, "aeg-subscription-name"), "S");
    assert_str(header_in(request, "aeg-delivery-count"), "0");
    const JsonVal *event = event_in(request);
    assert_str(json_str(json_get(event, "specversion")), "1.0");
    assert_str(json_str(json_get(event, "type")), "Microsoft.KeyVault.SecretNewVersionCreated");
    assert_str(json_str(json_get(event, "subject")), "sent");
    assert_true(str_eq(json_str(json_get(event, "id")), header_in(request, "aeg-output-event-id")));
    until_count(ON_THE_WAY, 0);
    assert_int_equal(hook.count, 1);
}

static void test_what_was_not_taken_stays_and_what_never_will_be_goes(void **state)
{
    (void)state;
    static const struct { int status; bool stays; } rows[] = { { 500, true }, { 404, true }, { 302, true }, { 429, true }, { 0, true }, { 400, false }, { 403, false }, { 413, false } };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        end_courier();                                              /* which endpoint fails is in memory alone: each row starts afresh */
        if (rows[i].status)
            hook_answer(&hook, rows[i].status, "");
        else
            hook_hang_up(&hook);
        (void)event_subscribe(hook_url(&hook), 30, 1440);
        event_set_secret("refused");
        size_t before = hook.count;
        start_courier();
        hook_wait(&hook, before + 1);
        if (rows[i].stays)
            until_count(TRIED, 1);
        else
            until_count(ON_THE_WAY, 0);
    }
}

static bool due_now_txn(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "UPDATE kv_event_delivery SET next_ms = 0");
}

static void test_the_next_try_is_the_same_event_counted(void **state)
{
    (void)state;
    hook_answer(&hook, 503, "");
    subscribe();
    event_set_secret("again");
    hook_wait(&hook, 1);
    until_count(TRIED, 1);
    hook_answer(&hook, 200, "");
    must(store_write(fix.site.store, due_now_txn, NULL, &fix_err));
    courier_wake(fix.kv);
    hook_wait(&hook, 2);
    until_count(ON_THE_WAY, 0);
    for (size_t i = 0; i < hook.count; i++) {
        Str first = hook_asked(&hook, 0), later = hook_asked(&hook, i);
        assert_str(header_in(later, "aeg-delivery-count"), text("%zu", i));
        assert_true(str_eq(header_in(first, "aeg-output-event-id"), header_in(later, "aeg-output-event-id")));
        assert_true(str_eq(json_str(json_get(event_in(first), "time")), json_str(json_get(event_in(later), "time"))));
    }
}

/* At least once: an answer that the server did not live to see does not count. */
static void test_what_was_under_way_at_a_stop_is_delivered_after_the_start(void **state)
{
    (void)state;
    subscribe();
    hook_hold(&hook, true);
    event_set_secret("under-way");
    hook_wait(&hook, 1);
    end_courier();
    assert_int_equal(count_of(ON_THE_WAY), 1);
    assert_int_equal(count_of(TRIED), 0);
    event_set_secret("meanwhile");                                  /* nobody carries it yet */
    hook_hold(&hook, false);
    start_courier();
    until_count("SELECT (SELECT count(*) FROM kv_event_delivery) + (SELECT MAX(f.number) - s.cursor FROM kv_event_subscription s JOIN kv_feed f ON f.vault = s.vault)", 0);
    assert_int_equal(hook.count, 3);
    assert_true(str_eq(header_in(hook_asked(&hook, 0), "aeg-output-event-id"), header_in(hook_asked(&hook, 1), "aeg-output-event-id")) ||
                str_eq(header_in(hook_asked(&hook, 0), "aeg-output-event-id"), header_in(hook_asked(&hook, 2), "aeg-output-event-id")));
}

static void test_one_subscription_gets_few_at_once_and_each_event_once(void **state)
{
    (void)state;
    enum { MANY = 40 };
    bool seen[MANY] = { false };
    end_courier();
    (void)event_subscribe(hook_url(&hook), 30, 1440);
    for (int i = 0; i < MANY; i++)
        event_set_secret(text("n%d", 100 + i));
    hook_hold(&hook, true);
    start_courier();
    hook_wait(&hook, COURIER_CALLS_EACH);
    hook_hold(&hook, false);
    hook_wait(&hook, MANY);
    until_count(ON_THE_WAY, 0);
    assert_int_equal(hook.count, MANY);
    assert_int_equal(hook.most_open, COURIER_CALLS_EACH);
    for (int i = 0; i < MANY; i++) {
        int64_t number;
        Str subject = json_str(json_get(event_in(hook_asked(&hook, (size_t)i)), "subject"));
        must(str_to_int64(str_slice(subject, 1, subject.len), 100, 100 + MANY - 1, &number, &fix_err));
        assert_false(seen[number - 100]);
        seen[number - 100] = true;
    }
}

static void test_nothing_is_sent_of_what_nobody_subscribed_to(void **state)
{
    (void)state;
    subscribe();
    event_set_secret("first");
    hook_wait(&hook, 1);
    Answer deleted = vault_call("DELETE", "/secrets/first", NULL);  /* the service has no event of it */
    expect_status(&deleted, 200);
    event_set_secret("last");
    hook_wait(&hook, 2);                                            /* comes after the deletion */
    until_count(ON_THE_WAY, 0);
    assert_str(json_str(json_get(event_in(hook_asked(&hook, 1)), "subject")), "last");
    assert_int_equal(hook.count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_endpoint_consents_by_its_header_and_nothing_else),
        TEST(test_an_endpoint_that_cannot_be_asked_is_refused_with_the_reason),
        TEST(test_too_many_endpoints_at_once_are_refused_and_the_rest_is_asked),
        TEST(test_a_stop_answers_all_that_ask),
        TEST(test_an_event_is_posted_as_a_cloud_event_and_gone_when_it_was_taken),
        TEST(test_what_was_not_taken_stays_and_what_never_will_be_goes),
        TEST(test_the_next_try_is_the_same_event_counted),
        TEST(test_what_was_under_way_at_a_stop_is_delivered_after_the_start),
        TEST(test_one_subscription_gets_few_at_once_and_each_event_once),
        TEST(test_nothing_is_sent_of_what_nobody_subscribed_to),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
