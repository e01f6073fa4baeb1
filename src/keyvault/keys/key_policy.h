/* key_policy.h - rotation policies: read, checked, written, stored (Key Vault REST documentation, "Update Key Rotation Policy"). */
#pragma once
#include "keyvault/objects/object.h"

/* "P18M", "P90D", "P1Y6M": calendar years and months, then days. */
typedef struct Period { bool is_set; int64_t months, days; Str text; } Period;

typedef struct RotationPolicy {
    Period after_create, before_expiry;     /* of the action Rotate: one at most */
    Period notify_before;                   /* of the action Notify */
    Period expiry;                          /* of new versions */
    int64_t created_ms, updated_ms;         /* 0, 0: it was never set */
} RotationPolicy;

int64_t period_after(int64_t ms, Period period);
int64_t period_before(int64_t ms, Period period);

/* ERR_BAD_INPUT names the field. now_ms: months differ, so bounds are those of a policy that begins now; 0: it is a stored one. Texts stay the body's. */
bool rotation_policy_read(const JsonVal *body, int64_t now_ms, RotationPolicy *out, Err *err) MUST_CHECK;
void rotation_policy_write(JsonWriter *w, const char *name, Str id, const RotationPolicy *policy);         /* id absent: as it is stored */
void rotation_policy_write_arm(JsonWriter *w, const char *name, const RotationPolicy *policy);                  /* as Resource Manager spells it: actions in lower case, no id */
/* When the version that was made and expires at these times is rotated; false: never. exp_ms 0: it does not expire. */
bool rotation_due(const RotationPolicy *policy, int64_t created_ms, int64_t exp_ms, int64_t *due_ms);

bool rotation_policy_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, RotationPolicy *out, bool *found, Err *err) MUST_CHECK;
bool rotation_policy_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const RotationPolicy *policy, Err *err) MUST_CHECK;
