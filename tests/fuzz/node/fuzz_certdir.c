/* fuzz_certdir.c - certificates as a lease's answer brings them: refused, or good enough to be kept. */
#include <stdlib.h>
#include "node/runs/certdir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing can be kept here, so a good list fails at the very last step. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const NodePlaces nowhere = { .certificates_file = "/dev/null/certificates.json", .tasks_dir = "/dev/null/tasks" };
    AUTO(arena_free_auto) Arena *arena = arena_new(32 << 20);
    const JsonVal *list;
    Err err = { 0 };
    if (!json_parse(arena, (Str){ (const char *)data, size }, JSON_STRICT, &list, &err))
        return 0;
    if (certdir_keep(&nowhere, list, &err) || err.code == ERR_NONE)
        abort();
    if (err.code != ERR_BAD_INPUT && json_kind(list) != JSON_ARRAY)
        abort();
    return 0;
}
