/* subscription.c - rows of event subscriptions, and Microsoft.EventGrid on vaults. */
#include "keyvault/events/subscription.h"
#include <stdlib.h>
#include "base/id.h"
#include "keyvault/events/courier.h"
#include "keyvault/vaults/vault_arm.h"

#define EVENTS "/{scope...}/providers/Microsoft.EventGrid/eventSubscriptions"
#define MAY(what) "Microsoft.EventGrid/eventSubscriptions/" what
#define TYPE STR("Microsoft.EventGrid/eventSubscriptions")
enum { BODY_MAX = 64 << 10, DOC_MAX = 128 << 10, SHAKE_WAIT_MS = 20 * 1000 };

/* ---- rows ---- */

typedef struct Doc { Str name, endpoint, begins, ends; const JsonVal *types, *labels; bool is_case_sensitive; int64_t tries_max, ttl_minutes; } Doc;
static const JsonField doc_fields[] = {
    JSON_FIELD(Doc, name,              "name",          JSON_REQUIRED),
    JSON_FIELD(Doc, endpoint,          "endpoint",      JSON_REQUIRED),
    JSON_FIELD(Doc, begins,            "begins",        JSON_REQUIRED),
    JSON_FIELD(Doc, ends,              "ends",          JSON_REQUIRED),
    JSON_FIELD(Doc, is_case_sensitive, "caseSensitive", JSON_REQUIRED),
    JSON_FIELD(Doc, types,             "types",         JSON_OPTIONAL),
    JSON_FIELD(Doc, labels,            "labels",        JSON_OPTIONAL),
    JSON_FIELD(Doc, tries_max,         "triesMax",      JSON_REQUIRED),
    JSON_FIELD(Doc, ttl_minutes,       "ttlMinutes",    JSON_REQUIRED),
};

static SealPlace place_of(Str vault_scope, Str id) { return (SealPlace){ vault_scope, "kv_event_subscription", id, "sealed" }; }

bool event_subscription_open(KeyVault *kv, Txn *txn, Arena *arena, Str vault_scope, Str id, Bytes sealed, EventSubscription *out, Err *err)
{
    Str text;
    const JsonVal *root;
    Doc doc = { 0 };
    if (!seal_get_text(kv->site->seal, txn, place_of(vault_scope, id), sealed, arena, &text, err))
        return false;
    if (!json_parse(arena, text, JSON_STRICT, &root, err) || !json_read(root, "kv_event_subscription", doc_fields, COUNT_OF(doc_fields), &doc, err))
        return err_set(err, ERR_INTERNAL, "the document of event subscription " STR_FMT " cannot be read", STR_ARG(id));
    *out = (EventSubscription){ .name = doc.name, .endpoint = doc.endpoint, .types = doc.types, .labels = doc.labels, .subject_begins = doc.begins, .subject_ends = doc.ends,
                                .is_subject_case_sensitive = doc.is_case_sensitive, .tries_max = doc.tries_max, .ttl_minutes = doc.ttl_minutes };
    return true;
}

static bool seal_doc(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str id, const EventSubscription *subscription, Bytes *sealed, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, DOC_MAX);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "name", subscription->name);
    json_put_str(&w, "endpoint", subscription->endpoint);
    json_put_str(&w, "begins", subscription->subject_begins);
    json_put_str(&w, "ends", subscription->subject_ends);
    json_put_bool(&w, "caseSensitive", subscription->is_subject_case_sensitive);
    json_put_value(&w, "types", subscription->types);
    json_put_value(&w, "labels", subscription->labels);
    json_put_int(&w, "triesMax", subscription->tries_max);
    json_put_int(&w, "ttlMinutes", subscription->ttl_minutes);
    json_close(&w);
    return json_end(&w, err) && seal_put(kv->site->seal, txn, place_of(vault->scope, id), buf_bytes(&text), arena, sealed, err);
}

static bool find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, EventSubscription *out, Str *id, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT id, sealed FROM kv_event_subscription WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(str_lower(arena, name))))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    *id = str_dup(arena, row_text(rows, 0));
    return event_subscription_open(kv, txn, arena, vault->scope, *id, row_blob(rows, 1), out, err);
}

bool event_subscriptions_drop(Txn *txn, const Vault *vault, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_event_delivery WHERE subscription IN (SELECT id FROM kv_event_subscription WHERE vault = ?1)", db_text(vault->id)) &&
           txn_exec(txn, NULL, err, "DELETE FROM kv_event_subscription WHERE vault = ?1", db_text(vault->id));
}

/* ---- requests ---- */

typedef struct Call { Req *req; Reply *reply; Vault vault; EventSubscription subscription; Str id, name; const JsonVal *body; bool is_patch, found; Shake *shake; } Call;

static Str resource_id(const Call *call)
{
    return str_printf(call->req->arena, STR_FMT "/providers/" STR_FMT "/" STR_FMT, STR_ARG(call->vault.resource_id), STR_ARG(TYPE),
                      STR_ARG(call->subscription.name.ptr ? call->subscription.name : call->name));
}

static bool find_vault(Call *call, Txn *txn, Err *err) { return vault_of_scope(call->req, txn, "events", &call->vault, err); }

static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return find_vault(call, txn, err) &&
           find(call->req->ctx, txn, call->req->arena, &call->vault, call->name, &call->subscription, &call->id, &call->found, err);
}

static bool not_found(const Call *call, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The event subscription '" STR_FMT "' was not found at the vault '" STR_FMT "'.",
                     STR_ARG(str_slice(call->name, 0, EVENT_NAME_MAX)), STR_ARG(call->vault.name));
}

static bool call_begin(Req *req, Reply *reply, Call *call, Err *err)
{
    KeyVault *kv = req->ctx;
    *call = (Call){ .req = req, .reply = reply, .name = req_param(req, "eventSubscriptionName") };
    return store_read(kv->site->store, find_txn, call, err);
}

static Str without_query(Str url)
{
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] == '?' || url.ptr[i] == '#')
            return str_slice(url, 0, i);
    return url;
}

static void write_texts(JsonWriter *w, const char *name, const JsonVal *texts)
{
    if (texts) {
        json_put_value(w, name, texts);
    } else {
        json_open_array(w, name);
        json_close_array(w);
    }
}

static void write_subscription(JsonWriter *w, const Call *call)
{
    const EventSubscription *subscription = &call->subscription;
    json_open(w, NULL);
    json_put_str(w, "id", resource_id(call));
    json_put_str(w, "name", subscription->name);
    json_put_str(w, "type", TYPE);
    json_open(w, "properties");
    json_put_str(w, "topic", call->vault.resource_id);
    json_put_str(w, "provisioningState", STR("Succeeded"));
    json_put_str(w, "eventDeliverySchema", STR("CloudEventSchemaV1_0"));
    json_open(w, "destination");
    json_put_str(w, "endpointType", STR("WebHook"));
    json_open(w, "properties");
    json_put_str(w, "endpointBaseUrl", without_query(subscription->endpoint));
    json_put_int(w, "maxEventsPerBatch", 1);
    json_put_int(w, "preferredBatchSizeInKilobytes", 64);
    json_close(w);
    json_close(w);
    json_open(w, "filter");
    json_put_str(w, "subjectBeginsWith", subscription->subject_begins);
    json_put_str(w, "subjectEndsWith", subscription->subject_ends);
    json_put_bool(w, "isSubjectCaseSensitive", subscription->is_subject_case_sensitive);
    if (subscription->types)
        json_put_value(w, "includedEventTypes", subscription->types);
    json_close(w);
    write_texts(w, "labels", subscription->labels);
    json_open(w, "retryPolicy");
    json_put_int(w, "maxDeliveryAttempts", subscription->tries_max);
    json_put_int(w, "eventTimeToLiveInMinutes", subscription->ttl_minutes);
    json_close(w);
    json_close(w);
    json_close(w);
}

/* ---- PUT and PATCH: the endpoint is asked first, and nothing is kept before it consented ---- */

static bool name_check(Str name, Err *err)
{
    bool good = name.len >= EVENT_NAME_MIN && name.len <= EVENT_NAME_MAX;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    }
    return good || err_named(err, ERR_BAD_INPUT, "InvalidRequest", NULL, "The name of an event subscription has %d to %d letters, digits and hyphens; '" STR_FMT "' does not fit.",
                             EVENT_NAME_MIN, EVENT_NAME_MAX, STR_ARG(str_slice(name, 0, 100)));
}

static bool insert(Call *call, Txn *txn, Bytes sealed, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err,
                   "INSERT INTO kv_event_subscription (vault, name_key, id, cursor, sealed)"
                   " VALUES (?1, ?2, ?3, COALESCE((SELECT MAX(number) FROM kv_feed WHERE vault = ?1), 0), ?4) RETURNING cursor",
                   db_text(call->vault.id), db_text(str_lower(call->req->arena, call->name)), db_text(call->id), db_blob(sealed)))
        return false;
    *err = (Err){ 0 };
    (void)rows_next(rows, err);         /* the vault is there: find_txn read it */
    return err->code == ERR_NONE;
}

static bool keep_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    Req *req = call->req;
    KeyVault *kv = req->ctx;
    Bytes sealed;
    if (!find_txn(txn, call, err) || (call->is_patch && !call->found && !not_found(call, err)) ||
        !event_subscription_read(call->body, call->is_patch, &call->subscription, err))
        return false;
    if (!call->found) {
        call->subscription.name = call->name;
        call->id = hex_id_new(req->arena, 32);
    }
    if (!seal_doc(kv, txn, req->arena, &call->vault, call->id, &call->subscription, &sealed, err))
        return false;
    return call->found ? txn_exec(txn, NULL, err, "UPDATE kv_event_subscription SET sealed = ?2 WHERE id = ?1", db_text(call->id), db_blob(sealed))
                       : insert(call, txn, sealed, err);
}

static bool keep(Call *call, Err *err)
{
    KeyVault *kv = call->req->ctx;
    int status = call->is_patch || call->found ? 200 : 201;
    if (!vault_write_txn(call->req, resource_id(call), status, keep_txn, call, err))
        return false;
    courier_wake(kv);
    /* Creation is a long-running operation of the service, and az reads its first answer twice, the second time without the type of the
     * destination (msrest takes it out). So it is told where the result is to be had, and reads that. */
    reply_header(call->reply, STR("Location"), str_printf(call->req->arena, STR_FMT STR_FMT "?api-version=" STR_FMT,
                 STR_ARG(site_url(kv->site, call->req->arena, STR("management"))), STR_ARG(resource_id(call)), STR_ARG(call->req->api_version)));
    reply_header(call->reply, STR("Retry-After"), STR("1"));
    call->reply->status = 201;          /* the service answers so to a change as well */
    write_subscription(&call->reply->json, call);
    return arena_ok(call->req->arena) || err_too_big(err);
}

static void release_shake(void *shake) { shake_release(shake); }

/* The first run of the handler: everything is checked, and the endpoint is asked if there is a new one. */
static bool put_begin(Req *req, Reply *reply, bool is_patch, Call *call, Err *err)
{
    const JsonVal *body;
    if (!name_check(req_param(req, "eventSubscriptionName"), err) || !req_object(req, &body, err) || !call_begin(req, reply, call, err))
        return false;
    call->is_patch = is_patch;
    call->body = is_patch ? body : json_get(body, "properties");
    if (is_patch && !call->found)
        return not_found(call, err);
    EventSubscription wanted = call->subscription;
    if (!event_subscription_read(call->body, is_patch, &wanted, err))
        return false;
    if (is_patch && str_eq(wanted.endpoint, call->subscription.endpoint))
        return true;
    Str key = str_printf(req->arena, "eventgrid:" STR_FMT, STR_ARG(req->request_id));
    call->shake = courier_shake(req->ctx, wanted.endpoint, key, err);
    return call->shake && (arena_defer(req->arena, release_shake, call->shake) || err_too_big(err));
}

static bool put(Req *req, Reply *reply, bool is_patch, Err *err)
{
    Call *call = req->park_state;
    char why[400];
    if (!call) {
        call = ARENA_NEW(req->arena, Call);
        if (!call)
            return err_too_big(err);
        if (!put_begin(req, reply, is_patch, call, err))
            return false;
        req->park_state = call;
    }
    call->reply = reply;
    if (!call->shake)
        return keep(call, err);
    reply_park(req, reply, str_printf(req->arena, "eventgrid:" STR_FMT, STR_ARG(req->request_id)), SHAKE_WAIT_MS);
    ShakeState state = shake_state(call->shake, why, sizeof why);
    if (state == SHAKE_WAITS && !req->park_ended)
        return true;
    reply_park_cancel(req, reply);
    if (state == SHAKE_WAITS)
        return err_set(err, ERR_UNAVAILABLE, "the endpoint has not answered yet; try again");
    if (state == SHAKE_BAD)
        return err_named(err, ERR_BAD_INPUT, "Url validation", NULL, "Webhook validation handshake failed for " STR_FMT ": %s. The endpoint must answer OPTIONS with "
                         "WebHook-Allowed-Origin (CloudEvents 1.0, abuse protection).", STR_ARG(without_query(str_slice(
                             json_str(json_path(call->body, "destination.properties.endpointUrl")), 0, 200))), why);
    return keep(call, err);
}

static bool subscription_put(Req *req, Reply *reply, Err *err) { return put(req, reply, false, err); }
static bool subscription_patch(Req *req, Reply *reply, Err *err) { return put(req, reply, true, err); }

/* ---- the rest ---- */

static bool subscription_get(Req *req, Reply *reply, Err *err)
{
    Call call;
    if (!call_begin(req, reply, &call, err))
        return false;
    if (!call.found)
        return not_found(&call, err);
    write_subscription(&reply->json, &call);
    return arena_ok(req->arena) || err_too_big(err);
}

static bool full_url(Req *req, Reply *reply, Err *err)
{
    Call call;
    if (!call_begin(req, reply, &call, err))
        return false;
    if (!call.found)
        return not_found(&call, err);
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "endpointUrl", call.subscription.endpoint);
    json_close(&reply->json);
    return true;
}

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    Req *req = call->req;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!find_vault(call, txn, err) ||
        !txn_query(txn, &rows, err, "SELECT id, sealed FROM kv_event_subscription WHERE vault = ?1 ORDER BY name_key", db_text(call->vault.id)))
        return false;
    json_open(&call->reply->json, NULL);
    json_open_array(&call->reply->json, "value");
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (!event_subscription_open(req->ctx, txn, req->arena, call->vault.scope, row_text(rows, 0), row_blob(rows, 1), &call->subscription, err))
            return false;
        write_subscription(&call->reply->json, call);
    }
    json_close_array(&call->reply->json);
    json_close(&call->reply->json);
    return err->code == ERR_NONE;
}

static bool subscription_list(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Call call = { .req = req, .reply = reply };
    return store_read(kv->site->store, list_txn, &call, err) && (arena_ok(req->arena) || err_too_big(err));
}

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return find_txn(txn, call, err) &&
           (!call->found || (txn_exec(txn, NULL, err, "DELETE FROM kv_event_delivery WHERE subscription = ?1", db_text(call->id)) &&
                             txn_exec(txn, NULL, err, "DELETE FROM kv_event_subscription WHERE id = ?1", db_text(call->id))));
}

static bool subscription_delete(Req *req, Reply *reply, Err *err)
{
    Call call;
    if (!call_begin(req, reply, &call, err) || !vault_write_txn(req, resource_id(&call), call.found ? 200 : 204, delete_txn, &call, err))
        return false;
    reply->status = call.found ? 200 : 204;
    courier_wake(req->ctx);
    return true;
}

const Route event_routes[] = {
    { METHOD_GET,    EVENTS,                                         NULL, NULL, MAY("read"),              WHERE_INLINE, BODY_NONE,         0,        subscription_list,   "EventSubscriptionsListByResource" },
    { METHOD_GET,    EVENTS "/{eventSubscriptionName}",              NULL, NULL, MAY("read"),              WHERE_INLINE, BODY_NONE,         0,        subscription_get,    "EventSubscriptionsGet" },
    { METHOD_PUT,    EVENTS "/{eventSubscriptionName}",              NULL, NULL, MAY("write"),             WHERE_PARKED, BODY_JSON_LENIENT, BODY_MAX, subscription_put,    "EventSubscriptionsCreateOrUpdate" },
    { METHOD_PATCH,  EVENTS "/{eventSubscriptionName}",              NULL, NULL, MAY("write"),             WHERE_PARKED, BODY_JSON_LENIENT, BODY_MAX, subscription_patch,  "EventSubscriptionsUpdate" },
    { METHOD_DELETE, EVENTS "/{eventSubscriptionName}",              NULL, NULL, MAY("delete"),            WHERE_WORKER, BODY_NONE,         0,        subscription_delete, "EventSubscriptionsDelete" },
    { METHOD_POST,   EVENTS "/{eventSubscriptionName}/getFullUrl",   NULL, NULL, MAY("getFullUrl/action"), WHERE_WORKER, BODY_NONE,         0,        full_url,            "EventSubscriptionsGetFullUrl" },
};
const size_t event_route_count = COUNT_OF(event_routes);
