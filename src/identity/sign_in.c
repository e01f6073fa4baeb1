/* sign_in.c - the token endpoint: who is it, how does it prove that, what does it ask for (RFC 6749 section 4.4, RFC 7523).
 *
 * Only client credentials so far. Answers and AADSTS numbers are Entra's. A wrong secret, a secret of somebody else and no secret at
 * all for this application get one answer after the same work; that a secret has expired is told only to who knows it. */
#include "base/encode.h"
#include "http/form.h"
#include "identity/parts.h"

enum { NAMES_MAX = 64 };

typedef struct SignIn {
    Identity *identity;
    Req *req;
    Str client_id, secret, assertion;
    Str audience;
    bool wants_v1_reply;                /* asked with `resource`: numbers come as text, as they did then */
    /* what the store says */
    const ClientFacts *client;
    Jwt external;                       /* an assertion of another issuer; claims NULL: none */
} SignIn;

static Str field(const SignIn *s, const char *name) { return form_get(s->req->arena, s->req->body, name); }

static bool missing(Err *err, const char *name)
{
    return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "900144", "The request body must contain the following parameter: '%s'.", name);
}

/* RFC 6749 section 3.2: a parameter given twice is an error, or two readers might see two requests. */
static bool form_is_sound(const Req *req, Err *err)
{
    Err reason = { 0 };
    if (!form_check(req->arena, req->body, &reason)) {
        if (reason.code != ERR_BAD_INPUT) {
            *err = reason;
            return false;
        }
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90100", "The request is not properly formatted: %s.", reason.text);
    }
    Str seen[NAMES_MAX];
    size_t count = 0;
    for (Str rest = req->body; rest.ptr;) {
        Str pair = str_cut(&rest, '&');
        Str name = str_cut(&pair, '=');
        if (str_empty(name))
            continue;
        if (count == NAMES_MAX)
            return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90013", "The request has more than %d parameters.", NAMES_MAX);
        if (!percent_decode(req->arena, name, true, &seen[count], err))
            return false;
        for (size_t i = 0; i < count; i++)
            if (str_eq_nocase(seen[i], seen[count]))
                return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "9000411",
                                  "The request is not properly formatted. The parameter '" STR_FMT "' is duplicated.",
                                  STR_ARG(seen[count]));
        count++;
    }
    return true;
}

/* ---- who ---- */

/* Authorization: Basic base64(urlencode(id):urlencode(secret)), RFC 6749 section 2.3.1. */
static bool read_basic(SignIn *s, Err *err)
{
    Arena *arena = s->req->arena;
    Str header = str_trim(req_header(s->req, "Authorization"));
    if (!str_starts_nocase(header, STR("Basic ")))
        return true;
    Bytes decoded;
    Err ignored = { 0 };
    if (s->secret.len || s->assertion.len)
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90013",
                          "The request proves the client twice: in the Authorization header and in the body. Use one.");
    bool sound = base64_decode(arena, str_trim(str_slice(header, 6, header.len)), &decoded, &ignored);
    Str secret = sound ? str_of(decoded) : STR_NONE;
    Str id = str_cut(&secret, ':');
    if (!sound || !secret.ptr || !percent_decode(arena, id, true, &id, &ignored) || !percent_decode(arena, secret, true, &secret, &ignored))
        return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "7000215",
                          "Invalid client secret provided: the Basic header is not base64 of id:secret.");
    if (s->client_id.len && !str_eq_nocase(s->client_id, id))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90013", "The client_id of the body and that of the Authorization header differ.");
    s->client_id = id;
    s->secret = secret;
    return true;
}

static bool read_client(SignIn *s, Err *err)
{
    Str type = field(s, "client_assertion_type");
    s->client_id = field(s, "client_id");
    s->secret = field(s, "client_secret");
    s->assertion = field(s, "client_assertion");
    if (!read_basic(s, err))
        return false;
    if (s->assertion.len && s->secret.len)
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90013",
                          "The request proves the client twice: with client_secret and client_assertion. Use one.");
    if (s->assertion.len && !str_eq(type, STR("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")))
        return type.len ? sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "90100", "client_assertion_type parameter is not valid: expected "
                                     "urn:ietf:params:oauth:client-assertion-type:jwt-bearer.") : missing(err, "client_assertion_type");
    if (str_empty(s->client_id) && str_empty(s->assertion))
        return missing(err, "client_id");
    if (str_empty(s->secret) && str_empty(s->assertion))
        return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "7000216",
                          "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' "
                          "grant type.");
    return true;
}

static bool check_secret(const SignIn *s, Err *err)
{
    switch (credential_check_secret(s->client->secrets, s->client->secret_count, s->secret, s->req->real_ms)) {
    case SECRET_GOOD:
        return true;
    case SECRET_EXPIRED:
        return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "7000222",
                          "The provided client secret keys for app '" STR_FMT "' are expired. Create a new one "
                          "(vy ad sp credential reset, az ad app credential reset).", STR_ARG(s->client_id));
    case SECRET_NOT_YET:
    case SECRET_WRONG:
        break;
    }
    return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "7000215",
                      "Invalid client secret provided. Ensure the secret being sent in the request is the client "
                      "secret value, not the client secret ID, for a secret added to app '" STR_FMT "'.", STR_ARG(s->client_id));
}

static bool authenticate(SignIn *s, Err *err)
{
    Str tenant_id = s->identity->site->tenant_id;
    if (s->assertion.len && !assertion_check(s->identity, s->req, s->assertion, s->client_id, &s->client_id, &s->external, err))
        return false;
    Str app_id = str_lower(s->req->arena, s->client_id);
    if (!app_id.ptr)
        return err_too_big(err);
    if (!client_facts_find(s->identity, s->req->arena, app_id, &s->client, err))
        return false;
    const ClientFacts *client = s->client;
    /* A managed identity has no application; a token of another issuer is the one proof it may have here. */
    if (!client->has_application && !(s->external.claims && client->has_principal))
        return sts_refuse(err, ERR_BAD_INPUT, "unauthorized_client", "700016",
                          "Application with identifier '" STR_FMT "' was not found in the directory '" STR_FMT "'. This can "
                          "happen if the application has not been installed by the administrator of the tenant. You may have sent your authentication request to the "
                          "wrong tenant.", STR_ARG(str_slice(s->client_id, 0, 80)), STR_ARG(tenant_id));
    if (s->secret.len && !check_secret(s, err))
        return false;
    if (!client->has_principal)
        return sts_refuse(err, ERR_BAD_INPUT, "unauthorized_client", "7000229",
                          "The client application " STR_FMT " is missing service principal in the tenant " STR_FMT ".",
                          STR_ARG(s->client_id), STR_ARG(tenant_id));
    if (!client->principal.enabled)
        return sts_refuse(err, ERR_BAD_INPUT, "unauthorized_client", "7000112", "Application '" STR_FMT "'(" STR_FMT ") is disabled.",
                          STR_ARG(client->principal.app_id), STR_ARG(client->principal.display_name));
    return !s->external.claims || external_check(s->identity, s->req, &s->external, &client->principal, err);
}

/* ---- what for ---- */

/* scope=<resource>/.default: exactly that is cut off, so the resource keeps a slash of its own ("https://x//.default"). */
static bool read_audience(SignIn *s, Err *err)
{
    Str scope = str_trim(field(s, "scope")), resource = str_trim(field(s, "resource")), suffix = STR("/.default");
    size_t space;
    if (str_empty(scope) && resource.len) {
        s->audience = resource;
        s->wants_v1_reply = true;
        return true;
    }
    if (str_empty(scope)) {
        size_t at;
        return missing(err, str_find(s->req->path, STR("/v2.0/"), &at) ? "scope" : "resource");
    }
    if (str_find(scope, STR(" "), &space))
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_scope", "70011",
                          "The provided request must include a 'scope' input parameter. The provided value for the input parameter "
                          "'scope' is not valid. The scope " STR_FMT " is not valid: client credentials take one resource.",
                          STR_ARG(str_slice(scope, 0, 200)));
    if (!str_ends_nocase(scope, suffix) || scope.len == suffix.len)
        return sts_refuse(err, ERR_BAD_INPUT, "invalid_scope", "1002012",
                          "The provided value for scope " STR_FMT " is not valid. Client credential flows must have a scope value "
                          "with /.default suffixed to the resource identifier (application ID URI).", STR_ARG(str_slice(scope, 0, 200)));
    s->audience = str_slice(scope, 0, scope.len - suffix.len);
    return true;
}

/* ---- the answer ---- */

static bool write_reply(const SignIn *s, Reply *reply, Str token, int64_t expires_ms, Err *err)
{
    Arena *arena = s->req->arena;
    JsonWriter *w = &reply->json;
    long long seconds = (expires_ms - s->req->real_ms) / 1000;
    json_open(w, NULL);
    json_put_str(w, "token_type", STR("Bearer"));
    if (s->wants_v1_reply) {
        json_put_str(w, "expires_in", str_printf(arena, "%lld", seconds));
        json_put_str(w, "ext_expires_in", str_printf(arena, "%lld", seconds));
        json_put_str(w, "expires_on", str_printf(arena, "%lld", (long long)(expires_ms / 1000)));
        json_put_str(w, "not_before", str_printf(arena, "%lld", (long long)(s->req->real_ms / 1000)));
        json_put_str(w, "resource", s->audience);
    } else {
        json_put_int(w, "expires_in", seconds);
        json_put_int(w, "ext_expires_in", seconds);
    }
    json_put_str(w, "access_token", token);
    json_close(w);
    return arena_ok(arena) ? json_end(w, err) : err_too_big(err);
}

static bool read_request(SignIn *s, Err *err)
{
    if (!login_tenant_check(s->identity->site, req_param(s->req, "tenant"), err) || !form_is_sound(s->req, err))
        return false;
    Str grant = field(s, "grant_type");
    if (str_empty(grant))
        return missing(err, "grant_type");
    if (!str_eq(grant, STR("client_credentials")))
        return sts_refuse(err, ERR_BAD_INPUT, "unsupported_grant_type", "70003",
                          "The app requested an unsupported grant type '" STR_FMT "'. This service issues tokens for "
                          "'client_credentials'.", STR_ARG(str_slice(grant, 0, 80)));
    return read_client(s, err) && read_audience(s, err);
}

static bool give_token(SignIn *s, Reply *reply, Err *err)
{
    Str token;
    if (!audience_require(s->identity, s->req->arena, s->audience, err))
        return false;
    Issue issue = { .principal = &s->client->principal, .audience = s->audience, .proof = s->assertion.len ? PROOF_CERTIFICATE : PROOF_SECRET,
                    .now_ms = s->req->real_ms,
                    .life_s = s->client->principal.kind == PRINCIPAL_MANAGED_IDENTITY ? TOKEN_IDENTITY_LIFE_S : TOKEN_APP_LIFE_S };
    if (!token_make(s->identity, s->req->arena, &issue, &token, err))
        return false;
    return write_reply(s, reply, token, (issue.now_ms / 1000 + issue.life_s) * 1000, err);
}

bool sign_in(Req *req, Reply *reply, Err *err)
{
    SignIn s = { .identity = req->ctx, .req = req };
    bool done = read_request(&s, err);
    if (done && s.assertion.len && reply_on_worker(req, reply))      /* one is noted on disk, or its issuer is asked for keys */
        return true;
    done = done && authenticate(&s, err);
    /* The proof has been looked at: neither the body nor the decoded copy need stay in memory. */
    secret_wipe((void *)(uintptr_t)s.secret.ptr, s.secret.len);
    if (done && s.client->has_principal) {
        Caller *who = ARENA_NEW(req->arena, Caller);            /* for the audit record */
        if (!who)
            return err_too_big(err);
        *who = (Caller){ .object_id = s.client->principal.object_id, .app_id = s.client->principal.app_id, .tenant_id = s.identity->site->tenant_id };
        req->caller = who;
    }
    done = done && give_token(&s, reply, err);
    secret_wipe((void *)(uintptr_t)req->body.ptr, req->body.len);
    return done;
}
