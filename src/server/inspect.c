/* inspect.c - commands that look and change nothing: `vaultyard audit verify` and `vaultyard routes`. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/log.h"
#include "server/command.h"
#include "server/wiring.h"

enum { INSPECT_ARENA_BYTES = 1024 * 1024 };

static bool verify(Arena *arena, const char *dir, AuditReport *out, Err *err)
{
    DataDir data;
    Store *store = NULL;
    Seal *seal = NULL;
    if (!datadir_read(arena, dir, &data, err) || !datadir_drop_privileges(&data, err))
        return false;
    char *database = datadir_path(arena, &data, "store/vaultyard.db"), *root_file = datadir_path(arena, &data, "store/root.key");
    char *audit_dir = datadir_path(arena, &data, "store/audit");
    if (!database || !root_file || !audit_dir)
        return err_too_big(err);
    bool done = store_open(database, &store, err) && seal_open(store, root_file, &seal, err) && audit_verify(store, seal, audit_dir, out, err);
    seal_close(seal);
    store_close(store);
    return done;
}

/* What base points prove: the records are gone, and the server removed them. */
static void print_cut(const char *stream, const AuditCut *cut)
{
    char until[40], at[40];
    if (!cut->number)
        return;
    time_format(cut->until_ms, 0, until, sizeof until);
    time_format(cut->cut_ms, 0, at, sizeof at);
    (void)printf("%s: records 1 to %lld, made until %s, were trimmed by --audit-keep, the last of them at %s; write %lld tells of the last cut\n", stream,
                 (long long)cut->number, until, at, (long long)cut->noted);
}

int command_audit_verify(int argc, char **argv)
{
    const char *dir = NULL;
    int count = 0;
    const Option options[] = { { "--data-dir", false, &dir, &count, 1 } };
    if (!options_read("audit verify", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    AUTO(arena_free_auto) Arena *arena = arena_new(INSPECT_ARENA_BYTES);
    AuditReport report = { 0 };
    Err err = { 0 };
    if (!dir || !arena) {
        (void)command_fail("audit verify", "--data-dir is needed");
        return EXIT_USAGE;
    }
    log_setup(LOG_WARN, LOG_KEY_VALUE, "vaultyard");
    if (!verify(arena, dir, &report, &err))
        return command_fail("audit verify", err.text);
    print_cut("writes", &report.writes);
    print_cut("reads", &report.reads);
    if (!report.sound)
        return command_fail("audit verify", report.finding);
    (void)printf("%lld records, the chain is sound\n", (long long)report.records);
    return 0;
}

static bool print_route(void *ctx, const Plane *plane, const Route *route)
{
    static const char *const methods[] = { "?", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    const bool *tabs = ctx;
    const char *answers = route->handler == route_not_built ? "501" : "yes";
    (void)printf(*tabs ? "%s\t%s\t%s\t%s\t%s\t%s\n" : "%-10s %-6s %-90s %-55s %-3s %s\n", plane->name, methods[route->method], route->path,
                 route->operation, answers, route->permission);
    return true;
}

/* The table is what is mounted, so it is asked of a real server over a throwaway data directory. */
static bool list_routes(Arena *arena, const char *dir, bool tabs, Err *err)
{
    static Wiring wiring;
    HttpServer *http = NULL;
    DataDir data;
    HttpConfig config = { 0 };
    if (!datadir_read(arena, dir, &data, err) || !datadir_drop_privileges(&data, err))
        return false;
    config.base_domain = data.domain;
    config.plain = true;                                      /* it never listens */
    bool listed = http_new(&config, &http, err) && wiring_open(arena, &data, 8443, true, http, NULL, &wiring, err);
    if (listed)
        http_each_route(http, print_route, &tabs);
    if (http)
        http_stop(http, 0);
    wiring_close(&wiring);
    return listed;
}

int command_routes(int argc, char **argv)
{
    const char *dir = NULL, *flag = NULL;
    int dirs = 0, tabs = 0;
    const Option options[] = { { "--data-dir", false, &dir, &dirs, 1 }, { "--tabs", true, &flag, &tabs, 1 } };
    if (!options_read("routes", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    AUTO(arena_free_auto) Arena *arena = arena_new(INSPECT_ARENA_BYTES);
    Err err = { 0 };
    if (!dir || !arena) {
        (void)command_fail("routes", "--data-dir of a site that is not being served is needed");
        return EXIT_USAGE;
    }
    log_setup(LOG_WARN, LOG_KEY_VALUE, "vaultyard");
    return list_routes(arena, dir, tabs, &err) ? 0 : command_fail("routes", err.text);
}
