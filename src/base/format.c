/* format.c - the common conversions of printf. */
#include "base/format.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct Out { char *at; size_t size, len; } Out;      /* len: of the whole text, also of what did not fit */

static void put(Out *out, const char *text, size_t len)
{
    if (out->len < out->size) {
        size_t room = out->size - out->len;
        memcpy(out->at + out->len, text, len < room ? len : room);
    }
    out->len += len;
}

static void put_number(Out *out, bool is_negative, unsigned long long value)
{
    char digits[24], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    if (is_negative)
        *--at = '-';
    put(out, at, (size_t)(digits + sizeof digits - at));
}

static void put_signed(Out *out, long long value)
{
    put_number(out, value < 0, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value);
}

/* The conversion behind a '%'; *fmt is moved behind it. false: not one of ours. */
static bool put_one(Out *out, const char **fmt, va_list *args)
{
    const char *f = *fmt;
    if (f[0] == '.' && f[1] == '*' && f[2] == 's') {
        int most = va_arg(*args, int);
        const char *text = va_arg(*args, const char *);
        if (most < 0 || (!text && most > 0))
            return false;
        put(out, most ? text : "", most ? strnlen(text, (size_t)most) : 0);
        return *fmt = f + 3, true;
    }
    int longs = 0;
    bool is_size = f[0] == 'z';
    f += is_size;
    while (!is_size && longs < 2 && *f == 'l')
        longs++, f++;
    switch (*f) {
    case 'd':
        if (is_size)
            return false;
        put_signed(out, longs == 2 ? va_arg(*args, long long) : longs ? va_arg(*args, long) : va_arg(*args, int));
        break;
    case 'u':
        put_number(out, false, is_size ? va_arg(*args, size_t) : longs == 2 ? va_arg(*args, unsigned long long)
                               : longs ? va_arg(*args, unsigned long) : va_arg(*args, unsigned));
        break;
    case 's': {
        const char *text = longs || is_size ? NULL : va_arg(*args, const char *);
        if (!text)
            return false;
        put(out, text, strlen(text));
        break;
    }
    case 'c': {
        if (longs || is_size)
            return false;
        char c = (char)va_arg(*args, int);
        put(out, &c, 1);
        break;
    }
    case '%':
        if (f != *fmt)
            return false;
        put(out, "%", 1);
        break;
    default:
        return false;
    }
    *fmt = f + 1;
    return true;
}

int text_format(char *out, size_t size, const char *fmt, va_list args)
{
    Out made = { out, size, 0 };
    va_list own;
    bool good = true;
    va_copy(own, args);
    for (const char *at = fmt; good;) {
        const char *next = strchrnul(at, '%');
        put(&made, at, (size_t)(next - at));
        if (!*next)
            break;
        at = next + 1;
        good = put_one(&made, &at, &own) && made.len <= INT_MAX;
    }
    va_end(own);
    if (!good)
        return vsnprintf(out, size, fmt, args);
    if (size)
        out[made.len < size ? made.len : size - 1] = '\0';
    return (int)made.len;
}

int text_print(char *out, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = text_format(out, size, fmt, args);
    va_end(args);
    return len;
}
