/* listeners.c - addresses into listeners. */
#include "server/listeners.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/file.h"

enum { PICK_TRIES = 20 };
typedef struct Place { char address[64]; int port; } Place;

static bool place_parse(const char *text, Place *out, Err *err)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    const char *from = text;
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        from++;
        len -= 2;
    }
    int64_t port;
    if (!colon || len == 0 || len >= sizeof out->address || !str_to_int64(str_from(colon + 1), 0, 65535, &port, err))
        return err_set(err, ERR_BAD_INPUT, "'%s' is no place to listen at: ADDRESS:PORT, such as 127.0.0.1:8443 or [::1]:8443", text);
    memcpy(out->address, from, len);
    out->address[len] = '\0';
    out->port = (int)port;
    return true;
}

static bool machine_has(const char *address)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
        return true;
    AUTO(fd_close) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&v6, sizeof v6) == 0;
}

/* Is the port free on all of these addresses right now? */
static bool port_is_free(const Place *places, int count, int port)
{
    for (int i = 0; i < count; i++) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
        bool is_v4 = inet_pton(AF_INET, places[i].address, &v4.sin_addr) == 1;
        if (!is_v4 && inet_pton(AF_INET6, places[i].address, &v6.sin6_addr) != 1)
            continue;
        AUTO(fd_close) int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1;
        if (fd < 0)
            return false;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (!is_v4)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is_v4 ? sizeof v4 : sizeof v6) < 0)
            return false;
    }
    return true;
}

static int kernel_pick(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    AUTO(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return 0;
    return ntohs(address.sin_port);
}

static int pick_port(const Place *places, int count, int last_port)
{
    if (last_port && port_is_free(places, count, last_port))
        return last_port;
    for (int i = 0; i < PICK_TRIES; i++) {
        int port = kernel_pick();
        if (port && port_is_free(places, count, port))
            return port;
    }
    return 0;
}

bool listeners_bind(HttpServer *server, const char *const *wanted, int count, int port, int last_port, int *visible_port, Err *err)
{
    Place places[LISTEN_MAX];
    int used = 0, picked = 0;
    for (int i = 0; i < count; i++)
        if (!place_parse(wanted[i], &places[used++], err))
            return false;
    if (count == 0) {
        static const char *const loopbacks[] = { "127.0.0.1", "::1" };
        for (size_t i = 0; i < COUNT_OF(loopbacks); i++)
            if (machine_has(loopbacks[i])) {
                places[used] = (Place){ .port = port };
                (void)snprintf(places[used++].address, sizeof places[0].address, "%s", loopbacks[i]);
            }
    }
    for (int i = 0; i < used; i++) {
        int bound;
        if (places[i].port == 0) {
            picked = picked ? picked : pick_port(places, used, last_port);
            places[i].port = picked;
        }
        if (!http_listen_tcp(server, places[i].address, places[i].port, &bound, err))
            return false;
        if (i == 0)
            *visible_port = bound;
    }
    return true;
}
