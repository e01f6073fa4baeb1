/* health.h - /healthz, /readyz and /metrics on the base domain, for whoever watches the server.
 *
 * /metrics names accounts, so it asks for a token of the management audience (Prometheus gets one by its `oauth2` settings) and tells
 * what the caller may read in Resource Manager. */
#pragma once
#include "batch/batch.h"

typedef struct Health { Site *site; Identity *identity; Batch *batch; Plane plane; } Health;

/* `health` has its first three members, and stays where it is as long as the server. */
bool health_mount(Health *health, HttpServer *server, Err *err) MUST_CHECK;
