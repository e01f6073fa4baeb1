/* listen.h - the listening sockets and the thread that accepts from all of them. */
#pragma once
#include "http/state.h"

/* take is called on the acceptor's thread with each new, non-blocking connection, which is then its own; has_room says whether one more may come. */
typedef struct AcceptCalls {
    bool (*has_room)(void *ctx);
    void (*take)(void *ctx, int fd, const struct sockaddr *peer, socklen_t peer_len);
    void *ctx;
} AcceptCalls;

Acceptor *acceptor_new(void);                           /* NULL: out of memory or descriptors */
bool acceptor_listen_tcp(Acceptor *acceptor, const char *address, int port, int *bound_port, Err *err) MUST_CHECK;
bool acceptor_listen_loopback(Acceptor *acceptor, int port, int *bound_port, Err *err) MUST_CHECK;
bool acceptor_listen_unix(Acceptor *acceptor, const char *path, unsigned mode, Err *err) MUST_CHECK;
bool acceptor_start(Acceptor *acceptor, AcceptCalls calls, Err *err) MUST_CHECK;
void acceptor_free(Acceptor *acceptor);                 /* ends the thread, closes the sockets, removes the Unix ones; NULL is fine */
