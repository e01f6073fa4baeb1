/* schema_keyvault.c - tables of keyvault. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_keyvault_1[] = {
    NULL
};
