/* throttle.h - so many operations of a class in ten seconds, for a vault and five times as many for its subscription; off unless asked for.
 *
 * Numbers are those of "Azure Key Vault service limits". A window begins with the first request after the one before it; what is
 * refused does not count. Key operations share one budget by weight: an operation with RSA 4096 costs eight with RSA 2048. In memory: a
 * restart begins anew. */
#pragma once
#include "http/route.h"
#include "keyvault/vaults/vault.h"

enum { THROTTLE_WINDOW_MS = 10 * 1000, THROTTLE_SUBSCRIPTION_TIMES = 5 };

typedef enum ThrottleClass {
    THROTTLE_NONE = 0, THROTTLE_SECRET_CREATE, THROTTLE_VAULT, THROTTLE_KEY_CREATE, THROTTLE_KEY_CREATE_HSM, THROTTLE_KEY, THROTTLE_KEY_HSM, THROTTLE_CLASSES
} ThrottleClass;

Throttle *throttle_new(void);                             /* NULL: out of memory */
void throttle_free(Throttle *throttle);                   /* NULL is fine */

/* ERR_THROTTLED in the service's words when the vault or its subscription has used up this class; now_ms is monotonic. NULL: always fine. */
bool throttle_take(Throttle *throttle, const Vault *vault, ThrottleClass what, int64_t weight, int64_t now_ms, Err *err) MUST_CHECK;
int64_t throttle_wait_s(Throttle *throttle, const Vault *vault, int64_t now_ms);     /* for Retry-After: until both windows are over, 1 to 10 */

/* What a request costs by its operation ("SecretSet"). Operations with keys, whose cost is the key's, are THROTTLE_NONE. */
ThrottleClass throttle_class_of(Str operation);
/* An operation with a key, or the making of one. For handlers. modulus_digits: of an RSA key, in base64url; 0: another. */
bool throttle_key_use(const Req *req, const Vault *vault, bool is_hsm, size_t modulus_digits, Err *err) MUST_CHECK;
bool throttle_key_create(const Req *req, const Vault *vault, bool is_hsm, Err *err) MUST_CHECK;
