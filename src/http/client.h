/* client.h - HTTPS requests (libcurl): vy, the agents, and the server's own calls to a vault.
 *
 * One HttpClient keeps its connections and is used by one thread at a time. Names below "localhost" always go to loopback (::1 and
 * 127.0.0.1, whichever answers). TLS 1.2 or newer, HTTP/1.1; redirects are answers like any other. */
#pragma once
#include "base/buf.h"
#include "base/arena.h"

typedef struct HttpClient HttpClient;

typedef struct HttpClientConfig {
    const char *ca_file;                /* NULL: the system's */
    const char *unix_socket;            /* NULL: TCP; else every connection goes there, TLS and names unchanged */
    const char *user_agent;
    int connect_timeout_ms, timeout_ms; /* 0: 10 s and 60 s */
    size_t reply_max_bytes;             /* 0: 16 MiB */
    const char *proxy;                  /* NULL: none, whatever the environment says */
    HttpClient *beside;                 /* NULL, or a client that outlives this one: calls of both go on while either waits, on one thread */
} HttpClientConfig;

bool http_client_new(const HttpClientConfig *config, HttpClient **out, Err *err) MUST_CHECK;
void http_client_free(HttpClient *client);
DEFINE_AUTO_FREE(HttpClient, http_client_free)

typedef struct HttpHeader { const char *name; Str value; } HttpHeader;
typedef struct HttpCall {
    const char *method;                 /* "GET" */
    Str url;
    const HttpHeader *headers; size_t header_count;
    Str body;                           /* absent: none; empty: Content-Length 0 */
    int timeout_ms;                     /* 0: the client's */
    /* Not NULL: the body of a 2xx answer goes there piece by piece, however long it is, and the answer's body is empty. timeout_ms is then how
     * long nothing may come, and not for the whole call. Answering false ends the call (ERR_INTERNAL). */
    bool (*sink)(void *ctx, Bytes piece);
    void *sink_ctx;
} HttpCall;
typedef struct HttpAnswer {
    int status;
    Str body;                           /* in the arena, NUL-terminated beyond len */
    Str content_type;
    Str raw_headers;                    /* "Name: value\r\n" lines of the last answer */
} HttpAnswer;

#define HTTP_HOST_UNKNOWN  "HostUnknown"  /* err->name: the TLS alert unrecognized_name */
#define HTTP_PROXY_REFUSED "ProxyRefused" /* err->name: the proxy does not lead there, and will not */

/* true: an HTTP answer came, whatever its status. false: ERR_UNAVAILABLE with the reason in one sentence (name, connect, TLS, timeout,
 * cancelled; named HTTP_HOST_UNKNOWN when the server has no such host, HTTP_PROXY_REFUSED); ERR_BAD_INPUT if URL or a header cannot be sent; ERR_TOO_LARGE if the answer is over the limits of client or arena. */
bool http_call(HttpClient *client, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err) MUST_CHECK;
Str  http_answer_header(const HttpAnswer *answer, const char *name);          /* absent if not there */
void http_client_cancel(HttpClient *client);      /* from another thread: ends the call under way at once, or the next one when there is none */

/* Calls that wait for long, several beside each other on one thread: each on a client of its own, all `beside` the same one.
 * http_begin sends the call on its way (false: as http_call, nothing was begun); call->url, headers and body are read by http_begin alone
 * except for a body, which must live until http_end. http_wait moves all of them on and returns when one is done, a descriptor of fds is
 * ready (at most 8, as poll(2)), or the time is up (-1: none). http_end takes the result; a call that is not done is given up. */
bool http_begin(HttpClient *client, Arena *arena, const HttpCall *call, Err *err) MUST_CHECK;
bool http_is_begun(const HttpClient *client);
bool http_is_done(const HttpClient *client);                                  /* begun, and the result is there */
bool http_end(HttpClient *client, Arena *arena, HttpAnswer *out, Err *err) MUST_CHECK;
struct pollfd;
bool http_wait(HttpClient *client, struct pollfd *fds, size_t count, int timeout_ms, Err *err) MUST_CHECK;
