/* fuzz_dns.c - questions of whoever runs on a node: an answer fits its message, answers the same id, and is made for questions alone. */
#include <stdlib.h>
#include "node/network/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Str domains[] = { { "vaultyard.localhost", 19 }, { "vault.azure.net", 15 }, { "", 0 } };
    uint8_t out[DNS_MESSAGE_MAX];
    size_t len = dns_answer(domains, COUNT_OF(domains), data, size, out);
    if (len > sizeof out)
        abort();
    if (len && (size < 12 || data[2] & 0x80 || memcmp(out, data, 2) != 0 || !(out[2] & 0x80)))
        abort();
    return 0;
}
