/* schema_issuers.c - what issuers of provider ACME need to remember: their account, orders under way, challenges that are answered; and whom the
 * clock has told about certificates. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_issuers_3[] = {
    "CREATE TABLE kv_acme_account ("
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  issuer_key  TEXT    NOT NULL,"                  /* its name in lower case */
    "  doc         BLOB    NOT NULL,"                  /* sealed JSON: directory, account URL */
    "  key         BLOB    NOT NULL,"                  /* sealed PKCS#8 of the account */
    "  PRIMARY KEY (vault, issuer_key)"
    ") STRICT",

    "CREATE TABLE kv_acme_order ("
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"                  /* of the certificate */
    "  request_id  TEXT    NOT NULL,"                  /* of its operation */
    "  started_ms  INTEGER NOT NULL,"                  /* real time */
    "  doc         BLOB    NOT NULL,"                  /* sealed JSON: order URL, once there is one */
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT",

    "CREATE TABLE kv_acme_challenge ("
    "  token       TEXT    NOT NULL,"                  /* the authority's: http-01 asks for it by this */
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"                  /* of the certificate */
    "  doc         BLOB    NOT NULL,"                  /* sealed JSON: kind, domain, answer */
    "  PRIMARY KEY (token, vault, name_key)"
    ") STRICT",
    "CREATE INDEX kv_acme_challenge_certificate ON kv_acme_challenge (vault, name_key)",
    NULL
};

const char *const schema_contacts_5[] = {
    "CREATE TABLE kv_mailed ("                          /* contacts were told about this version, by mail or else by an event */
    "  vault      TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key   TEXT    NOT NULL,"                   /* of the certificate */
    "  version    TEXT    NOT NULL,"
    "  mailed_ms  INTEGER NOT NULL,"
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT, WITHOUT ROWID",
    NULL
};
