/* shape.c - checking, keeping and writing documents by their tables. */
#include "batch/shape.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/clock.h"

enum { FREE_MAX = 32 * 1024 };       /* text of a free object */

/* Where we are in the document, for messages; lives on the stack, innermost first. */
typedef struct Place { const struct Place *up; const char *name; int64_t index; } Place;

typedef struct Walk { Arena *arena; Spelling from; JsonWriter *w; Err *err; bool skip_unknown; } Walk;

static size_t place_text(const Place *at, char *out, size_t size)
{
    if (!at || size == 0)
        return 0;
    size_t len = place_text(at->up, out, size);
    int more = at->index >= 0 ? snprintf(out + len, size - len, "[%lld]", (long long)at->index)
                              : snprintf(out + len, size - len, "%s%s", len > 0 ? "." : "", at->name);
    len += more > 0 ? (size_t)more : 0;
    return len < size ? len : size - 1;
}

static bool refuse(Walk *walk, const Place *at, ErrCode code, const char *name, const char *fmt, ...) FORMAT(5, 6);

static bool refuse(Walk *walk, const Place *at, ErrCode code, const char *name, const char *fmt, ...)
{
    char where[sizeof walk->err->target] = "", reason[400];
    place_text(at, where, sizeof where);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    err_named(walk->err, code, name, NULL, "%s%s%s", where, where[0] ? ": " : "", reason);
    (void)snprintf(walk->err->target, sizeof walk->err->target, "%s", where);
    return false;
}

static const char *name_in(const ShapeField *field, Spelling spelling)
{
    return spelling == SPELL_ARM ? field->arm : field->data;
}

static bool is_end(const ShapeField *field) { return !field->arm && !field->data; }

static const JsonVal *member_of(const JsonVal *object, const char *name)
{
    const JsonVal *v = name ? json_get(object, name) : NULL;
    return json_kind(v) == JSON_NULL ? NULL : v;
}

static bool is_empty(const JsonVal *v)
{
    switch (json_kind(v)) {
    case JSON_ABSENT: case JSON_NULL:   return true;
    case JSON_STR:                      return str_empty(json_str(v));
    case JSON_ARRAY: case JSON_OBJECT:  return json_count(v) == 0;
    default:                            return false;
    }
}

static bool wrong_kind(Walk *walk, const Place *at, const JsonVal *v, const char *wanted)
{
    return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must be %s, not %s", wanted, json_kind_name(json_kind(v)));
}

static bool read_text(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v, Str *out)
{
    if (json_kind(v) != JSON_STR)
        return wrong_kind(walk, at, v, "a string");
    *out = json_str(v);
    if ((int64_t)out->len < field->min)
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must not be shorter than %lld characters", (long long)field->min);
    if (field->max > 0 && (int64_t)out->len > field->max)
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must not be longer than %lld characters", (long long)field->max);
    return true;
}

/* The service reads numbers and truths from text too, and az 2.91 sends those of its options so. */
static bool read_int(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    Err ignored = { 0 };
    int64_t n = json_int(v, 0);
    bool from_text = walk->from == SPELL_DATA && json_kind(v) == JSON_STR && str_to_int64(json_str(v), INT64_MIN, INT64_MAX, &n, &ignored);
    if (json_kind(v) != JSON_INT && !from_text)
        return wrong_kind(walk, at, v, "a whole number");
    int64_t max = field->max == 0 && field->min == 0 ? INT32_MAX : field->max;
    if (n < field->min || n > max)
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "%lld is not within %lld and %lld",
                      (long long)n, (long long)field->min, (long long)max);
    json_put_int(walk->w, field->arm, n);
    return true;
}

static bool read_bool(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    bool is_true = json_bool(v, false) || str_eq_nocase(json_str(v), STR("true"));
    bool from_text = walk->from == SPELL_DATA && json_kind(v) == JSON_STR && (is_true || str_eq_nocase(json_str(v), STR("false")));
    if (json_kind(v) != JSON_BOOL && !from_text)
        return wrong_kind(walk, at, v, "true or false");
    json_put_bool(walk->w, field->arm, is_true);
    return true;
}

static bool read_word(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    if (json_kind(v) != JSON_STR)
        return wrong_kind(walk, at, v, "a string");
    char known[200] = "";
    size_t len = 0;
    for (const char *const *word = field->words; *word; word++) {
        if (str_eq_nocase(json_str(v), str_from(*word))) {
            json_put_str(walk->w, field->arm, str_from(*word));
            return true;
        }
        int more = snprintf(known + len, sizeof known - len, "%s%s", len ? ", " : "", *word);
        len = more > 0 && len + (size_t)more < sizeof known ? len + (size_t)more : sizeof known - 1;
    }
    return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "'" STR_FMT "' is none of %s", STR_ARG(json_str(v)), known);
}

static bool read_switch(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    static const char *const words[] = { "Enabled", "Disabled", NULL };
    if (walk->from == SPELL_DATA) {
        if (json_kind(v) != JSON_BOOL)
            return wrong_kind(walk, at, v, "true or false");
        json_put_str(walk->w, field->arm, str_from(words[json_bool(v, false) ? 0 : 1]));
        return true;
    }
    ShapeField as_word = *field;
    as_word.words = words;
    return read_word(walk, at, &as_word, v);
}

static bool read_duration(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    int64_t ms;
    Err wrong = { 0 };
    if (json_kind(v) != JSON_STR)
        return wrong_kind(walk, at, v, "an ISO 8601 duration such as \"PT15M\"");
    if (!duration_parse_iso(json_str(v), &ms, &wrong))
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "'" STR_FMT "' is no ISO 8601 duration such as \"PT15M\"", STR_ARG(json_str(v)));
    if (ms < field->min || (field->max > 0 && ms > field->max))
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must be %lld minutes or more%s", (long long)(field->min / 60000),
                      field->max > 0 && ms > field->max ? ", and not so long" : "");
    json_put_str(walk->w, field->arm, json_str(v));
    return true;
}

static bool check_count(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    if (json_kind(v) != JSON_ARRAY)
        return wrong_kind(walk, at, v, "an array");
    int64_t count = (int64_t)json_count(v);
    if (count < field->min)
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must not have fewer than %lld items", (long long)field->min);
    if (field->max > 0 && count > field->max)
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must not have more than %lld items", (long long)field->max);
    return true;
}

static bool read_texts(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    if (!check_count(walk, at, field, v))
        return false;
    json_open_array(walk->w, field->arm);
    for (size_t i = 0; i < json_count(v); i++) {
        Place item = { at, NULL, (int64_t)i };
        if (json_kind(json_at(v, i)) != JSON_STR)
            return wrong_kind(walk, &item, json_at(v, i), "a string");
        json_put_str(walk->w, NULL, json_str(json_at(v, i)));
    }
    json_close_array(walk->w);
    return true;
}

static bool read_tags(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    if (json_kind(v) != JSON_OBJECT)
        return wrong_kind(walk, at, v, "an object");
    JsonWalk members = { .object = v };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value))
        if (json_kind(value) != JSON_STR)
            return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "'" STR_FMT "' must be a string, not %s", STR_ARG(name),
                          json_kind_name(json_kind(value)));
    json_put_value(walk->w, field->arm, v);
    return true;
}

/* The data plane's clients send free objects as objects or as their text; both are kept as objects. */
static bool read_free(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    if (walk->from == SPELL_DATA && json_kind(v) == JSON_STR) {
        Err wrong = { 0 };
        if (!json_parse(walk->arena, json_str(v), JSON_TRAILING_COMMAS, &v, &wrong))
            return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "is no JSON object: %s", wrong.text);
    }
    if (json_kind(v) != JSON_OBJECT)
        return wrong_kind(walk, at, v, "an object");
    if (json_text(walk->arena, v).len > FREE_MAX)
        return refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "must not be longer than %d characters", FREE_MAX);
    json_put_value(walk->w, field->arm, v);
    return true;
}

static bool read_members(Walk *walk, const Place *at, const ShapeField *fields, const JsonVal *object, const JsonVal *before);

static bool read_objects(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    if (!check_count(walk, at, field, v))
        return false;
    json_open_array(walk->w, field->arm);
    for (size_t i = 0; i < json_count(v); i++) {
        Place item = { at, NULL, (int64_t)i };
        if (json_kind(json_at(v, i)) != JSON_OBJECT)
            return wrong_kind(walk, &item, json_at(v, i), "an object");
        json_open(walk->w, NULL);
        if (!read_members(walk, &item, field->fields, json_at(v, i), NULL))
            return false;
        json_close(walk->w);
    }
    json_close_array(walk->w);
    return true;
}

static bool read_field(Walk *walk, const Place *at, const ShapeField *field, const JsonVal *v)
{
    Str text;
    switch (field->kind) {
    case SHAPE_TEXT:
        if (!read_text(walk, at, field, v, &text))
            return false;
        json_put_str(walk->w, field->arm, text);
        return true;
    case SHAPE_INT:      return read_int(walk, at, field, v);
    case SHAPE_BOOL:     return read_bool(walk, at, field, v);
    case SHAPE_WORD:     return read_word(walk, at, field, v);
    case SHAPE_SWITCH:   return read_switch(walk, at, field, v);
    case SHAPE_DURATION: return read_duration(walk, at, field, v);
    case SHAPE_OBJECT:
        if (json_kind(v) != JSON_OBJECT)
            return wrong_kind(walk, at, v, "an object");
        json_open(walk->w, field->arm);
        if (!read_members(walk, at, field->fields, v, NULL))
            return false;
        json_close(walk->w);
        return true;
    case SHAPE_OBJECTS:  return read_objects(walk, at, field, v);
    case SHAPE_TEXTS:    return read_texts(walk, at, field, v);
    case SHAPE_FREE:     return read_free(walk, at, field, v);
    case SHAPE_TAGS:     return read_tags(walk, at, field, v);
    case SHAPE_UNKEPT:   return read_text(walk, at, field, v, &text);
    case SHAPE_BY_HAND:
    case SHAPE_APART:
    case SHAPE_SHOWN:    return true;
    case SHAPE_EMPTY:
        return is_empty(v) || refuse(walk, at, ERR_BAD_INPUT, "InvalidPropertyValue", "%s", field->why);
    case SHAPE_NOT_BUILT:
        return is_empty(v) || refuse(walk, at, ERR_NOT_BUILT, "NotImplemented", "%s", field->why ? field->why : "not available here yet; leave it out");
    case SHAPE_UNDECLARED:
        break;
    }
    return refuse(walk, at, ERR_INTERNAL, NULL, "its shape is undeclared");
}

static const ShapeField *field_named(const ShapeField *fields, Spelling spelling, Str name)
{
    for (const ShapeField *f = fields; !is_end(f); f++)
        if (name_in(f, spelling) && str_eq(name, str_from(name_in(f, spelling))))
            return f;
    return NULL;
}

static bool check_names(Walk *walk, const Place *at, const ShapeField *fields, const JsonVal *object)
{
    JsonWalk members = { .object = object };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value)) {
        if (walk->skip_unknown || field_named(fields, walk->from, name))
            continue;
        char shown[64];
        (void)snprintf(shown, sizeof shown, STR_FMT, (int)(name.len < 60 ? name.len : 60), name.ptr);
        Place unknown = { at, shown, -1 };
        return refuse(walk, &unknown, ERR_BAD_INPUT, "InvalidRequestBody", "there is no property of this name here; check its spelling");
    }
    return true;
}

static bool read_members(Walk *walk, const Place *at, const ShapeField *fields, const JsonVal *object, const JsonVal *before)
{
    if (!check_names(walk, at, fields, object))
        return false;
    for (const ShapeField *f = fields; !is_end(f); f++) {
        const char *name = name_in(f, walk->from);
        Place here = { at, name ? name : f->arm ? f->arm : f->data, -1 };
        bool is_given = name && json_get(object, name);
        const JsonVal *v = member_of(object, name);
        if (v) {
            if (!read_field(walk, &here, f, v))
                return false;
        } else if (!is_given && f->arm && member_of(before, f->arm)) {
            json_put_value(walk->w, f->arm, member_of(before, f->arm));
        } else if (f->need == SHAPE_NEEDED && name) {
            return refuse(walk, &here, ERR_BAD_INPUT, "MissingRequiredProperty", "is required");
        }
    }
    return true;
}

bool shape_read(Arena *arena, const ShapeField *fields, Spelling from, const JsonVal *object, const JsonVal *before,
                const char *where, JsonWriter *w, Err *err)
{
    Walk walk = { .arena = arena, .from = from, .w = w, .err = err };
    Place top = { NULL, where, -1 };
    const Place *at = where[0] ? &top : NULL;
    if (json_kind(object) != JSON_OBJECT)
        return wrong_kind(&walk, at, object, "an object");
    return read_members(&walk, at, fields, object, before);
}

bool shape_read_known(Arena *arena, const ShapeField *fields, const JsonVal *object, JsonWriter *w, Err *err)
{
    Walk walk = { .arena = arena, .from = SPELL_ARM, .w = w, .err = err, .skip_unknown = true };
    if (json_kind(object) != JSON_OBJECT)
        return wrong_kind(&walk, NULL, object, "an object");
    return read_members(&walk, NULL, fields, object, NULL);
}

/* -- out -- */

static void write_word(Arena *arena, const char *name, Spelling to, Str word, JsonWriter *w)
{
    json_put_str(w, name, to == SPELL_DATA ? str_lower(arena, word) : word);
}

static void write_objects(Arena *arena, const char *name, const ShapeField *field, Spelling to, const JsonVal *v, JsonWriter *w)
{
    json_open_array(w, name);
    for (size_t i = 0; i < json_count(v); i++) {
        json_open(w, NULL);
        shape_write(arena, field->fields, to, json_at(v, i), w);
        json_close(w);
    }
    json_close_array(w);
}

static void write_field(Arena *arena, const char *name, const ShapeField *field, Spelling to, const JsonVal *v, JsonWriter *w)
{
    switch (field->kind) {
    case SHAPE_WORD:
        write_word(arena, name, to, json_str(v), w);
        return;
    case SHAPE_SWITCH:
        if (to == SPELL_DATA)
            json_put_bool(w, name, str_eq(json_str(v), STR("Enabled")));
        else
            json_put_value(w, name, v);
        return;
    case SHAPE_OBJECT:
        json_open(w, name);
        shape_write(arena, field->fields, to, v, w);
        json_close(w);
        return;
    case SHAPE_OBJECTS:
        write_objects(arena, name, field, to, v, w);
        return;
    case SHAPE_FREE:
        if (to == SPELL_DATA)
            json_put_str(w, name, json_text(arena, v));
        else
            json_put_value(w, name, v);
        return;
    default:
        json_put_value(w, name, v);
    }
}

void shape_write(Arena *arena, const ShapeField *fields, Spelling to, const JsonVal *stored, JsonWriter *w)
{
    for (const ShapeField *f = fields; !is_end(f); f++) {
        const char *name = name_in(f, to);
        const JsonVal *v = f->arm ? member_of(stored, f->arm) : NULL;
        if (name && v && f->kind != SHAPE_APART)
            write_field(arena, name, f, to, v, w);
    }
}

static const JsonVal *named(const JsonVal *object, Str wanted)
{
    JsonWalk members = { .object = object };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value))
        if (str_eq(name, wanted))
            return value;
    return NULL;
}

static bool same_members(const JsonVal *a, const JsonVal *b)
{
    JsonWalk in_a = { .object = a }, in_b = { .object = b };
    const JsonVal *x, *y;
    Str name, other;
    if (json_count(a) != json_count(b))
        return false;
    while (json_walk(&in_a, &name, &x)) {
        if (!json_walk(&in_b, &other, &y) || !str_eq(name, other))      /* mostly the order is the same */
            y = named(b, name);
        if (!y || !json_same(x, y))
            return false;
    }
    return true;
}

bool json_same(const JsonVal *a, const JsonVal *b)
{
    if (json_kind(a) != json_kind(b))
        return json_kind(a) <= JSON_NULL && json_kind(b) <= JSON_NULL;
    switch (json_kind(a)) {
    case JSON_ABSENT:
    case JSON_NULL: return true;
    case JSON_BOOL: return json_bool(a, false) == json_bool(b, false);
    case JSON_INT:  return json_int(a, 0) == json_int(b, 0);
    case JSON_REAL: { double x = json_number(a, 0), y = json_number(b, 0); return x <= y && x >= y; }
    case JSON_STR:  return str_eq(json_str(a), json_str(b));
    case JSON_ARRAY:
        if (json_count(a) != json_count(b))
            return false;
        for (size_t i = 0; i < json_count(a); i++)
            if (!json_same(json_at(a, i), json_at(b, i)))
                return false;
        return true;
    case JSON_OBJECT: return same_members(a, b);
    }
    return false;
}
