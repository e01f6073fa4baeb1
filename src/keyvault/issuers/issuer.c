/* issuer.c - issuers of a vault: set, get, update, list, delete. */
#include "keyvault/issuers/issuer.h"
#include "keyvault/certificates/cert_policy.h"
#include "keyvault/issuers/issuer_acme.h"
#include "keyvault/issuers/issuer_ca.h"
#include "keyvault/issuers/issuer_responder.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/objects/page.h"

enum { DOC_MAX_BYTES = 64 << 10, ADMINS_MAX = 20, TEXT_MAX = 512, ISSUERS_MAX = 100 };

/* ---- rows ---- */

typedef struct IssuerDoc { Str provider, account_id, password; const JsonVal *org_details; bool is_enabled; } IssuerDoc;
static const JsonField doc_fields[] = {
    JSON_FIELD(IssuerDoc, provider,    "provider",   JSON_REQUIRED),
    JSON_FIELD(IssuerDoc, account_id,  "accountId",  JSON_OPTIONAL),
    JSON_FIELD(IssuerDoc, password,    "password",   JSON_OPTIONAL),
    JSON_FIELD(IssuerDoc, org_details, "orgDetails", JSON_OPTIONAL),
    JSON_FIELD(IssuerDoc, is_enabled,  "enabled",    JSON_REQUIRED),
};

static SealPlace doc_place(Arena *arena, const Vault *vault, Str name_key)
{
    return (SealPlace){ vault->scope, "kv_issuer", str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(name_key)), "doc" };
}

#define ISSUER_COLUMNS "name, created_ms, updated_ms, doc"

static bool issuer_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Rows *rows, Issuer *out, Err *err)
{
    Issuer issuer = { .name = str_dup(arena, row_text(rows, 0)), .created_ms = row_int(rows, 1), .updated_ms = row_int(rows, 2) };
    IssuerDoc doc = { 0 };
    const JsonVal *root;
    Str text;
    if (!seal_get_text(kv->site->seal, txn, doc_place(arena, vault, str_lower(arena, issuer.name)), row_blob(rows, 3), arena, &text, err) ||
        !json_parse(arena, text, JSON_STRICT, &root, err) || !json_read(root, "kv_issuer", doc_fields, COUNT_OF(doc_fields), &doc, err))
        return false;
    issuer.provider = doc.provider;
    issuer.account_id = doc.account_id;
    issuer.password = doc.password;
    issuer.org_details = doc.org_details;
    issuer.is_enabled = doc.is_enabled;
    *out = issuer;
    return arena_ok(arena) || err_too_big(err);
}

bool issuer_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Issuer *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT " ISSUER_COLUMNS " FROM kv_issuer WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(str_lower(arena, name))))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    return *found ? issuer_of_row(kv, txn, arena, vault, rows, out, err) : err->code == ERR_NONE;
}

static bool issuer_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    Str name_key = str_lower(arena, issuer->name);
    Bytes sealed;
    JsonWriter w;
    buf_init(&text, DOC_MAX_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "provider", issuer->provider);
    json_put_str(&w, "accountId", issuer->account_id);
    json_put_str(&w, "password", issuer->password);
    json_put_value(&w, "orgDetails", issuer->org_details);
    json_put_bool(&w, "enabled", issuer->is_enabled);
    json_close(&w);
    bool good = json_end(&w, err) && seal_put(kv->site->seal, txn, doc_place(arena, vault, name_key), buf_bytes(&text), arena, &sealed, err);
    if (text.ptr)
        secret_wipe(text.ptr, text.len);
    return good && txn_exec(txn, NULL, err,
                            "INSERT INTO kv_issuer (vault, name_key, name, created_ms, updated_ms, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                            " ON CONFLICT (vault, name_key) DO UPDATE SET updated_ms = excluded.updated_ms, doc = excluded.doc",
                            db_text(vault->id), db_text(name_key), db_text(issuer->name), db_int(issuer->created_ms), db_int(issuer->updated_ms), db_blob(sealed));
}

/* ---- answers ---- */

static Str issuer_url(const KeyVault *kv, Arena *arena, const Vault *vault, Str name)
{
    return str_printf(arena, STR_FMT "/certificates/issuers/" STR_FMT, STR_ARG(site_vault_url(kv->site, arena, vault->name_key)), STR_ARG(name));
}

static bool issuer_reply(Req *req, Reply *reply, const Issuer *issuer, Err *err)
{
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "id", issuer_url(req->ctx, req->arena, req_vault(req), issuer->name));
    json_put_str(w, "provider", issuer->provider);
    if (issuer->account_id.ptr) {
        json_open(w, "credentials");
        json_put_str(w, "account_id", issuer->account_id);
        json_close(w);
    }
    const JsonVal *admins = json_get(issuer->org_details, "admin_details");
    json_open(w, "org_details");
    json_put_str(w, "id", json_str(json_get(issuer->org_details, "id")));
    if (json_kind(admins) == JSON_ARRAY)
        json_put_value(w, "admin_details", admins);
    else
        json_put_raw(w, "admin_details", STR("[]"));                  /* az adds to the list it finds */
    json_close(w);
    json_open(w, "attributes");
    json_put_bool(w, "enabled", issuer->is_enabled);
    json_put_int(w, "created", issuer->created_ms / 1000);
    json_put_int(w, "updated", issuer->updated_ms / 1000);
    json_close(w);
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool issuer_not_found(Err *err, Str name)
{
    return err_named(err, ERR_NOT_FOUND, "CertificateIssuerNotFound", NULL, "A certificate issuer with the name " STR_FMT " was not found in this key vault.",
                     STR_ARG(str_slice(name, 0, OBJECT_NAME_MAX)));
}

/* ---- bodies ---- */

typedef struct IssuerIn { Str provider; const JsonVal *credentials, *org_details, *attributes; } IssuerIn;
static const JsonField in_fields[] = {
    JSON_FIELD(IssuerIn, provider,    "provider",    JSON_OPTIONAL),
    JSON_FIELD(IssuerIn, credentials, "credentials", JSON_OPTIONAL),
    JSON_FIELD(IssuerIn, org_details, "org_details", JSON_OPTIONAL),
    JSON_FIELD(IssuerIn, attributes,  "attributes",  JSON_OPTIONAL),
};

static bool is_given(const JsonVal *value) { return json_kind(value) != JSON_ABSENT && json_kind(value) != JSON_NULL; }

static bool text_check(Str text, const char *field, Err *err)
{
    return text.len <= TEXT_MAX || err_field(err, field, "%s may have at most %d bytes", field, TEXT_MAX);
}

static bool org_details_check(const JsonVal *org, Err *err)
{
    static const char *const members[] = { "first_name", "last_name", "email", "phone" };
    const JsonVal *admins = json_get(org, "admin_details"), *id = json_get(org, "id");
    if (json_kind(org) != JSON_OBJECT || (is_given(id) && json_kind(id) != JSON_STR) || !text_check(json_str(id), "org_details.id", err))
        return err->code != ERR_NONE ? false : err_field(err, "org_details", "org_details must be an object with id and admin_details");
    if (is_given(admins) && (json_kind(admins) != JSON_ARRAY || json_count(admins) > ADMINS_MAX))
        return err_field(err, "org_details.admin_details", "org_details.admin_details must be a list of at most %d people", ADMINS_MAX);
    for (size_t i = 0; i < json_count(admins); i++) {
        const JsonVal *admin = json_at(admins, i);
        if (json_kind(admin) != JSON_OBJECT)
            return err_field(err, "org_details.admin_details", "org_details.admin_details[%zu] must be an object", i);
        for (size_t m = 0; m < COUNT_OF(members); m++) {
            const JsonVal *value = json_get(admin, members[m]);
            if (is_given(value) && (json_kind(value) != JSON_STR || json_str(value).len > TEXT_MAX))
                return err_field(err, "org_details.admin_details", "org_details.admin_details[%zu].%s must be a text of at most %d bytes", i, members[m], TEXT_MAX);
        }
    }
    return true;
}

/* What the body has replaces what *io has. */
static bool issuer_read(const JsonVal *body, Issuer *io, Err *err)
{
    typedef struct CredentialsIn { Str account_id, password; } CredentialsIn;
    static const JsonField credentials_fields[] = {
        JSON_FIELD(CredentialsIn, account_id, "account_id", JSON_OPTIONAL),
        JSON_FIELD(CredentialsIn, password,   "pwd",        JSON_OPTIONAL),
    };
    IssuerIn in = { 0 };
    CredentialsIn credentials = { io->account_id, io->password };
    Attributes attributes = { .enabled = io->is_enabled };
    *err = (Err){ 0 };
    if (!json_read(body, "", in_fields, COUNT_OF(in_fields), &in, err) || !text_check(in.provider, "provider", err) || !attributes_read(body, &attributes, err) ||
        (is_given(in.credentials) && !json_read(in.credentials, "credentials", credentials_fields, COUNT_OF(credentials_fields), &credentials, err)) ||
        !text_check(credentials.account_id, "credentials.account_id", err) || !text_check(credentials.password, "credentials.pwd", err) ||
        (is_given(in.org_details) && !org_details_check(in.org_details, err)))
        return false;
    if (in.provider.ptr)
        io->provider = in.provider;
    if (str_empty(io->provider))
        return err_field(err, "provider", "provider is needed: the name of the authority's provider");
    io->account_id = credentials.account_id;
    io->password = credentials.password;
    if (is_given(in.org_details))
        io->org_details = in.org_details;
    io->is_enabled = attributes.enabled;
    return true;
}

static bool issuer_name_check(Str name, Err *err)
{
    if (!object_name_check(name, err))
        return false;
    if (!str_eq_nocase(name, ISSUER_SELF) && !str_eq_nocase(name, ISSUER_UNKNOWN))
        return true;
    return err_field(err, "issuer-name", "The issuer name " STR_FMT " is reserved; use another name.", STR_ARG(name));
}

/* ---- operations ---- */

typedef struct Change { Req *req; const JsonVal *body; Issuer issuer; bool must_exist, deletes, wants_ca; CaMade ca; } Change;

static bool count_check(Txn *txn, const Vault *vault, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT count(*) FROM kv_issuer WHERE vault = ?1", db_text(vault->id)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    return row_int(rows, 0) < ISSUERS_MAX || err_set(err, ERR_BAD_INPUT, "A vault may have at most %d certificate issuers.", ISSUERS_MAX);
}

/* change->issuer is as it shall be. */
static bool merge(Change *change, const Issuer *now, bool found, Err *err)
{
    const Req *req = change->req;
    change->issuer = change->must_exist ? *now : (Issuer){ .name = found ? now->name : req->params[0], .is_enabled = true, .created_ms = found ? now->created_ms : req->now_ms };
    change->issuer.updated_ms = req->now_ms;
    if (!issuer_read(change->body, &change->issuer, err))
        return false;
    if (found && issuer_is_ca(now) && !issuer_is_ca(&change->issuer))
        return err_field(err, "provider", "The issuer " STR_FMT " is an authority of this vault, which a change of provider would lose; delete it first.", STR_ARG(now->name));
    return true;
}

static bool find_now(Change *change, Txn *txn, Issuer *now, bool *found, Err *err)
{
    Req *req = change->req;
    return issuer_find(req->ctx, txn, req->arena, req_vault(req), req->params[0], now, found, err) && (*found || !change->must_exist || issuer_not_found(err, req->params[0]));
}

/* Is an authority to be made? That is done before the transaction of the change. */
static bool look_txn(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    Req *req = change->req;
    Issuer now = { 0 };
    bool found;
    change->wants_ca = false;
    if (!find_now(change, txn, &now, &found, err) || !merge(change, &now, found, err))
        return false;
    return !issuer_is_ca(&change->issuer) || issuer_ca_is_wanted(txn, req->arena, req_vault(req), &change->issuer, &change->wants_ca, err);
}

static bool change_txn(Txn *txn, void *ctx, Err *err)
{
    Change *change = ctx;
    Req *req = change->req;
    const Vault *vault = req_vault(req);
    Issuer now = { 0 };
    bool found;
    change->ca.is_used = false;
    if (!find_now(change, txn, &now, &found, err))
        return false;
    if (change->deletes) {
        change->issuer = now;
        return issuer_acme_erase(txn, req->arena, vault, now.name, err) && responder_erase(txn, req->arena, vault, now.name, err) &&
               txn_exec(txn, NULL, err, "DELETE FROM kv_issued WHERE vault = ?1 AND issuer_key = ?2", db_text(vault->id), db_text(str_lower(req->arena, now.name))) &&
               txn_exec(txn, NULL, err, "DELETE FROM kv_issuer WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(str_lower(req->arena, now.name))) &&
               hsm_sweep(req->ctx, txn, vault, err);
    }
    if (!found && !count_check(txn, vault, err))
        return false;
    return merge(change, &now, found, err) && issuer_put(req->ctx, txn, req->arena, vault, &change->issuer, err) &&
           (!issuer_is_acme(&change->issuer) || issuer_acme_make(req->ctx, txn, req->arena, vault, &change->issuer, err)) &&
           (!issuer_is_ca(&change->issuer) || issuer_ca_put(req->ctx, txn, req->arena, vault, &change->issuer, &change->ca, err));
}

static bool change_issuer(Req *req, Reply *reply, Change *change, Err *err)
{
    if (!issuer_name_check(req->params[0], err) || (!change->deletes && !req_object(req, &change->body, err)))
        return false;
    KeyVault *kv = req->ctx;
    bool good = change->deletes || store_read(kv->site->store, look_txn, change, err);
    good = good && (!change->wants_ca || issuer_ca_make(kv, req->arena, req_vault(req), &change->issuer, req->now_ms, &change->ca, err)) &&
           plane_write(req, issuer_url(kv, req->arena, req_vault(req), req->params[0]), 200, change_txn, change, err);
    change->ca.key.is_stored = good && change->ca.is_used;
    key_made_done(&change->ca.key);
    return good && issuer_reply(req, reply, &change->issuer, err);
}

bool issuer_set(Req *req, Reply *reply, Err *err) { return change_issuer(req, reply, &(Change){ .req = req }, err); }
bool issuer_update(Req *req, Reply *reply, Err *err) { return change_issuer(req, reply, &(Change){ .req = req, .must_exist = true }, err); }
bool issuer_delete(Req *req, Reply *reply, Err *err) { return change_issuer(req, reply, &(Change){ .req = req, .must_exist = true, .deletes = true }, err); }

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    Change *get = ctx;
    Req *req = get->req;
    bool found;
    if (!issuer_find(req->ctx, txn, req->arena, req_vault(req), req->params[0], &get->issuer, &found, err))
        return false;
    return found || issuer_not_found(err, req->params[0]);
}

bool issuer_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Change get = { .req = req };
    return issuer_name_check(req->params[0], err) && store_read(kv->site->store, get_txn, &get, err) && issuer_reply(req, reply, &get.issuer, err);
}

typedef struct List { Req *req; Reply *reply; Page page; } List;

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    Req *req = list->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    JsonWriter *w = &list->reply->json;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT " ISSUER_COLUMNS " FROM kv_issuer WHERE vault = ?1 AND name_key > ?2 ORDER BY name_key LIMIT ?3", db_text(vault->id),
                   db_text(list->page.after), db_int(list->page.limit + 1)))
        return false;
    Str last = STR("");
    int64_t count = 0;
    bool more = false;
    json_open(w, NULL);
    json_open_array(w, "value");
    *err = (Err){ 0 };
    while (!more && rows_next(rows, err)) {
        Issuer issuer;
        more = count++ == list->page.limit;
        if (more)
            break;
        if (!issuer_of_row(kv, txn, req->arena, vault, rows, &issuer, err))
            return false;
        json_open(w, NULL);
        json_put_str(w, "id", issuer_url(kv, req->arena, vault, issuer.name));
        json_put_str(w, "provider", issuer.provider);
        json_close(w);
        last = str_lower(req->arena, issuer.name);
    }
    json_close_array(w);
    page_write_next(req, kv, w, &list->page, more, last);
    json_close(w);
    return err->code == ERR_NONE;
}

bool issuer_list(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    List list = { .req = req, .reply = reply };
    return page_read(req, false, &list.page, err) && store_read(kv->site->store, list_txn, &list, err) && (arena_ok(req->arena) || err_too_big(err));
}
