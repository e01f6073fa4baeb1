/* file.h - whole files in and out, safely. Relative paths resolve against the working directory. */
#pragma once
#include "base/arena.h"
#include <sys/types.h>

/* All of the file, NUL-terminated beyond len for convenience. ERR_NOT_FOUND when absent, ERR_TOO_LARGE beyond max_bytes. */
bool file_read(Arena *arena, const char *path, size_t max_bytes, Str *out, Err *err) MUST_CHECK;

/* Temporary beside it, write, fsync, rename, fsync of the directory: a reader sees the old or the new file, whole, and
 * it survives a power cut. uid or gid -1 leave the owner. */
bool file_replace(const char *path, Bytes content, mode_t mode, uid_t uid, gid_t gid, Err *err) MUST_CHECK;

/* The same, but never over a file that exists: ERR_CONFLICT. */
bool file_create(const char *path, Bytes content, mode_t mode, Err *err) MUST_CHECK;

bool dir_make(const char *path, mode_t mode, Err *err) MUST_CHECK;            /* with parents; fine if it exists */
bool dir_sync(const char *path, Err *err) MUST_CHECK;
bool dir_remove_tree(const char *path, Err *err) MUST_CHECK;                  /* never follows links or crosses mounts, at any depth; fine if absent */
void fd_close(int *fd);                                                       /* for AUTO(fd_close); -1 is fine */
