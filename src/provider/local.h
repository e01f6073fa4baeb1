/* local.h - nodes as containers of this machine: the provider inside the unprivileged `serve`, which asks the host process.
 *
 * Each call is one connection to DIR/host/host.sock, so a restarted host is found by itself and calls may run in
 * parallel from any thread. No host: ERR_UNAVAILABLE, one sentence with the command that starts it. Starts and stops
 * wait up to two minutes; a call that failed for time may still have had its effect and can be repeated. */
#pragma once
#include "provider/provider.h"

/* data_dir is copied and need not have a host yet. NULL: out of memory. */
Provider *provider_local_new(const char *data_dir);
void      provider_local_free(Provider *provider);
DEFINE_AUTO_FREE(Provider, provider_local_free)

/* Is a host there, and of this instance (32 hex digits)? ERR_UNAVAILABLE or ERR_CONFLICT otherwise. */
bool provider_local_hello(Provider *provider, Str instance_id, Err *err) MUST_CHECK;
