/* server.c - the parts of a server, started and stopped in order. */
#include "http/server.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "http/handshake.h"
#include "http/listen.h"
#include "http/park.h"
#include "http/request.h"
#include "http/work.h"

enum {
    WORKERS = 4, ARENA_BYTES = 8 * 1024 * 1024, HEAD_BYTES = 24 * 1024, IDLE_S = 75, HANDSHAKE_MS = 10 * 1000, CONNECTIONS_MOST = 20000,
    OWN_DESCRIPTORS = 128,                      /* for the store, logs and our own calls */
    ARRIVING_MS = 250, ANSWERING_MS = 250,
    REPLY_HEAD_BYTES = 8 * 1024                /* libmicrohttpd keeps request head and reply head of a connection in one pool */
};

/* What a connection has while it lives, beside the requests on it. */
typedef struct Link { TlsGrip *grip; Handshake *handshake; } Link;

static int connections_default(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > CONNECTIONS_MOST + OWN_DESCRIPTORS)
        return CONNECTIONS_MOST;
    return limit.rlim_cur > 2 * OWN_DESCRIPTORS ? (int)limit.rlim_cur - OWN_DESCRIPTORS : OWN_DESCRIPTORS;
}

static int cores(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

static void set_defaults(HttpConfig *config)
{
    if (config->io_threads <= 0)
        config->io_threads = cores();
    if (config->worker_threads <= 0)
        config->worker_threads = WORKERS;
    if (config->arena_limit_bytes == 0)
        config->arena_limit_bytes = ARENA_BYTES;
    if (config->header_limit_bytes == 0)
        config->header_limit_bytes = HEAD_BYTES;
    if (config->idle_timeout_s <= 0)
        config->idle_timeout_s = IDLE_S;
    if (config->handshake_timeout_ms <= 0)
        config->handshake_timeout_ms = HANDSHAKE_MS;
    if (config->connections_max <= 0)
        config->connections_max = connections_default();
}

void http_use_clock(HttpServer *server, const Clock *clock) { server->config.clock = clock; }

bool http_new(const HttpConfig *config, HttpServer **out, Err *err)
{
    HttpServer *server = calloc(1, sizeof *server);
    if (!server)
        return err_errno(err, "HTTP server");
    server->config = *config;
    set_defaults(&server->config);
    pthread_mutex_init(&server->active_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&server->active_changed, &attr);
    pthread_condattr_destroy(&attr);

    server->table = route_table_new(config->base_domain, config->aliases, config->alias_count);
    server->acceptor = acceptor_new();
    if (!server->table || !server->acceptor) {
        (void)err_errno(err, "HTTP server");
        http_stop(server, 0);
        return false;
    }
    server->config.base_domain = route_table_base(server->table);
    if ((!config->plain && !config->tls_leaf && !err_set(err, ERR_INTERNAL, "a TLS server needs tls_leaf")) ||
        (!config->plain && !tls_names_new(&server->config, server->table, &server->tls, err)) ||
        (!config->plain && !handshakes_new(server->config.handshake_timeout_ms, &server->handshakes, err)) ||
        !park_table_new(request_resume, &server->parks, err)) {
        http_stop(server, 0);
        return false;
    }
    *out = server;
    return true;
}

bool http_mount(HttpServer *server, const Plane *plane, const Route *routes, size_t count, void *ctx, Err *err)
{
    return route_table_mount(server->table, plane, routes, count, ctx, err);
}

void http_each_route(const HttpServer *server, RouteVisit *visit, void *ctx)
{
    route_table_each(server->table, visit, ctx);
}

bool http_listen_tcp(HttpServer *server, const char *address, int port, int *bound_port, Err *err)
{
    return acceptor_listen_tcp(server->acceptor, address, port, bound_port, err);
}

bool http_listen_unix(HttpServer *server, const char *path, unsigned mode, Err *err)
{
    return acceptor_listen_unix(server->acceptor, path, mode, err);
}

bool http_listen_loopback(HttpServer *server, int port, int *bound_port, Err *err)
{
    return acceptor_listen_loopback(server->acceptor, port, bound_port, err);
}

static void library_log(void *cls, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void library_log(void *cls, const char *fmt, va_list args)
{
    (void)cls;
    char text[512];
    (void)vsnprintf(text, sizeof text, fmt, args);          /* a cut line is good enough for debugging */
    text[strcspn(text, "\n")] = '\0';
    log_event(LOG_DEBUG, "http.library", log_cstr("text", text));
}

/* The target is kept as sent; match.c and query.c decode. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

static void link_changed(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
    IoLoop *loop = cls;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        Link *link = *context;
        if (link) {
            tls_grip_free(link->grip);
            handshake_free(link->handshake);
        }
        free(link);
        *context = NULL;
        atomic_fetch_sub(&loop->connections, 1);
        return;
    }
    Link *link = calloc(1, sizeof *link);
    *context = link;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (!link || !info || !loop->server->tls)
        return;                                 /* short of memory the TLS handshake fails: tls_choose_leaf finds no grip */
    gnutls_session_t session = info->tls_session;       /* from version 1.0 on what info shows changes with the next question */
    link->handshake = handshake_new(loop->server->handshakes, connection, session);
    if (link->handshake)
        link->grip = tls_grip_new(loop->server->tls, session);
}

/* The epoll_wait of libmicrohttpd's loops: a program's own functions go before those of the C library, also for the libraries that it uses.
 *
 * A loop takes 128 events at a time and, when it got as many, asks for more before it handles any (MHD_epoll, in all releases until today), with the timeout that is
 * meant for when there are none. If no other was ready it would sleep over them until something else happens. So after a full batch nobody waits. */
__attribute__((used, visibility("default"))) int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
    static _Thread_local bool was_full;
    int count = epoll_pwait(fd, events, most, was_full ? 0 : timeout_ms, NULL);
    was_full = count == most;
    return count;
}

static bool loop_start(IoLoop *loop, Err *err)
{
    const HttpConfig *config = &loop->server->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)tls_choose_leaf },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities },
        { MHD_OPTION_END, 0, NULL },
    };
    if (!config->plain)
        flags |= MHD_USE_TLS;
    loop->daemon = MHD_start_daemon(flags, 0, NULL, NULL, request_advance, loop,
        MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, loop,
        MHD_OPTION_NOTIFY_COMPLETED, request_end, loop,
        MHD_OPTION_NOTIFY_CONNECTION, link_changed, loop,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, config->header_limit_bytes + REPLY_HEAD_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)config->idle_timeout_s,
#if MHD_VERSION >= 0x00097701
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,    /* before, head_is_contiguous does that */
#endif
        MHD_OPTION_ARRAY, config->plain ? &tls[COUNT_OF(tls) - 1] : tls,
        MHD_OPTION_END);
    return loop->daemon || err_errno(err, "cannot start an HTTP event loop");
}

static int connection_count(const HttpServer *server)
{
    int sum = 0;
    for (int i = 0; i < server->loop_count; i++)
        sum += atomic_load(&server->loops[i].connections);
    return sum;
}

static bool has_room(void *ctx)
{
    const HttpServer *server = ctx;
    return connection_count(server) < server->config.connections_max;
}

/* The loop with the fewest connections takes it. Counted here, since the loop itself learns of it later. */
static void take_connection(void *ctx, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    HttpServer *server = ctx;
    IoLoop *loop = &server->loops[0];
    for (int i = 1; i < server->loop_count; i++)
        if (atomic_load(&server->loops[i].connections) < atomic_load(&loop->connections))
            loop = &server->loops[i];
    atomic_fetch_add(&loop->connections, 1);
    if (MHD_add_connection(loop->daemon, fd, peer, peer_len) == MHD_NO) {      /* closed by libmicrohttpd */
        atomic_fetch_sub(&loop->connections, 1);
        log_event(LOG_WARN, "http.connection_refused", log_int("errno", errno));
    }
}

bool http_start(HttpServer *server, Err *err)
{
    const WorkCalls work = { request_run, request_refuse_stopping };
    const AcceptCalls accept = { has_room, take_connection, server };
    if (!work_pool_new(server->config.worker_threads, work, &server->work, err))
        return false;
    server->loops = calloc((size_t)server->config.io_threads, sizeof *server->loops);
    if (!server->loops)
        return err_errno(err, "event loops");
    for (; server->loop_count < server->config.io_threads; server->loop_count++) {
        IoLoop *loop = &server->loops[server->loop_count];
        loop->server = server;
        STAILQ_INIT(&loop->turns.waiting);
        if (!loop_start(loop, err))
            return false;
    }
    return acceptor_start(server->acceptor, accept, err);
}

/* Requests under way are waited for. One still arriving gets a moment: nothing was done for it yet, and its client may be gone,
 * which libmicrohttpd does not always notice (a FIN that comes together with data is seen only at the idle timeout). */
static void wait_for_requests(HttpServer *server, int drain_ms, int arriving_ms)
{
    int64_t now = mono_now_ms(), last = now + drain_ms, moment = now + (drain_ms < arriving_ms ? drain_ms : arriving_ms);
    pthread_mutex_lock(&server->active_lock);
    for (;;) {
        int64_t until = server->handled > 0 ? last : server->arriving > 0 ? moment : 0;
        if (until <= mono_now_ms())
            break;
        struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
        pthread_cond_timedwait(&server->active_changed, &server->active_lock, &at);
    }
    if (server->handled > 0)
        log_event(LOG_WARN, "http.drain_cut_short", log_int("requests", server->handled));
    pthread_mutex_unlock(&server->active_lock);
}

/* What was begun ends: a write is durable or refused. */
static void wait_for_later(HttpServer *server)
{
    pthread_mutex_lock(&server->active_lock);
    while (server->later > 0)
        pthread_cond_wait(&server->active_changed, &server->active_lock);
    pthread_mutex_unlock(&server->active_lock);
}

void http_stop(HttpServer *server, int drain_ms)
{
    if (!server)
        return;
    acceptor_free(server->acceptor);
    atomic_store(&server->is_stopping, true);
    handshakes_end(server->handshakes);
    if (server->parks)
        park_end_all(server->parks);
    wait_for_requests(server, drain_ms, ARRIVING_MS);
    request_refuse_all(server);
    work_pool_stop(server->work);
    wait_for_later(server);                     /* from here no connection is suspended, as MHD_stop_daemon demands */
    wait_for_requests(server, ANSWERING_MS, 0); /* the last answers are on their way */
    for (int i = 0; i < server->loop_count; i++)
        MHD_stop_daemon(server->loops[i].daemon);
    work_pool_free(server->work);
    park_table_free(server->parks);
    handshakes_free(server->handshakes);
    tls_names_free(server->tls);
    route_table_free(server->table);
    free(server->loops);
    pthread_cond_destroy(&server->active_changed);
    pthread_mutex_destroy(&server->active_lock);
    free(server);
}

void http_wake(HttpServer *server, Str key)
{
    park_wake(server->parks, key);
}

void http_drop_leaf(HttpServer *server, Str name)
{
    tls_names_drop(server->tls, name);
}

HttpStats http_stats(const HttpServer *server)
{
    return (HttpStats){
        .requests = atomic_load(&server->requests),
        .refused_401 = atomic_load(&server->refused_401),
        .refused_403 = atomic_load(&server->refused_403),
        .failed_5xx = atomic_load(&server->failed_5xx),
        .parked = park_count(server->parks),
        .connections = connection_count(server),
    };
}
