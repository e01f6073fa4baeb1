/* id.c - random identifiers. */
#include "base/id.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/encode.h"

static void from_kernel(void *out, size_t len_bytes)
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

/* Ids and nonces are short and many: four to each secret that is set. So each thread asks for some of them at once. What was given out is
 * wiped, and a child process begins with none of its parent's. Whatever is longer, as keys are, comes from the kernel each time. */
enum { SHORT_MAX = 16, STOCK_SIZE = 512 };
static _Thread_local struct { uint8_t bytes[STOCK_SIZE]; size_t left; } stock;

static void forget_stock(void) { explicit_bzero(&stock, sizeof stock); }
static void forget_stock_in_children(void)
{
    if (pthread_atfork(NULL, NULL, forget_stock) != 0)
        abort();
}

void random_fill(void *out, size_t len_bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (len_bytes > SHORT_MAX) {
        from_kernel(out, len_bytes);
        return;
    }
    if (stock.left < len_bytes) {
        (void)pthread_once(&once, forget_stock_in_children);
        from_kernel(stock.bytes, sizeof stock.bytes);
        stock.left = sizeof stock.bytes;
    }
    stock.left -= len_bytes;
    memcpy(out, stock.bytes + stock.left, len_bytes);
    explicit_bzero(stock.bytes + stock.left, len_bytes);
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
