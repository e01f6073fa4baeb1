#include "../cm.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "node/network/relay.h"

static char dir[] = "/tmp/vaultyard-relay-XXXXXX";
static char socket_path[64];
static int server = -1;

static int listen_unix(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0 ? fd : -1;
}

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static int connect_port(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Sends back what comes until the end, then closes its side. */
static void *echo(void *arg)
{
    (void)arg;
    int fd = accept(server, NULL, NULL);
    char piece[7000];
    ssize_t got;
    while ((got = recv(fd, piece, sizeof piece, 0)) > 0)
        if (send(fd, piece, (size_t)got, MSG_NOSIGNAL) != got)
            break;
    (void)close(fd);
    return NULL;
}

enum { TOTAL = 3 * 1000 * 1000 };
typedef struct Sender { int fd; } Sender;

static void *send_all(void *arg)
{
    Sender *sender = arg;
    static unsigned char data[TOTAL];
    for (size_t i = 0; i < TOTAL; i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    for (size_t done = 0; done < TOTAL;) {
        ssize_t sent = send(sender->fd, data + done, TOTAL - done, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        done += (size_t)sent;
    }
    (void)shutdown(sender->fd, SHUT_WR);
    return NULL;
}

static void test_bytes_pass_both_ways_and_ends_too(void **state)
{
    (void)state;
    Relay *relay;
    Err err = { 0 };
    int port = free_port();
    assert_true(relay_start(socket_path, &relay, &err));
    assert_true(relay_add_port(relay, port, &err));
    assert_true(relay_add_port(relay, port, &err));

    pthread_t echoer, writer;
    assert_int_equal(pthread_create(&echoer, NULL, echo, NULL), 0);
    Sender sender = { connect_port(port) };
    assert_int_equal(pthread_create(&writer, NULL, send_all, &sender), 0);
    size_t total = 0;
    bool same = true;
    unsigned char piece[9000];
    for (ssize_t got; (got = recv(sender.fd, piece, sizeof piece, 0)) > 0; total += (size_t)got)
        for (ssize_t i = 0; i < got; i++)
            same = same && piece[i] == (unsigned char)((total + (size_t)i) * 31 >> 3);
    (void)pthread_join(writer, NULL);
    (void)pthread_join(echoer, NULL);
    assert_int_equal(total, TOTAL);
    assert_true(same);
    (void)close(sender.fd);
    relay_stop(relay);
}

static void test_without_a_server_connections_are_closed_and_later_ones_work(void **state)
{
    (void)state;
    Relay *relay;
    Err err = { 0 };
    char byte;
    int port = free_port();
    (void)close(server);
    (void)unlink(socket_path);
    assert_true(relay_start(socket_path, &relay, &err));
    assert_true(relay_add_port(relay, port, &err));
    int fd = connect_port(port);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);

    server = listen_unix();
    pthread_t echoer;
    assert_int_equal(pthread_create(&echoer, NULL, echo, NULL), 0);
    fd = connect_port(port);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    (void)close(fd);
    (void)pthread_join(echoer, NULL);
    relay_stop(relay);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(socket_path, sizeof socket_path, "%s/site.sock", dir);
    server = listen_unix();
    return server < 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)close(server);
    (void)unlink(socket_path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_pass_both_ways_and_ends_too),
        cmocka_unit_test(test_without_a_server_connections_are_closed_and_later_ones_work),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
