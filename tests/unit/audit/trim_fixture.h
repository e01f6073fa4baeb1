/* trim_fixture.h - records of chosen times, and cuts at chosen times. */
#pragma once
#include "audit/trim.h"
#include "audit_fixture.h"

#define DAY_MS 86400000LL
#define T0 1700000000000LL

static inline void reads_at(Books *b, int count, int64_t time_ms)
{
    AuditRecord record = record_of("SecretGet");
    record.time_ms = time_ms;
    for (int i = 0; i < count; i++)
        must(audit_read(b->audit, &record, E));
}

typedef struct ManyWrites { WriteCall call; int count; } ManyWrites;

static inline bool do_audit_writes(Txn *txn, void *ctx, Err *err)
{
    ManyWrites *many = ctx;
    for (int i = 0; i < many->count; i++)
        if (!do_audit_write(txn, &many->call, err))
            return false;
    return true;
}

/* In one transaction: so many commits would wait for the disk, one after the other. */
static inline void writes_at(Books *b, int count, int64_t time_ms)
{
    ManyWrites many = { .call = { .audit = b->audit, .record = record_of("SecretSet") }, .count = count };
    many.call.record.time_ms = time_ms;
    must(store_write(b->place.store, do_audit_writes, &many, E));
}

/* Reads go once they are anchored: by the audit's own clock, or at its end. */
static inline void anchor(Books *b)
{
    if (audit_stats(b->audit).reads_unanchored == 0)
        return;
    books_shut_audit(b);
    must(audit_open(b->place.store, b->seal, b->dir, &b->audit, E));
}

/* A cut at that time, of what is older than a day. */
static inline AuditTrimmed cut_at(Books *b, int64_t now_ms)
{
    AuditTrim trim = { .now_ms = now_ms, .keep_ms = DAY_MS };
    AuditTrimmed out;
    anchor(b);
    must(audit_trim(b->audit, &trim, &out, E));
    return out;
}

/* It removes so many. */
static inline void cuts(Books *b, int64_t now_ms, int64_t writes, int64_t reads)
{
    AuditTrimmed out = cut_at(b, now_ms);
    assert_string_equal(out.stopped, "");
    assert_int_equal(out.writes, writes);
    assert_int_equal(out.reads, reads);
    assert_false(out.more);
}
