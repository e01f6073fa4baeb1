/* fuzz_policy.c - access policies in whatever JSON: checked, asked and edited without a fault, and what was added is granted. */
#include <stdlib.h>
#include "access/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void edit(const JsonVal *now, const JsonVal *change, PolicyEdit how)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    JsonWriter w;
    const JsonVal *again;
    Err err = { 0 };
    buf_init(&buf, 4 << 20);
    json_begin(&w, &buf);
    if (!policy_edit(&w, NULL, now, change, how, &err))
        return;
    if (!arena || !json_end(&w, &err) || !json_parse(arena, buf_str(&buf), JSON_STRICT, &again, &err))
        abort();                                       /* the result is always JSON */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    const JsonVal *root;
    Err err = { 0 };
    Str tenant = STR("11111111-2222-4333-8444-555555555555"), who = STR("aaaaaaaa-0000-4000-8000-000000000001");
    if (size > 16 * 1024 || !arena || !json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &root, &err))
        return 0;
    const JsonVal *now = json_get(root, "now"), *change = json_get(root, "change");
    if (!policy_check(change, tenant, &err) && err.code != ERR_BAD_INPUT)
        abort();
    (void)policy_grants(now, who, STR("app"), STR("secrets/get"));
    (void)policy_grants(change, STR(""), STR(""), STR("keys/all"));
    edit(now, change, POLICY_ADD);
    edit(now, change, POLICY_REPLACE);
    edit(now, change, POLICY_REMOVE);
    return 0;
}
