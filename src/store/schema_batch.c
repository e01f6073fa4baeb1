/* schema_batch.c - tables of batch. How to add one: schema.h.
 *
 * Ids, states, sizes and times are clear; what people wrote (pool bodies, settings, command lines, reasons) is sealed under the
 * scope "batch:<account id>". What Resource Manager shows of an account, and what removing it needs, is clear, so that both
 * work without the account's key. */
#include <stddef.h>
#include "store/schema.h"

const char *const schema_batch_1[] = {
    "CREATE TABLE batch_account ("
    "  id            TEXT    NOT NULL PRIMARY KEY,"     /* a GUID; the account's scope key is "batch:<id>" */
    "  name          TEXT    NOT NULL UNIQUE,"          /* lower case by its rules */
    "  arm_id        TEXT    NOT NULL,"
    "  arm_key       TEXT    NOT NULL UNIQUE,"          /* arm_id in lower case */
    "  subscription  TEXT    NOT NULL,"                 /* lower case */
    "  group_name    TEXT    NOT NULL,"
    "  group_key     TEXT    NOT NULL,"
    "  location      TEXT    NOT NULL,"
    "  state         INTEGER NOT NULL,"                 /* AccountState */
    "  settings      TEXT    NOT NULL,"                 /* JSON: publicNetworkAccess, allowedAuthenticationModes; tags are in arm_resource */
    "  identity      TEXT    NOT NULL,"                 /* JSON: type, principalId, userAssigned[{resourceId, clientId, principalId}] */
    "  keys          BLOB    NOT NULL,"                 /* sealed: primary || secondary, 64 bytes each */
    "  operation     TEXT,"                             /* of the deletion under way */
    "  created_ms    INTEGER NOT NULL,"
    "  changed_ms    INTEGER NOT NULL"
    ") STRICT",
    "CREATE INDEX batch_account_group ON batch_account (subscription, group_key, name)",

    "CREATE TABLE batch_pool ("
    "  account_id      TEXT    NOT NULL REFERENCES batch_account (id),"
    "  pool_key        TEXT    NOT NULL,"               /* the id in lower case: ids compare without case and keep theirs */
    "  id              TEXT    NOT NULL,"
    "  host_prefix     TEXT    NOT NULL UNIQUE,"        /* 32 hex digits; node n is called <prefix><n as 6 digits> */
    "  next_number     INTEGER NOT NULL,"
    "  state           INTEGER NOT NULL,"               /* PoolState */
    "  state_ms        INTEGER NOT NULL,"
    "  allocation      INTEGER NOT NULL,"               /* PoolAllocation */
    "  allocation_ms   INTEGER NOT NULL,"
    "  vm_size         TEXT    NOT NULL,"
    "  cores           INTEGER NOT NULL,"               /* of one node */
    "  provider        TEXT    NOT NULL,"
    "  target          INTEGER NOT NULL,"               /* dedicated nodes */
    "  target_low      INTEGER NOT NULL,"
    "  resize_timeout_ms INTEGER NOT NULL,"
    "  deallocation    TEXT    NOT NULL,"               /* "Requeue" ...; "" when not given */
    "  resize_ms       INTEGER NOT NULL,"               /* object time the last resize began, for display */
    "  resize_until_ms INTEGER NOT NULL,"               /* real time it may take */
    "  resize_errors   TEXT    NOT NULL,"               /* JSON array of {code, message} */
    "  slots           INTEGER NOT NULL,"
    "  identities      TEXT    NOT NULL,"               /* JSON array of {resourceId, clientId, principalId} */
    "  body            BLOB    NOT NULL,"               /* sealed JSON in Resource Manager's spelling (batch/pools/pool_shape.c) */
    "  etag            INTEGER NOT NULL,"
    "  operation       TEXT,"                           /* of the deletion under way */
    "  created_ms      INTEGER NOT NULL,"
    "  changed_ms      INTEGER NOT NULL,"
    "  PRIMARY KEY (account_id, pool_key)"
    ") STRICT",

    "CREATE TABLE batch_node ("
    "  id              TEXT    NOT NULL PRIMARY KEY,"
    "  account_id      TEXT    NOT NULL,"
    "  pool_key        TEXT    NOT NULL,"
    "  number          INTEGER NOT NULL,"
    "  host_name       TEXT    NOT NULL,"
    "  dedicated       INTEGER NOT NULL,"
    "  state           INTEGER NOT NULL,"               /* NodeState */
    "  state_ms        INTEGER NOT NULL,"
    "  created_ms      INTEGER NOT NULL,"
    "  started         INTEGER NOT NULL,"               /* 1 once its provider started it */
    "  start_error     TEXT    NOT NULL,"               /* of the provider's last try; "" if none */
    "  boot_id         TEXT    NOT NULL,"
    "  boot_ms         INTEGER NOT NULL,"               /* object time it last joined; 0: never */
    "  start_boot_ms   INTEGER NOT NULL,"               /* the boot_ms that the pool's start task was begun for; 0: none */
    "  lease_until_ms  INTEGER NOT NULL,"               /* real time; 0: none yet */
    "  leases          INTEGER NOT NULL,"               /* how many it was given; its agent says which answer it had last */
    "  agent_version   TEXT    NOT NULL,"
    "  agent_ms        INTEGER NOT NULL,"               /* object time that version was first seen */
    "  ip_address      TEXT    NOT NULL,"
    "  join_hash       BLOB,"                           /* SHA-256 of the one-use token; NULL: none is open */
    "  credential_hash BLOB,"                           /* SHA-256; NULL: never joined */
    "  credential_new  BLOB,"                           /* given by a join and not used yet */
    "  next_command    INTEGER NOT NULL,"               /* never reused: the agent's cursor only rises */
    "  reboot          TEXT    NOT NULL,"               /* of a reboot that was asked for and not done yet: what happens to tasks ("requeue", ...); else "" */
    "  leaves          TEXT    NOT NULL,"               /* the same for one that leaves its pool */
    "  tasks_run       INTEGER NOT NULL,"               /* since it was made */
    "  tasks_succeeded INTEGER NOT NULL,"
    "  report          BLOB,"                           /* sealed JSON: what the last lease said (reason, extensions) */
    "  FOREIGN KEY (account_id, pool_key) REFERENCES batch_pool (account_id, pool_key),"
    "  UNIQUE (account_id, pool_key, number)"
    ") STRICT",

    "CREATE TABLE batch_certificate ("
    "  account_id      TEXT    NOT NULL REFERENCES batch_account (id) ON DELETE CASCADE,"
    "  thumbprint      TEXT    NOT NULL,"               /* SHA-1, 40 lower-case hex digits */
    "  format          INTEGER NOT NULL,"               /* CertificateFormat */
    "  state           INTEGER NOT NULL,"               /* CertificateState */
    "  state_ms        INTEGER NOT NULL,"
    "  previous_state  INTEGER NOT NULL,"               /* 0: none yet */
    "  previous_ms     INTEGER NOT NULL,"
    "  public_der      BLOB    NOT NULL,"               /* sealed: the certificate */
    "  material        BLOB    NOT NULL,"               /* sealed: the .pfx or the certificate */
    "  password        BLOB,"                           /* sealed; NULL for a .cer */
    "  delete_error    TEXT,"                           /* JSON {code, message, details}: pool and node ids */
    "  etag            INTEGER NOT NULL,"
    "  operation       TEXT,"                           /* of the deletion under way */
    "  changed_ms      INTEGER NOT NULL,"
    "  PRIMARY KEY (account_id, thumbprint)"
    ") STRICT",

    "CREATE TABLE batch_pool_certificate ("             /* which pools refer to it; the references themselves are in the pool's body */
    "  account_id      TEXT    NOT NULL,"
    "  thumbprint      TEXT    NOT NULL,"
    "  pool_key        TEXT    NOT NULL,"
    "  PRIMARY KEY (account_id, thumbprint, pool_key),"
    "  FOREIGN KEY (account_id, pool_key) REFERENCES batch_pool (account_id, pool_key) ON DELETE CASCADE"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX batch_pool_certificate_pool ON batch_pool_certificate (account_id, pool_key)",

    "CREATE TABLE batch_node_certificate ("             /* which nodes have it since they last started */
    "  node_id         TEXT    NOT NULL REFERENCES batch_node (id) ON DELETE CASCADE,"
    "  thumbprint      TEXT    NOT NULL,"
    "  account_id      TEXT    NOT NULL,"
    "  visibility      INTEGER NOT NULL,"               /* CertificateVisibility, together */
    "  PRIMARY KEY (node_id, thumbprint)"
    ") STRICT, WITHOUT ROWID",
    "CREATE INDEX batch_node_certificate_account ON batch_node_certificate (account_id, thumbprint)",

    "CREATE TABLE batch_command ("
    "  node_id         TEXT    NOT NULL REFERENCES batch_node (id),"
    "  number          INTEGER NOT NULL,"               /* rises for each node; the agent's cursor */
    "  id              TEXT    NOT NULL UNIQUE,"
    "  kind            TEXT    NOT NULL,"               /* "exec", "file", "refresh", "stop", "run", "stop-run", "drop-run" */
    "  run_id          TEXT    NOT NULL,"               /* of the last three; else "" */
    "  until_ms        INTEGER NOT NULL,"               /* real time after which nobody asks for it any more */
    "  body            BLOB,"                           /* sealed JSON of an exec */
    "  result          BLOB,"                           /* sealed JSON; NULL until it was posted */
    "  PRIMARY KEY (node_id, number)"
    ") STRICT",
    "CREATE INDEX batch_command_until ON batch_command (until_ms)",
    "CREATE INDEX batch_command_run ON batch_command (run_id) WHERE run_id <> ''",
    NULL
};
