/* look.h - asking vaults for what is observed: one request a vault at a time, all vaults beside each other, so that one which does not answer
 * holds up nobody else's certificates. A vault that cannot be reached is not asked again for each of its certificates: all that are due fail alike. */
#pragma once
#include "certs/install.h"

typedef struct Look Look;                                       /* of one vault */
typedef struct Looks { Fetcher *fetcher; const CertSettings *settings; Look *items; size_t count; } Looks;

bool looks_new(Fetcher *fetcher, const CertSettings *settings, const char *ca_file, const char *proxy, Looks *out, Err *err) MUST_CHECK;
void looks_done(Looks *looks);

/* What came of one certificate. fetched NULL and no error: the version that is here is the vault's. */
typedef struct Looked { size_t index; Arena *arena; Fetched *fetched; const Err *failed; } Looked;
typedef struct LookCaller {
    void *ctx;
    int64_t now_ms;                                             /* object time: certificates are judged by it */
    bool (*next)(void *ctx, Str vault_url, size_t *index);      /* something of that vault that is due; from now on it no longer is */
    void (*ended)(void *ctx, const Looked *looked);
} LookCaller;

/* Begins what is due and ends what is done. How many certificates ended. */
size_t looks_step(Looks *looks, const LookCaller *caller);
bool   looks_is_idle(const Looks *looks);
bool   looks_at(const Looks *looks, size_t index);             /* is under way */
