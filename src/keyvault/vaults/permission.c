/* permission.c - see permission.h. The data actions are those that Microsoft's documentation lists for Microsoft.KeyVault. */
#include "keyvault/vaults/permission.h"
#include "access/policy.h"
#include "base/log.h"
#include "keyvault/objects/changes.h"
#include "keyvault/objects/feed.h"
#include "keyvault/objects/object.h"

#define DATA(what) "Microsoft.KeyVault/vaults/" what

/* The first row that fits counts, so those with an operation stand first. */
static const struct { const char *permission, *operation, *action; } actions[] = {
    { "secrets/get",                  "SecretGetDeleted", DATA("secrets/readMetadata/action") },
    { "secrets/get",                  NULL,               DATA("secrets/getSecret/action") },
    { "secrets/list",                 NULL,               DATA("secrets/readMetadata/action") },
    { "secrets/set",                  "SecretUpdate",     DATA("secrets/update/action") },
    { "secrets/set",                  NULL,               DATA("secrets/setSecret/action") },
    { "secrets/delete",               NULL,               DATA("secrets/delete") },
    { "secrets/backup",               NULL,               DATA("secrets/backup/action") },
    { "secrets/restore",              NULL,               DATA("secrets/restore/action") },
    { "secrets/recover",              NULL,               DATA("secrets/recover/action") },
    { "secrets/purge",                NULL,               DATA("secrets/purge/action") },
    { "keys/get",                     NULL,               DATA("keys/read") },
    { "keys/list",                    NULL,               DATA("keys/read") },
    { "keys/create",                  NULL,               DATA("keys/create/action") },
    { "keys/update",                  NULL,               DATA("keys/update/action") },
    { "keys/import",                  NULL,               DATA("keys/import/action") },
    { "keys/delete",                  NULL,               DATA("keys/delete") },
    { "keys/backup",                  NULL,               DATA("keys/backup/action") },
    { "keys/restore",                 NULL,               DATA("keys/restore/action") },
    { "keys/recover",                 NULL,               DATA("keys/recover/action") },
    { "keys/purge",                   NULL,               DATA("keys/purge/action") },
    { "keys/encrypt",                 NULL,               DATA("keys/encrypt/action") },
    { "keys/decrypt",                 NULL,               DATA("keys/decrypt/action") },
    { "keys/wrapKey",                 NULL,               DATA("keys/wrap/action") },
    { "keys/unwrapKey",               NULL,               DATA("keys/unwrap/action") },
    { "keys/sign",                    NULL,               DATA("keys/sign/action") },
    { "keys/verify",                  NULL,               DATA("keys/verify/action") },
    { "keys/release",                 NULL,               DATA("keys/release/action") },
    { "keys/rotate",                  NULL,               DATA("keys/rotate/action") },
    { "keys/getrotationpolicy",       NULL,               DATA("keyrotationpolicies/read") },
    { "keys/setrotationpolicy",       NULL,               DATA("keyrotationpolicies/write") },
    { "certificates/get",             NULL,               DATA("certificates/read") },
    { "certificates/list",            NULL,               DATA("certificates/read") },
    { "certificates/create",          NULL,               DATA("certificates/create/action") },
    { "certificates/import",          NULL,               DATA("certificates/import/action") },
    { "certificates/update",          NULL,               DATA("certificates/update/action") },
    { "certificates/delete",          NULL,               DATA("certificates/delete") },
    { "certificates/backup",          NULL,               DATA("certificates/backup/action") },
    { "certificates/restore",         NULL,               DATA("certificates/restore/action") },
    { "certificates/recover",         NULL,               DATA("certificates/recover/action") },
    { "certificates/purge",           NULL,               DATA("certificates/purge/action") },
    { "certificates/managecontacts",  NULL,               DATA("certificatecontacts/write") },
    { "certificates/getissuers",      NULL,               DATA("certificatecas/read") },
    { "certificates/listissuers",     NULL,               DATA("certificatecas/read") },
    { "certificates/setissuers",      NULL,               DATA("certificatecas/write") },
    { "certificates/manageissuers",   NULL,               DATA("certificatecas/write") },
    { "certificates/deleteissuers",   NULL,               DATA("certificatecas/delete") },
    { "storage/get",                  NULL,               DATA("storageaccounts/read") },
    { "storage/list",                 NULL,               DATA("storageaccounts/read") },
    { "storage/set",                  NULL,               DATA("storageaccounts/set/action") },
    { "storage/update",               NULL,               DATA("storageaccounts/set/action") },
    { "storage/delete",               NULL,               DATA("storageaccounts/delete") },
    { "storage/backup",               NULL,               DATA("storageaccounts/backup/action") },
    { "storage/restore",              NULL,               DATA("storageaccounts/restore/action") },
    { "storage/recover",              NULL,               DATA("storageaccounts/recover/action") },
    { "storage/purge",                NULL,               DATA("storageaccounts/purge/action") },
    { "storage/regeneratekey",        NULL,               DATA("storageaccounts/regeneratekey/action") },
    { "storage/getsas",               NULL,               DATA("storageaccounts/sas/read") },
    { "storage/listsas",              NULL,               DATA("storageaccounts/sas/read") },
    { "storage/setsas",               NULL,               DATA("storageaccounts/sas/set/action") },
    { "storage/deletesas",            NULL,               DATA("storageaccounts/sas/delete") },
};

const char *data_action_of(Str permission, Str operation)
{
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (str_eq_nocase(permission, str_from(actions[i].permission)) &&
            (!actions[i].operation || str_eq_nocase(operation, str_from(actions[i].operation))))
            return actions[i].action;
    return NULL;
}

static Str route_action(const Route *route)
{
    const char *action = data_action_of(str_from(route->permission), str_from(route->operation ? route->operation : ""));
    return action ? str_from(action) : STR("");
}

/* "/subscriptions/.../vaults/v[/secrets/n]" */
static Str object_scope(Arena *arena, const Vault *vault, const Route *route, Str name)
{
    Str rest = str_from(route->permission), collection = str_cut(&rest, '/');
    if (str_empty(name))
        return vault->resource_id;
    return str_printf(arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(vault->resource_id), STR_ARG(collection), STR_ARG(name));
}

/* ---- what the public part of a key is enough for ---- */

typedef struct KeySymmetry { KeyVault *kv; Arena *arena; const Vault *vault; Str name; bool is_symmetric; } KeySymmetry;

static bool key_kind_txn(Txn *txn, void *ctx, Err *err)
{
    KeySymmetry *key = ctx;
    ObjectRow object;
    VersionRow row;
    bool found;
    if (!object_find(txn, key->arena, key->vault, KV_KEY, key->name, &object, &found, err))
        return false;
    if (!found || str_empty(object.current))
        return true;                    /* the handler will say that there is none, which who may read keys may know */
    if (!version_find(key->kv, txn, key->arena, key->vault, KV_KEY, key->name, object.current, &row, &found, err))
        return false;
    key->is_symmetric = found && str_starts_nocase(json_str(json_path(row.doc, "jwk.kty")), STR("oct"));
    return true;
}

/* Whoever may read an asymmetric key has its public part anyway, and so may do with it what that part does (Azure's list of data actions
 * says so of encrypt, verify and wrap). */
static bool may_with_public_part(KeyVault *kv, Arena *arena, const Vault *vault, const Caller *caller, const Route *route, Str name, Decision *out, Err *err)
{
    static const char *const public_operations[] = { "keys/encrypt", "keys/verify", "keys/wrapKey" };
    bool is_public = false;
    for (size_t i = 0; i < COUNT_OF(public_operations); i++)
        is_public = is_public || str_eq_nocase(str_from(route->permission), str_from(public_operations[i]));
    if (!is_public || out->allowed)
        return true;
    Decision reading;
    KeySymmetry key = { .kv = kv, .arena = arena, .vault = vault, .name = name };
    if (!access_decide(kv->access, arena, caller->object_id, STR(DATA("keys/read")), true, object_scope(arena, vault, route, name), &reading, err))
        return false;
    if (!reading.allowed)
        return true;
    if (!store_read(kv->site->store, key_kind_txn, &key, err))
        return false;
    if (!key.is_symmetric)
        *out = reading;
    return true;
}

/* ---- changes ---- */

void permission_changed(KeyVault *kv, const Vault *vault)
{
    atomic_fetch_add(&kv->permission_changes, 1);
    feed_wake(kv, vault);
}

typedef struct Touched { KeyVault *kv; Arena *arena; Str scope; } Touched;

static bool touched_txn(Txn *txn, void *ctx, Err *err)
{
    const Touched *touched = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT id FROM kv_vault WHERE deleted_ms = 0 AND (?1 = '/' OR resource_key = ?1 OR"
                   " substr(resource_key, 1, length(?1) + 1) = ?1 || '/' OR substr(?1, 1, length(resource_key) + 1) = resource_key || '/')", db_text(touched->scope)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        Vault vault = { .scope = vault_scope_of(touched->arena, row_text(rows, 0)) };
        if (!vault.scope.ptr)
            return err_too_big(err);
        feed_wake(touched->kv, &vault);
    }
    return err->code == ERR_NONE;
}

void permission_changed_at(void *ctx, Arena *arena, Str scope)
{
    Touched touched = { ctx, arena, scope };
    Err err = { 0 };
    atomic_fetch_add(&touched.kv->permission_changes, 1);
    if (!store_read(touched.kv->site->store, touched_txn, &touched, &err))
        log_event(LOG_WARN, "keyvault.waiting_not_woken", log_str("scope", scope), log_cstr("error", err.text));     /* they ask again when their wait ends */
}

/* ---- decisions ---- */

bool vault_may(KeyVault *kv, Arena *arena, const Vault *vault, const Caller *caller, const Route *route, Str name, Decision *out, Err *err)
{
    *out = (Decision){ 0 };
    if (!vault->rbac) {
        out->allowed = policy_grants(vault->policies, caller->object_id, caller->app_id, str_from(route->permission));
        return true;
    }
    Str action = route_action(route), scope = object_scope(arena, vault, route, name);
    if (!arena_ok(arena))
        return err_too_big(err);
    if (str_empty(action))
        return true;                    /* a route whose permission no role knows stays closed */
    return access_decide(kv->access, arena, caller->object_id, action, true, scope, out, err) &&
           may_with_public_part(kv, arena, vault, caller, route, name, out, err);
}

/* Is it allowed for some object of the vault, if not for all? Only roles can say so. */
static bool may_some(KeyVault *kv, Arena *arena, const Vault *vault, const Caller *caller, const Route *route, bool *any, Err *err)
{
    *any = false;
    Str action = route_action(route);
    return !vault->rbac || str_empty(action) || access_allows_below(kv->access, arena, caller->object_id, action, true, vault->resource_id, any, err);
}

static bool refuse_by_policy(const Vault *vault, const Caller *caller, const Route *route, Err *err)
{
    Str action = str_from(route->permission), class = str_cut(&action, '/');
    return err_named(err, ERR_DENIED, "Forbidden", "AccessDenied",
                     "The user, group or application 'appid=" STR_FMT ";oid=" STR_FMT ";iss=" STR_FMT "' does not have " STR_FMT " "
                     STR_FMT " permission on key vault '" STR_FMT ";location=" STR_FMT "'. For help resolving this issue, please see "
                     "https://go.microsoft.com/fwlink/?linkid=2125287",
                     STR_ARG(caller->app_id), STR_ARG(caller->object_id), STR_ARG(caller->issuer), STR_ARG(class), STR_ARG(action),
                     STR_ARG(vault->name), STR_ARG(vault->location));
}

static bool refuse_by_role(Arena *arena, const Vault *vault, const Caller *caller, const Route *route, Str name, Err *err)
{
    Str resource = str_lower(arena, object_scope(arena, vault, route, name));
    return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByRbac",
                     "Caller is not authorized to perform action on resource.\r\n"
                     "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n"
                     "Caller: appid=" STR_FMT ";oid=" STR_FMT ";iss=" STR_FMT "\r\nAction: '" STR_FMT "'\r\nResource: '" STR_FMT "'\r\n"
                     "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: " STR_FMT ";location=" STR_FMT "\r\n",
                     STR_ARG(caller->app_id), STR_ARG(caller->object_id), STR_ARG(caller->issuer), STR_ARG(route_action(route)), STR_ARG(resource),
                     STR_ARG(vault->name), STR_ARG(vault->location));
}

static bool refuse_by_address(const Req *req, const Vault *vault, Err *err)
{
    const Caller *caller = req->caller;
    const char *why = vault->is_closed ? "Public network access is disabled and request is not from a trusted service nor via an approved private link."
                                       : "Client address is not authorized and caller is not a trusted service.";
    return err_named(err, ERR_DENIED, "Forbidden", vault->is_closed ? "ForbiddenByConnection" : "ForbiddenByFirewall",
                     "%s\r\nClient address: " STR_FMT "\r\nCaller: appid=" STR_FMT ";oid=" STR_FMT ";iss=" STR_FMT "\r\nVault: " STR_FMT ";location=" STR_FMT,
                     why, STR_ARG(req->client_ip), STR_ARG(caller->app_id), STR_ARG(caller->object_id), STR_ARG(caller->issuer), STR_ARG(vault->name),
                     STR_ARG(vault->location));
}

bool vault_authorize(KeyVault *kv, Req *req, const Route *route, Err *err)
{
    const Vault *vault = req->caller->plane_data;
    Str name = req_param(req, "name");
    bool is_feed = route->handler == changes_get;
    Decision decision;
    if (is_feed && !changes_look(kv, req))              /* before the decision, so that no change of it is missed */
        return err_too_big(err);
    if (!firewall_admits(&vault->firewall, req->client_ip))
        return refuse_by_address(req, vault, err);
    if (str_eq(str_from(route->permission), STR(PERM_TOKEN)))
        return true;
    if (!vault_may(kv, req->arena, vault, req->caller, route, name, &decision, err))
        return false;
    /* The feed tells of each secret only to who may get it, so any of them opens it. */
    bool is_for_all = decision.allowed;
    if (!decision.allowed && is_feed && !may_some(kv, req->arena, vault, req->caller, route, &decision.allowed, err))
        return false;
    if (is_feed ? changes_admit(req, decision.allowed, is_for_all) : decision.allowed)
        return true;
    return vault->rbac ? refuse_by_role(req->arena, vault, req->caller, route, name, err) : refuse_by_policy(vault, req->caller, route, err);
}
