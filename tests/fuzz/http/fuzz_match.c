/* fuzz_match.c - first line a path, second an api-version, third a query, against a table with every kind of segment. */
#include <assert.h>
#include "http/form.h"
#include "http/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool never(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)reply;
    return err_set(err, ERR_INTERNAL, "not called");
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req, (void)reply, (void)err;
}

static const Plane plane = { .name = "p", .host_pattern = "*.vault", .write_error = write_error };

#define ROW(path) { METHOD_GET, path, NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, never, path }
static const Route routes[] = {
    ROW("/"), ROW("/secrets/{name}/versions"), ROW("/secrets/{name}/{version?}"), ROW("/keys/{name}/{version?}/sign"),
    ROW("/certificates(thumbprintAlgorithm={alg},thumbprint={tp})"), ROW("/{scope...}/providers/Microsoft.Authorization/roleAssignments/{id}"), ROW("/files/{path...}"),
    { METHOD_GET, "/since/{x}", "2021-01-01", "2023-01-01", PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, never, "Since" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static RouteTable *table;
    Err err = { 0 };
    if (!table) {
        table = route_table_new(STR("test.localhost"), NULL, 0);
        if (!table || !route_table_mount(table, &plane, routes, COUNT_OF(routes), NULL, &err))
            __builtin_trap();
    }
    Arena *arena = arena_new(256 * 1024);
    Str rest = { (const char *)data, size };
    Str path = str_cut(&rest, '\n'), version = str_cut(&rest, '\n'), query = str_cut(&rest, '\n');
    Match match;
    MatchOutcome outcome;
    if (path.len > 0 && route_table_match(table, &plane, METHOD_GET, path, version, arena, &outcome, &match, &err) && outcome == MATCH_FOUND) {
        assert(match.param_count <= ROUTE_PARAMS_MAX);
        for (size_t i = 0; i < match.param_count; i++)
            assert(match.params[i].len == 0 || match.params[i].ptr);
    }
    if (query.ptr) {
        if (!form_check(arena, query, &err))
            assert(err.code != ERR_NONE);
        (void)form_get(arena, query, "name");
    }
    Host host;
    Str labels[HOST_LABELS_MAX] = { 0 };
    if (version.ptr && host_parse(arena, version, &host, &err))
        (void)route_table_plane(table, host.name, labels);
    (void)api_version_is_well_formed(version);
    arena_free(arena);
    return 0;
}
