/* fuzz_vault_in.c - bodies of vault PUT and PATCH: read and applied. */
#include "keyvault/vaults/vault_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    const JsonVal *json;
    Err err = { 0 };
    VaultIn in;
    if (!arena || !json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &json, &err))
        return 0;
    Str tenant = STR("11111111-2222-4333-8444-555555555555");
    Vault vault = { .name = STR("v"), .group = STR("g") };
    bool made = vault_in_read(arena, json, VAULT_PUT, tenant, STR("2026-02-01"), &in, &err) && vault_in_apply_new(&in, &vault, &err) &&
                vault_in_apply(&in, VAULT_PUT, &vault, &err) && firewall_make(arena, vault.network_acls, vault.is_closed, &vault.firewall, &err) &&
                firewall_admits(&vault.firewall, STR("127.0.0.1"));
    bool changed = vault_in_read(arena, json, VAULT_PATCH, tenant, STR("2026-02-01"), &in, &err) && vault_in_apply(&in, VAULT_PATCH, &vault, &err);
    (void)made, (void)changed;
    return 0;
}
