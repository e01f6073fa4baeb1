/* wait.h - a thread tells the pool that it belongs to that it is about to wait (for the disk, for another machine), so that the pool lets
 * another thread run meanwhile. On threads of no pool both calls do nothing. They do not nest. */
#pragma once

typedef struct WaitWatch { void (*begins)(void *ctx); void (*ends)(void *ctx); void *ctx; } WaitWatch;

void wait_watch(const WaitWatch *watch);        /* of the calling thread, borrowed; NULL: none any more */
void wait_begins(void);
void wait_ends(void);
