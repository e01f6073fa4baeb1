/* file_calls.h - what requests ask of the files on nodes, until they were answered (docs/node-protocol.md, kind `file`).
 *
 * Kept in memory: nobody but the request that waits wants an answer, and what files hold never comes into the database. A call goes out with the
 * next commands of its node, and again when no answer came for a while (an agent does nothing twice); it is gone when its request drops it.
 * All may be called from any thread; one call is its request's alone. */
#pragma once
#include "batch/files/file_result.h"
#include "json/write.h"

enum { FILE_CALLS_A_NODE_MAX = 64 };

typedef struct FileCalls FileCalls;
typedef struct FileCall FileCall;
typedef struct FileAsk { const char *op; Str path; bool recursive; int64_t offset, length; } FileAsk;       /* length 0: the most there is; op is static */

FileCalls *file_calls_new(void);                                    /* NULL: out of memory */
void file_calls_free(FileCalls *calls);                             /* every request is over */

/* wake_key: of http_wake, once the answer is there. ERR_THROTTLED ServerBusy: the node has FILE_CALLS_A_NODE_MAX to do already. */
bool file_call_add(FileCalls *calls, Str node_id, Str wake_key, const FileAsk *ask, FileCall **out, Err *err) MUST_CHECK;
void file_call_drop(FileCall *call);
const FileResult *file_call_result(FileCall *call);                 /* NULL: none yet; lives as long as the call */

bool file_calls_are_due(FileCalls *calls, Str node_id);             /* some are to go out now */
void file_calls_write(FileCalls *calls, Str node_id, JsonWriter *w);        /* those, as items of "commands" */
bool file_calls_have(FileCalls *calls, Str node_id, Str command_id);
/* *waker: what to wake, in the arena given; absent: nobody waits for it any more. own: the arena in which result lies, which the call keeps. */
void file_calls_answer(FileCalls *calls, Str node_id, Str command_id, Arena *own, const FileResult *result, Arena *arena, Str *waker);
