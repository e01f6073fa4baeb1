/* host.c - host names: parsing them, and finding the plane they belong to. */
#include <arpa/inet.h>
#include "http/table.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of 1 to 63 characters, 253 in all (RFC 1035 section 2.3.4); underscores occur in practice. */
static bool is_host_name(Str name)
{
    if (name.len == 0 || name.len > 253)
        return false;
    for (Str rest = name; rest.ptr;) {
        Str label = str_cut(&rest, '.');
        if (label.len == 0 || label.len > 63)
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_name_char(label.ptr[i]))
                return false;
    }
    return true;
}

static bool is_address(Str name, int family)
{
    char text[64];
    unsigned char parsed[16];
    if (name.len >= sizeof text)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return inet_pton(family, text, parsed) == 1;
}

static bool bad_host(Str text, Err *err)
{
    return err_field(err, "Host", "the Host header '" STR_FMT "' is neither a host name nor an address", STR_ARG(str_slice(text, 0, 100)));
}

bool host_parse(Arena *arena, Str text, Host *out, Err *err)
{
    Host host = { .kind = HOST_NAME, .authority = str_lower(arena, text) };
    if (!host.authority.ptr)
        return err_too_big(err);
    Str name = host.authority, port = STR_NONE;

    if (str_starts(name, STR("["))) {
        size_t end;
        if (!str_find(name, STR("]"), &end))
            return bad_host(text, err);
        port = str_slice(name, end + 1, name.len);
        name = str_slice(name, 1, end);
        if (!is_address(name, AF_INET6) || (port.len > 0 && port.ptr[0] != ':'))
            return bad_host(text, err);
        port = port.len > 0 ? str_slice(port, 1, port.len) : STR_NONE;
        host.kind = HOST_ADDRESS;
    } else {
        Str rest = name;
        name = str_cut(&rest, ':');
        port = rest;
        if (str_ends(name, STR(".")))
            name.len--;
        if (!is_host_name(name))
            return bad_host(text, err);
        if (is_address(name, AF_INET))
            host.kind = HOST_ADDRESS;
        else if (str_eq(name, STR("localhost")))
            host.kind = HOST_LOCALHOST;
    }
    int64_t number;
    if (port.ptr && !str_to_int64(port, 1, 65535, &number, err))
        return bad_host(text, err);
    host.name = name;
    *out = host;
    return true;
}

/* A name cut into its labels below the base domain. An alias is spelled by two texts: what stands before it, and the labels it is for. */
typedef struct Front { Str before, labels; } Front;

/* `name` is `base` or below it; *before is what stands in front of it, without the dot. */
static bool is_below(Str name, Str base, Str *before)
{
    *before = STR("");
    if (str_eq(name, base))
        return true;
    if (name.len <= base.len + 1 || !str_ends(name, base) || name.ptr[name.len - base.len - 1] != '.')
        return false;
    *before = str_slice(name, 0, name.len - base.len - 1);
    return true;
}

static bool front_of(const RouteTable *table, Str name, Front *out)
{
    *out = (Front){ .before = STR(""), .labels = STR("") };
    if (table->base_domain.len == 0 || is_below(name, table->base_domain, &out->before))
        return true;
    for (size_t i = 0; i < table->alias_count; i++) {
        out->labels = table->aliases[i].labels;
        if (is_below(name, table->aliases[i].name, &out->before))
            return true;
    }
    return false;
}

bool route_table_is_ours(const RouteTable *table, Str name)
{
    Front front;
    return front_of(table, name, &front);
}

static Str next_label(Front *front)
{
    return str_cut(front->before.len ? &front->before : &front->labels, '.');
}

/* Both are label lists without dots at the ends; "*" takes one label. */
static bool pattern_takes(const char *pattern, Front have, Str labels[HOST_LABELS_MAX], size_t *stars)
{
    Str want = str_from(pattern);
    size_t captured = 0;
    *stars = 0;
    while (want.len && (have.before.len || have.labels.len)) {
        Str want_label = str_cut(&want, '.'), have_label = next_label(&have);
        if (str_eq(want_label, STR("*"))) {
            if (captured == HOST_LABELS_MAX)
                return false;
            labels[captured++] = have_label;
        } else if (!str_eq(want_label, have_label)) {
            return false;
        }
    }
    *stars = captured;
    return !want.len && !have.before.len && !have.labels.len;
}

const Plane *route_table_plane(const RouteTable *table, Str name, Str labels[HOST_LABELS_MAX])
{
    Front front;
    if (!front_of(table, name, &front))
        return NULL;

    const Plane *found = NULL;
    size_t fewest = HOST_LABELS_MAX + 1;
    for (size_t i = 0; i < table->plane_count; i++) {
        Str captured[HOST_LABELS_MAX] = { 0 };
        size_t stars;
        if (!pattern_takes(table->planes[i]->host_pattern, front, captured, &stars) || stars >= fewest)
            continue;
        found = table->planes[i];
        fewest = stars;
        for (size_t k = 0; k < HOST_LABELS_MAX; k++)
            labels[k] = captured[k];
    }
    return found;
}

bool plane_has_host(const Plane *plane, const Str labels[HOST_LABELS_MAX])
{
    return !plane->host_exists || plane->host_exists(plane->ctx, labels);
}
