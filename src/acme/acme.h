/* acme.h - a client of ACME (RFC 8555): accounts, orders, authorizations, challenges, certificates.
 *
 * One AcmeClient makes the calls of one piece of work, on one thread; what must outlive it (the account's key and URL, an order's URL) is the
 * caller's to keep. A bad nonce is tried again at once. Other failures come back described in the authority's own words:
 *     ERR_BAD_INPUT    the authority refuses: trying the same again would not help. err->name may be ACME_NO_ACCOUNT or ACME_GONE.
 *     ERR_THROTTLED    rate limited: not before acme_retry_ms
 *     ERR_UNAVAILABLE  no answer, one that is none, or a fault of the authority's: try again later
 * Nothing that an authority answers is believed unchecked: URLs are https, tokens base64url, names plain. */
#pragma once
#include "crypto/keys/key.h"
#include "http/client.h"

enum { ACME_NAMES_MAX = 100, ACME_CHAIN_MAX = 20 };

#define ACME_NO_ACCOUNT "AcmeNoAccount"     /* err->name: the authority does not know the account (any more) */
#define ACME_GONE       "AcmeGone"          /* err->name: there is nothing at this URL (any more) */

typedef struct AcmeClient AcmeClient;
typedef struct AcmeConfig {
    const char *ca_file, *proxy;            /* as of HttpClientConfig */
    Str directory_url;
    KeyRef *key;                            /* of the account: EC P-256 */
    Str account_url;                        /* absent: acme_register comes first */
} AcmeConfig;

/* The arena outlives the client: results lie there. No call is made yet. */
bool acme_open(Arena *arena, const AcmeConfig *config, AcmeClient **out, Err *err) MUST_CHECK;
void acme_close(AcmeClient *client);        /* NULL is fine */
DEFINE_AUTO_FREE(AcmeClient, acme_close)
int64_t acme_retry_ms(const AcmeClient *client);    /* what the last answer's Retry-After said, at most a day; 0: nothing */

/* Section 7.3: finds or makes the account of this key, agrees to the terms of service, and sets its contacts. Binding to an account elsewhere
 * (section 7.3.4) if eab_id is there; its key is base64url. */
typedef struct AcmeAccount { const Str *emails; size_t email_count; Str eab_id, eab_key; } AcmeAccount;
bool acme_register(AcmeClient *client, const AcmeAccount *account, Str *account_url, Err *err) MUST_CHECK;

typedef enum AcmeState { ACME_PENDING = 1, ACME_READY, ACME_PROCESSING, ACME_VALID, ACME_INVALID } AcmeState;

typedef struct AcmeOrder {
    Str url;
    AcmeState state;
    Str finalize_url, certificate_url;      /* the second once it is valid */
    Str authorizations[ACME_NAMES_MAX];
    size_t count;
    Str error;                              /* of an invalid one, if it says so */
} AcmeOrder;

typedef struct AcmeName { bool is_ip; Str text; } AcmeName;       /* DNS names in lower case, "*.a.example" for all below; addresses RFC 8738 */
bool acme_order(AcmeClient *client, const AcmeName *names, size_t count, AcmeOrder *out, Err *err) MUST_CHECK;
bool acme_order_look(AcmeClient *client, Str url, AcmeOrder *out, Err *err) MUST_CHECK;
bool acme_finalize(AcmeClient *client, const AcmeOrder *order, Bytes csr, AcmeOrder *out, Err *err) MUST_CHECK;
/* Leaf first. */
bool acme_download(AcmeClient *client, const AcmeOrder *order, Bytes chain[ACME_CHAIN_MAX], size_t *count, Err *err) MUST_CHECK;

typedef struct AcmeAuthorization {
    AcmeState state;                        /* of the name: pending, valid or invalid */
    AcmeName name;                          /* without "*." */
    Str token, challenge_url;               /* of the wanted kind; absent if there is none */
    AcmeState challenge;                    /* pending: the authority waits to be told that it may look */
    Str error;                              /* of an invalid one: why */
} AcmeAuthorization;
bool acme_authorization(AcmeClient *client, Str url, Str kind, AcmeAuthorization *out, Err *err) MUST_CHECK;     /* kind "http-01", "dns-01" */
bool acme_challenge_ready(AcmeClient *client, Str challenge_url, Err *err) MUST_CHECK;

/* Section 8.1: what http-01 serves; and section 8.4: what dns-01 has as its TXT record. */
bool acme_key_authorization(Arena *arena, const KeyRef *key, Str token, Str *out, Err *err) MUST_CHECK;
Str  acme_dns_value(Arena *arena, Str key_authorization);
