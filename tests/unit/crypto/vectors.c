/* vectors.c - reads test vectors. */
#include "vectors.h"
#include "../cm.h"
#include "base/encode.h"
#include "base/file.h"

Vectors vectors_open(Arena *arena, const char *file)
{
    Str text;
    Err err;
    Str path = str_printf(arena, "%s/%s", VECTORS_DIR, file);
    if (!file_read(arena, path.ptr, 1 << 20, &text, &err))
        fail_msg("%s", err.text);
    return (Vectors){ text };
}

bool vectors_next(Vectors *vectors, Vector *out)
{
    *out = (Vector){ 0 };
    while (vectors->rest.ptr && vectors->rest.len) {
        Str line = str_trim(str_cut(&vectors->rest, '\n'));
        if (line.len && line.ptr[0] == '#')
            continue;
        if (!line.len) {
            if (out->count)
                return true;
            continue;
        }
        assert_true(out->count < VECTOR_FIELDS_MAX);
        out->names[out->count] = str_trim(str_cut(&line, '='));
        out->values[out->count] = line.ptr ? str_trim(line) : STR("");
        out->count++;
    }
    return out->count > 0;
}

Str vector_text(const Vector *vector, const char *name)
{
    for (size_t i = 0; i < vector->count; i++)
        if (str_eq(vector->names[i], str_from(name)))
            return vector->values[i];
    return STR_NONE;
}

static Bytes decoded(Arena *arena, const Vector *vector, const char *name, bool (*decode)(Arena *, Str, Bytes *, Err *))
{
    Bytes bytes = { 0 };
    Err err;
    Str text = vector_text(vector, name);
    if (!text.ptr)
        fail_msg("a vector has no %s", name);
    if (!decode(arena, text, &bytes, &err))
        fail_msg("%s: %s", name, err.text);
    return bytes;
}

Bytes vector_hex(Arena *arena, const Vector *vector, const char *name) { return decoded(arena, vector, name, hex_decode); }
Bytes vector_base64url(Arena *arena, const Vector *vector, const char *name) { return decoded(arena, vector, name, base64url_decode); }
