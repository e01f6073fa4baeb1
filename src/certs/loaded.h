/* loaded.h - one reading of the settings file and all that works by it. New settings make a new one; until it is whole, the former works on. */
#pragma once
#include "certs/agent.h"
#include "certs/listen.h"
#include "certs/look.h"
#include "certs/state.h"

typedef struct Loaded {
    Arena *arena;
    Str text;                       /* of the file */
    CertSettings settings;
    const char *metrics_path;       /* NULL: no such file */
    Fetcher *fetcher;
    Listeners listeners;            /* none with `once` */
    Looks looks;
    Tracked *tracked;               /* one an observed certificate, in their order */
    Observed *left;                 /* cleanUp: what was observed before; gone from disk once all that is observed now is there */
    size_t left_count;
} Loaded;

/* On false nothing is left of it. *is_unusable: the settings are at fault, and not this machine. */
bool loaded_new(const CertAgentConfig *config, Loaded **out, bool *is_unusable, Err *err) MUST_CHECK;
void loaded_free(Loaded *loaded);
bool loaded_text_is(const Loaded *loaded, const char *path, Err *err) MUST_CHECK;       /* true: the file still says the same. On false err is set only if it cannot be read */
/* Takes over what is known of certificates that both observe, how far the feeds of their vaults were heard, and with cleanUp what is only in `former`. */
bool loaded_carry(Loaded *loaded, const Loaded *former, Err *err) MUST_CHECK;
/* The same from the state file of the process before. */
bool loaded_remember(Loaded *loaded, const StateBefore *before, Err *err) MUST_CHECK;
