/* data_file.c - files of tasks and nodes on the data plane. The node is asked over its command channel while the request is parked; what is larger
 * than one piece is sent on as it comes. */
#include <stdio.h>
#include "base/clock.h"
#include "base/encode.h"
#include "batch/data_plane.h"
#include "batch/files/file_calls.h"
#include "batch/files/file_place.h"
#include "batch/files/file_range.h"
#include "batch/files/file_stream.h"
#include "batch/nodes/command.h"

#define JOBS_READ   "Microsoft.Batch/batchAccounts/jobs/read"
#define JOBS_WRITE  "Microsoft.Batch/batchAccounts/jobs/write"
#define NODES_READ  "Microsoft.Batch/batchAccounts/pools/read"
#define NODES_WRITE "Microsoft.Batch/batchAccounts/pools/write"

enum { ANSWER_USUAL_S = 30, LIST_PIECE = 500, KEPT_MAX = 1000 };

/* What a request keeps from one run of its handler to the next. */
typedef struct Work {
    Batch *batch;
    Req *req;
    FilePlace place;
    Str path;                           /* as the client says it, below the place */
    Str wake_key;
    int64_t until_mono_ms;
    FileCall *call;                     /* waited for; NULL: none */
    FileRange range;
    bool looked;                        /* the range needed the size first, and it is known */
    int64_t from;
    int64_t offset;                     /* of a list: entries seen on the node so far */
    FileEntry *kept;
    int64_t kept_count;
    bool is_over, has_more;
} Work;

static void drop_call(void *arg)
{
    Work *work = arg;
    file_call_drop(work->call);
    work->call = NULL;
}

static bool place_txn(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    return file_place_find(work->batch, txn, work->req, &work->place, err);
}

static bool read_path(Work *work, Err *err)
{
    Str path = req_param(work->req, "filePath");
    while (str_ends(path, STR("/")))
        path.len--;
    if (!file_path_is_good(path))
        return err_named(err, ERR_BAD_INPUT, "InvalidUri", NULL, "The path of the file must be relative, without empty parts, '.' and '..'.");
    work->path = path;
    return true;
}

/* The first run looks everything up; later ones find it in park_state. */
static bool begin(Req *req, bool has_path, Work **out, bool *is_first, Err *err)
{
    Work *work = req->park_state;
    int64_t seconds = ANSWER_USUAL_S;
    Err ignored = { 0 };
    *is_first = !work;
    *out = work;
    if (work)
        return true;
    work = ARENA_NEW(req->arena, Work);
    if (!work)
        return err_too_big(err);
    *work = (Work){ .batch = req->ctx, .req = req, .wake_key = str_printf(req->arena, "batch.file:" STR_FMT, STR_ARG(req->request_id)) };
    Str timeout = req_query(req, "timeout");
    if (!str_empty(timeout) && !str_to_int64(timeout, 1, ANSWER_USUAL_S, &seconds, &ignored))
        return data_bad_query(err, "OutOfRangeQueryParameterValue", "timeout", "must be a whole number of seconds within 1 and 30");
    work->until_mono_ms = mono_now_ms() + seconds * 1000;
    if ((has_path && !read_path(work, err)) || !store_read(work->batch->site->store, place_txn, work, err))
        return false;
    if (!arena_defer(req->arena, drop_call, work))
        return err_too_big(err);
    req->park_state = work;
    *out = work;
    return true;
}

static Str full_path(const Work *work)
{
    Str directory = work->place.directory;
    if (!work->path.ptr || str_empty(directory))
        return work->path.ptr ? work->path : directory;
    return str_printf(work->req->arena, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(work->path));
}

static bool ask(Work *work, const char *op, bool recursive, int64_t offset, int64_t length, Err *err)
{
    FileAsk asked = { .op = op, .path = full_path(work), .recursive = recursive, .offset = offset, .length = length };
    drop_call(work);
    if (!file_call_add(work->batch->files, work->place.node.id, work->wake_key, &asked, &work->call, err))
        return false;
    http_wake(work->batch->site->http, command_node_key(work->req->arena, work->place.node.id));
    return true;
}

static bool refuse(const Work *work, const FileResult *result, Err *err)
{
    Str shown = str_slice(work->path.ptr ? work->path : work->place.directory, 0, 200);
    if (str_eq(result->error, STR("FileNotFound")) && !work->path.ptr)
        return err_named(err, ERR_CONFLICT, work->place.is_task ? "TaskFilesCleanedup" : "OperationInvalidForCurrentState", NULL, "The directory '" STR_FMT "' is not on the node (any more).", STR_ARG(shown));
    if (str_eq(result->error, STR("FileNotFound")) || str_eq(result->error, STR("InvalidPath")))
        return err_named(err, ERR_NOT_FOUND, "FileNotFound", NULL, "The specified file does not exist: '" STR_FMT "'.", STR_ARG(shown));
    if (str_eq(result->error, STR("IsDirectory")))
        return err_named(err, ERR_CONFLICT, "ResourceTypeMismatch", NULL, "'" STR_FMT "' is a directory%s.", STR_ARG(shown),
                         work->req->method == METHOD_DELETE ? " that is not empty; give recursive=true to delete it with what it holds" : "; list its files instead");
    if (str_eq(result->error, STR("InvalidRange")))
        return err_named(err, ERR_BAD_RANGE, "InvalidRange", NULL, "The range is not one of the file.");
    return err_named(err, ERR_DENIED, "IOError", NULL, "The node could not do it: " STR_FMT ".", STR_ARG(str_slice(result->message, 0, 300)));
}

/* *out NULL: not there yet, and the request is parked. An answer that says it failed is an error. */
static bool await(Work *work, Reply *reply, const FileResult **out, Err *err)
{
    int64_t left = work->until_mono_ms - mono_now_ms();
    reply_park(work->req, reply, work->wake_key, left > 0 ? left : 0);
    *out = file_call_result(work->call);
    if (!*out && !work->req->park_ended && left > 0)
        return true;
    reply_park_cancel(work->req, reply);
    if (!*out)
        return err_named(err, ERR_UNAVAILABLE, "OperationTimedOut", NULL, "The node '" STR_FMT "' did not answer in time; try again.", STR_ARG(work->place.node.id));
    return str_empty((*out)->error) || refuse(work, *out, err);
}

/* -- properties -- */

static Str content_type(Str path)
{
    static const struct { const char *ending, *type; } types[] = { { ".txt", "text/plain" }, { ".log", "text/plain" }, { ".json", "application/json" } };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_ends_nocase(path, str_from(types[i].ending)))
            return str_from(types[i].type);
    return STR("application/octet-stream");
}

static Str url_of(const Work *work, Str path)
{
    AUTO(buf_done_auto) Buf url = { 0 };
    buf_init(&url, 64 * 1024);
    buf_put_str(&url, work->place.url);
    for (Str rest = path; rest.ptr;) {
        buf_put_char(&url, '/');
        buf_put_str(&url, percent_encode(work->req->arena, str_cut(&rest, '/')));
    }
    return str_dup(work->req->arena, buf_str(&url));
}

static void put_properties(const Work *work, const FileEntry *entry, Reply *reply)
{
    Arena *arena = work->req->arena;
    reply_header(reply, STR("ETag"), str_printf(arena, "0x%llX", (unsigned long long)entry->modified_ms));
    reply_header(reply, STR("Last-Modified"), http_date_str(arena, entry->modified_ms));
    if (entry->created_ms)
        reply_header(reply, STR("ocp-creation-time"), http_date_str(arena, entry->created_ms));
    reply_header(reply, STR("ocp-batch-file-isdirectory"), entry->is_directory ? STR("true") : STR("false"));
    reply_header(reply, STR("ocp-batch-file-url"), url_of(work, work->path));
    reply_header(reply, STR("ocp-batch-file-mode"), str_dup(arena, entry->mode));
    reply->content_type = content_type(work->path);
}

static bool check_dates(const Work *work, const FileEntry *entry, Reply *reply, bool *unchanged, Err *err)
{
    Str modified = req_header(work->req, "If-Modified-Since"), unmodified = req_header(work->req, "If-Unmodified-Since");
    int64_t since;
    Err wrong = { 0 };
    *unchanged = false;
    if (!str_empty(unmodified) && !http_date_parse(unmodified, &since, &wrong))
        return err_named(err, ERR_BAD_INPUT, "InvalidHeaderValue", NULL, "If-Unmodified-Since: %s", wrong.text);
    if (!str_empty(unmodified) && entry->modified_ms / 1000 > since / 1000)
        return err_named(err, ERR_PRECONDITION, "ConditionNotMet", NULL, "If-Unmodified-Since: the file was changed since");
    if (!str_empty(modified) && !http_date_parse(modified, &since, &wrong))
        return err_named(err, ERR_BAD_INPUT, "InvalidHeaderValue", NULL, "If-Modified-Since: %s", wrong.text);
    *unchanged = !str_empty(modified) && entry->modified_ms / 1000 <= since / 1000;
    if (*unchanged)
        reply->status = 304;
    return true;
}

static const FileEntry *first_entry(const FileResult *result, Err *err)
{
    if (result->count > 0)
        return result->entries;
    (void)err_named(err, ERR_DENIED, "IOError", NULL, "The node's answer lacks the properties of the file.");
    return NULL;
}

/* -- get, head -- */

static bool file_head(Req *req, Reply *reply, Err *err)
{
    Work *work;
    const FileResult *result;
    bool is_first, unchanged;
    if (!begin(req, true, &work, &is_first, err) || (is_first && !ask(work, "stat", false, 0, 0, err)) || !await(work, reply, &result, err))
        return false;
    if (!result)
        return true;
    const FileEntry *entry = first_entry(result, err);
    if (!entry || !check_dates(work, entry, reply, &unchanged, err))
        return false;
    put_properties(work, entry, reply);
    if (!unchanged)
        file_length(reply, entry->size);
    return true;
}

static bool read_range(Work *work, Err *err)
{
    Str own = req_header(work->req, "ocp-range");
    return file_range_parse(own.ptr ? own : req_header(work->req, "Range"), own.ptr ? "ocp-range" : "Range", &work->range, err);
}

static bool ask_part(Work *work, Err *err)
{
    int64_t length = FILE_PIECE_MAX;
    if (work->range.last >= work->from && work->range.last - work->from + 1 < length)
        length = work->range.last - work->from + 1;
    return ask(work, "read", false, work->from, length, err);
}

/* The last so many bytes of a file are found only once its size is known. */
static bool ask_first(Work *work, Err *err)
{
    if (!read_range(work, err))
        return false;
    work->looked = work->range.first >= 0;
    work->from = work->looked ? work->range.first : 0;
    return work->looked ? ask_part(work, err) : ask(work, "stat", false, 0, 0, err);
}

static bool answer_part(Work *work, const FileEntry *entry, Reply *reply, Err *err)
{
    int64_t from, count;
    bool unchanged;
    if (!check_dates(work, entry, reply, &unchanged, err) || (!unchanged && !file_range_apply(&work->range, entry->size, &from, &count, err)))
        return false;
    put_properties(work, entry, reply);
    if (unchanged)
        return true;
    if (work->range.is_given && !req_header(work->req, "ocp-range").ptr) {         /* with ocp-range the service answers 200, and its clients take nothing else */
        reply->status = 206;
        reply_header(reply, STR("Content-Range"), str_printf(work->req->arena, "bytes %lld-%lld/%lld", (long long)from, (long long)(from + count - 1), (long long)entry->size));
    }
    FileSource source = { .calls = work->batch->files, .http = work->batch->site->http, .arena = work->req->arena, .node_id = work->place.node.id, .path = full_path(work),
                          .wake_key = work->wake_key, .node_key = command_node_key(work->req->arena, work->place.node.id), .first = work->call, .from = from, .count = count };
    work->call = NULL;                                  /* the stream's now */
    return file_stream_begin(&source, reply, err);
}

static bool file_get(Req *req, Reply *reply, Err *err)
{
    Work *work;
    const FileResult *result;
    bool is_first;
    if (!begin(req, true, &work, &is_first, err) || (is_first && !ask_first(work, err)) || !await(work, reply, &result, err))
        return false;
    if (!result)
        return true;
    const FileEntry *entry = first_entry(result, err);
    if (!entry)
        return false;
    if (entry->is_directory)
        return err_named(err, ERR_CONFLICT, "ResourceTypeMismatch", NULL, "It is a directory; list its files instead.");
    if (work->looked)
        return answer_part(work, entry, reply, err);
    int64_t count;
    if (!file_range_apply(&work->range, entry->size, &work->from, &count, err))
        return false;
    work->range = (FileRange){ .is_given = true, .first = work->from, .last = work->from + count - 1 };
    work->looked = true;
    return ask_part(work, err) && file_get(req, reply, err);       /* once: the answer of this one is the part itself */
}

/* -- list -- */

typedef struct NameRow { Str name; } NameRow;

static size_t name_value(void *row, Str path, const Str **values)
{
    NameRow *name = row;
    *values = &name->name;
    return str_eq_nocase(path, STR("name"));
}

static Str name_of(const Work *work, Str path)
{
    Str directory = work->place.directory;
    return str_empty(directory) ? path : str_slice(path, directory.len + 1, path.len);
}

/* Entries live as long as the call, so what matches is copied. */
static bool keep_page(Work *work, const DataList *list, const FileResult *result, Err *err)
{
    Arena *arena = work->req->arena;
    Str inside = str_empty(work->place.directory) ? STR("") : str_printf(arena, STR_FMT "/", STR_ARG(work->place.directory));
    for (size_t i = 0; i < result->count; i++) {
        const FileEntry *entry = &result->entries[i];
        if (work->kept_count == list->max) {
            work->has_more = true;
            break;
        }
        work->offset++;
        if (!str_starts(entry->path, inside) || entry->path.len == inside.len)
            return err_named(err, ERR_DENIED, "IOError", NULL, "The node named a file that is not in the directory asked for.");
        NameRow row = { name_of(work, entry->path) };
        if (list->filter && !odata_matches(list->filter, name_value, &row))
            continue;
        work->kept[work->kept_count++] = (FileEntry){ .path = str_dup(arena, entry->path), .is_directory = entry->is_directory, .size = entry->size,
                                                      .modified_ms = entry->modified_ms, .created_ms = entry->created_ms, .mode = str_dup(arena, entry->mode) };
    }
    work->has_more = work->has_more || (result->more && work->kept_count == list->max);
    work->is_over = work->has_more || !result->more || result->count == 0;
    return true;
}

static bool write_entry(const Work *work, const FileEntry *entry, DataList *list, Err *err)
{
    JsonWriter *w = data_item_begin(list);
    Str name = name_of(work, entry->path);
    json_put_str(w, "name", name);
    json_put_str(w, "url", url_of(work, name));
    json_put_bool(w, "isDirectory", entry->is_directory);
    if (!entry->is_directory) {
        json_open(w, "properties");
        if (entry->created_ms)
            json_put_time(w, "creationTime", entry->created_ms);
        json_put_time(w, "lastModified", entry->modified_ms);
        json_put_int(w, "contentLength", entry->size);
        json_put_str(w, "contentType", content_type(name));
        json_put_str(w, "fileMode", entry->mode);
        json_close(w);
    }
    return data_item_end(list, err);
}

static bool ask_page(Work *work, Err *err)
{
    bool recursive = false;
    return data_query_bool(work->req, "recursive", &recursive, err) && ask(work, "list", recursive, work->offset, LIST_PIECE, err);
}

static bool begin_list(Work *work, const DataList *list, Err *err)
{
    Err wrong = { 0 };
    if (list->after.ptr && !str_to_int64(list->after, 0, INT64_MAX, &work->offset, &wrong))
        return data_bad_query(err, "InvalidQueryParameterValue", "$skiptoken", "must be the one of a page before");
    work->kept = ARENA_ARRAY(work->req->arena, FileEntry, KEPT_MAX);
    return work->kept ? ask_page(work, err) : err_too_big(err);
}

static bool files_get(Req *req, Reply *reply, Err *err)
{
    static const char *const filterable[] = { "name", NULL };
    AUTO(data_list_done_auto) DataList list = { 0 };
    Work *work;
    const FileResult *result;
    bool is_first;
    if (!data_list_begin(req->ctx, req, reply, "files", filterable, &list, err) || !begin(req, false, &work, &is_first, err) || (is_first && !begin_list(work, &list, err)))
        return false;
    while (!work->is_over) {
        if (!await(work, reply, &result, err))
            return false;
        if (!result)
            return true;
        if (!keep_page(work, &list, result, err) || (!work->is_over && !ask_page(work, err)))
            return false;
    }
    for (int64_t i = 0; i < work->kept_count; i++)
        if (!write_entry(work, &work->kept[i], &list, err))
            return false;
    if (work->has_more)
        list.more = str_printf(req->arena, "%lld", (long long)work->offset);
    return data_list_end(&list, err);
}

/* -- delete -- */

static bool audit_txn(Txn *txn, void *ctx, Err *err)
{
    Work *work = ctx;
    return data_audit(work->batch, txn, work->req, 200, err);
}

static bool file_delete(Req *req, Reply *reply, Err *err)
{
    Work *work;
    const FileResult *result;
    bool is_first, recursive = false;
    if (!data_query_bool(req, "recursive", &recursive, err) || !begin(req, true, &work, &is_first, err) || (is_first && !ask(work, "delete", recursive, 0, 0, err)) ||
        !await(work, reply, &result, err))
        return false;
    if (!result)
        return true;
    if (!store_write(work->batch->site->store, audit_txn, work, err))
        return false;
    req->audited = true;
    return true;
}

#define NODE_FILES "/pools/{poolId}/nodes/{nodeId}/files"
#define TASK_FILES "/jobs/{jobId}/tasks/{taskId}/files"

const Route data_file_routes[] = {
    { METHOD_GET,    NODE_FILES,                  NULL, NULL, NODES_READ,  WHERE_PARKED, BODY_NONE, 0, files_get,   "FileListFromComputeNode" },
    { METHOD_GET,    NODE_FILES "/{filePath...}", NULL, NULL, NODES_READ,  WHERE_PARKED, BODY_NONE, 0, file_get,    "FileGetFromComputeNode" },
    { METHOD_HEAD,   NODE_FILES "/{filePath...}", NULL, NULL, NODES_READ,  WHERE_PARKED, BODY_NONE, 0, file_head,   "FileGetPropertiesFromComputeNode" },
    { METHOD_DELETE, NODE_FILES "/{filePath...}", NULL, NULL, NODES_WRITE, WHERE_PARKED, BODY_NONE, 0, file_delete, "FileDeleteFromComputeNode" },
    { METHOD_GET,    TASK_FILES,                  NULL, NULL, JOBS_READ,   WHERE_PARKED, BODY_NONE, 0, files_get,   "FileListFromTask" },
    { METHOD_GET,    TASK_FILES "/{filePath...}", NULL, NULL, JOBS_READ,   WHERE_PARKED, BODY_NONE, 0, file_get,    "FileGetFromTask" },
    { METHOD_HEAD,   TASK_FILES "/{filePath...}", NULL, NULL, JOBS_READ,   WHERE_PARKED, BODY_NONE, 0, file_head,   "FileGetPropertiesFromTask" },
    { METHOD_DELETE, TASK_FILES "/{filePath...}", NULL, NULL, JOBS_WRITE,  WHERE_PARKED, BODY_NONE, 0, file_delete, "FileDeleteFromTask" },
};
const size_t data_file_route_count = COUNT_OF(data_file_routes);
