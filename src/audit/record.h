/* record.h - an audit record as JSON, in the shape of Key Vault's AuditEvent logs. Private to audit/. */
#pragma once
#include "audit/audit.h"
#include "base/buf.h"

enum { RECORD_MAX = 24 * 1024 };      /* bytes of JSON: every text is cut to fit */

/* Appends one line's worth of JSON, without a line break. */
bool record_put(Buf *out, const AuditRecord *record, Err *err) MUST_CHECK;
/* The time in what record_put wrote. */
bool record_time(Str record, int64_t *time_ms);
