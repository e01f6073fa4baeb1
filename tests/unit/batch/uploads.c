/* uploads.c - a key and its self-signed certificate as .pfx and .cer. */
#include "uploads.h"
#include "../cm.h"
#include "base/encode.h"
#include "crypto/bundles/bundle.h"
#include "crypto/hash.h"

Upload upload_make(Arena *arena, const char *name)
{
    AUTO(bundle_done_auto) Bundle bundle = { .count = 1 };
    AUTO(secret_free_auto) Secret *pfx = NULL;
    CertSpec spec = { .subject = str_printf(arena, "CN=%s", name), .path_length = -1, .not_before_ms = INT64_C(1700000000000), .not_after_ms = INT64_C(1900000000000) };
    uint8_t digest[SHA1_SIZE];
    Err err = { 0 };
    if (!key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &bundle.key, &err) || !cert_self_sign(arena, bundle.key, &spec, &bundle.certs[0], &err) ||
        !bundle_write_pfx(&bundle, STR("pw"), &pfx, &err))
        fail_msg("%s", err.text);
    sha1(bundle.certs[0], digest);
    return (Upload){ .thumbprint = hex_encode(arena, (Bytes){ digest, sizeof digest }), .pfx = base64_encode(arena, secret_bytes(pfx)),
                     .cer = base64_encode(arena, bundle.certs[0]), .pem = base64_encode(arena, bytes_of(pem_of_cert(arena, bundle.certs[0]))) };
}
