/* stream.c - the reader that libmicrohttpd asks for the next bytes of a streamed body. */
#include "http/stream.h"
#include "base/clock.h"
#include "http/park.h"

enum { BLOCK_BYTES = 64 * 1024 };

/* Registered before it looks, so that bytes that come between the two wake it; suspended before it settles, so that it can be resumed. */
static ssize_t read_some(void *cls, uint64_t at, char *out, size_t max)
{
    (void)at;
    Request *request = cls;
    const ReplyStream *stream = &request->reply.stream;
    ParkTable *parks = request->server->parks;
    bool is_last = request->req.park_ended;
    request->stage = STAGE_STREAMS;
    park_register(parks, request, stream->key, mono_now_ms() + stream->wait_ms);
    int64_t got = stream->read(stream->ctx, out, max);
    if (got == 0 && !is_last) {
        MHD_suspend_connection(request->connection);
        if (!park_settle(parks, request))
            MHD_resume_connection(request->connection);
        return 0;
    }
    park_leave(parks, request);
    request->req.park_ended = false;
    return got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_WITH_ERROR;
}

struct MHD_Response *stream_response(Request *request)
{
    return MHD_create_response_from_callback(request->reply.stream.size_bytes, BLOCK_BYTES, read_some, request, NULL);
}

void stream_resume(Request *request) { MHD_resume_connection(request->connection); }
