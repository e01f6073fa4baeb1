/* cert_rows.h - what a certificate has besides its versions: its policy, and the operation that makes the next version. */
#pragma once
#include "keyvault/certificates/cert_policy.h"
#include "keyvault/objects/object.h"

bool policy_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, CertPolicy *out, bool *found, Err *err) MUST_CHECK;
bool policy_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy, Err *err) MUST_CHECK;

#define PENDING_IN_PROGRESS STR("inProgress")
#define PENDING_COMPLETED   STR("completed")
#define PENDING_CANCELLED   STR("cancelled")              /* spelled as the SDKs compare it */
#define PENDING_FAILED      STR("failed")

typedef struct PendingRow {
    Str     request_id;                 /* 32 hex digits */
    Str     version;                    /* that the certificate will have */
    Str     status;
    int64_t started_ms;
    Str     issuer;
    Str     csr;                        /* base64 of PKCS#10 */
    bool    cancellation_requested;
    bool    is_enabled;                 /* attributes.enabled that the version will have */
    bool    keeps_order;                /* preserveCertOrder */
    Str     tags_json;                  /* absent: none */
    Str     error_code, error_text;     /* of a failed one */
    Str     details;                    /* of one in progress: what its issuer has to say; absent: nothing */
} PendingRow;

bool pending_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, PendingRow *out, bool *found, Err *err) MUST_CHECK;
/* Replaces the operation of this certificate. key_kept (key_place.h) absent: it needs none any more. */
bool pending_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const PendingRow *row, Bytes key_kept, Err *err) MUST_CHECK;
bool pending_key(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, KeyRef **out, Err *err) MUST_CHECK;
bool pending_erase(Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err) MUST_CHECK;
bool pending_is_in_progress(const PendingRow *row);

/* Members of a CertificateOperation, as the whole body. */
void pending_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, Str name, const PendingRow *row);
bool pending_not_found(Err *err, Str name);

/* Member preserveCertOrder of a body; false in an api-version that does not know it (it came with 7.6). */
bool cert_order_read(const Req *req, const JsonVal *body, bool *keeps, Err *err) MUST_CHECK;

/* May a new version be made or imported under this name? ERR_CONFLICT: deleted, taken by a key or secret, or an operation is in progress. */
typedef struct CertUsable { ObjectRow object; bool exists; PendingRow pending; bool has_pending; } CertUsable;
bool certificate_require_usable(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, CertUsable *out, Err *err) MUST_CHECK;
