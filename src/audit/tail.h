/* tail.h - records in the order in which they were made, for those who carry them elsewhere.
 *
 * Nothing is verified here (audit_verify does): a record is given as it stands. At least once: who keeps the place after it has done its
 * work is given a record again when it was killed in between. */
#pragma once
#include "audit/audit.h"

typedef struct AuditPlace { int64_t writes, reads; } AuditPlace;      /* numbers of the last records seen of both streams */

AuditPlace audit_place_now(Audit *audit);
/* Those after *io, at most `max` of each stream; *io moves behind what `see` took. `record`: JSON text until see returns. *more: call again. */
typedef bool AuditSeeFn(void *ctx, Str record, Err *err);
bool audit_tail(Audit *audit, AuditPlace *io, int64_t max, AuditSeeFn *see, void *ctx, bool *more, Err *err) MUST_CHECK;
