/* issuer_acme.h - provider ACME: an issuer that is an account with an authority that speaks RFC 8555.
 *
 * An issuer's members mean (all of them can be set with the SDKs and az):
 *     credentials.account_id   URL of the authority's directory, one that `serve --acme-directory` allows; absent: the first of those
 *     credentials.pwd          external account binding (RFC 8555 section 7.3.4), "KEY ID:MAC key in base64url"; absent: none
 *     org_details.id           how names are proved: "http-01" or "dns-01"; absent: whichever the site can
 *     org_details.admin_details[].email   the account's contacts
 * The account's key is EC P-256, made with the issuer, and never leaves the sealed store. What may be called, trusted and run (directories, CA
 * file, proxy, hook) is the operator's to say, on the command line; nobody who may only write in a vault can set any of it. */
#pragma once
#include "acme/acme.h"
#include "keyvault/certificates/cert_policy.h"
#include "keyvault/issuers/issuer.h"

#define PROVIDER_ACME STR("ACME")
#define ACME_HTTP STR("http-01")
#define ACME_DNS STR("dns-01")
enum { ACME_EMAILS_MAX = 20 };

typedef struct AcmeIssuer {
    Str directory, challenge;
    Str eab_id, eab_key;                /* absent: none */
    Str emails[ACME_EMAILS_MAX];
    size_t email_count;
} AcmeIssuer;

bool issuer_is_acme(const Issuer *issuer);
/* ERR_BAD_INPUT names the member; ERR_NOT_BUILT: the site has no directory. */
bool issuer_acme_read(const KeyVault *kv, Arena *arena, const Issuer *issuer, AcmeIssuer *out, Err *err) MUST_CHECK;
/* With each change of the issuer, whose row exists: gives it an account key unless it has one; where and who is told to the authority anew. */
bool issuer_acme_make(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, Err *err) MUST_CHECK;
bool issuer_acme_erase(Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err) MUST_CHECK;

typedef struct AcmeAccountRow { KeyRef *key; Str url; } AcmeAccountRow;       /* url absent: not known to the authority yet */
/* row->key is the caller's to key_free. ERR_INTERNAL: there is none. */
bool issuer_acme_account(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str issuer, AcmeAccountRow *row, Err *err) MUST_CHECK;
bool issuer_acme_put_url(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str issuer, Str url, Err *err) MUST_CHECK;

/* challenge absent: either kind. What a certificate of this policy is to be proved for: its DNS names and addresses, and the common name if that is a DNS name.
 * ERR_BAD_INPUT names what no such authority certifies. */
bool issuer_acme_names(Arena *arena, const CertPolicy *policy, Str challenge, AcmeName names[ACME_NAMES_MAX], size_t *count, Err *err) MUST_CHECK;
/* The request such an authority takes: all its names are in the alternative names. */
bool issuer_acme_spec(Arena *arena, const CertPolicy *policy, CertSpec *io, Err *err) MUST_CHECK;
