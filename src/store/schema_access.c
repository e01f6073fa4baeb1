/* schema_access.c - tables of access. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_access_1[] = {
    NULL
};
