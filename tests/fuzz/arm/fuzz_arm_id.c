/* What is an id parses to parts that lie in it, and asks for permission somewhere at or above itself. */
#include <stdlib.h>
#include "arm/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(Arena *arena, Str id, Str part)
{
    size_t at;
    if (part.ptr && (part.len == 0 || memchr(part.ptr, '/', part.len) || !str_find(str_lower(arena, id), str_lower(arena, part), &at)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(1 << 20);
    Str text = { (const char *)data, size }, scope, subscription, location;
    Req req = { .arena = arena, .path = text };
    ArmId id;
    Err err = { 0 };

    if (arm_id_parse(arena, text, &id, &err)) {
        const Str parts[] = { id.subscription, id.group, id.provider, id.type, id.name, id.sub_type, id.sub_name };
        for (size_t i = 0; i < COUNT_OF(parts); i++)
            check_part(arena, text, parts[i]);
        if (!id.subscription.ptr || (id.sub_name.ptr && !id.name.ptr))
            abort();
    } else if (err.code != ERR_BAD_INPUT && err.code != ERR_TOO_LARGE) {
        abort();
    }
    if (arm_scope_of_request(&req, &scope, &subscription, &err) && (scope.len == 0 || scope.ptr[0] != '/' || (subscription.ptr && scope.len < 51)))
        abort();
    if (arm_location_check(arena, text, &location, &err) && (location.len == 0 || location.len > 63))
        abort();
    if (arm_api_version_check(text, &err) && size < 10)
        abort();
    if (arm_group_name_check(text, &err) && (size == 0 || size > 90))
        abort();
    arena_free(arena);
    return 0;
}
