/* A PFX is read or refused as bad input, with the password of the corpus or the empty one. */
#include <stdlib.h>
#include "crypto/bundles/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Str passwords[] = { STR(""), STR("changeit") };
    for (size_t i = 0; i < COUNT_OF(passwords); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
        AUTO(bundle_done_auto) Bundle bundle = { 0 };
        Err err;
        if (bundle_read_pfx(arena, (Bytes){ data, size }, passwords[i], &bundle, &err)) {
            if (!bundle.count)
                abort();
        } else if (err.code != ERR_BAD_INPUT && err.code != ERR_TOO_LARGE) {
            abort();
        }
    }
    return 0;
}
