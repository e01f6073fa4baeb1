/* write.c - JSON out: the writer keeps, per open level, whether it is an array and whether it has items. */
#include "json/write.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"

enum { WRITE_DEPTH_MAX = 63 };

void json_begin(JsonWriter *w, Buf *buf)
{
    *w = (JsonWriter){ .buf = buf };
}

static uint64_t level_bit(const JsonWriter *w) { return 1ull << w->depth; }

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Nothing in it has to be escaped. Eight bytes at a time: a zero byte is found by the borrow of its subtraction. Wrongly false for text that
 * is not ASCII, which then goes the long way. */
static bool is_plain(Str text)
{
    size_t i = 0;
    for (; text.len - i >= 8; i += 8) {
        uint64_t eight;
        memcpy(&eight, text.ptr + i, sizeof eight);
        uint64_t quote = eight ^ EACH_BYTE('"'), backslash = eight ^ EACH_BYTE('\\');
        if (((eight - EACH_BYTE(0x20)) | eight | (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1))) & EACH_BYTE(0x80))
            return false;
    }
    for (; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == '"' || text.ptr[i] == '\\')
            return false;
    return true;
}

static void put_escaped(JsonWriter *w, Str text)
{
    buf_put_char(w->buf, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(w->buf, text.ptr + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(w->buf, "\\%c", c);
        else if (c == '\n')
            buf_put_str(w->buf, STR("\\n"));
        else
            buf_printf(w->buf, "\\u%04x", c);
    }
    buf_put(w->buf, text.ptr + from, text.len - from);
    buf_put_char(w->buf, '"');
}

static void put_text(JsonWriter *w, Str text)
{
    if (!is_plain(text)) {
        put_escaped(w, text);
        return;
    }
    char *at = buf_space(w->buf, text.len + 2);
    if (!at)
        return;
    *at++ = '"';
    if (text.len)
        memcpy(at, text.ptr, text.len);
    at[text.len] = '"';
}

/* Comma and name before a value; a name where none belongs, or none where one does, is the caller's bug. */
static void before_value(JsonWriter *w, Str name)
{
    bool in_array = w->depth == 0 || (w->is_array & level_bit(w));
    if (in_array != !name.ptr || (w->depth == 0 && (w->has_items & 1)))
        w->bad = true;
    if (w->depth > 0 && (w->has_items & level_bit(w)))
        buf_put_char(w->buf, ',');
    w->has_items |= level_bit(w);
    if (name.ptr) {
        put_text(w, name);
        buf_put_char(w->buf, ':');
    }
}

static void open_level(JsonWriter *w, Str name, bool array)
{
    before_value(w, name);
    buf_put_char(w->buf, array ? '[' : '{');
    if (w->depth >= WRITE_DEPTH_MAX) {
        w->bad = true;
        return;
    }
    w->depth++;
    w->has_items &= ~level_bit(w);
    w->is_array = array ? w->is_array | level_bit(w) : w->is_array & ~level_bit(w);
}

static void close_level(JsonWriter *w, bool array)
{
    if (w->depth == 0 || !(w->is_array & level_bit(w)) == array) {
        w->bad = true;
        return;
    }
    buf_put_char(w->buf, array ? ']' : '}');
    w->depth--;
}

void json_open(JsonWriter *w, const char *name) { open_level(w, str_from(name), false); }
void json_open_named(JsonWriter *w, Str name) { open_level(w, name, false); }
void json_open_array_named(JsonWriter *w, Str name) { open_level(w, name, true); }
void json_open_array(JsonWriter *w, const char *name) { open_level(w, str_from(name), true); }
void json_close(JsonWriter *w) { close_level(w, false); }
void json_close_array(JsonWriter *w) { close_level(w, true); }

void json_put_str_named(JsonWriter *w, Str name, Str value)
{
    if (!value.ptr && name.ptr)
        return;
    before_value(w, name);
    if (value.ptr)
        put_text(w, value);
    else
        buf_put_str(w->buf, STR("null"));
}

void json_put_str(JsonWriter *w, const char *name, Str value) { json_put_str_named(w, str_from(name), value); }

void json_put_int(JsonWriter *w, const char *name, int64_t value)
{
    before_value(w, str_from(name));
    buf_printf(w->buf, "%lld", (long long)value);
}

static void put_real(JsonWriter *w, double value)
{
    if (!isfinite(value)) {
        w->bad = true;
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_put_str(w->buf, str_from(text));
    if (!strpbrk(text, ".e"))
        buf_put_str(w->buf, STR(".0"));
}

void json_put_real(JsonWriter *w, const char *name, double value)
{
    before_value(w, str_from(name));
    put_real(w, value);
}

void json_put_bool(JsonWriter *w, const char *name, bool value)
{
    before_value(w, str_from(name));
    buf_put_str(w->buf, value ? STR("true") : STR("false"));
}

void json_put_null(JsonWriter *w, const char *name)
{
    before_value(w, str_from(name));
    buf_put_str(w->buf, STR("null"));
}

void json_put_value_named(JsonWriter *w, Str name, const JsonVal *value)
{
    JsonWalk walk = { .object = value };
    const JsonVal *child;
    Str member;
    switch (json_kind(value)) {
    case JSON_ABSENT:
        return;
    case JSON_OBJECT:
        open_level(w, name, false);
        while (json_walk(&walk, &member, &child))
            json_put_value_named(w, member, child);
        close_level(w, false);
        return;
    case JSON_ARRAY:
        open_level(w, name, true);
        for (size_t i = 0; i < json_count(value); i++)
            json_put_value_named(w, STR_NONE, json_at(value, i));
        close_level(w, true);
        return;
    case JSON_STR:
        before_value(w, name);
        put_text(w, json_str(value));
        return;
    case JSON_INT:
        before_value(w, name);
        buf_printf(w->buf, "%lld", (long long)json_int(value, 0));
        return;
    case JSON_REAL:
        before_value(w, name);
        put_real(w, json_number(value, 0));
        return;
    case JSON_BOOL:
        before_value(w, name);
        buf_put_str(w->buf, json_bool(value, false) ? STR("true") : STR("false"));
        return;
    case JSON_NULL:
        before_value(w, name);
        buf_put_str(w->buf, STR("null"));
        return;
    }
}

void json_put_value(JsonWriter *w, const char *name, const JsonVal *value) { json_put_value_named(w, str_from(name), value); }

void json_put_raw(JsonWriter *w, const char *name, Str json)
{
    before_value(w, str_from(name));
    buf_put_str(w->buf, json);
}

void json_put_time(JsonWriter *w, const char *name, int64_t ms)
{
    char text[48];
    time_format(ms, 7, text, sizeof text);
    json_put_str(w, name, str_from(text));
}

bool json_end(JsonWriter *w, Err *err)
{
    if (w->bad || w->depth != 0)
        return err_set(err, ERR_INTERNAL, "a JSON answer was built in the wrong order");
    if (w->buf->failed)
        return err_set(err, ERR_INTERNAL, "a JSON answer grew beyond %zu bytes", w->buf->max);
    return true;
}

Str json_text(Arena *arena, const JsonVal *value)
{
    Buf buf;
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 16 * 1024 * 1024);
    json_begin(&w, &buf);
    json_put_value(&w, NULL, value);
    Str text = json_end(&w, &err) ? str_dup(arena, buf_str(&buf)) : STR_NONE;
    buf_done(&buf);
    return text;
}
