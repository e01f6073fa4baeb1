/* sign_in.c - tokens.
 *
 * Forms: "How to use managed identities to acquire an access token" (metadata address), "Use managed identities for App Service" (REST
 * reference), "Authenticate against Azure resources with Azure Arc-enabled servers", and RFC 6749 section 4.4 with RFC 7523 assertions. */
#include "certs/sign_in.h"
#include <limits.h>
#include <stdlib.h>
#include "base/encode.h"
#include "base/file.h"
#include "crypto/assertion.h"

enum { FILE_MAX_BYTES = 256 * 1024, ARC_KEY_MAX_BYTES = 4096, TOKEN_MAX_BYTES = 16 * 1024 };

static const char arc_key_dir[] = "/var/opt/azcmagent/tokens";
static const char public_authority[] = "https://login.microsoftonline.com";

static Str from_environment(Arena *arena, Str given, const char *name)
{
    const char *value = getenv(name);
    return given.len || !value || !*value ? given : str_dup(arena, str_from(value));
}

bool sign_in_complete(Arena *arena, SignIn *s, Err *err)
{
    if (s->kind == SIGN_IN_MANAGED) {
        const char *endpoint = getenv("IDENTITY_ENDPOINT"), *header = getenv("IDENTITY_HEADER");
        if (s->is_endpoint_given || !endpoint || !*endpoint || (!(header && *header) && !getenv("IMDS_ENDPOINT")))
            return true;
        s->msi_endpoint = str_dup(arena, str_from(endpoint));
        if (header && *header)
            s->app_service_header = str_dup(arena, str_from(header));
        return arena_ok(arena) || err_too_big(err);
    }
    if (s->kind == SIGN_IN_FEDERATED) {
        s->token_file = from_environment(arena, s->token_file, "AZURE_FEDERATED_TOKEN_FILE");
        s->client_id = from_environment(arena, s->client_id, "AZURE_CLIENT_ID");
        s->tenant = from_environment(arena, s->tenant, "AZURE_TENANT_ID");
        s->authority = from_environment(arena, s->authority, "AZURE_AUTHORITY_HOST");
        if (!s->token_file.len)
            return err_field(err, "vaultyard.signIn.federatedTokenFile", "workload identity needs federatedTokenFile, or AZURE_FEDERATED_TOKEN_FILE in the environment");
    }
    const struct { Str value; const char *field, *variable; } needed[] = {
        { s->client_id, "vaultyard.signIn.clientId", "AZURE_CLIENT_ID" }, { s->tenant, "vaultyard.signIn.tenantId", "AZURE_TENANT_ID" },
    };
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!needed[i].value.len)
            return err_field(err, needed[i].field, "%s is missing%s%s", needed[i].field, s->kind == SIGN_IN_FEDERATED ? ", and so is the environment's " : "",
                             s->kind == SIGN_IN_FEDERATED ? needed[i].variable : "");
    if (!s->authority.len)
        s->authority = str_from(public_authority);
    while (str_ends(s->authority, STR("/")))
        s->authority.len--;
    return str_starts_nocase(s->authority, STR("https://")) || err_field(err, "vaultyard.signIn.authorityHost", "authorityHost must be an https URL: a secret goes there");
}

Str sign_in_name(Arena *arena, const SignIn *s)
{
    static const char *const how[] = { [SIGN_IN_SECRET] = "the secret in ", [SIGN_IN_CERTIFICATE] = "the certificate in ", [SIGN_IN_FEDERATED] = "the federated token in " };
    if (s->kind != SIGN_IN_MANAGED) {
        Str file = s->kind == SIGN_IN_SECRET ? s->secret_file : s->kind == SIGN_IN_CERTIFICATE ? s->certificate_file : s->token_file;
        return str_printf(arena, "the application " STR_FMT " of tenant " STR_FMT " with %s" STR_FMT, STR_ARG(s->client_id), STR_ARG(s->tenant), how[s->kind], STR_ARG(file));
    }
    if (s->msi_client_id.len)
        return str_printf(arena, "the identity with client id " STR_FMT, STR_ARG(s->msi_client_id));
    if (s->msi_object_id.len)
        return str_printf(arena, "the identity with object id " STR_FMT, STR_ARG(s->msi_object_id));
    if (s->msi_resource_id.len)
        return str_printf(arena, "the identity " STR_FMT, STR_ARG(s->msi_resource_id));
    return STR("the machine's managed identity");
}

Str sign_in_assignee(const SignIn *s)
{
    if (s->kind != SIGN_IN_MANAGED)
        return s->client_id;
    return s->msi_client_id.len ? s->msi_client_id : s->msi_object_id.len ? s->msi_object_id : STR("<principal id>");
}

/* ---- answers ---- */

static int64_t seconds_of(const JsonVal *v)
{
    int64_t seconds = json_int(v, 0);
    Err ignored;
    if (json_kind(v) == JSON_STR && !str_to_int64(json_str(v), 0, INT64_MAX / 1000, &seconds, &ignored))
        seconds = 0;
    return seconds;
}

static bool take_token(Arena *arena, const SignIn *s, Str from, const HttpAnswer *answer, int64_t now_ms, Str *token, int64_t *until_ms, Err *err)
{
    const JsonVal *body = NULL;
    Err ignored;
    if (!json_parse(arena, answer->body, JSON_STRICT, &body, &ignored))
        body = NULL;
    if (answer->status != 200) {
        Str why = json_str(json_get(body, "error_description"));
        if (!why.len)
            why = json_str(json_get(body, "message"));
        const char *cure = s->kind == SIGN_IN_MANAGED ? "assign it to this machine or pool, or correct authenticationSettings.msiClientId"
                           : s->kind == SIGN_IN_FEDERATED ? "add a federated credential for the token's issuer and subject: az ad app federated-credential create"
                                                          : "correct vaultyard.signIn, or make a new credential: az ad app credential reset";
        return err_set(err, answer->status >= 500 || answer->status == 429 ? ERR_UNAVAILABLE : ERR_DENIED, STR_FMT " got no token from " STR_FMT " (status %d: " STR_FMT "); %s",
                       STR_ARG(sign_in_name(arena, s)), STR_ARG(from), answer->status, STR_ARG(str_slice(why, 0, 240)), cure);
    }
    Str text = json_str(json_get(body, "access_token"));
    int64_t lasts_s = seconds_of(json_get(body, "expires_in")), ends_s = seconds_of(json_get(body, "expires_on"));
    if (!text.len || text.len > TOKEN_MAX_BYTES || (lasts_s <= 0 && ends_s <= 0) || lasts_s > INT32_MAX)
        return err_set(err, ERR_UNAVAILABLE, STR_FMT " answered something that is no token", STR_ARG(from));
    *token = str_dup(arena, text);
    *until_ms = lasts_s > 0 ? now_ms + lasts_s * 1000 : ends_s * 1000;
    secret_wipe((void *)answer->body.ptr, answer->body.len);
    secret_wipe((void *)text.ptr, text.len);
    return token->ptr || err_too_big(err);
}

/* ---- managed identity ---- */

static Str with_query(Arena *arena, Str url, const char *name, Str value)
{
    return value.len ? str_printf(arena, STR_FMT "&%s=" STR_FMT, STR_ARG(url), name, STR_ARG(percent_encode(arena, value))) : url;
}

static bool is_arc(const SignIn *s)
{
    size_t at;
    return !s->app_service_header.len && (str_find(s->msi_endpoint, STR("localhost:40342/"), &at) || str_find(s->msi_endpoint, STR("127.0.0.1:40342/"), &at));
}

/* Arc answers 401 first and names a file that only root and its own group can read; what is in it proves who asks. The file is only looked for where
 * Arc's agent puts it: whoever sits on the port must not be able to have other files sent to it. */
static bool arc_secret(Arena *arena, const SignIn *s, const HttpAnswer *answer, Str *header, Err *err)
{
    Str challenge = http_answer_header(answer, "WWW-Authenticate"), text, dir = s->arc_key_dir.ptr ? s->arc_key_dir : str_from(arc_key_dir);
    size_t at;
    if (!str_starts_nocase(challenge, STR("Basic")) || !str_find(challenge, STR("realm="), &at))
        return err_set(err, ERR_DENIED, STR_FMT " answered 401 without naming a key file", STR_ARG(s->msi_endpoint));
    Str path = str_trim(str_slice(challenge, at + 6, challenge.len));
    if (path.len > 1 && path.ptr[0] == '"')
        path = str_slice(path, 1, path.len - 1);
    Str name = str_starts(path, dir) ? str_slice(path, dir.len, path.len) : STR_NONE;
    if (name.len < 6 || name.ptr[0] != '/' || memchr(name.ptr + 1, '/', name.len - 1) || !str_ends(name, STR(".key")))
        return err_set(err, ERR_DENIED, STR_FMT " names '" STR_FMT "' as its key file, which is none of " STR_FMT "/*.key", STR_ARG(s->msi_endpoint),
                       STR_ARG(str_slice(path, 0, 200)), STR_ARG(dir));
    char *file = str_to_cstr(arena, path, err);
    Err why = { 0 };
    if (!file)
        return false;
    if (!file_read(arena, file, ARC_KEY_MAX_BYTES, &text, &why))
        return err_set(err, ERR_DENIED, "Arc's key file cannot be read (%s); run the agent as root or in the group himds", why.text);
    *header = str_printf(arena, "Basic " STR_FMT, STR_ARG(text));
    secret_wipe((void *)text.ptr, text.len);
    return header->ptr || err_too_big(err);
}

static bool managed_token(SignInClients clients, Arena *arena, const SignIn *s, Str resource, int64_t now_ms, Str *token, int64_t *until_ms, Err *err)
{
    bool app_service = s->app_service_header.len > 0;
    const char *version = app_service ? "2019-08-01" : is_arc(s) ? "2020-06-01" : "2018-02-01";
    Str url = str_printf(arena, STR_FMT "?api-version=%s&resource=" STR_FMT, STR_ARG(s->msi_endpoint), version, STR_ARG(percent_encode(arena, resource)));
    if (s->msi_client_id.len)
        url = with_query(arena, url, "client_id", s->msi_client_id);
    else if (s->msi_object_id.len)
        url = with_query(arena, url, app_service ? "principal_id" : "object_id", s->msi_object_id);
    else
        url = with_query(arena, url, app_service ? "mi_res_id" : "msi_res_id", s->msi_resource_id);
    if (!url.ptr)
        return err_too_big(err);
    HttpHeader headers[2] = { { "Metadata", STR("true") } };
    if (app_service)
        headers[0] = (HttpHeader){ "X-IDENTITY-HEADER", s->app_service_header };
    HttpCall call = { .method = "GET", .url = url, .headers = headers, .header_count = 1 };
    HttpAnswer answer;
    if (!http_call(clients.local, arena, &call, &answer, err))
        return false;
    if (answer.status == 401 && !app_service && http_answer_header(&answer, "WWW-Authenticate").ptr) {
        Str proof = STR_NONE;
        if (!arc_secret(arena, s, &answer, &proof, err))
            return false;
        headers[1] = (HttpHeader){ "Authorization", proof };
        call.header_count = 2;
        bool came = http_call(clients.local, arena, &call, &answer, err);
        secret_wipe((void *)proof.ptr, proof.len);
        if (!came)
            return false;
    }
    return take_token(arena, s, s->msi_endpoint, &answer, now_ms, token, until_ms, err);
}

/* ---- applications ---- */

static bool read_secret_file(Arena *arena, Str path, Str *out, Err *err)
{
    char *file = str_to_cstr(arena, path, err);
    Err why = { 0 };
    if (!file)
        return false;
    if (!file_read(arena, file, FILE_MAX_BYTES, out, &why))
        return err_set(err, ERR_DENIED, "cannot sign in: %s", why.text);
    return true;
}

/* One line; the end of it is not part of the secret. */
static bool read_line(Arena *arena, Str path, Str *out, Err *err)
{
    Str text;
    if (!read_secret_file(arena, path, &text, err))
        return false;
    *out = str_trim(str_cut(&text, '\n'));
    return out->len || err_set(err, ERR_DENIED, "cannot sign in: " STR_FMT " is empty", STR_ARG(path));
}

/* PEM with certificate and key, or PKCS#12. */
static bool read_credential(Arena *arena, const SignIn *s, Bundle *out, Err *err)
{
    Str text, password = STR("");
    Err why = { 0 };
    size_t at;
    if (!read_secret_file(arena, s->certificate_file, &text, err) ||
        (s->certificate_password_file.len && !read_line(arena, s->certificate_password_file, &password, err)))
        return false;
    bool read = str_find(text, STR("-----BEGIN "), &at) ? bundle_read_pem(arena, text, out, &why) : bundle_read_pfx(arena, bytes_of(text), password, out, &why);
    secret_wipe((void *)text.ptr, text.len);
    return read || err_set(err, ERR_DENIED, "cannot sign in: " STR_FMT ": %s", STR_ARG(s->certificate_file), why.text);
}

static bool sign_assertion(Arena *arena, const SignIn *s, Str audience, int64_t now_ms, Str *out, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Err why = { 0 };
    if (!read_credential(arena, s, &bundle, err))
        return false;
    return assertion_sign(arena, &bundle, s->client_id, audience, now_ms, out, &why) || err_set(err, ERR_DENIED, "cannot sign in: " STR_FMT ": %s", STR_ARG(s->certificate_file), why.text);
}

static bool application_token(SignInClients clients, Arena *arena, const SignIn *s, Str resource, int64_t now_ms, Str *token, int64_t *until_ms, Err *err)
{
    Str url = str_printf(arena, STR_FMT "/" STR_FMT "/oauth2/v2.0/token", STR_ARG(s->authority), STR_ARG(percent_encode(arena, s->tenant))), proof = STR_NONE;
    if (!url.ptr)
        return err_too_big(err);
    if (!(s->kind == SIGN_IN_CERTIFICATE ? sign_assertion(arena, s, url, now_ms, &proof, err)
                                         : read_line(arena, s->kind == SIGN_IN_SECRET ? s->secret_file : s->token_file, &proof, err)))
        return false;
    Str encoded = percent_encode(arena, proof);
    Str body = str_printf(arena, "grant_type=client_credentials&client_id=" STR_FMT "&scope=" STR_FMT "&%s=" STR_FMT "%s", STR_ARG(percent_encode(arena, s->client_id)),
                          STR_ARG(percent_encode(arena, str_printf(arena, STR_FMT "/.default", STR_ARG(resource)))), s->kind == SIGN_IN_SECRET ? "client_secret" : "client_assertion",
                          STR_ARG(encoded), s->kind == SIGN_IN_SECRET ? "" : "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer");
    HttpHeader headers[] = { { "Content-Type", STR("application/x-www-form-urlencoded") }, { "Accept", STR("application/json") } };
    HttpAnswer answer;
    bool came = (body.ptr || err_too_big(err)) &&
                http_call(clients.remote, arena, &(HttpCall){ .method = "POST", .url = url, .headers = headers, .header_count = COUNT_OF(headers), .body = body }, &answer, err);
    secret_wipe((void *)proof.ptr, proof.len);
    secret_wipe((void *)encoded.ptr, encoded.len);
    secret_wipe((void *)body.ptr, body.len);
    return came && take_token(arena, s, url, &answer, now_ms, token, until_ms, err);
}

bool sign_in_token(SignInClients clients, Arena *arena, const SignIn *s, Str resource, int64_t now_ms, Str *token, int64_t *until_ms, Err *err)
{
    return s->kind == SIGN_IN_MANAGED ? managed_token(clients, arena, s, resource, now_ms, token, until_ms, err)
                                      : application_token(clients, arena, s, resource, now_ms, token, until_ms, err);
}
