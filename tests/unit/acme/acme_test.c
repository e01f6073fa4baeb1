/* acme_test.c - see acme_test.h. */
#include "acme_test.h"

Arena *arena;
KeyRef *key;
Err err;

int acme_test_set_up(void **state)
{
    (void)state;
    arena = arena_new(64 << 20);
    must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &err));
    return 0;
}

int acme_test_tear_down(void **state)
{
    (void)state;
    key_free(key);
    arena_free(arena);
    return 0;
}
