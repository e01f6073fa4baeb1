/* peer.h - which node is at the other end of a Unix socket. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

enum { PEER_NAME_BYTES = 80 };

/* A key that all processes of one node share and no other node has: local nodes have 65,536 ids each (provider/idrange.h). `name` is for the
 * log: the node's control group, or the caller's id where there is none. */
uid_t peer_of(int fd, char name[PEER_NAME_BYTES]);
