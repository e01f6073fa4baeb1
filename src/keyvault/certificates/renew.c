/* renew.c - renewal on the wall clock: the background job of a certificate's next version.
 *
 * Whether a certificate is due is decided by the newest version at the object time of the run, so a clock that jumped years
 * renews once, and a job that runs twice renews once. The transaction publishes only on top of the version that was read. */
#include "base/encode.h"
#include "base/id.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/issuers/acme_order.h"
#include "keyvault/objects/feed.h"

enum { LOOK_AGAIN_MS = 60 * 1000 };

typedef struct Renewal {
    KeyVault    *kv;
    Arena       *arena;
    Str          work_key;
    int64_t      now_ms;
    Vault        vault;
    ObjectRow    object;
    VersionRow   current;
    CertPolicy   policy;
    KeyRef      *reused;
    KeyMade      made;                  /* let go at the end in any case: what a row names stays */
    IssuerCa     ca;                    /* without a key: issuer Self */
    Bytes        leaf;
    PendingRow   operation;
    CertMaterial material;
    bool         is_ordered;            /* the issuer is asked in steps: the renewal begins an operation and ends */
    CertSpec     spec;
    bool         is_due;
    int64_t      due_ms;                /* 0: never */
} Renewal;

static bool renewal_read(Renewal *renewal, Txn *txn, Err *err)
{
    KeyVault *kv = renewal->kv;
    Arena *arena = renewal->arena;
    Vault *vault = &renewal->vault;
    Str name;
    bool found;
    PendingRow pending;
    renewal->is_due = false;
    renewal->due_ms = 0;
    if (!certificate_of_work(kv, txn, arena, renewal->work_key, vault, &name, &found, err))
        return false;
    if (!found)
        return true;
    if (!object_require(kv, txn, arena, vault, KV_CERTIFICATE, name, STR(""), &renewal->object, &renewal->current, err) ||
        !policy_find(kv, txn, arena, vault, name, &renewal->policy, &found, err))
        return false;
    const Attributes *attributes = &renewal->current.attributes;
    if (!found || renewal->current.is_pending || !attributes->enabled || str_eq(renewal->policy.issuer, ISSUER_UNKNOWN) ||
        !cert_policy_due(&renewal->policy, attributes->nbf_s.value * 1000, attributes->exp_s.value * 1000, &renewal->due_ms))
        return true;
    /* A creation under way brings a new version by itself; look again should it be cancelled. */
    if (!pending_find(kv, txn, arena, vault, name, &pending, &found, err))
        return false;
    if (found && pending_is_in_progress(&pending) && renewal->due_ms < renewal->now_ms + LOOK_AGAIN_MS)
        renewal->due_ms = renewal->now_ms + LOOK_AGAIN_MS;
    renewal->is_due = renewal->due_ms <= renewal->now_ms;
    return true;
}

static bool renewal_read_txn(Txn *txn, void *ctx, Err *err)
{
    Renewal *renewal = ctx;
    if (!renewal_read(renewal, txn, err))
        return false;
    if (!renewal->is_due)
        return true;
    bool has_issuer = str_eq(renewal->policy.issuer, ISSUER_SELF);
    issuer_ca_done(&renewal->ca);
    if (!issuer_orders(renewal->kv, txn, renewal->arena, &renewal->vault, renewal->policy.issuer, &renewal->is_ordered, err))
        return false;
    renewal->spec = cert_policy_spec(&renewal->policy, renewal->now_ms);
    if (renewal->is_ordered) {
        has_issuer = true;
        if (!issuer_check(renewal->kv, txn, renewal->arena, &renewal->vault, &renewal->policy, renewal->now_ms, &renewal->spec, err))
            return false;
    }
    if (!has_issuer && !issuer_ca_find(renewal->kv, txn, renewal->arena, &renewal->vault, renewal->policy.issuer, &renewal->ca, &has_issuer, err))
        return false;
    if (!has_issuer)                    /* tried again later: the issuer may come back */
        return err_set(err, ERR_NOT_FOUND, "certificate " STR_FMT " is due and its issuer '" STR_FMT "' does not exist, is disabled or cannot issue",
                       STR_ARG(renewal->object.name), STR_ARG(renewal->policy.issuer));
    key_free(TAKE(renewal->reused));
    return certificate_key_to_reuse(renewal->kv, txn, renewal->arena, &renewal->vault, renewal->object.name, renewal->current.version,
                                    &renewal->policy, &renewal->reused, err);
}

static bool renewal_make(Renewal *renewal, Err *err)
{
    Arena *arena = renewal->arena;
    Bytes chain[2], csr;
    size_t count;
    if (!cert_key_make(renewal->kv, &renewal->vault, &renewal->policy, renewal->reused, &renewal->made, err) ||
        !cert_request(arena, renewal->made.key, &renewal->spec, &csr, err))
        return false;
    const JsonVal *tags = json_get(renewal->current.doc, "tags");
    Str tags_json = tags ? json_text(arena, tags) : STR_NONE;
    renewal->operation = (PendingRow){ .request_id = hex_id_new(arena, VERSION_DIGITS), .version = hex_id_new(arena, VERSION_DIGITS),
                                       .status = PENDING_COMPLETED, .started_ms = renewal->now_ms, .issuer = renewal->policy.issuer,
                                       .csr = base64_encode(arena, csr), .is_enabled = true, .tags_json = tags_json };
    if (renewal->is_ordered) {
        renewal->operation.status = PENDING_IN_PROGRESS;
        return true;
    }
    if (!issuer_sign(arena, &renewal->ca, renewal->made.key, &renewal->policy, renewal->now_ms, chain, &count, err))
        return false;
    renewal->leaf = chain[0];
    return cert_material_make(arena, renewal->made.key, chain, count, (ChainOrder){ 0 }, &renewal->policy, renewal->operation.version, tags_json, &renewal->material, err);
}

static bool renewal_write_txn(Txn *txn, void *ctx, Err *err)
{
    Renewal *renewal = ctx;
    KeyVault *kv = renewal->kv;
    Arena *arena = renewal->arena;
    Str renewed = renewal->current.version;
    int64_t policy_ms = renewal->policy.updated_ms;
    if (!renewal_read(renewal, txn, err))
        return false;
    if (!renewal->is_due || !str_eq(renewal->current.version, renewed) || renewal->policy.updated_ms != policy_ms)
        return true;                    /* changed meanwhile: who changed it has scheduled anew */
    AuditRecord record = { .time_ms = real_now_ms(), .resource_id = renewal->vault.resource_id, .operation = STR("CertificateRenew"),
                           .category = STR("AuditEvent"), .http_status = 200, .result_description = STR(""),
                           .correlation_id = renewal->operation.request_id, .client_info = STR("vaultyard background work"),
                           .object_id = object_url(kv, arena, &renewal->vault, KV_CERTIFICATE, renewal->object.name,
                                                   renewal->operation.version) };
    if (renewal->is_ordered)
        return pending_put(kv, txn, arena, &renewal->vault, renewal->object.name, &renewal->operation, secret_bytes(renewal->made.kept), err) &&
               runner_schedule(kv->site->runner, txn, WORK_ORDER, renewal->work_key, real_now_ms(), err) && audit_write(kv->site->audit, txn, &record, err);
    return certificate_publish(kv, txn, arena, &renewal->vault, renewal->object.name, &renewal->material, &renewal->policy, true,
                               renewal->now_ms, err) &&
           pending_put(kv, txn, arena, &renewal->vault, renewal->object.name, &renewal->operation, (Bytes){ 0 }, err) &&
           issuer_note(txn, arena, &renewal->vault, &renewal->ca, renewal->object.name, renewal->operation.version, renewal->leaf, renewal->now_ms, err) &&
           audit_write(kv->site->audit, txn, &record, err);
}

bool certificate_renew_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Renewal renewal = { .kv = kv, .arena = arena, .work_key = job->key, .now_ms = now_ms };
    bool good = store_read(kv->site->store, renewal_read_txn, &renewal, err);
    *again_ms = good && !renewal.is_due ? renewal.due_ms : 0;
    if (good && renewal.is_due) {
        good = renewal_make(&renewal, err) && store_write(kv->site->store, renewal_write_txn, &renewal, err);
        if (good)
            feed_wake(kv, &renewal.vault);
    }
    key_free(renewal.reused);
    key_made_done(&renewal.made);
    issuer_ca_done(&renewal.ca);
    cert_material_done(&renewal.material);
    return good;
}
