/* listen.h - the change feeds of the vaults that are observed: one parked request a vault (docs/change-feed.md).
 *
 * After a lost connection the feed is asked for what came meanwhile, without waiting, 0.25 s to 10 s after the time before (up to 60 s, should errors
 * be all that is answered); only when that was answered a request parks again. A vault without the feed (404, 405, 501: Azure's) is left alone until the next poll asks it again. The cursor stays the
 * same through all of it, so nothing that happened meanwhile is missed. */
#pragma once
#include "certs/fetch.h"

typedef struct Listener Listener;                   /* of one vault */
typedef struct Listeners { Listener *items; size_t count; } Listeners;

bool listeners_new(Fetcher *fetcher, const CertSettings *settings, const char *ca_file, const char *proxy, Listeners *out, Err *err) MUST_CHECK;
void listeners_done(Listeners *listeners);

/* New settings, the same vaults: each goes on where the former was, so what changed meanwhile is told. */
void listeners_carry(Listeners *listeners, const Listeners *former);

/* Before a round of polls: asks vaults without one for the cursor of now, so that no change falls between the look and the listening. Until it is
 * there, or the vault has said that it has no feed, listeners_is_ready says no and the vault is not to be looked at. */
void listeners_prepare(Listeners *listeners);
bool listeners_is_ready(const Listeners *listeners, Str vault_url);
/* Ends what is done and begins what is due. changed(ctx, vault_url, name) for each change that was told; name absent: look at everything of that
 * vault; name empty: the vault answers again after it did not, so what failed may be tried. Answers when it has to be called again at the latest (mono ms; INT64_MAX: not before a request is done). */
typedef void ListenChanged(void *ctx, Str vault_url, Str name);
int64_t listeners_step(Listeners *listeners, ListenChanged *changed, void *ctx);
void listeners_heard(Listeners *listeners, Str vault_url);     /* the vault answered somebody else: a feed that was lost is asked at once */
size_t listeners_active(const Listeners *listeners);           /* with a request that nothing speaks against */
