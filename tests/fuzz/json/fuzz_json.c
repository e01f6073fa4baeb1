/* What parses must be writable and parse again to the same text. */
#include <stdlib.h>
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(16 << 20);
    const JsonVal *root, *again;
    Err err = { 0 };
    unsigned flags = size && data[0] == '{' ? JSON_TRAILING_COMMAS : JSON_STRICT;
    if (json_parse(arena, (Str){ (const char *)data, size }, flags, &root, &err)) {
        Str text = json_text(arena, root);
        if (!text.ptr || !json_parse(arena, text, JSON_STRICT, &again, &err) || !str_eq(text, json_text(arena, again)))
            abort();
    }
    arena_free(arena);
    return 0;
}
