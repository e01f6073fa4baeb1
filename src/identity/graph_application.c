/* graph_application.c - applications: created, shown, changed, deleted. */
#include "base/id.h"
#include "identity/graph.h"

enum { URI_MAX = 255, EXTRAS_MAX_BYTES = 64 * 1024 };

/* Members that we keep for clients without reading them, with what Graph shows when nobody set them. */
static const struct { const char *name, *otherwise; } extras[] = {
    { "signInAudience", "\"AzureADMyOrg\"" }, { "description", "null" }, { "notes", "null" }, { "tags", "[]" },
    { "api", "{\"acceptMappedClaims\":null,\"knownClientApplications\":[],\"requestedAccessTokenVersion\":null,\"oauth2PermissionScopes\":[],\"preAuthorizedApplications\":[]}" },
    { "appRoles", "[]" }, { "defaultRedirectUri", "null" }, { "groupMembershipClaims", "null" }, { "info", "{}" },
    { "isDeviceOnlyAuthSupported", "null" },
    { "isFallbackPublicClient", "null" }, { "optionalClaims", "null" }, { "parentalControlSettings", "null" },
    { "publicClient", "{\"redirectUris\":[]}" },
    { "requiredResourceAccess", "[]" }, { "samlMetadataUrl", "null" }, { "serviceManagementReference", "null" }, { "spa", "{\"redirectUris\":[]}" },
    { "tokenEncryptionKeyId", "null" }, { "web", "{\"homePageUrl\":null,\"logoutUrl\":null,\"redirectUris\":[]}" },
};
static const char *const read_only[] = { "id", "appId", "createdDateTime", "deletedDateTime", "publisherDomain", "verifiedPublisher",
                                         "certification", "applicationTemplateId" };
static const char *const ours[] = { "displayName", "identifierUris", "keyCredentials", "passwordCredentials" };

/* ---- shown ---- */

bool graph_application_load(Identity *identity, Txn *txn, Arena *arena, Str object_id, GraphApplication *out, bool *found, Err *err)
{
    if (!application_by_object_id(identity, txn, arena, object_id, &out->app, found, err))
        return false;
    if (!*found)
        return true;
    return application_uris(txn, arena, out->app.app_id, &out->uris, &out->uri_count, err) &&
           credential_list(identity, txn, arena, out->app.object_id, &out->credentials, &out->credential_count, err);
}

static const JsonVal *parsed_extras(Arena *arena, Str text)
{
    const JsonVal *root;
    Err ignored = { 0 };                              /* it is our own text; were it broken, the defaults would show */
    return text.ptr && json_parse(arena, text, JSON_STRICT, &root, &ignored) ? root : NULL;
}

void graph_put_application(JsonWriter *w, const Identity *identity, Arena *arena, const GraphApplication *a)
{
    const JsonVal *kept = parsed_extras(arena, a->app.extras);
    json_put_str(w, "id", a->app.object_id);
    json_put_null(w, "deletedDateTime");
    json_put_str(w, "appId", a->app.app_id);
    json_put_null(w, "applicationTemplateId");
    json_put_str(w, "createdDateTime", time_str(arena, a->app.created_ms, 0));
    json_put_str(w, "displayName", a->app.display_name);
    json_put_str(w, "publisherDomain", identity->site->names.domain);
    json_open_array(w, "identifierUris");
    for (size_t i = 0; i < a->uri_count; i++)
        json_put_str(w, NULL, a->uris[i]);
    json_close_array(w);
    graph_put_credentials(w, arena, a->credentials, a->credential_count);
    for (size_t i = 0; i < COUNT_OF(extras); i++) {
        const JsonVal *value = json_get(kept, extras[i].name);
        if (value)
            json_put_value(w, extras[i].name, value);
        else
            json_put_raw(w, extras[i].name, str_from(extras[i].otherwise));
    }
}

static bool reply_application(const Identity *identity, Req *req, Reply *reply, const GraphApplication *a, Err *err)
{
    json_open(&reply->json, NULL);
    graph_put_context(identity, req, &reply->json, "applications/$entity");
    graph_put_application(&reply->json, identity, req->arena, a);
    json_close(&reply->json);
    return arena_ok(req->arena) ? json_end(&reply->json, err) : err_too_big(err);
}

/* ---- bodies ---- */

static bool is_among(Str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return false;
}

static bool is_extra(Str name)
{
    for (size_t i = 0; i < COUNT_OF(extras); i++)
        if (str_eq(name, str_from(extras[i].name)))
            return true;
    return false;
}

static bool members_check(const JsonVal *body, Err *err)
{
    Str name;
    for (size_t i = 0; i < json_count(body); i++) {
        (void)json_member(body, i, &name);
        if (is_among(name, ours, COUNT_OF(ours)) || is_extra(name) || str_starts(name, STR("@odata.")))
            continue;
        if (is_among(name, read_only, COUNT_OF(read_only)))
            return graph_bad_request(err, "", "Property '" STR_FMT "' is read-only and cannot be set.", STR_ARG(name));
        return graph_bad_request(err, "", "Invalid property '" STR_FMT "'.", STR_ARG(str_slice(name, 0, 80)));
    }
    const JsonVal *passwords = json_get(body, "passwordCredentials");
    if (json_count(passwords) > 0)
        return graph_bad_request(err, "passwordCredentials",
                                 "passwordCredentials cannot be written: secrets are made by addPassword and removed by removePassword.");
    return true;
}

static bool name_read(const JsonVal *body, bool is_needed, Str *name, Err *err)
{
    const JsonVal *value = json_get(body, "displayName");
    if (!value && !is_needed)
        return true;
    Str text = json_str(value);
    if (str_empty(text) || text.len > DISPLAY_NAME_MAX)
        return graph_bad_request(err, "displayName", "displayName must be text of 1 to %d characters.", DISPLAY_NAME_MAX);
    *name = text;
    return true;
}

static bool uris_read(Arena *arena, const JsonVal *list, const Str **uris, size_t *count, Err *err)
{
    size_t n = json_count(list), at;
    Str *found = ARENA_ARRAY(arena, Str, n ? n : 1);
    if (json_kind(list) != JSON_ARRAY)
        return graph_bad_request(err, "identifierUris", "identifierUris must be an array of URIs.");
    if (!found)
        return err_too_big(err);
    for (size_t i = 0; i < n; i++) {
        found[i] = json_str(json_at(list, i));
        if (str_empty(found[i]) || found[i].len > URI_MAX || !str_find(found[i], STR(":"), &at) || str_find(found[i], STR(" "), &at))
            return graph_bad_request(err, "identifierUris", "identifierUris[%zu] must be a URI such as api://name or https://name, of at most %d characters.", i, URI_MAX);
    }
    *uris = found;
    *count = n;
    return true;
}

/* The kept members with those of the body in place of them; a null takes one away. */
static bool extras_merge(Arena *arena, Str now_text, const JsonVal *body, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    const JsonVal *now = parsed_extras(arena, now_text);
    bool any = false;
    buf_init(&buf, EXTRAS_MAX_BYTES);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(extras); i++) {
        const JsonVal *given = json_get(body, extras[i].name);
        const JsonVal *value = given ? given : json_get(now, extras[i].name);
        if (json_kind(value) == JSON_ABSENT || json_kind(value) == JSON_NULL)
            continue;
        json_put_value(&w, extras[i].name, value);
        any = true;
    }
    json_close(&w);
    if (!json_end(&w, err))
        return err_set(err, ERR_TOO_LARGE, "the members of the application are larger than %d bytes together", EXTRAS_MAX_BYTES);
    *out = any ? str_dup(arena, buf_str(&buf)) : STR_NONE;
    return arena_ok(arena) ? true : err_too_big(err);
}

/* ---- work ---- */

typedef struct Work {
    Identity *identity;
    Req *req;
    const JsonVal *body;
    GraphApplication view;
    bool found;
} Work;

/* What the body sets beside name and extras, which lie in the row itself. */
static bool write_parts(Work *work, Txn *txn, Err *err)
{
    const JsonVal *uri_list = json_get(work->body, "identifierUris"), *keys = json_get(work->body, "keyCredentials");
    const Application *app = &work->view.app;
    const Str *uris = NULL;
    size_t count = 0;
    if (uri_list && (!uris_read(work->req->arena, uri_list, &uris, &count, err) || 
                     !application_set_uris(txn, work->req->arena, app->app_id, uris, count, err)))
        return false;
    return !keys || graph_set_certificates(work->identity, txn, work->req->arena, app, keys, work->req->real_ms, err);
}

static bool create_write(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Str id = work->view.app.object_id;
    const Site *site = work->identity->site;
    return application_insert(site->seal, site->tenant_id, txn, work->req->arena, &work->view.app, err) && write_parts(work, txn, err) &&
           graph_application_load(work->identity, txn, work->req->arena, id, &work->view, &work->found, err) &&
           graph_record_write(work->identity, txn, work->req, id, 201, err);
}

bool graph_application_create(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    Application *app = &work.view.app;
    if (!req_object(req, &work.body, err) || !members_check(work.body, err) || !name_read(work.body, true, &app->display_name, err) ||
        !extras_merge(req->arena, STR_NONE, work.body, &app->extras, err))
        return false;
    app->object_id = guid_new(req->arena);
    app->app_id = guid_new(req->arena);
    app->owner_id = req->caller->object_id;
    app->created_ms = req->now_ms;
    if (!arena_ok(req->arena))
        return err_too_big(err);
    if (!store_write(work.identity->site->store, create_write, &work, err))
        return false;
    req->audited = true;
    reply->status = 201;
    return reply_application(work.identity, req, reply, &work.view, err);
}

static bool load(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Str app_id = req_param(work->req, "appId"), id = req_param(work->req, "id");
    if (!app_id.ptr)
        return graph_application_load(work->identity, txn, work->req->arena, id, &work->view, &work->found, err);
    if (!application_by_app_id(work->identity, txn, work->req->arena, app_id, &work->view.app, &work->found, err))
        return false;
    return !work->found || graph_application_load(work->identity, txn, work->req->arena, work->view.app.object_id, &work->view, &work->found, err);
}

bool graph_application_get(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    if (!store_read(work.identity->site->store, load, &work, err))
        return false;
    return work.found ? reply_application(work.identity, req, reply, &work.view, err) : graph_not_found(err, graph_asked_id(req));
}

static bool patch_write(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Application *app = &work->view.app;
    if (!load(txn, work, err))
        return false;
    if (!work->found)
        return graph_not_found(err, graph_asked_id(work->req));
    return name_read(work->body, false, &app->display_name, err) && extras_merge(work->req->arena, app->extras, work->body, &app->extras, err) &&
           application_update(work->identity, txn, work->req->arena, app, err) && write_parts(work, txn, err) &&
           graph_record_write(work->identity, txn, work->req, app->object_id, 204, err);
}

bool graph_application_patch(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    if (!req_object(req, &work.body, err) || !members_check(work.body, err) || !store_write(work.identity->site->store, patch_write, &work, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}

static bool remove_write(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    Principal administrator;
    bool has_administrator;
    if (!load(txn, work, err))
        return false;
    if (!work->found)
        return graph_not_found(err, graph_asked_id(work->req));
    if (!principal_by_object_id(work->identity, txn, work->req->arena, work->identity->admin_id, &administrator, &has_administrator, err))
        return false;
    if (has_administrator && str_eq(administrator.app_id, work->view.app.app_id))
        return graph_denied(err, "The administrator of the tenant cannot be deleted.");
    return application_delete(work->identity, txn, &work->view.app, err) &&
           graph_record_write(work->identity, txn, work->req, work->view.app.object_id, 204, err);
}

bool graph_application_remove(Req *req, Reply *reply, Err *err)
{
    Work work = { .identity = req->ctx, .req = req };
    if (!store_write(work.identity->site->store, remove_write, &work, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}
