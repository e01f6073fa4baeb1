/* courier.h - the thread that takes events to webhooks, and asks new ones whether they want them.
 *
 * What is on its way is rows (delivery.h): the thread may be killed at any time and goes on from them at the next start. At most
 * COURIER_CALLS requests at once, COURIER_CALLS_EACH of one subscription; one whose endpoint fails repeatedly gets one at a time. */
#pragma once
#include "keyvault/vaults/vault.h"

enum { COURIER_CALLS = 16, COURIER_CALLS_EACH = 4, COURIER_SHAKES = 4, COURIER_TIMEOUT_MS = 30 * 1000 };

/* ca_file: certificates that receivers are checked by; NULL: the system's. Before http_start. */
bool courier_start(KeyVault *kv, const char *ca_file, Err *err) MUST_CHECK;
void courier_stop(KeyVault *kv);                /* before http_stop: the thread ends, and new endpoints are refused; fine if it was not started */
void courier_free(KeyVault *kv);                /* after http_stop; fine if there is none */

void courier_note(KeyVault *kv);                /* the feed grew: quick, any thread */
void courier_wake(KeyVault *kv);                /* subscriptions changed */

/* Asks an endpoint for its consent. http_wake(key) when the answer is there. NULL: err; ERR_UNAVAILABLE when too many are being asked. */
typedef struct Shake Shake;
typedef enum ShakeState { SHAKE_WAITS = 1, SHAKE_GOOD, SHAKE_BAD } ShakeState;
Shake     *courier_shake(KeyVault *kv, Str url, Str key, Err *err) MUST_CHECK;
ShakeState shake_state(Shake *shake, char *why, size_t why_size);      /* why: of SHAKE_BAD, for a person */
void       shake_release(Shake *shake);                                /* NULL is fine */
