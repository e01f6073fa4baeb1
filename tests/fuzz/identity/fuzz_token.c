/* fuzz_token.c - whatever stands behind "Bearer": refused as unauthenticated, and never believed. */
#include <stdlib.h>
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Str audience = { "https://vault.azure.net", 23 };
    Identity *identity = world_identity();
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    const Caller *caller;
    Err err = { 0 };
    if (!arena || token_check(identity, arena, (Str){ (const char *)data, size }, &audience, 1, real_now_ms(), &caller, &err))
        abort();                                       /* nobody has the key: no input can be a token of this tenant */
    if (err.code != ERR_UNAUTHENTICATED || !err.name)
        abort();
    return 0;
}
