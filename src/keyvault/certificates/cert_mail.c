/* cert_mail.c - see cert_mail.h. */
#include "keyvault/certificates/cert_mail.h"
#include "base/log.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/certificates/contacts.h"
#include "keyvault/events/expiry.h"
#include "keyvault/objects/feed.h"

typedef struct Notice {
    KeyVault   *kv;
    Arena      *arena;
    Str         work_key;
    int64_t     now_ms, due_ms;         /* due_ms 0: never */
    Vault       vault;
    ObjectRow   object;
    VersionRow  current;
    CertPolicy  policy;
    bool        is_due, by_event;
    Str         to[MAIL_RECIPIENTS_MAX];
    size_t      to_count;
} Notice;

bool cert_mail_schedule(KeyVault *kv, Txn *txn, Str work_key, const CertPolicy *policy, const Attributes *current, Err *err)
{
    int64_t due_ms;
    if (!current->enabled || !current->nbf_s.set || !current->exp_s.set || !cert_policy_mail_due(policy, current->nbf_s.value * 1000, current->exp_s.value * 1000, &due_ms))
        return runner_cancel(kv->site->runner, txn, WORK_MAIL, work_key, err);
    return runner_schedule(kv->site->runner, txn, WORK_MAIL, work_key, due_ms, err);
}

static bool is_told(Txn *txn, const Vault *vault, Str name_key, Str version, bool *told, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM kv_mailed WHERE vault = ?1 AND name_key = ?2 AND version = ?3", db_text(vault->id), db_text(name_key), db_text(version)))
        return false;
    *err = (Err){ 0 };
    *told = rows_next(rows, err);
    return err->code == ERR_NONE;
}

static bool notice_read(Notice *notice, Txn *txn, Err *err)
{
    KeyVault *kv = notice->kv;
    Arena *arena = notice->arena;
    Str name;
    bool found, told;
    notice->is_due = false;
    notice->due_ms = 0;
    if (!certificate_of_work(kv, txn, arena, notice->work_key, &notice->vault, &name, &found, err))
        return false;
    if (!found)
        return true;
    if (!object_require(kv, txn, arena, &notice->vault, KV_CERTIFICATE, name, STR(""), &notice->object, &notice->current, err) ||
        !policy_find(kv, txn, arena, &notice->vault, name, &notice->policy, &found, err) ||
        !is_told(txn, &notice->vault, notice->object.name_key, notice->current.version, &told, err))
        return false;
    const Attributes *attributes = &notice->current.attributes;
    if (!found || told || notice->current.is_pending || !attributes->enabled ||
        !cert_policy_mail_due(&notice->policy, attributes->nbf_s.value * 1000, attributes->exp_s.value * 1000, &notice->due_ms))
        return true;
    notice->is_due = notice->due_ms <= notice->now_ms;
    return true;
}

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Notice *notice = ctx;
    const JsonVal *list = NULL;
    notice->to_count = 0;
    if (!notice_read(notice, txn, err) || (notice->is_due && !contacts_find(notice->kv, txn, notice->arena, &notice->vault, &list, err)))
        return false;
    for (size_t i = 0; i < json_count(list) && notice->to_count < MAIL_RECIPIENTS_MAX; i++) {
        Str email = json_str(json_get(json_at(list, i), "email"));
        if (mail_address_is_plain(email))                 /* older lists were checked less */
            notice->to[notice->to_count++] = email;
    }
    return true;
}

static bool told_txn(Txn *txn, void *ctx, Err *err)
{
    Notice *notice = ctx;
    Str version = notice->current.version;
    if (!notice_read(notice, txn, err))
        return false;
    if (!notice->is_due || !str_eq(notice->current.version, version))
        return true;                    /* changed meanwhile: who changed it has scheduled anew */
    return txn_exec(txn, NULL, err, "INSERT INTO kv_mailed (vault, name_key, version, mailed_ms) VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT (vault, name_key) DO UPDATE SET version = excluded.version, mailed_ms = excluded.mailed_ms",
                    db_text(notice->vault.id), db_text(notice->object.name_key), db_text(version), db_int(notice->now_ms)) &&
           (!notice->by_event || expiry_tell_near(txn, notice->arena, &notice->vault, KV_CERTIFICATE, notice->object.name, version, notice->now_ms, err));
}

static bool send(Notice *notice, Err *err)
{
    KeyVault *kv = notice->kv;
    Arena *arena = notice->arena;
    const Vault *vault = &notice->vault;
    int64_t exp_ms = notice->current.attributes.exp_s.value * 1000;
    Str when = time_str(arena, exp_ms, 0), name = notice->object.name, subject = json_str(json_get(notice->current.doc, "subject"));
    bool renews = cert_policy_due(&notice->policy, 0, 0, &(int64_t){ 0 });
    MailMessage message = {
        .to = notice->to, .to_count = notice->to_count, .time_ms = real_now_ms(),
        .subject = str_printf(arena, "Certificate " STR_FMT " of vault " STR_FMT " expires on " STR_FMT, STR_ARG(name), STR_ARG(vault->name), STR_ARG(str_slice(when, 0, 10))),
        .text = str_printf(arena, "The certificate '" STR_FMT "' (" STR_FMT ") of the key vault '" STR_FMT "' expires at " STR_FMT ".\n\n%s\n\nCertificate: " STR_FMT "\n\n"
                           "You get this message because you are a certificate contact of this vault, and the certificate's policy says to tell contacts now.\n",
                           STR_ARG(name), STR_ARG(subject), STR_ARG(vault->name), STR_ARG(when),
                           renews ? "Its policy renews it by itself as well." : str_eq(notice->policy.issuer, ISSUER_UNKNOWN)
                           ? "It does not renew by itself: create a new version, have its request signed, and merge the result." : "It does not renew by itself: create a new version in time.",
                           STR_ARG(object_url(kv, arena, vault, KV_CERTIFICATE, name, notice->current.version))),
        .id = str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(notice->current.version), STR_ARG(vault->id)),
    };
    size_t refused = 0;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!mail_send(kv->mail, arena, &message, &refused, err))
        return false;
    log_event(LOG_INFO, "certificate.contacts_mailed", log_str("vault", vault->name), log_str("certificate", name), log_int("recipients", (int64_t)notice->to_count),
              log_int("refused", (int64_t)refused));
    return true;
}

bool cert_mail_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Notice *notice = ARENA_NEW(arena, Notice);
    if (!notice)
        return err_too_big(err);
    *notice = (Notice){ .kv = kv, .arena = arena, .work_key = job->key, .now_ms = now_ms };
    if (!store_read(kv->site->store, read_txn, notice, err))
        return false;
    *again_ms = notice->is_due ? 0 : notice->due_ms;
    if (!notice->is_due)
        return true;
    bool has_expired = now_ms >= notice->current.attributes.exp_s.value * 1000;
    notice->by_event = !kv->mail || notice->to_count == 0 || (has_expired && job->attempt > 1);
    if (!notice->by_event && !send(notice, err))
        return false;
    if (notice->by_event)
        log_event(LOG_WARN, "certificate.contacts_not_mailed", log_str("vault", notice->vault.name), log_str("certificate", notice->object.name),
                  log_cstr("why", !kv->mail ? "no relay is set (serve --smtp-relay)" : notice->to_count == 0 ? "the vault has no contacts" : "the relay took no message until it expired"));
    if (!store_write(kv->site->store, told_txn, notice, err))
        return false;
    if (notice->by_event)
        feed_wake(kv, &notice->vault);
    return true;
}
