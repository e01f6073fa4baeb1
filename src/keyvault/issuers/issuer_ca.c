/* issuer_ca.c - see issuer_ca.h. */
#include "keyvault/issuers/issuer_ca.h"
#include "keyvault/issuers/issuer_acme.h"
#include "keyvault/keys/hsm_key.h"

enum { CA_MONTHS = 120, CA_RSA_BITS = 3072 };

void issuer_ca_done(IssuerCa *ca)
{
    key_free(ca->key);
    *ca = (IssuerCa){ 0 };
}

bool issuer_is_ca(const Issuer *issuer) { return str_eq_nocase(issuer->provider, PROVIDER_VAULTYARD_CA); }

static SealPlace key_place(Arena *arena, const Vault *vault, Str name_key)
{
    return (SealPlace){ vault->scope, "kv_issuer", str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(name_key)), "ca_key" };
}

/* ---- the authority ---- */

static bool ca_subject(Arena *arena, const Issuer *issuer, Str *out)
{
    size_t at;
    Str wanted = str_empty(issuer->account_id) ? issuer->name : issuer->account_id;
    *out = str_find(wanted, STR("="), &at) ? wanted : str_printf(arena, "CN=" STR_FMT, STR_ARG(wanted));
    return out->ptr != NULL;
}

/* "EC", or where the key shall be: org_details.id, as the kind of challenge is for provider ACME. Other texts there name an organisation. */
static bool ca_kty(const Issuer *issuer, Str *kty, Err *err)
{
    Str wanted = json_str(json_get(issuer->org_details, "id"));
    *kty = STR("EC");
    if (!str_ends_nocase(wanted, STR("HSM")))
        return true;
    if (!str_eq_nocase(wanted, STR("EC-HSM")) && !str_eq_nocase(wanted, STR("RSA-HSM")))
        return err_field(err, "org_details.id", "org_details.id '" STR_FMT "' names no kind of key in a hardware module; use EC-HSM or RSA-HSM, or leave it out for a key in software",
                         STR_ARG(str_slice(wanted, 0, 40)));
    *kty = wanted;
    return true;
}

bool issuer_ca_is_wanted(Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, bool *is_wanted, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str kty;
    if (!ca_kty(issuer, &kty, err) ||
        !txn_query(txn, &rows, err, "SELECT hsm_key IS NOT NULL FROM kv_issuer WHERE vault = ?1 AND name_key = ?2 AND ca IS NOT NULL", db_text(vault->id), db_text(str_lower(arena, issuer->name))))
        return false;
    *err = (Err){ 0 };
    *is_wanted = !rows_next(rows, err);
    if (*is_wanted)
        return err->code == ERR_NONE;
    return row_int(rows, 0) || !str_ends_nocase(kty, STR("-HSM")) ||
           err_field(err, "org_details.id", "The issuer " STR_FMT " has its key in software; delete it first, then its name may have one in a hardware module.", STR_ARG(issuer->name));
}

bool issuer_ca_make(KeyVault *kv, Arena *arena, const Vault *vault, const Issuer *issuer, int64_t now_ms, CaMade *out, Err *err)
{
    Str usages[] = { STR("keyCertSign"), STR("cRLSign"), STR("digitalSignature") };     /* the last for OCSP */
    Str kty, kind, subject;
    KeyPlace place;
    KeySpec key_spec;
    if (!ca_subject(arena, issuer, &subject))
        return err_too_big(err);
    CertSpec spec = { .subject = subject, .key_usage = { usages, COUNT_OF(usages) }, .is_ca = true, .path_length = 0,
                      .not_before_ms = now_ms - NOT_BEFORE_LEAD_MS, .not_after_ms = months_later(now_ms, CA_MONTHS) };
    if (!ca_kty(issuer, &kty, err) || !key_place_parse(kv, vault, kty, &place, &kind, err) || !key_want_spec(kind, str_eq_nocase(kind, STR("RSA")) ? CA_RSA_BITS : 0, STR_NONE, &key_spec, err) ||
        !key_made_new(kv, vault, place, key_spec, &out->key, err))
        return false;
    return cert_self_sign(arena, out->key.key, &spec, &out->der, err) ||
           (err->code == ERR_BAD_INPUT && err_field(err, "credentials.account_id", "credentials.account_id: '" STR_FMT "' is no name for an authority; use for example "
                                                    "CN=Team CA, O=Example", STR_ARG(str_slice(subject, 0, 200))));
}

bool issuer_ca_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, CaMade *made, Err *err)
{
    Str name_key = str_lower(arena, issuer->name);
    Bytes sealed;
    if (!issuer_ca_is_wanted(txn, arena, vault, issuer, &made->is_used, err) || !made->is_used)
        return err->code == ERR_NONE;
    if (!made->key.key)
        return err_set(err, ERR_CONFLICT, "The issuer was changed by another request meanwhile; try again.");
    Str hsm_key = hsm_kept_id(arena, secret_bytes(made->key.kept));
    return hsm_name(txn, hsm_key, err) && seal_put(kv->site->seal, txn, key_place(arena, vault, name_key), secret_bytes(made->key.kept), arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "UPDATE kv_issuer SET ca = ?3, ca_key = ?4, hsm_key = ?5 WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(name_key), db_blob(made->der),
                    db_blob(sealed), hsm_key.ptr ? db_text(hsm_key) : db_null());
}

static bool ca_key_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, Rows *rows, KeyRef **out, Err *err)
{
    AUTO(secret_free_auto) Secret *kept = NULL;
    return seal_get(kv->site->seal, txn, key_place(arena, vault, name_key), row_blob(rows, 1), &kept, err) && key_from_kept(kv, vault, secret_bytes(kept), out, err);
}

static bool ca_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, Rows *rows, bool with_key, IssuerCa *out, Err *err)
{
    Bytes stored = row_blob(rows, 0);
    uint8_t *der = arena_alloc(arena, stored.len);
    CertInfo info;
    IssuerCa ca = { .name_key = name_key };
    if (!der)
        return err_too_big(err);
    memcpy(der, stored.ptr, stored.len);
    ca.der = (Bytes){ der, stored.len };
    if (!cert_read(arena, ca.der, &info, err) || (with_key && !ca_key_of_row(kv, txn, arena, vault, name_key, rows, &ca.key, err)))
        return false;
    ca.not_after_ms = info.not_after_ms;
    Str url = site_vault_url(kv->site, arena, vault->name_key);
    ca.crl_url = str_printf(arena, STR_FMT "/crl/" STR_FMT, STR_ARG(url), STR_ARG(name_key));
    ca.ocsp_url = str_printf(arena, STR_FMT "/ocsp/" STR_FMT, STR_ARG(url), STR_ARG(name_key));
    ca.issuer_url = str_printf(arena, STR_FMT "/ca/" STR_FMT, STR_ARG(url), STR_ARG(name_key));
    *out = ca;
    return true;
}

bool issuer_ca_read(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, bool with_key, IssuerCa *out, bool *found, Err *err)
{
    Issuer issuer;
    Str name_key = str_lower(arena, name);
    if (!issuer_find(kv, txn, arena, vault, name, &issuer, found, err))
        return false;
    *found = *found && issuer_is_ca(&issuer);
    if (!*found)
        return true;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT ca, ca_key FROM kv_issuer WHERE vault = ?1 AND name_key = ?2 AND ca IS NOT NULL", db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    if (!ca_of_row(kv, txn, arena, vault, name_key, rows, with_key, out, err))
        return false;
    out->is_enabled = issuer.is_enabled;
    return true;
}

bool issuer_ca_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, IssuerCa *out, bool *found, Err *err)
{
    IssuerCa ca = { 0 };
    if (!issuer_ca_read(kv, txn, arena, vault, name, true, &ca, found, err))
        return false;
    *found = *found && ca.is_enabled;
    if (*found)
        *out = ca;
    else
        issuer_ca_done(&ca);
    return true;
}

static bool acme_check(KeyVault *kv, Arena *arena, const Issuer *issuer, const CertPolicy *policy, CertSpec *spec, Err *err)
{
    AcmeIssuer acme;
    AcmeName names[ACME_NAMES_MAX];
    size_t count;
    return issuer_acme_read(kv, arena, issuer, &acme, err) && issuer_acme_names(arena, policy, acme.challenge, names, &count, err) &&
           (!spec || issuer_acme_spec(arena, policy, spec, err));
}

bool issuer_check(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const CertPolicy *policy, int64_t now_ms, CertSpec *spec, Err *err)
{
    Issuer issuer;
    bool found;
    Str name = policy->issuer;
    if (spec)
        *spec = cert_policy_spec(policy, now_ms);
    if (str_eq(name, ISSUER_SELF) || str_eq(name, ISSUER_UNKNOWN))
        return true;
    if (!issuer_find(kv, txn, arena, vault, name, &issuer, &found, err))
        return false;
    if (!found)
        return err_field(err, "policy.issuer.name", "This vault has no issuer '" STR_FMT "'; use Self, Unknown or one of its issuers.", STR_ARG(name));
    if (!issuer.is_enabled)
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "The issuer '" STR_FMT "' is disabled.", STR_ARG(issuer.name));
    if (issuer_is_acme(&issuer))
        return acme_check(kv, arena, &issuer, policy, spec, err);
    if (!issuer_is_ca(&issuer))
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "Enrolment with provider '" STR_FMT "' is not implemented by this version of Vaultyard; use an issuer "
                         "of provider VaultyardCA or ACME, or Unknown with a certificate request.", STR_ARG(issuer.provider));
    return true;
}

bool issuer_orders(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, bool *orders, Err *err)
{
    Issuer issuer;
    bool found;
    *orders = false;
    if (str_eq(name, ISSUER_SELF) || str_eq(name, ISSUER_UNKNOWN))
        return true;
    if (!issuer_find(kv, txn, arena, vault, name, &issuer, &found, err))
        return false;
    *orders = found && issuer_is_acme(&issuer);
    return true;
}

/* ---- signing ---- */

bool issuer_sign(Arena *arena, const IssuerCa *ca, const KeyRef *key, const CertPolicy *policy, int64_t now_ms, Bytes chain[2], size_t *count, Err *err)
{
    CertSpec spec = cert_policy_spec(policy, now_ms);
    *count = ca->key ? 2 : 1;
    if (!ca->key)
        return cert_self_sign(arena, key, &spec, &chain[0], err);
    if (ca->not_after_ms <= now_ms)
        return err_set(err, ERR_BAD_INPUT, "the authority of the issuer has expired; delete the issuer and set it again");
    spec.crl_url = ca->crl_url;
    spec.ocsp_url = ca->ocsp_url;
    spec.issuer_url = ca->issuer_url;
    spec.not_after_ms = spec.not_after_ms < ca->not_after_ms ? spec.not_after_ms : ca->not_after_ms;     /* a leaf does not outlive its authority */
    chain[1] = ca->der;
    return cert_issue(arena, ca->key, ca->der, key, &spec, &chain[0], err);
}

bool issuer_note(Txn *txn, Arena *arena, const Vault *vault, const IssuerCa *ca, Str name, Str version, Bytes leaf, int64_t now_ms, Err *err)
{
    CertInfo info;
    if (!ca->key)
        return true;
    return cert_read(arena, leaf, &info, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM kv_issued WHERE vault = ?1 AND issuer_key = ?2 AND not_after_ms < ?3", db_text(vault->id), db_text(ca->name_key), db_int(now_ms)) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_issued (vault, issuer_key, serial, name_key, version, not_after_ms, gone_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                    db_text(vault->id), db_text(ca->name_key), db_text(info.serial_hex), db_text(str_lower(arena, name)), db_text(version), db_int(info.not_after_ms));
}

bool issuer_note_gone(Txn *txn, Arena *arena, const Vault *vault, Str name, int64_t now_ms, Err *err)
{
    return txn_exec(txn, NULL, err, "UPDATE kv_issued SET gone_ms = ?3 WHERE vault = ?1 AND name_key = ?2 AND gone_ms = 0", db_text(vault->id),
                    db_text(str_lower(arena, name)), db_int(now_ms));
}
