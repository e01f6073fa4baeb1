/* account.h - names and numbers of this machine's users and groups, and access lists that let some of them read. */
#pragma once
#include <sys/types.h>
#include "base/str.h"

/* A name or a number. ERR_NOT_FOUND names it. An absent text gives -1, which leaves things as they are. */
bool account_user(Str name, uid_t *out, Err *err) MUST_CHECK;
bool account_group(Str name, gid_t *out, Err *err) MUST_CHECK;

typedef struct Grant { bool is_group; unsigned id; unsigned perm; } Grant;      /* perm: 4 read, 1 pass through a directory */

/* Adds to the POSIX access list of `path` (acl(5)); what is there stays. ERR_UNAVAILABLE: the file system has none. */
bool acl_grant(const char *path, const Grant *grants, size_t count, Err *err) MUST_CHECK;
