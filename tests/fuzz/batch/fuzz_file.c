/* fuzz_file.c - what a node's agent answers to a file command, and the range a client asks for. */
#include "batch/files/file_range.h"
#include "batch/files/file_result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    Str text = { (const char *)data, size };
    const JsonVal *body;
    FileResult result;
    FileRange range;
    int64_t from, count;
    Err err = { 0 };
    if (json_parse(arena, text, JSON_STRICT, &body, &err) && file_result_read(arena, body, &result, &err))
        for (size_t i = 0; i < result.count; i++)
            if (result.entries[i].path.len > 0 && !file_path_is_good(result.entries[i].path))
                __builtin_trap();
    for (int64_t length = 0; length < 3; length++)
        if (file_range_parse(text, "Range", &range, &err) && file_range_apply(&range, length, &from, &count, &err) && (from < 0 || count < 0 || from + count > length))
            __builtin_trap();
    return 0;
}
