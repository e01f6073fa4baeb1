/* boot.c - the boot's id, kept in /run. */
#include "node/boot.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/id.h"

static bool is_id(Arena *arena, Str text)
{
    Bytes bytes;
    Err ignored;
    return text.len == BOOT_ID_DIGITS && hex_decode(arena, text, &bytes, &ignored);
}

bool boot_id_get(Arena *arena, const char *path, Str *out, Err *err)
{
    Str id;
    if (file_read(arena, path, 256, &id, err) && is_id(arena, str_trim(id))) {
        *out = str_trim(id);
        return true;
    }
    id = hex_id_new(arena, BOOT_ID_DIGITS);
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!file_replace(path, bytes_of(id), 0600, (uid_t)-1, (gid_t)-1, err))
        return false;
    *out = id;
    return true;
}
