/* delivery.h - events on their way: from the feed into rows of each subscription, and what becomes of each try.
 *
 * A row is made in the transaction that moves its subscription's cursor on, and goes when it was delivered or is given up; so each
 * event is delivered at least once, whenever the process is killed. Times are real time. Schedule, limits and the statuses that end it at
 * once are those of Event Grid ("Event Grid message delivery and retry"). */
#pragma once
#include "keyvault/events/subscription.h"

/* The feed's new rows into deliveries, some hundred of them. *more: call again. *any: there are subscriptions. */
bool delivery_take_up(KeyVault *kv, int64_t now_ms, bool *more, bool *any, Err *err) MUST_CHECK;

typedef struct Delivery {
    Str     subscription;                   /* its id */
    int64_t number, tries;                  /* tries: before this one */
    Str     endpoint, name, event_id, body; /* body: one CloudEvent in JSON */
} Delivery;

/* Of one subscription those that may be tried now, oldest first, at most `max`. *next_ms is lowered to when the next may be. */
bool delivery_due(KeyVault *kv, Arena *arena, Str subscription, int64_t now_ms, size_t max, Delivery **out, size_t *count, int64_t *next_ms, Err *err) MUST_CHECK;
bool delivery_subscriptions(KeyVault *kv, Arena *arena, Str **ids, size_t *count, Err *err) MUST_CHECK;    /* that have deliveries */

typedef enum DeliveryEnd { DELIVERY_DONE = 1, DELIVERY_AGAIN, DELIVERY_DROPPED } DeliveryEnd;
typedef struct DeliveryTry { Str subscription; int64_t number; int status; DeliveryEnd end; } DeliveryTry;  /* status 0: no answer came; end: what became of it */
bool delivery_settle(KeyVault *kv, int64_t now_ms, DeliveryTry *tries, size_t count, Err *err) MUST_CHECK;

int64_t delivery_wait_ms(int64_t tries);        /* after so many of them failed, without the random part */
bool    delivery_is_final(int status);          /* no try will mend it */
