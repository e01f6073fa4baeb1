/* egress.h - the way out for nodes that have no network: SOCKS 5 on a Unix socket in the directory that is mounted into every local node.
 *
 * One thread and one epoll set carry all connections; names are resolved here, beside it (lookup.h), and each address is judged by the
 * policy before it is connected to. Connections, lookups and buffers are bounded, in all and for each node (told apart by the ids of the
 * caller, which are a node's own), and a connection on which nothing moves for EGRESS_IDLE_MS ends. */
#pragma once
#include "egress/policy.h"

enum {
    EGRESS_CONNECTIONS_MAX = 1024, EGRESS_NODE_CONNECTIONS_MAX = 128, EGRESS_NODE_LOOKUPS_MAX = 4,
    EGRESS_ASK_MS = 10000,              /* from the connection to the whole request */
    EGRESS_REACH_MS = 20000,            /* for the lookup, and for each address that is tried */
    EGRESS_IDLE_MS = 300000
};

typedef struct Egress Egress;

/* Serves `socket_path` (0666) until egress_stop; with EGRESS_OFF there is no socket there, also none of an earlier server. */
bool egress_start(const char *socket_path, const EgressPolicy *policy, Egress **out, Err *err) MUST_CHECK;
void egress_stop(Egress *egress);       /* ends what is open; NULL is fine */
