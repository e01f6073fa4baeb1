/* fuzz_ocsp_read.c - OCSP requests, as anybody may send them. */
#include <stdlib.h>
#include "base/clock.h"
#include "crypto/certificates/ocsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static KeyRef *key;
static Bytes ca;

/* The authority that the corpus asks about does not matter: any request is read, and answered. */
static void make_authority(void)
{
    static uint8_t der[4096];
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    CertSpec spec = { .subject = STR("CN=fuzz"), .is_ca = true, .path_length = 0, .not_before_ms = real_now_ms(), .not_after_ms = real_now_ms() + 86400000 };
    Bytes made;
    Err err = { 0 };
    if (!key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &err) || !cert_self_sign(arena, key, &spec, &made, &err) || made.len > sizeof der)
        abort();
    memcpy(der, made.ptr, made.len);
    ca = (Bytes){ der, made.len };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
    Err err = { 0 };
    Bytes answer;
    if (!key)
        make_authority();
    if (!ocsp_read(arena, (Bytes){ data, size }, ca, &request, &err)) {
        if (err.code != ERR_BAD_INPUT)
            abort();
        return 0;
    }
    if (request.count < 1 || request.count > OCSP_ASKED_MAX)
        abort();
    if (!ocsp_answer(arena, &request, key, ca, 0, 1000, &answer, &err))
        abort();
    return 0;
}
