/* plane.c - the Resource Manager plane: who asks, may they, how refusals are worded, what every answer carries, what is audited. */
#include "arm/parts.h"
#include "base/id.h"

#define MISSING_VERSION "MissingApiVersionParameter"

/* ---- 401 ---- */

static const struct { const char *cause, *name, *words; } refused_tokens[] = {
    { "missing",  "AuthenticationFailed",               "Authentication failed. The 'Authorization' header is missing." },
    { "expired",  "ExpiredAuthenticationToken",         "The access token has expired." },
    { "audience", "InvalidAuthenticationTokenAudience", "The access token has been obtained for a wrong audience or resource." },
    { "invalid",  "InvalidAuthenticationToken",         "The access token is invalid." },
};

/* A quoted-string of RFC 9110 section 5.6.4 without what would need an escape. */
static Str quotable(Arena *arena, Str text)
{
    char *out = arena_alloc(arena, text.len + 1);

    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        out[i] = c == '"' ? '\'' : c < ' ' || c >= 0x7f || c == '\\' ? ' ' : (char)c;
    }
    return (Str){ out, text.len };
}

static bool plane_authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    Arm *arm = ctx;
    const Str *audiences;
    size_t count = audiences_of(arm->site, req->arena, "management", &audiences), row = COUNT_OF(refused_tokens) - 1;
    Str detail, authority;

    if (token_verify(arm->identity, req, audiences, count, &req->caller, err))
        return true;
    if (err->code != ERR_UNAUTHENTICATED)
        return false;
    for (size_t i = 0; i < COUNT_OF(refused_tokens); i++) {
        if (err->name && strcmp(err->name, refused_tokens[i].cause) == 0)
            row = i;
    }
    detail = str_dup(req->arena, str_from(err->text));
    (void)err_named(err, ERR_UNAUTHENTICATED, refused_tokens[row].name, NULL, "%s " STR_FMT, refused_tokens[row].words,
                    STR_ARG(row == 0 ? STR("Send 'Authorization: Bearer <token>'.") : detail));
    authority = site_authority(arm->site, req->arena);
    reply_header(reply, STR("WWW-Authenticate"),
                 str_printf(req->arena, "Bearer authorization_uri=\"" STR_FMT "\", error=\"invalid_token\", error_description=\"" STR_FMT "\"",
                            STR_ARG(authority), STR_ARG(quotable(req->arena, str_from(err->text)))));
    return false;
}

/* ---- 403, and the subscription's existence, which comes first ---- */

typedef struct SubscriptionCheck { Arm *arm; Str id; } SubscriptionCheck;

static bool subscription_exists_txn(Txn *txn, void *ctx, Err *err)
{
    SubscriptionCheck *check = ctx;
    return arm_require_subscription(check->arm, txn, check->id, err);
}

bool arm_subscription_of_request(Arm *arm, const Req *req, Err *err)
{
    SubscriptionCheck check = { arm, req_param(req, "subscriptionId") };
    return store_read(arm->site->store, subscription_exists_txn, &check, err);
}

static bool is_action(const char *permission)
{
    return strcmp(permission, PERM_PUBLIC) != 0 && strcmp(permission, PERM_TOKEN) != 0;
}

static bool plane_authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    Arm *arm = ctx;
    Str scope, subscription;

    if (!arm_api_version_check(req->api_version, err) || !arm_scope_of_request(req, &scope, &subscription, err))
        return false;
    if (subscription.ptr) {
        SubscriptionCheck check = { arm, subscription };
        if (!store_read(arm->site->store, subscription_exists_txn, &check, err))
            return false;
    }
    return is_action(route->permission) ? access_require(arm->access, req->arena, req->caller, str_from(route->permission), scope, err) : true;
}

bool arm_may(Arm *arm, const Req *req, Str action, Str scope, bool *allowed, Err *err)
{
    Decision decision;

    if (!access_decide(arm->access, req->arena, req->caller->object_id, action, false, scope, &decision, err))
        return false;
    *allowed = decision.allowed;
    return true;
}

/* ---- error bodies ---- */

static const struct { ErrCode code; const char *name; } default_names[] = {
    { ERR_BAD_INPUT, "InvalidRequestContent" },      { ERR_UNAUTHENTICATED, "InvalidAuthenticationToken" }, { ERR_DENIED, "AuthorizationFailed" },
    { ERR_NOT_FOUND, "ResourceNotFound" },           { ERR_BAD_METHOD, "MethodNotAllowed" },                { ERR_CONFLICT, "Conflict" },
    { ERR_LENGTH_REQUIRED, "ContentLengthRequired" }, { ERR_PRECONDITION, "PreconditionFailed" },           { ERR_TOO_LARGE, "RequestEntityTooLarge" },
    { ERR_BAD_RANGE, "InvalidRange" },               { ERR_THROTTLED, "TooManyRequests" },                  { ERR_INTERNAL, "InternalServerError" },
    { ERR_NOT_BUILT, "NotImplemented" },             { ERR_UNAVAILABLE, "ServiceUnavailable" },
};

static const char *default_name(ErrCode code)
{
    for (size_t i = 0; i < COUNT_OF(default_names); i++) {
        if (default_names[i].code == code)
            return default_names[i].name;
    }
    return "InternalServerError";
}

static void plane_write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    Err words = *err;
    JsonWriter *w = &reply->json;

    if (err->code == ERR_NOT_FOUND && !req->route)
        (void)arm_explain_unmatched(ctx, req, &words);
    if (err->name && strcmp(err->name, MISSING_VERSION) == 0)
        (void)err_named(&words, ERR_BAD_INPUT, MISSING_VERSION, NULL, "The api-version query parameter (?api-version=) is required for all requests.");
    json_open(w, NULL);
    json_open(w, "error");
    json_put_str(w, "code", str_from(words.name ? words.name : default_name(words.code)));
    json_put_str(w, "message", str_from(words.text));
    if (words.target[0])
        json_put_str(w, "target", str_from(words.target));
    json_close(w);
    json_close(w);
}

/* ---- audit ---- */

static AuditRecord audit_record(Arm *arm, const Req *req, Str resource_id, int http_status, Str description)
{
    AuditRecord record = site_audit_record(arm->site, req, resource_id, http_status, description);

    if (req->route && is_action(req->route->permission))
        record.operation = str_from(req->route->permission);
    return record;
}

bool arm_audit(Arm *arm, Txn *txn, const Req *req, Str resource_id, int http_status, Err *err)
{
    AuditRecord record = audit_record(arm, req, resource_id, http_status, STR(""));
    return audit_write(arm->site->audit, txn, &record, err);
}

/* Successful writes have their record in their transaction; here come refused ones, and writes of subjects that left it to us.
 * Reads of Resource Manager leave no record, as in the service's activity log, unless they were refused. */
static bool plane_audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    Arm *arm = ctx;
    bool is_read = req->method == METHOD_GET || req->method == METHOD_HEAD || req->method == METHOD_OPTIONS;
    int status = err ? err_http_status(err->code) : reply->status ? reply->status : 200;
    Str scope, subscription;
    Err ignored;

    if (is_read && status != 401 && status != 403)
        return true;
    if (!req->route || !arm_scope_of_request(req, &scope, &subscription, &ignored))
        scope = STR("/");
    AuditRecord record = audit_record(arm, req, scope, status, str_from(!err ? "" : err->name ? err->name : default_name(err->code)));
    return audit_read(arm->site->audit, &record, audit_err);
}

/* ---- headers ---- */

static void plane_finish(void *ctx, const Req *req, Reply *reply)
{
    Str correlation = req_header(req, "x-ms-correlation-request-id");

    (void)ctx;
    reply_header(reply, STR("x-ms-request-id"), req->request_id);
    reply_header(reply, STR("x-ms-correlation-request-id"), guid_is_valid(correlation) ? correlation : req->request_id);
    if (guid_is_valid(req->client_request_id))
        reply_header(reply, STR("x-ms-client-request-id"), req->client_request_id);
    reply_header(reply, STR("Cache-Control"), STR("no-cache"));
    reply_header(reply, STR("X-Content-Type-Options"), STR("nosniff"));
    reply_header(reply, STR("Strict-Transport-Security"), STR("max-age=31536000; includeSubDomains"));
}

void arm_plane_init(Arm *arm)
{
    arm->plane = (Plane){
        .name = "management",
        .host_pattern = "management",
        .default_content_type = "application/json; charset=utf-8",
        .needs_api_version = true,
        .missing_api_version = MISSING_VERSION,
        .invalid_api_version = "InvalidApiVersionParameter",
        .ctx = arm,
        .authenticate = plane_authenticate,
        .authorize = plane_authorize,
        .write_error = plane_write_error,
        .audit = plane_audit,
        .finish = plane_finish,
    };
}
