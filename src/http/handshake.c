/* handshake.c - the thread that waits for clients in their handshake, and the read function GnuTLS gets. */
#include "http/handshake.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, LOOK_MS = 100 };       /* how late an end may be */

struct Handshake {
    Handshakes *all;
    struct MHD_Connection *connection;
    gnutls_session_t session;
    int     fd;
    int64_t until_ms;                   /* monotonic */
    bool    is_done;                    /* the client's Finished came: reads are the event loop's own again */
    bool    is_over;                    /* out of time, or the server stops: the next read fails */
    LIST_ENTRY(Handshake) link;         /* while suspended, under the lock */
};

struct Handshakes {
    int limit_ms;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;               /* over all below */
    LIST_HEAD(, Handshake) waiting;
    bool is_ending;
};

/* Under the lock, by the waiting thread alone, so that no event it still holds points to a handshake that is gone. */
static void leave(Handshakes *all, Handshake *handshake)
{
    LIST_REMOVE(handshake, link);
    (void)epoll_ctl(all->epoll_fd, EPOLL_CTL_DEL, handshake->fd, NULL);    /* it was added when the wait began */
    MHD_resume_connection(handshake->connection);
}

static void leave_overdue(Handshakes *all)
{
    int64_t now = mono_now_ms();
    for (Handshake *handshake = LIST_FIRST(&all->waiting), *after; handshake; handshake = after) {
        after = LIST_NEXT(handshake, link);
        if (all->is_ending || handshake->until_ms <= now) {
            handshake->is_over = true;
            leave(all, handshake);
        }
    }
}

static void *wait_main(void *arg)
{
    Handshakes *all = arg;
    pthread_setname_np(pthread_self(), "http-handshake");
    for (;;) {
        struct epoll_event events[EVENTS];
        pthread_mutex_lock(&all->lock);
        leave_overdue(all);
        bool is_idle = LIST_EMPTY(&all->waiting), is_ending = all->is_ending;
        pthread_mutex_unlock(&all->lock);
        if (is_ending)
            return NULL;
        int count = epoll_wait(all->epoll_fd, events, EVENTS, is_idle ? -1 : LOOK_MS);
        pthread_mutex_lock(&all->lock);
        for (int i = 0; i < count; i++) {
            uint64_t wakes;
            if (events[i].data.ptr)
                leave(all, events[i].data.ptr);
            else if (read(all->wake_fd, &wakes, sizeof wakes) < 0 && errno != EAGAIN)
                all->is_ending = true;          /* an eventfd that cannot be read would be readable for ever */
        }
        pthread_mutex_unlock(&all->lock);
    }
}

static void wake(Handshakes *all)
{
    const uint64_t one = 1;
    while (write(all->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

bool handshakes_new(int limit_ms, Handshakes **out, Err *err)
{
    Handshakes *all = calloc(1, sizeof *all);
    if (!all)
        return err_errno(err, "TLS handshakes");
    all->limit_ms = limit_ms;
    pthread_mutex_init(&all->lock, NULL);
    LIST_INIT(&all->waiting);
    all->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    all->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN };
    int code = 0;
    if (all->wake_fd >= 0 && all->epoll_fd >= 0 && epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, all->wake_fd, &event) == 0) {
        code = pthread_create(&all->thread, NULL, wait_main, all);
        all->is_running = code == 0;
    }
    if (!all->is_running) {
        errno = code ? code : errno;
        (void)err_errno(err, "cannot start the TLS handshakes");
        handshakes_free(all);
        return false;
    }
    *out = all;
    return true;
}

void handshakes_end(Handshakes *all)
{
    if (!all || !all->is_running)
        return;
    pthread_mutex_lock(&all->lock);
    all->is_ending = true;
    pthread_mutex_unlock(&all->lock);
    wake(all);
    pthread_join(all->thread, NULL);
    all->is_running = false;
}

void handshakes_free(Handshakes *all)
{
    if (!all)
        return;
    handshakes_end(all);
    if (all->wake_fd >= 0)
        close(all->wake_fd);
    if (all->epoll_fd >= 0)
        close(all->epoll_fd);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/* Suspends first: the thread may resume before this returns. False: the handshake is to fail now. */
static bool wait_for_client(Handshake *handshake)
{
    Handshakes *all = handshake->all;
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = handshake };
    if (mono_now_ms() >= handshake->until_ms)
        return false;
    pthread_mutex_lock(&all->lock);
    bool is_waiting = !all->is_ending;
    if (is_waiting) {
        MHD_suspend_connection(handshake->connection);
        bool was_idle = LIST_EMPTY(&all->waiting);
        LIST_INSERT_HEAD(&all->waiting, handshake, link);
        if (epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, handshake->fd, &event) < 0)
            handshake->until_ms = 0;            /* no memory for it: the thread ends it */
        if (was_idle)
            wake(all);                          /* it sleeps without limit while nobody waits */
    }
    pthread_mutex_unlock(&all->lock);
    return is_waiting;
}

static ssize_t read_bytes(gnutls_transport_ptr_t arg, void *bytes, size_t size)
{
    Handshake *handshake = arg;
    if (handshake->is_over) {
        gnutls_transport_set_errno(handshake->session, ECONNRESET);
        return -1;
    }
    ssize_t got = recv(handshake->fd, bytes, size, 0);
    if (got >= 0)
        return got;
    int code = errno;
    if (code == EAGAIN && !handshake->is_done && !wait_for_client(handshake))
        code = ECONNRESET;
    gnutls_transport_set_errno(handshake->session, code);
    return -1;
}

static int can_read(gnutls_transport_ptr_t arg, unsigned int ms)
{
    const Handshake *handshake = arg;
    struct pollfd fd = { .fd = handshake->fd, .events = POLLIN };
    return poll(&fd, 1, (int)ms);
}

/* In every flow of TLS 1.2 and 1.3 the client's Finished is the last that the server waits for. */
static int finished_came(gnutls_session_t session, unsigned int type, unsigned when, unsigned int is_incoming, const gnutls_datum_t *message)
{
    (void)type, (void)when, (void)message;
    Handshake *handshake = gnutls_transport_get_ptr(session);
    if (is_incoming)
        handshake->is_done = true;
    return 0;
}

Handshake *handshake_new(Handshakes *all, struct MHD_Connection *connection, gnutls_session_t session)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    Handshake *handshake = info ? calloc(1, sizeof *handshake) : NULL;
    if (!handshake)
        return NULL;
    handshake->all = all;
    handshake->connection = connection;
    handshake->session = session;
    handshake->fd = info->connect_fd;
    handshake->until_ms = mono_now_ms() + all->limit_ms;
    gnutls_transport_set_ptr2(session, handshake, (gnutls_transport_ptr_t)(intptr_t)handshake->fd);     /* writing stays GnuTLS's own */
    gnutls_transport_set_pull_function(session, read_bytes);
    gnutls_transport_set_pull_timeout_function(session, can_read);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_PRE, finished_came);
    return handshake;
}

void handshake_free(Handshake *handshake)
{
    free(handshake);
}
