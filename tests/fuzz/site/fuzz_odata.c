/* fuzz_odata.c - a filter expression is parsed, checked and evaluated, or refused with a reason. */
#include <stdlib.h>
#include "site/odata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t get(void *row, Str path, const Str **values)
{
    *values = row;
    return path.len % 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = { "appId", "displayName", "servicePrincipalNames" };
    Str row[2] = { STR("a"), STR("b") };
    AUTO(arena_free_auto) Arena *arena = arena_new(256 * 1024);
    const OData *expr, *parts[8];
    size_t count;
    Err err = { 0 };
    if (!odata_parse(arena, (Str){ (const char *)data, size }, &expr, &err)) {
        if (err.code != ERR_BAD_INPUT && err.code != ERR_TOO_LARGE)
            abort();
        return 0;
    }
    if (!odata_check(expr, known, COUNT_OF(known), &err) && err.code != ERR_BAD_INPUT)
        abort();
    (void)odata_matches(expr, get, row);
    (void)odata_pinned(expr, "appId");
    (void)odata_conjuncts(expr, parts, COUNT_OF(parts), &count);
    return 0;
}
