/* bridge.h - two connected stream sockets and the bytes between them, for one epoll loop.
 *
 * One buffer of fixed size each way, so a side that does not read holds the other back; an end of bytes is carried over. The caller owns
 * the thread and the epoll set, which gets its events as pointers to BridgeEnd. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { BRIDGE_BYTES = 16 * 1024 };

typedef struct Bridge Bridge;
typedef struct BridgeEnd {
    Bridge *bridge;
    int fd;                         /* -1: not there yet */
    bool is_watched;                /* in the epoll set */
    bool read_closed, shut;         /* nothing more comes from it; nothing more goes to it */
    bool is_gone;                   /* it hung up: what it sent may still be there, nothing reaches it */
    size_t from, to;                /* bytes read from this end and not yet written to the other: buf[from..to) */
    int64_t bytes;                  /* read from this end in all */
    char buf[BRIDGE_BYTES];
} BridgeEnd;
struct Bridge { BridgeEnd ends[2]; };

void bridge_init(Bridge *bridge, int first, int second);        /* takes the descriptors, which do not block; the rest of the memory may be anything */
void bridge_done(Bridge *bridge);                               /* closes both */

/* (Re)arms one end for these events, edge-triggered or not as they say. */
bool bridge_watch(int epoll, BridgeEnd *end, uint32_t events) MUST_CHECK;
/* Arms both ends for what their buffers wait for. */
bool bridge_rewatch(int epoll, Bridge *bridge) MUST_CHECK;
/* Reads what there is into the end's buffer, behind what it holds. false: the connection broke. */
bool bridge_fill(BridgeEnd *end) MUST_CHECK;
/* An event of an end: moves bytes both ways as long as some move, a fair share at a time, and rearms. false: finished or broken. */
bool bridge_event(int epoll, BridgeEnd *end, uint32_t events) MUST_CHECK;
bool bridge_pump(int epoll, Bridge *bridge) MUST_CHECK;        /* the same without an event, to begin with */
