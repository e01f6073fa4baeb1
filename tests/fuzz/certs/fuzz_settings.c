/* Settings are written by people and templates; what is accepted never names a path outside its directory. */
#include <stdlib.h>
#include "certs/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(8 << 20);
    CertSettings settings;
    Err err = { 0 };
    if (settings_read(arena, (Str){ (const char *)data, size }, &settings, &err))
        for (size_t i = 0; i < settings.observed_count; i++) {
            const Observed *observed = &settings.observed[i];
            if (memchr(observed->link_name.ptr, '/', observed->link_name.len) || observed->store_dir.ptr[0] != '/')
                abort();
        }
    arena_free(arena);
    return 0;
}
