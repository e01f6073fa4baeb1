/* odata.h - the $filter expressions that clients of Graph and Resource Manager send (OData 4.01 part 2, section 5.1.1).
 *
 * Understood: and, or, not, parentheses; `property eq|ne|gt|ge|lt|le literal`, `property in (..)`, startswith(property,'x'),
 * `collection/any(v:v eq 'x')` and `any(v:startswith(v,'x'))`, and calls such as atScope() or assignedTo('x').
 * Text compares without case, as both services do; where both sides are numbers or times they compare as such (gt and its fellows know
 * nothing else). Batch writes times as DateTime'2026-11-22T00:00:00Z'; the word in front of the quote is passed over. */
#pragma once
#include "base/arena.h"

enum { ODATA_DEPTH_MAX = 16, ODATA_VALUES_MAX = 64, ODATA_TEXT_MAX = 4096 };

typedef enum ODataKind { ODATA_AND = 1, ODATA_OR, ODATA_NOT, ODATA_EQ, ODATA_NE, ODATA_STARTSWITH, ODATA_CALL,
                         ODATA_GT, ODATA_GE, ODATA_LT, ODATA_LE } ODataKind;

typedef struct OData OData;
struct OData {
    ODataKind kind;
    const OData *left, *right;          /* AND, OR; NOT has left alone */
    Str path;                           /* "displayName", "web/homePageUrl"; of a CALL the function's name */
    bool any;                           /* path is a collection of which one element must match */
    const Str *values;                  /* literals without quotes; EQ with several is `in`; null is an absent Str */
    size_t value_count;
};

/* ERR_BAD_INPUT names the place. Nodes live in the arena, texts in it or in `text`. */
bool odata_parse(Arena *arena, Str text, const OData **out, Err *err) MUST_CHECK;

/* ERR_BAD_INPUT if the expression asks for a property that is not among `known`, or calls a function. */
bool odata_check(const OData *expr, const char *const *known, size_t count, Err *err) MUST_CHECK;

/* The values of a property in the row under test: none, one, or as many as its collection has. */
typedef size_t ODataGet(void *row, Str path, const Str **values);
bool odata_matches(const OData *expr, ODataGet *get, void *row);            /* a CALL never matches */

/* A literal that every matching row has as this property, so that an index can be asked; absent if there is none. */
Str  odata_pinned(const OData *expr, const char *path);

/* The operands of the outermost `and`s, left to right; false: more than max. */
bool odata_conjuncts(const OData *expr, const OData **out, size_t max, size_t *count);
