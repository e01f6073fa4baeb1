/* client.c - one libcurl transfer a client, driven through a multi handle, so that another thread can end it at once and that clients
 * which share the handle get on together. */
#include "http/client.h"
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/secret.h"
#include "base/wait.h"

enum { CONNECT_MS = 10 * 1000, CALL_MS = 60 * 1000, REPLY_BYTES = 16 * 1024 * 1024, HEADER_BYTES = 256 * 1024, POLL_MS = 1000 };

/* What a transfer collects. */
typedef struct Incoming { Buf body, headers; CURL *easy; bool (*sink)(void *ctx, Bytes piece); void *sink_ctx; bool refused; } Incoming;

struct HttpClient {
    CURLM *multi;                                   /* borrowed if is_beside */
    CURL  *easy;
    bool is_beside, is_begun, is_done;              /* of the call under way */
    CURLcode result;
    struct curl_slist *headers;
    Incoming incoming;
    Str host;                                       /* for messages; in the memory of url */
    char *url;
    int limit_ms;
    char reason[CURL_ERROR_SIZE];
    char *ca_file, *unix_socket, *user_agent, *proxy;
    int connect_timeout_ms, timeout_ms;
    size_t reply_max_bytes;
    _Atomic bool is_cancelled;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_start(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool copy_text(const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    return !text || *out;
}

bool http_client_new(const HttpClientConfig *config, HttpClient **out, Err *err)
{
    AUTO(http_client_free_auto) HttpClient *client = calloc(1, sizeof *client);
    pthread_once(&curl_once, curl_start);
    if (!client || curl_ready != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "cannot start the HTTP client");
    client->is_beside = config->beside != NULL;
    client->multi = config->beside ? config->beside->multi : curl_multi_init();
    client->easy = curl_easy_init();
    if (!client->multi || !client->easy || !copy_text(config->ca_file, &client->ca_file) || !copy_text(config->unix_socket, &client->unix_socket) ||
        !copy_text(config->user_agent, &client->user_agent) || !copy_text(config->proxy, &client->proxy))
        return err_errno(err, "HTTP client");
    client->connect_timeout_ms = config->connect_timeout_ms > 0 ? config->connect_timeout_ms : CONNECT_MS;
    client->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : CALL_MS;
    client->reply_max_bytes = config->reply_max_bytes > 0 ? config->reply_max_bytes : REPLY_BYTES;
    *out = TAKE(client);
    return true;
}

/* Whatever became of the call, what it held goes. */
static void call_over(HttpClient *client)
{
    if (!client->is_begun)
        return;
    (void)curl_multi_remove_handle(client->multi, client->easy);    /* it was added by http_begin */
    curl_easy_reset(client->easy);                  /* it points to what goes now */
    curl_slist_free_all(TAKE(client->headers));
    if (client->incoming.body.ptr)
        secret_wipe(client->incoming.body.ptr, client->incoming.body.len);      /* tokens and secrets come this way */
    buf_done(&client->incoming.body);
    buf_done(&client->incoming.headers);
    free(TAKE(client->url));
    client->is_begun = client->is_done = false;
}

void http_client_free(HttpClient *client)
{
    if (!client)
        return;
    call_over(client);
    curl_easy_cleanup(client->easy);
    if (!client->is_beside)
        curl_multi_cleanup(client->multi);
    free(client->ca_file);
    free(client->unix_socket);
    free(client->user_agent);
    free(client->proxy);
    free(client);
}

void http_client_cancel(HttpClient *client)
{
    atomic_store(&client->is_cancelled, true);
    (void)curl_multi_wakeup(client->multi);         /* without it the call ends at its next poll, a second later */
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    Incoming *incoming = arg;
    long status = 0;
    if (incoming->sink && curl_easy_getinfo(incoming->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status / 100 == 2) {
        incoming->refused = !incoming->sink(incoming->sink_ctx, (Bytes){ (const uint8_t *)bytes, size * count });
        return incoming->refused ? 0 : size * count;
    }
    buf_put(&incoming->body, bytes, size * count);
    return incoming->body.failed ? 0 : size * count;
}

/* A status line begins a new answer: "100 Continue" and the like are forgotten. */
static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
    Incoming *incoming = arg;
    Str line = { bytes, size * count };
    if (str_starts(line, STR("HTTP/")))
        buf_reset(&incoming->headers);
    else if (str_trim(line).len > 0)
        buf_put_str(&incoming->headers, line);
    return incoming->headers.failed ? 0 : line.len;
}

static bool header_add(struct curl_slist **list, Str name, Str value, Err *err)
{
    if (memchr(value.ptr ? value.ptr : "", '\n', value.len) || memchr(value.ptr ? value.ptr : "", '\r', value.len) ||
        memchr(value.ptr ? value.ptr : "", '\0', value.len))
        return err_set(err, ERR_BAD_INPUT, "the header " STR_FMT " holds a line break or a NUL", STR_ARG(name));
    AUTO(buf_done) Buf line = { 0 };
    buf_init(&line, HEADER_BYTES);
    buf_printf(&line, value.len > 0 ? STR_FMT ": " : STR_FMT ";", STR_ARG(name));     /* libcurl's way to send an empty header */
    buf_put_str(&line, value);
    struct curl_slist *longer = line.failed ? NULL : curl_slist_append(*list, line.ptr);
    if (!longer)
        return err_set(err, ERR_TOO_LARGE, "the header " STR_FMT " is too long", STR_ARG(name));
    *list = longer;
    return true;
}

static bool headers_add(const HttpCall *call, struct curl_slist **list, Err *err)
{
    bool has_type = false;
    for (size_t i = 0; i < call->header_count; i++) {
        Str name = str_from(call->headers[i].name);
        has_type = has_type || str_eq_nocase(name, STR("Content-Type"));
        if (!header_add(list, name, call->headers[i].value, err))
            return false;
    }
    /* libcurl would call any body a form. */
    struct curl_slist *longer = call->body.ptr && !has_type ? curl_slist_append(*list, "Content-Type:") : *list;
    if (call->body.ptr && !has_type && !longer)
        return err_set(err, ERR_INTERNAL, "no memory for headers");
    *list = longer;
    return true;
}

static void set_up(HttpClient *client, const HttpCall *call)
{
    CURL *easy = client->easy;
    Incoming *incoming = &client->incoming;
    curl_easy_reset(easy);                          /* keeps connections, sessions and DNS */
    curl_easy_setopt(easy, CURLOPT_URL, client->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, client);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);        /* ".." in a name is the server's to refuse, not to be folded into another path */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    long limit_ms = client->limit_ms;
    if (call->sink) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (limit_ms + 999) / 1000);
    } else {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limit_ms);
    }
    curl_easy_setopt(easy, CURLOPT_PROXY, client->proxy ? client->proxy : "");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->reason);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, incoming);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, incoming);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
    if (client->user_agent)
        curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    if (client->unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
    if (client->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (call->body.ptr) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.len > 0 ? call->body.ptr : "");
    }
    if (strcmp(call->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

/* Moves all transfers of the handle on and notes which are done. *any: some are. */
static bool move_on(CURLM *multi, bool *any)
{
    int running, left;
    if (curl_multi_perform(multi, &running) != CURLM_OK)
        return false;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));) {
        HttpClient *owner = NULL;
        if (message->msg != CURLMSG_DONE || curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&owner) != CURLE_OK || !owner)
            continue;
        owner->result = message->data.result;
        owner->is_done = true;
        *any = true;
    }
    return true;
}

/* Until this client's transfer is done; result CURLE_ABORTED_BY_CALLBACK when it was cancelled. */
static void run(HttpClient *client)
{
    bool any;
    client->result = CURLE_FAILED_INIT;
    while (!client->is_done) {
        if (atomic_exchange(&client->is_cancelled, false)) {
            client->result = CURLE_ABORTED_BY_CALLBACK;
            return;
        }
        if (!move_on(client->multi, &any))
            return;
        if (client->is_done)
            return;
        wait_begins();
        CURLMcode waited = curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
        wait_ends();
        if (waited != CURLM_OK)
            return;
    }
}

static Str host_of(Str url)
{
    size_t at;
    if (str_find(url, STR("://"), &at))
        url = str_slice(url, at + 3, url.len);
    for (size_t i = 0; i < url.len; i++)
        if (strchr("/?#", url.ptr[i]))
            return str_slice(url, 0, i);
    return url;
}

static bool refused_name(const char *reason)
{
    return strstr(reason, "unrecognized name") != NULL;
}

static bool explain_proxy(HttpClient *client, Err *err)
{
    long error = CURLPX_OK;
    curl_easy_getinfo(client->easy, CURLINFO_PROXY_ERROR, &error);
    if (error == CURLPX_REPLY_NOT_ALLOWED)
        return err_named(err, ERR_UNAVAILABLE, HTTP_PROXY_REFUSED, NULL, "the proxy does not let this machine reach '" STR_FMT "'", STR_ARG(client->host));
    return err_set(err, ERR_UNAVAILABLE, "'" STR_FMT "' cannot be reached through the proxy (%s)", STR_ARG(client->host), client->reason);
}

static bool explain(HttpClient *client, Err *err)
{
    Str host = client->host;
    CURLcode code = client->result;
    const char *reason = client->reason;
    double connected_s = 0;
    long os_errno = 0;
    curl_easy_getinfo(client->easy, CURLINFO_CONNECT_TIME, &connected_s);
    curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &os_errno);
    char why_not[128] = "no answer";
    const char *os_reason = os_errno ? strerror_r((int)os_errno, why_not, sizeof why_not) : why_not;

    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_set(err, ERR_UNAVAILABLE, "the name '" STR_FMT "' was not found", STR_ARG(host));
    case CURLE_COULDNT_RESOLVE_PROXY:
        return err_set(err, ERR_UNAVAILABLE, "the proxy '%s' was not found", client->proxy ? client->proxy : "");
    case CURLE_PROXY:
        return explain_proxy(client, err);
    case CURLE_COULDNT_CONNECT:
        if (client->unix_socket)
            return err_set(err, ERR_UNAVAILABLE, "nobody answers at the socket %s (%s)", client->unix_socket, os_reason);
        return err_set(err, ERR_UNAVAILABLE, "cannot connect to '" STR_FMT "' (%s)", STR_ARG(host), os_reason);
    case CURLE_OPERATION_TIMEDOUT:
        if (connected_s <= 0)
            return err_set(err, ERR_UNAVAILABLE, "'" STR_FMT "' could not be reached in time", STR_ARG(host));
        return err_set(err, ERR_UNAVAILABLE, "'" STR_FMT "' did not answer within %d ms", STR_ARG(host), client->limit_ms);
    case CURLE_PEER_FAILED_VERIFICATION:
        return err_set(err, ERR_UNAVAILABLE, "the certificate of '" STR_FMT "' is not trusted (%s); the CA certificates used are %s", STR_ARG(host), reason,
                       client->ca_file ? client->ca_file : "the system's");
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(err, ERR_UNAVAILABLE, "the CA certificates in %s cannot be read", client->ca_file ? client->ca_file : "the system's store");
    case CURLE_SSL_CONNECT_ERROR:
        if (refused_name(reason))
            return err_named(err, ERR_UNAVAILABLE, HTTP_HOST_UNKNOWN, NULL, "the server has no host called '" STR_FMT "'", STR_ARG(host));
        return err_set(err, ERR_UNAVAILABLE, "TLS with '" STR_FMT "' failed (%s)", STR_ARG(host), reason);
    case CURLE_ABORTED_BY_CALLBACK:
        return err_set(err, ERR_UNAVAILABLE, "the call to '" STR_FMT "' was cancelled", STR_ARG(host));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is no https URL", STR_ARG(str_slice(str_from(client->url), 0, 200)));
    default:
        return err_set(err, ERR_UNAVAILABLE, "the call to '" STR_FMT "' failed (%s)", STR_ARG(host), reason[0] ? reason : curl_easy_strerror(code));
    }
}

static bool take_answer(CURL *easy, Arena *arena, const Incoming *incoming, HttpAnswer *out, Err *err)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    HttpAnswer answer = { .status = (int)status, .raw_headers = str_dup(arena, buf_str(&incoming->headers)) };
    char *body = arena_alloc(arena, incoming->body.len + 1);
    if (!body || !answer.raw_headers.ptr)
        return err_too_big(err);
    if (incoming->body.len > 0)
        memcpy(body, incoming->body.ptr, incoming->body.len);
    answer.body = (Str){ body, incoming->body.len };
    answer.content_type = http_answer_header(&answer, "Content-Type");
    *out = answer;
    return true;
}

bool http_begin(HttpClient *client, Arena *arena, const HttpCall *call, Err *err)
{
    const char *url = str_to_cstr(arena, call->url, err);
    if (!url)
        return err->code == ERR_BAD_INPUT ? false : err_too_big(err);
    call_over(client);                              /* a call that nobody ended is given up */
    if (!headers_add(call, &client->headers, err)) {
        curl_slist_free_all(TAKE(client->headers));
        return false;
    }
    client->url = strdup(url);
    if (!client->url) {
        curl_slist_free_all(TAKE(client->headers));
        return err_errno(err, "HTTP client");
    }
    client->host = host_of(str_from(client->url));
    client->limit_ms = call->timeout_ms > 0 ? call->timeout_ms : client->timeout_ms;
    client->reason[0] = '\0';
    client->incoming = (Incoming){ .easy = client->easy, .sink = call->sink, .sink_ctx = call->sink_ctx };
    buf_init(&client->incoming.body, client->reply_max_bytes);
    buf_init(&client->incoming.headers, HEADER_BYTES);
    set_up(client, call);
    client->is_begun = true;
    client->is_done = curl_multi_add_handle(client->multi, client->easy) != CURLM_OK;
    client->result = CURLE_FAILED_INIT;
    return true;
}

bool http_is_begun(const HttpClient *client) { return client->is_begun; }
bool http_is_done(const HttpClient *client) { return client->is_done; }

bool http_end(HttpClient *client, Arena *arena, HttpAnswer *out, Err *err)
{
    bool is_good = false;
    if (!client->is_begun)
        return err_set(err, ERR_INTERNAL, "no call was begun");
    if (!client->is_done && client->result == CURLE_FAILED_INIT)
        client->result = CURLE_ABORTED_BY_CALLBACK;
    if (client->incoming.refused)
        (void)err_set(err, ERR_INTERNAL, "the answer of '" STR_FMT "' was not taken to its end", STR_ARG(client->host));
    else if (client->incoming.body.failed || client->incoming.headers.failed)
        (void)err_set(err, ERR_TOO_LARGE, "the answer of '" STR_FMT "' is over %zu bytes", STR_ARG(client->host), client->reply_max_bytes);
    else if (client->result != CURLE_OK)
        (void)explain(client, err);
    else
        is_good = take_answer(client->easy, arena, &client->incoming, out, err);
    call_over(client);
    return is_good;
}

bool http_wait(HttpClient *client, struct pollfd *fds, size_t count, int timeout_ms, Err *err)
{
    enum { FDS_MAX = 8 };
    struct curl_waitfd waits[FDS_MAX];
    bool any = false;
    if (count > FDS_MAX)
        return err_set(err, ERR_INTERNAL, "http_wait takes at most %d descriptors", FDS_MAX);
    if (!move_on(client->multi, &any))
        return err_set(err, ERR_INTERNAL, "the HTTP client cannot go on");
    for (size_t i = 0; i < count; i++) {
        waits[i] = (struct curl_waitfd){ .fd = fds[i].fd, .events = CURL_WAIT_POLLIN };
        fds[i].revents = 0;
    }
    /* curl_multi_poll wakes for timers of its own as well; the caller sees a return without event, which is allowed. -1 is not known to it. */
    if (!any && curl_multi_poll(client->multi, waits, (unsigned)count, timeout_ms < 0 ? INT32_MAX : timeout_ms, NULL) != CURLM_OK && errno != EINTR)
        return err_set(err, ERR_INTERNAL, "the HTTP client cannot wait");
    for (size_t i = 0; i < count && !any; i++)
        fds[i].revents = waits[i].revents ? POLLIN : 0;
    return move_on(client->multi, &any) || err_set(err, ERR_INTERNAL, "the HTTP client cannot go on");
}

bool http_call(HttpClient *client, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err)
{
    if (!http_begin(client, arena, call, err))
        return false;
    run(client);
    return http_end(client, arena, out, err);
}

Str http_answer_header(const HttpAnswer *answer, const char *name)
{
    for (Str rest = answer->raw_headers; rest.ptr;) {
        Str value = str_cut(&rest, '\n');
        Str key = str_cut(&value, ':');
        if (value.ptr && str_eq_nocase(str_trim(key), str_from(name)))
            return str_trim(value);
    }
    return STR_NONE;
}
