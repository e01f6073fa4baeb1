/* match.c - a path against the rows of a plane: lenient where the real services are, otherwise exact.
 *
 * Literal segments compare without case, a trailing slash and empty optional segments are accepted (clients send
 * "/secrets/s1/" and "/keys/k1//encrypt"). The first row that takes path, method and version wins; mount.c made sure
 * that no row hides behind an earlier one. */
#include "base/encode.h"
#include "http/table.h"

static const struct { HttpMethod method; const char *name; } methods[] = {
    { METHOD_GET,    "GET"    },
    { METHOD_HEAD,   "HEAD"   },
    { METHOD_POST,   "POST"   },
    { METHOD_PUT,    "PUT"    },
    { METHOD_PATCH,  "PATCH"  },
    { METHOD_DELETE, "DELETE" },
    { METHOD_OPTIONS, "OPTIONS" },
};

HttpMethod http_method_from(Str name)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (str_eq(name, str_from(methods[i].name)))
            return methods[i].method;
    return METHOD_UNDECLARED;
}

const char *http_method_name(HttpMethod method)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (methods[i].method == method)
            return methods[i].name;
    return "?";
}

Str route_param_name(const char *path, size_t index)
{
    Str rest = str_from(path);
    size_t open;
    while (str_find(rest, STR("{"), &open)) {
        rest = str_slice(rest, open + 1, rest.len);
        size_t close;
        if (!str_find(rest, STR("}"), &close))
            break;
        if (index-- == 0) {
            Str name = str_slice(rest, 0, close);
            if (str_ends(name, STR("...")))
                name.len -= 3;
            else if (str_ends(name, STR("?")))
                name.len--;
            return name;
        }
        rest = str_slice(rest, close + 1, rest.len);
    }
    return STR_NONE;
}

/* "files({a},{b})" against a segment: literal parts without case, each capture as short as possible and never empty. */
static bool mixed_takes(Str pattern, Str segment, Str *params, size_t *count)
{
    for (;;) {
        size_t open = pattern.len;
        (void)str_find(pattern, STR("{"), &open);
        Str literal = str_slice(pattern, 0, open);
        if (!str_starts_nocase(segment, literal))
            return false;
        segment = str_slice(segment, literal.len, segment.len);
        if (open == pattern.len)
            return segment.len == 0;

        size_t close = open;
        (void)str_find(pattern, STR("}"), &close);
        pattern = str_slice(pattern, close + 1, pattern.len);
        size_t next = pattern.len;
        (void)str_find(pattern, STR("{"), &next);
        Str until = str_slice(pattern, 0, next);
        size_t len = segment.len;
        if (until.len > 0)
            for (len = 1; len < segment.len && !str_starts_nocase(str_slice(segment, len, segment.len), until); len++)
                ;
        if (len == 0 || len > segment.len)
            return false;
        params[(*count)++] = str_slice(segment, 0, len);
        segment = str_slice(segment, len, segment.len);
    }
}

typedef struct Walk { const Row *row; const PathParts *path; Str *params; size_t param_count; } Walk;

static bool walk_from(Walk *walk, size_t at, size_t path_at);

/* The longest run first, so that what follows {scope...} is found at the end of the path. */
static bool walk_rest(Walk *walk, size_t at, size_t path_at)
{
    const Str *raw = walk->path->raw;
    size_t end = walk->path->count;
    if (end > path_at + 1 && raw[end - 1].len == 0)
        end--;
    size_t param = walk->param_count++;
    for (; end > path_at && raw[path_at].len > 0; end--) {
        const char *from = raw[path_at].ptr, *to = raw[end - 1].ptr + raw[end - 1].len;
        walk->params[param] = (Str){ from, (size_t)(to - from) };
        walk->param_count = param + 1;
        if (walk_from(walk, at + 1, end))
            return true;
    }
    walk->param_count = param;
    return false;
}

static bool walk_from(Walk *walk, size_t at, size_t path_at)
{
    for (; at < walk->row->count; at++, path_at++) {
        const Segment *segment = &walk->row->segments[at];
        bool is_there = path_at < walk->path->count;
        Str text = is_there ? walk->path->decoded[path_at] : STR("");
        switch (segment->kind) {
        case SEGMENT_LITERAL:
            if (!is_there || !str_eq_nocase(text, segment->text))
                return false;
            break;
        case SEGMENT_MIXED:
            if (!is_there || !mixed_takes(segment->text, text, walk->params, &walk->param_count))
                return false;
            break;
        case SEGMENT_CAPTURE:
            if (text.len == 0)
                return false;
            walk->params[walk->param_count++] = text;
            break;
        case SEGMENT_OPTIONAL:
            if (!is_there && at + 1 < walk->row->count)
                return false;
            walk->params[walk->param_count++] = text;
            break;
        case SEGMENT_REST:
            return walk_rest(walk, at, path_at);
        }
    }
    size_t count = walk->path->count;
    return path_at >= count || (path_at + 1 == count && walk->path->raw[path_at].len == 0);
}

bool row_takes(const Row *row, const PathParts *path, Str *params, size_t *param_count)
{
    Walk walk = { row, path, params, 0 };
    if (!walk_from(&walk, 0, 0))
        return false;
    *param_count = walk.param_count;
    return true;
}

Str version_date(Str version)
{
    static const char shape[] = "0000-00-00";
    if (version.len < 10)
        return STR("");
    for (size_t i = 0; i < 10; i++)
        if (shape[i] == '-' ? version.ptr[i] != '-' : version.ptr[i] < '0' || version.ptr[i] > '9')
            return STR("");
    return str_slice(version, 0, 10);
}

bool api_version_is_well_formed(Str version)
{
    Str tail = version;
    if (version_date(version).len > 0) {
        tail = str_slice(version, 10, version.len);
    } else {
        size_t dots = 0, at = 0;
        for (; at < tail.len && ((tail.ptr[at] >= '0' && tail.ptr[at] <= '9') || (tail.ptr[at] == '.' && at > 0)); at++)
            dots += tail.ptr[at] == '.';
        if (dots == 0)
            return false;
        tail = str_slice(tail, at, tail.len);
    }
    if (tail.len > 32 || (tail.len > 0 && tail.ptr[0] != '-' && tail.ptr[0] != '.'))
        return false;
    for (size_t i = 0; i < tail.len; i++) {
        char c = tail.ptr[i], folded = (char)(c | 0x20);
        if (c != '-' && c != '.' && (c < '0' || c > '9') && (folded < 'a' || folded > 'z'))
            return false;
    }
    return true;
}

bool route_is_unversioned(const Route *route) { return route && route->since && strcmp(route->since, API_NONE) == 0; }

static bool version_in_force(const Route *route, Str api_version)
{
    if (!api_version.ptr || route_is_unversioned(route))
        return true;
    Str date = version_date(api_version);
    return (!route->since || str_cmp(date, str_from(route->since)) >= 0) && (!route->until || str_cmp(date, str_from(route->until)) <= 0);
}

static bool has_dots(Str segment)
{
    for (Str rest = segment; rest.ptr;) {
        Str part = str_cut(&rest, '/');
        if (str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return true;
    }
    return false;
}

bool path_split(Arena *arena, Str path, PathParts *out, Err *err)
{
    size_t count = 0;
    for (Str rest = str_slice(path, 1, path.len); rest.ptr; count++) {
        if (count == PATH_SEGMENTS_MAX)
            return err_set(err, ERR_BAD_INPUT, "the path has more than %d segments", PATH_SEGMENTS_MAX);
        Str raw = str_cut(&rest, '/'), decoded = raw;
        if (memchr(raw.ptr, '%', raw.len) && !percent_decode(arena, raw, false, &decoded, err))
            return false;
        if (has_dots(decoded))
            return err_set(err, ERR_BAD_INPUT, "the path holds the segment '.' or '..'");
        out->raw[count] = raw;
        out->decoded[count] = decoded;
    }
    out->count = count;
    return true;
}

/* What {scope...} took is still encoded: it was cut out of the path as sent. */
static bool rest_decode(const Row *row, Arena *arena, Match *match, Err *err)
{
    size_t param = 0;
    for (size_t i = 0; i < row->count && row->segments[i].kind != SEGMENT_REST; i++)
        param += row_segment_params(&row->segments[i]);
    if (param >= match->param_count || !memchr(match->params[param].ptr, '%', match->params[param].len))
        return true;
    return percent_decode(arena, match->params[param], false, &match->params[param], err);
}

bool route_table_match(const RouteTable *table, const Plane *plane, HttpMethod method, Str path, Str api_version,
                       Arena *arena, MatchOutcome *outcome, Match *match, Err *err)
{
    PathParts parts;
    if (path.len == 0 || path.ptr[0] != '/')
        return err_set(err, ERR_BAD_INPUT, "the path does not begin with '/'");
    if (!path_split(arena, path, &parts, err))
        return false;

    Match best = { 0 };
    MatchOutcome result = MATCH_NO_PATH;
    const Row *found = NULL;
    HttpMethod tries[] = { method, method == METHOD_HEAD ? METHOD_GET : METHOD_UNDECLARED };
    for (size_t t = 0; t < COUNT_OF(tries) && !found; t++) {
        const PlaneRows *rows = route_table_rows(table, plane);
        for (size_t i = 0; rows && i < rows->count && !found; i++) {
            const Row *row = &rows->rows[i];
            Str params[ROUTE_PARAMS_MAX];
            size_t count;
            if (!row_takes(row, &parts, params, &count))
                continue;
            best.methods |= 1u << row->route->method;
            if (row->route->method != tries[t]) {
                if (result == MATCH_NO_PATH)
                    result = MATCH_WRONG_METHOD;
            } else if (!version_in_force(row->route, api_version)) {
                result = MATCH_WRONG_VERSION;
                best.route = row->route;
            } else {
                found = row;
                best.route = row->route;
                best.ctx = row->ctx;
                best.param_count = count;
                for (size_t k = 0; k < count; k++)
                    best.params[k] = params[k];
            }
        }
        if (tries[1] == METHOD_UNDECLARED)
            break;
    }
    if (found && !rest_decode(found, arena, &best, err))
        return false;
    *outcome = found ? MATCH_FOUND : result;
    *match = best;
    return true;
}
