/* graph_credential.c - passwordCredentials and keyCredentials of applications and service principals. */
#include "base/encode.h"
#include "base/id.h"
#include "crypto/certificates/cert.h"
#include "identity/graph.h"

static const int64_t PASSWORD_MS = 2 * 365 * 24 * 3600 * (int64_t)1000;

/* ---- shown ---- */

static void put_times(JsonWriter *w, Arena *arena, const Credential *c)
{
    json_put_str(w, "endDateTime", time_str(arena, c->end_ms, 0));
    json_put_str(w, "keyId", c->key_id);
    json_put_str(w, "startDateTime", time_str(arena, c->start_ms, 0));
}

static void put_label(JsonWriter *w, const Credential *c)
{
    if (c->label.ptr)
        json_put_str(w, "displayName", c->label);
    else
        json_put_null(w, "displayName");
}

/* secret absent: it is never shown again. */
static void put_password(JsonWriter *w, Arena *arena, const Credential *c, Str secret)
{
    json_put_null(w, "customKeyIdentifier");
    put_label(w, c);
    put_times(w, arena, c);
    json_put_str(w, "hint", c->hint);
    if (secret.ptr)
        json_put_str(w, "secretText", secret);
    else
        json_put_null(w, "secretText");
}

void graph_put_credentials(JsonWriter *w, Arena *arena, const Credential *credentials, size_t count)
{
    json_open_array(w, "keyCredentials");
    for (size_t i = 0; i < count; i++) {
        const Credential *c = &credentials[i];
        if (c->kind != CREDENTIAL_CERTIFICATE)
            continue;
        json_open(w, NULL);
        json_put_str(w, "customKeyIdentifier", base64_encode(arena, c->sha1));
        put_label(w, c);
        put_times(w, arena, c);
        json_put_null(w, "key");
        json_put_str(w, "type", STR("AsymmetricX509Cert"));
        json_put_str(w, "usage", STR("Verify"));
        json_close(w);
    }
    json_close_array(w);
    json_open_array(w, "passwordCredentials");
    for (size_t i = 0; i < count; i++) {
        if (credentials[i].kind != CREDENTIAL_SECRET)
            continue;
        json_open(w, NULL);
        put_password(w, arena, &credentials[i], STR_NONE);
        json_close(w);
    }
    json_close_array(w);
}

/* ---- certificates of a body ---- */

typedef struct KeyIn { Str key_id, type, usage, key, display_name, start, end; } KeyIn;
static const JsonField key_fields[] = {
    JSON_FIELD(KeyIn, key_id,       "keyId",         JSON_OPTIONAL),
    JSON_FIELD(KeyIn, type,         "type",          JSON_OPTIONAL),
    JSON_FIELD(KeyIn, usage,        "usage",         JSON_OPTIONAL),
    JSON_FIELD(KeyIn, key,          "key",           JSON_OPTIONAL),
    JSON_FIELD(KeyIn, display_name, "displayName",   JSON_OPTIONAL),
    JSON_FIELD(KeyIn, start,        "startDateTime", JSON_OPTIONAL),
    JSON_FIELD(KeyIn, end,          "endDateTime",   JSON_OPTIONAL),
};

static bool read_time(Str text, const char *field, int64_t otherwise, int64_t *out, Err *err)
{
    Err reason = { 0 };
    *out = otherwise;
    if (str_empty(text) || time_parse(text, out, &reason))
        return true;
    return graph_bad_request(err, field, "%s '" STR_FMT "' is no date such as 2026-01-31T00:00:00Z.", field, STR_ARG(str_slice(text, 0, 40)));
}

/* Given times count; those left out are the certificate's. */
static bool read_certificate(Arena *arena, const KeyIn *in, Credential *out, Err *err)
{
    CertInfo info;
    Err reason = { 0 };
    if (in->type.len && !str_eq_nocase(in->type, STR("AsymmetricX509Cert")))
        return graph_bad_request(err, "keyCredentials.type", "keyCredentials.type '" STR_FMT "' is not supported; use AsymmetricX509Cert.",
                                 STR_ARG(str_slice(in->type, 0, 40)));
    if (in->usage.len && !str_eq_nocase(in->usage, STR("Verify")))
        return graph_bad_request(err, "keyCredentials.usage", "keyCredentials.usage '" STR_FMT "' is not supported; use Verify.",
                                 STR_ARG(str_slice(in->usage, 0, 40)));
    if (!base64_decode(arena, in->key, &out->certificate, &reason) || !cert_read(arena, out->certificate, &info, &reason))
        return reason.code == ERR_BAD_INPUT ? graph_bad_request(err, "keyCredentials.key",
                                                                "keyCredentials.key is no certificate (base64 of DER): %s.", reason.text)
                                            : (*err = reason, false);
    out->label = in->display_name;
    return read_time(in->start, "keyCredentials.startDateTime", info.not_before_ms, &out->start_ms, err) &&
           read_time(in->end, "keyCredentials.endDateTime", info.not_after_ms, &out->end_ms, err);
}

static bool is_named(const JsonVal *list, Str key_id)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq_nocase(json_str(json_get(json_at(list, i), "keyId")), key_id))
            return true;
    return false;
}

static bool is_kept(const Credential *now, size_t count, Str key_id)
{
    for (size_t i = 0; i < count; i++)
        if (now[i].kind == CREDENTIAL_CERTIFICATE && str_eq_nocase(now[i].key_id, key_id))
            return true;
    return false;
}

bool graph_set_certificates(Identity *identity, Txn *txn, Arena *arena, const Application *app, const JsonVal *list, int64_t now_ms, Err *err)
{
    const Credential *now;
    size_t count;
    bool removed;
    if (json_kind(list) != JSON_ARRAY)
        return graph_bad_request(err, "keyCredentials", "keyCredentials must be an array, not %s.", json_kind_name(json_kind(list)));
    if (!credential_list(identity, txn, arena, app->object_id, &now, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (now[i].kind == CREDENTIAL_CERTIFICATE && !is_named(list, now[i].key_id) &&
            !credential_remove(txn, app->object_id, now[i].key_id, CREDENTIAL_CERTIFICATE, &removed, err))
            return false;

    for (size_t i = 0; i < json_count(list); i++) {
        KeyIn in = { 0 };
        if (!json_read(json_at(list, i), "keyCredentials", key_fields, COUNT_OF(key_fields), &in, err))
            return false;
        bool is_old = in.key_id.len && is_kept(now, count, in.key_id);
        if (is_old && str_empty(in.key))
            continue;
        if (str_empty(in.key))
            return graph_bad_request(err, "keyCredentials.key",
                                     "keyCredentials[%zu] has no key, and no certificate with its keyId is there to keep.", i);
        if (in.key_id.len && !guid_is_valid(in.key_id))
            return graph_bad_request(err, "keyCredentials.keyId", "keyCredentials[%zu].keyId must be a GUID.", i);
        Credential c = { .app_id = app->app_id, .holder_id = app->object_id, .key_id = in.key_id.len ? str_lower(arena, in.key_id) : STR_NONE };
        if (!read_certificate(arena, &in, &c, err))
            return false;
        if (c.end_ms <= now_ms)
            return graph_bad_request(err, "keyCredentials.endDateTime",
                                     "keyCredentials[%zu].endDateTime is in the past: nobody could sign in with it.", i);
        if (is_old && !credential_remove(txn, app->object_id, c.key_id, CREDENTIAL_CERTIFICATE, &removed, err))
            return false;
        if (!credential_add_certificate(identity->site->seal, identity->site->tenant_id, txn, arena, &c, err))
            return err->code == ERR_CONFLICT ? graph_bad_request(err, "keyCredentials.keyId", "keyCredentials[%zu].keyId is in use.", i) : false;
    }
    return true;
}

/* ---- addPassword, removePassword ---- */

typedef struct Password { Identity *identity; Req *req; Credential credential; Str secret, key_id; bool of_principal, found, removed; } Password;

static bool find_holder(Password *p, Txn *txn, Err *err)
{
    Str id = req_param(p->req, "id");
    if (p->of_principal) {
        PrincipalRow row;
        if (!principal_row(txn, p->req->arena, id, &row, &p->found, err))
            return false;
        if (!p->found)
            return graph_not_found(err, id);
        if (row.p.kind == PRINCIPAL_MANAGED_IDENTITY)
            return graph_bad_request(err, "id", "A managed identity has no passwords: it is who its resource is.");
        p->credential.holder_id = row.p.object_id;
        p->credential.app_id = row.p.app_id;
        return true;
    }
    Application app;
    if (!application_by_object_id(p->identity, txn, p->req->arena, id, &app, &p->found, err))
        return false;
    if (!p->found)
        return graph_not_found(err, id);
    p->credential.holder_id = app.object_id;
    p->credential.app_id = app.app_id;
    return true;
}

static bool add_password_write(Txn *txn, void *ctx, Err *err)
{
    Password *p = ctx;
    return find_holder(p, txn, err) &&
           credential_add_secret(p->identity->site->seal, p->identity->site->tenant_id, txn, p->req->arena, &p->credential, &p->secret, err) &&
           graph_record_write(p->identity, txn, p->req, p->credential.holder_id, 200, err);
}

typedef struct PasswordIn { Str display_name, start, end; } PasswordIn;
static const JsonField password_fields[] = {
    JSON_FIELD(PasswordIn, display_name, "displayName",   JSON_OPTIONAL),
    JSON_FIELD(PasswordIn, start,        "startDateTime", JSON_OPTIONAL),
    JSON_FIELD(PasswordIn, end,          "endDateTime",   JSON_OPTIONAL),
};

static bool add_password(Req *req, Reply *reply, Err *err, bool of_principal)
{
    Password p = { .identity = req->ctx, .req = req, .of_principal = of_principal };
    PasswordIn in = { 0 };
    const JsonVal *wanted = json_get(req->json, "passwordCredential");        /* no body at all is fine */
    bool is_given = json_kind(wanted) != JSON_ABSENT && json_kind(wanted) != JSON_NULL;
    if (is_given && !json_read(wanted, "passwordCredential", password_fields, COUNT_OF(password_fields), &in, err))
        return false;
    p.credential.label = in.display_name;
    if (!read_time(in.start, "passwordCredential.startDateTime", req->real_ms, &p.credential.start_ms, err) ||
        !read_time(in.end, "passwordCredential.endDateTime", p.credential.start_ms + PASSWORD_MS, &p.credential.end_ms, err))
        return false;
    if (p.credential.end_ms <= req->real_ms)
        return graph_bad_request(err, "passwordCredential.endDateTime",
                                 "passwordCredential.endDateTime is in the past: nobody could sign in with it.");
    if (!store_write(p.identity->site->store, add_password_write, &p, err))
        return false;
    req->audited = true;
    json_open(&reply->json, NULL);
    graph_put_context(p.identity, req, &reply->json, "microsoft.graph.passwordCredential");
    put_password(&reply->json, req->arena, &p.credential, p.secret);
    json_close(&reply->json);
    secret_wipe((void *)(uintptr_t)p.secret.ptr, p.secret.len);
    return json_end(&reply->json, err);
}

static bool remove_password_write(Txn *txn, void *ctx, Err *err)
{
    Password *p = ctx;
    if (!find_holder(p, txn, err) || !credential_remove(txn, p->credential.holder_id, p->key_id, CREDENTIAL_SECRET, &p->removed, err))
        return false;
    if (!p->removed)
        return graph_bad_request(err, "keyId", "No password credential found with keyId '" STR_FMT "'.", STR_ARG(p->key_id));
    return graph_record_write(p->identity, txn, p->req, p->credential.holder_id, 204, err);
}

static bool remove_password(Req *req, Reply *reply, Err *err, bool of_principal)
{
    Password p = { .identity = req->ctx, .req = req, .of_principal = of_principal };
    const JsonVal *body;
    if (!req_object(req, &body, err))
        return false;
    p.key_id = str_lower(req->arena, json_str(json_get(body, "keyId")));
    if (!guid_is_valid(p.key_id))
        return graph_bad_request(err, "keyId", "keyId must be the GUID of a password credential.");
    if (!store_write(p.identity->site->store, remove_password_write, &p, err))
        return false;
    req->audited = true;
    reply->status = 204;
    return true;
}

bool graph_application_add_password(Req *req, Reply *reply, Err *err) { return add_password(req, reply, err, false); }
bool graph_application_remove_password(Req *req, Reply *reply, Err *err) { return remove_password(req, reply, err, false); }
bool graph_principal_add_password(Req *req, Reply *reply, Err *err) { return add_password(req, reply, err, true); }
bool graph_principal_remove_password(Req *req, Reply *reply, Err *err) { return remove_password(req, reply, err, true); }
