/* schema_responder.c - who answers for the authorities of vaults how their certificates stand (keyvault/issuers/issuer_responder.h). */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_responder_11[] = {
    "CREATE TABLE kv_responder ("
    "  vault         TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  issuer_key    TEXT    NOT NULL,"                  /* its name in lower case */
    "  cert          BLOB    NOT NULL,"                  /* DER */
    "  key           BLOB    NOT NULL,"                  /* sealed PKCS#8 */
    "  not_after_ms  INTEGER NOT NULL,"
    "  PRIMARY KEY (vault, issuer_key)"
    ") STRICT",
    NULL
};
