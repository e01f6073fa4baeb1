/* key_rotation.c - making the next version of a key: same type, size, operations and tags; its expiry is the policy's. */
#include "keyvault/keys/key_rotation.h"
#include "base/encode.h"
#include "base/id.h"
#include "keyvault/objects/feed.h"
#include "keyvault/keys/key.h"
#include "keyvault/keys/key_notify.h"
#include "keyvault/keys/key_policy.h"

typedef struct Rotation {
    KeyVault *kv;
    Arena *arena;
    const Vault *vault;
    Str name;
    int64_t now_ms;
    bool by_clock, is_due;
    int64_t due_ms;                     /* by the clock; 0: never */
    ObjectRow object;
    VersionRow current;
    RotationPolicy policy;
    bool has_policy;
    KeyMade made;
    VersionNew next;
    VersionRow row;                     /* of the next version */
} Rotation;

static void rotation_done(Rotation *r)
{
    key_made_done(&r->made);
}

static Str work_key(Arena *arena, const Vault *vault, Str name)
{
    return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(str_lower(arena, name)));
}

static int64_t expiry_of(const VersionRow *row) { return row->attributes.exp_s.set ? row->attributes.exp_s.value * 1000 : 0; }

/* A disabled newest version is not followed by an enabled one: who disabled it does not want that. */
static bool decide(Rotation *r)
{
    return r->has_policy && r->current.attributes.enabled && !r->object.is_managed &&
           rotation_due(&r->policy, r->current.attributes.created_ms, expiry_of(&r->current), &r->due_ms);
}

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Rotation *r = ctx;
    r->is_due = false;
    r->due_ms = 0;
    if (!object_require(r->kv, txn, r->arena, r->vault, KV_KEY, r->name, STR(""), &r->object, &r->current, err) ||
        !rotation_policy_find(r->kv, txn, r->arena, r->vault, r->name, &r->policy, &r->has_policy, err))
        return false;
    if (!r->by_clock && r->object.is_managed)
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "Key " STR_FMT " belongs to the certificate of the same name; it gets a new version with the certificate.",
                         STR_ARG(r->object.name));
    r->is_due = r->by_clock ? decide(r) && r->due_ms <= r->now_ms : true;
    return true;
}

static bool spec_now(const Rotation *r, KeySpec *spec, KeyPlace *place, Err *err)
{
    const JsonVal *jwk = json_get(r->current.doc, "jwk");
    Str kty;
    Bytes n = { 0 };
    if (!key_place_parse(r->kv, r->vault, json_str(json_get(jwk, "kty")), place, &kty, err))
        return false;
    if (str_eq(kty, STR("RSA")) && !base64url_decode(r->arena, json_str(json_get(jwk, "n")), &n, err))
        return false;
    int64_t bits = str_eq(kty, STR("RSA")) ? (int64_t)n.len * 8 : json_int(json_get(jwk, "bits"), 0);
    return key_want_spec(kty, bits, json_str(json_get(jwk, "crv")), spec, err);
}

/* Outside any transaction: making an RSA key takes its time. */
static bool make(Rotation *r, Err *err)
{
    const JsonVal *tags = json_get(r->current.doc, "tags");
    KeySpec spec;
    KeyPlace place;
    if (!spec_now(r, &spec, &place, err) || !key_made_new(r->kv, r->vault, place, spec, &r->made, err))
        return false;
    r->next = (VersionNew){ .kind = KV_KEY, .name = r->object.name, .version = hex_id_new(r->arena, VERSION_DIGITS), .value = secret_bytes(r->made.kept),
                            .attributes = { .enabled = true, .created_ms = r->now_ms, .updated_ms = r->now_ms } };
    if (r->policy.expiry.is_set)
        r->next.attributes.exp_s = (OptInt){ .set = true, .value = period_after(r->now_ms, r->policy.expiry) / 1000 };
    const JsonVal *policy = json_get(r->current.doc, "release_policy");
    if (!key_doc_make_exportable(r->arena, r->made.key, json_text(r->arena, json_get(r->current.doc, "key_ops")), tags ? json_text(r->arena, tags) : STR_NONE,
                                 policy ? json_text(r->arena, policy) : STR_NONE, &r->next.doc_json, err))
        return false;
    r->row = (VersionRow){ .version = r->next.version, .attributes = r->next.attributes };
    return json_parse(r->arena, r->next.doc_json, JSON_STRICT, &r->row.doc, err);
}

static bool publish_txn(Txn *txn, void *ctx, Err *err)
{
    Rotation *r = ctx;
    Str rotated = r->current.version;
    int64_t policy_ms = r->policy.updated_ms;
    if (!read_txn(txn, ctx, err))
        return false;
    if (r->by_clock && (!r->is_due || !str_eq(r->current.version, rotated) || r->policy.updated_ms != policy_ms)) {
        r->is_due = false;
        return true;                    /* changed meanwhile: who changed it has scheduled anew */
    }
    AuditRecord record = { .time_ms = real_now_ms(), .resource_id = r->vault->resource_id, .operation = STR("KeyRotateIfDue"), .category = STR("AuditEvent"),
                           .http_status = 200, .result_description = STR(""), .client_info = STR("vaultyard background work"),
                           .object_id = object_url(r->kv, r->arena, r->vault, KV_KEY, r->object.name, r->next.version) };
    return version_put(r->kv, txn, r->arena, r->vault, &r->next, err) &&
           feed_add(txn, r->vault, KV_KEY, r->object.name, r->next.version, FEED_NEW_VERSION, r->now_ms, err) &&
           key_rotation_schedule(r->kv, txn, r->arena, r->vault, r->object.name, err) && (!r->by_clock || audit_write(r->kv->site->audit, txn, &record, err));
}

bool key_rotate(Req *req, Reply *reply, Err *err)
{
    Rotation r = { .kv = req->ctx, .arena = req->arena, .vault = req_vault(req), .name = req->params[0], .now_ms = req->now_ms };
    bool good = object_name_check(r.name, err) && store_read(r.kv->site->store, read_txn, &r, err) && make(&r, err) &&
                plane_write(req, object_url(r.kv, r.arena, r.vault, KV_KEY, r.object.name, r.next.version), 200, publish_txn, &r, err);
    r.made.is_stored = good;
    good = good && key_reply(req, reply, &r.object, &r.row, err);
    rotation_done(&r);
    return good;
}

/* ---- by the clock ---- */

typedef struct Clocked { Rotation r; Vault vault; Str vault_id; bool found; } Clocked;

static bool clocked_read_txn(Txn *txn, void *ctx, Err *err)
{
    Clocked *c = ctx;
    ObjectRow object;
    if (!vault_by_id(c->r.kv, txn, c->r.arena, c->vault_id, &c->vault, &c->found, err))
        return false;
    c->found = c->found && !c->vault.deleted_ms;
    if (c->found && !object_find(txn, c->r.arena, &c->vault, KV_KEY, c->r.name, &object, &c->found, err))
        return false;
    c->found = c->found && !object.deleted_ms;
    c->r.vault = &c->vault;
    return !c->found || read_txn(txn, &c->r, err);
}

bool key_rotation_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Clocked c = { .r = { .kv = kv, .arena = arena, .now_ms = now_ms, .by_clock = true } };
    c.r.name = str_dup(arena, job->key);
    c.vault_id = str_cut(&c.r.name, '/');
    bool good = store_read(kv->site->store, clocked_read_txn, &c, err);
    *again_ms = good && c.found && !c.r.is_due ? c.r.due_ms : 0;
    if (good && c.found && c.r.is_due) {
        good = make(&c.r, err) && store_write(kv->site->store, publish_txn, &c.r, err);
        c.r.made.is_stored = good && c.r.is_due;
        if (good)
            feed_wake(kv, &c.vault);
    }
    rotation_done(&c.r);
    return good;
}

bool key_rotation_schedule(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err)
{
    Rotation r = { .kv = kv, .arena = arena, .vault = vault, .name = name };
    Str key = work_key(arena, vault, name);
    bool found;
    if (!rotation_policy_find(kv, txn, arena, vault, name, &r.policy, &r.has_policy, err))
        return false;
    if (!r.has_policy)
        return true;                    /* nothing was ever scheduled */
    if (!object_find(txn, arena, vault, KV_KEY, name, &r.object, &found, err) ||
        (found && !version_find(kv, txn, arena, vault, KV_KEY, name, r.object.current, &r.current, &found, err)) ||
        !key_notify_schedule(kv, txn, key, &r.policy, found && !r.object.deleted_ms ? &r.current : NULL, err))
        return false;
    return found && !r.object.deleted_ms && decide(&r) ? runner_schedule(kv->site->runner, txn, WORK_ROTATE, key, r.due_ms, err)
                                                       : runner_cancel(kv->site->runner, txn, WORK_ROTATE, key, err);
}

bool key_rotation_erase(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_rotation WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(str_lower(arena, name))) &&
           runner_cancel(kv->site->runner, txn, WORK_ROTATE, work_key(arena, vault, name), err) &&
           runner_cancel(kv->site->runner, txn, WORK_NOTIFY, work_key(arena, vault, name), err);
}

/* ---- the policy ---- */

typedef struct PolicyCall { Req *req; RotationPolicy policy; ObjectRow object; } PolicyCall;

static bool policy_get_txn(Txn *txn, void *ctx, Err *err)
{
    PolicyCall *call = ctx;
    Req *req = call->req;
    VersionRow row;
    bool found;
    if (!object_require(req->ctx, txn, req->arena, req_vault(req), KV_KEY, req->params[0], STR(""), &call->object, &row, err) ||
        !rotation_policy_find(req->ctx, txn, req->arena, req_vault(req), req->params[0], &call->policy, &found, err))
        return false;
    if (!found)                         /* what every key has until something else is set */
        call->policy = (RotationPolicy){ .notify_before = { .is_set = true, .days = 30, .text = STR("P30D") } };
    return true;
}

static bool reply_policy(const PolicyCall *call, Reply *reply, Err *err)
{
    Req *req = call->req;
    rotation_policy_write(&reply->json, NULL, object_part_url(req->ctx, req->arena, req_vault(req), KV_KEY, call->object.name, "rotationpolicy"), &call->policy);
    return arena_ok(req->arena) || err_too_big(err);
}

bool key_rotation_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    PolicyCall call = { .req = req };
    return object_name_check(req->params[0], err) && store_read(kv->site->store, policy_get_txn, &call, err) && reply_policy(&call, reply, err);
}

static bool policy_set_txn(Txn *txn, void *ctx, Err *err)
{
    PolicyCall *call = ctx;
    Req *req = call->req;
    RotationPolicy before, *policy = &call->policy;
    VersionRow row;
    bool found;
    if (!object_require(req->ctx, txn, req->arena, req_vault(req), KV_KEY, req->params[0], STR(""), &call->object, &row, err))
        return false;
    if (call->object.is_managed)
        return err_named(err, ERR_DENIED, "Forbidden", NULL, "Key " STR_FMT " belongs to the certificate of the same name; its policy decides.", STR_ARG(call->object.name));
    if (!rotation_policy_find(req->ctx, txn, req->arena, req_vault(req), req->params[0], &before, &found, err))
        return false;
    policy->created_ms = found ? before.created_ms : req->now_ms;
    policy->updated_ms = req->now_ms;
    return rotation_policy_put(req->ctx, txn, req->arena, req_vault(req), call->object.name, policy, err) &&
           key_rotation_schedule(req->ctx, txn, req->arena, req_vault(req), call->object.name, err);
}

bool key_rotation_set(Req *req, Reply *reply, Err *err)
{
    PolicyCall call = { .req = req };
    const JsonVal *body;
    if (!object_name_check(req->params[0], err) || !req_object(req, &body, err) || !rotation_policy_read(body, req->now_ms, &call.policy, err))
        return false;
    Str url = object_part_url(req->ctx, req->arena, req_vault(req), KV_KEY, req->params[0], "rotationpolicy");
    return plane_write(req, url, 200, policy_set_txn, &call, err) && reply_policy(&call, reply, err);
}
