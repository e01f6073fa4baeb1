/* read.c - strict JSON: our own checks of size, depth and text first, then jansson, then read-only views.
 *
 * A JsonVal is a jansson value; the document is freed with the arena. */
#include "json/read.h"
#include <stdio.h>

/* jansson's kinds have the names of ours: hers are renamed while her header is read. Her json_is_* macros are not used. */
#define JSON_OBJECT  JANSSON_OBJECT
#define JSON_ARRAY   JANSSON_ARRAY
#define JSON_STRING  JANSSON_STRING
#define JSON_INTEGER JANSSON_INTEGER
#define JSON_REAL    JANSSON_REAL
#define JSON_TRUE    JANSSON_TRUE
#define JSON_FALSE   JANSSON_FALSE
#define JSON_NULL    JANSSON_NULL
#define JSON_STRICT  JANSSON_STRICT
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_REAL
#undef JSON_NULL
#undef JSON_STRICT
#undef JSON_STRING
#undef JSON_INTEGER
#undef JSON_TRUE
#undef JSON_FALSE

#define VAL(v)  ((json_t *)(uintptr_t)(v))
#define VIEW(j) ((const JsonVal *)(j))

/* jansson's own depth limit is 2,048; ours keeps every recursive walk short. Also turns ",}" and ",]" into " }" and " ]"
 * when trailing commas are allowed, in the caller's copy. Strings are skipped; whether they are sound is jansson's to say. */
static bool scan(char *text, size_t len, unsigned flags, Err *err)
{
    int depth = 0;
    bool in_string = false;
    char *comma = NULL;                         /* the comma that only white space has followed so far */
    bool value_before = false;                  /* the comma follows a value, not '[' or ',' */
    char last = '\0';
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return err_set(err, ERR_BAD_INPUT, "the JSON body is nested deeper than %d levels", JSON_DEPTH_MAX);
        if (c == '}' || c == ']') {
            depth--;
            if (comma && value_before && (flags & JSON_TRAILING_COMMAS))
                *comma = ' ';
        }
        comma = NULL;
        if (c == ',') {
            comma = &text[i];
            value_before = last != '[' && last != '{' && last != ',' && last != ':' && last != '\0';
        }
        in_string = c == '"';
        last = c;
    }
    return true;
}

static void release(void *root) { json_decref(root); }

bool json_parse(Arena *arena, Str text, unsigned flags, const JsonVal **root, Err *err)
{
    Str copy = str_dup(arena, text.ptr ? text : STR(""));
    if (!copy.ptr)
        return err_too_big(err);
    if (copy.len && memchr(copy.ptr, '\0', copy.len))
        return err_set(err, ERR_BAD_INPUT, "the JSON body holds a NUL character");
    if (!scan((char *)copy.ptr, copy.len, flags, err))
        return false;

    json_error_t why;
    json_t *parsed = json_loadb(copy.ptr, copy.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!parsed)
        return err_set(err, ERR_BAD_INPUT, "the JSON body is malformed at line %d column %d: %s", why.line, why.column, why.text);
    if (!arena_defer(arena, release, parsed))
        return err_too_big(err);
    *root = VIEW(parsed);
    return true;
}

JsonKind json_kind(const JsonVal *v)
{
    if (!v)
        return JSON_ABSENT;
    switch (json_typeof(VAL(v))) {
    case JANSSON_OBJECT:  return JSON_OBJECT;
    case JANSSON_ARRAY:   return JSON_ARRAY;
    case JANSSON_STRING:  return JSON_STR;
    case JANSSON_INTEGER: return JSON_INT;
    case JANSSON_REAL:    return JSON_REAL;
    case JANSSON_TRUE:
    case JANSSON_FALSE:   return JSON_BOOL;
    case JANSSON_NULL:    return JSON_NULL;
    }
    return JSON_ABSENT;
}

const char *json_kind_name(JsonKind kind)
{
    static const char *const names[] = { "nothing", "null", "true or false", "a whole number", "a number", "a string", "an array", "an object" };
    return names[kind];
}

const JsonVal *json_get(const JsonVal *object, const char *name)
{
    return json_kind(object) == JSON_OBJECT ? VIEW(json_object_get(VAL(object), name)) : NULL;
}

const JsonVal *json_get_nocase(const JsonVal *object, const char *name)
{
    JsonWalk walk = { .object = object };
    Str member;
    const JsonVal *value;
    while (json_walk(&walk, &member, &value))
        if (str_eq_nocase(member, str_from(name)))
            return value;
    return NULL;
}

const JsonVal *json_path(const JsonVal *object, const char *dotted)
{
    Str rest = str_from(dotted);
    while (object && rest.ptr) {
        Str part = str_cut(&rest, '.');
        char name[128];
        if (part.len >= sizeof name)
            return NULL;
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        object = json_get(object, name);
    }
    return object;
}

size_t json_count(const JsonVal *v)
{
    JsonKind kind = json_kind(v);
    if (kind == JSON_OBJECT)
        return json_object_size(VAL(v));
    return kind == JSON_ARRAY ? json_array_size(VAL(v)) : 0;
}

const JsonVal *json_at(const JsonVal *array, size_t index)
{
    return json_kind(array) == JSON_ARRAY ? VIEW(json_array_get(VAL(array), index)) : NULL;
}

bool json_walk(JsonWalk *walk, Str *name, const JsonVal **value)
{
    if (json_kind(walk->object) != JSON_OBJECT)
        return false;
    walk->at = walk->begun ? json_object_iter_next(VAL(walk->object), walk->at) : json_object_iter(VAL(walk->object));
    walk->begun = true;
    if (!walk->at)
        return false;
    *name = str_from(json_object_iter_key(walk->at));      /* names hold no NUL: the reader refused them */
    *value = VIEW(json_object_iter_value(walk->at));
    return true;
}

const JsonVal *json_member(const JsonVal *object, size_t index, Str *name)
{
    JsonWalk walk = { .object = object };
    const JsonVal *value;
    for (size_t i = 0; json_walk(&walk, name, &value); i++)
        if (i == index)
            return value;
    return NULL;
}

Str json_str(const JsonVal *v)
{
    if (json_kind(v) != JSON_STR)
        return STR_NONE;
    return (Str){ json_string_value(VAL(v)), json_string_length(VAL(v)) };
}

int64_t json_int(const JsonVal *v, int64_t otherwise)
{
    return json_kind(v) == JSON_INT ? (int64_t)json_integer_value(VAL(v)) : otherwise;
}

double json_number(const JsonVal *v, double otherwise)
{
    JsonKind kind = json_kind(v);
    return kind == JSON_INT || kind == JSON_REAL ? json_number_value(VAL(v)) : otherwise;
}

bool json_bool(const JsonVal *v, bool otherwise)
{
    return json_kind(v) == JSON_BOOL ? json_typeof(VAL(v)) == JANSSON_TRUE : otherwise;
}
