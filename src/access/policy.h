/* policy.h - Key Vault access policies: entries {tenantId, objectId, applicationId?, permissions{keys, secrets, certificates, storage}}. */
#pragma once
#include "json/write.h"

/* A vault's accessPolicies array: checks shape and permission names (ERR_BAD_INPUT names "properties.accessPolicies[0].permissions.secrets[1]").
 * tenant ids must equal `tenant_id`. */
bool policy_check(const JsonVal *policies, Str tenant_id, Err *err) MUST_CHECK;

/* Does any entry for this object id grant `permission` ("secrets/get", "certificates/create", "keys/wrapKey")? Names compare without
 * case; "all" grants everything of its class. Entries with an applicationId need that app id as well. */
bool policy_grants(const JsonVal *policies, Str object_id, Str app_id, Str permission);

/* PUT .../accessPolicies/{add|replace|remove}: the new array into w under `name`. add unites the permissions of an entry with the same
 * object and application id, replace exchanges them, remove takes them away (an entry left without permissions goes). */
typedef enum PolicyEdit { POLICY_ADD = 1, POLICY_REPLACE, POLICY_REMOVE } PolicyEdit;
bool policy_edit(JsonWriter *w, const char *name, const JsonVal *now, const JsonVal *change, PolicyEdit edit, Err *err) MUST_CHECK;
