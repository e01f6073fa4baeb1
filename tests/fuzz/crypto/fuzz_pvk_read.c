/* A .pvk is read or refused as bad input. */
#include <stdlib.h>
#include "crypto/bundles/pvk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    Bytes file = { data, size };
    Err err;
    if (pvk_read(file, STR("secret"), &key, &err) ? !key_is_private(key) : err.code != ERR_BAD_INPUT)
        abort();
    (void)pvk_is_encrypted(file);
    return 0;
}
