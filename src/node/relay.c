/* relay.c - one thread, one epoll set: listeners and pairs of connections with a bounded buffer each way. */
#include "node/relay.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/file.h"

enum { PIPE_BYTES = 16 * 1024, LISTENERS_MAX = 32, EVENTS = 64, PAIRS_MAX = 4096 };

typedef struct Pair Pair;
/* One end of a pair, or a listener, or the stop event (pair == NULL, told apart by fd). */
typedef struct End {
    Pair *pair;
    int fd;
    bool is_watched;                /* in the epoll set */
    bool read_closed, shut;         /* nothing more comes from it; nothing more goes to it */
    size_t from, to;                /* bytes read from this end and not yet written to the other: buf[from..to) */
    char buf[PIPE_BYTES];
} End;
struct Pair { End client, server; Pair *next_dead; bool dead; };

struct Relay {
    const char *socket_path;
    pthread_t thread;
    int epoll, stop;
    size_t pairs;
    pthread_mutex_t lock;           /* the listeners: ports are added from another thread */
    struct { int port; End ends[2]; } listeners[LISTENERS_MAX];
    size_t listener_count;
    End stop_end;
};

static End *other(End *end) { return end == &end->pair->client ? &end->pair->server : &end->pair->client; }

static bool watch(Relay *relay, End *end, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = end };
    int how = end->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    end->is_watched = true;
    return epoll_ctl(relay->epoll, how, end->fd, &event) == 0;
}

/* What each end waits for follows from what its buffers hold; armed anew each time, since events are edges. */
static bool rewatch(Relay *relay, Pair *pair)
{
    End *ends[2] = { &pair->client, &pair->server };
    for (int i = 0; i < 2; i++) {
        End *end = ends[i], *peer = ends[1 - i];
        uint32_t events = EPOLLRDHUP | EPOLLET;
        events |= !end->read_closed && end->from == end->to ? (uint32_t)EPOLLIN : 0;
        events |= peer->from < peer->to ? (uint32_t)EPOLLOUT : 0;
        if (!watch(relay, end, events))
            return false;
    }
    return true;
}

static bool fill(End *end)
{
    ssize_t got = recv(end->fd, end->buf, sizeof end->buf, MSG_DONTWAIT);
    if (got > 0) {
        end->from = 0;
        end->to = (size_t)got;
        return true;
    }
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    end->read_closed = true;
    return true;
}

/* Writes what `end` has read to its peer. */
static bool drain(End *end)
{
    End *peer = other(end);
    while (end->from < end->to) {
        ssize_t done = send(peer->fd, end->buf + end->from, end->to - end->from, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done < 0)
            return errno == EAGAIN || errno == EINTR;
        end->from += (size_t)done;
    }
    if (end->read_closed && !peer->shut) {
        peer->shut = true;
        (void)shutdown(peer->fd, SHUT_WR);
    }
    return true;
}

/* Moves bytes both ways until nothing moves; false: the pair is finished or broken. */
static bool pump(Relay *relay, Pair *pair)
{
    End *ends[2] = { &pair->client, &pair->server };
    for (int i = 0; i < 2; i++) {
        End *end = ends[i];
        for (int rounds = 0; rounds < 8; rounds++) {
            bool was_empty = end->from == end->to;
            if (was_empty && !end->read_closed && !fill(end))
                return false;
            bool moved = was_empty && end->from < end->to;
            if (!drain(end))
                return false;
            if (!moved || end->from < end->to)
                break;
        }
    }
    bool finished = pair->client.read_closed && pair->server.read_closed && pair->client.from == pair->client.to && pair->server.from == pair->server.to;
    return !finished && rewatch(relay, pair);
}

static int connect_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= sizeof address.sun_path)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fd_close(&fd);
    return fd;
}

static void accept_one(Relay *relay, const End *listener)
{
    AUTO(fd_close) int client = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0 || relay->pairs >= PAIRS_MAX)
        return;
    /* Refused at once when the server is not there: the client sees its connection closed and tries again. */
    AUTO(fd_close) int server = connect_socket(relay->socket_path);
    Pair *pair = server < 0 ? NULL : calloc(1, sizeof *pair);
    if (!pair)
        return;
    int on = 1;
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pair->client.pair = pair->server.pair = pair;
    pair->client.fd = client;
    pair->server.fd = server;
    if (!rewatch(relay, pair)) {
        free(pair);
        return;
    }
    client = server = -1;
    relay->pairs++;
}

static void *run(void *arg)
{
    Relay *relay = arg;
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(relay->epoll, events, EVENTS, -1);
        Pair *dead = NULL;
        for (int i = 0; i < count; i++) {
            End *end = events[i].data.ptr;
            if (end == &relay->stop_end)
                return NULL;
            if (!end->pair) {
                accept_one(relay, end);
                continue;
            }
            Pair *pair = end->pair;
            if (pair->dead || (!(events[i].events & EPOLLERR) && pump(relay, pair)))
                continue;
            pair->dead = true;
            pair->next_dead = dead;
            dead = pair;
        }
        /* Freed after the batch: another event of it may point to the same pair. */
        for (Pair *pair = dead, *next; pair; pair = next) {
            next = pair->next_dead;
            (void)close(pair->client.fd);
            (void)close(pair->server.fd);
            free(pair);
            relay->pairs--;
        }
    }
}

bool relay_start(const char *socket_path, Relay **out, Err *err)
{
    Relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return err_set(err, ERR_INTERNAL, "out of memory");
    relay->socket_path = socket_path;
    relay->epoll = epoll_create1(EPOLL_CLOEXEC);
    relay->stop = eventfd(0, EFD_CLOEXEC);
    relay->stop_end.fd = relay->stop;
    (void)pthread_mutex_init(&relay->lock, NULL);
    if (relay->epoll < 0 || relay->stop < 0 || !watch(relay, &relay->stop_end, EPOLLIN) || pthread_create(&relay->thread, NULL, run, relay) != 0) {
        (void)err_errno(err, "cannot start the relay");
        fd_close(&relay->epoll);
        fd_close(&relay->stop);
        free(relay);
        return false;
    }
    *out = relay;
    return true;
}

void relay_stop(Relay *relay)
{
    if (!relay)
        return;
    uint64_t one = 1;
    if (write(relay->stop, &one, sizeof one) == sizeof one)
        (void)pthread_join(relay->thread, NULL);
    for (size_t i = 0; i < relay->listener_count; i++) {
        fd_close(&relay->listeners[i].ends[0].fd);
        fd_close(&relay->listeners[i].ends[1].fd);
    }
    fd_close(&relay->epoll);
    fd_close(&relay->stop);
    (void)pthread_mutex_destroy(&relay->lock);
    free(relay);                                /* connections still open end with the process */
}

static int listen_on(const struct sockaddr *address, socklen_t size)
{
    int on = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, size) < 0 || listen(fd, 128) < 0)
        fd_close(&fd);
    return fd;
}

bool relay_add_port(Relay *relay, int port, Err *err)
{
    bool done = true;
    pthread_mutex_lock(&relay->lock);
    size_t at = 0;
    while (at < relay->listener_count && relay->listeners[at].port != port)
        at++;
    if (at == relay->listener_count) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        int first = at < LISTENERS_MAX ? listen_on((struct sockaddr *)&v4, sizeof v4) : -1;
        if (first < 0) {
            done = err_errno(err, "cannot listen on 127.0.0.1 port %d", port);
        } else {
            relay->listeners[at].port = port;
            relay->listeners[at].ends[0].fd = first;
            relay->listeners[at].ends[1].fd = listen_on((struct sockaddr *)&v6, sizeof v6);     /* a kernel without IPv6 has no ::1 to serve */
            relay->listener_count++;
            for (int i = 0; i < 2; i++)
                if (relay->listeners[at].ends[i].fd >= 0)
                    done = watch(relay, &relay->listeners[at].ends[i], EPOLLIN) && done;
        }
    }
    pthread_mutex_unlock(&relay->lock);
    return done || (err->code ? false : err_errno(err, "cannot watch port %d", port));
}
