/* schema_identity.c - tables of identity. How to add one: schema.h. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_identity_1[] = {
    "CREATE TABLE identity_tenant ("
    "  id            TEXT    NOT NULL PRIMARY KEY,"    /* GUID; all GUIDs here are in lower case */
    "  display_name  TEXT    NOT NULL,"
    "  admin_id      TEXT    NOT NULL,"                /* object id of the bootstrap administrator's service principal */
    "  created_ms    INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",

    "CREATE TABLE identity_application ("
    "  object_id     TEXT    NOT NULL PRIMARY KEY,"
    "  app_id        TEXT    NOT NULL UNIQUE,"
    "  display_name  TEXT    NOT NULL,"
    "  display_key   TEXT    NOT NULL,"                /* lower case: filters ask for equal and starting names */
    "  owner_id      TEXT    NOT NULL,"                /* object id of the principal that created it; empty: the site */
    "  created_ms    INTEGER NOT NULL,"
    "  extras        BLOB"                             /* sealed JSON object: members that we keep for clients and do not read */
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX identity_application_display ON identity_application (display_key, object_id)",

    "CREATE TABLE identity_application_uri ("
    "  uri_key       TEXT    NOT NULL PRIMARY KEY,"    /* lower case: unique in the tenant */
    "  uri           TEXT    NOT NULL,"
    "  app_id        TEXT    NOT NULL REFERENCES identity_application (app_id)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX identity_application_uri_app ON identity_application_uri (app_id)",

    "CREATE TABLE identity_principal ("
    "  object_id     TEXT    NOT NULL PRIMARY KEY,"
    "  app_id        TEXT    NOT NULL UNIQUE,"
    "  kind          INTEGER NOT NULL,"                /* PrincipalKind */
    "  display_name  TEXT    NOT NULL,"
    "  display_key   TEXT    NOT NULL,"
    "  mirid         TEXT,"
    "  mirid_key     TEXT,"                            /* lower case */
    "  enabled       INTEGER NOT NULL,"
    "  owner_id      TEXT    NOT NULL,"
    "  created_ms    INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX identity_principal_mirid ON identity_principal (mirid_key)",
    "CREATE INDEX identity_principal_display ON identity_principal (display_key, object_id)",

    /* A secret is random text of 238 bits, so one keyed hash keeps it: no guessing reaches it, and a slow hash would only hand
     * every caller a way to burn our processor. */
    "CREATE TABLE identity_credential ("
    "  key_id        TEXT    NOT NULL PRIMARY KEY,"
    "  app_id        TEXT    NOT NULL,"
    "  holder_id     TEXT    NOT NULL,"                /* object id of the application or service principal that lists it */
    "  kind          INTEGER NOT NULL,"                /* CredentialKind */
    "  start_ms      INTEGER NOT NULL,"                /* real time */
    "  end_ms        INTEGER NOT NULL,"
    "  salt          BLOB,"                            /* secrets: 32 random bytes */
    "  hash          BLOB,"                            /* HMAC-SHA256(salt, secret) */
    "  hint          TEXT,"                            /* its first three characters */
    "  certificate   BLOB,"                            /* DER */
    "  sha1          BLOB,"                            /* thumbprints, as assertions name them */
    "  sha256        BLOB,"
    "  label         BLOB"                             /* sealed display name */
    ") STRICT",
    "CREATE INDEX identity_credential_app ON identity_credential (app_id)",
    "CREATE INDEX identity_credential_holder ON identity_credential (holder_id)",

    "CREATE TABLE identity_signing_key ("
    "  kid           TEXT    NOT NULL PRIMARY KEY,"
    "  sign_from_ms  INTEGER NOT NULL,"                /* real time; listed for clients from when the row exists */
    "  certificate   BLOB    NOT NULL,"                /* DER */
    "  private       BLOB    NOT NULL"                 /* sealed PKCS#8 */
    ") STRICT",

    /* Client assertions that were used, until they end. */
    "CREATE TABLE identity_assertion ("
    "  id            BLOB    NOT NULL PRIMARY KEY,"    /* SHA-256 of client id and jti */
    "  digest        BLOB    NOT NULL,"                /* SHA-256 of the whole assertion */
    "  address       TEXT    NOT NULL,"                /* it came from */
    "  ends_ms       INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX identity_assertion_ends ON identity_assertion (ends_ms)",
    NULL
};

/* Tokens of other issuers that sign in as an application or a managed identity. */
const char *const schema_identity_6[] = {
    "CREATE TABLE identity_federated ("
    "  id            TEXT    NOT NULL PRIMARY KEY,"
    "  app_id        TEXT    NOT NULL,"
    "  holder_id     TEXT    NOT NULL,"                /* object id of the application, or of the managed identity's principal */
    "  name          TEXT    NOT NULL,"
    "  name_key      TEXT    NOT NULL,"                /* lower case */
    "  issuer        TEXT    NOT NULL,"
    "  subject       TEXT    NOT NULL,"
    "  audience      TEXT    NOT NULL,"
    "  description   BLOB,"                            /* sealed */
    "  created_ms    INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX identity_federated_app ON identity_federated (app_id)",
    "CREATE UNIQUE INDEX identity_federated_name ON identity_federated (holder_id, name_key)",
    NULL
};
