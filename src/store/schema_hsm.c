/* schema_hsm.c - private keys that a PKCS#11 token keeps for vaults.
 *
 * A row is there before its key is in the token, and goes after it: what the token has of ours is always known. A key is in use while a
 * version, a pending certificate or an issuer names it. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_hsm_4[] = {
    "CREATE TABLE kv_hsm_key ("
    "  id       TEXT    NOT NULL PRIMARY KEY,"         /* CKA_ID, 32 hex digits */
    "  vault    TEXT    NOT NULL,"                     /* which may be gone before the key is */
    "  state    INTEGER NOT NULL,"                     /* HsmState in keyvault/keys/hsm_key.c */
    "  made_ms  INTEGER NOT NULL"                      /* real time */
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX kv_hsm_key_vault ON kv_hsm_key (vault)",
    "ALTER TABLE kv_version ADD COLUMN hsm_key TEXT",      /* of kv_hsm_key; NULL: the private half is in the row */
    "ALTER TABLE kv_pending ADD COLUMN hsm_key TEXT",
    "CREATE INDEX kv_version_hsm ON kv_version (hsm_key) WHERE hsm_key IS NOT NULL",
    "CREATE INDEX kv_pending_hsm ON kv_pending (hsm_key) WHERE hsm_key IS NOT NULL",
    NULL
};

const char *const schema_hsm_10[] = {
    "ALTER TABLE kv_issuer ADD COLUMN hsm_key TEXT",       /* of kv_hsm_key: the key of an authority; NULL: it is in the row */
    "CREATE INDEX kv_issuer_hsm ON kv_issuer (hsm_key) WHERE hsm_key IS NOT NULL",
    NULL
};
