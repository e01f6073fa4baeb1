/* floor_mhd CERTIFICATE.pem KEY.pem BODY_BYTES: the least that an HTTPS answer costs with the libraries under our server: libmicrohttpd with
 * GnuTLS, an epoll thread a core, one constant answer and nothing of ours. Prints "port N"; ends with its standard input. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/str.h"

enum { FILE_MAX = 16 * 1024, BODY_MAX = 64 * 1024 };

static enum MHD_Result answer(void *response, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload, size_t *upload_size, void **context)
{
    (void)url, (void)method, (void)version, (void)upload;
    static char seen;
    if (!*context || *upload_size) {            /* the head alone, or a piece of a body */
        *context = &seen;
        *upload_size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, 200, response);
}

static bool read_file(const char *path, char text[FILE_MAX])
{
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(text, 1, FILE_MAX - 1, file) : 0;
    text[len] = '\0';
    return file && fclose(file) == 0 && len > 0;
}

int main(int argc, char **argv)
{
    static char certificate[FILE_MAX], key[FILE_MAX], body[BODY_MAX], rest[64];
    size_t size = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (argc != 4 || size > sizeof body || !read_file(argv[1], certificate) || !read_file(argv[2], key)) {
        fprintf(stderr, "usage: floor_mhd CERTIFICATE.pem KEY.pem BODY_BYTES\n");
        return 2;
    }
    memset(body, 'x', size);
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_PERSISTENT);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (!response || MHD_add_response_header(response, "Content-Type", "application/json") != MHD_YES)
        return 1;
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, answer, response,
        MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_SOCK_ADDR, &at,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)(cores > 1 ? cores : 1), MHD_OPTION_END);
    const union MHD_DaemonInfo *info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        fprintf(stderr, "floor_mhd: libmicrohttpd does not start\n");
        return 1;
    }
    printf("port %d\n", info->port);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        continue;
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
