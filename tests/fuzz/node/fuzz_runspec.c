/* fuzz_runspec.c - the run of a command, as it comes from outside: what is taken has an id, a kind, a scope and a place among the tasks. */
#include <stdlib.h>
#include "node/commands/files.h"
#include "node/runs/runspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(32 << 20);
    const JsonVal *run;
    RunSpec spec;
    Err err = { 0 };
    if (!json_parse(arena, (Str){ (const char *)data, size }, JSON_STRICT, &run, &err))
        return 0;
    if (!runspec_read(arena, run, &spec, &err))
        return err.code == ERR_NONE || err.code == ERR_INTERNAL ? abort(), 0 : 0;
    bool is_placed = spec.kind == RUN_START_TASK ? str_eq(spec.directory, STR("startup")) : files_path_is_good(spec.directory) && str_starts(spec.directory, STR("workitems/"));
    if (!run_id_is_good(spec.run_id) || !spec.kind || !spec.scope || !is_placed || (spec.scope == SCOPE_NAMED && !spec.user_name.len))
        abort();
    for (size_t i = 0; i < spec.environment_count; i++)
        if (!spec.environment[i].name.len || memchr(spec.environment[i].name.ptr, '=', spec.environment[i].name.len))
            abort();
    for (size_t i = 0; i < spec.resource_count; i++)
        if (spec.resources[i].mode > 07777)
            abort();
    return 0;
}
