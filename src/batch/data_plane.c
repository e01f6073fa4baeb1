/* data_plane.c - the plane of an account's own host: token or shared key, permission, errors in the service's words, headers, audit. */
#include "batch/data_plane.h"
#include "base/clock.h"
#include "batch/encryption/encryption.h"
#include "batch/accounts/sharedkey.h"

#define DATA_CONTENT_TYPE "application/json;odata=minimalmetadata"

enum { KEY_SKEW_MS = 15 * 60 * 1000 };

const Account *data_account(const Req *req) { return req->caller->plane_data; }

Str data_url(const Batch *batch, const Req *req, Str path)
{
    return str_printf(req->arena, "https://" STR_FMT STR_FMT, STR_ARG(site_batch_host(batch->site, req->arena, req->host_labels[0], req->host_labels[1])), STR_ARG(path));
}

/* -- which hosts there are -- */

typedef struct HostLook { Arena *arena; Str name, region; Account *account; bool found; } HostLook;

static bool host_txn(Txn *txn, void *ctx, Err *err)
{
    HostLook *look = ctx;
    if (!account_by_name(txn, look->arena, look->name, look->account, &look->found, err))
        return false;
    look->found = look->found && str_eq_nocase(look->account->location, look->region);
    return true;
}

static bool host_exists(void *ctx, const Str labels[HOST_LABELS_MAX])
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    Batch *batch = ctx;
    Account account;
    HostLook look = { .arena = arena, .name = labels[0], .region = labels[1], .account = &account };
    Err ignored = { 0 };
    return arena && store_read(batch->site->store, host_txn, &look, &ignored) && look.found;
}

/* -- accounts whose customer-managed key is away -- */

typedef struct OpenCheck { const Batch *batch; const Req *req; const Account *account; bool tells; } OpenCheck;

static bool open_txn(Txn *txn, void *ctx, Err *err)
{
    const OpenCheck *check = ctx;
    return encryption_require_open(check->batch, txn, check->req->arena, check->account, check->tells, err);
}

static bool require_open(const Batch *batch, const Req *req, const Account *account, bool tells, Err *err)
{
    OpenCheck check = { .batch = batch, .req = req, .account = account, .tells = tells };
    return store_read(batch->site->store, open_txn, &check, err);
}

/* -- shared keys -- */

static bool failed_key(Err *err, const char *why)
{
    return err_named(err, ERR_DENIED, "AuthenticationFailed", NULL,
                     "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature. %s", why);
}

/* A signature is good for fifteen minutes, so that a recorded request cannot be sent again later. */
static bool check_date(const Req *req, Err *err)
{
    Str date = req_header(req, "ocp-date");
    int64_t ms, now = real_now_ms();
    Err wrong = { 0 };
    if (str_empty(date))
        date = req_header(req, "Date");
    if (str_empty(date))
        return failed_key(err, "The ocp-date or Date header is missing.");
    if (!http_date_parse(date, &ms, &wrong))
        return failed_key(err, "The ocp-date or Date header is no date such as 'Sun, 22 Nov 2026 01:17:05 GMT'.");
    return (ms > now - KEY_SKEW_MS && ms < now + KEY_SKEW_MS) || failed_key(err, "The request's date is more than 15 minutes away from the server's.");
}

typedef struct KeyCheck { Batch *batch; Req *req; const Account *account; Bytes signature; bool passed; } KeyCheck;

/* Clients disagree whether an empty body's length is signed as 0 or as nothing. */
static bool try_keys(const KeyCheck *check, const SignedRequest *request, const Secret *keys, bool *passed, Err *err)
{
    Bytes both = secret_bytes(keys);
    Str text;
    if (!sharedkey_text(check->req->arena, request, &text, err))
        return false;
    bool first = sharedkey_verify((Bytes){ both.ptr, ACCOUNT_KEY_SIZE }, text, check->signature);
    bool second = sharedkey_verify((Bytes){ both.ptr + ACCOUNT_KEY_SIZE, ACCOUNT_KEY_SIZE }, text, check->signature);
    *passed = first || second;
    return true;
}

static const char *method_name(HttpMethod method)
{
    switch (method) {
    case METHOD_GET:     return "GET";
    case METHOD_HEAD:    return "HEAD";
    case METHOD_POST:    return "POST";
    case METHOD_PUT:     return "PUT";
    case METHOD_PATCH:   return "PATCH";
    case METHOD_DELETE:  return "DELETE";
    case METHOD_OPTIONS: return "OPTIONS";
    default:             return "";
    }
}

static bool key_txn(Txn *txn, void *ctx, Err *err)
{
    KeyCheck *check = ctx;
    AUTO(secret_free_auto) Secret *keys = NULL;
    const Req *req = check->req;
    SignedHeader *headers = ARENA_ARRAY(req->arena, SignedHeader, req->field_count + 1);
    if (!headers)
        return err_too_big(err);
    SignedRequest request = { .method = str_from(method_name(req->method)), .path = req->path, .query = req->query, .account = check->account->name,
                              .headers = headers, .header_count = req->field_count };
    bool zero = false;
    for (size_t i = 0; i < req->field_count; i++) {
        headers[i] = (SignedHeader){ req->fields[i].name, req->fields[i].value };
        zero = zero || (str_eq_nocase(headers[i].name, STR("Content-Length")) && str_eq(headers[i].value, STR("0")));
    }
    if (!account_keys_open(check->batch->site, txn, check->account, &keys, err) || !try_keys(check, &request, keys, &check->passed, err))
        return false;
    for (size_t i = 0; zero && !check->passed && i < req->field_count; i++)
        if (str_eq_nocase(headers[i].name, STR("Content-Length")))
            headers[i].value = STR("");
    return check->passed || !zero || try_keys(check, &request, keys, &check->passed, err);
}

static bool authenticate_key(Batch *batch, Req *req, Str authorization, const Account *account, Err *err)
{
    KeyCheck check = { .batch = batch, .req = req, .account = account };
    Str name;
    Err wrong = { 0 };
    if (!sharedkey_parse(req->arena, authorization, &name, &check.signature, &wrong))
        return failed_key(err, "It must read 'SharedKey <account>:<base64 of the HMAC-SHA256>'.");
    if (!account_allows(account, "SharedKey"))
        return failed_key(err, "The account does not allow SharedKey authentication.");
    if (!str_eq_nocase(name, account->name))
        return failed_key(err, "The account named in it is not the account of the host.");
    /* The keys themselves are sealed: nobody is known yet who could be told more. */
    if (!check_date(req, err) || !require_open(batch, req, account, false, err) || !store_read(batch->site->store, key_txn, &check, err))
        return false;
    if (!check.passed)
        return failed_key(err, "The signature does not fit the request and the account's keys.");
    Caller *caller = ARENA_NEW(req->arena, Caller);
    if (!caller)
        return err_too_big(err);
    *caller = (Caller){ .id_type = STR("sharedkey"), .name = STR("shared key"), .tenant_id = batch->site->tenant_id, .expires_ms = INT64_MAX, .plane_data = account };
    req->caller = caller;
    return true;
}

/* -- tokens -- */

static bool authenticate_token(Batch *batch, Req *req, Reply *reply, const Account *account, Err *err)
{
    const Str *audiences;
    const Caller *verified;
    size_t count = audiences_of(batch->site, req->arena, "batch", &audiences);
    if (!token_verify(batch->identity, req, audiences, count, &verified, err)) {
        if (err->code != ERR_UNAUTHENTICATED)
            return false;
        err->name = "AuthenticationFailed";
        Str authority = site_authority(batch->site, req->arena), resource = site_batch_resource(batch->site, req->arena);
        reply_header(reply, STR("WWW-Authenticate"), str_printf(req->arena, "Bearer authorization_uri=\"" STR_FMT "\", resource_id=\"" STR_FMT "/\"",
                                                               STR_ARG(authority), STR_ARG(resource)));
        return false;
    }
    if (!account_allows(account, "AAD"))
        return err_named(err, ERR_DENIED, "AuthenticationFailed", NULL, "The account does not allow Microsoft Entra authentication (AAD).");
    Caller *caller = ARENA_NEW(req->arena, Caller);
    if (!caller)
        return err_too_big(err);
    *caller = *verified;
    caller->plane_data = account;
    req->caller = caller;
    return true;
}

static bool authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    Batch *batch = ctx;
    Account *account = ARENA_NEW(req->arena, Account);
    HostLook look = { .arena = req->arena, .name = req->host_labels[0], .region = req->host_labels[1], .account = account };
    Str authorization = req_header(req, "Authorization");
    if (!account)
        return err_too_big(err);
    if (!store_read(batch->site->store, host_txn, &look, err))
        return false;
    if (!look.found)
        return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "There is no account of this name.");
    return str_starts_nocase(authorization, STR("SharedKey ")) ? authenticate_key(batch, req, authorization, account, err)
                                                               : authenticate_token(batch, req, reply, account, err);
}

/* -- permission -- */

static Str scope_of(const Req *req)
{
    const Account *account = data_account(req);
    Str pool = req_param(req, "poolId");
    return str_empty(pool) ? account->arm_id : str_printf(req->arena, STR_FMT "/pools/" STR_FMT, STR_ARG(account->arm_id), STR_ARG(pool));
}

/* Jobs and job schedules are data; pools and certificates are resources ("Azure permissions for Compute", Microsoft.Batch). */
static bool is_data_action(Str action)
{
    return str_starts_nocase(action, STR("Microsoft.Batch/batchAccounts/jobs/")) || str_starts_nocase(action, STR("Microsoft.Batch/batchAccounts/jobSchedules/"));
}

/* Beside the operation's own action, reading the account is enough for any reading, and listing its keys for anything ("Authenticate Batch solutions
 * with Microsoft Entra ID", custom roles). *out explains the operation's own. */
static bool decide(Batch *batch, const Req *req, Str action, Str scope, Decision *out, Err *err)
{
    Str account = data_account(req)->arm_id, who = req->caller->object_id;
    Decision whole = { 0 };
    if (!access_decide(batch->access, req->arena, who, action, is_data_action(action), scope, out, err))
        return false;
    if (!out->allowed && str_ends_nocase(action, STR("/read")) &&
        !access_decide(batch->access, req->arena, who, STR("Microsoft.Batch/batchAccounts/read"), false, account, &whole, err))
        return false;
    if (!out->allowed && !whole.allowed &&
        !access_decide(batch->access, req->arena, who, STR("Microsoft.Batch/batchAccounts/listKeys/action"), false, account, &whole, err))
        return false;
    out->allowed = out->allowed || whole.allowed;
    return true;
}

static bool authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    Batch *batch = ctx;
    Decision decision;
    Str scope = scope_of(req);
    if (str_eq(req->caller->id_type, STR("sharedkey")))
        return require_open(batch, req, data_account(req), true, err);       /* a shared key is the whole account */
    if (!decide(batch, req, str_from(route->permission), scope, &decision, err))
        return false;
    if (!decision.allowed)
        return err_named(err, ERR_DENIED, "InsufficientAccountPermissions", NULL,
                     "The client '" STR_FMT "' with object id '" STR_FMT "' does not have authorization to perform action '%s' over scope '" STR_FMT "'. %s",
                     STR_ARG(req->caller->app_id), STR_ARG(req->caller->object_id), route->permission, STR_ARG(scope), decision.why);
    return require_open(batch, req, data_account(req), true, err);
}

/* -- errors -- */

static const struct { ErrCode code; const char *name; } default_names[] = {
    { ERR_BAD_INPUT, "InvalidInput" }, { ERR_UNAUTHENTICATED, "AuthenticationFailed" }, { ERR_DENIED, "InsufficientAccountPermissions" },
    { ERR_NOT_FOUND, "ResourceNotFound" }, { ERR_BAD_METHOD, "UnsupportedHttpVerb" }, { ERR_CONFLICT, "OperationInvalidForCurrentState" },
    { ERR_LENGTH_REQUIRED, "MissingContentLengthHeader" }, { ERR_PRECONDITION, "ConditionNotMet" }, { ERR_TOO_LARGE, "RequestBodyTooLarge" },
    { ERR_BAD_RANGE, "InvalidRange" }, { ERR_THROTTLED, "ServerBusy" }, { ERR_INTERNAL, "InternalError" }, { ERR_NOT_BUILT, "NotImplemented" },
    { ERR_UNAVAILABLE, "ServerBusy" },
};

static const char *code_of(const Err *err)
{
    if (err->name)
        return err->name;
    for (size_t i = 0; i < COUNT_OF(default_names); i++)
        if (default_names[i].code == err->code)
            return default_names[i].name;
    return "InternalError";
}

static void put_detail(JsonWriter *w, const char *key, Str value)
{
    json_open(w, NULL);
    json_put_str(w, "key", str_from(key));
    json_put_str(w, "value", value);
    json_close(w);
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    Batch *batch = ctx;
    JsonWriter *w = &reply->json;
    const char *code = code_of(err);
    bool is_query = strstr(code, "QueryParameter") != NULL;
    if (strcmp(code, "OperationTimedOut") == 0)
        reply->status = 500;                            /* as the service has it; what it says is meant for the client */
    json_open(w, NULL);
    json_put_str(w, "odata.metadata", data_url(batch, req, STR("/$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element")));
    json_put_str(w, "code", str_from(code));
    json_open(w, "message");
    json_put_str(w, "lang", STR("en-US"));
    json_put_str(w, "value", str_printf(req->arena, "%s\nRequestId:" STR_FMT "\nTime:" STR_FMT, err->text, STR_ARG(req->request_id),
                                        STR_ARG(time_str(req->arena, real_now_ms(), 7))));
    json_close(w);
    if (err->target[0]) {
        json_open_array(w, "values");
        put_detail(w, is_query ? "QueryParameterName" : "PropertyName", str_from(err->target));
        put_detail(w, "Reason", str_from(err->text));
        json_close_array(w);
    }
    json_close(w);
}

/* -- audit, headers -- */

bool data_audit(const Batch *batch, Txn *txn, const Req *req, int http_status, Err *err)
{
    AuditRecord record = site_audit_record(batch->site, req, data_account(req)->arm_id, http_status, STR(""));
    return audit_write(batch->site->audit, txn, &record, err);
}

static bool audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    Batch *batch = ctx;
    int status = err ? err_http_status(err->code) : reply->status ? reply->status : 200;
    AuditRecord record = site_audit_record(batch->site, req, req->caller ? data_account(req)->arm_id : STR_NONE, status, str_from(err ? code_of(err) : ""));
    return audit_read(batch->site->audit, &record, audit_err);
}

static void finish(void *ctx, const Req *req, Reply *reply)
{
    (void)ctx;
    reply_header(reply, STR("request-id"), req->request_id);
    if (req->client_request_id.ptr && str_eq_nocase(req_header(req, "return-client-request-id"), STR("true")))
        reply_header(reply, STR("client-request-id"), req->client_request_id);
    reply_header(reply, STR("DataServiceVersion"), STR("3.0"));
    reply_header(reply, STR("X-Content-Type-Options"), STR("nosniff"));
    reply_header(reply, STR("Strict-Transport-Security"), STR("max-age=31536000; includeSubDomains"));
}

void data_headers(const Batch *batch, Req *req, Reply *reply, int64_t etag, int64_t changed_ms)
{
    reply_header(reply, STR("ETag"), etag_text(req->arena, etag));
    reply_header(reply, STR("Last-Modified"), http_date_str(req->arena, changed_ms));
    reply_header(reply, STR("DataServiceId"), data_url(batch, req, req->path));
}

bool data_conditions(Req *req, Reply *reply, int64_t etag, int64_t changed_ms, bool *unchanged, Err *err)
{
    bool is_read = req->method == METHOD_GET || req->method == METHOD_HEAD;
    Str none = req_header(req, "If-None-Match"), modified = req_header(req, "If-Modified-Since"), unmodified = req_header(req, "If-Unmodified-Since");
    int64_t since, changed_s = changed_ms / 1000;
    Err wrong = { 0 };
    *unchanged = false;
    if (!etag_check(req, true, etag, "ConditionNotMet", &wrong)) {
        if (!is_read || str_empty(none) || !str_starts(str_from(wrong.text), STR("If-None-Match"))) {
            *err = wrong;
            return false;
        }
        *unchanged = true;
    }
    if (!str_empty(unmodified)) {
        if (!http_date_parse(unmodified, &since, &wrong))
            return err_named(err, ERR_BAD_INPUT, "InvalidHeaderValue", NULL, "If-Unmodified-Since: %s", wrong.text);
        if (changed_s > since / 1000)
            return err_named(err, ERR_PRECONDITION, "ConditionNotMet", NULL, "If-Unmodified-Since: it was changed since; read it again");
    }
    if (!str_empty(modified)) {
        if (!http_date_parse(modified, &since, &wrong))
            return err_named(err, ERR_BAD_INPUT, "InvalidHeaderValue", NULL, "If-Modified-Since: %s", wrong.text);
        if (changed_s <= since / 1000 && !is_read)
            return err_named(err, ERR_PRECONDITION, "ConditionNotMet", NULL, "If-Modified-Since: it was not changed since");
        *unchanged = *unchanged || (changed_s <= since / 1000 && str_empty(none));
    }
    if (*unchanged)
        reply->status = 304;
    return true;
}

void data_plane_init(Batch *batch)
{
    batch->data_plane = (Plane){
        .name = "batch", .host_pattern = "*.*.batch", .default_content_type = DATA_CONTENT_TYPE, .needs_api_version = true,
        .missing_api_version = "MissingRequiredQueryParameter", .invalid_api_version = "UnsupportedRequestVersion", .ctx = batch,
        .host_exists = host_exists, .authenticate = authenticate, .authorize = authorize, .write_error = write_error, .audit = audit, .finish = finish,
    };
}
