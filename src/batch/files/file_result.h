/* file_result.h - what nodes answer to `file` commands (docs/node-protocol.md). */
#pragma once
#include "json/read.h"

enum { FILE_PIECE_MAX = 1024 * 1024, FILE_PAGE_MAX = 1000, FILE_PATH_MAX = 4000 };

typedef struct FileEntry { Str path; bool is_directory; int64_t size, modified_ms, created_ms; Str mode; } FileEntry;    /* path: below the node's root directory; created_ms 0: not kept */
typedef struct FileResult {
    FileEntry *entries;
    size_t count;
    bool more;
    Bytes data;
    Str error, message;                 /* error "": it went well */
} FileResult;

/* ERR_BAD_INPUT names the field. Nodes run foreign programs as root: no word of theirs is taken unchecked. */
bool file_result_read(Arena *arena, const JsonVal *body, FileResult *out, Err *err) MUST_CHECK;

/* The same in another arena, so that the text it was read from may go. */
bool file_result_keep(Arena *arena, FileResult *result, Err *err) MUST_CHECK;

/* Segments that are neither empty, "." nor "..", parted by one slash each; not empty as a whole. */
bool file_path_is_good(Str path);
