/* fuzz_cert_policy.c - certificate policies from the network: read, written, read again to the same text. */
#include <assert.h>
#include "keyvault/certificates/cert_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool write_text(const CertPolicy *policy, Buf *buf)
{
    JsonWriter w;
    Err err = { 0 };
    buf_init(buf, 4 << 20);
    json_begin(&w, buf);
    cert_policy_write(&w, NULL, policy, STR_NONE);
    return json_end(&w, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    const JsonVal *json, *again_json;
    CertPolicy policy = cert_policy_defaults(), again = cert_policy_defaults();
    Err err = { 0 };
    if (!arena || !json_parse(arena, (Str){ (const char *)data, size }, JSON_STRICT, &json, &err) ||
        !cert_policy_read(arena, json, "policy", &policy, &err))
        return 0;
    Buf first, second;
    int64_t due;
    bool written = write_text(&policy, &first);
    assert(written);
    bool read = json_parse(arena, buf_str(&first), JSON_STRICT, &again_json, &err) && cert_policy_read(arena, again_json, "policy", &again, &err);
    assert(read);
    written = write_text(&again, &second);
    assert(written && str_eq(buf_str(&first), buf_str(&second)));
    (void)cert_policy_due(&policy, 0, INT64_C(1) << 40, &due);
    (void)cert_policy_key_ops(arena, &policy);
    buf_done(&first);
    buf_done(&second);
    return 0;
}
