/* vault_arm.h - Microsoft.KeyVault on the Resource Manager plane. */
#pragma once
#include "keyvault/vaults/vault.h"

#define WORK_VAULT_PURGE "keyvault.vault_purge"

extern const Route vault_arm_routes[];                    /* arm_routes.c */
extern const size_t vault_arm_route_count;

bool vault_put(Req *req, Reply *reply, Err *err);                             /* vault_arm.c */
bool vault_patch(Req *req, Reply *reply, Err *err);
bool vault_get(Req *req, Reply *reply, Err *err);
bool vault_delete(Req *req, Reply *reply, Err *err);
bool vault_edit_policies(Req *req, Reply *reply, Err *err);
bool vault_list_in_group(Req *req, Reply *reply, Err *err);                   /* vault_list.c */
bool vault_list_in_subscription(Req *req, Reply *reply, Err *err);
bool vault_check_name(Req *req, Reply *reply, Err *err);
bool vault_list_deleted(Req *req, Reply *reply, Err *err);                    /* vault_deleted.c */
bool vault_get_deleted(Req *req, Reply *reply, Err *err);
bool vault_purge_deleted(Req *req, Reply *reply, Err *err);

Handler arm_secret_put, arm_secret_patch, arm_secret_get, arm_secret_list;  /* arm_secret.c */

ArmDeleteFn vault_delete_resource;      /* the group goes; ctx is the KeyVault */
RunnerFn    vault_purge_run;            /* at the end of the retention */

void vault_write_resource(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault);
/* One write about a vault with its audit record; the caches follow. */
bool vault_write_txn(Req *req, Str resource_id, int status, StoreFn *fn, void *ctx, Err *err) MUST_CHECK;
bool vault_restore(KeyVault *kv, Txn *txn, Arena *arena, Vault *vault, Err *err) MUST_CHECK;   /* a deleted vault lives again, renewals too */
/* The live vault of the path's {subscriptionId}, {resourceGroupName} and {vaultName}; ERR_NOT_FOUND in Resource Manager's words. */
bool vault_require_live(Req *req, Txn *txn, Vault *vault, Err *err) MUST_CHECK;
/* The live vault that the path's {scope} names, of extension resources, which are vaults' alone here: other scopes are ERR_NOT_BUILT, by what they would have. */
bool vault_of_scope(Req *req, Txn *txn, const char *what, Vault *vault, Err *err) MUST_CHECK;
