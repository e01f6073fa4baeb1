/* encode.c - hex, base64, base64url, percent-encoding. */
#include "base/encode.h"

static const char hex_digits[] = "0123456789abcdef";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char folded = (char)(c | 0x20);
    return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

Str hex_encode(Arena *arena, Bytes bytes)
{
    char *text = arena_alloc(arena, bytes.len * 2 + 1);
    if (!text)
        return STR_NONE;
    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = hex_digits[bytes.ptr[i] >> 4];
        text[2 * i + 1] = hex_digits[bytes.ptr[i] & 15];
    }
    return (Str){ text, bytes.len * 2 };
}

bool hex_decode(Arena *arena, Str text, Bytes *out, Err *err)
{
    if (text.len % 2)
        return err_set(err, ERR_BAD_INPUT, "hex text has an odd number of digits");
    uint8_t *bytes = arena_alloc(arena, text.len / 2 + 1);
    if (!bytes)
        return err_too_big(err);
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.ptr[i]), low = hex_value(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return err_set(err, ERR_BAD_INPUT, "hex text holds a character that is no hex digit");
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = (Bytes){ bytes, text.len / 2 };
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static Str encode64(Arena *arena, Bytes bytes, const char *digits, bool pad)
{
    if (bytes.len > SIZE_MAX / 2)
        return STR_NONE;
    char *text = arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
    if (!text)
        return STR_NONE;
    size_t at = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.ptr[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.ptr[i + 1] << 8;
        if (left > 2)
            group |= bytes.ptr[i + 2];
        text[at++] = digits[group >> 18];
        text[at++] = digits[group >> 12 & 63];
        if (left > 1)
            text[at++] = digits[group >> 6 & 63];
        else if (pad)
            text[at++] = '=';
        if (left > 2)
            text[at++] = digits[group & 63];
        else if (pad)
            text[at++] = '=';
    }
    return (Str){ text, at };
}

Str base64_encode(Arena *arena, Bytes bytes) { return encode64(arena, bytes, base64_digits, true); }
Str base64url_encode(Arena *arena, Bytes bytes) { return encode64(arena, bytes, base64url_digits, false); }

static int value64(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

static bool decode64(Arena *arena, Str text, bool url, Bytes *out, Err *err)
{
    const char *what = url ? "base64url" : "base64";
    uint8_t *bytes = arena_alloc(arena, text.len / 4 * 3 + 4);
    if (!bytes)
        return err_too_big(err);
    uint32_t group = 0;
    size_t digits = 0, padding = 0, len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!url && (c == '\n' || c == '\r' || c == ' ' || c == '\t'))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        int value = value64(c, url);
        if (value < 0 || padding)
            return err_set(err, ERR_BAD_INPUT, "%s text holds a character that does not belong there", what);
        group = group << 6 | (uint32_t)value;
        if (++digits % 4 == 0) {
            bytes[len++] = (uint8_t)(group >> 16);
            bytes[len++] = (uint8_t)(group >> 8);
            bytes[len++] = (uint8_t)group;
            group = 0;
        }
    }
    size_t tail = digits % 4, wanted = tail ? 4 - tail : 0;
    if (tail == 1 || (padding != wanted && !(url && padding == 0)))
        return err_set(err, ERR_BAD_INPUT, "%s text has the wrong length or padding", what);
    if ((tail == 2 && (group & 0xF)) || (tail == 3 && (group & 0x3)))
        return err_set(err, ERR_BAD_INPUT, "%s text ends in bits that belong to no byte", what);
    if (tail >= 2)
        bytes[len++] = (uint8_t)(tail == 2 ? group >> 4 : group >> 10);
    if (tail == 3)
        bytes[len++] = (uint8_t)(group >> 2);
    *out = (Bytes){ bytes, len };
    return true;
}

bool base64_decode(Arena *arena, Str text, Bytes *out, Err *err) { return decode64(arena, text, false, out, err); }
bool base64url_decode(Arena *arena, Str text, Bytes *out, Err *err) { return decode64(arena, text, true, out, err); }

bool percent_decode(Arena *arena, Str text, bool plus_is_space, Str *out, Err *err)
{
    char *plain = arena_alloc(arena, text.len + 1);
    if (!plain)
        return err_too_big(err);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return err_set(err, ERR_BAD_INPUT, "a '%%' in the URL is not followed by two hex digits");
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (!c)
            return err_set(err, ERR_BAD_INPUT, "a NUL character in the URL is not allowed");
        plain[len++] = c;
    }
    Str decoded = { plain, len };
    if (!str_is_utf8(decoded))
        return err_set(err, ERR_BAD_INPUT, "the URL holds bytes that are not UTF-8");
    *out = decoded;
    return true;
}

Str percent_encode(Arena *arena, Str text)
{
    char *coded = arena_alloc(arena, text.len * 3 + 1);
    if (!coded)
        return STR_NONE;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            coded[len++] = (char)c;
        } else {
            coded[len++] = '%';
            coded[len++] = "0123456789ABCDEF"[c >> 4];
            coded[len++] = "0123456789ABCDEF"[c & 15];
        }
    }
    return (Str){ coded, len };
}
