/* login.c - the login plane: discovery documents, signing keys, error bodies; sign_in.c has the token endpoint.
 *
 * The same tenant is served under three authority shapes, because clients differ in what they can be pointed at: /<tenant>/ (Entra),
 * /adfs/ and /adfs/t/<tenant>/ (az asks nobody else about an authority whose first segment is adfs). The documents echo the host
 * that was asked, with its port: npm's clients refuse an issuer of another host or port. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "base/encode.h"
#include "base/id.h"
#include "identity/parts.h"

enum { TOKEN_BODY_MAX = 64 * 1024 };            /* an x5c chain is a few KiB */

bool sts_refuse(Err *err, ErrCode code, const char *error, const char *number, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_named(err, code, error, number, "%s", text);
}

/* ---- tenants ---- */

static bool is_everybody(Str tenant)
{
    return str_eq_nocase(tenant, STR("common")) || str_eq_nocase(tenant, STR("organizations"));
}

static bool is_ours(const Site *site, Str tenant)
{
    return str_eq_nocase(tenant, site->tenant_id) || str_eq_nocase(tenant, site->names.domain) || str_eq_nocase(tenant, STR("adfs"));
}

bool login_tenant_check(const Site *site, Str tenant, Err *err)
{
    if (is_ours(site, tenant))
        return true;
    if (is_everybody(tenant))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "50059",
                          "No tenant-identifying information found in either the request or implied by any provided "
                          "credentials. Use /" STR_FMT "/ in the URL.", STR_ARG(site->tenant_id));
    size_t at;
    if (!guid_is_valid(tenant) && !str_find(tenant, STR("."), &at))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "900023",
                          "Specified tenant identifier '" STR_FMT "' is neither a valid DNS name, nor a valid external "
                          "domain.", STR_ARG(tenant));
    return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90002",
                      "Tenant '" STR_FMT "' not found. Check to make sure you have the correct tenant ID and are signing "
                      "into the correct cloud.", STR_ARG(tenant));
}

/* ---- OpenID Connect discovery 1.0 ---- */

/* "https://<host as asked>/<tenant>" or ".../adfs/t/<tenant>", as the request spelled it. */
static Str authority_of(const Req *req)
{
    Str tenant = req_param(req, "tenant");
    bool is_hybrid = str_starts_nocase(req->path, STR("/adfs/t/"));
    return str_printf(req->arena, "https://" STR_FMT "/%s" STR_FMT, STR_ARG(req->host), is_hybrid ? "adfs/t/" : "", STR_ARG(tenant));
}

static void put_list(JsonWriter *w, const char *name, const char *const *items, size_t count)
{
    json_open_array(w, name);
    for (size_t i = 0; i < count; i++)
        json_put_str(w, NULL, str_from(items[i]));
    json_close_array(w);
}

static bool openid_configuration(Req *req, Reply *reply, Err *err, bool is_v2)
{
    static const char *const methods[] = { "client_secret_post", "client_secret_basic", "private_key_jwt" },
                      *const modes[] = { "query", "fragment", "form_post" },
                      *const subjects[] = { "pairwise" }, *const algs[] = { "RS256" }, *const types[] = { "code", "id_token", "code id_token", "token" },
                      *const scopes[] = { "openid" }, *const claims[] = { "sub", "iss", "aud", "exp", "iat", "nbf", "appid", "appidacr", "idtyp", "oid", "tid", "uti", "ver" };
    const Identity *identity = req->ctx;
    Str tenant = req_param(req, "tenant");
    if (!is_everybody(tenant) && !login_tenant_check(identity->site, tenant, err))
        return false;

    Str authority = authority_of(req);
    bool is_adfs = str_starts_nocase(req->path, STR("/adfs"));
    const char *version = is_v2 ? "/v2.0" : "";
    /* For everybody's authority Entra answers this pattern: the tenant is known only once somebody signed in. */
    Str issuer_base = is_everybody(tenant) ? str_printf(req->arena, "https://" STR_FMT "/{tenantid}", STR_ARG(req->host)) : authority;
    const char *issuer_end = is_adfs ? "" : is_v2 ? "/v2.0" : "/";
    Str device = site_url(identity->site, req->arena, STR("graph"));
    if (!arena_ok(req->arena))
        return err_too_big(err);

    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "token_endpoint", str_printf(req->arena, STR_FMT "/oauth2%s/token", STR_ARG(authority), version));
    put_list(w, "token_endpoint_auth_methods_supported", methods, COUNT_OF(methods));
    json_put_str(w, "jwks_uri", str_printf(req->arena, STR_FMT "/discovery%s/keys", STR_ARG(authority), version));
    put_list(w, "response_modes_supported", modes, COUNT_OF(modes));
    put_list(w, "subject_types_supported", subjects, COUNT_OF(subjects));
    put_list(w, "id_token_signing_alg_values_supported", algs, COUNT_OF(algs));
    put_list(w, "response_types_supported", types, COUNT_OF(types));
    put_list(w, "scopes_supported", scopes, COUNT_OF(scopes));
    json_put_str(w, "issuer", str_printf(req->arena, STR_FMT "%s", STR_ARG(issuer_base), issuer_end));
    json_put_bool(w, "request_uri_parameter_supported", false);
    json_put_str(w, "authorization_endpoint", str_printf(req->arena, STR_FMT "/oauth2%s/authorize", STR_ARG(authority), version));
    json_put_str(w, "device_authorization_endpoint", str_printf(req->arena, STR_FMT "/oauth2%s/devicecode", STR_ARG(authority), version));
    json_put_bool(w, "http_logout_supported", false);
    put_list(w, "claims_supported", claims, COUNT_OF(claims));
    json_put_null(w, "tenant_region_scope");
    json_put_str(w, "cloud_instance_name", identity->site->names.domain);
    json_put_str(w, "msgraph_host", str_slice(device, sizeof "https://" - 1, device.len));
    json_close(w);
    return arena_ok(req->arena) ? json_end(w, err) : err_too_big(err);
}

static bool openid_v1(Req *req, Reply *reply, Err *err) { return openid_configuration(req, reply, err, false); }
static bool openid_v2(Req *req, Reply *reply, Err *err) { return openid_configuration(req, reply, err, true); }

/* ---- instance discovery ---- */

static Str host_only(Str authority) { return str_cut(&authority, ':'); }

/* MSAL drops the port of the authority that it asks about, so the answer brings ours. */
static bool discovery_instance(Req *req, Reply *reply, Err *err)
{
    const Identity *identity = req->ctx;
    Str rest = req_query(req, "authorization_endpoint"), scheme = STR("https://");
    if (str_empty(rest))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "900144",
                          "The request must contain the following parameter: 'authorization_endpoint'.");
    Str ours = site_url(identity->site, req->arena, STR("login"));
    if (!ours.ptr)
        return err_too_big(err);
    Str our_host = str_slice(ours, scheme.len, ours.len);
    bool is_https = str_starts_nocase(rest, scheme);
    rest = str_slice(rest, is_https ? scheme.len : rest.len, rest.len);
    Str host = str_cut(&rest, '/');
    Str tenant = rest.ptr ? str_cut(&rest, '/') : STR_NONE;
    if (!is_https || !str_eq_nocase(host_only(host), host_only(our_host)) || str_empty(tenant))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_instance", "50049",
                          "Unknown or invalid instance: this service knows https://" STR_FMT "/<tenant>/.", STR_ARG(our_host));

    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "tenant_discovery_endpoint",
                 str_printf(req->arena, STR_FMT "/" STR_FMT "/v2.0/.well-known/openid-configuration", STR_ARG(ours), STR_ARG(tenant)));
    json_put_str(w, "api-version", STR("1.1"));
    json_open_array(w, "metadata");
    json_open(w, NULL);
    json_put_str(w, "preferred_network", our_host);
    json_put_str(w, "preferred_cache", our_host);
    json_open_array(w, "aliases");
    json_put_str(w, NULL, our_host);
    if (our_host.len != host_only(our_host).len)
        json_put_str(w, NULL, host_only(our_host));
    json_close_array(w);
    json_close(w);
    json_close_array(w);
    json_close(w);
    return arena_ok(req->arena) ? json_end(w, err) : err_too_big(err);
}

/* ---- signing keys (RFC 7517) ---- */

static bool put_key(JsonWriter *w, Arena *arena, const SigningKey *key, Str issuer, Err *err)
{
    KeyPublic parts;
    if (!key_public(arena, key->key, &parts, err))
        return false;
    json_open(w, NULL);
    json_put_str(w, "kty", STR("RSA"));
    json_put_str(w, "use", STR("sig"));
    json_put_str(w, "kid", key->kid);
    json_put_str(w, "x5t", key->kid);
    json_put_str(w, "n", base64url_encode(arena, parts.n));
    json_put_str(w, "e", base64url_encode(arena, parts.e));
    json_open_array(w, "x5c");
    json_put_str(w, NULL, base64_encode(arena, key->certificate));
    json_close_array(w);
    json_put_str(w, "issuer", issuer);
    json_close(w);
    return true;
}

static bool signing_keys(Req *req, Reply *reply, Err *err)
{
    Identity *identity = req->ctx;
    Str tenant = req_param(req, "tenant");
    if (!is_everybody(tenant) && !login_tenant_check(identity->site, tenant, err))
        return false;
    Str authority = site_authority(identity->site, req->arena);
    Str issuer = str_printf(req->arena, STR_FMT "/", STR_ARG(authority));
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "keys");
    Ring *ring = signing_ring(identity);
    bool good = true;
    for (size_t i = 0; good && i < ring->count; i++)
        good = put_key(&reply->json, req->arena, &ring->keys[i], issuer, err);
    signing_release(identity, ring);
    json_close_array(&reply->json);
    json_close(&reply->json);
    if (!good)
        return false;
    return arena_ok(req->arena) ? json_end(&reply->json, err) : err_too_big(err);
}

/* ---- what is not there yet ---- */

static bool user_sign_in(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)reply;
    return sts_refuse(err, ERR_NOT_BUILT, "unsupported_grant_type", "70003",
                      "Signing in as a user is not available yet. Sign in as a service principal "
                      "(client id and secret or certificate) or use a managed identity.");
}

/* ---- the plane ---- */

static const struct { ErrCode code; const char *error, *number; } defaults[] = {
    { ERR_NOT_FOUND, "invalid_request", "90013" },      { ERR_BAD_METHOD, "invalid_request", "900561" },
    { ERR_TOO_LARGE, "invalid_request", "90015" },
    { ERR_INTERNAL, "server_error", "90033" },           { ERR_UNAVAILABLE, "temporarily_unavailable", "90033" },
    { ERR_THROTTLED, "temporarily_unavailable", "90055" },
    { ERR_UNAUTHENTICATED, "invalid_client", "7000215" },
};

static Str correlation_of(const Req *req)
{
    Str given = req->client_request_id.ptr ? req->client_request_id : req_query(req, "client-request-id");
    return guid_is_valid(given) ? given : req->request_id;
}

static void login_write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx;
    const char *error = err->name ? err->name : "invalid_request", *number = err->inner ? err->inner : "90013";
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        if (defaults[i].code == err->code && !err->name) {
            error = defaults[i].error;
            number = defaults[i].number;
        }
    }
    char when[32];
    struct tm parts;
    time_t seconds = (time_t)(real_now_ms() / 1000);
    gmtime_r(&seconds, &parts);
    (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%SZ", &parts);
    Str correlation = correlation_of(req);
    Str text = err->code == ERR_INTERNAL ? STR("A transient error has occurred. Please try again; the log of the server names the cause.")
                                         : str_from(err->text);

    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "error", str_from(error));
    json_put_str(w, "error_description",
                 str_printf(req->arena, "AADSTS%s: " STR_FMT " Trace ID: " STR_FMT " Correlation ID: " STR_FMT " Timestamp: %s", number,
                            STR_ARG(text), STR_ARG(req->request_id), STR_ARG(correlation), when));
    json_open_array(w, "error_codes");
    json_put_raw(w, NULL, str_from(number));
    json_close_array(w);
    json_put_str(w, "timestamp", str_from(when));
    json_put_str(w, "trace_id", req->request_id);
    json_put_str(w, "correlation_id", correlation);
    json_close(w);
}

/* Every sign-in leaves a record, given or refused; who reads the public documents does not. */
static bool login_audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    const Identity *identity = ctx;
    if (req->method != METHOD_POST)
        return true;
    int status = err ? err_http_status(err->code) : reply->status ? reply->status : 200;
    AuditRecord record = site_audit_record(identity->site, req, STR_NONE, status, err ? str_from(err->inner ? err->inner : "error") : STR(""));
    record.category = STR("SignInLogs");
    return audit_read(identity->site->audit, &record, audit_err);
}

static void login_finish(void *ctx, const Req *req, Reply *reply)
{
    (void)ctx;
    reply_header(reply, STR("x-ms-request-id"), req->request_id);
    reply_header(reply, STR("Strict-Transport-Security"), STR("max-age=31536000; includeSubDomains"));
    reply_header(reply, STR("X-Content-Type-Options"), STR("nosniff"));
    reply_header(reply, STR("Cache-Control"), req->method == METHOD_POST ? STR("no-store, no-cache") : STR("max-age=86400, private"));
    if (req->method == METHOD_POST)
        reply_header(reply, STR("Pragma"), STR("no-cache"));
}

static const Route login_routes[] = {
    /* method      path                                                since until  permission   where         body       max             handler             operation */
    { METHOD_GET,  "/common/discovery/instance",                        NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              discovery_instance, "InstanceDiscovery" },
    { METHOD_GET,  "/adfs/t/{tenant}/.well-known/openid-configuration", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              openid_v1,          "OpenIdConfiguration" },
    { METHOD_GET,  "/adfs/t/{tenant}/discovery/keys",                   NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              signing_keys,       "SigningKeys" },
    { METHOD_POST, "/adfs/t/{tenant}/oauth2/token",                     NULL, NULL, PERM_PUBLIC, WHERE_COMPUTE, BODY_RAW, TOKEN_BODY_MAX, sign_in,            "TokenIssue" },
    { METHOD_POST, "/adfs/t/{tenant}/oauth2/v2.0/token",                NULL, NULL, PERM_PUBLIC, WHERE_COMPUTE, BODY_RAW, TOKEN_BODY_MAX, sign_in,            "TokenIssue" },
    { METHOD_GET,  "/{tenant}/.well-known/openid-configuration",        NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              openid_v1,          "OpenIdConfiguration" },
    { METHOD_GET,  "/{tenant}/v2.0/.well-known/openid-configuration",   NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              openid_v2,          "OpenIdConfiguration" },
    { METHOD_GET,  "/{tenant}/discovery/keys",                          NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              signing_keys,       "SigningKeys" },
    { METHOD_GET,  "/{tenant}/discovery/v2.0/keys",                     NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              signing_keys,       "SigningKeys" },
    { METHOD_POST, "/{tenant}/oauth2/token",                            NULL, NULL, PERM_PUBLIC, WHERE_COMPUTE, BODY_RAW, TOKEN_BODY_MAX, sign_in,            "TokenIssue" },
    { METHOD_POST, "/{tenant}/oauth2/v2.0/token",                       NULL, NULL, PERM_PUBLIC, WHERE_COMPUTE, BODY_RAW, TOKEN_BODY_MAX, sign_in,            "TokenIssue" },
    { METHOD_GET,  "/{tenant}/oauth2/authorize",                        NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              user_sign_in,       "Authorize" },
    { METHOD_GET,  "/{tenant}/oauth2/v2.0/authorize",                   NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              user_sign_in,       "Authorize" },
    { METHOD_POST, "/{tenant}/oauth2/devicecode",                       NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              user_sign_in,       "DeviceCode" },
    { METHOD_POST, "/{tenant}/oauth2/v2.0/devicecode",                  NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0,              user_sign_in,       "DeviceCode" },
};

bool login_mount(Identity *identity, HttpServer *server, Err *err)
{
    identity->login = (Plane){
        .name = "login", .host_pattern = "login", .default_content_type = "application/json; charset=utf-8", .ctx = identity,
        .write_error = login_write_error, .audit = login_audit, .finish = login_finish,
    };
    return http_mount(server, &identity->login, login_routes, COUNT_OF(login_routes), identity, err);
}
