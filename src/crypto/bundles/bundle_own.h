/* bundle_own.h - private to crypto/: how the readers fill a bundle. */
#pragma once
#include "crypto/bundles/bundle.h"
#include "crypto/certificates/cert_own.h"

enum { BUNDLE_FILE_MAX = 1024 * 1024 };

/* Copies the certificate into the arena; one that is there already is left out. */
bool bundle_add_cert(Arena *arena, Bundle *bundle, Bytes der, Err *err) MUST_CHECK;

/* Takes over the key, also when it fails: a second key, or numbers that do not belong together. */
bool bundle_add_key(Bundle *bundle, KeyRef *key, Err *err) MUST_CHECK;
