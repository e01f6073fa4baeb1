/* test_changes.c - the change feed as a certificate agent reads it. */
#include <stdlib.h>
#include "base/clock.h"
#include "fixture.h"

static Answer changes(const char *query) { return vault_call("GET", text("/changes?%s", query), NULL); }
static const char *cursor_of(const Answer *answer) { return text(STR_FMT, STR_ARG(text_at(answer, "cursor"))); }
static const char *cursor_now(void) { Answer answer = vault_call("GET", "/changes", NULL); expect_status(&answer, 200); return cursor_of(&answer); }

static void set_secret(const char *name)
{
    Answer answer = vault_call("PUT", text("/secrets/%s", name), "{\"value\":\"v\"}");
    expect_status(&answer, 200);
}

/* Parked on vlt after this cursor. */
static void park(Parked *parked, const char *after, Str token) { parked_begin(parked, "vlt", text("after=%s", after), token); }

static void test_changes_come_in_order_and_only_once(void **state)
{
    (void)state;
    const char *start = cursor_now();
    set_secret("order-a");
    set_secret("order-b");
    Answer gone = vault_call("DELETE", "/secrets/order-a", NULL);
    expect_status(&gone, 200);
    Answer answer = changes(text("after=%s&wait=0", start));
    expect_status(&answer, 200);
    const JsonVal *list = json_get(answer.json, "value");
    assert_int_equal(json_count(list), 3);
    assert_str(json_str(json_get(json_at(list, 0), "name")), "order-a");
    assert_str(json_str(json_get(json_at(list, 0), "change")), "newVersion");
    assert_str(json_str(json_get(json_at(list, 1), "name")), "order-b");
    assert_str(json_str(json_get(json_at(list, 2), "change")), "deleted");
    Answer secret = vault_call("GET", "/secrets/order-b", NULL);
    assert_true(str_eq(text_at(&secret, "id"), json_str(json_get(json_at(list, 1), "id"))));
    answer = changes(text("after=%s&wait=0", cursor_of(&answer)));
    assert_int_equal(json_count(json_get(answer.json, "value")), 0);
    assert_false(json_bool(json_get(answer.json, "reset"), true));
}

static void test_a_long_feed_comes_in_pages_without_a_gap(void **state)
{
    (void)state;
    const char *cursor = cursor_now();
    for (int i = 0; i < 230; i++)
        set_secret(text("page-%03d", i));
    size_t seen = 0, pages = 0;
    for (size_t count = 1; count > 0; pages++) {
        Answer answer = changes(text("after=%s&wait=0", cursor));
        count = json_count(json_get(answer.json, "value"));
        assert_true(count <= 100);
        for (size_t i = 0; i < count; i++, seen++)
            assert_str(json_str(json_get(json_at(json_get(answer.json, "value"), i), "name")), text("page-%03d", (int)seen));
        cursor = cursor_of(&answer);
    }
    assert_int_equal(seen, 230);
    assert_int_equal(pages, 4);
}

static void test_a_parked_request_is_answered_by_the_change(void **state)
{
    (void)state;
    Parked parked;
    const char *cursor = cursor_now();
    park(&parked, cursor, fix.owner.vault_token);
    set_secret("parked");
    const JsonVal *body = parked_end(&parked, 200);
    assert_int_equal(json_count(json_get(body, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(body, "value"), 0), "name")), "parked");
    assert_true(parked.took_ms < 20000);                     /* not by the end of the park */
    arena_free(parked.arena);
}

static void test_changes_of_keys_do_not_answer_and_are_not_told(void **state)
{
    (void)state;
    Parked parked;
    park(&parked, cursor_now(), fix.owner.vault_token);
    Answer key = vault_call("POST", "/keys/feed-key/create", "{\"kty\":\"EC\",\"crv\":\"P-256\"}");
    expect_status(&key, 200);
    set_secret("after-key");
    const JsonVal *body = parked_end(&parked, 200);
    assert_int_equal(json_count(json_get(body, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(body, "value"), 0), "name")), "after-key");
    arena_free(parked.arena);
}

static void policy_of_nobody(const char *verb)
{
    Answer answer = arm_call("PUT", text(VAULTS "vlt/accessPolicies/%s", verb),
                             text("{\"properties\":{\"accessPolicies\":[{\"tenantId\":\"" STR_FMT "\",\"objectId\":\"" STR_FMT "\",\"permissions\":{\"secrets\":[\"get\"]}}]}}",
                                  STR_ARG(fix.site.tenant_id), STR_ARG(fix.nobody.principal.object_id)));
    assert_in_range(answer.status, 200, 201);
}

static void test_a_permission_taken_away_while_parked_ends_in_a_refusal(void **state)
{
    (void)state;
    Parked parked;
    policy_of_nobody("add");
    park(&parked, cursor_now(), fix.nobody.vault_token);
    policy_of_nobody("remove");
    set_secret("not-for-nobody");
    const JsonVal *body = parked_end(&parked, 403);
    assert_str(json_str(json_path(body, "error.code")), "Forbidden");
    size_t at;
    assert_false(str_find(parked.answer.body, STR("not-for-nobody"), &at));
    arena_free(parked.arena);
}

static void test_who_says_how_long_he_waits_waits_for_the_permission_too(void **state)
{
    (void)state;
    Parked parked;
    parked_begin(&parked, "vlt", "wait=50", fix.nobody.vault_token);
    set_secret("not-heard");                                 /* wakes him, and tells him nothing */
    policy_of_nobody("add");
    const JsonVal *body = parked_end(&parked, 200);
    assert_int_equal(json_count(json_get(body, "value")), 0);
    assert_str(json_str(json_get(body, "cursor")), cursor_now());
    assert_true(parked.took_ms < 20000);
    arena_free(parked.arena);
    policy_of_nobody("remove");
}

static void test_what_changed_meanwhile_is_told_with_the_permission(void **state)
{
    (void)state;
    Parked parked;
    parked_begin(&parked, "vlt", text("wait=50&after=%s", cursor_now()), fix.nobody.vault_token);
    set_secret("meanwhile");
    policy_of_nobody("add");
    const JsonVal *body = parked_end(&parked, 200);
    assert_int_equal(json_count(json_get(body, "value")), 1);
    assert_str(json_str(json_get(json_at(json_get(body, "value"), 0), "name")), "meanwhile");
    arena_free(parked.arena);
    /* Nothing happened, but that he may hear is news. */
    policy_of_nobody("remove");
    parked_begin(&parked, "vlt", text("wait=50&after=%s", cursor_now()), fix.nobody.vault_token);
    policy_of_nobody("add");
    body = parked_end(&parked, 200);
    assert_int_equal(json_count(json_get(body, "value")), 0);
    assert_true(parked.took_ms < 20000);
    arena_free(parked.arena);
    policy_of_nobody("remove");
}

static Answer as_nobody(const char *query) { return call("GET", "vlt.vault", text("/changes" API "&%s", query), fix.nobody.vault_token, NULL); }

static void test_who_is_given_nothing_is_refused_when_his_time_is_over(void **state)
{
    (void)state;
    const char *cursor = cursor_now();
    int64_t begun_ms = mono_now_ms();
    Answer answer = as_nobody(text("after=%s&wait=1", cursor));
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "does not have secrets get permission");
    assert_true(mono_now_ms() - begun_ms >= 1000);
    /* Who does not say that he waits, or that he does not, is refused at once. */
    const char *const at_once[] = { "", text("after=%s", cursor), text("after=%s&wait=0", cursor), "wait=56", "wait=x" };
    for (size_t i = 0; i < COUNT_OF(at_once); i++) {
        begun_ms = mono_now_ms();
        answer = as_nobody(at_once[i]);
        expect_error(&answer, 403, "Forbidden", "AccessDenied", "secrets get permission");
        assert_true(mono_now_ms() - begun_ms < 20000);
    }
}

static void test_a_permission_taken_away_is_told_at_once_also_to_who_says_how_long_he_waits(void **state)
{
    (void)state;
    Parked parked;
    policy_of_nobody("add");
    parked_begin(&parked, "vlt", text("wait=50&after=%s", cursor_now()), fix.nobody.vault_token);
    policy_of_nobody("remove");
    (void)parked_end(&parked, 403);
    assert_true(parked.took_ms < 20000);
    arena_free(parked.arena);
}

static void test_permissions_of_others_answer_nobody(void **state)
{
    (void)state;
    Parked parked;
    parked_begin(&parked, "vlt", text("wait=50&after=%s", cursor_now()), fix.owner.vault_token);
    policy_of_nobody("add");
    policy_of_nobody("remove");
    set_secret("after-policies");
    const JsonVal *body = parked_end(&parked, 200);
    assert_int_equal(json_count(json_get(body, "value")), 1);
    arena_free(parked.arena);
}

static void test_the_cursor_outlives_the_server(void **state)
{
    (void)state;
    const char *cursor = cursor_now();
    set_secret("before-restart");
    fixture_reopen();
    Answer answer = changes(text("after=%s", cursor));       /* something is there already, so this does not wait */
    expect_status(&answer, 200);
    assert_int_equal(json_count(json_get(answer.json, "value")), 1);
}

static void test_a_cursor_of_another_history_starts_over(void **state)
{
    (void)state;
    char *cursor = text("%s", cursor_now());
    Str vault = vault_id_of("vlt");
    long long number = atoll(strchr(cursor, '-') + 1);
    char *cases[] = {
        text("00000000-1-1"),                                                       /* of another vault */
        text(STR_FMT "-%lld-5", STR_ARG(str_slice(vault, 0, 8)), number + 1000),    /* of a feed that was set back */
        text(STR_FMT "-%lld-5", STR_ARG(str_slice(vault, 0, 8)), number),           /* set back and grown again: that number, another time */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = changes(text("after=%s", cases[i]));
        expect_status(&answer, 200);
        assert_true(json_bool(json_get(answer.json, "reset"), false));
        assert_string_equal(cursor_of(&answer), cursor);
        assert_int_equal(json_count(json_get(answer.json, "value")), 0);
    }
}

static bool grow_number(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "INSERT INTO kv_feed (vault, number, kind, name, change, time_ms) SELECT vault, MAX(number) + 9990, 2, 'far', 2, 0 FROM kv_feed"
                    " WHERE vault = (SELECT id FROM kv_vault WHERE name_key = 'vlt')");
}

static void test_old_entries_go_and_a_cursor_from_before_them_starts_over(void **state)
{
    (void)state;
    Err err = { 0 };
    set_secret("trim-a");
    const char *old = cursor_now();
    assert_true(store_write(fix.site.store, grow_number, NULL, &err));
    set_secret("trim-b");
    const char *kept = cursor_now();
    Answer answer = changes(text("after=%s&wait=0", old));
    assert_false(json_bool(json_get(answer.json, "reset"), true));           /* its row is still there */
    for (int i = 0; i < 40; i++)
        set_secret("trim-c");
    assert_int_equal(count_of("SELECT count(*) FROM kv_feed f JOIN kv_vault v ON v.id = f.vault WHERE v.name_key = 'vlt'"
                              " AND f.number <= (SELECT MAX(number) FROM kv_feed WHERE vault = v.id) - 10016"), 0);
    answer = changes(text("after=%s&wait=0", old));
    expect_status(&answer, 200);
    assert_true(json_bool(json_get(answer.json, "reset"), false));
    assert_int_equal(json_count(json_get(answer.json, "value")), 0);
    answer = changes(text("after=" STR_FMT "-0-0&wait=0", STR_ARG(str_slice(vault_id_of("vlt"), 0, 8))));
    assert_true(json_bool(json_get(answer.json, "reset"), false));           /* of the vault's first moment */
    answer = changes(text("after=%s&wait=0", kept));
    assert_false(json_bool(json_get(answer.json, "reset"), true));
    assert_int_equal(json_count(json_get(answer.json, "value")), 40);
}

static void test_bad_queries_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const bad[] = { "after=", "after=7", "after=abc-1-1", "after=00000000-x-1", "after=00000000--1", "after=00000000-1-1-1", "after=00000000-1" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Answer answer = changes(bad[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "after");
    }
    static const char *const waits[] = { "wait=-1", "wait=56", "wait=1s", "wait=" };
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        Answer answer = changes(waits[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "wait");
    }
    Answer none = call("GET", "vlt.vault", "/changes", fix.owner.vault_token, NULL);
    expect_error(&none, 400, "BadParameter", NULL, "api-version");
    Answer post = call("POST", "vlt.vault", "/changes" API, fix.owner.vault_token, "{}");
    expect_status(&post, 405);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_come_in_order_and_only_once),
        cmocka_unit_test(test_a_long_feed_comes_in_pages_without_a_gap),
        cmocka_unit_test(test_a_parked_request_is_answered_by_the_change),
        cmocka_unit_test(test_changes_of_keys_do_not_answer_and_are_not_told),
        cmocka_unit_test(test_a_permission_taken_away_while_parked_ends_in_a_refusal),
        cmocka_unit_test(test_who_says_how_long_he_waits_waits_for_the_permission_too),
        cmocka_unit_test(test_what_changed_meanwhile_is_told_with_the_permission),
        cmocka_unit_test(test_who_is_given_nothing_is_refused_when_his_time_is_over),
        cmocka_unit_test(test_a_permission_taken_away_is_told_at_once_also_to_who_says_how_long_he_waits),
        cmocka_unit_test(test_permissions_of_others_answer_nobody),
        cmocka_unit_test(test_the_cursor_outlives_the_server),
        cmocka_unit_test(test_a_cursor_of_another_history_starts_over),
        cmocka_unit_test(test_old_entries_go_and_a_cursor_from_before_them_starts_over),
        cmocka_unit_test(test_bad_queries_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
