/* schema_roles.c - tables of custom roles (access/custom_role.c). */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_roles_8[] = {
    "CREATE TABLE access_role ("
    "  id          TEXT    NOT NULL PRIMARY KEY,"       /* GUID, lower case */
    "  name_key    TEXT    NOT NULL UNIQUE,"            /* lower case: one in the whole tenant */
    "  doc         BLOB    NOT NULL,"                   /* sealed under the tenant: name, description, permissions, assignable scopes */
    "  created_ms  INTEGER NOT NULL,"
    "  updated_ms  INTEGER NOT NULL,"
    "  created_by  TEXT    NOT NULL,"                   /* object ids */
    "  updated_by  TEXT    NOT NULL,"
    "  revision    INTEGER NOT NULL"                    /* one more with each change */
    ") STRICT",
    "CREATE TABLE access_role_scope ("
    "  role_id  TEXT NOT NULL REFERENCES access_role (id),"
    "  scope    TEXT NOT NULL,"                         /* lower case, where the role may be assigned */
    "  PRIMARY KEY (role_id, scope)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX access_assignment_role ON access_assignment (role_id)",
    NULL
};
