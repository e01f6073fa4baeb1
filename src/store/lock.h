/* lock.h - one process a database: flock on "<database>.lock", held for the life of the store. */
#pragma once
#include "base/str.h"

/* ERR_CONFLICT names the process that has it. The kernel frees the lock when the process dies, however it dies. */
bool store_lock(const char *database_path, int *fd, Err *err) MUST_CHECK;
