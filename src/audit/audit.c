/* audit.c - the audit of a server: both streams opened, what was found noted, records passed on. */
#include "audit/audit.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "audit/base_point.h"
#include "audit/inside.h"
#include "audit/writes.h"

struct Audit {
    Store *store;
    char *dir;
    Secret *key;
    ReadsLog *reads;
    WritesEnd writes_end;             /* of the store's writer thread alone */
    _Atomic int64_t writes;
};

typedef struct Opening {
    Seal *seal;
    Secret *key;
    bool is_new;
    ChainPoint reads_anchor;
    BasePoints base;
    ChainHead reads_head;
    char finding[200];
    int64_t writes;
} Opening;

AuditRecord audit_note(const char *operation, int http_status, const char *description)
{
    return (AuditRecord){
        .time_ms = real_now_ms(), .resource_id = STR("/"), .operation = str_from(operation), .category = STR("AuditEvent"),
        .http_status = http_status, .result_description = str_from(description),
    };
}

static bool open_chain(Txn *txn, void *ctx, Err *err)
{
    Opening *opening = ctx;
    secret_free(TAKE(opening->key));
    if (!chain_key_find(opening->seal, txn, &opening->key, err))
        return false;
    opening->is_new = !opening->key;
    if (opening->is_new && !chain_key_make(opening->seal, txn, &opening->key, err))
        return false;
    const Secret *key = opening->key;
    if (!chain_head_read(key, txn, CHAIN_READS, &opening->reads_anchor, &opening->reads_head, err) || !base_points_read(key, txn, &opening->base, err)
        || !writes_recover(key, txn, opening->is_new, opening->finding, sizeof opening->finding, &opening->writes, err))
        return false;
    if (opening->is_new) {
        opening->reads_head = CHAIN_HEAD_SOUND;
        if (!chain_head_write(key, txn, CHAIN_READS, &opening->reads_anchor, err))
            return false;
    }
    if (!opening->finding[0])
        return true;
    AuditRecord broken = audit_note(AUDIT_CHAIN_BROKEN, 500, opening->finding);
    WritesEnd end = { 0 };
    bool good = writes_append(key, txn, &end, &broken, err);
    writes_end_done(&end);
    if (good)
        opening->writes = end.last.number;
    return good;
}

static bool note_recovery(ReadsLog *reads, const Recovery *recovery, Err *err)
{
    if (recovery->finding[0]) {
        AuditRecord broken = audit_note(AUDIT_CHAIN_BROKEN, 500, recovery->finding);
        if (!reads_append(reads, &broken, err))
            return false;
    }
    if (recovery->cut_bytes) {
        char text[120];
        (void)snprintf(text, sizeof text, "%lld bytes of unfinished records after record %lld were cut off", (long long)recovery->cut_bytes, (long long)recovery->last.number);
        AuditRecord recovered = audit_note("AuditRecovered", 500, text);
        return reads_append(reads, &recovered, err);
    }
    return true;
}

static bool open_reads(Audit *audit, Store *store, const Opening *opening, const char *dir, Err *err)
{
    Recovery recovery;
    if (!reads_recover(audit->key, dir, &opening->base.reads.last, &opening->reads_anchor, opening->reads_head, &recovery, err))
        return false;
    if (opening->is_new && (recovery.size_bytes || recovery.cut_bytes || recovery.finding[0]))
        return err_set(err, ERR_CONFLICT, "the audit directory '%s' holds records of another database: move them away", dir);
    return reads_start(store, audit->key, dir, &recovery, &audit->reads, err) && note_recovery(audit->reads, &recovery, err);
}

bool audit_open(Store *store, Seal *seal, const char *dir, Audit **out, Err *err)
{
    Opening opening = { .seal = seal };
    Audit *audit = calloc(1, sizeof *audit);
    if (!audit)
        return err_set(err, ERR_INTERNAL, "out of memory");
    bool good = store_write(store, open_chain, &opening, err);
    audit->key = opening.key;
    audit->store = store;
    audit->dir = strdup(dir);
    good = good && (audit->dir || err_set(err, ERR_INTERNAL, "out of memory"));
    atomic_store(&audit->writes, opening.writes);
    if (!good || !open_reads(audit, store, &opening, dir, err)) {
        audit_close(audit);
        return false;
    }
    *out = audit;
    return true;
}

void audit_close(Audit *audit)
{
    if (!audit)
        return;
    reads_stop(audit->reads);
    writes_end_done(&audit->writes_end);
    secret_free(audit->key);
    free(audit->dir);
    free(audit);
}

Store *audit_store(const Audit *audit) { return audit->store; }
const char *audit_dir(const Audit *audit) { return audit->dir; }
const Secret *audit_key(const Audit *audit) { return audit->key; }
ReadsLog *audit_reads(const Audit *audit) { return audit->reads; }

static void write_committed(void *ctx, int64_t number)
{
    atomic_store_explicit(&((Audit *)ctx)->writes, number, memory_order_relaxed);
}

bool audit_write_numbered(Audit *audit, Txn *txn, const AuditRecord *record, int64_t *number, Err *err)
{
    if (!writes_append(audit->key, txn, &audit->writes_end, record, err))
        return false;
    *number = audit->writes_end.last.number;
    txn_after_commit(txn, write_committed, audit, *number);
    return true;
}

bool audit_write(Audit *audit, Txn *txn, const AuditRecord *record, Err *err)
{
    int64_t number;
    return audit_write_numbered(audit, txn, record, &number, err);
}

bool audit_read(Audit *audit, const AuditRecord *record, Err *err)
{
    return reads_append(audit->reads, record, err);
}

AuditStats audit_stats(Audit *audit)
{
    AuditStats stats = { .writes = atomic_load_explicit(&audit->writes, memory_order_relaxed) };
    reads_stats(audit->reads, &stats.reads, &stats.reads_unanchored);
    return stats;
}
