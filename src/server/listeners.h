/* listeners.h - where `serve` listens, and the one port that clients see. */
#pragma once
#include "http/server.h"

enum { LISTEN_MAX = 8 };

/* `wanted`: "ADDR:PORT" texts ("[::1]:8443"); none: both loopbacks on `port`. Port 0 prefers `last_port`, then picks one; every
 * listener with port 0 gets the same. *visible_port is that of the first. A loopback family that the machine lacks is left out. */
bool listeners_bind(HttpServer *server, const char *const *wanted, int count, int port, int last_port, int *visible_port, Err *err) MUST_CHECK;
