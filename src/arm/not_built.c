/* not_built.c - operations that the service has and we do not yet: known, authorised, and refused with 501. */
#include "arm/parts.h"

#define SUB "/subscriptions/{subscriptionId}"
#define GROUP SUB "/resourceGroups/{resourceGroupName}"
#define ROW(method, path, permission, operation) \
    { METHOD_##method, path, NULL, NULL, "Microsoft.Resources/" permission, WHERE_INLINE, BODY_NONE, 0, route_not_built, operation }
#define LOCK_ROW(method, path, permission, operation) \
    { METHOD_##method, path, NULL, NULL, "Microsoft.Authorization/locks/" permission, WHERE_INLINE, BODY_NONE, 0, route_not_built, operation }

const Route arm_not_built_routes[] = {
    ROW(GET,    SUB "/tagNames",                                   "subscriptions/tagNames/read",                "TagsList"),
    ROW(PUT,    SUB "/tagNames/{tagName}",                         "subscriptions/tagNames/write",               "TagsCreateOrUpdate"),
    ROW(DELETE, SUB "/tagNames/{tagName}",                         "subscriptions/tagNames/delete",              "TagsDelete"),
    ROW(PUT,    SUB "/tagNames/{tagName}/tagValues/{tagValue}",    "subscriptions/tagNames/tagValues/write",     "TagsCreateOrUpdateValue"),
    ROW(DELETE, SUB "/tagNames/{tagName}/tagValues/{tagValue}",    "subscriptions/tagNames/tagValues/delete",    "TagsDeleteValue"),
    ROW(GET,    "/{scope...}/providers/Microsoft.Resources/tags/default", "tags/read",                           "TagsGetAtScope"),
    ROW(PUT,    "/{scope...}/providers/Microsoft.Resources/tags/default", "tags/write",                          "TagsCreateOrUpdateAtScope"),
    ROW(PATCH,  "/{scope...}/providers/Microsoft.Resources/tags/default", "tags/write",                          "TagsUpdateAtScope"),
    ROW(DELETE, "/{scope...}/providers/Microsoft.Resources/tags/default", "tags/delete",                         "TagsDeleteAtScope"),
    ROW(POST,   SUB "/providers/{resourceProviderNamespace}/unregister", "subscriptions/providers/unregister/action", "ProvidersUnregister"),
    ROW(POST,   GROUP "/exportTemplate",                           "subscriptions/resourceGroups/exportTemplate/action",        "ResourceGroupsExportTemplate"),
    ROW(POST,   GROUP "/moveResources",                            "subscriptions/resourceGroups/moveResources/action",         "ResourcesMoveResources"),
    ROW(POST,   GROUP "/validateMoveResources",                    "subscriptions/resourceGroups/validateMoveResources/action", "ResourcesValidateMoveResources"),
    ROW(GET,    "/{scope...}/providers/Microsoft.Resources/deployments",                         "deployments/read",            "DeploymentsListAtScope"),
    ROW(GET,    "/{scope...}/providers/Microsoft.Resources/deployments/{deploymentName}",        "deployments/read",            "DeploymentsGetAtScope"),
    ROW(PUT,    "/{scope...}/providers/Microsoft.Resources/deployments/{deploymentName}",        "deployments/write",           "DeploymentsCreateOrUpdateAtScope"),
    ROW(DELETE, "/{scope...}/providers/Microsoft.Resources/deployments/{deploymentName}",        "deployments/delete",          "DeploymentsDeleteAtScope"),
    ROW(POST,   "/{scope...}/providers/Microsoft.Resources/deployments/{deploymentName}/validate", "deployments/validate/action", "DeploymentsValidateAtScope"),
    ROW(POST,   "/{scope...}/providers/Microsoft.Resources/deployments/{deploymentName}/whatIf", "deployments/whatIf/action",   "DeploymentsWhatIfAtScope"),
    LOCK_ROW(GET,    "/{scope...}/providers/Microsoft.Authorization/locks",            "read",   "ManagementLocksListByScope"),
    LOCK_ROW(GET,    "/{scope...}/providers/Microsoft.Authorization/locks/{lockName}", "read",   "ManagementLocksGetByScope"),
    LOCK_ROW(PUT,    "/{scope...}/providers/Microsoft.Authorization/locks/{lockName}", "write",  "ManagementLocksCreateOrUpdateByScope"),
    LOCK_ROW(DELETE, "/{scope...}/providers/Microsoft.Authorization/locks/{lockName}", "delete", "ManagementLocksDeleteByScope"),
};
const size_t arm_not_built_route_count = COUNT_OF(arm_not_built_routes);
