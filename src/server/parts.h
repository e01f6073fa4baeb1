/* parts.h - the tools that every subject stands on, opened from a data directory in one order and closed in reverse. */
#pragma once
#include "server/datadir.h"
#include "site/site.h"

typedef struct Parts { Site site; } Parts;

/* Store, seal, clock (with the stored development offset), audit, runner. On false what was opened has been closed. */
bool parts_open(Arena *arena, const DataDir *data, Parts *out, Err *err) MUST_CHECK;
void parts_stop(Parts *parts);              /* the runner: before the subjects close */
void parts_close(Parts *parts);             /* after the subjects */
