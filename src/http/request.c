/* request.c - the life of a request.
 *
 * On the event loop: head steps, body, and the handlers of routes that neither wait nor take long. Worker and parked routes are suspended when
 * their body is complete and come back with an answer. Only one thread holds a request at a time. */
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
#include "http/turn.h"
#include "http/work.h"

enum { INLINE_BODY_MAX = 8 * 1024 };    /* of a WHERE_COMMIT or WHERE_COMPUTE route: a longer one is read on a worker */

static void count_active(HttpServer *server, int arriving, int handled)
{
    pthread_mutex_lock(&server->active_lock);
    server->arriving += arriving;
    server->handled += handled;
    if (server->handled == 0)
        pthread_cond_broadcast(&server->active_changed);
    pthread_mutex_unlock(&server->active_lock);
}

static void count_later(HttpServer *server, int later)
{
    pthread_mutex_lock(&server->active_lock);
    server->later += later;
    if (server->later == 0)
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
    request->loop = loop;
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
    bool was_received = request->is_received, had_turn = request->stage == STAGE_TURN;
    if (had_turn)
        turn_leave(request);
    request_free(request);
    if (had_turn)
        count_later(server, -1);
    count_active(server, was_received ? 0 : -1, was_received ? -1 : 0);
}

/* --- answers that come later ------------------------------------------------------------------------------------------------ */

/* To wait for a turn: not any more once the server refuses, because a suspended connection would outlive its event loop. */
static bool count_turn(HttpServer *server)
{
    pthread_mutex_lock(&server->active_lock);
    bool may_wait = !server->is_refusing;
    server->later += may_wait;
    pthread_mutex_unlock(&server->active_lock);
    return may_wait;
}

void request_refuse_all(HttpServer *server)
{
    pthread_mutex_lock(&server->active_lock);
    server->is_refusing = true;
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

bool reply_on_worker(const Req *req, Reply *reply)
{
    const Request *request = req->connection;
    reply->on_worker = request && !request->is_on_worker;       /* without one: a handler's unit test */
    return reply->on_worker;
}

typedef enum RunEnd {
    RUN_ANSWERED,
    RUN_PARKED,                         /* it is no longer ours */
    RUN_LATER,                          /* reply_later was called */
    RUN_ON_WORKER                       /* reply_on_worker was */
} RunEnd;

static RunEnd run_steps(Request *request)
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
            return RUN_LATER;
        if (is_good && request->reply.on_worker)
            return RUN_ON_WORKER;
        if (!is_good || !request->reply.park.wanted)
            break;
        request->req.was_parked = true;
        if (park_settle(server->parks, request))
            return RUN_PARKED;
    }
    park_leave(server->parks, request);
    reply_finish(request);
    return RUN_ANSWERED;
}

static void come_back(Request *request)
{
    request->stage = STAGE_ANSWERED;
    MHD_resume_connection(request->connection);
}

void request_run(Request *request)
{
    request->is_on_worker = true;
    RunEnd end = run_steps(request);
    if (end == RUN_ANSWERED)
        come_back(request);
    else if (end == RUN_LATER)
        wait_for_go_on(request);
}

static void refuse_unavailable(Request *request, const char *why)
{
    Err refusal = { 0 };
    (void)err_set(&refusal, ERR_UNAVAILABLE, "%s", why);
    reply_begin(request);
    (void)request_fail(request, &refusal);
    reply_finish(request);
}

static const char is_stopping[] = "the server is stopping; try again";

void request_refuse_stopping(Request *request)
{
    refuse_unavailable(request, is_stopping);
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

static enum MHD_Result to_worker(Request *request)
{
    request->stage = STAGE_AWAY;
    MHD_suspend_connection(request->connection);
    if (!work_push(request->server->work, request, true)) {
        refuse_unavailable(request, "too many requests are waiting, or the server is stopping; try again");
        come_back(request);
    }
    return MHD_YES;
}

/* After the steps were run on the event loop. RUN_PARKED is not possible there: reply_park asserts it. */
static enum MHD_Result go_on_from(Request *request, RunEnd end)
{
    if (end == RUN_ANSWERED)
        return send_answer(request);
    if (end == RUN_ON_WORKER)
        return to_worker(request);
    MHD_suspend_connection(request->connection);
    wait_for_go_on(request);
    return MHD_YES;
}

static enum MHD_Result compute_now(Request *request)
{
    turn_begin(request);
    RunEnd end = run_steps(request);
    turn_end(request);
    return go_on_from(request, end);
}

static enum MHD_Result compute(Request *request)
{
    TurnAnswer answer = turn_ask(request);
    if (answer == TURN_NOW)
        return compute_now(request);
    if (answer == TURN_WORKER)
        return to_worker(request);
    if (!count_turn(request->server)) {
        refuse_unavailable(request, is_stopping);
        return send_answer(request);
    }
    request->stage = STAGE_TURN;
    MHD_suspend_connection(request->connection);
    turn_wait(request);
    return MHD_YES;
}

/* It waited, and is called. */
static enum MHD_Result take_turn(Request *request)
{
    HttpServer *server = request->server;
    enum MHD_Result result;
    request->stage = STAGE_BODY;
    if (server->is_refusing) {
        turn_leave(request);
        refuse_unavailable(request, is_stopping);
        result = send_answer(request);
    } else {
        result = compute_now(request);
    }
    count_later(server, -1);
    return result;
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
    bool is_short = request->body.len <= INLINE_BODY_MAX;
    if (where == WHERE_INLINE || (where == WHERE_COMMIT && is_short))
        return go_on_from(request, run_steps(request));
    return where == WHERE_COMPUTE && is_short ? compute(request) : to_worker(request);
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
    case STAGE_TURN:
        return take_turn(request);
    case STAGE_LATER:
        run_later(request);
        return send_answer(request);
    case STAGE_AWAY:
    case STAGE_STREAMS:
        break;
    }
    return MHD_YES;
}
