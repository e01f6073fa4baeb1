/* encryption_probe.c - the background work of an account under a customer's key: is the key still ours to use, and is it the newest?
 *
 * One run at a time for each account. A run asks the vault first, outside any transaction, and then writes what it found, unless the
 * wrapping key was changed meanwhile (its revision tells): then what it found is about another key, and it runs again. The data key
 * leaves memory right after the commit that says so, and comes back just before the one that says that. */
#include "batch/encryption/encryption_vault.h"
#include <stdio.h>
#include "base/log.h"
#include "batch/parts.h"

enum { REASON_MAX = 400, NODES_A_READ = 3000, SCRUB_AGAIN_MS = 500 };

typedef struct Probe {
    Batch *batch;
    Arena *arena;
    Str account_id;
    int64_t real_ms, object_ms;
    bool found, locked;
    Account account;
    Encryption encryption;
    KeyCalls calls;
    bool can_call;
    const Secret *data_key;         /* as the vault unwrapped it */
    WrappedKey next;                /* a newer version that proved good */
    Str note;                       /* what is wrong beside: "" */
    Str reason;                     /* of a loss */
    bool applied;                   /* the revision was still ours */
} Probe;

static bool look(Txn *txn, void *ctx, Err *err)
{
    Probe *p = ctx;
    if (!account_by_id(txn, p->arena, p->account_id, &p->account, &p->found, err) || !encryption_find(txn, p->arena, p->account_id, &p->encryption, err))
        return false;
    p->found = p->found && p->encryption.by_customer && p->account.state != ACCOUNT_DELETING;
    return !p->found || seal_scope_is_locked(p->batch->site->seal, txn, account_scope(p->arena, p->account_id), &p->locked, err);
}

/* Is what was found still about the key that the account has? */
static bool still_ours(Probe *p, Txn *txn, Err *err)
{
    Encryption now;
    if (!encryption_find(txn, p->arena, p->account_id, &now, err))
        return false;
    p->applied = now.by_customer && now.revision == p->encryption.revision;
    return true;
}

static bool audit(const Probe *p, Txn *txn, const char *operation, Str why, Err *err)
{
    AuditRecord record = {
        .time_ms = real_now_ms(), .resource_id = p->account.arm_id, .operation = str_from(operation), .category = STR("AuditEvent"), .http_status = 200,
        .result_description = why, .client_info = STR("vaultyard background work"), .object_id = p->encryption.identifier,
    };
    return audit_write(p->batch->site->audit, txn, &record, err);
}

/* -- scrub: the wrapping before leaves the files -- */

static bool scrubbed_txn(Txn *txn, void *ctx, Err *err)
{
    const Probe *p = ctx;
    return txn_exec(txn, NULL, err, "UPDATE batch_encryption SET scrub = 0 WHERE account_id = ?1 AND revision = ?2", db_text(p->account_id), db_int(p->encryption.revision));
}

static bool scrub(Probe *p, int64_t *again_ms, Err *err)
{
    bool done;
    if (!p->encryption.scrub)
        return true;
    if (!store_scrub(p->batch->site->store, &done, err))
        return false;
    if (!done)
        *again_ms = p->real_ms + SCRUB_AGAIN_MS;      /* a reader was in the way */
    return !done || store_write(p->batch->site->store, scrubbed_txn, p, err);
}

/* -- a newer version -- */

static bool follow_txn(Txn *txn, void *ctx, Err *err)
{
    Probe *p = ctx;
    return still_ours(p, txn, err) &&
           (!p->applied || (encryption_set(p->batch, txn, p->arena, p->account_id, &p->next, p->real_ms, err) &&
                            audit(p, txn, "BatchAccountKeyFollowed", str_printf(p->arena, "version " STR_FMT, STR_ARG(p->next.key.version)), err)));
}

/* Trouble with the newest version is no loss: the one that wraps now is tried by itself. *moved: the account has another key now. */
static bool follow(Probe *p, bool *moved, Err *err)
{
    AUTO(secret_free_auto) Secret *data_key = NULL;
    KeyName newest = { p->encryption.key.vault, p->encryption.key.name, STR_NONE };
    Str version;
    Err trouble = { 0 };
    *moved = false;
    if (p->encryption.pinned || p->locked || !p->can_call)
        return true;
    bool good = key_check(&p->calls, &newest, &version, &trouble);
    if (good && str_eq(version, p->encryption.key.version))
        return true;
    newest.version = version;
    if (!good || !key_prove(&p->calls, &newest, &p->next, &data_key, &trouble)) {
        p->note = str_printf(p->arena, "the newest version of the key is not followed: %s", trouble.text);
        return true;
    }
    p->next.identifier = p->encryption.identifier;
    if (!store_write(p->batch->site->store, follow_txn, p, err))
        return false;
    *moved = p->applied;
    if (*moved)
        log_event(LOG_INFO, "batch.key_followed", log_str("account", p->account.name), log_str("key", p->encryption.identifier), log_str("version", version));
    return true;
}

/* -- access is there -- */

static bool unlock_txn(Txn *txn, void *ctx, Err *err)
{
    Probe *p = ctx;
    return still_ours(p, txn, err) && (!p->applied || seal_scope_unlock(p->batch->site->seal, txn, account_scope(p->arena, p->account_id), p->data_key, err));
}

static bool wake_pools(Probe *p, Txn *txn, Err *err)
{
    Pool *pools;
    size_t count;
    if (!pool_list(txn, p->arena, p->account_id, STR_NONE, ACCOUNT_POOL_QUOTA, &pools, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!pool_schedule(p->batch, txn, p->arena, p->account_id, pools[i].key, err))
            return false;
    return true;
}

static bool open_txn(Txn *txn, void *ctx, Err *err)
{
    Probe *p = ctx;
    bool returned = p->encryption.access == KEY_LOST;
    if (!still_ours(p, txn, err))
        return false;
    if (!p->applied)
        return true;
    if (!txn_exec(txn, NULL, err, "UPDATE batch_encryption SET access = ?2, unwrapped_ms = ?3, reason = ?4, restored_ms = CASE WHEN ?5 = 1 THEN ?3 ELSE restored_ms END"
                  " WHERE account_id = ?1", db_text(p->account_id), db_int(KEY_OPEN), db_int(p->real_ms), db_text(p->note), db_int(returned)))
        return false;
    if (!returned && !p->locked)
        return true;
    return wake_pools(p, txn, err) && (!returned || audit(p, txn, "BatchAccountKeyAccessRestored", STR(""), err)) &&
           (!p->batch->on_key_access || p->batch->on_key_access(p->batch, txn, p->arena, p->account_id, true, err));
}

static bool note_open(Probe *p, Err *err)
{
    if (p->locked && !store_read(p->batch->site->store, unlock_txn, p, err))
        return false;
    if (p->locked && !p->applied)
        return true;
    if (!store_write(p->batch->site->store, open_txn, p, err))
        return false;
    if (!p->applied || (!p->locked && p->encryption.access == KEY_OPEN))
        return true;
    log_event(LOG_INFO, p->encryption.access == KEY_LOST ? "batch.key_restored" : "batch.key_opened", log_str("account", p->account.name),
              log_str("key", p->encryption.identifier));
    batch_refresh_nodes(p->batch);              /* their next lease makes them usable again */
    return true;
}

/* -- access is lost -- */

/* Their leases go on. One that is not there (creating, unknown, leaving) stays what it is. */
static bool disable_node(Probe *p, Txn *txn, Node *node, Err *err)
{
    NodeState now;
    bool moved;
    Bytes sealed;
    if (node->state == NODE_CREATING || node->state == NODE_UNKNOWN || node->state == NODE_LEAVING || node->state == NODE_UNUSABLE ||
        !node_move(node->state, NODE_BROKEN, &now))
        return true;
    if (!node_apply(txn, node, NODE_BROKEN, p->object_ms, &now, &moved, err))
        return false;
    if (p->locked)
        return true;                            /* the reason cannot be sealed any more; the account tells it */
    Str report = STR("{\"reason\":{\"code\":\"AccountIsDisabled\",\"message\":\"The account's customer-managed key cannot be used.\"}}");
    return node_report_seal(p->batch->site, txn, p->arena, node, report, &sealed, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_node SET report = ?2 WHERE id = ?1", db_text(node->id), db_blob(sealed));
}

static bool disable_nodes(Probe *p, Txn *txn, Err *err)
{
    Pool *pools;
    Node *nodes;
    size_t pool_count, count;
    if (!pool_list(txn, p->arena, p->account_id, STR_NONE, ACCOUNT_POOL_QUOTA, &pools, &pool_count, err))
        return false;
    for (size_t i = 0; i < pool_count; i++) {
        if (!node_list(txn, p->arena, p->account_id, pools[i].key, -1, NODES_A_READ, &nodes, &count, err))
            return false;
        for (size_t j = 0; j < count; j++)
            if (!disable_node(p, txn, &nodes[j], err))
                return false;
    }
    return true;
}

static bool lost_txn(Txn *txn, void *ctx, Err *err)
{
    Probe *p = ctx;
    bool is_new = p->encryption.access == KEY_OPEN;
    if (!still_ours(p, txn, err))
        return false;
    if (!p->applied)
        return true;
    if (!txn_exec(txn, NULL, err, "UPDATE batch_encryption SET access = ?2, reason = ?3, lost_ms = CASE WHEN ?4 = 1 THEN ?5 ELSE lost_ms END,"
                  " restored_ms = CASE WHEN ?4 = 1 THEN 0 ELSE restored_ms END WHERE account_id = ?1",
                  db_text(p->account_id), db_int(KEY_LOST), db_text(p->reason), db_int(is_new), db_int(p->real_ms)))
        return false;
    return !is_new || (audit(p, txn, "BatchAccountKeyAccessLost", p->reason, err) && disable_nodes(p, txn, err) &&
                       (!p->batch->on_key_access || p->batch->on_key_access(p->batch, txn, p->arena, p->account_id, false, err)));
}

static bool note_lost(Probe *p, const Err *why, Err *err)
{
    p->reason = str_dup(p->arena, str_slice(str_from(why->text), 0, REASON_MAX));
    if (!p->reason.ptr)
        return err_too_big(err);
    if (!store_write(p->batch->site->store, lost_txn, p, err))
        return false;
    if (!p->applied)
        return true;
    seal_scope_lock(p->batch->site->seal, account_scope(p->arena, p->account_id));
    if (p->encryption.access == KEY_OPEN) {
        log_event(LOG_WARN, "batch.key_lost", log_str("account", p->account.name), log_str("key", p->encryption.identifier), log_str("reason", p->reason));
        batch_refresh_nodes(p->batch);          /* they end their tasks now, not at their next lease */
    }
    return true;
}

/* -- a run -- */

/* Nobody answers: the data key stays for a while, since a restart of a vault takes nothing away. */
static bool note_silence(Probe *p, const Err *why, int64_t *again_ms, Err *err)
{
    int64_t heard_ms = p->encryption.unwrapped_ms > p->batch->opened_real_ms ? p->encryption.unwrapped_ms : p->batch->opened_real_ms;
    log_event(LOG_WARN, "batch.key_not_tried", log_str("account", p->account.name), log_cstr("error", why->text));
    *again_ms = p->real_ms + (p->batch->key_check_ms < KEY_RETRY_MS ? p->batch->key_check_ms : KEY_RETRY_MS);
    return p->encryption.access == KEY_LOST || p->real_ms < heard_ms + KEY_SILENCE_MS || note_lost(p, why, err);
}

static bool probe(Probe *p, int64_t *again_ms, Err *err)
{
    AUTO(secret_free_auto) Secret *data_key = NULL;
    Err why = { 0 };
    bool moved = false;
    p->can_call = key_calls_begin(p->batch, p->arena, p->encryption.principal_id, &p->calls, &why);
    if (!follow(p, &moved, err))
        return false;
    if (moved)
        return true;
    if (!p->can_call || !key_unwrap_data(&p->calls, &p->encryption.key, p->encryption.algorithm, p->encryption.wrapped, &data_key, &why))
        return key_is_silent(&why) ? note_silence(p, &why, again_ms, err) : note_lost(p, &why, err);
    p->data_key = data_key;
    if (note_open(p, err))
        return true;
    if (err->code != ERR_BAD_INPUT)
        return false;
    Err cause = *err;                           /* the vault unwrapped, but not our data key: somebody changed the rows */
    *err = (Err){ 0 };
    return note_lost(p, &cause, err);
}

bool batch_key_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Probe p = { .batch = ctx, .arena = arena, .account_id = str_dup(arena, job->key), .real_ms = now_ms, .note = STR("") };
    *again_ms = 0;
    p.object_ms = clock_now_ms(p.batch->site->clock);
    if (!store_read(p.batch->site->store, look, &p, err))
        return false;
    if (!p.found)
        return true;
    *again_ms = now_ms + p.batch->key_check_ms;
    return probe(&p, again_ms, err) && scrub(&p, again_ms, err);
}
