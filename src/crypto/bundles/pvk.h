/* pvk.h - Microsoft's .pvk files, as makecert -sv writes and pvk2pfx -pvk reads them: one RSA key, plain or under a password.
 *
 * The format is documented by Stephen Henson, "MS private key file format" (2002). Its encryption is RC4 under one round
 * of SHA-1, so a .pvk file is worth no more protection than an open one: it exists for old scripts. */
#pragma once
#include "crypto/keys/key.h"

enum { PVK_PASSWORD_MAX = 1000 };                                                  /* bytes */

/* True if it has the header of a .pvk that needs a password, so that a program knows to ask for one. */
bool pvk_is_encrypted(Bytes pvk);

/* ERR_BAD_INPUT: err->target is "password" when that is missing or wrong, else "". A password for a plain file is ignored. */
bool pvk_read(Bytes pvk, Str password, KeyRef **out, Err *err) MUST_CHECK;

/* An empty password writes a plain file. ERR_BAD_INPUT: no private RSA key; ERR_NOT_BUILT: a password, and this machine's
 * OpenSSL has no RC4 (its legacy provider is not installed). */
bool pvk_write(const KeyRef *key, Str password, Secret **pvk, Err *err) MUST_CHECK;
