/* buf.c - a growing run of bytes with a maximum. */
#include "base/buf.h"
#include <stdarg.h>
#include <stdlib.h>
#include "base/format.h"

void buf_init(Buf *buf, size_t max_bytes)
{
    *buf = (Buf){ .max = max_bytes };
}

void buf_done(Buf *buf)
{
    free(buf->ptr);
    *buf = (Buf){ .max = buf->max };
}

void buf_reset(Buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

/* Room for `more` bytes and a NUL behind them, so that the text can be handed to C calls. */
static bool buf_room(Buf *buf, size_t more)
{
    if (buf->failed || more > buf->max || buf->len > buf->max - more) {
        buf->failed = true;
        return false;
    }
    size_t needed = buf->len + more + 1;
    if (needed <= buf->cap)
        return true;
    size_t cap = buf->cap ? buf->cap * 2 : 256;
    if (cap < needed)
        cap = needed;
    char *grown = realloc(buf->ptr, cap);
    if (!grown) {
        buf->failed = true;
        return false;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return true;
}

char *buf_space(Buf *buf, size_t len)
{
    if (!buf_room(buf, len))
        return NULL;
    char *space = buf->ptr + buf->len;
    buf->len += len;
    buf->ptr[buf->len] = '\0';
    return space;
}

void buf_put(Buf *buf, const void *bytes, size_t len)
{
    if (!buf_room(buf, len))
        return;
    if (len)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void buf_put_str(Buf *buf, Str text) { buf_put(buf, text.ptr, text.len); }
void buf_put_char(Buf *buf, char c) { buf_put(buf, &c, 1); }

void buf_printf(Buf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t free_bytes = buf->failed ? 0 : buf->cap - buf->len;
    int len = text_format(free_bytes ? buf->ptr + buf->len : NULL, free_bytes, fmt, args);
    va_end(args);
    if (len < 0)
        buf->failed = true;
    else if (buf_room(buf, (size_t)len)) {
        if ((size_t)len >= free_bytes)
            (void)text_format(buf->ptr + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}
