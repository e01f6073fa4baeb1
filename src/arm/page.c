/* page.c - $top, $skiptoken and nextLink of Resource Manager's lists. */
#include "arm/parts.h"
#include "base/encode.h"

enum { TYPE_PAGE_MAX = 500 };

bool arm_page_read(const Req *req, int64_t limit_max, ArmPage *out, Err *err)
{
    Str top = req_query(req, "$top"), token = req_query(req, "$skiptoken");
    ArmPage page = { .after = STR_NONE, .limit = limit_max };
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

void arm_page_next(Arm *arm, const Req *req, JsonWriter *w, Str last_key)
{
    Str base = site_url(arm->site, req->arena, STR("management")), rest = req->query, token = base64url_encode(req->arena, bytes_of(last_key));
    Str link = str_printf(req->arena, STR_FMT STR_FMT "?", STR_ARG(base), STR_ARG(req->path));

    while (rest.ptr) {
        Str part = str_cut(&rest, '&');
        if (!str_empty(part) && !is_skiptoken(req, part))
            link = str_printf(req->arena, STR_FMT STR_FMT "&", STR_ARG(link), STR_ARG(part));
    }
    json_put_str(w, "nextLink", str_printf(req->arena, STR_FMT "$skiptoken=" STR_FMT, STR_ARG(link), STR_ARG(token)));
}

bool arm_page_write(Arm *arm, const Req *req, const ArmPage *page, Txn *txn, Rows *rows, ArmRowFn *write, void *ctx, JsonWriter *w, Err *err)
{
    Str last = STR_NONE;
    int64_t count = 0;
    bool more = false;

    json_open(w, NULL);
    json_open_array(w, "value");
    *err = (Err){ 0 };
    while (!more && rows_next(rows, err)) {
        more = count++ == page->limit;
        if (!more && !write(ctx, txn, rows, w, &last, err))
            return false;
    }
    json_close_array(w);
    if (more)
        arm_page_next(arm, req, w, last);
    json_close(w);
    return err->code == ERR_NONE;
}

typedef struct List { Arm *arm; Req *req; Reply *reply; Str type; ArmPage page; ArmWriteFn *write; void *ctx; } List;

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    const List *list = ctx;
    Arena *arena = list->req->arena;
    JsonWriter *w = &list->reply->json;
    Str subscription = req_param(list->req, "subscriptionId"), group = req_param(list->req, "resourceGroupName");
    size_t limit = (size_t)list->page.limit, count;
    ArmResource *resources;

    if ((group.ptr && !arm_require_group(list->arm, txn, arena, subscription, group, &group, err)) ||
        !arm_resources_of_type(list->arm, txn, arena, list->type, subscription, group, list->page.after, list->page.limit + 1, &resources, &count, err))
        return false;
    json_open(w, NULL);
    json_open_array(w, "value");
    for (size_t i = 0; i < count && i < limit; i++)
        if (!list->write(list->ctx, txn, arena, &resources[i], w, err))
            return false;
    json_close_array(w);
    if (count > limit)
        arm_page_next(list->arm, list->req, w, str_lower(arena, resources[limit - 1].id));
    json_close(w);
    return true;
}

bool arm_list_of_type(Arm *arm, Req *req, Reply *reply, Str type, ArmWriteFn *write, void *ctx, Err *err)
{
    List list = { .arm = arm, .req = req, .reply = reply, .type = type, .write = write, .ctx = ctx };
    return arm_page_read(req, TYPE_PAGE_MAX, &list.page, err) && store_read(arm->site->store, list_txn, &list, err) && json_end(&reply->json, err);
}
