/* socks.h - the client's messages of SOCKS 5 (RFC 1928), as far as a way out needs them: no authentication, CONNECT. */
#pragma once
#include <netinet/in.h>
#include "base/str.h"

enum { SOCKS_NAME_MAX = 253, SOCKS_CONNECT = 1, SOCKS_NO_AUTHENTICATION = 0, SOCKS_NO_METHOD = 0xff, SOCKS_REPLY_BYTES = 10 };

/* Section 6. */
typedef enum SocksReply {
    SOCKS_GRANTED = 0, SOCKS_FAILED = 1, SOCKS_NOT_ALLOWED = 2, SOCKS_NET_UNREACHABLE = 3, SOCKS_HOST_UNREACHABLE = 4, SOCKS_REFUSED = 5,
    SOCKS_BAD_COMMAND = 7, SOCKS_BAD_ADDRESS = 8
} SocksReply;

typedef enum SocksStep { SOCKS_MORE = 1, SOCKS_READ, SOCKS_WRONG } SocksStep;    /* wait for more bytes; read; this is no SOCKS 5 */

typedef struct SocksRequest {
    int command;                        /* SOCKS_CONNECT, or one that is not served */
    bool has_bad_address;               /* of a kind that RFC 1928 does not have, or a name that is none */
    char name[SOCKS_NAME_MAX + 1];      /* "": `address` is given */
    struct in6_addr address;            /* IPv4 as ::ffff:a.b.c.d */
    int port;
} SocksRequest;

/* *used: the bytes of the message, set by SOCKS_READ alone. */
SocksStep socks_read_greeting(Bytes in, size_t *used, bool *without_authentication);
SocksStep socks_read_request(Bytes in, size_t *used, SocksRequest *out);
void socks_reply(SocksReply reply, uint8_t out[SOCKS_REPLY_BYTES]);
