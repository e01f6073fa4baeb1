/* resolver.c - a socket and a thread. */
#include "node/network/resolver.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"
#include "node/network/dns.h"

enum { DOMAINS_MAX = 16, DOMAIN_MAX = 253 };

struct Resolver {
    int fd, stop;
    pthread_t thread;
    pthread_mutex_t lock;                                     /* over the domains */
    size_t count;
    Str domains[DOMAINS_MAX];
    char texts[DOMAINS_MAX][DOMAIN_MAX];
};

static void answer_one(Resolver *resolver)
{
    uint8_t query[DNS_MESSAGE_MAX], answer[DNS_MESSAGE_MAX];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    ssize_t got = recvfrom(resolver->fd, query, sizeof query, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    if (got <= 0)
        return;
    pthread_mutex_lock(&resolver->lock);
    size_t len = dns_answer(resolver->domains, resolver->count, query, (size_t)got, answer);
    pthread_mutex_unlock(&resolver->lock);
    if (len)
        (void)sendto(resolver->fd, answer, len, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);       /* lost: it is asked again */
}

static void *run(void *arg)
{
    Resolver *resolver = arg;
    struct pollfd fds[] = { { .fd = resolver->fd, .events = POLLIN }, { .fd = resolver->stop, .events = POLLIN } };
    while (!fds[1].revents) {
        if (poll(fds, COUNT_OF(fds), -1) > 0 && fds[0].revents)
            answer_one(resolver);
    }
    return NULL;
}

bool resolver_start(int port, Resolver **out, Err *err)
{
    Resolver *resolver = calloc(1, sizeof *resolver);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (!resolver)
        return err_set(err, ERR_INTERNAL, "out of memory");
    pthread_mutex_init(&resolver->lock, NULL);
    resolver->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    resolver->stop = eventfd(0, EFD_CLOEXEC);
    bool is_open = resolver->fd >= 0 && resolver->stop >= 0 && bind(resolver->fd, (struct sockaddr *)&at, sizeof at) == 0;
    int code = is_open ? pthread_create(&resolver->thread, NULL, run, resolver) : errno;
    if (code == 0)
        return *out = resolver, true;
    errno = code;
    (void)err_errno(err, "cannot answer names on 127.0.0.1 port %d", port);
    fd_close(&resolver->fd);
    fd_close(&resolver->stop);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
    return false;
}

void resolver_stop(Resolver *resolver)
{
    uint64_t one = 1;
    if (!resolver)
        return;
    if (write(resolver->stop, &one, sizeof one) == sizeof one)
        (void)pthread_join(resolver->thread, NULL);
    fd_close(&resolver->fd);
    fd_close(&resolver->stop);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

void resolver_set_domains(Resolver *resolver, const JsonVal *domains)
{
    if (!domains)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->count = 0;
    for (size_t i = 0; i < json_count(domains) && resolver->count < DOMAINS_MAX; i++) {
        Str domain = json_str(json_at(domains, i));
        if (domain.len == 0 || domain.len > DOMAIN_MAX)
            continue;
        char *text = resolver->texts[resolver->count];
        memcpy(text, domain.ptr, domain.len);
        resolver->domains[resolver->count++] = (Str){ text, domain.len };
    }
    pthread_mutex_unlock(&resolver->lock);
}
