/* Tags that are taken are an object of strings that is taken again, unchanged. */
#include <stdlib.h>
#include "arm/arm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(16 << 20);
    const JsonVal *tags;
    Str text, again;
    Err err = { 0 };

    if (json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &tags, &err) && arm_tags_check(arena, tags, &text, &err)) {
        if (!json_parse(arena, text, JSON_STRICT, &tags, &err) || json_count(tags) > 50 || !arm_tags_check(arena, tags, &again, &err) || !str_eq(text, again))
            abort();
    }
    arena_free(arena);
    return 0;
}
