/* arm_routes.c - the operations of Microsoft.KeyVault on Resource Manager, in the order of their paths. */
#include "keyvault/keys/arm_key.h"
#include "keyvault/vaults/vault_arm.h"

#define SUB "/subscriptions/{subscriptionId}/providers/Microsoft.KeyVault"
#define RG  "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.KeyVault"
#define VAULT RG "/vaults/{vaultName}"
#define MAY(what) "Microsoft.KeyVault/" what

/* Of managed HSMs only the lists are here, and empty. */
#define HSM(method, path, may, operation) { METHOD_##method, path, NULL, NULL, MAY(may), WHERE_INLINE, BODY_NONE, 0, route_not_built, operation }

enum { VAULT_BODY_MAX = 2 << 20 };      /* 1,024 access policies */

/* Managed HSMs and private endpoints: there are none, which is a true answer; az keyvault list, list-deleted and
 * private-endpoint-connection list ask for them. */
static bool none_there(Req *req, Reply *reply, Err *err)
{
    (void)req;
    (void)err;
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    json_close_array(&reply->json);
    json_close(&reply->json);
    return true;
}

const Route vault_arm_routes[] = {
    { METHOD_POST,   SUB "/checkNameAvailability",                                  NULL, NULL, MAY("checkNameAvailability/read"),           WHERE_INLINE, BODY_JSON_LENIENT, 16 << 10,       vault_check_name,           "VaultCheckNameAvailability" },
    { METHOD_GET,    SUB "/deletedVaults",                                          NULL, NULL, MAY("deletedVaults/read"),                   WHERE_INLINE, BODY_NONE,         0,              vault_list_deleted,         "VaultListDeleted" },
    { METHOD_GET,    SUB "/locations/{location}/deletedVaults/{vaultName}",         NULL, NULL, MAY("locations/deletedVaults/read"),         WHERE_INLINE, BODY_NONE,         0,              vault_get_deleted,          "VaultGetDeleted" },
    { METHOD_POST,   SUB "/locations/{location}/deletedVaults/{vaultName}/purge",   NULL, NULL, MAY("locations/deletedVaults/purge/action"), WHERE_WORKER, BODY_NONE,         0,              vault_purge_deleted,        "VaultPurge" },
    { METHOD_GET,    SUB "/deletedManagedHSMs",                                     NULL, NULL, MAY("deletedManagedHsms/read"),              WHERE_INLINE, BODY_NONE,         0,              none_there,                 "ManagedHsmListDeleted" },
    { METHOD_GET,    SUB "/managedHSMs",                                            NULL, NULL, MAY("managedHSMs/read"),                     WHERE_INLINE, BODY_NONE,         0,              none_there,                 "ManagedHsmList" },
    { METHOD_GET,    SUB "/vaults",                                                 NULL, NULL, MAY("vaults/read"),                          WHERE_INLINE, BODY_NONE,         0,              vault_list_in_subscription, "VaultList" },
    { METHOD_GET,    RG "/managedHSMs",                                             NULL, NULL, MAY("managedHSMs/read"),                     WHERE_INLINE, BODY_NONE,         0,              none_there,                 "ManagedHsmList" },
    HSM(POST,   SUB "/checkMhsmNameAvailability",                                             "checkMhsmNameAvailability/read",          "ManagedHsmCheckName"),
    HSM(GET,    SUB "/locations/{location}/deletedManagedHSMs/{name}",                        "locations/deletedManagedHsms/read",       "ManagedHsmGetDeleted"),
    HSM(POST,   SUB "/locations/{location}/deletedManagedHSMs/{name}/purge",                  "locations/deletedManagedHsms/purge/action", "ManagedHsmPurge"),
    HSM(GET,    RG "/managedHSMs/{name}",                                                     "managedHSMs/read",                        "ManagedHsmGet"),
    HSM(PUT,    RG "/managedHSMs/{name}",                                                     "managedHSMs/write",                       "ManagedHsmPut"),
    HSM(PATCH,  RG "/managedHSMs/{name}",                                                     "managedHSMs/write",                       "ManagedHsmPatch"),
    HSM(DELETE, RG "/managedHSMs/{name}",                                                     "managedHSMs/delete",                      "ManagedHsmDelete"),
    HSM(GET,    RG "/managedHSMs/{name}/regions",                                             "managedHSMs/read",                        "ManagedHsmRegionList"),
    HSM(GET,    RG "/managedHSMs/{name}/privateLinkResources",                                "managedHSMs/privateLinkResources/read",   "ManagedHsmPrivateLinkResourceList"),
    HSM(GET,    RG "/managedHSMs/{name}/privateEndpointConnections",                          "managedHSMs/privateEndpointConnections/read", "ManagedHsmPrivateEndpointConnectionList"),
    HSM(GET,    RG "/managedHSMs/{name}/privateEndpointConnections/{privateEndpointConnectionName}", "managedHSMs/privateEndpointConnections/read", "ManagedHsmPrivateEndpointConnectionGet"),
    HSM(PUT,    RG "/managedHSMs/{name}/privateEndpointConnections/{privateEndpointConnectionName}", "managedHSMs/privateEndpointConnections/write", "ManagedHsmPrivateEndpointConnectionPut"),
    HSM(DELETE, RG "/managedHSMs/{name}/privateEndpointConnections/{privateEndpointConnectionName}", "managedHSMs/privateEndpointConnections/delete", "ManagedHsmPrivateEndpointConnectionDelete"),
    HSM(GET,    RG "/managedHSMs/{name}/keys",                                                "managedHSMs/keys/read",                   "ManagedHsmKeyList"),
    HSM(GET,    RG "/managedHSMs/{name}/keys/{keyName}",                                      "managedHSMs/keys/read",                   "ManagedHsmKeyGet"),
    HSM(PUT,    RG "/managedHSMs/{name}/keys/{keyName}",                                      "managedHSMs/keys/write",                  "ManagedHsmKeyPut"),
    HSM(GET,    RG "/managedHSMs/{name}/keys/{keyName}/versions",                             "managedHSMs/keys/versions/read",          "ManagedHsmKeyListVersions"),
    HSM(GET,    RG "/managedHSMs/{name}/keys/{keyName}/versions/{keyVersion}",                "managedHSMs/keys/versions/read",          "ManagedHsmKeyGetVersion"),
    { METHOD_GET,    RG "/vaults",                                                  NULL, NULL, MAY("vaults/read"),                          WHERE_INLINE, BODY_NONE,         0,              vault_list_in_group,        "VaultList" },
    { METHOD_GET,    VAULT,                                                         NULL, NULL, MAY("vaults/read"),                          WHERE_INLINE, BODY_NONE,         0,              vault_get,                  "VaultGet" },
    { METHOD_PUT,    VAULT,                                                         NULL, NULL, MAY("vaults/write"),                         WHERE_WORKER, BODY_JSON_LENIENT, VAULT_BODY_MAX, vault_put,                  "VaultPut" },
    { METHOD_PATCH,  VAULT,                                                         NULL, NULL, MAY("vaults/write"),                         WHERE_WORKER, BODY_JSON_LENIENT, VAULT_BODY_MAX, vault_patch,                "VaultPatch" },
    { METHOD_DELETE, VAULT,                                                         NULL, NULL, MAY("vaults/delete"),                        WHERE_WORKER, BODY_NONE,         0,              vault_delete,               "VaultDelete" },
    { METHOD_PUT,    VAULT "/accessPolicies/{operationKind}",                       NULL, NULL, MAY("vaults/accessPolicies/write"),          WHERE_WORKER, BODY_JSON_LENIENT, VAULT_BODY_MAX, vault_edit_policies,        "VaultAccessPolicyUpdate" },
    { METHOD_GET,    VAULT "/secrets",                                              NULL, NULL, MAY("vaults/secrets/read"),                  WHERE_INLINE, BODY_NONE,         0,              arm_secret_list,                  "SecretListByResourceManager" },
    { METHOD_GET,    VAULT "/secrets/{secretName}",                                 NULL, NULL, MAY("vaults/secrets/read"),                  WHERE_INLINE, BODY_NONE,         0,              arm_secret_get,                   "SecretGetByResourceManager" },
    { METHOD_PUT,    VAULT "/secrets/{secretName}",                                 NULL, NULL, MAY("vaults/secrets/write"),                 WHERE_WORKER, BODY_JSON_LENIENT, 256 << 10,      arm_secret_put,                   "SecretPutByResourceManager" },
    { METHOD_PATCH,  VAULT "/secrets/{secretName}",                                 NULL, NULL, MAY("vaults/secrets/write"),                 WHERE_WORKER, BODY_JSON_LENIENT, 256 << 10,      arm_secret_patch,                  "SecretPatchByResourceManager" },
    { METHOD_GET,    VAULT "/keys",                                                 NULL, NULL, MAY("vaults/keys/read"),                     WHERE_INLINE, BODY_NONE,         0,              arm_key_list,                     "KeyListByResourceManager" },
    { METHOD_GET,    VAULT "/keys/{keyName}",                                       NULL, NULL, MAY("vaults/keys/read"),                     WHERE_INLINE, BODY_NONE,         0,              arm_key_get,                      "KeyGetByResourceManager" },
    { METHOD_PUT,    VAULT "/keys/{keyName}",                                       NULL, NULL, MAY("vaults/keys/write"),                    WHERE_WORKER, BODY_JSON_LENIENT, 256 << 10,      arm_key_put,                      "KeyPutByResourceManager" },
    { METHOD_GET,    VAULT "/keys/{keyName}/versions",                              NULL, NULL, MAY("vaults/keys/versions/read"),            WHERE_INLINE, BODY_NONE,         0,              arm_key_list_versions,            "KeyListVersionsByResourceManager" },
    { METHOD_GET,    VAULT "/keys/{keyName}/versions/{keyVersion}",                 NULL, NULL, MAY("vaults/keys/versions/read"),            WHERE_INLINE, BODY_NONE,         0,              arm_key_get_version,              "KeyGetVersionByResourceManager" },
    { METHOD_GET,    VAULT "/privateEndpointConnections",                           NULL, NULL, MAY("vaults/privateEndpointConnections/read"), WHERE_INLINE, BODY_NONE,       0,              none_there,                 "PrivateEndpointConnectionList" },
    { METHOD_GET,     VAULT "/privateEndpointConnections/{privateEndpointConnectionName}", NULL, NULL, MAY("vaults/privateEndpointConnections/read"), WHERE_INLINE, BODY_NONE,         0,              route_not_built,            "PrivateEndpointConnectionGet" },
    { METHOD_PUT,     VAULT "/privateEndpointConnections/{privateEndpointConnectionName}", NULL, NULL, MAY("vaults/privateEndpointConnections/write"), WHERE_INLINE, BODY_JSON_LENIENT, 256 << 10,      route_not_built,            "PrivateEndpointConnectionPut" },
    { METHOD_DELETE,  VAULT "/privateEndpointConnections/{privateEndpointConnectionName}", NULL, NULL, MAY("vaults/privateEndpointConnections/delete"), WHERE_INLINE, BODY_NONE,         0,              route_not_built,            "PrivateEndpointConnectionDelete" },
    { METHOD_GET,    VAULT "/privateLinkResources",                                 NULL, NULL, MAY("vaults/privateLinkResources/read"),     WHERE_INLINE, BODY_NONE,         0,              route_not_built,                  "PrivateLinkResourceList" },
};
const size_t vault_arm_route_count = COUNT_OF(vault_arm_routes);
