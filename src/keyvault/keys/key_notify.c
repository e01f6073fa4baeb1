/* key_notify.c - when a key's Notify is due, and the run that tells. */
#include "keyvault/keys/key_notify.h"
#include "keyvault/events/expiry.h"
#include "keyvault/objects/feed.h"

static bool notify_due(const RotationPolicy *policy, const VersionRow *current, int64_t *due_ms)
{
    if (!policy->notify_before.is_set || !current || !current->attributes.exp_s.set)
        return false;
    *due_ms = period_before(current->attributes.exp_s.value * 1000, policy->notify_before);
    return true;
}

bool key_notify_schedule(KeyVault *kv, Txn *txn, Str work_key, const RotationPolicy *policy, const VersionRow *current, Err *err)
{
    int64_t due_ms;
    return notify_due(policy, current, &due_ms) ? runner_schedule(kv->site->runner, txn, WORK_NOTIFY, work_key, due_ms, err)
                                                : runner_cancel(kv->site->runner, txn, WORK_NOTIFY, work_key, err);
}

typedef struct Notice { KeyVault *kv; Arena *arena; Str vault_id, name; int64_t now_ms, again_ms; Vault vault; bool is_told; } Notice;

/* Reads and tells in one transaction: what changed meanwhile is seen. */
static bool notify_txn(Txn *txn, void *ctx, Err *err)
{
    Notice *n = ctx;
    ObjectRow object;
    VersionRow current;
    RotationPolicy policy;
    bool found;
    int64_t due_ms;
    n->is_told = false;
    n->again_ms = 0;
    if (!vault_by_id(n->kv, txn, n->arena, n->vault_id, &n->vault, &found, err))
        return false;
    if (!found || n->vault.deleted_ms)
        return true;
    if (!object_find(txn, n->arena, &n->vault, KV_KEY, n->name, &object, &found, err))
        return false;
    if (!found || object.deleted_ms)
        return true;
    if (!version_find(n->kv, txn, n->arena, &n->vault, KV_KEY, n->name, object.current, &current, &found, err) ||
        !rotation_policy_find(n->kv, txn, n->arena, &n->vault, n->name, &policy, &found, err))
        return false;
    if (!found || !notify_due(&policy, &current, &due_ms))
        return true;
    if (due_ms > n->now_ms) {
        n->again_ms = due_ms;
        return true;
    }
    n->is_told = true;
    return expiry_tell_near(txn, n->arena, &n->vault, KV_KEY, object.name, current.version, n->now_ms, err);
}

bool key_notify_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Notice notice = { .kv = kv, .arena = arena, .name = str_dup(arena, job->key), .now_ms = now_ms };
    notice.vault_id = str_cut(&notice.name, '/');
    if (!store_write(kv->site->store, notify_txn, &notice, err))
        return false;
    *again_ms = notice.again_ms;
    if (notice.is_told)
        feed_wake(kv, &notice.vault);
    return true;
}
