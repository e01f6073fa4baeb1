/* extension.h - what leases say about a node's extensions, kept and shown.
 *
 * A report is the JSON of the last lease: {"reason": {"code","message"}, "extensions": [{"name", "statuses": [{"code","level",
 * "displayStatus","message","time"}]}]}. It is checked before it is kept, so readers trust its shape. */
#pragma once
#include "batch/pools/pool_body.h"

/* "reason" and "extensions" of a lease's body, checked and written again. ERR_BAD_INPUT names the field. */
bool report_read(Arena *arena, const JsonVal *body, Str *report, Err *err) MUST_CHECK;

typedef enum FirstSync { FIRST_SYNC_DONE = 1, FIRST_SYNC_WAITING, FIRST_SYNC_FAILED } FirstSync;
/* Of the extensions that must succeed before the node takes tasks (requireInitialSync). *reason: the failed one's message. */
FirstSync report_first_sync(const JsonVal *report, const PoolExtension *list, size_t count, Str *name, Str *reason);

/* One item of GET .../extensions, into the object that is open. */
void extension_write_members(Arena *arena, const PoolExtension *extension, const JsonVal *report, JsonWriter *w);
