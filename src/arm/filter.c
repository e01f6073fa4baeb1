/* filter.c - $filter of Resource Manager's lists, over one row and one of its tags at a time. */
#include "arm/filter.h"

static const char *const known[] = { "resourceType", "name", "location", "resourceGroup", "tagName", "tagValue" };

bool filter_parse(Arena *arena, Str text, const OData **out, Err *err)
{
    if (str_empty(str_trim(text))) {
        *out = NULL;
        return true;
    }
    if (odata_parse(arena, text, out, err) && odata_check(*out, known, COUNT_OF(known), err))
        return true;
    if (err->code == ERR_BAD_INPUT)
        err->name = "InvalidFilterInQueryString";
    return false;
}

typedef struct Bound { const FilterRow *row; Str tag_name, tag_value; Str found; } Bound;     /* one tag; absent: the row has none */

static size_t bound_get(void *ctx, Str path, const Str **values)
{
    Bound *b = ctx;
    const Str have[] = { b->row->type, b->row->name, b->row->location, b->row->group, b->tag_name, b->tag_value };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (str_eq_nocase(path, str_from(known[i])))
            b->found = have[i];
    }
    *values = &b->found;
    return b->found.ptr ? 1 : 0;
}

bool filter_reads_tags(const OData *f)
{
    if (!f)
        return false;
    if (f->left)
        return filter_reads_tags(f->left) || filter_reads_tags(f->right);
    return str_eq_nocase(f->path, STR("tagName")) || str_eq_nocase(f->path, STR("tagValue"));
}

bool filter_passes(const OData *filter, const FilterRow *row)
{
    Bound bound = { .row = row };
    size_t count = json_count(row->tags);

    if (!filter)
        return true;
    if (count == 0 || !filter_reads_tags(filter))
        return odata_matches(filter, bound_get, &bound);
    for (size_t i = 0; i < count; i++) {
        bound.tag_value = json_str(json_member(row->tags, i, &bound.tag_name));
        if (odata_matches(filter, bound_get, &bound))
            return true;
    }
    return false;
}
