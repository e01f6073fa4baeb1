/* What is read as PEM is written and read again the same. */
#include <stdlib.h>
#include "crypto/bundles/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4 << 20);
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    AUTO(bundle_done_auto) Bundle again = { 0 };
    AUTO(secret_free_auto) Secret *pem = NULL;
    Str text = { (const char *)data, size };
    Bytes der;
    Err err;
    if (bundle_read_pem(arena, text, &bundle, &err)) {
        if (!bundle_write_pem(&bundle, true, &pem, &err) || !bundle_read_pem(arena, str_of(secret_bytes(pem)), &again, &err))
            abort();
        if (again.count != bundle.count || !again.key != !bundle.key || (bundle.key && !key_same_public(bundle.key, again.key)))
            abort();
    } else if (err.code != ERR_BAD_INPUT && err.code != ERR_TOO_LARGE) {
        abort();
    }
    (void)!pem_to_cert(arena, text, &der, &err);
    return 0;
}
