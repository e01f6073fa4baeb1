/* A file of certificates has at least one that reads, or is refused as bad input. */
#include <stdlib.h>
#include "crypto/bundles/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    Err err;
    if (bundle_read_certs(arena, (Bytes){ data, size }, &bundle, &err) ? !bundle.count || bundle.key : err.code != ERR_BAD_INPUT && err.code != ERR_TOO_LARGE)
        abort();
    return 0;
}
