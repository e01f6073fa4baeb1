/* pool_shape.c - the tables of a pool's members. Rows tell, in this order: the name in Resource Manager, the name on the data
 * plane, the kind, whether it is needed, and what the kind wants. */
#include "batch/jobs/task_shape.h"
#include "batch/pools/pool_shape.h"

#define END { NULL }
#define MINUTES(n) ((int64_t)(n) * 60 * 1000)

const char *const deallocation_words[] = { "Requeue", "Terminate", "TaskCompletion", "RetainedData", NULL };

static const char *const fill_words[] = { "Spread", "Pack", NULL };
static const char *const communication_words[] = { "Default", "Classic", "Simplified", NULL };
static const char *const regional_only[] = { "Regional", NULL };
static const char *const public_ip_words[] = { "NoPublicIPAddresses", NULL };
static const char *const vnet_scope_words[] = { "none", NULL };
static const char *const upgrade_words[] = { "manual", NULL };

static const ShapeField image_fields[] = {
    { "publisher",               "publisher",              SHAPE_TEXT, .max = 256 },
    { "offer",                   "offer",                  SHAPE_TEXT, .max = 256 },
    { "sku",                     "sku",                    SHAPE_TEXT, .max = 256 },
    { "version",                 "version",                SHAPE_TEXT, .max = 256 },
    { "id",                      "virtualMachineImageId",  SHAPE_NOT_BUILT, .why = "custom images are not available here yet; name publisher, offer and sku" },
    { "sharedGalleryImageId",    "sharedGalleryImageId",   SHAPE_NOT_BUILT, .why = "gallery images are not available here yet; name publisher, offer and sku" },
    { "communityGalleryImageId", "communityGalleryImageId", SHAPE_NOT_BUILT, .why = "gallery images are not available here yet; name publisher, offer and sku" },
    { "exactVersion",            "exactVersion",           SHAPE_SHOWN },
    END
};

const ShapeField extension_fields[] = {
    { "name",                     "name",                     SHAPE_TEXT, SHAPE_NEEDED, 1, 80 },
    { "publisher",                "publisher",                SHAPE_TEXT, SHAPE_NEEDED, 1, 256 },
    { "type",                     "type",                     SHAPE_TEXT, SHAPE_NEEDED, 1, 256 },
    { "typeHandlerVersion",       "typeHandlerVersion",       SHAPE_TEXT, .max = 64 },
    { "autoUpgradeMinorVersion",  "autoUpgradeMinorVersion",  SHAPE_BOOL },
    { "enableAutomaticUpgrade",   "enableAutomaticUpgrade",   SHAPE_BOOL },
    { "settings",                 "settings",                 SHAPE_FREE },
    /* The scenario's document sends {}; the data plane's clients send an empty string or the text "{}", which pool_check allows. */
    { "protectedSettings",        "protectedSettings",        SHAPE_BY_HAND },
    { "provisionAfterExtensions", "provisionAfterExtensions", SHAPE_TEXTS, .max = 32 },
    END
};

static const ShapeField placement_fields[] = {
    { "policy", "policy", SHAPE_WORD, .words = regional_only },
    END
};

const ShapeField virtual_machine_fields[] = {
    { "imageReference",             "imageReference",             SHAPE_OBJECT, SHAPE_NEEDED, .fields = image_fields },
    { "nodeAgentSkuId",             "nodeAgentSKUId",             SHAPE_TEXT, SHAPE_NEEDED, 1, 256 },
    { "windowsConfiguration",       "windowsConfiguration",       SHAPE_EMPTY, .why = "only Windows images have it, and nodes here are Linux; leave it out" },
    { "dataDisks",                  "dataDisks",                  SHAPE_NOT_BUILT, .why = "data disks are not available here yet; leave them out" },
    { "licenseType",                "licenseType",                SHAPE_EMPTY, .why = "only Windows images have it, and nodes here are Linux; leave it out" },
    { "containerConfiguration",     "containerConfiguration",     SHAPE_NOT_BUILT, .why = "container tasks are not available here yet; leave it out" },
    { "diskEncryptionConfiguration", "diskEncryptionConfiguration", SHAPE_NOT_BUILT, .why = "disk encryption is not available here yet; leave it out" },
    { "nodePlacementConfiguration", "nodePlacementConfiguration", SHAPE_OBJECT, .fields = placement_fields },
    { "extensions",                 "extensions",                 SHAPE_OBJECTS, .max = 32, .fields = extension_fields },
    { "osDisk",                     "osDisk",                     SHAPE_NOT_BUILT, .why = "settings of the system disk are not available here yet; leave it out" },
    { "securityProfile",            "securityProfile",            SHAPE_NOT_BUILT, .why = "security profiles are not available here yet; leave it out" },
    { "serviceArtifactReference",   "serviceArtifactReference",   SHAPE_NOT_BUILT, .why = "service artifacts are not available here yet; leave it out" },
    END
};

const ShapeField fixed_scale_fields[] = {
    { "resizeTimeout",          NULL, SHAPE_DURATION, .min = RESIZE_TIMEOUT_MIN_MS, .max = MINUTES(7 * 24 * 60) },
    { "targetDedicatedNodes",   NULL, SHAPE_INT, .min = 0, .max = POOL_NODES_MAX },
    { "targetLowPriorityNodes", NULL, SHAPE_INT, .min = 0, .max = POOL_NODES_MAX },
    { "nodeDeallocationOption", NULL, SHAPE_WORD, .words = deallocation_words },
    END
};

static const ShapeField scheduling_fields[] = {
    { "nodeFillType", "nodeFillType", SHAPE_WORD, SHAPE_NEEDED, .words = fill_words },
    END
};

static const ShapeField metadata_fields[] = {
    { "name",  "name",  SHAPE_TEXT, SHAPE_NEEDED, 1, 1024 },
    { "value", "value", SHAPE_TEXT, SHAPE_NEEDED, 0, 65536 },
    END
};

static const ShapeField public_ip_fields[] = {
    { "provision",    "provision",    SHAPE_WORD, .words = public_ip_words },
    { "ipAddressIds", "ipAddressIds", SHAPE_NOT_BUILT, .why = "nodes here have no public addresses; leave it out" },
    END
};

static const ShapeField network_fields[] = {
    { "subnetId",                     "subnetId",                     SHAPE_NOT_BUILT, .why = "virtual networks are not available here yet; leave it out" },
    { "dynamicVnetAssignmentScope",   "dynamicVNetAssignmentScope",   SHAPE_WORD, .words = vnet_scope_words },
    { "endpointConfiguration",        "endpointConfiguration",        SHAPE_NOT_BUILT, .why = "inbound endpoints are not available here yet; leave it out" },
    { "publicIPAddressConfiguration", "publicIPAddressConfiguration", SHAPE_OBJECT, .fields = public_ip_fields },
    { "enableAcceleratedNetworking",  "enableAcceleratedNetworking",  SHAPE_BOOL },
    END
};

static const ShapeField upgrade_fields[] = {
    { "mode",                     "mode",                     SHAPE_WORD, SHAPE_NEEDED, .words = upgrade_words },
    { "automaticOSUpgradePolicy", "automaticOSUpgradePolicy", SHAPE_NOT_BUILT, .why = "automatic upgrades of the system are not available here yet; leave it out" },
    { "rollingUpgradePolicy",     "rollingUpgradePolicy",     SHAPE_NOT_BUILT, .why = "rolling upgrades of the system are not available here yet; leave it out" },
    END
};

const ShapeField pool_fields[] = {
    /* kept in the document */
    { "displayName",                 "displayName",                  SHAPE_TEXT, .max = 1024 },
    { NULL,                          "virtualMachineConfiguration",  SHAPE_BY_HAND },
    { "interNodeCommunication",      "enableInterNodeCommunication", SHAPE_SWITCH },
    { "networkConfiguration",        "networkConfiguration",         SHAPE_OBJECT, .fields = network_fields },
    { "taskSchedulingPolicy",        "taskSchedulingPolicy",         SHAPE_OBJECT, .fields = scheduling_fields },
    { "startTask",                   "startTask",                    SHAPE_OBJECT, .fields = start_task_fields },
    { "userAccounts",                "userAccounts",                 SHAPE_OBJECTS, .max = 100, .fields = user_account_fields },
    { "metadata",                    "metadata",                     SHAPE_OBJECTS, .max = 256, .fields = metadata_fields },
    { "targetNodeCommunicationMode", "targetNodeCommunicationMode",  SHAPE_WORD, .words = communication_words },
    { "upgradePolicy",               "upgradePolicy",                SHAPE_OBJECT, .fields = upgrade_fields },
    { "resourceTags",                "resourceTags",                 SHAPE_TAGS },
    /* columns, or wrapped otherwise: pool_body.c */
    { "vmSize",                      "vmSize",                       SHAPE_BY_HAND },
    { "taskSlotsPerNode",            "taskSlotsPerNode",             SHAPE_BY_HAND },
    { "deploymentConfiguration",     NULL,                           SHAPE_BY_HAND },
    { "scaleSettings",               NULL,                           SHAPE_BY_HAND },
    { "certificates",                "certificateReferences",        SHAPE_APART },                      /* account_certificate_refs.c */
    { NULL,                          "id",                           SHAPE_BY_HAND },
    { NULL,                          "targetDedicatedNodes",         SHAPE_BY_HAND },
    { NULL,                          "targetLowPriorityNodes",       SHAPE_BY_HAND },
    { NULL,                          "resizeTimeout",                SHAPE_BY_HAND },
    { NULL,                          "enableAutoScale",              SHAPE_BY_HAND },
    /* not built */
    { NULL,                          "autoScaleFormula",             SHAPE_NOT_BUILT, .why = "automatic scaling is not available here yet; set targetDedicatedNodes" },
    { NULL,                          "autoScaleEvaluationInterval",  SHAPE_NOT_BUILT, .why = "automatic scaling is not available here yet; set targetDedicatedNodes" },
    { NULL,                          "cloudServiceConfiguration",    SHAPE_EMPTY, .why = "Cloud Services pools are retired; use virtualMachineConfiguration" },
    { "applicationPackages",         "applicationPackageReferences", SHAPE_NOT_BUILT, .why = "application packages are not available here yet; leave it out" },
    { "applicationLicenses",         "applicationLicenses",          SHAPE_NOT_BUILT, .why = "licensed applications are not available here; leave it out" },
    { "mountConfiguration",          "mountConfiguration",           SHAPE_NOT_BUILT, .why = "mounted file systems are not available here yet; leave it out" },
    /* only shown */
    { "lastModified",                    "lastModified",                SHAPE_SHOWN },
    { "creationTime",                    "creationTime",                SHAPE_SHOWN },
    { "provisioningState",               "state",                       SHAPE_SHOWN },
    { "provisioningStateTransitionTime", "stateTransitionTime",         SHAPE_SHOWN },
    { "allocationState",                 "allocationState",             SHAPE_SHOWN },
    { "allocationStateTransitionTime",   "allocationStateTransitionTime", SHAPE_SHOWN },
    { "currentDedicatedNodes",           "currentDedicatedNodes",       SHAPE_SHOWN },
    { "currentLowPriorityNodes",         "currentLowPriorityNodes",     SHAPE_SHOWN },
    { "resizeOperationStatus",           NULL,                          SHAPE_SHOWN },
    { "autoScaleRun",                    "autoScaleRun",                SHAPE_SHOWN },
    { "currentNodeCommunicationMode",    "currentNodeCommunicationMode", SHAPE_SHOWN },
    { NULL,                              "url",                         SHAPE_SHOWN },
    { NULL,                              "eTag",                        SHAPE_SHOWN },
    { NULL,                              "odata.metadata",              SHAPE_SHOWN },
    { NULL,                              "resizeErrors",                SHAPE_SHOWN },
    { NULL,                              "stats",                       SHAPE_SHOWN },
    { NULL,                              "identity",                    SHAPE_BY_HAND },
    END
};
