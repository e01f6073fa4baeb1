/* odata.c - recursive descent over a filter expression; what we do not know is refused with its place, never skipped. */
#include "site/odata.h"
#include "base/clock.h"

typedef struct Parser { Arena *arena; Str text; size_t at; int depth; Err *err; } Parser;

static bool parse_or(Parser *p, const OData **out);

static bool refuse(Parser *p, const char *expected)
{
    return err_set(p->err, ERR_BAD_INPUT, "$filter: expected %s at character %zu of '" STR_FMT "'", expected, p->at + 1,
                   STR_ARG(str_slice(p->text, 0, 200)));
}

static void skip_spaces(Parser *p)
{
    while (p->at < p->text.len && (p->text.ptr[p->at] == ' ' || p->text.ptr[p->at] == '\t'))
        p->at++;
}

static char peek(Parser *p)
{
    skip_spaces(p);
    return p->at < p->text.len ? p->text.ptr[p->at] : '\0';
}

static bool take_char(Parser *p, char c)
{
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' || c == '@' || c == '$';
}

/* The word at this place without taking it; empty if there is none. */
static Str peek_word(Parser *p)
{
    skip_spaces(p);
    size_t end = p->at;
    while (end < p->text.len && is_word_char(p->text.ptr[end]))
        end++;
    return str_slice(p->text, p->at, end);
}

static bool take_word(Parser *p, const char *word)
{
    Str found = peek_word(p);
    if (!str_eq_nocase(found, str_from(word)))
        return false;
    p->at += found.len;
    return true;
}

static bool is_literal_start(Parser *p)
{
    char c = peek(p);
    return c == '\'' || (c >= '0' && c <= '9') || c == '-';
}

/* DateTime'...' and the like (OData 3): the word only names the literal's kind. */
static void pass_kind(Parser *p)
{
    static const char *const kinds[] = { "datetime", "datetimeoffset", "guid", "time" };
    Str word = peek_word(p);
    bool quoted = word.len > 0 && p->at + word.len < p->text.len && p->text.ptr[p->at + word.len] == '\'';
    for (size_t i = 0; quoted && i < COUNT_OF(kinds); i++)
        if (str_eq_nocase(word, str_from(kinds[i]))) {
            p->at += word.len;
            return;
        }
}

/* 'it''s' -> it's; otherwise a bare literal: number, GUID, date, true, false, null. */
static bool parse_literal(Parser *p, Str *out)
{
    pass_kind(p);
    if (peek(p) != '\'') {
        Str word = peek_word(p);
        size_t end = p->at + word.len;
        while (end < p->text.len && (p->text.ptr[end] == ':' || p->text.ptr[end] == '+' || is_word_char(p->text.ptr[end])))
            end++;                                       /* dates have colons */
        if (word.len == 0)
            return refuse(p, "a literal");
        word = str_slice(p->text, p->at, end);
        p->at = end;
        *out = str_eq(word, STR("null")) ? STR_NONE : word;
        return true;
    }
    char *copy = arena_alloc(p->arena, p->text.len - p->at);
    if (!copy)
        return err_too_big(p->err);
    size_t len = 0;
    for (p->at++; p->at < p->text.len; p->at++) {
        if (p->text.ptr[p->at] == '\'') {
            if (p->at + 1 >= p->text.len || p->text.ptr[p->at + 1] != '\'') {
                p->at++;
                *out = (Str){ copy, len };
                return true;
            }
            p->at++;
        }
        copy[len++] = p->text.ptr[p->at];
    }
    return refuse(p, "a closing quote");
}

static OData *node_new(Parser *p, ODataKind kind)
{
    OData *node = ARENA_NEW(p->arena, OData);
    if (node)
        node->kind = kind;
    else
        (void)err_too_big(p->err);
    return node;
}

static bool one_value(Parser *p, OData *node)
{
    Str *value = ARENA_NEW(p->arena, Str);
    if (!value)
        return err_too_big(p->err);
    if (!parse_literal(p, value))
        return false;
    node->values = value;
    node->value_count = 1;
    return true;
}

static bool value_list(Parser *p, OData *node)
{
    Str *values = ARENA_ARRAY(p->arena, Str, ODATA_VALUES_MAX);
    if (!values)
        return err_too_big(p->err);
    if (!take_char(p, '('))
        return refuse(p, "'(' after in");
    size_t count = 0;
    do {
        if (count == ODATA_VALUES_MAX)
            return refuse(p, "at most 64 values");
        if (!parse_literal(p, &values[count++]))
            return false;
    } while (take_char(p, ','));
    if (!take_char(p, ')'))
        return refuse(p, "')' after the values");
    node->values = values;
    node->value_count = count;
    return true;
}

/* `eq 'x'`, `ne 'x'`, `gt 'x'` ... or `in (..)` about `path`. */
static bool comparison(Parser *p, Str path, bool any, const OData **out)
{
    static const struct { const char *word; ODataKind kind; } words[] = {
        { "eq", ODATA_EQ }, { "ne", ODATA_NE }, { "gt", ODATA_GT }, { "ge", ODATA_GE }, { "lt", ODATA_LT }, { "le", ODATA_LE },
    };
    bool is_in = take_word(p, "in");
    ODataKind kind = is_in ? ODATA_EQ : (ODataKind)0;
    for (size_t i = 0; i < COUNT_OF(words) && !kind; i++)
        if (take_word(p, words[i].word))
            kind = words[i].kind;
    if (kind != ODATA_EQ && any)
        return refuse(p, "eq or in inside any()");
    if (!kind)
        return refuse(p, "eq, ne, gt, ge, lt, le or in");
    OData *node = node_new(p, kind);
    if (!node)
        return false;
    node->path = path;
    node->any = any;
    if (!(is_in ? value_list(p, node) : one_value(p, node)))
        return false;
    *out = node;
    return true;
}

/* "displayName" or "web/homePageUrl", without a trailing "/any". */
static bool parse_path(Parser *p, Str *out)
{
    skip_spaces(p);
    size_t from = p->at;
    for (;;) {
        Str word = peek_word(p);
        if (word.len == 0)
            return refuse(p, "a property");
        p->at += word.len;
        if (p->at >= p->text.len || p->text.ptr[p->at] != '/')
            break;
        Str rest = str_slice(p->text, p->at, p->text.len);
        if (str_starts_nocase(rest, STR("/any(")))
            break;
        p->at++;
    }
    *out = str_slice(p->text, from, p->at);
    return true;
}

/* Behind "startswith": (path,'x'). With a lambda variable the path must be that variable. */
static bool starts_with(Parser *p, Str variable, Str collection, const OData **out)
{
    OData *node = node_new(p, ODATA_STARTSWITH);
    if (!node)
        return false;
    if (!take_char(p, '('))
        return refuse(p, "(property,'text')");
    if (!parse_path(p, &node->path))
        return false;
    if (variable.ptr) {
        if (!str_eq(node->path, variable))
            return refuse(p, "the variable of any()");
        node->path = collection;
        node->any = true;
    }
    if (!take_char(p, ','))
        return refuse(p, ",'text'");
    if (!one_value(p, node))
        return false;
    if (!take_char(p, ')'))
        return refuse(p, "')'");
    *out = node;
    return true;
}

/* Behind "collection/any(": v:v eq 'x') or v:startswith(v,'x')). */
static bool lambda(Parser *p, Str collection, const OData **out)
{
    Str variable = peek_word(p);
    p->at += variable.len;
    if (variable.len == 0 || !take_char(p, ':'))
        return refuse(p, "a variable and ':'");
    if (take_word(p, "startswith")) {
        if (!starts_with(p, variable, collection, out))
            return false;
    } else {
        Str used;
        if (!parse_path(p, &used))
            return false;
        if (!str_eq(used, variable))
            return refuse(p, "the variable of any()");
        if (!comparison(p, collection, true, out))
            return false;
    }
    return take_char(p, ')') || refuse(p, "')' after any(..");
}

static bool call(Parser *p, Str name, const OData **out)
{
    OData *node = node_new(p, ODATA_CALL);
    if (!node)
        return false;
    node->path = name;
    if (is_literal_start(p) && !one_value(p, node))
        return false;
    if (!take_char(p, ')'))
        return refuse(p, "')' after the arguments");
    *out = node;
    return true;
}

static bool parse_primary(Parser *p, const OData **out)
{
    if (take_char(p, '('))
        return parse_or(p, out) && (take_char(p, ')') || refuse(p, "')'"));
    if (take_word(p, "startswith"))
        return starts_with(p, STR_NONE, STR_NONE, out);
    if (take_word(p, "not")) {
        OData *node = node_new(p, ODATA_NOT);
        if (!node || ++p->depth > ODATA_DEPTH_MAX)
            return node ? refuse(p, "less nesting") : false;
        bool sound = parse_primary(p, &node->left);
        p->depth--;
        *out = node;
        return sound;
    }
    Str path;
    if (!parse_path(p, &path))
        return false;
    if (p->at < p->text.len && p->text.ptr[p->at] == '/') {
        p->at += sizeof "/any(" - 1;
        return lambda(p, path, out);
    }
    if (take_char(p, '('))
        return call(p, path, out);
    return comparison(p, path, false, out);
}

static bool parse_chain(Parser *p, const char *word, ODataKind kind, bool (*operand)(Parser *, const OData **), const OData **out)
{
    const OData *left;
    if (!operand(p, &left))
        return false;
    for (int links = 0; take_word(p, word); links++) {
        OData *node = node_new(p, kind);
        if (!node)
            return false;
        if (links == ODATA_VALUES_MAX)
            return refuse(p, "fewer operands");
        node->left = left;
        if (!operand(p, &node->right))
            return false;
        left = node;
    }
    *out = left;
    return true;
}

static bool parse_and(Parser *p, const OData **out) { return parse_chain(p, "and", ODATA_AND, parse_primary, out); }

static bool parse_or(Parser *p, const OData **out)
{
    if (++p->depth > ODATA_DEPTH_MAX)
        return refuse(p, "less nesting");
    bool sound = parse_chain(p, "or", ODATA_OR, parse_and, out);
    p->depth--;
    return sound;
}

bool odata_parse(Arena *arena, Str text, const OData **out, Err *err)
{
    if (text.len > ODATA_TEXT_MAX)
        return err_set(err, ERR_BAD_INPUT, "$filter: longer than %d characters", ODATA_TEXT_MAX);
    Parser parser = { .arena = arena, .text = text, .err = err };
    const OData *expr;
    if (!parse_or(&parser, &expr))
        return false;
    if (peek(&parser) != '\0' || parser.at < text.len)
        return refuse(&parser, "the end");
    *out = expr;
    return true;
}

bool odata_check(const OData *expr, const char *const *known, size_t count, Err *err)
{
    switch (expr->kind) {
    case ODATA_AND:
    case ODATA_OR:
        return odata_check(expr->left, known, count, err) && odata_check(expr->right, known, count, err);
    case ODATA_NOT:
        return odata_check(expr->left, known, count, err);
    case ODATA_CALL:
        return err_set(err, ERR_BAD_INPUT, "Invalid filter clause: unknown function '" STR_FMT "'.", STR_ARG(expr->path));
    default:
        break;
    }
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(expr->path, str_from(known[i])))
            return true;
    return err_set(err, ERR_BAD_INPUT, "Invalid filter clause: could not find a property named '" STR_FMT "'.", STR_ARG(expr->path));
}

/* *order: below, at or above zero, as found is to wanted. false: they are neither numbers nor times both. */
static bool order_of(Str found, Str wanted, int *order)
{
    int64_t a, b;
    Err ignored = { 0 };
    if (!(str_to_int64(found, INT64_MIN, INT64_MAX, &a, &ignored) && str_to_int64(wanted, INT64_MIN, INT64_MAX, &b, &ignored)) &&
        !(time_parse(found, &a, &ignored) && time_parse(wanted, &b, &ignored)))
        return false;
    *order = (a > b) - (a < b);
    return true;
}

static bool compares(ODataKind kind, int order)
{
    switch (kind) {
    case ODATA_GT: return order > 0;
    case ODATA_GE: return order >= 0;
    case ODATA_LT: return order < 0;
    case ODATA_LE: return order <= 0;
    default:       return order == 0;
    }
}

static bool value_matches(const OData *expr, Str found)
{
    for (size_t i = 0; i < expr->value_count; i++) {
        Str wanted = expr->values[i];
        int order;
        if (wanted.ptr && expr->kind != ODATA_STARTSWITH && order_of(found, wanted, &order)) {
            if (compares(expr->kind, order))
                return true;
            continue;
        }
        if (expr->kind >= ODATA_GT)
            continue;
        if (expr->kind == ODATA_STARTSWITH ? wanted.ptr && str_starts_nocase(found, wanted) : wanted.ptr && str_eq_nocase(found, wanted))
            return true;
    }
    return false;
}

static bool leaf_matches(const OData *expr, ODataGet *get, void *row)
{
    const Str *found = NULL;
    size_t count = get(row, expr->path, &found);
    bool matches = false;
    for (size_t i = 0; i < count && !matches; i++)
        matches = value_matches(expr, found[i]);
    for (size_t i = 0; i < expr->value_count && !expr->any && count == 0; i++)
        matches = matches || (!expr->values[i].ptr && (expr->kind == ODATA_EQ || expr->kind == ODATA_NE));      /* eq null */
    return expr->kind == ODATA_NE ? !matches : matches;
}

bool odata_matches(const OData *expr, ODataGet *get, void *row)
{
    switch (expr->kind) {
    case ODATA_AND:        return odata_matches(expr->left, get, row) && odata_matches(expr->right, get, row);
    case ODATA_OR:         return odata_matches(expr->left, get, row) || odata_matches(expr->right, get, row);
    case ODATA_NOT:        return !odata_matches(expr->left, get, row);
    case ODATA_CALL:       return false;
    default:               return leaf_matches(expr, get, row);
    }
}

Str odata_pinned(const OData *expr, const char *path)
{
    if (expr->kind == ODATA_AND) {
        Str left = odata_pinned(expr->left, path);
        return left.ptr ? left : odata_pinned(expr->right, path);
    }
    bool is_pin = expr->kind == ODATA_EQ && expr->value_count == 1 && str_eq_nocase(expr->path, str_from(path));
    return is_pin ? expr->values[0] : STR_NONE;
}

static bool collect(const OData *expr, const OData **out, size_t max, size_t *count)
{
    if (expr->kind == ODATA_AND)
        return collect(expr->left, out, max, count) && collect(expr->right, out, max, count);
    if (*count == max)
        return false;
    out[(*count)++] = expr;
    return true;
}

bool odata_conjuncts(const OData *expr, const OData **out, size_t max, size_t *count)
{
    *count = 0;
    return collect(expr, out, max, count);
}
