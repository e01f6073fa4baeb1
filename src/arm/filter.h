/* filter.h - $filter of Resource Manager's lists: `resourceType eq 'Microsoft.Batch/batchAccounts' and name eq 'a'`.
 *
 * Known: eq, ne, and, or, parentheses, substringof('text', property), startswith(property, 'text') over resourceType, name,
 * location, resourceGroup, tagName and tagValue. Text compares without case, as in the service. tagName and tagValue in one filter speak of the same tag. */
#pragma once
#include "json/read.h"

enum { FILTER_TEXT_MAX = 4096, FILTER_DEPTH_MAX = 16 };

typedef struct Filter Filter;
typedef struct FilterRow { Str type, name, location, group; const JsonVal *tags; } FilterRow;

/* An absent or empty text is a filter that everything passes (*out NULL). ERR_BAD_INPUT InvalidFilterInQueryString. */
bool filter_parse(Arena *arena, Str text, const Filter **out, Err *err) MUST_CHECK;
bool filter_passes(const Filter *filter, const FilterRow *row);
bool filter_reads_tags(const Filter *filter);
