/* boot.h - which start of its machine a node is in. /run is empty when a machine starts, so what lies there is of this boot. */
#pragma once
#include "base/arena.h"

#define NODE_BOOT_FILE "/run/vaultyard/boot"
enum { BOOT_ID_DIGITS = 32 };

/* The same for every agent of one boot, another after each start of the machine; made and kept in `path` by the first that asks. */
bool boot_id_get(Arena *arena, const char *path, Str *out, Err *err) MUST_CHECK;
