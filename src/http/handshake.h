/* handshake.h - TLS handshakes wait for their client outside the event loop.
 *
 * libmicrohttpd (0.9.75 to 1.0.1) does not notice that gnutls_handshake wants more bytes: with epoll it calls it again and again
 * until they come, so one client that stalls in its handshake takes a whole core. Here the connection is suspended instead when
 * its socket is empty, and resumed when it is readable. A handshake has a limited time in all, however its bytes trickle. */
#pragma once
#include <gnutls/gnutls.h>
#include "http/state.h"

typedef struct Handshakes Handshakes;
typedef struct Handshake Handshake;

bool handshakes_new(int limit_ms, Handshakes **out, Err *err) MUST_CHECK;     /* starts its thread */
void handshakes_end(Handshakes *all);           /* every handshake under way fails, and every later one; NULL is fine */
void handshakes_free(Handshakes *all);          /* ends first; after all connections */

/* Before the session's first byte, on the connection's event loop. NULL: out of memory. */
Handshake *handshake_new(Handshakes *all, struct MHD_Connection *connection, gnutls_session_t session);
void handshake_free(Handshake *handshake);      /* the connection ends */
