/* query.c - reading queries and forms: clients encode names too ("api%2Dversion"), so both sides are decoded. */
#include "base/encode.h"
#include "http/form.h"
#include "http/match.h"

static bool is_encoded(Str text)
{
    return text.len > 0 && (memchr(text.ptr, '%', text.len) || memchr(text.ptr, '+', text.len));
}

static bool part_decode(Arena *arena, Str part, Str *out, Err *err)
{
    *out = part;
    return !is_encoded(part) || percent_decode(arena, part, true, out, err);
}

bool form_check(Arena *arena, Str form, Err *err)
{
    for (Str rest = form; rest.ptr;) {
        Str value = str_cut(&rest, '&');
        Str name = str_cut(&value, '='), decoded;
        Err why = { 0 };
        if (part_decode(arena, name, &decoded, &why) && part_decode(arena, value, &decoded, &why) &&
            str_is_utf8(name) && (!value.ptr || str_is_utf8(value)))
            continue;
        if (why.code == ERR_TOO_LARGE)
            return err_too_big(err);
        Str shown = str_slice(name, 0, 60);
        if (!str_is_utf8(shown))
            shown = STR("(not UTF-8)");
        return err_set(err, ERR_BAD_INPUT, "the parameter '" STR_FMT "' is not valid percent-encoded UTF-8", STR_ARG(shown));
    }
    return true;
}

Str form_get(Arena *arena, Str form, const char *name)
{
    Str want = str_from(name);
    for (Str rest = form; rest.ptr;) {
        Str value = str_cut(&rest, '&');
        Str key = str_cut(&value, '='), decoded;
        Err ignored = { 0 };                        /* what does not decode is not the parameter asked for; form_check says so */
        if (!part_decode(arena, key, &decoded, &ignored) || !str_eq_nocase(decoded, want))
            continue;
        if (!value.ptr)
            return STR("");
        return part_decode(arena, value, &decoded, &ignored) ? decoded : STR_NONE;
    }
    return STR_NONE;
}

Str req_query(const Req *req, const char *name)
{
    return form_get(req->arena, req->query, name);
}

bool req_query_bool(const Req *req, const char *name, bool *out, Err *err)
{
    Str given = req_query(req, name);
    bool is_true = str_eq_nocase(given, STR("true"));
    if (!is_true && !str_empty(given) && !str_eq_nocase(given, STR("false")))
        return err_field(err, name, "%s must be true or false", name);
    *out = is_true;
    return true;
}

Str req_param(const Req *req, const char *name)
{
    if (!req->route)
        return STR_NONE;
    for (size_t i = 0; i < req->param_count; i++)
        if (str_eq(route_param_name(req->route->path, i), str_from(name)))
            return req->params[i];
    return STR_NONE;
}

Str req_header(const Req *req, const char *name)
{
    for (size_t i = 0; i < req->field_count; i++)
        if (str_eq_nocase(req->fields[i].name, str_from(name)))
            return req->fields[i].value;
    return STR_NONE;
}

bool req_object(const Req *req, const JsonVal **out, Err *err)
{
    if (!req->json)
        return err_set(err, ERR_BAD_INPUT, "the request has no body; a JSON object is expected");
    if (json_kind(req->json) != JSON_OBJECT)
        return err_set(err, ERR_BAD_INPUT, "the body is %s; a JSON object is expected", json_kind_name(json_kind(req->json)));
    *out = req->json;
    return true;
}
