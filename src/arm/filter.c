/* filter.c - recursive descent over $filter into a small tree in the arena. */
#include "arm/filter.h"

typedef enum FilterKind { FILTER_AND = 1, FILTER_OR, FILTER_EQ, FILTER_NE, FILTER_CONTAINS, FILTER_STARTS } FilterKind;
typedef enum FilterProp { PROP_TYPE = 1, PROP_NAME, PROP_LOCATION, PROP_GROUP, PROP_TAG_NAME, PROP_TAG_VALUE } FilterProp;

struct Filter {
    FilterKind kind;
    const Filter *left, *right;           /* of and, or */
    FilterProp prop;
    Str text;
};

static const struct { Str name; FilterProp prop; } props[] = {
    { { "resourceType", 12 }, PROP_TYPE },       { { "name", 4 }, PROP_NAME },        { { "location", 8 }, PROP_LOCATION },
    { { "resourceGroup", 13 }, PROP_GROUP },     { { "tagName", 7 }, PROP_TAG_NAME }, { { "tagValue", 8 }, PROP_TAG_VALUE },
};

typedef struct Parse { Arena *arena; Str whole, rest; int depth; Err *err; } Parse;

static const Filter *parse_or(Parse *p);

static const Filter *refuse(Parse *p, const char *why)
{
    if (p->err->code == ERR_NONE)
        (void)err_named(p->err, ERR_BAD_INPUT, "InvalidFilterInQueryString", NULL,
                        "Invalid $filter '" STR_FMT "' specified in the query string: %s.", STR_ARG(p->whole), why);
    return NULL;
}

static void skip_space(Parse *p)
{
    while (p->rest.len > 0 && (p->rest.ptr[0] == ' ' || p->rest.ptr[0] == '\t'))
        p->rest = str_slice(p->rest, 1, p->rest.len);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_';
}

static Str peek_word(Parse *p)
{
    size_t len = 0;

    skip_space(p);
    while (len < p->rest.len && is_letter(p->rest.ptr[len]))
        len++;
    return str_slice(p->rest, 0, len);
}

static bool take_word(Parse *p, Str word)
{
    Str next = peek_word(p);

    if (!str_eq_nocase(next, word))
        return false;
    p->rest = str_slice(p->rest, next.len, p->rest.len);
    return true;
}

static bool take_char(Parse *p, char c)
{
    skip_space(p);
    if (p->rest.len == 0 || p->rest.ptr[0] != c)
        return false;
    p->rest = str_slice(p->rest, 1, p->rest.len);
    return true;
}

static bool take_prop(Parse *p, FilterProp *out)
{
    for (size_t i = 0; i < COUNT_OF(props); i++) {
        if (take_word(p, props[i].name)) {
            *out = props[i].prop;
            return true;
        }
    }
    refuse(p, "properties are resourceType, name, location, resourceGroup, tagName and tagValue");
    return false;
}

/* 'text' with '' for a quote inside. */
static bool take_text(Parse *p, Str *out)
{
    char *text;
    size_t len = 0;

    if (!take_char(p, '\'')) {
        refuse(p, "a text in single quotes was expected");
        return false;
    }
    if (!(text = arena_alloc(p->arena, p->rest.len + 1))) {
        (void)err_too_big(p->err);
        return false;
    }
    for (size_t i = 0; i < p->rest.len; i++) {
        if (p->rest.ptr[i] != '\'') {
            text[len++] = p->rest.ptr[i];
        } else if (i + 1 < p->rest.len && p->rest.ptr[i + 1] == '\'') {
            text[len++] = '\'';
            i++;
        } else {
            p->rest = str_slice(p->rest, i + 1, p->rest.len);
            *out = (Str){ text, len };
            return true;
        }
    }
    refuse(p, "a text is not closed by a single quote");
    return false;
}

static const Filter *node(Parse *p, Filter value)
{
    Filter *made = ARENA_NEW(p->arena, Filter);

    if (!made) {
        (void)err_too_big(p->err);
        return NULL;
    }
    *made = value;
    return made;
}

static const Filter *parse_call(Parse *p, FilterKind kind)
{
    Filter call = { .kind = kind };
    bool text_first = kind == FILTER_CONTAINS;                  /* OData 3: substringof('text', property) */

    if (!take_char(p, '('))
        return refuse(p, "'(' was expected after the function's name");
    if (text_first ? !take_text(p, &call.text) : !take_prop(p, &call.prop))
        return NULL;
    if (!take_char(p, ','))
        return refuse(p, "',' was expected between the arguments");
    if (text_first ? !take_prop(p, &call.prop) : !take_text(p, &call.text))
        return NULL;
    if (!take_char(p, ')'))
        return refuse(p, "')' was expected after the arguments");
    return node(p, call);
}

static const Filter *parse_one(Parse *p)
{
    Filter compare = { 0 };

    if (take_char(p, '(')) {
        const Filter *inner;
        if (++p->depth > FILTER_DEPTH_MAX)
            return refuse(p, "parentheses are nested too deeply");
        if (!(inner = parse_or(p)))
            return NULL;
        p->depth--;
        return take_char(p, ')') ? inner : refuse(p, "')' was expected");
    }
    if (take_word(p, STR("substringof")))
        return parse_call(p, FILTER_CONTAINS);
    if (take_word(p, STR("startswith")))
        return parse_call(p, FILTER_STARTS);
    if (!take_prop(p, &compare.prop))
        return NULL;
    if (take_word(p, STR("eq")))
        compare.kind = FILTER_EQ;
    else if (take_word(p, STR("ne")))
        compare.kind = FILTER_NE;
    else
        return refuse(p, "eq or ne was expected after the property");
    return take_text(p, &compare.text) ? node(p, compare) : NULL;
}

static const Filter *parse_and(Parse *p)
{
    const Filter *left = parse_one(p), *right;

    while (left && take_word(p, STR("and"))) {
        if (!(right = parse_one(p)))
            return NULL;
        left = node(p, (Filter){ .kind = FILTER_AND, .left = left, .right = right });
    }
    return left;
}

static const Filter *parse_or(Parse *p)
{
    const Filter *left = parse_and(p), *right;

    while (left && take_word(p, STR("or"))) {
        if (!(right = parse_and(p)))
            return NULL;
        left = node(p, (Filter){ .kind = FILTER_OR, .left = left, .right = right });
    }
    return left;
}

bool filter_parse(Arena *arena, Str text, const Filter **out, Err *err)
{
    Parse p = { .arena = arena, .whole = str_slice(text, 0, 200), .rest = text, .err = err };
    const Filter *filter;

    *err = (Err){ 0 };
    if (str_empty(str_trim(text))) {
        *out = NULL;
        return true;
    }
    if (text.len > FILTER_TEXT_MAX)
        return refuse(&p, "it is too long") != NULL;
    if (!(filter = parse_or(&p)))
        return false;
    skip_space(&p);
    if (p.rest.len > 0)
        return refuse(&p, "and, or, or the end was expected after a condition") != NULL;
    *out = filter;
    return true;
}

static bool contains_nocase(Str text, Str part)
{
    if (part.len > text.len)
        return false;
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (str_eq_nocase(str_slice(text, i, i + part.len), part))
            return true;
    }
    return false;
}

typedef struct BoundTag { Str name, value; } BoundTag;                   /* absent: the resource has no tags */

static bool passes(const Filter *f, const FilterRow *row, const BoundTag *tag)
{
    Str have = STR_NONE;

    if (f->kind == FILTER_AND)
        return passes(f->left, row, tag) && passes(f->right, row, tag);
    if (f->kind == FILTER_OR)
        return passes(f->left, row, tag) || passes(f->right, row, tag);
    switch (f->prop) {
    case PROP_TYPE:      have = row->type; break;
    case PROP_NAME:      have = row->name; break;
    case PROP_LOCATION:  have = row->location; break;
    case PROP_GROUP:     have = row->group; break;
    case PROP_TAG_NAME:  have = tag->name; break;
    case PROP_TAG_VALUE: have = tag->value; break;
    }
    switch (f->kind) {
    case FILTER_EQ:       return have.ptr && str_eq_nocase(have, f->text);
    case FILTER_NE:       return !have.ptr || !str_eq_nocase(have, f->text);
    case FILTER_CONTAINS: return have.ptr && contains_nocase(have, f->text);
    default:              return have.ptr && str_starts_nocase(have, f->text);
    }
}

bool filter_reads_tags(const Filter *f)
{
    if (!f)
        return false;
    if (f->kind == FILTER_AND || f->kind == FILTER_OR)
        return filter_reads_tags(f->left) || filter_reads_tags(f->right);
    return f->prop == PROP_TAG_NAME || f->prop == PROP_TAG_VALUE;
}

bool filter_passes(const Filter *filter, const FilterRow *row)
{
    size_t count = json_count(row->tags);

    if (!filter)
        return true;
    if (count == 0 || !filter_reads_tags(filter))
        return passes(filter, row, &(BoundTag){ STR_NONE, STR_NONE });
    for (size_t i = 0; i < count; i++) {
        BoundTag tag;
        tag.value = json_str(json_member(row->tags, i, &tag.name));
        if (passes(filter, row, &tag))
            return true;
    }
    return false;
}
