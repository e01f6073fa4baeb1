/* What node agents and those who run commands send: leases, results, execs. */
#include <stdlib.h>
#include "batch/nodes/command.h"
#include "batch/pools/extension.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(32 << 20);
    const JsonVal *root, *report;
    Err err = { 0 };
    if (json_parse(arena, (Str){ (const char *)data, size }, JSON_STRICT, &root, &err)) {
        Str text, again, name = STR(""), reason = STR("");
        int64_t timeout_ms;
        if (report_read(arena, root, &text, &err)) {
            PoolExtension extension = { .name = STR("KVExtensions"), .needs_first_sync = true };
            if (!json_parse(arena, text, JSON_STRICT, &report, &err) || !report_read(arena, report, &again, &err) || !str_eq(text, again))
                abort();
            (void)report_first_sync(report, &extension, 1, &name, &reason);
        }
        if (command_exec_read(arena, root, &text, &timeout_ms, &err) && (timeout_ms < 1 || !json_parse(arena, text, JSON_STRICT, &report, &err)))
            abort();
        if (command_result_read(arena, root, &text, &err) && !json_parse(arena, text, JSON_STRICT, &report, &err))
            abort();
    }
    arena_free(arena);
    return 0;
}
