/* data_plane.h - what the handlers of an account's own host share: who asks, headers, conditions, lists. */
#pragma once
#include "batch/parts.h"
#include "site/odata.h"

/* The account of the host, looked up before the handler; not a copy to keep beyond the request. */
const Account *data_account(const Req *req);
Str  data_url(const Batch *batch, const Req *req, Str path);                        /* "https://<account>.<region>.batch.<domain>:port" + path */

/* ETag, Last-Modified and DataServiceId of a pool, job, ... */
void data_headers(const Batch *batch, Req *req, Reply *reply, int64_t etag, int64_t changed_ms);
/* If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since. *unchanged: answer a GET with 304 (set in the reply already). */
bool data_conditions(Req *req, Reply *reply, int64_t etag, int64_t changed_ms, bool *unchanged, Err *err) MUST_CHECK;
/* The audit record of a write in its transaction; set req->audited after the commit. */
bool data_audit(const Batch *batch, Txn *txn, const Req *req, int http_status, Err *err) MUST_CHECK;

/* A query parameter that is wrong, by one of the service's two names: InvalidQueryParameterValue, OutOfRangeQueryParameterValue. Always false. */
bool data_bad_query(Err *err, const char *name, const char *parameter, const char *text);
bool data_query_bool(const Req *req, const char *parameter, bool *out, Err *err) MUST_CHECK;        /* req_query_bool with the service's name */

/* -- answers with $select, lists with $filter, maxresults and pages -- */

typedef struct DataList {
    Batch *batch;
    Req *req;
    Reply *reply;
    const OData *filter;                    /* NULL: none */
    const Str *select;
    size_t select_count;                    /* 0: all members */
    int64_t max;                            /* items of a page */
    Str after;                              /* key to go on from; absent: from the start */
    Str more;                               /* key of the last item when more follow; absent: the end */
    int64_t count;                          /* items written */
    Buf item;
    JsonWriter item_json;
} DataList;
void data_list_done(DataList *list);
DEFINE_AUTO_DONE(DataList, data_list_done)

/* `entity` is the name in odata.metadata ("pools"); `filterable` the properties that $filter may name, ended by NULL. */
bool data_list_begin(Batch *batch, Req *req, Reply *reply, const char *entity, const char *const *filterable, DataList *out, Err *err) MUST_CHECK;
static inline bool data_list_full(const DataList *list) { return list->count >= list->max; }
JsonWriter *data_item_begin(DataList *list);                                        /* an object is open */
bool data_item_end(DataList *list, Err *err) MUST_CHECK;
bool data_list_end(DataList *list, Err *err) MUST_CHECK;

/* Rows in the order of their keys. begin: what has to be there first (NULL: nothing); fetch: at most `limit` after the key (absent: the first),
 * which ctx keeps; write: the i-th of those, and its key. */
typedef struct DataRows {
    bool (*begin)(void *ctx, Txn *txn, Err *err);
    bool (*fetch)(void *ctx, Txn *txn, Str after, int64_t limit, size_t *count, Err *err);
    bool (*write)(void *ctx, Txn *txn, size_t i, JsonWriter *w, Str *key, Err *err);
} DataRows;
/* The whole answer of a list of such rows, of one moment. */
bool data_list_rows(Batch *batch, Req *req, Reply *reply, const char *entity, const char *const *filterable, const DataRows *rows, void *ctx, Err *err) MUST_CHECK;

/* One object: odata.metadata first, then what was written, cut by $select. */
bool data_one_begin(Batch *batch, Req *req, Reply *reply, DataList *out, Err *err) MUST_CHECK;
bool data_one_end(DataList *list, const char *entity, Err *err) MUST_CHECK;

/* data_task.c: a task's executionInfo, into the object that is open. */
typedef struct Task Task;
bool data_task_execution(const Batch *batch, Txn *txn, const Req *req, const Task *task, JsonWriter *w, Err *err) MUST_CHECK;
