/* encryption_vault.c - token, GET key, wrapkey, unwrapkey. Source: Key Vault REST reference 7.4 (Keys: Get Key, Wrap Key, Unwrap Key). */
#include "batch/encryption/encryption_vault.h"
#include <assert.h>
#include <stdio.h>
#include "base/encode.h"
#include "base/id.h"
#include "batch/parts.h"

#define API_VERSION "api-version=7.4"

enum { CALL_MS = 10 * 1000, REPLY_MAX = 256 * 1024, BODY_MAX = 8 * 1024, WHY_MAX = 260 };

static const char *const algorithms[] = { "RSA-OAEP-256", "RSA-OAEP" };      /* the better first */

bool key_call_own_site(void *ctx, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err)
{
    const Batch *batch = ctx;
    assert(runner_is_working_here());          /* never a thread that answers requests: the vault may take as long as it likes */
    AUTO(http_client_free_auto) HttpClient *client = NULL;
    HttpClientConfig config = { .ca_file = batch->site->ca_file, .unix_socket = batch->site->own_socket, .user_agent = "vaultyard-batch/1",
                                .connect_timeout_ms = CALL_MS, .timeout_ms = CALL_MS, .reply_max_bytes = REPLY_MAX };
    return http_client_new(&config, &client, err) && http_call(client, arena, call, out, err);
}

/* -- who asks -- */

typedef struct Who { KeyCalls *calls; Str principal_id; bool found; } Who;

static bool who_txn(Txn *txn, void *ctx, Err *err)
{
    Who *who = ctx;
    return principal_by_object_id(who->calls->batch->identity, txn, who->calls->arena, who->principal_id, &who->calls->identity, &who->found, err);
}

bool key_calls_begin(Batch *batch, Arena *arena, Str principal_id, KeyCalls *out, Err *err)
{
    KeyCalls calls = { .batch = batch, .arena = arena };
    Who who = { .calls = &calls, .principal_id = principal_id };
    int64_t expires_ms;
    if (!store_read(batch->site->store, who_txn, &who, err))
        return false;
    if (!who.found || !calls.identity.enabled)
        return err_set(err, ERR_DENIED, "the account's identity " STR_FMT " does not exist any more or is disabled", STR_ARG(principal_id));
    if (!token_issue(batch->identity, arena, &calls.identity, site_vault_resource(batch->site, arena), &calls.token, &expires_ms, err))
        return err->code == ERR_BAD_INPUT ? err_set(err, ERR_INTERNAL, "no token for the vaults of this site") : false;
    *out = calls;
    return true;
}

/* -- one call -- */

/* What the vault said, for a person: "Operation unwrapKey is not allowed on a disabled key." */
static Str words_of(Arena *arena, const HttpAnswer *answer)
{
    const JsonVal *body = NULL;
    Err ignored = { 0 };
    Str words = json_parse(arena, answer->body, JSON_STRICT, &body, &ignored) ? json_str(json_path(body, "error.message")) : STR_NONE;
    return str_empty(words) ? str_printf(arena, "status %d", answer->status) : str_slice(words, 0, WHY_MAX);
}

static bool refused(KeyCalls *calls, const KeyName *key, const char *what, const HttpAnswer *answer, Err *err)
{
    ErrCode code = answer->status == 401 || answer->status == 403 ? ERR_DENIED : answer->status == 404 ? ERR_NOT_FOUND :
                   answer->status == 400 || answer->status == 409 ? ERR_BAD_INPUT : ERR_UNAVAILABLE;
    return err_set(err, code, "vault '" STR_FMT "' refuses %s with key '" STR_FMT "': " STR_FMT, STR_ARG(key->vault), what, STR_ARG(key->name),
                   STR_ARG(words_of(calls->arena, answer)));
}

/* Any answer is one. The body is wiped: it may hold a data key. */
static bool ask(KeyCalls *calls, const char *method, Str vault, Str path, Buf *body, HttpAnswer *answer, Err *err)
{
    Arena *arena = calls->arena;
    Batch *batch = calls->batch;
    HttpHeader headers[] = {
        { "Authorization", str_printf(arena, "Bearer " STR_FMT, STR_ARG(calls->token)) },
        { "Accept", STR("application/json") },
        { "Content-Type", STR("application/json") },
    };
    HttpCall request = {
        .method = method, .url = str_printf(arena, STR_FMT STR_FMT "?" API_VERSION, STR_ARG(site_vault_url(batch->site, arena, vault)), STR_ARG(path)),
        .headers = headers, .header_count = body ? 3 : 2, .body = body ? buf_str(body) : STR_NONE, .timeout_ms = CALL_MS,
    };
    bool answered = arena_ok(arena) ? batch->vault_call(batch->vault_call_ctx, arena, &request, answer, err) : err_too_big(err);
    if (body && body->ptr)
        secret_wipe(body->ptr, body->len);
    /* A deleted vault's name is gone at once; that is an answer. */
    if (!answered && err->name && strcmp(err->name, HTTP_HOST_UNKNOWN) == 0)
        return err_set(err, ERR_NOT_FOUND, "the vault '" STR_FMT "' does not exist or was deleted", STR_ARG(vault));
    return answered;
}

/* `operation` NULL: GET of the key itself. */
static bool call(KeyCalls *calls, const KeyName *key, const char *operation, Buf *body, HttpAnswer *answer, Err *err)
{
    Str path = str_printf(calls->arena, "/keys/" STR_FMT "%s" STR_FMT "%s%s", STR_ARG(key->name), key->version.ptr ? "/" : "", STR_ARG(key->version), operation ? "/" : "",
                          operation ? operation : "");
    return ask(calls, operation ? "POST" : "GET", key->vault, path, operation ? body : NULL, answer, err) &&
           (answer->status == 200 || refused(calls, key, operation ? operation : "get", answer, err));
}

/* -- is it a key for us? -- */

static bool has_operation(const JsonVal *operations, const char *name)
{
    for (size_t i = 0; i < json_count(operations); i++)
        if (str_eq_nocase(json_str(json_at(operations, i)), str_from(name)))
            return true;
    return false;
}

/* The vault tells by recoveryLevel what it protects: nothing of "Purgeable" with soft delete and purge protection alone. */
static bool check_facts(const KeyName *key, const JsonVal *bundle, Err *err)
{
    Str kty = json_str(json_path(bundle, "key.kty")), level = json_str(json_path(bundle, "attributes.recoveryLevel"));
    const JsonVal *operations = json_path(bundle, "key.key_ops");
    size_t at;
    if (!str_eq(kty, STR("RSA")) && !str_eq(kty, STR("RSA-HSM")))
        return err_set(err, ERR_BAD_INPUT, "the key '" STR_FMT "' is of type " STR_FMT "; an RSA key of 2048, 3072 or 4096 bits is needed", STR_ARG(key->name), STR_ARG(kty));
    if (!json_bool(json_path(bundle, "attributes.enabled"), false))
        return err_set(err, ERR_BAD_INPUT, "the key '" STR_FMT "' is disabled; enable it first", STR_ARG(key->name));
    if (!has_operation(operations, "wrapKey") || !has_operation(operations, "unwrapKey"))
        return err_set(err, ERR_BAD_INPUT, "the key '" STR_FMT "' must have wrapKey and unwrapKey among its permitted operations (key_ops)", STR_ARG(key->name));
    if (!str_find(level, STR("Recoverable"), &at))
        return err_set(err, ERR_BAD_INPUT, "the vault '" STR_FMT "' has no soft delete, so the key could be lost by one mistake; use a vault with soft delete and purge protection",
                       STR_ARG(key->vault));
    if (str_find(level, STR("Purgeable"), &at))
        return err_set(err, ERR_BAD_INPUT, "the vault '" STR_FMT "' has no purge protection, so the key could be lost for good; enable purge protection on it first", STR_ARG(key->vault));
    return true;
}

bool key_check(KeyCalls *calls, const KeyName *key, Str *version, Err *err)
{
    HttpAnswer answer;
    const JsonVal *bundle;
    Err wrong = { 0 };
    if (!call(calls, key, NULL, NULL, &answer, err))
        return false;
    if (!json_parse(calls->arena, answer.body, JSON_STRICT, &bundle, &wrong))
        return err_set(err, ERR_UNAVAILABLE, "the vault '" STR_FMT "' answered with no JSON", STR_ARG(key->vault));
    Str kid = json_str(json_path(bundle, "key.kid")), last = STR_NONE;
    for (Str rest = kid; rest.ptr;)
        last = str_cut(&rest, '/');
    if (str_empty(last))
        return err_set(err, ERR_UNAVAILABLE, "the vault '" STR_FMT "' answered with a key that has no identifier", STR_ARG(key->vault));
    if (!check_facts(key, bundle, err))
        return false;
    *version = last;
    return true;
}

/* -- wrapping -- */

static bool put_body(Arena *arena, const char *algorithm, Bytes value, Buf *body, Err *err)
{
    JsonWriter w;
    Str text = base64url_encode(arena, value);
    buf_init(body, BODY_MAX);
    json_begin(&w, body);
    json_open(&w, NULL);
    json_put_str(&w, "alg", str_from(algorithm));
    json_put_str(&w, "value", text);
    json_close(&w);
    if (text.ptr)
        secret_wipe((void *)(uintptr_t)text.ptr, text.len);
    return text.ptr ? json_end(&w, err) : err_too_big(err);
}

static bool take_value(KeyCalls *calls, const KeyName *key, const HttpAnswer *answer, Bytes *value, Err *err)
{
    const JsonVal *body;
    Err wrong = { 0 };
    bool good = json_parse(calls->arena, answer->body, JSON_STRICT, &body, &wrong);
    Str text = good ? json_str(json_get(body, "value")) : STR_NONE;
    good = good && base64url_decode(calls->arena, text, value, &wrong) && value->len > 0;
    if (text.ptr)
        secret_wipe((void *)(uintptr_t)text.ptr, text.len);          /* may be a data key */
    return good || err_set(err, ERR_UNAVAILABLE, "the vault '" STR_FMT "' answered without a value", STR_ARG(key->vault));
}

/* key->version must be there. *algorithm is static. */
static bool key_wrap_data(KeyCalls *calls, const KeyName *key, const Secret *plain, Str *algorithm, Bytes *wrapped, Err *err)
{
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
        AUTO(buf_done_auto) Buf body = { 0 };
        HttpAnswer answer;
        if (!put_body(calls->arena, algorithms[i], secret_bytes(plain), &body, err))
            return false;
        if (call(calls, key, "wrapkey", &body, &answer, err)) {
            *algorithm = str_from(algorithms[i]);
            return take_value(calls, key, &answer, wrapped, err);
        }
        if (err->code != ERR_BAD_INPUT)          /* 400: perhaps this algorithm alone is not for this key */
            return false;
    }
    return false;
}

bool key_unwrap_data(KeyCalls *calls, const KeyName *key, Str algorithm, Bytes wrapped, Secret **plain, Err *err)
{
    AUTO(buf_done_auto) Buf body = { 0 };
    HttpAnswer answer;
    Bytes value;
    char name[32];
    (void)snprintf(name, sizeof name, STR_FMT, STR_ARG(algorithm));
    if (!put_body(calls->arena, name, wrapped, &body, err) || !call(calls, key, "unwrapkey", &body, &answer, err))
        return false;
    bool good = take_value(calls, key, &answer, &value, err);
    secret_wipe((void *)(uintptr_t)answer.body.ptr, answer.body.len);
    if (!good)
        return false;
    *plain = secret_copy(value);
    secret_wipe((void *)(uintptr_t)value.ptr, value.len);
    return *plain || err_set(err, ERR_INTERNAL, "out of memory");
}

bool key_prove(KeyCalls *calls, const KeyName *key, WrappedKey *out, Secret **data_key, Err *err)
{
    AUTO(secret_free_auto) Secret *made = secret_new(DATA_KEY_SIZE), *back = NULL;
    WrappedKey proved = { .key = *key, .principal_id = calls->identity.object_id };
    if (!made)
        return err_set(err, ERR_INTERNAL, "out of memory");
    random_fill(secret_ptr(made), DATA_KEY_SIZE);
    if (!key_check(calls, key, &proved.key.version, err) || !key_wrap_data(calls, &proved.key, made, &proved.algorithm, &proved.wrapped, err) ||
        !key_unwrap_data(calls, &proved.key, proved.algorithm, proved.wrapped, &back, err))
        return false;
    if (!secret_equal(secret_bytes(made), secret_bytes(back)))
        return err_set(err, ERR_BAD_INPUT, "the vault '" STR_FMT "' did not give back what its key '" STR_FMT "' had wrapped", STR_ARG(key->vault), STR_ARG(key->name));
    *out = proved;
    *data_key = TAKE(made);
    out->data_key = *data_key;
    return true;
}

/* -- is a vault's store of secrets open to us? -- */

/* Calls that change nothing, whoever may do them: a name nobody has, and a secret without a value, which is looked at after the permission. */
bool vault_secrets_check(KeyCalls *calls, Str vault, Err *err)
{
    static const struct { const char *method, *permission; bool named; } probes[] = {
        { "GET", "list", false }, { "GET", "get", true }, { "PUT", "set", true }, { "DELETE", "delete", true },
    };
    Str name = str_printf(calls->arena, "/secrets/batch-" STR_FMT, STR_ARG(hex_id_new(calls->arena, 32)));
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        AUTO(buf_done_auto) Buf nothing = { 0 };
        HttpAnswer answer;
        bool has_body = strcmp(probes[i].method, "PUT") == 0;
        buf_init(&nothing, BODY_MAX);
        buf_put(&nothing, "{}", 2);
        if (!ask(calls, probes[i].method, vault, probes[i].named ? name : STR("/secrets"), has_body ? &nothing : NULL, &answer, err))
            return false;
        if (answer.status == 401 || answer.status == 403)
            return err_set(err, ERR_DENIED, "'" STR_FMT "' lacks the secret permission %s", STR_ARG(calls->identity.display_name), probes[i].permission);
        if (answer.status >= 500)
            return err_set(err, ERR_UNAVAILABLE, "the vault '" STR_FMT "' answered %d", STR_ARG(vault), answer.status);
    }
    return true;
}
