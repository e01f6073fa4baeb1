/* page.c - see page.h. */
#include "site/page.h"
#include "base/encode.h"

bool site_page_read(const Req *req, int64_t limit_max, SitePage *out, Err *err)
{
    Str top = req_query(req, "$top"), token = req_query(req, "$skiptoken");
    SitePage page = { .after = STR_NONE, .limit = limit_max };
    Bytes key;
    Err inner;

    if (!str_empty(top)) {
        if (!str_to_int64(top, 1, INT32_MAX, &page.limit, &inner))
            return err_named(err, ERR_BAD_INPUT, "InvalidTopInQueryString", NULL,
                             "The $top query string value '" STR_FMT "' is invalid: give a positive number.", STR_ARG(str_slice(top, 0, 40)));
        if (page.limit > limit_max)
            page.limit = limit_max;
    }
    if (!str_empty(token)) {
        if (!base64url_decode(req->arena, token, &key, &inner) || key.len == 0 || !str_is_utf8(str_of(key)))
            return err_named(err, ERR_BAD_INPUT, "InvalidSkipToken", NULL, "The $skiptoken of this request was not made by this server; start without it.");
        page.after = str_of(key);
    }
    *out = page;
    return true;
}

/* Is this part of a query ("name=value", as sent) the $skiptoken? */
static bool is_skiptoken(const Req *req, Str part)
{
    Str name = str_cut(&part, '='), decoded;
    Err ignored;

    return percent_decode(req->arena, name, true, &decoded, &ignored) && str_eq_nocase(decoded, STR("$skiptoken"));
}

void site_page_next(const Site *site, const Req *req, JsonWriter *w, Str last_key)
{
    Str base = site_url(site, req->arena, STR("management")), rest = req->query, token = base64url_encode(req->arena, bytes_of(last_key));
    Str link = str_printf(req->arena, STR_FMT STR_FMT "?", STR_ARG(base), STR_ARG(req->path));

    while (rest.ptr) {
        Str part = str_cut(&rest, '&');
        if (!str_empty(part) && !is_skiptoken(req, part))
            link = str_printf(req->arena, STR_FMT STR_FMT "&", STR_ARG(link), STR_ARG(part));
    }
    json_put_str(w, "nextLink", str_printf(req->arena, STR_FMT "$skiptoken=" STR_FMT, STR_ARG(link), STR_ARG(token)));
}
