/* fuzz_socks.c - a message that was read is read alike from just its bytes, never from fewer, and names only what may be a name. */
#include <stdlib.h>
#include "egress/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(Bytes in)
{
    SocksRequest first, again;
    size_t used, used_again;
    if (socks_read_request(in, &used, &first) != SOCKS_READ)
        return;
    if (used > in.len || first.port < 0 || first.port > 65535 || strlen(first.name) > SOCKS_NAME_MAX)
        abort();
    if (socks_read_request((Bytes){ in.ptr, used }, &used_again, &again) != SOCKS_READ || used != used_again || memcmp(&first, &again, sizeof first) != 0)
        abort();
    if (!first.has_bad_address && socks_read_request((Bytes){ in.ptr, used - 1 }, &used_again, &again) != SOCKS_MORE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes in = { data, size };
    size_t used;
    bool without;
    if (socks_read_greeting(in, &used, &without) == SOCKS_READ) {
        if (used > size || used < 2)
            abort();
        in = (Bytes){ data + used, size - used };
    }
    request(in);
    return 0;
}
