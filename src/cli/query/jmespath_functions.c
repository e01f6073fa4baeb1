/* jmespath_functions.c - the functions of the specification, one row each, and the check of their arguments. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/query/jmespath_own.h"

/* ---- numbers ---- */

static bool finite_number(Search *s, double value, Val *out)
{
    if (!isfinite(value))
        return err_named(s->err, ERR_BAD_INPUT, JMESPATH_VALUE, NULL, "the query computes a number that is too large");
    *out = VAL_NUMBER(value);
    return true;
}

static bool do_abs(Search *s, const Val *args, size_t count, Val *out)
{
    (void)count;
    if (args->kind == VAL_INT && args->whole != INT64_MIN) {
        *out = VAL_WHOLE(args->whole < 0 ? -args->whole : args->whole);
        return true;
    }
    return finite_number(s, fabs(val_real(args)), out);
}

/* A real number without fraction as a whole one, if it fits. */
static bool as_whole(double value, Val *out)
{
    const double beyond = 9223372036854775808.0;         /* 2^63 */
    *out = value >= -beyond && value < beyond ? VAL_WHOLE((int64_t)value) : VAL_NUMBER(value);
    return true;
}

static bool do_ceil(Search *s, const Val *args, size_t count, Val *out)
{
    (void)s, (void)count;
    *out = *args;
    return args->kind == VAL_INT || as_whole(ceil(args->real), out);
}

static bool do_floor(Search *s, const Val *args, size_t count, Val *out)
{
    (void)s, (void)count;
    *out = *args;
    return args->kind == VAL_INT || as_whole(floor(args->real), out);
}

static bool do_sum(Search *s, const Val *args, size_t count, Val *out)
{
    int64_t whole = 0;
    double real = 0;
    bool is_whole = true;

    (void)count;
    for (size_t i = 0; i < val_count(args); i++) {
        Val item = val_at(args, i);
        real += val_real(&item);
        is_whole = is_whole && item.kind == VAL_INT && !__builtin_add_overflow(whole, item.whole, &whole);
    }
    *out = VAL_WHOLE(whole);
    return is_whole || finite_number(s, real, out);
}

static bool do_avg(Search *s, const Val *args, size_t count, Val *out)
{
    size_t items = val_count(args);

    if (items == 0)
        return true;
    return do_sum(s, args, count, out) && finite_number(s, val_real(out) / (double)items, out);
}

static bool do_to_number(Search *s, const Val *args, size_t count, Val *out)
{
    bool is_whole;
    int64_t whole;
    char *text;
    Err unused = { 0 };

    (void)count;
    if (val_is_number(args))
        *out = *args;
    if (args->kind != VAL_STR || !text_is_number(args->text, &is_whole))
        return true;
    if (is_whole && str_to_int64(args->text, INT64_MIN, INT64_MAX, &whole, &unused)) {
        *out = VAL_WHOLE(whole);
        return true;
    }
    if (!(text = str_to_cstr(s->arena, args->text, s->err)))
        return false;
    double real = strtod(text, NULL);
    if (isfinite(real))
        *out = VAL_NUMBER(real);
    return true;
}

/* ---- text ---- */

static bool do_starts_with(Search *s, const Val *args, size_t count, Val *out)
{
    (void)s, (void)count;
    *out = VAL_TRUTH(str_starts(args[0].text, args[1].text));
    return true;
}

static bool do_ends_with(Search *s, const Val *args, size_t count, Val *out)
{
    (void)s, (void)count;
    *out = VAL_TRUTH(str_ends(args[0].text, args[1].text));
    return true;
}

static bool do_contains(Search *s, const Val *args, size_t count, Val *out)
{
    bool found = false;
    size_t at;

    (void)count;
    if (args[0].kind == VAL_STR)
        found = args[1].kind == VAL_STR && (args[1].text.len == 0 || str_find(args[0].text, args[1].text, &at));
    for (size_t i = 0; !found && i < val_count(&args[0]); i++) {
        Val item = val_at(&args[0], i);
        if (!val_equal(s, &item, &args[1], &found))
            return false;
    }
    *out = VAL_TRUTH(found);
    return true;
}

static bool do_join(Search *s, const Val *args, size_t count, Val *out)
{
    size_t items = val_count(&args[1]), total = 0, len = 0;
    Str glue = args[0].text;
    char *text;

    (void)count;
    for (size_t i = 0; i < items; i++) {
        Val item = val_at(&args[1], i);
        if (__builtin_add_overflow(total, item.text.len + (i ? glue.len : 0), &total))
            return search_full(s);
    }
    if (!(text = arena_alloc(s->arena, total)))
        return search_full(s);
    for (size_t i = 0; i < items; i++) {
        Val item = val_at(&args[1], i);
        Str parts[] = { i ? glue : STR(""), item.text };
        for (size_t k = 0; k < COUNT_OF(parts); k++) {
            memcpy(text + len, parts[k].ptr, parts[k].len);
            len += parts[k].len;
        }
    }
    *out = VAL_TEXT(((Str){ text, len }));
    return true;
}

static bool do_to_string(Search *s, const Val *args, size_t count, Val *out)
{
    Str text;

    (void)count;
    *out = *args;
    if (args->kind == VAL_STR)
        return true;
    if (!val_to_json_text(s, args, &text))
        return false;
    *out = VAL_TEXT(text);
    return true;
}

static bool is_continuation(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

static bool reverse_text(Search *s, Str text, Val *out)
{
    char *copy = arena_alloc(s->arena, text.len);
    size_t from = text.len, len = 0;

    if (!copy)
        return search_full(s);
    while (from > 0) {
        size_t end = from--;
        while (is_continuation(text.ptr[from]))          /* each character begins with another byte */
            from--;
        memcpy(copy + len, text.ptr + from, end - from);
        len += end - from;
    }
    *out = VAL_TEXT(((Str){ copy, len }));
    return true;
}

/* ---- of several kinds ---- */

static bool do_reverse(Search *s, const Val *args, size_t count, Val *out)
{
    Val *items;

    (void)count;
    if (args->kind == VAL_STR)
        return reverse_text(s, args->text, out);
    if (!val_array(s, val_count(args), out, &items))
        return false;
    for (size_t i = val_count(args); i > 0; i--)
        items[out->count++] = val_at(args, i - 1);
    return true;
}

static bool do_length(Search *s, const Val *args, size_t count, Val *out)
{
    size_t length = val_count(args);

    (void)s, (void)count;
    for (size_t i = 0; args->kind == VAL_STR && i < args->text.len; i++)
        length += !is_continuation(args->text.ptr[i]);
    *out = VAL_WHOLE((int64_t)length);
    return true;
}

static bool do_not_null(Search *s, const Val *args, size_t count, Val *out)
{
    (void)s;
    for (size_t i = 0; i < count && out->kind == VAL_NULL; i++)
        *out = args[i];
    return true;
}

static bool do_to_array(Search *s, const Val *args, size_t count, Val *out)
{
    Val *items;

    (void)count;
    if (args->kind == VAL_ARRAY) {
        *out = *args;
        return true;
    }
    if (!val_array(s, 1, out, &items))
        return false;
    items[out->count++] = *args;
    return true;
}

static bool do_type(Search *s, const Val *args, size_t count, Val *out)
{
    static const char *const names[] = { "null", "boolean", "number", "number", "string", "array", "object" };

    (void)s, (void)count;
    *out = VAL_TEXT(str_from(names[args->kind]));
    return true;
}

/* ---- objects ---- */

static bool names_or_values(Search *s, const Val *object, bool names, Val *out)
{
    ValWalk walk = val_walk(object);
    const char *name;
    Val *items, value;

    if (!val_array(s, val_count(object), out, &items))
        return false;
    while (val_next(&walk, &name, &value))
        items[out->count++] = names ? VAL_TEXT(str_from(name)) : value;
    return true;
}

static bool do_keys(Search *s, const Val *args, size_t count, Val *out)   { (void)count; return names_or_values(s, args, true, out); }
static bool do_values(Search *s, const Val *args, size_t count, Val *out) { (void)count; return names_or_values(s, args, false, out); }

static bool do_merge(Search *s, const Val *args, size_t count, Val *out)
{
    size_t total = 0, filled = 0;
    Member *members;

    for (size_t i = 0; i < count; i++)
        total += val_count(&args[i]);
    if (!(members = ARENA_ARRAY(s->arena, Member, total)))
        return search_full(s);
    for (size_t i = 0; i < count; i++) {
        ValWalk walk = val_walk(&args[i]);
        while (val_next(&walk, &members[filled].name, &members[filled].value))
            filled++;
    }
    return val_object(s, members, filled, out);
}

/* ---- order ---- */

typedef struct Keyed { Val key; size_t at; } Keyed;

static int by_key_then_place(const void *a, const void *b)
{
    const Keyed *ka = a, *kb = b;
    int order = val_order(&ka->key, &kb->key);

    return order ? order : (ka->at > kb->at) - (ka->at < kb->at);
}

static bool key_error(Search *s, size_t at, const Val *key, const Val *first)
{
    return err_named(s->err, ERR_BAD_INPUT, JMESPATH_TYPE, NULL, "the key of item %zu is %s; keys are all numbers or all strings%s%s", at, val_kind_name(key->kind),
                     at ? ", and that of item 0 is " : "", at ? val_kind_name(first->kind) : "");
}

/* The items of an array with what `by` makes of each (NULL: themselves): all numbers or all strings. */
static bool keyed_items(Search *s, const Val *array, const Node *by, Keyed **out)
{
    size_t count = val_count(array);
    Keyed *keyed = ARENA_ARRAY(s->arena, Keyed, count);

    if (!keyed)
        return search_full(s);
    for (size_t i = 0; i < count; i++) {
        Val item = val_at(array, i), *key = &keyed[i].key;
        keyed[i].at = i;
        *key = item;
        if (by && !eval(s, by, &item, key))
            return false;
        bool fits = val_is_number(key) ? val_is_number(&keyed[0].key) : key->kind == VAL_STR && keyed[0].key.kind == VAL_STR;
        if (!fits)
            return key_error(s, i, key, &keyed[0].key);
    }
    *out = keyed;
    return true;
}

static bool sort_by(Search *s, const Val *array, const Node *by, Val *out)
{
    size_t count = val_count(array);
    Keyed *keyed;
    Val *items;

    if (!keyed_items(s, array, by, &keyed) || !val_array(s, count, out, &items))
        return false;
    if (count > 1)
        qsort(keyed, count, sizeof *keyed, by_key_then_place);
    for (size_t i = 0; i < count; i++)
        items[out->count++] = val_at(array, keyed[i].at);
    return true;
}

/* The first of the greatest (sign 1) or least (sign -1); null of none. */
static bool extreme_by(Search *s, const Val *array, const Node *by, int sign, Val *out)
{
    size_t count = val_count(array), best = 0;
    Keyed *keyed;

    if (!keyed_items(s, array, by, &keyed))
        return false;
    for (size_t i = 1; i < count; i++) {
        if (val_order(&keyed[i].key, &keyed[best].key) * sign > 0)
            best = i;
    }
    if (count > 0)
        *out = val_at(array, best);
    return true;
}

static bool do_sort(Search *s, const Val *args, size_t count, Val *out) { (void)count; return sort_by(s, args, NULL, out); }
static bool do_sort_by(Search *s, const Val *args, size_t count, Val *out) { (void)count; return sort_by(s, args, args[1].expression, out); }
static bool do_max(Search *s, const Val *args, size_t count, Val *out) { (void)count; return extreme_by(s, args, NULL, 1, out); }
static bool do_max_by(Search *s, const Val *args, size_t count, Val *out) { (void)count; return extreme_by(s, args, args[1].expression, 1, out); }
static bool do_min(Search *s, const Val *args, size_t count, Val *out) { (void)count; return extreme_by(s, args, NULL, -1, out); }
static bool do_min_by(Search *s, const Val *args, size_t count, Val *out) { (void)count; return extreme_by(s, args, args[1].expression, -1, out); }

static bool do_map(Search *s, const Val *args, size_t count, Val *out)
{
    Val *items;

    (void)count;
    if (!val_array(s, val_count(&args[1]), out, &items))
        return false;
    for (; out->count < val_count(&args[1]); out->count++) {
        Val item = val_at(&args[1], out->count);
        if (!eval(s, args[0].expression, &item, &items[out->count]))
            return false;
    }
    return true;
}

/* ---- the table ---- */

static const Function functions[] = {
    { "abs",         do_abs,         1, false, { TAKES_NUMBER } },
    { "avg",         do_avg,         1, false, { TAKES_NUMBERS } },
    { "ceil",        do_ceil,        1, false, { TAKES_NUMBER } },
    { "contains",    do_contains,    2, false, { TAKES_ARRAY | TAKES_STRING, TAKES_ANY } },
    { "ends_with",   do_ends_with,   2, false, { TAKES_STRING, TAKES_STRING } },
    { "floor",       do_floor,       1, false, { TAKES_NUMBER } },
    { "join",        do_join,        2, false, { TAKES_STRING, TAKES_STRINGS } },
    { "keys",        do_keys,        1, false, { TAKES_OBJECT } },
    { "length",      do_length,      1, false, { TAKES_STRING | TAKES_ARRAY | TAKES_OBJECT } },
    { "map",         do_map,         2, false, { TAKES_EXPRESSION, TAKES_ARRAY } },
    { "max",         do_max,         1, false, { TAKES_NUMBERS | TAKES_STRINGS } },
    { "max_by",      do_max_by,      2, false, { TAKES_ARRAY, TAKES_EXPRESSION } },
    { "merge",       do_merge,       1, true,  { TAKES_OBJECT } },
    { "min",         do_min,         1, false, { TAKES_NUMBERS | TAKES_STRINGS } },
    { "min_by",      do_min_by,      2, false, { TAKES_ARRAY, TAKES_EXPRESSION } },
    { "not_null",    do_not_null,    1, true,  { TAKES_ANY } },
    { "reverse",     do_reverse,     1, false, { TAKES_STRING | TAKES_ARRAY } },
    { "sort",        do_sort,        1, false, { TAKES_NUMBERS | TAKES_STRINGS } },
    { "sort_by",     do_sort_by,     2, false, { TAKES_ARRAY, TAKES_EXPRESSION } },
    { "starts_with", do_starts_with, 2, false, { TAKES_STRING, TAKES_STRING } },
    { "sum",         do_sum,         1, false, { TAKES_NUMBERS } },
    { "to_array",    do_to_array,    1, false, { TAKES_ANY } },
    { "to_number",   do_to_number,   1, false, { TAKES_ANY } },
    { "to_string",   do_to_string,   1, false, { TAKES_ANY } },
    { "type",        do_type,        1, false, { TAKES_ANY } },
    { "values",      do_values,      1, false, { TAKES_OBJECT } },
};

const Function *function_find(Str name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        if (str_eq(name, str_from(functions[i].name)))
            return &functions[i];
    }
    return NULL;
}

/* ---- the arguments' kinds ---- */

static unsigned kind_bit(ValKind kind)
{
    static const unsigned bits[] = { TAKES_NULL, TAKES_BOOL, TAKES_NUMBER, TAKES_NUMBER, TAKES_STRING, TAKES_ARRAY, TAKES_OBJECT, TAKES_EXPRESSION };
    return bits[kind];
}

static bool type_error(Search *s, const Function *f, size_t argument, unsigned takes, const char *given)
{
    static const struct { unsigned bit; const char *name; } kinds[] = {
        { TAKES_NUMBER, "a number" }, { TAKES_STRING, "a string" }, { TAKES_ARRAY, "an array" }, { TAKES_OBJECT, "an object" },
        { TAKES_NUMBERS, "an array of numbers" }, { TAKES_STRINGS, "an array of strings" }, { TAKES_EXPRESSION, "an expression (&name)" },
    };
    char wanted[160] = "a value";
    size_t used = 0;

    for (size_t i = 0; takes != TAKES_ANY && i < COUNT_OF(kinds) && used < sizeof wanted; i++) {
        if (takes & kinds[i].bit)
            used += (size_t)snprintf(wanted + used, sizeof wanted - used, "%s%s", used ? " or " : "", kinds[i].name);
    }
    return err_named(s->err, ERR_BAD_INPUT, JMESPATH_TYPE, NULL, "%s() takes %s as argument %zu, not %s", f->name, wanted, argument + 1, given);
}

/* An array whose items are all numbers or all strings, as far as `takes` allows. */
static bool check_items(Search *s, const Function *f, size_t argument, unsigned takes, const Val *array)
{
    bool numbers = takes & TAKES_NUMBERS, strings = takes & TAKES_STRINGS;

    for (size_t i = 0; i < val_count(array); i++) {
        Val item = val_at(array, i);
        char given[80];
        numbers = numbers && val_is_number(&item);
        strings = strings && item.kind == VAL_STR;
        if (numbers || strings)
            continue;
        (void)snprintf(given, sizeof given, "one whose item %zu is %s", i, val_kind_name(item.kind));
        return type_error(s, f, argument, takes, given);
    }
    return true;
}

bool function_call(Search *s, const Function *f, const Val *args, size_t count, Val *out)
{
    for (size_t i = 0; i < count; i++) {
        unsigned takes = f->takes[i < f->arity ? i : f->arity - 1];
        if (takes & kind_bit(args[i].kind))
            continue;
        if (args[i].kind != VAL_ARRAY || !(takes & (TAKES_NUMBERS | TAKES_STRINGS)))
            return type_error(s, f, i, takes, val_kind_name(args[i].kind));
        if (!check_items(s, f, i, takes, &args[i]))
            return false;
    }
    return f->body(s, args, count, out);
}
