/* parsed.h - JSON that a test gives; what is none fails the test. */
#pragma once
#include "cm.h"
#include "json/read.h"

static inline const JsonVal *json_of(Arena *arena, const char *text)
{
    const JsonVal *value = NULL;
    Err err = { 0 };
    if (!json_parse(arena, str_from(text), JSON_STRICT, &value, &err))
        fail_msg("%s in '%s'", err.text, text);
    return value;
}
