/* parse.c - a recursive reader of JSON (RFC 8259) that makes jansson values.
 *
 * jansson's own takes each byte through several calls: some 130 instructions, in a small request more than all else of it. Here strings are looked
 * through for their end, checked as a whole and copied once. */
#include "json/parse.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/secret.h"

typedef struct Parser {
    const char *begin, *at, *end;
    bool takes_trailing_commas;
    int depth, depth_max;
    Err *err;
} Parser;

static json_t *parse_value(Parser *p);

static json_t *refuse(Parser *p, const char *what, ...) FORMAT(2, 3);

/* Always NULL. Lines and columns are counted from 1, columns in bytes. */
static json_t *refuse(Parser *p, const char *what, ...)
{
    char text[160];
    va_list args;
    va_start(args, what);
    (void)vsnprintf(text, sizeof text, what, args);
    va_end(args);
    int line = 1, column = 1;
    for (const char *c = p->begin; c < p->at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    (void)err_set(p->err, ERR_BAD_INPUT, "the JSON body is malformed at line %d column %d: %s", line, column, text);
    return NULL;
}

static json_t *made(Parser *p, json_t *value)
{
    if (!value)
        (void)err_set(p->err, ERR_INTERNAL, "out of memory");
    return value;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_next(const Parser *p, char c) { return p->at < p->end && *p->at == c; }

static void skip_space(Parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static bool take(Parser *p, char c)
{
    skip_space(p);
    if (!is_next(p, c))
        return false;
    p->at++;
    return true;
}

/* ---- strings ---- */

typedef struct Text { Str text; char *own; size_t room; } Text;      /* own: what escapes were undone into; NULL: `text` is where it was */

static void text_done(Text *text)
{
    secret_wipe(text->own, text->room);          /* it may be the value of a secret */
    free(text->own);
}

static int hex_of(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Of four digits at `at`; -1: they are not. */
static int32_t unit_at(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_of(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static char *put_point(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
        return out;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = { 0, 0xC0, 0xE0, 0xF0 };
    *out++ = (char)(leads[more] | point >> (6 * more));
    while (more-- > 0)
        *out++ = (char)(0x80 | (point >> (6 * more) & 0x3F));
    return out;
}

/* "\uXXXX" or a pair of them, behind the 'u'; NULL: it is none, or NUL, or half a pair. */
static const char *take_point(const char *at, const char *end, uint32_t *point)
{
    int32_t unit = unit_at(at, end);
    if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return NULL;
    *point = (uint32_t)unit;
    at += 4;
    if (unit < 0xD800 || unit > 0xDBFF)
        return at;
    int32_t low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? unit_at(at + 2, end) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return NULL;
    *point = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    return at + 6;
}

/* What is escaped is never shorter than what it stands for. */
static bool undo_escapes(Parser *p, Str raw, Text *out)
{
    static const char marks[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *to = out->own = malloc(raw.len);
    if (!to)
        return made(p, NULL) != NULL;
    out->room = raw.len;
    for (const char *at = raw.ptr, *end = raw.ptr + raw.len; at < end;) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;                                    /* a backslash is never the last: the closing quote would not have been one */
        uint32_t point;
        const char *mark = memchr(marks, *at, sizeof marks - 1);
        const char *behind = mark ? at + 1 : *at == 'u' ? take_point(at + 1, end, &point) : NULL;
        if (!behind) {
            p->at = at - 1;
            return refuse(p, *at == 'u' ? "this \\u is no character that a text may hold" : "no such escape") != NULL;
        }
        if (mark)
            *to++ = meant[mark - marks];
        else
            to = put_point(to, point);
        at = behind;
    }
    out->text = (Str){ out->own, (size_t)(to - out->own) };
    return true;
}

/* At the opening quote. The caller calls text_done either way. */
static bool take_string(Parser *p, Text *out)
{
    bool has_escapes = false;
    const char *begin = ++p->at;
    for (; p->at < p->end && *p->at != '"'; p->at++) {
        if ((unsigned char)*p->at < 0x20)
            return refuse(p, "a control character in a string has to be escaped") != NULL;
        if (*p->at == '\\') {
            has_escapes = true;
            p->at++;
        }
    }
    if (p->at >= p->end) {
        p->at = p->end;
        return refuse(p, "a string does not end") != NULL;
    }
    Str raw = { begin, (size_t)(p->at - begin) };
    if (!str_is_utf8(raw))
        return refuse(p, "a string is not UTF-8") != NULL;
    out->text = raw;
    if (has_escapes && !undo_escapes(p, raw, out))
        return false;
    p->at++;
    return true;
}

static json_t *parse_string(Parser *p)
{
    AUTO(text_done) Text text = { 0 };
    return take_string(p, &text) ? made(p, json_stringn_nocheck(text.text.ptr, text.text.len)) : NULL;
}

/* ---- numbers ---- */

static bool skip_digits(Parser *p)
{
    const char *begin = p->at;
    while (p->at < p->end && is_digit(*p->at))
        p->at++;
    return p->at > begin;
}

static json_t *whole(Parser *p, Str digits)
{
    int64_t value = 0;
    bool is_negative = digits.ptr[0] == '-';
    for (size_t i = is_negative; i < digits.len; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digits.ptr[i] - '0', &value))      /* negative: it reaches further */
            return refuse(p, "the number is too large");
    if (!is_negative && value == INT64_MIN)
        return refuse(p, "the number is too large");
    return made(p, json_integer(is_negative ? value : -value));
}

static json_t *broken(Parser *p, Str text)
{
    char *copy = strndup(text.ptr, text.len);
    if (!copy)
        return made(p, NULL);
    double value = strtod(copy, NULL);
    free(copy);
    if (value > 1.7976931348623157e308 || value < -1.7976931348623157e308)
        return refuse(p, "the number is too large");
    return made(p, json_real(value));
}

static json_t *parse_number(Parser *p)
{
    const char *begin = p->at;
    bool is_whole = true;
    if (is_next(p, '-'))
        p->at++;
    if (is_next(p, '0'))
        p->at++;
    else if (!skip_digits(p))
        return refuse(p, "a digit should stand here");
    if (is_next(p, '.')) {
        p->at++;
        is_whole = false;
        if (!skip_digits(p))
            return refuse(p, "a digit should stand here");
    }
    if (is_next(p, 'e') || is_next(p, 'E')) {
        p->at++;
        is_whole = false;
        if (is_next(p, '+') || is_next(p, '-'))
            p->at++;
        if (!skip_digits(p))
            return refuse(p, "a digit should stand here");
    }
    Str text = { begin, (size_t)(p->at - begin) };
    return is_whole ? whole(p, text) : broken(p, text);
}

/* ---- values ---- */

static bool go_down(Parser *p)
{
    p->at++;
    return ++p->depth <= p->depth_max || err_set(p->err, ERR_BAD_INPUT, "the JSON body is nested deeper than %d levels", p->depth_max);
}

/* Behind an item. *more: another one has to follow. */
static bool take_comma(Parser *p, char close, bool *more)
{
    *more = take(p, ',');
    if (*more && p->takes_trailing_commas) {
        skip_space(p);
        *more = !is_next(p, close);
    }
    if (*more || take(p, close))
        return true;
    return refuse(p, close == '}' ? "a comma or a closing brace should stand here" : "a comma or a closing bracket should stand here") != NULL;
}

static bool take_member(Parser *p, json_t *object)
{
    AUTO(text_done) Text name = { 0 };
    skip_space(p);
    if (!is_next(p, '"'))
        return refuse(p, "the name of a member should stand here, in quotes") != NULL;
    if (!take_string(p, &name))
        return false;
    if (json_object_getn(object, name.text.ptr, name.text.len))
        return refuse(p, "the member '" STR_FMT "' is there twice", STR_ARG(str_slice(name.text, 0, 64))) != NULL;
    if (!take(p, ':'))
        return refuse(p, "a colon should stand here") != NULL;
    json_t *value = parse_value(p);
    return value && (json_object_setn_new_nocheck(object, name.text.ptr, name.text.len, value) == 0 || made(p, NULL));
}

static bool fill_object(Parser *p, json_t *object)
{
    if (!go_down(p))
        return false;
    bool more = !take(p, '}');
    while (more)
        if (!take_member(p, object) || !take_comma(p, '}', &more))
            return false;
    p->depth--;
    return true;
}

static bool fill_array(Parser *p, json_t *array)
{
    if (!go_down(p))
        return false;
    bool more = !take(p, ']');
    while (more) {
        json_t *value = parse_value(p);
        if (!value || (json_array_append_new(array, value) != 0 && !made(p, NULL)) || !take_comma(p, ']', &more))
            return false;
    }
    p->depth--;
    return true;
}

static json_t *filled(Parser *p, json_t *made_empty, bool (*fill)(Parser *p, json_t *into))
{
    if (!made(p, made_empty) || fill(p, made_empty))
        return made_empty;
    json_decref(made_empty);
    return NULL;
}

static json_t *parse_word(Parser *p)
{
    static const char *const words[] = { "true", "false", "null" };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(p->end - p->at) >= len && memcmp(p->at, words[i], len) == 0) {
            p->at += len;
            return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
        }
    }
    return refuse(p, "a value should stand here");
}

static json_t *parse_value(Parser *p)
{
    skip_space(p);
    if (p->at == p->end)
        return refuse(p, "it ends where a value should stand");
    switch (*p->at) {
    case '{': return filled(p, json_object(), fill_object);
    case '[': return filled(p, json_array(), fill_array);
    case '"': return parse_string(p);
    case '-': return parse_number(p);
    default:  return is_digit(*p->at) ? parse_number(p) : parse_word(p);
    }
}

bool json_tree_parse(Str text, bool takes_trailing_commas, int depth_max, void **root, Err *err)
{
    const char *begin = text.ptr ? text.ptr : "";
    Parser p = { .begin = begin, .at = begin, .end = begin + text.len, .takes_trailing_commas = takes_trailing_commas, .depth_max = depth_max, .err = err };
    json_t *value = parse_value(&p);
    if (!value)
        return false;
    skip_space(&p);
    if (p.at < p.end) {
        json_decref(value);
        return refuse(&p, "nothing may follow the value") != NULL;
    }
    *root = value;
    return true;
}
