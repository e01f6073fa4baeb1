/* test_secrets.c - the data plane: challenge, errors, headers, audit; secrets and their soft deletion. */
#include <stdio.h>
#include <stdlib.h>
#include "fixture.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/data_routes.h"

/* ---- who may ask ---- */

static void test_call_without_token_gets_the_challenge(void **state)
{
    (void)state;
    static const struct { const char *method, *path, *body; } calls[] = {
        { "GET", "/secrets" API, NULL },           { "PUT", "/secrets/x" API, NULL },                     { "PUT", "/secrets/x" API, "not json" },
        { "GET", "/secrets/no_such!" API, NULL },  { "POST", "/certificates/c/create" API, NULL },        { "DELETE", "/keys/k" API, NULL },
    };
    Str wanted = str_printf(fix.arena, "Bearer authorization=\"http%s://login.vaultyard.localhost:%d/" STR_FMT "\", resource=\"https://vault.vaultyard.localhost:%d\"",
                            "s", fix.site.names.port, STR_ARG(fix.site.tenant_id), fix.site.names.port);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        Answer answer = call(calls[i].method, "vlt.vault", calls[i].path, STR_NONE, calls[i].body);
        expect_error(&answer, 401, "Unauthorized", NULL, "AKV10000: Request is missing a Bearer or PoP token.");
        if (!str_eq(header(&answer, "WWW-Authenticate"), wanted))
            fail_msg("'" STR_FMT "', wanted '" STR_FMT "'", STR_ARG(header(&answer, "WWW-Authenticate")), STR_ARG(wanted));
    }
}

static void test_foreign_and_broken_tokens_are_refused(void **state)
{
    (void)state;
    Answer answer = call("GET", "vlt.vault", "/secrets" API, fix.owner.arm_token, NULL);
    expect_error(&answer, 401, "Unauthorized", NULL, "AKV10022: Invalid audience.");
    assert_non_null(header(&answer, "WWW-Authenticate").ptr);
    answer = call("GET", "vlt.vault", "/secrets" API, STR("nonsense"), NULL);
    expect_status(&answer, 401);
    char *flipped = str_to_cstr(fix.arena, fix.owner.vault_token, &(Err){ 0 });
    char *middle = flipped + strlen(flipped) - 40;
    *middle = *middle == 'A' ? 'B' : 'A';
    answer = call("GET", "vlt.vault", "/secrets" API, str_from(flipped), NULL);
    expect_status(&answer, 401);
}

static void test_caller_without_policy_is_refused_by_name(void **state)
{
    (void)state;
    Answer answer = call("PUT", "vlt.vault", "/secrets/x" API, fix.nobody.vault_token, "{\"value\":\"v\"}");
    expect_error(&answer, 403, "Forbidden", "AccessDenied", "does not have secrets set permission on key vault 'vlt;location=westus2'");
    Str who = str_printf(fix.arena, "'appid=" STR_FMT ";oid=" STR_FMT ";iss=", STR_ARG(fix.nobody.principal.app_id), STR_ARG(fix.nobody.principal.object_id));
    size_t at;
    assert_true(str_find(text_at(&answer, "error.message"), who, &at));
    answer = vault_call("GET", "/secrets/x", NULL);
    expect_status(&answer, 404);
}

static void test_api_version_is_needed(void **state)
{
    (void)state;
    Answer answer = call("GET", "vlt.vault", "/secrets", fix.owner.vault_token, NULL);
    expect_error(&answer, 400, "BadParameter", NULL, "api-version");
    answer = call("GET", "vlt.vault", "/secrets?api%2Dversion=2025-07-01", fix.owner.vault_token, NULL);
    expect_status(&answer, 200);
}

static void test_every_answer_carries_the_services_headers(void **state)
{
    (void)state;
    Answer answer = vault_call("GET", "/secrets", NULL);
    assert_str(header(&answer, "x-ms-keyvault-region"), "westus2");
    assert_str(header(&answer, "Cache-Control"), "no-cache");
    assert_str(header(&answer, "X-Content-Type-Options"), "nosniff");
    assert_str(header(&answer, "Strict-Transport-Security"), "max-age=31536000;includeSubDomains");
    assert_int_equal(header(&answer, "x-ms-request-id").len, 36);
    assert_non_null(header(&answer, "x-ms-keyvault-service-version").ptr);
}

static void test_unknown_paths_and_methods(void **state)
{
    (void)state;
    Answer answer = vault_call("GET", "/nothing", NULL);
    expect_status(&answer, 404);
    answer = vault_call("PUT", "/secrets/", "{\"value\":\"v\"}");
    expect_error(&answer, 405, "MethodNotAllowed", NULL, "");
}

/* "/keys/{name}/{version?}/sign" as a path that its route takes. */
static const char *path_of_route(const Route *route)
{
    AUTO(buf_done_auto) Buf path = { 0 };
    buf_init(&path, 256);
    bool inside = false;
    for (const char *c = route->path; *c; c++) {
        if (*c == '{')
            buf_put_char(&path, 'x');
        inside = *c == '{' || (inside && *c != '}');
        if (!inside && *c != '}')
            buf_put_char(&path, *c);
    }
    return route->since ? text(STR_FMT "?api-version=%s", STR_ARG(buf_str(&path)), route->since) : text(STR_FMT API, STR_ARG(buf_str(&path)));
}

static void test_each_route_refuses_who_may_not(void **state)
{
    (void)state;
    static const char *const methods[] = { [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PUT] = "PUT", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE" };
    for (size_t i = 0; i < data_route_count; i++) {
        const Route *route = &data_routes[i];
        if (strcmp(route->permission, PERM_PUBLIC) == 0) {      /* what relying parties of an authority need, and nothing else */
            assert_true(strncmp(route->path, "/ca/", 4) == 0 || strncmp(route->path, "/crl/", 5) == 0 || strncmp(route->path, "/ocsp/", 6) == 0);
            continue;
        }
        const char *path = path_of_route(route), *method = methods[route->method];
        Str words = str_from(text("does not have %s permission", route->permission));
        *(char *)strchr(words.ptr, '/') = ' ';
        Answer none = call(method, "vlt.vault", path, STR_NONE, NULL), foreign = call(method, "vlt.vault", path, fix.owner.arm_token, NULL);
        Answer denied = call(method, "vlt.vault", path, fix.nobody.vault_token, NULL);
        if (none.status != 401 || foreign.status != 401)
            fail_msg("%s %s: %d without a token, %d with one for Resource Manager", method, path, none.status, foreign.status);
        expect_error(&denied, 403, "Forbidden", "AccessDenied", words.ptr);
    }
}

/* ---- secrets ---- */

static void test_set_secret_reads_back_with_all_it_was_given(void **state)
{
    (void)state;
    Answer set = vault_call("PUT", "/secrets/Full", "{\"value\":\"h\\u00e9llo \\\"you\\\"\",\"contentType\":\"text/plain\",\"tags\":{\"a\":\"b\"},\"attributes\":{\"nbf\":100,\"exp\":4000000000}}");
    expect_status(&set, 200);
    assert_str(text_at(&set, "value"), "h\xc3\xa9llo \"you\"");
    Str base = str_printf(fix.arena, "https://vlt.vault.vaultyard.localhost:%d/secrets/Full/", fix.site.names.port);
    Str id = text_at(&set, "id");
    assert_true(str_starts(id, base));
    assert_int_equal(id.len, base.len + 32);
    assert_str(text_at(&set, "attributes.recoveryLevel"), "Recoverable+Purgeable");
    assert_int_equal(int_at(&set, "attributes.recoverableDays"), 90);
    assert_int_equal(int_at(&set, "attributes.exp"), 4000000000);

    static const char *const paths[] = { "/secrets/full", "/secrets/FULL/", "/secrets/Full" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        Answer got = vault_call("GET", paths[i], NULL);
        expect_status(&got, 200);
        assert_true(str_eq(text_at(&got, "id"), id));
        assert_true(str_eq(text_at(&got, "value"), text_at(&set, "value")));
        assert_str(text_at(&got, "tags.a"), "b");
        assert_str(text_at(&got, "contentType"), "text/plain");
        assert_null(json_get(got.json, "managed"));
    }
}

static void test_versions_keep_their_values(void **state)
{
    (void)state;
    Answer first = vault_call("PUT", "/secrets/many", "{\"value\":\"1\"}"), second = vault_call("PUT", "/secrets/many", "{\"value\":\"2\"}");
    Str version = str_slice(text_at(&first, "id"), text_at(&first, "id").len - 32, text_at(&first, "id").len);
    Answer old = vault_call("GET", str_printf(fix.arena, "/secrets/many/" STR_FMT "%c", STR_ARG(version), '\0').ptr, NULL);
    expect_status(&old, 200);
    assert_str(text_at(&old, "value"), "1");
    Answer now = vault_call("GET", "/secrets/many", NULL);
    assert_str(text_at(&now, "value"), "2");
    assert_true(str_eq(text_at(&now, "id"), text_at(&second, "id")));
    Answer list = vault_call("GET", "/secrets/many/versions", NULL);
    expect_status(&list, 200);
    assert_int_equal(json_count(json_get(list.json, "value")), 2);
    assert_int_equal(json_kind(json_get(list.json, "nextLink")), JSON_NULL);
    assert_null(json_get(json_at(json_get(list.json, "value"), 0), "value"));
    Answer none = vault_call("GET", "/secrets/never-set/versions", NULL);
    expect_status(&none, 200);
    assert_int_equal(json_count(json_get(none.json, "value")), 0);
    Answer wrong = vault_call("GET", "/secrets/many/00000000000000000000000000000000", NULL);
    expect_error(&wrong, 404, "SecretNotFound", NULL, "many/00000000000000000000000000000000");
}

static void test_lists_come_in_pages_without_values(void **state)
{
    (void)state;
    Answer vault = make_vault("paged", "");
    expect_status(&vault, 201);
    for (int i = 0; i < 27; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/secrets/s%02d" API, i);
        Answer set = call("PUT", "paged.vault", path, fix.owner.vault_token, "{\"value\":\"v\"}");
        expect_status(&set, 200);
    }
    Answer page = call("GET", "paged.vault", "/secrets" API, fix.owner.vault_token, NULL);
    expect_status(&page, 200);
    assert_int_equal(json_count(json_get(page.json, "value")), 25);
    const JsonVal *first = json_at(json_get(page.json, "value"), 0);
    assert_true(str_ends(json_str(json_get(first, "id")), STR("/secrets/s00")));
    assert_null(json_get(first, "value"));
    Str next = text_at(&page, "nextLink");
    size_t path_at;
    assert_true(str_find(next, STR("/secrets?"), &path_at));
    page = call("GET", "paged.vault", str_to_cstr(fix.arena, str_slice(next, path_at, next.len), &(Err){ 0 }), fix.owner.vault_token, NULL);
    expect_status(&page, 200);
    assert_int_equal(json_count(json_get(page.json, "value")), 2);
    assert_int_equal(json_kind(json_get(page.json, "nextLink")), JSON_NULL);
    static const char *const wrong[] = { "maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=%21" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        Answer refused = vault_call("GET", str_printf(fix.arena, "/secrets?%s%c", wrong[i], '\0').ptr, NULL);
        expect_error(&refused, 400, "BadParameter", NULL, "");
    }
}

static void test_bad_secrets_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *path, *body, *inner, *word; } cases[] = {
        { "/secrets/my_secret", "{\"value\":\"v\"}",                                        NULL, "The request URI contains an invalid name: my_secret" },
        { "/secrets/bad",       "{}",                                                       NULL, "value" },
        { "/secrets/bad",       "{\"value\":7}",                                            NULL, "value" },
        { "/secrets/bad",       "{\"value\":\"v\",\"value\":\"w\"}",                        NULL, "value" },
        { "/secrets/bad",       "{\"value\":\"v\",}",                                       NULL, "" },
        { "/secrets/bad",       "[]",                                                       NULL, "" },
        { "/secrets/bad",       NULL,                                                       NULL, "" },
        { "/secrets/bad",       "{\"value\":\"v\",\"tags\":{\"a\":1}}",                     NULL, "tag" },
        { "/secrets/bad",       "{\"value\":\"v\",\"attributes\":{\"exp\":\"tomorrow\"}}",  NULL, "exp" },
        { "/secrets/bad",       "{\"value\":\"v\",\"attributes\":{\"nbf\":9,\"exp\":8}}",   NULL, "exp" },
        { "/secrets/bad",       "{\"value\":\"v\",\"contentType\":7}",                      NULL, "contentType" },
        { "/secrets/bad",       "{\"value\":\"\\u0000\"}",                                  NULL, "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = vault_call("PUT", cases[i].path, cases[i].body);
        expect_error(&answer, 400, "BadParameter", cases[i].inner, cases[i].word);
    }
    Answer none = vault_call("GET", "/secrets/bad", NULL);
    expect_error(&none, 404, "SecretNotFound", NULL, "A secret with (name/id) bad was not found in this key vault.");
}

static void test_value_may_have_25600_bytes_and_no_more(void **state)
{
    (void)state;
    char *body = malloc(26000);
    assert_non_null(body);
    (void)snprintf(body, 26000, "{\"value\":\"%025600d\"}", 0);
    Answer most = vault_call("PUT", "/secrets/large", body);
    expect_status(&most, 200);
    (void)snprintf(body, 26000, "{\"value\":\"%025601d\"}", 0);
    Answer more = vault_call("PUT", "/secrets/large", body);
    expect_error(&more, 400, "BadParameter", "SecretTooLarge", "25600");
    free(body);
    Answer got = vault_call("GET", "/secrets/large", NULL);
    assert_int_equal(text_at(&got, "value").len, 25600);
    Answer empty = vault_call("PUT", "/secrets/empty", "{\"value\":\"\"}");
    expect_status(&empty, 200);
    empty = vault_call("GET", "/secrets/empty", NULL);
    assert_non_null(json_get(empty.json, "value"));
    assert_int_equal(text_at(&empty, "value").len, 0);
}

static void test_update_changes_properties_and_never_the_value(void **state)
{
    (void)state;
    Answer set = vault_call("PUT", "/secrets/upd", "{\"value\":\"v\",\"contentType\":\"a\",\"tags\":{\"x\":\"1\"}}");
    expect_status(&set, 200);
    Answer updated = vault_call("PATCH", "/secrets/upd", "{\"attributes\":{\"exp\":4000000000},\"contentType\":\"b\",\"value\":\"other\"}");
    expect_status(&updated, 200);
    assert_null(json_get(updated.json, "value"));
    assert_str(text_at(&updated, "contentType"), "b");
    assert_str(text_at(&updated, "tags.x"), "1");
    assert_true(str_eq(text_at(&updated, "id"), text_at(&set, "id")));
    Answer got = vault_call("GET", "/secrets/upd", NULL);
    assert_str(text_at(&got, "value"), "v");
    assert_int_equal(int_at(&got, "attributes.exp"), 4000000000);
    Answer missing = vault_call("PATCH", "/secrets/none-such", "{}");
    expect_error(&missing, 404, "SecretNotFound", NULL, "none-such");
}

static void test_disabled_secret_is_not_read(void **state)
{
    (void)state;
    Answer set = vault_call("PUT", "/secrets/off", "{\"value\":\"v\",\"attributes\":{\"enabled\":false}}");
    expect_status(&set, 200);
    Answer got = vault_call("GET", "/secrets/off", NULL);
    expect_error(&got, 403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.");
    Answer on = vault_call("PATCH", "/secrets/off", "{\"attributes\":{\"enabled\":true}}");
    expect_status(&on, 200);
    got = vault_call("GET", "/secrets/off", NULL);
    expect_status(&got, 200);
}

static void test_expired_secret_is_still_read(void **state)
{
    (void)state;
    Answer set = vault_call("PUT", "/secrets/old", "{\"value\":\"v\",\"attributes\":{\"exp\":1}}");
    expect_status(&set, 200);
    Answer got = vault_call("GET", "/secrets/old", NULL);
    expect_status(&got, 200);
}

/* ---- deletion ---- */

static void test_deleted_secret_can_be_seen_recovered_and_purged(void **state)
{
    (void)state;
    Answer set = vault_call("PUT", "/secrets/del", "{\"value\":\"v\",\"tags\":{\"a\":\"b\"}}");
    expect_status(&set, 200);
    Answer deleted = vault_call("DELETE", "/secrets/del", NULL);
    expect_status(&deleted, 200);
    assert_true(str_ends(text_at(&deleted, "recoveryId"), STR("/deletedsecrets/del")));
    assert_int_equal(int_at(&deleted, "scheduledPurgeDate") - int_at(&deleted, "deletedDate"), 90 * 86400);
    assert_str(text_at(&deleted, "tags.a"), "b");
    assert_null(json_get(deleted.json, "value"));

    Answer got = vault_call("GET", "/secrets/del", NULL);
    expect_error(&got, 404, "SecretNotFound", NULL, "recover");
    Answer reused = vault_call("PUT", "/secrets/DEL", "{\"value\":\"w\"}");
    expect_error(&reused, 409, "Conflict", "ObjectIsDeletedButRecoverable", "is currently in a deleted but recoverable state, and its name cannot be reused");
    Answer seen = vault_call("GET", "/deletedsecrets/del", NULL);
    expect_status(&seen, 200);
    assert_true(str_eq(text_at(&seen, "recoveryId"), text_at(&deleted, "recoveryId")));
    Answer list = vault_call("GET", "/deletedsecrets", NULL);
    expect_status(&list, 200);
    assert_true(json_count(json_get(list.json, "value")) >= 1);
    Answer twice = vault_call("DELETE", "/secrets/del", NULL);
    expect_status(&twice, 404);

    Answer back = vault_call("POST", "/deletedsecrets/del/recover", NULL);
    expect_status(&back, 200);
    got = vault_call("GET", "/secrets/del", NULL);
    expect_status(&got, 200);
    assert_str(text_at(&got, "value"), "v");
    back = vault_call("POST", "/deletedsecrets/del/recover", NULL);
    expect_error(&back, 404, "SecretNotFound", NULL, "Deleted Secret not found: del");

    deleted = vault_call("DELETE", "/secrets/del", NULL);
    Answer purged = vault_call("DELETE", "/deletedsecrets/del", NULL);
    expect_status(&purged, 204);
    seen = vault_call("GET", "/deletedsecrets/del", NULL);
    expect_error(&seen, 404, "SecretNotFound", NULL, "Deleted Secret not found: del");
    set = vault_call("PUT", "/secrets/del", "{\"value\":\"new\"}");
    expect_status(&set, 200);
    list = vault_call("GET", "/secrets/del/versions", NULL);
    assert_int_equal(json_count(json_get(list.json, "value")), 1);
}

static void test_retention_ends_by_itself(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer vault = make_vault("brief", ",\"softDeleteRetentionInDays\":7,\"enablePurgeProtection\":true");
    expect_status(&vault, 201);
    Answer set = call("PUT", "brief.vault", "/secrets/s" API, fix.owner.vault_token, "{\"value\":\"v\"}");
    assert_str(text_at(&set, "attributes.recoveryLevel"), "CustomizedRecoverable");
    Answer deleted = call("DELETE", "brief.vault", "/secrets/s" API, fix.owner.vault_token, NULL);
    expect_status(&deleted, 200);
    Answer purged = call("DELETE", "brief.vault", "/deletedsecrets/s" API, fix.owner.vault_token, NULL);
    expect_error(&purged, 403, "Forbidden", NULL, "Operation \"purge\" is not allowed because purge protection is enabled for this vault.");
    set_object_time(start + 6 * 86400000LL);
    (void)run_due("keyvault.purge");
    Answer seen = call("GET", "brief.vault", "/deletedsecrets/s" API, fix.owner.vault_token, NULL);
    expect_status(&seen, 200);
    set_object_time(start + 8 * 86400000LL);
    assert_true(run_due("keyvault.purge") >= 1);
    seen = call("GET", "brief.vault", "/deletedsecrets/s" API, fix.owner.vault_token, NULL);
    expect_status(&seen, 404);
    set_object_time(real_now_ms());
}

static void test_the_end_of_the_retention_purges_certificates_and_keys_whole(void **state)
{
    (void)state;
    int64_t start = object_now();
    Answer vault = make_vault("brief-too", ",\"softDeleteRetentionInDays\":7");
    expect_status(&vault, 201);
    Answer key = call("POST", "brief-too.vault", "/keys/k/create" API, fix.owner.vault_token, "{\"kty\":\"EC\"}");
    Answer operation = call("POST", "brief-too.vault", "/certificates/c/create" API, fix.owner.vault_token, SELF_SIGNED("application/x-pem-file"));
    expect_status(&key, 200);
    expect_status(&operation, 202);
    (void)run_due(WORK_ISSUE);
    static const char *const live[] = { "/keys/k", "/certificates/c" }, *const deleted[] = { "/deletedkeys/k", "/deletedcertificates/c", "/deletedkeys/c", "/deletedsecrets/c" };
    for (size_t i = 0; i < COUNT_OF(live); i++) {
        Answer answer = call("DELETE", "brief-too.vault", text("%s" API, live[i]), fix.owner.vault_token, NULL);
        expect_status(&answer, 200);
        assert_int_equal(int_at(&answer, "scheduledPurgeDate") - int_at(&answer, "deletedDate"), 7 * 86400);
        assert_str(text_at(&answer, "attributes.recoveryLevel"), "CustomizedRecoverable+Purgeable");
    }
    for (int day = 6; day <= 8; day += 2) {
        set_object_time(start + day * INT64_C(86400000));
        (void)run_due("keyvault.purge");
        for (size_t i = 0; i < COUNT_OF(deleted); i++) {
            Answer answer = call("GET", "brief-too.vault", text("%s" API, deleted[i]), fix.owner.vault_token, NULL);
            expect_status(&answer, day < 7 ? 200 : 404);
        }
    }
    set_object_time(real_now_ms());
    assert_int_equal(count_of("SELECT (SELECT count(*) FROM kv_version v JOIN kv_vault k ON k.id = v.vault WHERE k.name_key = 'brief-too') + (SELECT count(*) FROM kv_policy p JOIN kv_vault k"
                              " ON k.id = p.vault WHERE k.name_key = 'brief-too')"), 0);
    operation = call("POST", "brief-too.vault", "/certificates/c/create" API, fix.owner.vault_token, SELF_SIGNED("application/x-pem-file"));
    expect_status(&operation, 202);
}

/* ---- what is written along ---- */

static void test_each_change_feeds_in_order(void **state)
{
    (void)state;
    Answer vault = make_vault("feeding", "");
    expect_status(&vault, 201);
    static const struct { const char *method, *path, *body; } calls[] = {
        { "PUT", "/secrets/a" API, "{\"value\":\"1\"}" }, { "PUT", "/secrets/a" API, "{\"value\":\"2\"}" }, { "PATCH", "/secrets/a" API, "{\"contentType\":\"x\"}" },
        { "PATCH", "/secrets/a" API, "{\"attributes\":{\"enabled\":false}}" }, { "PATCH", "/secrets/a" API, "{\"attributes\":{\"enabled\":false}}" },
        { "PATCH", "/secrets/a" API, "{\"attributes\":{\"enabled\":true}}" },
        { "PUT", "/secrets/a" API, "{}" },                { "DELETE", "/secrets/a" API, NULL },             { "POST", "/deletedsecrets/a/recover" API, NULL },
    };
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        (void)call(calls[i].method, "feeding.vault", calls[i].path, fix.owner.vault_token, calls[i].body);
    /* two versions, disabled once, enabled, a deletion, a recovery; other updates and refusals are no change of the feed */
    assert_int_equal(count_of("SELECT group_concat(change, '') FROM kv_feed f JOIN kv_vault v ON v.id = f.vault WHERE v.name_key = 'feeding'"), 116523);
    assert_int_equal(count_of("SELECT max(number) FROM kv_feed f JOIN kv_vault v ON v.id = f.vault WHERE v.name_key = 'feeding'"), 6);
}

static void test_writes_are_audited_in_their_transaction(void **state)
{
    (void)state;
    int64_t before = count_of("SELECT count(*) FROM audit_record");
    Answer set = vault_call("PUT", "/secrets/audited", "{\"value\":\"not in the record\"}");
    expect_status(&set, 200);
    assert_int_equal(count_of("SELECT count(*) FROM audit_record"), before + 1);
    assert_int_equal(count_of("SELECT instr(record, 'SecretSet') > 0 AND instr(record, '/secrets/audited/') > 0 AND instr(record, 'not in the record') = 0"
                              " FROM audit_record ORDER BY number DESC LIMIT 1"), 1);
    Answer refused = vault_call("PUT", "/secrets/audited", "{}");
    expect_status(&refused, 400);
    assert_int_equal(count_of("SELECT count(*) FROM audit_record"), before + 1);
}

static void test_values_are_sealed_at_rest(void **state)
{
    (void)state;
    Answer set = vault_call("PUT", "/secrets/sealed", "{\"value\":\"very-hidden-value\",\"contentType\":\"hidden-type\",\"tags\":{\"hidden-tag\":\"hidden-too\"}}");
    expect_status(&set, 200);
    assert_int_equal(count_of("SELECT count(*) FROM kv_version WHERE instr(value, CAST('very-hidden' AS BLOB)) OR instr(doc, CAST('hidden-t' AS BLOB))"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_without_token_gets_the_challenge),
        cmocka_unit_test(test_foreign_and_broken_tokens_are_refused),
        cmocka_unit_test(test_caller_without_policy_is_refused_by_name),
        cmocka_unit_test(test_api_version_is_needed),
        cmocka_unit_test(test_every_answer_carries_the_services_headers),
        cmocka_unit_test(test_unknown_paths_and_methods),
        cmocka_unit_test(test_each_route_refuses_who_may_not),
        cmocka_unit_test(test_set_secret_reads_back_with_all_it_was_given),
        cmocka_unit_test(test_versions_keep_their_values),
        cmocka_unit_test(test_lists_come_in_pages_without_values),
        cmocka_unit_test(test_bad_secrets_are_refused_by_name),
        cmocka_unit_test(test_value_may_have_25600_bytes_and_no_more),
        cmocka_unit_test(test_update_changes_properties_and_never_the_value),
        cmocka_unit_test(test_disabled_secret_is_not_read),
        cmocka_unit_test(test_expired_secret_is_still_read),
        cmocka_unit_test(test_deleted_secret_can_be_seen_recovered_and_purged),
        cmocka_unit_test(test_retention_ends_by_itself),
        cmocka_unit_test(test_the_end_of_the_retention_purges_certificates_and_keys_whole),
        cmocka_unit_test(test_each_change_feeds_in_order),
        cmocka_unit_test(test_writes_are_audited_in_their_transaction),
        cmocka_unit_test(test_values_are_sealed_at_rest),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
