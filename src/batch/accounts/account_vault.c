/* account_vault.c - a reference to a vault: read, looked up, refused. */
#include "batch/accounts/account_vault.h"
#include <stdarg.h>
#include <stdio.h>
#include "batch/accounts/account_settings.h"
#include "batch/parts.h"

bool account_vault_invalid(Err *err, const char *fmt, ...)
{
    char reason[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    err_named(err, ERR_BAD_INPUT, "InvalidKeyVaultReference", NULL, "The specified Key Vault reference is invalid. %s", reason);
    (void)snprintf(err->target, sizeof err->target, "properties.keyVaultReference");
    return false;
}

bool account_vault_of(Arena *arena, Str settings, VaultReference *out, bool *has, Err *err)
{
    VaultReference vault = { 0 };
    if (!account_settings_vault(arena, settings, &vault.id, &vault.url, err))
        return false;
    *has = vault.id.ptr != NULL;
    for (Str rest = vault.id; rest.ptr;)
        vault.name = str_cut(&rest, '/');
    *out = vault;
    return true;
}

static Str without_slash(Str url)
{
    return str_ends_nocase(url, STR("/")) ? str_slice(url, 0, url.len - 1) : url;
}

bool account_vault_check(Batch *batch, Txn *txn, Arena *arena, const VaultReference *vault, Str subscription, Str location, Err *err)
{
    ArmId id;
    ArmResource resource;
    Err malformed = { 0 };
    bool found;
    if (!arm_id_parse(arena, vault->id, &id, &malformed) || !str_eq_nocase(id.provider, STR("Microsoft.KeyVault")) || !str_eq_nocase(id.type, STR("vaults")) || id.sub_type.ptr)
        return account_vault_invalid(err, "'" STR_FMT "' is not the resource id of a key vault.", STR_ARG(str_slice(vault->id, 0, 200)));
    if (!arm_resource_find(batch->arm, txn, arena, vault->id, &resource, &found, err))
        return false;
    if (!found)
        return account_vault_invalid(err, "The specified Key Vault " STR_FMT " could not be found.", STR_ARG(vault->id));
    if (!str_eq_nocase(id.subscription, subscription) || !str_eq_nocase(resource.location, location))
        return account_vault_invalid(err, "The specified Key Vault " STR_FMT " is in location '" STR_FMT "'; it must be in the account's subscription and in its location '" STR_FMT "'.",
                                     STR_ARG(vault->id), STR_ARG(resource.location), STR_ARG(location));
    Str address = site_vault_url(batch->site, arena, str_lower(arena, resource.name));
    if (!str_eq_nocase(without_slash(vault->url), address))
        return account_vault_invalid(err, "The address of the specified Key Vault is " STR_FMT "/, not " STR_FMT ".", STR_ARG(address), STR_ARG(str_slice(vault->url, 0, 200)));
    return true;
}
