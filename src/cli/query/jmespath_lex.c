/* jmespath_lex.c - an expression in pieces: names, numbers, literals, signs. */
#include "cli/query/jmespath_own.h"

const char JMESPATH_SYNTAX[] = "syntax", JMESPATH_ARITY[] = "invalid-arity", JMESPATH_TYPE[] = "invalid-type", JMESPATH_VALUE[] = "invalid-value",
           JMESPATH_FUNCTION[] = "unknown-function";

enum { NUMBER_LIMIT_BITS = 53 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool syntax_error(const Lexer *lexer, Str where, const char *what)
{
    size_t column = 1;

    for (const char *p = lexer->expression.ptr; p < where.ptr; p++)
        column += ((unsigned char)*p & 0xc0) != 0x80;
    return err_named(lexer->err, ERR_BAD_INPUT, JMESPATH_SYNTAX, NULL, "the query is malformed at column %zu: %s", column, what);
}

static Str rest_of(const Lexer *lexer) { return str_slice(lexer->expression, lexer->at, lexer->expression.len); }

/* Takes `len` bytes as one token. */
static bool take(Lexer *lexer, size_t len, TokenKind kind, Token *out)
{
    *out = (Token){ .kind = kind, .text = str_slice(lexer->expression, lexer->at, lexer->at + len) };
    lexer->at += len;
    return true;
}

/* ---- what stands between delimiters ---- */

/* Up to the next delimiter without a backslash before it. */
static bool take_delimited(Lexer *lexer, char delimiter, TokenKind kind, Token *out)
{
    Str rest = rest_of(lexer);

    for (size_t i = 1; i < rest.len; i++) {
        if (rest.ptr[i] == delimiter)
            return take(lexer, i + 1, kind, out);
        i += rest.ptr[i] == '\\';
    }
    return syntax_error(lexer, rest, delimiter == '"' ? "a name opens with \" and does not close" : delimiter == '\'' ? "a string opens with ' and does not close"
                                                                                                                    : "a literal opens with ` and does not close");
}

static Str inside(Str delimited) { return str_slice(delimited, 1, delimited.len - 1); }

/* Without the backslashes that stand before a delimiter; all others stay. */
static bool unescape(Lexer *lexer, Str text, char delimiter, Str *out)
{
    char *copy = arena_alloc(lexer->arena, text.len + 1);
    size_t len = 0;

    if (!copy)
        return err_too_big(lexer->err);
    for (size_t i = 0; i < text.len; i++) {
        bool pair = text.ptr[i] == '\\' && i + 1 < text.len;
        if (pair && text.ptr[i + 1] != delimiter)
            copy[len++] = '\\';
        i += pair;
        copy[len++] = text.ptr[i];
    }
    *out = (Str){ copy, len };
    return true;
}

static bool take_quoted_name(Lexer *lexer, Token *out)
{
    const JsonVal *name;
    Err inner = { 0 };

    if (!take_delimited(lexer, '"', TOKEN_QUOTED_NAME, out))
        return false;
    if (!json_parse(lexer->arena, out->text, JSON_STRICT, &name, &inner))
        return inner.code == ERR_TOO_LARGE ? err_too_big(lexer->err) : syntax_error(lexer, out->text, "a quoted name is written like a JSON string");
    out->name = json_str(name).ptr;
    return true;
}

static bool take_raw_string(Lexer *lexer, Token *out)
{
    Str text;

    if (!take_delimited(lexer, '\'', TOKEN_LITERAL, out) || !unescape(lexer, inside(out->text), '\'', &text))
        return false;
    out->literal = VAL_TEXT(text);
    return true;
}

bool text_is_number(Str text, bool *is_whole)
{
    size_t at = text.len && text.ptr[0] == '-', digits = at;

    while (at < text.len && is_digit(text.ptr[at]))
        at++;
    if (at == digits || (text.ptr[digits] == '0' && at > digits + 1))
        return false;
    *is_whole = at == text.len;
    if (at < text.len && text.ptr[at] == '.') {
        digits = ++at;
        while (at < text.len && is_digit(text.ptr[at]))
            at++;
        if (at == digits)
            return false;
    }
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        at++;
        at += at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-');
        digits = at;
        while (at < text.len && is_digit(text.ptr[at]))
            at++;
        if (at == digits)
            return false;
    }
    return at == text.len;
}

/* JSON that we refuse (too deep, a number beyond our range) is no string either. */
static bool may_be_bare_string(Str text)
{
    bool is_whole;
    Str trimmed = str_trim(text);

    return trimmed.len && !memchr("{[\"", trimmed.ptr[0], 3) && !text_is_number(trimmed, &is_whole);
}

static bool take_literal(Lexer *lexer, Token *out)
{
    Str text, quoted;
    const JsonVal *value;
    Err inner = { 0 };

    if (!take_delimited(lexer, '`', TOKEN_LITERAL, out) || !unescape(lexer, inside(out->text), '`', &text))
        return false;
    bool sound = json_parse(lexer->arena, text, JSON_STRICT, &value, &inner);
    if (!sound && inner.code != ERR_TOO_LARGE && may_be_bare_string(text)) {
        while (text.len && is_space(text.ptr[0]))
            text = str_slice(text, 1, text.len);
        quoted = str_printf(lexer->arena, "\"" STR_FMT "\"", STR_ARG(text));
        sound = quoted.ptr && json_parse(lexer->arena, quoted, JSON_STRICT, &value, &inner);
    }
    if (!arena_ok(lexer->arena))
        return err_too_big(lexer->err);
    if (!sound)
        return syntax_error(lexer, out->text, "a literal between ` and ` is written in JSON");
    out->literal = val_of_json(value);
    return true;
}

/* ---- numbers, names, signs ---- */

static bool take_number(Lexer *lexer, Token *out)
{
    const int64_t limit = (int64_t)1 << NUMBER_LIMIT_BITS;
    Str rest = rest_of(lexer);
    bool negative = rest.ptr[0] == '-';
    size_t len = negative;
    int64_t number = 0;

    for (; len < rest.len && is_digit(rest.ptr[len]); len++)
        number = number >= limit / 10 ? limit : number * 10 + (rest.ptr[len] - '0');
    if (len == negative)
        return syntax_error(lexer, rest, "'-' begins a number; a name that holds one is put in double quotes");
    (void)take(lexer, len, TOKEN_NUMBER, out);
    out->number = negative ? -number : number;
    return true;
}

static bool take_name(Lexer *lexer, Token *out)
{
    Str rest = rest_of(lexer);
    size_t len = 1;

    while (len < rest.len && (is_name_start(rest.ptr[len]) || is_digit(rest.ptr[len])))
        len++;
    (void)take(lexer, len, TOKEN_NAME, out);
    out->name = str_to_cstr(lexer->arena, out->text, lexer->err);
    return out->name != NULL;
}

static bool take_sign(Lexer *lexer, Token *out)
{
    static const struct { const char *text; TokenKind kind; } signs[] = {     /* of two that begin alike the longer first */
        { "[]", TOKEN_FLATTEN }, { "[?", TOKEN_FILTER }, { "[", TOKEN_LBRACKET }, { "]", TOKEN_RBRACKET }, { "(", TOKEN_LPAREN }, { ")", TOKEN_RPAREN },
        { "{", TOKEN_LBRACE }, { "}", TOKEN_RBRACE }, { ".", TOKEN_DOT }, { ",", TOKEN_COMMA }, { ":", TOKEN_COLON }, { "*", TOKEN_STAR },
        { "@", TOKEN_CURRENT }, { "||", TOKEN_OR }, { "|", TOKEN_PIPE }, { "&&", TOKEN_AND }, { "&", TOKEN_REFERENCE }, { "==", TOKEN_EQ },
        { "!=", TOKEN_NE }, { "!", TOKEN_NOT }, { "<=", TOKEN_LE }, { "<", TOKEN_LT }, { ">=", TOKEN_GE }, { ">", TOKEN_GT },
    };
    Str rest = rest_of(lexer);

    for (size_t i = 0; i < COUNT_OF(signs); i++) {
        if (str_starts(rest, str_from(signs[i].text)))
            return take(lexer, strlen(signs[i].text), signs[i].kind, out);
    }
    return syntax_error(lexer, rest, rest.ptr[0] == '=' ? "equality is tested with ==" : "no token begins so; a name with such a character is put in double quotes");
}

bool lexer_next(Lexer *lexer, Token *out)
{
    while (lexer->at < lexer->expression.len && is_space(lexer->expression.ptr[lexer->at]))
        lexer->at++;
    Str rest = rest_of(lexer);
    if (!rest.len)
        return take(lexer, 0, TOKEN_END, out);
    if (is_name_start(rest.ptr[0]))
        return take_name(lexer, out);
    if (is_digit(rest.ptr[0]) || rest.ptr[0] == '-')
        return take_number(lexer, out);
    switch (rest.ptr[0]) {
    case '"':  return take_quoted_name(lexer, out);
    case '\'': return take_raw_string(lexer, out);
    case '`':  return take_literal(lexer, out);
    default:   return take_sign(lexer, out);
    }
}
