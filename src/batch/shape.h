/* shape.h - what a document of Batch may contain, written once for both of its spellings.
 *
 * Resource Manager and the data plane describe the same pool with other names ("nodeAgentSkuId", "nodeAgentSKUId"), other cases of
 * the same words ("Pack", "pack") and other wrappings. A Shape is the table of one object's members; it checks what comes in, keeps
 * it in one spelling (Resource Manager's), and writes it out again in either. Documents are stored in that one spelling.
 *
 * Unknown members are refused and named, as the service does (InvalidRequestBody); a member the service has and we do not build is
 * refused with 501 and named. Members that are only shown (states, counts) are ignored when they come in, so that a document that
 * was read can be sent again. A JSON null counts as absent. */
#pragma once
#include "json/read.h"
#include "json/write.h"

typedef enum Spelling { SPELL_ARM = 1, SPELL_DATA } Spelling;

typedef enum ShapeKind {
    SHAPE_UNDECLARED = 0,
    SHAPE_TEXT,             /* a string of min..max bytes */
    SHAPE_INT,              /* min..max */
    SHAPE_BOOL,
    SHAPE_WORD,             /* one of `words`, compared without case */
    SHAPE_SWITCH,           /* the words Enabled and Disabled in Resource Manager, a boolean on the data plane */
    SHAPE_DURATION,         /* ISO 8601, min..max milliseconds */
    SHAPE_OBJECT,           /* of `fields` */
    SHAPE_OBJECTS,          /* an array of min..max objects of `fields` */
    SHAPE_TEXTS,            /* an array of min..max strings */
    SHAPE_FREE,             /* any object; on the data plane also as the text of one, and always written so there */
    SHAPE_TAGS,             /* an object whose members are strings */
    SHAPE_UNKEPT,           /* a string like SHAPE_TEXT that is checked and not kept */
    SHAPE_BY_HAND,          /* known here; checked and kept by the caller, written as it is kept */
    SHAPE_APART,            /* likewise, and written by the caller too */
    SHAPE_SHOWN,            /* only ever written by us: ignored when it comes in */
    SHAPE_EMPTY,            /* must be absent or empty: `why` tells what it would need (ERR_BAD_INPUT) */
    SHAPE_NOT_BUILT         /* must be absent or empty: the service has it, we do not yet (ERR_NOT_BUILT) */
} ShapeKind;

enum { SHAPE_OPTIONAL = 0, SHAPE_NEEDED = 1 };

typedef struct ShapeField ShapeField;
struct ShapeField {
    const char *arm, *data;             /* its names; NULL: that spelling does not have it */
    ShapeKind kind;
    unsigned need;
    int64_t min, max;                   /* 0 and 0: no limit of its own */
    const char *const *words;           /* ended by NULL, in Resource Manager's case; the data plane writes them in lower case */
    const ShapeField *fields;           /* ended by a row without names */
    const char *why;
};

/* Checks `object` against `fields` and writes its members, in the table's order and Resource Manager's spelling, into the object
 * that is open in `w`. With `before` (a stored document), members that are absent are taken from there and null removes them.
 * `where` prefixes names in messages ("properties"). ERR_BAD_INPUT with the service's code and err->target, or ERR_NOT_BUILT. */
bool shape_read(Arena *arena, const ShapeField *fields, Spelling from, const JsonVal *object, const JsonVal *before,
                const char *where, JsonWriter *w, Err *err) MUST_CHECK;

/* The same, but members that are not in the table are passed over: for what our own agents of another version send. */
bool shape_read_known(Arena *arena, const ShapeField *fields, const JsonVal *object, JsonWriter *w, Err *err) MUST_CHECK;

/* Writes the members of a stored document into the object open in `w`, in the spelling asked for. */
void shape_write(Arena *arena, const ShapeField *fields, Spelling to, const JsonVal *stored, JsonWriter *w);

/* Same value, whatever the order of members. */
bool json_same(const JsonVal *a, const JsonVal *b);
