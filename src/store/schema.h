/* schema.h - every table of the store, as numbered migrations: one file a subject.
 *
 * How a subject adds a table:
 *   1. Its file is schema_<subject>.c. It holds one array of SQL statements per migration, ended by NULL:
 *
 *          const char *const schema_access_1[] = {
 *              "CREATE TABLE role_assignment ("
 *              "  id       TEXT    NOT NULL PRIMARY KEY,"
 *              "  scope    TEXT    NOT NULL,"           // lower case: ARM ids compare without case
 *              "  made_ms  INTEGER NOT NULL,"
 *              "  sealed   BLOB    NOT NULL"            // seal.h: everything that queries do not need
 *              ") STRICT, WITHOUT ROWID",
 *              "CREATE INDEX role_assignment_scope ON role_assignment (scope)",
 *              NULL
 *          };
 *
 *   2. The array is declared below and listed under its migration in schema.c. Those of migration 1 are there already.
 *
 * Until the first release tables of migration 1 are edited in place. From then on a migration that was released never
 * changes: a subject that needs more adds schema_<subject>_2 and a row in schema.c.
 *
 * Rules, so that PostgreSQL can serve the same text:
 *   - One statement an element, no trailing semicolon. Types are INTEGER (64 bits), TEXT and BLOB, nothing else; a bool
 *     is INTEGER 0 or 1; times are INTEGER milliseconds, columns named ..._ms.
 *   - Each table ends in ") STRICT, WITHOUT ROWID" and names its PRIMARY KEY; a table with large rows (over about 1 KiB)
 *     or with a single INTEGER PRIMARY KEY ends in ") STRICT" alone.
 *   - No COLLATE: keys that compare without case are stored in lower case. No AUTOINCREMENT, triggers, views, defaults
 *     that call functions. "ON CONFLICT (..) DO UPDATE" and "RETURNING" are fine in statements, "INSERT OR ..." is not.
 *   - Foreign keys are enforced at the statement, never DEFERRABLE (one caller's breach would fail the whole commit); the table referred to may be in another file of the same migration.
 *   - Table names begin with the subject's word (kv_secret, arm_resource), so owners are plain. */
#pragma once
#include <stdint.h>

extern const char *const schema_store_1[];
extern const char *const schema_audit_1[];
extern const char *const schema_audit_12[];
extern const char *const schema_runner_1[];
extern const char *const schema_identity_1[];
extern const char *const schema_access_1[];
extern const char *const schema_arm_1[];
extern const char *const schema_managedidentity_1[];
extern const char *const schema_keyvault_1[];
extern const char *const schema_batch_1[];
extern const char *const schema_encryption_1[];
extern const char *const schema_tasks_1[];
extern const char *const schema_hsm_4[];
extern const char *const schema_hsm_10[];
extern const char *const schema_events_2[];
extern const char *const schema_diagnostics_7[];
extern const char *const schema_roles_8[];
extern const char *const schema_responder_11[];
extern const char *const schema_issuers_3[];
extern const char *const schema_contacts_5[];
extern const char *const schema_identity_6[];
extern const char *const schema_keyvault_9[];

/* Migration n is schema_migrations[n - 1]: its subjects' arrays, ended by NULL. */
extern const char *const *const *const schema_migrations[];
extern const int64_t schema_latest;
