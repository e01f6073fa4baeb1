/* relay.c - one thread, one epoll set: listeners and bridged pairs of connections. */
#include "node/network/relay.h"
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
#include "base/bridge.h"
#include "base/file.h"

enum { LISTENERS_MAX = 32, EVENTS = 64, PAIRS_MAX = 4096 };

typedef struct Pair Pair;
struct Pair {
    Bridge bridge;                  /* its first end is the client's */
    Pair *prev, *next;              /* all that are open */
    Pair *next_dead;
    bool dead;
};
typedef struct Listener { int port; BridgeEnd ends[2]; } Listener;      /* ends of no bridge */

struct Relay {
    const char *socket_path;
    pthread_t thread;
    int epoll, stop;
    size_t pairs;
    Pair *first;
    pthread_mutex_t lock;           /* the listeners: ports are added from another thread */
    Listener listeners[LISTENERS_MAX];
    size_t listener_count;
    BridgeEnd stop_end;
};

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

static void pair_free(Relay *relay, Pair *pair)
{
    *(pair->prev ? &pair->prev->next : &relay->first) = pair->next;
    if (pair->next)
        pair->next->prev = pair->prev;
    bridge_done(&pair->bridge);
    free(pair);
    relay->pairs--;
}

static void accept_one(Relay *relay, const BridgeEnd *listener)
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
    bridge_init(&pair->bridge, client, server);
    client = server = -1;
    relay->pairs++;
    pair->next = relay->first;
    if (pair->next)
        pair->next->prev = pair;
    relay->first = pair;
    if (!bridge_rewatch(relay->epoll, &pair->bridge))
        pair_free(relay, pair);
}

static void *run(void *arg)
{
    Relay *relay = arg;
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(relay->epoll, events, EVENTS, -1);
        Pair *dead = NULL;
        for (int i = 0; i < count; i++) {
            BridgeEnd *end = events[i].data.ptr;
            if (end == &relay->stop_end)
                return NULL;
            if (!end->bridge) {
                accept_one(relay, end);
                continue;
            }
            Pair *pair = (Pair *)end->bridge;
            if (pair->dead || bridge_event(relay->epoll, end, events[i].events))
                continue;
            pair->dead = true;
            pair->next_dead = dead;
            dead = pair;
        }
        /* Freed after the batch: another event of it may point to the same pair. */
        for (Pair *pair = dead, *next; pair; pair = next) {
            next = pair->next_dead;
            pair_free(relay, pair);
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
    if (relay->epoll < 0 || relay->stop < 0 || !bridge_watch(relay->epoll, &relay->stop_end, EPOLLIN) || pthread_create(&relay->thread, NULL, run, relay) != 0) {
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
    while (relay->first)
        pair_free(relay, relay->first);
    for (size_t i = 0; i < relay->listener_count; i++) {
        fd_close(&relay->listeners[i].ends[0].fd);
        fd_close(&relay->listeners[i].ends[1].fd);
    }
    fd_close(&relay->epoll);
    fd_close(&relay->stop);
    (void)pthread_mutex_destroy(&relay->lock);
    free(relay);
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
                    done = bridge_watch(relay->epoll, &relay->listeners[at].ends[i], EPOLLIN) && done;
        }
    }
    pthread_mutex_unlock(&relay->lock);
    return done || (err->code ? false : err_errno(err, "cannot watch port %d", port));
}
