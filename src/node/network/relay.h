/* relay.h - the node's loopback on the site's ports, carried to the Unix socket of the control plane.
 *
 * Clients send names below "localhost" to loopback whatever the hosts file says, and a network namespace cannot reach the
 * machine's loopback; so 127.0.0.1 and ::1 on each port lead to the socket, byte for byte (TLS stays end to end). */
#pragma once
#include "base/err.h"

typedef struct Relay Relay;

bool relay_start(const char *socket_path, Relay **out, Err *err) MUST_CHECK;    /* the path is borrowed for the relay's life */
void relay_stop(Relay *relay);
/* Listens on one more port; fine if it already does. A port once opened stays open: URLs with it are about. */
bool relay_add_port(Relay *relay, int port, Err *err) MUST_CHECK;
