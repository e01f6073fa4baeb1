/* world.c - see the header. */
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"

static Site site;
static Identity *identity;
static Bootstrap boot;
static Arena *arena;
static char dir[] = "/tmp/vaultyard-fuzz-XXXXXX";

static bool bootstrap(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return identity_bootstrap(site.seal, txn, arena, STR("Fuzz"), &boot, err);
}

static void clean_up(void)
{
    Err ignored;
    runner_stop(site.runner);
    identity_close(identity);
    seal_close(site.seal);
    clock_free(site.clock);
    store_close(site.store);
    arena_free(arena);
    if (!dir_remove_tree(dir, &ignored))
        (void)fprintf(stderr, "%s stays: %s\n", dir, ignored.text);
}

static bool make(Err *err)
{
    char path[80], root[80];
    (void)snprintf(path, sizeof path, "%s/store.db", dir);
    (void)snprintf(root, sizeof root, "%s/root.key", dir);
    if (!store_open(path, &site.store, err) || !seal_make_root_file(root, err) || !seal_open(site.store, root, &site.seal, err))
        return false;
    site.clock = clock_new(0);
    site.names = (Names){ .domain = STR("vaultyard.localhost"), .port = 8443, .location = STR("local") };
    if (!runner_new(site.store, site.clock, &site.runner, err) || !store_write(site.store, bootstrap, NULL, err))
        return false;
    site.tenant_id = boot.tenant_id;
    return identity_open(&site, &identity, err);
}

Identity *world_identity(void)
{
    Err err = { 0 };
    if (identity)
        return identity;
    arena = arena_new(1 << 20);
    if (!arena || !mkdtemp(dir) || !make(&err)) {
        (void)fprintf(stderr, "no tenant: %s\n", err.text);
        abort();
    }
    (void)atexit(clean_up);
    return identity;
}

const Bootstrap *world_bootstrap(void) { return &boot; }
