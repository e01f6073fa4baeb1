/* parts.c - opening and closing the tools. */
#include "server/parts.h"
#include "base/file.h"

bool parts_open(Arena *arena, const DataDir *data, Parts *out, Err *err)
{
    char *database = datadir_path(arena, data, "store/vaultyard.db"), *root_file = datadir_path(arena, data, "store/root.key");
    char *audit_dir = datadir_path(arena, data, "store/audit");
    if (!database || !root_file || !audit_dir)
        return err_too_big(err);
    Parts parts = { .site = {
        .names = datadir_names(data),
        .tenant_id = data->tenant_id,
        .instance_id = data->id,
    } };
    Site *site = &parts.site;
    site->clock = clock_new(0);
    if (!site->clock)
        return err_set(err, ERR_INTERNAL, "out of memory");
    bool opened = store_open(database, &site->store, err) && seal_open(site->store, root_file, &site->seal, err) && dir_make(audit_dir, 0700, err) &&
                  audit_open(site->store, site->seal, audit_dir, &site->audit, err) && runner_new(site->store, site->clock, &site->runner, err);
    if (!opened) {
        parts_stop(&parts);
        parts_close(&parts);
        return false;
    }
    *out = parts;
    return true;
}

void parts_stop(Parts *parts)
{
    runner_stop(parts->site.runner);                    /* work that still runs schedules through it */
    parts->site.runner = NULL;
}

void parts_close(Parts *parts)
{
    audit_close(TAKE(parts->site.audit));
    seal_close(TAKE(parts->site.seal));
    store_close(TAKE(parts->site.store));
    clock_free(TAKE(parts->site.clock));
}
