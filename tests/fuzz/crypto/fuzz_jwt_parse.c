/* What parses as a token holds what it promises; nothing verifies against a key that signed nothing. */
#include <stdlib.h>
#include "crypto/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static KeyRef *key;
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    Jwt jwt;
    int64_t ms;
    Err err;
    if (!key && !key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &err))
        abort();
    if (!jwt_parse(arena, (Str){ (const char *)data, size }, &jwt, &err)) {
        if (err.code != ERR_UNAUTHENTICATED && err.code != ERR_TOO_LARGE)
            abort();
        return 0;
    }
    if (json_kind(jwt.header) != JSON_OBJECT || json_kind(jwt.claims) != JSON_OBJECT || !jwt.signature.len || json_get(jwt.header, "crit"))
        abort();
    (void)jwt_time(json_get(jwt.claims, "exp"), &ms);
    if (jwt_check(&jwt, key, &err))
        abort();
    return 0;
}
