/* Issuers are other people's servers: whatever they answer, only keys that we check signatures with come of it. */
#include <stdlib.h>
#include "identity/issuer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(8 << 20);
    IssuerKeys keys;
    Str text = { (const char *)data, size }, uri;
    Err err = { 0 };
    if (issuer_read_configuration(arena, text, STR("https://issuer.example"), &uri, &err) && !str_starts(uri, STR("https://")))
        abort();
    if (issuer_read_keys(arena, text, &keys, &err)) {
        for (size_t i = 0; i < keys.count; i++)
            if (key_is_private(keys.items[i].key) || strlen(keys.items[i].kid) > ISSUER_KID_MAX)
                abort();
        issuer_keys_done(&keys);
    }
    arena_free(arena);
    return 0;
}
