/* fetch.h - getting a certificate's secret from its vault, signed in as a managed identity. */
#pragma once
#include "certs/settings.h"
#include "crypto/bundle.h"
#include "http/client.h"

typedef struct Fetcher Fetcher;

/* ca_file NULL: the system's; proxy NULL: none. Both are for vaults: the metadata address is always asked directly. */
bool fetcher_new(const char *ca_file, const char *proxy, Fetcher **out, Err *err) MUST_CHECK;
void fetcher_free(Fetcher *fetcher);

typedef struct Fetched { Str version; Bundle bundle; CertInfo leaf; } Fetched;
void fetched_done(Fetched *fetched);

/* The current version of what is observed. Tokens are kept per resource until five minutes before they end (real time).
 * Errors name the vault, the secret and what to do: ERR_UNAVAILABLE (network), ERR_DENIED (identity or permission),
 * ERR_NOT_FOUND, ERR_BAD_INPUT (the secret is no certificate with its key). */
bool fetch_current(Fetcher *fetcher, Arena *arena, const CertSettings *settings, const Observed *observed, Fetched *out, Err *err) MUST_CHECK;
