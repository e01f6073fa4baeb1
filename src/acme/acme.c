/* acme.c - the calls of RFC 8555. Every answer brings the nonce of the next call (section 6.5). */
#include "acme/acme.h"
#include <stdlib.h>
#include "acme/message.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/bundles/bundle.h"

enum { NONCE_TRIES = 8, ANSWER_MAX = 512 << 10, CALL_MS = 30 * 1000, NONCE_MAX = 512 };
static const int64_t RETRY_MOST_MS = 24 * 3600 * 1000LL;

struct AcmeClient {
    HttpClient *http;
    Arena *arena;
    KeyRef *key;
    Str directory_url, account_url;
    Directory directory;
    Str nonce;                              /* absent: to be fetched */
    int64_t retry_ms;
};

void acme_close(AcmeClient *client)
{
    if (!client)
        return;
    http_client_free(client->http);
    key_free(client->key);
    free(client);
}

bool acme_open(Arena *arena, const AcmeConfig *config, AcmeClient **out, Err *err)
{
    AUTO(acme_close_auto) AcmeClient *client = calloc(1, sizeof *client);
    HttpClientConfig http = { .ca_file = config->ca_file, .proxy = config->proxy, .user_agent = "vaultyard/" VAULTYARD_VERSION, .timeout_ms = CALL_MS, .reply_max_bytes = ANSWER_MAX };
    KeySpec spec = key_spec(config->key);
    if (!client)
        return err_set(err, ERR_INTERNAL, "out of memory for an ACME client");
    if (spec.kind != KEY_EC || spec.curve != CURVE_P256)
        return err_set(err, ERR_INTERNAL, "an ACME account's key is EC P-256");
    if (!http_client_new(&http, &client->http, err))
        return false;
    client->arena = arena;
    client->key = key_share(config->key);
    client->directory_url = config->directory_url;
    client->account_url = config->account_url;
    *out = TAKE(client);
    return true;
}

int64_t acme_retry_ms(const AcmeClient *client) { return client->retry_ms; }

/* RFC 9110 section 10.2.3: seconds or a date. */
static int64_t retry_after(const HttpAnswer *answer)
{
    Str text = http_answer_header(answer, "Retry-After");
    int64_t number, when;
    Err ignored;
    if (!text.ptr)
        return 0;
    if (str_to_int64(text, 0, INT64_MAX, &number, &ignored))
        return number < RETRY_MOST_MS / 1000 ? number * 1000 : RETRY_MOST_MS;
    if (!http_date_parse(text, &when, &ignored))
        return 0;
    int64_t left = when - real_now_ms();
    return left < 0 ? 0 : left > RETRY_MOST_MS ? RETRY_MOST_MS : left;
}

static void note(AcmeClient *client, const HttpAnswer *answer)
{
    Str nonce = http_answer_header(answer, "Replay-Nonce");
    client->nonce = !str_empty(nonce) && nonce.len <= NONCE_MAX ? str_dup(client->arena, nonce) : STR_NONE;
    client->retry_ms = retry_after(answer);
}

static bool refused(const HttpAnswer *answer, Problem problem, Err *err)
{
    if (answer->status == 429 || str_eq(problem.type, STR("rateLimited")))
        return err_set(err, ERR_THROTTLED, "the ACME server limits the rate: " STR_FMT, STR_ARG(problem.text));
    /* A nonce that is bad again and again, and what is not ready yet, mend themselves. */
    if (answer->status >= 500 || str_eq(problem.type, STR("serverInternal")) || str_eq(problem.type, STR("badNonce")) || str_eq(problem.type, STR("orderNotReady")))
        return err_set(err, ERR_UNAVAILABLE, "the ACME server cannot answer now: " STR_FMT, STR_ARG(problem.text));
    const char *name = str_eq(problem.type, STR("accountDoesNotExist")) ? ACME_NO_ACCOUNT : answer->status == 404 ? ACME_GONE : NULL;
    return err_named(err, ERR_BAD_INPUT, name, NULL, "the ACME server refuses: " STR_FMT, STR_ARG(problem.text));
}

static bool get(AcmeClient *client, const char *method, Str url, HttpAnswer *out, Err *err)
{
    HttpCall call = { .method = method, .url = url };
    if (!http_call(client->http, client->arena, &call, out, err))
        return false;
    note(client, out);
    return out->status / 100 == 2 || refused(out, problem_read(client->arena, out->body, out->status), err);
}

static bool need_directory(AcmeClient *client, Err *err)
{
    HttpAnswer answer;
    if (client->directory.new_nonce.ptr)
        return true;
    if (!get(client, "GET", client->directory_url, &answer, err))
        return err->code == ERR_BAD_INPUT ? err_set(err, ERR_UNAVAILABLE, "no ACME directory is at " STR_FMT, STR_ARG(client->directory_url)) : false;
    return directory_read(client->arena, answer.body, &client->directory, err);
}

static bool need_nonce(AcmeClient *client, Err *err)
{
    HttpAnswer answer;
    if (client->nonce.ptr)
        return true;
    return get(client, "HEAD", client->directory.new_nonce, &answer, err) && (client->nonce.ptr || err_set(err, ERR_UNAVAILABLE, "the ACME server gives no nonce"));
}

/* One signed call. account_url absent: signed with the key itself. */
static bool post_once(AcmeClient *client, Str account_url, Str url, Str payload, Str accept, HttpAnswer *out, Err *err)
{
    Str body;
    HttpHeader headers[] = { { "Content-Type", STR("application/jose+json") }, { "Accept", accept } };
    if (!need_directory(client, err) || !need_nonce(client, err))
        return false;
    Str nonce = client->nonce;
    client->nonce = STR_NONE;               /* used, whatever becomes of the call */
    if (!jws_make(client->arena, client->key, account_url, nonce, url, payload, &body, err))
        return false;
    HttpCall call = { .method = "POST", .url = url, .headers = headers, .header_count = accept.ptr ? 2 : 1, .body = body };
    if (!http_call(client->http, client->arena, &call, out, err))
        return false;
    note(client, out);
    return true;
}

static bool post(AcmeClient *client, Str account_url, Str url, Str payload, Str accept, HttpAnswer *out, Err *err)
{
    for (int tries = 1;; tries++) {
        if (!post_once(client, account_url, url, payload, accept, out, err))
            return false;
        if (out->status / 100 == 2)
            return true;
        Problem problem = problem_read(client->arena, out->body, out->status);
        if (!str_eq(problem.type, STR("badNonce")) || tries == NONCE_TRIES)
            return refused(out, problem, err);
    }
}

static bool post_as_account(AcmeClient *client, Str url, Str payload, Str accept, HttpAnswer *out, Err *err)
{
    if (!client->account_url.ptr)
        return err_set(err, ERR_INTERNAL, "an ACME call before acme_register");
    return post(client, client->account_url, url, payload, accept, out, err);
}

/* ---- accounts ---- */

static bool account_payload(AcmeClient *client, const AcmeAccount *account, bool is_new, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Str binding;
    buf_init(&buf, 64 << 10);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (is_new)
        json_put_bool(&w, "termsOfServiceAgreed", true);
    json_open_array(&w, "contact");
    for (size_t i = 0; i < account->email_count; i++)
        json_put_str(&w, NULL, str_printf(client->arena, "mailto:" STR_FMT, STR_ARG(account->emails[i])));
    json_close_array(&w);
    if (is_new && account->eab_id.ptr) {
        if (!jws_bind(client->arena, client->key, client->directory.new_account, account, &binding, err))
            return false;
        json_put_raw(&w, "externalAccountBinding", binding);
    }
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *out = str_dup(client->arena, buf_str(&buf));
    return arena_ok(client->arena) || err_too_big(err);
}

bool acme_register(AcmeClient *client, const AcmeAccount *account, Str *account_url, Err *err)
{
    HttpAnswer answer;
    Str payload;
    if (!need_directory(client, err) || !account_payload(client, account, true, &payload, err) ||
        !post(client, STR_NONE, client->directory.new_account, payload, STR_NONE, &answer, err))
        return false;
    Str url = http_answer_header(&answer, "Location");
    if (!str_starts(url, STR("https://")))
        return err_set(err, ERR_UNAVAILABLE, "the ACME server gives an account no URL");
    client->account_url = str_dup(client->arena, url);
    /* One that was there already ignores what newAccount says of it (section 7.3). */
    if (answer.status == 200 && (!account_payload(client, account, false, &payload, err) || !post_as_account(client, client->account_url, payload, STR_NONE, &answer, err)))
        return false;
    *account_url = client->account_url;
    return arena_ok(client->arena) || err_too_big(err);
}

/* ---- orders ---- */

bool acme_order(AcmeClient *client, const AcmeName *names, size_t count, AcmeOrder *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    HttpAnswer answer;
    if (!need_directory(client, err))
        return false;
    buf_init(&buf, 64 << 10);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_open_array(&w, "identifiers");
    for (size_t i = 0; i < count; i++) {
        json_open(&w, NULL);
        json_put_str(&w, "type", names[i].is_ip ? STR("ip") : STR("dns"));
        json_put_str(&w, "value", names[i].text);
        json_close(&w);
    }
    json_close_array(&w);
    json_close(&w);
    if (!json_end(&w, err) || !post_as_account(client, client->directory.new_order, buf_str(&buf), STR_NONE, &answer, err) ||
        !order_read(client->arena, answer.body, out, err))
        return false;
    out->url = str_dup(client->arena, http_answer_header(&answer, "Location"));
    return str_starts(out->url, STR("https://")) || err_set(err, ERR_UNAVAILABLE, "the ACME server gives an order no URL");
}

bool acme_order_look(AcmeClient *client, Str url, AcmeOrder *out, Err *err)
{
    HttpAnswer answer;
    if (!post_as_account(client, url, STR(""), STR_NONE, &answer, err) || !order_read(client->arena, answer.body, out, err))
        return false;
    out->url = url;
    return true;
}

bool acme_finalize(AcmeClient *client, const AcmeOrder *order, Bytes csr, AcmeOrder *out, Err *err)
{
    HttpAnswer answer;
    Str payload = str_printf(client->arena, "{\"csr\":\"" STR_FMT "\"}", STR_ARG(base64url_encode(client->arena, csr)));
    if (!payload.ptr)
        return err_too_big(err);
    Str url = order->url;
    if (!post_as_account(client, order->finalize_url, payload, STR_NONE, &answer, err) || !order_read(client->arena, answer.body, out, err))
        return false;
    out->url = url;
    return true;
}

bool acme_download(AcmeClient *client, const AcmeOrder *order, Bytes chain[ACME_CHAIN_MAX], size_t *count, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    HttpAnswer answer;
    Err why = { 0 };
    if (!post_as_account(client, order->certificate_url, STR(""), STR("application/pem-certificate-chain"), &answer, err))
        return false;
    if (!bundle_read_certs(client->arena, bytes_of(answer.body), &bundle, &why) || bundle.count == 0)
        return err_set(err, ERR_UNAVAILABLE, "the ACME server's answer is no chain of certificates: %s", why.text);
    for (size_t i = 0; i < bundle.count; i++)
        chain[i] = bundle.certs[i];
    *count = bundle.count;
    return true;
}

bool acme_authorization(AcmeClient *client, Str url, Str kind, AcmeAuthorization *out, Err *err)
{
    HttpAnswer answer;
    return post_as_account(client, url, STR(""), STR_NONE, &answer, err) && authorization_read(client->arena, answer.body, kind, out, err);
}

bool acme_challenge_ready(AcmeClient *client, Str challenge_url, Err *err)
{
    HttpAnswer answer;
    return post_as_account(client, challenge_url, STR("{}"), STR_NONE, &answer, err);
}
