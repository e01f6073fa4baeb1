/* vault_in.h - bodies of vault PUT and PATCH: read, checked, applied to a vault. Needs no store, so that fuzzing reaches all of it. */
#pragma once
#include "keyvault/vaults/vault.h"

typedef struct VaultIn {
    Str     location;                   /* short form; absent: not given */
    const JsonVal *tags;                /* NULL: not given */
    Str     tenant_id, sku;             /* absent: not given */
    const JsonVal *policies, *network_acls;
    OptBool for_deployment, for_disk_encryption, for_template_deployment;
    OptBool purge_protection;
    OptBool rbac;                       /* enableRbacAuthorization */
    OptBool is_closed;                  /* publicNetworkAccess */
    bool    rbac_by_default;            /* of a new vault */
    OptInt  retention_days;
    bool    wants_recovery;             /* createMode "recover" */
} VaultIn;

typedef enum VaultBody { VAULT_PUT = 1, VAULT_PATCH } VaultBody;

/* Shape and values. A PUT needs location, tenantId, sku and, where they shall decide, accessPolicies; a recovering one not the last two.
 * tenant_id: the site's. api_version: from VAULT_RBAC_DEFAULT on roles decide unless the body says otherwise. ERR_BAD_INPUT names the field. */
#define VAULT_RBAC_DEFAULT STR("2026-02-01")
bool vault_in_read(Arena *arena, const JsonVal *body, VaultBody kind, Str tenant_id, Str api_version, VaultIn *out, Err *err) MUST_CHECK;

/* Onto a new vault (with its identity set) or an existing one; what may not change is refused and nothing is changed. */
bool vault_in_apply_new(const VaultIn *in, Vault *vault, Err *err) MUST_CHECK;
bool vault_in_apply(const VaultIn *in, VaultBody kind, Vault *vault, Err *err) MUST_CHECK;
