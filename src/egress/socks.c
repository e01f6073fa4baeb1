/* socks.c - reading SOCKS 5. */
#include "egress/socks.h"

enum { VERSION = 5, IPV4 = 1, NAME = 3, IPV6 = 4, HEAD_BYTES = 4, PORT_BYTES = 2 };

/* Section 3: version, how many methods, the methods. */
SocksStep socks_read_greeting(Bytes in, size_t *used, bool *without_authentication)
{
    if (in.len && in.ptr[0] != VERSION)
        return SOCKS_WRONG;
    if (in.len < 2 || in.len < 2 + (size_t)in.ptr[1])
        return SOCKS_MORE;
    *used = 2 + (size_t)in.ptr[1];
    *without_authentication = in.ptr[1] && memchr(in.ptr + 2, SOCKS_NO_AUTHENTICATION, in.ptr[1]);
    return SOCKS_READ;
}

/* What getaddrinfo(3) gets is text without blanks and control characters; it judges the rest. */
static bool take_name(Bytes name, SocksRequest *out)
{
    if (name.len == 0 || name.len > SOCKS_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
            return false;
    memcpy(out->name, name.ptr, name.len);
    out->name[name.len] = '\0';
    return true;
}

static void take_ipv4(const uint8_t *bytes, SocksRequest *out)
{
    memset(out->address.s6_addr + 10, 0xff, 2);
    memcpy(out->address.s6_addr + 12, bytes, 4);
}

/* Section 4: version, command, reserved, kind of address, address, port. */
SocksStep socks_read_request(Bytes in, size_t *used, SocksRequest *out)
{
    if (in.len && in.ptr[0] != VERSION)
        return SOCKS_WRONG;
    if (in.len < HEAD_BYTES + 1)
        return SOCKS_MORE;
    int kind = in.ptr[3];
    *out = (SocksRequest){ .command = in.ptr[1] };
    if (kind != IPV4 && kind != IPV6 && kind != NAME) {
        out->has_bad_address = true;            /* how long it would be is not known: it is the last that is read */
        *used = in.len;
        return SOCKS_READ;
    }
    size_t at = HEAD_BYTES + (kind == NAME), len = kind == NAME ? in.ptr[HEAD_BYTES] : kind == IPV4 ? 4 : 16;
    if (in.len < at + len + PORT_BYTES)
        return SOCKS_MORE;
    if (kind == NAME)
        out->has_bad_address = !take_name((Bytes){ in.ptr + at, len }, out);
    else if (kind == IPV4)
        take_ipv4(in.ptr + at, out);
    else
        memcpy(out->address.s6_addr, in.ptr + at, len);
    at += len;
    out->port = in.ptr[at] << 8 | in.ptr[at + 1];
    *used = at + PORT_BYTES;
    return SOCKS_READ;
}

/* Section 6. The bound address says nothing that the client needs: 0.0.0.0 port 0. */
void socks_reply(SocksReply reply, uint8_t out[SOCKS_REPLY_BYTES])
{
    memset(out, 0, SOCKS_REPLY_BYTES);
    out[0] = VERSION;
    out[1] = (uint8_t)reply;
    out[3] = IPV4;
}
