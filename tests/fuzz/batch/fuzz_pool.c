/* Bodies of pools, of accounts and of their changes. What is accepted is written on both planes, and its own document is accepted again unchanged. */
#include <stdlib.h>
#include "batch/accounts/account_settings.h"
#include "batch/certificates/account_certificate_refs.h"
#include "batch/pools/pool_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Str written(Arena *arena, Spelling to, const PoolSpec *spec)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 4 << 20);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "vmSize", spec->vm_size);
    json_put_int(&w, "taskSlotsPerNode", spec->slots);
    pool_write_document(arena, to, spec->body, &w);
    certificate_refs_write(arena, to, STR("/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a"), spec->body, &w);
    json_close(&w);
    if (!json_end(&w, &err))
        abort();
    return str_dup(arena, buf_str(&buf));
}

static void check(Arena *arena, const PoolSpec *spec)
{
    const JsonVal *arm, *plane;
    PoolSpec again;
    Err err = { 0 };
    if (!json_parse(arena, written(arena, SPELL_ARM, spec), JSON_STRICT, &arm, &err) || !json_parse(arena, written(arena, SPELL_DATA, spec), JSON_STRICT, &plane, &err))
        abort();
    const JsonVal *was, *is;
    if (!json_parse(arena, spec->body, JSON_STRICT, &was, &err))
        abort();
    if (json_count(json_get(was, "userAccounts")) > 0)
        return;                             /* their passwords are asked for again */
    if (!pool_read_arm(arena, arm, POOL_REPLACE, spec, &again, &err) ||
        !json_parse(arena, again.body, JSON_STRICT, &is, &err) || !json_same(was, is))
        abort();
    PoolExtension *extensions;
    size_t count;
    if (!pool_extensions(arena, spec->body, &extensions, &count, &err))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(64 << 20);
    const JsonVal *root;
    Err err = { 0 };
    if (json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &root, &err)) {
        PoolSpec spec, patched;
        Str settings;
        if (pool_read_arm(arena, json_get(root, "properties"), POOL_CREATE, NULL, &spec, &err)) {
            check(arena, &spec);
            if (pool_read_arm(arena, json_get(root, "properties"), POOL_PATCH, &spec, &patched, &err))
                check(arena, &patched);
        }
        if (pool_read_data(arena, root, POOL_CREATE, NULL, &spec, &err)) {
            check(arena, &spec);
            if (pool_read_data(arena, root, POOL_PROPERTIES, &spec, &patched, &err))
                check(arena, &patched);
            if (pool_read_resize(arena, root, &spec, &patched, &err) && patched.target < 0)
                abort();
        }
        (void)!account_settings_read(arena, json_get(root, "properties"), STR_NONE, &settings, &err);
    }
    arena_free(arena);
    return 0;
}
