/* Bodies of POST /certificates. What is accepted has the thumbprint that was asked for, and reads again from what is kept. */
#include <stdlib.h>
#include "base/encode.h"
#include "batch/certificates/account_certificate_content.h"
#include "json/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const JsonField fields[] = {
    JSON_FIELD(CertificateIn, thumbprint, "thumbprint", JSON_OPTIONAL), JSON_FIELD(CertificateIn, algorithm, "thumbprintAlgorithm", JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, data, "data", JSON_OPTIONAL),             JSON_FIELD(CertificateIn, format, "certificateFormat", JSON_OPTIONAL),
    JSON_FIELD(CertificateIn, password, "password", JSON_OPTIONAL),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(64 << 20);
    const JsonVal *root;
    CertificateIn in = { 0 };
    CertificateContent content, again;
    Err err = { 0 };
    Str asked;
    if (json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &root, &err) && json_read(root, "", fields, COUNT_OF(fields), &in, &err) &&
        certificate_content_read(arena, &in, "", &content, &err)) {
        if (in.thumbprint.ptr && (!certificate_thumbprint(arena, in.thumbprint, &asked) || !str_eq(asked, content.thumbprint)))
            abort();
        in.data = base64_encode(arena, content.material);
        if (!certificate_content_read(arena, &in, "", &again, &err) || !str_eq(again.thumbprint, content.thumbprint))
            abort();
    }
    arena_free(arena);
    return 0;
}
