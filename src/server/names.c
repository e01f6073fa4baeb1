/* names.c - the names of a site's parts. */
#include "server/names.h"

/* Each part and the name that the public cloud has for it. What clients never have built in keeps its place below the domain. */
static const struct { const char *part, *public_name; } parts[] = {
    { "login",      "login.microsoftonline.com" },
    { "management", "management.azure.com"      },
    { "graph",      "graph.microsoft.com"       },
    { "vault",      "vault.azure.net"           },
    { "batch",      "batch.azure.com"           },
    { "portal",     NULL                        },
};

bool name_is_sound(Str name)
{
    Str rest = name;
    while (rest.ptr) {
        Str label = str_cut(&rest, '.');
        for (size_t i = 0; i < label.len; i++) {
            char c = label.ptr[i];
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0 && i + 1 < label.len)))
                return false;
        }
        if (label.len == 0 || label.len > 63)
            return false;
    }
    return name.len <= 180;
}

/* Same, or one below the other: a host would belong to both. */
static bool overlap(Str a, Str b)
{
    Str longer = a.len >= b.len ? a : b, shorter = a.len >= b.len ? b : a;
    return str_ends(longer, shorter) && (longer.len == shorter.len || longer.ptr[longer.len - shorter.len - 1] == '.');
}

static bool add(Arena *arena, Str part, Str name, Str domain, HttpAlias names[NAMES_MAX], size_t *count, Err *err)
{
    size_t known = 0;
    while (known < COUNT_OF(parts) && !str_eq(part, str_from(parts[known].part)))
        known++;
    if (known == COUNT_OF(parts))
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is no part of a site that can have another name: login, management, graph, vault, batch or portal", STR_ARG(part));
    if (!name_is_sound(name))
        return err_set(err, ERR_BAD_INPUT, "the name of %s must be a lower-case host name, not '" STR_FMT "'", parts[known].part, STR_ARG(name));
    if (overlap(name, domain))
        return err_set(err, ERR_BAD_INPUT, "the name of %s, " STR_FMT ", overlaps the domain " STR_FMT, parts[known].part, STR_ARG(name), STR_ARG(domain));
    for (size_t i = 0; i < *count; i++) {
        if (str_eq(names[i].labels, part))
            return err_set(err, ERR_BAD_INPUT, "%s is given two names", parts[known].part);
        if (overlap(name, names[i].name))
            return err_set(err, ERR_BAD_INPUT, "the names of %s and " STR_FMT " overlap", parts[known].part, STR_ARG(names[i].labels));
    }
    names[*count] = (HttpAlias){ .labels = str_from(parts[known].part), .name = str_dup(arena, name) };
    return names[(*count)++].name.ptr || err_too_big(err);
}

bool names_add(Arena *arena, Str text, Str domain, HttpAlias names[NAMES_MAX], size_t *count, Err *err)
{
    Str name = text, part = str_cut(&name, '=');
    if (!name.ptr)
        return err_set(err, ERR_BAD_INPUT, "a name is given as PART=HOST, such as vault=vault.example.org, not '" STR_FMT "'", STR_ARG(text));
    return add(arena, part, name, domain, names, count, err);
}

bool names_add_public(Arena *arena, Str domain, HttpAlias names[NAMES_MAX], size_t *count, Err *err)
{
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].public_name && !add(arena, str_from(parts[i].part), str_from(parts[i].public_name), domain, names, count, err))
            return false;
    return true;
}

void names_write(JsonWriter *w, const HttpAlias *names, size_t count)
{
    if (!count)
        return;
    json_open(w, "names");
    for (size_t i = 0; i < count; i++)
        json_put_str_named(w, names[i].labels, names[i].name);
    json_close(w);
}

bool names_read(Arena *arena, const JsonVal *object, Str domain, const HttpAlias **out, size_t *count, Err *err)
{
    HttpAlias *names = ARENA_ARRAY(arena, HttpAlias, NAMES_MAX);
    JsonWalk walk = { .object = object };
    Str part;
    const JsonVal *name;
    *count = 0;
    if (!names)
        return err_too_big(err);
    if (object && json_kind(object) != JSON_OBJECT)
        return err_set(err, ERR_BAD_INPUT, "names must be an object of parts and their names");
    while (json_walk(&walk, &part, &name))
        if (!add(arena, part, json_str(name), domain, names, count, err))
            return false;
    *out = names;
    return true;
}
