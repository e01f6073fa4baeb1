/* scrape.c - a few connections at a time, all without blocking: read a head, write an answer, wait for the other side to close. */
#include "certs/scrape.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

enum { BACKLOG = 16, ANSWER_MAX = 4 * 1024 * 1024, DROPPED_MAX = 64 * 1024 };

typedef struct Client {
    int fd;                                 /* -1: a free place */
    char head[SCRAPE_HEAD_MAX];
    size_t head_len;
    Buf answer;                             /* none before the request was judged */
    size_t sent, dropped;
    bool is_answered;                       /* all is sent: what still comes is dropped until the client closes, so the answer is not lost to a reset */
    int64_t until_ms;                       /* mono */
} Client;

struct Scrape {
    int listener, events;
    bool is_full;                           /* nobody is taken on until a place is free */
    ScrapeAddress address;
    char where[sizeof ((struct sockaddr_un *)0)->sun_path + 8];
    Client clients[SCRAPE_CLIENTS_MAX];
};

static bool watch(Scrape *scrape, int fd, int how, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    return epoll_ctl(scrape->events, how, fd, &event) == 0;
}

static void drop(Client *client)
{
    fd_close(&client->fd);                  /* which takes it out of the epoll set */
    buf_done(&client->answer);
}

/* A socket file outlives whoever made it; one that answers is somebody's. */
static bool clear_socket_file(const ScrapeAddress *address, Err *err)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)&address->to;
    struct stat st;
    if (lstat(local->sun_path, &st) < 0)
        return true;
    AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!S_ISSOCK(st.st_mode) || (fd >= 0 && (connect(fd, (const struct sockaddr *)local, address->len) == 0 || errno != ECONNREFUSED)))
        return err_set(err, ERR_CONFLICT, "cannot serve metrics at %s: something else is there", local->sun_path);
    return unlink(local->sun_path) == 0 || err_errno(err, "cannot serve metrics at %s", local->sun_path);
}

static void name(Scrape *scrape)
{
    struct sockaddr_storage at = { 0 };
    socklen_t len = sizeof at;
    char host[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
    (void)getsockname(scrape->listener, (struct sockaddr *)&at, &len);
    if (at.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host))
        (void)snprintf(scrape->where, sizeof scrape->where, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    else if (at.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host))
        (void)snprintf(scrape->where, sizeof scrape->where, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    else
        (void)snprintf(scrape->where, sizeof scrape->where, "unix:%s", ((const struct sockaddr_un *)&scrape->address.to)->sun_path);
}

static bool listen_at(Scrape *scrape, Str listen_text, Err *err)
{
    int family = scrape->address.to.ss_family, one = 1;
    if (family == AF_UNIX && !clear_socket_file(&scrape->address, err))
        return false;
    scrape->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (scrape->listener < 0)
        return err_errno(err, "cannot serve metrics at " STR_FMT, STR_ARG(listen_text));
    (void)setsockopt(scrape->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (family == AF_INET6)
        (void)setsockopt(scrape->listener, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(scrape->listener, (struct sockaddr *)&scrape->address.to, scrape->address.len) < 0 || listen(scrape->listener, BACKLOG) < 0)
        return errno == EADDRINUSE ? err_set(err, ERR_CONFLICT, "cannot serve metrics at " STR_FMT ": the address is taken", STR_ARG(listen_text))
                                   : err_set(err, ERR_UNAVAILABLE, "cannot serve metrics at " STR_FMT ": %s", STR_ARG(listen_text), strerror(errno));
    /* Anyone who may reach it may read, as with the text file; the directory around it decides who that is. */
    if (family == AF_UNIX && chmod(((struct sockaddr_un *)&scrape->address.to)->sun_path, 0666) < 0)
        return err_errno(err, "cannot serve metrics at " STR_FMT, STR_ARG(listen_text));
    scrape->events = epoll_create1(EPOLL_CLOEXEC);
    return (scrape->events >= 0 && watch(scrape, scrape->listener, EPOLL_CTL_ADD, EPOLLIN)) || err_errno(err, "cannot serve metrics");
}

bool scrape_new(Str listen, Scrape **out, Err *err)
{
    Scrape *scrape = calloc(1, sizeof *scrape);
    if (!scrape)
        return err_set(err, ERR_INTERNAL, "out of memory");
    scrape->listener = scrape->events = -1;
    for (size_t i = 0; i < SCRAPE_CLIENTS_MAX; i++)
        scrape->clients[i].fd = -1;
    if (!scrape_address(listen, &scrape->address, err) || !listen_at(scrape, listen, err)) {
        if (scrape->events < 0)
            scrape->address.to.ss_family = AF_UNSPEC;            /* nothing of ours is there: somebody's file stays */
        scrape_free(scrape);
        return false;
    }
    name(scrape);
    *out = scrape;
    return true;
}

void scrape_free(Scrape *scrape)
{
    if (!scrape)
        return;
    for (size_t i = 0; i < SCRAPE_CLIENTS_MAX; i++)
        drop(&scrape->clients[i]);
    if (scrape->address.to.ss_family == AF_UNIX)
        (void)unlink(((struct sockaddr_un *)&scrape->address.to)->sun_path);
    fd_close(&scrape->listener);
    fd_close(&scrape->events);
    free(scrape);
}

const char *scrape_where(const Scrape *scrape) { return scrape->where; }
int scrape_fd(const Scrape *scrape) { return scrape->events; }

static void take_on(Scrape *scrape, int64_t now_ms)
{
    for (;;) {
        Client *place = NULL;
        for (size_t i = 0; i < SCRAPE_CLIENTS_MAX && !place; i++)
            if (scrape->clients[i].fd < 0)
                place = &scrape->clients[i];
        bool is_full = !place;
        if (is_full != scrape->is_full && watch(scrape, scrape->listener, EPOLL_CTL_MOD, is_full ? 0 : EPOLLIN))
            scrape->is_full = is_full;
        if (is_full)
            return;
        int fd = accept4(scrape->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        place->fd = fd;
        place->head_len = place->sent = place->dropped = 0;
        place->is_answered = false;
        place->until_ms = now_ms + SCRAPE_CLIENT_MS;
        if (!watch(scrape, fd, EPOLL_CTL_ADD, EPOLLIN))
            drop(place);
    }
}

static void compose(Client *client, int status, ScrapeText *text, void *ctx)
{
    static const struct { int status; const char *phrase, *says; } refusals[] = {
        { 400, "Bad Request", "this is no HTTP request\n" }, { 404, "Not Found", "only /metrics is here\n" }, { 405, "Method Not Allowed", "only GET\n" },
        { 431, "Request Header Fields Too Large", "the request is too long\n" }, { 505, "HTTP Version Not Supported", "HTTP/1.1 is spoken here\n" },
    };
    AUTO(buf_done_auto) Buf body = { 0 };
    const char *phrase = "OK";
    buf_init(&body, ANSWER_MAX);
    buf_init(&client->answer, ANSWER_MAX + 1024);
    if (status == 200)
        text(ctx, &body);
    if (body.failed) {
        buf_reset(&body);
        status = 500;
        phrase = "Internal Server Error";
    }
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (refusals[i].status == status) {
            phrase = refusals[i].phrase;
            buf_put_str(&body, str_from(refusals[i].says));
        }
    buf_printf(&client->answer, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n"
               "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n", status, phrase, body.len, status == 405 ? "Allow: GET\r\n" : "");
    buf_put_str(&client->answer, buf_str(&body));
}

/* Takes what has come. false: the connection is over. */
static bool receive(Client *client, ScrapeText *text, void *ctx)
{
    for (;;) {
        char rest[1024];
        bool judged = client->answer.ptr != NULL;
        ssize_t got = judged ? recv(client->fd, rest, sizeof rest, 0)
                             : recv(client->fd, client->head + client->head_len, SCRAPE_HEAD_MAX - client->head_len, 0);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return judged && !client->is_answered;               /* it closed its side for writing; the answer may still go */
        if (judged && (client->dropped += (size_t)got) > DROPPED_MAX)
            return false;                                        /* it floods us */
        if (judged)
            continue;
        client->head_len += (size_t)got;
        int status = scrape_judge((Str){ client->head, client->head_len });
        if (status == 0)
            continue;
        compose(client, status, text, ctx);
        return !client->answer.failed;
    }
}

static bool send_answer(Scrape *scrape, Client *client)
{
    while (client->answer.ptr && client->sent < client->answer.len) {
        ssize_t sent = send(client->fd, client->answer.ptr + client->sent, client->answer.len - client->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return (errno == EAGAIN && watch(scrape, client->fd, EPOLL_CTL_MOD, EPOLLOUT)) || errno == EINTR;
        client->sent += (size_t)sent;
    }
    if (client->answer.ptr && !client->is_answered) {
        client->is_answered = true;
        return shutdown(client->fd, SHUT_WR) == 0 && watch(scrape, client->fd, EPOLL_CTL_MOD, EPOLLIN);
    }
    return true;
}

int64_t scrape_step(Scrape *scrape, ScrapeText *text, void *ctx)
{
    int64_t now_ms = mono_now_ms(), next_ms = INT64_MAX;
    struct epoll_event events[SCRAPE_CLIENTS_MAX + 1];
    int count = epoll_wait(scrape->events, events, COUNT_OF(events), 0);
    for (size_t i = 0; i < SCRAPE_CLIENTS_MAX; i++) {
        Client *client = &scrape->clients[i];
        bool is_ready = false;
        for (int k = 0; k < count && !is_ready; k++)
            is_ready = client->fd >= 0 && events[k].data.fd == client->fd;
        if (client->fd < 0)
            continue;
        if (now_ms >= client->until_ms || (is_ready && (!receive(client, text, ctx) || !send_answer(scrape, client))))
            drop(client);
    }
    take_on(scrape, now_ms);
    for (size_t i = 0; i < SCRAPE_CLIENTS_MAX; i++)
        if (scrape->clients[i].fd >= 0 && scrape->clients[i].until_ms < next_ms)
            next_ms = scrape->clients[i].until_ms;
    return next_ms;
}
