/* rows.c - rows into structs. */
#include <string.h>
#include "store/store.h"

bool rows_one(Rows *rows, Arena *arena, RowFn *read, void *into, bool *found, Err *err)
{
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    return *found ? read(arena, rows, into, err) : err->code == ERR_NONE;
}

bool rows_array(Rows *rows, Arena *arena, RowFn *read, size_t most, size_t size, void **out, size_t *count, Err *err)
{
    char *list = NULL;
    size_t n = 0, room = 0;
    *err = (Err){ 0 };
    while (n < most && rows_next(rows, err)) {
        if (n == room) {
            size_t wider = room ? room * 2 : 16;
            char *more = arena_alloc(arena, wider * size);
            if (!more)
                return err_too_big(err);
            if (n)
                memcpy(more, list, n * size);
            list = more;
            room = wider;
        }
        if (!read(arena, rows, list + n++ * size, err))
            return false;
    }
    *out = list;
    *count = n;
    return err->code == ERR_NONE;
}

Str row_text_kept(Arena *arena, Rows *rows, int column) { return str_dup(arena, row_text(rows, column)); }
