/* Whatever is read of a certificate is text that answers and logs can carry; the key and issuer checks never crash. */
#include <stdlib.h>
#include "crypto/certificates/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(Str text)
{
    if (!text.ptr || !str_is_utf8(text))
        abort();
}

static void check_names(CertNames names)
{
    for (size_t i = 0; i < names.count; i++)
        check_text(names.items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    AUTO(key_free_auto) KeyRef *key = NULL;
    Bytes der = { data, size };
    CertInfo info;
    Err err;
    if (cert_read(arena, der, &info, &err)) {
        check_text(info.subject);
        check_text(info.issuer);
        check_text(info.serial_hex);
        const CertNames lists[] = { info.dns, info.emails, info.upns, info.ips, info.uris, info.ekus, info.key_usage };
        for (size_t i = 0; i < COUNT_OF(lists); i++)
            check_names(lists[i]);
    }
    if (!cert_public_key(der, &key, &err) && err.code != ERR_BAD_INPUT)
        abort();
    (void)cert_is_issued_by(der, der);
    return 0;
}
