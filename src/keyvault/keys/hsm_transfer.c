/* hsm_transfer.c - "bring your own key": a key that another HSM wrapped for a key of this vault's token ("Bring your own key specification").
 *
 * The key exchange key is an RSA-HSM key of the same vault whose key_ops is ["import"] and nothing else. The transfer blob is a JSON document:
 * {"schema_version":"1.0.0","header":{"kid","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext","generator"}. */
#include "base/encode.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key.h"

enum { CIPHERTEXT_MAX = 8 * 1024 };

typedef struct BlobIn { Str schema_version, ciphertext, generator; const JsonVal *header; } BlobIn;
static const JsonField blob_fields[] = {
    JSON_FIELD(BlobIn, schema_version, "schema_version", JSON_REQUIRED),
    JSON_FIELD(BlobIn, header,         "header",         JSON_REQUIRED),
    JSON_FIELD(BlobIn, ciphertext,     "ciphertext",     JSON_REQUIRED),
    JSON_FIELD(BlobIn, generator,      "generator",      JSON_OPTIONAL),
};

typedef struct HeaderIn { Str kid, alg, enc; } HeaderIn;
static const JsonField header_fields[] = {
    JSON_FIELD(HeaderIn, kid, "kid", JSON_REQUIRED),
    JSON_FIELD(HeaderIn, alg, "alg", JSON_REQUIRED),
    JSON_FIELD(HeaderIn, enc, "enc", JSON_REQUIRED),
};

typedef struct Exchange { Req *req; Str name, version; Bytes ciphertext; Secret *kept; } Exchange;

static bool blob_read(Req *req, Str key_hsm, Exchange *out, Err *err)
{
    const KeyVault *kv = req->ctx;
    const JsonVal *root;
    BlobIn in = { 0 };
    HeaderIn header = { 0 };
    Bytes text;
    Str vault, collection;
    Err why = { 0 };
    if (!base64url_decode(req->arena, key_hsm, &text, &why))
        return arena_ok(req->arena) ? err_field(err, "key.key_hsm", "key.key_hsm must be the transfer blob, base64url") : err_too_big(err);
    if (!json_parse(req->arena, str_of(text), JSON_STRICT, &root, &why))
        return err_field(err, "key.key_hsm", "the transfer blob in key.key_hsm is no JSON document: %.200s", why.text);
    if (!json_read(root, "key_hsm", blob_fields, COUNT_OF(blob_fields), &in, err) || !json_read(in.header, "key_hsm.header", header_fields, COUNT_OF(header_fields), &header, err))
        return false;
    if (!str_eq(in.schema_version, STR("1.0.0")))
        return err_field(err, "key_hsm.schema_version", "key_hsm.schema_version must be 1.0.0");
    if (!str_eq(header.alg, STR("dir")))
        return err_field(err, "key_hsm.header.alg", "key_hsm.header.alg must be dir");
    if (!str_eq(header.enc, STR("CKM_RSA_AES_KEY_WRAP")))
        return err_field(err, "key_hsm.header.enc", "key_hsm.header.enc must be CKM_RSA_AES_KEY_WRAP");
    if (!base64url_decode(req->arena, in.ciphertext, &out->ciphertext, &why) || out->ciphertext.len > CIPHERTEXT_MAX)
        return err_field(err, "key_hsm.ciphertext", "key_hsm.ciphertext must be base64url of at most %d bytes", CIPHERTEXT_MAX);
    if (!site_split_vault_url(kv->site, req->arena, header.kid, &vault, &collection, &out->name, &out->version, &why) || !str_eq(vault, req_vault(req)->name_key) ||
        !str_eq(collection, STR("keys")))
        return err_field(err, "key_hsm.header.kid", "key_hsm.header.kid must name a key of this vault, which the transfer was wrapped for");
    return true;
}

static bool only_imports(const JsonVal *doc)
{
    const JsonVal *ops = json_get(doc, "key_ops");
    return json_count(ops) == 1 && str_eq(json_str(json_at(ops, 0)), STR("import"));
}

static bool exchange_txn(Txn *txn, void *ctx, Err *err)
{
    Exchange *exchange = ctx;
    Req *req = exchange->req;
    ObjectRow object;
    VersionRow row;
    int64_t now_s = req->now_ms / 1000;
    secret_free(TAKE(exchange->kept));                      /* run again */
    if (!object_require(req->ctx, txn, req->arena, req_vault(req), KV_KEY, exchange->name, exchange->version.ptr ? exchange->version : STR(""), &object, &row, err))
        return false;
    if (key_place_of_doc(row.doc) != PLACE_TOKEN || key_kind_of_doc(row.doc) != KEY_RSA || !only_imports(row.doc))
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "Key " STR_FMT " is no key exchange key: that is an RSA-HSM key whose key_ops is import and nothing else.",
                         STR_ARG(object.name));
    if (!row.attributes.enabled)
        return err_named(err, ERR_DENIED, "Forbidden", "KeyDisabled", "Operation import is not allowed on a disabled key.");
    if ((row.attributes.nbf_s.set && now_s < row.attributes.nbf_s.value) || (row.attributes.exp_s.set && now_s >= row.attributes.exp_s.value))
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "The key exchange key " STR_FMT " is not valid now.", STR_ARG(object.name));
    return version_value(req->ctx, txn, req->arena, req_vault(req), KV_KEY, object.name, row.version, &exchange->kept, err) &&
           (exchange->kept || err_set(err, ERR_INTERNAL, "a key exchange key has no private half"));
}

bool key_import_transfer(Req *req, Str key_hsm, KeyKind kind, KeyMade *out, Err *err)
{
    KeyVault *kv = req->ctx;
    Exchange exchange = { .req = req };
    bool good = blob_read(req, key_hsm, &exchange, err) && store_read(kv->site->store, exchange_txn, &exchange, err) &&
                hsm_transfer(kv, req_vault(req), kind, secret_bytes(exchange.kept), exchange.ciphertext, out, err);
    secret_free(exchange.kept);
    return good;
}
