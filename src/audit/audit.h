/* audit.h - one record for each operation, before its answer, in one keyed hash chain.
 *
 * Writes: audit_write adds the record inside the operation's own transaction. Reads and refusals: audit_read appends to
 * an append-only file before the answer; it is on disk within 50 ms (one fdatasync for all that came meanwhile).
 * Records follow Key Vault's AuditEvent shape. Each carries a sequence number and HMAC-SHA256(chain key, previous MAC ||
 * record); the head (last number and MAC of both streams) is anchored, so `vaultyard audit verify` finds records that
 * were changed, removed, reordered or cut off at the end. */
#pragma once
#include "base/clock.h"
#include "store/seal.h"

typedef struct Audit Audit;

typedef struct AuditRecord {
    int64_t time_ms;
    Str resource_id;                /* ARM id of the vault, account, ... */
    Str operation;                  /* "SecretGet", "CertificateCreate", ... */
    Str category;                   /* "AuditEvent" */
    int http_status;
    Str result_description;         /* "" or the error's code */
    int64_t duration_ms;
    Str caller_ip, correlation_id;
    Str caller_object_id, caller_app_id, caller_tenant_id;   /* absent for a refused token */
    Str client_info;                /* User-Agent */
    Str request_uri, object_id;     /* never with a body or a token */
} AuditRecord;

bool audit_open(Store *store, Seal *seal, const char *dir, Audit **out, Err *err) MUST_CHECK;     /* the file of reads lies in dir */
void audit_close(Audit *audit);
bool audit_write(Audit *audit, Txn *txn, const AuditRecord *record, Err *err) MUST_CHECK;
bool audit_read(Audit *audit, const AuditRecord *record, Err *err) MUST_CHECK;                    /* false: the answer must not be sent */

typedef struct AuditReport { int64_t records; bool sound; char finding[256]; } AuditReport;
bool audit_verify(Store *store, Seal *seal, const char *dir, AuditReport *out, Err *err) MUST_CHECK;
