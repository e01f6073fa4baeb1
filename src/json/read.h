/* read.h - strict JSON (RFC 8259) into structs or read-only values.
 *
 * Refused with ERR_BAD_INPUT and the place: duplicate names, depth over 32, bad UTF-8, embedded NUL (also \u0000),
 * numbers we cannot represent, anything after the value. Trailing commas are refused unless JSON_TRAILING_COMMAS is
 * given (bodies of Resource Manager and Batch: the real services take them, and a document our users live by has one).
 * Values live as long as the arena given to json_parse. */
#pragma once
#include "base/arena.h"

enum { JSON_STRICT = 0, JSON_TRAILING_COMMAS = 1 };
enum { JSON_DEPTH_MAX = 32 };

typedef struct JsonVal JsonVal;
typedef enum JsonKind { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STR, JSON_ARRAY, JSON_OBJECT } JsonKind;

bool json_parse(Arena *arena, Str text, unsigned flags, const JsonVal **root, Err *err) MUST_CHECK;

/* All take NULL, which is JSON_ABSENT. A getter of the wrong kind answers the absent value of its type. */
JsonKind       json_kind(const JsonVal *v);
const JsonVal *json_get(const JsonVal *object, const char *name);            /* NULL: absent (a JSON null is a value of kind JSON_NULL) */
const JsonVal *json_get_nocase(const JsonVal *object, const char *name);     /* ASCII; the first such member */
const JsonVal *json_path(const JsonVal *object, const char *dotted);         /* "properties.sku.name" */
size_t         json_count(const JsonVal *v);                                 /* items or members */
const JsonVal *json_at(const JsonVal *array, size_t index);
const JsonVal *json_member(const JsonVal *object, size_t index, Str *name);  /* in the order of the text; NULL past the end. For long objects walk instead */
Str            json_str(const JsonVal *v);                                   /* absent Str if not a string */
int64_t        json_int(const JsonVal *v, int64_t otherwise);
double         json_number(const JsonVal *v, double otherwise);                /* integers too */
bool           json_bool(const JsonVal *v, bool otherwise);
/* Members one after the other: JsonWalk walk = { .object = v };  while (json_walk(&walk, &name, &value)) ... */
typedef struct JsonWalk { const JsonVal *object; void *at; bool begun; } JsonWalk;
bool           json_walk(JsonWalk *walk, Str *name, const JsonVal **value);
const char    *json_kind_name(JsonKind kind);                                /* "a string", "an object", ... for messages */

/* Reading into a struct: the kind comes from the member's type, so they cannot disagree.
 * A JSON null counts as absent for optional fields. Members not listed are ignored (the services do) unless the table
 * is read with json_read_exact, which names the first unknown one. Absent optional members leave the struct as it was,
 * so defaults are set before the call, in plain sight. */
typedef struct OptBool { bool set; bool value; } OptBool;
typedef struct OptInt  { bool set; int64_t value; } OptInt;
typedef enum JsonNeed { JSON_OPTIONAL, JSON_REQUIRED } JsonNeed;
typedef enum JsonFieldKind { FIELD_STR, FIELD_INT, FIELD_BOOL, FIELD_OPT_BOOL, FIELD_OPT_INT, FIELD_ANY } JsonFieldKind;
typedef struct JsonField { const char *name; JsonFieldKind kind; size_t offset; JsonNeed need; } JsonField;

#define JSON_FIELD_KIND_OF(m) _Generic((m), Str: FIELD_STR, int64_t: FIELD_INT, bool: FIELD_BOOL, \
                                            OptBool: FIELD_OPT_BOOL, OptInt: FIELD_OPT_INT, const JsonVal *: FIELD_ANY)
#define JSON_FIELD(T, member, name, need) { name, JSON_FIELD_KIND_OF(((T *)0)->member), offsetof(T, member), need }

/* `where` prefixes the field in messages ("properties.sku"); "" at the top. ERR_BAD_INPUT with err->target set. */
bool json_read(const JsonVal *object, const char *where, const JsonField *fields, size_t count, void *out, Err *err) MUST_CHECK;
bool json_read_exact(const JsonVal *object, const char *where, const JsonField *fields, size_t count, void *out, Err *err) MUST_CHECK;
