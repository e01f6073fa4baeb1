/* key_release.h - the private half of an exportable key, for a party that its release policy trusts; and random bytes.
 *
 * POST /keys/{name}/{version}/release: an attestation token (attestation.h) whose authority and claims the key's policy allows brings the key, sealed
 * to the RSA key that the token attests (key_transfer.h), as a JWS by the site's token signing key. Works outside nbf and exp ("About keys").
 * Only software keys can be exportable. */
#pragma once
#include "keyvault/plane.h"

bool key_release(Req *req, Reply *reply, Err *err);
bool random_bytes(Req *req, Reply *reply, Err *err);          /* POST /rng */
