/* schema_managedidentity.c - tables of managedidentity. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_managedidentity_1[] = {
    /* Name, place and tags of an identity are in the register of resources; here is whom it stands for. */
    "CREATE TABLE managedidentity_user_assigned ("
    "  id_key        TEXT    NOT NULL PRIMARY KEY REFERENCES arm_resource (id_key),"
    "  principal_id  TEXT    NOT NULL UNIQUE"
    ") STRICT, WITHOUT ROWID",
    NULL
};
