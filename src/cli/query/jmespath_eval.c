/* jmespath_eval.c - a tree over a value. */
#include "cli/query/jmespath_own.h"

/* Enough for a filter over the largest list a service sends; a query that doubles its result at each step ends here. */
static const uint64_t STEPS_MAX = 20 * 1000 * 1000;

/* ---- projections: null results are left out ---- */

static void add(Val *list, Val *items, const Val *item)
{
    if (item->kind != VAL_NULL)
        items[list->count++] = *item;
}

static bool project(Search *s, const Node *node, const Val *base, Val *out)
{
    Val *items, item, result;

    if (base->kind != VAL_ARRAY)
        return true;
    if (!val_array(s, val_count(base), out, &items))
        return false;
    for (size_t i = 0; i < val_count(base); i++) {
        item = val_at(base, i);
        if (node->kind == NODE_FILTER && !eval(s, node->condition, &item, &result))
            return false;
        if (node->kind == NODE_FILTER && !val_is_true(&result))
            continue;
        if (!eval(s, node->right, &item, &result))
            return false;
        add(out, items, &result);
    }
    return true;
}

static bool project_values(Search *s, const Node *node, const Val *base, Val *out)
{
    ValWalk walk = val_walk(base);
    Val *items, item, result;
    const char *name;

    if (base->kind != VAL_OBJECT)
        return true;
    if (!val_array(s, val_count(base), out, &items))
        return false;
    while (val_next(&walk, &name, &item)) {
        if (!eval(s, node->right, &item, &result))
            return false;
        add(out, items, &result);
    }
    return true;
}

static bool flatten(Search *s, const Val *base, Val *out)
{
    size_t total = 0;
    Val *items;

    if (base->kind != VAL_ARRAY)
        return true;
    for (size_t i = 0; i < val_count(base); i++) {
        Val item = val_at(base, i);
        total += item.kind == VAL_ARRAY ? val_count(&item) : 1;
    }
    if (!val_array(s, total, out, &items))
        return false;
    for (size_t i = 0; i < val_count(base); i++) {
        Val item = val_at(base, i);
        if (item.kind != VAL_ARRAY)
            items[out->count++] = item;
        for (size_t k = 0; item.kind == VAL_ARRAY && k < val_count(&item); k++)
            items[out->count++] = val_at(&item, k);
        if (!search_step(s))
            return false;
    }
    return true;
}

/* ---- positions ---- */

static void pick(const Val *base, int64_t index, Val *out)
{
    int64_t count = (int64_t)val_count(base), at = index < 0 ? count + index : index;

    if (base->kind == VAL_ARRAY && at >= 0 && at < count)
        *out = val_at(base, (size_t)at);
}

/* A position counted from either end, kept within least..most. */
static int64_t clamp(int64_t position, int64_t count, int64_t least, int64_t most)
{
    int64_t at = position < 0 ? position + count : position;
    return at < least ? least : at > most ? most : at;
}

static bool slice(Search *s, const Slice *of, const Val *base, Val *out)
{
    int64_t count = (int64_t)val_count(base), step = of->step, size;
    bool forward = step > 0;
    int64_t least = forward ? 0 : -1, most = forward ? count : count - 1;
    int64_t start = of->has_start ? clamp(of->start, count, least, most) : forward ? 0 : count - 1;
    int64_t stop = of->has_stop ? clamp(of->stop, count, least, most) : forward ? count : -1;
    Val *items;

    if (base->kind != VAL_ARRAY)
        return true;
    size = forward ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
    if (size < 0)
        size = 0;
    if (!val_array(s, (size_t)size, out, &items))
        return false;
    for (int64_t i = 0; i < size; i++)
        items[out->count++] = val_at(base, (size_t)(start + i * step));
    return true;
}

/* ---- others ---- */

static bool compare(Search *s, const Node *node, const Val *value, Val *out)
{
    Val a, b;
    bool equal;

    if (!eval(s, node->left, value, &a) || !eval(s, node->right, value, &b))
        return false;
    if (node->comparator == TOKEN_EQ || node->comparator == TOKEN_NE) {
        if (!val_equal(s, &a, &b, &equal))
            return false;
        *out = VAL_TRUTH(equal == (node->comparator == TOKEN_EQ));
        return true;
    }
    if (!(val_is_number(&a) && val_is_number(&b)) && !(a.kind == VAL_STR && b.kind == VAL_STR))
        return true;
    int order = val_order(&a, &b);
    switch (node->comparator) {
    case TOKEN_LT: *out = VAL_TRUTH(order < 0); break;
    case TOKEN_LE: *out = VAL_TRUTH(order <= 0); break;
    case TOKEN_GT: *out = VAL_TRUTH(order > 0); break;
    default:       *out = VAL_TRUTH(order >= 0); break;
    }
    return true;
}

static bool make_list(Search *s, const Node *node, const Val *value, Val *out)
{
    Val *items;

    if (value->kind == VAL_NULL)
        return true;
    if (!val_array(s, node->children.count, out, &items))
        return false;
    for (; out->count < node->children.count; out->count++) {
        if (!eval(s, node->children.items[out->count], value, &items[out->count]))
            return false;
    }
    return true;
}

static bool make_hash(Search *s, const Node *node, const Val *value, Val *out)
{
    const Children *c = &node->children;
    Member *members;

    if (value->kind == VAL_NULL)
        return true;
    if (!(members = ARENA_ARRAY(s->arena, Member, c->count)))
        return search_full(s);
    for (size_t i = 0; i < c->count; i++) {
        members[i].name = c->names[i];
        if (!eval(s, c->items[i], value, &members[i].value))
            return false;
    }
    return val_object(s, members, c->count, out);
}

static bool call(Search *s, const Node *node, const Val *value, Val *out)
{
    Val *args = ARENA_ARRAY(s->arena, Val, node->children.count);

    if (!args)
        return search_full(s);
    for (size_t i = 0; i < node->children.count; i++) {
        if (!eval(s, node->children.items[i], value, &args[i]))
            return false;
    }
    return function_call(s, node->function, args, node->children.count, out);
}

/* And: a false left decides; or: a true one. */
static bool decide(Search *s, const Node *node, const Val *value, Val *out)
{
    if (!eval(s, node->left, value, out))
        return false;
    return val_is_true(out) == (node->kind == NODE_OR) || eval(s, node->right, value, out);
}

/* The nodes that look at what stands left of them. */
static bool eval_from(Search *s, const Node *node, const Val *base, Val *out)
{
    switch (node->kind) {
    case NODE_THEN:           return eval(s, node->right, base, out);
    case NODE_PROJECT:
    case NODE_FILTER:         return project(s, node, base, out);
    case NODE_PROJECT_VALUES: return project_values(s, node, base, out);
    case NODE_FLATTEN:        return flatten(s, base, out);
    case NODE_SLICE:          return slice(s, &node->slice, base, out);
    case NODE_INDEX:          pick(base, node->index, out); return true;
    default:                  *out = VAL_TRUTH(!val_is_true(base)); return true;      /* NODE_NOT */
    }
}

bool eval(Search *s, const Node *node, const Val *value, Val *out)
{
    Val base;

    if (!search_step(s))
        return false;
    *out = VAL_NONE;
    switch (node->kind) {
    case NODE_CURRENT:   *out = *value; return true;
    case NODE_FIELD:     *out = val_get(value, node->name); return true;
    case NODE_LITERAL:   *out = node->literal; return true;
    case NODE_REFERENCE: *out = (Val){ .kind = VAL_EXPRESSION, .expression = node->left }; return true;
    case NODE_OR:
    case NODE_AND:       return decide(s, node, value, out);
    case NODE_COMPARE:   return compare(s, node, value, out);
    case NODE_LIST:      return make_list(s, node, value, out);
    case NODE_HASH:      return make_hash(s, node, value, out);
    case NODE_CALL:      return call(s, node, value, out);
    default:             return eval(s, node->left, value, &base) && eval_from(s, node, &base, out);
    }
}

bool jmespath_search(Arena *arena, const Jmespath *query, const JsonVal *value, const JsonVal **out, Err *err)
{
    Search s = { arena, STEPS_MAX, err };
    Val given = val_of_json(value), result;
    Str text;

    if (!eval(&s, query->root, &given, &result))
        return false;
    if (result.json) {
        *out = result.json;
        return true;
    }
    return val_to_json_text(&s, &result, &text) && json_parse(arena, text, JSON_STRICT, out, err);
}
