/* schema_encryption.c - which customer's key wraps the scope key of a Batch account (batch/encryption/encryption.c). How to add a table: schema.h.
 *
 * All of it is clear: it is what opens the account, and what Resource Manager shows of one that cannot be opened. Times are real time. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_encryption_1[] = {
    "CREATE TABLE batch_encryption ("
    "  account_id    TEXT    NOT NULL PRIMARY KEY REFERENCES batch_account (id),"   /* only accounts that were made with an identity have a row */
    "  revision      INTEGER NOT NULL,"                 /* rises with each change of the wrapping key */
    "  identifier    TEXT,"                             /* the key's URL as set; NULL: Microsoft.Batch */
    "  vault         TEXT    NOT NULL,"                 /* lower case; \"\" with Microsoft.Batch, like all that follows */
    "  key_name      TEXT    NOT NULL,"
    "  version       TEXT    NOT NULL,"                 /* that wraps now */
    "  pinned        INTEGER NOT NULL,"                 /* 1: the identifier names the version; 0: the newest is followed */
    "  algorithm     TEXT    NOT NULL,"                 /* \"RSA-OAEP-256\" */
    "  principal_id  TEXT    NOT NULL,"                 /* the account's identity that has the access */
    "  wrapped       BLOB,"                             /* the data key, as the vault wrapped it */
    "  access        INTEGER NOT NULL,"                 /* KeyAccess */
    "  reason        TEXT    NOT NULL,"                 /* why access was lost, or what else is wrong; \"\" */
    "  unwrapped_ms  INTEGER NOT NULL,"                 /* when the vault last unwrapped it */
    "  lost_ms       INTEGER NOT NULL,"                 /* the last loss, and the return after it; 0: none */
    "  restored_ms   INTEGER NOT NULL,"
    "  scrub         INTEGER NOT NULL"                  /* 1: the wrapping before may still lie in the files */
    ") STRICT",
    NULL
};
