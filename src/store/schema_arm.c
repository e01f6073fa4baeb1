/* schema_arm.c - tables of arm (arm/arm.h). How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_arm_1[] = {
    "CREATE TABLE arm_subscription ("
    "  id            TEXT    NOT NULL PRIMARY KEY,"    /* GUID, lower case */
    "  display_name  BLOB    NOT NULL,"                /* sealed under the tenant */
    "  created_ms    INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",

    /* By these names subscriptions are made, once each however often it is asked for. */
    "CREATE TABLE arm_alias ("
    "  name_key      TEXT    NOT NULL PRIMARY KEY,"    /* lower case */
    "  name          TEXT    NOT NULL,"                /* as first spelled */
    "  subscription  TEXT    NOT NULL REFERENCES arm_subscription (id),"
    "  created_ms    INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",

    "CREATE TABLE arm_group ("
    "  subscription  TEXT    NOT NULL REFERENCES arm_subscription (id),"
    "  name_key      TEXT    NOT NULL,"                /* lower case */
    "  name          TEXT    NOT NULL,"                /* as first spelled */
    "  location      TEXT    NOT NULL,"
    "  managed_by    TEXT,"
    "  tags          BLOB,"                            /* sealed JSON object; NULL: none */
    "  state         INTEGER NOT NULL,"                /* GroupState */
    "  operation     TEXT,"                            /* of its deletion */
    "  created_ms    INTEGER NOT NULL,"
    "  changed_ms    INTEGER NOT NULL,"
    "  PRIMARY KEY (subscription, name_key)"
    ") STRICT, WITHOUT ROWID",

    /* The register: what exists, whatever subject keeps it. */
    "CREATE TABLE arm_resource ("
    "  id_key        TEXT    NOT NULL PRIMARY KEY,"    /* lower case */
    "  id            TEXT    NOT NULL,"
    "  type          TEXT    NOT NULL,"                /* \"Microsoft.KeyVault/vaults\" */
    "  type_key      TEXT    NOT NULL,"
    "  name          TEXT    NOT NULL,"
    "  subscription  TEXT    NOT NULL,"
    "  group_key     TEXT    NOT NULL,"
    "  location      TEXT    NOT NULL,"
    "  tags          BLOB,"                            /* sealed JSON object; NULL: none */
    "  created_ms    INTEGER NOT NULL,"
    "  changed_ms    INTEGER NOT NULL,"
    "  FOREIGN KEY (subscription, group_key) REFERENCES arm_group (subscription, name_key)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX arm_resource_group ON arm_resource (subscription, group_key, id_key)",
    "CREATE INDEX arm_resource_type ON arm_resource (subscription, type_key, id_key)",

    "CREATE TABLE arm_operation ("
    "  id            TEXT    NOT NULL PRIMARY KEY,"
    "  subject       TEXT    NOT NULL,"                /* ARM id of what it works on */
    "  status        INTEGER NOT NULL,"                /* HTTP status of its result; 0: under way */
    "  body          BLOB,"                            /* sealed JSON; NULL: none */
    "  started_ms    INTEGER NOT NULL,"                /* real time */
    "  finished_ms   INTEGER NOT NULL"                 /* real time; 0: under way */
    ") STRICT, WITHOUT ROWID",
    NULL
};
