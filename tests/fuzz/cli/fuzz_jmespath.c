/* The first line is the expression, the rest the value. What is found is JSON within our limits, and a second search finds the same. */
#include <stdlib.h>
#include "cli/query/jmespath.h"
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(Arena *arena, Str expression, const JsonVal *value)
{
    const Jmespath *query;
    const JsonVal *first, *second, *again;
    Err err = { 0 };

    if (!jmespath_compile(arena, expression, &query, &err) || !jmespath_search(arena, query, value, &first, &err)) {
        if (err.code == ERR_BAD_INPUT ? !err.name : err.code != ERR_TOO_LARGE)
            abort();
        return;
    }
    if (!jmespath_search(arena, query, value, &second, &err))
        return;                                          /* the arena is nearly full */
    Str text = json_text(arena, first), same = json_text(arena, second);
    if (arena_ok(arena) && (!str_eq(text, same) || !json_parse(arena, text, JSON_STRICT, &again, &err)) && arena_ok(arena))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(4 << 20);
    Str rest = { (const char *)data, size }, expression = str_cut(&rest, '\n');
    const JsonVal *value;
    Err err = { 0 };

    if (arena && json_parse(arena, rest.ptr ? rest : STR("{\"a\":[{\"b\":1,\"c\":\"x\"},{\"b\":2.5,\"c\":null}],\"d\":{\"e\":[[1],[2,[3]]]}}"), JSON_STRICT, &value, &err))
        search(arena, expression, value);
    arena_free(arena);
    return 0;
}
