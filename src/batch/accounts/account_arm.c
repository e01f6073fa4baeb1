/* account_arm.c - Microsoft.Batch/batchAccounts in Resource Manager: create, read, list, change, delete. */
#include "batch/jobs/job.h"
#include "batch/parts.h"
#include <stdio.h>
#include "base/id.h"
#include "batch/accounts/account_keys.h"
#include "batch/accounts/account_settings.h"
#include "batch/accounts/account_vault.h"
#include "batch/encryption/encryption_change.h"

#define TYPE "Microsoft.Batch/batchAccounts"

enum { BODY_MAX = 256 * 1024 };

/* -- answers -- */

static bool write_identity(const Batch *batch, Arena *arena, Str json, JsonWriter *w, Err *err)
{
    const JsonVal *identity;
    if (!json_parse(arena, json, JSON_STRICT, &identity, err))
        return false;
    const JsonVal *users = json_get(identity, "userAssigned");
    json_open(w, "identity");
    json_put_value(w, "type", json_get(identity, "type"));
    if (json_get(identity, "principalId")) {
        json_put_value(w, "principalId", json_get(identity, "principalId"));
        json_put_str(w, "tenantId", batch->site->tenant_id);
    }
    if (json_count(users) > 0) {
        json_open(w, "userAssignedIdentities");
        for (size_t i = 0; i < json_count(users); i++) {
            json_open_named(w, json_str(json_get(json_at(users, i), "resourceId")));
            json_put_value(w, "principalId", json_get(json_at(users, i), "principalId"));
            json_put_value(w, "clientId", json_get(json_at(users, i), "clientId"));
            json_close(w);
        }
        json_close(w);
    }
    json_close(w);
    return true;
}

static bool write_account(const Batch *batch, Arena *arena, const Account *account, const Encryption *encryption, Str tags_json, JsonWriter *w, Err *err)
{
    const Site *site = batch->site;
    VaultReference vault;
    bool is_user;
    json_open(w, NULL);
    json_put_str(w, "id", account->arm_id);
    json_put_str(w, "name", account->name);
    json_put_str(w, "type", ACCOUNT_TYPE);
    json_put_str(w, "location", account->location);
    json_put_raw(w, "tags", tags_json.ptr ? tags_json : STR("{}"));
    if (!write_identity(batch, arena, account->identity, w, err))
        return false;
    json_open(w, "properties");
    json_put_str(w, "accountEndpoint", site_batch_host(site, arena, account->name, account->location));
    json_put_str(w, "nodeManagementEndpoint", str_slice(site_url(site, arena, STR("nodes")), sizeof "https://" - 1, SIZE_MAX));
    json_put_str(w, "provisioningState", account->state == ACCOUNT_DELETING ? STR("Deleting") : STR("Succeeded"));
    account_settings_write(arena, account->settings, w);
    encryption_write(batch, arena, encryption, w);
    if (!account_vault_of(arena, account->settings, &vault, &is_user, err))
        return false;
    if (!is_user) {                         /* else "quota is managed on the subscription so this value is not returned" */
        json_put_int(w, "dedicatedCoreQuota", ACCOUNT_CORE_QUOTA);
        json_put_int(w, "lowPriorityCoreQuota", ACCOUNT_LOW_CORE_QUOTA);
        json_open_array(w, "dedicatedCoreQuotaPerVMFamily");
        json_close_array(w);
    }
    json_put_bool(w, "dedicatedCoreQuotaPerVMFamilyEnforced", false);
    json_put_int(w, "poolQuota", ACCOUNT_POOL_QUOTA);
    json_put_int(w, "activeJobAndJobScheduleQuota", ACCOUNT_JOB_QUOTA);
    json_close(w);
    json_close(w);
    return true;
}

/* -- read -- */

typedef struct Read { Batch *batch; Req *req; Account account; Encryption encryption; ArmResource resource; } Read;

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Read *r = ctx;
    Str group;
    bool found;
    if (!account_of_request_even_disabled(txn, r->req, &r->account, err)) {
        Err cause = *err;
        return arm_require_group(r->batch->arm, txn, r->req->arena, req_param(r->req, "subscriptionId"), req_param(r->req, "resourceGroupName"), &group, err) &&
               (*err = cause, false);
    }
    return arm_resource_find(r->batch->arm, txn, r->req->arena, r->account.arm_id, &r->resource, &found, err) &&
           encryption_find(txn, r->req->arena, r->account.id, &r->encryption, err);
}

static bool account_get(Req *req, Reply *reply, Err *err)
{
    Read r = { .batch = req->ctx, .req = req };
    return store_read(r.batch->site->store, read_txn, &r, err) &&
           write_account(r.batch, req->arena, &r.account, &r.encryption, r.resource.tags_json, &reply->json, err) && json_end(&reply->json, err);
}

static bool write_listed(void *ctx, Txn *txn, Arena *arena, const ArmResource *resource, JsonWriter *w, Err *err)
{
    Account account;
    Encryption encryption;
    bool found;
    return account_by_arm_id(txn, arena, resource->id, &account, &found, err) &&
           (!found || (encryption_find(txn, arena, account.id, &encryption, err) && write_account(ctx, arena, &account, &encryption, resource->tags_json, w, err)));
}

static bool account_list(Req *req, Reply *reply, Err *err)
{
    Batch *batch = req->ctx;
    return arm_list_of_type(batch->arm, req, reply, ACCOUNT_TYPE, write_listed, batch, err);
}

/* -- create, update -- */

typedef struct AccountIn { Str location; const JsonVal *tags, *properties, *identity; } AccountIn;
static const JsonField account_fields[] = {
    JSON_FIELD(AccountIn, location,   "location",   JSON_OPTIONAL),
    JSON_FIELD(AccountIn, tags,       "tags",       JSON_OPTIONAL),
    JSON_FIELD(AccountIn, properties, "properties", JSON_OPTIONAL),
    JSON_FIELD(AccountIn, identity,   "identity",   JSON_OPTIONAL),
};

typedef struct Write {
    Batch *batch;
    Req *req;
    bool is_patch, has_tags;
    AccountIn in;
    IdentityIn identity;
    KeyChange key;
    VaultReference vault;                   /* of a new account of UserSubscription */
    bool needs_vault;
    Str batch_principal;
    Str location, tags_json, settings;      /* settings: as a new account would have them */
    Account account;                        /* as written */
    Encryption encryption;
} Write;

static Str identity_json(Arena *arena, const IdentityIn *in, Str principal_id)
{
    if (in->count > 0)
        return str_printf(arena, "{\"type\":\"UserAssigned\",\"userAssigned\":" STR_FMT "}", STR_ARG(identities_to_json(arena, in->list, in->count)));
    if (in->system)
        return str_printf(arena, "{\"type\":\"SystemAssigned\",\"principalId\":\"" STR_FMT "\"}", STR_ARG(principal_id));
    return STR("{\"type\":\"None\"}");
}

/* A principal comes and goes with the system-assigned identity, and keeps its id while that stays. */
static bool settle_identity(Write *w, Txn *txn, Err *err)
{
    Arena *arena = w->req->arena;
    const JsonVal *before = NULL;
    Principal principal;
    if (w->account.identity.ptr && !json_parse(arena, w->account.identity, JSON_STRICT, &before, err))
        return false;
    Str had = json_str(json_get(before, "principalId")), has = STR_NONE;
    if (!identities_resolve(w->batch->ids, txn, arena, &w->identity, err))
        return false;
    if (w->identity.system && had.ptr)
        has = had;
    if (w->identity.system && !had.ptr) {
        if (!principal_create(w->batch->identity, txn, arena, PRINCIPAL_MANAGED_IDENTITY, w->account.name, w->account.arm_id, &principal, err))
            return false;
        has = principal.object_id;
    }
    if (!w->identity.system && had.ptr && !principal_delete(w->batch->identity, txn, had, err))
        return false;
    w->account.identity = identity_json(arena, &w->identity, has);
    return arena_ok(arena) || err_too_big(err);
}

static bool name_is_taken(Str name, Err *err)
{
    return err_named(err, ERR_CONFLICT, "AccountAlreadyExists", NULL,
                     "An account named '" STR_FMT "' is already in use; account names are unique on this server. Choose another name.", STR_ARG(name));
}

static bool check_quota(Txn *txn, Str subscription, Str location, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT COUNT(*) FROM batch_account WHERE subscription = ?1 AND location = ?2", db_text(subscription), db_text(location)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err) || row_int(rows, 0) < LOCATION_ACCOUNT_QUOTA)
        return err->code == ERR_NONE;
    return err_named(err, ERR_CONFLICT, "SubscriptionQuotaExceeded", NULL, "The subscription has %d Batch accounts in '" STR_FMT "' already, which is its quota.",
                     LOCATION_ACCOUNT_QUOTA, STR_ARG(location));
}

static bool make_account(Write *w, Txn *txn, Str group, Err *err)
{
    Arena *arena = w->req->arena;
    Str name = req_param(w->req, "accountName"), subscription = str_lower(arena, req_param(w->req, "subscriptionId"));
    AUTO(secret_free_auto) Secret *keys = secret_new(2 * (size_t)ACCOUNT_KEY_SIZE);
    int64_t now = w->req->now_ms;
    Account other;
    bool found;
    if (!keys)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!account_by_name(txn, arena, name, &other, &found, err))
        return false;
    if (found)
        return name_is_taken(name, err);
    if (!check_quota(txn, subscription, w->location, err))
        return false;
    w->account = (Account){
        .id = guid_new(arena), .name = name, .subscription = subscription, .group = group, .location = w->location, .state = ACCOUNT_SUCCEEDED,
        .arm_id = str_printf(arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/" TYPE "/" STR_FMT, STR_ARG(subscription), STR_ARG(group), STR_ARG(name)),
        .created_ms = now, .changed_ms = now,
    };
    if (w->needs_vault && !account_vault_check(w->batch, txn, arena, &w->vault, subscription, w->location, err))
        return false;                       /* deleted meanwhile */
    random_fill(secret_ptr(keys), secret_bytes(keys).len);
    return seal_scope_create(w->batch->site->seal, txn, account_scope(arena, w->account.id), err) &&
           account_keys_seal(w->batch->site, txn, arena, w->account.id, keys, &w->account.keys, err) &&
           account_settings_read(arena, w->in.properties, STR_NONE, &w->account.settings, err) && settle_identity(w, txn, err) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO batch_account (id, name, arm_id, arm_key, subscription, group_name, group_key, location, state, settings, identity, keys, operation,"
                    " created_ms, changed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, NULL, ?13, ?13)",
                    db_text(w->account.id), db_text(name), db_text(w->account.arm_id), db_text(str_lower(arena, w->account.arm_id)), db_text(subscription),
                    db_text(group), db_text(str_lower(arena, group)), db_text(w->location), db_int(ACCOUNT_SUCCEEDED), db_text(w->account.settings),
                    db_text(w->account.identity), db_blob(w->account.keys), db_int(now));
}

static bool change_account(Write *w, Txn *txn, Err *err)
{
    if (w->account.state == ACCOUNT_DELETING)
        return err_named(err, ERR_CONFLICT, "AccountBeingDeleted", NULL, "The account '" STR_FMT "' is being deleted.", STR_ARG(w->account.name));
    if (!str_empty(w->location) && !str_eq(w->location, w->account.location))
        return err_named(err, ERR_CONFLICT, "InvalidResourceLocation", NULL,
                         "The resource '" STR_FMT "' already exists in location '" STR_FMT "'; it cannot be moved to '" STR_FMT "'.",
                         STR_ARG(w->account.name), STR_ARG(w->account.location), STR_ARG(w->location));
    if (!encryption_require_open(w->batch, txn, w->req->arena, &w->account, true, err) ||
        !account_settings_read(w->req->arena, w->in.properties, w->account.settings, &w->account.settings, err) ||
        (w->identity.given && !settle_identity(w, txn, err)))
        return false;
    w->account.changed_ms = w->req->now_ms;
    return txn_exec(txn, NULL, err, "UPDATE batch_account SET settings = ?2, identity = ?3, changed_ms = ?4 WHERE id = ?1",
                    db_text(w->account.id), db_text(w->account.settings), db_text(w->account.identity), db_int(w->account.changed_ms));
}

static bool write_txn(Txn *txn, void *ctx, Err *err)
{
    Write *w = ctx;
    Arena *arena = w->req->arena;
    ArmResource resource;
    Str group;
    bool found, listed;
    if (!arm_require_group(w->batch->arm, txn, arena, req_param(w->req, "subscriptionId"), req_param(w->req, "resourceGroupName"), &group, err) ||
        !account_by_arm_id(txn, arena, arm_id_of_request(w->req, ACCOUNT_TYPE, req_param(w->req, "accountName")), &w->account, &found, err))
        return false;
    if (!found && w->is_patch)
        return account_of_request(txn, w->req, &w->account, err);
    if (!(found ? change_account(w, txn, err) : make_account(w, txn, group, err)) ||
        !key_change_apply(w->batch, txn, arena, &w->account, !found, &w->key, err) || !encryption_find(txn, arena, w->account.id, &w->encryption, err))
        return false;
    if (!arm_resource_find(w->batch->arm, txn, arena, w->account.arm_id, &resource, &listed, err))
        return false;
    if (!w->has_tags)
        w->tags_json = listed ? resource.tags_json : STR("{}");
    resource = (ArmResource){
        .id = w->account.arm_id, .type = ACCOUNT_TYPE, .name = w->account.name, .subscription = w->account.subscription,
        .group = w->account.group, .location = w->account.location, .tags_json = w->tags_json,
    };
    return arm_register(w->batch->arm, txn, &resource, err) && arm_audit(w->batch->arm, txn, w->req, w->account.arm_id, 200, err);
}

static bool plan_vault(Write *w, Txn *txn, Err *err)
{
    Arena *arena = w->req->arena;
    Principal service;
    bool found;
    if (!account_vault_of(arena, w->settings, &w->vault, &w->needs_vault, err))
        return false;
    if (!w->needs_vault)
        return true;
    if (!account_vault_check(w->batch, txn, arena, &w->vault, req_param(w->req, "subscriptionId"), w->location, err) ||
        !principal_by_app_id(w->batch->identity, txn, arena, BATCH_SERVICE_APP_ID, &service, &found, err))
        return false;
    if (!found)
        return account_vault_invalid(err, "The service principal of Microsoft Azure Batch, " STR_FMT ", is not in this tenant any more.", STR_ARG(BATCH_SERVICE_APP_ID));
    w->batch_principal = service.object_id;
    return true;
}

static bool plan_txn(Txn *txn, void *ctx, Err *err)
{
    Write *w = ctx;
    Account account;
    bool found;
    if (!account_by_arm_id(txn, w->req->arena, arm_id_of_request(w->req, ACCOUNT_TYPE, req_param(w->req, "accountName")), &account, &found, err) ||
        (found && !encryption_require_open(w->batch, txn, w->req->arena, &account, true, err)))
        return false;
    if (!found && w->is_patch)
        return true;
    return (found || plan_vault(w, txn, err)) && key_change_plan(w->batch, txn, w->req->arena, found ? &account : NULL, &w->identity, &w->key, err);
}

/* What a request waits for, kept while it is parked. */
typedef struct Proofs { KeyProof *vault, *key; bool vault_is_proved; } Proofs;

static bool prove_vault(Write *w, Proofs *proofs, Reply *reply, Err *err)
{
    Req *req = w->req;
    WrappedKey none;
    if (proofs->vault)
        return key_proof_result(w->batch, req, reply, proofs->vault, &proofs->vault_is_proved, &none, err);
    return vault_proof_start(w->batch, req, reply, req_param(req, "accountName"), w->vault.name, w->vault.id, w->batch_principal, &proofs->vault, err);
}

/* A vault and a customer's key are tried by the background runner while this request is parked. *ready: nothing is to be waited for. */
static bool prove(Write *w, Reply *reply, bool *ready, Err *err)
{
    Req *req = w->req;
    *ready = false;
    if (!store_read(w->batch->site->store, plan_txn, w, err))
        return false;
    Proofs *proofs = req->park_state ? req->park_state : ARENA_NEW(req->arena, Proofs);
    if (!proofs)
        return err_too_big(err);
    req->park_state = proofs;
    if (w->needs_vault && !proofs->vault_is_proved && !prove_vault(w, proofs, reply, err))
        return false;
    if (w->needs_vault && !proofs->vault_is_proved)
        return true;
    if (w->key.plan != KEY_OF_CUSTOMER)
        return *ready = true;
    if (proofs->key)
        return key_proof_result(w->batch, req, reply, proofs->key, ready, &w->key.wrapped, err);
    return key_proof_start(w->batch, req, reply, req_param(req, "accountName"), &w->key.in, w->key.principals, w->key.principal_count, &proofs->key, err);
}

/* Always 200, also for a new account: clients of 2022-10-01 refuse 201. */
static bool account_write(Req *req, Reply *reply, bool is_patch, Err *err)
{
    Write w = { .batch = req->ctx, .req = req, .is_patch = is_patch };
    const JsonVal *body;
    Str scope = arm_id_of_request(req, ACCOUNT_TYPE, req_param(req, "accountName"));
    bool ready;
    if (!req_object(req, &body, err) || !json_read(body, "", account_fields, COUNT_OF(account_fields), &w.in, err) ||
        !arm_tags_check(req->arena, w.in.tags, &w.tags_json, err) || !identity_read(req->arena, w.in.identity, true, &w.identity, err))
        return false;
    if (!is_patch && !account_name_check(req_param(req, "accountName"), err))
        return false;
    if ((!is_patch || !str_empty(w.in.location)) && !arm_location_check(req->arena, w.in.location, &w.location, err))
        return false;
    if (!account_settings_read(req->arena, w.in.properties, STR_NONE, &w.settings, err) || !encryption_read(w.batch->site, req->arena, w.in.properties, &w.key.in, err) ||
        !identities_require_assign(w.batch->access, req->arena, req->caller, STR(TYPE "/write"), scope, &w.identity, err))
        return false;
    w.has_tags = !is_patch || json_kind(w.in.tags) == JSON_OBJECT;
    if (!prove(&w, reply, &ready, err))
        return false;
    if (!ready)
        return true;
    if (!store_write(w.batch->site->store, write_txn, &w, err))
        return false;
    req->audited = true;
    return write_account(w.batch, req->arena, &w.account, &w.encryption, w.tags_json, &reply->json, err) && json_end(&reply->json, err);
}

static bool account_put(Req *req, Reply *reply, Err *err) { return account_write(req, reply, false, err); }
static bool account_patch(Req *req, Reply *reply, Err *err) { return account_write(req, reply, true, err); }

/* -- delete -- */

typedef struct Delete { Batch *batch; Arena *arena; Req *req; Str arm_id; Account account; bool found; } Delete;

/* Marks it and wakes the background work; asked again, the first operation stays. */
static bool delete_begin(Delete *d, Txn *txn, bool with_operation, Err *err)
{
    if (d->account.state == ACCOUNT_DELETING)
        return runner_schedule(d->batch->site->runner, txn, WORK_ACCOUNT, d->account.id, real_now_ms(), err);
    if (with_operation && !arm_operation_start(d->batch->arm, txn, d->arena, d->account.arm_id, &d->account.operation, err))
        return false;
    return txn_exec(txn, NULL, err, "UPDATE batch_account SET state = ?2, operation = ?3, changed_ms = ?4 WHERE id = ?1",
                    db_text(d->account.id), db_int(ACCOUNT_DELETING), db_text(d->account.operation), db_int(clock_now_ms(d->batch->site->clock))) &&
           runner_schedule(d->batch->site->runner, txn, WORK_ACCOUNT, d->account.id, real_now_ms(), err);
}

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Delete *d = ctx;
    return account_by_arm_id(txn, d->arena, d->arm_id, &d->account, &d->found, err) &&
           (!d->found || delete_begin(d, txn, true, err)) &&
           arm_audit(d->batch->arm, txn, d->req, d->found ? d->account.arm_id : d->arm_id, d->found ? 202 : 204, err);
}

static bool account_delete(Req *req, Reply *reply, Err *err)
{
    Delete d = { .batch = req->ctx, .arena = req->arena, .req = req, .arm_id = arm_id_of_request(req, ACCOUNT_TYPE, req_param(req, "accountName")) };
    if (!store_write(d.batch->site->store, delete_txn, &d, err))
        return false;
    req->audited = true;
    reply->status = 204;
    if (d.found && d.account.operation.ptr)
        arm_reply_accepted(d.batch->arm, req, reply, d.account.subscription, d.account.operation);
    else if (d.found)
        reply->status = 200;                            /* its group is being deleted, and it with the group */
    return true;
}

static bool group_delete_txn(Txn *txn, void *ctx, Err *err)
{
    Delete *d = ctx;
    return account_by_arm_id(txn, d->arena, d->arm_id, &d->account, &d->found, err) && (!d->found || delete_begin(d, txn, false, err));
}

/* The group's own work asks again until nothing of it is left. */
bool batch_account_on_group_delete(void *ctx, Arena *arena, Str resource_id, Err *err)
{
    Delete d = { .batch = ctx, .arena = arena, .arm_id = resource_id };
    return store_write(d.batch->site->store, group_delete_txn, &d, err);
}

/* -- deletion in the background: pools first, then jobs and the account with its key -- */

typedef struct Remove { Batch *batch; Arena *arena; Str account_id; Account account; bool found, gone, goes_on; } Remove;

static bool remove_account(Remove *r, Txn *txn, Err *err)
{
    const JsonVal *identity;
    if (!json_parse(r->arena, r->account.identity, JSON_STRICT, &identity, err))
        return false;
    Str principal = json_str(json_get(identity, "principalId"));
    r->gone = true;
    return (!principal.ptr || principal_delete(r->batch->identity, txn, principal, err)) && encryption_remove(r->batch, txn, r->account_id, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM batch_account WHERE id = ?1", db_text(r->account_id)) &&
           seal_scope_destroy(r->batch->site->seal, txn, account_scope(r->arena, r->account_id), err) &&
           arm_unregister(r->batch->arm, txn, r->account.arm_id, err) &&
           (!r->account.operation.ptr || arm_operation_finish(r->batch->arm, txn, r->account.operation, 200, STR_NONE, err));
}

static bool remove_txn(Txn *txn, void *ctx, Err *err)
{
    Remove *r = ctx;
    Pool *pools;
    size_t count;
    r->gone = r->goes_on = false;
    if (!account_by_id(txn, r->arena, r->account_id, &r->account, &r->found, err))
        return false;
    if (!r->found || r->account.state != ACCOUNT_DELETING)
        return true;
    if (!pool_list(txn, r->arena, r->account_id, STR_NONE, ACCOUNT_POOL_QUOTA, &pools, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (pools[i].state == POOL_ACTIVE && !pool_delete_begin(r->batch, txn, r->arena, &pools[i], STR_NONE, clock_now_ms(r->batch->site->clock), err))
            return false;
    if (count > 0)
        return true;                                    /* the last pool to go calls again */
    return jobs_erase(txn, r->account_id, &r->goes_on, err) && (r->goes_on || remove_account(r, txn, err));
}

bool batch_account_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Remove r = { .batch = ctx, .arena = arena, .account_id = str_dup(arena, job->key) };
    (void)now_ms;
    *again_ms = 0;
    do {
        if (!store_write(r.batch->site->store, remove_txn, &r, err))
            return false;
    } while (r.goes_on);
    if (r.gone)
        site_drop_leaf(r.batch->site, arena, str_printf(arena, STR_FMT "." STR_FMT ".batch", STR_ARG(r.account.name), STR_ARG(r.account.location)));
    return true;
}

/* -- the table -- */

#define SUB     "/subscriptions/{subscriptionId}/providers/Microsoft.Batch"
#define GROUP   "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" TYPE
#define ACCOUNT GROUP "/{accountName}"

const Route account_arm_routes[] = {
    { METHOD_GET,    SUB "/batchAccounts",           NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        account_list,   "BatchAccountList" },
    { METHOD_GET,    GROUP,                          NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        account_list,   "BatchAccountListByResourceGroup" },
    { METHOD_GET,    ACCOUNT,                        NULL, NULL, TYPE "/read",   WHERE_INLINE, BODY_NONE,         0,        account_get,    "BatchAccountGet" },
    { METHOD_PUT,    ACCOUNT,                        NULL, NULL, TYPE "/write",  WHERE_PARKED, BODY_JSON_LENIENT, BODY_MAX, account_put,    "BatchAccountCreate" },
    { METHOD_PATCH,  ACCOUNT,                        NULL, NULL, TYPE "/write",  WHERE_PARKED, BODY_JSON_LENIENT, BODY_MAX, account_patch,  "BatchAccountUpdate" },
    { METHOD_DELETE, ACCOUNT,                        NULL, NULL, TYPE "/delete", WHERE_WORKER, BODY_NONE,         0,        account_delete, "BatchAccountDelete" },
    { METHOD_POST,   ACCOUNT "/listKeys",            NULL, NULL, TYPE "/listKeys/action",       WHERE_WORKER, BODY_NONE, 0, account_list_keys, "BatchAccountGetKeys" },
    { METHOD_POST,   ACCOUNT "/regenerateKeys",      NULL, NULL, TYPE "/regenerateKeys/action", WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, account_regenerate_keys, "BatchAccountRegenerateKey" },
    { METHOD_POST,   SUB "/locations/{locationName}/checkNameAvailability", NULL, NULL, "Microsoft.Batch/locations/checkNameAvailability/read",
                                                                                                WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, account_check_name, "LocationCheckNameAvailability" },
    { METHOD_GET,    SUB "/locations/{locationName}/quotas", NULL, NULL, "Microsoft.Batch/locations/quotas/read", WHERE_INLINE, BODY_NONE, 0, account_location_quotas, "LocationGetQuotas" },
    { METHOD_GET,    SUB "/locations/{locationName}/virtualMachineSkus", "2022-10-01", NULL, "Microsoft.Batch/locations/virtualMachineSkus/read", WHERE_INLINE, BODY_NONE, 0, route_not_built, "LocationListSupportedVirtualMachineSkus" },
    { METHOD_POST,   ACCOUNT "/syncAutoStorageKeys", NULL, NULL, TYPE "/syncAutoStorageKeys/action", WHERE_INLINE, BODY_NONE, 0, route_not_built, "BatchAccountSynchronizeAutoStorageKeys" },
    { METHOD_GET,    ACCOUNT "/applications",        NULL, NULL, TYPE "/applications/read",   WHERE_INLINE, BODY_NONE, 0, route_not_built, "ApplicationList" },
    { METHOD_GET,    ACCOUNT "/applications/{applicationName}", NULL, NULL, TYPE "/applications/read",   WHERE_INLINE, BODY_NONE, 0, route_not_built, "ApplicationGet" },
    { METHOD_PUT,    ACCOUNT "/applications/{applicationName}", NULL, NULL, TYPE "/applications/write",  WHERE_INLINE, BODY_NONE, 0, route_not_built, "ApplicationCreate" },
    { METHOD_PATCH,  ACCOUNT "/applications/{applicationName}", NULL, NULL, TYPE "/applications/write",  WHERE_INLINE, BODY_NONE, 0, route_not_built, "ApplicationUpdate" },
    { METHOD_DELETE, ACCOUNT "/applications/{applicationName}", NULL, NULL, TYPE "/applications/delete", WHERE_INLINE, BODY_NONE, 0, route_not_built, "ApplicationDelete" },
    { METHOD_GET,    ACCOUNT "/privateEndpointConnections", NULL, NULL, TYPE "/privateEndpointConnections/read", WHERE_INLINE, BODY_NONE, 0, route_not_built, "PrivateEndpointConnectionListByBatchAccount" },
    { METHOD_GET,    ACCOUNT "/privateLinkResources", NULL, NULL, TYPE "/privateLinkResources/read", WHERE_INLINE, BODY_NONE, 0, route_not_built, "PrivateLinkResourceListByBatchAccount" },
    { METHOD_GET,    ACCOUNT "/detectors",           "2022-10-01", NULL, TYPE "/detectors/read", WHERE_INLINE, BODY_NONE, 0, route_not_built, "BatchAccountListDetectors" },
    { METHOD_GET,    ACCOUNT "/outboundNetworkDependenciesEndpoints", "2022-10-01", NULL, TYPE "/outboundNetworkDependenciesEndpoints/read", WHERE_INLINE, BODY_NONE, 0, route_not_built, "BatchAccountListOutboundNetworkDependenciesEndpoints" },
};
const size_t account_arm_route_count = COUNT_OF(account_arm_routes);
