/* vault_arm.c - vaults as resources: create, update, get, delete, access policies. Deletion is soft; the name stays reserved. */
#include "keyvault/vaults/vault_arm.h"
#include "access/policy.h"
#include "base/id.h"
#include "keyvault/events/subscription.h"
#include "keyvault/objects/feed.h"
#include "keyvault/vaults/permission.h"
#include "keyvault/vaults/vault_in.h"

static const int64_t DAY_MS = 86400 * 1000LL;
enum { POLICIES_MAX_BYTES = 4 << 20 };

/* ---- answers ---- */

static void put_opt_bool(JsonWriter *w, const char *name, OptBool value)
{
    if (value.set)
        json_put_bool(w, name, value.value);
}

void vault_write_resource(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault)
{
    json_open(w, NULL);
    json_put_str(w, "id", vault->resource_id);
    json_put_str(w, "name", vault->name);
    json_put_str(w, "type", VAULT_TYPE);
    json_put_str(w, "location", vault->location);
    if (vault->tags)
        json_put_value(w, "tags", vault->tags);
    else
        json_put_raw(w, "tags", STR("{}"));
    json_open(w, "systemData");
    json_put_str(w, "createdBy", vault->created_by);
    json_put_str(w, "createdByType", vault->created_by_type);
    json_put_time(w, "createdAt", vault->created_ms);
    json_put_str(w, "lastModifiedBy", vault->changed_by);
    json_put_str(w, "lastModifiedByType", vault->changed_by_type);
    json_put_time(w, "lastModifiedAt", vault->changed_ms);
    json_close(w);
    json_open(w, "properties");
    json_open(w, "sku");
    json_put_str(w, "family", STR("A"));
    json_put_str(w, "name", vault->sku);
    json_close(w);
    json_put_str(w, "tenantId", kv->site->tenant_id);
    json_put_value(w, "networkAcls", vault->network_acls);
    json_put_value(w, "accessPolicies", vault->policies);
    put_opt_bool(w, "enabledForDeployment", vault->for_deployment);
    put_opt_bool(w, "enabledForDiskEncryption", vault->for_disk_encryption);
    put_opt_bool(w, "enabledForTemplateDeployment", vault->for_template_deployment);
    json_put_bool(w, "enableSoftDelete", true);
    json_put_int(w, "softDeleteRetentionInDays", vault->retention_days);
    json_put_bool(w, "enableRbacAuthorization", vault->rbac);
    if (vault->purge_protection)        /* false is never shown: it could not be sent back */
        json_put_bool(w, "enablePurgeProtection", true);
    json_put_str(w, "vaultUri", str_printf(arena, STR_FMT "/", STR_ARG(site_vault_url(kv->site, arena, vault->name_key))));
    json_put_str(w, "provisioningState", STR("Succeeded"));
    json_put_str(w, "publicNetworkAccess", vault->is_closed ? STR("Disabled") : STR("Enabled"));
    json_close(w);
    json_close(w);
}

static bool vault_resource_not_found(const Req *req, Str name, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL,
                     "The Resource 'Microsoft.KeyVault/vaults/" STR_FMT "' under resource group '" STR_FMT "' was not found. For more details please "
                     "go to https://aka.ms/ARMResourceNotFoundFix", STR_ARG(str_slice(name, 0, 100)), STR_ARG(req_param(req, "resourceGroupName")));
}

/* ---- writes ---- */

typedef struct ArmWrite { Req *req; Str resource_id; int status; StoreFn *fn; void *ctx; } ArmWrite;

static bool arm_write_txn(Txn *txn, void *ctx, Err *err)
{
    ArmWrite *write = ctx;
    KeyVault *kv = write->req->ctx;
    if (!write->fn(txn, write->ctx, err))
        return false;
    AuditRecord record = site_audit_record(kv->site, write->req, write->resource_id, write->status, STR(""));
    return audit_write(kv->site->audit, txn, &record, err);
}

bool vault_write_txn(Req *req, Str resource_id, int status, StoreFn *fn, void *ctx, Err *err)
{
    KeyVault *kv = req->ctx;
    ArmWrite write = { req, resource_id, status, fn, ctx };
    if (!arena_ok(req->arena))
        return err_too_big(err);
    if (!store_write(kv->site->store, arm_write_txn, &write, err))
        return false;
    req->audited = true;
    return true;
}

static bool register_resource(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Err *err)
{
    ArmResource resource = { .id = vault->resource_id, .type = VAULT_TYPE, .name = vault->name, .subscription = vault->subscription,
                             .group = vault->group, .location = vault->location,
                             .tags_json = vault->tags ? json_text(arena, vault->tags) : STR("{}") };
    return arm_register(kv->arm, txn, &resource, err);
}

static void stamp(Vault *vault, const Req *req)
{
    vault->changed_by = req->caller->object_id;
    vault->changed_by_type = str_eq(req->caller->id_type, STR("user")) ? STR("User") : STR("Application");
    vault->changed_ms = req->real_ms;
}

typedef struct Put { Req *req; const JsonVal *body; VaultIn in; Vault vault; bool is_new, may_change_model; } Put;

static bool name_in_use(const Put *put, Err *err)
{
    const Vault *other = &put->vault;
    Str name = req_param(put->req, "vaultName");
    if (other->deleted_ms && str_eq_nocase(other->subscription, req_param(put->req, "subscriptionId")))
        return err_named(err, ERR_CONFLICT, "ConflictError", NULL,
                         "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this "
                         "link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.");
    return err_named(err, ERR_CONFLICT, "VaultAlreadyExists", NULL,
                     "The vault name '" STR_FMT "' is already in use. Vault names are globally unique so it is possible that the name is already taken. If "
                     "you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not "
                     "purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged "
                     "before reusing the name. For more information about VaultAlreadyExists, soft delete and purging a vault follow this link "
                     "https://go.microsoft.com/fwlink/?linkid=2147740.", STR_ARG(name));
}

static bool put_new(Put *put, Txn *txn, Str group, Err *err)
{
    Req *req = put->req;
    KeyVault *kv = req->ctx;
    Arena *arena = req->arena;
    Str name = req_param(req, "vaultName");
    if (put->in.wants_recovery && str_empty(put->in.sku))
        return err_named(err, ERR_NOT_FOUND, "VaultNotFound", NULL, "There is no deleted vault '" STR_FMT "' to recover.", STR_ARG(name));
    Vault *vault = &put->vault;
    *vault = (Vault){ .id = hex_id_new(arena, 32), .name = name, .name_key = str_lower(arena, name), .group = group,
                      .subscription = str_lower(arena, req_param(req, "subscriptionId")) };
    vault->scope = vault_scope_of(arena, vault->id);
    vault->resource_id = str_printf(arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/" STR_FMT "/" STR_FMT,
                                    STR_ARG(vault->subscription), STR_ARG(group), STR_ARG(VAULT_TYPE), STR_ARG(name));
    stamp(vault, req);
    vault->created_by = vault->changed_by;
    vault->created_by_type = vault->changed_by_type;
    vault->created_ms = vault->changed_ms;
    put->is_new = true;
    if (!json_parse(arena, STR("[]"), JSON_STRICT, &vault->policies, err))
        return false;
    return vault_in_apply_new(&put->in, vault, err) && vault_insert(kv, txn, arena, vault, err) && register_resource(kv, txn, arena, vault, err);
}

/* A change of who may do what is an event (VaultAccessPolicyChanged). `before`: the vault as it was; its values are not overwritten by changes. */
static bool update_changed(KeyVault *kv, Txn *txn, Arena *arena, const Vault *before, const Vault *vault, int64_t now_ms, Err *err)
{
    bool is_other = before->rbac != vault->rbac || !str_eq(json_text(arena, before->policies), json_text(arena, vault->policies));
    return vault_update(kv, txn, arena, vault, err) &&
           (!is_other || feed_add(txn, vault, FEED_OF_VAULT, vault->name, STR_NONE, FEED_POLICY_CHANGED, now_ms, err));
}

/* Outside the transaction, for roles are read from a snapshot of their own. */
static bool may_change_model(Put *put, Err *err)
{
    KeyVault *kv = put->req->ctx;
    Str scope = arm_id_of_request(put->req, VAULT_TYPE, req_param(put->req, "vaultName"));
    put->may_change_model = true;
    return !put->in.rbac.set || access_may_assign_any(kv->access, put->req->arena, put->req->caller->object_id, scope, &put->may_change_model, err);
}

/* Who could turn role assignments on or off without the right to make them could take the vault from those who have it. */
static bool apply_change(const Put *put, VaultBody kind, Vault *vault, Err *err)
{
    if (put->in.rbac.set && put->in.rbac.value != vault->rbac && !put->may_change_model)
        return err_named(err, ERR_DENIED, "InsufficientPermissions", NULL, "Caller is not allowed to change permission model. It needs the right to assign any "
                         "role (Microsoft.Authorization/roleAssignments/write) at the vault, as Owner and User Access Administrator have it.");
    return vault_in_apply(&put->in, kind, vault, err);
}

static bool put_txn(Txn *txn, void *ctx, Err *err)
{
    Put *put = ctx;
    Req *req = put->req;
    KeyVault *kv = req->ctx;
    Arena *arena = req->arena;
    Str name = req_param(req, "vaultName"), group;
    bool found;
    put->is_new = false;
    if (!arm_require_group(kv->arm, txn, arena, req_param(req, "subscriptionId"), req_param(req, "resourceGroupName"), &group, err) ||
        !vault_by_name(kv, txn, arena, name, &put->vault, &found, err))
        return false;
    if (!found)
        return put_new(put, txn, group, err);
    Str wanted = arm_id_of_request(req, VAULT_TYPE, name);
    bool is_same = str_eq_nocase(put->vault.resource_id, wanted);
    if (put->vault.deleted_ms && !(is_same && put->in.wants_recovery))
        return name_in_use(put, err);
    if (!is_same)
        return name_in_use(put, err);
    stamp(&put->vault, req);
    if (put->vault.deleted_ms)          /* comes back as it was; the rest of the body is ignored, as the service does */
        return vault_restore(kv, txn, arena, &put->vault, err) && register_resource(kv, txn, arena, &put->vault, err);
    Vault before = put->vault;
    return apply_change(put, VAULT_PUT, &put->vault, err) && update_changed(kv, txn, arena, &before, &put->vault, req->now_ms, err) &&
           register_resource(kv, txn, arena, &put->vault, err);
}

bool vault_put(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Put put = { .req = req };
    Str name = req_param(req, "vaultName");
    if (!vault_name_is_valid(name))
        return err_named(err, ERR_BAD_INPUT, "VaultNameNotValid", NULL,
                         "The vault name '" STR_FMT "' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a "
                         "letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: "
                         "https://go.microsoft.com/fwlink/?linkid=2147742", STR_ARG(str_slice(name, 0, 100)));
    if (!req_object(req, &put.body, err) || !vault_in_read(req->arena, put.body, VAULT_PUT, kv->site->tenant_id, req->api_version, &put.in, err) ||
        !may_change_model(&put, err) ||
        !vault_write_txn(req, arm_id_of_request(req, VAULT_TYPE, name), 200, put_txn, &put, err))
        return false;
    vault_name_add(kv, put.vault.name_key);
    permission_changed(kv, &put.vault);
    reply->status = put.is_new ? 201 : 200;
    vault_write_resource(&reply->json, kv, req->arena, &put.vault);
    return arena_ok(req->arena) || err_too_big(err);
}

/* The live vault of the request's path. */
static bool find_live(Req *req, Txn *txn, Vault *vault, bool *found, Err *err)
{
    if (!vault_by_resource(req->ctx, txn, req->arena, arm_id_of_request(req, VAULT_TYPE, req_param(req, "vaultName")), vault, found, err))
        return false;
    *found = *found && !vault->deleted_ms;
    return true;
}

bool vault_of_scope(Req *req, Txn *txn, const char *what, Vault *vault, Err *err)
{
    ArmId id;
    bool found;
    Str scope = str_printf(req->arena, "/" STR_FMT, STR_ARG(req_param(req, "scope")));
    if (!arm_id_parse(req->arena, scope, &id, err))
        return false;
    if (!str_eq_nocase(id.provider, STR("Microsoft.KeyVault")) || !str_eq_nocase(id.type, STR("vaults")) || id.sub_type.ptr)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "Only vaults (Microsoft.KeyVault/vaults) have %s here; '" STR_FMT "' is none.", what,
                         STR_ARG(str_slice(scope, 0, 300)));
    if (!vault_by_resource(req->ctx, txn, req->arena, scope, vault, &found, err))
        return false;
    if (found && !vault->deleted_ms)
        return true;
    return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The Resource 'Microsoft.KeyVault/vaults/" STR_FMT "' under resource group '" STR_FMT "' was not found.",
                     STR_ARG(str_slice(id.name, 0, 100)), STR_ARG(id.group));
}

bool vault_require_live(Req *req, Txn *txn, Vault *vault, Err *err)
{
    Str group;
    bool found;
    KeyVault *kv = req->ctx;
    return arm_require_group(kv->arm, txn, req->arena, req_param(req, "subscriptionId"), req_param(req, "resourceGroupName"), &group, err) &&
           find_live(req, txn, vault, &found, err) && (found || vault_resource_not_found(req, req_param(req, "vaultName"), err));
}

static bool patch_txn(Txn *txn, void *ctx, Err *err)
{
    Put *put = ctx;
    KeyVault *kv = put->req->ctx;
    if (!vault_require_live(put->req, txn, &put->vault, err))
        return false;
    Vault before = put->vault;
    if (!apply_change(put, VAULT_PATCH, &put->vault, err))
        return false;
    stamp(&put->vault, put->req);
    return update_changed(kv, txn, put->req->arena, &before, &put->vault, put->req->now_ms, err) && register_resource(kv, txn, put->req->arena, &put->vault, err);
}

bool vault_patch(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Put put = { .req = req };
    if (!req_object(req, &put.body, err) || !vault_in_read(req->arena, put.body, VAULT_PATCH, kv->site->tenant_id, req->api_version, &put.in, err) ||
        !may_change_model(&put, err) ||
        !vault_write_txn(req, arm_id_of_request(req, VAULT_TYPE, req_param(req, "vaultName")), 200, patch_txn, &put, err))
        return false;
    permission_changed(kv, &put.vault);
    vault_write_resource(&reply->json, kv, req->arena, &put.vault);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    Put *put = ctx;
    return vault_require_live(put->req, txn, &put->vault, err);
}

bool vault_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Put put = { .req = req };
    if (!store_read(kv->site->store, get_txn, &put, err))
        return false;
    vault_write_resource(&reply->json, kv, req->arena, &put.vault);
    return arena_ok(req->arena) || err_too_big(err);
}

/* ---- access policies ---- */

typedef struct Edit { Req *req; const JsonVal *change; PolicyEdit kind; Vault vault; bool is_addition; } Edit;

static bool edit_txn(Txn *txn, void *ctx, Err *err)
{
    Edit *edit = ctx;
    Req *req = edit->req;
    KeyVault *kv = req->ctx;
    if (!vault_require_live(req, txn, &edit->vault, err))
        return false;
    Vault before = edit->vault;
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, POLICIES_MAX_BYTES);
    JsonWriter w;
    json_begin(&w, &text);
    if (!policy_edit(&w, NULL, edit->vault.policies, edit->change, edit->kind, err) || !json_end(&w, err))
        return false;
    Str kept = str_dup(req->arena, buf_str(&text));
    if (!kept.ptr)
        return err_too_big(err);
    if (!json_parse(req->arena, kept, JSON_STRICT, &edit->vault.policies, err))
        return false;
    if (json_count(edit->vault.policies) > VAULT_POLICIES_MAX) {
        (void)err_field(err, "properties.accessPolicies", "A vault takes at most %d access policies.", VAULT_POLICIES_MAX);
        err->name = "BadRequest";
        return false;
    }
    edit->is_addition = json_count(edit->vault.policies) > json_count(before.policies);
    stamp(&edit->vault, req);
    return update_changed(kv, txn, req->arena, &before, &edit->vault, req->now_ms, err);
}

bool vault_edit_policies(Req *req, Reply *reply, Err *err)
{
    static const struct { const char *name; PolicyEdit kind; } kinds[] = {
        { "add", POLICY_ADD }, { "replace", POLICY_REPLACE }, { "remove", POLICY_REMOVE },
    };
    KeyVault *kv = req->ctx;
    Edit edit = { .req = req };
    const JsonVal *body;
    Str word = req_param(req, "operationKind");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (str_eq_nocase(word, str_from(kinds[i].name)))
            edit.kind = kinds[i].kind;
    if (!edit.kind)
        return err_named(err, ERR_BAD_INPUT, "BadRequest", NULL, "'" STR_FMT "' is no edit of access policies: use add, replace or remove.",
                         STR_ARG(str_slice(word, 0, 40)));
    if (!req_object(req, &body, err))
        return false;
    edit.change = json_path(body, "properties.accessPolicies");
    if (!policy_check(edit.change, kv->site->tenant_id, err)) {
        err->name = "BadRequest";
        return false;
    }
    if (!vault_write_txn(req, arm_id_of_request(req, VAULT_TYPE, req_param(req, "vaultName")), 200, edit_txn, &edit, err))
        return false;
    permission_changed(kv, &edit.vault);
    reply->status = edit.is_addition ? 201 : 200;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(req->arena, STR_FMT "/accessPolicies/", STR_ARG(edit.vault.resource_id)));
    json_put_str(w, "type", STR("Microsoft.KeyVault/vaults/accessPolicies"));
    json_open(w, "properties");
    json_put_value(w, "accessPolicies", edit.vault.policies);
    json_close(w);
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

/* ---- delete ---- */

static bool soft_delete(KeyVault *kv, Txn *txn, Arena *arena, Vault *vault, int64_t now_ms, Err *err)
{
    vault->deleted_ms = now_ms;
    vault->purge_ms = now_ms + vault->retention_days * DAY_MS;
    return vault_update(kv, txn, arena, vault, err) && arm_unregister(kv->arm, txn, vault->resource_id, err) && event_subscriptions_drop(txn, vault, err) &&
           runner_schedule(kv->site->runner, txn, WORK_VAULT_PURGE, vault->id, vault->purge_ms, err);
}

static void forget_name(KeyVault *kv, Arena *arena, const Vault *vault)
{
    vault_name_drop(kv, vault->name_key);
    key_cache_clear(kv->keys);
    feed_wake(kv, vault);               /* who waits for changes learns that there is nothing to wait for */
    site_drop_leaf(kv->site, arena, str_printf(arena, STR_FMT ".vault", STR_ARG(vault->name_key)));
}

typedef struct Delete { Req *req; Vault vault; bool found; } Delete;

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Delete *delete = ctx;
    Req *req = delete->req;
    return find_live(req, txn, &delete->vault, &delete->found, err) &&
           (!delete->found || soft_delete(req->ctx, txn, req->arena, &delete->vault, req->now_ms, err));
}

bool vault_delete(Req *req, Reply *reply, Err *err)
{
    Delete delete = { .req = req };
    if (!vault_write_txn(req, arm_id_of_request(req, VAULT_TYPE, req_param(req, "vaultName")), 200, delete_txn, &delete, err))
        return false;
    reply->status = delete.found ? 200 : 204;
    if (delete.found)
        forget_name(req->ctx, req->arena, &delete.vault);
    return true;
}

typedef struct GroupDelete { KeyVault *kv; Arena *arena; Str resource_id; Vault vault; bool found; } GroupDelete;

static bool group_delete_txn(Txn *txn, void *ctx, Err *err)
{
    GroupDelete *delete = ctx;
    if (!vault_by_resource(delete->kv, txn, delete->arena, delete->resource_id, &delete->vault, &delete->found, err))
        return false;
    delete->found = delete->found && !delete->vault.deleted_ms;
    return !delete->found || soft_delete(delete->kv, txn, delete->arena, &delete->vault, clock_now_ms(delete->kv->site->clock), err);
}

bool vault_delete_resource(void *ctx, Arena *arena, Str resource_id, Err *err)
{
    KeyVault *kv = ctx;
    GroupDelete delete = { .kv = kv, .arena = arena, .resource_id = resource_id };
    if (!store_write(kv->site->store, group_delete_txn, &delete, err))
        return false;
    if (delete.found)
        forget_name(kv, arena, &delete.vault);
    return true;
}
