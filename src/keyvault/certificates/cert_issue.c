/* cert_issue.c - material of a version, its publication, and the background job that completes an operation of an
 * issuer that signs here: Self, or an authority of the vault.
 *
 * The job is idempotent: it publishes only while the very operation it read is still in progress, and publication ends it in
 * the same transaction. */
#include "keyvault/certificates/cert_issue.h"
#include "base/encode.h"
#include "keyvault/objects/feed.h"
#include "keyvault/certificates/cert_mail.h"
#include "keyvault/issuers/acme_order.h"
#include "keyvault/keys/key.h"
#include "keyvault/secrets/secret.h"

enum { PAUSE_LEAST_MS = 10 * 60 * 1000 };

void cert_material_done(CertMaterial *material)
{
    secret_free(material->key_kept);
    secret_free(material->secret_value);
    *material = (CertMaterial){ 0 };
}

static bool certificate_doc_make(Arena *arena, const CertInfo *info, Str content_type, Str tags_json, bool keeps_order, Str *doc, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 256 << 10);
    JsonWriter w;
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "cer", base64_encode(arena, info->der));
    json_put_str(&w, "x5t", base64url_encode(arena, (Bytes){ info->sha1, sizeof info->sha1 }));
    json_put_str(&w, "contentType", content_type);
    json_put_str(&w, "subject", info->subject);
    if (tags_json.ptr)
        json_put_raw(&w, "tags", tags_json);
    if (keeps_order)
        json_put_bool(&w, "preserveCertOrder", true);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *doc = str_dup(arena, buf_str(&text));
    return doc->ptr || err_too_big(err);
}

static bool secret_value_make(Arena *arena, KeyRef *key, const Bytes *chain, size_t count, ChainOrder order, const CertPolicy *policy, Secret **out, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { .key = policy->is_exportable ? key_share(key) : NULL, .count = count };
    if (count > BUNDLE_CERTS_MAX)
        return err_field(err, "x5c", "a chain may have at most %d certificates", BUNDLE_CERTS_MAX);
    for (size_t i = 0; i < count; i++)
        bundle.certs[i] = chain[i];
    if (order.keeps && order.came_as) {
        memcpy(bundle.came_as, order.came_as, count * sizeof *order.came_as);
        bundle_order_undo(&bundle);
    }
    if (str_eq(policy->content_type, CONTENT_PEM))
        return bundle_write_pem(&bundle, true, out, err);

    AUTO(secret_free_auto) Secret *pfx = NULL;
    if (!bundle_write_pfx(&bundle, STR(""), &pfx, err))
        return false;
    Str base64 = base64_encode(arena, secret_bytes(pfx));
    if (!base64.ptr)
        return err_too_big(err);
    *out = secret_copy(bytes_of(base64));
    secret_wipe((void *)(uintptr_t)base64.ptr, base64.len);     /* the arena's copy */
    return *out || err_set(err, ERR_INTERNAL, "out of memory for the secret of a certificate");
}

bool cert_key_make(KeyVault *kv, const Vault *vault, const CertPolicy *policy, KeyRef *reused, KeyMade *out, Err *err)
{
    KeySpec spec;
    KeyPlace place;
    Str kind;
    if (reused)
        return key_made_again(kv, reused, out, err);
    return cert_policy_key(policy, &spec, err) && key_place_parse(kv, vault, policy->kty, &place, &kind, err) && key_made_new(kv, vault, place, spec, out, err);
}

bool cert_material_make(Arena *arena, KeyRef *key, const Bytes *chain, size_t count, ChainOrder order, const CertPolicy *policy, Str version, Str tags_json,
                        CertMaterial *out, Err *err)
{
    AUTO(cert_material_done_auto) CertMaterial material = { .version = version };
    CertInfo info;
    if (!cert_read(arena, chain[0], &info, err) ||
        !certificate_doc_make(arena, &info, policy->content_type, tags_json, order.keeps, &material.certificate_doc, err) ||
        !key_doc_make(arena, key, cert_policy_key_ops(arena, policy), tags_json, &material.key_doc, err) ||
        !key_kept(key, &material.key_kept, err) || !secret_value_make(arena, key, chain, count, order, policy, &material.secret_value, err))
        return false;
    material.secret_doc = secret_doc(arena, policy->content_type, tags_json);
    material.not_before_ms = info.not_before_ms;
    material.not_after_ms = info.not_after_ms;
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = material;
    material = (CertMaterial){ 0 };     /* the caller's now */
    return true;
}

Str certificate_work_key(Arena *arena, const Vault *vault, Str name)
{
    return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(str_lower(arena, name)));
}

bool certificate_of_work(KeyVault *kv, Txn *txn, Arena *arena, Str work_key, Vault *vault, Str *name_key, bool *found, Err *err)
{
    Str rest = work_key, vault_id = str_cut(&rest, '/');
    ObjectRow object;
    *name_key = rest;
    if (!vault_by_id(kv, txn, arena, vault_id, vault, found, err))
        return false;
    if (!*found || vault->deleted_ms) {
        *found = false;
        return true;
    }
    if (!object_find(txn, arena, vault, KV_CERTIFICATE, rest, &object, found, err))
        return false;
    *found = *found && !object.deleted_ms;
    return true;
}

bool certificate_schedule(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy,
                          const Attributes *current, Err *err)
{
    Str key = certificate_work_key(arena, vault, name);
    int64_t due_ms;
    if (!cert_mail_schedule(kv, txn, key, policy, current, err))
        return false;
    /* Who disabled the current version does not want a new, enabled one in its place. */
    if (!current->enabled || !current->nbf_s.set || !current->exp_s.set || str_eq(policy->issuer, ISSUER_UNKNOWN) ||
        !cert_policy_due(policy, current->nbf_s.value * 1000, current->exp_s.value * 1000, &due_ms))
        return runner_cancel(kv->site->runner, txn, WORK_RENEW, key, err);
    return runner_schedule(kv->site->runner, txn, WORK_RENEW, key, due_ms, err);
}

bool certificate_renew_later(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertPolicy *policy, bool has_failed, int64_t now_ms, Err *err)
{
    ObjectRow object;
    VersionRow current;
    int64_t due_ms;
    if (!object_require(kv, txn, arena, vault, KV_CERTIFICATE, name, STR(""), &object, &current, err))
        return false;
    const Attributes *attributes = &current.attributes;
    if (current.is_pending || !attributes->enabled || str_eq(policy->issuer, ISSUER_UNKNOWN) ||
        !cert_policy_due(policy, attributes->nbf_s.value * 1000, attributes->exp_s.value * 1000, &due_ms))
        return true;
    int64_t life_ms = (attributes->exp_s.value - attributes->nbf_s.value) * 1000, pause_ms = has_failed ? life_ms / 100 : life_ms / 3;
    int64_t least_ms = now_ms + (pause_ms < PAUSE_LEAST_MS ? PAUSE_LEAST_MS : pause_ms);
    if (!has_failed && due_ms > now_ms)
        least_ms = due_ms;
    return runner_schedule(kv->site->runner, txn, WORK_RENEW, certificate_work_key(arena, vault, name), due_ms > least_ms ? due_ms : least_ms, err);
}

bool certificate_resume(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Err *err)
{
    ObjectRow object;
    VersionRow current;
    CertPolicy policy;
    PendingRow pending;
    bool has_policy, has_pending;
    if (!object_require(kv, txn, arena, vault, KV_CERTIFICATE, name, STR(""), &object, &current, err) ||
        !policy_find(kv, txn, arena, vault, name, &policy, &has_policy, err) ||
        !pending_find(kv, txn, arena, vault, name, &pending, &has_pending, err))
        return false;
    if (has_policy && !current.is_pending && !certificate_schedule(kv, txn, arena, vault, name, &policy, &current.attributes, err))
        return false;
    return !has_pending || !pending_is_in_progress(&pending) || str_eq(pending.issuer, ISSUER_UNKNOWN) ||
           runner_schedule(kv->site->runner, txn, WORK_ISSUE, certificate_work_key(arena, vault, name), pending.started_ms, err);
}

bool certificate_publish(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const CertMaterial *material,
                         const CertPolicy *policy, bool is_enabled, int64_t now_ms, Err *err)
{
    Attributes attributes = { .enabled = is_enabled, .nbf_s = { true, material->not_before_ms / 1000 },
                              .exp_s = { true, material->not_after_ms / 1000 }, .created_ms = now_ms, .updated_ms = now_ms };
    const VersionNew versions[] = {
        { .kind = KV_KEY, .doc_json = material->key_doc, .value = secret_bytes(material->key_kept), .is_managed = true },
        { .kind = KV_SECRET, .doc_json = material->secret_doc, .value = secret_bytes(material->secret_value), .is_managed = true },
        { .kind = KV_CERTIFICATE, .doc_json = material->certificate_doc },
    };
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        VersionNew version = versions[i];
        version.name = name;
        version.version = material->version;
        version.attributes = attributes;
        if (!version_put(kv, txn, arena, vault, &version, err) ||
            !feed_add(txn, vault, version.kind, name, version.version, FEED_NEW_VERSION, now_ms, err))
            return false;
    }
    return certificate_schedule(kv, txn, arena, vault, name, policy, &attributes, err);
}

bool certificate_key_to_reuse(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, Str version, const CertPolicy *policy,
                              KeyRef **out, Err *err)
{
    AUTO(secret_free_auto) Secret *kept = NULL;
    AUTO(key_free_auto) KeyRef *key = NULL;
    KeySpec wanted;
    *out = NULL;
    if (!policy->reuses_key)
        return true;
    if (!cert_policy_key(policy, &wanted, err) || !version_value(kv, txn, arena, vault, KV_KEY, name, version, &kept, err))
        return false;
    if (!kept)
        return true;
    if (!key_from_kept(kv, vault, secret_bytes(kept), &key, err))
        return false;
    KeySpec had = key_spec(key);
    if (had.kind == wanted.kind && had.rsa_bits == wanted.rsa_bits && had.curve == wanted.curve && key_is_elsewhere(key) == cert_policy_is_hsm(policy))
        *out = TAKE(key);
    return true;
}

typedef struct Issue {
    KeyVault    *kv;
    Arena       *arena;
    Str          work_key;
    int64_t      now_ms;
    Vault        vault;
    Str          name;
    PendingRow   pending;
    CertPolicy   policy;
    KeyRef      *key;
    IssuerCa     ca;                                      /* without a key: issuer Self */
    Bytes        leaf;
    CertMaterial material;
    bool         is_wanted, has_issuer, is_ordered;       /* is_ordered: its issuer is asked in steps, by other work */
    Str          error_code, error_text;                  /* failed for good */
} Issue;

static bool issue_is_wanted(Issue *issue, Txn *txn, PendingRow *pending, Err *err)
{
    bool found;
    Str name_key;
    issue->is_wanted = false;
    if (!certificate_of_work(issue->kv, txn, issue->arena, issue->work_key, &issue->vault, &name_key, &found, err))
        return false;
    if (!found)
        return true;
    if (!pending_find(issue->kv, txn, issue->arena, &issue->vault, name_key, pending, &found, err))
        return false;
    issue->is_wanted = found && pending_is_in_progress(pending) && !str_eq(pending->issuer, ISSUER_UNKNOWN);
    return true;
}

static bool issue_read_txn(Txn *txn, void *ctx, Err *err)
{
    Issue *issue = ctx;
    bool found;
    if (!issue_is_wanted(issue, txn, &issue->pending, err))
        return false;
    if (!issue->is_wanted)
        return true;
    Str rest = issue->work_key;
    (void)str_cut(&rest, '/');
    ObjectRow object;
    if (!object_find(txn, issue->arena, &issue->vault, KV_CERTIFICATE, rest, &object, &found, err) ||
        !policy_find(issue->kv, txn, issue->arena, &issue->vault, rest, &issue->policy, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_INTERNAL, "certificate " STR_FMT " has no policy", STR_ARG(rest));
    issue->name = object.name;
    if (!issuer_orders(issue->kv, txn, issue->arena, &issue->vault, issue->pending.issuer, &issue->is_ordered, err))
        return false;
    if (issue->is_ordered)
        return true;
    issuer_ca_done(&issue->ca);
    issue->has_issuer = str_eq(issue->pending.issuer, ISSUER_SELF);
    if (!issue->has_issuer && !issuer_ca_find(issue->kv, txn, issue->arena, &issue->vault, issue->pending.issuer, &issue->ca, &issue->has_issuer, err))
        return false;
    key_free(TAKE(issue->key));
    return pending_key(issue->kv, txn, issue->arena, &issue->vault, rest, &issue->key, err);
}

static bool issue_write_txn(Txn *txn, void *ctx, Err *err)
{
    Issue *issue = ctx;
    PendingRow pending;
    if (!issue_is_wanted(issue, txn, &pending, err))
        return false;
    if (!issue->is_wanted || !str_eq(pending.request_id, issue->pending.request_id))
        return true;                    /* cancelled, replaced or completed meanwhile */
    pending.status = issue->error_code.ptr ? PENDING_FAILED : PENDING_COMPLETED;
    pending.error_code = issue->error_code;
    pending.error_text = issue->error_text;
    if (!pending_put(issue->kv, txn, issue->arena, &issue->vault, issue->name, &pending, (Bytes){ 0 }, err))
        return false;
    if (issue->error_code.ptr)
        return true;
    return certificate_publish(issue->kv, txn, issue->arena, &issue->vault, issue->name, &issue->material, &issue->policy,
                               pending.is_enabled, issue->now_ms, err) &&
           issuer_note(txn, issue->arena, &issue->vault, &issue->ca, issue->name, issue->pending.version, issue->leaf, issue->now_ms, err);
}

static bool issue_order_txn(Txn *txn, void *ctx, Err *err)
{
    Issue *issue = ctx;
    return runner_schedule(issue->kv->site->runner, txn, WORK_ORDER, issue->work_key, real_now_ms(), err);
}

static bool issue_sign(Issue *issue, Err *err)
{
    Bytes chain[2];
    size_t count;
    if (!issue->has_issuer)
        return err_set(err, ERR_BAD_INPUT, "the issuer '" STR_FMT "' was deleted or disabled meanwhile", STR_ARG(issue->pending.issuer));
    if (!issuer_sign(issue->arena, &issue->ca, issue->key, &issue->policy, issue->now_ms, chain, &count, err))
        return false;
    issue->leaf = chain[0];
    return cert_material_make(issue->arena, issue->key, chain, count, (ChainOrder){ .keeps = issue->pending.keeps_order }, &issue->policy, issue->pending.version, issue->pending.tags_json,
                              &issue->material, err);
}

bool certificate_issue_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Issue issue = { .kv = kv, .arena = arena, .work_key = job->key, .now_ms = now_ms };
    *again_ms = 0;
    bool good = store_read(kv->site->store, issue_read_txn, &issue, err);
    if (good && issue.is_wanted && issue.is_ordered) {
        good = store_write(kv->site->store, issue_order_txn, &issue, err);
    } else if (good && issue.is_wanted) {
        if (!issue_sign(&issue, err)) {
            good = err->code == ERR_BAD_INPUT;            /* a policy that cannot be issued: trying again would not help */
            issue.error_code = STR("BadParameter");
            issue.error_text = str_dup(arena, str_from(err->text));
        }
        good = good && store_write(kv->site->store, issue_write_txn, &issue, err);
        if (good)
            feed_wake(kv, &issue.vault);
    }
    key_free(issue.key);
    issuer_ca_done(&issue.ca);
    cert_material_done(&issue.material);
    return good;
}
