/* jmespath_parse.c - tokens to a tree, by binding powers (top down operator precedence, Pratt 1973).
 *
 * The powers are those of the specification's reference implementation: where its grammar is ambiguous, they decide.
 * Below PROJECTION_STOP a token ends a projection; above, what follows is applied to each of its elements. */
#include "cli/query/jmespath_own.h"
#include <stdio.h>

enum { POWER_PIPE = 1, POWER_OR, POWER_AND, POWER_COMPARE = 5, POWER_FLATTEN = 9, PROJECTION_STOP = 10, POWER_STAR = 20, POWER_FILTER, POWER_DOT = 40,
       POWER_NOT = 45, POWER_LBRACE = 50, POWER_LBRACKET = 55, POWER_LPAREN = 60 };

static const int powers[TOKEN_KINDS] = {
    [TOKEN_PIPE] = POWER_PIPE,   [TOKEN_OR] = POWER_OR,           [TOKEN_AND] = POWER_AND,           [TOKEN_EQ] = POWER_COMPARE,
    [TOKEN_NE] = POWER_COMPARE,  [TOKEN_LT] = POWER_COMPARE,      [TOKEN_LE] = POWER_COMPARE,        [TOKEN_GT] = POWER_COMPARE,
    [TOKEN_GE] = POWER_COMPARE,  [TOKEN_FLATTEN] = POWER_FLATTEN, [TOKEN_STAR] = POWER_STAR,         [TOKEN_FILTER] = POWER_FILTER,
    [TOKEN_DOT] = POWER_DOT,     [TOKEN_NOT] = POWER_NOT,         [TOKEN_LBRACE] = POWER_LBRACE,     [TOKEN_LBRACKET] = POWER_LBRACKET,
    [TOKEN_LPAREN] = POWER_LPAREN,
};

typedef struct Parser {
    Lexer lexer;
    Token now, next;
    int   nesting;
} Parser;

static const Node the_current = { .kind = NODE_CURRENT, .depth = 1 };

static bool parse(Parser *p, int power, const Node **out);
static bool parse_list(Parser *p, const Node **out);
static bool parse_hash(Parser *p, const Node **out);

static bool advance(Parser *p)
{
    p->now = p->next;
    return p->now.kind == TOKEN_END || lexer_next(&p->lexer, &p->next);
}

static bool unexpected(Parser *p, const char *wanted)
{
    char what[160];

    if (p->now.kind == TOKEN_END)
        (void)snprintf(what, sizeof what, "it ends where %s should follow", wanted);
    else
        (void)snprintf(what, sizeof what, "'" STR_FMT "' stands where %s should", STR_ARG(str_slice(p->now.text, 0, 40)), wanted);
    return syntax_error(&p->lexer, p->now.text, what);
}

static bool expect(Parser *p, TokenKind kind, const char *wanted)
{
    return p->now.kind == kind ? advance(p) : unexpected(p, wanted);
}

/* ---- nodes ---- */

static bool too_deep(Parser *p)
{
    return err_named(p->lexer.err, ERR_BAD_INPUT, JMESPATH_SYNTAX, NULL, "the query is nested deeper than %d levels", JMESPATH_DEPTH_MAX);
}

static unsigned deeper(unsigned depth, const Node *child)
{
    return child && child->depth > depth ? child->depth : depth;
}

/* Any of the three may be NULL. */
static Node *node_new(Parser *p, NodeKind kind, const Node *left, const Node *right, const Node *condition)
{
    unsigned depth = 1 + deeper(deeper(deeper(0, left), right), condition);
    Node *node = depth <= JMESPATH_DEPTH_MAX ? ARENA_NEW(p->lexer.arena, Node) : NULL;

    if (!node) {
        (void)(depth > JMESPATH_DEPTH_MAX ? too_deep(p) : err_too_big(p->lexer.err));
        return NULL;
    }
    *node = (Node){ .kind = kind, .depth = depth, .left = left, .right = right, .condition = condition };
    return node;
}

static bool made(const Node *node, const Node **out)
{
    *out = node;
    return node != NULL;
}

/* Children while they are read: the array doubles. */
typedef struct Growing { const Node **items; const char **names; size_t count, capacity; } Growing;

static bool grow(Parser *p, Growing *g, const char *name, const Node *item)
{
    if (g->count == g->capacity) {
        size_t wider = g->capacity ? g->capacity * 2 : 8;
        const Node **items = ARENA_ARRAY(p->lexer.arena, const Node *, wider);
        const char **names = ARENA_ARRAY(p->lexer.arena, const char *, wider);
        if (!items || !names)
            return err_too_big(p->lexer.err);
        for (size_t i = 0; i < g->count; i++) {
            items[i] = g->items[i];
            names[i] = g->names[i];
        }
        *g = (Growing){ items, names, g->count, wider };
    }
    g->items[g->count] = item;
    g->names[g->count++] = name;
    return true;
}

static bool made_of_children(Parser *p, NodeKind kind, const Function *function, const Growing *g, const Node **out)
{
    const Node *deepest = NULL;

    for (size_t i = 0; i < g->count; i++)
        deepest = !deepest || g->items[i]->depth > deepest->depth ? g->items[i] : deepest;
    Node *node = node_new(p, kind, NULL, NULL, deepest);
    if (!node)
        return false;
    node->condition = NULL;                              /* it was there for the depth only */
    node->function = function;
    node->children = (Children){ g->items, g->names, g->count };
    *out = node;
    return true;
}

/* ---- projections ---- */

static bool parse_after_dot(Parser *p, int power, const Node **out)
{
    switch (p->now.kind) {
    case TOKEN_NAME:
    case TOKEN_QUOTED_NAME:
    case TOKEN_STAR:     return parse(p, power, out);
    case TOKEN_LBRACKET: return advance(p) && parse_list(p, out);
    case TOKEN_LBRACE:   return advance(p) && parse_hash(p, out);
    default:             return unexpected(p, "a name, *, [...] or {...}");
    }
}

/* What is applied to each element. */
static bool parse_projected(Parser *p, int power, const Node **out)
{
    if (powers[p->now.kind] < PROJECTION_STOP)
        return made(&the_current, out);
    if (p->now.kind == TOKEN_LBRACKET || p->now.kind == TOKEN_FILTER)
        return parse(p, power, out);
    if (p->now.kind == TOKEN_DOT)
        return advance(p) && parse_after_dot(p, power, out);
    return unexpected(p, "'.', '[' or the end");
}

static bool parse_projection(Parser *p, NodeKind kind, const Node *left, int power, const Node **out)
{
    const Node *right;
    return parse_projected(p, power, &right) && made(node_new(p, kind, left, right, NULL), out);
}

static bool parse_flatten(Parser *p, const Node *left, const Node **out)
{
    const Node *flat = node_new(p, NODE_FLATTEN, left, NULL, NULL);
    return flat && parse_projection(p, NODE_PROJECT, flat, POWER_FLATTEN, out);
}

static bool parse_filter(Parser *p, const Node *left, const Node **out)
{
    const Node *condition, *right;
    return parse(p, 0, &condition) && expect(p, TOKEN_RBRACKET, "']'") && parse_projected(p, POWER_FILTER, &right)
        && made(node_new(p, NODE_FILTER, left, right, condition), out);
}

/* ---- behind '[' ---- */

static bool parse_number(Parser *p, bool *given, int64_t *number)
{
    *given = p->now.kind == TOKEN_NUMBER;
    if (!*given)
        return true;
    *number = p->now.number;
    return advance(p);
}

static bool parse_slice(Parser *p, const Node *left, const Node **out)
{
    Slice slice = { .step = 1 };
    bool has_step = false;
    Str where = p->now.text;

    if (!parse_number(p, &slice.has_start, &slice.start) || !expect(p, TOKEN_COLON, "':'") || !parse_number(p, &slice.has_stop, &slice.stop))
        return false;
    if (p->now.kind == TOKEN_COLON && (!advance(p) || !parse_number(p, &has_step, &slice.step)))
        return false;
    if (!expect(p, TOKEN_RBRACKET, "']'"))
        return false;
    if (slice.step == 0) {
        (void)syntax_error(&p->lexer, where, "the step of a slice is 0; it goes forwards or backwards");
        p->lexer.err->name = JMESPATH_VALUE;
        return false;
    }
    Node *node = node_new(p, NODE_SLICE, left, NULL, NULL);
    if (!node)
        return false;
    node->slice = slice;
    return parse_projection(p, NODE_PROJECT, node, POWER_STAR, out);
}

static bool parse_index_or_slice(Parser *p, const Node *left, const Node **out)
{
    if (p->now.kind == TOKEN_COLON || p->next.kind == TOKEN_COLON)
        return parse_slice(p, left, out);
    Node *node = node_new(p, NODE_INDEX, left, NULL, NULL);
    if (!node)
        return false;
    node->index = p->now.number;
    *out = node;
    return advance(p) && expect(p, TOKEN_RBRACKET, "']'");
}

static bool is_position(const Parser *p) { return p->now.kind == TOKEN_NUMBER || p->now.kind == TOKEN_COLON; }

static bool parse_bracket_first(Parser *p, const Node **out)
{
    if (is_position(p))
        return parse_index_or_slice(p, &the_current, out);
    if (p->now.kind == TOKEN_STAR && p->next.kind == TOKEN_RBRACKET)
        return advance(p) && advance(p) && parse_projection(p, NODE_PROJECT, &the_current, POWER_STAR, out);
    return parse_list(p, out);
}

static bool parse_bracket_after(Parser *p, const Node *left, const Node **out)
{
    if (is_position(p))
        return parse_index_or_slice(p, left, out);
    return expect(p, TOKEN_STAR, "a number, ':' or '*'") && expect(p, TOKEN_RBRACKET, "']'") && parse_projection(p, NODE_PROJECT, left, POWER_STAR, out);
}

/* ---- lists, hashes, calls ---- */

static bool parse_list(Parser *p, const Node **out)
{
    Growing items = { 0 };
    const Node *item;

    for (;;) {
        if (!parse(p, 0, &item) || !grow(p, &items, NULL, item))
            return false;
        if (p->now.kind != TOKEN_COMMA)
            break;
        if (!advance(p))
            return false;
    }
    return expect(p, TOKEN_RBRACKET, "',' or ']'") && made_of_children(p, NODE_LIST, NULL, &items, out);
}

static bool parse_hash(Parser *p, const Node **out)
{
    Growing items = { 0 };
    const Node *item;

    for (;;) {
        const char *name = p->now.name;
        if (p->now.kind != TOKEN_NAME && p->now.kind != TOKEN_QUOTED_NAME)
            return unexpected(p, "a name");
        if (!advance(p) || !expect(p, TOKEN_COLON, "':'") || !parse(p, 0, &item) || !grow(p, &items, name, item))
            return false;
        if (p->now.kind != TOKEN_COMMA)
            break;
        if (!advance(p))
            return false;
    }
    return expect(p, TOKEN_RBRACE, "',' or '}'") && made_of_children(p, NODE_HASH, NULL, &items, out);
}

static bool parse_argument(Parser *p, const Node **out)
{
    const Node *of;

    if (p->now.kind != TOKEN_REFERENCE)
        return parse(p, 0, out);
    return advance(p) && parse(p, 0, &of) && made(node_new(p, NODE_REFERENCE, of, NULL, NULL), out);
}

static bool check_call(Parser *p, Str name, const Function *f, size_t count)
{
    if (!f)
        return err_named(p->lexer.err, ERR_BAD_INPUT, JMESPATH_FUNCTION, NULL, "the query calls the unknown function " STR_FMT "()", STR_ARG(str_slice(name, 0, 60)));
    if (count == f->arity || (f->variadic && count > f->arity && count <= ARGUMENTS_MAX))
        return true;
    return err_named(p->lexer.err, ERR_BAD_INPUT, JMESPATH_ARITY, NULL, "%s() takes %s%zu argument%s, not %zu", f->name, f->variadic ? "at least " : "", f->arity,
                     f->arity == 1 ? "" : "s", count);
}

static bool parse_call(Parser *p, Str name, const Node **out)
{
    const Function *function = function_find(name);
    Growing arguments = { 0 };
    const Node *argument;

    if (!advance(p))
        return false;
    while (p->now.kind != TOKEN_RPAREN || arguments.count > 0) {
        if (!parse_argument(p, &argument) || !grow(p, &arguments, NULL, argument))
            return false;
        if (p->now.kind != TOKEN_COMMA)
            break;
        if (!advance(p))
            return false;
    }
    return expect(p, TOKEN_RPAREN, "',' or ')'") && check_call(p, name, function, arguments.count)
        && made_of_children(p, NODE_CALL, function, &arguments, out);
}

/* ---- expressions ---- */

static bool parse_name(Parser *p, const Token *token, const Node **out)
{
    if (p->now.kind == TOKEN_LPAREN && token->kind == TOKEN_NAME)
        return parse_call(p, token->text, out);
    if (p->now.kind == TOKEN_LPAREN)
        return syntax_error(&p->lexer, token->text, "the name of a function is not quoted");
    Node *node = node_new(p, NODE_FIELD, NULL, NULL, NULL);
    if (node)
        node->name = token->name;
    return made(node, out);
}

/* What an expression begins with. */
static bool parse_first(Parser *p, const Node **out)
{
    Token token = p->now;
    const Node *inner;
    Node *node;

    if (token.kind == TOKEN_END)
        return unexpected(p, "an expression");
    if (powers[token.kind] == 0 && token.kind != TOKEN_NAME && token.kind != TOKEN_QUOTED_NAME && token.kind != TOKEN_LITERAL && token.kind != TOKEN_CURRENT)
        return unexpected(p, "an expression");
    if (!advance(p))
        return false;
    switch (token.kind) {
    case TOKEN_NAME:
    case TOKEN_QUOTED_NAME:
        return parse_name(p, &token, out);
    case TOKEN_LITERAL:
        if ((node = node_new(p, NODE_LITERAL, NULL, NULL, NULL)))
            node->literal = token.literal;
        return made(node, out);
    case TOKEN_CURRENT:
        return made(&the_current, out);
    case TOKEN_STAR:
        return parse_projection(p, NODE_PROJECT_VALUES, &the_current, POWER_STAR, out);
    case TOKEN_FLATTEN:
        return parse_flatten(p, &the_current, out);
    case TOKEN_FILTER:
        return parse_filter(p, &the_current, out);
    case TOKEN_LBRACKET:
        return parse_bracket_first(p, out);
    case TOKEN_LBRACE:
        return parse_hash(p, out);
    case TOKEN_LPAREN:
        return parse(p, 0, out) && expect(p, TOKEN_RPAREN, "')'");
    case TOKEN_NOT:
        return parse(p, POWER_NOT, &inner) && made(node_new(p, NODE_NOT, inner, NULL, NULL), out);
    default:
        p->next = p->now;                                /* only its text matters now */
        p->now = token;
        return unexpected(p, "an expression");
    }
}

static bool parse_pair(Parser *p, NodeKind kind, TokenKind comparator, const Node *left, int power, const Node **out)
{
    const Node *right;
    Node *node;

    if (!parse(p, power, &right) || !(node = node_new(p, kind, left, right, NULL)))
        return false;
    if (kind == NODE_COMPARE)
        node->comparator = comparator;
    *out = node;
    return true;
}

static bool parse_dot(Parser *p, const Node *left, const Node **out)
{
    const Node *right;

    if (p->now.kind == TOKEN_STAR)
        return advance(p) && parse_projection(p, NODE_PROJECT_VALUES, left, POWER_DOT, out);
    return parse_after_dot(p, POWER_DOT, &right) && made(node_new(p, NODE_THEN, left, right, NULL), out);
}

/* What goes on behind `left`. */
static bool parse_next(Parser *p, const Node *left, const Node **out)
{
    TokenKind kind = p->now.kind;

    if (kind == TOKEN_STAR || kind == TOKEN_NOT || kind == TOKEN_LBRACE || kind == TOKEN_LPAREN)
        return unexpected(p, "an operator");
    if (!advance(p))
        return false;
    switch (kind) {
    case TOKEN_DOT:      return parse_dot(p, left, out);
    case TOKEN_PIPE:     return parse_pair(p, NODE_THEN, kind, left, POWER_PIPE, out);
    case TOKEN_OR:       return parse_pair(p, NODE_OR, kind, left, POWER_OR, out);
    case TOKEN_AND:      return parse_pair(p, NODE_AND, kind, left, POWER_AND, out);
    case TOKEN_FLATTEN:  return parse_flatten(p, left, out);
    case TOKEN_FILTER:   return parse_filter(p, left, out);
    case TOKEN_LBRACKET: return parse_bracket_after(p, left, out);
    default:             return parse_pair(p, NODE_COMPARE, kind, left, POWER_COMPARE, out);
    }
}

static bool parse(Parser *p, int power, const Node **out)
{
    const Node *left;
    bool sound;

    if (++p->nesting > JMESPATH_DEPTH_MAX)
        return too_deep(p);
    sound = parse_first(p, &left);
    while (sound && power < powers[p->now.kind])
        sound = parse_next(p, left, &left);
    p->nesting--;
    return sound && made(left, out);
}

bool jmespath_compile(Arena *arena, Str expression, const Jmespath **out, Err *err)
{
    Parser p = { .lexer = { .arena = arena, .expression = expression, .err = err } };
    Jmespath *query;
    const Node *root;

    if (expression.len > JMESPATH_LENGTH_MAX)
        return err_named(err, ERR_BAD_INPUT, JMESPATH_SYNTAX, NULL, "the query has %zu bytes; at most %d are accepted", expression.len, JMESPATH_LENGTH_MAX);
    if (expression.len && (memchr(expression.ptr, '\0', expression.len) || !str_is_utf8(expression)))
        return err_named(err, ERR_BAD_INPUT, JMESPATH_SYNTAX, NULL, "the query is not UTF-8 text");
    if (str_empty(str_trim(expression)))
        return err_named(err, ERR_BAD_INPUT, JMESPATH_SYNTAX, NULL, "the query is empty");
    if (!lexer_next(&p.lexer, &p.next) || !advance(&p) || !parse(&p, 0, &root))
        return false;
    if (p.now.kind != TOKEN_END)
        return unexpected(&p, "an operator or the end");
    if (!(query = ARENA_NEW(arena, Jmespath)))
        return err_too_big(err);
    query->root = root;
    *out = query;
    return true;
}
