/* token.c - tokens by client credentials (RFC 6749 section 4.4; a secret, or RFC 7523 a certificate), cached in a private file until five minutes before their end.
 *
 * A cached token is found by a digest over everything it was asked with, secret included: a changed secret never meets the old token. */
#include "cli/profile.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/files/pfxfile.h"
#include "crypto/assertion.h"
#include "crypto/hash.h"

enum { TOKENS_FILE_MAX = 1 << 20, TOKENS_MAX = 32, EARLY_MS = 5 * 60 * 1000 };

typedef struct Cached { Str key, token; int64_t expires_ms; } Cached;
static const JsonField cached_fields[] = {
    JSON_FIELD(Cached, key,        "key",       JSON_REQUIRED),
    JSON_FIELD(Cached, token,      "token",     JSON_REQUIRED),
    JSON_FIELD(Cached, expires_ms, "expiresMs", JSON_REQUIRED),
};

static Str cache_key(Arena *arena, const Profile *p, Str resource)
{
    uint8_t digest[SHA256_SIZE];
    Str proof = p->certificate_file.ptr ? p->certificate_file : p->client_secret;
    Str text = str_printf(arena, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n" STR_FMT "\n" STR_FMT, STR_ARG(p->authority), STR_ARG(p->tenant), STR_ARG(p->client_id),
                          STR_ARG(proof), STR_ARG(resource));

    sha256(bytes_of(text), digest);
    return hex_encode(arena, (Bytes){ digest, sizeof digest });
}

/* A cache that cannot be read is an empty one: it is written anew. */
static size_t cache_read(Arena *arena, const char *path, int64_t now_ms, Cached *out)
{
    const JsonVal *root;
    size_t count = 0;
    Err ignored = { 0 };
    Str text;

    if (!file_read(arena, path, TOKENS_FILE_MAX, &text, &ignored) || !json_parse(arena, text, JSON_STRICT, &root, &ignored))
        return 0;
    for (size_t i = 0; i < json_count(root) && count < TOKENS_MAX; i++) {
        Cached c = { 0 };
        if (json_read(json_at(root, i), "", cached_fields, COUNT_OF(cached_fields), &c, &ignored) && c.expires_ms - EARLY_MS > now_ms)
            out[count++] = c;
    }
    return count;
}

static void cache_write(const char *path, const Cached *items, size_t count)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Err ignored = { 0 };

    buf_init(&text, TOKENS_FILE_MAX);
    json_begin(&w, &text);
    json_open_array(&w, NULL);
    for (size_t i = 0; i < count; i++) {
        json_open(&w, NULL);
        json_put_str(&w, "key", items[i].key);
        json_put_str(&w, "token", items[i].token);
        json_put_int(&w, "expiresMs", items[i].expires_ms);
        json_close(&w);
    }
    json_close_array(&w);
    /* Only a cache: where it cannot be kept (no home, full disk) the next command asks the server again. */
    if (!json_end(&w, &ignored) || !file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, &ignored))
        return;
}

static void cache_add(Arena *arena, const char *path, const Cached *added)
{
    Cached items[TOKENS_MAX + 1];
    size_t count = cache_read(arena, path, real_now_ms(), items), kept = 0;
    char *dir = str_to_cstr(arena, str_from(path), &(Err){ 0 });
    Err ignored = { 0 };

    for (size_t i = 0; i < count; i++) {
        if (!str_eq(items[i].key, added->key) && kept < TOKENS_MAX - 1)
            items[kept++] = items[i];
    }
    items[kept++] = *added;
    if (!dir)
        return;
    *strrchr(dir, '/') = '\0';
    if (dir_make(dir, 0700, &ignored))
        cache_write(path, items, kept);
}

/* "client_secret=..." or "client_assertion=..." of a request to `url`. */
static bool proof_of(Cli *cli, Str url, Str *out, Err *err)
{
    const Profile *p = &cli->profile;
    AUTO(pfxfile_done_auto) PfxFile file = { 0 };
    Str assertion;
    char *path;

    if (!p->certificate_file.ptr) {
        *out = str_printf(cli->arena, "client_secret=" STR_FMT, STR_ARG(percent_encode(cli->arena, p->client_secret)));
        return true;
    }
    if (!(path = str_to_cstr(cli->arena, p->certificate_file, err)) || !pfxfile_read(cli, path, p->certificate_password, &file, err) ||
        !assertion_sign(cli->arena, &file.bundle, p->client_id, url, real_now_ms(), &assertion, err))
        return false;
    *out = str_printf(cli->arena, "client_assertion_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3Ajwt-bearer&client_assertion=" STR_FMT, STR_ARG(assertion));
    return true;
}

static bool token_ask(Cli *cli, Str resource, Cached *out, Err *err)
{
    const Profile *p = &cli->profile;
    HttpHeader headers[] = { { "Content-Type", STR("application/x-www-form-urlencoded") } };
    HttpCall call = { .method = "POST", .headers = headers, .header_count = COUNT_OF(headers) };
    HttpAnswer answer;
    const JsonVal *root;
    Err inner = { 0 };
    Str proof;

    call.url = str_printf(cli->arena, STR_FMT "/" STR_FMT "/oauth2/v2.0/token", STR_ARG(p->authority), STR_ARG(p->tenant));
    if (!proof_of(cli, call.url, &proof, err))
        return false;
    call.body = str_printf(cli->arena, "grant_type=client_credentials&client_id=" STR_FMT "&" STR_FMT "&scope=" STR_FMT "%%2F.default",
                           STR_ARG(percent_encode(cli->arena, p->client_id)), STR_ARG(proof), STR_ARG(percent_encode(cli->arena, resource)));
    if (!cli_http(cli, err) || !http_call(cli->http, cli->arena, &call, &answer, err))
        return false;
    if (!json_parse(cli->arena, answer.body, JSON_STRICT, &root, &inner))
        return err_set(err, ERR_UNAVAILABLE, STR_FMT " answered %d and no JSON; is it Vaultyard's login address?", STR_ARG(call.url), answer.status);
    if (answer.status != 200)
        return err_set(err, ERR_UNAUTHENTICATED, "signing in as " STR_FMT " was refused: " STR_FMT " (check the %s and the tenant, then run `vy login` again)",
                       STR_ARG(p->client_id), STR_ARG(json_str(json_get(root, "error_description"))), p->certificate_file.ptr ? "certificate" : "secret");
    out->token = json_str(json_get(root, "access_token"));
    out->expires_ms = real_now_ms() + json_int(json_get(root, "expires_in"), 0) * 1000;
    return out->token.ptr ? true : err_set(err, ERR_UNAVAILABLE, STR_FMT " answered without access_token", STR_ARG(call.url));
}

bool cli_token(Cli *cli, Str resource, bool fresh, Str *token, Err *err)
{
    Cached items[TOKENS_MAX], made = { .key = cache_key(cli->arena, &cli->profile, resource) };
    char *path = NULL;
    Err no_home = { 0 };
    size_t count = 0;

    if (profile_path(cli->arena, "tokens.json", &path, &no_home) && !fresh)
        count = cache_read(cli->arena, path, real_now_ms(), items);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(items[i].key, made.key)) {
            *token = items[i].token;
            return true;
        }
    }
    if (!token_ask(cli, resource, &made, err))
        return false;
    if (path)
        cache_add(cli->arena, path, &made);
    *token = made.token;
    return true;
}
