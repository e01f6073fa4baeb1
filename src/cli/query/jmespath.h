/* jmespath.h - JMESPath: one expression that picks from a JSON value and reshapes it, as `--query` takes it.
 *
 * The whole language of the public specification (https://jmespath.org/specification.html). Where it leaves room we read
 * an expression as jmespath.py does, because scripts written for az were tried against that:
 *   - a literal that is no JSON is a string: `westus2` is `"westus2"` (the form that JEP-12 deprecated);
 *   - strings are ordered by code points, so times can be compared; the specification answers null;
 *   - [*][a, b] is read as [*].[a, b].
 * Unknown functions, wrong counts of arguments and a slice step of 0 are refused when the expression is compiled, so a
 * command with a bad query does nothing. */
#pragma once
#include "json/read.h"

enum { JMESPATH_LENGTH_MAX = 64 * 1024 };                /* bytes of an expression */
enum { JMESPATH_DEPTH_MAX = 500 };                       /* levels of an expression, parentheses included */

/* err->name of an error in the expression or in what it asks of the value; the specification's words. */
extern const char JMESPATH_SYNTAX[];                     /* "syntax" */
extern const char JMESPATH_ARITY[];                      /* "invalid-arity" */
extern const char JMESPATH_TYPE[];                       /* "invalid-type" */
extern const char JMESPATH_VALUE[];                      /* "invalid-value" */
extern const char JMESPATH_FUNCTION[];                   /* "unknown-function" */

typedef struct Jmespath Jmespath;

/* The compiled expression lies in the arena and points into `expression`. ERR_BAD_INPUT with err->name set and a column in the text. */
bool jmespath_compile(Arena *arena, Str expression, const Jmespath **out, Err *err) MUST_CHECK;

/* The result lives as long as `value` and the arena; it may be a part of `value`. ERR_BAD_INPUT with err->name set;
 * ERR_TOO_LARGE: the result is deeper than JSON_DEPTH_MAX or larger than the arena, or takes too many steps. */
bool jmespath_search(Arena *arena, const Jmespath *query, const JsonVal *value, const JsonVal **out, Err *err) MUST_CHECK;
