/* line.c - {"number":7,"mac":"<64 hex digits>","record":{...}} */
#include "audit/line.h"
#include "base/format.h"

static const char digits[] = "0123456789abcdef";

size_t line_head(const ChainPoint *point, char out[LINE_HEAD_MAX])
{
    int len = text_print(out, LINE_HEAD_MAX, "{\"number\":%lld,\"mac\":\"", (long long)point->number);
    char *at = out + len;
    for (int i = 0; i < CHAIN_MAC_SIZE; i++) {
        *at++ = digits[point->mac[i] >> 4];
        *at++ = digits[point->mac[i] & 15];
    }
    static const char rest[] = "\",\"record\":";
    memcpy(at, rest, sizeof rest - 1);
    return (size_t)(at - out) + sizeof rest - 1;
}

static bool take(Str *text, Str wanted)
{
    if (!str_starts(*text, wanted))
        return false;
    *text = str_slice(*text, wanted.len, text->len);
    return true;
}

static bool take_mac(Str *text, uint8_t mac[CHAIN_MAC_SIZE])
{
    if (text->len < 2 * CHAIN_MAC_SIZE)
        return false;
    for (int i = 0; i < CHAIN_MAC_SIZE; i++) {
        const char *high = memchr(digits, text->ptr[2 * i], 16), *low = memchr(digits, text->ptr[2 * i + 1], 16);
        if (!high || !low)
            return false;
        mac[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    *text = str_slice(*text, 2 * CHAIN_MAC_SIZE, text->len);
    return true;
}

bool line_parse(Str text, Line *line)
{
    Err ignored;
    Line parsed;
    size_t comma;
    if (!take(&text, STR("{\"number\":")) || !str_find(text, STR(","), &comma)
        || !str_to_int64(str_slice(text, 0, comma), 1, INT64_MAX - 1, &parsed.point.number, &ignored))
        return false;
    text = str_slice(text, comma, text.len);
    if (!take(&text, STR(",\"mac\":\"")) || !take_mac(&text, parsed.point.mac) || !take(&text, STR("\",\"record\":")))
        return false;
    if (!str_starts(text, STR("{")) || !str_ends(text, STR("}}")) || memchr(text.ptr, '\0', text.len))
        return false;
    parsed.record = str_slice(text, 0, text.len - 1);
    *line = parsed;
    return true;
}
