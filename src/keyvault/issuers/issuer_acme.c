/* issuer_acme.c - see issuer_acme.h. */
#include "keyvault/issuers/issuer_acme.h"
#include "base/encode.h"

enum { EAB_ID_MAX = 200, DOC_MAX_BYTES = 16 << 10, DNS_NAME_MAX = 253 };

bool issuer_is_acme(const Issuer *issuer) { return str_eq_nocase(issuer->provider, PROVIDER_ACME); }

/* ---- members ---- */

static bool read_directory(const AcmeSettings *site, const Issuer *issuer, AcmeIssuer *out, Err *err)
{
    if (!site || site->directory_count == 0)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "This site has no ACME server to ask: its operator names them with serve --acme-directory.");
    out->directory = site->directories[0];
    if (str_empty(issuer->account_id))
        return true;
    for (size_t i = 0; i < site->directory_count; i++)
        if (str_eq(issuer->account_id, site->directories[i])) {
            out->directory = site->directories[i];
            return true;
        }
    return err_field(err, "credentials.account_id", "credentials.account_id: '" STR_FMT "' is no ACME directory that this site may call (serve --acme-directory); use "
                     STR_FMT " or leave it out", STR_ARG(str_slice(issuer->account_id, 0, 200)), STR_ARG(site->directories[0]));
}

static bool read_challenge(const AcmeSettings *site, const Issuer *issuer, AcmeIssuer *out, Err *err)
{
    bool can_http = site->serves_http || site->hook, can_dns = site->hook != NULL;
    Str wanted = json_str(json_get(issuer->org_details, "id"));
    out->challenge = str_empty(wanted) ? (site->serves_http || !can_dns ? ACME_HTTP : ACME_DNS) : str_eq_nocase(wanted, ACME_HTTP) ? ACME_HTTP
                   : str_eq_nocase(wanted, ACME_DNS) ? ACME_DNS : STR_NONE;
    if (!out->challenge.ptr)
        return err_field(err, "org_details.id", "org_details.id says how names are proved: http-01 or dns-01");
    if (str_eq(out->challenge, ACME_HTTP) ? can_http : can_dns)
        return true;
    return err_field(err, "org_details.id", "This site cannot answer " STR_FMT ": its operator gives serve %s.", STR_ARG(out->challenge),
                     str_eq(out->challenge, ACME_HTTP) ? "--acme-http-listen or --acme-hook" : "--acme-hook");
}

static bool read_binding(Arena *arena, const Issuer *issuer, AcmeIssuer *out, Err *err)
{
    Str rest = issuer->password;
    Bytes key;
    if (str_empty(issuer->password))
        return true;
    out->eab_id = str_cut(&rest, ':');
    out->eab_key = rest;
    Err why = { 0 };
    if (str_empty(out->eab_id) || out->eab_id.len > EAB_ID_MAX || str_empty(rest) || !base64url_decode(arena, rest, &key, &why))
        return err_field(err, "credentials.pwd", "credentials.pwd of an ACME issuer is its external account binding, KEYID:KEY with the MAC key in base64url");
    secret_wipe((void *)(uintptr_t)key.ptr, key.len);
    return true;
}

bool issuer_acme_read(const KeyVault *kv, Arena *arena, const Issuer *issuer, AcmeIssuer *out, Err *err)
{
    AcmeIssuer acme = { 0 };
    if (!read_directory(kv->acme, issuer, &acme, err) || !read_challenge(kv->acme, issuer, &acme, err) || !read_binding(arena, issuer, &acme, err))
        return false;
    const JsonVal *admins = json_get(issuer->org_details, "admin_details");
    for (size_t i = 0; i < json_count(admins) && acme.email_count < ACME_EMAILS_MAX; i++) {
        Str email = json_str(json_get(json_at(admins, i), "email"));
        if (!str_empty(email))
            acme.emails[acme.email_count++] = email;
    }
    *out = acme;
    return true;
}

/* ---- the account ---- */

static SealPlace place(Arena *arena, const Vault *vault, Str issuer_key, const char *column)
{
    return (SealPlace){ vault->scope, "kv_acme_account", str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(issuer_key)), column };
}

static bool seal_doc(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str issuer_key, Str url, Bytes *out, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, DOC_MAX_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "url", url);
    json_close(&w);
    return json_end(&w, err) && seal_put(kv->site->seal, txn, place(arena, vault, issuer_key, "doc"), buf_bytes(&text), arena, out, err);
}

bool issuer_acme_put_url(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str issuer, Str url, Err *err)
{
    Str issuer_key = str_lower(arena, issuer);
    Bytes doc;
    return seal_doc(kv, txn, arena, vault, issuer_key, url, &doc, err) &&
           txn_exec(txn, NULL, err, "UPDATE kv_acme_account SET doc = ?3 WHERE vault = ?1 AND issuer_key = ?2", db_text(vault->id), db_text(issuer_key), db_blob(doc));
}

bool issuer_acme_make(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const Issuer *issuer, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Str issuer_key = str_lower(arena, issuer->name);
    AcmeIssuer acme;
    Bytes doc, sealed;
    return issuer_acme_read(kv, arena, issuer, &acme, err) && key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, err) &&
           key_to_pkcs8(key, &pkcs8, err) && seal_doc(kv, txn, arena, vault, issuer_key, STR_NONE, &doc, err) &&
           seal_put(kv->site->seal, txn, place(arena, vault, issuer_key, "key"), secret_bytes(pkcs8), arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_acme_account (vault, issuer_key, doc, key) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (vault, issuer_key) DO UPDATE SET doc = excluded.doc",
                    db_text(vault->id), db_text(issuer_key), db_blob(doc), db_blob(sealed));
}

bool issuer_acme_erase(Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_acme_account WHERE vault = ?1 AND issuer_key = ?2", db_text(vault->id), db_text(str_lower(arena, name)));
}

bool issuer_acme_account(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str issuer, AcmeAccountRow *row, Err *err)
{
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Str issuer_key = str_lower(arena, issuer), text;
    const JsonVal *doc;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT doc, key FROM kv_acme_account WHERE vault = ?1 AND issuer_key = ?2", db_text(vault->id), db_text(issuer_key)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code != ERR_NONE ? false : err_set(err, ERR_INTERNAL, "the ACME issuer " STR_FMT " has no account key", STR_ARG(issuer_key));
    if (!seal_get_text(kv->site->seal, txn, place(arena, vault, issuer_key, "doc"), row_blob(rows, 0), arena, &text, err) || !json_parse(arena, text, JSON_STRICT, &doc, err) ||
        !seal_get(kv->site->seal, txn, place(arena, vault, issuer_key, "key"), row_blob(rows, 1), &pkcs8, err))
        return false;
    row->url = json_str(json_get(doc, "url"));
    return key_from_pkcs8(secret_bytes(pkcs8), &row->key, err);
}

/* ---- names ---- */

static bool is_dns_name(Str name)
{
    size_t dots = 0;
    if (str_starts(name, STR("*.")))
        name = str_slice(name, 2, name.len);
    if (str_empty(name) || name.len > DNS_NAME_MAX || name.ptr[0] == '-' || name.ptr[0] == '.' || name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], folded = (char)(c | 0x20);
        if ((folded < 'a' || folded > 'z') && (c < '0' || c > '9') && c != '-' && c != '.')
            return false;
        dots += c == '.';
    }
    return dots > 0;
}

static bool has_name(const AcmeName *names, size_t count, Str text)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(names[i].text, text))
            return true;
    return false;
}

bool issuer_acme_names(Arena *arena, const CertPolicy *policy, Str challenge, AcmeName names[ACME_NAMES_MAX], size_t *count, Err *err)
{
    Str common = STR_NONE;
    size_t n = 0;
    if (policy->emails.count || policy->upns.count || policy->uris.count)
        return err_field(err, "policy.x509_props.sans", "An ACME server certifies DNS names and IP addresses; the policy must have no e-mail address, UPN or URI in x509_props.sans.");
    if (policy->dns_names.count + policy->ips.count + 1 > ACME_NAMES_MAX)
        return err_field(err, "policy.x509_props.sans", "A certificate of an ACME server may have at most %d names.", ACME_NAMES_MAX - 1);
    for (size_t i = 0; i < policy->dns_names.count; i++) {
        Str name = str_lower(arena, policy->dns_names.items[i]);
        if (!is_dns_name(name))
            return err_field(err, "policy.x509_props.sans.dns_names", "'" STR_FMT "' is no DNS name that an ACME server could certify", STR_ARG(str_slice(name, 0, 200)));
        if (!has_name(names, n, name))
            names[n++] = (AcmeName){ false, name };
    }
    for (size_t i = 0; i < policy->ips.count; i++)
        names[n++] = (AcmeName){ true, policy->ips.items[i] };
    if (!cert_common_name(arena, policy->subject, &common, err))
        return false;
    common = str_lower(arena, common);
    if (common.ptr && !has_name(names, n, common)) {
        if (!is_dns_name(common))
            return err_field(err, "policy.x509_props.subject", "An ACME server takes a common name only if it is one of the certificate's names; '" STR_FMT "' is not", STR_ARG(str_slice(common, 0, 200)));
        names[n++] = (AcmeName){ false, common };
    }
    for (size_t i = 0; i < n; i++)
        if (str_eq(challenge, ACME_HTTP) ? str_starts(names[i].text, STR("*.")) : str_eq(challenge, ACME_DNS) && names[i].is_ip)
            return err_field(err, "policy.x509_props.sans", "'" STR_FMT "' cannot be proved by " STR_FMT "; use an issuer with %s", STR_ARG(names[i].text), STR_ARG(challenge),
                             names[i].is_ip ? "http-01" : "dns-01");
    if (n == 0)
        return err_field(err, "policy.x509_props.sans.dns_names", "A certificate of an ACME server needs a DNS name or an IP address.");
    *count = n;
    return arena_ok(arena) || err_too_big(err);
}

bool issuer_acme_spec(Arena *arena, const CertPolicy *policy, CertSpec *io, Err *err)
{
    AcmeName names[ACME_NAMES_MAX];
    size_t count;
    if (!issuer_acme_names(arena, policy, STR_NONE, names, &count, err))
        return false;
    CertNames dns = { ARENA_ARRAY(arena, Str, count), 0 };
    if (!dns.items)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++)
        if (!names[i].is_ip)
            dns.items[dns.count++] = names[i].text;
    io->dns = dns;
    return true;
}
