/* reply.c - the one place where errors become answers, and answers become HTTP. */
#include "http/reply.h"
#include <assert.h>
#include <unistd.h>
#include "base/log.h"
#include "base/secret.h"
#include "http/stream.h"

enum { HEADER_BYTES_MAX = 6 * 1024 };

void reply_header(Reply *reply, Str name, Str value)
{
    assert(reply->header_count < COUNT_OF(reply->headers));
    if (!value.ptr)
        return;                                 /* the arena is full, and the request fails for that */
    reply->headers[reply->header_count].name = name;
    reply->headers[reply->header_count++].value = value;
}

static void body_empty(Reply *reply)
{
    if (reply->body.ptr)
        secret_wipe(reply->body.ptr, reply->body.len);      /* it may have held the value of a secret */
    buf_reset(&reply->body);
    json_begin(&reply->json, &reply->body);
    if (reply->file_fd >= 0)
        close(reply->file_fd);
    reply->file_fd = -1;
    reply->stream = (ReplyStream){ 0 };
    reply->content_type = STR_NONE;
}

void reply_begin(Request *request)
{
    Reply *reply = &request->reply;
    if (reply->body.max == 0) {
        reply->file_fd = -1;
        buf_init(&reply->body, request->server->config.arena_limit_bytes);
    }
    body_empty(reply);
    reply->status = 0;
    reply->header_count = 0;
    reply->park.wanted = false;
    reply->later = NULL;
    reply->on_worker = false;
}

void reply_done(Reply *reply)
{
    if (reply->body.max == 0)
        return;
    body_empty(reply);
    buf_done(&reply->body);
}

/* {"error":{"code","message"}} where no plane took the request. */
static void write_bare_error(Request *request)
{
    static const struct { int status; const char *code; } codes[] = {
        { 400, "BadRequest" }, { 404, "HostNotFound" }, { 413, "RequestBodyTooLarge" }, { 421, "MisdirectedRequest" }, { 503, "ServiceUnavailable" },
    };
    JsonWriter *w = &request->reply.json;
    const char *code = "InternalServerError";
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].status == request->reply.status)
            code = codes[i].code;
    json_open(w, NULL);
    json_open(w, "error");
    json_put_str(w, "code", str_from(code));
    json_put_str(w, "message", str_from(request->err.text));
    json_close(w);
    json_close(w);
    request->reply.content_type = STR("application/json; charset=utf-8");
}

/* The text of an internal error goes to the log, once; the client learns where to look. */
static void hide_internal(Request *request)
{
    Req *req = &request->req;
    if (request->err.code == ERR_NONE)
        (void)err_set(&request->err, ERR_INTERNAL, "the handler failed without a reason");
    if (request->err.code != ERR_INTERNAL)
        return;
    log_event(LOG_ERROR, "http.request_failed", log_str("request_id", req->request_id),
              log_cstr("operation", req->route ? req->route->operation : ""), log_str("path", req->path), log_cstr("reason", request->err.text));
    (void)err_set(&request->err, ERR_INTERNAL, "The server could not answer. Its log says why under the request id " STR_FMT ".", STR_ARG(req->request_id));
}

/* A sentence cut at the end of its buffer may end in half a character. */
static void mend_text(Err *err)
{
    size_t len = strlen(err->text);
    for (int i = 0; i < 4 && !str_is_utf8((Str){ err->text, len }) && len > 0; i++)
        len--;
    if (str_is_utf8((Str){ err->text, len }))
        err->text[len] = '\0';
    else
        for (char *c = err->text; *c; c++)
            if ((unsigned char)*c >= 0x80)
                *c = '?';
}

static void write_failure(Request *request)
{
    Req *req = &request->req;
    hide_internal(request);
    mend_text(&request->err);
    body_empty(&request->reply);
    request->reply.status = request->bare_status ? request->bare_status : err_http_status(request->err.code);
    if (req->plane)
        req->plane->write_error(req->plane->ctx, req, &request->reply, &request->err);
    else
        write_bare_error(request);
    if (request->reply.body.failed || request->reply.json.bad)
        body_empty(&request->reply);            /* the status alone is an answer, half a body is none */
}

/* An answer is whole or it is not given. */
static void check_whole(Request *request)
{
    Reply *reply = &request->reply;
    if (!arena_ok(request->req.arena))
        request->is_failed = !err_too_big(&request->err);
    else if (reply->body.failed)
        request->is_failed = !err_set(&request->err, ERR_INTERNAL, "the answer is over %zu bytes", reply->body.max);
    else if (reply->json.bad || reply->json.depth != 0)
        request->is_failed = !err_set(&request->err, ERR_INTERNAL, "the handler left its JSON unfinished");
    if (request->is_failed)
        reply->header_count = 0;
}

static void audit(Request *request)
{
    Req *req = &request->req;
    const Err *err = request->is_failed ? &request->err : NULL;
    Err why = { 0 };
    if (!req->plane || !req->plane->audit || req->audited || req->plane->audit(req->plane->ctx, req, &request->reply, err, &why))
        return;
    request->err = why;
    if (why.code != ERR_UNAVAILABLE)                          /* a full disk may be said, and tried again */
        request->err.code = ERR_INTERNAL;
    request->is_failed = true;
    request->reply.header_count = 0;
    write_failure(request);
}

static void count_status(Request *request)
{
    int status = request->reply.status;
    if (status == 401)
        atomic_fetch_add(&request->server->refused_401, 1);
    else if (status == 403)
        atomic_fetch_add(&request->server->refused_403, 1);
    else if (status >= 500)
        atomic_fetch_add(&request->server->failed_5xx, 1);
}

void reply_finish(Request *request)
{
    Req *req = &request->req;
    Reply *reply = &request->reply;
    if (!request->is_failed)
        check_whole(request);
    if (reply->status == 0)
        reply->status = 200;
    if (request->is_failed)
        write_failure(request);
    audit(request);
    if (req->plane && req->plane->finish)
        req->plane->finish(req->plane->ctx, req, reply);
    if (!reply->content_type.ptr && reply->body.len > 0 && req->plane)
        reply->content_type = str_from(req->plane->default_content_type);
    count_status(request);
    log_event(LOG_DEBUG, "http.request", log_str("request_id", req->request_id), log_cstr("method", http_method_name(req->method)),
              log_str("host", req->host), log_str("path", req->path), log_int("status", reply->status),
              log_int("ms", mono_now_ms() - req->started_mono_ms));
}

static struct MHD_Response *response_of(Request *request)
{
    Reply *reply = &request->reply;
    bool has_body = reply->status != 204 && reply->status != 304 && reply->status >= 200;
    if (has_body && reply->file_fd >= 0) {
        struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(reply->file_size, reply->file_fd, reply->file_offset);
        if (response)
            reply->file_fd = -1;                /* closed with the response */
        return response;
    }
    if (has_body && reply->stream.read)
        return stream_response(request);
    static char nothing[1];
    bool is_empty = !has_body || reply->body.len == 0;      /* the body stays where it is until request_end */
    return MHD_create_response_from_buffer(is_empty ? 0 : reply->body.len, is_empty ? nothing : reply->body.ptr, MHD_RESPMEM_PERSISTENT);
}

/* libmicrohttpd copies; it refuses empty values and line breaks. */
static bool add_header(struct MHD_Response *response, Str name, Str value)
{
    char text[HEADER_BYTES_MAX];
    if (name.len + value.len + 2 > sizeof text || memchr(value.ptr, '\0', value.len))
        return false;
    char *behind = mempcpy(text, name.ptr, name.len);
    *behind++ = '\0';
    memcpy(behind, value.ptr, value.len);
    behind[value.len] = '\0';
    return MHD_add_response_header(response, text, behind) == MHD_YES;
}

static bool add_headers(const Request *request, struct MHD_Response *response)
{
    const Reply *reply = &request->reply;
    bool is_good = true;
    if (reply->content_type.len > 0 && (reply->body.len > 0 || reply->file_size > 0 || reply->stream.read))
        is_good = add_header(response, STR("Content-Type"), reply->content_type);
    for (size_t i = 0; i < reply->header_count && is_good; i++)
        if (reply->headers[i].value.len > 0)
            is_good = add_header(response, reply->headers[i].name, reply->headers[i].value);
    if (request->must_close || atomic_load(&request->server->is_stopping))
        is_good = is_good && add_header(response, STR("Connection"), STR("close"));
    return is_good;
}

static struct MHD_Response *response_with_headers(Request *request)
{
    struct MHD_Response *response = response_of(request);
    if (response && add_headers(request, response))
        return response;
    if (response)
        MHD_destroy_response(response);
    return NULL;
}

enum MHD_Result reply_send(Request *request)
{
    struct MHD_Response *response = response_with_headers(request);
    if (!response) {
        request->is_failed = !err_set(&request->err, ERR_INTERNAL, "a header of the answer is too long or holds a line break, or memory is short");
        request->reply.header_count = 0;
        write_failure(request);
        response = response_with_headers(request);
    }
    if (!response)
        return MHD_NO;
    enum MHD_Result sent = MHD_queue_response(request->connection, (unsigned)request->reply.status, response);
    MHD_destroy_response(response);
    return sent;
}

bool route_not_built(Req *req, Reply *reply, Err *err)
{
    (void)reply;
    return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "The operation %s is part of the service and is not available here yet; docs/COMPATIBILITY.md lists what is.",
                     req->route->operation);
}
