/* schema_managedidentity.c - tables of managedidentity. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_managedidentity_1[] = {
    NULL
};
