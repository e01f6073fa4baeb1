/* form.h - name=value&name=value, as in queries and application/x-www-form-urlencoded bodies (WHATWG URL section 5.1). */
#pragma once
#include "base/arena.h"

/* Names and values are percent-decoded and "+" is a space. ERR_BAD_INPUT names the first pair that does not decode to UTF-8 without NUL. */
bool form_check(Arena *arena, Str form, Err *err) MUST_CHECK;

/* The first value of that name, which compares without case; absent if there is none or it does not decode. */
Str form_get(Arena *arena, Str form, const char *name);
