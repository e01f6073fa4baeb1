/* filter.h - $filter of Resource Manager's lists: `resourceType eq 'Microsoft.Batch/batchAccounts' and name eq 'a'`.
 *
 * The expression is site/odata.h's, over resourceType, name, location, resourceGroup, tagName and tagValue. tagName and tagValue in one
 * filter speak of the same tag. */
#pragma once
#include "json/read.h"
#include "site/odata.h"

typedef struct FilterRow { Str type, name, location, group; const JsonVal *tags; } FilterRow;

/* An absent or empty text is a filter that everything passes (*out NULL). ERR_BAD_INPUT InvalidFilterInQueryString. */
bool filter_parse(Arena *arena, Str text, const OData **out, Err *err) MUST_CHECK;
bool filter_passes(const OData *filter, const FilterRow *row);
bool filter_reads_tags(const OData *filter);                    /* if not, FilterRow.tags may stay NULL */
