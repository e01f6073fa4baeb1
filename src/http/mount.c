/* mount.c - compiling rows, and refusing those that could never answer: undeclared, malformed, or behind an earlier row. */
#include <stdlib.h>
#include "http/table.h"

RouteTable *route_table_new(Str base_domain, const HttpAlias *aliases, size_t alias_count)
{
    RouteTable *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->base_domain_text = strndup(base_domain.ptr ? base_domain.ptr : "", base_domain.len);
    if (!table->base_domain_text) {
        free(table);
        return NULL;
    }
    for (char *c = table->base_domain_text; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    table->base_domain = str_from(table->base_domain_text);
    table->aliases = aliases;
    table->alias_count = alias_count;
    return table;
}

void route_table_free(RouteTable *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->plane_count; i++)
        free(table->rows[i].rows);
    free(table->planes);
    free(table->rows);
    free(table->base_domain_text);
    free(table);
}

Str route_table_base(const RouteTable *table)
{
    return table->base_domain;
}

void route_table_each(const RouteTable *table, RouteVisit *visit, void *ctx)
{
    for (size_t i = 0; i < table->plane_count; i++)
        for (size_t k = 0; k < table->rows[i].count; k++)
            if (!visit(ctx, table->planes[i], table->rows[i].rows[k].route))
                return;
}

const PlaneRows *route_table_rows(const RouteTable *table, const Plane *plane)
{
    for (size_t i = 0; i < table->plane_count; i++)
        if (table->planes[i] == plane)
            return &table->rows[i];
    return NULL;
}

static bool bad_row(const Plane *plane, const Route *route, const char *why, Err *err)
{
    return err_set(err, ERR_INTERNAL, "route %s %s of plane %s: %s", http_method_name(route->method),
                   route->path ? route->path : "(no path)", plane->name, why);
}

size_t row_segment_params(const Segment *segment)
{
    size_t count = 0;
    for (size_t i = 0; i < segment->text.len; i++)
        count += segment->text.ptr[i] == '{';
    return count;
}

/* Braces pair, and "?" and "..." stand only where the whole segment is one capture. */
static bool segment_compile(Str text, Segment *out)
{
    size_t opened = 0, open_at = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '{') {
            if (inside || (opened > 0 && i > 0 && text.ptr[i - 1] == '}'))
                return false;
            inside = true;
            opened++;
            open_at = i;
        } else if (text.ptr[i] == '}') {
            if (!inside || i == open_at + 1)
                return false;
            inside = false;
        }
    }
    if (inside || text.len == 0)
        return false;
    bool is_whole = opened == 1 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}';
    bool is_optional = str_ends(text, STR("?}")), is_rest = str_ends(text, STR("...}"));
    size_t at;
    if (!is_whole && opened > 0 && (str_find(text, STR("?}"), &at) || str_find(text, STR("...}"), &at)))
        return false;
    SegmentKind kind = opened == 0 ? SEGMENT_LITERAL : SEGMENT_MIXED;
    if (is_whole)
        kind = is_optional ? SEGMENT_OPTIONAL : is_rest ? SEGMENT_REST : SEGMENT_CAPTURE;
    *out = (Segment){ kind, text };
    return true;
}

static bool row_compile(const Plane *plane, const Route *route, void *ctx, Row *out, Err *err)
{
    Row row = { .route = route, .ctx = ctx };
    size_t params = 0, rests = 0;
    if (route->path[0] != '/')
        return bad_row(plane, route, "the path does not begin with '/'", err);
    for (Str rest = str_from(route->path + 1); rest.ptr && route->path[1];) {
        Str text = str_cut(&rest, '/');
        if (row.count == TEMPLATE_SEGMENTS_MAX)
            return bad_row(plane, route, "too many segments", err);
        Segment *segment = &row.segments[row.count++];
        if (!segment_compile(text, segment))
            return bad_row(plane, route, "a segment is empty or its braces do not pair", err);
        params += row_segment_params(segment);
        rests += segment->kind == SEGMENT_REST;
    }
    if (params > ROUTE_PARAMS_MAX || rests > 1)
        return bad_row(plane, route, "too many parameters, or more than one that takes the rest", err);
    *out = row;
    return true;
}

static bool row_is_declared(const Plane *plane, const Route *route, Err *err)
{
    if (route->method == METHOD_UNDECLARED || route->where == WHERE_UNDECLARED || !route->permission || !route->permission[0] ||
        !route->path || !route->handler || !route->operation)
        return bad_row(plane, route, "method, path, permission, where, handler and operation must all be declared", err);
    if (route->body != BODY_NONE && route->body_max == 0)
        return bad_row(plane, route, "a row with a body states body_max", err);
    Str since = str_from(route_is_unversioned(route) ? NULL : route->since), until = str_from(route->until);
    if ((since.ptr && version_date(since).len != since.len) || (until.ptr && version_date(until).len != until.len))
        return bad_row(plane, route, "since and until are dates like 2021-06-01", err);
    if (since.ptr && until.ptr && str_cmp(since, until) > 0)
        return bad_row(plane, route, "since is after until, so it is never in force", err);
    bool is_public = strcmp(route->permission, PERM_PUBLIC) == 0;
    if (!is_public && !plane->authenticate)
        return bad_row(plane, route, "it needs a token, but its plane cannot check one", err);
    if (!is_public && strcmp(route->permission, PERM_TOKEN) != 0 && !plane->authorize)
        return bad_row(plane, route, "it needs a permission, but its plane cannot decide", err);
    return true;
}

static bool version_covers(const Route *wide, const Route *narrow)
{
    if (route_is_unversioned(wide) || route_is_unversioned(narrow))
        return route_is_unversioned(wide);
    bool since = !wide->since || (narrow->since && strcmp(wide->since, narrow->since) <= 0);
    bool until = !wide->until || (narrow->until && strcmp(wide->until, narrow->until) >= 0);
    return since && until;
}

/* Paths that `row` takes: captures become a word that no literal equals, optional and rest segments vary with `shape`.
 * What takes all shapes takes every path of the row. */
enum { SHAPES = 3 };

static void sample_segment(const Segment *segment, int shape, bool is_last, Buf *path)
{
    static const char *const rest[SHAPES] = { "\x01", "\x01/\x01", "\x01/\x01/\x01" };
    static const char *const optional[SHAPES] = { "", "\x01", "" };
    switch (segment->kind) {
    case SEGMENT_LITERAL:
        buf_printf(path, "/" STR_FMT, STR_ARG(segment->text));
        break;
    case SEGMENT_CAPTURE:
        buf_put_str(path, STR("/\x01"));
        break;
    case SEGMENT_OPTIONAL:
        if (!is_last || shape < 2)
            buf_printf(path, "/%s", optional[shape]);
        break;
    case SEGMENT_REST:
        buf_printf(path, "/%s", rest[shape]);
        break;
    case SEGMENT_MIXED: {
        bool inside = false;
        buf_put_char(path, '/');
        for (size_t i = 0; i < segment->text.len; i++) {
            char c = segment->text.ptr[i];
            if (c == '{')
                buf_put_char(path, '\x01');
            inside = c == '{' || (inside && c != '}');
            if (!inside && c != '}')
                buf_put_char(path, c);
        }
        break;
    }
    }
}

static bool takes_all_of(const Row *earlier, const Row *row)
{
    for (int shape = 0; shape < SHAPES; shape++) {
        AUTO(buf_done) Buf path = { 0 };
        buf_init(&path, 4096);
        for (size_t i = 0; i < row->count; i++)
            sample_segment(&row->segments[i], shape, i + 1 == row->count, &path);
        if (row->count == 0)
            buf_put_char(&path, '/');
        PathParts parts;
        Str params[ROUTE_PARAMS_MAX];
        size_t count;
        Err ignored = { 0 };                        /* no sample holds a '%' or too many segments; a failed split takes nothing */
        if (path.failed || !path_split(NULL, buf_str(&path), &parts, &ignored) || !row_takes(earlier, &parts, params, &count))
            return false;
    }
    return true;
}

static bool row_is_seen(const Plane *plane, const PlaneRows *rows, const Row *row, Err *err)
{
    for (size_t i = 0; i < rows->count; i++) {
        const Row *earlier = &rows->rows[i];
        if (earlier->route->method == row->route->method && version_covers(earlier->route, row->route) && takes_all_of(earlier, row))
            return err_set(err, ERR_INTERNAL, "route %s %s of plane %s is shadowed by the earlier row %s",
                           http_method_name(row->route->method), row->route->path, plane->name, earlier->route->path);
    }
    return true;
}

static bool plane_is_sound(const RouteTable *table, const Plane *plane, Err *err)
{
    if (!plane->name || !plane->host_pattern || !plane->write_error)
        return err_set(err, ERR_INTERNAL, "plane %s needs a name, a host pattern and write_error", plane->name ? plane->name : "(no name)");
    for (size_t i = 0; i < table->plane_count; i++)
        if (strcmp(table->planes[i]->host_pattern, plane->host_pattern) == 0)
            return err_set(err, ERR_INTERNAL, "planes %s and %s have the same host pattern '%s'", table->planes[i]->name, plane->name, plane->host_pattern);
    return true;
}

static bool plane_rows(RouteTable *table, const Plane *plane, PlaneRows **out, Err *err)
{
    for (size_t i = 0; i < table->plane_count; i++)
        if (table->planes[i] == plane)
            return *out = &table->rows[i], true;
    if (!plane_is_sound(table, plane, err))
        return false;
    size_t count = table->plane_count + 1;
    const Plane **planes = reallocarray(table->planes, count, sizeof *planes);
    if (!planes)
        return err_errno(err, "route table");
    table->planes = planes;
    PlaneRows *rows = reallocarray(table->rows, count, sizeof *rows);
    if (!rows)
        return err_errno(err, "route table");
    table->rows = rows;
    table->planes[table->plane_count] = plane;
    table->rows[table->plane_count] = (PlaneRows){ 0 };
    *out = &table->rows[table->plane_count++];
    return true;
}

bool route_table_mount(RouteTable *table, const Plane *plane, const Route *routes, size_t count, void *ctx, Err *err)
{
    PlaneRows *rows = NULL;
    if (!plane_rows(table, plane, &rows, err))
        return false;
    Row *grown = reallocarray(rows->rows, rows->count + count + 1, sizeof *grown);
    if (!grown)
        return err_errno(err, "route table");
    rows->rows = grown;
    for (size_t i = 0; i < count; i++) {
        Row row;
        if (!row_is_declared(plane, &routes[i], err) || !row_compile(plane, &routes[i], ctx, &row, err) || !row_is_seen(plane, rows, &row, err))
            return false;
        rows->rows[rows->count++] = row;
    }
    return true;
}
