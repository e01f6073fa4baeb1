/* files.h - the files of the reads, oldest first, and their lines. Private to audit/. */
#pragma once
#include "audit/line.h"

#define READS_FILE "reads.log"
enum { READS_LIST_BYTES = 256 << 20 };      /* an arena that holds the list of a million files */

typedef struct ReadsFile { Str path; int64_t first_number; bool is_current; } ReadsFile;    /* first_number 0: an empty current file */
/* The current one is last, if it exists. Paths are NUL-terminated in the arena. */
bool reads_files_list(const char *dir, Arena *arena, ReadsFile **files, size_t *count, Err *err) MUST_CHECK;
/* Where a file goes that begins with `first_number`. */
bool reads_file_name(const char *dir, int64_t first_number, char *out, size_t out_size, Err *err) MUST_CHECK;

typedef enum LineKind { LINE_SOUND = 1, LINE_STRANGE, LINE_TORN } LineKind;      /* torn: the end of the file, without a line break */
/* false: enough. `offset` is where the line begins. */
typedef bool LineFn(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len);
/* ERR_NOT_FOUND if the file is absent. */
bool reads_file_walk(const char *path, LineFn *fn, void *ctx, Err *err) MUST_CHECK;
