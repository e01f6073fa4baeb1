/* authority.c - the private CA. */
#include "server/authority.h"
#include <stdlib.h>
#include "base/clock.h"
#include "crypto/bundles/bundle.h"

static const int64_t DAY_MS = 86400000;
enum { CA_YEARS = 10, LEAF_DAYS = 90, LEAF_RENEW_BEFORE_DAYS = 30 };

#define CA_SCOPE STR("site")
static const SealPlace ca_key_place = { .scope = { "site", 4 }, .table = "meta", .row = { "ca_key", 6 }, .column = "value" };

struct Authority { KeyRef *key; Arena *arena; Bytes cert_der; Str cert_pem; };

bool authority_create(Seal *seal, Txn *txn, Arena *arena, Str instance_id, int64_t real_ms, Str *ca_pem, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    static Str usage[] = { { "keyCertSign", 11 }, { "cRLSign", 7 } };
    CertSpec spec = {
        .subject = str_printf(arena, "CN=Vaultyard CA " STR_FMT, STR_ARG(str_slice(instance_id, 0, 8))),
        .key_usage = { usage, COUNT_OF(usage) },
        .is_ca = true,
        .path_length = 0,
        .not_before_ms = real_ms - DAY_MS,                       /* machines whose clocks are a little behind */
        .not_after_ms = real_ms + CA_YEARS * 365 * DAY_MS,
    };
    Bytes der, sealed_key;
    if (!key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, err) || !cert_self_sign(arena, key, &spec, &der, err) ||
        !key_to_pkcs8(key, &pkcs8, err) || !seal_scope_create(seal, txn, CA_SCOPE, err) ||
        !seal_put(seal, txn, ca_key_place, secret_bytes(pkcs8), arena, &sealed_key, err))
        return false;
    *ca_pem = pem_of_cert(arena, der);
    return txn_exec(txn, NULL, err, "INSERT INTO meta (name, value) VALUES ('ca_key', ?1), ('ca_cert', ?2)", db_blob(sealed_key), db_blob(der));
}

typedef struct LoadIn { Seal *seal; Authority *authority; } LoadIn;

static bool meta_blob(Txn *txn, const char *sql, Arena *arena, Bytes *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, sql))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code ? false : err_set(err, ERR_INTERNAL, "the store holds no certificate authority; it was not made by `vaultyard init`");
    *out = bytes_of(str_dup(arena, str_of(row_blob(rows, 0))));
    return out->ptr || err_too_big(err);
}

static bool authority_load(Txn *txn, void *ctx, Err *err)
{
    LoadIn *in = ctx;
    Authority *authority = in->authority;
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Bytes sealed_key;
    return meta_blob(txn, "SELECT value FROM meta WHERE name = 'ca_key'", authority->arena, &sealed_key, err) &&
           meta_blob(txn, "SELECT value FROM meta WHERE name = 'ca_cert'", authority->arena, &authority->cert_der, err) &&
           seal_get(in->seal, txn, ca_key_place, sealed_key, &pkcs8, err) && key_from_pkcs8(secret_bytes(pkcs8), &authority->key, err);
}

bool authority_open(Store *store, Seal *seal, Authority **out, Err *err)
{
    Authority *authority = calloc(1, sizeof *authority);
    if (authority)
        authority->arena = arena_new(64 * 1024);
    if (!authority || !authority->arena) {
        authority_close(authority);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    LoadIn in = { seal, authority };
    if (!store_read(store, authority_load, &in, err)) {
        authority_close(authority);
        return false;
    }
    authority->cert_pem = pem_of_cert(authority->arena, authority->cert_der);
    *out = authority;
    return true;
}

void authority_close(Authority *authority)
{
    if (!authority)
        return;
    key_free(authority->key);
    arena_free(authority->arena);
    free(authority);
}

bool authority_leaf(void *ctx, Arena *arena, Str name, TlsLeaf *out, Err *err)
{
    const Authority *authority = ctx;
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *key_pem = NULL;
    static Str server_auth[] = { { "1.3.6.1.5.5.7.3.1", 17 } }, usage[] = { { "digitalSignature", 16 } };
    static Str localhost[] = { { "localhost", 9 } }, loopbacks[] = { { "127.0.0.1", 9 }, { "::1", 3 } };
    int64_t now = real_now_ms();
    bool for_addresses = name.len == 0;
    CertSpec spec = {
        .subject = STR("CN=Vaultyard"),                           /* names are in the SAN; a CN holds at most 64 characters */
        .dns = for_addresses ? (CertNames){ localhost, 1 } : (CertNames){ &name, 1 },
        .ips = for_addresses ? (CertNames){ loopbacks, 2 } : (CertNames){ 0 },
        .ekus = { server_auth, 1 },
        .key_usage = { usage, 1 },
        .path_length = -1,
        .not_before_ms = now - DAY_MS,
        .not_after_ms = now + LEAF_DAYS * DAY_MS,
    };
    Bytes der;
    if (!key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, err) ||
        !cert_issue(arena, authority->key, authority->cert_der, key, &spec, &der, err))
        return false;
    Bundle bundle = { .key = key, .count = 0 };
    if (!bundle_write_pem(&bundle, true, &key_pem, err))
        return false;
    /* The key is borrowed for the call; it goes into the request's arena only because the TLS library copies it at once. */
    Str key_text = str_dup(arena, str_of(secret_bytes(key_pem)));
    *out = (TlsLeaf){
        .cert_chain_pem = str_printf(arena, STR_FMT STR_FMT, STR_ARG(pem_of_cert(arena, der)), STR_ARG(authority->cert_pem)),
        .key_pem = key_text,
        .renew_at_ms = spec.not_after_ms - LEAF_RENEW_BEFORE_DAYS * DAY_MS,
    };
    return out->cert_chain_pem.ptr && key_text.ptr ? true : err_too_big(err);
}
