/* file_stream.h - a file of a node as the body of an answer: piece after piece, some of them asked for ahead. */
#pragma once
#include "batch/files/file_calls.h"
#include "http/server.h"

typedef struct FileSource {
    FileCalls *calls;
    HttpServer *http;
    Arena *arena;                       /* the request's */
    Str node_id, path, wake_key, node_key;
    FileCall *first;                    /* answered: the bytes from `from` on; the stream's from now on, also on false */
    int64_t from, count;                /* what the body is */
} FileSource;

/* The body, or the stream of it, into reply. A file that became shorter meanwhile breaks the connection off. */
bool file_stream_begin(const FileSource *source, Reply *reply, Err *err) MUST_CHECK;
void file_length(Reply *reply, int64_t size);           /* the Content-Length of an answer to HEAD */
