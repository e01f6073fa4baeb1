/* buf.h - a growing run of bytes with a maximum; stays failed after the first refusal, so a writer checks once, at the end. */
#pragma once
#include "base/str.h"

typedef struct Buf {
    char  *ptr;
    size_t len;
    size_t cap;
    size_t max;             /* bytes it may grow to */
    bool   failed;
} Buf;

void buf_init(Buf *buf, size_t max_bytes);
void buf_done(Buf *buf);                                  /* frees; the Buf may be initialised again */
DEFINE_AUTO_DONE(Buf, buf_done)

/* `len` more bytes, the caller's to fill; NULL: refused, or failed before. */
char *buf_space(Buf *buf, size_t len);
void buf_put(Buf *buf, const void *bytes, size_t len);
void buf_put_str(Buf *buf, Str text);
void buf_put_char(Buf *buf, char c);
void buf_printf(Buf *buf, const char *fmt, ...) FORMAT(2, 3);
void buf_reset(Buf *buf);                                 /* empty and not failed; keeps its memory */
static inline Str   buf_str(const Buf *buf) { return (Str){ buf->ptr ? buf->ptr : "", buf->len }; }
static inline Bytes buf_bytes(const Buf *buf) { return (Bytes){ (const uint8_t *)buf->ptr, buf->len }; }
