/* cert_issue.h - making a version of a certificate: key, certificate, backing secret and key entry, all of one name and version.
 *
 * What takes time (keys, signatures, PKCS#12) is made before the transaction that publishes it. */
#pragma once
#include "crypto/bundles/bundle.h"
#include "keyvault/certificates/cert_rows.h"
#include "keyvault/issuers/issuer_ca.h"
#include "keyvault/keys/key_place.h"

#define WORK_ISSUE "certificate.issue"
#define WORK_RENEW "certificate.renew"

typedef struct CertMaterial {
    Str     version;
    Secret *key_kept, *secret_value;    /* its; wiped by cert_material_done */
    Str     certificate_doc, key_doc, secret_doc;
    int64_t not_before_ms, not_after_ms;
} CertMaterial;
void cert_material_done(CertMaterial *material);
DEFINE_AUTO_DONE(CertMaterial, cert_material_done)

/* A key as the policy wants it, where it wants it; or `reused`, if that is not NULL. Outside of transactions. */
bool cert_key_make(KeyVault *kv, const Vault *vault, const CertPolicy *policy, KeyRef *reused, KeyMade *out, Err *err) MUST_CHECK;
/* preserveCertOrder: the secret has the chain in the order in which it came. came_as as in Bundle; NULL: it came leaf first. */
typedef struct ChainOrder { bool keeps; const size_t *came_as; } ChainOrder;
/* From a key and its chain (leaf first), under a policy. */
bool cert_material_make(Arena *arena, KeyRef *key, const Bytes *chain, size_t count, ChainOrder order, const CertPolicy *policy, Str version, Str tags_json,
                        CertMaterial *out, Err *err) MUST_CHECK;

/* Writes the version under certificate, key and secret, feeds the changes and schedules the next renewal. */
bool certificate_publish(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertMaterial *material,
                         const CertPolicy *policy, bool is_enabled, int64_t now_ms, Err *err) MUST_CHECK;

/* Puts the renewal of the current version where the policy says, or cancels it: called with every change of either. */
bool certificate_schedule(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy,
                          const Attributes *current, Err *err) MUST_CHECK;
/* When an operation of an issuer elsewhere ended: the next renewal is not at once, even if it is due. What such an issuer made may be shorter-lived
 * than the policy thinks, and what it refused it would refuse again. */
bool certificate_renew_later(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy, bool has_failed,
                             int64_t now_ms, Err *err) MUST_CHECK;
/* After a deletion was undone: renewal and a pending operation go on. */
bool certificate_resume(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err) MUST_CHECK;
Str  certificate_work_key(Arena *arena, const Vault *vault, Str name);        /* "<vault id>/<name in lower case>" */
bool certificate_of_work(KeyVault *kv, Txn *txn, Arena *arena, Str work_key, Vault *vault, Str *name_key, bool *found, Err *err) MUST_CHECK;   /* found: vault and certificate are there and live */

/* The key of an earlier version if the policy reuses it and it still fits, else NULL. */
bool certificate_key_to_reuse(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Str version, const CertPolicy *policy,
                              KeyRef **out, Err *err) MUST_CHECK;

RunnerFn certificate_issue_run;         /* completes a pending operation of an issuer that signs here; ctx is the KeyVault */
RunnerFn certificate_renew_run;         /* renew.c */
