/* roles.c - built-in roles, as Microsoft's documentation "Azure built-in roles" lists them (2026), as far as their subjects exist here.
 *
 * Actions of providers that we do not have stay in the lists: clients show them, and they match nothing. */
#include "access/roles.h"

#define READ_ROLES     "Microsoft.Authorization/*/read"
#define ALERT_RULES    "Microsoft.Insights/alertRules/*"
#define DEPLOYMENTS    "Microsoft.Resources/deployments/*"
#define READ_GROUPS    "Microsoft.Resources/subscriptions/resourceGroups/read"
#define SUPPORT        "Microsoft.Support/*"
#define VAULT_READERS  READ_ROLES, ALERT_RULES, DEPLOYMENTS, READ_GROUPS, SUPPORT, "Microsoft.KeyVault/checkNameAvailability/read", \
                       "Microsoft.KeyVault/deletedVaults/read", "Microsoft.KeyVault/locations/*/read", "Microsoft.KeyVault/vaults/*/read", \
                       "Microsoft.KeyVault/operations/read"
#define VAULT_ONLY     " Only works for key vaults that use the 'Azure role-based access control' permission model."

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ALLOW(...) .permissions = (const RolePermission[]){ { __VA_ARGS__ } }, .permission_count = 1

/* The condition of Key Vault Data Access Administrator: RoleDefinitionId is one of these. */
static const char *const vault_data_roles[] = {
    "00482a5a-887f-4fb3-b363-3b7fe8e74483", "a4417e6f-fecd-4de8-b567-7b0420556985", "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
    "e147488a-f6f5-4113-8e2d-b22465e65bf6", "12338af0-0e69-4776-bea7-57ae8d297424", "21090545-7ca7-4776-b22c-e363652d74d2",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "4633458b-17de-408a-b874-0445c86b69e6", NULL,
};

static const Role roles[] = {
    { "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner",
      "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
      ALLOW(.actions = NAMES("*")) },
    { "b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor",
      "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, "
      "or share image galleries.",
      ALLOW(.actions = NAMES("*"),
            .not_actions = NAMES("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
                                 "Microsoft.Blueprint/blueprintAssignments/write", "Microsoft.Blueprint/blueprintAssignments/delete",
                                 "Microsoft.Compute/galleries/share/action", "Microsoft.Purview/consents/write", "Microsoft.Purview/consents/delete",
                                 "Microsoft.Resources/deploymentStacks/manageDenySetting/action", "Microsoft.Subscription/cancel/action",
                                 "Microsoft.Subscription/enable/action")) },
    { "acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "View all resources, but does not allow you to make any changes.",
      ALLOW(.actions = NAMES("*/read")) },
    { "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator", "Lets you manage user access to Azure resources.",
      ALLOW(.actions = NAMES("*/read", "Microsoft.Authorization/*", SUPPORT)) },
    { "f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Role Based Access Control Administrator",
      "Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you to manage access using other ways, "
      "such as Azure Policy.",
      ALLOW(.actions = NAMES("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read", SUPPORT)) },

    { "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", "Managed Identity Contributor", "Create, Read, Update, and Delete User Assigned Identity",
      ALLOW(.actions = NAMES("Microsoft.ManagedIdentity/userAssignedIdentities/read", "Microsoft.ManagedIdentity/userAssignedIdentities/write",
                             "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
                             "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
                             "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
                             "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
                             "Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action",
                             READ_ROLES, ALERT_RULES, DEPLOYMENTS, READ_GROUPS, SUPPORT)) },
    { "f1a07417-d97a-45cb-824c-7a7467783830", "Managed Identity Operator", "Read and Assign User Assigned Identity",
      ALLOW(.actions = NAMES("Microsoft.ManagedIdentity/userAssignedIdentities/*/read", "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
                             READ_ROLES, ALERT_RULES, DEPLOYMENTS, READ_GROUPS, SUPPORT)) },

    { "29fe4964-1e60-436b-bd3a-77fd4c178b3c", "Azure Batch Account Contributor",
      "Grants full access to manage all Batch resources, including Batch accounts, pools and jobs.",
      ALLOW(.actions = NAMES(READ_ROLES, "Microsoft.Batch/*", ALERT_RULES, DEPLOYMENTS, READ_GROUPS),
            .data_actions = NAMES("Microsoft.Batch/*")) },
    { "11076f67-66f6-4be0-8f6b-f0609fd05cc9", "Azure Batch Account Reader",
      "Lets you view all resources including pools and jobs in the Batch account.",
      ALLOW(.actions = NAMES("Microsoft.Batch/*/read", READ_GROUPS),
            .data_actions = NAMES("Microsoft.Batch/batchAccounts/*/read")) },
    { "6aaa78f1-f7de-44ca-8722-c64a23943cae", "Azure Batch Data Contributor",
      "Grants permissions to manage Batch pools and jobs but not to modify accounts.",
      ALLOW(.actions = NAMES(READ_ROLES, "Microsoft.Batch/batchAccounts/read", "Microsoft.Batch/batchAccounts/applications/*",
                             "Microsoft.Batch/batchAccounts/certificates/*", "Microsoft.Batch/batchAccounts/certificateOperationResults/*",
                             "Microsoft.Batch/batchAccounts/pools/*", "Microsoft.Batch/batchAccounts/poolOperationResults/*", "Microsoft.Batch/locations/*/read",
                             ALERT_RULES, DEPLOYMENTS, READ_GROUPS),
            .data_actions = NAMES("Microsoft.Batch/batchAccounts/jobSchedules/*", "Microsoft.Batch/batchAccounts/jobs/*")) },
    { "48e5e92e-a480-4e71-aa9c-2778f4c13781", "Azure Batch Job Submitter", "Lets you submit and manage jobs in the Batch account.",
      ALLOW(.actions = NAMES("Microsoft.Batch/batchAccounts/applications/read", "Microsoft.Batch/batchAccounts/applications/versions/read",
                             "Microsoft.Batch/batchAccounts/pools/read", ALERT_RULES, READ_GROUPS),
            .data_actions = NAMES("Microsoft.Batch/batchAccounts/jobSchedules/*", "Microsoft.Batch/batchAccounts/jobs/*")) },

    { "00482a5a-887f-4fb3-b363-3b7fe8e74483", "Key Vault Administrator",
      "Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and secrets. Cannot manage key vault "
      "resources or manage role assignments." VAULT_ONLY,
      ALLOW(.actions = NAMES(VAULT_READERS), .data_actions = NAMES("Microsoft.KeyVault/vaults/*")) },
    { "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba", "Key Vault Certificate User", "Read certificate contents." VAULT_ONLY,
      ALLOW(.data_actions = NAMES("Microsoft.KeyVault/vaults/certificates/read", "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                                  "Microsoft.KeyVault/vaults/secrets/readMetadata/action", "Microsoft.KeyVault/vaults/keys/read")) },
    { "a4417e6f-fecd-4de8-b567-7b0420556985", "Key Vault Certificates Officer",
      "Perform any action on the certificates of a key vault, except manage permissions." VAULT_ONLY,
      ALLOW(.actions = NAMES(VAULT_READERS),
            .data_actions = NAMES("Microsoft.KeyVault/vaults/certificatecas/*", "Microsoft.KeyVault/vaults/certificates/*",
                                  "Microsoft.KeyVault/vaults/certificatecontacts/write")) },
    { "f25e0fa2-a7c8-4377-a976-54943a77a395", "Key Vault Contributor", "Lets you manage key vaults, but not access to them.",
      ALLOW(.actions = NAMES(READ_ROLES, ALERT_RULES, "Microsoft.KeyVault/*", DEPLOYMENTS, READ_GROUPS, SUPPORT),
            .not_actions = NAMES("Microsoft.KeyVault/locations/deletedVaults/purge/action", "Microsoft.KeyVault/hsmPools/*", "Microsoft.KeyVault/managedHsms/*")) },
    { "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "Key Vault Crypto Officer",
      "Perform any action on the keys of a key vault, except manage permissions." VAULT_ONLY,
      ALLOW(.actions = NAMES(VAULT_READERS), .data_actions = NAMES("Microsoft.KeyVault/vaults/keys/*", "Microsoft.KeyVault/vaults/keyrotationpolicies/*")) },
    { "e147488a-f6f5-4113-8e2d-b22465e65bf6", "Key Vault Crypto Service Encryption User",
      "Read metadata of keys and perform wrap/unwrap operations." VAULT_ONLY,
      ALLOW(.actions = NAMES("Microsoft.EventGrid/eventSubscriptions/write", "Microsoft.EventGrid/eventSubscriptions/read",
                             "Microsoft.EventGrid/eventSubscriptions/delete"),
            .data_actions = NAMES("Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/wrap/action",
                                  "Microsoft.KeyVault/vaults/keys/unwrap/action")) },
    { "08bbd89e-9f13-488c-ac41-acfcb10c90ab", "Key Vault Crypto Service Release User", "Release keys." VAULT_ONLY,
      ALLOW(.data_actions = NAMES("Microsoft.KeyVault/vaults/keys/release/action")) },
    { "12338af0-0e69-4776-bea7-57ae8d297424", "Key Vault Crypto User", "Perform cryptographic operations using keys." VAULT_ONLY,
      ALLOW(.data_actions = NAMES("Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/update/action",
                                  "Microsoft.KeyVault/vaults/keys/backup/action",
                                  "Microsoft.KeyVault/vaults/keys/encrypt/action", "Microsoft.KeyVault/vaults/keys/decrypt/action",
                                  "Microsoft.KeyVault/vaults/keys/wrap/action", "Microsoft.KeyVault/vaults/keys/unwrap/action",
                                  "Microsoft.KeyVault/vaults/keys/sign/action", "Microsoft.KeyVault/vaults/keys/verify/action")) },
    { "8b54135c-b56d-4d72-a534-26097cfdc8d8", "Key Vault Data Access Administrator",
      "Manage access to Azure Key Vault by adding or removing role assignments for the Key Vault Administrator, Key Vault Certificates Officer, "
      "Key Vault Crypto Officer, Key Vault Crypto Service Encryption User, Key Vault Crypto User, Key Vault Reader, Key Vault Secrets Officer, or "
      "Key Vault Secrets User roles. Includes an ABAC condition to constrain role assignments.",
      ALLOW(.actions = NAMES("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", READ_ROLES, DEPLOYMENTS,
                             READ_GROUPS,
                             "Microsoft.Resources/subscriptions/read", "Microsoft.Management/managementGroups/read", SUPPORT, "Microsoft.KeyVault/vaults/*/read")),
      .may_assign = vault_data_roles },
    { "a68e7c17-0ab2-4c09-9a58-125dae29748c", "Key Vault Purge Operator", "Allows permanent deletion of soft-deleted vaults.",
      ALLOW(.actions = NAMES("Microsoft.KeyVault/locations/deletedVaults/read", "Microsoft.KeyVault/locations/deletedVaults/purge/action")) },
    { "21090545-7ca7-4776-b22c-e363652d74d2", "Key Vault Reader",
      "Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values such as secret contents or key material." VAULT_ONLY,
      ALLOW(.actions = NAMES(VAULT_READERS), .data_actions = NAMES("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action")) },
    { "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "Key Vault Secrets Officer",
      "Perform any action on the secrets of a key vault, except manage permissions." VAULT_ONLY,
      ALLOW(.actions = NAMES(VAULT_READERS), .data_actions = NAMES("Microsoft.KeyVault/vaults/secrets/*")) },
    { "4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User", "Read secret contents." VAULT_ONLY,
      ALLOW(.data_actions = NAMES("Microsoft.KeyVault/vaults/secrets/getSecret/action", "Microsoft.KeyVault/vaults/secrets/readMetadata/action")) },
};

const Role *role_at(size_t index) { return index < COUNT_OF(roles) ? &roles[index] : NULL; }

const Role *role_find(Str guid)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (str_eq_nocase(guid, str_from(roles[i].guid)))
            return &roles[i];
    return NULL;
}

static bool matches_from(const char *whole, const char *pattern, Str action)
{
    if (*pattern == '\0')
        return action.len == 0;
    if (*pattern != '*') {
        Str one = { pattern, 1 };
        return action.len && str_eq_nocase(one, str_slice(action, 0, 1)) && matches_from(whole, pattern + 1, str_slice(action, 1, action.len));
    }
    bool between_slashes = pattern > whole && pattern[-1] == '/' && pattern[1] == '/';
    if (between_slashes && matches_from(whole, pattern + 2, action))
        return true;
    for (size_t skipped = 0; skipped <= action.len; skipped++)
        if (matches_from(whole, pattern + 1, str_slice(action, skipped, action.len)))
            return true;
    return false;
}

bool action_matches(const char *pattern, Str action) { return matches_from(pattern, pattern, action); }

static bool any_matches(const char *const *patterns, Str action)
{
    for (; patterns && *patterns; patterns++)
        if (action_matches(*patterns, action))
            return true;
    return false;
}

/* What one permission takes away again, another of the same role may give. */
bool role_allows(const Role *role, Str action, bool is_data)
{
    for (size_t i = 0; i < role->permission_count; i++) {
        const RolePermission *p = &role->permissions[i];
        if (any_matches(is_data ? p->data_actions : p->actions, action) && !any_matches(is_data ? p->not_data_actions : p->not_actions, action))
            return true;
    }
    return false;
}

bool role_may_assign(const Role *role, Str assigned_guid)
{
    for (size_t i = 0; role->may_assign && role->may_assign[i]; i++)
        if (str_eq_nocase(assigned_guid, str_from(role->may_assign[i])))
            return true;
    return role->may_assign == NULL;
}
