/* graph.c - the Graph plane (v1.0): who may ask, how refusals are worded, which calls there are. */
#include "identity/graph.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/id.h"

enum { BODY_MAX = 128 * 1024 };

/* ---- refusals ---- */

bool graph_bad_request(Err *err, const char *field, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)err_named(err, ERR_BAD_INPUT, "Request_BadRequest", NULL, "%s", text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

Str graph_asked_id(const Req *req)
{
    Str app_id = req_param(req, "appId");
    return app_id.ptr ? app_id : req_param(req, "id");
}

bool graph_not_found(Err *err, Str id)
{
    return err_named(err, ERR_NOT_FOUND, "Request_ResourceNotFound", NULL,
                     "Resource '" STR_FMT "' does not exist or one of its queried reference-property objects are "
                     "not present.", STR_ARG(str_slice(id, 0, 80)));
}

bool graph_denied(Err *err, const char *why)
{
    return err_named(err, ERR_DENIED, "Authorization_RequestDenied", NULL, "Insufficient privileges to complete the operation. %s", why);
}

static const struct { ErrCode code; const char *name; } default_codes[] = {
    { ERR_BAD_INPUT, "Request_BadRequest" },   { ERR_UNAUTHENTICATED, "InvalidAuthenticationToken" }, { ERR_DENIED, "Authorization_RequestDenied" },
    { ERR_NOT_FOUND, "Request_ResourceNotFound" }, { ERR_BAD_METHOD, "Request_BadRequest" },
    { ERR_CONFLICT, "Request_MultipleObjectsWithSameKeyValue" },
    { ERR_TOO_LARGE, "RequestEntityTooLarge" }, { ERR_THROTTLED, "TooManyRequests" },                 { ERR_NOT_BUILT, "NotImplemented" },
    { ERR_UNAVAILABLE, "ServiceUnavailable" },
};

static const char *code_of(const Err *err)
{
    if (err->name)
        return err->name;
    for (size_t i = 0; i < COUNT_OF(default_codes); i++)
        if (default_codes[i].code == err->code)
            return default_codes[i].name;
    return "InternalServerError";
}

static void graph_write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx;
    JsonWriter *w = &reply->json;
    char when[32];
    time_format(real_now_ms(), 0, when, sizeof when);
    bool is_internal = err->code == ERR_INTERNAL;
    json_open(w, NULL);
    json_open(w, "error");
    json_put_str(w, "code", str_from(code_of(err)));
    json_put_str(w, "message", is_internal ? STR("An internal server error occurred. The log of the server names the cause.") : str_from(err->text));
    if (err->target[0])
        json_put_str(w, "target", str_from(err->target));
    json_open(w, "innerError");
    json_put_str(w, "date", str_slice(str_from(when), 0, sizeof "2026-01-01T00:00:00" - 1));
    json_put_str(w, "request-id", req->request_id);
    json_put_str(w, "client-request-id", guid_is_valid(req->client_request_id) ? req->client_request_id : req->request_id);
    json_close(w);
    json_close(w);
    json_close(w);
}

/* ---- who ---- */

static const struct { const char *cause, *words; } refused_tokens[] = {
    { "missing",  "Access token is empty." },
    { "expired",  "Lifetime validation failed, the token is expired." },
    { "audience", "Access token validation failure. Invalid audience." },
    { "invalid",  "Access token validation failure." },
};

static bool graph_authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    Identity *identity = ctx;
    const Str *audiences;
    size_t count = audiences_of(identity->site, req->arena, "graph", &audiences);
    if (token_verify(identity, req, audiences, count, &req->caller, err))
        return true;
    if (err->code != ERR_UNAUTHENTICATED)
        return false;
    const char *words = "Access token validation failure.";
    for (size_t i = 0; i < COUNT_OF(refused_tokens); i++)
        if (err->name && strcmp(err->name, refused_tokens[i].cause) == 0)
            words = refused_tokens[i].words;
    Str login = site_url(identity->site, req->arena, STR("login"));
    reply_header(reply, STR("WWW-Authenticate"),
                 str_printf(req->arena, "Bearer realm=\"\", authorization_uri=\"" STR_FMT "/common/oauth2/authorize\", "
                            "client_id=\"00000003-0000-0000-c000-000000000000\"", STR_ARG(login)));
    Str detail = str_dup(req->arena, str_from(err->text));
    return err_named(err, ERR_UNAUTHENTICATED, "InvalidAuthenticationToken", NULL, "%s " STR_FMT, words, STR_ARG(detail));
}

bool graph_is_administrator(const Identity *identity, const Req *req)
{
    return str_eq(req->caller->object_id, identity->admin_id);
}

static bool may_create(Identity *identity, const Req *req, Err *err)
{
    bool allowed = false;
    if (identity->may_write && !identity->may_write(identity->rule_ctx, req->arena, req->caller->object_id, &allowed, err))
        return false;
    return allowed ? true : graph_denied(err, "Creating applications needs the right to assign roles at a whole subscription, as its Owner has.");
}

typedef struct FindOwner { Identity *identity; const Req *req; Str owner_id; bool found; } FindOwner;

static bool find_owner(Txn *txn, void *ctx, Err *err)
{
    FindOwner *find = ctx;
    Application app;
    PrincipalRow row;
    Str id = req_param(find->req, "id");
    if (!application_by_object_id(find->identity, txn, find->req->arena, id, &app, &find->found, err))
        return false;
    if (find->found) {
        find->owner_id = app.owner_id;
        return true;
    }
    if (!principal_row(txn, find->req->arena, id, &row, &find->found, err))
        return false;
    if (find->found)
        find->owner_id = row.owner_id;
    return true;
}

/* What does not exist is let through: the handler answers 404. */
static bool may_change(Identity *identity, const Req *req, Err *err)
{
    FindOwner find = { .identity = identity, .req = req };
    if (!store_read(identity->site->store, find_owner, &find, err))
        return false;
    if (!find.found || (find.owner_id.len && str_eq(find.owner_id, req->caller->object_id)))
        return true;
    return graph_denied(err, "Only its creator and the administrator of the tenant may change this object.");
}

static bool graph_authorize(void *ctx, Req *req, const Route *route, Err *err)
{
    Identity *identity = ctx;
    if (strcmp(route->permission, GRAPH_READ) == 0 || graph_is_administrator(identity, req))
        return true;
    if (strcmp(route->permission, GRAPH_CREATE) == 0)
        return may_create(identity, req, err);
    if (strcmp(route->permission, GRAPH_CHANGE) == 0)
        return may_change(identity, req, err);
    return graph_denied(err, "");
}

/* ---- records and headers ---- */

bool graph_record_write(Identity *identity, Txn *txn, Req *req, Str object_id, int http_status, Err *err)
{
    AuditRecord record = site_audit_record(identity->site, req, STR_NONE, http_status, STR(""));
    record.category = STR("AuditLogs");
    record.object_id = object_id;
    return audit_write(identity->site->audit, txn, &record, err);
}

/* Writes that were done have their record in their transaction; here come refusals. */
static bool graph_audit(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err)
{
    const Identity *identity = ctx;
    (void)reply;
    bool is_read = req->method == METHOD_GET || req->method == METHOD_HEAD;
    if (!err || (is_read && err->code != ERR_UNAUTHENTICATED && err->code != ERR_DENIED))
        return true;
    AuditRecord record = site_audit_record(identity->site, req, STR_NONE, err_http_status(err->code), str_from(code_of(err)));
    record.category = STR("AuditLogs");
    return audit_read(identity->site->audit, &record, audit_err);
}

static void graph_finish(void *ctx, const Req *req, Reply *reply)
{
    (void)ctx;
    reply_header(reply, STR("request-id"), req->request_id);
    if (guid_is_valid(req->client_request_id))
        reply_header(reply, STR("client-request-id"), req->client_request_id);
    reply_header(reply, STR("Cache-Control"), STR("no-store"));
    reply_header(reply, STR("Strict-Transport-Security"), STR("max-age=31536000"));
    reply_header(reply, STR("X-Content-Type-Options"), STR("nosniff"));
}

void graph_put_context(const Identity *identity, const Req *req, JsonWriter *w, const char *what)
{
    Str base = site_url(identity->site, req->arena, STR("graph"));
    json_put_str(w, "@odata.context", str_printf(req->arena, STR_FMT "/v1.0/$metadata#%s", STR_ARG(base), what));
}

static const Route graph_routes[] = {
    /* method        path                                          since until  permission    where         body       max       handler                            operation */
    { METHOD_GET,    "/v1.0/applications",                          NULL, NULL, GRAPH_READ,   WHERE_WORKER, BODY_NONE, 0,        graph_applications_list,           "ApplicationList" },
    { METHOD_POST,   "/v1.0/applications",                          NULL, NULL, GRAPH_CREATE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_application_create,          "ApplicationCreate" },
    { METHOD_GET,    "/v1.0/applications(appId='{appId}')",         NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_application_get,             "ApplicationGet" },
    { METHOD_GET,    "/v1.0/applications/{id}",                     NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_application_get,             "ApplicationGet" },
    { METHOD_PATCH,  "/v1.0/applications/{id}",                     NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_application_patch,           "ApplicationUpdate" },
    { METHOD_DELETE, "/v1.0/applications/{id}",                     NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_NONE, 0,        graph_application_remove,          "ApplicationDelete" },
    { METHOD_POST,   "/v1.0/applications/{id}/addPassword",         NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_application_add_password,    "ApplicationAddPassword" },
    { METHOD_POST,   "/v1.0/applications/{id}/removePassword",      NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_application_remove_password, "ApplicationRemovePassword" },
    { METHOD_GET,    "/v1.0/applications/{id}/federatedIdentityCredentials", NULL, NULL, GRAPH_READ, WHERE_INLINE, BODY_NONE, 0,     graph_federated_list,              "FederatedIdentityCredentialList" },
    { METHOD_POST,   "/v1.0/applications/{id}/federatedIdentityCredentials", NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_federated_create,      "FederatedIdentityCredentialCreate" },
    { METHOD_GET,    "/v1.0/applications/{id}/federatedIdentityCredentials/{federatedId}", NULL, NULL, GRAPH_READ, WHERE_INLINE, BODY_NONE, 0, graph_federated_get,     "FederatedIdentityCredentialGet" },
    { METHOD_PATCH,  "/v1.0/applications/{id}/federatedIdentityCredentials/{federatedId}", NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_federated_patch, "FederatedIdentityCredentialUpdate" },
    { METHOD_DELETE, "/v1.0/applications/{id}/federatedIdentityCredentials/{federatedId}", NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_NONE, 0, graph_federated_remove, "FederatedIdentityCredentialDelete" },
    { METHOD_GET,    "/v1.0/servicePrincipals",                     NULL, NULL, GRAPH_READ,   WHERE_WORKER, BODY_NONE, 0,        graph_principals_list,             "ServicePrincipalList" },
    { METHOD_POST,   "/v1.0/servicePrincipals",                     NULL, NULL, GRAPH_CREATE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_principal_create,            "ServicePrincipalCreate" },
    { METHOD_GET,    "/v1.0/servicePrincipals(appId='{appId}')",    NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_principal_get,               "ServicePrincipalGet" },
    { METHOD_GET,    "/v1.0/servicePrincipals/{id}",                NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_principal_get,               "ServicePrincipalGet" },
    { METHOD_PATCH,  "/v1.0/servicePrincipals/{id}",                NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_principal_patch,             "ServicePrincipalUpdate" },
    { METHOD_DELETE, "/v1.0/servicePrincipals/{id}",                NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_NONE, 0,        graph_principal_remove,            "ServicePrincipalDelete" },
    { METHOD_POST,   "/v1.0/servicePrincipals/{id}/addPassword",    NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_principal_add_password,      "ServicePrincipalAddPassword" },
    { METHOD_POST,   "/v1.0/servicePrincipals/{id}/removePassword", NULL, NULL, GRAPH_CHANGE, WHERE_WORKER, BODY_JSON, BODY_MAX, graph_principal_remove_password,   "ServicePrincipalRemovePassword" },
    { METHOD_POST,   "/v1.0/directoryObjects/getByIds",             NULL, NULL, GRAPH_READ,   WHERE_WORKER, BODY_JSON, BODY_MAX, graph_get_by_ids,                  "DirectoryObjectGetByIds" },
    { METHOD_GET,    "/v1.0/me",                                    NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_me,                          "SignedInUserGet" },
    { METHOD_GET,    "/v1.0/me/ownedObjects",                       NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_me,                          "OwnedObjectList" },
    { METHOD_GET,    "/v1.0/users",                                 NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_empty_list,                  "UserList" },
    { METHOD_GET,    "/v1.0/groups",                                NULL, NULL, GRAPH_READ,   WHERE_INLINE, BODY_NONE, 0,        graph_empty_list,                  "GroupList" },
};

bool graph_mount(Identity *identity, HttpServer *server, Err *err)
{
    identity->graph = (Plane){
        .name = "graph", .host_pattern = "graph", .default_content_type = "application/json; odata.metadata=minimal; charset=utf-8", .ctx = identity,
        .authenticate = graph_authenticate, .authorize = graph_authorize, .write_error = graph_write_error, .audit = graph_audit,
        .finish = graph_finish,
    };
    return http_mount(server, &identity->graph, graph_routes, COUNT_OF(graph_routes), identity, err);
}
