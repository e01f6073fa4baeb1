/* request.c - the life of a request.
 *
 * On the event loop: head steps, body, and for inline routes the handler. Worker and parked routes are suspended when their body is
 * complete and come back with an answer. Only one thread holds a request at a time. */
#include "http/request.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include "base/id.h"
#include "base/log.h"
#include "base/secret.h"
#include "http/form.h"
#include "http/park.h"
#include "http/reply.h"
#include "http/work.h"

/* What is read and dropped of a refused request's body before its answer: the client sees the answer only when it is done sending,
 * and closing with unread bytes would take the answer away from it (RFC 9112 section 9.6). */
enum { DROP_MAX_BYTES = 4 * 1024 * 1024 };

typedef bool Step(Request *request);

static bool refuse(Request *request, const Err *why)
{
    request->err = *why;
    request->is_failed = true;
    return false;
}

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

/* --- the head -------------------------------------------------------------------------------------------------------------- */

static enum MHD_Result collect_field(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
    (void)kind;
    Head *head = cls;
    if (head->field_count == HEAD_FIELDS_MAX) {
        head->too_many_fields = true;
        return MHD_NO;
    }
    head->fields[head->field_count++] = (ReqField){ { key, key_size }, { value ? value : "", value ? value_size : 0 } };
    return MHD_YES;
}

static size_t head_size(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

static bool step_hygiene(Request *request, const char *url, const char *method, const char *version)
{
    Err why = { 0 };
    Head head = { .method = str_from(method), .target = request->target, .version = str_from(version) };
    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, collect_field, &head);     /* the count; the head has its own */
#if MHD_VERSION < 0x00097701
    HeadPlace place = { method, url, version, head_size(request->connection) };
    bool is_contiguous = head_is_contiguous(&head, &place);
#else
    (void)url, (void)head_size;
    bool is_contiguous = true;                  /* MHD_OPTION_CLIENT_DISCIPLINE_LVL 1 refuses such lines itself */
#endif
    if (!request->target.ptr)
        (void)err_too_big(&why);
    else if (!is_contiguous)
        (void)err_set(&why, ERR_BAD_INPUT, "the request holds a folded line, a NUL, or a line that does not end in CR LF");
    else if (head_check(&head, &request->facts, &why)) {
        ReqField *fields = ARENA_ARRAY(request->req.arena, ReqField, head.field_count);
        for (size_t i = 0; fields && i < head.field_count; i++)
            fields[i] = head.fields[i];
        request->req.fields = fields;
        request->req.field_count = fields ? head.field_count : 0;
        request->req.path = request->facts.path;
        request->req.query = request->facts.query;
        request->req.method = http_method_from(head.method);
        return fields ? true : refuse(request, (err_too_big(&why), &why));
    }
    request->must_close = true;
    return refuse(request, &why);
}

static Str short_header(const Req *req, const char *name)
{
    Str value = str_trim(req_header(req, name));
    return value.len > 0 && value.len <= 200 ? value : STR_NONE;
}

static bool step_read_head(Request *request)
{
    Req *req = &request->req;
    Err why = { 0 };
    req->user_agent = req_header(req, "User-Agent");
    req->client_request_id = short_header(req, "x-ms-client-request-id");
    if (!req->client_request_id.ptr)
        req->client_request_id = short_header(req, "client-request-id");
    if (!form_check(req->arena, req->query, &why))
        return refuse(request, &why);
    Str version = req_query(req, "api-version");
    req->api_version = version.ptr ? version : STR("");
    return true;
}

static bool step_host(Request *request)
{
    Req *req = &request->req;
    HttpServer *server = request->server;
    Err why = { 0 };
    Host host;
    if (!host_parse(req->arena, request->facts.host, &host, &why))
        return refuse(request, &why);
    req->host = host.authority;
    Str base = server->config.base_domain;
    const Plane *plane = route_table_plane(server->table, host.name, req->host_labels);
    if (plane && plane_has_host(plane, req->host_labels)) {
        req->plane = plane;
        return true;
    }
    request->bare_status = 421;
    if (route_table_is_below(server->table, host.name)) {
        request->bare_status = 404;
        (void)err_set(&why, ERR_NOT_FOUND, "nothing on this server is called '" STR_FMT "'", STR_ARG(host.name));
    } else if (host.kind == HOST_NAME) {
        (void)err_set(&why, ERR_NOT_FOUND, "this server answers for names below '" STR_FMT "', not for '" STR_FMT "'", STR_ARG(base), STR_ARG(host.name));
    } else {
        (void)err_set(&why, ERR_NOT_FOUND, "this server is asked by name, not by '" STR_FMT "': use a name below '" STR_FMT "', such as management." STR_FMT,
                      STR_ARG(host.name), STR_ARG(base), STR_ARG(base));
    }
    return refuse(request, &why);
}

/* Clients that cannot send PATCH or DELETE send POST and name the method in a header. */
static bool step_method(Request *request)
{
    Req *req = &request->req;
    Err why = { 0 };
    Str wanted = req_header(req, "X-HTTP-Method");
    if (!wanted.ptr)
        wanted = req_header(req, "X-HTTP-Method-Override");
    if (!wanted.ptr || req->method != METHOD_POST)
        return true;
    HttpMethod method = http_method_from(str_trim(wanted));
    if (method != METHOD_PATCH && method != METHOD_DELETE) {
        (void)err_field(&why, "X-HTTP-Method", "X-HTTP-Method can make a POST a PATCH or a DELETE, nothing else");
        return refuse(request, &why);
    }
    req->method = method;
    return true;
}

static bool step_match(Request *request)
{
    Req *req = &request->req;
    Err why = { 0 };
    Str version = req->api_version.len > 0 ? req->api_version : STR_NONE;
    if (!route_table_match(request->server->table, req->plane, req->method, req->path, version, req->arena, &request->outcome, &request->match, &why))
        return refuse(request, &why);
    if (request->outcome != MATCH_FOUND)
        return true;                            /* step_found says so, after the caller showed who it is */
    req->route = request->match.route;
    req->ctx = request->match.ctx;
    req->param_count = request->match.param_count;
    for (size_t i = 0; i < req->param_count; i++)
        req->params[i] = request->match.params[i];
    return true;
}

static bool step_api_version(Request *request)
{
    const Req *req = &request->req;
    const Plane *plane = req->plane;
    Err why = { 0 };
    if (!plane->needs_api_version || request->outcome == MATCH_NO_PATH || request->outcome == MATCH_WRONG_METHOD)
        return true;
    const char *invalid = plane->invalid_api_version ? plane->invalid_api_version : plane->missing_api_version;
    if (req->api_version.len == 0)
        (void)err_named(&why, ERR_BAD_INPUT, plane->missing_api_version, NULL, "the query parameter api-version is missing");
    else if (!api_version_is_well_formed(req->api_version))
        (void)err_named(&why, ERR_BAD_INPUT, invalid, NULL, "the api-version '" STR_FMT "' is not of the form YYYY-MM-DD", STR_ARG(str_slice(req->api_version, 0, 60)));
    else
        return true;
    return refuse(request, &why);
}

static bool is_public(const Route *route)
{
    return route && strcmp(route->permission, PERM_PUBLIC) == 0;
}

/* Also before 404 and 405: who has shown nothing learns nothing, and SDKs expect the challenge on any path. */
static bool step_authenticate(Request *request)
{
    Req *req = &request->req;
    const Plane *plane = req->plane;
    Err why = { 0 };
    req->caller = NULL;
    if (is_public(req->route) || !plane->authenticate)
        return true;
    if (plane->authenticate(plane->ctx, req, &request->reply, &why) && req->caller)
        return true;
    if (why.code == ERR_NONE)
        (void)err_set(&why, ERR_INTERNAL, "the plane's token check gave neither caller nor reason");
    return refuse(request, &why);
}

static Str allowed_methods(Arena *arena, unsigned methods)
{
    AUTO(buf_done) Buf list = { 0 };
    buf_init(&list, 128);
    if (methods & 1u << METHOD_GET)
        methods |= 1u << METHOD_HEAD;
    for (int method = METHOD_GET; method <= METHOD_OPTIONS; method++)
        if (methods & 1u << method)
            buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", http_method_name((HttpMethod)method));
    return str_dup(arena, buf_str(&list));
}

static bool step_found(Request *request)
{
    const Req *req = &request->req;
    Err why = { 0 };
    if (request->outcome == MATCH_FOUND)
        return true;
    if (request->outcome == MATCH_NO_PATH) {
        (void)err_set(&why, ERR_NOT_FOUND, "this server has no operation at the path '" STR_FMT "'", STR_ARG(str_slice(req->path, 0, 200)));
    } else if (request->outcome == MATCH_WRONG_METHOD) {
        Str allowed = allowed_methods(req->arena, request->match.methods);
        reply_header(&request->reply, STR("Allow"), allowed);
        (void)err_set(&why, ERR_BAD_METHOD, "this path takes " STR_FMT, STR_ARG(allowed));
    } else {
        const Plane *plane = req->plane;
        const Route *route = request->match.route;
        (void)err_named(&why, ERR_BAD_INPUT, plane->invalid_api_version ? plane->invalid_api_version : plane->missing_api_version, NULL,
                        "the operation %s is not in api-version '" STR_FMT "' (it is there %s %s)", route->operation, STR_ARG(str_slice(req->api_version, 0, 60)),
                        route->since ? "from" : "until", route->since ? route->since : route->until);
    }
    return refuse(request, &why);
}

static bool step_authorize(Request *request)
{
    Req *req = &request->req;
    Err why = { 0 };
    if (is_public(req->route) || strcmp(req->route->permission, PERM_TOKEN) == 0)
        return true;
    if (req->plane->authorize(req->plane->ctx, req, req->route, &why))
        return true;
    if (why.code == ERR_NONE)
        (void)err_set(&why, ERR_INTERNAL, "the plane's decision gave no reason");
    return refuse(request, &why);
}

static uint64_t body_limit(const Route *route)
{
    return route->body == BODY_NONE ? DROP_MAX_BYTES : route->body_max;
}

static bool too_long(Request *request)
{
    Err why = { 0 };
    (void)err_set(&why, ERR_TOO_LARGE, "the request body is larger than %llu bytes", (unsigned long long)body_limit(request->req.route));
    return refuse(request, &why);
}

static bool step_length(Request *request)
{
    const Req *req = &request->req;
    const HeadFacts *facts = &request->facts;
    bool sends_body = req->method == METHOD_POST || req->method == METHOD_PUT || req->method == METHOD_PATCH;
    if (sends_body && !facts->has_length && !facts->is_chunked) {
        Err why = { 0 };
        (void)err_set(&why, ERR_LENGTH_REQUIRED, "a %s needs a Content-Length header, 0 when there is no body", http_method_name(req->method));
        return refuse(request, &why);
    }
    if ((uint64_t)facts->length_bytes > body_limit(req->route))
        return too_long(request);
    buf_init(&request->body, req->route->body == BODY_NONE ? 0 : req->route->body_max);
    return true;
}

static Step *const head_steps[] = {
    step_read_head, step_host, step_method, step_match, step_api_version, step_authenticate, step_found, step_authorize, step_length,
};

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
    return json_parse(req->arena, req->body, flags, &req->json, &why) || refuse(request, &why);
}

/* A park lasts: the caller's token may have expired, or its permission gone. */
static bool step_ask_again(Request *request)
{
    return !request->req.was_parked || (step_authenticate(request) && step_authorize(request));
}

static bool step_handle(Request *request)
{
    Err why = { 0 };
    if (request->req.route->handler(&request->req, &request->reply, &why))
        return true;
    request->reply.header_count = 0;
    request->reply.park.wanted = false;
    return refuse(request, &why);
}

/* False: parked, and no longer ours. */
static bool run_steps(Request *request)
{
    HttpServer *server = request->server;
    for (;;) {
        reply_begin(request);
        if (request->req.was_parked) {
            request->req.now_ms = http_now_ms(server);
            request->req.real_ms = real_now_ms();
        }
        bool is_good = step_json(request) && step_ask_again(request) && step_handle(request);
        if (!is_good || !request->reply.park.wanted)
            break;
        request->req.was_parked = true;
        if (park_settle(server->parks, request))
            return false;
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
    if (run_steps(request))
        come_back(request);
}

void request_refuse_stopping(Request *request)
{
    Err why = { 0 };
    (void)err_set(&why, ERR_UNAVAILABLE, "the server is stopping; try again");
    reply_begin(request);
    (void)refuse(request, &why);
    reply_finish(request);
    come_back(request);
}

void request_resume(Request *request)
{
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

Str req_header(const Req *req, const char *name)
{
    for (size_t i = 0; i < req->field_count; i++)
        if (str_eq_nocase(req->fields[i].name, str_from(name)))
            return req->fields[i].value;
    return STR_NONE;
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
    bool is_good = step_hygiene(request, url, method, version);
    for (size_t i = 0; is_good && i < COUNT_OF(head_steps); i++)
        is_good = head_steps[i](request);
    if (!is_good)
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
        (void)too_long(request);
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
        (void)refuse(request, &why);
        reply_finish(request);
        return send_answer(request);
    }
    if (request->req.route->where == WHERE_INLINE) {
        (void)run_steps(request);               /* inline handlers do not park: reply_park asserts it */
        return send_answer(request);
    }
    request->stage = STAGE_AWAY;
    MHD_suspend_connection(request->connection);
    if (!work_push(request->server->work, request, true)) {
        Err why = { 0 };
        (void)err_set(&why, ERR_UNAVAILABLE, "too many requests are waiting, or the server is stopping; try again");
        (void)refuse(request, &why);
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
    case STAGE_AWAY:
        break;
    }
    return MHD_YES;
}
