/* file_calls.c - the list of file calls under way. */
#include "batch/files/file_calls.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include "base/clock.h"
#include "base/id.h"

enum { GIVEN_AGAIN_MS = 5000, ID_DIGITS = 32 };

struct FileCall {
    LIST_ENTRY(FileCall) link;
    FileCalls *calls;
    char id[ID_DIGITS + 1];
    char *node_id, *wake_key, *path;
    FileAsk ask;                                /* ask.path is absent: path */
    int64_t given_mono_ms;                      /* 0: not yet */
    Arena *arena;                               /* of the result; NULL: none yet */
    FileResult result;
};

struct FileCalls {
    pthread_mutex_t lock;                       /* over the list and all calls in it */
    LIST_HEAD(, FileCall) list;
};

FileCalls *file_calls_new(void)
{
    FileCalls *calls = calloc(1, sizeof *calls);
    if (calls) {
        pthread_mutex_init(&calls->lock, NULL);
        LIST_INIT(&calls->list);
    }
    return calls;
}

static void call_free(FileCall *call)
{
    arena_free(call->arena);
    free(call->node_id);
    free(call->wake_key);
    free(call->path);
    free(call);
}

void file_calls_free(FileCalls *calls)
{
    if (!calls)
        return;
    for (FileCall *call = LIST_FIRST(&calls->list), *after; call; call = after) {
        after = LIST_NEXT(call, link);
        call_free(call);
    }
    pthread_mutex_destroy(&calls->lock);
    free(calls);
}

/* NULL: out of memory. */
static FileCall *call_new(FileCalls *calls, Str node_id, Str wake_key, const FileAsk *ask)
{
    FileCall *call = calloc(1, sizeof *call);
    AUTO(arena_free_auto) Arena *arena = arena_new(1024);
    Str id = arena ? hex_id_new(arena, ID_DIGITS) : STR_NONE;
    if (!call || id.len != ID_DIGITS) {
        free(call);
        return NULL;
    }
    *call = (FileCall){ .calls = calls, .ask = *ask, .node_id = strndup(node_id.ptr, node_id.len), .wake_key = strndup(wake_key.ptr, wake_key.len),
                        .path = strndup(ask->path.ptr ? ask->path.ptr : "", ask->path.len) };
    memcpy(call->id, id.ptr, ID_DIGITS);
    call->ask.path = STR_NONE;
    if (call->node_id && call->wake_key && call->path)
        return call;
    call_free(call);
    return NULL;
}

bool file_call_add(FileCalls *calls, Str node_id, Str wake_key, const FileAsk *ask, FileCall **out, Err *err)
{
    FileCall *call = call_new(calls, node_id, wake_key, ask), *other;
    int open = 0;
    if (!call)
        return err_set(err, ERR_INTERNAL, "out of memory");
    pthread_mutex_lock(&calls->lock);
    LIST_FOREACH(other, &calls->list, link)
        open += !other->arena && str_eq(str_from(other->node_id), node_id);
    if (open < FILE_CALLS_A_NODE_MAX)
        LIST_INSERT_HEAD(&calls->list, call, link);
    pthread_mutex_unlock(&calls->lock);
    if (open < FILE_CALLS_A_NODE_MAX) {
        *out = call;
        return true;
    }
    call_free(call);
    return err_named(err, ERR_THROTTLED, "ServerBusy", NULL, "The node has %d requests for files to answer already; try again when some were.", FILE_CALLS_A_NODE_MAX);
}

void file_call_drop(FileCall *call)
{
    if (!call)
        return;
    FileCalls *calls = call->calls;
    pthread_mutex_lock(&calls->lock);
    LIST_REMOVE(call, link);
    pthread_mutex_unlock(&calls->lock);
    call_free(call);
}

const FileResult *file_call_result(FileCall *call)
{
    pthread_mutex_lock(&call->calls->lock);
    bool is_there = call->arena != NULL;
    pthread_mutex_unlock(&call->calls->lock);
    return is_there ? &call->result : NULL;
}

static bool is_due(const FileCall *call, Str node_id, int64_t now)
{
    return !call->arena && str_eq(str_from(call->node_id), node_id) && (call->given_mono_ms == 0 || now - call->given_mono_ms >= GIVEN_AGAIN_MS);
}

bool file_calls_are_due(FileCalls *calls, Str node_id)
{
    int64_t now = mono_now_ms();
    FileCall *call;
    pthread_mutex_lock(&calls->lock);
    LIST_FOREACH(call, &calls->list, link)
        if (is_due(call, node_id, now))
            break;
    pthread_mutex_unlock(&calls->lock);
    return call != NULL;
}

static void write_call(const FileCall *call, JsonWriter *w)
{
    json_open(w, NULL);
    json_put_str(w, "id", str_from(call->id));
    json_put_str(w, "kind", STR("file"));
    json_put_str(w, "op", str_from(call->ask.op));
    json_put_str(w, "path", str_from(call->path));
    json_put_bool(w, "recursive", call->ask.recursive);
    json_put_int(w, "offset", call->ask.offset);
    if (call->ask.length > 0)
        json_put_int(w, "length", call->ask.length);
    json_close(w);
}

void file_calls_write(FileCalls *calls, Str node_id, JsonWriter *w)
{
    int64_t now = mono_now_ms();
    FileCall *call;
    pthread_mutex_lock(&calls->lock);
    LIST_FOREACH(call, &calls->list, link) {
        if (!is_due(call, node_id, now))
            continue;
        call->given_mono_ms = now;
        write_call(call, w);
    }
    pthread_mutex_unlock(&calls->lock);
}

static FileCall *find(FileCalls *calls, Str node_id, Str command_id)
{
    FileCall *call;
    LIST_FOREACH(call, &calls->list, link)
        if (str_eq(str_from(call->id), command_id) && str_eq(str_from(call->node_id), node_id))
            break;
    return call;
}

bool file_calls_have(FileCalls *calls, Str node_id, Str command_id)
{
    pthread_mutex_lock(&calls->lock);
    bool found = find(calls, node_id, command_id) != NULL;
    pthread_mutex_unlock(&calls->lock);
    return found;
}

void file_calls_answer(FileCalls *calls, Str node_id, Str command_id, Arena *own, const FileResult *result, Arena *arena, Str *waker)
{
    *waker = STR_NONE;
    pthread_mutex_lock(&calls->lock);
    FileCall *call = find(calls, node_id, command_id);
    if (call && !call->arena) {
        call->arena = TAKE(own);
        call->result = *result;
        *waker = str_dup(arena, str_from(call->wake_key));
    }
    pthread_mutex_unlock(&calls->lock);
    arena_free(own);
}
