/* message.h - private to acme/: what is sent (RFC 7515) and what comes back, without the calls. */
#pragma once
#include "acme/acme.h"
#include "json/write.h"

/* A flattened JWS over ES256. account_url absent: the header has the public key itself. payload empty: POST-as-GET (section 6.3). */
bool jws_make(Arena *arena, const KeyRef *key, Str account_url, Str nonce, Str url, Str payload, Str *out, Err *err) MUST_CHECK;
/* The binding of section 7.3.4: HS256 over our public key, under another account's MAC key. */
bool jws_bind(Arena *arena, const KeyRef *key, Str url, const AcmeAccount *account, Str *out, Err *err) MUST_CHECK;

typedef struct Directory { Str new_nonce, new_account, new_order; } Directory;

/* Each reads one body. ERR_UNAVAILABLE: it is none of that kind. */
bool directory_read(Arena *arena, Str body, Directory *out, Err *err) MUST_CHECK;
bool order_read(Arena *arena, Str body, AcmeOrder *out, Err *err) MUST_CHECK;               /* but its url */
bool authorization_read(Arena *arena, Str body, Str kind, AcmeAuthorization *out, Err *err) MUST_CHECK;
/* One sentence of a problem document (RFC 7807), and its type without the common front ("badNonce"; "" if it has none). Any body does. */
typedef struct Problem { Str type, text; } Problem;
Problem problem_read(Arena *arena, Str body, int status);
