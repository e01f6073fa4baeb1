/* schema_batch.c - tables of batch. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_batch_1[] = {
    NULL
};
