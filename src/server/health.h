/* health.h - /healthz and /readyz on the base domain, for whoever watches the server. */
#pragma once
#include "http/server.h"

bool health_mount(HttpServer *server, Err *err) MUST_CHECK;
