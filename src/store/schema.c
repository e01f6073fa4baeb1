/* schema.c - the order of the migrations. How to add a table: schema.h. */
#include "store/schema.h"
#include "base/attr.h"

static const char *const *const migration_1[] = {
    schema_store_1,
    schema_audit_1,
    schema_runner_1,
    schema_identity_1,
    schema_access_1,
    schema_arm_1,
    schema_managedidentity_1,
    schema_keyvault_1,
    schema_batch_1,
    schema_encryption_1,
    schema_tasks_1,
    0
};

static const char *const *const migration_2[] = {
    schema_events_2,
    0
};

static const char *const *const migration_3[] = {
    schema_issuers_3,
    0
};

static const char *const *const migration_4[] = {
    schema_hsm_4,
    0
};

static const char *const *const migration_5[] = {
    schema_contacts_5,
    0
};

static const char *const *const migration_6[] = {
    schema_identity_6,
    0
};

static const char *const *const migration_7[] = {
    schema_diagnostics_7,
    0
};

static const char *const *const migration_8[] = {
    schema_roles_8,
    0
};

static const char *const *const migration_9[] = {
    schema_keyvault_9,
    0
};

static const char *const *const migration_10[] = {
    schema_hsm_10,
    0
};

static const char *const *const migration_11[] = {
    schema_responder_11,
    0
};

static const char *const *const migration_12[] = {
    schema_audit_12,
    0
};

const char *const *const *const schema_migrations[] = {
    migration_1,
    migration_2,
    migration_3,
    migration_4,
    migration_5,
    migration_6,
    migration_7,
    migration_8,
    migration_9,
    migration_10,
    migration_11,
    migration_12,
};

const int64_t schema_latest = COUNT_OF(schema_migrations);
