/* floor_tls CERTIFICATE.pem KEY.pem BODY_BYTES: the least that an HTTPS answer can cost. One thread, epoll, GnuTLS (the library under our
 * server); every request head is answered with the same 200 and that many bytes. Prints "port N"; ends with its standard input. */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/str.h"

enum { EVENTS = 64, HEAD_MAX = 8192, ANSWER_MAX = 65536 };

typedef struct Client { int fd; gnutls_session_t session; bool open; size_t held; char head[HEAD_MAX]; } Client;

static gnutls_certificate_credentials_t credentials;
static char answer[ANSWER_MAX];
static size_t answer_len;

static void client_end(Client *client)
{
    gnutls_deinit(client->session);
    (void)close(client->fd);
    free(client);
}

static Client *client_begin(int listener, int queue)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    Client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
    if (!client)
        return NULL;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client->fd = fd;
    if (gnutls_init(&client->session, GNUTLS_SERVER | GNUTLS_NONBLOCK) != 0 || gnutls_set_default_priority(client->session) != 0 ||
        gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, credentials) != 0)
        abort();
    gnutls_transport_set_int(client->session, fd);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
    if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) != 0)
        abort();
    return client;
}

static bool again(ssize_t code) { return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED; }

/* false: it is over. */
static bool client_serve(Client *client)
{
    if (!client->open) {
        int code = gnutls_handshake(client->session);
        if (code != 0)
            return again(code);
        client->open = true;
    }
    for (;;) {
        ssize_t got = gnutls_record_recv(client->session, client->head + client->held, HEAD_MAX - client->held);
        if (got <= 0)
            return again(got);
        client->held += (size_t)got;
        char *end = memmem(client->head, client->held, "\r\n\r\n", 4);
        if (!end) {
            if (client->held == HEAD_MAX)
                return false;
            continue;
        }
        size_t used = (size_t)(end + 4 - client->head);
        memmove(client->head, client->head + used, client->held - used);
        client->held -= used;
        if (gnutls_record_send(client->session, answer, answer_len) != (ssize_t)answer_len)
            return false;                       /* an answer fits the socket's buffer, or the run is no good */
    }
}

static int listen_anywhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 1024) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    printf("port %d\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    size_t body = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (argc != 4 || body > ANSWER_MAX - 256) {
        fprintf(stderr, "usage: floor_tls CERTIFICATE.pem KEY.pem BODY_BYTES\n");
        return 2;
    }
    answer_len = (size_t)snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body);
    memset(answer + answer_len, 'x', body);
    answer_len += body;
    if (gnutls_certificate_allocate_credentials(&credentials) != 0 ||
        gnutls_certificate_set_x509_key_file(credentials, argv[1], argv[2], GNUTLS_X509_FMT_PEM) != 0) {
        fprintf(stderr, "floor_tls: %s and %s are not a certificate and its key\n", argv[1], argv[2]);
        return 1;
    }
    int listener = listen_anywhere(), queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted[] = { { .events = EPOLLIN, .data.ptr = &listener }, { .events = EPOLLIN | EPOLLHUP, .data.ptr = &queue } };
    if (listener < 0 || queue < 0 || epoll_ctl(queue, EPOLL_CTL_ADD, listener, &wanted[0]) != 0 || epoll_ctl(queue, EPOLL_CTL_ADD, STDIN_FILENO, &wanted[1]) != 0) {
        perror("floor_tls");
        return 1;
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(queue, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &queue)
                return 0;
            Client *client = events[i].data.ptr == &listener ? client_begin(listener, queue) : events[i].data.ptr;
            if (client && !client_serve(client))
                client_end(client);
        }
    }
}
