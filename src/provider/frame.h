/* frame.h - length-prefixed messages over a Unix stream socket, each with a time limit.
 *
 * Sockets are reached through their directory's descriptor, so that a long path is no trouble (sun_path has 108 bytes). */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

bool frame_send(int fd, Str message, int64_t deadline_ms, Err *err) MUST_CHECK;     /* deadline on the monotonic clock */

/* One whole message into the arena. *out is absent when the peer closed between messages, or when `wake_fd` (-1: none)
 * became readable before one began. ERR_TOO_LARGE beyond max_bytes, ERR_UNAVAILABLE when time or the peer ran out. */
bool frame_receive(int fd, int wake_fd, Arena *arena, size_t max_bytes, int64_t deadline_ms, Str *out, Err *err) MUST_CHECK;

bool socket_connect(const char *dir, const char *name, int *out_fd, Err *err) MUST_CHECK;   /* ERR_UNAVAILABLE: nobody listens there; ERR_DENIED: not for this user */

/* Replaces a leftover socket; nobody can connect before owner and mode are set. */
bool socket_listen(const char *dir, const char *name, uid_t uid, gid_t gid, mode_t mode, int *out_fd, Err *err) MUST_CHECK;
