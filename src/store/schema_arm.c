/* schema_arm.c - tables of arm. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_arm_1[] = {
    NULL
};
