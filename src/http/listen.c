/* listen.c - sockets and the acceptor thread. libmicrohttpd gets connections, never a listening socket. */
#include "http/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/unixsock.h"

enum { LISTENERS_MAX = 16, ACCEPT_BURST = 64, PAUSE_MS = 20 };

struct Acceptor {
    UnixListener listeners[LISTENERS_MAX];          /* without a path: TCP */
    size_t count;
    AcceptCalls calls;
    int  stop_fd;
    bool is_running;
    pthread_t thread;
};

Acceptor *acceptor_new(void)
{
    Acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (!acceptor)
        return NULL;
    acceptor->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (acceptor->stop_fd < 0) {
        free(acceptor);
        return NULL;
    }
    return acceptor;
}

static bool listener_add(Acceptor *acceptor, int *fd, Err *err)
{
    int flags = fcntl(*fd, F_GETFL);
    if (acceptor->count == LISTENERS_MAX)
        return err_set(err, ERR_INTERNAL, "more than %d listeners", LISTENERS_MAX);
    if (flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_errno(err, "listening socket");
    acceptor->listeners[acceptor->count++] = (UnixListener){ .fd = *fd };
    *fd = -1;
    return true;
}

static bool address_parse(const char *text, int port, struct sockaddr_storage *out, socklen_t *len)
{
    *out = (struct sockaddr_storage){ 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof *v6;
        return true;
    }
    return false;
}

bool acceptor_listen_tcp(Acceptor *acceptor, const char *address, int port, int *bound_port, Err *err)
{
    struct sockaddr_storage where;
    socklen_t len;
    if (port < 0 || port > 65535 || !address_parse(address, port, &where, &len))
        return err_set(err, ERR_BAD_INPUT, "'%s' port %d is no address to listen on", address, port);
    AUTO(fd_close) int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0)
        return err_errno(err, "cannot listen on %s", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);     /* without it a restart waits for old connections to time out */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);     /* inherited by connections; only slower without */
    if (where.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return err_errno(err, "cannot listen on %s", address);
    if (bind(fd, (struct sockaddr *)&where, len) < 0 || listen(fd, SOMAXCONN) < 0)
        return err_errno(err, "cannot listen on %s port %d", address, port);
    len = sizeof where;
    if (getsockname(fd, (struct sockaddr *)&where, &len) < 0)
        return err_errno(err, "cannot listen on %s", address);
    int bound = ntohs(where.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&where)->sin_port : ((struct sockaddr_in6 *)(void *)&where)->sin6_port);
    if (!listener_add(acceptor, &fd, err))
        return false;
    if (bound_port)
        *bound_port = bound;
    return true;
}

static bool has_ipv6_loopback(void)
{
    struct sockaddr_in6 where = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    AUTO(fd_close) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&where, sizeof where) == 0;
}

/* With port 0 the number that 127.0.0.1 was given may be taken on ::1: then another one is tried. */
bool acceptor_listen_loopback(Acceptor *acceptor, int port, int *bound_port, Err *err)
{
    enum { TRIES = 16 };
    bool has_ipv6 = has_ipv6_loopback();
    for (int i = 1;; i++) {
        int bound;
        if (!acceptor_listen_tcp(acceptor, "127.0.0.1", port, &bound, err))
            return false;
        if (!has_ipv6 || acceptor_listen_tcp(acceptor, "::1", bound, NULL, err)) {
            if (bound_port)
                *bound_port = bound;
            return true;
        }
        close(acceptor->listeners[--acceptor->count].fd);
        if (port != 0 || i == TRIES)
            return false;
    }
}

bool acceptor_listen_unix(Acceptor *acceptor, const char *path, unsigned mode, Err *err)
{
    UnixListener listener;
    if (!unix_listen(path, mode, &listener, err))
        return false;
    int fd = listener.fd;
    if (!listener_add(acceptor, &fd, err)) {
        unix_unlisten(&listener);
        return false;
    }
    acceptor->listeners[acceptor->count - 1] = listener;
    return true;
}

/* False: no descriptors or memory; the rest stays in the listen queue for a while. */
static bool accept_from(const Acceptor *acceptor, int listener)
{
    const AcceptCalls *calls = &acceptor->calls;
    for (int i = 0; i < ACCEPT_BURST && calls->has_room(calls->ctx); i++) {
        struct sockaddr_storage peer = { 0 };
        socklen_t len = sizeof peer;
        int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            calls->take(calls->ctx, fd, (const struct sockaddr *)&peer, len);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return false;
        if (errno == EAGAIN)
            break;
    }
    return true;
}

static void *acceptor_main(void *arg)
{
    Acceptor *acceptor = arg;
    bool was_full = false;
    pthread_setname_np(pthread_self(), "http-accept");
    for (;;) {
        struct pollfd fds[LISTENERS_MAX + 1];
        bool is_full = was_full || !acceptor->calls.has_room(acceptor->calls.ctx);
        fds[0] = (struct pollfd){ .fd = acceptor->stop_fd, .events = POLLIN };
        for (size_t i = 0; i < acceptor->count; i++)
            fds[i + 1] = (struct pollfd){ .fd = is_full ? -1 : acceptor->listeners[i].fd, .events = POLLIN };
        was_full = false;
        if (poll(fds, acceptor->count + 1, is_full ? PAUSE_MS : -1) < 0 && errno != EINTR)
            log_event(LOG_ERROR, "http.accept_failed", log_int("errno", errno));
        if (fds[0].revents)
            return NULL;
        for (size_t i = 0; i < acceptor->count && !is_full; i++)
            if (fds[i + 1].revents && !accept_from(acceptor, acceptor->listeners[i].fd)) {
                log_event(LOG_WARN, "http.no_descriptors", log_int("errno", errno));
                was_full = true;
            }
    }
}

bool acceptor_start(Acceptor *acceptor, AcceptCalls calls, Err *err)
{
    acceptor->calls = calls;
    int code = pthread_create(&acceptor->thread, NULL, acceptor_main, acceptor);
    if (code != 0) {
        errno = code;
        return err_errno(err, "cannot start the acceptor thread");
    }
    acceptor->is_running = true;
    return true;
}

void acceptor_free(Acceptor *acceptor)
{
    if (!acceptor)
        return;
    if (acceptor->is_running) {
        uint64_t one = 1;
        while (write(acceptor->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
        pthread_join(acceptor->thread, NULL);
    }
    for (size_t i = 0; i < acceptor->count; i++)
        unix_unlisten(&acceptor->listeners[i]);
    close(acceptor->stop_fd);
    free(acceptor);
}
