/* subscription.h - who wants to hear of a vault's events: Microsoft.EventGrid/eventSubscriptions on the vault as an extension resource, as
 * `az eventgrid event-subscription create --source-resource-id` makes them.
 *
 * Destination WebHook over https and schema CloudEventSchemaV1_0; everything else the service has is refused with 501. An endpoint consents
 * first (CloudEvents webhook specification 1.0.2 section 4, "Abuse protection"). Its URL may hold a secret: it is sealed, and only
 * getFullUrl shows it whole. Source: Event Grid management REST documentation 2022-06-15, EventSubscription. */
#pragma once
#include "keyvault/vaults/vault.h"

enum { EVENT_NAME_MIN = 3, EVENT_NAME_MAX = 64, EVENT_URL_MAX = 2048, EVENT_SUBJECT_MAX = 1024, EVENT_TRIES_MAX = 30, EVENT_TTL_MINUTES_MAX = 1440, EVENT_LABELS_MAX = 50 };

typedef struct EventSubscription {
    Str     name, endpoint;
    const JsonVal *types, *labels;          /* arrays of texts; NULL: all types, no labels */
    Str     subject_begins, subject_ends;   /* empty: any */
    bool    is_subject_case_sensitive;
    int64_t tries_max, ttl_minutes;
} EventSubscription;

/* subscription_in.c: needs no store, so that fuzzing reaches all of it.
 * `properties` of a PUT, or the body of a PATCH, over what *io holds. ERR_BAD_INPUT names the field, ERR_NOT_BUILT what is not served. */
bool event_subscription_read(const JsonVal *properties, bool is_patch, EventSubscription *io, Err *err) MUST_CHECK;
bool event_subscription_wants(const EventSubscription *subscription, Str type, Str subject);
/* "Microsoft.KeyVault.SecretNewVersionCreated"; NULL: this change is no event. kind and change are those of kv_feed. */
const char *event_type(int64_t kind, int64_t change);

/* subscription.c */
extern const Route event_routes[];
extern const size_t event_route_count;
bool event_subscription_open(KeyVault *kv, Txn *txn, Arena *arena, Str vault_scope, Str id, Bytes sealed, EventSubscription *out, Err *err) MUST_CHECK;
bool event_subscriptions_drop(Txn *txn, const Vault *vault, Err *err) MUST_CHECK;       /* with the vault's deletion: recovery does not bring them back */
