/* fetch.h - getting a certificate's secret from its vault. */
#pragma once
#include "certs/settings.h"
#include "crypto/bundles/bundle.h"
#include "http/client.h"

typedef struct Fetcher Fetcher;

/* ca_file NULL: the system's; proxy NULL: none. Both are for vaults: the metadata address is always asked directly. */
bool fetcher_new(const char *ca_file, const char *proxy, Fetcher **out, Err *err) MUST_CHECK;
void fetcher_free(Fetcher *fetcher);
/* Takes over for what vaults want their tokens; whose they are may have changed. */
bool fetcher_carry(Fetcher *fetcher, const Fetcher *former, Err *err) MUST_CHECK;
HttpClient *fetcher_client(Fetcher *fetcher);       /* the one for vaults, for clients beside it */

/* One GET to a vault with the token it wants, beside others: begun, and ended once http_is_done(client). Tokens are kept per resource until five
 * minutes before they end (real time); getting one is a call that waits, to an address that all vaults share. */
typedef struct FetchCall {
    HttpClient *client;                 /* of its own, beside fetcher_client */
    Arena *arena;                       /* holds the answer */
    Str vault_url, url;
    int timeout_ms;                     /* 0: the usual */
    bool is_second;                     /* a 401 came; false to begin with */
} FetchCall;
bool fetch_begin(Fetcher *fetcher, const CertSettings *settings, FetchCall *call, Err *err) MUST_CHECK;
/* true: *out is the answer, whatever its status, or *again: the vault wanted a (new) token and the call goes on. A second 401 is the answer. */
bool fetch_end(Fetcher *fetcher, const CertSettings *settings, FetchCall *call, bool *again, HttpAnswer *out, Err *err) MUST_CHECK;

typedef struct Fetched { Str version; Bundle bundle; CertInfo leaf; } Fetched;
void fetched_done(Fetched *fetched);

/* The current version of what is observed, or the pinned one. */
Str  fetch_current_url(Arena *arena, const Observed *observed);
/* Takes its answer; the key belongs to the first certificate. `have` is the version that needs no more than its name: then the bundle is empty.
 * Errors name the vault, the secret and what to do: ERR_UNAVAILABLE, ERR_DENIED (identity or permission), ERR_NOT_FOUND, ERR_BAD_INPUT (the
 * secret is no certificate with its key). */
bool fetch_take_current(Arena *arena, const CertSettings *settings, const Observed *observed, Str have, const HttpAnswer *answer, Fetched *out, Err *err) MUST_CHECK;
/* Whether the vault knows a version, which it may have disabled. */
Str  fetch_version_url(Arena *arena, const Observed *observed, Str version);
bool fetch_take_known(const Observed *observed, const HttpAnswer *answer, bool *is_known, Err *err) MUST_CHECK;

/* The value of an Authorization header, to be wiped after use; absent while the vault has not said for what its tokens are. */
bool fetch_bearer(Fetcher *fetcher, Arena *arena, const CertSettings *settings, Str vault_url, Str *header, Err *err) MUST_CHECK;
void fetch_token_refused(Fetcher *fetcher, Str vault_url);      /* the next call takes a new token */
