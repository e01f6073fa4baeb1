/* throttle.c - counters of vaults and subscriptions, in a table whose old entries make room for new ones. */
#include "keyvault/vaults/throttle.h"
#include <pthread.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/id.h"

enum { BUCKETS = 1024, SCOPE_MAX = 40 };

static const int64_t limits[THROTTLE_CLASSES] = {
    [THROTTLE_SECRET_CREATE] = 300, [THROTTLE_VAULT] = 4000,
    [THROTTLE_KEY_CREATE] = 20,     [THROTTLE_KEY_CREATE_HSM] = 10,
    [THROTTLE_KEY] = 4000,          [THROTTLE_KEY_HSM] = 2000,
};

typedef struct Counter {
    struct Counter *next;
    char    scope[SCOPE_MAX + 1];       /* a vault's or a subscription's id */
    int64_t began_ms;
    int64_t used[THROTTLE_CLASSES];
} Counter;

struct Throttle {
    pthread_mutex_t lock;
    uint64_t salt;
    Counter *buckets[BUCKETS];
};

Throttle *throttle_new(void)
{
    Throttle *throttle = calloc(1, sizeof *throttle);
    if (!throttle)
        return NULL;
    pthread_mutex_init(&throttle->lock, NULL);
    random_fill(&throttle->salt, sizeof throttle->salt);
    return throttle;
}

void throttle_free(Throttle *throttle)
{
    if (!throttle)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (Counter *counter; (counter = throttle->buckets[i]);) {
            throttle->buckets[i] = counter->next;
            free(counter);
        }
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

static bool is_over(const Counter *counter, int64_t now_ms) { return now_ms - counter->began_ms >= THROTTLE_WINDOW_MS; }

/* The counter of a scope in its current window; those whose window is over go. NULL: out of memory, or (make false) there is none. */
static Counter *counter_of(Throttle *throttle, Str scope, int64_t now_ms, bool make)
{
    uint64_t hash = throttle->salt;
    for (size_t i = 0; i < scope.len; i++)
        hash = (hash ^ (unsigned char)scope.ptr[i]) * 0x100000001b3u;         /* FNV-1a */
    Counter **at = &throttle->buckets[(hash ^ (hash >> 32)) % BUCKETS], *found = NULL;
    while (*at) {
        Counter *counter = *at;
        if (is_over(counter, now_ms)) {
            *at = counter->next;
            free(counter);
            continue;
        }
        if (str_eq(str_from(counter->scope), scope))
            found = counter;
        at = &counter->next;
    }
    if (found || !make || scope.len > SCOPE_MAX)
        return found;
    found = calloc(1, sizeof *found);
    if (!found)
        return NULL;
    memcpy(found->scope, scope.ptr, scope.len);
    found->began_ms = now_ms;
    *at = found;
    return found;
}

static bool refuse(const char *reason, Err *err)
{
    return err_named(err, ERR_THROTTLED, "Throttled", NULL, "Request was not processed because too many requests were received. Reason: %s", reason);
}

bool throttle_take(Throttle *throttle, const Vault *vault, ThrottleClass what, int64_t weight, int64_t now_ms, Err *err)
{
    if (!throttle || what == THROTTLE_NONE)
        return true;
    pthread_mutex_lock(&throttle->lock);
    Counter *of_vault = counter_of(throttle, vault->id, now_ms, true), *of_subscription = counter_of(throttle, vault->subscription, now_ms, true);
    bool has_both = of_vault && of_subscription;
    bool vault_full = has_both && of_vault->used[what] + weight > limits[what];
    bool subscription_full = has_both && of_subscription->used[what] + weight > limits[what] * THROTTLE_SUBSCRIPTION_TIMES;
    if (has_both && !vault_full && !subscription_full) {
        of_vault->used[what] += weight;
        of_subscription->used[what] += weight;
    }
    pthread_mutex_unlock(&throttle->lock);
    if (!has_both)
        return err_set(err, ERR_INTERNAL, "out of memory for the limits of a vault");
    return vault_full ? refuse("VaultRequestTypeLimitReached", err) : !subscription_full || refuse("SubscriptionRequestTypeLimitReached", err);
}

int64_t throttle_wait_s(Throttle *throttle, const Vault *vault, int64_t now_ms)
{
    int64_t until_ms = now_ms + 1;
    if (!throttle)
        return 1;
    pthread_mutex_lock(&throttle->lock);
    const Counter *counters[] = { counter_of(throttle, vault->id, now_ms, false), counter_of(throttle, vault->subscription, now_ms, false) };
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        if (counters[i] && counters[i]->began_ms + THROTTLE_WINDOW_MS > until_ms)
            until_ms = counters[i]->began_ms + THROTTLE_WINDOW_MS;
    pthread_mutex_unlock(&throttle->lock);
    return (until_ms - now_ms + 999) / 1000;
}

ThrottleClass throttle_class_of(Str operation)
{
    static const struct { const char *operation; ThrottleClass what; } rows[] = {
        { "SecretSet", THROTTLE_SECRET_CREATE },
        { "KeyCreate", THROTTLE_NONE },   { "KeyImport", THROTTLE_NONE },   { "KeyRotate", THROTTLE_KEY_CREATE }, { "KeyRelease", THROTTLE_KEY_CREATE },
        { "KeyEncrypt", THROTTLE_NONE },  { "KeyDecrypt", THROTTLE_NONE },  { "KeyWrap", THROTTLE_NONE },         { "KeyUnwrap", THROTTLE_NONE },
        { "KeySign", THROTTLE_NONE },     { "KeyVerify", THROTTLE_NONE },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_eq(operation, str_from(rows[i].operation)))
            return rows[i].what;
    return str_starts(operation, STR("Key")) ? THROTTLE_KEY : THROTTLE_VAULT;
}

/* 2048 bits are 342 digits of base64url, 3072 are 512, 4096 are 683. */
static int64_t weight_of(size_t modulus_digits) { return modulus_digits > 600 ? 8 : modulus_digits > 400 ? 4 : 1; }

bool throttle_key_use(const Req *req, const Vault *vault, bool is_hsm, size_t modulus_digits, Err *err)
{
    const KeyVault *kv = req->ctx;
    return throttle_take(kv->throttle, vault, is_hsm ? THROTTLE_KEY_HSM : THROTTLE_KEY, weight_of(modulus_digits), mono_now_ms(), err);
}

bool throttle_key_create(const Req *req, const Vault *vault, bool is_hsm, Err *err)
{
    const KeyVault *kv = req->ctx;
    return throttle_take(kv->throttle, vault, is_hsm ? THROTTLE_KEY_CREATE_HSM : THROTTLE_KEY_CREATE, 1, mono_now_ms(), err);
}
