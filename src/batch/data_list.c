/* data_list.c - $filter, $select, maxresults and pages of the data plane, over the JSON of each item. */
#include "batch/data_plane.h"
#include <stdio.h>
#include "base/encode.h"

enum { PAGE_MAX = 1000, ITEM_MAX = 2 * 1024 * 1024, SELECT_MAX = 64, FILTERABLE_MAX = 32, CHUNK = 100 };

bool data_bad_query(Err *err, const char *name, const char *parameter, const char *text)
{
    err_named(err, ERR_BAD_INPUT, name, NULL, "%s: %s", parameter, text);
    (void)snprintf(err->target, sizeof err->target, "%s", parameter);
    return false;
}

bool data_query_bool(const Req *req, const char *parameter, bool *out, Err *err)
{
    Err wrong = { 0 };
    return req_query_bool(req, parameter, out, &wrong) || data_bad_query(err, "InvalidQueryParameterValue", parameter, "must be true or false");
}

static bool read_select(DataList *list, Err *err)
{
    Str rest = req_query(list->req, "$select");
    Str *names = ARENA_ARRAY(list->req->arena, Str, SELECT_MAX);
    if (!names)
        return err_too_big(err);
    while (rest.ptr && rest.len > 0) {
        Str name = str_trim(str_cut(&rest, ','));
        if (str_empty(name))
            continue;
        if (list->select_count == SELECT_MAX)
            return data_bad_query(err, "InvalidQueryParameterValue", "$select", "names too many properties");
        names[list->select_count++] = name;
    }
    list->select = names;
    return true;
}

static bool read_filter(DataList *list, const char *const *filterable, Err *err)
{
    Str text = req_query(list->req, "$filter");
    const char *known[FILTERABLE_MAX];
    size_t count = 0;
    Err wrong = { 0 };
    if (str_empty(text))
        return true;
    while (filterable[count] && count < FILTERABLE_MAX) {
        known[count] = filterable[count];
        count++;
    }
    if (!odata_parse(list->req->arena, text, &list->filter, &wrong) || !odata_check(list->filter, known, count, &wrong))
        return data_bad_query(err, "InvalidQueryParameterValue", "$filter", wrong.text);
    return true;
}

static bool read_common(Batch *batch, Req *req, Reply *reply, DataList *out, Err *err)
{
    *out = (DataList){ .batch = batch, .req = req, .reply = reply, .max = PAGE_MAX };
    buf_init(&out->item, ITEM_MAX);
    Str expand = req_query(req, "$expand"), timeout = req_query(req, "timeout");
    int64_t seconds;
    Err wrong = { 0 };
    if (!str_empty(expand))
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "$expand is not available here yet: statistics are not kept; leave it out");
    if (!str_empty(timeout) && !str_to_int64(timeout, 1, 30, &seconds, &wrong))
        return data_bad_query(err, "OutOfRangeQueryParameterValue", "timeout", "must be a whole number of seconds within 1 and 30");
    return read_select(out, err);
}

void data_list_done(DataList *list) { buf_done(&list->item); }

bool data_list_begin(Batch *batch, Req *req, Reply *reply, const char *entity, const char *const *filterable, DataList *out, Err *err)
{
    Err wrong = { 0 };
    if (!read_common(batch, req, reply, out, err) || !read_filter(out, filterable, err))
        return false;
    Str most = req_query(req, "maxresults"), token = req_query(req, "$skiptoken");
    if (!str_empty(most) && !str_to_int64(most, 1, PAGE_MAX, &out->max, &wrong))
        return data_bad_query(err, "OutOfRangeQueryParameterValue", "maxresults", "must be a whole number within 1 and 1000");
    out->after = str_empty(token) ? STR_NONE : token;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "odata.metadata", data_url(batch, req, str_printf(req->arena, "/$metadata#%s", entity)));
    json_open_array(&reply->json, "value");
    return true;
}

JsonWriter *data_item_begin(DataList *list)
{
    buf_reset(&list->item);
    json_begin(&list->item_json, &list->item);
    json_open(&list->item_json, NULL);
    return &list->item_json;
}

/* $filter asks for "state" or "a/b"; the item's JSON answers. */
typedef struct ItemRow { Arena *arena; const JsonVal *item; Str value; } ItemRow;

static size_t item_value(void *row, Str path, const Str **values)
{
    ItemRow *item = row;
    const JsonVal *v = item->item;
    Str rest = path;
    while (rest.ptr) {
        char name[64];
        Str part = str_cut(&rest, '/');
        if (part.len >= sizeof name)
            return 0;
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        v = json_get_nocase(v, name);
    }
    switch (json_kind(v)) {
    case JSON_STR:  item->value = json_str(v); break;
    case JSON_BOOL: item->value = json_bool(v, false) ? STR("true") : STR("false"); break;
    case JSON_INT:  item->value = str_printf(item->arena, "%lld", (long long)json_int(v, 0)); break;
    default:        return 0;
    }
    *values = &item->value;
    return 1;
}

static bool is_selected(const DataList *list, Str name)
{
    for (size_t i = 0; i < list->select_count; i++)
        if (str_eq(list->select[i], name))
            return true;
    return list->select_count == 0;
}

static void put_selected(const DataList *list, const JsonVal *item, JsonWriter *w)
{
    JsonWalk members = { .object = item };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value))
        if (is_selected(list, name))
            json_put_value_named(w, name, value);
}

bool data_item_end(DataList *list, Err *err)
{
    JsonWriter *w = &list->reply->json;
    const JsonVal *item;
    json_close(&list->item_json);
    if (!json_end(&list->item_json, err))
        return false;
    if (!list->filter && list->select_count == 0) {
        json_put_raw(w, NULL, buf_str(&list->item));
        list->count++;
        return true;
    }
    if (!json_parse(list->req->arena, buf_str(&list->item), JSON_STRICT, &item, err))
        return false;
    ItemRow row = { .arena = list->req->arena, .item = item };
    if (list->filter && !odata_matches(list->filter, item_value, &row))
        return true;
    json_open(w, NULL);
    put_selected(list, item, w);
    json_close(w);
    list->count++;
    return true;
}

/* The request's own URL with the token of the next page in place of its own. */
static Str next_link(const DataList *list, Str after)
{
    AUTO(buf_done_auto) Buf link = { 0 };
    Req *req = list->req;
    Str rest = req->query;
    buf_init(&link, 64 * 1024);
    buf_put_str(&link, data_url(list->batch, req, req->path));
    buf_put_char(&link, '?');
    while (rest.ptr && rest.len > 0) {
        Str part = str_cut(&rest, '&');
        if (str_starts_nocase(part, STR("$skiptoken=")) || str_starts_nocase(part, STR("%24skiptoken=")))
            continue;
        buf_put_str(&link, part);
        buf_put_char(&link, '&');
    }
    buf_put_str(&link, STR("$skiptoken="));
    buf_put_str(&link, percent_encode(req->arena, after));
    return str_dup(req->arena, buf_str(&link));
}

typedef struct Filling { DataList list; const DataRows *rows; void *ctx; } Filling;
static void filling_done(Filling *filling) { data_list_done(&filling->list); }

static bool fill_txn(Txn *txn, void *of, Err *err)
{
    Filling *filling = of;
    DataList *list = &filling->list;
    const DataRows *rows = filling->rows;
    void *ctx = filling->ctx;
    Str after = list->after;
    size_t count = CHUNK;
    if (rows->begin && !rows->begin(ctx, txn, err))
        return false;
    while (count == CHUNK) {
        if (!rows->fetch(ctx, txn, after, CHUNK, &count, err))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (data_list_full(list)) {
                list->more = after;
                return true;
            }
            if (!rows->write(ctx, txn, i, data_item_begin(list), &after, err) || !data_item_end(list, err))
                return false;
        }
    }
    return true;
}

bool data_list_end(DataList *list, Err *err)
{
    JsonWriter *w = &list->reply->json;
    json_close_array(w);
    if (list->more.ptr)
        json_put_str(w, "odata.nextLink", next_link(list, list->more));
    json_close(w);
    return json_end(w, err);
}

bool data_list_rows(Batch *batch, Req *req, Reply *reply, const char *entity, const char *const *filterable, const DataRows *rows, void *ctx, Err *err)
{
    AUTO(filling_done) Filling filling = { .rows = rows, .ctx = ctx };
    return data_list_begin(batch, req, reply, entity, filterable, &filling.list, err) && store_read(batch->site->store, fill_txn, &filling, err) &&
           data_list_end(&filling.list, err);
}

bool data_one_begin(Batch *batch, Req *req, Reply *reply, DataList *out, Err *err)
{
    if (!read_common(batch, req, reply, out, err))
        return false;
    (void)data_item_begin(out);
    return true;
}

bool data_one_end(DataList *list, const char *entity, Err *err)
{
    JsonWriter *w = &list->reply->json;
    const JsonVal *item;
    json_close(&list->item_json);
    if (!json_end(&list->item_json, err) || !json_parse(list->req->arena, str_dup(list->req->arena, buf_str(&list->item)), JSON_STRICT, &item, err))
        return false;
    json_open(w, NULL);
    json_put_str(w, "odata.metadata", data_url(list->batch, list->req, str_printf(list->req->arena, "/$metadata#%s/@Element", entity)));
    put_selected(list, item, w);
    json_close(w);
    return json_end(w, err);
}
