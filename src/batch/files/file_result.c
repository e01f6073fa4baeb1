/* file_result.c - reading the results of file commands. */
#include "batch/files/file_result.h"
#include <stdio.h>
#include "base/encode.h"

enum { MESSAGE_MAX = 1024, MODE_MAX = 12 };
static const int64_t ms_max = INT64_C(253402300799999);                 /* the end of year 9999 */

bool file_path_is_good(Str path)
{
    if (path.len == 0 || path.len > FILE_PATH_MAX || memchr(path.ptr, '\0', path.len))
        return false;
    for (Str rest = path; rest.ptr;) {
        Str segment = str_cut(&rest, '/');
        if (segment.len == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return false;
    }
    return true;
}

static bool is_mode(Str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
    return text.len > 0 && text.len <= MODE_MAX;
}

typedef struct EntryIn { Str path, mode; bool is_directory; int64_t size, modified_ms, created_ms; } EntryIn;

static bool read_entry(const JsonVal *v, size_t at, FileEntry *out, Err *err)
{
    static const JsonField fields[] = {
        JSON_FIELD(EntryIn, path,         "path",        JSON_REQUIRED), JSON_FIELD(EntryIn, is_directory, "isDirectory", JSON_REQUIRED),
        JSON_FIELD(EntryIn, size,         "size",        JSON_REQUIRED), JSON_FIELD(EntryIn, modified_ms,  "modifiedMs",  JSON_REQUIRED),
        JSON_FIELD(EntryIn, created_ms,   "createdMs",   JSON_OPTIONAL), JSON_FIELD(EntryIn, mode,         "mode",        JSON_REQUIRED),
    };
    char where[32];
    EntryIn in = { 0 };
    (void)snprintf(where, sizeof where, "entries[%zu]", at);
    if (json_kind(v) != JSON_OBJECT)
        return err_field(err, where, "must be an object");
    if (!json_read(v, where, fields, COUNT_OF(fields), &in, err))
        return false;
    if (in.path.len > 0 && !file_path_is_good(in.path))
        return err_field(err, where, "path must be one below the node's root directory");
    if (in.size < 0 || in.modified_ms < 0 || in.modified_ms > ms_max || in.created_ms < 0 || in.created_ms > ms_max || !is_mode(in.mode))
        return err_field(err, where, "size, times and mode must be ones that a file can have");
    *out = (FileEntry){ .path = in.path, .is_directory = in.is_directory, .size = in.size, .modified_ms = in.modified_ms, .created_ms = in.created_ms, .mode = in.mode };
    return true;
}

static bool is_known(Str error)
{
    static const char *const words[] = { "", "FileNotFound", "IsDirectory", "NotDirectory", "InvalidPath", "InvalidRange", "IOError" };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq(error, str_from(words[i])))
            return true;
    return false;
}

bool file_result_read(Arena *arena, const JsonVal *body, FileResult *out, Err *err)
{
    typedef struct ResultIn { const JsonVal *entries; bool more; Str data, error, message; } ResultIn;
    static const JsonField fields[] = {
        JSON_FIELD(ResultIn, entries, "entries", JSON_OPTIONAL), JSON_FIELD(ResultIn, more,    "more",    JSON_OPTIONAL),
        JSON_FIELD(ResultIn, data,    "data",    JSON_OPTIONAL), JSON_FIELD(ResultIn, error,   "error",   JSON_OPTIONAL),
        JSON_FIELD(ResultIn, message, "message", JSON_OPTIONAL),
    };
    ResultIn in = { .data = STR(""), .error = STR(""), .message = STR("") };
    FileResult result = { 0 };
    Err wrong = { 0 };
    if (json_kind(body) != JSON_OBJECT)
        return err_field(err, "body", "must be an object");
    if (!json_read(body, "", fields, COUNT_OF(fields), &in, err))
        return false;
    if (in.entries && (json_kind(in.entries) != JSON_ARRAY || json_count(in.entries) > FILE_PAGE_MAX))
        return err_field(err, "entries", "must be an array of at most %d entries", FILE_PAGE_MAX);
    if (!is_known(in.error))
        return err_field(err, "error", "is none of the words of the protocol");
    result.count = json_count(in.entries);
    result.entries = ARENA_ARRAY(arena, FileEntry, result.count + 1);
    if (!result.entries)
        return err_too_big(err);
    for (size_t i = 0; i < result.count; i++)
        if (!read_entry(json_at(in.entries, i), i, &result.entries[i], err))
            return false;
    if (!base64_decode(arena, in.data, &result.data, &wrong))
        return wrong.code == ERR_TOO_LARGE ? err_too_big(err) : err_field(err, "data", "must be base64");
    if (result.data.len > FILE_PIECE_MAX)
        return err_field(err, "data", "must not be longer than 1 MiB");
    result.more = in.more;
    result.error = in.error;
    result.message = str_slice(in.message, 0, MESSAGE_MAX);
    *out = result;
    return arena_ok(arena) || err_too_big(err);
}

bool file_result_keep(Arena *arena, FileResult *result, Err *err)
{
    FileEntry *entries = ARENA_ARRAY(arena, FileEntry, result->count + 1);
    for (size_t i = 0; entries && i < result->count; i++) {
        entries[i] = result->entries[i];
        entries[i].path = str_dup(arena, entries[i].path);
        entries[i].mode = str_dup(arena, entries[i].mode);
    }
    result->entries = entries;
    result->data = bytes_of(str_dup(arena, str_of(result->data)));
    result->error = str_dup(arena, result->error);
    result->message = str_dup(arena, result->message);
    return arena_ok(arena) || err_too_big(err);
}
