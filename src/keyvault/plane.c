/* plane.c - the data plane as the HTTP server sees it. Words and headers are those of the real service: Key Vault REST
 * documentation ("Authentication, requests, and responses") and the recorded sessions of the public SDKs. */
#include "keyvault/plane.h"
#include "keyvault/objects/feed.h"
#include "keyvault/vaults/permission.h"
#include "keyvault/vaults/throttle.h"

const Vault *req_vault(const Req *req) { return req->caller ? req->caller->plane_data : NULL; }

static bool plane_host_exists(void *ctx, const Str labels[HOST_LABELS_MAX])
{
    return vault_name_exists(ctx, labels[0]);
}

static void release_vault(void *vault) { vault_release(vault); }

static bool refuse_token(KeyVault *kv, Req *req, Reply *reply, Err *err)
{
    /* SDKs need the values quoted, a space after the comma, and the plain tenant in the path. */
    Str challenge = str_printf(req->arena, "Bearer authorization=\"" STR_FMT "\", resource=\"" STR_FMT "\"",
                               STR_ARG(site_authority(kv->site, req->arena)), STR_ARG(site_vault_resource(kv->site, req->arena)));
    reply_header(reply, STR("WWW-Authenticate"), challenge);

    Str why = str_from(err->name ? err->name : "");
    Err refusal = { 0 };
    if (str_eq(why, STR("missing")))
        (void)err_named(&refusal, ERR_UNAUTHENTICATED, "Unauthorized", NULL, "AKV10000: Request is missing a Bearer or PoP token.");
    else if (str_eq(why, STR("audience")))
        (void)err_named(&refusal, ERR_UNAUTHENTICATED, "Unauthorized", NULL, "AKV10022: Invalid audience. %s", err->text);
    else if (str_eq(why, STR("expired")))
        (void)err_named(&refusal, ERR_UNAUTHENTICATED, "Unauthorized", NULL, "[TokenExpired] Error validating token: %s", err->text);
    else
        (void)err_named(&refusal, ERR_UNAUTHENTICATED, "Unauthorized", NULL, "[InvalidToken] Error validating token: %s", err->text);
    *err = refusal;
    return false;
}

static bool plane_authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = ctx;
    const Str *audiences;
    size_t count = audiences_of(kv->site, req->arena, "keyvault", &audiences);
    const Caller *caller;
    if (!token_verify(kv->identity, req, audiences, count, &caller, err))
        return err->code == ERR_UNAUTHENTICATED ? refuse_token(kv, req, reply, err) : false;

    Vault *vault;
    if (!vault_acquire(kv, req->host_labels[0], &vault, err))
        return false;
    if (!vault)
        return err_named(err, ERR_NOT_FOUND, "VaultNotFound", NULL, "The vault '" STR_FMT "' does not exist.", STR_ARG(req->host_labels[0]));
    if (!arena_defer(req->arena, release_vault, vault))
        return err_too_big(err);
    Caller *with_vault = ARENA_NEW(req->arena, Caller);
    if (!with_vault)
        return err_too_big(err);
    *with_vault = *caller;
    with_vault->plane_data = vault;
    req->caller = with_vault;
    return true;
}

/* Who may not do a thing cannot use up what others may. A request that parked has been counted. */
static bool plane_authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    const KeyVault *kv = ctx;
    return vault_authorize(ctx, req, route, err) &&
           (req->was_parked || throttle_take(kv->throttle, req_vault(req), throttle_class_of(str_from(route->operation)), 1, mono_now_ms(), err));
}

static const char *default_code(ErrCode code)
{
    switch (code) {
    case ERR_BAD_INPUT: case ERR_LENGTH_REQUIRED: case ERR_BAD_RANGE: return "BadParameter";
    case ERR_UNAUTHENTICATED: return "Unauthorized";
    case ERR_DENIED:          return "Forbidden";
    case ERR_NOT_FOUND:       return "NotFound";
    case ERR_BAD_METHOD:      return "MethodNotAllowed";
    case ERR_CONFLICT:        return "Conflict";
    case ERR_PRECONDITION:    return "PreconditionFailed";
    case ERR_TOO_LARGE:       return "RequestEntityTooLarge";
    case ERR_THROTTLED:       return "Throttled";
    case ERR_NOT_BUILT:       return "NotImplemented";
    case ERR_UNAVAILABLE:     return "ServiceUnavailable";
    case ERR_NONE: case ERR_INTERNAL: break;
    }
    return "InternalServerError";
}

static void plane_write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    KeyVault *kv = ctx;
    JsonWriter *w = &reply->json;
    if (err->code == ERR_THROTTLED && req_vault(req))
        reply_header(reply, STR("Retry-After"), str_printf(req->arena, "%lld", (long long)throttle_wait_s(kv->throttle, req_vault(req), mono_now_ms())));
    json_open(w, NULL);
    json_open(w, "error");
    json_put_str(w, "code", str_from(err->name ? err->name : default_code(err->code)));
    if (err->code == ERR_INTERNAL)
        json_put_str(w, "message", str_printf(req->arena, "An internal error occurred. Quote request id " STR_FMT " to the operator of this "
                                              "service.", STR_ARG(req->request_id)));
    else
        json_put_str(w, "message", str_from(err->text));
    if (err->inner) {
        json_open(w, "innererror");
        json_put_str(w, "code", str_from(err->inner));
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

static bool plane_audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    KeyVault *kv = ctx;
    const Vault *vault = req_vault(req);
    int status = err ? err_http_status(err->code) : reply->status ? reply->status : 200;
    Str description = err ? str_from(err->name ? err->name : default_code(err->code)) : STR("");
    AuditRecord record = site_audit_record(kv->site, req, vault ? vault->resource_id : STR_NONE, status, description);
    if (err && err->code == ERR_UNAUTHENTICATED)
        record.operation = STR("Authentication");
    else if (vault)
        record.object_id = STR_CONCAT(req->arena, site_vault_url(kv->site, req->arena, vault->name_key), req->path);
    return audit_read(kv->site->audit, &record, audit_err);
}

static void plane_finish(void *ctx, const Req *req, Reply *reply)
{
    (void)ctx;
    const Vault *vault = req_vault(req);
    reply_header(reply, STR("Cache-Control"), STR("no-cache"));
    reply_header(reply, STR("Pragma"), STR("no-cache"));
    reply_header(reply, STR("Expires"), STR("-1"));
    if (vault)
        reply_header(reply, STR("x-ms-keyvault-region"), vault->location);
    reply_header(reply, STR("x-ms-request-id"), req->request_id);
    if (!str_empty(req->client_request_id))
        reply_header(reply, STR("x-ms-client-request-id"), req->client_request_id);
    reply_header(reply, STR("x-ms-keyvault-service-version"), STR(VAULTYARD_VERSION));
    reply_header(reply, STR("Strict-Transport-Security"), STR("max-age=31536000;includeSubDomains"));
    reply_header(reply, STR("X-Content-Type-Options"), STR("nosniff"));
}

void plane_setup(KeyVault *kv)
{
    kv->plane = (Plane){
        .name = "keyvault",
        .host_pattern = "*.vault",
        .default_content_type = "application/json; charset=utf-8",
        .needs_api_version = true,
        .missing_api_version = "BadParameter",
        .ctx = kv,
        .host_exists = plane_host_exists,
        .authenticate = plane_authenticate,
        .authorize = plane_authorize,
        .write_error = plane_write_error,
        .audit = plane_audit,
        .finish = plane_finish,
    };
}

typedef struct PlaneWrite {
    Req *req;
    Str object_url;
    int status;
    StoreFn *fn;
    void *ctx;
    PlaneThen *then;                    /* all below: of plane_write_later */
    bool is_durable;
    Err err;
} PlaneWrite;

static bool plane_write_txn(Txn *txn, void *ctx, Err *err)
{
    PlaneWrite *write = ctx;
    KeyVault *kv = write->req->ctx;
    const Vault *vault = req_vault(write->req);
    if (!vault_is_live(txn, vault, err) || !write->fn(txn, write->ctx, err))
        return false;
    AuditRecord record = site_audit_record(kv->site, write->req, vault->resource_id, write->status, STR(""));
    record.object_id = write->object_url;
    return audit_write(kv->site->audit, txn, &record, err);
}

static bool written(Req *req)
{
    req->audited = true;
    feed_wake(req->ctx, req_vault(req));
    return true;
}

bool plane_write(Req *req, Str object_url, int status, StoreFn *fn, void *ctx, Err *err)
{
    KeyVault *kv = req->ctx;
    PlaneWrite write = { .req = req, .object_url = object_url, .status = status, .fn = fn, .ctx = ctx };
    if (!arena_ok(req->arena))
        return err_too_big(err);
    return store_write(kv->site->store, plane_write_txn, &write, err) && written(req);
}

static void write_over(void *ctx, bool is_durable)
{
    PlaneWrite *write = ctx;
    write->is_durable = is_durable;
    http_go_on(write->req);
}

static bool plane_write_end(Req *req, Reply *reply, Err *err)
{
    PlaneWrite *write = req->later_state;
    if (!write->is_durable)
        return *err = write->err, false;
    return written(req) && write->then(req, reply, write->ctx, err);
}

bool plane_write_later(Req *req, Reply *reply, Str object_url, int status, StoreFn *fn, void *ctx, PlaneThen *then, Err *err)
{
    KeyVault *kv = req->ctx;
    if (!req->connection)               /* a handler's unit test */
        return plane_write(req, object_url, status, fn, ctx, err) && then(req, reply, ctx, err);
    PlaneWrite *write = ARENA_NEW(req->arena, PlaneWrite);
    if (!write || !arena_ok(req->arena))
        return err_too_big(err);
    *write = (PlaneWrite){ .req = req, .object_url = object_url, .status = status, .fn = fn, .ctx = ctx, .then = then };
    req->later_state = write;
    reply_later(req, reply, plane_write_end);
    return store_write_later(kv->site->store, plane_write_txn, write, &write->err, write_over) || (*err = write->err, false);
}

