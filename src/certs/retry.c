/* retry.c - pauses between tries. */
#include "certs/retry.h"

enum { FIRST_MS = 1000, INITIAL_MAX_MS = 10000, MAX_MS = 15 * 60 * 1000 };

int64_t retry_pause_ms(const RetryRule *rule, Tracked *tracked, ErrCode why)
{
    int64_t good_ms = tracked->not_after_ms - rule->object_now_ms, most_ms = rule->poll_ms < MAX_MS ? rule->poll_ms : MAX_MS;
    if (why == ERR_CONFLICT && good_ms > FIRST_MS)           /* what is here is fit: nothing to hurry for while it lasts */
        return good_ms < rule->poll_ms ? good_ms : rule->poll_ms;
    if (!rule->is_synced && tracked->tries < INITIAL_TRIES) {
        double pause = (double)rule->initial_backoff_ms;
        for (int i = 1; i < tracked->tries && pause < INITIAL_MAX_MS; i++)
            pause *= 1.25;
        return pause < INITIAL_MAX_MS ? (int64_t)pause : INITIAL_MAX_MS;
    }
    int64_t pause_ms = rule->is_synced ? FIRST_MS : INITIAL_MAX_MS;
    for (int i = 0; i < tracked->pauses && pause_ms < most_ms; i++)
        pause_ms *= 2;
    tracked->pauses++;
    pause_ms = pause_ms < most_ms ? pause_ms : most_ms;
    return pause_ms / 2 + pause_ms / 2 * rule->chance / UINT32_MAX;
}
