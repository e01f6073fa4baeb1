/* uploads.h - certificates as people upload them, made once for a test program. */
#pragma once
#include "base/arena.h"

typedef struct Upload {
    Str thumbprint;                         /* lower case */
    Str pfx, cer, pem;                      /* base64 of the .pfx under "pw", of the DER, and of the PEM text */
} Upload;

/* Lies in the arena; `name` is the common name. */
Upload upload_make(Arena *arena, const char *name);
