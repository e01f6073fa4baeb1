/* task_shape.c - the tables of jobs and tasks. Rows tell, in this order: the name in Resource Manager (and in our documents), the name on
 * the data plane, the kind, whether it is needed, and what the kind wants. */
#include "batch/jobs/task_shape.h"

#define END { NULL }

enum { COMMAND_LINE_MAX = 32 * 1024 };

static const char *const scope_words[] = { "Task", "Pool", NULL };
static const char *const elevation_words[] = { "NonAdmin", "Admin", NULL };
static const char *const all_words[] = { "NoAction", "TerminateJob", NULL };
static const char *const failure_words[] = { "NoAction", NULL };

static const ShapeField identity_reference_fields[] = {
    { "resourceId", "resourceId", SHAPE_TEXT, SHAPE_NEEDED, 1, 1024 },
    END
};

static const ShapeField resource_file_fields[] = {
    { "autoStorageContainerName", "autoStorageContainerName", SHAPE_NOT_BUILT, .why = "auto-storage accounts are not available here yet; use storageContainerUrl" },
    { "storageContainerUrl",      "storageContainerUrl",      SHAPE_TEXT, .min = 1, .max = 8192 },       /* one of these two: task_check_files */
    { "httpUrl",                  "httpUrl",                  SHAPE_TEXT, .min = 1, .max = 8192 },
    { "blobPrefix",               "blobPrefix",               SHAPE_TEXT, .max = 1024 },
    { "filePath",                 "filePath",                 SHAPE_TEXT, .max = 1024 },
    { "fileMode",                 "fileMode",                 SHAPE_TEXT, .max = 8 },
    { "identityReference",        "identityReference",        SHAPE_OBJECT, .fields = identity_reference_fields },
    END
};

static const ShapeField environment_fields[] = {
    { "name",  "name",  SHAPE_TEXT, SHAPE_NEEDED, 1, 1024 },
    { "value", "value", SHAPE_TEXT, .max = 64 * 1024 },
    END
};

static const ShapeField auto_user_fields[] = {
    { "scope",          "scope",          SHAPE_WORD, .words = scope_words },
    { "elevationLevel", "elevationLevel", SHAPE_WORD, .words = elevation_words },
    END
};

static const ShapeField user_identity_fields[] = {
    { "userName", "username", SHAPE_TEXT, .max = 64 },
    { "autoUser", "autoUser", SHAPE_OBJECT, .fields = auto_user_fields },
    END
};

static const ShapeField constraint_fields[] = {
    { "maxWallClockTime",  "maxWallClockTime",  SHAPE_DURATION, .min = 1 },
    { "retentionTime",     "retentionTime",     SHAPE_DURATION },
    { "maxTaskRetryCount", "maxTaskRetryCount", SHAPE_INT, .min = -1, .max = INT32_MAX },
    END
};

static const ShapeField job_constraint_fields[] = {
    { "maxWallClockTime",  "maxWallClockTime",  SHAPE_DURATION, .min = 1 },
    { "maxTaskRetryCount", "maxTaskRetryCount", SHAPE_INT, .min = -1, .max = INT32_MAX },
    END
};

static const ShapeField metadata_fields[] = {
    { "name",  "name",  SHAPE_TEXT, SHAPE_NEEDED, 1, 1024 },
    { "value", "value", SHAPE_TEXT, SHAPE_NEEDED, 0, 65536 },
    END
};

#define NO_CONTAINERS { "containerSettings", "containerSettings", SHAPE_NOT_BUILT, .why = "container tasks are not available here yet; leave it out" }
#define COMMAND_LINE  { "commandLine", "commandLine", SHAPE_TEXT, SHAPE_NEEDED, 1, COMMAND_LINE_MAX }
#define FILES         { "resourceFiles", "resourceFiles", SHAPE_OBJECTS, .max = 1000, .fields = resource_file_fields }
#define ENVIRONMENT   { "environmentSettings", "environmentSettings", SHAPE_OBJECTS, .max = 1000, .fields = environment_fields }
#define USER          { "userIdentity", "userIdentity", SHAPE_OBJECT, .fields = user_identity_fields }

const ShapeField start_task_fields[] = {
    COMMAND_LINE, NO_CONTAINERS, FILES, ENVIRONMENT, USER,
    { "maxTaskRetryCount", "maxTaskRetryCount", SHAPE_INT, .min = -1, .max = INT32_MAX },
    { "waitForSuccess",    "waitForSuccess",    SHAPE_BOOL },
    END
};

static const ShapeField preparation_fields[] = {
    { "id", "id", SHAPE_TEXT, .min = 1, .max = 64 },
    COMMAND_LINE, NO_CONTAINERS, FILES, ENVIRONMENT, USER,
    { "constraints",                   "constraints",                   SHAPE_OBJECT, .fields = constraint_fields },
    { "waitForSuccess",                "waitForSuccess",                SHAPE_BOOL },
    { "rerunOnNodeRebootAfterSuccess", "rerunOnNodeRebootAfterSuccess", SHAPE_BOOL },
    END
};

static const ShapeField release_fields[] = {
    { "id", "id", SHAPE_TEXT, .min = 1, .max = 64 },
    COMMAND_LINE, NO_CONTAINERS, FILES, ENVIRONMENT, USER,
    { "maxWallClockTime", "maxWallClockTime", SHAPE_DURATION, .min = 1, .max = RELEASE_WALL_MAX_MS },
    { "retentionTime",    "retentionTime",    SHAPE_DURATION },
    END
};

static const ShapeField pool_info_fields[] = {
    { "poolId",                "poolId",                SHAPE_TEXT, .max = 64 },
    { "autoPoolSpecification", "autoPoolSpecification", SHAPE_NOT_BUILT, .why = "auto pools are not available here yet; name a pool" },
    END
};

const ShapeField job_fields[] = {
    { "id",                      "id",                      SHAPE_BY_HAND },
    { "displayName",             "displayName",             SHAPE_TEXT, .max = 1024 },
    { "priority",                "priority",                SHAPE_INT, .min = -PRIORITY_MAX, .max = PRIORITY_MAX },
    { "maxParallelTasks",        "maxParallelTasks",        SHAPE_INT, .min = -1, .max = PARALLEL_MAX },
    { "allowTaskPreemption",     "allowTaskPreemption",     SHAPE_BY_HAND },
    { "constraints",             "constraints",             SHAPE_OBJECT, .fields = job_constraint_fields },
    { "jobPreparationTask",      "jobPreparationTask",      SHAPE_OBJECT, .fields = preparation_fields },
    { "jobReleaseTask",          "jobReleaseTask",          SHAPE_OBJECT, .fields = release_fields },
    { "commonEnvironmentSettings", "commonEnvironmentSettings", SHAPE_OBJECTS, .max = 1000, .fields = environment_fields },
    { "poolInfo",                "poolInfo",                SHAPE_OBJECT, SHAPE_NEEDED, .fields = pool_info_fields },
    { "onAllTasksComplete",      "onAllTasksComplete",      SHAPE_WORD, .words = all_words },
    { "onTaskFailure",           "onTaskFailure",           SHAPE_WORD, .words = failure_words },
    { "metadata",                "metadata",                SHAPE_OBJECTS, .max = 256, .fields = metadata_fields },
    { "usesTaskDependencies",    "usesTaskDependencies",    SHAPE_BY_HAND },
    { "jobManagerTask",          "jobManagerTask",          SHAPE_NOT_BUILT, .why = "job manager tasks are not available here yet; add the tasks yourself" },
    { "networkConfiguration",    "networkConfiguration",    SHAPE_NOT_BUILT, .why = "virtual networks are not available here yet; leave it out" },
    /* only shown */
    { NULL, "url", SHAPE_SHOWN }, { NULL, "eTag", SHAPE_SHOWN }, { NULL, "lastModified", SHAPE_SHOWN }, { NULL, "creationTime", SHAPE_SHOWN },
    { NULL, "state", SHAPE_SHOWN }, { NULL, "stateTransitionTime", SHAPE_SHOWN }, { NULL, "previousState", SHAPE_SHOWN },
    { NULL, "previousStateTransitionTime", SHAPE_SHOWN }, { NULL, "executionInfo", SHAPE_SHOWN }, { NULL, "stats", SHAPE_SHOWN },
    { NULL, "odata.metadata", SHAPE_SHOWN },
    END
};

static const ShapeField affinity_fields[] = {
    { "affinityId", "affinityId", SHAPE_TEXT, SHAPE_NEEDED, 1, 128 },
    END
};

const ShapeField task_fields[] = {
    { "id",                  "id",                  SHAPE_BY_HAND },
    { "displayName",         "displayName",         SHAPE_TEXT, .max = 1024 },
    COMMAND_LINE, NO_CONTAINERS, FILES, ENVIRONMENT,
    { "affinityInfo",        "affinityInfo",        SHAPE_OBJECT, .fields = affinity_fields },
    { "constraints",         "constraints",         SHAPE_OBJECT, .fields = constraint_fields },
    { "requiredSlots",       "requiredSlots",       SHAPE_INT, .min = 1, .max = 256 },
    USER,
    { "exitConditions",      "exitConditions",      SHAPE_NOT_BUILT, .why = "exit conditions are not available here yet; leave it out" },
    { "outputFiles",         "outputFiles",         SHAPE_NOT_BUILT, .why = "output files are not available here yet; leave it out" },
    { "multiInstanceSettings", "multiInstanceSettings", SHAPE_NOT_BUILT, .why = "multi-instance tasks are not available here yet; leave it out" },
    { "dependsOn",           "dependsOn",           SHAPE_NOT_BUILT, .why = "dependencies between tasks are not available here yet; leave it out" },
    { "applicationPackageReferences", "applicationPackageReferences", SHAPE_NOT_BUILT, .why = "application packages are not available here yet; leave it out" },
    { "authenticationTokenSettings",  "authenticationTokenSettings",  SHAPE_NOT_BUILT, .why = "task authentication tokens are retired; use the pool's identity" },
    /* only shown */
    { NULL, "url", SHAPE_SHOWN }, { NULL, "eTag", SHAPE_SHOWN }, { NULL, "lastModified", SHAPE_SHOWN }, { NULL, "creationTime", SHAPE_SHOWN },
    { NULL, "state", SHAPE_SHOWN }, { NULL, "stateTransitionTime", SHAPE_SHOWN }, { NULL, "previousState", SHAPE_SHOWN },
    { NULL, "previousStateTransitionTime", SHAPE_SHOWN }, { NULL, "executionInfo", SHAPE_SHOWN }, { NULL, "nodeInfo", SHAPE_SHOWN }, { NULL, "stats", SHAPE_SHOWN },
    { NULL, "odata.metadata", SHAPE_SHOWN },
    END
};

static const ShapeField linux_user_fields[] = {
    { "uid",           "uid",           SHAPE_INT, .min = 1, .max = 60000 },
    { "gid",           "gid",           SHAPE_INT, .min = 1, .max = 60000 },
    { "sshPrivateKey", "sshPrivateKey", SHAPE_NOT_BUILT, .why = "logging in from node to node is not available here; leave it out" },
    END
};

/* Nobody logs in to a node with a password here, so it is asked for, as the service does, and not kept. */
const ShapeField user_account_fields[] = {
    { "name",                  "name",                  SHAPE_TEXT, SHAPE_NEEDED, 1, 32 },
    { "password",              "password",              SHAPE_UNKEPT, SHAPE_NEEDED, 0, 256 },
    { "elevationLevel",        "elevationLevel",        SHAPE_WORD, .words = elevation_words },
    { "linuxUserConfiguration", "linuxUserConfiguration", SHAPE_OBJECT, .fields = linux_user_fields },
    { "windowsUserConfiguration", "windowsUserConfiguration", SHAPE_EMPTY, .why = "only Windows nodes have it, and nodes here are Linux; leave it out" },
    END
};
