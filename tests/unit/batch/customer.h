/* customer.h - a customer with a vault, a key and an account: for the tests of customer-managed keys. */
#pragma once
#include "world.h"

#define GROUP_PATH   "/resourceGroups/rg"
#define ACCOUNT_PATH GROUP_PATH "/providers/Microsoft.Batch/batchAccounts/acct"
#define VAULT_PATH   GROUP_PATH "/providers/Microsoft.KeyVault/vaults/"

enum { WAIT_MS = 20 * 1000 };

/* `key` is JSON of the key's creation. Answers the key's bundle. */
static inline Answer vault_call(World *world, const char *method, const char *vault, const char *path, Str body)
{
    Str token;
    int64_t expires_ms;
    must(token_issue(world->identity, world->arena, &world->admin, site_vault_resource(&world->site, world->arena), &token, &expires_ms, E));
    return world_call(world, method, token, str_printf(world->arena, "%s.vault%s%sapi-version=7.4", vault, path, strchr(path, '?') ? "&" : "?"), body);
}

/* A vault in which the administrator may do everything and `principal` what `permissions` say (JSON strings). */
static inline void make_vault(World *world, const char *name, bool protects, Str principal, const char *permissions)
{
    (void)arm_call(world, "PUT", GROUP_PATH, STR("{\"location\":\"westus2\"}"));
    Str body = str_printf(world->arena,
        "{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" STR_FMT "\",\"sku\":{\"family\":\"A\",\"name\":\"standard\"}%s,\"accessPolicies\":["
        "{\"tenantId\":\"" STR_FMT "\",\"objectId\":\"" STR_FMT "\",\"permissions\":{\"keys\":[\"all\",\"purge\"]}},"
        "{\"tenantId\":\"" STR_FMT "\",\"objectId\":\"" STR_FMT "\",\"permissions\":{\"keys\":[%s]}}]}}",
        STR_ARG(world->site.tenant_id), protects ? ",\"enablePurgeProtection\":true" : "", STR_ARG(world->site.tenant_id), STR_ARG(world->admin.object_id),
        STR_ARG(world->site.tenant_id), STR_ARG(principal), permissions);
    Answer made = arm_call(world, "PUT", str_printf(world->arena, VAULT_PATH "%s", name).ptr, body);
    if (made.status != 200 && made.status != 201)
        fail_msg("vault: %d " STR_FMT, made.status, STR_ARG(made.body));
}

static inline Str make_key(World *world, const char *vault, const char *name, const char *body)
{
    Answer made = vault_call(world, "POST", vault, str_printf(world->arena, "/keys/%s/create", name).ptr, str_from(body));
    expect_status(made, 200);
    return answer_text(&made, "key.kid");
}

#define RSA_KEY "{\"kty\":\"RSA\",\"key_size\":2048,\"key_ops\":[\"wrapKey\",\"unwrapKey\"]}"

static inline Str without_version(Str kid)
{
    size_t at = kid.len;
    while (kid.ptr[at - 1] != '/')
        at--;
    return str_slice(kid, 0, at - 1);
}

/* Its principal's id. `identity`: JSON. */
static inline Str make_account_with(World *world, const char *identity)
{
    (void)arm_call(world, "PUT", GROUP_PATH, STR("{\"location\":\"westus2\"}"));
    Answer made = arm_call(world, "PUT", ACCOUNT_PATH, str_printf(world->arena, "{\"location\":\"westus2\",\"identity\":%s}", identity));
    expect_status(made, 200);
    return answer_text(&made, "identity.principalId");
}

static inline Answer set_key(World *world, Str kid)
{
    return arm_call(world, "PATCH", ACCOUNT_PATH, str_printf(world->arena,
        "{\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.KeyVault\",\"keyVaultProperties\":{\"keyIdentifier\":\"" STR_FMT "\"}}}}", STR_ARG(kid)));
}

static inline Answer unset_key(World *world)
{
    return arm_call(world, "PATCH", ACCOUNT_PATH, STR("{\"properties\":{\"encryption\":{\"keySource\":\"Microsoft.Batch\"}}}"));
}

typedef struct FirstAccount { Arena *arena; Str id; } FirstAccount;

static inline bool first_account_txn(Txn *txn, void *ctx, Err *err)
{
    FirstAccount *first = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT id FROM batch_account") || !rows_next(rows, err))
        return false;
    first->id = str_dup(first->arena, row_text(rows, 0));
    return true;
}

/* The account's background work, as if its time had come. */
static inline void probe(World *world)
{
    FirstAccount first = { .arena = world->arena };
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
    int64_t again_ms;
    assert_true(runner_settle(world->site.runner, WAIT_MS));
    must(store_read(world->site.store, first_account_txn, &first, E));
    RunnerJob job = { .key = first.id, .attempt = 1 };
    must(batch_key_run(world->batch, arena, &job, real_now_ms(), &again_ms, E));
}
