/* key_import.c - PUT /keys/{name}: a key that was made elsewhere, as a JWK with its private members. */
#include "base/encode.h"
#include "keyvault/keys/key.h"
#include "keyvault/vaults/throttle.h"

typedef struct JwkIn { Str kty, crv, n, e, x, y, d, p, q, dp, dq, qi, k, key_hsm; } JwkIn;
static const JsonField jwk_fields[] = {
    JSON_FIELD(JwkIn, kty, "kty", JSON_REQUIRED), JSON_FIELD(JwkIn, crv, "crv", JSON_OPTIONAL), JSON_FIELD(JwkIn, n, "n", JSON_OPTIONAL),
    JSON_FIELD(JwkIn, e, "e", JSON_OPTIONAL),     JSON_FIELD(JwkIn, x, "x", JSON_OPTIONAL),     JSON_FIELD(JwkIn, y, "y", JSON_OPTIONAL),
    JSON_FIELD(JwkIn, d, "d", JSON_OPTIONAL),     JSON_FIELD(JwkIn, p, "p", JSON_OPTIONAL),     JSON_FIELD(JwkIn, q, "q", JSON_OPTIONAL),
    JSON_FIELD(JwkIn, dp, "dp", JSON_OPTIONAL),   JSON_FIELD(JwkIn, dq, "dq", JSON_OPTIONAL),   JSON_FIELD(JwkIn, qi, "qi", JSON_OPTIONAL),
    JSON_FIELD(JwkIn, k, "k", JSON_OPTIONAL),     JSON_FIELD(JwkIn, key_hsm, "key_hsm", JSON_OPTIONAL),
};

/* Decoded members; the private ones are wiped by jwk_wipe. */
static bool jwk_decode(Arena *arena, const JwkIn *in, KeyPrivate *out, Err *err)
{
    const struct { const char *name; Str text; Bytes *bytes; } members[] = {
        { "key.n", in->n, &out->open.n }, { "key.e", in->e, &out->open.e }, { "key.x", in->x, &out->open.x }, { "key.y", in->y, &out->open.y },
        { "key.d", in->d, &out->d }, { "key.p", in->p, &out->p }, { "key.q", in->q, &out->q }, { "key.dp", in->dp, &out->dp },
        { "key.dq", in->dq, &out->dq }, { "key.qi", in->qi, &out->qi },
    };
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (members[i].text.ptr && !base64url_decode(arena, members[i].text, members[i].bytes, err))
            return arena_ok(arena) ? err_field(err, members[i].name, "%s must be base64url", members[i].name) : err_too_big(err);
    return true;
}

static void jwk_wipe(const KeyPrivate *parts)
{
    const Bytes secrets[] = { parts->d, parts->p, parts->q, parts->dp, parts->dq, parts->qi };
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        if (secrets[i].ptr)
            secret_wipe((void *)(uintptr_t)secrets[i].ptr, secrets[i].len);
}

static bool jwk_kind(const JwkIn *in, Str kty, KeyPrivate *out, Err *err)
{
    bool is_rsa = str_eq_nocase(kty, STR("RSA"));
    if (str_eq_nocase(kty, STR("oct"))) {           /* in a transfer */
        out->open.kind = KEY_OCT;
        return true;
    }
    if (!is_rsa && !str_eq_nocase(kty, STR("EC")))
        return err_field(err, "key.kty", "key.kty '" STR_FMT "' is not a known key type; use RSA, EC or oct", STR_ARG(str_slice(in->kty, 0, 40)));
    out->open.kind = is_rsa ? KEY_RSA : KEY_EC;
    out->open.curve = is_rsa ? CURVE_NONE : key_curve_parse(in->crv);
    return true;
}

static bool oct_read(Arena *arena, const JwkIn *in, KeyRef **key, Err *err)
{
    Bytes octets;
    if (!in->k.ptr)
        return err_field(err, "key.k", "key.k is missing: the bytes of a symmetric key");
    if (!base64url_decode(arena, in->k, &octets, err))
        return arena_ok(arena) ? err_field(err, "key.k", "key.k must be base64url") : err_too_big(err);
    bool good = key_oct_from_bytes(octets, key, err);
    secret_wipe((void *)(uintptr_t)octets.ptr, octets.len);
    return good;
}

static bool transfer_read(Req *req, const JwkIn *in, Str kty, KeyPlace place, KeyMade *made, Err *err)
{
    KeyPrivate parts = { 0 };
    if (place != PLACE_TOKEN)
        return err_field(err, "key.key_hsm", "key.key_hsm is a transfer into a hardware module: key.kty must be RSA-HSM, EC-HSM or oct-HSM");
    if (!jwk_kind(in, kty, &parts, err) || !key_import_transfer(req, in->key_hsm, parts.open.kind, made, err))
        return false;
    return !in->crv.ptr || parts.open.kind != KEY_EC || key_spec(made->key).curve == parts.open.curve ||
           err_field(err, "key.crv", "key.crv is not the curve of the key that was transferred, which is " STR_FMT, STR_ARG(key_curve_name(key_spec(made->key).curve)));
}

/* wants_token: member "Hsm" says the same as a type that ends with -HSM. What was transferred into the token is in *made, all else in *key. */
static bool jwk_read(Req *req, const JsonVal *jwk, bool wants_token, KeyPlace *place, KeyRef **key, KeyMade *made, Err *err)
{
    JwkIn in = { 0 };
    KeyPrivate parts = { 0 };
    if (json_kind(jwk) != JSON_OBJECT)
        return err_field(err, "key", "key must be a JSON web key");
    if (!json_read(jwk, "key", jwk_fields, COUNT_OF(jwk_fields), &in, err))
        return false;
    Str kty = in.kty;
    if (wants_token && !str_ends_nocase(kty, STR("-HSM")))
        kty = str_printf(req->arena, STR_FMT "-HSM", STR_ARG(kty));
    if (!key_place_parse(req->ctx, req_vault(req), kty, place, &kty, err))
        return false;
    if (in.key_hsm.ptr)
        return transfer_read(req, &in, kty, *place, made, err);
    if (str_eq_nocase(kty, STR("oct")))
        return oct_read(req->arena, &in, key, err);
    if (!jwk_kind(&in, kty, &parts, err))
        return false;
    bool good = jwk_decode(req->arena, &in, &parts, err) && key_from_private(&parts, key, err);
    jwk_wipe(&parts);
    return good;
}

bool key_import(Req *req, Reply *reply, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(key_made_done) KeyMade made = { 0 };
    const JsonVal *body;
    KeyPlace place;
    KeyNew new = { .made = &made, .tags_json = STR_NONE, .attributes = { .enabled = true, .created_ms = req->now_ms, .updated_ms = req->now_ms } };
    if (!object_name_check(req->params[0], err) || !req_object(req, &body, err))
        return false;
    const JsonVal *jwk = json_get(body, "key");
    bool wants_token = json_bool(json_get(body, "Hsm"), false) || json_bool(json_get(body, "hsm"), false);
    if (!jwk_read(req, jwk, wants_token, &place, &key, &made, err))
        return false;
    KeyKind kind = key_spec(made.key ? made.key : key).kind;
    new.ops_json = key_ops_default(req->arena, kind);
    return key_ops_read(req->arena, jwk, "key_ops", kind, &new.ops_json, err) && attributes_read(body, &new.attributes, err) &&
           tags_read(req->arena, body, TAG_CHARS_KEY, &new.tags_json, err) && key_release_read(req, body, place, &new.release_json, err) &&
           throttle_key_create(req, req_vault(req), place == PLACE_TOKEN, err) && (made.key || key_made_of(req->ctx, req_vault(req), place, key, &made, err)) && key_store_new(req, reply, &new, err);
}
