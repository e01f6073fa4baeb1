/* head.c - the named steps from a request's head to the decision that its body may be read. */
#include "http/head.h"
#include "http/form.h"

typedef bool Step(Request *request);

bool request_fail(Request *request, const Err *why)
{
    request->err = *why;
    request->is_failed = true;
    return false;
}

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

/* Before version 1.0 libmicrohttpd takes heads that are laid out strangely; from then on MHD_OPTION_CLIENT_DISCIPLINE_LVL has it refuse them. */
static bool is_laid_out_well(struct MHD_Connection *connection, const Head *head, const char *url)
{
#if MHD_VERSION < 0x00097701
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    HeadPlace place = { head->method.ptr, url, head->version.ptr, info ? info->header_size : 0 };
    return head_is_contiguous(head, &place);
#else
    (void)connection, (void)head, (void)url;
    return true;
#endif
}

static bool step_hygiene(Request *request, const char *url, const char *method, const char *version)
{
    Err why = { 0 };
    Head head = { .method = str_from(method), .target = request->target, .version = str_from(version) };
    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, collect_field, &head);     /* the count; the head has its own */
    request->must_close = true;                 /* where the next request begins is known only after this step */
    if (!head.target.ptr) {
        (void)err_too_big(&why);
        return request_fail(request, &why);
    }
    if (!is_laid_out_well(request->connection, &head, url)) {
        (void)err_set(&why, ERR_BAD_INPUT, "the request holds a folded line, a NUL, or a line that does not end in CR LF");
        return request_fail(request, &why);
    }
    if (!head_check(&head, &request->facts, &why))
        return request_fail(request, &why);
    request->must_close = false;

    ReqField *fields = ARENA_ARRAY(request->req.arena, ReqField, head.field_count);
    for (size_t i = 0; fields && i < head.field_count; i++)
        fields[i] = head.fields[i];
    request->req.fields = fields;
    request->req.field_count = fields ? head.field_count : 0;
    request->req.path = request->facts.path;
    request->req.query = request->facts.query;
    request->req.method = http_method_from(head.method);
    if (fields)
        return true;
    (void)err_too_big(&why);
    return request_fail(request, &why);
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
        return request_fail(request, &why);
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
        return request_fail(request, &why);
    req->host = host.authority;
    Str base = server->config.base_domain;
    const Plane *plane = route_table_plane(server->table, host.name, req->host_labels);
    if (plane && plane_has_host(plane, req->host_labels)) {
        req->plane = plane;
        return true;
    }
    request->bare_status = 421;
    if (route_table_is_ours(server->table, host.name)) {
        request->bare_status = 404;
        (void)err_set(&why, ERR_NOT_FOUND, "nothing on this server is called '" STR_FMT "'", STR_ARG(host.name));
    } else if (host.kind == HOST_NAME) {
        (void)err_set(&why, ERR_NOT_FOUND, "this server answers for names below '" STR_FMT "', not for '" STR_FMT "'", STR_ARG(base), STR_ARG(host.name));
    } else {
        (void)err_set(&why, ERR_NOT_FOUND, "this server is asked by name, not by '" STR_FMT "': use a name below '" STR_FMT "', such as management." STR_FMT,
                      STR_ARG(host.name), STR_ARG(base), STR_ARG(base));
    }
    return request_fail(request, &why);
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
        return request_fail(request, &why);
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
        return request_fail(request, &why);
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
    if (!plane->needs_api_version || route_is_unversioned(req->route) || request->outcome == MATCH_NO_PATH || request->outcome == MATCH_WRONG_METHOD)
        return true;
    const char *invalid = plane->invalid_api_version ? plane->invalid_api_version : plane->missing_api_version;
    if (req->api_version.len == 0)
        (void)err_named(&why, ERR_BAD_INPUT, plane->missing_api_version, NULL, "the query parameter api-version is missing");
    else if (!api_version_is_well_formed(req->api_version))
        (void)err_named(&why, ERR_BAD_INPUT, invalid, NULL, "the api-version '" STR_FMT "' is not of the form YYYY-MM-DD", STR_ARG(str_slice(req->api_version, 0, 60)));
    else
        return true;
    return request_fail(request, &why);
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
    return request_fail(request, &why);
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
    return request_fail(request, &why);
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
    return request_fail(request, &why);
}

static uint64_t body_limit(const Route *route)
{
    return route->body == BODY_NONE ? DROP_MAX_BYTES : route->body_max;
}

bool head_too_long(Request *request)
{
    Err why = { 0 };
    (void)err_set(&why, ERR_TOO_LARGE, "the request body is larger than %llu bytes", (unsigned long long)body_limit(request->req.route));
    return request_fail(request, &why);
}

static bool step_length(Request *request)
{
    const Req *req = &request->req;
    const HeadFacts *facts = &request->facts;
    bool sends_body = req->method == METHOD_POST || req->method == METHOD_PUT || req->method == METHOD_PATCH;
    if (sends_body && !facts->has_length && !facts->is_chunked) {
        Err why = { 0 };
        (void)err_set(&why, ERR_LENGTH_REQUIRED, "a %s needs a Content-Length header, 0 when there is no body", http_method_name(req->method));
        return request_fail(request, &why);
    }
    if ((uint64_t)facts->length_bytes > body_limit(req->route))
        return head_too_long(request);
    buf_init(&request->body, req->route->body == BODY_NONE ? 0 : req->route->body_max);
    return true;
}

static Step *const head_steps[] = {
    step_host, step_read_head, step_method, step_match, step_api_version, step_authenticate, step_found, step_authorize, step_length,
};

bool head_take(Request *request, const char *url, const char *method, const char *version)
{
    bool is_good = step_hygiene(request, url, method, version);
    for (size_t i = 0; is_good && i < COUNT_OF(head_steps); i++)
        is_good = head_steps[i](request);
    return is_good;
}

bool head_ask_again(Request *request)
{
    return step_authenticate(request) && step_authorize(request);
}
