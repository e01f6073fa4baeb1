/* schema_events.c - what tells others about vaults: expiries by the clock, event subscriptions, events on their way. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_events_2[] = {
    "CREATE TABLE kv_expiry ("                          /* of each object whose current version expires */
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  kind        INTEGER NOT NULL,"
    "  name_key    TEXT    NOT NULL,"
    "  version     TEXT    NOT NULL,"
    "  exp_ms      INTEGER NOT NULL,"
    "  due_ms      INTEGER NOT NULL,"                  /* when the clock looks at it next; 0: never again */
    "  told        INTEGER NOT NULL,"                  /* 1: near expiry was told, 2: expired was, 3: both */
    "  PRIMARY KEY (vault, kind, name_key)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX kv_expiry_due ON kv_expiry (due_ms) WHERE due_ms <> 0",

    "CREATE TABLE kv_event_subscription ("
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"
    "  id          TEXT    NOT NULL UNIQUE,"           /* random, new with each one of the same name */
    "  cursor      INTEGER NOT NULL,"                  /* the last number of kv_feed that it has taken up */
    "  sealed      BLOB    NOT NULL,"                  /* JSON: name, endpoint, filter, retry policy */
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT",

    "CREATE TABLE kv_event_delivery ("
    "  subscription  TEXT    NOT NULL REFERENCES kv_event_subscription (id),"
    "  number        INTEGER NOT NULL,"                /* of kv_feed */
    "  kind          INTEGER NOT NULL,"                /* 0: the vault itself */
    "  name          TEXT    NOT NULL,"
    "  version       TEXT    NOT NULL,"
    "  change        INTEGER NOT NULL,"                /* FeedChange in keyvault/objects/feed.h */
    "  time_ms       INTEGER NOT NULL,"                /* of the change */
    "  nbf_ms        INTEGER,"
    "  exp_ms        INTEGER,"
    "  made_ms       INTEGER NOT NULL,"                /* this and the next: real time */
    "  next_ms       INTEGER NOT NULL,"                /* not to be tried before */
    "  tries         INTEGER NOT NULL,"
    "  PRIMARY KEY (subscription, number)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX kv_event_delivery_next ON kv_event_delivery (subscription, next_ms)",
    NULL
};
