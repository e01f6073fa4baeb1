/* request.c - the life of a request.
 *
 * On the event loop: head steps, body, and for inline routes the handler. Worker and parked routes are suspended when their body is
 * complete and come back with an answer. Only one thread holds a request at a time. */
#include "http/request.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include "base/id.h"
#include "base/secret.h"
#include "http/head.h"
#include "http/park.h"
#include "http/reply.h"
#include "http/stream.h"
#include "http/work.h"

enum { INLINE_BODY_MAX = 8 * 1024 };    /* of a WHERE_COMMIT route: a longer one is read on a worker */

static void count_active(HttpServer *server, int arriving, int handled)
{
    pthread_mutex_lock(&server->active_lock);
    server->arriving += arriving;
    server->handled += handled;
    if (server->handled == 0)
        pthread_cond_broadcast(&server->active_changed);
    pthread_mutex_unlock(&server->active_lock);
}

static Str peer_text(Arena *arena, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    char text[INET6_ADDRSTRLEN];
    const void *bytes = NULL;
    if (address && address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address && address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (!bytes || !inet_ntop(address->sa_family, bytes, text, sizeof text))
        return STR("unix");
    return str_dup(arena, str_from(text));
}

static void request_free(Request *request)
{
    Arena *arena = request->req.arena;
    if (request->body.ptr)
        secret_wipe(request->body.ptr, request->body.len);
    buf_done(&request->body);
    reply_done(&request->reply);
    free(request);
    arena_free(arena);
}

void *request_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    IoLoop *loop = cls;
    HttpServer *server = loop->server;
    Request *request = calloc(1, sizeof *request);
    Arena *arena = request ? arena_new(server->config.arena_limit_bytes) : NULL;
    if (!arena) {
        free(request);
        return NULL;
    }
    request->server = server;
    request->connection = connection;
    request->req.arena = arena;
    request->req.server = server;
    request->req.connection = request;
    request->req.now_ms = http_now_ms(server);
    request->req.real_ms = real_now_ms();
    request->req.started_mono_ms = mono_now_ms();
    request->target = str_dup(arena, str_from(uri ? uri : ""));
    request->req.request_id = guid_new(arena);
    request->req.client_ip = peer_text(arena, connection);
    request->req.path = request->req.query = request->req.api_version = STR("");
    reply_begin(request);
    count_active(server, 1, 0);
    atomic_fetch_add(&server->requests, 1);
    return request;
}

void request_end(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    (void)cls, (void)connection, (void)how;
    Request *request = *context;
    if (!request)
        return;
    *context = NULL;
    HttpServer *server = request->server;
    bool was_received = request->is_received;
    request_free(request);
    count_active(server, was_received ? 0 : -1, was_received ? -1 : 0);
}

/* --- answers that come later ------------------------------------------------------------------------------------------------ */

static void count_later(HttpServer *server, int later)
{
    pthread_mutex_lock(&server->active_lock);
    server->later += later;
    if (server->later == 0)
        pthread_cond_broadcast(&server->active_changed);
    pthread_mutex_unlock(&server->active_lock);
}

void reply_later(Req *req, Reply *reply, Handler *then)
{
    Request *request = req->connection;
    reply->later = then;
    atomic_store(&request->later_phase, LATER_ASKED);
    count_later(request->server, 1);
}

void http_go_on(Req *req)
{
    Request *request = req->connection;
    HttpServer *server = request->server;
    if (atomic_exchange(&request->later_phase, LATER_OVER) == LATER_AWAY)
        MHD_resume_connection(request->connection);         /* from here the request may be gone */
    count_later(server, -1);
}

/* The connection is suspended, the handler has returned. */
static void wait_for_go_on(Request *request)
{
    LaterPhase asked = LATER_ASKED;
    request->stage = STAGE_LATER;
    if (!atomic_compare_exchange_strong(&request->later_phase, &asked, LATER_AWAY))
        MHD_resume_connection(request->connection);
}

/* The handler failed before anything began. */
static void forget_later(Request *request)
{
    if (!request->reply.later)
        return;
    request->reply.later = NULL;
    atomic_store(&request->later_phase, LATER_NONE);
    count_later(request->server, -1);
}

static void run_later(Request *request)
{
    Handler *then = TAKE(request->reply.later);
    Err why = { 0 };
    if (!then(&request->req, &request->reply, &why)) {
        request->reply.header_count = 0;
        (void)request_fail(request, &why);
    }
    reply_finish(request);
}

/* --- the handler ----------------------------------------------------------------------------------------------------------- */

static bool step_json(Request *request)
{
    Req *req = &request->req;
    Err why = { 0 };
    RouteBody kind = req->route->body;
    req->body = buf_str(&request->body);
    if (req->json || (kind != BODY_JSON && kind != BODY_JSON_LENIENT) || str_trim(req->body).len == 0)
        return true;
    unsigned flags = kind == BODY_JSON_LENIENT ? JSON_TRAILING_COMMAS : JSON_STRICT;
    return json_parse(req->arena, req->body, flags, &req->json, &why) || request_fail(request, &why);
}

/* A park lasts: the caller's token may have expired, or its permission gone. */
static bool step_ask_again(Request *request)
{
    return !request->req.was_parked || head_ask_again(request);
}

static bool step_handle(Request *request)
{
    Err why = { 0 };
    if (request->req.route->handler(&request->req, &request->reply, &why))
        return true;
    request->reply.header_count = 0;
    request->reply.park.wanted = false;
    forget_later(request);
    return request_fail(request, &why);
}

/* False: it does not answer now: *is_parked, and then it is no longer ours, or reply_later was called. */
static bool run_steps(Request *request, bool *is_parked)
{
    HttpServer *server = request->server;
    for (;;) {
        reply_begin(request);
        if (request->req.was_parked) {
            request->req.now_ms = http_now_ms(server);
            request->req.real_ms = real_now_ms();
        }
        bool is_good = step_json(request) && step_ask_again(request) && step_handle(request);
        if (is_good && request->reply.later)
            return false;
        if (!is_good || !request->reply.park.wanted)
            break;
        request->req.was_parked = true;
        if (park_settle(server->parks, request))
            return *is_parked = true, false;
    }
    park_leave(server->parks, request);
    reply_finish(request);
    return true;
}

static void come_back(Request *request)
{
    request->stage = STAGE_ANSWERED;
    MHD_resume_connection(request->connection);
}

void request_run(Request *request)
{
    bool is_parked = false;
    if (run_steps(request, &is_parked))
        come_back(request);
    else if (!is_parked)
        wait_for_go_on(request);
}

void request_refuse_stopping(Request *request)
{
    Err why = { 0 };
    (void)err_set(&why, ERR_UNAVAILABLE, "the server is stopping; try again");
    reply_begin(request);
    (void)request_fail(request, &why);
    reply_finish(request);
    come_back(request);
}

void request_resume(Request *request)
{
    if (request->stage == STAGE_STREAMS) {
        stream_resume(request);
        return;
    }
    if (!work_push(request->server->work, request, false))
        request_refuse_stopping(request);
}

void reply_park(Req *req, Reply *reply, Str key, int64_t wait_ms)
{
    Request *request = req->connection;
    assert(!req->route || req->route->where == WHERE_PARKED);
    if (req->park_ended)
        return;
    int64_t now = mono_now_ms(), until = now + (wait_ms < PARK_MAX_MS ? wait_ms : PARK_MAX_MS);
    if (req->caller && req->caller->expires_ms > 0 && req->caller->expires_ms - real_now_ms() < until - now)
        until = now + (req->caller->expires_ms - real_now_ms());
    reply->park.wanted = true;
    reply->park.key = str_dup(req->arena, key);
    if (!request) {                             /* a handler's unit test reads what was asked for */
        reply->park.until_mono_ms = until;
        return;
    }
    if (request->park_limit_ms == 0)
        request->park_limit_ms = now + PARK_MAX_MS;
    if (until > request->park_limit_ms)
        until = request->park_limit_ms;
    reply->park.until_mono_ms = until;
    if (reply->park.key.ptr)
        park_register(request->server->parks, request, reply->park.key, until);
    else
        reply->park.wanted = false;             /* the arena is full: the request fails for that */
}

void reply_park_cancel(Req *req, Reply *reply)
{
    Request *request = req->connection;
    reply->park.wanted = false;
    if (request)
        park_leave(request->server->parks, request);
}

/* --- on the event loop ------------------------------------------------------------------------------------------------------- */

/* The answer of a refused request: at once when the rest of the body is not worth reading, otherwise after it. */
static enum MHD_Result refuse_head(Request *request)
{
    const HeadFacts *facts = &request->facts;
    reply_finish(request);
    bool has_body = facts->is_chunked || facts->length_bytes > 0;
    if (request->must_close || (has_body && (facts->expects_continue || facts->length_bytes > DROP_MAX_BYTES))) {
        request->must_close = true;
        request->stage = STAGE_ANSWERED;
        return reply_send(request);
    }
    request->stage = STAGE_DRAIN;
    return MHD_YES;
}

static enum MHD_Result take_head(Request *request, const char *url, const char *method, const char *version)
{
    if (!head_take(request, url, method, version))
        return refuse_head(request);
    request->stage = STAGE_BODY;
    return MHD_YES;
}

/* A chunked body shows its size only as it comes; libmicrohttpd takes an answer only before it or after it. */
static enum MHD_Result take_body(Request *request, const char *bytes, size_t *size)
{
    size_t len = *size;
    *size = 0;
    bool is_kept = request->stage == STAGE_BODY && request->req.route->body != BODY_NONE;
    if (is_kept && len <= request->req.route->body_max - request->body.len) {
        buf_put(&request->body, bytes, len);
        return MHD_YES;
    }
    if (is_kept) {
        (void)head_too_long(request);
        reply_finish(request);
        request->stage = STAGE_DRAIN;
    }
    request->dropped_bytes += len;
    return request->dropped_bytes <= DROP_MAX_BYTES ? MHD_YES : MHD_NO;
}

/* Once for each request: nothing more is expected of the client. */
static void received(Request *request)
{
    if (!request->is_received)
        count_active(request->server, -1, 1);
    request->is_received = true;
}

static enum MHD_Result send_answer(Request *request)
{
    received(request);
    request->stage = STAGE_ANSWERED;
    return reply_send(request);
}

static enum MHD_Result take_end(Request *request)
{
    received(request);
    if (request->body.failed) {
        Err why = { 0 };
        (void)err_set(&why, ERR_INTERNAL, "no memory for the request body");
        (void)request_fail(request, &why);
        reply_finish(request);
        return send_answer(request);
    }
    RouteWhere where = request->req.route->where;
    if (where == WHERE_INLINE || (where == WHERE_COMMIT && request->body.len <= INLINE_BODY_MAX)) {
        bool is_parked = false;                 /* it stays that: reply_park asserts it */
        if (run_steps(request, &is_parked))
            return send_answer(request);
        MHD_suspend_connection(request->connection);
        wait_for_go_on(request);
        return MHD_YES;
    }
    request->stage = STAGE_AWAY;
    MHD_suspend_connection(request->connection);
    if (!work_push(request->server->work, request, true)) {
        Err why = { 0 };
        (void)err_set(&why, ERR_UNAVAILABLE, "too many requests are waiting, or the server is stopping; try again");
        (void)request_fail(request, &why);
        reply_finish(request);
        come_back(request);
    }
    return MHD_YES;
}

enum MHD_Result request_advance(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                const char *upload, size_t *upload_size, void **context)
{
    (void)cls, (void)connection;
    Request *request = *context;
    if (!request)
        return MHD_NO;                          /* request_begin had no memory */
    switch (request->stage) {
    case STAGE_NEW:
        return take_head(request, url, method, version);
    case STAGE_BODY:
        return *upload_size > 0 ? take_body(request, upload, upload_size) : take_end(request);
    case STAGE_DRAIN:
        return *upload_size > 0 ? take_body(request, upload, upload_size) : send_answer(request);
    case STAGE_ANSWERED:
        return send_answer(request);
    case STAGE_LATER:
        run_later(request);
        return send_answer(request);
    case STAGE_AWAY:
    case STAGE_STREAMS:
        break;
    }
    return MHD_YES;
}
