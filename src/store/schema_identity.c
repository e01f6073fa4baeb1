/* schema_identity.c - tables of identity. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_identity_1[] = {
    NULL
};
