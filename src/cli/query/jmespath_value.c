/* jmespath_value.c - values of a search: views of JSON that was read, and arrays and objects that were made. */
#include <stdlib.h>
#include "cli/query/jmespath_own.h"
#include "json/write.h"

enum { COMPARE_DEPTH_MAX = 1000, TEXT_BYTES_MAX = 64 * 1024 * 1024 };

bool search_step(Search *s)
{
    if (s->steps_left > 0) {
        s->steps_left--;
        return true;
    }
    return err_set(s->err, ERR_TOO_LARGE, "the query takes too many steps on this result; ask for less");
}

bool search_full(Search *s)
{
    return err_set(s->err, ERR_TOO_LARGE, "the query needs more memory than it may have; ask for less");
}

/* ---- looking ---- */

Val val_of_json(const JsonVal *json)
{
    switch (json_kind(json)) {
    case JSON_ABSENT:
    case JSON_NULL:   break;
    case JSON_BOOL:   return (Val){ .kind = VAL_BOOL, .json = json, .truth = json_bool(json, false) };
    case JSON_INT:    return (Val){ .kind = VAL_INT, .json = json, .whole = json_int(json, 0) };
    case JSON_REAL:   return (Val){ .kind = VAL_REAL, .json = json, .real = json_number(json, 0) };
    case JSON_STR:    return (Val){ .kind = VAL_STR, .json = json, .text = json_str(json) };
    case JSON_ARRAY:  return (Val){ .kind = VAL_ARRAY, .json = json };
    case JSON_OBJECT: return (Val){ .kind = VAL_OBJECT, .json = json };
    }
    return (Val){ .kind = VAL_NULL, .json = json };
}

const char *val_kind_name(ValKind kind)
{
    static const char *const names[] = { "null", "a boolean", "a number", "a number", "a string", "an array", "an object", "an expression" };
    return names[kind];
}

size_t val_count(const Val *v)
{
    if (v->kind != VAL_ARRAY && v->kind != VAL_OBJECT)
        return 0;
    return v->json ? json_count(v->json) : v->count;
}

Val val_at(const Val *array, size_t index)
{
    return array->json ? val_of_json(json_at(array->json, index)) : array->items[index];
}

Val val_get(const Val *object, const char *name)
{
    if (object->kind != VAL_OBJECT)
        return VAL_NONE;
    if (object->json)
        return val_of_json(json_get(object->json, name));
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->members[i].name, name) == 0)
            return object->members[i].value;
    }
    return VAL_NONE;
}

ValWalk val_walk(const Val *object)
{
    return (ValWalk){ .object = object, .json = { .object = object->json } };
}

bool val_next(ValWalk *walk, const char **name, Val *value)
{
    if (walk->object->json) {
        Str text;
        const JsonVal *json;
        if (!json_walk(&walk->json, &text, &json))
            return false;
        *name = text.ptr;
        *value = val_of_json(json);
        return true;
    }
    if (walk->next >= walk->object->count)
        return false;
    *name = walk->object->members[walk->next].name;
    *value = walk->object->members[walk->next++].value;
    return true;
}

bool val_is_true(const Val *v)
{
    switch (v->kind) {
    case VAL_NULL:   return false;
    case VAL_BOOL:   return v->truth;
    case VAL_STR:    return v->text.len > 0;
    case VAL_ARRAY:
    case VAL_OBJECT: return val_count(v) > 0;
    default:         return true;                        /* numbers, 0 too */
    }
}

/* ---- comparing ---- */

bool val_is_number(const Val *v) { return v->kind == VAL_INT || v->kind == VAL_REAL; }
double val_real(const Val *number) { return number->kind == VAL_INT ? (double)number->whole : number->real; }

/* Exact: as doubles, whole numbers beyond 2^53 would meet their neighbours. */
static int order_mixed(int64_t whole, double real)
{
    const double beyond = 9223372036854775808.0;         /* 2^63 */
    if (real >= beyond)
        return -1;
    if (real < -beyond)
        return 1;
    int64_t cut = (int64_t)real;
    if (whole != cut)
        return whole < cut ? -1 : 1;
    double fraction = real - (double)cut;
    return (fraction < 0) - (fraction > 0);
}

int val_order(const Val *a, const Val *b)
{
    if (a->kind == VAL_STR)
        return str_cmp(a->text, b->text);                /* the order of UTF-8 bytes is that of code points */
    if (a->kind == VAL_INT && b->kind == VAL_INT)
        return (a->whole > b->whole) - (a->whole < b->whole);
    if (a->kind == VAL_INT)
        return order_mixed(a->whole, b->real);
    if (b->kind == VAL_INT)
        return -order_mixed(b->whole, a->real);
    return (a->real > b->real) - (a->real < b->real);
}

static bool equal_at(Search *s, const Val *a, const Val *b, int depth, bool *equal);

static bool equal_arrays(Search *s, const Val *a, const Val *b, int depth, bool *equal)
{
    size_t count = val_count(a);

    *equal = count == val_count(b);
    for (size_t i = 0; *equal && i < count; i++) {
        Val of_a = val_at(a, i), of_b = val_at(b, i);
        if (!equal_at(s, &of_a, &of_b, depth + 1, equal))
            return false;
    }
    return true;
}

static bool has_member(const Val *object, const char *name)
{
    if (object->json)
        return json_get(object->json, name) != NULL;
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->members[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool equal_objects(Search *s, const Val *a, const Val *b, int depth, bool *equal)
{
    ValWalk walk = val_walk(a);
    const char *name;
    Val of_a;

    *equal = val_count(a) == val_count(b);
    while (*equal && val_next(&walk, &name, &of_a)) {
        Val of_b = val_get(b, name);
        *equal = has_member(b, name);
        if (*equal && !equal_at(s, &of_a, &of_b, depth + 1, equal))
            return false;
    }
    return true;
}

static bool equal_at(Search *s, const Val *a, const Val *b, int depth, bool *equal)
{
    if (!search_step(s))
        return false;
    if (depth > COMPARE_DEPTH_MAX)
        return err_set(s->err, ERR_TOO_LARGE, "the query compares values nested deeper than %d levels", COMPARE_DEPTH_MAX);
    if (val_is_number(a) && val_is_number(b)) {
        *equal = val_order(a, b) == 0;
        return true;
    }
    *equal = a->kind == b->kind;
    if (!*equal)
        return true;
    switch (a->kind) {
    case VAL_BOOL:       *equal = a->truth == b->truth; return true;
    case VAL_STR:        *equal = str_eq(a->text, b->text); return true;
    case VAL_ARRAY:      return equal_arrays(s, a, b, depth, equal);
    case VAL_OBJECT:     return equal_objects(s, a, b, depth, equal);
    case VAL_EXPRESSION: *equal = false; return true;
    default:             return true;
    }
}

bool val_equal(Search *s, const Val *a, const Val *b, bool *equal)
{
    return equal_at(s, a, b, 0, equal);
}

/* ---- making ---- */

bool val_array(Search *s, size_t capacity, Val *list, Val **items)
{
    *items = ARENA_ARRAY(s->arena, Val, capacity);
    if (!*items)
        return search_full(s);
    *list = (Val){ .kind = VAL_ARRAY, .items = *items };
    return true;
}

typedef struct Place { Member *members; size_t at; } Place;

static int by_name_then_place(const void *a, const void *b)
{
    const Place *pa = a, *pb = b;
    int order = strcmp(pa->members[pa->at].name, pb->members[pb->at].name);

    return order ? order : (pa->at > pb->at) - (pa->at < pb->at);
}

bool val_object(Search *s, Member *members, size_t count, Val *out)
{
    Place *places = ARENA_ARRAY(s->arena, Place, count);
    size_t kept = 0;

    if (!places)
        return search_full(s);
    for (size_t i = 0; i < count; i++)
        places[i] = (Place){ members, i };
    if (count > 1)
        qsort(places, count, sizeof *places, by_name_then_place);
    for (size_t i = 0, first; i < count; i++) {
        first = i;
        while (i + 1 < count && strcmp(members[places[i + 1].at].name, members[places[first].at].name) == 0)
            members[places[++i].at].name = NULL;         /* compared no more: its place is behind us */
        members[places[first].at].value = members[places[i].at].value;
    }
    for (size_t i = 0; i < count; i++) {
        if (members[i].name)
            members[kept++] = members[i];
    }
    *out = (Val){ .kind = VAL_OBJECT, .members = members, .count = kept };
    return true;
}

/* ---- as JSON ---- */

static bool put(Search *s, JsonWriter *w, const char *name, const Val *v, int depth)
{
    ValWalk walk;
    Val child;
    const char *member;

    if (!search_step(s))
        return false;
    if ((v->kind == VAL_ARRAY || v->kind == VAL_OBJECT) && depth >= JSON_DEPTH_MAX)
        return err_set(s->err, ERR_TOO_LARGE, "the query makes a value nested deeper than %d levels", JSON_DEPTH_MAX);
    switch (v->kind) {
    case VAL_NULL:  json_put_null(w, name); break;
    case VAL_BOOL:  json_put_bool(w, name, v->truth); break;
    case VAL_INT:   json_put_int(w, name, v->whole); break;
    case VAL_REAL:  json_put_real(w, name, v->real); break;
    case VAL_STR:   json_put_str(w, name, v->text); break;
    case VAL_ARRAY:
        json_open_array(w, name);
        for (size_t i = 0; i < val_count(v); i++) {
            child = val_at(v, i);
            if (!put(s, w, NULL, &child, depth + 1))
                return false;
        }
        json_close_array(w);
        break;
    case VAL_OBJECT:
        json_open(w, name);
        for (walk = val_walk(v); val_next(&walk, &member, &child);) {
            if (!put(s, w, member, &child, depth + 1))
                return false;
        }
        json_close(w);
        break;
    case VAL_EXPRESSION:                                 /* the parser and the functions let none through */
        w->bad = true;
        break;
    }
    return !w->buf->failed || search_full(s);
}

bool val_to_json_text(Search *s, const Val *v, Str *out)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;

    buf_init(&buf, TEXT_BYTES_MAX);
    json_begin(&w, &buf);
    if (!put(s, &w, NULL, v, 0) || !json_end(&w, s->err))
        return false;
    *out = str_dup(s->arena, buf_str(&buf));
    return out->ptr ? true : search_full(s);
}
