/* resource.h - the resource files of a run: fetched by HTTP(S) into its working directory, never outside it.
 *
 * A file lies under its name only when all of it is there. What may pass is tried again a few times (408, 429, 5xx, no answer). Redirects
 * are followed, without the token to another host. With an identity the token is asked of the control plane. */
#pragma once
#include <stdatomic.h>
#include "node/control.h"
#include "node/runs/outcome.h"
#include "node/runs/users.h"

enum { RESOURCE_SILENCE_MS = 60000, RESOURCE_TRIES = 4, RESOURCE_REDIRECTS_MAX = 10 };

typedef struct Fetcher Fetcher;
/* `card` is borrowed; NULL: no identities. */
bool fetcher_new(const NodeCard *card, const char *proxy, Fetcher **out, Err *err) MUST_CHECK;
void fetcher_free(Fetcher *fetcher);
void fetcher_cancel(Fetcher *fetcher);          /* from another thread, for good: what is under way and all later fail soon */

/* false: *failure says why in the service's words; its texts lie in the arena. */
bool fetch_resource(Fetcher *fetcher, Arena *arena, int wd_fd, const RunUser *user, const RunResource *resource, RunFailure *failure) MUST_CHECK;
