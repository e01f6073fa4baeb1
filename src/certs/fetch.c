/* fetch.c - challenge, token, secret. */
#include "certs/fetch.h"
#include <stdlib.h>
#include "base/clock.h"
#include "base/encode.h"

enum { FETCH_TIMEOUT_MS = 30 * 1000, TOKENS_MAX = 8, TOKEN_SPARE_MS = 5 * 60 * 1000 };

typedef struct Token { char resource[256]; Secret *text; int64_t until_ms; } Token;

/* What a vault said that tokens for it must be for, so that only its first request goes without one. */
typedef struct VaultResource { char vault_url[300], resource[256]; bool is_refusing; /* the last token was new, and answered 401 */ } VaultResource;

struct Fetcher {
    HttpClient *vault;              /* HTTPS to vaults */
    HttpClient *msi;                /* plain HTTP to the metadata address */
    Token tokens[TOKENS_MAX];       /* one a resource: vaults of one cloud share theirs */
    VaultResource *resources;
    size_t resource_count;
};

bool fetcher_new(const char *ca_file, const char *proxy, Fetcher **out, Err *err)
{
    Fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return err_set(err, ERR_INTERNAL, "out of memory");
    HttpClientConfig vault = { .ca_file = ca_file, .proxy = proxy, .user_agent = "vaultyard-certs/" VAULTYARD_VERSION, .timeout_ms = 30000, .reply_max_bytes = 256 * 1024 };
    HttpClientConfig msi = { .user_agent = vault.user_agent, .connect_timeout_ms = 5000, .timeout_ms = 30000, .reply_max_bytes = 64 * 1024 };
    if (!http_client_new(&vault, &fetcher->vault, err) || !http_client_new(&msi, &fetcher->msi, err)) {
        fetcher_free(fetcher);
        return false;
    }
    *out = fetcher;
    return true;
}

void fetcher_free(Fetcher *fetcher)
{
    if (!fetcher)
        return;
    for (size_t i = 0; i < TOKENS_MAX; i++)
        secret_free(fetcher->tokens[i].text);
    http_client_free(fetcher->vault);
    http_client_free(fetcher->msi);
    free(fetcher->resources);
    free(fetcher);
}

bool fetcher_carry(Fetcher *fetcher, const Fetcher *former, Err *err)
{
    if (former->resource_count == 0)
        return true;
    VaultResource *all = calloc(former->resource_count, sizeof *all);
    if (!all)
        return err_set(err, ERR_INTERNAL, "out of memory");
    memcpy(all, former->resources, former->resource_count * sizeof *all);
    for (size_t i = 0; i < former->resource_count; i++)
        all[i].is_refusing = false;
    free(fetcher->resources);
    fetcher->resources = all;
    fetcher->resource_count = former->resource_count;
    return true;
}

HttpClient *fetcher_client(Fetcher *fetcher) { return fetcher->vault; }

void fetched_done(Fetched *fetched) { bundle_done(&fetched->bundle); }

/* The value of name="..." in a WWW-Authenticate header. */
static Str challenge_value(Str header, Str name)
{
    size_t at;
    while (str_find(header, name, &at)) {
        Str rest = str_slice(header, at + name.len, header.len);
        if (str_starts(rest, STR("=\""))) {
            rest = str_slice(rest, 2, rest.len);
            return str_cut(&rest, '"');
        }
        header = rest;
    }
    return STR_NONE;
}

static Token *token_slot(Fetcher *fetcher, Str resource)
{
    Token *oldest = &fetcher->tokens[0];
    for (size_t i = 0; i < TOKENS_MAX; i++) {
        Token *token = &fetcher->tokens[i];
        if (token->text && str_eq(str_from(token->resource), resource))
            return token;
        if (token->until_ms < oldest->until_ms)
            oldest = token;
    }
    secret_free(oldest->text);
    *oldest = (Token){ 0 };
    return oldest;
}

static bool token_get(Fetcher *fetcher, Arena *arena, const CertSettings *settings, Str resource, Token **out, Err *err)
{
    Token *token = token_slot(fetcher, resource);
    Str text;
    int64_t until_ms, now_ms = real_now_ms();
    *out = token;
    if (token->text && token->until_ms - TOKEN_SPARE_MS > now_ms)
        return true;
    if (resource.len >= sizeof token->resource)
        return err_too_big(err);
    if (!sign_in_token((SignInClients){ fetcher->msi, fetcher->vault }, arena, &settings->sign_in, resource, now_ms, &text, &until_ms, err))
        return false;
    secret_free(token->text);
    token->text = secret_copy(bytes_of(text));
    secret_wipe((void *)text.ptr, text.len);
    if (!token->text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    memcpy(token->resource, resource.ptr, resource.len);
    token->resource[resource.len] = '\0';
    token->until_ms = until_ms;
    return true;
}

static VaultResource *resource_of(const Fetcher *fetcher, Str vault_url)
{
    for (size_t i = 0; i < fetcher->resource_count; i++)
        if (str_eq(str_from(fetcher->resources[i].vault_url), vault_url))
            return &fetcher->resources[i];
    return NULL;
}

static Str challenged_resource(Str challenge)
{
    Str resource = challenge_value(challenge, STR("resource"));
    if (!resource.len)
        resource = challenge_value(challenge, STR("scope"));
    if (str_ends(resource, STR("/.default")))
        resource.len -= 9;
    return resource;
}

static bool resource_learn(Fetcher *fetcher, Str vault_url, Str challenge, Err *err)
{
    Str resource = challenged_resource(challenge);
    VaultResource *known = resource_of(fetcher, vault_url);
    if (!resource.len || resource.len >= sizeof known->resource || vault_url.len >= sizeof known->vault_url)
        return err_set(err, ERR_UNAVAILABLE, "'" STR_FMT "' is no vault: it asks for a token without saying for what", STR_ARG(vault_url));
    if (!known) {
        VaultResource *more = realloc(fetcher->resources, (fetcher->resource_count + 1) * sizeof *more);
        if (!more)
            return err_set(err, ERR_INTERNAL, "out of memory");
        fetcher->resources = more;
        known = &more[fetcher->resource_count++];
        *known = (VaultResource){ 0 };
        memcpy(known->vault_url, vault_url.ptr, vault_url.len);
    }
    memcpy(known->resource, resource.ptr, resource.len);
    known->resource[resource.len] = '\0';
    return true;
}

bool fetch_bearer(Fetcher *fetcher, Arena *arena, const CertSettings *settings, Str vault_url, Str *header, Err *err)
{
    VaultResource *known = resource_of(fetcher, vault_url);
    Token *token;
    *header = STR_NONE;
    if (!known)
        return true;
    if (!token_get(fetcher, arena, settings, str_from(known->resource), &token, err))
        return false;
    *header = str_printf(arena, "Bearer " STR_FMT, STR_ARG(str_of(secret_bytes(token->text))));
    return header->ptr || err_too_big(err);
}

void fetch_token_refused(Fetcher *fetcher, Str vault_url)
{
    VaultResource *known = resource_of(fetcher, vault_url);
    if (known)
        token_slot(fetcher, str_from(known->resource))->until_ms = 0;
}

bool fetch_begin(Fetcher *fetcher, const CertSettings *settings, FetchCall *call, Err *err)
{
    HttpHeader headers[] = { { "Accept", STR("application/json") }, { "Authorization", STR_NONE } };
    Str *bearer = &headers[1].value;
    if (!fetch_bearer(fetcher, call->arena, settings, call->vault_url, bearer, err))
        return false;
    bool begun = http_begin(call->client, call->arena, &(HttpCall){ .method = "GET", .url = call->url, .headers = headers, .header_count = bearer->len ? 2 : 1,
                                                                    .timeout_ms = call->timeout_ms ? call->timeout_ms : FETCH_TIMEOUT_MS }, err);
    secret_wipe((void *)bearer->ptr, bearer->len);
    return begun;
}

/* A 401 says for what a token is wanted, or that the one sent is no longer good although it has not ended. */
bool fetch_end(Fetcher *fetcher, const CertSettings *settings, FetchCall *call, bool *again, HttpAnswer *out, Err *err)
{
    *again = false;
    if (!http_end(call->client, call->arena, out, err))
        return false;
    VaultResource *known = resource_of(fetcher, call->vault_url);
    if (out->status != 401) {
        if (known)
            known->is_refusing = false;
        return true;
    }
    Str challenge = http_answer_header(out, "WWW-Authenticate");
    /* Where the last new token was refused, the next one is not exchanged at once for a third. */
    bool is_final = call->is_second || (known && known->is_refusing && str_eq(challenged_resource(challenge), str_from(known->resource)));
    fetch_token_refused(fetcher, call->vault_url);
    if (is_final) {
        if (known)
            known->is_refusing = true;
        return true;
    }
    call->is_second = *again = true;
    return resource_learn(fetcher, call->vault_url, challenge, err) && fetch_begin(fetcher, settings, call, err);
}

/* What the vault refused, in words that name the identity and the cure. */
static bool refused(Arena *arena, const CertSettings *settings, const Observed *observed, const HttpAnswer *answer, Err *err)
{
    const JsonVal *body = NULL;
    Err ignored;
    if (!json_parse(arena, answer->body, JSON_STRICT, &body, &ignored))
        body = NULL;
    Str message = json_str(json_path(body, "error.message")), inner = json_str(json_path(body, "error.innererror.code"));
    Str who = sign_in_name(arena, &settings->sign_in), assignee = sign_in_assignee(&settings->sign_in);
    if (answer->status == 404)
        return err_set(err, ERR_NOT_FOUND, STR_FMT " was not found in vault '" STR_FMT "'; create the certificate or correct observedCertificates",
                       STR_ARG(observed->base_url), STR_ARG(observed->vault));
    if (str_eq(inner, STR("SecretDisabled")))
        return err_set(err, ERR_DENIED, "the current version of '" STR_FMT "' in vault '" STR_FMT "' is disabled; enable it, for example: az keyvault certificate set-attributes "
                       "--vault-name " STR_FMT " --name " STR_FMT " --enabled true", STR_ARG(observed->name), STR_ARG(observed->vault), STR_ARG(observed->vault), STR_ARG(observed->name));
    if (str_eq(inner, STR("ForbiddenByFirewall")))
        return err_set(err, ERR_DENIED, "the firewall of vault '" STR_FMT "' keeps this machine out (" STR_FMT "); allow its address: az keyvault network-rule add --name " STR_FMT,
                       STR_ARG(observed->vault), STR_ARG(str_slice(message, 0, 160)), STR_ARG(observed->vault));
    if (answer->status == 403 && str_eq(inner, STR("ForbiddenByRbac")))
        return err_set(err, ERR_DENIED, STR_FMT " may not get the secret '" STR_FMT "' of vault '" STR_FMT "'; give it the role for that: az role assignment create "
                       "--role \"Key Vault Secrets User\" --assignee " STR_FMT " --scope $(az keyvault show --name " STR_FMT " --query id --output tsv)", STR_ARG(who),
                       STR_ARG(observed->name), STR_ARG(observed->vault), STR_ARG(assignee), STR_ARG(observed->vault));
    if (answer->status == 401 || answer->status == 403)
        return err_set(err, ERR_DENIED, STR_FMT " may not get the secret '" STR_FMT "' of vault '" STR_FMT "'; give it the secret permission 'get', for example: "
                       "az keyvault set-policy --name " STR_FMT " --%s " STR_FMT " --secret-permissions get (status %d: " STR_FMT ")",
                       STR_ARG(who), STR_ARG(observed->name), STR_ARG(observed->vault), STR_ARG(observed->vault),
                       settings->sign_in.kind == SIGN_IN_MANAGED && !settings->sign_in.msi_client_id.len ? "object-id" : "spn",
                       STR_ARG(assignee), answer->status, STR_ARG(str_slice(message, 0, 160)));
    return err_set(err, ERR_UNAVAILABLE, "vault '" STR_FMT "' answered status %d: " STR_FMT, STR_ARG(observed->vault), answer->status,
                   STR_ARG(str_slice(message, 0, 200)));
}

static bool bundle_of_secret(Arena *arena, const Observed *observed, const JsonVal *secret, Bundle *out, Err *err)
{
    Str value = json_str(json_get(secret, "value")), type = json_str(json_get(secret, "contentType"));
    bool read = false;
    if (str_eq_nocase(type, STR("application/x-pkcs12"))) {
        Bytes pfx;
        read = base64_decode(arena, value, &pfx, err) && bundle_read_pfx(arena, pfx, STR(""), out, err);
    } else if (str_eq_nocase(type, STR("application/x-pem-file"))) {
        read = bundle_read_pem(arena, value, out, err);
    } else {
        return err_set(err, ERR_BAD_INPUT, "the secret '" STR_FMT "' of vault '" STR_FMT "' is no certificate: its content type is '" STR_FMT "'",
                       STR_ARG(observed->name), STR_ARG(observed->vault), STR_ARG(str_slice(type, 0, 60)));
    }
    if (!read)
        return false;
    if (!out->key || out->count == 0)
        return err_set(err, ERR_BAD_INPUT, "the secret '" STR_FMT "' of vault '" STR_FMT "' holds no private key; is the certificate's key exportable?",
                       STR_ARG(observed->name), STR_ARG(observed->vault));
    return true;
}

/* A certificate is only taken with the key that belongs to it. */
static bool check_pair(Arena *arena, const Observed *observed, Fetched *out, Err *err)
{
    AUTO(key_free_auto) KeyRef *public_key = NULL;
    if (!cert_read(arena, out->bundle.certs[0], &out->leaf, err) || !cert_public_key(out->bundle.certs[0], &public_key, err))
        return false;
    if (!key_same_public(public_key, out->bundle.key))
        return err_set(err, ERR_BAD_INPUT, "the secret '" STR_FMT "' of vault '" STR_FMT "' holds a key that does not belong to its certificate",
                       STR_ARG(observed->name), STR_ARG(observed->vault));
    return true;
}

static bool version_of(const JsonVal *secret, Str *out, Err *err)
{
    Str rest = json_str(json_get(secret, "id")), last = STR_NONE;
    while (rest.ptr)
        last = str_cut(&rest, '/');
    for (size_t i = 0; i < last.len; i++)
        if (!((last.ptr[i] >= '0' && last.ptr[i] <= '9') || ((last.ptr[i] | 0x20) >= 'a' && (last.ptr[i] | 0x20) <= 'z')))
            last.len = 0;
    if (last.len == 0 || last.len > 64)
        return err_set(err, ERR_UNAVAILABLE, "the vault's answer names no version");
    *out = last;
    return true;
}

Str fetch_current_url(Arena *arena, const Observed *observed)
{
    return str_printf(arena, STR_FMT "%s" STR_FMT "?api-version=7.4", STR_ARG(observed->base_url), observed->pinned.len ? "/" : "", STR_ARG(observed->pinned));
}

Str fetch_version_url(Arena *arena, const Observed *observed, Str version)
{
    return str_printf(arena, STR_FMT "/" STR_FMT "?api-version=7.4", STR_ARG(observed->base_url), STR_ARG(version));
}

bool fetch_take_current(Arena *arena, const CertSettings *settings, const Observed *observed, Str have, const HttpAnswer *answer, Fetched *out, Err *err)
{
    const JsonVal *secret;
    if (answer->status != 200)
        return refused(arena, settings, observed, answer, err);

    Fetched fetched = { 0 };
    bool sound = json_parse(arena, answer->body, JSON_STRICT, &secret, err) && version_of(secret, &fetched.version, err);
    if (sound && !(have.len && str_eq(fetched.version, have)))
        sound = bundle_of_secret(arena, observed, secret, &fetched.bundle, err) && check_pair(arena, observed, &fetched, err);
    secret_wipe((void *)answer->body.ptr, answer->body.len);
    if (!sound) {
        bundle_done(&fetched.bundle);
        return false;
    }
    fetched.version = str_dup(arena, fetched.version);
    *out = fetched;
    return true;
}

bool fetch_take_known(const Observed *observed, const HttpAnswer *answer, bool *is_known, Err *err)
{
    secret_wipe((void *)answer->body.ptr, answer->body.len);
    /* 403 is a version that is disabled, which a vault has to know for that. */
    *is_known = answer->status == 200 || answer->status == 403;
    if (*is_known || answer->status == 404)
        return true;
    return err_set(err, ERR_UNAVAILABLE, "vault '" STR_FMT "' answered status %d", STR_ARG(observed->vault), answer->status);
}
