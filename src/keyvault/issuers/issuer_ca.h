/* issuer_ca.h - provider VaultyardCA: an issuer that is a private authority of its vault.
 *
 * Setting such an issuer makes an EC P-256 key, which never leaves the sealed store, or the key in the token that org_details.id names ("EC-HSM", "RSA-HSM"),
 * and a certificate of ten years under the name that credentials.account_id gives ("CN=..., O=..." or a bare common name; the issuer's own name if absent). Certificates of the vault whose
 * policy names the issuer are signed by it at once, in chain order, and renew by their lifetime actions.
 *
 * GET /ca/{issuer} is the authority's certificate, GET /crl/{issuer} its revocation list, and POST /ocsp/{issuer} or GET
 * /ocsp/{issuer}/{base64 of a request} say how single certificates stand: in DER and for everybody, as relying parties need them (RFC 5280
 * sections 4.2.1.13, 4.2.2.1 and 5, RFC 6960; issuer_responder.h signs the latter). Revoked is what was disabled, deleted or purged in the vault and has not expired. */
#pragma once
#include "crypto/certificates/cert.h"
#include "keyvault/certificates/cert_policy.h"
#include "keyvault/issuers/issuer.h"
#include "keyvault/keys/key_place.h"

#define PROVIDER_VAULTYARD_CA STR("VaultyardCA")

typedef struct IssuerCa { KeyRef *key; Bytes der; Str name_key, crl_url, ocsp_url, issuer_url; int64_t not_after_ms; bool is_enabled; } IssuerCa;
void issuer_ca_done(IssuerCa *ca);

bool issuer_is_ca(const Issuer *issuer);
/* An authority in the making. Its key and certificate come to be outside of transactions, which a token would hold up. */
typedef struct CaMade { KeyMade key; Bytes der; bool is_used; } CaMade;
/* Does the issuer need one? Not if its row has one. ERR_BAD_INPUT: it has one in software, and is to have one in a token. */
bool issuer_ca_is_wanted(Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, bool *is_wanted, Err *err) MUST_CHECK;
/* ERR_BAD_INPUT: account_id is no name, org_details.id no kind of key, or the vault has no such keys. */
bool issuer_ca_make(KeyVault *kv, Arena *arena, const Vault *vault, const Issuer *issuer, int64_t now_ms, CaMade *out, Err *err) MUST_CHECK;
/* Gives it to the issuer, whose row exists, unless that has one by now: is_used says. ERR_CONFLICT: none was made and one is wanted. */
bool issuer_ca_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, CaMade *made, Err *err) MUST_CHECK;
/* found: the vault has such an issuer, of this provider and enabled. *out is the caller's to issuer_ca_done. */
bool issuer_ca_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, IssuerCa *out, bool *found, Err *err) MUST_CHECK;
/* Also a disabled one: it issues no more, and what it issued is still asked about. Without its key, unless that is asked for: it may not be to be had. */
bool issuer_ca_read(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, bool with_key, IssuerCa *out, bool *found, Err *err) MUST_CHECK;

/* A leaf for `key`, signed by `ca`, or by itself when ca->key is NULL: chain[0], and the authority as chain[1]. */
bool issuer_sign(Arena *arena, const IssuerCa *ca, const KeyRef *key, const CertPolicy *policy, int64_t now_ms, Bytes chain[2], size_t *count, Err *err) MUST_CHECK;
/* In the transaction that publishes what issuer_sign signed; nothing to do without an authority. */
bool issuer_note(Txn *txn, Arena *arena, const Vault *vault, const IssuerCa *ca, Str name, Str version, Bytes leaf, int64_t now_ms, Err *err) MUST_CHECK;
/* The certificate was purged: its versions stay revoked. */
bool issuer_note_gone(Txn *txn, Arena *arena, const Vault *vault, Str name, int64_t now_ms, Err *err) MUST_CHECK;

/* Before a certificate is created: may it be asked from the issuer of its policy? ERR_BAD_INPUT: there is none, or it certifies no such names;
 * ERR_DENIED: disabled; ERR_NOT_BUILT: of a provider that is not there. *spec, unless NULL: what is asked of it, valid from now_ms. */
bool issuer_check(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const CertPolicy *policy, int64_t now_ms, CertSpec *spec, Err *err) MUST_CHECK;
/* *orders: this issuer is asked in steps (acme_order.h), and does not sign here. */
bool issuer_orders(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, bool *orders, Err *err) MUST_CHECK;

Handler issuer_ca_certificate, issuer_ca_crl, issuer_ca_ocsp, issuer_ca_ocsp_get;         /* issuer_public.c */
