/* prepare.c - everything between a run's journal entry and its process. */
#include "node/runs/prepare.h"
#include <errno.h>
#include <sys/statvfs.h>
#include "node/runs/certdir.h"
#include "node/runs/cmdline.h"

static bool fail(Arena *arena, RunFailure *failure, bool is_service, const char *code, const Err *err)
{
    *failure = (RunFailure){ .is_service = is_service, .code = str_from(code), .message = str_dup(arena, str_from(err->text)) };
    return false;
}

static bool has_room(const NodePlaces *places, Arena *arena, RunFailure *failure)
{
    struct statvfs fs;
    if (statvfs(places->tasks_dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= RESERVED_DISK_BYTES)
        return true;                    /* what cannot be asked shows when something is written */
    *failure = (RunFailure){ .is_service = true, .code = STR("DiskFull"), .message = str_printf(arena, "less than %d bytes are free on the node", RESERVED_DISK_BYTES) };
    return false;
}

bool run_prepare(const NodePlaces *places, Arena *arena, const RunEntry *entry, Fetcher *fetcher, Prepared *out, RunFailure *failure)
{
    const RunSpec *spec = &entry->spec;
    Err err = { 0 };
    *out = (Prepared){ .dir = RUN_DIR_CLOSED };
    if (!cmdline_split(arena, spec->command_line, &out->argv, &err))
        return fail(arena, failure, false, "CommandLaunchFailed", &err);
    if (!users_of_run(places, arena, spec, entry->slot, &out->user, &err))
        return fail(arena, failure, err.code == ERR_INTERNAL, "CommandLaunchFailed", &err);
    if (!has_room(places, arena, failure))
        return false;
    if (!rundir_prepare(places, arena, spec, &out->user, &out->dir, &err) || !certdir_make(places, arena, spec, &out->user, &out->dir, &err)) {
        bool is_full = errno == ENOSPC || errno == EDQUOT;
        return fail(arena, failure, true, is_full ? "DiskFull" : "ResourceDirectoryCreateFailed", &err);
    }
    for (size_t i = 0; i < spec->resource_count; i++)
        if (!fetch_resource(fetcher, arena, out->dir.wd_fd, &out->user, &spec->resources[i], failure))
            return false;
    if (!runenv_build(places, arena, &entry->node, spec, &out->user, &out->dir, &out->environment, &err))
        return fail(arena, failure, false, "CommandLaunchFailed", &err);
    return true;
}
