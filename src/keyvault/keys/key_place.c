/* key_place.c - the table of places, and keys in software. */
#include "keyvault/keys/key_place.h"
#include "keyvault/keys/hsm_key.h"

static bool software_keep(KeyRef *key, KeyMade *out, Err *err)
{
    bool good = key_spec(key).kind == KEY_OCT ? key_oct_bytes(key, &out->kept, err) : key_to_pkcs8(key, &out->kept, err);
    if (!good) {
        key_free(key);
        return false;
    }
    out->key = key;
    return true;
}

static bool software_make(KeyVault *kv, const Vault *vault, KeySpec spec, KeyMade *out, Err *err)
{
    KeyRef *key;
    (void)kv, (void)vault;
    return (spec.kind == KEY_OCT ? key_oct_generate(spec, &key, err) : key_generate(spec, &key, err)) && software_keep(key, out, err);
}

static bool software_take(KeyVault *kv, const Vault *vault, KeyRef *key, KeyMade *out, Err *err)
{
    (void)kv, (void)vault;
    return software_keep(key_share(key), out, err);
}

static bool software_open(KeyVault *kv, const Vault *vault, const JsonVal *jwk, Bytes kept, KeyRef **out, Err *err)
{
    (void)kv, (void)vault;
    return str_eq(json_str(json_get(jwk, "kty")), STR("oct")) ? key_oct_from_bytes(kept, out, err) : key_from_pkcs8(kept, out, err);
}

static void software_forget(KeyVault *kv, Bytes kept) { (void)kv, (void)kept; }     /* it was in the row alone */

static const KeyPlaceOps software = { software_make, software_take, software_open, software_forget };
static const KeyPlaceOps *const places[] = { [PLACE_SOFTWARE] = &software, [PLACE_TOKEN] = &hsm_place };

bool key_place_parse(const KeyVault *kv, const Vault *vault, Str kty, KeyPlace *place, Str *kind, Err *err)
{
    *place = str_ends_nocase(kty, STR("-HSM")) ? PLACE_TOKEN : PLACE_SOFTWARE;
    *kind = *place == PLACE_TOKEN ? str_slice(kty, 0, kty.len - 4) : kty;
    return *place != PLACE_TOKEN || hsm_check(kv, vault, err);
}

bool key_want_spec(Str kind, int64_t bits, Str crv, KeySpec *out, Err *err)
{
    if (str_eq_nocase(kind, STR("oct")))
        return key_oct_spec(bits, out, err);
    if (!str_eq_nocase(kind, STR("RSA")) && !str_eq_nocase(kind, STR("EC")))
        return err_field(err, "kty", "kty '" STR_FMT "' is not a known key type; use RSA, EC or oct", STR_ARG(str_slice(kind, 0, 40)));
    return key_spec_parse(kind, str_eq_nocase(kind, STR("EC")) ? 0 : bits, crv, out, err);
}

KeyKind key_kind_of_doc(const JsonVal *doc)
{
    Str kty = json_str(json_path(doc, "jwk.kty"));
    return str_starts_nocase(kty, STR("oct")) ? KEY_OCT : str_starts_nocase(kty, STR("EC")) ? KEY_EC : KEY_RSA;
}

KeyPlace key_place_of_doc(const JsonVal *doc)
{
    return str_ends_nocase(json_str(json_path(doc, "jwk.kty")), STR("-HSM")) ? PLACE_TOKEN : PLACE_SOFTWARE;
}

bool key_made_new(KeyVault *kv, const Vault *vault, KeyPlace place, KeySpec spec, KeyMade *out, Err *err)
{
    *out = (KeyMade){ .kv = kv, .place = place };
    return places[place]->make(kv, vault, spec, out, err);
}

bool key_kept(const KeyRef *key, Secret **kept, Err *err)
{
    bool is_token;
    return hsm_kept(key, kept, &is_token, err) && (is_token || key_to_pkcs8(key, kept, err));
}

bool key_from_kept(KeyVault *kv, const Vault *vault, Bytes kept, KeyRef **out, Err *err)
{
    return kept.len && kept.ptr[0] == 0x30 ? key_from_pkcs8(kept, out, err) : hsm_place.open(kv, vault, NULL, kept, out, err);
}

bool key_made_again(KeyVault *kv, KeyRef *key, KeyMade *out, Err *err)
{
    Secret *kept;
    if (!key_kept(key, &kept, err))
        return false;
    *out = (KeyMade){ .kv = kv, .place = key_is_elsewhere(key) ? PLACE_TOKEN : PLACE_SOFTWARE, .key = key_share(key), .kept = kept, .is_stored = true };
    return true;
}

bool key_made_of(KeyVault *kv, const Vault *vault, KeyPlace place, KeyRef *key, KeyMade *out, Err *err)
{
    *out = (KeyMade){ .kv = kv, .place = place };
    return places[place]->take(kv, vault, key, out, err);
}

void key_made_done(KeyMade *made)
{
    if (made->kept && !made->is_stored)
        places[made->place]->forget(made->kv, secret_bytes(made->kept));
    key_free(TAKE(made->key));
    secret_free(TAKE(made->kept));
}

bool key_place_open(KeyVault *kv, const Vault *vault, const JsonVal *doc, Bytes kept, KeyRef **out, Err *err)
{
    return places[key_place_of_doc(doc)]->open(kv, vault, json_get(doc, "jwk"), kept, out, err);
}
