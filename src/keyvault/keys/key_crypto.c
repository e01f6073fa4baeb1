/* key_crypto.c - encrypt, decrypt, wrap, unwrap, sign and verify with a key of the vault.
 *
 * Outside nbf and exp a key still decrypts, unwraps and verifies, so that old data stays readable; a disabled key does
 * nothing ("About keys", key attributes). */
#include "base/encode.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key.h"
#include "keyvault/keys/key_facts.h"
#include "keyvault/vaults/throttle.h"

/* Goes on outside nbf and exp. */
static bool is_for_old_data(CryptoOp op) { return op == OP_DECRYPT || op == OP_UNWRAP || op == OP_VERIFY; }

enum { MODULUS_DIGITS_2048 = 342 };     /* of base64url: longer keys take a millisecond and more */

typedef struct Crypto { Req *req; Reply *reply; CryptoOp op; KeyFacts facts; KeyRef *key; bool is_elsewhere; } Crypto;

static bool check_allowed(const Crypto *crypto, Err *err)
{
    const char *name = crypto_op_name(crypto->op);
    const KeyFacts *facts = &crypto->facts;
    int64_t now_s = crypto->req->now_ms / 1000;
    if (!facts->is_enabled)
        return err_named(err, ERR_DENIED, "Forbidden", "KeyDisabled", "Operation %s is not allowed on a disabled key.", name);
    if (!is_for_old_data(crypto->op) && facts->nbf_s.set && now_s < facts->nbf_s.value)
        return err_named(err, ERR_DENIED, "Forbidden", "KeyNotYetValid", "Operation %s is not allowed on a key that is not yet valid.", name);
    if (!is_for_old_data(crypto->op) && facts->exp_s.set && now_s >= facts->exp_s.value)
        return err_named(err, ERR_DENIED, "Forbidden", "KeyExpired", "Operation %s is not allowed on an expired key.", name);
    return facts->allows[crypto->op] ||
           err_named(err, ERR_DENIED, "Forbidden", NULL, "Operation %s is not permitted on this key: its key_ops do not name it.", name);
}

/* A token is waited for; the private half of a long key computes too long for an event loop. */
static bool takes_long(const Crypto *crypto)
{
    bool is_private = crypto->op == OP_SIGN || crypto->op == OP_UNWRAP || crypto->op == OP_DECRYPT;
    return crypto->facts.is_in_token || (is_private && crypto->facts.modulus_digits > MODULUS_DIGITS_2048);
}

static KeyRef *cached_key(const Crypto *crypto)
{
    const KeyVault *kv = crypto->req->ctx;
    Str name_key = str_lower(crypto->req->arena, key_facts_name(&crypto->facts));
    return key_cache_get(kv->keys, req_vault(crypto->req)->id, name_key, key_facts_version(&crypto->facts));
}

static bool crypto_read_txn(Txn *txn, void *ctx, Err *err)
{
    Crypto *crypto = ctx;
    Req *req = crypto->req;
    const KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    AUTO(secret_free_auto) Secret *kept = NULL;
    ObjectRow object;
    VersionRow row;
    key_free(TAKE(crypto->key));                              /* run again: of the snapshot before */
    if (!object_require(req->ctx, txn, req->arena, vault, KV_KEY, req->params[0], req_param(req, "version"), &object, &row, err))
        return false;
    key_facts_of(&object, &row, crypto->facts.commits, &crypto->facts);
    if (!check_allowed(crypto, err) || (crypto->facts.is_in_token && !hsm_check(kv, vault, err)))
        return false;
    crypto->is_elsewhere = takes_long(crypto) && reply_on_worker(req, crypto->reply);
    if (crypto->is_elsewhere)
        return true;
    crypto->key = cached_key(crypto);
    if (crypto->key)
        return true;
    if (!version_value(req->ctx, txn, req->arena, vault, KV_KEY, object.name, row.version, &kept, err))
        return false;
    if (!kept)
        return err_set(err, ERR_INTERNAL, "key " STR_FMT " has no private part", STR_ARG(object.name));
    if (!key_place_open(req->ctx, vault, row.doc, secret_bytes(kept), &crypto->key, err))
        return false;
    key_cache_put(kv->keys, vault->id, object.name_key, row.version, crypto->key);
    return true;
}

/* From memory when nothing was committed since it was read, or from the store. */
static bool find_key(Crypto *crypto, Err *err)
{
    Req *req = crypto->req;
    const KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    Str name = req->params[0], version = req_param(req, "version");
    if (key_facts_look(kv, vault, req->arena, name, version, &crypto->facts)) {
        if (!check_allowed(crypto, err))
            return false;
        crypto->is_elsewhere = takes_long(crypto) && reply_on_worker(req, crypto->reply);
        crypto->key = crypto->is_elsewhere ? NULL : cached_key(crypto);
        if (crypto->is_elsewhere || crypto->key)
            return true;
    }
    crypto->facts.commits = store_commits(kv->site->store);   /* before the look, so what comes in between is looked at again */
    if (!store_read(kv->site->store, crypto_read_txn, crypto, err))
        return false;
    key_facts_keep(kv, vault, req->arena, name, version, &crypto->facts);
    return true;
}

typedef struct CryptoIn { Str alg, value, digest, iv, tag, aad; } CryptoIn;
static const JsonField value_fields[] = {
    JSON_FIELD(CryptoIn, alg,   "alg",   JSON_REQUIRED),
    JSON_FIELD(CryptoIn, value, "value", JSON_REQUIRED),
    JSON_FIELD(CryptoIn, iv,    "iv",    JSON_OPTIONAL),
    JSON_FIELD(CryptoIn, tag,   "tag",   JSON_OPTIONAL),
    JSON_FIELD(CryptoIn, aad,   "aad",   JSON_OPTIONAL),
};
static const JsonField verify_fields[] = {
    JSON_FIELD(CryptoIn, alg,    "alg",    JSON_REQUIRED),
    JSON_FIELD(CryptoIn, value,  "value",  JSON_REQUIRED),
    JSON_FIELD(CryptoIn, digest, "digest", JSON_REQUIRED),
};

static bool decode(Arena *arena, Str text, const char *field, Bytes *out, Err *err)
{
    return base64url_decode(arena, text, out, err) || err_field(err, field, "%s must be base64url without padding", field);
}

static bool decode_if_given(Arena *arena, Str text, const char *field, Bytes *out, Err *err)
{
    return !text.len || decode(arena, text, field, out, err);
}

static void put_if_any(JsonWriter *w, Arena *arena, const char *name, Bytes bytes)
{
    if (bytes.len)
        json_put_str(w, name, base64url_encode(arena, bytes));
}

static void reply_cipher_text(const Crypto *crypto, Reply *reply, const CipherText *result)
{
    Req *req = crypto->req;
    Str text = base64url_encode(req->arena, result->value);
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "kid", object_url(req->ctx, req->arena, req_vault(req), KV_KEY, key_facts_name(&crypto->facts), key_facts_version(&crypto->facts)));
    json_put_str(&reply->json, "value", text);
    put_if_any(&reply->json, req->arena, "iv", result->iv);
    put_if_any(&reply->json, req->arena, "tag", result->tag);
    put_if_any(&reply->json, req->arena, "aad", result->aad);
    json_close(&reply->json);
    if (text.ptr)
        secret_wipe((void *)(uintptr_t)text.ptr, text.len);          /* may be what was decrypted */
}

static void reply_value(const Crypto *crypto, Reply *reply, Bytes value)
{
    const CipherText result = { .value = value };
    reply_cipher_text(crypto, reply, &result);
}

/* With a symmetric key. Wrapping and encrypting have algorithms of their own ("Key types, algorithms, and operations", symmetric keys). */
static bool cipher(const Crypto *crypto, const CryptoIn *in, Reply *reply, Err *err)
{
    Arena *arena = crypto->req->arena;
    CipherAlg alg;
    CipherText given = { 0 }, made;
    bool wraps = crypto->op == OP_WRAP || crypto->op == OP_UNWRAP;
    if (!cipher_alg_parse(in->alg, &alg) || cipher_alg_wraps(alg) != wraps)
        return err_field(err, "alg", wraps ? "alg must be A128KW, A192KW, A256KW, CKM_AES_KEY_WRAP or CKM_AES_KEY_WRAP_PAD to wrap with a symmetric key"
                                           : "alg must be A128, A192 or A256 with GCM, CBC or CBCPAD to encrypt with a symmetric key");
    if (!decode(arena, in->value, "value", &given.value, err) || !decode_if_given(arena, in->iv, "iv", &given.iv, err) ||
        !decode_if_given(arena, in->tag, "tag", &given.tag, err) || !decode_if_given(arena, in->aad, "aad", &given.aad, err))
        return false;
    if (crypto->op == OP_ENCRYPT || crypto->op == OP_WRAP) {
        if (!key_encrypt(crypto->key, alg, given.value, given.iv, given.aad, arena, &made, err))
            return false;
        reply_cipher_text(crypto, reply, &made);
        return true;
    }
    AUTO(secret_free_auto) Secret *plain = NULL;
    if (!key_decrypt(crypto->key, alg, &given, &plain, err))
        return false;
    reply_value(crypto, reply, secret_bytes(plain));
    return true;
}

static bool wrap(const Crypto *crypto, const CryptoIn *in, Reply *reply, Err *err)
{
    Arena *arena = crypto->req->arena;
    WrapAlg alg;
    Bytes value, out;
    if (key_spec(crypto->key).kind == KEY_OCT)
        return cipher(crypto, in, reply, err);
    if (key_spec(crypto->key).kind != KEY_RSA || !wrap_alg_parse(in->alg, &alg))
        return err_field(err, "alg", "alg must be RSA-OAEP-256, RSA-OAEP or RSA1_5, with an RSA key");
    if (!decode(arena, in->value, "value", &value, err))
        return false;
    if (crypto->op == OP_ENCRYPT || crypto->op == OP_WRAP) {
        if (!key_wrap(crypto->key, alg, value, arena, &out, err))
            return false;
        reply_value(crypto, reply, out);
        return true;
    }
    AUTO(secret_free_auto) Secret *plain = NULL;
    if (!key_unwrap(crypto->key, alg, value, &plain, err))
        return false;
    reply_value(crypto, reply, secret_bytes(plain));
    return true;
}

static void reply_verdict(Reply *reply, bool is_valid)
{
    json_open(&reply->json, NULL);
    json_put_bool(&reply->json, "value", is_valid);
    json_close(&reply->json);
}

/* With a symmetric key: HMAC over the digest that is given, as the asymmetric algorithms sign what is given. */
static bool authenticate(const Crypto *crypto, const CryptoIn *in, Reply *reply, Err *err)
{
    Arena *arena = crypto->req->arena;
    bool verifies = crypto->op == OP_VERIFY;
    const char *field = verifies ? "digest" : "value";
    MacAlg alg;
    Bytes digest, mac, given;
    if (!mac_alg_parse(in->alg, &alg))
        return err_field(err, "alg", "alg must be HS256, HS384 or HS512 with a symmetric key");
    if (!decode(arena, verifies ? in->digest : in->value, field, &digest, err))
        return false;
    if (digest.len != mac_alg_size(alg))
        return err_field(err, field, "the digest for " STR_FMT " must have %zu bytes, not %zu", STR_ARG(in->alg), mac_alg_size(alg), digest.len);
    if ((verifies && !decode(arena, in->value, "value", &given, err)) || !key_mac(crypto->key, alg, digest, arena, &mac, err))
        return false;
    if (verifies)
        reply_verdict(reply, secret_equal(mac, given));
    else
        reply_value(crypto, reply, mac);
    return true;
}

static bool sign(const Crypto *crypto, const CryptoIn *in, Reply *reply, Err *err)
{
    Arena *arena = crypto->req->arena;
    SignAlg alg;
    Bytes digest, signature;
    bool verifies = crypto->op == OP_VERIFY, is_valid;
    if (key_spec(crypto->key).kind == KEY_OCT)
        return authenticate(crypto, in, reply, err);
    if (!sign_alg_parse(in->alg, &alg))
        return err_field(err, "alg", "alg '" STR_FMT "' is not one this key type signs with: RS, PS or ES with 256, 384 or 512, or ES256K", STR_ARG(in->alg));
    if (!decode(arena, verifies ? in->digest : in->value, verifies ? "digest" : "value", &digest, err))
        return false;
    if (digest.len != sign_alg_digest_size(alg))
        return err_field(err, verifies ? "digest" : "value", "the digest for " STR_FMT " must have %zu bytes, not %zu", STR_ARG(in->alg),
                         sign_alg_digest_size(alg), digest.len);
    if (!verifies) {
        if (!key_sign_digest(crypto->key, alg, digest, arena, &signature, err))
            return false;
        reply_value(crypto, reply, signature);
        return true;
    }
    if (!decode(arena, in->value, "value", &signature, err) || !key_verify_digest(crypto->key, alg, digest, signature, &is_valid, err))
        return false;
    reply_verdict(reply, is_valid);
    return true;
}

static bool crypto_run(Req *req, Reply *reply, CryptoOp op, Err *err)
{
    Crypto crypto = { .req = req, .reply = reply, .op = op };
    const JsonVal *body;
    CryptoIn in = { 0 };
    bool is_verify = op == OP_VERIFY;
    if (!object_name_check(req->params[0], err) || !req_object(req, &body, err) ||
        !json_read(body, "", is_verify ? verify_fields : value_fields, is_verify ? COUNT_OF(verify_fields) : COUNT_OF(value_fields), &in, err))
        return false;
    bool good = find_key(&crypto, err);
    if (good && crypto.is_elsewhere)
        return true;
    good = good && throttle_key_use(req, req_vault(req), crypto.facts.is_in_token, crypto.facts.modulus_digits, err);
    good = good && (op == OP_SIGN || op == OP_VERIFY ? sign(&crypto, &in, reply, err) : wrap(&crypto, &in, reply, err));
    key_free(crypto.key);
    return good && (arena_ok(req->arena) || err_too_big(err));
}

bool key_encrypt_op(Req *req, Reply *reply, Err *err) { return crypto_run(req, reply, OP_ENCRYPT, err); }
bool key_decrypt_op(Req *req, Reply *reply, Err *err) { return crypto_run(req, reply, OP_DECRYPT, err); }
bool key_wrap_op(Req *req, Reply *reply, Err *err) { return crypto_run(req, reply, OP_WRAP, err); }
bool key_unwrap_op(Req *req, Reply *reply, Err *err) { return crypto_run(req, reply, OP_UNWRAP, err); }
bool key_sign_op(Req *req, Reply *reply, Err *err) { return crypto_run(req, reply, OP_SIGN, err); }
bool key_verify_op(Req *req, Reply *reply, Err *err) { return crypto_run(req, reply, OP_VERIFY, err); }
