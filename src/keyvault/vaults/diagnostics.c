/* diagnostics.c - rows of diagnostic settings, and Microsoft.Insights on vaults. */
#include "keyvault/vaults/diagnostics.h"
#include "audit/tail.h"
#include "keyvault/vaults/vault_arm.h"

#define SETTINGS   "/{scope...}/providers/Microsoft.Insights/diagnosticSettings"
#define CATEGORIES "/{scope...}/providers/Microsoft.Insights/diagnosticSettingsCategories"
#define MAY(what)  "Microsoft.Insights/" what
enum { BODY_MAX = 64 << 10, ACCOUNT_MIN = 3, ACCOUNT_MAX = 24 };

#define BAD(err, field, ...) ((void)err_field((err), (field), __VA_ARGS__), (err)->name = "BadRequest", false)

/* ---- bodies ---- */

Str diagnostic_account(Str id)
{
    static const char *const words[] = { "", "subscriptions", NULL, "resourceGroups", NULL, "providers", "Microsoft.Storage", "storageAccounts", NULL };
    Str rest = id, last = STR_NONE;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!rest.ptr)
            return STR_NONE;
        last = str_cut(&rest, '/');
        if (words[i] ? !str_eq_nocase(last, str_from(words[i])) : str_empty(last))
            return STR_NONE;
    }
    bool good = !rest.ptr && last.len >= ACCOUNT_MIN && last.len <= ACCOUNT_MAX;        /* it becomes the name of a directory */
    for (size_t i = 0; good && i < last.len; i++)
        good = (last.ptr[i] >= 'a' && last.ptr[i] <= 'z') || (last.ptr[i] >= '0' && last.ptr[i] <= '9');
    return good ? last : STR_NONE;
}

static bool is_given(const JsonVal *value)
{
    return json_kind(value) != JSON_ABSENT && json_kind(value) != JSON_NULL && !(json_kind(value) == JSON_STR && str_empty(json_str(value)));
}

static bool read_log(const JsonVal *log, Diagnostic *out, Err *err)
{
    Str category = json_str(json_get(log, "category")), group = json_str(json_get(log, "categoryGroup"));
    bool is_audit = str_eq_nocase(category, STR("AuditEvent")) || str_eq_nocase(group, STR("audit")) || str_eq_nocase(group, STR("allLogs"));
    bool is_policy = str_eq_nocase(category, STR("AzurePolicyEvaluationDetails"));
    if (json_kind(log) != JSON_OBJECT || (!is_audit && !is_policy))
        return BAD(err, "properties.logs", "properties.logs: a vault has the categories AuditEvent and AzurePolicyEvaluationDetails and the groups audit and allLogs");
    if (json_kind(json_get(log, "enabled")) != JSON_BOOL)
        return BAD(err, "properties.logs.enabled", "properties.logs.enabled must be true or false");
    if (json_bool(json_path(log, "retentionPolicy.enabled"), false))
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "properties.logs.retentionPolicy is not available here: logs stay until somebody removes them.");
    out->audit_enabled = out->audit_enabled || (is_audit && json_bool(json_get(log, "enabled"), false));
    return true;
}

bool diagnostic_read(const JsonVal *properties, Diagnostic *out, Err *err)
{
    static const char *const elsewhere[] = { "workspaceId", "eventHubAuthorizationRuleId", "eventHubName", "marketplacePartnerId", "serviceBusRuleId" };
    const JsonVal *logs = json_get(properties, "logs"), *metrics = json_get(properties, "metrics");
    out->storage_id = json_str(json_get(properties, "storageAccountId"));
    out->audit_enabled = false;
    if (json_kind(properties) != JSON_OBJECT)
        return BAD(err, "properties", "properties is needed: storageAccountId and logs");
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        if (is_given(json_get(properties, elsewhere[i])))
            return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "properties.%s is not available here: audit logs go to a storageAccountId.", elsewhere[i]);
    if (!diagnostic_account(out->storage_id).ptr)
        return BAD(err, "properties.storageAccountId", "properties.storageAccountId is needed: /subscriptions/S/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/NAME");
    if (is_given(logs) && json_kind(logs) != JSON_ARRAY)
        return BAD(err, "properties.logs", "properties.logs must be a list");
    for (size_t i = 0; i < json_count(logs); i++)
        if (!read_log(json_at(logs, i), out, err))
            return false;
    for (size_t i = 0; json_kind(metrics) == JSON_ARRAY && i < json_count(metrics); i++)
        if (json_bool(json_get(json_at(metrics, i), "enabled"), false))
            return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "properties.metrics is not available here; leave it out.");
    return out->audit_enabled || BAD(err, "properties.logs", "properties.logs must enable AuditEvent");
}

/* ---- rows ---- */

typedef struct Call { Req *req; Reply *reply; Vault vault; Diagnostic setting; Str name; bool found; } Call;

static bool find_vault(Call *call, Txn *txn, Err *err) { return vault_of_scope(call->req, txn, "diagnostic settings", &call->vault, err); }

static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    Arena *arena = call->req->arena;
    if (!find_vault(call, txn, err))
        return false;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT name, storage FROM kv_diagnostic WHERE vault = ?1 AND name_key = ?2", db_text(call->vault.id), db_text(str_lower(arena, call->name))))
        return false;
    *err = (Err){ 0 };
    call->found = rows_next(rows, err);
    if (call->found)
        call->setting = (Diagnostic){ .name = str_dup(arena, row_text(rows, 0)), .storage_id = str_dup(arena, row_text(rows, 1)), .audit_enabled = true };
    return err->code == ERR_NONE;
}

static Str setting_id(const Call *call)
{
    return str_printf(call->req->arena, STR_FMT "/providers/microsoft.insights/diagnosticSettings/" STR_FMT, STR_ARG(call->vault.resource_id),
                      STR_ARG(call->setting.name.ptr ? call->setting.name : call->name));
}

static void write_setting(JsonWriter *w, const Call *call)
{
    json_open(w, NULL);
    json_put_str(w, "id", setting_id(call));
    json_put_str(w, "type", STR("Microsoft.Insights/diagnosticSettings"));
    json_put_str(w, "name", call->setting.name);
    json_open(w, "properties");
    json_put_str(w, "storageAccountId", call->setting.storage_id);
    json_open_array(w, "metrics");
    json_close_array(w);
    json_open_array(w, "logs");
    json_open(w, NULL);
    json_put_str(w, "category", STR("AuditEvent"));
    json_put_null(w, "categoryGroup");
    json_put_bool(w, "enabled", true);
    json_open(w, "retentionPolicy");
    json_put_bool(w, "enabled", false);
    json_put_int(w, "days", 0);
    json_close(w);
    json_close(w);
    json_close_array(w);
    json_close(w);
    json_close(w);
}

/* ---- handlers ---- */

static bool name_check(Str name, Err *err)
{
    bool good = name.len > 0 && name.len <= LOGS_NAME_MAX;
    for (size_t i = 0; good && i < name.len; i++)
        good = (unsigned char)name.ptr[i] > ' ' && !strchr("<>%&:\\?/*", name.ptr[i]);
    return good || err_named(err, ERR_BAD_INPUT, "BadRequest", NULL, "The name of a diagnostic setting has 1 to %d characters other than spaces and < > %% & : \\ ? / *.", LOGS_NAME_MAX);
}

typedef struct Put { Call call; const JsonVal *body; AuditPlace place; } Put;

static bool put_txn(Txn *txn, void *ctx, Err *err)
{
    Put *put = ctx;
    Call *call = &put->call;
    KeyVault *kv = call->req->ctx;
    if (!find_txn(txn, call, err) || !diagnostic_read(json_get(put->body, "properties"), &call->setting, err))
        return false;
    call->setting.name = call->found ? call->setting.name : call->name;
    /* The first setting of the site begins with what is recorded from now on. */
    return txn_exec(txn, NULL, err, "INSERT INTO kv_diagnostic_place (id, writes, reads) SELECT 1, ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM kv_diagnostic_place)",
                    db_int(put->place.writes), db_int(put->place.reads)) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO kv_diagnostic (vault, name_key, name, storage) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (vault, name_key) DO UPDATE SET storage = ?4",
                    db_text(call->vault.id), db_text(str_lower(call->req->arena, call->name)), db_text(call->setting.name), db_text(call->setting.storage_id)) &&
           runner_schedule(kv->site->runner, txn, WORK_LOGS, LOGS_KEY, real_now_ms(), err);
}

static bool setting_put(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Put put = { .call = { .req = req, .reply = reply, .name = req_param(req, "name") } };
    if (!name_check(put.call.name, err) || !req_object(req, &put.body, err) || !diagnostic_read(json_get(put.body, "properties"), &put.call.setting, err) ||
        !store_read(kv->site->store, find_txn, &put.call, err))
        return false;
    if (!kv->logs_dir)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "This server keeps no logs of vaults in files; start it with --audit-logs DIR.");
    put.place = audit_place_now(kv->site->audit);
    if (!vault_write_txn(req, setting_id(&put.call), 200, put_txn, &put, err))
        return false;
    write_setting(&reply->json, &put.call);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool setting_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Call call = { .req = req, .reply = reply, .name = req_param(req, "name") };
    if (!store_read(kv->site->store, find_txn, &call, err))
        return false;
    if (!call.found)
        return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The diagnostic setting '" STR_FMT "' of the vault '" STR_FMT "' was not found.",
                         STR_ARG(str_slice(call.name, 0, 100)), STR_ARG(call.vault.name));
    write_setting(&reply->json, &call);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!find_vault(call, txn, err) || !txn_query(txn, &rows, err, "SELECT name, storage FROM kv_diagnostic WHERE vault = ?1 ORDER BY name_key", db_text(call->vault.id)))
        return false;
    json_open(&call->reply->json, NULL);
    json_open_array(&call->reply->json, "value");
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        call->setting = (Diagnostic){ .name = row_text(rows, 0), .storage_id = row_text(rows, 1), .audit_enabled = true };
        write_setting(&call->reply->json, call);
    }
    json_close_array(&call->reply->json);
    json_close(&call->reply->json);
    return err->code == ERR_NONE;
}

static bool setting_list(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Call call = { .req = req, .reply = reply };
    return store_read(kv->site->store, list_txn, &call, err) && (arena_ok(req->arena) || err_too_big(err));
}

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return find_txn(txn, call, err) && txn_exec(txn, NULL, err, "DELETE FROM kv_diagnostic WHERE vault = ?1 AND name_key = ?2", db_text(call->vault.id),
                                                db_text(str_lower(call->req->arena, call->name)));
}

static bool setting_delete(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Call call = { .req = req, .reply = reply, .name = req_param(req, "name") };
    if (!store_read(kv->site->store, find_txn, &call, err) || !vault_write_txn(req, setting_id(&call), call.found ? 200 : 204, delete_txn, &call, err))
        return false;
    reply->status = call.found ? 200 : 204;
    return true;
}

static bool categories_txn(Txn *txn, void *ctx, Err *err) { return find_vault(ctx, txn, err); }

static bool category_list(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Call call = { .req = req, .reply = reply };
    if (!store_read(kv->site->store, categories_txn, &call, err))
        return false;
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "id", str_printf(req->arena, STR_FMT "/providers/microsoft.insights/diagnosticSettingsCategories/AuditEvent", STR_ARG(call.vault.resource_id)));
    json_put_str(&reply->json, "type", STR("microsoft.insights/diagnosticSettingsCategories"));
    json_put_str(&reply->json, "name", STR("AuditEvent"));
    json_open(&reply->json, "properties");
    json_put_str(&reply->json, "categoryType", STR("Logs"));
    json_open_array(&reply->json, "categoryGroups");
    json_put_str(&reply->json, NULL, STR("audit"));
    json_put_str(&reply->json, NULL, STR("allLogs"));
    json_close_array(&reply->json);
    json_close(&reply->json);
    json_close(&reply->json);
    json_close_array(&reply->json);
    json_close(&reply->json);
    return arena_ok(req->arena) || err_too_big(err);
}

const Route diagnostic_routes[] = {
    { METHOD_GET,    SETTINGS,           NULL, NULL, MAY("diagnosticSettings/read"),           WHERE_INLINE, BODY_NONE,         0,        setting_list,   "DiagnosticSettingsList" },
    { METHOD_GET,    SETTINGS "/{name}", NULL, NULL, MAY("diagnosticSettings/read"),           WHERE_INLINE, BODY_NONE,         0,        setting_get,    "DiagnosticSettingsGet" },
    { METHOD_PUT,    SETTINGS "/{name}", NULL, NULL, MAY("diagnosticSettings/write"),          WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, setting_put,    "DiagnosticSettingsCreateOrUpdate" },
    { METHOD_DELETE, SETTINGS "/{name}", NULL, NULL, MAY("diagnosticSettings/delete"),         WHERE_WORKER, BODY_NONE,         0,        setting_delete, "DiagnosticSettingsDelete" },
    { METHOD_GET,    CATEGORIES,         NULL, NULL, MAY("diagnosticSettingsCategories/read"), WHERE_INLINE, BODY_NONE,         0,        category_list,  "DiagnosticSettingsCategoryList" },
};
const size_t diagnostic_route_count = COUNT_OF(diagnostic_routes);
