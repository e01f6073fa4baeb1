/* message.c - see message.h. */
#include "acme/message.h"
#include <arpa/inet.h>
#include "base/encode.h"
#include "crypto/hash.h"

enum { URL_MAX = 2048, TOKEN_MAX = 256, TEXT_MAX = 600, JWS_MAX = 256 << 10 };

/* ---- out ---- */

static bool text_of(Arena *arena, Buf *buf, JsonWriter *w, Str *out, Err *err)
{
    if (!json_end(w, err))
        return false;
    *out = str_dup(arena, buf_str(buf));
    return out->ptr || err_too_big(err);
}

/* RFC 7638 section 3.2 has the members in this order; RFC 8555 does not mind. */
static bool put_public(Arena *arena, JsonWriter *w, const char *name, const KeyRef *key, Err *err)
{
    KeyPublic parts;
    if (!key_public(arena, key, &parts, err))
        return false;
    json_open(w, name);
    json_put_str(w, "crv", STR("P-256"));
    json_put_str(w, "kty", STR("EC"));
    json_put_str(w, "x", base64url_encode(arena, parts.x));
    json_put_str(w, "y", base64url_encode(arena, parts.y));
    json_close(w);
    return true;
}

static Str flattened(Arena *arena, Str protected, Str payload, Str signature)
{
    return str_printf(arena, "{\"protected\":\"" STR_FMT "\",\"payload\":\"" STR_FMT "\",\"signature\":\"" STR_FMT "\"}", STR_ARG(protected), STR_ARG(payload),
                      STR_ARG(signature));
}

bool jws_make(Arena *arena, const KeyRef *key, Str account_url, Str nonce, Str url, Str payload, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Str header;
    Bytes signature;
    buf_init(&buf, JWS_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "alg", STR("ES256"));
    json_put_str(&w, "nonce", nonce);
    json_put_str(&w, "url", url);
    json_put_str(&w, "kid", account_url);
    if (!account_url.ptr && !put_public(arena, &w, "jwk", key, err))
        return false;
    json_close(&w);
    if (!text_of(arena, &buf, &w, &header, err))
        return false;
    Str protected = base64url_encode(arena, bytes_of(header)), content = str_empty(payload) ? STR("") : base64url_encode(arena, bytes_of(payload));
    Str signed_text = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(protected), STR_ARG(content));
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!key_sign(key, SIGN_ES256, bytes_of(signed_text), arena, &signature, err))
        return false;
    *out = flattened(arena, protected, content, base64url_encode(arena, signature));
    return arena_ok(arena) || err_too_big(err);
}

bool jws_bind(Arena *arena, const KeyRef *key, Str url, const AcmeAccount *account, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf header = { 0 }, payload = { 0 };
    JsonWriter w;
    Str header_text, payload_text;
    Bytes mac_key;
    uint8_t mac[SHA256_SIZE];
    if (!base64url_decode(arena, account->eab_key, &mac_key, err))
        return false;
    buf_init(&header, JWS_MAX);
    json_begin(&w, &header);
    json_open(&w, NULL);
    json_put_str(&w, "alg", STR("HS256"));
    json_put_str(&w, "kid", account->eab_id);
    json_put_str(&w, "url", url);
    json_close(&w);
    if (!text_of(arena, &header, &w, &header_text, err))
        return false;
    buf_init(&payload, JWS_MAX);
    json_begin(&w, &payload);
    if (!put_public(arena, &w, NULL, key, err) || !text_of(arena, &payload, &w, &payload_text, err))
        return false;
    Str protected = base64url_encode(arena, bytes_of(header_text)), content = base64url_encode(arena, bytes_of(payload_text));
    Str signed_text = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(protected), STR_ARG(content));
    if (!arena_ok(arena))
        return err_too_big(err);
    hmac_sha256(mac_key, bytes_of(signed_text), mac);
    secret_wipe((void *)(uintptr_t)mac_key.ptr, mac_key.len);
    *out = flattened(arena, protected, content, base64url_encode(arena, (Bytes){ mac, sizeof mac }));
    return arena_ok(arena) || err_too_big(err);
}

bool acme_key_authorization(Arena *arena, const KeyRef *key, Str token, Str *out, Err *err)
{
    uint8_t thumbprint[32];
    if (!key_thumbprint(key, thumbprint, err))
        return false;
    *out = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(token), STR_ARG(base64url_encode(arena, (Bytes){ thumbprint, sizeof thumbprint })));
    return arena_ok(arena) || err_too_big(err);
}

Str acme_dns_value(Arena *arena, Str key_authorization)
{
    uint8_t digest[SHA256_SIZE];
    sha256(bytes_of(key_authorization), digest);
    return base64url_encode(arena, (Bytes){ digest, sizeof digest });
}

/* ---- in ---- */

static bool no_such(Err *err, const char *what) { return err_set(err, ERR_UNAVAILABLE, "the ACME server's answer is no %s (RFC 8555)", what); }

static bool body_object(Arena *arena, Str body, const char *what, const JsonVal **out, Err *err)
{
    Err why = { 0 };
    return (json_parse(arena, body, JSON_STRICT, out, &why) && json_kind(*out) == JSON_OBJECT) || no_such(err, what);
}

static bool url_of(const JsonVal *value, Str *out)
{
    Str url = json_str(value);
    size_t at;
    if (!str_starts(url, STR("https://")) || url.len > URL_MAX || str_find(url, STR(" "), &at))
        return false;
    *out = url;
    return true;
}

bool directory_read(Arena *arena, Str body, Directory *out, Err *err)
{
    const JsonVal *root;
    Directory read = { 0 };
    if (!body_object(arena, body, "directory", &root, err))
        return false;
    if (!url_of(json_get(root, "newNonce"), &read.new_nonce) || !url_of(json_get(root, "newAccount"), &read.new_account) || !url_of(json_get(root, "newOrder"), &read.new_order))
        return no_such(err, "directory");
    *out = read;
    return true;
}

static AcmeState state_of(const JsonVal *value)
{
    static const struct { const char *name; AcmeState state; } states[] = {
        { "pending", ACME_PENDING }, { "ready", ACME_READY }, { "processing", ACME_PROCESSING }, { "valid", ACME_VALID }, { "invalid", ACME_INVALID },
        { "deactivated", ACME_INVALID }, { "expired", ACME_INVALID }, { "revoked", ACME_INVALID },
    };
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (str_eq(json_str(value), str_from(states[i].name)))
            return states[i].state;
    return 0;
}

/* Text from outside that will stand in answers and logs. */
static Str plain(Arena *arena, Str text)
{
    Str copy = str_dup(arena, str_slice(text, 0, TEXT_MAX));
    for (size_t i = 0; i < copy.len; i++)
        if ((unsigned char)copy.ptr[i] < ' ' || copy.ptr[i] == 0x7F)
            ((char *)(uintptr_t)copy.ptr)[i] = ' ';
    while (copy.len > 0 && !str_is_utf8(copy))          /* the cut may have been inside a character */
        copy.len--;
    return copy;
}

static Problem problem_of(Arena *arena, const JsonVal *value)
{
    static const char front[] = "urn:ietf:params:acme:error:";
    Problem out = { plain(arena, json_str(json_get(value, "type"))), plain(arena, json_str(json_get(value, "detail"))) };
    if (str_starts(out.type, str_from(front)))
        out.type = str_slice(out.type, sizeof front - 1, out.type.len);
    const JsonVal *parts = json_get(value, "subproblems");
    if (json_count(parts) > 0) {
        Problem first = { STR(""), plain(arena, json_str(json_get(json_at(parts, 0), "detail"))) };
        if (!str_empty(first.text))
            out.text = str_printf(arena, STR_FMT " " STR_FMT, STR_ARG(out.text), STR_ARG(first.text));
    }
    return out;
}

static Str sentence_of(Arena *arena, Problem problem)
{
    if (str_empty(problem.text))
        return str_empty(problem.type) ? STR_NONE : problem.type;
    return str_empty(problem.type) ? problem.text : str_printf(arena, STR_FMT " (" STR_FMT ")", STR_ARG(problem.text), STR_ARG(problem.type));
}

Problem problem_read(Arena *arena, Str body, int status)
{
    const JsonVal *root = NULL;
    Err why = { 0 };
    Problem out = { 0 };
    if (json_parse(arena, body, JSON_STRICT, &root, &why) && json_kind(root) == JSON_OBJECT)
        out = problem_of(arena, root);
    Str sentence = sentence_of(arena, out);
    out.text = sentence.ptr ? sentence : str_printf(arena, "status %d", status);
    if (!out.type.ptr)
        out.type = STR("");
    return out;
}

bool order_read(Arena *arena, Str body, AcmeOrder *out, Err *err)
{
    const JsonVal *root;
    if (!body_object(arena, body, "order", &root, err))
        return false;
    const JsonVal *list = json_get(root, "authorizations");
    AcmeOrder order = { .state = state_of(json_get(root, "status")), .count = json_count(list) };
    if (!order.state || json_kind(list) != JSON_ARRAY || order.count > ACME_NAMES_MAX || !url_of(json_get(root, "finalize"), &order.finalize_url))
        return no_such(err, "order");
    for (size_t i = 0; i < order.count; i++)
        if (!url_of(json_at(list, i), &order.authorizations[i]))
            return no_such(err, "order");
    if (order.state == ACME_VALID && !url_of(json_get(root, "certificate"), &order.certificate_url))
        return no_such(err, "order with a certificate");
    if (json_kind(json_get(root, "error")) == JSON_OBJECT)
        order.error = sentence_of(arena, problem_of(arena, json_get(root, "error")));
    *out = order;
    return arena_ok(arena) || err_too_big(err);
}

/* It becomes a hook's argument and part of a path. */
static bool is_token(Str token)
{
    if (str_empty(token) || token.len > TOKEN_MAX)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i], folded = (char)(c | 0x20);
        if ((folded < 'a' || folded > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool name_read(Arena *arena, const JsonVal *identifier, AcmeName *out)
{
    Str type = json_str(json_get(identifier, "type")), text = str_lower(arena, json_str(json_get(identifier, "value")));
    uint8_t address[16];
    char copy[64];
    out->text = text;
    out->is_ip = str_eq(type, STR("ip"));
    if (out->is_ip) {
        if (!text.ptr || text.len >= sizeof copy)
            return false;
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        return inet_pton(AF_INET, copy, address) == 1 || inet_pton(AF_INET6, copy, address) == 1;
    }
    if (!str_eq(type, STR("dns")) || str_empty(text) || text.len > 253 || text.ptr[0] == '-' || text.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_')
            return false;
    }
    return true;
}

bool authorization_read(Arena *arena, Str body, Str kind, AcmeAuthorization *out, Err *err)
{
    const JsonVal *root;
    if (!body_object(arena, body, "authorization", &root, err))
        return false;
    AcmeAuthorization result = { .state = state_of(json_get(root, "status")) };
    const JsonVal *challenges = json_get(root, "challenges");
    if (!result.state || !name_read(arena, json_get(root, "identifier"), &result.name) || json_kind(challenges) != JSON_ARRAY)
        return no_such(err, "authorization");
    for (size_t i = 0; i < json_count(challenges); i++) {
        const JsonVal *challenge = json_at(challenges, i), *error = json_get(challenge, "error");
        if (json_kind(error) == JSON_OBJECT)
            result.error = sentence_of(arena, problem_of(arena, error));
        if (!str_eq(json_str(json_get(challenge, "type")), kind))
            continue;
        result.token = json_str(json_get(challenge, "token"));
        result.challenge = state_of(json_get(challenge, "status"));
        if (!is_token(result.token) || !result.challenge || !url_of(json_get(challenge, "url"), &result.challenge_url))
            return no_such(err, "challenge");
    }
    *out = result;
    return arena_ok(arena) || err_too_big(err);
}
