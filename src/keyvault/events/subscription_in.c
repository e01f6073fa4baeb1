/* subscription_in.c - bodies of event subscriptions, and what a subscription wants. */
#include "keyvault/events/subscription.h"
#include "keyvault/objects/feed.h"

/* In the order of KvKind and FeedChange. */
static const struct { KvKind kind; FeedChange change; const char *type; } event_types[] = {
    { KV_SECRET,      FEED_NEW_VERSION,    "Microsoft.KeyVault.SecretNewVersionCreated" },
    { KV_SECRET,      FEED_NEAR_EXPIRY,    "Microsoft.KeyVault.SecretNearExpiry" },
    { KV_SECRET,      FEED_EXPIRED,        "Microsoft.KeyVault.SecretExpired" },
    { KV_KEY,         FEED_NEW_VERSION,    "Microsoft.KeyVault.KeyNewVersionCreated" },
    { KV_KEY,         FEED_NEAR_EXPIRY,    "Microsoft.KeyVault.KeyNearExpiry" },
    { KV_KEY,         FEED_EXPIRED,        "Microsoft.KeyVault.KeyExpired" },
    { KV_CERTIFICATE, FEED_NEW_VERSION,    "Microsoft.KeyVault.CertificateNewVersionCreated" },
    { KV_CERTIFICATE, FEED_NEAR_EXPIRY,    "Microsoft.KeyVault.CertificateNearExpiry" },
    { KV_CERTIFICATE, FEED_EXPIRED,        "Microsoft.KeyVault.CertificateExpired" },
    { FEED_OF_VAULT,  FEED_POLICY_CHANGED, "Microsoft.KeyVault.VaultAccessPolicyChanged" },
};

const char *event_type(int64_t kind, int64_t change)
{
    for (size_t i = 0; i < COUNT_OF(event_types); i++)
        if ((int64_t)event_types[i].kind == kind && (int64_t)event_types[i].change == change)
            return event_types[i].type;
    return NULL;
}

static bool is_event_type(Str type)
{
    for (size_t i = 0; i < COUNT_OF(event_types); i++)
        if (str_eq_nocase(type, str_from(event_types[i].type)))
            return true;
    return false;
}

/* Event Grid names its refusals "InvalidRequest". */
#define BAD(err, field, ...) ((void)err_field((err), (field), __VA_ARGS__), (err)->name = "InvalidRequest", false)

/* What would change what a subscriber gets, and is not built, must not be passed over. */
static bool refuse_if_given(const JsonVal *object, const char *name, const char *what, Err *err)
{
    const JsonVal *value = json_get(object, name);
    JsonKind kind = json_kind(value);
    if (kind == JSON_ABSENT || kind == JSON_NULL || (kind == JSON_ARRAY && json_count(value) == 0))
        return true;
    return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "%s of event subscriptions (%s) is not available here; leave it out.", what, name);
}

/* az patches with what it got, which has no endpointUrl: the endpoint stays. */
static bool read_destination(const JsonVal *destination, bool is_patch, EventSubscription *io, Err *err)
{
    Str type = json_str(json_get(destination, "endpointType"));
    if (json_kind(destination) != JSON_OBJECT || !type.ptr)
        return BAD(err, "destination.endpointType", "destination.endpointType is needed: WebHook");
    if (!str_eq_nocase(type, STR("WebHook")))
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "Events are delivered to destinations of endpointType WebHook alone; '" STR_FMT
                         "' is not available here.", STR_ARG(str_slice(type, 0, 60)));
    const JsonVal *properties = json_get(destination, "properties");
    Str url = json_str(json_get(properties, "endpointUrl"));
    if (str_empty(url) && is_patch)
        url = io->endpoint;
    if (str_empty(url))
        return BAD(err, "destination.properties.endpointUrl", "destination.properties.endpointUrl is needed: the https URL that events are posted to");
    if (url.len > EVENT_URL_MAX || !str_starts_nocase(url, STR("https://")) || url.len == sizeof "https://" - 1)
        return BAD(err, "destination.properties.endpointUrl", "destination.properties.endpointUrl must be an https URL of at most %d characters; events go over TLS alone", EVENT_URL_MAX);
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= ' ' || (unsigned char)url.ptr[i] == 0x7f)
            return BAD(err, "destination.properties.endpointUrl", "destination.properties.endpointUrl holds a space or a control character; percent-encode it");
    if (json_int(json_get(properties, "maxEventsPerBatch"), 1) != 1)
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "destination.properties.maxEventsPerBatch must be 1: each event is a request of its own here.");
    io->endpoint = url;
    return refuse_if_given(properties, "deliveryAttributeMappings", "Delivery attributes", err) &&
           refuse_if_given(properties, "azureActiveDirectoryApplicationIdOrUri", "Delivery with a token", err);
}

static bool read_texts(const JsonVal *list, const char *field, size_t max, Err *err)
{
    if (json_kind(list) != JSON_ARRAY || json_count(list) > max)
        return BAD(err, field, "%s must be a list of at most %zu texts", field, max);
    for (size_t i = 0; i < json_count(list); i++)
        if (!json_str(json_at(list, i)).ptr)
            return BAD(err, field, "%s must hold texts alone", field);
    return true;
}

static bool is_given(const JsonVal *value) { return json_kind(value) != JSON_ABSENT && json_kind(value) != JSON_NULL; }

static bool read_subject(const JsonVal *filter, const char *name, const char *field, Str *io, Err *err)
{
    const JsonVal *value = json_get(filter, name);
    if (!is_given(value))
        return true;
    if (!json_str(value).ptr || json_str(value).len > EVENT_SUBJECT_MAX)
        return BAD(err, field, "%s must be a text of at most %d characters", field, EVENT_SUBJECT_MAX);
    *io = json_str(value);
    return true;
}

static bool read_filter(const JsonVal *filter, EventSubscription *io, Err *err)
{
    if (json_kind(filter) != JSON_OBJECT)
        return BAD(err, "filter", "filter must be an object");
    const JsonVal *types = json_get(filter, "includedEventTypes"), *sensitive = json_get(filter, "isSubjectCaseSensitive");
    io->types = NULL;
    io->subject_begins = io->subject_ends = STR("");
    io->is_subject_case_sensitive = json_bool(sensitive, false);
    if (is_given(sensitive) && json_kind(sensitive) != JSON_BOOL)
        return BAD(err, "filter.isSubjectCaseSensitive", "filter.isSubjectCaseSensitive must be true or false");
    if (is_given(types)) {
        if (!read_texts(types, "filter.includedEventTypes", COUNT_OF(event_types), err))
            return false;
        for (size_t i = 0; i < json_count(types); i++)
            if (!is_event_type(json_str(json_at(types, i))))
                return BAD(err, "filter.includedEventTypes", "'" STR_FMT "' is no event of Microsoft.KeyVault.vaults; for example Microsoft.KeyVault.SecretNewVersionCreated is",
                           STR_ARG(str_slice(json_str(json_at(types, i)), 0, 100)));
        io->types = json_count(types) ? types : NULL;
    }
    return read_subject(filter, "subjectBeginsWith", "filter.subjectBeginsWith", &io->subject_begins, err) &&
           read_subject(filter, "subjectEndsWith", "filter.subjectEndsWith", &io->subject_ends, err) &&
           refuse_if_given(filter, "advancedFilters", "Advanced filters", err);
}

static bool read_retry(const JsonVal *retry, EventSubscription *io, Err *err)
{
    int64_t tries = json_int(json_get(retry, "maxDeliveryAttempts"), EVENT_TRIES_MAX), ttl = json_int(json_get(retry, "eventTimeToLiveInMinutes"), EVENT_TTL_MINUTES_MAX);
    if (json_kind(retry) != JSON_OBJECT || (is_given(json_get(retry, "maxDeliveryAttempts")) && json_kind(json_get(retry, "maxDeliveryAttempts")) != JSON_INT) ||
        tries < 1 || tries > EVENT_TRIES_MAX)
        return BAD(err, "retryPolicy.maxDeliveryAttempts", "retryPolicy.maxDeliveryAttempts must be a number from 1 to %d", EVENT_TRIES_MAX);
    if ((is_given(json_get(retry, "eventTimeToLiveInMinutes")) && json_kind(json_get(retry, "eventTimeToLiveInMinutes")) != JSON_INT) || ttl < 1 || ttl > EVENT_TTL_MINUTES_MAX)
        return BAD(err, "retryPolicy.eventTimeToLiveInMinutes", "retryPolicy.eventTimeToLiveInMinutes must be a number from 1 to %d", EVENT_TTL_MINUTES_MAX);
    io->tries_max = tries;
    io->ttl_minutes = ttl;
    return true;
}

bool event_subscription_read(const JsonVal *properties, bool is_patch, EventSubscription *io, Err *err)
{
    const JsonVal *schema = json_get(properties, "eventDeliverySchema"), *destination = json_get(properties, "destination"), *filter = json_get(properties, "filter"),
                  *retry = json_get(properties, "retryPolicy"), *labels = json_get(properties, "labels");
    if (json_kind(properties) != JSON_OBJECT)
        return BAD(err, "properties", "properties is needed: destination, eventDeliverySchema");
    if ((!is_patch || is_given(schema)) && !str_eq_nocase(json_str(schema), STR("CloudEventSchemaV1_0")))
        return err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL,
                         "Events are delivered in the schema CloudEventSchemaV1_0 alone: set eventDeliverySchema to it (az: --event-delivery-schema cloudeventschemav1_0).");
    if (!is_patch) {
        io->types = io->labels = NULL;
        io->subject_begins = io->subject_ends = STR("");
        io->is_subject_case_sensitive = false;
        io->tries_max = EVENT_TRIES_MAX;
        io->ttl_minutes = EVENT_TTL_MINUTES_MAX;
    }
    if ((!is_patch || is_given(destination)) && !read_destination(destination, is_patch, io, err))
        return false;
    if ((is_given(filter) && !read_filter(filter, io, err)) || (is_given(retry) && !read_retry(retry, io, err)))
        return false;
    if (is_given(labels)) {
        if (!read_texts(labels, "labels", EVENT_LABELS_MAX, err))
            return false;
        io->labels = labels;
    }
    return refuse_if_given(properties, "deadLetterDestination", "A destination for dead letters", err) &&
           refuse_if_given(properties, "deadLetterWithResourceIdentity", "A destination for dead letters", err) &&
           refuse_if_given(properties, "deliveryWithResourceIdentity", "Delivery with an identity", err) &&
           refuse_if_given(properties, "expirationTimeUtc", "Expiration", err);
}

bool event_subscription_wants(const EventSubscription *subscription, Str type, Str subject)
{
    Str begins = subscription->subject_begins, ends = subscription->subject_ends;
    bool fits = subscription->is_subject_case_sensitive ? str_starts(subject, begins) && str_ends(subject, ends)
                                                        : str_starts_nocase(subject, begins) && str_ends_nocase(subject, ends);
    if (!fits || !subscription->types)
        return fits;
    for (size_t i = 0; i < json_count(subscription->types); i++)
        if (str_eq_nocase(json_str(json_at(subscription->types, i)), type))
            return true;
    return false;
}
