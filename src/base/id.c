/* id.c - random identifiers. */
#include "base/id.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include "base/encode.h"

void random_fill(void *out, size_t len_bytes)
{
    uint8_t *at = out;
    while (len_bytes) {
        ssize_t got = getrandom(at, len_bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        at += got;
        len_bytes -= (size_t)got;
    }
}

Str guid_new(Arena *arena)
{
    uint8_t b[16];
    random_fill(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);       /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);       /* variant 10 */
    char text[36], *at = text;
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = "0123456789abcdef"[b[i] >> 4];
        *at++ = "0123456789abcdef"[b[i] & 15];
    }
    return str_dup(arena, (Str){ text, sizeof text });
}

Str hex_id_new(Arena *arena, size_t digits)
{
    size_t size = (digits + 1) / 2;
    uint8_t *bytes = arena_alloc(arena, size);
    if (!bytes)
        return STR_NONE;
    random_fill(bytes, size);
    return str_slice(hex_encode(arena, (Bytes){ bytes, size }), 0, digits);
}

bool guid_is_valid(Str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], folded = (char)(c | 0x20);
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (folded >= 'a' && folded <= 'f')))
            return false;
    }
    return true;
}
