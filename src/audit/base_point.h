/* base_point.h - where the chains begin since their oldest records were trimmed (trim.h). Private to audit/.
 *
 * Both points are written by the same cut, in the transaction of the write that tells of it (AUDIT_TRIMMED), under
 * HMAC-SHA256(chain key, 'B' || stream || number || MAC of the last record removed || until || cut || count || noted). So a point cannot be
 * made up, and one that was put back is older than the last write that tells of a cut. */
#pragma once
#include "audit/chain.h"

#define AUDIT_TRIMMED "AuditTrimmed"       /* the operation of the record of a cut */

typedef struct BasePoint {
    ChainPoint last;                  /* the last record removed; number 0: none ever was */
    int64_t until_ms;                 /* the latest time in what was removed by this cut, or by one before */
    int64_t cut_ms;
    int64_t count;                    /* records that this cut removed */
    int64_t noted;                    /* number of the write that tells of it; 0: there was no cut */
} BasePoint;

typedef struct BasePoints {
    BasePoint writes, reads;
    const char *trouble;              /* NULL, or why they prove nothing; then all else is zero */
    ChainStream troubled;
} BasePoints;

bool base_points_read(const Secret *key, Txn *txn, BasePoints *out, Err *err) MUST_CHECK;
bool base_points_write(const Secret *key, Txn *txn, const BasePoints *points, Err *err) MUST_CHECK;
