/* str.c - text that carries its length: comparing, cutting, numbers, copies into an arena. */
#include "base/str.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/arena.h"
#include "base/format.h"

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }
static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

static bool same_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool str_eq(Str a, Str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_nocase(Str a, Str b)
{
    return a.len == b.len && same_nocase(a.ptr, b.ptr, a.len);
}

bool str_starts(Str s, Str prefix)
{
    return s.len >= prefix.len && str_eq((Str){ s.ptr, prefix.len }, prefix);
}

bool str_starts_nocase(Str s, Str prefix)
{
    return s.len >= prefix.len && same_nocase(s.ptr, prefix.ptr, prefix.len);
}

bool str_ends(Str s, Str suffix)
{
    return s.len >= suffix.len && str_eq(str_slice(s, s.len - suffix.len, s.len), suffix);
}

bool str_ends_nocase(Str s, Str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_slice(s, s.len - suffix.len, s.len), suffix);
}

int str_cmp(Str a, Str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_find(Str s, Str needle, size_t *at)
{
    if (needle.len == 0 || needle.len > s.len)
        return false;
    const char *found = memmem(s.ptr, s.len, needle.ptr, needle.len);
    if (!found)
        return false;
    *at = (size_t)(found - s.ptr);
    return true;
}

Str str_trim(Str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0])
        s = (Str){ s.ptr + 1, s.len - 1 };
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]) && s.ptr[s.len - 1])
        s.len--;
    return s;
}

Str str_slice(Str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return s.ptr ? (Str){ s.ptr + from, to - from } : s;
}

Str str_cut(Str *rest, char separator)
{
    Str whole = *rest;
    const char *at = whole.len ? memchr(whole.ptr, separator, whole.len) : NULL;
    if (!at) {
        *rest = STR_NONE;
        return whole;
    }
    size_t len = (size_t)(at - whole.ptr);
    *rest = (Str){ at + 1, whole.len - len - 1 };
    return (Str){ whole.ptr, len };
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Eight at a time, by the usual borrow: a byte of `eight - EACH_BYTE(0x20)` has its top bit set where it was less, or where it was 0xA0 and more. */
bool str_is_printable(Str s)
{
    size_t i = 0;
    for (; s.len - i >= 8; i += 8) {
        uint64_t eight;
        memcpy(&eight, s.ptr + i, sizeof eight);
        uint64_t delete = eight ^ EACH_BYTE(0x7F);
        if (((eight - EACH_BYTE(0x20)) | eight | (delete - EACH_BYTE(1))) & EACH_BYTE(0x80))
            return false;
    }
    for (; i < s.len; i++)
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7E)
            return false;
    return true;
}

bool str_is_utf8(Str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr, *end = p + s.len;
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8 && (memcpy(&eight, p, sizeof eight), (eight & UINT64_C(0x8080808080808080)) == 0)) {
            p += sizeof eight;                     /* all ASCII, as most text is */
            continue;
        }
        uint8_t lead = *p++;
        if (lead < 0x80)
            continue;
        int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
        if (lead < 0xC2 || lead > 0xF4 || end - p < more)
            return false;
        uint32_t point = lead & (0x3Fu >> more);
        for (int i = 0; i < more; i++) {
            if ((*p & 0xC0) != 0x80)
                return false;
            point = point << 6 | (*p++ & 0x3F);
        }
        static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
        if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
            return false;
    }
    return true;
}

bool str_to_int64(Str text, int64_t min, int64_t max, int64_t *out, Err *err)
{
    bool negative = text.len && text.ptr[0] == '-';
    Str digits = str_slice(text, negative, text.len);
    bool sound = digits.len > 0 && digits.len <= 19 && (digits.ptr[0] != '0' || (digits.len == 1 && !negative));
    uint64_t value = 0;
    for (size_t i = 0; sound && i < digits.len; i++) {
        sound = digits.ptr[i] >= '0' && digits.ptr[i] <= '9';
        value = value * 10 + (uint64_t)(digits.ptr[i] - '0');    /* 19 digits fit 64 bits */
    }
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (!sound || value > limit)
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is not a whole number", STR_ARG(str_slice(text, 0, 40)));

    int64_t number = negative ? (int64_t)(0 - value) : (int64_t)value;
    if (number < min || number > max)
        return err_set(err, ERR_BAD_INPUT, "%lld is not within %lld to %lld", (long long)number, (long long)min, (long long)max);
    *out = number;
    return true;
}

char *str_to_cstr(Arena *arena, Str text, Err *err)
{
    if (text.len && memchr(text.ptr, '\0', text.len)) {
        (void)err_set(err, ERR_BAD_INPUT, "a NUL character is not allowed here");
        return NULL;
    }
    Str copy = str_dup(arena, text.ptr ? text : STR(""));
    if (!copy.ptr)
        (void)err_too_big(err);
    return (char *)copy.ptr;
}

Str str_dup(Arena *arena, Str text)
{
    if (!text.ptr)
        return STR_NONE;
    char *copy = arena_alloc(arena, text.len + 1);
    if (!copy)
        return STR_NONE;
    memcpy(copy, text.ptr, text.len);
    return (Str){ copy, text.len };
}

size_t str_pack_size(Str *const texts[], size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += texts[i]->len;
    return size;
}

void str_pack(Str *const texts[], size_t count, char *at)
{
    for (size_t i = 0; i < count; i++) {
        if (!texts[i]->ptr)
            continue;
        memcpy(at, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = at;
        at += texts[i]->len;
    }
}

Str str_concat(Arena *arena, const Str parts[], size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = arena_alloc(arena, len + 1);
    if (!text)
        return STR_NONE;
    char *at = text;
    for (size_t i = 0; i < count; at += parts[i++].len)
        if (parts[i].len)
            memcpy(at, parts[i].ptr, parts[i].len);
    return (Str){ text, len };
}

static Str mapped(Arena *arena, Str text, char (*map)(char))
{
    Str copy = str_dup(arena, text);
    for (size_t i = 0; i < copy.len; i++)
        ((char *)copy.ptr)[i] = map(copy.ptr[i]);
    return copy;
}

Str str_lower(Arena *arena, Str text) { return mapped(arena, text, lower); }
Str str_upper(Arena *arena, Str text) { return mapped(arena, text, upper); }

Str str_printf(Arena *arena, const char *fmt, ...)
{
    va_list args, again;
    char brief[256];                               /* most fit here and are formatted once */
    va_start(args, fmt);
    va_copy(again, args);
    int len = text_format(brief, sizeof brief, fmt, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text && (size_t)len < sizeof brief)
        memcpy(text, brief, (size_t)len + 1);
    else if (text)
        (void)text_format(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text ? (Str){ text, (size_t)len } : STR_NONE;
}
