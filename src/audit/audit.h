/* audit.h - one record for each operation, before its answer, in keyed hash chains.
 *
 * Writes: audit_write adds the record inside the operation's own transaction (table audit_record). Reads and refusals:
 * audit_read appends one JSON line to `reads.log` before the answer; a thread brings it to the disk within 50 ms (one
 * fdatasync for all that came meanwhile). A kill loses nothing; a power cut can lose the records of these last 50 ms.
 * Records follow Key Vault's AuditEvent shape.
 *
 * Each stream is a chain of its own: number from 1, and MAC = HMAC-SHA256(chain key, 'R' || stream || number || MAC of the
 * record before || record). The head (number and MAC of the last record) is anchored in the store under a MAC of its own,
 * so a head cannot be moved back to an earlier record. Writes anchor in their transaction; reads after each flush, at most
 * every 250 ms, and at audit_close. So audit_verify finds records that were changed, removed or reordered anywhere, and a
 * cut-off end of the reads up to the last anchor: records cut off within about 300 ms of being written, together with a
 * kill of the server, are not missed. Whoever can put back an older copy of database and files together, or has the root
 * key, is not found out.
 *
 * The file moves to reads-<first number>.log at AUDIT_FILE_BYTES. These belong to the chain: verification needs them all, from record 1
 * or from the base point that audit_trim (trim.h) leaves where it removed the oldest.
 * audit_open cuts off an unfinished last line and notes it with a record (AuditRecovered). Where the files or the store do
 * not fit their anchors it goes on after the anchor, and notes that too (AuditChainBroken): the service stays up, the
 * evidence stays, and audit_verify tells it from then on.
 *
 * A line of the file: {"number":7,"mac":"<64 hex digits>","record":{...}} */
#pragma once
#include "base/clock.h"
#include "store/seal.h"

enum { AUDIT_FILE_BYTES = 16 << 20, AUDIT_FLUSH_MS = 15, AUDIT_ANCHOR_MS = 250 };

typedef struct Audit Audit;

typedef struct AuditRecord {
    int64_t time_ms;
    Str resource_id;                /* ARM id of the vault, account, ... */
    Str operation;                  /* "SecretGet", "CertificateCreate", ... */
    Str operation_version;          /* the api-version, if any */
    Str category;                   /* "AuditEvent" */
    int http_status;
    Str result_description;         /* "" or the error's code */
    int64_t duration_ms;
    Str caller_ip, correlation_id;
    Str caller_object_id, caller_app_id, caller_tenant_id;   /* absent for a refused token */
    Str client_info;                /* User-Agent */
    Str request_uri, object_id;     /* never with a body or a token */
} AuditRecord;

bool audit_open(Store *store, Seal *seal, const char *dir, Audit **out, Err *err) MUST_CHECK;     /* the file of reads lies in dir, which exists */
void audit_close(Audit *audit);                                                                   /* before seal_close; NULL is fine */
/* Texts over a few KiB are cut, bytes that are not UTF-8 become '?'. */
bool audit_write(Audit *audit, Txn *txn, const AuditRecord *record, Err *err) MUST_CHECK;
bool audit_read(Audit *audit, const AuditRecord *record, Err *err) MUST_CHECK;                    /* false: the answer must not be sent */

/* Also beside a running server. `records`: how many were found sound, of both streams; `finding`: the first that is not. What the base points
 * prove to have been trimmed is in `writes` and `reads`. */
typedef struct AuditCut {
    int64_t number;                 /* records 1 to this one were removed; 0: none */
    int64_t until_ms, cut_ms;       /* they were made until then; when the last cut was */
    int64_t noted;                  /* the write that tells of it */
} AuditCut;
typedef struct AuditReport { int64_t records; bool sound; AuditCut writes, reads; char finding[256]; } AuditReport;
bool audit_verify(Store *store, Seal *seal, const char *dir, AuditReport *out, Err *err) MUST_CHECK;

typedef struct AuditStats { int64_t writes, reads, reads_unanchored; } AuditStats;               /* writes, reads: numbers of the last records */
AuditStats audit_stats(Audit *audit);
