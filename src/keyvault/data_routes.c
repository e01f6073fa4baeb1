/* data_routes.c - the operations of the data plane, in the order of their paths. Permissions are those of access policies
 * (Key Vault REST documentation, each operation's last sentence). */
#include "keyvault/data_routes.h"
#include "crypto/certificates/ocsp.h"
#include "keyvault/objects/backup.h"
#include "keyvault/certificates/certificate.h"
#include "keyvault/objects/changes.h"
#include "keyvault/certificates/contacts.h"
#include "keyvault/objects/deleted.h"
#include "keyvault/issuers/issuer.h"
#include "keyvault/issuers/issuer_ca.h"
#include "keyvault/keys/key.h"
#include "keyvault/keys/key_release.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/objects/list.h"
#include "keyvault/secrets/secret.h"

/* A secret of 25,600 bytes may take six times that in JSON escapes; beyond, 413 says as much. */
enum { SECRET_BODY = 512 << 10, CERT_BODY = 256 << 10, IMPORT_BODY = 1 << 20, KEY_BODY = 64 << 10, RELEASE_BODY = 128 << 10 };

#define READ(path, may, handler, operation)             { METHOD_GET,    path, NULL, NULL, may, WHERE_INLINE, BODY_NONE, 0,   handler, operation }
#define PUT(path, may, max, handler, operation)         { METHOD_PUT,    path, NULL, NULL, may, WHERE_WORKER, BODY_JSON, max, handler, operation }
#define SET(path, may, max, handler, operation)         { METHOD_PUT,    path, NULL, NULL, may, WHERE_COMMIT, BODY_JSON, max, handler, operation }
#define CHANGE(path, may, max, handler, operation)      { METHOD_PATCH,  path, NULL, NULL, may, WHERE_COMMIT, BODY_JSON, max, handler, operation }
#define REMOVE(path, may, handler, operation)           { METHOD_DELETE, path, NULL, NULL, may, WHERE_COMMIT, BODY_NONE, 0,   handler, operation }
#define POST(path, may, max, handler, operation)        { METHOD_POST,   path, NULL, NULL, may, WHERE_WORKER, BODY_JSON, max, handler, operation }
#define COMPUTE(path, may, max, handler, operation)     { METHOD_POST,   path, NULL, NULL, may, WHERE_COMPUTE, BODY_JSON, max, handler, operation }
#define PATCH(path, may, max, handler, operation)       { METHOD_PATCH,  path, NULL, NULL, may, WHERE_WORKER, BODY_JSON, max, handler, operation }
#define DELETE(path, may, handler, operation)           { METHOD_DELETE, path, NULL, NULL, may, WHERE_WORKER, BODY_NONE, 0,   handler, operation }
#define RESTORE(path, may, handler, operation)          { METHOD_POST,   path, NULL, NULL, may, WHERE_WORKER, BODY_RAW, RESTORE_BODY_MAX, handler, operation }
#define STORAGE(method, path, may, operation)           { METHOD_##method, path, NULL, NULL, may, WHERE_INLINE, BODY_NONE, 0, route_not_built, operation }

const Route data_routes[] = {
    READ("/secrets",                                  "secrets/list",           secret_list,                "SecretList"),
    RESTORE("/secrets/restore",                      "secrets/restore",        secret_restore,              "SecretRestore"),
    SET("/secrets/{name}",                            "secrets/set",            SECRET_BODY, secret_set,    "SecretSet"),
    REMOVE("/secrets/{name}",                         "secrets/delete",         secret_delete,              "SecretDelete"),
    POST("/secrets/{name}/backup",                  "secrets/backup",         KEY_BODY, secret_backup,     "SecretBackup"),
    READ("/secrets/{name}/versions",                  "secrets/list",           secret_list_versions,       "SecretListVersions"),
    READ("/secrets/{name}/{version?}",                "secrets/get",            secret_get,                 "SecretGet"),
    CHANGE("/secrets/{name}/{version?}",               "secrets/set",            SECRET_BODY, secret_update, "SecretUpdate"),

    { METHOD_GET, "/changes", NULL, NULL, "secrets/get", WHERE_PARKED, BODY_NONE, 0, changes_get, "ChangesGet" },                  /* our own */

    READ("/deletedsecrets",                           "secrets/list",           secret_list_deleted,        "SecretListDeleted"),
    READ("/deletedsecrets/{name}",                    "secrets/get",            secret_get_deleted,         "SecretGetDeleted"),
    DELETE("/deletedsecrets/{name}",                  "secrets/purge",          secret_purge,               "SecretPurge"),
    POST("/deletedsecrets/{name}/recover",            "secrets/recover",        KEY_BODY, secret_recover,   "SecretRecover"),

    READ("/keys",                                     "keys/list",              key_list,                   "KeyList"),
    RESTORE("/keys/restore",                         "keys/restore",           key_restore,                 "KeyRestore"),
    PUT("/keys/{name}",                               "keys/import",            KEY_BODY, key_import,       "KeyImport"),
    REMOVE("/keys/{name}",                            "keys/delete",            key_delete,                 "KeyDelete"),
    POST("/keys/{name}/create",                       "keys/create",            KEY_BODY, key_create,       "KeyCreate"),
    POST("/keys/{name}/backup",                     "keys/backup",            KEY_BODY, key_backup,        "KeyBackup"),
    POST("/keys/{name}/rotate",                       "keys/rotate",            KEY_BODY, key_rotate,       "KeyRotate"),
    POST("/keys/{name}/release",                      "keys/release",           RELEASE_BODY, key_release,  "KeyRelease"),      /* of the newest version, as 2025-07-01 has it */
    { METHOD_GET, "/keys/{name}/attestation", "2025-07-01", NULL, "keys/get", WHERE_INLINE, BODY_NONE, 0, key_get, "KeyGetAttestation" },
    READ("/keys/{name}/rotationpolicy",               "keys/getrotationpolicy", key_rotation_get,           "KeyRotationPolicyGet"),
    PUT("/keys/{name}/rotationpolicy",                "keys/setrotationpolicy", KEY_BODY, key_rotation_set, "KeyRotationPolicySet"),
    READ("/keys/{name}/versions",                     "keys/list",              key_list_versions,          "KeyListVersions"),
    READ("/keys/{name}/{version?}",                   "keys/get",               key_get,                    "KeyGet"),
    PATCH("/keys/{name}/{version?}",                  "keys/update",            KEY_BODY, key_update,       "KeyUpdate"),
    COMPUTE("/keys/{name}/{version?}/encrypt",         "keys/encrypt",           KEY_BODY, key_encrypt_op,   "KeyEncrypt"),
    COMPUTE("/keys/{name}/{version?}/decrypt",         "keys/decrypt",           KEY_BODY, key_decrypt_op,   "KeyDecrypt"),
    COMPUTE("/keys/{name}/{version?}/wrapkey",         "keys/wrapKey",           KEY_BODY, key_wrap_op,      "KeyWrap"),
    COMPUTE("/keys/{name}/{version?}/unwrapkey",       "keys/unwrapKey",         KEY_BODY, key_unwrap_op,    "KeyUnwrap"),
    COMPUTE("/keys/{name}/{version?}/sign",            "keys/sign",              KEY_BODY, key_sign_op,      "KeySign"),
    COMPUTE("/keys/{name}/{version?}/verify",          "keys/verify",            KEY_BODY, key_verify_op,    "KeyVerify"),
    POST("/keys/{name}/{version?}/release",            "keys/release",           RELEASE_BODY, key_release,  "KeyRelease"),
    { METHOD_GET, "/keys/{name}/{version?}/attestation", "2025-07-01", NULL, "keys/get", WHERE_INLINE, BODY_NONE, 0, key_get, "KeyGetAttestation" },     /* key_get: no key here has one */
    POST("/rng",                                      "keys/get",               KEY_BODY, random_bytes,     "RandomBytesGet"),

    READ("/deletedkeys",                              "keys/list",              key_list_deleted,           "KeyListDeleted"),
    READ("/deletedkeys/{name}",                       "keys/get",               key_get_deleted,            "KeyGetDeleted"),
    DELETE("/deletedkeys/{name}",                     "keys/purge",             key_purge,                  "KeyPurge"),
    POST("/deletedkeys/{name}/recover",               "keys/recover",           KEY_BODY, key_recover,      "KeyRecover"),

    READ("/certificates",                             "certificates/list",      certificate_list,           "CertificateList"),
    READ("/certificates/contacts",                    "certificates/managecontacts", contacts_get,          "CertificateContactsGet"),
    PUT("/certificates/contacts",                     "certificates/managecontacts", KEY_BODY, contacts_set, "CertificateContactsSet"),
    DELETE("/certificates/contacts",                  "certificates/managecontacts", contacts_delete,       "CertificateContactsDelete"),
    READ("/certificates/issuers",                     "certificates/listissuers", issuer_list,              "CertificateIssuersList"),
    READ("/certificates/issuers/{issuer}",            "certificates/getissuers", issuer_get,                "CertificateIssuerGet"),
    PUT("/certificates/issuers/{issuer}",             "certificates/setissuers", KEY_BODY, issuer_set,      "CertificateIssuerSet"),
    PATCH("/certificates/issuers/{issuer}",           "certificates/setissuers", KEY_BODY, issuer_update,   "CertificateIssuerUpdate"),
    DELETE("/certificates/issuers/{issuer}",          "certificates/deleteissuers", issuer_delete,          "CertificateIssuerDelete"),
    { METHOD_GET,  "/ca/{issuer}",   API_NONE, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, issuer_ca_certificate, "IssuerAuthorityGet" },    /* our own, as the next three */
    { METHOD_GET,  "/crl/{issuer}",  API_NONE, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, issuer_ca_crl, "IssuerRevocationListGet" },
    { METHOD_POST, "/ocsp/{issuer}", API_NONE, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_RAW, OCSP_REQUEST_MAX, issuer_ca_ocsp, "IssuerCertificateStatusPost" },
    { METHOD_GET,  "/ocsp/{issuer}/{request...}", API_NONE, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, issuer_ca_ocsp_get, "IssuerCertificateStatusGet" },
    RESTORE("/certificates/restore",                 "certificates/restore",   certificate_restore,         "CertificateRestore"),
    REMOVE("/certificates/{name}",                    "certificates/delete",    certificate_delete,         "CertificateDelete"),
    POST("/certificates/{name}/create",               "certificates/create",    CERT_BODY, certificate_create, "CertificateCreate"),
    POST("/certificates/{name}/import",               "certificates/import",    IMPORT_BODY, certificate_import, "CertificateImport"),
    POST("/certificates/{name}/backup",             "certificates/backup",    KEY_BODY, certificate_backup,"CertificateBackup"),
    READ("/certificates/{name}/versions",             "certificates/list",      certificate_list_versions,  "CertificateListVersions"),
    READ("/certificates/{name}/policy",               "certificates/get",       certificate_policy_get,     "CertificatePolicyGet"),
    PATCH("/certificates/{name}/policy",              "certificates/update",    CERT_BODY, certificate_policy_update, "CertificatePolicyUpdate"),
    READ("/certificates/{name}/pending",              "certificates/get",       certificate_pending_get,    "CertificatePendingGet"),
    PATCH("/certificates/{name}/pending",             "certificates/update",    KEY_BODY, certificate_pending_update, "CertificatePendingUpdate"),
    DELETE("/certificates/{name}/pending",            "certificates/update",    certificate_pending_delete, "CertificatePendingDelete"),
    POST("/certificates/{name}/pending/merge",        "certificates/create",    CERT_BODY, certificate_pending_merge, "CertificatePendingMerge"),
    READ("/certificates/{name}/{version?}",           "certificates/get",       certificate_get,            "CertificateGet"),
    PATCH("/certificates/{name}/{version?}",          "certificates/update",    CERT_BODY, certificate_update, "CertificateUpdate"),

    READ("/deletedcertificates",                      "certificates/list",      certificate_list_deleted,   "CertificateListDeleted"),
    READ("/deletedcertificates/{name}",               "certificates/get",       certificate_get_deleted,    "CertificateGetDeleted"),
    DELETE("/deletedcertificates/{name}",             "certificates/purge",     certificate_purge,          "CertificatePurge"),
    POST("/deletedcertificates/{name}/recover",       "certificates/recover",   KEY_BODY, certificate_recover, "CertificateRecover"),

    /* Managed storage accounts, which Microsoft has retired. */
    STORAGE(GET,    "/storage",                                    "storage/list",            "StorageList"),
    STORAGE(POST,   "/storage/restore",                            "storage/restore",         "StorageRestore"),
    STORAGE(GET,    "/storage/{name}",                             "storage/get",             "StorageGet"),
    STORAGE(PUT,    "/storage/{name}",                             "storage/set",             "StorageSet"),
    STORAGE(PATCH,  "/storage/{name}",                             "storage/update",          "StorageUpdate"),
    STORAGE(DELETE, "/storage/{name}",                             "storage/delete",          "StorageDelete"),
    STORAGE(POST,   "/storage/{name}/backup",                      "storage/backup",          "StorageBackup"),
    STORAGE(POST,   "/storage/{name}/regeneratekey",               "storage/regeneratekey",   "StorageRegenerateKey"),
    STORAGE(GET,    "/storage/{name}/sas",                         "storage/listsas",         "StorageListSAS"),
    STORAGE(GET,    "/storage/{name}/sas/{sas}",                   "storage/getsas",          "StorageGetSAS"),
    STORAGE(PUT,    "/storage/{name}/sas/{sas}",                   "storage/setsas",          "StorageSetSAS"),
    STORAGE(PATCH,  "/storage/{name}/sas/{sas}",                   "storage/setsas",          "StorageUpdateSAS"),
    STORAGE(DELETE, "/storage/{name}/sas/{sas}",                   "storage/deletesas",       "StorageDeleteSAS"),
    STORAGE(GET,    "/deletedstorage",                             "storage/list",            "StorageListDeleted"),
    STORAGE(GET,    "/deletedstorage/{name}",                      "storage/get",             "StorageGetDeleted"),
    STORAGE(DELETE, "/deletedstorage/{name}",                      "storage/purge",           "StoragePurge"),
    STORAGE(POST,   "/deletedstorage/{name}/recover",              "storage/recover",         "StorageRecover"),
    STORAGE(GET,    "/deletedstorage/{name}/sas",                  "storage/listsas",         "StorageListDeletedSAS"),
    STORAGE(GET,    "/deletedstorage/{name}/sas/{sas}",            "storage/getsas",          "StorageGetDeletedSAS"),
    STORAGE(POST,   "/deletedstorage/{name}/sas/{sas}/recover",    "storage/recover",         "StorageRecoverSAS"),
};
const size_t data_route_count = COUNT_OF(data_routes);
