/* inside.h - what tail.c and trim.c need of an open Audit. Private to audit/. */
#pragma once
#include "audit/reads.h"

Store *audit_store(const Audit *audit);
const char *audit_dir(const Audit *audit);
const Secret *audit_key(const Audit *audit);
ReadsLog *audit_reads(const Audit *audit);
AuditRecord audit_note(const char *operation, int http_status, const char *description);          /* what the server itself has to say, now */
bool audit_write_numbered(Audit *audit, Txn *txn, const AuditRecord *record, int64_t *number, Err *err) MUST_CHECK;
