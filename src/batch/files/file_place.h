/* file_place.h - whose files a request of the data plane is about: a node's, or those of a task where it ran last. */
#pragma once
#include "batch/parts.h"

typedef struct FilePlace {
    Node node;
    Str directory;                      /* below the node's root directory; "" for all of it */
    Str url;                            /* ".../files": of the place itself */
    bool is_task;
} FilePlace;

/* By the path's parameters. ERR_CONFLICT in the service's words when the node cannot be asked now, or a task has no files. */
bool file_place_find(Batch *batch, Txn *txn, const Req *req, FilePlace *out, Err *err) MUST_CHECK;
