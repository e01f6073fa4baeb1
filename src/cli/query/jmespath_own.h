/* jmespath_own.h - what the parts of JMESPath share: tokens, nodes, values. For jmespath_*.c only. */
#pragma once
#include "base/arena.h"
#include "cli/query/jmespath.h"

/* ---- values (jmespath_value.c) ----
 * JSON read or made. An array or object is either a view of a JsonVal (json set) or was made here. Names are C strings:
 * neither JSON as we read it nor an expression holds a NUL. */

typedef struct Node Node;
typedef struct Val Val;
typedef enum ValKind { VAL_NULL, VAL_BOOL, VAL_INT, VAL_REAL, VAL_STR, VAL_ARRAY, VAL_OBJECT, VAL_EXPRESSION } ValKind;
typedef struct Member Member;

struct Val {
    ValKind kind;
    const JsonVal *json;                                 /* NULL: made here */
    union {
        bool    truth;
        int64_t whole;
        double  real;                                    /* finite */
        Str     text;
        const Node *expression;                          /* &expression: an argument of a function, never in a result */
        struct { union { const Val *items; const Member *members; }; size_t count; };
    };
};
struct Member { const char *name; Val value; };

/* One evaluation: its memory, the steps it may still take, and where its error goes. */
typedef struct Search { Arena *arena; uint64_t steps_left; Err *err; } Search;
bool search_step(Search *s);                             /* false: too many; described */
bool search_full(Search *s);                             /* always false: the arena's limit */

#define VAL_NONE      ((Val){ .kind = VAL_NULL })
#define VAL_TRUTH(b)  ((Val){ .kind = VAL_BOOL, .truth = (b) })
#define VAL_WHOLE(n)  ((Val){ .kind = VAL_INT, .whole = (n) })
#define VAL_NUMBER(d) ((Val){ .kind = VAL_REAL, .real = (d) })
#define VAL_TEXT(s)   ((Val){ .kind = VAL_STR, .text = (s) })

Val    val_of_json(const JsonVal *json);
size_t val_count(const Val *v);                          /* items or members; 0 for others */
Val    val_at(const Val *array, size_t index);
Val    val_get(const Val *object, const char *name);     /* null if absent or not an object */
typedef struct ValWalk { const Val *object; JsonWalk json; size_t next; } ValWalk;
ValWalk val_walk(const Val *object);
bool   val_next(ValWalk *walk, const char **name, Val *value);
bool   val_is_true(const Val *v);
bool   val_is_number(const Val *v);
double val_real(const Val *number);
int    val_order(const Val *a, const Val *b);            /* of two numbers, or of two strings */
bool   val_equal(Search *s, const Val *a, const Val *b, bool *equal) MUST_CHECK;
/* Room for `capacity` items; the caller counts up list->count and writes through *items. */
bool   val_array(Search *s, size_t capacity, Val *list, Val **items) MUST_CHECK;
/* An object of these members; of equal names the last one's value stands in the first one's place. The array is the object's now. */
bool   val_object(Search *s, Member *members, size_t count, Val *out) MUST_CHECK;
bool   val_to_json_text(Search *s, const Val *v, Str *out) MUST_CHECK;
const char *val_kind_name(ValKind kind);                 /* "a number", ... */

/* ---- tokens (jmespath_lex.c) ---- */

typedef enum TokenKind {
    TOKEN_END, TOKEN_NAME, TOKEN_QUOTED_NAME, TOKEN_LITERAL, TOKEN_NUMBER, TOKEN_RBRACKET, TOKEN_RPAREN, TOKEN_COMMA, TOKEN_RBRACE, TOKEN_CURRENT,
    TOKEN_REFERENCE, TOKEN_COLON, TOKEN_PIPE, TOKEN_OR, TOKEN_AND, TOKEN_EQ, TOKEN_NE, TOKEN_LT, TOKEN_LE, TOKEN_GT, TOKEN_GE, TOKEN_FLATTEN,
    TOKEN_STAR, TOKEN_FILTER, TOKEN_DOT, TOKEN_NOT, TOKEN_LBRACE, TOKEN_LBRACKET, TOKEN_LPAREN,
    TOKEN_KINDS
} TokenKind;

typedef struct Token {
    TokenKind kind;
    Str       text;                                      /* as written */
    const char *name;                                    /* of TOKEN_NAME and TOKEN_QUOTED_NAME */
    Val       literal;                                   /* of TOKEN_LITERAL */
    int64_t   number;                                    /* of TOKEN_NUMBER; beyond +-2^53 it is cut to that */
} Token;

typedef struct Lexer { Arena *arena; Str expression; size_t at; Err *err; } Lexer;
bool lexer_next(Lexer *lexer, Token *out) MUST_CHECK;
bool syntax_error(const Lexer *lexer, Str where, const char *what);   /* always false; `where` lies in the expression */

/* Matches the number rule of RFC 8259 section 6; *is_whole: it has neither fraction nor exponent. */
bool text_is_number(Str text, bool *is_whole);

/* ---- the tree (jmespath_parse.c) ---- */

typedef enum NodeKind {
    NODE_CURRENT, NODE_FIELD, NODE_LITERAL, NODE_INDEX, NODE_SLICE, NODE_THEN, NODE_PROJECT, NODE_PROJECT_VALUES, NODE_FILTER, NODE_FLATTEN,
    NODE_OR, NODE_AND, NODE_NOT, NODE_COMPARE, NODE_LIST, NODE_HASH, NODE_CALL, NODE_REFERENCE
} NodeKind;

typedef struct Function Function;
typedef struct Slice { bool has_start, has_stop; int64_t start, stop, step; } Slice;    /* step is not 0 */
typedef struct Children { const Node **items; const char **names; size_t count; } Children;    /* names: of a hash */

struct Node {
    NodeKind kind;
    unsigned depth;                                      /* levels below and with it */
    const Node *left, *right, *condition;
    union {
        const char *name;
        Val       literal;
        int64_t   index;
        Slice     slice;
        TokenKind comparator;
        struct { const Function *function; Children children; };
    };
};

struct Jmespath { const Node *root; };

/* ---- evaluation (jmespath_eval.c) ---- */

bool eval(Search *s, const Node *node, const Val *value, Val *out) MUST_CHECK;

/* ---- functions (jmespath_functions.c) ---- */

enum { ARGUMENTS_MAX = 64 };

typedef bool FunctionBody(Search *s, const Val *args, size_t count, Val *out);
enum { TAKES_NUMBER = 1, TAKES_STRING = 2, TAKES_BOOL = 4, TAKES_ARRAY = 8, TAKES_OBJECT = 16, TAKES_NULL = 32, TAKES_EXPRESSION = 64,
       TAKES_NUMBERS = 128, TAKES_STRINGS = 256,         /* arrays of them */
       TAKES_ANY = TAKES_NUMBER | TAKES_STRING | TAKES_BOOL | TAKES_ARRAY | TAKES_OBJECT | TAKES_NULL };
struct Function {
    const char   *name;
    FunctionBody *body;
    size_t        arity;
    bool          variadic;                              /* takes `arity` or more; the further ones as the last */
    unsigned      takes[2];
};

const Function *function_find(Str name);                 /* NULL: unknown */
bool function_call(Search *s, const Function *function, const Val *args, size_t count, Val *out) MUST_CHECK;
