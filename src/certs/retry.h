/* retry.h - how long what failed waits before it is tried again. */
#pragma once
#include "certs/state.h"

enum { INITIAL_TRIES = 25 };                            /* of the initial sync, before its status says "error" */

typedef struct RetryRule {
    int64_t  poll_ms, initial_backoff_ms;
    bool     is_synced;                                 /* every observed certificate was current once */
    uint32_t chance;                                    /* this agent's share of what is left to chance, of UINT32_MAX */
    int64_t  object_now_ms;
} RetryRule;

/* Each failure of the initial sync waits a quarter longer, 10 s at most. Else it begins with a second, half of it by chance, and is twice as long each
 * time, up to a quarter of an hour and never longer than the poll period: neither a hot loop nor a day lost over an hour's trouble. All certificates of
 * an agent have the same chance, so that those which failed together are tried together, and one stands for all. `why` ERR_CONFLICT: what the vault
 * offers is not fit. tracked->tries counts this failure; tracked->pauses is counted here. */
int64_t retry_pause_ms(const RetryRule *rule, Tracked *tracked, ErrCode why);
