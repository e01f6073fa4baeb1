/* trim.h - the oldest records removed, and the rest still proved whole.
 *
 * A cut removes records of both chains from their beginning up to a base point each (base_point.h), and is itself a write (AuditTrimmed). In this order,
 * so that a kill at any moment leaves what verifies: the records that are to go are read and proved; base points and the record of the
 * cut are committed together; then writes are deleted, a few in each transaction, and whole files of reads unlinked. What a kill left
 * over goes with the next call.
 *
 * What goes is the longest beginning of a chain whose records are all older: records of reads by the file (the current one is moved once it begins
 * with a record older than an eighth of `keep_ms`, a day at most, so that it can go). A record from the future was written while the clock was wrong: it
 * is as old as the next that is not. What does not prove whole stays, with all after it: a cut hides
 * nothing that audit_verify would find. */
#pragma once
#include "audit/tail.h"

enum { TRIM_BATCH = 512, TRIM_WRITES_MAX = 20000, TRIM_FILES_MAX = 32 };      /* deleted in a transaction; removed by one cut */

/* Lowers *most to what has been carried on: what comes after it stays. Runs in transactions. */
typedef bool AuditHoldFn(void *ctx, Txn *txn, AuditPlace *most, Err *err);

typedef struct AuditTrim {
    int64_t now_ms, keep_ms;
    AuditHoldFn *hold;              /* NULL: nothing is held */
    void *hold_ctx;
} AuditTrim;

typedef struct AuditTrimmed {
    int64_t writes, reads;          /* records that this cut removed */
    bool more;                      /* call again */
    bool held;                      /* some stay only because of `hold` */
    char stopped[256];              /* "" or what was found instead of the next record */
} AuditTrimmed;

/* One call at a time. false: the store or the disk failed; the next call goes on. */
bool audit_trim(Audit *audit, const AuditTrim *trim, AuditTrimmed *out, Err *err) MUST_CHECK;
