/* writes.h - the chain of the writes in table audit_record. Private to audit/. */
#pragma once
#include "audit/chain.h"

/* Holds the last record against the anchored head. What does not fit is put in `finding` ("" otherwise), and the head is
 * moved so that the chain can go on after it. */
bool writes_recover(const Secret *key, Txn *txn, bool is_new, char *finding, size_t finding_size, int64_t *last, Err *err) MUST_CHECK;
/* Where the chain is in the transaction under way; zeroed at first, the same one for each record of a store. */
typedef struct WritesEnd { int64_t epoch; ChainPoint last; Hmac *hmac; } WritesEnd;
void writes_end_done(WritesEnd *end);
bool writes_append(const Secret *key, Txn *txn, WritesEnd *end, const AuditRecord *record, Err *err) MUST_CHECK;      /* end->last is the record */
