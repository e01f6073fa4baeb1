/* key_place.h - where the private half of a key lives, and who does its operations there.
 *
 * PLACE_SOFTWARE: sealed in the version's row, used in this process. PLACE_TOKEN: in a PKCS#11 token, which uses it; kinds RSA-HSM, EC-HSM and
 * oct-HSM. What makes, takes over or opens a key of a vault does it here; what then uses it asks its KeyRef and need not know the place.
 * A row's sealed value is what the place wants kept: PKCS#8 in software, or the bytes of a symmetric key; what finds the key again for a token. */
#pragma once
#include "crypto/keys/key_oct.h"
#include "keyvault/objects/object.h"

typedef enum KeyPlace { PLACE_SOFTWARE = 1, PLACE_TOKEN } KeyPlace;

/* A key that was made or taken over and is in no row yet. */
typedef struct KeyMade {
    KeyVault *kv;
    KeyPlace  place;
    KeyRef   *key;
    Secret   *kept;                     /* for the row */
    bool      is_stored;                /* set by who committed the row */
} KeyMade;

typedef struct KeyPlaceOps {
    bool (*make)(KeyVault *kv, const Vault *vault, KeySpec spec, KeyMade *out, Err *err);            /* outside of transactions: it takes its time */
    bool (*take)(KeyVault *kv, const Vault *vault, KeyRef *key, KeyMade *out, Err *err);              /* import: `key` is a software key; the place's copy comes out */
    bool (*open)(KeyVault *kv, const Vault *vault, const JsonVal *jwk, Bytes kept, KeyRef **out, Err *err);  /* jwk: the public members of the row's document */
    void (*forget)(KeyVault *kv, Bytes kept);                                                         /* no row holds it: it never came to be, or it was purged */
} KeyPlaceOps;

/* Of a wanted type: "RSA-HSM" is an RSA key in the token. *kind: the type without the place; key_want_spec says what of it is wanted. ERR_NOT_BUILT, or why this vault has no such place. */
bool key_place_parse(const KeyVault *kv, const Vault *vault, Str kty, KeyPlace *place, Str *kind, Err *err) MUST_CHECK;
bool key_want_spec(Str kind, int64_t bits, Str crv, KeySpec *out, Err *err) MUST_CHECK;               /* oct too */
KeyKind  key_kind_of_doc(const JsonVal *doc);                                                         /* of a stored version */
KeyPlace key_place_of_doc(const JsonVal *doc);                                                        /* of a stored version */

bool key_made_new(KeyVault *kv, const Vault *vault, KeyPlace place, KeySpec spec, KeyMade *out, Err *err) MUST_CHECK;
bool key_made_of(KeyVault *kv, const Vault *vault, KeyPlace place, KeyRef *key, KeyMade *out, Err *err) MUST_CHECK;
bool key_made_again(KeyVault *kv, KeyRef *key, KeyMade *out, Err *err) MUST_CHECK;                    /* one that a row holds already: shared, and never let go */
void key_made_done(KeyMade *made);                                                                    /* zeroed is fine; in a token it goes, unless is_stored */
/* What is kept of a key that is in a row, or in one to be; and the key again. Asymmetric ones. */
bool key_kept(const KeyRef *key, Secret **kept, Err *err) MUST_CHECK;
bool key_from_kept(KeyVault *kv, const Vault *vault, Bytes kept, KeyRef **out, Err *err) MUST_CHECK;
/* Opens a version's key; kept is its row's value. */
bool key_place_open(KeyVault *kv, const Vault *vault, const JsonVal *doc, Bytes kept, KeyRef **out, Err *err) MUST_CHECK;
