/* schema_keyvault.c - vaults, their objects and versions, certificate policies and pending operations, the change feed.
 *
 * kind is 1 secret, 2 key, 3 certificate (KvKind in keyvault/objects/ids.h). name_key is the name in lower case; a certificate owns
 * the rows of the same name in all three kinds. deleted_ms and purge_ms are 0 while the row's subject lives. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_keyvault_1[] = {
    "CREATE TABLE kv_vault ("
    "  id            TEXT    NOT NULL PRIMARY KEY,"    /* random, never reused: names are, after a purge */
    "  name_key      TEXT    NOT NULL UNIQUE,"         /* deleted vaults too: their names stay reserved */
    "  resource_key  TEXT    NOT NULL UNIQUE,"         /* ARM id in lower case */
    "  subscription  TEXT    NOT NULL,"                /* lower case, as group_key */
    "  group_key     TEXT    NOT NULL,"
    "  revision      INTEGER NOT NULL,"                /* grows with each change of the row */
    "  feed_number   INTEGER NOT NULL,"                /* of the vault's last row in kv_feed; 0: none */
    "  deleted_ms    INTEGER NOT NULL,"
    "  purge_ms      INTEGER NOT NULL,"
    "  sealed        BLOB    NOT NULL"
    ") STRICT",
    "CREATE INDEX kv_vault_group ON kv_vault (subscription, group_key, name_key)",

    "CREATE TABLE kv_object ("
    "  vault          TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  kind           INTEGER NOT NULL,"
    "  name_key       TEXT    NOT NULL,"
    "  name           TEXT    NOT NULL,"               /* as first spelled */
    "  current        TEXT    NOT NULL,"               /* version */
    "  version_count  INTEGER NOT NULL,"               /* ordinal of the newest version */
    "  managed        INTEGER NOT NULL,"               /* 1: key or secret of the certificate of this name */
    "  deleted_ms     INTEGER NOT NULL,"
    "  purge_ms       INTEGER NOT NULL,"
    "  PRIMARY KEY (vault, kind, name_key)"
    ") STRICT, WITHOUT ROWID",

    "CREATE TABLE kv_version ("
    "  vault       TEXT    NOT NULL,"
    "  kind        INTEGER NOT NULL,"
    "  name_key    TEXT    NOT NULL,"
    "  version     TEXT    NOT NULL,"
    "  ordinal     INTEGER NOT NULL,"                  /* from 1, in order of creation */
    "  pending     INTEGER NOT NULL,"                  /* 1: a certificate that is still being made */
    "  enabled     INTEGER NOT NULL,"
    "  nbf_ms      INTEGER,"
    "  exp_ms      INTEGER,"
    "  created_ms  INTEGER NOT NULL,"
    "  updated_ms  INTEGER NOT NULL,"
    "  doc         BLOB    NOT NULL,"                  /* sealed JSON: tags, content type, public parts */
    "  value       BLOB,"                              /* sealed: secret value, or PKCS#8 of a key */
    "  PRIMARY KEY (vault, kind, name_key, version),"
    "  UNIQUE (vault, kind, name_key, ordinal),"
    "  FOREIGN KEY (vault, kind, name_key) REFERENCES kv_object (vault, kind, name_key)"
    ") STRICT",

    "CREATE TABLE kv_policy ("
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"
    "  created_ms  INTEGER NOT NULL,"
    "  updated_ms  INTEGER NOT NULL,"
    "  sealed      BLOB    NOT NULL,"
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT",

    "CREATE TABLE kv_rotation ("                        /* rotation policies of keys */
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"
    "  created_ms  INTEGER NOT NULL,"
    "  updated_ms  INTEGER NOT NULL,"
    "  sealed      BLOB    NOT NULL,"
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT",

    "CREATE TABLE kv_pending ("
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"
    "  request_id  TEXT    NOT NULL,"
    "  version     TEXT    NOT NULL,"                  /* that the certificate will have */
    "  status      TEXT    NOT NULL,"                  /* inProgress, completed, cancelled, failed */
    "  started_ms  INTEGER NOT NULL,"
    "  doc         BLOB    NOT NULL,"                  /* sealed JSON: issuer, csr, tags, error */
    "  key         BLOB,"                              /* sealed PKCS#8, until the operation ends */
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT",

    "CREATE TABLE kv_issuer ("
    "  vault       TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  name_key    TEXT    NOT NULL,"
    "  name        TEXT    NOT NULL,"
    "  created_ms  INTEGER NOT NULL,"
    "  updated_ms  INTEGER NOT NULL,"
    "  doc         BLOB    NOT NULL,"                  /* sealed JSON: provider, account and its password, organisation */
    "  ca          BLOB,"                              /* certificate of a VaultyardCA; its sealed key is ca_key */
    "  ca_key      BLOB,"
    "  PRIMARY KEY (vault, name_key)"
    ") STRICT",

    "CREATE TABLE kv_issued ("                         /* what a VaultyardCA signed, for its revocation list */
    "  vault         TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  issuer_key    TEXT    NOT NULL,"
    "  serial        TEXT    NOT NULL,"                /* hexadecimal */
    "  name_key      TEXT    NOT NULL,"                /* of the certificate */
    "  version       TEXT    NOT NULL,"
    "  not_after_ms  INTEGER NOT NULL,"
    "  gone_ms       INTEGER NOT NULL,"                /* when the certificate was purged; 0: it was not */
    "  PRIMARY KEY (vault, issuer_key, serial)"
    ") STRICT",

    "CREATE TABLE kv_contacts ("
    "  vault       TEXT    NOT NULL PRIMARY KEY REFERENCES kv_vault (id),"
    "  doc         BLOB    NOT NULL"                   /* sealed JSON: the list */
    ") STRICT",

    "CREATE TABLE kv_feed ("
    "  vault     TEXT    NOT NULL REFERENCES kv_vault (id),"
    "  number    INTEGER NOT NULL,"                    /* from 1, in the order of commits: taken from kv_vault.feed_number */
    "  kind      INTEGER NOT NULL,"
    "  name      TEXT    NOT NULL,"
    "  version   TEXT,"                                /* of a new version */
    "  change    INTEGER NOT NULL,"                    /* FeedChange in keyvault/objects/feed.h */
    "  time_ms   INTEGER NOT NULL,"
    "  PRIMARY KEY (vault, number)"
    ") STRICT, WITHOUT ROWID",
    NULL
};

/* A vault's row was rewritten for each change in it only to count the rows of kv_feed, whose newest one says as much. */
const char *const schema_keyvault_9[] = {
    "ALTER TABLE kv_vault DROP COLUMN feed_number",
    NULL
};
