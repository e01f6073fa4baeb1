/* nodelog.h - what a node's first process and those that inherit its output print: <bundle>/node.log, kept within bounds. */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

enum { NODE_LOG_BYTES_MAX = 8 * 1024 * 1024, NODE_LOG_BYTES_KEPT = 1024 * 1024 };

/* A new log, owned by `owner` so that the container may reopen it; the one before becomes node.log.1. */
bool node_log_open(const char *bundle, uid_t owner, int *out_fd, Err *err) MUST_CHECK;

/* Beyond NODE_LOG_BYTES_MAX its last part goes to node.log.1 and the rest is given back; the node writes on at the start. Fine if absent. */
bool node_log_trim(const char *bundle, Err *err) MUST_CHECK;
