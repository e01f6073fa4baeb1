/* migrate.h - from certificates of a Batch account to a vault: what there is, and what is left to do.
 *
 * The state lies in the services alone, so a migration that was broken off goes on where it stood: each round reads the account, its
 * pools and jobs, the vault and the identity anew and derives the steps from that. A new pool names the old one in its metadata, a job
 * that was disabled on the way says so in its own. Works against Azure as well: only public calls of it are used. */
#pragma once
#include "cli/call.h"
#include "cli/files/pfxfile.h"

#define MIGRATE_MARK    "migratedFrom"                    /* metadata of a new pool: the old one's id */
#define MIGRATE_JOB     "migratedFromPool"                /* metadata of a job that the migration disables and enables again */
#define MIGRATE_KV_ARM  "2022-07-01"

enum { MIGRATE_FILES_MAX = 64, MIGRATE_POOLS_MAX = 1000, MIGRATE_STEPS_MAX = 8192 };

typedef struct MigrateCert {
    Str  thumbprint, name;              /* lower-case hex; in the vault */
    bool is_cer, is_used, is_held, is_moved;       /* used: by a pool that moves; held: by one that does not; moved: the vault has it */
    Str  public_data;                   /* base64 of DER */
    Str  state;                         /* provisioningState */
    const PfxFile *file;                /* the caller's; NULL: none */
    const char *path;
} MigrateCert;

typedef struct MigratePool {
    Str  id, new_id;
    const JsonVal *old, *new_pool;      /* NULL: gone; not there yet */
} MigratePool;

/* NEEDS: a person has to do something first, `what` says it. WAIT: it was set going and is looked at again. */
typedef enum StepState { STEP_DONE = 1, STEP_TODO, STEP_WAIT, STEP_NEEDS, STEP_NOTE } StepState;
typedef struct MigrateStep {
    const char *phase;
    StepState   state;
    Str         what;
    const char *method;                 /* NULL: nothing is sent */
    Str         audience, url, body;    /* body absent: none, or the caller's file, which is not shown */
    const MigrateCert *import;
    Str         script;                 /* of a note */
} MigrateStep;

typedef struct Migration {
    Cli *cli;
    /* what the command line says; lives as long as the command */
    Str vault_name, identity_name, suffix, store;
    const char *const *only; size_t only_count;           /* pools; none: all that have references */
    bool requeues, keeps_pools, drops_certificates;
    const PfxFile *files; const char *const *paths; size_t file_count;
    /* read anew each round */
    Str account_id, group, location, base;                /* base: https://<the account's own address> */
    Str vault_id, vault_url;
    bool vault_has_roles, has_access;
    Str identity_id, principal_id, client_id;             /* of the identity; the last two absent: it is not there yet */
    MigrateCert *certs; size_t cert_count;
    MigratePool *pools; size_t pool_count;
    const JsonVal **all_pools; size_t all_count;
    const JsonVal **jobs; size_t job_count;
    const JsonVal **schedules; size_t schedule_count;
    MigrateStep *steps; size_t step_count;
} Migration;

/* migrate_read.c: everything above from the services, into cli->arena. */
bool migrate_read(Migration *m, Err *err) MUST_CHECK;
Str  migrate_mark_of(const JsonVal *metadata, const char *name);      /* absent: not marked */
MigrateCert *migrate_cert_of(Migration *m, const JsonVal *reference); /* of a pool's reference; NULL: the account has none such */
Str  migrate_data_url(Migration *m, Str path);

/* migrate_pool.c: the body of the new pool; what a start task needs for the old paths. */
bool migrate_pool_body(Migration *m, const MigratePool *pool, Str *body, Err *err) MUST_CHECK;
Str  migrate_pool_problem(Migration *m, const MigratePool *pool);     /* absent: it can be moved */
Str  migrate_start_script(Migration *m, const MigratePool *pool);

/* migrate_steps.c: m->steps from what was read; those that are done come with it. */
bool migrate_derive(Migration *m, Err *err) MUST_CHECK;
