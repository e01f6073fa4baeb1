/* fetch.h - getting a certificate's secret from its vault, signed in as a managed identity. */
#pragma once
#include "certs/settings.h"
#include "crypto/bundle.h"
#include "http/client.h"

typedef struct Fetcher Fetcher;

/* ca_file NULL: the system's; proxy NULL: none. Both are for vaults: the metadata address is always asked directly. */
bool fetcher_new(const char *ca_file, const char *proxy, Fetcher **out, Err *err) MUST_CHECK;
void fetcher_free(Fetcher *fetcher);
HttpClient *fetcher_client(Fetcher *fetcher);       /* the one for vaults, for clients beside it */

typedef struct Fetched { Str version; Bundle bundle; CertInfo leaf; } Fetched;
void fetched_done(Fetched *fetched);

/* The current version of what is observed, or the pinned one; the key belongs to the first certificate. Tokens are kept per resource until
 * five minutes before they end (real time). Errors name the vault, the secret and what to do: ERR_UNAVAILABLE (network), ERR_DENIED (identity or
 * permission), ERR_NOT_FOUND, ERR_BAD_INPUT (the secret is no certificate with its key). */
bool fetch_current(Fetcher *fetcher, Arena *arena, const CertSettings *settings, const Observed *observed, Fetched *out, Err *err) MUST_CHECK;
bool fetch_knows_version(Fetcher *fetcher, Arena *arena, const CertSettings *settings, const Observed *observed, Str version, bool *is_known, Err *err) MUST_CHECK;

/* One GET to a vault with the token it wants; whatever it answers is the answer. */
bool fetch_get(Fetcher *fetcher, Arena *arena, const CertSettings *settings, Str vault_url, Str url, HttpAnswer *out, Err *err) MUST_CHECK;
/* The value of an Authorization header, to be wiped after use; absent while the vault has not said for what its tokens are. */
bool fetch_bearer(Fetcher *fetcher, Arena *arena, const CertSettings *settings, Str vault_url, Str *header, Err *err) MUST_CHECK;
void fetch_token_refused(Fetcher *fetcher, Str vault_url);      /* the next call takes a new token */
