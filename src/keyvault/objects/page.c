/* page.c - reading maxresults and $skiptoken, writing nextLink. */
#include "keyvault/objects/page.h"
#include "base/encode.h"

bool page_read(Req *req, bool may_ask_pending, Page *out, Err *err)
{
    Page page = { .after = STR(""), .limit = PAGE_MAX };
    Str max = req_query(req, "maxresults"), token = req_query(req, "$skiptoken");
    if (!str_empty(max) && !str_to_int64(max, 1, PAGE_MAX, &page.limit, err))
        return err_field(err, "maxresults", "maxresults must be a number from 1 to %d", PAGE_MAX);
    if (may_ask_pending && !req_query_bool(req, "includePending", &page.asks_pending, err))
        return false;
    Bytes after;
    if (!str_empty(token)) {
        if (!base64url_decode(req->arena, token, &after, err) || !str_is_utf8(str_of(after)))
            return err_field(err, "$skiptoken", "$skiptoken is not one that this service gave; follow nextLink as it is");
        page.after = str_of(after);
    }
    *out = page;
    return true;
}

void page_write_next(const Req *req, const KeyVault *kv, JsonWriter *w, const Page *page, bool more, Str last_key)
{
    if (!more) {
        json_put_null(w, "nextLink");
        return;
    }
    Str url = site_vault_url(kv->site, req->arena, req_vault(req)->name_key);
    Str token = base64url_encode(req->arena, bytes_of(last_key));
    json_put_str(w, "nextLink", str_printf(req->arena, STR_FMT STR_FMT "?api-version=" STR_FMT "&$skiptoken=" STR_FMT "&maxresults=%d%s",
                                           STR_ARG(url), STR_ARG(req->path), STR_ARG(percent_encode(req->arena, req->api_version)),
                                           STR_ARG(token), (int)page->limit, page->asks_pending ? "&includePending=true" : ""));
}
