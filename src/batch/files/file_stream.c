/* file_stream.c - pieces of a file in their order. */
#include "batch/files/file_stream.h"

enum { AHEAD = 4, PIECE_WAIT_MS = 30 * 1000 };

typedef struct Piece { FileCall *call; int64_t length; } Piece;
typedef struct Stream { FileSource source; Piece ring[AHEAD]; size_t head, filled; int64_t next, end; size_t at; } Stream;      /* at: bytes of the head piece given */

static void drop_all(void *arg)
{
    Stream *stream = arg;
    for (size_t i = 0; i < AHEAD; i++)
        file_call_drop(stream->ring[i].call);
}

/* Pieces that the node has no room for are asked for later; without any under way there would be no later. */
static bool ask_ahead(Stream *stream)
{
    const FileSource *source = &stream->source;
    bool asked = false;
    while (stream->filled < AHEAD && stream->next < stream->end) {
        int64_t left = stream->end - stream->next, length = left < FILE_PIECE_MAX ? left : FILE_PIECE_MAX;
        FileAsk ask = { .op = "read", .path = source->path, .offset = stream->next, .length = length };
        FileCall *call;
        Err ignored = { 0 };
        if (!file_call_add(source->calls, source->node_id, source->wake_key, &ask, &call, &ignored))
            break;
        stream->ring[(stream->head + stream->filled++) % AHEAD] = (Piece){ call, length };
        stream->next += length;
        asked = true;
    }
    if (asked)
        http_wake(source->http, source->node_key);
    return stream->filled > 0 || stream->next == stream->end;
}

static int64_t read_pieces(void *ctx, char *out, size_t max)
{
    Stream *stream = ctx;
    Piece *piece = &stream->ring[stream->head];
    if (stream->filled == 0)
        return -1;
    const FileResult *result = file_call_result(piece->call);
    if (!result)
        return 0;
    if (!str_empty(result->error) || (int64_t)result->data.len < piece->length)
        return -1;
    size_t left = (size_t)piece->length - stream->at, count = left < max ? left : max;
    memcpy(out, result->data.ptr + stream->at, count);
    stream->at += count;
    if ((int64_t)stream->at < piece->length)
        return (int64_t)count;
    file_call_drop(piece->call);
    *piece = (Piece){ 0 };
    stream->head = (stream->head + 1) % AHEAD;
    stream->filled--;
    stream->at = 0;
    (void)ask_ahead(stream);                            /* nothing under way: the next read says so */
    return (int64_t)count;
}

bool file_stream_begin(const FileSource *source, Reply *reply, Err *err)
{
    Stream *stream = ARENA_NEW(source->arena, Stream);
    const FileResult *first = file_call_result(source->first);
    int64_t length = first && (int64_t)first->data.len < source->count ? (int64_t)first->data.len : source->count;
    if (!stream || !arena_defer(source->arena, drop_all, stream)) {
        file_call_drop(source->first);
        return err_too_big(err);
    }
    *stream = (Stream){ .source = *source, .ring = { { source->first, length } }, .filled = 1, .next = source->from + length, .end = source->from + source->count };
    if (source->count == 0)
        return true;
    if (length == 0)
        return err_named(err, ERR_DENIED, "IOError", NULL, "The file became shorter while it was read; try again.");
    if (length == source->count) {
        buf_put(&reply->body, first->data.ptr, (size_t)length);
        return true;
    }
    if (!ask_ahead(stream))
        return err_named(err, ERR_THROTTLED, "ServerBusy", NULL, "The node has too many requests for files to answer; try again.");
    reply->stream = (ReplyStream){ .size_bytes = (uint64_t)source->count, .key = source->wake_key, .wait_ms = PIECE_WAIT_MS, .read = read_pieces, .ctx = stream };
    return true;
}

static int64_t read_nothing(void *ctx, char *out, size_t max)
{
    (void)ctx, (void)out, (void)max;
    return -1;
}

void file_length(Reply *reply, int64_t size)
{
    reply->stream = (ReplyStream){ .size_bytes = (uint64_t)size, .read = read_nothing };
}
