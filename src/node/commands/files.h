/* files.h - the file commands: list, stat, read and delete below one directory, and never outside it.
 *
 * Paths are resolved by the kernel (openat2, RESOLVE_BENEATH), so links that tasks make lead nowhere outside, also while they are
 * changed. Words of errors and limits: docs/node-protocol.md, "Tasks". */
#pragma once
#include "json/write.h"

enum { FILES_PAGE_MAX = 1000, FILES_READ_MAX = 1024 * 1024, FILES_PATH_MAX = 4000, FILES_LIST_BYTES_MAX = 64 * 1024 * 1024 };

typedef struct FileAsk { Str op, path; bool recursive; OptInt offset, length; } FileAsk;
bool files_ask_read(const JsonVal *command, FileAsk *out, Err *err) MUST_CHECK;

typedef struct FileEntry { Str path; bool is_directory; int64_t size, modified_ms, created_ms; unsigned mode; } FileEntry;    /* created_ms 0: not kept */
typedef struct FileAnswer {
    FileEntry *entries;
    size_t count;
    bool more;
    Bytes data;
    const char *error;                  /* "" or the protocol's word */
    Str message;
} FileAnswer;

/* Segments that are neither empty, "." nor "..", parted by one slash each; UTF-8; "" is the root itself. */
bool files_path_is_good(Str path);
/* Everything, trouble too, is in the answer, which lives in the arena. */
void files_do(Arena *arena, const char *root, const FileAsk *ask, FileAnswer *out);
void files_answer_write(Arena *arena, const FileAnswer *answer, JsonWriter *w);      /* the body of the command's result */
