/* fixture.c - see fixture.h. */
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/events/expiry.h"
#include "keyvault/issuers/issuer_responder.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key_notify.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/objects/deleted.h"
#include "keyvault/vaults/vault_arm.h"

Fixture fix;
P11Token *fixture_hsm;
Err fix_err;

char *text(const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *out = arena_alloc(fix.arena, (size_t)len + 1);
    assert_non_null(out);
    (void)vsnprintf(out, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(args);
    return out;
}

static const char *path_of(const char *name)
{
    return text("%s/%s", fix.dir, name);
}

static bool bootstrap_txn(Txn *txn, void *ctx, Err *err)
{
    Bootstrap *bootstrap = ctx;
    fix.site.tenant_id = STR_NONE;
    if (!identity_bootstrap(fix.site.seal, txn, fix.arena, STR("test"), bootstrap, err))
        return false;
    fix.site.tenant_id = bootstrap->tenant_id;
    return arm_bootstrap(&fix.site, txn, fix.arena, STR("test"), &fix.subscription, err);
}

static void open_all(bool is_first)
{
    Bootstrap bootstrap;
    HttpConfig config = { .base_domain = STR("vaultyard.localhost"), .clock = fix.site.clock, .io_threads = 1, .worker_threads = 2, .plain = true };
    must(store_open(path_of("store.db"), &fix.site.store, &fix_err));
    must(seal_open(fix.site.store, path_of("root.key"), &fix.site.seal, &fix_err));
    if (is_first)
        must(store_write(fix.site.store, bootstrap_txn, &bootstrap, &fix_err));
    must(audit_open(fix.site.store, fix.site.seal, fix.dir, &fix.site.audit, &fix_err));
    must(runner_new(fix.site.store, fix.site.clock, &fix.site.runner, &fix_err));
    fix.site.hsm = fixture_hsm;
    must(http_new(&config, &fix.site.http, &fix_err));
    must(identity_open(&fix.site, &fix.identity, &fix_err));
    must(access_open(&fix.site, fix.identity, &fix.access, &fix_err));
    must(arm_open(&fix.site, fix.identity, fix.access, &fix.arm, &fix_err));
    must(keyvault_open(&fix.site, fix.identity, fix.access, fix.arm, &fix.kv, &fix_err));
    must(arm_mount(fix.arm, fix.site.http, &fix_err));
    must(keyvault_mount(fix.kv, fix.site.http, &fix_err));
    must(http_listen_loopback(fix.site.http, 0, &fix.site.names.port, &fix_err));
    must(http_start(fix.site.http, &fix_err));
    if (is_first)
        fix.owner.principal.object_id = bootstrap.admin_object_id;
}

static void close_all(void)
{
    runner_stop(TAKE(fix.site.runner));
    http_stop(TAKE(fix.site.http), 5000);
    keyvault_close(TAKE(fix.kv));
    arm_close(TAKE(fix.arm));
    access_close(TAKE(fix.access));
    identity_close(TAKE(fix.identity));
    audit_close(TAKE(fix.site.audit));
    seal_close(TAKE(fix.site.seal));
    store_close(TAKE(fix.site.store));
}

static bool people_txn(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    bool found;
    Str scope = str_printf(fix.arena, "/subscriptions/" STR_FMT, STR_ARG(fix.subscription));
    return principal_by_object_id(fix.identity, txn, fix.arena, fix.owner.principal.object_id, &fix.owner.principal, &found, err) &&
           access_assign(fix.access, txn, fix.arena, scope, fix.owner.principal.object_id, ROLE_OWNER, STR_NONE, err) &&
           principal_create(fix.identity, txn, fix.arena, PRINCIPAL_APP, STR("nobody"), STR_NONE, &fix.nobody.principal, err);
}

static void get_tokens(Person *person)
{
    int64_t expires;
    must(token_issue(fix.identity, fix.arena, &person->principal, site_vault_resource(&fix.site, fix.arena), &person->vault_token, &expires, &fix_err));
    must(token_issue(fix.identity, fix.arena, &person->principal, site_url(&fix.site, fix.arena, STR("management")), &person->arm_token, &expires, &fix_err));
}

int fixture_set_up(void **state)
{
    (void)state;
    fix = (Fixture){ .dir = "/tmp/vaultyard-test-XXXXXX", .arena = arena_new(256 << 20) };
    HttpClientConfig client = { .user_agent = "test" };
    assert_non_null(mkdtemp(fix.dir));
    fix.site.clock = clock_new(0);
    fix.site.names = (Names){ .domain = STR("vaultyard.localhost"), .location = STR("local") };
    fix.site.instance_id = STR("0123456789abcdef");
    must(seal_make_root_file(path_of("root.key"), &fix_err));
    open_all(true);
    must(store_write(fix.site.store, people_txn, NULL, &fix_err));
    get_tokens(&fix.owner);
    get_tokens(&fix.nobody);
    must(http_client_new(&client, &fix.client, &fix_err));
    Answer group = arm_call("PUT", "/resourcegroups/" GROUP, "{\"location\":\"westus2\"}");
    assert_in_range(group.status, 200, 201);
    Answer vault = make_vault("vlt", "");
    expect_status(&vault, 201);
    return 0;
}

int fixture_tear_down(void **state)
{
    (void)state;
    http_client_free(fix.client);
    close_all();
    clock_free(fix.site.clock);
    must(dir_remove_tree(fix.dir, &fix_err));
    arena_free(fix.arena);
    return 0;
}

void fixture_reopen(void)
{
    close_all();
    open_all(false);
    get_tokens(&fix.owner);             /* the port is another, and the audience with it */
    get_tokens(&fix.nobody);
}

Answer call(const char *method, const char *host_labels, const char *path, Str token, const char *body)
{
    HttpHeader headers[] = {
        { "Content-Type", STR("application/json") },
        { "Authorization", str_printf(fix.arena, "Bearer " STR_FMT, STR_ARG(token)) },
    };
    bool sends = strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0;
    HttpCall request = { .method = method, .headers = headers, .header_count = token.ptr ? 2 : 1,
                         .url = str_printf(fix.arena, "http://%s.vaultyard.localhost:%d%s", host_labels, fix.site.names.port, path),
                         .body = body ? str_from(body) : sends ? STR("") : STR_NONE };
    HttpAnswer http;
    must(http_call(fix.client, fix.arena, &request, &http, &fix_err));
    Answer answer = { .status = http.status, .body = http.body, .raw_headers = http.raw_headers };
    if (!str_empty(answer.body) && !json_parse(fix.arena, answer.body, JSON_STRICT, &answer.json, &fix_err))
        fail_msg("%s %s: no JSON: " STR_FMT, method, path, STR_ARG(answer.body));
    return answer;
}

static const char *with_version(const char *path, const char *version)
{
    bool has_query = strchr(path, '?') != NULL;
    return str_to_cstr(fix.arena, str_printf(fix.arena, "%s%c%s", path, has_query ? '&' : '?', version + 1), &fix_err);
}

Answer vault_call(const char *method, const char *path, const char *body)
{
    return call(method, "vlt.vault", with_version(path, API), fix.owner.vault_token, body);
}

Answer arm_call(const char *method, const char *path, const char *body)
{
    const char *whole = str_to_cstr(fix.arena, str_printf(fix.arena, "/subscriptions/" STR_FMT "%s", STR_ARG(fix.subscription), path), &fix_err);
    return call(method, "management", with_version(whole, ARM_API), fix.owner.arm_token, body);
}

Answer make_vault(const char *name, const char *more_properties)
{
    Str path = str_printf(fix.arena, VAULTS "%s", name);
    Str body = str_printf(fix.arena,
        "{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" STR_FMT "\",\"sku\":{\"family\":\"A\",\"name\":\"standard\"},\"accessPolicies\":[{\"tenantId\":\""
        STR_FMT "\",\"objectId\":\"" STR_FMT "\",\"permissions\":{\"keys\":[\"all\"],\"secrets\":[\"all\"],\"certificates\":[\"all\"]}}]%s}}",
        STR_ARG(fix.site.tenant_id), STR_ARG(fix.site.tenant_id), STR_ARG(fix.owner.principal.object_id), more_properties);
    return arm_call("PUT", str_to_cstr(fix.arena, path, &fix_err), str_to_cstr(fix.arena, body, &fix_err));
}

Str header(const Answer *answer, const char *name)
{
    HttpAnswer http = { .raw_headers = answer->raw_headers };
    return http_answer_header(&http, name);
}

Str text_at(const Answer *answer, const char *dotted) { return json_str(json_path(answer->json, dotted)); }
int64_t int_at(const Answer *answer, const char *dotted) { return json_int(json_path(answer->json, dotted), -1); }

void expect_status(const Answer *answer, int status)
{
    if (answer->status != status)
        fail_msg("status %d, wanted %d: " STR_FMT, answer->status, status, STR_ARG(answer->body));
}

void expect_error(const Answer *answer, int status, const char *code, const char *inner, const char *word)
{
    size_t at;
    expect_status(answer, status);
    assert_str(text_at(answer, "error.code"), code);
    Str has = text_at(answer, "error.innererror.code");
    if (!str_eq(has, str_from(inner ? inner : "")))
        fail_msg("innererror '" STR_FMT "', wanted '%s': " STR_FMT, STR_ARG(has), inner ? inner : "", STR_ARG(answer->body));
    if (*word && !str_find(text_at(answer, "error.message"), str_from(word), &at))
        fail_msg("no '%s' in: " STR_FMT, word, STR_ARG(answer->body));
}

int64_t object_now(void) { return clock_now_ms(fix.site.clock); }
void set_object_time(int64_t ms) { clock_set_offset(fix.site.clock, ms - real_now_ms()); }

typedef struct Count { const char *sql; int64_t value; } Count;

static bool count_txn(Txn *txn, void *ctx, Err *err)
{
    Count *count = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, count->sql))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    count->value = row_int(rows, 0);
    return true;
}

int object_time_back(void **state)
{
    (void)state;
    set_object_time(real_now_ms());
    return 0;
}

size_t version_count(const char *collection, const char *name)
{
    Answer list = vault_call("GET", text("/%s/%s/versions", collection, name), NULL);
    expect_status(&list, 200);
    return json_count(json_get(list.json, "value"));
}

int64_t count_of(const char *sql)
{
    Count count = { sql, -1 };
    must(store_read(fix.site.store, count_txn, &count, &fix_err));
    return count.value;
}

typedef struct VaultId { const char *name; Str id; } VaultId;

static bool vault_id_txn(Txn *txn, void *ctx, Err *err)
{
    VaultId *wanted = ctx;
    Vault vault;
    bool found;
    if (!vault_by_name(fix.kv, txn, fix.arena, str_from(wanted->name), &vault, &found, err))
        return false;
    wanted->id = vault.id;
    return found;
}

Str vault_id_of(const char *name)
{
    VaultId wanted = { name, STR_NONE };
    must(store_read(fix.site.store, vault_id_txn, &wanted, &fix_err));
    return wanted.id;
}

static const struct { const char *kind; RunnerFn *fn; } kinds[] = {
    { WORK_ISSUE, certificate_issue_run }, { WORK_ROTATE, key_rotation_run }, { WORK_NOTIFY, key_notify_run }, { WORK_RENEW, certificate_renew_run }, { WORK_RESPONDER, responder_run }, { WORK_PURGE, object_purge_run }, { WORK_EXPIRY, expiry_run }, { WORK_HSM, hsm_sweep_run }, { WORK_VAULT_PURGE, vault_purge_run },
};

typedef struct Take { const char *kind; int64_t now_ms; Str key; bool found; } Take;

static bool take_txn(Txn *txn, void *ctx, Err *err)
{
    Take *take = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT key FROM runner_work WHERE kind = ?1 AND due_ms <= ?2 ORDER BY due_ms LIMIT 1", db_text(str_from(take->kind)),
                   db_int(take->now_ms)))
        return false;
    *err = (Err){ 0 };
    take->found = rows_next(rows, err);
    if (!take->found)
        return err->code == ERR_NONE;
    take->key = str_dup(fix.arena, row_text(rows, 0));
    return runner_cancel(fix.site.runner, txn, take->kind, take->key, err);
}

static bool again_txn(Txn *txn, void *ctx, Err *err)
{
    Take *take = ctx;
    return runner_schedule(fix.site.runner, txn, take->kind, take->key, take->now_ms, err);
}

void run_job(const char *kind, Str key, int64_t now_ms)
{
    RunnerFn *fn = NULL;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            fn = kinds[i].fn;
    assert_non_null(fn);
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    RunnerJob job = { .kind = str_from(kind), .key = key, .due_ms = now_ms, .attempt = 1 };
    int64_t again = 0;
    must(fn(fix.kv, arena, &job, now_ms, &again, &fix_err));
    if (again) {
        Take take = { kind, again, key, false };
        must(store_write(fix.site.store, again_txn, &take, &fix_err));
    }
}

size_t run_due(const char *kind)
{
    for (size_t count = 0;; count++) {
        Take take = { .kind = kind, .now_ms = object_now() };
        must(store_write(fix.site.store, take_txn, &take, &fix_err));
        if (!take.found)
            return count;
        run_job(kind, take.key, take.now_ms);
    }
}

/* ---- parked requests ---- */

static void *parked_main(void *arg)
{
    Parked *parked = arg;
    HttpClient *client = NULL;
    HttpClientConfig config = { .user_agent = "test" };
    HttpHeader headers[] = { { "Authorization", str_printf(parked->arena, "Bearer " STR_FMT, STR_ARG(parked->token)) } };
    int64_t begun_ms = mono_now_ms();
    parked->answered = http_client_new(&config, &client, &parked->err) &&
                       http_call(client, parked->arena, &(HttpCall){ .method = "GET", .url = parked->url, .headers = headers, .header_count = 1 }, &parked->answer, &parked->err);
    parked->took_ms = mono_now_ms() - begun_ms;
    http_client_free(client);
    return NULL;
}

void get_begin(Parked *parked, const char *vault, const char *path_and_query, Str token)
{
    *parked = (Parked){ .arena = arena_new(1 << 20), .token = token };
    parked->url = str_printf(parked->arena, "http://%s.vault.vaultyard.localhost:%d%s", vault, fix.site.names.port, path_and_query);
    assert_int_equal(pthread_create(&parked->thread, NULL, parked_main, parked), 0);
}

void parked_begin(Parked *parked, const char *vault, const char *query, Str token)
{
    int64_t before = http_stats(fix.site.http).parked;
    get_begin(parked, vault, text("/changes" API "&%s", query), token);
    while (http_stats(fix.site.http).parked <= before)
        (void)usleep(1000);
}

const JsonVal *parked_end(Parked *parked, int status)
{
    const JsonVal *body = NULL;
    assert_int_equal(pthread_join(parked->thread, NULL), 0);
    if (!parked->answered || parked->answer.status != status)
        fail_msg("status %d, wanted %d: %s", parked->answer.status, status, parked->err.text);
    must(json_parse(parked->arena, parked->answer.body, JSON_STRICT, &body, &fix_err));
    return body;
}
