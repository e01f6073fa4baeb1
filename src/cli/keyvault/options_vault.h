/* options_vault.h - options of the commands about vaults, what is in them, and their events: a part of commands.c, which alone includes it, behind the
 * options that several commands have. */
#pragma once
#include "cli/command.h"
#include "cli/generic_update.h"

/* ---- vaults ---- */

#define OPT_VAULT_SELF { "--name -n --vault-name", "VAULT", OPT_REQUIRED, "Name of the vault." }
#define OPT_VAULT_FLAGS \
    { "--enable-purge-protection", "true|false", OPT_VALUE_OPTIONAL, "Nobody can purge before the retention ends; cannot be taken back." }, \
    { "--enable-rbac-authorization", "true|false", OPT_VALUE_OPTIONAL, "Decide by roles instead of access policies." }, \
    { "--enabled-for-deployment", "true|false", OPT_VALUE_OPTIONAL, "Kept and shown, as in az." }, { "--enabled-for-disk-encryption", "true|false", OPT_VALUE_OPTIONAL, "Kept and shown, as in az." }, \
    { "--enabled-for-template-deployment", "true|false", OPT_VALUE_OPTIONAL, "Kept and shown, as in az." }, \
    { "--public-network-access", "Enabled|Disabled", 0, "May anybody but this site's own services reach it?" }, \
    { "--default-action", "Allow|Deny", 0, "What network rules say of all other addresses." }, { "--bypass", "AzureServices|None", 0, "May this site's own services enter nevertheless?" }
static const Option vault_create_options[] = {
    OPT_VAULT_SELF, OPT_GROUP_REQUIRED, OPT_LOCATION, OPT_TAGS,
    { "--sku", "standard|premium", 0, "Standard by default." },
    { "--retention-days", "DAYS", 0, "How long deleted objects can be recovered, 7 to 90; 90 by default." }, OPT_VAULT_FLAGS,
    { "--no-self-perms", "true|false", OPT_VALUE_OPTIONAL, "Do not give yourself an access policy." },
    { "--network-acls", "JSON", 0, "Who may reach it: {\"ip\": [ADDRESS, ...], \"vnet\": [SUBNET, ...]}, or a file with that." },
    { "--network-acls-ips", "ADDRESS[/BITS]", OPT_LIST, "Addresses that may." },
    { "--network-acls-vnets", "SUBNET", OPT_LIST, "Subnets by id or as VNET/SUBNET; kept and shown, they let nobody in." }, OPT_NO_WAIT, END
};
static const Option vault_options[] = { OPT_VAULT_SELF, OPT_GROUP, END };
#define OPT_POLICY_OF { "--object-id", "ID", 0, "Object id of the principal, or its name." }, { "--spn", "NAME", 0, "Service principal name (application id) of the principal, or its name." }, \
                      { "--application-id", "ID", 0, "The policy is for the principal through this application alone." }
static const Option set_policy_options[] = {
    OPT_VAULT_SELF, OPT_GROUP, OPT_POLICY_OF,
    { "--secret-permissions", "PERMISSION", OPT_LIST, "all, get, list, set, delete, recover, backup, restore, purge." },
    { "--certificate-permissions", "PERMISSION", OPT_LIST, "all, get, list, create, import, update, delete, recover, ..." },
    { "--key-permissions", "PERMISSION", OPT_LIST, "all, get, list, create, wrapKey, unwrapKey, ..." },
    { "--storage-permissions", "PERMISSION", OPT_LIST, "all, get, list, ..." }, OPT_NO_WAIT, END
};
static const Option deleted_vault_options[] = { OPT_VAULT_SELF, OPT_GROUP, OPT_LOCATION, END }, deleted_vault_work_options[] = { OPT_VAULT_SELF, OPT_GROUP, OPT_LOCATION, OPT_NO_WAIT, END };
static const Option vault_update_options[] = {
    OPT_VAULT_SELF, OPT_GROUP, OPT_VAULT_FLAGS, { "--retention-days", "DAYS", 0, "How long deleted objects can be recovered, 7 to 90." }, OPT_TAGS, OPT_GENERIC_UPDATE, OPT_NO_WAIT, END
};
#define OPT_RESOURCE_TYPE { "--resource-type", "vault|hsm", 0, "Accepted as in az; there are no managed HSMs here." }
static const Option vault_list_options[] = { OPT_GROUP, OPT_RESOURCE_TYPE, END }, deleted_list_options[] = { OPT_RESOURCE_TYPE, END };
static const Option vault_delete_options[] = { OPT_VAULT_SELF, OPT_GROUP, OPT_NO_WAIT, END };
static const Option wait_options[] = {
    OPT_VAULT_SELF, OPT_GROUP, { "--created", NULL, 0, "Until it is there and made." }, { "--updated", NULL, 0, "Until it is made; it must be there." }, { "--deleted", NULL, 0, "Until it is gone." },
    { "--exists", NULL, 0, "Until it is there." }, { "--custom", "JMESPATH", 0, "Until this holds of it, for example \"properties.publicNetworkAccess=='Disabled'\"." },
    { "--interval", "SECONDS", 0, "How often to look; 30 by default." }, { "--timeout", "SECONDS", 0, "How long at most; 3600 by default." }, END
};
static const Option network_rule_options[] = {
    OPT_VAULT_SELF, OPT_GROUP, { "--ip-address", "ADDRESS[/BITS]", OPT_LIST, "Addresses." }, { "--subnet", "SUBNET", 0, "A subnet by id, or by name with --vnet-name; kept and shown, it lets nobody in." },
    { "--vnet-name", "VNET", 0, "Its virtual network." }, OPT_NO_WAIT, END
};
static const Option check_name_options[] = { OPT_VAULT_SELF, OPT_RESOURCE_TYPE, END };
static const Option delete_policy_options[] = { OPT_VAULT_SELF, OPT_GROUP, OPT_POLICY_OF, OPT_NO_WAIT, END };

/* ---- objects of a vault ---- */

#define OPT_VALIDITY { "--expires", "TIME", 0, "When it ends, like 2030-01-31T00:00:00Z." }, { "--not-before", "TIME", 0, "When it begins." }
static const Option secret_set_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID,
    { "--value", "TEXT", OPT_MAY_BE_EMPTY, "The value; - reads standard input, which others cannot see in the process list." },
    { "--file -f", "FILE", 0, "Read the value from a file." },
    { "--encoding -e", "utf-8|utf-16le|utf-16be|ascii|base64|hex", 0, "How the file becomes the value; kept as tag file-encoding, by which download undoes it." },
    { "--content-type --description", "TEXT", OPT_MAY_BE_EMPTY, "What the value is." },
    OPT_VALIDITY, { "--disabled", "true|false", OPT_VALUE_OPTIONAL, "Not to be read yet." }, OPT_TAGS, END
};
static const Option object_show_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, END };
static const Option object_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, END };
static const Option vault_only_options[] = { OPT_VAULT_REQUIRED, END };
#define OPT_VAULT_ID   { "--id", "URL", 0, "Address of the vault, instead of its name." }
#define OPT_MAXRESULTS { "--maxresults", "N", 0, "How many at most, 1 to 25; all by default." }
#define OPT_MANAGED    { "--include-managed", "true|false", OPT_VALUE_OPTIONAL, "Also those that belong to certificates." }
static const Option object_list_options[] = { OPT_VAULT, OPT_VAULT_ID, OPT_MAXRESULTS, OPT_MANAGED, END };
static const Option object_deleted_options[] = { OPT_VAULT, OPT_VAULT_ID, OPT_MAXRESULTS, END };
static const Option object_versions_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_MAXRESULTS, END };
static const Option secret_attributes_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, { "--enabled", "true|false", 0, "May it be read?" }, OPT_VALIDITY, { "--content-type", "TEXT", OPT_MAY_BE_EMPTY, "What the value is." }, OPT_TAGS, END
};
static const Option secret_download_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, { "--file -f", "FILE", OPT_REQUIRED, "Where to write it, for you alone to read; no file that is there is replaced." },
    { "--encoding -e", "utf-8|utf-16le|utf-16be|ascii|base64|hex", 0, "How the value is decoded; by the tag file-encoding if not given." },
    { "--overwrite", NULL, 0, "Replace a file that is there." }, END
};
static const Option certificate_create_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, { "--policy -p", "JSON", OPT_REQUIRED, "The policy, @FILE or - for standard input." },
    { "--validity", "MONTHS", 0, "How long it is valid, whatever the policy says." },
    { "--disabled", "true|false", OPT_VALUE_OPTIONAL, "Not to be used yet." }, OPT_TAGS, END
};
static const Option certificate_attributes_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, { "--enabled", "true|false", 0, "May it be used?" }, { "--policy -p", "JSON", 0, "What to change in the policy." }, OPT_TAGS, END
};
#define OPT_OPS { "--ops", "OPERATION", OPT_LIST, "What it may be used for: encrypt, decrypt, sign, verify, wrapKey, unwrapKey; import for a key exchange key." }
#define OPT_RELEASE { "--policy", "JSON", 0, "Under which it can be released: JSON, or a file with it." }, \
                    { "--immutable", "true|false", OPT_VALUE_OPTIONAL, "That policy can never be changed." }
#define OPT_NEW_KEY { "--protection -p", "software|hsm", 0, "Where it lies; software by default." }, OPT_OPS, OPT_VALIDITY, \
                    { "--disabled", "true|false", OPT_VALUE_OPTIONAL, "Not to be used yet." }, \
                    { "--exportable", "true|false", OPT_VALUE_OPTIONAL, "It can be released, to whom --policy says." }, OPT_RELEASE, OPT_TAGS
static const Option key_create_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, { "--kty", "TYPE", 0, "RSA, EC, oct, or in the hardware module RSA-HSM, EC-HSM, oct-HSM; RSA by default." }, { "--size", "BITS", 0, "RSA: 2048, 3072 or 4096; oct: 128, 192 or 256." },
    { "--curve", "CURVE", 0, "Of an EC key: P-256, P-384, P-521 or P-256K." }, OPT_NEW_KEY, END
};
static const Option key_import_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, { "--pem-file", "FILE", 0, "A PEM file with the private key; - reads standard input." }, { "--pem-string", "TEXT", 0, "The same as text." },
    { "--pem-password", "TEXT", OPT_MAY_BE_EMPTY, "Of an encrypted PEM." }, { "--byok-file", "FILE", 0, "A key transfer blob for the HSM." }, { "--byok-string", "TEXT", 0, "The same as text." },
    { "--jwk-file", "FILE", 0, "A JSON web key with its private members; - reads standard input." }, { "--kty", "RSA|EC|oct", 0, "Of a transfer blob; RSA by default." },
    { "--curve", "CURVE", 0, "Of an EC key in a transfer blob." }, OPT_NEW_KEY, END
};
static const Option key_attributes_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, { "--enabled", "true|false", 0, "May it be used?" }, OPT_VALIDITY, OPT_OPS, OPT_RELEASE, OPT_TAGS, END
};
#define OPT_ALGORITHM { "--algorithm -a", "NAME", OPT_REQUIRED, "RSA-OAEP-256, A256GCM, RS256, ES256, ..." }
#define OPT_DATA_TYPE { "--data-type", "base64|plaintext", 0, "What the original value is; base64 by default." }
#define OPT_IV_AAD { "--iv", "HEX", 0, "Initialisation vector." }, { "--aad", "HEX", 0, "What is authenticated and not encrypted; GCM only." }
static const Option key_encrypt_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, OPT_ALGORITHM, { "--value", "TEXT", OPT_REQUIRED, "What to encrypt." }, OPT_DATA_TYPE, OPT_IV_AAD, END };
static const Option key_decrypt_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, OPT_ALGORITHM, { "--value", "BASE64", OPT_REQUIRED, "What to decrypt: the result of encrypt." }, OPT_DATA_TYPE, OPT_IV_AAD,
    { "--tag", "HEX", 0, "The authentication tag of GCM." }, END
};
static const Option key_sign_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, OPT_ALGORITHM, { "--digest", "BASE64", OPT_REQUIRED, "The digest to sign." }, END };
static const Option key_verify_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, OPT_ALGORITHM, { "--digest", "BASE64", OPT_REQUIRED, "The digest that was signed." },
    { "--signature", "BASE64", OPT_REQUIRED, "The signature." }, END
};
static const Option key_random_options[] = { OPT_VAULT, OPT_VAULT_ID, { "--count", "N", OPT_REQUIRED, "How many bytes, 1 to 128." }, END };
static const Option key_download_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, { "--file -f", "FILE", OPT_REQUIRED, "Where to write it; no file that is there is replaced." },
    { "--encoding -e", "PEM|DER", 0, "PEM by default." }, END
};
static const Option key_backup_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, { "--file -f", "FILE", OPT_REQUIRED, "Where to write it; no file that is there is replaced." }, END };
static const Option key_restore_options[] = { OPT_VAULT, OPT_VAULT_ID, { "--file -f", "FILE", OPT_REQUIRED, "What backup wrote." }, OPT_NO_WAIT, END };
static const Option certificate_import_options[] = {
    OPT_VAULT, OPT_OBJECT, OPT_ID, { "--file -f", "FILE", OPT_REQUIRED, "A .pfx, or PEM with an unencrypted key." },
    { "--password", "TEXT", OPT_MAY_BE_EMPTY, "Of the .pfx; @FILE reads a file, - reads standard input. Asked for on the terminal when it is needed and not given." },
    { "--policy -p", "JSON", 0, "The policy of its later versions, @FILE or - for standard input." }, { "--disabled", "true|false", OPT_VALUE_OPTIONAL, "Not to be used yet." }, OPT_TAGS, END
};
#define OPT_NEW_FILE { "--file -f", "FILE", OPT_REQUIRED, "The file to write, which must not be there yet." }
static const Option certificate_download_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_VERSION, OPT_NEW_FILE, { "--encoding -e", "PEM|DER", 0, "PEM by default." }, END };
static const Option certificate_backup_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, OPT_NEW_FILE, END };
static const Option certificate_list_options[] = { OPT_VAULT, OPT_VAULT_ID, OPT_MAXRESULTS, { "--include-pending", "true|false", OPT_VALUE_OPTIONAL, "Also those that were never made." }, END };
#define OPT_DISABLED { "--disabled", "true|false", OPT_VALUE_OPTIONAL, "Not to be used yet." }
static const Option certificate_merge_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, { "--file -f", "FILE", OPT_REQUIRED, "What was signed: PEM, DER or PKCS#7, issuers in any order." }, OPT_DISABLED, OPT_TAGS, END };
#define OPT_ISSUER OPT_VAULT_REQUIRED, { "--issuer-name", "NAME", OPT_REQUIRED, "Name of the issuer." }
#define OPT_ISSUER_REST { "--account-id", "TEXT", 0, "Account at the provider; of VaultyardCA the authority's name, of ACME the directory's URL." }, \
    { "--password", "TEXT", 0, "Of the account, @FILE or - for standard input; of ACME KEYID:KEY of an external account." }, \
    { "--organization-id", "TEXT", 0, "Id of the organisation; of ACME http-01 or dns-01." }, OPT_DISABLED, \
    { "--admin-email", "ADDRESS", 0, "Of its administrator." }, { "--admin-first-name", "NAME", 0, "Likewise." }, { "--admin-last-name", "NAME", 0, "Likewise." }, { "--admin-phone", "NUMBER", 0, "Likewise." }, END
static const Option issuer_create_options[] = { OPT_ISSUER, { "--provider-name", "PROVIDER", OPT_REQUIRED, "VaultyardCA, ACME, ..." }, OPT_ISSUER_REST };
static const Option issuer_update_options[] = { OPT_ISSUER, { "--enabled", "true|false", OPT_VALUE_OPTIONAL, "May certificates be asked from it?" }, { "--provider-name", "PROVIDER", 0, "VaultyardCA, ACME, ..." }, OPT_ISSUER_REST };
static const Option issuer_options[] = { OPT_ISSUER, END };
#define OPT_EMAIL { "--email", "ADDRESS", OPT_REQUIRED, "E-mail address." }
static const Option issuer_admin_options[] = { OPT_ISSUER, OPT_EMAIL, END }, contact_options[] = { OPT_VAULT_REQUIRED, OPT_EMAIL, END };
static const Option issuer_admin_add_options[] = { OPT_ISSUER, OPT_EMAIL, { "--first-name", "NAME", 0, "First name." }, { "--last-name", "NAME", 0, "Last name." }, { "--phone", "NUMBER", 0, "Telephone." }, END };
static const Option contact_add_options[] = { OPT_VAULT_REQUIRED, OPT_EMAIL, { "--name", "NAME", 0, "Name." }, { "--phone", "NUMBER", 0, "Telephone." }, END };
static const Option key_policy_options[] = { OPT_VAULT, OPT_OBJECT, OPT_ID, { "--value", "JSON", OPT_REQUIRED, "The policy, or @FILE." }, END };
#define OPT_SOURCE { "--source-resource-id", "ID", OPT_REQUIRED, "The vault whose events they are, by its resource id." }
#define OPT_EVENT_NAME { "--name -n", "NAME", OPT_REQUIRED, "Name of the event subscription." }
#define OPT_EVENT_FILTER { "--included-event-types", "TYPE", OPT_LIST, "Only these, like Microsoft.KeyVault.SecretNearExpiry; all by default." }, \
                         { "--subject-begins-with", "TEXT", OPT_MAY_BE_EMPTY, "Only objects whose name begins so." }, \
                         { "--subject-ends-with", "TEXT", OPT_MAY_BE_EMPTY, "Only objects whose name ends so." }, \
                         { "--subject-case-sensitive", "true|false", OPT_VALUE_OPTIONAL, "Names compare with their case." }, \
                         { "--labels", "LABEL", OPT_LIST, "Words of your own." }
static const Option event_create_options[] = {
    OPT_SOURCE, OPT_EVENT_NAME, { "--endpoint", "URL", OPT_REQUIRED, "https URL that events are posted to, as CloudEvents 1.0; it is asked for its consent first." },
    { "--endpoint-type", "webhook", 0, "Accepted as in az." }, { "--event-delivery-schema", "cloudeventschemav1_0", 0, "Accepted as in az." }, OPT_EVENT_FILTER,
    { "--max-delivery-attempts", "N", 0, "1 to 30; 30 by default." }, { "--event-ttl", "MINUTES", 0, "How long it is tried, 1 to 1440; 1440 by default." }, END
};
static const Option event_update_options[] = { OPT_SOURCE, OPT_EVENT_NAME, { "--endpoint", "URL", 0, "Where events go from now on." }, OPT_EVENT_FILTER, END };
static const Option event_options[] = { OPT_SOURCE, OPT_EVENT_NAME, END };
static const Option event_show_options[] = { OPT_SOURCE, OPT_EVENT_NAME, { "--include-full-endpoint-url", "true|false", OPT_VALUE_OPTIONAL, "The endpoint with its query, which may be a secret." }, END };
static const Option event_list_options[] = { OPT_SOURCE, END };
static const Option default_policy_options[] = { { "--scaffold", NULL, 0, "All that a policy can say, to be filled in." }, END };
