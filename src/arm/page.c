/* page.c - lists of a type of resource, page by page. */
#include "arm/parts.h"

enum { TYPE_PAGE_MAX = 500 };

bool arm_page_read(const Req *req, int64_t limit_max, ArmPage *out, Err *err) { return site_page_read(req, limit_max, out, err); }

void arm_page_next(Arm *arm, const Req *req, JsonWriter *w, Str last_key) { site_page_next(arm->site, req, w, last_key); }

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
