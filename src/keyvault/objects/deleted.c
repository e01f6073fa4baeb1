/* deleted.c - one pass for each of delete, get, recover and purge; a certificate takes its key and secret along. */
#include "keyvault/objects/deleted.h"
#include "keyvault/objects/bundle_out.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/objects/feed.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key_rotation.h"

static const int64_t DAY_MS = 86400 * 1000LL;

typedef struct Deletion {
    Req       *req;
    KvKind     kind;
    ObjectRow  object;
    VersionRow row;
    CertPolicy policy;
    bool       has_policy;
} Deletion;

/* The kinds whose rows go with an object: of a certificate all three, those that exist. */
static size_t kinds_of(KvKind kind, KvKind out[3])
{
    out[0] = kind;
    if (kind != KV_CERTIFICATE)
        return 1;
    out[1] = KV_KEY;
    out[2] = KV_SECRET;
    return 3;
}

static Str work_key(Arena *arena, const Vault *vault, KvKind kind, Str name)
{
    return str_printf(arena, STR_FMT "/%d/" STR_FMT, STR_ARG(vault->id), (int)kind, STR_ARG(str_lower(arena, name)));
}

static bool refuse_managed(const Deletion *deletion, const char *verb, Err *err)
{
    if (!deletion->object.is_managed)
        return true;
    return err_named(err, ERR_DENIED, "Forbidden", NULL, "The %s " STR_FMT " belongs to the certificate of the same name and cannot be %s by itself; "
                     "do so with the certificate.", kind_word(deletion->kind), STR_ARG(deletion->object.name), verb);
}

static bool find_policy(Deletion *deletion, Txn *txn, Err *err)
{
    Req *req = deletion->req;
    deletion->has_policy = false;
    return deletion->kind != KV_CERTIFICATE ||
           policy_find(req->ctx, txn, req->arena, req_vault(req), deletion->object.name, &deletion->policy, &deletion->has_policy, err);
}

static bool reply_bundle(Deletion *deletion, Reply *reply, bool is_deleted, Err *err)
{
    Req *req = deletion->req;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    if (is_deleted)
        bundle_write_deleted(w, req->ctx, req->arena, req_vault(req), deletion->kind, &deletion->object);
    bundle_write(w, req->ctx, req->arena, req_vault(req), deletion->kind, &deletion->object, &deletion->row, BUNDLE_WHOLE);
    if (deletion->has_policy)
        cert_policy_write(w, "policy", &deletion->policy,
                          object_part_url(req->ctx, req->arena, req_vault(req), KV_CERTIFICATE, deletion->object.name, "policy"));
    json_close(w);
    return arena_ok(req->arena) || err_too_big(err);
}

static void forget_keys(void *ctx, int64_t number)
{
    (void)number;
    key_cache_clear(ctx);
}

/* Deleted or recovered, as deletion->object says. */
static bool mark(Txn *txn, const Deletion *deletion, KvKind kind, FeedChange change, Err *err)
{
    Req *req = deletion->req;
    const ObjectRow *object = &deletion->object;
    KeyVault *kv = req->ctx;
    bool existed;
    if (kind == KV_KEY)
        txn_after_commit(txn, forget_keys, kv->keys, 0);
    return object_mark(txn, req->arena, req_vault(req), kind, object->name, object->deleted_ms, object->purge_ms, &existed, err) &&
           (!existed || feed_add(txn, req_vault(req), kind, object->name, STR_NONE, change, req->now_ms, err));
}

/* ---- delete ---- */

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Deletion *deletion = ctx;
    Req *req = deletion->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    KvKind kinds[3];
    size_t count = kinds_of(deletion->kind, kinds);
    if (!object_require(kv, txn, req->arena, vault, deletion->kind, req->params[0], STR(""), &deletion->object, &deletion->row, err) ||
        !refuse_managed(deletion, "deleted", err) || !find_policy(deletion, txn, err))
        return false;
    Str name = deletion->object.name;
    deletion->object.deleted_ms = req->now_ms;
    deletion->object.purge_ms = req->now_ms + vault->retention_days * DAY_MS;
    for (size_t i = 0; i < count; i++)
        if (!mark(txn, deletion, kinds[i], FEED_DELETED, err))
            return false;
    if (deletion->kind == KV_CERTIFICATE &&
        (!runner_cancel(kv->site->runner, txn, WORK_RENEW, certificate_work_key(req->arena, vault, name), err) ||
         !runner_cancel(kv->site->runner, txn, WORK_ISSUE, certificate_work_key(req->arena, vault, name), err)))
        return false;
    return runner_schedule(kv->site->runner, txn, WORK_PURGE, work_key(req->arena, vault, deletion->kind, name), deletion->object.purge_ms, err);
}

static bool deleted_reply(Req *req, Reply *reply, void *ctx, Err *err)
{
    (void)req;
    return reply_bundle(ctx, reply, true, err);
}

static bool delete_object(Req *req, Reply *reply, KvKind kind, Err *err)
{
    Deletion *deletion = ARENA_NEW(req->arena, Deletion);
    if (!deletion)
        return err_too_big(err);
    deletion->req = req;
    deletion->kind = kind;
    if (!object_name_check(req->params[0], err))
        return false;
    Str url = object_url(req->ctx, req->arena, req_vault(req), kind, req->params[0], STR(""));
    return plane_write_later(req, reply, url, 200, delete_txn, deletion, deleted_reply, err);
}

/* ---- get ---- */

static bool get_txn(Txn *txn, void *ctx, Err *err)
{
    Deletion *deletion = ctx;
    Req *req = deletion->req;
    return object_require_deleted(req->ctx, txn, req->arena, req_vault(req), deletion->kind, req->params[0], &deletion->object, &deletion->row, err) &&
           find_policy(deletion, txn, err);
}

static bool get_deleted(Req *req, Reply *reply, KvKind kind, Err *err)
{
    KeyVault *kv = req->ctx;
    Deletion deletion = { .req = req, .kind = kind };
    return store_read(kv->site->store, get_txn, &deletion, err) && reply_bundle(&deletion, reply, true, err);
}

/* ---- recover ---- */

static bool recover_txn(Txn *txn, void *ctx, Err *err)
{
    Deletion *deletion = ctx;
    Req *req = deletion->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    KvKind kinds[3];
    size_t count = kinds_of(deletion->kind, kinds);
    if (!get_txn(txn, ctx, err) || !refuse_managed(deletion, "recovered", err))
        return false;
    Str name = deletion->object.name;
    deletion->object.deleted_ms = deletion->object.purge_ms = 0;
    for (size_t i = 0; i < count; i++)
        if (!mark(txn, deletion, kinds[i], FEED_RECOVERED, err))
            return false;
    if (!runner_cancel(kv->site->runner, txn, WORK_PURGE, work_key(req->arena, vault, deletion->kind, name), err))
        return false;
    /* Renewals and rotations go on where they were; what became due meanwhile is done at once. */
    if (deletion->kind == KV_KEY && !key_rotation_schedule(kv, txn, req->arena, vault, name, err))
        return false;
    return deletion->kind != KV_CERTIFICATE || certificate_resume(kv, txn, req->arena, vault, name, err);
}

static bool recover_object(Req *req, Reply *reply, KvKind kind, Err *err)
{
    Deletion deletion = { .req = req, .kind = kind };
    if (!object_name_check(req->params[0], err))
        return false;
    Str url = deleted_object_url(req->ctx, req->arena, req_vault(req), kind, req->params[0]);
    return plane_write(req, url, 200, recover_txn, &deletion, err) && reply_bundle(&deletion, reply, false, err);
}

/* ---- purge ---- */

/* Roles assigned at the object go with it: whoever makes another one under its name did not give them. */
static bool erase(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, int64_t now_ms, Err *err)
{
    KvKind kinds[3];
    size_t count = kinds_of(kind, kinds);
    txn_after_commit(txn, forget_keys, kv->keys, 0);
    if (kind == KV_CERTIFICATE &&
        (!issuer_note_gone(txn, arena, vault, name, now_ms, err) || !pending_erase(txn, arena, vault, name, err) ||
         !txn_exec(txn, NULL, err, "DELETE FROM kv_policy WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(str_lower(arena, name)))))
        return false;
    if (kind == KV_KEY && !key_rotation_erase(kv, txn, arena, vault, name, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        bool existed;
        Str scope = str_printf(arena, STR_FMT "/%s/" STR_FMT, STR_ARG(vault->resource_id), kind_collection(kinds[i]), STR_ARG(name));
        if (!arena_ok(arena))
            return err_too_big(err);
        if (!object_erase(txn, arena, vault, kinds[i], name, &existed, err) ||
            (existed && (!feed_add(txn, vault, kinds[i], name, STR_NONE, FEED_PURGED, now_ms, err) || !access_drop_scope(kv->access, txn, scope, err))))
            return false;
    }
    return hsm_sweep(kv, txn, vault, err);
}

static bool purge_txn(Txn *txn, void *ctx, Err *err)
{
    Deletion *deletion = ctx;
    Req *req = deletion->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    return get_txn(txn, ctx, err) && refuse_managed(deletion, "purged", err) &&
           erase(kv, txn, req->arena, vault, deletion->kind, deletion->object.name, req->now_ms, err) &&
           runner_cancel(kv->site->runner, txn, WORK_PURGE, work_key(req->arena, vault, deletion->kind, deletion->object.name), err);
}

static bool purge_object(Req *req, Reply *reply, KvKind kind, Err *err)
{
    Deletion deletion = { .req = req, .kind = kind };
    const Vault *vault = req_vault(req);
    if (!object_name_check(req->params[0], err))
        return false;
    if (vault->purge_protection)
        return err_named(err, ERR_DENIED, "Forbidden", NULL,
                         "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will "
                         "automatically purge it after the retention period has passed. Vault: " STR_FMT ";location=" STR_FMT,
                         STR_ARG(vault->name), STR_ARG(vault->location));
    Str url = deleted_object_url(req->ctx, req->arena, vault, kind, req->params[0]);
    if (!plane_write(req, url, 204, purge_txn, &deletion, err))
        return false;
    reply->status = 204;
    return true;
}

typedef struct PurgeWork { KeyVault *kv; Arena *arena; Str key; int64_t now_ms; Vault vault; int64_t again_ms; bool is_done; } PurgeWork;

static bool purge_work_txn(Txn *txn, void *ctx, Err *err)
{
    PurgeWork *work = ctx;
    KeyVault *kv = work->kv;
    Str rest = work->key, vault_id = str_cut(&rest, '/'), kind_text = str_cut(&rest, '/');
    int64_t kind;
    ObjectRow object;
    bool found;
    work->again_ms = 0;
    work->is_done = false;
    if (!str_to_int64(kind_text, KV_SECRET, KV_CERTIFICATE, &kind, err) || !vault_by_id(kv, txn, work->arena, vault_id, &work->vault, &found, err))
        return false;
    if (!found)
        return true;
    if (!object_find(txn, work->arena, &work->vault, (KvKind)kind, rest, &object, &found, err))
        return false;
    if (!found || !object.deleted_ms)
        return true;
    if (object.purge_ms > work->now_ms) {
        work->again_ms = object.purge_ms;
        return true;
    }
    static const char *const operations[] = { [KV_SECRET] = "SecretPurge", [KV_KEY] = "KeyPurge", [KV_CERTIFICATE] = "CertificatePurge" };
    AuditRecord record = { .time_ms = real_now_ms(), .resource_id = work->vault.resource_id, .operation = str_from(operations[kind]),
                           .category = STR("AuditEvent"), .http_status = 204, .result_description = STR("end of retention"),
                           .client_info = STR("vaultyard background work"),
                           .object_id = deleted_object_url(kv, work->arena, &work->vault, (KvKind)kind, object.name) };
    work->is_done = true;
    return erase(kv, txn, work->arena, &work->vault, (KvKind)kind, object.name, work->now_ms, err) &&
           audit_write(kv->site->audit, txn, &record, err);
}

bool object_purge_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    PurgeWork work = { .kv = kv, .arena = arena, .key = job->key, .now_ms = now_ms };
    if (!store_write(kv->site->store, purge_work_txn, &work, err))
        return false;
    *again_ms = work.again_ms;
    if (work.is_done)
        feed_wake(kv, &work.vault);
    return true;
}

bool secret_delete(Req *req, Reply *reply, Err *err) { return delete_object(req, reply, KV_SECRET, err); }
bool key_delete(Req *req, Reply *reply, Err *err) { return delete_object(req, reply, KV_KEY, err); }
bool certificate_delete(Req *req, Reply *reply, Err *err) { return delete_object(req, reply, KV_CERTIFICATE, err); }
bool secret_get_deleted(Req *req, Reply *reply, Err *err) { return get_deleted(req, reply, KV_SECRET, err); }
bool key_get_deleted(Req *req, Reply *reply, Err *err) { return get_deleted(req, reply, KV_KEY, err); }
bool certificate_get_deleted(Req *req, Reply *reply, Err *err) { return get_deleted(req, reply, KV_CERTIFICATE, err); }
bool secret_recover(Req *req, Reply *reply, Err *err) { return recover_object(req, reply, KV_SECRET, err); }
bool key_recover(Req *req, Reply *reply, Err *err) { return recover_object(req, reply, KV_KEY, err); }
bool certificate_recover(Req *req, Reply *reply, Err *err) { return recover_object(req, reply, KV_CERTIFICATE, err); }
bool secret_purge(Req *req, Reply *reply, Err *err) { return purge_object(req, reply, KV_SECRET, err); }
bool key_purge(Req *req, Reply *reply, Err *err) { return purge_object(req, reply, KV_KEY, err); }
bool certificate_purge(Req *req, Reply *reply, Err *err) { return purge_object(req, reply, KV_CERTIFICATE, err); }
