/* audit_keep.c - see audit_keep.h. */
#include "server/audit_keep.h"
#include "audit/trim.h"
#include "base/log.h"

#define WORK_TRIM "audit.trim"
#define TRIM_KEY  STR("all")
#define KEEP_MAX_MS (36500 * 86400000LL)
enum { EVERY_LEAST_MS = 1000, EVERY_MOST_MS = 60 * 60 * 1000, FIRST_AFTER_MS = 10 * 60 * 1000 };

bool audit_keep_read(const char *text, bool is_dev, AuditKeep *out, Err *err)
{
    int64_t keep_ms = 0;
    if (text && !duration_parse(str_from(text), KEEP_MAX_MS, &keep_ms))
        return err_set(err, ERR_BAD_INPUT, "--audit-keep '%.40s' is no time to keep audit records: give a number of d, h, m or s or a duration of ISO 8601, such as 90d or P90D (at most 36500d)", text);
    if (text && keep_ms < (is_dev ? AUDIT_KEEP_LEAST_DEV_MS : AUDIT_KEEP_LEAST_MS))
        return err_set(err, ERR_BAD_INPUT, "--audit-keep '%.40s' is too short: audit records are kept for %s", text, is_dev ? "a second at least" : "a day at least (1d), but under --dev");
    out->keep_ms = keep_ms;
    return true;
}

/* Often enough that the log is an eighth longer at most, or an hour. */
static int64_t every_ms(const AuditKeep *keep)
{
    int64_t every = keep->keep_ms / 8;
    return every < EVERY_LEAST_MS ? EVERY_LEAST_MS : every > EVERY_MOST_MS ? EVERY_MOST_MS : every;
}

static bool trim_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    AuditKeep *keep = ctx;
    AuditTrim trim = { .now_ms = now_ms, .keep_ms = keep->keep_ms, .hold = keyvault_hold_audit, .hold_ctx = keep->kv };
    AuditTrimmed done;
    (void)arena, (void)job;
    if (!audit_trim(keep->site->audit, &trim, &done, err))
        return false;
    if (done.writes || done.reads)
        log_event(LOG_INFO, "audit.trimmed", log_int("writes", done.writes), log_int("reads", done.reads));
    if (done.held)
        log_event(LOG_WARN, "audit.trim_held", log_cstr("reason", "diagnostic settings of vaults wait for older records: are they delivered (--audit-logs)?"));
    if (done.stopped[0])
        log_event(LOG_ERROR, "audit.trim_stopped", log_cstr("finding", done.stopped), log_cstr("help", "what does not verify stays, with all after it: see vaultyard audit verify"));
    *again_ms = now_ms + (done.more ? 1 : every_ms(keep));
    return true;
}

/* Not at once: a machine's clock may be years ahead until the network has set it, and what is removed does not come back. */
static bool schedule_txn(Txn *txn, void *ctx, Err *err)
{
    const AuditKeep *keep = ctx;
    Runner *runner = keep->site->runner;
    int64_t first_ms = every_ms(keep) < FIRST_AFTER_MS ? every_ms(keep) : FIRST_AFTER_MS;
    return keep->keep_ms ? runner_schedule(runner, txn, WORK_TRIM, TRIM_KEY, real_now_ms() + first_ms, err) : runner_cancel(runner, txn, WORK_TRIM, TRIM_KEY, err);
}

bool audit_keep_apply(AuditKeep *keep, Site *site, KeyVault *kv, Err *err)
{
    keep->site = site;
    keep->kv = kv;
    runner_register(site->runner, WORK_TRIM, RUNNER_REAL_TIME, trim_run, keep);
    return store_write(site->store, schedule_txn, keep, err);
}
