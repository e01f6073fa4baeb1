/* status.h - the extension's status file, as the machine's agent and Batch read it.
 *
 * Form and texts: "Key Vault virtual machine extension for Linux" and "Enable automatic certificate rotation in a Batch pool". */
#pragma once
#include "base/arena.h"

typedef enum ServiceState {
    SERVICE_RUNNING = 1,            /* polling has begun and nothing is wrong */
    SERVICE_RUNNING_BEHIND,         /* polling, but a certificate could not be brought up to date: "warning" with the reason */
    SERVICE_SYNCING,                /* requireInitialSync and not all are there: "transitioning" */
    SERVICE_SYNC_FAILED,            /* the tries of the initial sync are used up: "error" */
    SERVICE_BAD_SETTINGS            /* "error" */
} ServiceState;

/* Replaces `path` whole. `reason` is one sentence, "" when there is nothing to say. */
bool status_write(const char *path, ServiceState state, Str reason, int64_t since_ms, int64_t now_ms, Err *err) MUST_CHECK;
