/* delivery.c - rows of events on their way, and the CloudEvent of each. */
#include "keyvault/events/delivery.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "keyvault/objects/feed.h"

static const int64_t MINUTE_MS = 60 * 1000LL;
enum { FEED_ROWS = 200, SUBSCRIPTIONS = 8, EVENT_MAX = 64 << 10, WORK_ARENA = 16 << 20 };

/* ---- from the feed ---- */

typedef struct Subscriber { Str id, vault, vault_scope; int64_t cursor, newest; EventSubscription wants; } Subscriber;
typedef struct TakeUp { KeyVault *kv; Arena *arena; int64_t now_ms; bool any, more; } TakeUp;
typedef struct FeedRow { int64_t number, kind, change, time_ms; Str name, version; } FeedRow;

#define AFTER_CURSOR "SELECT 1 FROM kv_feed f WHERE f.vault = s.vault AND f.number > s.cursor"

static bool count_subscriptions(Txn *txn, bool *any, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_event_subscription LIMIT 1"))
        return false;
    *err = (Err){ 0 };
    *any = rows_next(rows, err);
    return err->code == ERR_NONE;
}

static bool read_behind(Txn *txn, TakeUp *take, Subscriber *out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *count = 0;
    if (!txn_query(txn, &rows, err,
                   "SELECT s.id, s.vault, s.cursor, (SELECT MAX(f.number) FROM kv_feed f WHERE f.vault = s.vault), s.sealed FROM kv_event_subscription s"
                   " WHERE EXISTS (" AFTER_CURSOR ") LIMIT ?1", db_int(SUBSCRIPTIONS)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        Subscriber *one = &out[(*count)++];
        *one = (Subscriber){ .id = str_dup(take->arena, row_text(rows, 0)), .vault = str_dup(take->arena, row_text(rows, 1)), .cursor = row_int(rows, 2), .newest = row_int(rows, 3) };
        one->vault_scope = vault_scope_of(take->arena, one->vault);
        if (!arena_ok(take->arena))
            return err_too_big(err);
        if (!event_subscription_open(take->kv, txn, take->arena, one->vault_scope, one->id, row_blob(rows, 4), &one->wants, err))
            return false;
    }
    return err->code == ERR_NONE;
}

static bool read_feed(Txn *txn, Arena *arena, const Subscriber *one, FeedRow *out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *count = 0;
    if (!txn_query(txn, &rows, err, "SELECT number, kind, name, version, change, time_ms FROM kv_feed WHERE vault = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
                   db_text(one->vault), db_int(one->cursor), db_int(FEED_ROWS)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        out[(*count)++] = (FeedRow){ .number = row_int(rows, 0), .kind = row_int(rows, 1), .name = str_dup(arena, row_text(rows, 2)),
                                     .version = row_is_null(rows, 3) ? STR("") : str_dup(arena, row_text(rows, 3)), .change = row_int(rows, 4), .time_ms = row_int(rows, 5) };
    if (err->code == ERR_NONE && !arena_ok(arena))
        return err_too_big(err);
    return err->code == ERR_NONE;
}

/* nbf and exp are as they are now: the version's, or nothing for what is purged already. */
static bool take_row(Txn *txn, const TakeUp *take, const Subscriber *one, const FeedRow *row, Err *err)
{
    const char *type = event_type(row->kind, row->change);
    if (!type || !event_subscription_wants(&one->wants, str_from(type), row->name))
        return true;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO kv_event_delivery (subscription, number, kind, name, version, change, time_ms, nbf_ms, exp_ms, made_ms, next_ms, tries)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT nbf_ms FROM kv_version WHERE vault = ?8 AND kind = ?3 AND name_key = ?9 AND version = ?5),"
                    " (SELECT exp_ms FROM kv_version WHERE vault = ?8 AND kind = ?3 AND name_key = ?9 AND version = ?5), ?10, ?10, 0)",
                    db_text(one->id), db_int(row->number), db_int(row->kind), db_text(row->name), db_text(row->version), db_int(row->change), db_int(row->time_ms),
                    db_text(one->vault), db_text(str_lower(take->arena, row->name)), db_int(take->now_ms));
}

static bool take_up_txn(Txn *txn, void *ctx, Err *err)
{
    TakeUp *take = ctx;
    Subscriber *behind = ARENA_ARRAY(take->arena, Subscriber, SUBSCRIPTIONS);
    FeedRow *feed = ARENA_ARRAY(take->arena, FeedRow, FEED_ROWS);
    size_t subscribers, rows;
    if (!behind || !feed)
        return err_too_big(err);
    if (!count_subscriptions(txn, &take->any, err) || !read_behind(txn, take, behind, &subscribers, err))
        return false;
    take->more = subscribers == SUBSCRIPTIONS;
    for (size_t i = 0; i < subscribers; i++) {
        const Subscriber *one = &behind[i];
        if (!read_feed(txn, take->arena, one, feed, &rows, err))
            return false;
        for (size_t j = 0; j < rows; j++)
            if (!take_row(txn, take, one, &feed[j], err))
                return false;
        take->more = take->more || rows == FEED_ROWS;
        if (!txn_exec(txn, NULL, err, "UPDATE kv_event_subscription SET cursor = ?2 WHERE id = ?1", db_text(one->id),
                      db_int(rows == FEED_ROWS ? feed[rows - 1].number : one->newest)))
            return false;
    }
    return true;
}

typedef struct Behind { bool any, is_behind; } Behind;

static bool behind_txn(Txn *txn, void *ctx, Err *err)
{
    Behind *behind = ctx;
    if (!count_subscriptions(txn, &behind->any, err))
        return false;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_event_subscription s WHERE EXISTS (" AFTER_CURSOR ") LIMIT 1"))
        return false;
    *err = (Err){ 0 };
    behind->is_behind = rows_next(rows, err);
    return err->code == ERR_NONE;
}

/* A read first: most wakes find nothing to write. */
bool delivery_take_up(KeyVault *kv, int64_t now_ms, bool *more, bool *any, Err *err)
{
    Behind behind = { 0 };
    if (!store_read(kv->site->store, behind_txn, &behind, err))
        return false;
    *any = behind.any;
    *more = false;
    if (!behind.is_behind)
        return true;
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_ARENA);
    TakeUp take = { .kv = kv, .arena = arena, .now_ms = now_ms };
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory for events");
    if (!store_write(kv->site->store, take_up_txn, &take, err))
        return false;
    *any = take.any;
    *more = take.more;
    return true;
}

/* ---- what is due ---- */

typedef struct Ids { Arena *arena; Str *ids; size_t count, room; } Ids;

static bool ids_txn(Txn *txn, void *ctx, Err *err)
{
    Ids *ids = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    ids->count = 0;
    if (!txn_query(txn, &rows, err, "SELECT s.id FROM kv_event_subscription s WHERE EXISTS (SELECT 1 FROM kv_event_delivery d WHERE d.subscription = s.id)"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (ids->count == ids->room) {
            size_t room = ids->room ? 2 * ids->room : 64;
            Str *longer = ARENA_ARRAY(ids->arena, Str, room);
            if (!longer)
                return err_too_big(err);
            if (ids->count)
                memcpy(longer, ids->ids, ids->count * sizeof *longer);
            ids->ids = longer;
            ids->room = room;
        }
        ids->ids[ids->count++] = str_dup(ids->arena, row_text(rows, 0));
    }
    if (err->code == ERR_NONE && !arena_ok(ids->arena))
        return err_too_big(err);
    return err->code == ERR_NONE;
}

bool delivery_subscriptions(KeyVault *kv, Arena *arena, Str **ids, size_t *count, Err *err)
{
    Ids all = { .arena = arena };
    if (!store_read(kv->site->store, ids_txn, &all, err))
        return false;
    *ids = all.ids;
    *count = all.count;
    return true;
}

/* The same for every subscription and try: receivers tell repeated events by it. */
static Str event_id(Arena *arena, Str vault_id, int64_t number)
{
    uint8_t hash[SHA256_SIZE];
    sha256(bytes_of(str_printf(arena, STR_FMT "/%lld", STR_ARG(vault_id), (long long)number)), hash);
    Str hex = hex_encode(arena, (Bytes){ hash, 16 });
    return hex.len != 32 ? STR_NONE : str_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.ptr, hex.ptr + 8, hex.ptr + 12, hex.ptr + 16, hex.ptr + 20);
}

static void put_seconds(JsonWriter *w, const char *name, Rows *rows, int column)
{
    if (row_is_null(rows, column))
        json_put_null(w, name);
    else
        json_put_int(w, name, row_int(rows, column) / 1000);
}

/* CloudEvents 1.0 section 3, in the JSON format; `data` as "Azure Key Vault as Event Grid source" describes it. The row's columns are those of
 * due_txn. */
static bool write_event(KeyVault *kv, Arena *arena, const Vault *vault, Rows *rows, Delivery *out, Err *err)
{
    static const char *const object_types[] = { [FEED_OF_VAULT] = "Vault", [KV_SECRET] = "Secret", [KV_KEY] = "Key", [KV_CERTIFICATE] = "Certificate" };
    AUTO(buf_done_auto) Buf text = { 0 };
    int64_t kind = row_int(rows, 1);
    Str name = row_text(rows, 2), version = row_text(rows, 3);
    const char *type = event_type(kind, row_int(rows, 4));
    if (!type)
        return err_set(err, ERR_INTERNAL, "a delivery of no event");
    JsonWriter w;
    buf_init(&text, EVENT_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "id", out->event_id);
    json_put_str(&w, "source", vault->resource_id);
    json_put_str(&w, "specversion", STR("1.0"));
    json_put_str(&w, "type", str_from(type));
    json_put_str(&w, "subject", name);
    json_put_time(&w, "time", row_int(rows, 5));
    json_open(&w, "data");
    json_put_str(&w, "Id", kind == FEED_OF_VAULT ? vault->resource_id : object_url(kv, arena, vault, (KvKind)kind, name, version));
    json_put_str(&w, "VaultName", vault->name);
    json_put_str(&w, "ObjectType", str_from(object_types[kind]));
    json_put_str(&w, "ObjectName", name);
    if (version.len)
        json_put_str(&w, "Version", version);
    else
        json_put_null(&w, "Version");
    put_seconds(&w, "NBF", rows, 6);
    put_seconds(&w, "EXP", rows, 7);
    json_close(&w);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    out->body = str_dup(arena, buf_str(&text));
    return out->body.ptr || err_too_big(err);
}

typedef struct DueRead { KeyVault *kv; Arena *arena; Str subscription; int64_t now_ms, next_ms; size_t max, count; Delivery *out; } DueRead;

static bool subscription_of(DueRead *due, Txn *txn, Vault *vault, EventSubscription *subscription, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT vault, sealed FROM kv_event_subscription WHERE id = ?1", db_text(due->subscription)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    Str scope = vault_scope_of(due->arena, row_text(rows, 0));
    return event_subscription_open(due->kv, txn, due->arena, scope, due->subscription, row_blob(rows, 1), subscription, err) &&
           vault_by_id(due->kv, txn, due->arena, row_text(rows, 0), vault, found, err);
}

static bool next_of(Txn *txn, DueRead *due, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT next_ms FROM kv_event_delivery WHERE subscription = ?1 AND next_ms > ?2 ORDER BY next_ms LIMIT 1", db_text(due->subscription),
                   db_int(due->now_ms)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err) && row_int(rows, 0) < due->next_ms)
        due->next_ms = row_int(rows, 0);
    return err->code == ERR_NONE;
}

static bool due_txn(Txn *txn, void *ctx, Err *err)
{
    DueRead *due = ctx;
    Vault vault;
    EventSubscription subscription;
    bool found;
    due->count = 0;
    if (!subscription_of(due, txn, &vault, &subscription, &found, err))
        return false;
    if (!found)
        return true;
    {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, "SELECT number, kind, name, version, change, time_ms, nbf_ms, exp_ms, tries FROM kv_event_delivery"
                       " WHERE subscription = ?1 AND next_ms <= ?2 ORDER BY next_ms, number LIMIT ?3", db_text(due->subscription), db_int(due->now_ms), db_int((int64_t)due->max)))
            return false;
        *err = (Err){ 0 };
        while (rows_next(rows, err)) {
            Delivery *one = &due->out[due->count++];
            *one = (Delivery){ .subscription = due->subscription, .number = row_int(rows, 0), .tries = row_int(rows, 8), .endpoint = subscription.endpoint,
                               .name = subscription.name, .event_id = event_id(due->arena, vault.id, row_int(rows, 0)) };
            if (!arena_ok(due->arena))
                return err_too_big(err);
            if (!write_event(due->kv, due->arena, &vault, rows, one, err))
                return false;
        }
        if (err->code != ERR_NONE)
            return false;
    }
    return next_of(txn, due, err);
}

bool delivery_due(KeyVault *kv, Arena *arena, Str subscription, int64_t now_ms, size_t max, Delivery **out, size_t *count, int64_t *next_ms, Err *err)
{
    DueRead due = { .kv = kv, .arena = arena, .subscription = subscription, .now_ms = now_ms, .next_ms = *next_ms, .max = max, .out = ARENA_ARRAY(arena, Delivery, max) };
    if (!due.out)
        return err_too_big(err);
    if (!store_read(kv->site->store, due_txn, &due, err))
        return false;
    *out = due.out;
    *count = due.count;
    *next_ms = due.next_ms;
    return true;
}

/* ---- what became of a try ---- */

int64_t delivery_wait_ms(int64_t tries)
{
    static const int64_t seconds[] = { 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600 };
    size_t at = tries < 1 ? 0 : (size_t)tries - 1;
    return 1000 * seconds[at < COUNT_OF(seconds) ? at : COUNT_OF(seconds) - 1];
}

bool delivery_is_final(int status) { return status == 400 || status == 401 || status == 403 || status == 413; }

static bool is_delivered(int status) { return status >= 200 && status <= 204; }

typedef struct Settle { KeyVault *kv; Arena *arena; int64_t now_ms; DeliveryTry *tries; size_t count; } Settle;

static bool again_or_drop(Txn *txn, const Settle *settle, DeliveryTry *attempt, Err *err)
{
    int64_t made_ms, tries;
    EventSubscription subscription;
    {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, "SELECT d.made_ms, d.tries, s.vault, s.sealed FROM kv_event_delivery d JOIN kv_event_subscription s ON s.id = d.subscription"
                       " WHERE d.subscription = ?1 AND d.number = ?2", db_text(attempt->subscription), db_int(attempt->number)))
            return false;
        *err = (Err){ 0 };
        attempt->end = DELIVERY_DROPPED;            /* the subscription was deleted meanwhile */
        if (!rows_next(rows, err))
            return err->code == ERR_NONE;
        made_ms = row_int(rows, 0);
        tries = row_int(rows, 1) + 1;
        Str scope = vault_scope_of(settle->arena, row_text(rows, 2));
        if (!event_subscription_open(settle->kv, txn, settle->arena, scope, attempt->subscription, row_blob(rows, 3), &subscription, err))
            return false;
    }
    uint16_t random;
    random_fill(&random, sizeof random);
    int64_t wait_ms = delivery_wait_ms(tries), next_ms = settle->now_ms + wait_ms + wait_ms / 10 * random / UINT16_MAX;
    if (delivery_is_final(attempt->status) || tries >= subscription.tries_max || next_ms > made_ms + subscription.ttl_minutes * MINUTE_MS)
        return txn_exec(txn, NULL, err, "DELETE FROM kv_event_delivery WHERE subscription = ?1 AND number = ?2", db_text(attempt->subscription), db_int(attempt->number));
    attempt->end = DELIVERY_AGAIN;
    return txn_exec(txn, NULL, err, "UPDATE kv_event_delivery SET tries = ?3, next_ms = ?4 WHERE subscription = ?1 AND number = ?2", db_text(attempt->subscription),
                    db_int(attempt->number), db_int(tries), db_int(next_ms));
}

static bool settle_txn(Txn *txn, void *ctx, Err *err)
{
    Settle *settle = ctx;
    for (size_t i = 0; i < settle->count; i++) {
        DeliveryTry *attempt = &settle->tries[i];
        attempt->end = DELIVERY_DONE;
        if (is_delivered(attempt->status)
                ? !txn_exec(txn, NULL, err, "DELETE FROM kv_event_delivery WHERE subscription = ?1 AND number = ?2", db_text(attempt->subscription), db_int(attempt->number))
                : !again_or_drop(txn, settle, attempt, err))
            return false;
    }
    return true;
}

bool delivery_settle(KeyVault *kv, int64_t now_ms, DeliveryTry *tries, size_t count, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_ARENA);
    Settle settle = { kv, arena, now_ms, tries, count };
    return arena ? store_write(kv->site->store, settle_txn, &settle, err) : err_set(err, ERR_INTERNAL, "out of memory for events");
}
