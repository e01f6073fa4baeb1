/* egress.c - the thread that carries nodes' connections out. */
#include "egress/egress.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/bridge.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/unixsock.h"
#include "egress/lookup.h"
#include "egress/peer.h"
#include "egress/route.h"
#include "egress/socks.h"

enum { EVENTS = 64, ACCEPT_BURST = 32, DEAF_MS = 1000, REFUSALS_LOGGED = 20, REFUSALS_WINDOW_MS = 10000 };

typedef enum Phase { PHASE_GREETING = 1, PHASE_REQUEST, PHASE_LOOKUP, PHASE_CONNECTING, PHASE_OPEN } Phase;
/* What a connection may wait for, each for a time of its own. */
typedef enum Wait { WAIT_ASKED = 0, WAIT_REACHED, WAIT_MOVED, WAITS } Wait;
static const int64_t wait_limit_ms[WAITS] = { EGRESS_ASK_MS, EGRESS_REACH_MS, EGRESS_IDLE_MS };

typedef struct Node Node;
struct Node { Node *next; uid_t key; size_t connections, lookups; };        /* gone when both are 0 */

typedef struct Conn Conn;
struct Conn {
    Bridge bridge;                      /* first, so that an event's end leads here: the node's end, then the far one */
    Conn *prev, *next;                  /* the others that wait for the same, longest first */
    Wait wait;
    int64_t since_ms, begun_ms;         /* since when it waits */
    Phase phase;
    bool dead, is_looked_up;
    Conn *next_dead;
    uint64_t id;
    Node *node;
    char node_name[PEER_NAME_BYTES];
    SocksRequest request;
    struct in6_addr addresses[LOOKUP_ADDRESSES_MAX];
    size_t address_count, next_address;
    const char *why_not;                /* why the policy refused an address; NULL: it did not */
    int error;                          /* errno of the last address that was tried; 0: none was */
};

struct Egress {
    EgressPolicy policy;
    UnixListener listener;
    pthread_t thread;
    int epoll, stop;
    Lookups *lookups;
    struct { uint64_t id; Node *node; } looking[LOOKUP_THREADS];        /* id 0: free */
    struct { Conn *first, *last; } waiting[WAITS];
    Node *nodes;
    Conn *dead;
    size_t count;
    uint64_t last_id;
    int64_t now_ms;
    bool is_deaf;                       /* the listener is not watched: no room or no descriptors */
    int64_t refusals_since_ms;
    int64_t refusals;                   /* in this window */
};

/* -- bookkeeping -- */

static void wait_leave(Egress *egress, Conn *conn)
{
    *(conn->prev ? &conn->prev->next : &egress->waiting[conn->wait].first) = conn->next;
    *(conn->next ? &conn->next->prev : &egress->waiting[conn->wait].last) = conn->prev;
}

static void wait_join(Egress *egress, Conn *conn, Wait wait)
{
    conn->wait = wait;
    conn->since_ms = egress->now_ms;
    conn->prev = egress->waiting[wait].last;
    conn->next = NULL;
    *(conn->prev ? &conn->prev->next : &egress->waiting[wait].first) = conn;
    egress->waiting[wait].last = conn;
}

static void wait_for(Egress *egress, Conn *conn, Wait wait)
{
    wait_leave(egress, conn);
    wait_join(egress, conn, wait);
}

static Node *node_take(Egress *egress, uid_t key)
{
    for (Node *node = egress->nodes; node; node = node->next)
        if (node->key == key)
            return node;
    Node *node = calloc(1, sizeof *node);
    if (node) {
        *node = (Node){ .next = egress->nodes, .key = key };
        egress->nodes = node;
    }
    return node;
}

static void node_drop(Egress *egress, Node *node)
{
    if (node->connections || node->lookups)
        return;
    for (Node **at = &egress->nodes; *at; at = &(*at)->next)
        if (*at == node) {
            *at = node->next;
            free(node);
            return;
        }
}

static void listen_again(Egress *egress)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &egress->listener };
    if (egress->is_deaf && egress->count < EGRESS_CONNECTIONS_MAX && epoll_ctl(egress->epoll, EPOLL_CTL_ADD, egress->listener.fd, &event) == 0)
        egress->is_deaf = false;
}

static void stop_listening(Egress *egress)
{
    if (!egress->is_deaf && epoll_ctl(egress->epoll, EPOLL_CTL_DEL, egress->listener.fd, NULL) == 0)
        egress->is_deaf = true;
}

/* Freed after the batch of events, since another event of it may point here. */
static void conn_end(Egress *egress, Conn *conn)
{
    if (conn->dead)
        return;
    if (conn->phase == PHASE_OPEN)
        log_event(LOG_INFO, "egress.closed", log_cstr("node", conn->node_name), log_cstr("to", conn->request.name), log_int("port", conn->request.port),
                  log_int("sent", conn->bridge.ends[0].bytes), log_int("received", conn->bridge.ends[1].bytes), log_int("ms", egress->now_ms - conn->begun_ms));
    conn->dead = true;
    wait_leave(egress, conn);
    bridge_done(&conn->bridge);
    conn->node->connections--;
    node_drop(egress, conn->node);
    egress->count--;
    conn->next_dead = egress->dead;
    egress->dead = conn;
}

static void free_dead(Egress *egress)
{
    for (Conn *conn = egress->dead, *next; conn; conn = next) {
        next = conn->next_dead;
        free(conn);
    }
    egress->dead = NULL;
}

/* -- answers -- */

/* A new connection's send buffer has room for a few bytes; a client that made it otherwise has its connection ended. */
static bool say(const Conn *conn, const uint8_t *bytes, size_t len)
{
    return send(conn->bridge.ends[0].fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void log_refusal(Egress *egress, const Conn *conn, const char *why)
{
    if (egress->now_ms - egress->refusals_since_ms >= REFUSALS_WINDOW_MS) {
        if (egress->refusals > REFUSALS_LOGGED)
            log_event(LOG_WARN, "egress.refusals_not_logged", log_int("count", egress->refusals - REFUSALS_LOGGED));
        egress->refusals_since_ms = egress->now_ms;
        egress->refusals = 0;
    }
    if (egress->refusals++ < REFUSALS_LOGGED)
        log_event(LOG_WARN, "egress.refused", log_cstr("node", conn->node_name), log_cstr("to", conn->request.name), log_int("port", conn->request.port), log_cstr("why", why));
}

static void refuse(Egress *egress, Conn *conn, SocksReply reply, const char *why)
{
    uint8_t bytes[SOCKS_REPLY_BYTES];
    socks_reply(reply, bytes);
    (void)say(conn, bytes, sizeof bytes);               /* or it sees its connection closed */
    log_refusal(egress, conn, why);
    conn_end(egress, conn);
}

static SocksReply reply_of(int error)
{
    switch (error) {
    case ECONNREFUSED: return SOCKS_REFUSED;
    case ENETUNREACH:  return SOCKS_NET_UNREACHABLE;
    case EHOSTUNREACH:
    case ETIMEDOUT:    return SOCKS_HOST_UNREACHABLE;
    default:           return SOCKS_FAILED;
    }
}

/* -- reaching -- */

static int begin_connect(const struct in6_addr *address, int port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = *address };
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(address);
    int on = 1, fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(&v4.sin_addr, address->s6_addr + 12, 4);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is_v4 ? sizeof v4 : sizeof v6) < 0 && errno != EINPROGRESS) {
        int error = errno;
        fd_close(&fd);
        errno = error;
    }
    return fd;
}

/* The next address that the policy allows and that takes a connection; else the client is told why there is none. */
static void reach_next(Egress *egress, Conn *conn)
{
    BridgeEnd *far = &conn->bridge.ends[1];
    fd_close(&far->fd);
    far->is_watched = false;
    while (conn->next_address < conn->address_count) {
        const struct in6_addr *address = &conn->addresses[conn->next_address++];
        const char *why = egress_judge(&egress->policy, address, conn->request.port, route_is_own, NULL);
        conn->why_not = why ? why : conn->why_not;
        if (why)
            continue;
        far->fd = begin_connect(address, conn->request.port);
        if (far->fd >= 0 && bridge_watch(egress->epoll, far, EPOLLOUT | EPOLLET)) {
            conn->phase = PHASE_CONNECTING;
            wait_for(egress, conn, WAIT_REACHED);
            return;
        }
        conn->error = errno;
        fd_close(&far->fd);
        far->is_watched = false;
    }
    if (conn->error)
        refuse(egress, conn, reply_of(conn->error), strerrorname_np(conn->error));
    else
        refuse(egress, conn, conn->why_not ? SOCKS_NOT_ALLOWED : SOCKS_HOST_UNREACHABLE, conn->why_not ? conn->why_not : "no-address");
}

static void open_up(Egress *egress, Conn *conn)
{
    uint8_t bytes[SOCKS_REPLY_BYTES];
    BridgeEnd *near = &conn->bridge.ends[0];
    socks_reply(SOCKS_GRANTED, bytes);
    conn->phase = PHASE_OPEN;
    near->bytes = (int64_t)(near->to - near->from);     /* what came with the request counts, the request does not */
    wait_for(egress, conn, WAIT_MOVED);
    if (!say(conn, bytes, sizeof bytes) || !bridge_pump(egress->epoll, &conn->bridge))
        conn_end(egress, conn);
}

/* An event of an earlier address may be about this one's descriptor, so the socket itself is asked. */
static void look_at_connect(Egress *egress, Conn *conn)
{
    BridgeEnd *far = &conn->bridge.ends[1];
    struct sockaddr_storage peer;
    socklen_t size = sizeof conn->error, peer_size = sizeof peer;
    int error = 0;
    if (getsockopt(far->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
        if (getpeername(far->fd, (struct sockaddr *)&peer, &peer_size) == 0) {
            open_up(egress, conn);
            return;
        }
        if (errno == ENOTCONN && bridge_watch(egress->epoll, far, EPOLLOUT | EPOLLET))
            return;                     /* still under way */
        error = errno;
    }
    conn->error = error ? error : EIO;
    reach_next(egress, conn);
}

/* Those that wait longest first; a node that has its share under way lets others pass. */
static void begin_lookups(Egress *egress)
{
    for (Conn *conn = egress->waiting[WAIT_REACHED].first; conn; conn = conn->next) {
        size_t at = 0;
        if (conn->phase != PHASE_LOOKUP || conn->is_looked_up || conn->node->lookups >= EGRESS_NODE_LOOKUPS_MAX)
            continue;
        while (at < LOOKUP_THREADS && egress->looking[at].id)
            at++;
        if (at == LOOKUP_THREADS || !lookups_begin(egress->lookups, conn->id, conn->request.name))
            return;
        egress->looking[at].id = conn->id;
        egress->looking[at].node = conn->node;
        conn->node->lookups++;
        conn->is_looked_up = true;
    }
}

static void take_lookups(Egress *egress)
{
    LookupResult result;
    while (lookups_take(egress->lookups, &result)) {
        for (size_t i = 0; i < LOOKUP_THREADS; i++)
            if (egress->looking[i].id == result.id) {
                egress->looking[i].id = 0;
                egress->looking[i].node->lookups--;
                node_drop(egress, egress->looking[i].node);
            }
        Conn *conn = egress->waiting[WAIT_REACHED].first;
        while (conn && (conn->id != result.id || conn->phase != PHASE_LOOKUP))
            conn = conn->next;
        if (!conn)
            continue;                   /* gone meanwhile */
        conn->address_count = result.count;
        memcpy(conn->addresses, result.addresses, sizeof conn->addresses);
        reach_next(egress, conn);
    }
    begin_lookups(egress);
}

/* -- the client -- */

static void begin(Egress *egress, Conn *conn)
{
    SocksRequest *request = &conn->request;
    wait_for(egress, conn, WAIT_REACHED);
    if (request->command != SOCKS_CONNECT) {
        refuse(egress, conn, SOCKS_BAD_COMMAND, "command");
    } else if (request->has_bad_address) {
        refuse(egress, conn, SOCKS_BAD_ADDRESS, "address");
    } else if (!bridge_watch(egress->epoll, &conn->bridge.ends[0], EPOLLET)) {      /* that it goes away is all that is waited for */
        conn_end(egress, conn);
    } else if (request->name[0]) {
        conn->phase = PHASE_LOOKUP;
        begin_lookups(egress);
    } else {
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&request->address);
        conn->addresses[0] = request->address;
        conn->address_count = 1;
        if (!inet_ntop(is_v4 ? AF_INET : AF_INET6, request->address.s6_addr + (is_v4 ? 12 : 0), request->name, sizeof request->name))
            request->name[0] = '\0';    /* for the log alone */
        reach_next(egress, conn);
    }
}

static void hear(Egress *egress, Conn *conn)
{
    BridgeEnd *near = &conn->bridge.ends[0];
    size_t used = 0;
    bool done = bridge_fill(near), without = false;
    SocksStep step = done ? SOCKS_READ : SOCKS_WRONG;
    if (step == SOCKS_READ && conn->phase == PHASE_GREETING) {
        step = socks_read_greeting((Bytes){ (uint8_t *)near->buf + near->from, near->to - near->from }, &used, &without);
        if (step == SOCKS_READ) {
            near->from += used;
            conn->phase = PHASE_REQUEST;
            if (!say(conn, (uint8_t[]){ 5, without ? SOCKS_NO_AUTHENTICATION : SOCKS_NO_METHOD }, 2) || !without)
                step = SOCKS_WRONG;
        }
    }
    if (step == SOCKS_READ)
        step = socks_read_request((Bytes){ (uint8_t *)near->buf + near->from, near->to - near->from }, &used, &conn->request);
    if (step == SOCKS_READ) {
        near->from += used;
        begin(egress, conn);
    } else if (step == SOCKS_WRONG || near->read_closed) {
        conn_end(egress, conn);
    }
}

static void accept_some(Egress *egress)
{
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int fd = egress->count < EGRESS_CONNECTIONS_MAX ? accept4(egress->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
        if (fd < 0) {
            if (egress->count == EGRESS_CONNECTIONS_MAX || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED))
                stop_listening(egress);
            return;
        }
        char name[PEER_NAME_BYTES];
        Node *node = node_take(egress, peer_of(fd, name));
        Conn *conn = node && node->connections < EGRESS_NODE_CONNECTIONS_MAX ? malloc(sizeof *conn) : NULL;
        if (!conn) {
            log_refusal(egress, &(Conn){ .node_name = "" }, node ? "too-many-connections" : "memory");
            if (node)
                node_drop(egress, node);
            (void)close(fd);
            continue;
        }
        memset((char *)conn + sizeof conn->bridge, 0, sizeof *conn - sizeof conn->bridge);      /* the buffers stay untouched until used */
        bridge_init(&conn->bridge, fd, -1);
        memcpy(conn->node_name, name, sizeof name);
        conn->node = node;
        conn->phase = PHASE_GREETING;
        conn->id = ++egress->last_id;
        conn->begun_ms = egress->now_ms;
        node->connections++;
        egress->count++;
        wait_join(egress, conn, WAIT_ASKED);
        if (!bridge_watch(egress->epoll, &conn->bridge.ends[0], EPOLLIN))
            conn_end(egress, conn);
    }
}

/* -- the loop -- */

static void handle(Egress *egress, BridgeEnd *end, uint32_t events)
{
    Conn *conn = (Conn *)end->bridge;
    if (conn->dead)
        return;
    if (conn->phase == PHASE_OPEN) {
        wait_for(egress, conn, WAIT_MOVED);
        if (!bridge_event(egress->epoll, end, events))
            conn_end(egress, conn);
    } else if (end == &conn->bridge.ends[1]) {
        look_at_connect(egress, conn);
    } else if (conn->phase == PHASE_GREETING || conn->phase == PHASE_REQUEST) {
        hear(egress, conn);
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        conn_end(egress, conn);
    }
}

static void end_overdue(Egress *egress)
{
    for (Wait wait = 0; wait < WAITS; wait++)
        for (Conn *conn; (conn = egress->waiting[wait].first) && conn->since_ms + wait_limit_ms[wait] <= egress->now_ms;) {
            if (conn->phase == PHASE_CONNECTING) {
                conn->error = ETIMEDOUT;
                reach_next(egress, conn);
            } else if (conn->phase == PHASE_LOOKUP) {
                refuse(egress, conn, SOCKS_HOST_UNREACHABLE, "lookup-timeout");
            } else {
                conn_end(egress, conn);
            }
        }
}

/* Until the first that is overdue; -1: nobody waits. */
static int next_due_ms(const Egress *egress)
{
    int64_t due = egress->is_deaf ? egress->now_ms + DEAF_MS : INT64_MAX;
    for (Wait wait = 0; wait < WAITS; wait++) {
        const Conn *first = egress->waiting[wait].first;
        if (first && first->since_ms + wait_limit_ms[wait] < due)
            due = first->since_ms + wait_limit_ms[wait];
    }
    return due == INT64_MAX ? -1 : due <= egress->now_ms ? 0 : (int)(due - egress->now_ms);
}

static void *run(void *arg)
{
    Egress *egress = arg;
    pthread_setname_np(pthread_self(), "egress");
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(egress->epoll, events, EVENTS, next_due_ms(egress));
        egress->now_ms = mono_now_ms();
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &egress->stop)
                return NULL;
            if (what == &egress->listener)
                accept_some(egress);
            else if (what == &egress->lookups)
                take_lookups(egress);
            else
                handle(egress, what, events[i].events);
        }
        end_overdue(egress);
        free_dead(egress);
        listen_again(egress);
    }
}

static bool watch_own(const Egress *egress, int fd, void *what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };
    return epoll_ctl(egress->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void release(Egress *egress)
{
    for (Wait wait = 0; wait < WAITS; wait++)
        while (egress->waiting[wait].first)
            conn_end(egress, egress->waiting[wait].first);
    free_dead(egress);
    for (Node *node = egress->nodes, *next; node; node = next) {        /* of lookups whose results nobody takes */
        next = node->next;
        free(node);
    }
    lookups_free(egress->lookups);
    unix_unlisten(&egress->listener);
    fd_close(&egress->stop);
    fd_close(&egress->epoll);
    free(egress);
}

bool egress_start(const char *socket_path, const EgressPolicy *policy, Egress **out, Err *err)
{
    Egress *egress = calloc(1, sizeof *egress);
    if (!egress)
        return err_set(err, ERR_INTERNAL, "out of memory");
    egress->policy = *policy;
    egress->now_ms = mono_now_ms();
    egress->epoll = epoll_create1(EPOLL_CLOEXEC);
    egress->stop = eventfd(0, EFD_CLOEXEC);
    egress->listener.fd = -1;
    if (!unix_listen(socket_path, 0666, &egress->listener, err)) {
        release(egress);
        return false;
    }
    if (policy->mode == EGRESS_OFF) {           /* an earlier server's socket is gone with ours */
        release(egress);
        *out = NULL;
        return true;
    }
    if (egress->epoll < 0 || egress->stop < 0 || !lookups_new(&egress->lookups, err) || !watch_own(egress, egress->stop, &egress->stop) ||
        !watch_own(egress, egress->listener.fd, &egress->listener) || !watch_own(egress, lookups_event(egress->lookups), &egress->lookups) ||
        pthread_create(&egress->thread, NULL, run, egress) != 0) {
        (void)err_errno(err, "cannot start the way out for nodes");
        release(egress);
        return false;
    }
    *out = egress;
    return true;
}

void egress_stop(Egress *egress)
{
    uint64_t one = 1;
    if (!egress)
        return;
    while (write(egress->stop, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    (void)pthread_join(egress->thread, NULL);
    release(egress);
}
