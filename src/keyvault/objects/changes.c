/* changes.c - reading the change feed, parked.
 *
 * A cursor is "<vault>-<number>-<time>": the start of the vault's id, the number of the last row seen, and that row's time, by which a
 * feed that was set back and has grown again is told from the one that the cursor was given for. */
#include "keyvault/objects/changes.h"
#include "keyvault/objects/feed.h"
#include "keyvault/vaults/permission.h"

enum { VAULT_DIGITS = 8 };
typedef struct Cursor { int64_t number, time_ms; } Cursor;
typedef struct Change { Str name, version; FeedChange change; int64_t time_ms; } Change;
typedef struct Changes {
    Req    *req;
    bool    has_after, is_reset, is_page_full;
    Cursor  after, end;                     /* end: where the next request goes on */
    Change *items;
    size_t  count;
} Changes;

/* What a request keeps while it waits. Counts are of KeyVault.permission_changes. */
typedef struct Hearing {
    int64_t begun, looked;              /* when the request came; before the last decision */
    bool is_first, is_refused, was_refused, is_for_some;
} Hearing;

static const char *change_word(FeedChange change)
{
    switch (change) {
    case FEED_NEW_VERSION: return "newVersion";
    case FEED_DELETED:     return "deleted";
    case FEED_RECOVERED:   return "recovered";
    case FEED_PURGED:      return "purged";
    case FEED_ENABLED:     return "enabled";
    case FEED_DISABLED:    return "disabled";
    case FEED_NEAR_EXPIRY: case FEED_EXPIRED: case FEED_POLICY_CHANGED: break;     /* not asked for by read_after */
    }
    return "other";
}

/* *is_here: it was given for this vault. */
static bool cursor_read(const Vault *vault, Str text, Cursor *out, bool *is_here, Err *err)
{
    Str rest = text, id = str_cut(&rest, '-'), number = str_cut(&rest, '-');
    Err ignored;
    if (id.len != VAULT_DIGITS || !rest.ptr || !str_to_int64(number, 0, INT64_MAX, &out->number, &ignored) ||
        !str_to_int64(rest, 0, INT64_MAX, &out->time_ms, &ignored))
        return err_field(err, "after", "after is not a cursor that this service gave; leave it out to begin");
    *is_here = str_eq(id, str_slice(vault->id, 0, VAULT_DIGITS));
    return true;
}

static bool row_time(Txn *txn, const Vault *vault, int64_t number, int64_t *time_ms, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *time_ms = number == 0 ? 0 : -1;
    if (!txn_query(txn, &rows, err, "SELECT time_ms FROM kv_feed WHERE vault = ?1 AND number = ?2", db_text(vault->id), db_int(number)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        *time_ms = row_int(rows, 0);
    return err->code == ERR_NONE;
}

/* Rows that would follow the cursor have been trimmed. Number 0 has no row that could be missed, so this asks for the oldest. */
static bool is_trimmed(Txn *txn, const Vault *vault, int64_t number, bool *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *out = false;
    if (!txn_query(txn, &rows, err, "SELECT number FROM kv_feed WHERE vault = ?1 ORDER BY number LIMIT 1", db_text(vault->id)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        *out = row_int(rows, 0) > number + 1;
    return err->code == ERR_NONE;
}

static bool newest(Txn *txn, const Vault *vault, Cursor *out, Err *err)
{
    return feed_newest(txn, vault->id, &out->number, err) && row_time(txn, vault, out->number, &out->time_ms, err);
}

static bool read_after(Txn *txn, Changes *changes, Err *err)
{
    const Vault *vault = req_vault(changes->req);
    Arena *arena = changes->req->arena;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT number, name, version, change, time_ms FROM kv_feed WHERE vault = ?1 AND number > ?2 AND kind = ?3 AND change <= ?5 ORDER BY number LIMIT ?4",
                   db_text(vault->id), db_int(changes->after.number), db_int(KV_SECRET), db_int(CHANGES_PAGE), db_int(FEED_DISABLED)))
        return false;
    changes->count = 0;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (changes->count == 0 && !(changes->items = ARENA_ARRAY(arena, Change, CHANGES_PAGE)))
            return err_too_big(err);
        changes->items[changes->count++] = (Change){ str_dup(arena, row_text(rows, 1)), str_dup(arena, row_text(rows, 2)), (FeedChange)row_int(rows, 3), row_int(rows, 4) };
        changes->is_page_full = changes->count == CHANGES_PAGE;
        if (changes->is_page_full)
            changes->end = (Cursor){ row_int(rows, 0), row_int(rows, 4) };     /* what follows is for the next request */
    }
    return err->code == ERR_NONE;
}

/* One snapshot: what is listed and the cursor behind it belong together, so nothing falls between two requests. */
static bool changes_txn(Txn *txn, void *ctx, Err *err)
{
    Changes *changes = ctx;
    const Vault *vault = req_vault(changes->req);
    int64_t time_ms;
    bool trimmed;
    if (!newest(txn, vault, &changes->end, err))
        return false;
    if (!changes->has_after || changes->is_reset)
        return true;
    if (!row_time(txn, vault, changes->after.number, &time_ms, err) || !is_trimmed(txn, vault, changes->after.number, &trimmed, err))
        return false;
    changes->is_reset = trimmed || changes->after.number > changes->end.number || time_ms != changes->after.time_ms;
    return changes->is_reset || read_after(txn, changes, err);
}

/* Of a caller who may get some of the secrets only: the others are not told of. */
static bool keep_allowed(Changes *changes, Err *err)
{
    Req *req = changes->req;
    const Vault *vault = req_vault(req);
    Decision decision;
    size_t kept = 0;
    if (changes->count == 0)
        return true;
    if (!vault_may(req->ctx, req->arena, vault, req->caller, req->route, STR_NONE, &decision, err) || decision.allowed)
        return decision.allowed;
    for (size_t i = 0; i < changes->count; i++) {
        if (!vault_may(req->ctx, req->arena, vault, req->caller, req->route, changes->items[i].name, &decision, err))
            return false;
        if (decision.allowed)
            changes->items[kept++] = changes->items[i];
    }
    changes->count = kept;
    return true;
}

static bool write_changes(const Changes *changes, Reply *reply, Err *err)
{
    Req *req = changes->req;
    const Vault *vault = req_vault(req);
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_open_array(w, "value");
    for (size_t i = 0; i < changes->count; i++) {
        const Change *change = &changes->items[i];
        json_open(w, NULL);
        json_put_str(w, "id", object_url(req->ctx, req->arena, vault, KV_SECRET, change->name, change->version));
        json_put_str(w, "name", change->name);
        if (change->version.len)
            json_put_str(w, "version", change->version);
        json_put_str(w, "change", str_from(change_word(change->change)));
        json_put_int(w, "time", change->time_ms / 1000);
        json_close(w);
    }
    json_close_array(w);
    json_put_str(w, "cursor", str_printf(req->arena, STR_FMT "-%lld-%lld", STR_ARG(str_slice(vault->id, 0, VAULT_DIGITS)), (long long)changes->end.number,
                                         (long long)changes->end.time_ms));
    json_put_bool(w, "reset", changes->is_reset);
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

/* ---- waiting for a permission ---- */

bool changes_look(KeyVault *kv, Req *req)
{
    Hearing *hearing = req->park_state;
    int64_t now = atomic_load(&kv->permission_changes);
    if (!hearing) {
        req->park_state = hearing = ARENA_NEW(req->arena, Hearing);
        if (!hearing)
            return false;
        *hearing = (Hearing){ .begun = now, .is_first = true };
    }
    hearing->looked = now;
    return true;
}

bool changes_admit(Req *req, bool is_allowed, bool is_for_all)
{
    Hearing *hearing = req->park_state;
    int64_t wait_s = 0;
    Err ignored;
    bool says_wait = str_to_int64(req_query(req, "wait"), 1, CHANGES_WAIT_MAX_S, &wait_s, &ignored);
    /* Who could hear until now is told at once that he cannot any more. */
    bool may_wait = says_wait && !req->park_ended && (hearing->is_first || hearing->is_refused);
    hearing->is_first = false;
    hearing->is_refused = !is_allowed && may_wait;
    hearing->was_refused = hearing->was_refused || hearing->is_refused;
    hearing->is_for_some = is_allowed && !is_for_all;
    return is_allowed || may_wait;
}

/* For nothing new there may still be an answer: that something more may be read now. */
static bool has_permission_news(const KeyVault *kv, const Hearing *hearing)
{
    return hearing && (hearing->was_refused || (hearing->is_for_some && atomic_load(&kv->permission_changes) != hearing->begun));
}

/* Tells nothing, and so looks at nothing. A change between the decision and the parking is not waited for, but looked at. */
static void wait_for_permission(Req *req, Reply *reply, int64_t wait_s)
{
    const KeyVault *kv = req->ctx;
    const Hearing *hearing = req->park_state;
    reply_park(req, reply, req_vault(req)->scope, wait_s * 1000);
    if (atomic_load(&kv->permission_changes) != hearing->looked)
        reply_park(req, reply, req_vault(req)->scope, 1);
}

bool changes_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    const Hearing *hearing = req->park_state;
    Changes changes = { .req = req };
    Str after = req_query(req, "after"), wait = req_query(req, "wait");
    int64_t wait_s = CHANGES_WAIT_MAX_S;
    bool is_here = true;
    changes.has_after = after.ptr != NULL;
    if (changes.has_after && !cursor_read(vault, after, &changes.after, &is_here, err))
        return false;
    changes.is_reset = !is_here;
    if (wait.ptr && !str_to_int64(wait, 0, CHANGES_WAIT_MAX_S, &wait_s, err))
        return err_field(err, "wait", "wait must be a number of seconds within 0 to %d", CHANGES_WAIT_MAX_S);

    if (hearing && hearing->is_refused) {
        wait_for_permission(req, reply, wait_s);
        return true;
    }
    if (changes.has_after && wait_s > 0)
        reply_park(req, reply, vault->scope, wait_s * 1000);
    if (!store_read(kv->site->store, changes_txn, &changes, err) || !keep_allowed(&changes, err))
        return false;
    if (changes.has_after && !changes.is_reset && changes.count == 0 && !changes.is_page_full && wait_s > 0 && !req->park_ended &&
        !has_permission_news(kv, hearing))
        return true;
    reply_park_cancel(req, reply);
    return write_changes(&changes, reply, err);
}
